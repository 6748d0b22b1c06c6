// Owns a small program for a test: runs a session's processes with ProcessHost until it is killed.

import { SystemClock } from '../../src/host/clock.ts';
import { ProcessHost } from '../../src/supervisor/process-host.ts';
import { hostParts } from './host-builders.ts';

const [root = '', launcher = '', display = ''] = process.argv.slice(2);
const host = new ProcessHost({
  ...hostParts(root, launcher, display),
  clock: new SystemClock(),
  listener: (observation) => process.stdout.write(`${JSON.stringify(observation)}\n`),
});
host.start({ v: 1, session: 'live', id: 'order-1', kind: 'cold', notAfter: Number.MAX_SAFE_INTEGER });
