// Checks the login budget: what counts, for whom, for how long, and that neither clock nor file can free what was spent.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  budgetOf,
  chargeLedger,
  EMPTY_LEDGER,
  type Ledger,
  type LedgerEntry,
  parseLedger,
  refundLedger,
  settleLedger,
} from '../../src/domain/ledger.ts';
import { hourly } from './session-scene.ts';

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

describe("a ledger's text", () => {
  it('is read back as it was written', () => {
    const ledger = ledgerOf(entry(), entry({ kind: 'push', by: 'ibc' }));
    assert.deepEqual(parseLedger(JSON.stringify(ledger)), ledger);
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
    JSON.stringify({ v: 1, entries: [{ ...entry(), at: '1' }] }),
    JSON.stringify({ v: 1, entries: [{ ...entry(), kind: 'other' }] }),
    JSON.stringify({ v: 1, entries: [{ ...entry(), by: 'me' }] }),
    JSON.stringify({ v: 1, entries: [{ ...entry(), user: null }] }),
  ]) {
    it(`that is ${text.slice(0, 60) || 'empty'} is no ledger`, () => assert.equal(parseLedger(text), null));
  }
});
