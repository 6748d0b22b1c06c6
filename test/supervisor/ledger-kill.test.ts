// Checks with real kills that whatever a dead agent had spent is in the ledger that the next one finds.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { EMPTY_LEDGER, parseLedger } from '../../src/domain/ledger.ts';
import { SystemClock } from '../../src/host/clock.ts';
import { LedgerStore } from '../../src/supervisor/ledger-store.ts';

const ROUNDS = Number(process.env['KILLS'] ?? 200);
const PROGRAM = new URL('./spend-until-killed.ts', import.meta.url).pathname;
/** The file grows; a new one now and then keeps the rounds short. */
const ROUNDS_OF_A_FILE = 10;

test(`an agent that is killed ${ROUNDS} times while it charges has never spent what is not in the ledger`, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ib-ledger-kill-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const done: string[] = [];
  const begun = new Set<string>();
  let between = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const path = join(directory, `ledger-${Math.floor(round / ROUNDS_OF_A_FILE)}.json`);
    if (round % ROUNDS_OF_A_FILE === 0) {
      done.length = 0;
      begun.clear();
    }
    const child = spawn(process.execPath, [PROGRAM, path, String(round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const closed = once(child, 'close');
    await once(child.stdout, 'data');
    // Not a wait for something to happen: the kill is to hit any moment of the following ones.
    await delay(Math.random() * 12);
    child.kill('SIGKILL');
    await closed;
    const lines = said.split('\n').filter((line) => line !== '');
    for (const line of lines) {
      const [what, order = ''] = line.split(' ');
      if (what === 'begin') begun.add(order);
      else done.push(order);
    }
    if (lines.at(-1)?.startsWith('begin') === true) between += 1;
    const ledger = existsSync(path) ? parseLedger(readFileSync(path, 'utf8')) : EMPTY_LEDGER;
    assert.ok(ledger !== null, `round ${round}: the ledger is damaged`);
    const orders = new Set(ledger.entries.map((entry) => entry.order));
    for (const order of done)
      assert.ok(orders.has(order), `round ${round}: ${order} was spent and is forgotten`);
    for (const order of orders) assert.ok(begun.has(order), `round ${round}: ${order} was never spent`);
    // The next agent can go on from it, and tidies up.
    new LedgerStore(path, new SystemClock());
    const rest = readdirSync(directory).filter((file) => file.endsWith('.tmp'));
    assert.deepEqual(rest, [], `round ${round}`);
  }
  t.diagnostic(`${ROUNDS} kills, ${between} of them within a charge`);
  assert.ok(between > 0, 'no kill came within a charge');
});
