// Owns following a session to the end of what a caller asked for.

import type { SessionState } from '../domain/session-state.ts';
import type { Clock } from '../host/clock.ts';
import type { Outcome, Progress } from '../protocol/methods.ts';
import type { SessionLoop } from './session-loop.ts';
import { progressOf } from './view.ts';

/** Whether what was asked for has come true (`reached`), has become impossible without another call (`missed`), or neither. */
export type Verdict = 'reached' | 'missed' | 'pending';

/** Logged in and proven; anything that needs a person, or has to wait for another try, ends the following. */
export function judgeLogin(state: SessionState): Verdict {
  switch (state.phase.name) {
    case 'ready':
      return 'reached';
    case 'degraded':
    case 'halted':
    case 'stopped':
    case 'backing-off':
      return 'missed';
    default:
      return 'pending';
  }
}

export function judgeStop(state: SessionState): Verdict {
  return state.phase.name === 'stopped' ? 'reached' : state.desired === 'up' ? 'missed' : 'pending';
}

/** A restart is done when another JVM than the one of `order` is ready; it has failed when that JVM goes on. */
export function judgeRestart(order: string | null): (state: SessionState) => Verdict {
  return (state) => {
    if (state.run === null || state.run.order !== order) return judgeLogin(state);
    const still = state.phase.name === 'ready' || state.phase.name === 'degraded';
    return still && state.run.restartAsked === null ? 'missed' : 'pending';
  };
}

/** Whether an order to start or restart that was given at `at` (epoch milliseconds) has been carried out, however it went on. */
export function wasCarriedOut(state: SessionState, at: number): boolean {
  const times = [state.lastStartedAt, state.run?.restartAsked?.at, state.restart?.since];
  return times.some((time) => time != null && time >= at);
}

/** Of an order that was carried out: to the end of the restart that is under way, or else of the login. */
export function judgeUnderWay(state: SessionState): (state: SessionState) => Verdict {
  const { run, phase } = state;
  const restarts = run?.restartAsked != null || (phase.name === 'restarting' && phase.stage === 'closing');
  return restarts ? judgeRestart(run?.order ?? null) : judgeLogin;
}

/** For `wait`: back-off is only a stage on the way to ready, a halt is the end of it. */
export function judgeWait(
  target: 'ready' | 'stopped' | 'halted' | 'second-factor',
): (state: SessionState) => Verdict {
  return ({ phase, desired }) => {
    if (phase.name === target || (target === 'second-factor' && phase.name === 'awaiting-second-factor'))
      return 'reached';
    if (target === 'ready' && (phase.name === 'halted' || (phase.name === 'stopped' && desired === 'down')))
      return 'missed';
    return 'pending';
  };
}

/**
 * Tells each change of a session until the verdict is no longer `pending`, the signal aborts, or `timeoutMs` is over.
 * Resolves with how the session stands then; what was started goes on in any case.
 */
export async function followSession(
  loop: SessionLoop,
  judge: (state: SessionState) => Verdict,
  options: {
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly emit: (progress: Progress) => void;
    readonly timeoutMs?: number | undefined;
  },
): Promise<Outcome> {
  const { clock, signal, emit } = options;
  let told = '';
  const tell = (state: SessionState): Progress => {
    const progress = progressOf(loop.config, state, clock.now());
    const { at: _, ...lasting } = progress;
    const text = JSON.stringify(lasting);
    if (text !== told) emit(progress);
    told = text;
    return progress;
  };
  return await new Promise((resolve, reject) => {
    const finish = (verdict: Verdict) => {
      timer?.cancel();
      unwatch();
      signal.removeEventListener('abort', onAbort);
      resolve({ reached: verdict === 'reached', session: progressOf(loop.config, loop.state, clock.now()) });
    };
    const look = (state: SessionState) => {
      try {
        tell(state);
      } catch (error) {
        unwatch();
        timer?.cancel();
        signal.removeEventListener('abort', onAbort);
        reject(error);
        return;
      }
      const verdict = judge(state);
      if (verdict !== 'pending') finish(verdict);
    };
    const onAbort = () => finish('pending');
    const unwatch = loop.watch(look);
    const timer =
      options.timeoutMs === undefined
        ? null
        : clock.after(options.timeoutMs, () => finish(judge(loop.state)));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) finish('pending');
    else look(loop.state);
  });
}

/** How long IBKR may take for a code. */
const CODE_ANSWER_MS = 30_000;

/** What IBKR says to the code that was handed in last to the JVM of `order`. */
export function judgeCode(state: SessionState, order: string | null): CodeVerdict | null {
  const { phase, run } = state;
  if (run === null || run.order !== order || run.afterExit !== null) return 'rejected';
  if (run.loggedInAt !== null) return 'accepted';
  // Its window has closed. When it opens again, that was a refusal.
  if (phase.name !== 'awaiting-second-factor') return null;
  const { codes } = run;
  // No other one is typed while a person's waits for its answer.
  if (codes.busy?.by === 'ib-code') return 'rejected';
  if (codes.busy !== null) return null;
  return codes.handed === null || codes.handed !== phase.detail?.window ? 'rejected' : null;
}

export type CodeVerdict = 'accepted' | 'rejected' | 'unanswered';

/** Waits for what IBKR says to the code that was handed in just now. */
export function followCode(
  loop: SessionLoop,
  order: string | null,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<CodeVerdict> {
  return new Promise((resolve) => {
    const look = () => {
      const verdict = judgeCode(loop.state, order);
      if (verdict !== null) end(verdict);
    };
    const end = (verdict: CodeVerdict) => {
      unwatch();
      timer.cancel();
      signal.removeEventListener('abort', stop);
      resolve(verdict);
    };
    const stop = () => end('unanswered');
    const timer = clock.after(CODE_ANSWER_MS, () =>
      end(loop.state.phase.name === 'loading' ? 'accepted' : 'unanswered'),
    );
    const unwatch = loop.watch(look);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    else look();
  });
}
