// Owns why a login has to wait, and until when, in words and as data.

import { type Budget, type BudgetName, usedUp, useText } from './ledger.ts';

/** `until` is epoch milliseconds; `used` and `limit` are null, and `session` too, where they mean nothing. */
export type Deferral = {
  readonly why: BudgetName | 'push-outstanding' | 'locked-out';
  readonly until: number;
  readonly text: string;
  readonly hint: string;
  readonly used: number | null;
  readonly limit: number | null;
  /** The session that is waited for. */
  readonly session: string | null;
};

const NO_COUNT = { used: null, limit: null, session: null } as const;

/** By a used-up budget of a kind, or of any; null when there is none. */
export function budgetDeferral(budget: Budget, kind?: 'login' | 'push'): Deferral | null {
  const use = usedUp(budget, kind);
  if (use === null) return null;
  return {
    why: use.name,
    until: use.freesAt,
    text: `the login budget of this IBKR user is used up: ${useText(use)}`,
    hint: 'each further login risks a lock-out by IBKR: wait, and look for the cause with: ibctl events --since 2h; ibctl login --override lets one through',
    used: use.used,
    limit: use.limit,
    session: null,
  };
}

/** By another session of the user that may be waiting for its second factor. */
export function pushDeferral({ push }: Budget): Deferral | null {
  if (push === null) return null;
  const what = push.shown ? 'waits for its second factor' : 'is logging in and may ask for its second factor';
  return {
    ...NO_COUNT,
    why: 'push-outstanding',
    until: push.until,
    text: `the session ${push.session} of the same IBKR user ${what}`,
    hint: `one second factor at a time: follow it with: ibctl wait ${push.session}`,
    session: push.session,
  };
}

/** By IBKR itself. */
export function lockOutDeferral(lockedOutUntil: number | null, now: number): Deferral | null {
  if (lockedOutUntil === null || lockedOutUntil <= now) return null;
  return {
    ...NO_COUNT,
    why: 'locked-out',
    until: lockedOutUntil,
    text: 'IBKR asks to wait after too many failed logins',
    hint: 'a login before that makes the lock-out longer; check the stored credentials meanwhile',
  };
}
