// Owns what a session must not forget when the agent is restarted: that it is halted, that it waits, what went wrong, and what runs.

import { isRecord } from '../protocol/json.ts';
import { REASONS, type Reason } from './reasons.ts';
import type { PushCount } from './resend.ts';
import { type AfterStop, type Codes, NO_CODES, type Run, type SessionState } from './session-state.ts';

/** A run of which the agent has to know the end, however often it is restarted meanwhile. */
export type RunMemory = Pick<
  Run,
  'order' | 'launch' | 'startedAt' | 'loggedInAt' | 'afterExit' | 'restartAsked' | 'codes'
> & {
  readonly readyAt: SessionState['readyAt'];
  readonly restart: SessionState['restart'];
  /** Left out: none, also in a file of version 0.1. */
  readonly device?: string;
  readonly pushes?: PushCount;
};

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
  /** Worth something until the host boots again, like `held`. */
  readonly run: RunMemory | null;
  readonly held: boolean;
  readonly lastStartedAt: number | null;
};

export const NO_MEMORY: SessionMemory = {
  halted: null,
  retry: null,
  lockedOutUntil: null,
  streak: 0,
  missedSecondFactors: 0,
  refusals: 0,
  run: null,
  held: false,
  lastStartedAt: null,
};

/** What of a state must be kept. */
export function memoryOf(state: SessionState): SessionMemory {
  const { phase, reason } = state;
  return {
    halted:
      phase.name === 'halted' && reason !== null ? { reason, text: phase.text, hint: phase.hint } : null,
    retry: phase.name === 'backing-off' && reason !== null ? { reason, until: phase.until } : null,
    lockedOutUntil: state.lockedOutUntil,
    streak: state.streak,
    missedSecondFactors: state.missedSecondFactors,
    refusals: state.refusals,
    run: state.run === null ? null : rememberRun(state.run, state),
    held: state.held,
    lastStartedAt: state.lastStartedAt,
  };
}

export function sameMemory(a: SessionMemory, b: SessionMemory): boolean {
  return isSame(a, b);
}

/** Asked at every fact, of which few change anything: what is the same object is not looked into. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!isRecord(a) || !isRecord(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => isSame(a[key], b[key]));
}

/** The memory without what ended when the host did. */
export function memoryAfterBoot(memory: SessionMemory): SessionMemory {
  return { ...memory, run: null, held: false };
}

/** A run of which only what its launcher left on record is known. */
export function minimalRun(known: Pick<RunMemory, 'order' | 'launch' | 'startedAt'>): RunMemory {
  return {
    ...known,
    loggedInAt: null,
    afterExit: null,
    restartAsked: null,
    codes: NO_CODES,
    readyAt: null,
    restart: null,
  };
}

/** The memory in a parsed file, or null when it is none. */
export function parseMemory(value: unknown): SessionMemory | null {
  if (!isRecord(value)) return null;
  const { halted, retry, lockedOutUntil, streak, missedSecondFactors, refusals } = value;
  if (!isCount(streak) || !isCount(missedSecondFactors) || !isCount(refusals)) return null;
  if (lockedOutUntil !== null && !isTime(lockedOutUntil)) return null;
  // A file of version 0.1 has none of the three.
  const run = value['run'] == null ? null : parseRun(value['run']);
  if (run === undefined) return null;
  const kept = {
    lockedOutUntil,
    streak,
    missedSecondFactors,
    refusals,
    run,
    held: value['held'] === true,
    lastStartedAt: timeOrNull(value['lastStartedAt']) ?? null,
  };
  if (isRecord(halted)) {
    const { reason, text, hint } = halted;
    if (!isReason(reason) || typeof text !== 'string' || typeof hint !== 'string') return null;
    return { ...kept, halted: { reason, text, hint }, retry: null };
  }
  if (isRecord(retry)) {
    const { reason, until } = retry;
    if (!isReason(reason) || !isTime(until)) return null;
    return { ...kept, halted: null, retry: { reason, until } };
  }
  return halted === null && retry === null ? { ...kept, halted, retry } : null;
}

function rememberRun(run: Run, { readyAt, restart }: Pick<SessionState, 'readyAt' | 'restart'>): RunMemory {
  const { order, launch, startedAt, loggedInAt, afterExit, restartAsked, codes, device, pushes } = run;
  return {
    ...{ order, launch, startedAt, loggedInAt, afterExit, restartAsked, codes, readyAt, restart },
    ...(device === null ? {} : { device }),
    ...(pushes === null ? {} : { pushes }),
  };
}

