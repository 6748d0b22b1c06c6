// Owns what each method of the control protocol does.

import type { Config } from '../config/types.ts';
import type { Handlers } from '../control/router.ts';
import { openDeviceList, refuseDevice } from '../domain/device-choice.ts';
import type { OperatorAction, Override } from '../domain/facts.ts';
import { MOST_PUSHES } from '../domain/resend.ts';
import type { SessionState } from '../domain/session-state.ts';
import type { Ring } from '../events/ring.ts';
import { type Clock, isoTime } from '../host/clock.ts';
import { type ProcessFigures, readCgroupFigures, readProcessFigures } from '../host/process-figures.ts';
import type { Notifier } from '../notify/notifier.ts';
import { AgentError } from '../protocol/errors.ts';
import { maskAccounts } from '../protocol/mask.ts';
import type { AgentStatus, EventRecord, LogLine, Outcome, Progress } from '../protocol/methods.ts';
import { AGENT_VERSION, PROTOCOL_VERSION } from '../protocol/version.ts';
import {
  followCode,
  followSession,
  judgeLogin,
  judgeRestart,
  judgeStop,
  judgeUnderWay,
  judgeWait,
  type Verdict,
  wasCarriedOut,
} from '../supervisor/follow.ts';
import type { LedgerStore } from '../supervisor/ledger-store.ts';
import { planOf } from '../supervisor/plan.ts';
import type { SessionLoop } from '../supervisor/session-loop.ts';
import { progressOf, statusOf } from '../supervisor/view.ts';
import { paintAll } from '../supervisor/window-picture.ts';
import { windowViewOf } from '../supervisor/window-view.ts';
import type { HostSampler } from './host-sampler.ts';

export type HandlerParts = {
  readonly config: Config;
  readonly clock: Clock;
  readonly loops: ReadonlyMap<string, SessionLoop>;
  readonly lines: ReadonlyMap<string, Ring<LogLine>>;
  readonly events: Ring<EventRecord>;
  readonly ledger: LedgerStore;
  readonly host: HostSampler;
  readonly notifier: Pick<Notifier, 'list' | 'test'>;
  readonly startedAt: number;
  readonly supervisor: AgentStatus['supervisor'];
  /** Puts what earlier runs of the agent told in front of `events`, and of a session's `lines`; reads it once. */
  readonly recallEvents: () => Promise<void>;
  readonly recallLines: (loop: SessionLoop) => Promise<void>;
};

/** A piece of a picture as base64 is far below the limit of a frame, and all of them below what may wait for one peer. */
const PICTURE_PIECE = 192 * 1024;
const LONGEST_PICTURE = 5 * 1024 * 1024;

/** What following a session needs of a call; every method that streams progress has it. */
type ProgressCall = { readonly signal: AbortSignal; emit(item: Progress): void };

