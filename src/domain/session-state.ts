// Owns what a session's reducer remembers, and the table of allowed transitions between states.

import type { SecondFactorMethod, SessionStateName } from '../protocol/states.ts';
import type { HeldCondition } from './conditions.ts';
import type { DeviceChoice } from './device-choice.ts';
import type { LaunchKind, LaunchProblem, RefusalCause, SecondFactorDetail } from './facts.ts';
import type { Reason } from './reasons.ts';
import type { PushCount } from './resend.ts';
import { NOT_SIGHTED, type SecondFactorSight } from './second-factor-sight.ts';

/** What follows once the JVM that is being stopped has ended. */
export type AfterStop =
  | { readonly kind: 'stay-stopped'; readonly reason: Reason }
  | { readonly kind: 'halt'; readonly reason: Reason; readonly detail: string | null }
  /** `notBefore`: epoch milliseconds, when IBKR itself asked for a wait. */
  | { readonly kind: 'back-off'; readonly reason: Reason; readonly notBefore: number | null }
  /** `device`: of the operator who asked for this login. */
  | {
      readonly kind: 'launch';
      readonly launch: LaunchKind;
      readonly reason: Reason;
      readonly device?: string;
    };

export type Phase =
  | { readonly name: 'stopped' }
  | { readonly name: 'starting' }
  | { readonly name: 'logging-in' }
  | {
      readonly name: 'awaiting-second-factor';
      readonly method: SecondFactorMethod;
      readonly deadline: number;
      readonly attempt: number;
      /** What its window shows; null while that is not seen. */
      readonly detail: SecondFactorDetail | null;
    }
  | { readonly name: 'loading' }
  | { readonly name: 'ready' }
  | { readonly name: 'degraded' }
  | { readonly name: 'restarting'; readonly restart: LaunchKind; readonly stage: 'closing' | 'launching' }
  | { readonly name: 'backing-off'; readonly until: number; readonly launch: LaunchKind }
  | { readonly name: 'halted'; readonly text: string; readonly hint: string }
  | { readonly name: 'stopping' };

/** The codes that were handed in for one second factor. */
export type Codes = {
  /** How many logins of the run had gone on when this changed last: those ended earlier second factors. */
  readonly after: number;
  /** By ib-code; those of which it is not known whether they were are among them. */
  readonly made: number;
  /** By people. */
  readonly typed: number;
  /** Of ib-code, in a row, that certainly came to nothing. */
  readonly failed: number;
  /** Is being typed. */
  readonly busy: {
    readonly id: string;
    readonly by: 'ib-code' | 'operator';
    readonly step: number | null;
    readonly window: string;
  } | null;
  /** A message that a code was not accepted came while one was being typed. */
  readonly refused: string | null;
  /** One was handed in, and no window has opened since: the next one asks again for the same. */
  readonly returns: boolean;
  /** Submission of the login that they belong to. */
  readonly submission: number;
  /** Window in which the last one was handed in, without an answer yet. */
  readonly handed: string | null;
  /** Until when an answer to one is waited for that may not have been handed in; epoch milliseconds. */
  readonly silentUntil: number | null;
  /** When ib-code types the next one; epoch milliseconds. */
  readonly due: number | null;
  /** Why ib-code types none any more. */
  readonly givenUp: string | null;
};

export const NO_CODES: Codes = {
  after: 0,
  made: 0,
  typed: 0,
  failed: 0,
  busy: null,
  refused: null,
  returns: false,
  submission: 0,
  handed: null,
  silentUntil: null,
  due: null,
  givenUp: null,
};

/** Id of the order by which it is tried whether a code could be made for a launch. */
export function checkId(order: string): string {
  return `${order}.check`;
}

