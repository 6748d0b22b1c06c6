// Tests how the clock of this host is compared with a server's.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { describe, it } from 'node:test';
import { SystemClock } from '../../src/host/clock.ts';
import { compareClock, judgeAnswer } from '../../src/launch/clock.ts';

const NOW = Date.UTC(2026, 10, 23, 9, 0, 0);
const DATE = 'Mon, 23 Nov 2026 09:00:00 GMT';
const ADDRESS = 'https://clock.example/path';

describe('an answer', () => {
  for (const [what, answer, offsetMs, uncertaintyMs] of [
    ['in the middle of the second', { sentAt: NOW + 500, receivedAt: NOW + 500, age: undefined }, 0, 500],
    ['half of whose way is taken off', { sentAt: NOW + 400, receivedAt: NOW + 600, age: undefined }, 0, 600],
    [
      'of a server that is behind',
      { sentAt: NOW + 30_500, receivedAt: NOW + 30_500, age: undefined },
      30_000,
      500,
    ],
    [
      'of a server that is ahead',
      { sentAt: NOW - 59_500, receivedAt: NOW - 59_500, age: undefined },
      -60_000,
      500,
    ],
    [
      'of a cache, as old as it says',
      { sentAt: NOW + 60_500, receivedAt: NOW + 60_500, age: '60' },
      0,
      1_500,
    ],
    ['while the clock was set back', { sentAt: NOW + 5_500, receivedAt: NOW + 500, age: undefined }, 0, 500],
  ] as const) {
    it(`${what} tells the offset and how sure it is`, () => {
      const comparison = judgeAnswer({ ...answer, date: DATE }, ADDRESS);
      assert.deepEqual(comparison, {
        kind: 'compared',
        offsetMs,
        uncertaintyMs,
        address: ADDRESS,
        at: answer.receivedAt,
      });
    });
  }

  it('without a date, or with one that is none, tells nothing', () => {
    for (const date of [undefined, 'yesterday']) {
      const comparison = judgeAnswer({ sentAt: NOW, receivedAt: NOW, date, age: undefined }, ADDRESS);
      assert.ok(comparison.kind === 'failed' && comparison.why === 'no-date');
      assert.equal(comparison.detail, 'The answer of clock.example has no date.');
    }
  });
});

it('a server that does not answer is given up', async () => {
  const server = createTcpServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const begun = performance.now();
  const comparison = await compareClock(`http://127.0.0.1:${port}/`, new SystemClock(), 200);
  assert.ok(comparison.kind === 'failed' && comparison.why === 'timed-out');
  assert.ok(performance.now() - begun < 10_000);
  server.close();
  await once(server, 'close');
});

it('a server that talks something else is named, and not what it said', async () => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {}).resume();
    socket.end('hunter2\r\n');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const comparison = await compareClock(`http://127.0.0.1:${port}/`, new SystemClock(), 5_000);
  assert.ok(comparison.kind === 'failed' && comparison.why === 'unreachable');
  assert.doesNotMatch(comparison.detail, /hunter2/);
  server.close();
  await once(server, 'close');
});
