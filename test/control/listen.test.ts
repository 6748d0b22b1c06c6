// Checks the socket as a file: a live one is respected, a dead one replaced, nothing else touched, the mode never wider than meant.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ListeningSocket, listenControlSocket, type SocketPlace } from '../../src/control/listen.ts';
import type { AgentError } from '../../src/protocol/errors.ts';
import { clock, socketDirectory, startServer } from './harness.ts';

async function listen(t: TestContext, place: SocketPlace): Promise<ListeningSocket> {
  const socket = await listenControlSocket(place, clock);
  t.after(() => socket.close());
  return socket;
}

function modeOf(path: string): number {
  return lstatSync(path).mode & 0o777;
}

async function canConnect(path: string): Promise<boolean> {
  const socket = connect({ path });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Leaves a socket that nobody listens on, as a killed agent does. */
async function leaveDeadSocket(path: string): Promise<void> {
  const server = createServer().listen(`${path}.alive`);
  await once(server, 'listening');
  renameSync(`${path}.alive`, path);
  server.close();
  await once(server, 'close');
  assert.equal(lstatSync(path).isSocket(), true);
}

test('the socket has the mode asked for, whatever the umask, and the umask is as before', async (t) => {
  const before = process.umask();
  t.after(() => process.umask(before));
  for (const umask of [0o000, 0o022, 0o077]) {
    for (const mode of [0o600, 0o666] as const) {
      process.umask(umask);
      const path = join(socketDirectory(t), 'control.sock');
      await listen(t, { path, mode });
      assert.equal(modeOf(path), mode);
      assert.equal(process.umask(), umask);
    }
  }
});

test('the socket has its name only once it has its mode: nobody finds one that he may not open', async (t) => {
  const directory = socketDirectory(t);
  const path = join(directory, 'control.sock');
  process.umask(0);
  t.after(() => process.umask(0o022));
  const seen: (readonly [string, number])[] = [];
  const { umask } = process;
  // The umask is put back right after the bind, before the mode is widened: that is the moment to look.
  t.mock.method(process, 'umask', (...values: number[]) => {
    if (seen.length === 0 && existsSync(directory))
      for (const name of readdirSync(directory)) seen.push([name, modeOf(join(directory, name))]);
    return umask(...(values as []));
  });
  await listen(t, { path, mode: 0o666 });
  assert.deepEqual(
    seen.map(([name, mode]) => [name === 'control.sock', mode]),
    [[false, 0o600]],
  );
  assert.deepEqual(readdirSync(directory), ['control.sock']);
  assert.equal(modeOf(path), 0o666);
});

test('a second agent is refused with the path, and the first goes on', async (t) => {
  const path = join(socketDirectory(t), 'control.sock');
  await listen(t, { path, mode: 0o600 });
  await assert.rejects(listenControlSocket({ path, mode: 0o600 }, clock), (error: AgentError) => {
    assert.equal(error.code, 'already-running');
    assert.ok(error.message.includes(path));
    return true;
  });
  assert.equal(await canConnect(path), true);
});

test('of two agents that start at once, one listens and the other is refused', async (t) => {
  const path = join(socketDirectory(t), 'control.sock');
  await leaveDeadSocket(path);
  const outcomes = await Promise.allSettled([1, 2].map(() => listen(t, { path, mode: 0o600 })));
  assert.deepEqual(outcomes.map((outcome) => outcome.status).sort(), ['fulfilled', 'rejected']);
  const refused = outcomes.find((outcome) => outcome.status === 'rejected');
  assert.ok(refused !== undefined && (refused.reason as AgentError).code === 'already-running');
  assert.equal(await canConnect(path), true);
});

test('the socket of a killed agent is replaced', async (t) => {
  const path = join(socketDirectory(t), 'control.sock');
  await leaveDeadSocket(path);
  await listen(t, { path, mode: 0o600 });
  assert.equal(await canConnect(path), true);
});

test('what is no socket is left as it is, and named', async (t) => {
  const directory = socketDirectory(t);
  const file = join(directory, 'file');
  writeFileSync(file, 'precious');
  mkdirSync(join(directory, 'directory'));
  const target = join(directory, 'dead.sock');
  await leaveDeadSocket(target);
  symlinkSync(target, join(directory, 'link'));
  for (const name of ['file', 'directory', 'link']) {
    const path = join(directory, name);
    await assert.rejects(listenControlSocket({ path, mode: 0o600 }, clock), (error: AgentError) => {
      assert.equal(error.code, 'socket-unusable');
      assert.ok(error.message.includes(path));
      return true;
    });
  }
  assert.equal(readFileSync(file, 'utf8'), 'precious');
  assert.equal(lstatSync(join(directory, 'link')).isSymbolicLink(), true);
  assert.equal(lstatSync(target).isSocket(), true);
});

test('a directory that is missing and a path that is too long are named', async (t) => {
  const directory = socketDirectory(t);
  for (const path of [join(directory, 'missing', 'control.sock'), join(directory, 'x'.repeat(110))]) {
    await assert.rejects(listenControlSocket({ path, mode: 0o600 }, clock), (error: AgentError) => {
      assert.equal(error.code, 'socket-unusable');
      assert.ok(error.message.includes(path));
      assert.ok(error.hint);
      return true;
    });
  }
});

test('closing removes the socket, also when its mode was changed meanwhile', async (t) => {
  const path = join(socketDirectory(t), 'control.sock');
  const socket = await listen(t, { path, mode: 0o600 });
  chmodSync(path, 0o660);
  await socket.close();
  assert.equal(existsSync(path), false);
});

test('closing leaves the socket of an agent that has taken the place, and harms it not', async (t) => {
  const path = join(socketDirectory(t), 'control.sock');
  const first = await listen(t, { path, mode: 0o600 });
  renameSync(path, `${path}.old`);
  await listen(t, { path, mode: 0o600 });
  await first.close();
  assert.equal(await canConnect(path), true);
});

test('closing is quiet when somebody has removed the socket', async (t) => {
  const path = join(socketDirectory(t), 'control.sock');
  const socket = await listen(t, { path, mode: 0o600 });
  renameSync(path, `${path}.old`);
  await socket.close();
});

test('a descriptor that another process has bound is served, and its file left alone', async (t) => {
  const path = join(socketDirectory(t), 'control.sock');
  const owner = createServer().listen(path);
  await once(owner, 'listening');
  t.after(() => owner.close());
  const handle = (owner as unknown as { _handle: { fd: number } })._handle;
  const listenUrl = new URL('../../src/control/listen.ts', import.meta.url).href;
  const clockUrl = new URL('../../src/host/clock.ts', import.meta.url).href;
  const script = `
    import { listenControlSocket } from ${JSON.stringify(listenUrl)};
    import { SystemClock } from ${JSON.stringify(clockUrl)};
    const socket = await listenControlSocket({ fd: 3 }, new SystemClock());
    socket.server.on('connection', (peer) => peer.end('served'));
    process.stdout.write('ready');
    process.stdin.on('data', () => socket.close().then(() => process.exit(0)));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit', handle.fd],
  });
  t.after(() => child.kill());
  const { stdin, stdout } = child;
  assert.ok(stdin !== null && stdout !== null);
  await once(stdout, 'data');
  // Both processes hold the socket; whichever accepts, the owner hands nothing on.
  const answer = await new Promise<string>((resolve) => {
    const ask = () => {
      let text = '';
      const client = connect({ path });
      client.on('data', (chunk) => {
        text += chunk;
      });
      client.on('close', () => (text === '' ? ask() : resolve(text)));
    };
    owner.on('connection', (peer) => peer.destroy());
    ask();
  });
  assert.equal(answer, 'served');
  stdin.write('close');
  const [status] = await once(child, 'exit');
  assert.equal(status, 0);
  assert.equal(lstatSync(path).isSocket(), true);
});

test('an agent that cannot listen leaves the one that does alone', async (t) => {
  const server = await startServer(t);
  await assert.rejects(startServer(t, { place: { path: server.path, mode: 0o600 } }), {
    code: 'already-running',
  });
  assert.equal(await canConnect(server.path), true);
});
