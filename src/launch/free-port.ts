// Owns the choice of a free port on 127.0.0.1 for IBC's command server.

import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below Linux's default ephemeral range (32768–60999), so no outgoing connection takes the port between our test and IBC's bind. */
const FIRST = 20_000;
const LAST = 32_000;
const TRIES = 200;

/** A random port that could be bound just now and is not in `avoid`; null when none of many was free. */
export async function findFreePort(avoid: ReadonlySet<number>): Promise<number | null> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const port = randomInt(FIRST, LAST + 1);
    if (!avoid.has(port) && (await canBind(port))) return port;
  }
  return null;
}

function canBind(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
