// Owns the port between a session's loop and whatever runs its processes.

import type { AfterRecord, LaunchOrder } from '../gateway/launch-records.ts';

/** What a host sees of a session's processes, in the order in which it happened. */
export type HostObservation =
  /** The launcher runs; it becomes the JVM under the same pid. */
  | { readonly kind: 'launched'; readonly pid: number }
  | {
      readonly kind: 'line';
      readonly source: 'session' | 'display';
      readonly stream: 'stdout' | 'stderr';
      readonly text: string;
    }
  /** The display ended and nobody here asked for it. */
  | { readonly kind: 'display-exited'; readonly status: number | null; readonly signal: string | null }
  /** Exactly one for each `start`, after every line of that run. */
  | { readonly kind: 'exited'; readonly record: AfterRecord }
  /** Exactly one for each `askRestart`. */
  | { readonly kind: 'restart-answer'; readonly accepted: boolean; readonly detail: string };

/** Runs the display and the JVM of one session. Nothing here throws: what goes wrong becomes an observation. */
export interface SessionHost {
  /** Starts the display if it is not up, then the launcher, which uses the order that is on disk. */
  start(order: LaunchOrder): void;
  /** Ends the JVM; always ends in `exited`. Asked again, it goes on from where it is. */
  stop(how: 'tidy' | 'signal'): void;
  stopDisplay(): void;
  /** Ends what an earlier agent left running of the session, and removes the files it left. Before the first `start`. */
  reapLeftovers(): Promise<void>;
  /** Asks the gateway for a restart that keeps its token. */
  askRestart(): void;
  /** Resolves once no process of the session is left; kills what does not go by itself. */
  close(): Promise<void>;
  /** Pid of the JVM or its launcher; null when there is none. */
  pid(): number | null;
}

export type HostListener = (observation: HostObservation) => void;