/** One life of the JVM, from the launch order to the exit report. */
export type Run = {
  readonly order: string;
  /** An earlier run of the agent began this life; what it told of it is not told again. */
  readonly adopted: boolean;
  readonly launch: LaunchKind;
  readonly startedAt: number;
  readonly pid: number | null;
  readonly gatewayVersion: string | null;
  readonly submissions: number;
  readonly secondFactors: number;
  /** Method of the second factor that was shown last and is neither accepted nor missed yet; null when there is none. */
  readonly secondFactor: SecondFactorMethod | null;
  readonly sight: SecondFactorSight;
  readonly codes: Codes;
  /** Second-factor device that its order names; null: the configured one. */
  readonly device: string | null;
  readonly choice: DeviceChoice;
  /** Pushes of the second factor that was shown last; null when it was none. */
  readonly pushes: PushCount | null;
  /** Whether its windows are seen. */
  readonly windows: boolean;
  /** Windows that wait for an answer, as they were seen. */
  readonly dialogs: readonly OpenDialog[];
  readonly loggedInAt: number | null;
  /** How often the log has told that the login went on. */
  readonly logins: number;
  /** Whether this run may ring the phone: the login it was `launched` for, one that came `again` by itself, or one that is `shown`. */
  readonly push: 'launched' | 'again' | 'shown' | null;
  /** Not null: we asked this JVM to end, and this follows when it has. */
  readonly afterExit: AfterStop | null;
  /** A restart of this JVM was asked through the gateway and is outstanding. */
  readonly restartAsked: {
    readonly at: number;
    readonly time: string | null;
    /** When it restarts, in epoch milliseconds; null until it is known. */
    readonly due: number | null;
  } | null;
  /** The gateway said that it is shutting down. */
  readonly shutdownSeen: boolean;
  /** What its lines said that the exit must be judged by. */
  readonly said: {
    readonly foreignCommand: string | null;
    readonly refusal: {
      readonly cause: RefusalCause;
      readonly text: string;
      readonly waitMs: number | null;
    } | null;
    readonly displaced: boolean;
    readonly fatal: number | null;
    readonly error: string | null;
    readonly problem: LaunchProblem | null;
  };
};

/** A window that nobody answers by itself. */
export type OpenDialog = {
  readonly window: string;
  readonly title: string;
  readonly text: string;
  readonly buttons: readonly string[];
};

export type ApiHealth = {
  readonly serverVersion: number | null;
  readonly accounts: readonly string[];
  readonly latencyMs: number | null;
  readonly checkedAt: number | null;
  /** null: not known, as before the first handshake. */
  readonly ok: boolean | null;
  /** What keeps it from being proven, for people. */
  readonly problem: string | null;
};

export type Farm = {
  readonly name: string;
  readonly kind: string;
  readonly ok: boolean | null;
  readonly since: number;
};

export type BrokerHealth = { readonly connected: boolean | null; readonly farms: readonly Farm[] };

export type SessionState = {
  readonly phase: Phase;
  readonly since: number;
  readonly reason: Reason | null;
  readonly desired: 'up' | 'down';
  readonly run: Run | null;
  readonly api: ApiHealth;
  readonly broker: BrokerHealth;
  readonly conditions: readonly HeldCondition[];
  /** Failures in a row; zero again once a session was ready for ten minutes or an operator acted. */
  readonly streak: number;
  readonly missedSecondFactors: number;
  readonly refusals: number;
  readonly launchFailures: number;
  /** Until when IBKR asked to keep away; epoch milliseconds. */
  readonly lockedOutUntil: number | null;
  /** Warm launches of the last hour, epoch milliseconds: bounds restarts that need no login. */
  readonly warmLaunches: readonly number[];
  /** A restart under way, for the event that ends it. */
  readonly restart: { readonly kind: LaunchKind; readonly since: number } | null;
  /** Whether the gateway left exactly one token when it last ended, so that it can come up without a login. */
  readonly token: boolean;
  /** Since when the running session has been ready; epoch milliseconds. */
  readonly readyAt: number | null;
  /** Unknown windows and conditions that events were already emitted for. */
  readonly announced: readonly string[];
  /** When the rule for the current phase runs out; epoch milliseconds. */
  readonly phaseDeadline: number | null;
  /** When the outstanding warm restart must have begun. */
  readonly restartDeadline: number | null;
  /** The administrator stopped the unit: the session stays down until an operator acts or the host boots, whatever is wanted. */
  readonly held: boolean;
  /** When it was told last that the password expires; epoch milliseconds. */
  readonly passwordToldAt: number | null;
  /** When a run was started last; epoch milliseconds. Tells whether an order to start one was carried out. */
  readonly lastStartedAt: number | null;
};

