// Clients that are strangers, broken, slow or many: the JVM lives, and a good client is served afterwards.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, statSync } from 'node:fs';
import { after, afterEach, before, it } from 'node:test';
import { until } from '../support/world.ts';
import { Bench, type Jvm, Raw, UID } from './jvm.ts';

const bench = new Bench();
before(() => bench.open());
afterEach(() => bench.clear());
after(() => bench.close());

async function open(): Promise<Jvm> {
  const jvm = bench.nasty('kinds');
  await jvm.sees('open');
  await bench.client(jvm);
  return jvm;
}

async function stillServes(jvm: Jvm): Promise<void> {
  const { bridge } = await bench.client(jvm);
  assert.equal((await bridge.windows({}, 10_000)).windows[0]?.title, 'Kinds');
  assert.equal(jvm.running, true);
  assert.deepEqual(
    jvm.lines.filter((line) => line !== 'open'),
    [],
  );
  bridge.close();
}

/** Small numbers from a fixed seed (xorshift), so that a failure comes again. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

it('another user is refused, by the mode of the socket and by the bridge itself', {
  skip: UID !== 0,
}, async () => {
  const jvm = await open();
  const asNobody = (socket: string) => {
    const code = `
      const socket = require('node:net').connect(${JSON.stringify(socket)});
      let all = '';
      socket.setEncoding('utf8');
      socket.on('error', (error) => console.log(error.code));
      socket.on('close', () => console.log(all));
      socket.on('data', (data) => {
        if (all === '') socket.write('{"id":1,"op":"hello","protocols":[1]}\\n{"id":2,"op":"windows"}\\n');
        all += data;
        if (all.includes('"id":2')) socket.end();
      });`;
    const user = ['--reuid=65534', '--regid=65534', '--clear-groups', '--'];
    const { stdout, stderr } = spawnSync('setpriv', [...user, process.execPath, '-e', code], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] },
    });
    assert.equal(stderr, '');
    return stdout;
  };
  assert.equal((statSync(jvm.socket).mode & 0o777).toString(8), '660');
  assert.equal(asNobody(jvm.socket).trim(), 'EACCES');
  chmodSync(jvm.socket, 0o666);
  const refused = asNobody(jvm.socket);
  assert.match(refused, /"code":"not-allowed"/);
  assert.ok(!refused.includes('hello') && !refused.includes('Kinds'), refused);
  await stillServes(jvm);
  const invited = bench.start({
    classpath: bench.fixture,
    main: ['Nasty', 'kinds'],
    agent: ',uids=12345:65534',
  });
  await invited.sees('open');
  await bench.client(invited);
  chmodSync(invited.socket, 0o666);
  assert.match(asNobody(invited.socket), /"title":"Kinds"/);
});

it('10,000 lines of junk in many connections change nothing', { timeout: 300_000 }, async () => {
  const jvm = await open();
  const pick = numbers(20_261_126);
  const words = [
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    'null',
    'true',
    '-',
    '1e999',
    '9'.repeat(40),
    '"id"',
    '"op"',
    '"windows"',
    '"type-code"',
    '"click"',
    '"window"',
    '"path"',
    '"w1"',
    '0/0:javax.swing.JButton',
    '\\u00',
    '\\ud800',
    '\\',
    '\0',
    'ä',
    '\ud83d',
    '{"id":1,"op":"',
    '"expect":{"near":',
    '"timeoutMs":',
    '{"id":7,"op":"ping"}',
    '{"id":7,"op":"windows","rows":1000}',
    '{"id":7,"op":"menu","window":"w1","items":[null]}',
    '{"id":7,"op":"select-row","window":"w1","path":"0/1:javax.swing.JLayeredPane","row":-1,"text":"x"}',
    '{"id":7,"op":"click","window":"w1","path":"0/-1/99999999999:x","text":""}',
    '{"id":7,"op":"hello","protocols":[2]}',
    '{"id":7,"op":"hello","protocols":7}',
    '{"id":7,"op":"subscribe"}',
    '{"id":7,"op":"paint","window":"w1"}',
    '{"id":{},"op":[]}',
    `${'['.repeat(2_000)}`,
    `{"id":1,${'"a":{'.repeat(500)}`,
  ];
  let written = 0;
  while (written < 10_000) {
    const raw = new Raw(jvm.socket);
    await until('connected', () => raw.received !== '' || raw.closed);
    if (pick(4) > 0) raw.write('{"id":0,"op":"hello","protocols":[1]}\n');
    const lines = 50 + pick(200);
    for (let i = 0; i < lines; i++) {
      let line = '';
      for (let parts = pick(6); parts >= 0; parts--) line += words[pick(words.length)] ?? '';
      raw.write(
        pick(20) === 0 ? Buffer.from(Array.from({ length: pick(300) }, () => pick(256))) : `${line}\n`,
      );
      written++;
    }
    // Half of them go without a word, in the middle of a line.
    raw.write('{"id":99,"op":"pi');
    if (pick(2) === 0) raw.socket.destroy();
    else raw.socket.end();
    await until('closed', () => raw.closed || raw.socket.destroyed);
  }
  await stillServes(jvm);
});

it('junk is told what is wrong with it', async () => {
  const jvm = await open();
  const raw = new Raw(jvm.socket);
  raw.write('{"id":1,"op":"windows"}\n');
  assert.equal(errorOf(await raw.answer(1)), 'hello-first');
  await raw.greet();
  const cases: readonly (readonly [string, number | null, string])[] = [
    ['hello', null, 'bad-request'],
    ['{"op":"ping"}', null, 'bad-request'],
    ['{"id":2,"op":"fly"}', 2, 'unknown-op'],
    ['{"id":3,"op":"ping","timeoutMs":0}', 3, 'bad-request'],
    ['{"id":4,"op":"ping","timeoutMs":30001}', 4, 'bad-request'],
    ['{"id":5,"op":"click","window":"w1","path":"0:x"}', 5, 'bad-request'],
    ['{"id":6,"op":"paint","window":"w999"}', 6, 'stale'],
    ['{"id":8,"id":8,"op":"ping"}', null, 'bad-request'],
  ];
  for (const [line, id, code] of cases) {
    const before = raw.lines().length;
    raw.write(`${line}\n`);
    await until(line, () => raw.lines().length > before);
    const answer = raw.lines().at(-1) ?? {};
    assert.deepEqual([answer['id'], errorOf(answer)], [id, code], line);
  }
  const other = new Raw(jvm.socket);
  other.write('{"id":1,"op":"hello","protocols":[0,2]}\n');
  assert.equal(errorOf(await other.answer(1)), 'version-mismatch');
  await until('closed', () => other.closed);
});

function errorOf(answer: Record<string, unknown>): unknown {
  return (answer['error'] as Record<string, unknown> | undefined)?.['code'];
}

it('a line of 1 MiB is read, a longer one ends the connection', async () => {
  const jvm = await open();
  const raw = new Raw(jvm.socket);
  await raw.greet();
  const head = '{"id":1,"op":"ping","x":"';
  raw.write(`${head}${'x'.repeat(1024 * 1024 - head.length - 2)}"}\n`);
  assert.equal((await raw.answer(1))['ok'], true);
  raw.write('x'.repeat(1024 * 1024 + 1));
  await until('closed', () => raw.closed);
  await stillServes(jvm);
});

it('200 connections at once are served or refused, and are forgotten when they are gone', async () => {
  const jvm = await open();
  const many = Array.from({ length: 200 }, () => new Raw(jvm.socket));
  await until('each was answered', () => many.every((raw) => raw.received.includes('\n') || raw.closed));
  const greeted = many.filter((raw) => raw.received.startsWith('{"hello"'));
  const refused = many.filter((raw) => raw.received.includes('"code":"busy"'));
  assert.ok(greeted.length >= 10 && greeted.length <= 24, `${greeted.length} were greeted`);
  assert.equal(greeted.length + refused.length, 200);
  for (const raw of many) raw.socket.destroy();
  await stillServes(jvm);
});

it('more requests at once than it keeps are refused, each by its id', async () => {
  const jvm = await open();
  const raw = new Raw(jvm.socket);
  await raw.greet();
  const ids = Array.from({ length: 200 }, (_, index) => index + 1);
  raw.write(ids.map((id) => `{"id":${id},"op":"windows"}\n`).join(''));
  await until('all are answered', () => ids.every((id) => raw.lines().some((line) => line['id'] === id)));
  const codes = new Set(raw.lines().map(errorOf));
  assert.ok(codes.has('busy'));
  raw.write('{"id":999,"op":"ping"}\n');
  assert.equal((await raw.answer(999))['ok'], true);
});

it('a client that does not read is dropped, and holds up nobody', { timeout: 120_000 }, async () => {
  const jvm = await open();
  const slow = new Raw(jvm.socket);
  await slow.greet();
  slow.socket.pause();
  const { bridge } = await bench.client(jvm);
  // Each answer is some kilobytes long; the bridge keeps eight megabytes of them, and that for less than 15 seconds.
  let id = 1;
  await until(
    'it is dropped because of how much it has not read',
    () => {
      if (slow.socket.destroyed) return true;
      if (!slow.socket.writableNeedDrain) {
        slow.write(Array.from({ length: 100 }, () => `{"id":${id++},"op":"threads"}\n`).join(''));
      }
      return false;
    },
    12_000,
  );
  assert.equal((await bridge.ping()).eventThread, 'answers');
  await stillServes(jvm);
});

it('a half line, and a client that says nothing, are not kept for ever', { timeout: 60_000 }, async () => {
  const jvm = await open();
  const silent = new Raw(jvm.socket);
  const half = new Raw(jvm.socket);
  await half.greet();
  half.write('{"id":1,');
  await until('both are closed', () => silent.closed && half.closed, 30_000);
  await stillServes(jvm);
});
