// Tests `ibctl doctor` on the machine that the test runs on, without its network.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { allChecks } from '../../../src/cli/doctor/run.ts';
import { SystemMachine } from '../../../src/cli/doctor/system-machine.ts';
import { SystemClock } from '../../../src/host/clock.ts';
import { reachTcp } from '../../../src/host/reach.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { startFakeControl } from '../../fakes/fake-control.ts';
import { aSession, aStatus } from '../builders.ts';
import { runIbctl } from '../run-ibctl.ts';

type Row = {
  readonly id: string;
  readonly result: string;
  readonly evidence: string;
  readonly remedy: string | null;
};

async function doctor(socket: string): Promise<readonly Row[]> {
  const { stdout, stderr, exit } = await runIbctl([
    '--socket',
    socket,
    '--config',
    '/nonexistent.yaml',
    'doctor',
    '--offline',
    '--json',
  ]);
  assert.equal(stderr, '');
  const rows: readonly Row[] = JSON.parse(stdout);
  assert.equal(exit, rows.some(({ result }) => result === 'failed') ? 1 : 0);
  return rows;
}

const rowOf = (rows: readonly Row[], id: string) => rows.find((row) => row.id === id);

describe('ibctl doctor here', () => {
  it('has a row for every check but those of sessions, and none that broke', async () => {
    const rows = await doctor('/nonexistent/control.sock');
    const expected = allChecks('').filter(({ group }) => group !== 'Session');
    assert.deepEqual(new Set(rows.map(({ id }) => id)), new Set(expected.map(({ id }) => id)));
    for (const { id, evidence } of rows)
      assert.doesNotMatch(evidence, /the check itself failed|no answer within/, id);
    assert.equal(rowOf(rows, 'agent')?.result, 'failed');
    assert.match(rowOf(rows, 'agent')?.evidence ?? '', /\/nonexistent\/control\.sock/);
    assert.match(rowOf(rows, 'config')?.evidence ?? '', /There is no configuration \/nonexistent\.yaml/);
    assert.equal(rowOf(rows, 'ibkr')?.result, 'skipped');
    assert.match(rowOf(rows, 'disk-tmp')?.evidence ?? '', /^[\d.]+ [MG]iB free of [\d.]+ [MG]iB \(\/tmp\)$/);
    const init = readFileSync('/proc/1/comm', 'utf8').trim();
    if (init !== 'systemd') {
      assert.match(rowOf(rows, 'systemd')?.evidence ?? '', new RegExp(`PID 1 is ${init}, not systemd`));
      for (const id of ['polkit', 'units', 'clock', 'journal'])
        assert.equal(rowOf(rows, id)?.result, 'skipped');
    }
  });

  it('asks the agent that runs', async () => {
    const status = aStatus([aSession()], { supervisor: 'process', pid: 4711 });
    const agent = await startFakeControl((_, reply) => reply.result(status));
    try {
      const rows = await doctor(agent.path);
      assert.match(rowOf(rows, 'agent')?.evidence ?? '', /pid 4711, up .*, supervises by itself/);
      assert.deepEqual(
        agent.requests.map(({ method }) => method),
        ['status'],
      );
    } finally {
      await agent.close();
    }
  });

  it('sees that an agent refuses', async () => {
    const refuse = { code: 'not-allowed', message: 'user bob may not observe' } as const;
    const agent = await startFakeControl(() => undefined, { refuse });
    try {
      assert.match(
        rowOf(await doctor(agent.path), 'agent')?.evidence ?? '',
        /it runs; .*user bob may not observe/,
      );
    } finally {
      await agent.close();
    }
  });
});