export const NO_API: ApiHealth = {
  serverVersion: null,
  accounts: [],
  latencyMs: null,
  checkedAt: null,
  ok: null,
  problem: null,
};
export const NO_BROKER: BrokerHealth = { connected: null, farms: [] };

export function initialState(now: number): SessionState {
  return {
    phase: { name: 'stopped' },
    since: now,
    reason: 'not-started',
    desired: 'down',
    run: null,
    api: NO_API,
    broker: NO_BROKER,
    conditions: [],
    streak: 0,
    missedSecondFactors: 0,
    refusals: 0,
    launchFailures: 0,
    lockedOutUntil: null,
    warmLaunches: [],
    restart: null,
    token: false,
    readyAt: null,
    announced: [],
    phaseDeadline: null,
    restartDeadline: null,
    held: false,
    passwordToldAt: null,
    lastStartedAt: null,
  };
}

/** Where any state with a live JVM may go when that is being ended, or has ended. */
const ENDINGS = ['restarting', 'stopping', 'backing-off', 'halted', 'stopped'] as const;

function withoutRestart(states: readonly SessionStateName[]): SessionStateName[] {
  return states.filter((state) => state !== 'restarting');
}

/** Every transition the reducer may make; staying is always allowed. docs/states.md is generated from this. */
export const TRANSITIONS: Readonly<Record<SessionStateName, readonly SessionStateName[]>> = {
  // `loading`, `stopping` and `restarting`: a session that an earlier run of the agent left so.
  stopped: ['starting', 'loading', 'restarting', 'stopping', 'backing-off', 'halted'],
  starting: ['logging-in', 'awaiting-second-factor', 'loading', 'ready', ...ENDINGS],
  'logging-in': ['awaiting-second-factor', 'loading', 'ready', ...ENDINGS],
  'awaiting-second-factor': ['logging-in', 'loading', 'ready', ...ENDINGS],
  loading: ['ready', 'degraded', 'awaiting-second-factor', 'logging-in', ...ENDINGS],
  ready: ['degraded', 'logging-in', 'awaiting-second-factor', ...ENDINGS],
  degraded: ['ready', 'logging-in', 'awaiting-second-factor', ...ENDINGS],
  restarting: [
    'logging-in',
    'awaiting-second-factor',
    'loading',
    'ready',
    'starting',
    ...withoutRestart(ENDINGS),
  ],
  'backing-off': ['starting', 'halted', 'stopped'],
  halted: ['starting', 'stopped'],
  stopping: ['stopped', 'halted', 'backing-off', 'starting', 'restarting'],
};

/** A run of which nothing is known yet. */
export const NEW_RUN: Omit<Run, 'order' | 'launch' | 'startedAt' | 'said'> = {
  adopted: false,
  pid: null,
  gatewayVersion: null,
  submissions: 0,
  secondFactors: 0,
  secondFactor: null,
  sight: NOT_SIGHTED,
  codes: NO_CODES,
  device: null,
  choice: { window: null, pickAt: null, unknown: null },
  pushes: null,
  windows: false,
  dialogs: [],
  loggedInAt: null,
  logins: 0,
  push: null,
  afterExit: null,
  restartAsked: null,
  shutdownSeen: false,
};

/** A JVM that has said nothing yet. */
export const NOTHING_SAID: Run['said'] = {
  foreignCommand: null,
  refusal: null,
  displaced: false,
  fatal: null,
  error: null,
  problem: null,
};
