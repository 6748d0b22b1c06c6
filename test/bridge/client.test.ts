// The client against servers that are no bridge, or one of another age.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { BridgeClient, type BridgeClientOptions, type BridgeObservation } from '../../src/bridge/client.ts';
import { SystemClock } from '../../src/host/clock.ts';
import { until } from '../support/world.ts';

const HELLO = '{"hello":"ib-bridge","protocol":1,"pid":7,"java":"17.0.1","premainMicros":900}\n';
const clock = new SystemClock();

let root = '';
let server: Server | null = null;
let client: BridgeClient | null = null;
let seen: BridgeObservation[] = [];
let received = '';
const sockets = new Set<Socket>();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bridge-client-'));
  seen = [];
  received = '';
});
afterEach(async () => {
  client?.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await new Promise((resolve) => (server === null ? resolve(null) : server.close(resolve)));
  server = null;
  rmSync(root, { recursive: true, force: true });
});

/** A server that sends a greeting, and answers each line as `answer` says. */
async function serve(greeting: string, answer: (line: string) => string = () => ''): Promise<void> {
  const made = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      received += data;
      for (const line of String(data).split('\n').slice(0, -1)) socket.write(answer(line));
    });
    if (greeting !== '') socket.write(greeting);
  });
  server = made;
  await new Promise<void>((resolve) => made.listen(join(root, 's'), resolve));
}

const idOf = (line: string) => (JSON.parse(line) as { id: number }).id;
const yes = (line: string) => `{"id":${idOf(line)},"ok":true}\n`;

function connect(options: Partial<BridgeClientOptions> = {}): BridgeClient {
  client = new BridgeClient({
    path: join(root, 's'),
    clock,
    serverUid: process.getuid?.() ?? 0,
    observe: (observation) => seen.push(observation),
    connectTimeoutMs: 500,
    reconnectDelayMs: () => 60_000,
    ...options,
  });
  client.connect();
  return client;
}

const closed = () =>
  until('closed', () => seen.find((item) => item.kind === 'closed' || item.kind === 'unreachable'));

describe('a server that is no bridge', () => {
  for (const { what, greeting, reason } of [
    { what: 'says nothing', greeting: '', reason: 'mute' },
    { what: 'speaks something else', greeting: 'SSH-2.0-OpenSSH_9.2\n', reason: 'garbage' },
    { what: 'is of a later age', greeting: HELLO.replace('"protocol":1', '"protocol":2'), reason: 'version' },
    {
      what: 'does not serve this user',
      greeting: '{"id":null,"ok":false,"error":{"code":"not-allowed","message":"no"}}\n',
      reason: 'refused',
    },
    { what: 'never ends its line', greeting: 'x'.repeat(9 * 1024 * 1024), reason: 'garbage' },
    { what: 'greets and then says nothing', greeting: HELLO, reason: 'mute' },
  ]) {
    it(`that ${what} is given up as ${reason}`, async () => {
      await serve(greeting);
      connect();
      assert.deepEqual(await closed(), { kind: 'closed', reason, wasOpen: false });
      assert.equal(client?.hello, null);
    });
  }

  it('that runs as another user is sent nothing', async () => {
    await serve(HELLO, yes);
    connect({ readPeer: () => ({ pid: 1, uid: 4_711, gid: 0 }) });
    assert.deepEqual(await closed(), { kind: 'closed', reason: 'foreign', wasOpen: false });
    assert.equal(received, '');
  });
});

describe('a bridge', () => {
  it('that is not there is tried again until it is', async () => {
    connect({ reconnectDelayMs: () => 10 });
    await until('two attempts', () => seen.length > 2);
    assert.deepEqual(seen[0], { kind: 'unreachable', code: 'ENOENT' });
    await serve(HELLO, yes);
    await client?.whenOpen(5_000);
    assert.equal(client?.hello?.pid, 7);
  });

  it('that does not answer in time, ends first, or answers junk is told apart', async () => {
    await serve(HELLO, (line) => {
      if (line.includes('"hello"')) return yes(line);
      if (line.includes('"clock"')) return `{"id":${idOf(line)},"ok":true,"now":"soon"}\n`;
      if (line.includes('"threads"')) for (const socket of sockets) socket.destroy();
      return '';
    });
    const bridge = connect();
    await bridge.whenOpen(5_000);
    await assert.rejects(bridge.clock(), { code: 'garbage' });
    await assert.rejects(bridge.windows({}, 50), { code: 'no-answer' });
    await assert.rejects(bridge.threads(), { code: 'lost' });
    await assert.rejects(bridge.threads(), { code: 'not-connected' });
  });

  it('of a newer make may say more than this client knows', async () => {
    await serve(HELLO.replace('}\n', ',"colour":"red"}\n'), (line) =>
      line.includes('"hello"')
        ? `{"event":"weather","sun":true}\n${yes(line)}{"event":"window","change":"melted"}\n`
        : `{"id":${idOf(line)},"ok":false,"error":{"code":"brand-new","message":"Unheard of."}}\n`,
    );
    const bridge = connect();
    await bridge.whenOpen(5_000);
    await assert.rejects(bridge.clock(), { code: 'failed', message: 'Unheard of.' });
    assert.deepEqual(
      seen.map(({ kind }) => kind),
      ['open'],
    );
  });

  it('that is closed here rejects what waits, and says nothing more', async () => {
    await serve(HELLO, (line) => (line.includes('"hello"') ? yes(line) : ''));
    const bridge = connect();
    await bridge.whenOpen(5_000);
    const waiting = bridge.windows({}, 30_000);
    bridge.close();
    await assert.rejects(waiting, { code: 'lost' });
    await assert.rejects(bridge.whenOpen(10), { code: 'not-connected' });
    assert.deepEqual(
      seen.map(({ kind }) => kind),
      ['open'],
    );
  });
});
