// The bridge and the life of its JVM: it starts nothing, keeps nothing alive, ends nothing, and knows a frozen event thread.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, afterEach, before, it } from 'node:test';
import { until } from '../support/world.ts';
import { Bench, eventually, logIn, Raw, windowCalled } from './jvm.ts';

/** A JVM that is kept alive would be waited for until the end of days. */
const SOON = { timeout: 60_000 };

const bench = new Bench();
before(() => bench.open());
afterEach(() => bench.clear());
after(() => bench.close());

it('a JVM that has no windows loads nothing of AWT for it, answers, and ends by itself', SOON, async () => {
  const classes = join(bench.root, 'loaded.txt');
  const jvm = bench.start({
    classpath: bench.fixture,
    main: ['Quiet', 'sleep', '2500'],
    options: [`-Xlog:class+load:file=${classes}`],
  });
  const { bridge } = await bench.client(jvm, { events: true });
  assert.deepEqual(await bridge.ping(), { eventThread: 'not-started' });
  assert.deepEqual(await bridge.windows(), { awt: 'not-started', windows: [], truncated: false });
  await assert.rejects(bridge.paint('w1'), { code: 'stale' });
  assert.ok((await bridge.threads()).some(({ name }) => name === 'main'));
  assert.equal((await bridge.clock()).zone, 'Etc/UTC');
  assert.equal(await jvm.exit, 0);
  const loaded = readFileSync(classes, 'utf8');
  assert.match(loaded, /ibagent\.bridge\.Server/);
  assert.deepEqual(
    loaded
      .split('\n')
      .filter((line) => /java\.awt\.|javax\.swing\.|ibagent\.bridge\.(Screen|Watch|Texts)/.test(line)),
    [],
  );
  assert.deepEqual(jvm.lines, []);
});