export function makeHandlers(parts: HandlerParts): Handlers {
  const { clock, loops } = parts;
  const samples = new Map<string, ProcessFigures>();

  const follow = (
    loop: SessionLoop,
    judge: (state: SessionState) => Verdict,
    call: ProgressCall,
    timeoutMs?: number,
  ): Promise<Outcome> =>
    followSession(loop, judge, { clock, signal: call.signal, emit: (item) => call.emit(item), timeoutMs });

  /** Carries out the action; an outcome that nobody follows says whether it is true already. */
  const operate = async (
    params: {
      readonly session?: string | undefined;
      readonly follow: boolean;
      readonly askedAt?: string | undefined;
      readonly device?: string | undefined;
    },
    call: ProgressCall,
    action: OperatorAction,
    judgeFrom: (loop: SessionLoop) => (state: SessionState) => Verdict,
    override: Override | null = null,
  ): Promise<Outcome> => {
    const loop = findLoop(loops, params.session);
    // Asked again after the agent was away: a login that failed meanwhile must not become two.
    const before = params.askedAt === undefined ? null : Date.parse(params.askedAt);
    if (before !== null && action !== 'stop' && wasCarriedOut(loop.state, before)) {
      const judge = judgeUnderWay(loop.state);
      if (params.follow) return await follow(loop, judge, call);
      return { reached: judge(loop.state) === 'reached', session: progressNow(loop) };
    }
    const judge = judgeFrom(loop);
    const { device = null } = params;
    const chooses = device !== null && action !== 'restart-cold' && openDeviceList(loop.state.phase) !== null;
    // A list that is still open was not answered; one that is gone was, perhaps by the call that was lost.
    const wasChosen = before !== null && device !== null && !chooses && refuseDevice(loop.state) !== null;
    if (chooses && device !== null) await loop.chooseDevice(device);
    else if (!wasChosen) loop.operate(action, override, device);
    if (params.follow) return await follow(loop, judge, call);
    return { reached: judge(loop.state) === 'reached', session: progressNow(loop) };
  };
  const progressNow = (loop: SessionLoop): Progress => progressOf(loop.config, loop.state, clock.now());

  const processView = (loop: SessionLoop) => {
    const { pid, cgroup } = loop;
    if (pid === null) {
      samples.delete(loop.config.name);
      return { pid: null, rssBytes: null, cpuPercent: null, startedAt: null };
    }
    const previous = samples.get(loop.config.name);
    // /proc of another user's process is not to be seen from the agent's unit; its cgroup is.
    const figures =
      cgroup === null
        ? readProcessFigures(pid, clock, previous)
        : { ...readCgroupFigures(cgroup, clock, previous), startedAt: loop.state.run?.startedAt ?? null };
    samples.set(loop.config.name, figures);
    return { pid, rssBytes: figures.rssBytes, cpuPercent: figures.cpuPercent, startedAt: figures.startedAt };
  };

  return {
    status: async ({ session, showAccounts }, call) => {
      if (showAccounts) requireOperator(call.actor.access);
      const chosen = session === undefined ? [...loops.values()] : [findLoop(loops, session)];
      return {
        agent: {
          version: AGENT_VERSION,
          pid: process.pid,
          startedAt: isoTime(parts.startedAt),
          supervisor: parts.supervisor,
          protocol: PROTOCOL_VERSION,
          host: parts.host.latest(),
        },
        sessions: chosen.map((loop) =>
          statusOf(loop.config, loop.state, {
            now: clock.now(),
            budget: parts.ledger.budget(loop.config.user, loop.config.restart, loop.config.name),
            process: processView(loop),
            showAccounts,
          }),
        ),
      };
    },
    plan: async ({ session }) => {
      const all = [...loops.values()];
      const chosen = session === undefined ? all : [findLoop(loops, session)];
      return planOf(chosen, all, parts.ledger, clock.now());
    },
    login: (params, call) => operate(params, call, 'login', () => judgeLogin, overrideOf(params, call.actor)),
    start: (params, call) => operate(params, call, 'start', () => judgeLogin, overrideOf(params, call.actor)),
    stop: (params, call) => operate(params, call, 'stop', () => judgeStop),
    restart: (params, call) => {
      if (params.device !== undefined && !params.cold) {
        throw new AgentError(
          'invalid-params',
          'a warm restart asks for no second factor, so it takes no device',
          {
            hint: 'add --cold',
          },
        );
      }
      return operate(params, call, params.cold ? 'restart-cold' : 'restart-warm', (loop) =>
        judgeRestart(loop.state.run?.order ?? null),
      );
    },
    wait: async (params, call) => {
      const outcome = await follow(
        findLoop(loops, params.session),
        judgeWait(params.for),
        call,
        params.timeoutMs,
      );
      if (outcome.reached || params.timeoutMs === undefined || judgeWaitEnded(outcome, params.for))
        return outcome;
      if (outcome.session.state === 'awaiting-second-factor') {
        throw new AgentError(
          'second-factor-pending',
          `${outcome.session.session} still waits for the second factor`,
          {
            hint: 'ibctl status says what it asks for, and what to do',
          },
        );
      }
      throw new AgentError(
        'timed-out',
        `${outcome.session.session} is ${outcome.session.state}, not ${params.for}`,
        {
          hint: 'ibctl status says why',
        },
      );
    },
    events: async ({ session, since, limit, follow: more }, call) => {
      if (session !== undefined) findLoop(loops, session);
      if (limit > 0) await parts.recallEvents();
      const wanted = (event: EventRecord) => session === undefined || event.session === session;
      const kept = parts.events
        .items()
        .filter(
          (event) => wanted(event) && (since === undefined || Date.parse(event.at) >= Date.parse(since)),
        );
      for (const event of limit === 0 ? [] : kept.slice(-limit)) call.emit(event);
      const dropped = parts.events.dropped;
      if (more) await relay(parts.events, wanted, (event) => call.emit(event), call.signal);
      return { dropped };
    },
    logs: async ({ session, lines, follow: more, showAccounts }, call) => {
      if (showAccounts) requireOperator(call.actor.access);
      const loop = findLoop(loops, session);
      const ring = parts.lines.get(loop.config.name);
      if (ring === undefined) return { dropped: 0 };
      if (lines > 0) await parts.recallLines(loop);
      const tell = (line: LogLine) =>
        call.emit(showAccounts ? line : { ...line, text: maskAccounts(line.text) });
      for (const line of lines === 0 ? [] : ring.items().slice(-lines)) tell(line);
      const dropped = ring.dropped;
      if (more) await relay(ring, () => true, tell, call.signal);
      return { dropped };
    },
    'notify-list': async () => ({ targets: [...parts.notifier.list()] }),
    'notify-test': async ({ target, event }, call) => ({
      results: [...(await parts.notifier.test({ target, event, signal: call.signal }))],
    }),
    windows: async ({ session }, call) => {
      const loop = findLoop(loops, session);
      const windows = await loop.windows.list();
      for (const window of windows) call.emit(windowViewOf(window));
      return { session: loop.config.name, count: windows.length };
    },
    code: async ({ session, code, askedAt }, { signal }) => {
      const loop = findLoop(loops, session);
      refuseRepeated(askedAt, 'the code was typed', 'ibctl status');
      const { run } = loop.state;
      await loop.giveCode(code);
      const verdict = await followCode(loop, run?.order ?? null, { clock, signal });
      return { session: loop.config.name, verdict };
    },
    'window-click': async ({ session, window, button, askedAt }) => {
      const loop = findLoop(loops, session);
      refuseRepeated(askedAt, 'the button was pressed', 'ibctl windows');
      await loop.clickWindow(window, button);
      return { session: loop.config.name, window, button };
    },
    'second-factor-resend': async ({ session, askedAt }) => {
      const loop = findLoop(loops, session);
      refuseRepeated(askedAt, 'the notification was sent again', 'ibctl status, and on the phone');
      await loop.resendPush();
      const { phase, run } = loop.state;
      const deadline = phase.name === 'awaiting-second-factor' ? phase.deadline : clock.now();
      return {
        session: loop.config.name,
        pushes: run?.pushes?.count ?? 1,
        mostPushes: MOST_PUSHES,
        deadline: isoTime(deadline),
      };
    },
    screenshot: async ({ session, window }, call) => {
      const loop = findLoop(loops, session);
      const { display } = loop.config;
      const picture =
        window === undefined ? await paintAll(loop.windows, display) : await loop.windows.paint(window);
      const { width, height, png } = picture;
      if (png.length > LONGEST_PICTURE) {
        throw new AgentError('frame-too-large', `the picture has ${png.length} bytes`, {
          hint: 'take one window: ibctl screenshot --window',
        });
      }
      for (let at = 0; at < png.length; at += PICTURE_PIECE) {
        call.emit({ data: png.subarray(at, at + PICTURE_PIECE).toString('base64') });
      }
      return { session: loop.config.name, width, height, bytes: png.length };
    },
  };
}