it('ibctl doctor finds a gateway that is laid out like a real one, and who holds its port', async () => {
  const root = mkdtempSync(join(tmpdir(), 'doctor-install-'));
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const write = (path: string, text = '', mode = 0o644) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text, { mode });
    };
    write('ibc/IBC.jar');
    write('jts/ibgateway/1037/jars/jts4launch.jar');
    write('jts/ibgateway/1037/ibgateway.vmoptions');
    write('jts/ibgateway/1037/.install4j/i4jruntime.jar');
    write('jts/ibgateway/1037/.install4j/inst_jre.cfg', join(root, 'jre'));
    write('jre/bin/java', '', 0o755);
    write('jre/release', 'JAVA_VERSION="17.0.10"\n');
    write('jre/lib/javafx.properties');
    write('settings/jts.ini');
    chmodSync(join(root, 'settings'), 0o755);
    write(
      'ib-agent.yaml',
      `sessions:
  live:
    mode: live
    install: { ibcDir: ${root}/ibc, gatewayDir: ${root}/jts, gatewayVersion: "1037" }
    settingsDir: ${root}/settings
    api: { port: ${port} }
`,
    );
    const ask = async () => {
      const { stdout } = await runIbctl([
        '--config',
        join(root, 'ib-agent.yaml'),
        'doctor',
        '--offline',
        '--json',
      ]);
      const rows: readonly (Row & { group: string })[] = JSON.parse(stdout);
      return new Map(
        rows
          .filter(({ group }) => group === 'session')
          .map(({ id, result, evidence }) => [id, `${result}: ${evidence}`]),
      );
    };
    const rows = await ask();
    assert.equal(rows.get('gateway'), `ok: ${root}/jts/ibgateway/1037, and IBC`);
    assert.equal(rows.get('java'), `ok: ${root}/jre/bin/java`);
    assert.equal(rows.get('javafx'), 'ok: javafx.properties');
    assert.equal(rows.get('settings'), `warning: ${root}/settings is open to others (mode 0755)`);
    assert.match(rows.get('api-port') ?? '', new RegExp(`: ${port} is held by `));
    rmSync(join(root, 'jre/lib/javafx.properties'));
    writeFileSync(join(root, 'jre/release'), 'JAVA_VERSION="11.0.1"\n');
    const worse = await ask();
    assert.match(worse.get('java') ?? '', /^warning: .* is Java 11; IBC 3\.24 needs Java 17/);
    assert.equal(worse.get('javafx'), `warning: not in ${root}/jre`);
    rmSync(join(root, 'jre'), { recursive: true });
    assert.match((await ask()).get('java') ?? '', /^failed: No Java runtime/);
  } finally {
    server.close();
    rmSync(root, { recursive: true, force: true });
  }
});

describe('the real machine', () => {
  const machine = new SystemMachine(new SystemClock(), async () => ({ kind: 'away', message: '' }));

  it('reads what is there and names why it cannot read the rest', async () => {
    const own = await machine.readText('/proc/self/comm');
    assert.ok(own.ok && own.value.endsWith('\n'));
    assert.deepEqual(await machine.readText('/nonexistent'), { ok: false, code: 'ENOENT' });
    assert.deepEqual(await machine.readText('/'), { ok: false, code: 'EISDIR' });
    assert.deepEqual(await machine.list('/nonexistent'), { ok: false, code: 'ENOENT' });
    assert.deepEqual(await machine.space('/nonexistent'), { ok: false, code: 'ENOENT' });
    const root = await machine.stat('/');
    assert.ok(root.ok && root.value.kind === 'directory' && root.value.uid === 0);
  });

  it('runs programs by name with nothing of our environment', async () => {
    const { stdout } = await machine.run('env');
    assert.deepEqual(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split('=', 1)[0])
        .filter((name) => name !== '_' && name !== 'PWD' && name !== 'SHLVL')
        .sort(),
      ['LC_ALL', 'PATH'],
    );
    assert.equal((await machine.run('no-such-program')).error, 'ENOENT');
  });

  it('tells servers that answer from those that refuse or are silent', async () => {
    const clock = new SystemClock();
    const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const answered = await reachTcp('127.0.0.1', port, 20_000, clock);
    assert.ok(answered.kind === 'answered' && answered.ms >= 0);
    await new Promise((resolve) => server.close(resolve));
    assert.deepEqual(await reachTcp('127.0.0.1', port, 20_000, clock), {
      kind: 'refused',
      code: 'ECONNREFUSED',
    });
    // The deadline comes before anything can have come back.
    const fake = new FakeClock();
    const silent = reachTcp('127.0.0.1', port, 5_000, fake);
    fake.advance(5_000);
    assert.deepEqual(await silent, { kind: 'silent' });
  });
});
