// Checks the login budget: what counts, for whom, for how long, and that neither clock nor file can free what was spent.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  budgetOf,
  chargeLedger,
  EMPTY_LEDGER,
  endLeases,
  followClock,
  type Ledger,
  type LedgerEntry,
  type PushLease,
  parseLedger,
  redateLogin,
  refundLedger,
  settleLedger,
  takeLease,
  usedUp,
  useText,
} from '../../src/domain/ledger.ts';
import { hourly, LIMITS } from './session-scene.ts';

const NOW = Date.UTC(2026, 10, 23, 9, 0, 0);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function entry(change: Partial<LedgerEntry> = {}): LedgerEntry {
  return { at: NOW, user: 'u', session: 'live', kind: 'login', order: 'o', by: 'agent', ...change };
}

function ledgerOf(...entries: LedgerEntry[]): Ledger {
  return { ...EMPTY_LEDGER, entries };
}

describe('the budget', () => {
  it('of an empty ledger is whole', () => {
    const budget = budgetOf(EMPTY_LEDGER, 'u', NOW, hourly(3));
    assert.deepEqual(
      budget.uses.map(({ used, freesAt }) => [used, freesAt]),
      [0, 1, 2, 3].map(() => [0, null]),
    );
    assert.deepEqual([budget.blockedUntil, budget.push], [null, null]);
  });

  it('is used up by as many logins as are allowed, until the oldest is an hour old', () => {
    const ledger = ledgerOf(entry({ at: NOW - 50 * MINUTE }), entry({ at: NOW - 20 * MINUTE }), entry());
    assert.equal(budgetOf(ledger, 'u', NOW, hourly(4)).blockedUntil, null);
    assert.equal(budgetOf(ledger, 'u', NOW, hourly(3)).blockedUntil, NOW + 10 * MINUTE);
    assert.equal(budgetOf(ledger, 'u', NOW, hourly(2)).blockedUntil, NOW + 40 * MINUTE);
    assert.equal(budgetOf(ledger, 'u', NOW, hourly(1)).blockedUntil, NOW + HOUR);
  });

  it('is free exactly at the time it names, and not a millisecond before', () => {
    const ledger = ledgerOf(entry({ at: NOW - 50 * MINUTE }), entry(), entry());
    const until = budgetOf(ledger, 'u', NOW, hourly(3)).blockedUntil ?? 0;
    assert.notEqual(budgetOf(ledger, 'u', until - 1, hourly(3)).blockedUntil, null);
    assert.equal(budgetOf(ledger, 'u', until, hourly(3)).blockedUntil, null);
  });

  it('counts logins of every session and of IBC for the same user, and none of another user', () => {
    const ledger = ledgerOf(
      entry({ session: 'a' }),
      entry({ session: 'b', by: 'ibc' }),
      entry({ user: 'other' }),
      entry({ kind: 'push', by: 'ibc' }),
    );
    const budget = budgetOf(ledger, 'u', NOW, hourly(2));
    assert.deepEqual([budget.loginsLastHour, budget.pushes24h], [2, 1]);
    assert.notEqual(budget.blockedUntil, null);
  });

  it('counts a day back for people, an hour back for itself', () => {
    const ledger = ledgerOf(
      entry({ at: NOW - 25 * HOUR }),
      entry({ at: NOW - 23 * HOUR }),
      entry({ at: NOW - 23 * HOUR, kind: 'push' }),
    );
    const budget = budgetOf(ledger, 'u', NOW, hourly(1));
    assert.deepEqual([budget.logins24h, budget.pushes24h, budget.loginsLastHour], [1, 1, 0]);
  });

  it('is not freed by a clock that was set back, and not blocked for longer than an hour by it', () => {
    const ledger = ledgerOf(...[1, 2, 3].map((day) => entry({ at: NOW + day * 24 * HOUR })));
    assert.equal(budgetOf(ledger, 'u', NOW, hourly(3)).blockedUntil, NOW + HOUR);
    const settled = settleLedger(ledger, NOW);
    assert.equal(budgetOf(settled, 'u', NOW + HOUR, hourly(3)).blockedUntil, null);
  });
});

