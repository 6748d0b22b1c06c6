// Checks that a file which is replaced is the old or the new one whenever the power fails or the process is killed.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chargeLedger, EMPTY_LEDGER, type Ledger, parseLedger } from '../../src/domain/ledger.ts';
import { type FileCalls, writeFileAtomic } from '../../src/host/files.ts';
import { FragileDisk, PowerCut } from '../fakes/fragile-disk.ts';

const PATH = '/state/ledger.json';
const NOW = Date.UTC(2026, 10, 23, 9, 0, 0);

function ledgerOf(logins: number): Ledger {
  let ledger = EMPTY_LEDGER;
  for (let number = 0; number < logins; number += 1) {
    const entry = { user: 'me', session: 'live', kind: 'login', by: 'agent' } as const;
    ledger = chargeLedger(ledger, { ...entry, at: NOW, order: `order-${number}` }, NOW);
  }
  return ledger;
}

const textOf = (ledger: Ledger) => `${JSON.stringify(ledger)}\n`;

/** How many logins the ledger of a file's text counts; null: nobody may log in on its strength. */
function loginsIn(text: string | undefined): number | null {
  return text === undefined ? 0 : (parseLedger(text)?.entries.length ?? null);
}

/** Writes two logins durably, then a third one until the power fails before the n-th call; null when it does not. */
function diskAfter(calls: number, change: (own: FileCalls) => FileCalls = (own) => own): FragileDisk | null {
  const disk = new FragileDisk();
  writeFileAtomic(PATH, textOf(ledgerOf(2)), 0o600, undefined, disk.calls);
  disk.callsLeft = calls;
  try {
    writeFileAtomic(PATH, textOf(ledgerOf(3)), 0o600, undefined, change(disk.calls));
    return null;
  } catch (error) {
    assert.ok(error instanceof PowerCut, String(error));
    return disk;
  }
}

describe('a ledger that is replaced', () => {
  it('is the old or the new one whichever call a kill or a power cut comes before, and durable once it is replaced', () => {
    let calls = 0;
    const seen = new Set<number>();
    for (let disk = diskAfter(calls); disk !== null; calls += 1, disk = diskAfter(calls)) {
      const killed = loginsIn(disk.read(PATH));
      assert.ok(killed === 2 || killed === 3, `killed before call ${calls}: ${killed}`);
      for (const text of disk.afterPowerCut(PATH)) {
        const logins = loginsIn(text);
        assert.ok(logins === 2 || logins === 3, `power cut before call ${calls}: ${JSON.stringify(text)}`);
        seen.add(logins);
      }
    }
    assert.ok(calls > 12, `${calls} calls`);
    assert.deepEqual([...seen].sort(), [2, 3], 'both were met');
    const disk = new FragileDisk();
    writeFileAtomic(PATH, textOf(ledgerOf(2)), 0o600, undefined, disk.calls);
    writeFileAtomic(PATH, textOf(ledgerOf(3)), 0o600, undefined, disk.calls);
    assert.deepEqual([...disk.afterPowerCut(PATH)].map(loginsIn), [3], 'what was charged is on the platter');
  });

  it('that the disk did not sync as it was told is damaged at worst, and never one with less in it', () => {
    const noFileSync = (own: FileCalls): FileCalls => ({ ...own, sync: () => {} });
    const found = new Set<string>();
    for (let calls = 0; ; calls += 1) {
      const disk = diskAfter(calls, noFileSync);
      if (disk === null) break;
      for (const text of disk.afterPowerCut(PATH)) {
        const logins = loginsIn(text);
        assert.ok(logins === null || logins >= 2, JSON.stringify(text));
        if (text === '') found.add('empty');
        else if (logins === null) found.add('truncated');
      }
    }
    // The same as a test of this test: the disk does lose what is not synced.
    assert.deepEqual([...found].sort(), ['empty', 'truncated']);
  });

  it('is no ledger at any length but its whole one', () => {
    const text = textOf(ledgerOf(3));
    for (let length = 0; length < text.length - 1; length += 1)
      assert.equal(parseLedger(text.slice(0, length)), null, `${length} of ${text.length} bytes`);
    assert.equal(parseLedger(text.slice(0, -1))?.entries.length, 3);
  });
});
