// Owns the login budget: which logins, pushes and one-time codes were spent for an IBKR user, whether one more is allowed, and who may be rung now.

import { STEP_MS } from './code-step.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const KEEP_MS = 2 * DAY_MS;
/** Two readings of two clocks are never taken at the same moment; a step that matters is greater. */
const SMALLEST_STEP_MS = 1_000;
/** A lease that a wrong clock dated must not keep a user's sessions down for years. */
const LONGEST_LEASE_MS = HOUR_MS;
const KEPT_STEPS = 100;
const STEPS_AHEAD_MS = 300_000;

/** One spent login or push. `at` is epoch milliseconds; `order` is the launch order it belongs to. */
export type LedgerEntry = {
  readonly at: number;
  readonly user: string;
  readonly session: string;
  readonly kind: 'login' | 'push';
  readonly order: string;
  /** `ibc`: the login was made by IBC itself ("Re-login is required"), which cannot be told not to. */
  readonly by: 'agent' | 'ibc';
};

/** A run of which IBKR may ring the phone at any moment, or has. Ends with the run, or at `until` (epoch milliseconds). */
export type PushLease = {
  readonly user: string;
  readonly session: string;
  readonly order: string;
  readonly until: number;
  /** Whether the second factor is on the screen; before that it may come. */
  readonly shown: boolean;
};

/** Both clocks at one moment. `monotonicMs` can be compared with another one of the same `boot` only. */
export type ClockReading = { readonly boot: string; readonly wall: number; readonly monotonicMs: number };

/** Steps are numbered as RFC 6238 has it: half minutes since the epoch. */
export type UsedStep = { readonly user: string; readonly step: number };

export type Ledger = {
  readonly v: 1;
  readonly entries: readonly LedgerEntry[];
  readonly leases: readonly PushLease[];
  /** Time steps whose one-time code was handed in, or may have been: each is good once. */
  readonly steps: readonly UsedStep[];
  /** When the dates were last true; null in a file of version 0.1. */
  readonly clock: ClockReading | null;
};

export const EMPTY_LEDGER: Ledger = { v: 1, entries: [], leases: [], steps: [], clock: null };

/** What one IBKR user may spend, all its sessions together. */
export type LoginLimits = {
  readonly maxLoginsPerHour: number;
  readonly maxLoginsPerDay: number;
  readonly maxPushesPerHour: number;
  readonly maxPushesPerDay: number;
};

export const BUDGETS = [
  { name: 'logins-hour', kind: 'login', windowMs: HOUR_MS, limit: 'maxLoginsPerHour' },
  { name: 'logins-day', kind: 'login', windowMs: DAY_MS, limit: 'maxLoginsPerDay' },
  { name: 'pushes-hour', kind: 'push', windowMs: HOUR_MS, limit: 'maxPushesPerHour' },
  { name: 'pushes-day', kind: 'push', windowMs: DAY_MS, limit: 'maxPushesPerDay' },
] as const;
export type BudgetName = (typeof BUDGETS)[number]['name'];

/** `freesAt`: epoch milliseconds at which one more is allowed than now, or, when it is used up, one at all; null when none is spent. */
export type BudgetUse = {
  readonly name: BudgetName;
  readonly kind: LedgerEntry['kind'];
  readonly used: number;
  readonly limit: number;
  readonly freesAt: number | null;
};

/** How an IBKR user's budget stands. `blockedUntil`: epoch milliseconds at which one more login is allowed; null: now. */
export type Budget = {
  readonly loginsLastHour: number;
  readonly logins24h: number;
  readonly pushesLastHour: number;
  readonly pushes24h: number;
  readonly uses: readonly BudgetUse[];
  readonly blockedUntil: number | null;
  /** The longest outstanding lease of another session of the user. */
  readonly push: PushLease | null;
  /** The last time step whose one-time code was used; null: none that matters now. */
  readonly lastStep: number | null;
};

/** Of the budgets of a kind, or of all, that are used up the one that frees last; null when none is. */
export function usedUp(budget: Budget, kind?: LedgerEntry['kind']): (BudgetUse & { freesAt: number }) | null {
  let last: (BudgetUse & { freesAt: number }) | null = null;
  for (const use of budget.uses) {
    const { freesAt } = use;
    if (use.used < use.limit || freesAt === null || (kind !== undefined && use.kind !== kind)) continue;
    if (last === null || freesAt > last.freesAt) last = { ...use, freesAt };
  }
  return last;
}

/** `3 of 3 logins in the last hour`. */
export function useText({ kind, name, used, limit }: BudgetUse): string {
  const what = kind === 'login' ? 'logins' : 'second factors';
  return `${used} of ${limit} ${what} in the last ${name.endsWith('-hour') ? 'hour' : '24 hours'}`;
}

