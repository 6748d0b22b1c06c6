// Owns the port between a session's loop and whatever runs its processes.

import type { Fact } from '../domain/facts.ts';
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
      /** When it was written, in epoch milliseconds; left out: now. */
      readonly at?: number;
    }
  /** The display ended and nobody here asked for it. */
  | { readonly kind: 'display-exited'; readonly status: number | null; readonly signal: string | null }
  /** Somebody stops the session's unit; it may be us. */
  | { readonly kind: 'unit-stopping' }
  /** Exactly one for each `start`, after every line of that run. */
  | { readonly kind: 'exited'; readonly record: AfterRecord }
  /** Exactly one for each `askRestart`. */
  | Extract<Fact, { kind: 'restart-answer' }>;

/** A run as it is known from the agent's memory or from what its launcher published. `startedAt` is epoch milliseconds. */
export type KnownRun = Pick<LaunchOrder, 'id' | 'kind'> & { readonly startedAt: number };

/** An observation of the past; `at` is epoch milliseconds. */
export type TimedObservation = { readonly at: number; readonly observation: HostObservation };

/** What is left of the run that an earlier agent began. */
export type Recovery =
  /** There is none, or its processes could not outlive that agent and are gone now. */
  | { readonly kind: 'nothing' }
  /** It does not run, and there is no record that it ever did. */
  | { readonly kind: 'lost' }
  | {
      readonly kind: 'found';
      readonly run: KnownRun;
      /** Whether the record begins with the beginning. */
      readonly complete: boolean;
      /** What happened, in order; ends with `exited` when it is over. */
      readonly observations: readonly TimedObservation[];
      /** How often an event of each name was told of this run already. */
      readonly told: ReadonlyMap<string, number>;
    };

/** Runs the display and the JVM of one session. Nothing here throws: what goes wrong becomes an observation. */
export interface SessionHost {
  /** Whether a session goes on when the agent ends. */
  readonly outlivesAgent: boolean;
  /** Before the first `start`: takes up what an earlier agent left running, or ends it and removes the files it left. */
  recover(known: KnownRun | null): Promise<Recovery>;
  /** Starts the display if it is not up, then the launcher, which uses the order that is on disk. */
  start(order: LaunchOrder): void;
  /** Ends the JVM; always ends in `exited`. Asked again, it goes on from where it is. */
  stop(how: 'tidy' | 'signal'): void;
  stopDisplay(): void;
  /** Asks the gateway for a restart that keeps its token. */
  askRestart(): void;
  /** Tells those who wait for a session that is ready; called when that changes. */
  setReady(ready: boolean): void;
  /** Whether something is expected to happen soon, so that it is worth looking often. */
  expect(soon: boolean): void;
  /** Resolves once no process of the session is left, or, where sessions outlive the agent, once nothing is watched any more. */
  close(): Promise<void>;
  /** Pid of the JVM or its launcher; null when there is none or it is not known. */
  pid(): number | null;
  /** Directory of the cgroup that holds the session's processes and no others; null when there is none. */
  cgroup(): string | null;
  /** Whether what was asked is still being worked on within its time. */
  isWorking(): boolean;
}

export type HostListener = (observation: HostObservation) => void;