it('a JVM whose last window is disposed ends, however often it is asked', SOON, async () => {
  const jvm = bench.start({ classpath: bench.fixture, main: ['Quiet', 'window', '1000'] });
  const { bridge } = await bench.client(jvm, { events: true });
  await windowCalled(bridge, 'Brief');
  await jvm.sees('disposed');
  let idle = 0;
  const asking = (async () => {
    while (jvm.running) {
      const { eventThread } = await bridge.ping(500);
      if (eventThread === 'idle') idle++;
      await bridge.windows();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })().catch(() => {});
  assert.equal(await jvm.exit, 0);
  await asking;
  assert.ok(idle > 5, `${idle} answers while there was no window`);
});

it('a frozen event thread is told as frozen, and what was given up meanwhile is never done', async () => {
  const jvm = await bench.gateway();
  const { bridge } = await bench.client(jvm);
  await logIn(bridge);
  const main = await windowCalled(bridge, 'IBKR Gateway - Live Trading');
  await appendFile(join(jvm.settings, 'standin.properties'), 'now.freeze.ms=4000\n');
  await jvm.sees('event thread frozen');
  const begun = performance.now();
  const first = await bridge.ping(300);
  assert.equal(first.eventThread, 'frozen');
  await assert.rejects(bridge.menu({ window: main.id, items: ['File', 'Close'] }, 300), { code: 'frozen' });
  await assert.rejects(bridge.windows({}, 300), { code: 'frozen' });
  const later = await bridge.ping(300);
  assert.ok(later.eventThread === 'frozen' && first.eventThread === 'frozen');
  assert.ok(later.frozenMs >= first.frozenMs + 300, `${first.frozenMs} ms, then ${later.frozenMs} ms`);
  assert.ok(performance.now() - begun < 3_500, 'the deadlines were kept');
  const stuck = (await bridge.threads()).find(({ name }) => name.startsWith('AWT-EventQueue'));
  assert.ok(
    stuck?.frames.some((frame) => frame.includes('Thread.sleep')),
    JSON.stringify(stuck),
  );
  // A request that can wait longer than the thread is frozen gets its answer.
  assert.equal((await bridge.ping(30_000)).eventThread, 'answers');
  const { windows } = await bridge.windows();
  assert.deepEqual(
    windows.map(({ title }) => title),
    ['IBKR Gateway - Live Trading'],
  );
});

it('what a client asked for and has gone is not done either', async () => {
  const jvm = await bench.gateway();
  const { bridge } = await bench.client(jvm);
  await logIn(bridge);
  const main = await windowCalled(bridge, 'IBKR Gateway - Live Trading');
  await appendFile(join(jvm.settings, 'standin.properties'), 'now.freeze.ms=1500\n');
  await jvm.sees('event thread frozen');
  const raw = new Raw(jvm.socket);
  await raw.greet();
  raw.write(`{"id":1,"op":"menu","window":"${main.id}","items":["File","Close"],"timeoutMs":30000}\n`);
  raw.write('{"id":2,"op":"clock"}\n');
  await raw.answer(2);
  raw.socket.destroy();
  assert.equal((await bridge.ping(30_000)).eventThread, 'answers');
  assert.equal((await bridge.windows()).windows.length, 1);
});

it('a socket that an earlier JVM left is replaced, with its mode from the first moment', async () => {
  const first = bench.nasty('kinds');
  await bench.client(first);
  await first.end();
  const again = bench.start({
    classpath: bench.fixture,
    main: ['Nasty', 'kinds'],
    agent: null,
    options: [`-javaagent:${bridgeJar()}=${first.socket}`],
  });
  await again.sees('open');
  const seen = bench.client(Object.assign(again, { socket: first.socket }));
  assert.equal((await seen).bridge.hello?.pid, again.pid);
  assert.equal((statSync(first.socket).mode & 0o777).toString(8), '660');
  assert.equal(existsSync(join(dirname(first.socket), '.b')), false);
});

it('a bridge that cannot serve says so in one line and leaves the program alone', async () => {
  for (const agent of ['relative.sock', '/nowhere/at/all/bridge.sock', '/tmp/x.sock,uids=root']) {
    const jvm = bench.start({
      classpath: bench.fixture,
      main: ['Quiet', 'sleep', '500'],
      agent: null,
      options: [`-javaagent:${bridgeJar()}=${agent}`],
    });
    assert.equal(await jvm.exit, 0);
    await until('its line', () => jvm.lines.length > 0);
    assert.equal(jvm.lines.length, 1, jvm.lines.join('\n'));
    assert.match(jvm.lines[0] ?? '', /^ib-bridge: no window bridge in this JVM: /);
  }
});

it('a runtime of no more than java.base, java.desktop and java.instrument is enough', async () => {
  const jvm = bench.start({
    classpath: bench.fixture,
    main: ['Nasty', 'kinds'],
    options: ['--limit-modules=java.base,java.desktop,java.instrument'],
  });
  const { bridge } = await bench.client(jvm);
  await windowCalled(bridge, 'Kinds');
});

it('a newer Java is as good', { skip: newerJava() === null }, async () => {
  const java = newerJava() ?? '';
  const jvm = bench.start({ classpath: bench.fixture, main: ['Nasty', 'kinds', 'modal'], java });
  const { bridge } = await bench.client(jvm, { events: true });
  const { id } = await windowCalled(bridge, 'Kinds');
  await bridge.menu({ window: id, items: ['File', 'More', 'Hello'] });
  await jvm.sees('menu hello');
  assert.ok((await bridge.paint(id)).png.length > 1_000);
  assert.deepEqual(
    jvm.lines.filter((line) => !/^(open|menu hello)$/.test(line)),
    [],
  );
});

it('the death of the JVM is known at once, and the next one is found', async () => {
  const jvm = bench.nasty('kinds');
  const { bridge, seen } = await bench.client(jvm);
  jvm.process.kill('SIGKILL');
  await eventually('closed', async () => seen.some((item) => item.kind === 'closed'));
  assert.deepEqual(
    seen.filter((item) => item.kind === 'closed'),
    [{ kind: 'closed', reason: 'ended', wasOpen: true }],
  );
  await assert.rejects(bridge.ping(), { code: 'not-connected' });
  await jvm.exit;
  const next = bench.start({
    classpath: bench.fixture,
    main: ['Nasty', 'kinds'],
    agent: null,
    options: [`-javaagent:${bridgeJar()}=${jvm.socket}`],
  });
  await bridge.whenOpen(20_000);
  assert.equal(bridge.hello?.pid, next.pid);
});

function bridgeJar(): string {
  return join(import.meta.dirname, '..', '..', '.build', 'bridge', 'ib-bridge.jar');
}

/** A second JDK on this machine; the tests run on the one of PATH. */
function newerJava(): string | null {
  return ['/usr/lib/jvm/temurin-25-jdk-amd64/bin/java'].find((path) => existsSync(path)) ?? null;
}
