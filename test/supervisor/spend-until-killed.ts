// Owns a program that charges a ledger again and again, saying before and after each charge what it does, until it is killed.

import { writeSync } from 'node:fs';
import { SystemClock } from '../../src/host/clock.ts';
import { LedgerStore } from '../../src/supervisor/ledger-store.ts';

const [path = '', round = ''] = process.argv.slice(2);
const store = new LedgerStore(path, new SystemClock(), 'boot');
for (let number = 0; ; number += 1) {
  const order = `${round}-${number}`;
  writeSync(1, `begin ${order}\n`);
  store.charge({ user: 'me', session: 'live', kind: 'login', order, by: 'agent' });
  writeSync(1, `done ${order}\n`);
}
