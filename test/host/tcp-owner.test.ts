// Checks that the kernel is asked rightly whose program serves a loopback connection.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { findOwner, ownerOfLoopbackServer } from '../../src/host/tcp-owner.ts';

const uid = process.getuid?.() ?? 0;
const NOBODY = 65_534;

const open: (Server | Socket)[] = [];
afterEach(() => {
  for (const each of open.splice(0)) {
    if ('destroy' in each) each.destroy();
    else each.close();
  }
});

/** A connection to `port` whose server has sent something. */
async function answered(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  open.push(socket);
  await once(socket, 'data');
  return socket;
}

describe('the owner of a loopback server', () => {
  for (const host of ['127.0.0.1', '0.0.0.0', '::']) {
    it(`is us for one of ours on ${host}`, async () => {
      const server = createServer((socket) => socket.write('hello'));
      open.push(server.listen(0, host));
      await once(server, 'listening');
      const address = server.address();
      assert.ok(address !== null && typeof address === 'object');
      const { localPort = 0 } = await answered(address.port);
      assert.deepEqual(ownerOfLoopbackServer(localPort, address.port), { kind: 'uid', uid });
    });
  }

  it('is gone when there is no such connection, or its other end is closed', async () => {
    assert.deepEqual(ownerOfLoopbackServer(1, 1), { kind: 'gone' });
    const server = createServer((socket) => socket.end('bye', () => socket.destroy()));
    open.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const socket = connect({ host: '127.0.0.1', port: address.port, allowHalfOpen: true });
    open.push(socket);
    await once(socket.resume(), 'end');
    assert.deepEqual(ownerOfLoopbackServer(socket.localPort ?? 0, address.port), { kind: 'gone' });
  });

  it('is the other user for a server that somebody else started', { timeout: 20_000 }, async () => {
    // Only root can be somebody else; for any other user this checks the same with their own uid.
    const them = uid === 0 ? NOBODY : uid;
    const script = `
      const server = require('node:net').createServer((socket) => socket.write('hello'));
      server.listen(0, '127.0.0.1', () => {
        if (process.getuid() === 0) process.setuid(${them});
        console.log(server.address().port);
      });`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
      const port = Number(chunk.toString());
      const { localPort = 0 } = await answered(port);
      assert.deepEqual(ownerOfLoopbackServer(localPort, port), { kind: 'uid', uid: them });
    } finally {
      child.kill('SIGKILL');
    }
  });
});

describe("the kernel's table", () => {
  const row = (local: string, remote: string, state: string, owner: number) =>
    `   1: ${local} ${remote} ${state} 00000000:00000000 02:000A2B3C 00000000 ${String(owner).padStart(5)}        0 52114 2 0 20 4 0 13 -1\n`;
  const HEAD =
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';

  it('names the owner at the end that listens, not at ours', () => {
    const ours = row('0100007F:9C40', '0100007F:0FA1', '01', 1001);
    const theirs = row('0100007F:0FA1', '0100007F:9C40', '01', 1002);
    assert.deepEqual(findOwner(HEAD + ours + theirs, 40_000, 4001), { kind: 'uid', uid: 1002 });
    assert.equal(findOwner(HEAD + ours, 40_000, 4001), null);
  });

  it('has IPv4 connections of IPv6 sockets, and ends that are only waiting for their time', () => {
    const mapped = (port: string) => `0000000000000000FFFF00000100007F:${port}`;
    assert.deepEqual(findOwner(row(mapped('0FA1'), mapped('9C40'), '08', 7), 40_000, 4001), {
      kind: 'uid',
      uid: 7,
    });
    assert.deepEqual(findOwner(row(mapped('0FA1'), mapped('9C40'), '06', 0), 40_000, 4001), { kind: 'gone' });
  });
});
