// Checks that the kernel's word on a peer arrives, and that everything else is null and never an exception.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { peerCredentials, peerCredentialsOfDescriptor } from '../../src/host/peercred.ts';

async function listenAt(t: TestContext): Promise<{ path: string; accepted: Promise<Socket> }> {
  const directory = mkdtempSync(join(tmpdir(), 'ib-peercred-'));
  chmodSync(directory, 0o755);
  const path = join(directory, 'socket');
  const server = createServer().listen(path);
  await once(server, 'listening');
  chmodSync(path, 0o666);
  t.after(() => {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const accepted = once(server, 'connection').then(([socket]) => {
    t.after(() => (socket as Socket).destroy());
    return socket as Socket;
  });
  return { path, accepted };
}

test("both ends of a connection learn the other's pid, uid and gid", async (t) => {
  const { path, accepted } = await listenAt(t);
  const client = connect({ path });
  t.after(() => client.destroy());
  const own = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() };
  const server = await accepted;
  assert.deepEqual(peerCredentials(server), own);
  assert.deepEqual(peerCredentials(client), own);
});

test('a process of another user is seen as that user', async (t) => {
  const { path, accepted } = await listenAt(t);
  const script = `require('node:net').connect(${JSON.stringify(path)}).on('close', () => process.exit())`;
  const root = process.getuid?.() === 0;
  const [uid, gid] = root ? [65_534, 65_533] : [process.getuid?.(), process.getgid?.()];
  const user = root ? ['setpriv', '--reuid=65534', '--regid=65533', '--clear-groups', '--'] : [];
  const [file = '', ...args] = [...user, process.execPath, '-e', script];
  const child = spawn(file, args, { stdio: 'inherit' });
  t.after(() => child.kill());
  assert.deepEqual(peerCredentials(await accepted), { pid: child.pid, uid, gid });
});

test('what has no peer, or none that the kernel knows, gives null', async (t) => {
  const tcp = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  t.after(() => tcp.close());
  const address = tcp.address();
  assert.ok(typeof address === 'object' && address !== null);
  const overTcp = connect(address.port, '127.0.0.1');
  await once(overTcp, 'connect');
  const things = [
    overTcp,
    {},
    { _handle: null },
    { _handle: { fd: -1 } },
    { _handle: { fd: 'x' } },
    { _handle: { fd: 1_000_000 } },
  ];
  for (const thing of things) assert.equal(peerCredentials(thing), null);
  overTcp.destroy();
  const { path, accepted } = await listenAt(t);
  const client = connect({ path });
  await accepted;
  client.destroy();
  assert.equal(peerCredentials(client), null);
  assert.equal(peerCredentialsOfDescriptor(-1), null);
});

test('where koffi cannot be loaded the answer is null, with the reason at hand', () => {
  const url = (file: string) => JSON.stringify(new URL(`../../src/host/${file}`, import.meta.url).href);
  const script = `
    import { registerHooks } from 'node:module';
    registerHooks({ resolve: (name, context, next) => {
      if (name === 'koffi') throw new Error('no such package');
      return next(name, context);
    } });
    const { peerCredentialsOfDescriptor } = await import(${url('peercred.ts')});
    const { nativeProblem } = await import(${url('ffi.ts')});
    process.stdout.write(JSON.stringify([peerCredentialsOfDescriptor(0), nativeProblem()]));
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  assert.deepEqual(JSON.parse(stdout), [null, 'koffi cannot be loaded: no such package']);
});
