import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { it } from 'node:test';
import { findFreePort } from '../../src/launch/free-port.ts';

it('a free port can be bound and is below the ephemeral ones', async () => {
  const port = (await findFreePort(new Set())) ?? assert.fail();
  assert.ok(port >= 20_000 && port <= 32_000);
  const server = createServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  server.close();
});

it('ports to avoid are avoided, and when nothing is left there is none', async () => {
  const all = new Set(Array.from({ length: 12_001 }, (_, index) => 20_000 + index));
  assert.equal(await findFreePort(all), null);
});