function parseRun(value: unknown): RunMemory | undefined {
  if (!isRecord(value)) return undefined;
  const { order, launch, startedAt } = value;
  if (typeof order !== 'string' || !isLaunch(launch) || !isTime(startedAt)) return undefined;
  const afterExit = value['afterExit'] === null ? null : parseAfterStop(value['afterExit']);
  const restartAsked = value['restartAsked'] === null ? null : parseAsked(value['restartAsked']);
  const restart = value['restart'] === null ? null : parseRestart(value['restart']);
  const loggedInAt = timeOrNull(value['loggedInAt']);
  const readyAt = timeOrNull(value['readyAt']);
  if (afterExit === undefined || restartAsked === undefined || restart === undefined) return undefined;
  if (loggedInAt === undefined || readyAt === undefined) return undefined;
  // A file of before 0.3 has none.
  const codes = value['codes'] === undefined ? NO_CODES : parseCodes(value['codes']);
  if (codes === undefined) return undefined;
  const device = value['device'];
  const pushes = parsePushes(value['pushes']);
  return {
    ...{ order, launch, startedAt, loggedInAt, afterExit, restartAsked, codes, readyAt, restart },
    ...(typeof device === 'string' ? { device } : {}),
    ...(pushes === null ? {} : { pushes }),
  };
}

function parseCodes(value: unknown): Codes | undefined {
  if (!isRecord(value)) return undefined;
  const { after, made, typed, failed, busy, refused, returns, submission, handed, givenUp } = value;
  const silentUntil = timeOrNull(value['silentUntil']);
  const due = timeOrNull(value['due']);
  if (!isCount(made) || !isCount(typed) || !isCount(failed)) return undefined;
  if (!isTextOrNull(refused) || !isTextOrNull(handed) || !isTextOrNull(givenUp)) return undefined;
  if (silentUntil === undefined || due === undefined || !isCount(after)) return undefined;
  if (typeof returns !== 'boolean' || !isCount(submission)) return undefined;
  const counts = { after, submission, made, typed, failed };
  const kept = { ...counts, refused, returns, handed, silentUntil, due, givenUp };
  if (busy === null) return { ...kept, busy };
  if (!isRecord(busy)) return undefined;
  const { id, by, step, window } = busy;
  if (typeof id !== 'string' || typeof window !== 'string') return undefined;
  if ((by !== 'ib-code' && by !== 'operator') || (step !== null && !isCount(step))) return undefined;
  return { ...kept, busy: { id, by, step, window } };
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

function parsePushes(value: unknown): PushCount | null {
  if (!isRecord(value)) return null;
  const { attempt, count, lastAt } = value;
  return isCount(attempt) && isCount(count) && isTime(lastAt) ? { attempt, count, lastAt } : null;
}

function parseAfterStop(value: unknown): AfterStop | undefined {
  if (!isRecord(value)) return undefined;
  const { kind, reason, detail, launch, device } = value;
  const notBefore = timeOrNull(value['notBefore']);
  if (!isReason(reason)) return undefined;
  if (kind === 'stay-stopped') return { kind, reason };
  if (kind === 'halt' && (detail === null || typeof detail === 'string')) return { kind, reason, detail };
  if (kind === 'back-off' && notBefore !== undefined) return { kind, reason, notBefore };
  if (kind === 'launch' && isLaunch(launch))
    return { kind, launch, reason, ...(typeof device === 'string' ? { device } : {}) };
  return undefined;
}

function parseAsked(value: unknown): RunMemory['restartAsked'] | undefined {
  if (!isRecord(value)) return undefined;
  const { at, time } = value;
  // A file of version 0.1 does not have it.
  const due = timeOrNull(value['due'] ?? null) ?? null;
  return isTime(at) && (time === null || typeof time === 'string') ? { at, time, due } : undefined;
}

function parseRestart(value: unknown): RunMemory['restart'] | undefined {
  if (!isRecord(value)) return undefined;
  const { kind, since } = value;
  return isLaunch(kind) && isTime(since) ? { kind, since } : undefined;
}

function timeOrNull(value: unknown): number | null | undefined {
  return value === null || isTime(value) ? value : undefined;
}

function isLaunch(value: unknown): value is RunMemory['launch'] {
  return value === 'warm' || value === 'cold';
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
