// Owns the facts that can reach a session's reducer: everything the outside world can tell it, as data.

import type { SecondFactorMethod } from '../protocol/states.ts';
import type { SessionMemory } from './memory.ts';
import type { PushCount } from './resend.ts';

export type LaunchKind = 'warm' | 'cold';

/** How a JVM ended and what it left behind; `status` 0–255 or null, `signal` such as `SIGKILL` or null. */
export type ExitReport = {
  readonly status: number | null;
  readonly signal: string | null;
  readonly coldRestart: boolean;
  readonly pause: boolean;
  readonly tokens: 'none' | 'one' | 'several';
  /** Whether the launcher became java; when not, nothing can have been submitted. */
  readonly executed: boolean;
  /** The last line it wrote before the gateway came up, where java itself complains; null when there was none. */
  readonly lastError: string | null;
};

/** Why a launcher did not become its program. `temporary`: another try may succeed although nobody mended anything. */
export type LaunchProblem = {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly temporary: boolean;
};

export type RefusalCause =
  | 'credentials'
  | 'login-failed'
  | 'login-error'
  | 'connection-failed'
  | 'locked-out'
  | 'invalidated';

/** What became of a code that was to be typed. `why` is a word for records, `detail` for people; `hopeless`: trying again mends nothing. */
export type CodeTyped =
  | { readonly kind: 'typed' }
  /** It may have been typed. */
  | { readonly kind: 'uncertain' }
  | {
      readonly kind: 'not-typed';
      readonly why: string;
      readonly detail: string;
      readonly hopeless: boolean;
    };

/** What the kernel says of the system's clock; null: it does not say. */
export type ClockState = { readonly synchronised: boolean | null; readonly errorMs: number | null };

/** `offsetMs`: this host's clock less that of `host`, which may be wrong by `uncertaintyMs` either way. */
export type ClocksCompared =
  | {
      readonly kind: 'compared';
      readonly offsetMs: number;
      readonly uncertaintyMs: number;
      readonly host: string;
    }
  | { readonly kind: 'failed'; readonly detail: string };

/** A person who takes a login beyond the budget on himself; null where the kernel names nobody. */
export type Override = { readonly uid: number | null; readonly pid: number | null };

/** What the window of a second factor shows. `window` is its id, for whoever is to type into it. */
export type SecondFactorDetail = {
  readonly window: string;
  /** The line that says what to type or do, as it is shown. */
  readonly prompt: string | null;
  /** With IB Key challenge/response the number for the phone, digits only; with a code card its places, such as `12, 34`. */
  readonly challenge: string | null;
  /** Entries of the device list, without blanks around them. */
  readonly devices: readonly string[] | null;
  /** With a code: whether it is one of the authenticator app; null: the window does not tell. */
  readonly app: boolean | null;
};

export type OperatorAction = 'login' | 'start' | 'stop' | 'restart-warm' | 'restart-cold';

/** What the gateway's output or windows say, in words that hold for every gateway kind and driver. */
export type GatewayFact =
  | { readonly kind: 'gateway-up'; readonly version: string }
  | { readonly kind: 'login-dialog' }
  | { readonly kind: 'login-submitted'; readonly number: number }
  | { readonly kind: 'restored' }
  | { readonly kind: 'main-window' }
  /**
   * A line of the log tells that there is one, its window which one, and both tell of the same: `detail` marks what comes from a window. Told
   * again for a window when what it shows has changed.
   */
  | {
      readonly kind: 'second-factor-shown';
      readonly method: SecondFactorMethod | null;
      readonly detail?: SecondFactorDetail;
    }
  /** Its window has closed, whatever came of it. */
  | { readonly kind: 'second-factor-closed'; readonly window: string }
  /** A message says that the code was not accepted: in the code's window, or in one of its own. */
  | { readonly kind: 'second-factor-code-rejected'; readonly window: string; readonly text: string }
  | { readonly kind: 'passkey-required'; readonly text: string }
  /** The driver picked an entry of the device list; what was shown was that list. */
  | { readonly kind: 'second-factor-device-chosen' }
  | { readonly kind: 'second-factor-answered' }
  | { readonly kind: 'second-factor-timed-out' }
  | { readonly kind: 'second-factor-device-unknown'; readonly text: string }
  | { readonly kind: 'logged-in' }
  | {
      readonly kind: 'login-refused';
      readonly cause: RefusalCause;
      readonly text: string;
      readonly waitMs: number | null;
    }
  /** `asks`: the dialog waits for a person. */
  | { readonly kind: 'existing-session'; readonly decision: 'continues' | 'ends' | 'asks' }
  | { readonly kind: 'relogin-required' }
  | { readonly kind: 'tokens-expired'; readonly text: string }
  /** `days` is null when the text does not tell. */
  | { readonly kind: 'password-expiring'; readonly days: number | null; readonly text: string }
  /** `ends`: the login cannot go on with this version. */
  | { readonly kind: 'upgrade-required'; readonly text: string; readonly ends: boolean }
  | { readonly kind: 'command'; readonly command: string }
  | { readonly kind: 'restart-time'; readonly time: string }
  | { readonly kind: 'shutdown-started' }
  | { readonly kind: 'command-server'; readonly up: boolean }
  | { readonly kind: 'fatal'; readonly code: number }
  | { readonly kind: 'gateway-error'; readonly text: string }
  /** A line of the log tells of a window that it does not know; nothing but its title is known. */
  | { readonly kind: 'dialog'; readonly title: string; readonly open: boolean }
  /** A window that nobody answers by itself, as it was seen. */
  | {
      readonly kind: 'unknown-dialog';
      readonly window: string;
      readonly title: string;
      readonly text: string;
      readonly buttons: readonly string[];
      readonly open: boolean;
    }
  /** The agent pressed a button by itself, as its rule and the configuration allow. `rule` is the rule's id. */
  | {
      readonly kind: 'dialog-answered';
      readonly rule: string;
      readonly title: string;
      readonly button: string;
    }
  /** Whether windows are seen at all. `detail` says why not. */
  | { readonly kind: 'bridge'; readonly up: boolean; readonly detail: string }
  /** The JVM's event thread does not answer; it did last `sinceMs` ago. */
  | { readonly kind: 'gui-frozen'; readonly sinceMs: number }
  | { readonly kind: 'gui-responsive' };

