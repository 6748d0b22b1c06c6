// Owns the rules of a push that an operator has sent again: when it may be, how often, and what is remembered of it.

import { budgetDeferral } from './deferral.ts';
import type { Context, Draft } from './draft.ts';
import type { Fact } from './facts.ts';
import type { OperatorRefusal } from './reducer.ts';
import type { SessionState } from './session-state.ts';

/** Pushes of one second factor, the first included. `attempt` tells which; `lastAt` is epoch milliseconds. */
export type PushCount = { readonly attempt: number; readonly count: number; readonly lastAt: number };

/** A phone that was not reached by three is not reached by more. */
export const MOST_PUSHES = 3;
/** A push takes a while to arrive; two at once only confuse. */
export const PUSH_SPACING_MS = 30_000;

/** Begins to count when a push is shown. Called after every fact. */
export function settlePushes(d: Draft): void {
  const { phase, run } = d;
  if (run === null || phase.name !== 'awaiting-second-factor' || phase.method !== 'ib-key') return;
  // What an earlier agent remembered is of its last moment, and the past that is told begins with the first.
  if (run.pushes !== null && run.pushes.attempt >= phase.attempt) return;
  d.updateRun({ pushes: { attempt: phase.attempt, count: 1, lastAt: d.ctx.now } });
}

/**
 * Says why the push cannot be sent again now; null when it can. The budget is asked as for any push, and nobody may go beyond it. The
 * caller asks this in the same turn in which it charges the push.
 */
export function refuseResend(state: SessionState, ctx: Context): OperatorRefusal | null {
  const { phase, run } = state;
  const refuse = (code: OperatorRefusal['code'], message: string, hint: string): OperatorRefusal => ({
    code,
    message,
    hint,
    deferral: null,
  });
  if (phase.name !== 'awaiting-second-factor' || run === null) {
    return refuse(
      'wrong-state',
      `no second factor is pending: the session is ${phase.name}`,
      'ibctl status says how the session is',
    );
  }
  if (phase.method !== 'ib-key') {
    return refuse(
      'wrong-state',
      `the pending second factor is no notification of IBKR Mobile (${phase.method})`,
      'ibctl status says what is waited for',
    );
  }
  if (phase.detail === null || !run.windows) {
    return refuse(
      'windows-unseen',
      "the second factor's window is not seen, so its button cannot be pressed",
      'ibctl status says whether the window bridge is there',
    );
  }
  const { count, lastAt } = run.pushes ?? { count: 1, lastAt: state.since };
  if (count >= MOST_PUSHES) {
    return refuse(
      'wrong-state',
      `this second factor has had ${count} notifications, which is all that one may have`,
      'look why none arrives: the phone online, IBKR Mobile open and logged in? The next login begins anew',
    );
  }
  const freeAt = lastAt + PUSH_SPACING_MS;
  // A clock that was set back must not lock for longer than the spacing.
  if (ctx.now < freeAt && lastAt <= ctx.now) {
    const seconds = Math.ceil((freeAt - ctx.now) / 1000);
    return refuse(
      'wrong-state',
      `the last notification was sent only ${Math.floor((ctx.now - lastAt) / 1000)} s ago`,
      `give it time to arrive; another one is possible in ${seconds} s`,
    );
  }
  const spent = budgetDeferral(ctx.budget, 'push');
  if (spent === null) return null;
  return {
    code: 'login-deferred',
    message: spent.text,
    hint: 'nobody may go beyond this budget for a notification; ibctl plan shows when it frees',
    deferral: spent,
  };
}

/** Takes one step of sending again: asked for, charged and about to be pressed, pressed or perhaps, or certainly not. */
export function onResend(d: Draft, fact: Extract<Fact, { kind: 'push-resend' }>): void {
  const { run } = d;
  if (run === null) return;
  switch (fact.step) {
    case 'asked': {
      const refusal = refuseResend(d.snapshot(), d.ctx);
      if (refusal !== null && refusal.deferral !== null) d.emitDeferred(refusal.deferral, refusal.hint);
      return;
    }
    case 'pressing': {
      const { attempt, count } = run.pushes ?? { attempt: run.secondFactors, count: 1 };
      d.updateRun({ pushes: { attempt, count: count + 1, lastAt: d.ctx.now } });
      return;
    }
    case 'pressed':
    case 'uncertain':
      d.emit({
        event: 'second-factor-resent',
        fields: {
          IB_METHOD: 'ib-key',
          IB_ATTEMPT: String(run.secondFactors),
          IB_PUSH: String(run.pushes?.count ?? ''),
          IB_OUTCOME: fact.step,
        },
      });
      return;
    case 'not-pressed':
      if (run.pushes !== null && fact.before !== null && run.pushes.attempt === fact.before.attempt)
        d.updateRun({ pushes: fact.before });
      return;
  }
}