/** The ledger with entries dated after `now` taken as made now, so that they age from here when the clock was set back. */
export function settleLedger(ledger: Ledger, now: number): Ledger {
  const latest = now + LONGEST_LEASE_MS;
  if (
    ledger.entries.every((entry) => entry.at <= now) &&
    ledger.leases.every((lease) => lease.until <= latest)
  )
    return ledger;
  return {
    ...ledger,
    entries: ledger.entries.map((old) => (old.at > now ? { ...old, at: now } : old)),
    leases: ledger.leases.map((old) => (old.until > latest ? { ...old, until: latest } : old)),
  };
}

/**
 * The ledger in the terms of the clock as it is now. What was spent ages by time that has passed, not by what the wall clock says: when
 * that was set, forwards or back, since the last reading of the same boot, all dates are moved with it. Of the time between two boots
 * only the wall clock knows; there a date in the future counts as now.
 */
export function followClock(ledger: Ledger, reading: ClockReading): Ledger {
  const last = ledger.clock;
  if (last === null || last.boot !== reading.boot || reading.monotonicMs < last.monotonicMs)
    return { ...settleLedger(ledger, reading.wall), clock: reading };
  const step = Math.round(reading.wall - last.wall - (reading.monotonicMs - last.monotonicMs));
  if (Math.abs(step) < SMALLEST_STEP_MS) return settleLedger(ledger, reading.wall);
  return {
    ...ledger,
    entries: ledger.entries.map((old) => ({ ...old, at: Math.min(old.at + step, reading.wall) })),
    leases: ledger.leases.map((old) => ({ ...old, until: old.until + step })),
    clock: reading,
  };
}

/**
 * Adds an entry and forgets those older than two days. Entries dated after `now` (the clock was set back) are
 * taken as made now: a clock jump never frees budget that was spent.
 */
export function chargeLedger(ledger: Ledger, entry: LedgerEntry, now: number): Ledger {
  const settled = settleLedger(ledger, now);
  const kept = settled.entries.filter((old) => now - old.at < KEEP_MS);
  return { ...settled, entries: [...kept, entry] };
}

/** The login of an order that is given once more: if it was not used before it is used now, so it counts from now. */
export function redateLogin(ledger: Ledger, order: string, now: number): Ledger {
  return {
    ...ledger,
    entries: ledger.entries.map((entry) => (isOwnLogin(entry, order) ? { ...entry, at: now } : entry)),
  };
}

/** Takes back the login of an order whose launcher never became the gateway, so that nothing was submitted. */
export function refundLedger(ledger: Ledger, order: string): Ledger {
  return { ...ledger, entries: ledger.entries.filter((entry) => !isOwnLogin(entry, order)) };
}

/** Uses up a time step; null: it was used before. */
export function useStep(ledger: Ledger, used: UsedStep): Ledger | null {
  if (ledger.steps.some(({ user, step }) => user === used.user && step === used.step)) return null;
  const others = ledger.steps.filter(({ user }) => user !== used.user);
  const own = ledger.steps.filter(({ user }) => user === used.user).slice(1 - KEPT_STEPS);
  return { ...ledger, steps: [...others, ...own, used] };
}

/** One far ahead was used while the clock was wrong, and IBKR took no code of it. */
function lastStepOf(ledger: Ledger, user: string, now: number): number | null {
  const latest = (now + STEPS_AHEAD_MS) / STEP_MS;
  const steps = ledger.steps.filter((used) => used.user === user && used.step <= latest);
  return steps.length === 0 ? null : Math.max(...steps.map(({ step }) => step));
}

/** Takes back the newest push that the agent itself caused under an order, because it was not sent after all. */
export function takeBackPush(ledger: Ledger, order: string): Ledger {
  const last = ledger.entries.findLastIndex(
    (entry) => entry.order === order && entry.kind === 'push' && entry.by === 'agent',
  );
  return last === -1 ? ledger : { ...ledger, entries: ledger.entries.toSpliced(last, 1) };
}

/** Takes a lease, or renews that of the same order. */
export function takeLease(ledger: Ledger, lease: PushLease, now: number): Ledger {
  const others = ledger.leases.filter((old) => old.order !== lease.order && old.until > now);
  const until = Math.min(lease.until, now + LONGEST_LEASE_MS);
  return { ...ledger, leases: [...others, { ...lease, until }] };
}

/** Ends the leases that `ends` names. */
export function endLeases(ledger: Ledger, ends: (lease: PushLease) => boolean): Ledger {
  const leases = ledger.leases.filter((lease) => !ends(lease));
  return leases.length === ledger.leases.length ? ledger : { ...ledger, leases };
}

/** The lease of the user that lasts longest, not counting those of `session`; one whose second factor is shown before any other. */
export function outstandingPush(
  ledger: Ledger,
  user: string,
  now: number,
  session: string | null,
): PushLease | null {
  let found: PushLease | null = null;
  for (const lease of ledger.leases) {
    if (lease.user !== user || lease.session === session || lease.until <= now) continue;
    if (found === null || rank(lease) > rank(found)) found = lease;
  }
  return found;
}