export type ApiFact =
  | { readonly kind: 'api-handshake'; readonly serverVersion: number }
  | { readonly kind: 'api-accounts'; readonly accounts: readonly string[] }
  | { readonly kind: 'api-latency'; readonly ms: number }
  | { readonly kind: 'api-unresponsive'; readonly sinceMs: number }
  | { readonly kind: 'api-mute' }
  | { readonly kind: 'api-down'; readonly detail: string }
  /** Another user's program answers on the API port; nothing it says was believed. */
  | { readonly kind: 'api-foreign' }
  | { readonly kind: 'api-client-id-in-use' }
  /** `connected`: 1101, 1102; `lost`: 1100, 2110. `dataLost`: 1101 (subscriptions are gone). */
  | { readonly kind: 'broker'; readonly connected: boolean; readonly dataLost: boolean }
  | { readonly kind: 'farm'; readonly name: string; readonly farmKind: string; readonly ok: boolean | null };

/**
 * What became of the run that an earlier agent left. `nothing`: there is none, or it ended with its host. `replay`: all it said since its
 * beginning follows as facts. `running`: its JVM is there, but its beginning is not on record. `lost`: no JVM is there, and no record of an end.
 */
export type FoundRun = 'nothing' | 'replay' | 'running' | 'lost';

/**
 * Why a gateway cannot be asked to restart without a login. `not-running`: no JVM of this run yet. `no-bridge`, `gone`: its windows cannot
 * be reached, or not any more. `no-main-window`, `missing`: it does not show what is needed. `busy`: somebody has its configuration open.
 * `changed`: its windows changed meanwhile. `unrecorded`: what is to be set back could not be written. `refused`: IBC refused.
 */
export type RestartRefusal =
  | 'not-running'
  | 'no-bridge'
  | 'gone'
  | 'no-main-window'
  | 'missing'
  | 'busy'
  | 'changed'
  | 'frozen'
  | 'unrecorded'
  | 'refused'
  | 'failed';

export type Fact =
  /** `memory`: what an earlier run of the agent left; absent when it left nothing. */
  | {
      readonly kind: 'agent-started';
      readonly desired: 'up' | 'down';
      readonly memory?: SessionMemory;
      readonly found?: FoundRun;
    }
  /** The record of what happened while no agent looked has been read to its end. */
  | { readonly kind: 'replayed' }
  | { readonly kind: 'agent-stopping' }
  /**
   * `override`: who lets one login through although the budget is used up; for `login` and `start`. `device`: which second-factor device
   * the login that this leads to is to use.
   */
  | {
      readonly kind: 'operator';
      readonly action: OperatorAction;
      readonly override?: Override | null;
      readonly device?: string | null;
    }
  /** An entry of the device list was chosen through its window. */
  | { readonly kind: 'device-picked'; readonly device: string; readonly by: 'agent' | 'operator' }
  /** An operator wants the push once more. `before`: what was counted before, should nothing have been pressed. */
  | { readonly kind: 'push-resend'; readonly step: 'asked' | 'pressing' | 'pressed' | 'uncertain' }
  | { readonly kind: 'push-resend'; readonly step: 'not-pressed'; readonly before: PushCount | null }
  /** No other session of the user waits for a second factor any more. */
  | { readonly kind: 'push-free' }
  | { readonly kind: 'launched'; readonly pid: number }
  | { readonly kind: 'launch-failed'; readonly problem: LaunchProblem }
  | { readonly kind: 'display-exited'; readonly status: number | null; readonly signal: string | null }
  /** The unit is being stopped by somebody; when not by us, by the administrator or the end of the system. */
  | { readonly kind: 'unit-stopping' }
  | { readonly kind: 'exited'; readonly report: ExitReport }
  /** `at`: epoch milliseconds of the restart; null: not told. */
  | {
      readonly kind: 'restart-answer';
      readonly accepted: true;
      readonly at: number | null;
      readonly detail: string;
    }
  | {
      readonly kind: 'restart-answer';
      readonly accepted: false;
      readonly why: RestartRefusal;
      readonly detail: string;
    }
  | { readonly kind: 'state-unwritable'; readonly detail: string }
  /** Whether what happened could be recorded on disk; told when that changes. */
  | { readonly kind: 'records'; readonly ok: boolean; readonly detail: string }
  /** A person hands in a code, which is typed under this id. */
  | { readonly kind: 'code-given'; readonly id: string }
  /** `id`: of what was ordered, or given. */
  | {
      readonly kind: 'code-result';
      readonly id: string;
      readonly outcome: CodeTyped;
      readonly clock: ClockState | null;
    }
  /** Whether a code could be made, tried while the gateway comes up. */
  | {
      readonly kind: 'code-checked';
      readonly id: string;
      readonly outcome: CodeTyped;
      readonly clock: ClockState;
    }
  | { readonly kind: 'clock-compared'; readonly comparison: ClocksCompared }
  | { readonly kind: 'timer' }
  | GatewayFact
  | ApiFact;
