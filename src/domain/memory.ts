// Owns what a session must not forget when the agent is restarted: that it is halted, that it waits, and what went wrong so far.

import { REASONS, type Reason } from './reasons.ts';
import type { SessionState } from './session-state.ts';

/** Times are epoch milliseconds. Beside ledger and wish this is all that is kept: everything else is seen again. */
export type SessionMemory = {
  readonly halted: { readonly reason: Reason; readonly text: string; readonly hint: string } | null;
  /** The next try of a session that backs off. */
  readonly retry: { readonly reason: Reason; readonly until: number } | null;
  /** Until when IBKR asked to keep away. */
  readonly lockedOutUntil: number | null;
  readonly streak: number;
  readonly missedSecondFactors: number;
  readonly refusals: number;
};

export const NO_MEMORY: SessionMemory = {
  halted: null,
  retry: null,
  lockedOutUntil: null,
  streak: 0,
  missedSecondFactors: 0,
  refusals: 0,
};

/** What of a state must be kept. */
export function memoryOf({ phase, reason, ...state }: SessionState): SessionMemory {
  return {
    halted:
      phase.name === 'halted' && reason !== null ? { reason, text: phase.text, hint: phase.hint } : null,
    retry: phase.name === 'backing-off' && reason !== null ? { reason, until: phase.until } : null,
    lockedOutUntil: state.lockedOutUntil,
    streak: state.streak,
    missedSecondFactors: state.missedSecondFactors,
    refusals: state.refusals,
  };
}

export function sameMemory(a: SessionMemory, b: SessionMemory): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The memory in a parsed file, or null when it is none. */
export function parseMemory(value: unknown): SessionMemory | null {
  if (!isRecord(value)) return null;
  const { halted, retry, lockedOutUntil, streak, missedSecondFactors, refusals } = value;
  if (!isCount(streak) || !isCount(missedSecondFactors) || !isCount(refusals)) return null;
  if (lockedOutUntil !== null && !isTime(lockedOutUntil)) return null;
  const counters = { lockedOutUntil, streak, missedSecondFactors, refusals };
  if (isRecord(halted)) {
    const { reason, text, hint } = halted;
    if (!isReason(reason) || typeof text !== 'string' || typeof hint !== 'string') return null;
    return { ...counters, halted: { reason, text, hint }, retry: null };
  }
  if (isRecord(retry)) {
    const { reason, until } = retry;
    if (!isReason(reason) || !isTime(until)) return null;
    return { ...counters, halted: null, retry: { reason, until } };
  }
  return halted === null && retry === null ? { ...counters, halted, retry } : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isReason(value: unknown): value is Reason {
  return typeof value === 'string' && Object.hasOwn(REASONS, value);
}
