// Checks the ledger on disk: durable before it counts, never guessed, never freed by a clock.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AgentError } from '../../src/protocol/errors.ts';
import { LedgerStore } from '../../src/supervisor/ledger-store.ts';
import { LIMITS } from '../domain/session-scene.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

const HOUR = 3_600_000;
const LOGIN = { user: 'me', session: 'live', kind: 'login', order: 'a', by: 'agent' } as const;

let directory = '';
let path = '';
let clock = new FakeClock();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ib-ledger-'));
  path = join(directory, 'state', 'ledger.json');
  mkdirSync(join(directory, 'state'));
  clock = new FakeClock();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Puts a file in the place of the state directory, which stops root too. */
function breakDirectory(): void {
  rmSync(join(directory, 'state'), { recursive: true });
  writeFileSync(join(directory, 'state'), '');
}

function mendDirectory(): void {
  rmSync(join(directory, 'state'));
  mkdirSync(join(directory, 'state'));
}

function unwritable(error: unknown): boolean {
  return error instanceof AgentError && error.code === 'state-unwritable';
}

describe('the ledger on disk', () => {
  it('that is not there yet is an empty one', () => {
    assert.equal(new LedgerStore(path, clock).budget('me', LIMITS).blockedUntil, null);
  });

  it('holds a charge, private to its owner, by the time the charge returns; another agent finds it', () => {
    new LedgerStore(path, clock).charge(LOGIN);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(join(directory, 'state')), ['ledger.json']);
    assert.equal(new LedgerStore(path, clock).budget('me', LIMITS).loginsLastHour, 1);
  });

  it('forgets a charge that is given back, there and after a restart', () => {
    const store = new LedgerStore(path, clock);
    store.charge(LOGIN);
    store.refund('a');
    assert.equal(store.budget('me', LIMITS).loginsLastHour, 0);
    assert.equal(new LedgerStore(path, clock).budget('me', LIMITS).loginsLastHour, 0);
  });

  it('that cannot be written refuses a login of ours, and does not count it', () => {
    const store = new LedgerStore(path, clock);
    breakDirectory();
    assert.throws(() => store.charge(LOGIN), unwritable);
    assert.equal(store.budget('me', LIMITS).loginsLastHour, 0);
  });

  it('that cannot be written counts what IBC did by itself all the same, and writes it later', () => {
    const store = new LedgerStore(path, clock);
    breakDirectory();
    assert.throws(() => store.charge({ ...LOGIN, by: 'ibc' }), unwritable);
    assert.equal(store.budget('me', LIMITS).loginsLastHour, 1);
    mendDirectory();
    store.charge({ ...LOGIN, order: 'b' });
    assert.equal(new LedgerStore(path, clock).budget('me', LIMITS).loginsLastHour, 2);
  });

  for (const text of ['', '{', '{"v":1,"entries":[{"at":1}]}']) {
    it(`that is damaged (${JSON.stringify(text)}) is not taken for an empty one, and is left as it is`, () => {
      writeFileSync(path, text);
      assert.throws(
        () => new LedgerStore(path, clock),
        (error) => unwritable(error) && (error as AgentError).message.includes(path),
      );
      assert.equal(readFileSync(path, 'utf8'), text);
    });
  }

  it('that cannot be read is not taken for an empty one', () => {
    mkdirSync(path);
    assert.throws(() => new LedgerStore(path, clock), unwritable);
  });

  it('written by a clock that ran years ahead blocks for an hour, not for years', () => {
    const ahead = new FakeClock(clock.now() + 9 * 365 * 24 * HOUR);
    const store = new LedgerStore(path, ahead);
    for (const order of ['a', 'b', 'c']) store.charge({ ...LOGIN, order });
    const later = new LedgerStore(path, clock);
    assert.equal(later.budget('me', LIMITS).blockedUntil, clock.now() + HOUR);
    clock.advance(HOUR);
    assert.equal(later.budget('me', LIMITS).blockedUntil, null);
  });

  for (const jump of [2 * HOUR, -2 * HOUR, 40 * 365 * 24 * HOUR]) {
    it(`does not free or prolong a budget when the clock is set by ${jump / HOUR} hours`, () => {
      const store = new LedgerStore(path, clock);
      for (const order of ['a', 'b', 'c']) store.charge({ ...LOGIN, order });
      clock.advance(HOUR / 2);
      clock.setWall(clock.now() + jump);
      assert.equal(store.budget('me', LIMITS).blockedUntil, clock.now() + HOUR / 2);
      // Onto the disk, by an entry of somebody else.
      store.charge({ ...LOGIN, user: 'other', order: 'd' });
      assert.equal(new LedgerStore(path, clock).budget('me', LIMITS).blockedUntil, clock.now() + HOUR / 2);
      clock.advance(HOUR / 2);
      assert.equal(store.budget('me', LIMITS).blockedUntil, null);
      assert.equal(store.budget('me', LIMITS).logins24h, 3);
    });
  }
});
