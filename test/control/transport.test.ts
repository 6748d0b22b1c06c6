// Checks the transport against every kind of bad input: that peer is dropped, a second one is served, memory stays bounded.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import nodeIpc from 'node-ipc';
import type { Call } from '../../src/control/router.ts';
import { encodeFrame } from '../../src/protocol/framing.ts';
import { FRAME_TYPE, MAX_FRAME_BYTES, PROTOCOL_VERSION } from '../../src/protocol/version.ts';
import {
  aStatus,
  assertServes,
  errorOf,
  handlers,
  letRead,
  RawClient,
  startServer,
  until,
} from './harness.ts';

const MIB = 1024 * 1024;

const DROPPED: readonly (readonly [string, string | Buffer])[] = [
  ['a word', 'hello\f'],
  ['an empty frame', '\f'],
  ['bytes that are no UTF-8', Buffer.from([0xff, 0xfe, 0xc3, 0x28, 0x0c])],
  ['null', 'null\f'],
  ['a number', '5\f'],
  ['a list', '[]\f'],
  ['an empty object', '{}\f'],
  ['a type that is no text', '{"type":5}\f'],
  ['an empty type', '{"type":""}\f'],
  ['a type of 257 characters', `{"type":"${'x'.repeat(257)}","data":{}}\f`],
  ['a type named like a member of Object', '{"type":"toString"}\f'],
  ['the type __proto__', '{"type":"__proto__","data":{}}\f'],
  ['the type constructor', '{"type":"constructor","data":{}}\f'],
  ['a forged connect', '{"type":"connect"}\f'],
  ['a forged close', '{"type":"close"}\f'],
  ['a forged error', '{"type":"error"}\f'],
  ['a forged disconnect', '{"type":"socket.disconnected"}\f'],
  ['an HTTP request', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n\f'],
  ['JSON nested 100,000 deep', `${'['.repeat(100_000)}\f`],
];

/** Frames that are well formed but say nothing of the protocol: these are told why. */
const REFUSED: readonly (readonly [string, string])[] = [
  ['another type', '{"type":"other","data":{}}\f'],
  ['no data', `{"type":"${FRAME_TYPE}"}\f`],
  ['data null', `{"type":"${FRAME_TYPE}","data":null}\f`],
  ['data that is a list', `{"type":"${FRAME_TYPE}","data":[]}\f`],
  ['data that is a text', `{"type":"${FRAME_TYPE}","data":"hello"}\f`],
  ['data without a kind', `{"type":"${FRAME_TYPE}","data":{"__proto__":{"kind":"hello"}}}\f`],
];

test('a peer that sends what is no frame is dropped, before and after its hello, and the next is served', async (t) => {
  const server = await startServer(t);
  for (const [what, bytes] of DROPPED) {
    for (const greeted of [false, true]) {
      const client = await (greeted ? RawClient.greeted(t, server.path) : RawClient.connect(t, server.path));
      client.write(bytes);
      await client.ended;
      assert.deepEqual(client.messages, [], what);
      await assertServes(server.path);
    }
  }
});

test('a peer whose frames say nothing of the protocol is told bad-frame and dropped', async (t) => {
  const server = await startServer(t);
  for (const [what, bytes] of REFUSED) {
    for (const greeted of [false, true]) {
      const client = await (greeted ? RawClient.greeted(t, server.path) : RawClient.connect(t, server.path));
      client.write(bytes);
      await client.ended;
      assert.equal(client.messages[0]?.['kind'], 'refused', what);
      assert.equal(errorOf(client.messages[0])['code'], 'bad-frame', what);
      await assertServes(server.path);
    }
  }
});

test('what follows a bad frame in the same chunk is not served', async (t) => {
  let served = 0;
  const server = await startServer(t, {
    handlers: handlers({
      status: async () => {
        served += 1;
        return aStatus();
      },
    }),
  });
  const request = encodeFrame({ kind: 'request', id: '1', method: 'status' });
  const client = await RawClient.greeted(t, server.path);
  client.write(Buffer.concat([encodeFrame({ kind: 'nonsense' }), request, request]));
  await client.ended;
  assert.equal(served, 0);
});

test('one and a half messages in one chunk: the first is answered, the other when its rest is there', async (t) => {
  const server = await startServer(t);
  const client = await RawClient.greeted(t, server.path);
  const second = encodeFrame({ kind: 'request', id: '2', method: 'status' });
  client.write(
    Buffer.concat([encodeFrame({ kind: 'request', id: '1', method: 'status' }), second.subarray(0, 20)]),
  );
  assert.equal((await client.take(1))[0]?.['id'], '1');
  client.write(second.subarray(20));
  assert.equal((await client.take(1))[0]?.['id'], '2');
});

test('a conversation split at any byte is understood', async (t) => {
  const server = await startServer(t);
  const bytes = Buffer.concat([
    encodeFrame({ kind: 'hello', protocol: PROTOCOL_VERSION, client: 'ü€𝄞' }),
    encodeFrame({ kind: 'request', id: 'ü€𝄞', method: 'status', params: {} }),
  ]);
  for (let at = 1; at < bytes.length; at += 1) {
    const client = await RawClient.connect(t, server.path);
    client.write(bytes.subarray(0, at));
    await letRead();
    client.write(bytes.subarray(at));
    const [hello, response] = await client.take(2);
    assert.equal(hello?.['kind'], 'hello', `split at ${at}`);
    assert.equal(response?.['id'], 'ü€𝄞', `split at ${at}`);
    client.socket.destroy();
  }
});

test('a conversation sent byte by byte is understood', async (t) => {
  const server = await startServer(t);
  const client = await RawClient.connect(t, server.path);
  const bytes = Buffer.concat([
    encodeFrame({ kind: 'hello', protocol: PROTOCOL_VERSION, client: 'ü€𝄞' }),
    encodeFrame({ kind: 'request', id: '1', method: 'status' }),
  ]);
  for (const byte of bytes) {
    client.write(Buffer.of(byte));
    await letRead();
  }
  const [, response] = await client.take(2);
  assert.ok('result' in (response ?? {}));
});

/** A status request whose frame has exactly so many bytes, without its form feed. */
function requestOfSize(bytes: number): Buffer {
  const frame = (padding: string) =>
    `{"type":"${FRAME_TYPE}","data":{"kind":"request","id":"1","method":"status","padding":"${padding}"}}`;
  const text = frame('x'.repeat(bytes - frame('').length));
  assert.equal(Buffer.byteLength(text), bytes);
  return Buffer.from(`${text}\f`);
}

test('a frame of 1 MiB is served, as is one byte less; one byte more drops the peer', async (t) => {
  const server = await startServer(t);
  for (const size of [MAX_FRAME_BYTES - 1, MAX_FRAME_BYTES]) {
    const client = await RawClient.greeted(t, server.path);
    client.write(requestOfSize(size));
    assert.ok('result' in ((await client.take(1))[0] ?? {}), `${size} bytes`);
  }
  const client = await RawClient.greeted(t, server.path);
  client.write(requestOfSize(MAX_FRAME_BYTES + 1));
  await client.ended;
  assert.deepEqual(client.messages, []);
  await assertServes(server.path);
});

test('32 MiB without an end, or in one frame, drop the peer early and leave memory as it was', async (t) => {
  const server = await startServer(t);
  for (const end of ['', '\f']) {
    const client = await RawClient.greeted(t, server.path);
    const before = process.memoryUsage().rss;
    const chunk = Buffer.alloc(MIB, 'x');
    let sent = 0;
    while (sent < 32 && !client.socket.destroyed) {
      if (!client.socket.write(chunk))
        await Promise.race([once(client.socket, 'drain').catch(() => {}), client.ended]);
      sent += 1;
    }
    if (!client.socket.destroyed) client.write(end);
    await client.ended;
    assert.ok(sent < 8, `dropped after ${sent} MiB`);
    assert.ok(process.memoryUsage().rss - before < 48 * MIB);
    await assertServes(server.path);
  }
});

test('half a frame is waited for no longer than the limit', async (t) => {
  const server = await startServer(t, { transportLimits: { frameTimeoutMs: 100 } });
  const client = await RawClient.greeted(t, server.path);
  client.write('{"type":"ib-agent","data":{"kind":');
  await client.ended;
  assert.deepEqual(client.messages, []);
  await until('the drop is logged', () => server.log.some((record) => record.fields['end'] === 'violation'));
  await assertServes(server.path);
});

test('a busy peer is not cut off although its chunks never end where a frame ends', async (t) => {
  const server = await startServer(t, { transportLimits: { frameTimeoutMs: 150 } });
  const client = await RawClient.greeted(t, server.path);
  const frame = (id: number) => encodeFrame({ kind: 'request', id: String(id), method: 'status' });
  const startMs = performance.now();
  client.write(frame(0).subarray(0, 10));
  for (let id = 0; performance.now() - startMs < 600; id += 1) {
    client.write(Buffer.concat([frame(id).subarray(10), frame(id + 1).subarray(0, 10)]));
    assert.equal((await client.take(1))[0]?.['id'], String(id));
  }
});

test('a reader that never reads is dropped at the limit, its call aborted, memory bounded', async (t) => {
  let call: Call<'logs'> | undefined;
  const server = await startServer(t, {
    handlers: handlers({
      logs: (_params, given) => {
        call = given;
        return new Promise((_resolve, reject) =>
          given.signal.addEventListener('abort', () => reject(given.signal.reason)),
        );
      },
    }),
    checkResults: false,
  });
  const client = await RawClient.greeted(t, server.path);
  client.socket.pause();
  client.request('1', 'logs', { follow: true });
  await until('the call runs', () => call !== undefined);
  const before = process.memoryUsage().rss;
  // Two bytes a character on the wire: a bound that counts characters would let twice as much wait.
  const text = 'ü'.repeat(64 * 1024);
  let sentBytes = 0;
  for (let turn = 0; turn < 1000 && call?.signal.aborted === false; turn += 1) {
    call.emit({ at: '2026-11-22T09:00:00.000Z', session: 'live', source: 'session', stream: 'stdout', text });
    sentBytes += Buffer.byteLength(text);
    if (turn % 8 === 0) await letRead();
  }
  assert.equal(call?.signal.aborted, true);
  assert.ok(sentBytes > 8 * MIB && sentBytes < 11 * MIB, `dropped after ${sentBytes} bytes`);
  assert.ok(process.memoryUsage().rss - before < 64 * MIB);
  assert.ok(server.log.some((record) => record.fields['end'] === 'backlog'));
  client.socket.resume();
  await client.ended;
  await assertServes(server.path);
});

test('of many slow readers, the one with most waiting is dropped when all together let too much wait', async (t) => {
  const calls: Call<'logs'>[] = [];
  const server = await startServer(t, {
    transportLimits: { maxPendingBytes: 4 * MIB, maxTotalPendingBytes: 3 * MIB },
    handlers: handlers({
      logs: (_params, call) => {
        calls.push(call);
        return new Promise((_resolve, reject) =>
          call.signal.addEventListener('abort', () => reject(call.signal.reason)),
        );
      },
    }),
  });
  const clients: RawClient[] = [];
  for (const id of [1, 2, 3]) {
    const client = await RawClient.greeted(t, server.path);
    client.socket.pause();
    client.request(String(id), 'logs', { follow: true });
    await until('the call runs', () => calls.length === id);
    clients.push(client);
  }
  const emit = (index: number, bytes: number) =>
    calls[index]?.emit({
      at: '2026-11-22T09:00:00.000Z',
      session: 'live',
      source: 'session',
      stream: 'stdout',
      text: 'x'.repeat(bytes),
    });
  for (const index of [0, 1, 1, 2]) emit(index, 0.9 * MIB);
  await until('one is dropped', () => calls.some((call) => call.signal.aborted));
  assert.deepEqual(
    calls.map((call) => call.signal.aborted),
    [false, true, false],
  );
  for (const index of [0, 2]) {
    clients[index]?.socket.resume();
    assert.equal((await clients[index]?.take(1))?.[0]?.['kind'], 'event');
  }
  await assertServes(server.path);
});

test('500 clients at once are all answered, and none is left over', async (t) => {
  const server = await startServer(t);
  await Promise.all(Array.from({ length: 500 }, () => assertServes(server.path)));
  await until('all are gone', () => server.connectionCount() === 0);
});

test('500 clients that send garbage at once are all dropped', async (t) => {
  const server = await startServer(t);
  const clients = await Promise.all(Array.from({ length: 500 }, () => RawClient.connect(t, server.path)));
  for (const [index, client] of clients.entries()) client.write(DROPPED[index % DROPPED.length]?.[1] ?? '\f');
  await Promise.all(clients.map((client) => client.ended));
  await assertServes(server.path);
});

test('10,000 requests on one connection are all answered', async (t) => {
  const server = await startServer(t, { checkResults: false });
  const client = await RawClient.greeted(t, server.path);
  for (let first = 0; first < 10_000; first += 50) {
    const batch = Array.from({ length: 50 }, (_, index) =>
      encodeFrame({ kind: 'request', id: String(first + index), method: 'status' }),
    );
    client.write(Buffer.concat(batch));
    const answers = await client.take(50);
    assert.ok(answers.every((answer) => 'result' in answer));
  }
});

test('a peer that goes away in the middle of its answers harms nobody', async (t) => {
  const server = await startServer(t);
  for (let turn = 0; turn < 20; turn += 1) {
    const client = await RawClient.greeted(t, server.path);
    for (let id = 0; id < 20; id += 1) client.request(String(id), 'status');
    client.socket.destroy();
  }
  await until('all are gone', () => server.connectionCount() === 0);
  await assertServes(server.path);
  assert.deepEqual(
    server.log.filter((record) => record.level === 'error'),
    [],
  );
});

test("node-ipc's own client is served", async (t) => {
  const server = await startServer(t);
  const ipc = new nodeIpc.IPC();
  Object.assign(ipc.config, { silent: true, maxRetries: 0, stopRetrying: true, parser: 'guarded' });
  t.after(() => ipc.disconnect('agent'));
  const messages: Record<string, unknown>[] = [];
  ipc.connectTo('agent', server.path, () => {
    const agent = ipc.of['agent'];
    agent?.on(FRAME_TYPE, (data) => messages.push(data as Record<string, unknown>));
    agent?.on('connect', () => {
      agent.emit(FRAME_TYPE, { kind: 'hello', protocol: PROTOCOL_VERSION, client: 'node-ipc' });
      agent.emit(FRAME_TYPE, { kind: 'request', id: 'ü', method: 'status' });
    });
  });
  await until('both answers', () => messages.length === 2);
  assert.equal(messages[0]?.['kind'], 'hello');
  assert.deepEqual(messages[1], { kind: 'response', id: 'ü', result: aStatus() });
});
