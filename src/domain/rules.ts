// Owns what a session's rules take from its configuration; all durations in milliseconds.

import type { SecondFactorMethod } from '../protocol/states.ts';
import type { LoginLimits } from './ledger.ts';

export type SessionRules = {
  readonly mode: 'live' | 'paper';
  /** What the second factor is expected to be; `none` when IBKR asks for nothing (paper). */
  readonly secondFactorMethod: SecondFactorMethod | 'none';
  /** The entry of the device list to pick; null or left out: none. */
  readonly secondFactorDevice?: string | null;
  readonly restart: {
    readonly policy: 'always' | 'never';
    readonly backoffMinMs: number;
    readonly backoffMaxMs: number;
    readonly maxMissedSecondFactors: number;
  } & LoginLimits;
  readonly deadlines: {
    readonly startMs: number;
    readonly loginMs: number;
    readonly secondFactorMs: number;
    readonly loadingMs: number;
    readonly warmRestartMs: number;
    readonly stopMs: number;
    readonly termMs: number;
  };
};
