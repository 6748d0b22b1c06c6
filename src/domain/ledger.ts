// Owns the login budget: which logins and pushes were spent for an IBKR user, and whether one more is allowed.

export const LEDGER_WINDOW_MS = 3_600_000;
const DAY_MS = 24 * 3_600_000;
const KEEP_MS = 2 * DAY_MS;

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

export type Ledger = { readonly v: 1; readonly entries: readonly LedgerEntry[] };

export const EMPTY_LEDGER: Ledger = { v: 1, entries: [] };

/** How an IBKR user's budget stands. `blockedUntil`: epoch milliseconds at which one more login is allowed; null: now. */
export type Budget = {
  readonly loginsLastHour: number;
  readonly logins24h: number;
  readonly pushes24h: number;
  readonly blockedUntil: number | null;
};

/** The ledger with entries dated after `now` taken as made now, so that they age from here when the clock was set back. */
export function settleLedger(ledger: Ledger, now: number): Ledger {
  if (ledger.entries.every((entry) => entry.at <= now)) return ledger;
  return { v: 1, entries: ledger.entries.map((old) => (old.at > now ? { ...old, at: now } : old)) };
}

/** The ledger with every entry moved by `ms`: after the clock was set forward by so much, each is as old as it was before. */
export function shiftLedger(ledger: Ledger, ms: number): Ledger {
  return { v: 1, entries: ledger.entries.map((old) => ({ ...old, at: old.at + ms })) };
}

/**
 * Adds an entry and forgets those older than two days. Entries dated after `now` (the clock was set back) are
 * taken as made now: a clock jump never frees budget that was spent.
 */
export function chargeLedger(ledger: Ledger, entry: LedgerEntry, now: number): Ledger {
  const kept = settleLedger(ledger, now).entries.filter((old) => now - old.at < KEEP_MS);
  return { v: 1, entries: [...kept, entry] };
}

/** Takes back the login of an order whose launcher never became the gateway, so that nothing was submitted. */
export function refundLedger(ledger: Ledger, order: string): Ledger {
  return {
    v: 1,
    entries: ledger.entries.filter(
      (entry) => !(entry.order === order && entry.kind === 'login' && entry.by === 'agent'),
    ),
  };
}

/** The budget of `user` at `now` when at most `maxLoginsPerHour` logins may start in any 60 minutes. */
export function budgetOf(ledger: Ledger, user: string, now: number, maxLoginsPerHour: number): Budget {
  const mine = settleLedger(ledger, now).entries.filter((entry) => entry.user === user);
  const count = (kind: LedgerEntry['kind'], windowMs: number) =>
    mine.filter((entry) => entry.kind === kind && now - entry.at < windowMs).length;
  const recent = mine
    .filter((entry) => entry.kind === 'login' && now - entry.at < LEDGER_WINDOW_MS)
    .map((entry) => entry.at)
    .sort((a, b) => a - b);
  // With n logins in the window and m allowed, the (n-m+1)-th oldest must leave it first.
  const leaves = recent[recent.length - maxLoginsPerHour];
  return {
    loginsLastHour: recent.length,
    logins24h: count('login', DAY_MS),
    pushes24h: count('push', DAY_MS),
    blockedUntil: recent.length < maxLoginsPerHour || leaves === undefined ? null : leaves + LEDGER_WINDOW_MS,
  };
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
  return { v: 1, entries };
}
