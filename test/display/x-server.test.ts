import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { after, afterEach, describe, it } from 'node:test';
import { connectDisplay, type DisplayWait, tryDisplay } from '../../src/display/x-server.ts';
import { X_SOCKET_DIRECTORY } from '../../src/display/xvfb.ts';
import { SystemClock } from '../../src/host/clock.ts';
import { peerCredentials } from '../../src/host/peercred.ts';

const COOKIE = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
const UID = process.getuid?.() ?? 0;
/** Far above any real display, and another one for each process that runs these tests. */
let number = 100_000 + process.pid;

const servers: Server[] = [];
const children: ChildProcess[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
after(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** An X server's front door on the abstract name; `answer` sees the first bytes of a client. */
async function listen(answer: (socket: Socket, request: Buffer) => void): Promise<number> {
  number += 1;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (request: Buffer) => answer(socket, request));
  });
  servers.push(server);
  server.listen(`\0/tmp/.X11-unix/X${number}`);
  await once(server, 'listening');
  return number;
}

function attempt(target: number, timeoutMs = 5_000) {
  return {
    number: target,
    cookie: COOKIE,
    uid: UID,
    readPeer: peerCredentials,
    clock: new SystemClock(),
    timeoutMs,
  };
}

const SUCCESS = Buffer.from([1, 0, 11, 0, 0, 0, 0, 0]);

function failed(reason: string): Buffer {
  const padded = Buffer.alloc(Math.ceil(reason.length / 4) * 4);
  padded.write(reason);
  return Buffer.concat([Buffer.from([0, reason.length, 11, 0, 0, 0, padded.length / 4, 0]), padded]);
}

describe('one attempt at an X server', () => {
  it('sends the setup request with the cookie and takes Success', async () => {
    let seen: Buffer = Buffer.alloc(0);
    const target = await listen((socket, request) => {
      seen = request;
      socket.write(SUCCESS);
    });
    assert.deepEqual(await tryDisplay(attempt(target)), { kind: 'ready', pid: process.pid });
    const head = Buffer.from([0x6c, 0, 11, 0, 0, 0, 18, 0, 16, 0, 0, 0]);
    assert.deepEqual(seen, Buffer.concat([head, Buffer.from('MIT-MAGIC-COOKIE-1\0\0'), COOKIE]));
  });

  it('reads an answer that comes byte by byte', async () => {
    const target = await listen(async (socket) => {
      for (const byte of failed('Invalid key')) {
        await new Promise((done) => socket.write(Buffer.from([byte]), done));
      }
    });
    assert.deepEqual(await tryDisplay(attempt(target)), { kind: 'refused', reason: 'Invalid key' });
  });

  it('says that a server closed or kept silent', async () => {
    const closing = await listen((socket) => socket.destroy());
    assert.deepEqual(await tryDisplay(attempt(closing)), {
      kind: 'absent',
      detail: 'it closed the connection',
    });
    const silent = await listen(() => {});
    assert.deepEqual(await tryDisplay(attempt(silent, 50)), {
      kind: 'absent',
      detail: 'it did not answer in time',
    });
  });

  it('says that nothing listens', async () => {
    assert.deepEqual(await tryDisplay(attempt(number + 1)), {
      kind: 'absent',
      detail: 'nothing listens there',
    });
  });

  it('tries the path when nobody has the abstract name', async () => {
    mkdirSync(X_SOCKET_DIRECTORY, { recursive: true, mode: 0o1777 });
    number += 1;
    const server = createServer((socket) => socket.once('data', () => socket.write(SUCCESS)));
    servers.push(server);
    server.listen(`${X_SOCKET_DIRECTORY}/X${number}`);
    await once(server, 'listening');
    assert.equal((await tryDisplay(attempt(number))).kind, 'ready');
  });

  it('gives nothing to a server whose user cannot be told', async () => {
    let received = 0;
    const target = await listen((_socket, request) => {
      received += request.length;
    });
    const answer = await tryDisplay({ ...attempt(target), readPeer: () => null });
    assert.deepEqual(answer, { kind: 'foreign', uid: null });
    assert.equal(received, 0);
  });

  it('gives nothing to a server of another user', async () => {
    const stranger = await startStranger();
    const answer = await tryDisplay({ ...attempt(stranger.number), uid: stranger.ownUid });
    assert.deepEqual(answer, { kind: 'foreign', uid: stranger.uid });
    assert.equal(await stranger.received, 'received 0');
  });
});

describe('the wait for a display', () => {
  function wait(changes: Partial<DisplayWait>): DisplayWait {
    return {
      uid: UID,
      readPeer: peerCredentials,
      clock: new SystemClock(),
      deadlineMs: 10_000,
      readTarget: () => null,
      ...changes,
    };
  }

  it('goes on over what is not ready yet, and follows a display that is started again', async () => {
    const target = await listen((socket) => socket.write(SUCCESS));
    let looks = 0;
    const outcome = await connectDisplay(
      wait({
        readTarget: () => {
          looks += 1;
          if (looks === 1) return null;
          return { number: looks === 2 ? target + 500 : target, cookie: COOKIE };
        },
      }),
    );
    assert.deepEqual(outcome, { kind: 'ready', number: target, pid: process.pid });
    assert.equal(looks, 3);
  });

  it('ends at the deadline with the last answer', async () => {
    assert.deepEqual(await connectDisplay(wait({ deadlineMs: 30 })), {
      kind: 'failed',
      number: null,
      answer: null,
    });
    const target = await listen((socket) => socket.write(failed('no')));
    const outcome = await connectDisplay(
      wait({ deadlineMs: 30, readTarget: () => ({ number: target, cookie: COOKIE }) }),
    );
    assert.deepEqual(outcome, { kind: 'failed', number: target, answer: { kind: 'refused', reason: 'no' } });
  });
});

/** A server of another user: as root a real one (nobody); otherwise our own, looked at as if we were somebody else. */
async function startStranger() {
  number += 1;
  const source = `
    const server = require('node:net').createServer((socket) => {
      let received = 0;
      socket.on('data', (bytes) => { received += bytes.length; });
      socket.on('error', () => {});
      socket.on('close', () => console.log('received ' + received));
    });
    server.listen('\\0/tmp/.X11-unix/X${number}', () => console.log('listening'));
  `;
  const node = [process.execPath, '-e', source];
  const argv = UID === 0 ? ['setpriv', '--reuid=65534', '--clear-groups', ...node] : node;
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'listening');
  return {
    number,
    uid: UID === 0 ? 65_534 : UID,
    ownUid: UID === 0 ? UID : UID + 1,
    received: lines.next().then(({ value }) => value),
  };
}