/** Who wants the login budget overridden; null when nobody does. */
function overrideOf(
  { override }: { readonly override: boolean },
  { uid, pid }: { readonly uid: number | null; readonly pid: number | null },
): Override | null {
  return override ? { uid, pid } : null;
}

/** A press, or a code, cannot be found out about afterwards, and twice may be once too often. */
function refuseRepeated(askedAt: string | undefined, what: string, look: string): void {
  if (askedAt === undefined) return;
  throw new AgentError('connection-lost', `the agent was restarted: it is not known whether ${what}`, {
    hint: `see what shows now: ${look}`,
  });
}

/** Hands on what comes until the signal aborts. */
function relay<T>(
  ring: Ring<T>,
  wanted: (item: T) => boolean,
  tell: (item: T) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      stop();
      resolve();
    };
    const stop = ring.subscribe((item) => {
      try {
        if (wanted(item)) tell(item);
      } catch (error) {
        stop();
        signal.removeEventListener('abort', end);
        reject(error);
      }
    });
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

/** Whether the wait ended because its target became impossible rather than because time ran out. */
function judgeWaitEnded(outcome: Outcome, target: string): boolean {
  const { state } = outcome.session;
  return target === 'ready' && (state === 'halted' || state === 'stopped');
}

function requireOperator(access: string): void {
  if (access === 'operate') return;
  throw new AgentError('not-allowed', 'account ids are shown to operators only', {
    hint: 'leave --show-accounts out',
  });
}

/** The session of this name, or the only one there is. */
function findLoop(loops: ReadonlyMap<string, SessionLoop>, name: string | undefined): SessionLoop {
  const names = [...loops.keys()];
  if (name === undefined) {
    const [only, ...others] = loops.values();
    if (only !== undefined && others.length === 0) return only;
    throw new AgentError(
      'session-name-needed',
      only === undefined ? 'no session is configured' : `there are ${names.length} sessions: name one`,
      {
        hint:
          only === undefined
            ? 'add one to the configuration, then restart the agent'
            : `one of: ${names.join(', ')}`,
      },
    );
  }
  const loop = loops.get(name);
  if (loop !== undefined) return loop;
  throw new AgentError('unknown-session', `there is no session ${JSON.stringify(name)}`, {
    hint: names.length === 0 ? 'no session is configured' : `configured: ${names.join(', ')}`,
  });
}