describe('a charge', () => {
  it('is added, and what is older than two days is forgotten', () => {
    const ledger = chargeLedger(
      ledgerOf(entry({ at: NOW - 48 * HOUR }), entry({ at: NOW - 47 * HOUR })),
      entry(),
      NOW,
    );
    assert.deepEqual(
      ledger.entries.map((kept) => kept.at),
      [NOW - 47 * HOUR, NOW],
    );
  });

  it('leaves the ledger that it was given as it was', () => {
    const before = ledgerOf(entry());
    chargeLedger(before, entry(), NOW);
    assert.equal(before.entries.length, 1);
  });

  it('is given back by its order only, and only the login that the agent made', () => {
    const ledger = ledgerOf(
      entry({ order: 'a' }),
      entry({ order: 'b' }),
      entry({ order: 'a', by: 'ibc' }),
      entry({ order: 'a', kind: 'push', by: 'ibc' }),
    );
    assert.deepEqual(
      refundLedger(ledger, 'a').entries.map(({ order, kind, by }) => `${order} ${kind} ${by}`),
      ['b login agent', 'a login ibc', 'a push ibc'],
    );
  });
});

describe('each of the four budgets', () => {
  const spent = (kind: LedgerEntry['kind'], times: number, ageMs: number) =>
    ledgerOf(
      ...Array.from({ length: times }, (_, index) => entry({ kind, order: `o${index}`, at: NOW - ageMs })),
    );

  for (const [name, kind, limit, windowMs] of [
    ['logins-hour', 'login', LIMITS.maxLoginsPerHour, HOUR],
    ['logins-day', 'login', LIMITS.maxLoginsPerDay, 24 * HOUR],
    ['pushes-hour', 'push', LIMITS.maxPushesPerHour, HOUR],
    ['pushes-day', 'push', LIMITS.maxPushesPerDay, 24 * HOUR],
  ] as const) {
    it(`${name} blocks a login when it is used up, until its oldest is too old, and not one earlier`, () => {
      const age = windowMs - MINUTE;
      assert.equal(budgetOf(spent(kind, limit - 1, age), 'u', NOW, LIMITS).blockedUntil, null);
      const budget = budgetOf(spent(kind, limit, age), 'u', NOW, LIMITS);
      assert.equal(budget.blockedUntil, NOW + MINUTE);
      assert.deepEqual([usedUp(budget)?.name, usedUp(budget)?.used], [name, limit]);
      assert.equal(usedUp(budget, kind === 'login' ? 'push' : 'login'), null);
      assert.equal(budgetOf(spent(kind, limit, windowMs), 'u', NOW, LIMITS).blockedUntil, null);
    });
  }

  it('is told in words, and of several the one that lasts longest', () => {
    const ledger = ledgerOf(...spent('login', 12, 2 * HOUR).entries, ...spent('push', 3, MINUTE).entries);
    const use = usedUp(budgetOf(ledger, 'u', NOW, LIMITS));
    assert.ok(use !== null);
    assert.equal(useText(use), '12 of 12 logins in the last 24 hours');
  });
});

describe('a clock that is set', () => {
  const boot = 'b';
  const ledger = { ...ledgerOf(entry()), clock: { boot, wall: NOW, monotonicMs: 5 } };

  for (const [what, stepMs] of [
    ['forwards', 400 * 24 * HOUR],
    ['back', -400 * 24 * HOUR],
  ] as const) {
    it(`${what} moves the dates with it, so that what was spent is as old as it is`, () => {
      const wall = NOW + stepMs + 59 * MINUTE;
      const later = followClock(ledger, { boot, wall, monotonicMs: 5 + 59 * MINUTE });
      assert.equal(budgetOf(later, 'u', wall, hourly(1)).blockedUntil, wall + MINUTE);
      const end = { boot, wall: wall + MINUTE, monotonicMs: 5 + HOUR };
      assert.equal(budgetOf(followClock(later, end), 'u', end.wall, hourly(1)).blockedUntil, null);
    });
  }

  it('by less than a second, as two clocks are read one after the other, moves nothing; many such do not add up', () => {
    let followed: Ledger = ledger;
    for (let step = 1; step <= 100; step += 1) {
      const monotonicMs = 5 + step * 1000;
      followed = followClock(followed, { boot, wall: NOW + step * 1000 + (step % 3) * 300, monotonicMs });
    }
    assert.equal(followed.entries[0]?.at, NOW);
  });

  it('over a boot is believed forwards, and back counts what was spent as spent now', () => {
    const ahead = followClock(ledger, { boot: 'c', wall: NOW + HOUR, monotonicMs: 1 });
    assert.equal(budgetOf(ahead, 'u', NOW + HOUR, hourly(1)).blockedUntil, null);
    const back = followClock(ledger, { boot: 'c', wall: NOW - HOUR, monotonicMs: 1 });
    assert.equal(budgetOf(back, 'u', NOW - HOUR, hourly(1)).blockedUntil, NOW);
  });
});

