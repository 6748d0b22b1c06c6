// Checks the harness itself: a test that stands on it must not pass or fail for a reason of the harness.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { poll } from './command.ts';
import { bootMachine, type Machine } from './machine.ts';
import { sweepMachines, tracesOf } from './root.ts';

let machine: Machine;
before(async () => {
  machine = await bootMachine({ name: 'harness' });
});
after(() => machine?.dispose());

test('PID 1 is systemd, and no unit has failed', async () => {
  assert.equal(await machine.sh('cat /proc/1/comm'), 'systemd\n');
  assert.equal(await machine.sh('systemctl --failed --no-legend --plain'), '');
  assert.match(await machine.sh('. /etc/os-release; echo $VERSION_CODENAME'), /^bookworm$/m);
});

test('a command gives its status, its streams, reads its input, and sees an environment of its own', async () => {
  const result = await machine.run(['sh', '-c', 'cat; echo oh >&2; exit 3'], { input: 'in\n', check: false });
  assert.deepEqual(result, { status: 3, stdout: 'in\n', stderr: 'oh\n' });
  await assert.rejects(machine.run(['sh', '-c', 'echo why >&2; exit 4']), /status 4\nwhy/);
  await assert.rejects(machine.run(['sleep', '60'], { timeoutMs: 300 }), /not within 300 ms: .*sleep 60/);
  const env = (await machine.run(['env'], { env: { ADDED: 'yes' } })).stdout.trim().split('\n');
  const names = env.map((line) => line.slice(0, line.indexOf('='))).sort();
  assert.deepEqual(names, ['ADDED', 'HOME', 'LANG', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER']);
});

test('a command that takes too long leaves nothing behind, which would hold up the next shutdown', async () => {
  for (let count = 0; count < 8; count += 1) {
    await assert.rejects(machine.run(['sleep', '61'], { timeoutMs: 200 }), /not within 200 ms/);
    assert.equal(await machine.sh('ps -eo stat,args | grep ^Z || true'), '');
  }
});

test('a command can run as another user, with the groups and without the capabilities', async () => {
  await machine.sh('useradd --create-home --groups systemd-journal visitor');
  assert.equal(
    await machine.sh('id -un; id -Gn; echo $HOME', { user: 'visitor' }),
    'visitor\nvisitor systemd-journal\n/home/visitor\n',
  );
  assert.match(
    await machine.sh('grep CapEff /proc/self/status', { user: 'visitor' }),
    /\t0000000000000000$/m,
  );
  const denied = await machine.run(['cat', '/etc/shadow'], { user: 'visitor', check: false });
  assert.notEqual(denied.status, 0);
  await assert.rejects(machine.run(['true'], { user: 'nobody-known' }), /no user nobody-known/);
});

test('a command belongs to no unit', async () => {
  assert.equal(await machine.sh('grep ^0: /proc/self/cgroup'), '0::/tests\n');
  await machine.sh('logger --tag mark from-a-test');
  const [entry] = await machine.journal('SYSLOG_IDENTIFIER=mark');
  assert.equal(entry?.['MESSAGE'], 'from-a-test');
  assert.equal(entry['_SYSTEMD_UNIT'], undefined);
});

test('the journal is read back with all of its fields', async () => {
  await machine.run(['logger', '--journald'], {
    input: 'MESSAGE=caf\u00e9 \u0001\nIB_EVENT=one\nIB_MANY=a\nIB_MANY=b\n',
  });
  const [entry] = await machine.journal('IB_EVENT=one');
  assert.equal(entry?.['MESSAGE'], 'caf\u00e9 \u0001');
  assert.equal(entry['IB_MANY'], 'a\nb');
  const later = machine.logged('two is logged', ['IB_EVENT=two'], () => true);
  await machine.run(['logger', '--journald'], { input: 'MESSAGE=later\nIB_EVENT=two\n' });
  assert.equal((await later)['MESSAGE'], 'later');
});

test('files are written and read on the disk and below /run', async () => {
  for (const path of ['/etc/deep/down/file', '/run/deep/file']) {
    await machine.writeFile(path, 'text\n', { mode: '0640', owner: 'root:systemd-journal' });
    assert.equal(await machine.readFile(path), 'text\n');
    assert.equal(await machine.sh('stat -c "%a %U:%G" "$1"', {}, path), '640 root:systemd-journal\n');
  }
});

test('a program that goes on is read by lines and ended', async () => {
  const running = machine.spawn(['sh', '-c', 'echo first; echo second >&2; exec sleep 1000']);
  await running.line(/^first$/);
  await running.line(/^second$/);
  assert.match(await machine.sh('pgrep -fx "sleep 1000"'), /^\d+\n$/);
  await running.kill();
  assert.equal(await running.done, null);
  await poll(
    'sleep is gone',
    async () => (await machine.run(['pgrep', '-fx', 'sleep 1000'], { check: false })).status === 1,
  );
  const brief = machine.spawn(['sh', '-c', 'exit 7']);
  assert.equal(await brief.done, 7);
});

test("the network is the machine's own", async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  try {
    assert.equal(
      await machine.sh(
        'ls /sys/class/net /proc/sys/net/ipv4/conf | sort -u | grep -E "^(eth|en|wl)" || true',
      ),
      '',
    );
    assert.match(await machine.sh('ip -br link'), /^lo +UNKNOWN[^\n]*\n$/);
    const tried = await machine.run(['bash', '-c', `: </dev/tcp/127.0.0.1/${address.port}`], {
      check: false,
    });
    assert.match(tried.stderr, /Connection refused/);
  } finally {
    server.close();
  }
});

test('a reboot keeps the disk and the journal and is another boot', async () => {
  const before = await machine.bootId();
  await machine.writeFile('/var/lib/kept', 'kept\n');
  await machine.writeFile('/run/lost', 'lost\n');
  await machine.sh('logger --tag mark before-the-reboot');
  await machine.reboot();
  assert.notEqual(await machine.bootId(), before);
  assert.equal(await machine.readFile('/var/lib/kept'), 'kept\n');
  assert.notEqual((await machine.run(['test', '-e', '/run/lost'], { check: false })).status, 0);
  const marks = await machine.journal('SYSLOG_IDENTIFIER=mark', '--boot=-1');
  assert.ok(marks.some((entry) => entry['MESSAGE'] === 'before-the-reboot'));
});

/** Writes a word when it is stopped in good order. */
const WITNESS = `[Service]
ExecStart=/bin/sleep infinity
ExecStop=/bin/sh -c 'echo tidy >/var/lib/witness'
`;

test('power off stops units in good order, power loss does not, and both boot again', async () => {
  await machine.writeFile('/etc/systemd/system/witness.service', WITNESS);
  await machine.sh('systemctl daemon-reload; systemctl start witness');
  await machine.kill();
  assert.throws(() => machine.leader, /is off/);
  await machine.boot();
  assert.notEqual((await machine.run(['test', '-e', '/var/lib/witness'], { check: false })).status, 0);
  await machine.sh('systemctl start witness');
  await machine.poweroff();
  assert.equal(await machine.readFile('/var/lib/witness'), 'tidy\n');
  await machine.boot();
});

test('a volatile journal starts anew with each boot', async () => {
  await using other = await bootMachine({ name: 'volatile', journal: 'volatile' });
  await other.sh('logger --tag mark gone');
  assert.equal((await other.journal('SYSLOG_IDENTIFIER=mark')).length, 1);
  await other.reboot();
  assert.equal((await other.journal('SYSLOG_IDENTIFIER=mark')).length, 0);
});

test('two machines are apart from each other, and what one writes is not in the image', async () => {
  await machine.writeFile('/etc/only-here', 'x');
  await using other = await bootMachine({
    name: 'other',
    binds: [{ from: import.meta.dirname, to: '/mnt/tests' }],
  });
  assert.notEqual(other.leader, machine.leader);
  assert.equal(existsSync(other.path('/etc/only-here')), false);
  assert.notEqual(await other.sh('cat /etc/machine-id'), await machine.sh('cat /etc/machine-id'));
  assert.match(await other.sh('ls /mnt/tests'), /^harness\.test\.ts$/m);
  const written = await other.run(['touch', '/mnt/tests/x'], { check: false });
  assert.match(written.stderr, /Read-only file system/);
  // Each systemd counts its own units only.
  assert.equal(await other.sh('systemctl is-active witness || true'), 'inactive\n');
});

test('dispose leaves no mount, process, directory or control group', async () => {
  const other = await bootMachine({ name: 'brief' });
  const leader = other.leader;
  const running = other.spawn(['sleep', '1000']);
  assert.notDeepEqual(tracesOf(other.name), []);
  await other.dispose();
  await running.done;
  assert.deepEqual(tracesOf(other.name), []);
  assert.equal(existsSync(`/proc/${leader}`), false);
  await other.dispose();
});

test('a machine whose test run was killed ends with it, and the next run removes what it left', async () => {
  const script = `import { bootMachine } from ${JSON.stringify(new URL('./machine.ts', import.meta.url).href)};
    const machine = await bootMachine({ name: 'orphan' });
    console.log(machine.name + ' ' + machine.leader);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let told = '';
  child.stdout.on('data', (chunk: Buffer) => {
    told += chunk.toString();
  });
  const [name = '', leader] = await poll('the machine is up', () => /^(\S+) (\d+)\n$/.exec(told)?.slice(1), {
    deadlineMs: 120_000,
  });
  child.kill('SIGKILL');
  await poll('its PID 1 is gone', () => !existsSync(`/proc/${leader}`));
  assert.notDeepEqual(tracesOf(name), []);
  await sweepMachines();
  assert.deepEqual(tracesOf(name), []);
});
