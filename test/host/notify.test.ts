// Checks what a service manager is told, with a receiver of datagrams in its place.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, it, type TestContext } from 'node:test';
import { openNotifier } from '../../src/host/notify.ts';

const RECEIVER = `
import json, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('"bound"', flush=True)
while True:
    print(json.dumps(s.recv(65536).decode()), flush=True)
`;

async function receive(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'ib-notify-'));
  const socket = join(directory, 'notify');
  const child = spawn('/usr/bin/python3', ['-c', RECEIVER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value ?? 'null') as unknown;
  t.after(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
    rmSync(directory, { recursive: true, force: true });
  });
  assert.equal(await next(), 'bound');
  return { socket, next };
}

describe('the notifier', { timeout: 60_000 }, () => {
  afterEach(() => {
    delete process.env['NOTIFY_SOCKET'];
  });

  it('says each of its verbs in one datagram', async (t) => {
    const { socket, next } = await receive(t);
    process.env['NOTIFY_SOCKET'] = socket;
    const notifier = openNotifier({ NOTIFY_SOCKET: socket }, process.pid);
    notifier.ready('2 sessions, ready');
    assert.equal(await next(), 'READY=1\nSTATUS=2 sessions, ready');
    notifier.status('déjà vu');
    assert.equal(await next(), 'STATUS=déjà vu');
    notifier.watchdog();
    assert.equal(await next(), 'WATCHDOG=1');
    notifier.extendTimeout(30_000_000.4);
    assert.equal(await next(), 'EXTEND_TIMEOUT_USEC=30000000');
    notifier.stopping();
    assert.equal(await next(), 'STOPPING=1');
    assert.equal(notifier.problem, null);
  });

  it('lets no line of a status become a message of its own', async (t) => {
    const { socket, next } = await receive(t);
    process.env['NOTIFY_SOCKET'] = socket;
    const notifier = openNotifier({ NOTIFY_SOCKET: socket }, process.pid);
    notifier.status('one\nMAINPID=1\r\n\0two');
    assert.equal(await next(), 'STATUS=one MAINPID=1 two');
  });

  it('does nothing where nobody asked to be told, and loads no native code for it', () => {
    const url = JSON.stringify(new URL('../../src/host/notify.ts', import.meta.url).href);
    const script = `
      import { registerHooks } from 'node:module';
      registerHooks({ resolve: (name, context, next) => {
        if (name === 'koffi') throw new Error('was loaded');
        return next(name, context);
      } });
      const { openNotifier } = await import(${url});
      const words = [];
      for (const environment of [{}, { NOTIFY_SOCKET: '' }, { NOTIFY_SOCKET: '/x', WATCHDOG_USEC: '10' }]) {
        const notifier = openNotifier(environment, 1);
        notifier.ready('x');
        notifier.watchdog();
        words.push(notifier.problem, notifier.watchdogIntervalMs);
      }
      process.stdout.write(JSON.stringify(words));
    `;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
    // The third is one that is waited for and cannot be told.
    assert.deepEqual(JSON.parse(stdout), [
      null,
      null,
      null,
      null,
      'koffi cannot be loaded: was loaded',
      null,
    ]);
  });

  it('says when its words do not arrive', () => {
    process.env['NOTIFY_SOCKET'] = '/nowhere/notify';
    const notifier = openNotifier({ NOTIFY_SOCKET: '/nowhere/notify' }, process.pid);
    assert.equal(notifier.problem, null);
    notifier.ready('x');
    assert.match(String(notifier.problem), /errno 2\b/);
  });

  it('knows how often the watchdog wants to hear of it', () => {
    const interval = (WATCHDOG_USEC?: string, WATCHDOG_PID?: string) =>
      openNotifier({ NOTIFY_SOCKET: '/x', WATCHDOG_USEC, WATCHDOG_PID }, 77).watchdogIntervalMs;
    assert.equal(interval('30000000', '77'), 15_000);
    assert.equal(interval('30000000'), 15_000);
    assert.equal(interval('1000', '77'), 0.5);
    assert.equal(interval('30000000', '78'), null);
    assert.equal(interval(undefined, '77'), null);
    for (const nonsense of ['', '0', '-1', 'soon', '1e9', '1'.repeat(30)])
      assert.equal(interval(nonsense), null);
  });
});