describe('a lease', () => {
  const lease: PushLease = { user: 'u', session: 'a', order: 'o', until: NOW + MINUTE, shown: false };

  it('keeps the other sessions of the user waiting until it ends, and nobody else', () => {
    const ledger = takeLease(EMPTY_LEDGER, lease, NOW);
    assert.equal(budgetOf(ledger, 'u', NOW, LIMITS, 'b').push?.session, 'a');
    assert.equal(budgetOf(ledger, 'u', NOW, LIMITS, 'a').push, null);
    assert.equal(budgetOf(ledger, 'other', NOW, LIMITS, 'b').push, null);
    assert.equal(budgetOf(ledger, 'u', NOW + MINUTE, LIMITS, 'b').push, null);
    assert.equal(
      budgetOf(
        endLeases(ledger, ({ order }) => order === 'o'),
        'u',
        NOW,
        LIMITS,
        'b',
      ).push,
      null,
    );
  });

  it('is renewed by its order, is never longer than an hour, and yields to one whose second factor is shown', () => {
    let ledger = takeLease(takeLease(EMPTY_LEDGER, lease, NOW), { ...lease, until: NOW + 99 * HOUR }, NOW);
    assert.deepEqual(
      ledger.leases.map(({ until }) => until),
      [NOW + HOUR],
    );
    ledger = takeLease(ledger, { ...lease, session: 'c', order: 'p', shown: true }, NOW);
    assert.equal(budgetOf(ledger, 'u', NOW, LIMITS, 'b').push?.session, 'c');
  });
});

describe('an order that is given again', () => {
  it('counts from now, and is counted once', () => {
    const ledger = redateLogin(ledgerOf(entry({ at: NOW - 50 * MINUTE })), 'o', NOW);
    assert.equal(budgetOf(ledger, 'u', NOW, hourly(1)).blockedUntil, NOW + HOUR);
    assert.equal(ledger.entries.length, 1);
  });
});

describe("a ledger's text", () => {
  it('is read back as it was written', () => {
    const ledger: Ledger = {
      ...ledgerOf(entry(), entry({ kind: 'push', by: 'ibc' })),
      leases: [{ user: 'u', session: 'live', order: 'o', until: NOW, shown: true }],
      clock: { boot: 'b', wall: NOW, monotonicMs: 1.5 },
    };
    assert.deepEqual(parseLedger(JSON.stringify(ledger)), ledger);
  });

  it('of version 0.1 is one without leases', () => {
    assert.deepEqual(parseLedger(JSON.stringify({ v: 1, entries: [entry()] })), ledgerOf(entry()));
  });

  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{"v":2,"entries":[]}',
    '{"v":1}',
    '{"v":1,"entries":{}}',
    '{"v":1,"entries":[null]}',
    '{"v":1,"entries":[],"leases":{}}',
    '{"v":1,"entries":[],"leases":[{}]}',
    '{"v":1,"entries":[],"clock":{}}',
    JSON.stringify({ v: 1, entries: [{ ...entry(), at: '1' }] }),
    JSON.stringify({ v: 1, entries: [{ ...entry(), kind: 'other' }] }),
    JSON.stringify({ v: 1, entries: [{ ...entry(), by: 'me' }] }),
    JSON.stringify({ v: 1, entries: [{ ...entry(), user: null }] }),
  ]) {
    it(`that is ${text.slice(0, 60) || 'empty'} is no ledger`, () => assert.equal(parseLedger(text), null));
  }
});