function rank(lease: PushLease): number {
  return lease.until + (lease.shown ? 10 * LONGEST_LEASE_MS : 0);
}

/** What `order` had made IBC spend at the moment that is looked at: later entries of it are left out. */
export type ToldSoFar = { readonly order: string; readonly login: number; readonly push: number };

/** The budget of `user` at `now`, as `session` sees it (null: nobody's own leases are left out). */
export function budgetOf(
  ledger: Ledger,
  user: string,
  now: number,
  limits: LoginLimits,
  session: string | null = null,
  told: ToldSoFar | null = null,
): Budget {
  const settled = settleLedger(ledger, now);
  const times = { login: [] as number[], push: [] as number[] };
  const seen = { login: 0, push: 0 };
  for (const entry of settled.entries) {
    if (entry.user !== user) continue;
    if (told !== null && entry.order === told.order && entry.by === 'ibc') {
      seen[entry.kind] += 1;
      if (seen[entry.kind] > told[entry.kind]) continue;
    }
    times[entry.kind].push(entry.at);
  }
  times.login.sort((a, b) => a - b);
  times.push.sort((a, b) => a - b);
  let blockedUntil: number | null = null;
  const uses = BUDGETS.map(({ name, kind, windowMs, limit: key }): BudgetUse => {
    const recent = times[kind].filter((at) => now - at < windowMs);
    const limit = limits[key];
    // With n in the window and m allowed, the (n-m+1)-th oldest must leave it first.
    const leaves = recent[Math.max(0, recent.length - limit)];
    const freesAt = leaves === undefined ? null : leaves + windowMs;
    if (recent.length >= limit && freesAt !== null) blockedUntil = Math.max(blockedUntil ?? 0, freesAt);
    return { name, kind, used: recent.length, limit, freesAt };
  });
  const used = (index: number) => uses[index]?.used ?? 0;
  return {
    loginsLastHour: used(0),
    logins24h: used(1),
    pushesLastHour: used(2),
    pushes24h: used(3),
    uses,
    blockedUntil,
    push: outstandingPush(settled, user, now, session),
    lastStep: lastStepOf(settled, user, now),
  };
}

function isOwnLogin(entry: LedgerEntry, order: string): boolean {
  return entry.order === order && entry.kind === 'login' && entry.by === 'agent';
}

/** The ledger in a file's text, or null when the text is none: the caller must then refuse to log in. */
export function parseLedger(text: string): Ledger | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !('v' in value) || value.v !== 1) return null;
  if (!('entries' in value) || !Array.isArray(value.entries)) return null;
  const entries: LedgerEntry[] = [];
  for (const raw of value.entries as unknown[]) {
    if (typeof raw !== 'object' || raw === null) return null;
    const { at, user, session, kind, order, by } = raw as Record<string, unknown>;
    if (
      typeof at !== 'number' ||
      typeof user !== 'string' ||
      typeof session !== 'string' ||
      typeof order !== 'string'
    )
      return null;
    if (kind !== 'login' && kind !== 'push') return null;
    if (by !== 'agent' && by !== 'ibc') return null;
    entries.push({ at, user, session, kind, order, by });
  }
  // A file of version 0.1 has neither.
  const leases = 'leases' in value ? parseLeases(value.leases) : [];
  const clock = 'clock' in value && value.clock !== null ? parseClock(value.clock) : null;
  // One of before 0.3 has no steps.
  const steps = 'steps' in value ? parseSteps(value.steps) : [];
  if (leases === null || steps === null || clock === undefined) return null;
  return { v: 1, entries, leases, steps, clock };
}

function parseLeases(value: unknown): PushLease[] | null {
  if (!Array.isArray(value)) return null;
  const leases: PushLease[] = [];
  for (const raw of value as unknown[]) {
    if (typeof raw !== 'object' || raw === null) return null;
    const { user, session, order, until, shown } = raw as Record<string, unknown>;
    if (typeof user !== 'string' || typeof session !== 'string' || typeof order !== 'string') return null;
    if (typeof until !== 'number' || typeof shown !== 'boolean') return null;
    leases.push({ user, session, order, until, shown });
  }
  return leases;
}

function parseSteps(value: unknown): UsedStep[] | null {
  if (!Array.isArray(value)) return null;
  const steps: UsedStep[] = [];
  for (const raw of value as unknown[]) {
    if (typeof raw !== 'object' || raw === null) return null;
    const { user, step } = raw as Record<string, unknown>;
    if (typeof user !== 'string' || typeof step !== 'number') return null;
    steps.push({ user, step });
  }
  return steps;
}

function parseClock(value: unknown): ClockReading | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { boot, wall, monotonicMs } = value as Record<string, unknown>;
  if (typeof boot !== 'string' || typeof wall !== 'number' || typeof monotonicMs !== 'number')
    return undefined;
  return { boot, wall, monotonicMs };
}
