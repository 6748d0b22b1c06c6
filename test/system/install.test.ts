// Checks install.sh over the life of an installation: first time, again, upgrade, removal.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { difference, everyFile, SAME } from './disk.ts';
import { installedVersion, installProduct, runInstaller, sealCredentials } from './install.ts';
import { bootMachine, type Machine } from './machine.ts';
import { productTree, type Tree } from './tree.ts';

const NEXT = '99.0.0';

let machine: Machine;
let tree: Tree;
let next: Tree;
let pristine: string[];

before(async () => {
  tree = await productTree();
  next = await productTree({ version: NEXT });
  machine = await bootMachine({ name: 'install', binds: [tree.bind, next.bind] });
  pristine = await everyFile(machine);
});
after(() => machine?.dispose());

async function property(name: string, unit = 'ib-agent.service'): Promise<string> {
  return (await machine.sh('systemctl show -P "$1" "$2"', {}, name, unit)).trim();
}

test('--dry-run changes nothing', async () => {
  const { stdout } = await runInstaller(machine, tree, ['--offline', '--dry-run']);
  assert.match(stdout, /^would write: \/usr\/lib\/ib-agent\//m);
  assert.deepEqual(difference(pristine, await everyFile(machine)), SAME);
});

test('a first installation runs the agent, now and after a reboot', async () => {
  await installProduct(machine, tree);
  assert.equal(installedVersion(machine), tree.version);
  assert.equal(await property('ActiveState'), 'active');
  assert.equal(await property('UnitFileState'), 'enabled');
  assert.equal(
    await machine.sh('ls /etc/needrestart/conf.d/ib-agent.conf'),
    '/etc/needrestart/conf.d/ib-agent.conf\n',
  );
  await machine.reboot();
  assert.equal(await property('ActiveState'), 'active');
  assert.equal(await machine.sh('systemctl --failed --no-legend --plain'), '');
});

test('the same once more changes nothing and does not restart the agent', async () => {
  const before = await everyFile(machine);
  const pid = await property('MainPID');
  await installProduct(machine, tree);
  assert.deepEqual(difference(before, await everyFile(machine)), SAME);
  assert.equal(await property('MainPID'), pid);
});

test('an upgrade switches, restarts the agent and nothing else, and keeps an edited configuration', async () => {
  await machine.sh('echo "# mine" >>/etc/ib-agent/ib-agent.yaml');
  const edited = await machine.readFile('/etc/ib-agent/ib-agent.yaml');
  // Some process of the old version that goes on, as a session's JVM does.
  const old = machine.spawn([
    '/usr/lib/ib-agent/current/bin/node',
    '-e',
    'console.log("up"); setInterval(() => {}, 1000)',
  ]);
  await old.line(/^up$/);
  const pid = await property('MainPID');
  const others = await machine.sh('systemctl show -P MainPID dbus systemd-logind');
  await installProduct(machine, next);
  assert.equal(installedVersion(machine), NEXT);
  assert.match(await machine.sh('ibctl --version'), /99\.0\.0/);
  assert.notEqual(await property('MainPID'), pid);
  assert.equal(await property('ActiveState'), 'active');
  assert.equal(await machine.sh('systemctl show -P MainPID dbus systemd-logind'), others);
  assert.equal(await machine.readFile('/etc/ib-agent/ib-agent.yaml'), edited);
  assert.match(
    await machine.sh('ls /usr/lib/ib-agent'),
    new RegExp(`^${tree.version.replaceAll('.', '\\.')}$`, 'm'),
  );
  await old.kill();
});

test('a release that does not start is taken back', async () => {
  await machine.writeFile(
    '/etc/systemd/system/ib-agent.service.d/zz-broken.conf',
    `[Service]\nExecStartPre=/bin/sh -c 'test "$$(cat /usr/lib/ib-agent/current/VERSION)" != ${tree.version}'\n`,
  );
  await machine.run(['systemctl', 'daemon-reload']);
  const { status, stderr } = await runInstaller(machine, tree, ['--offline'], { check: false });
  assert.equal(status, 1, stderr);
  assert.equal(installedVersion(machine), NEXT);
  assert.equal(await property('ActiveState'), 'active');
  await machine.sh('rm -r /etc/systemd/system/ib-agent.service.d; systemctl daemon-reload');
});

test('removal keeps configuration, credentials, state and users; the next installation takes them up', async () => {
  await sealCredentials(machine, 'live', 'someone', 'secret');
  await machine.sh('echo ledger >/var/lib/ib-agent/kept; chown ib-agent: /var/lib/ib-agent/kept');
  const uid = machine.account('ib-agent').uid;
  const edited = await machine.readFile('/etc/ib-agent/ib-agent.yaml');
  await runInstaller(machine, next, ['--uninstall']);
  assert.equal(await property('LoadState', 'ib-session@live.service'), 'not-found');
  assert.equal(await machine.sh('pgrep -u ib-agent,ib-gateway || true'), '');
  assert.equal(await machine.sh('ls /usr/bin/ibctl /usr/lib/ib-agent/current 2>/dev/null || true'), '');
  assert.equal(await machine.readFile('/var/lib/ib-agent/kept'), 'ledger\n');
  assert.equal(await machine.readFile('/etc/ib-agent/ib-agent.yaml'), edited);
  assert.equal(
    await machine.sh('ls /etc/credstore.encrypted'),
    'ib-session.live.password\nib-session.live.username\n',
  );
  await installProduct(machine, next);
  assert.equal(machine.account('ib-agent').uid, uid);
  assert.equal(await property('ActiveState'), 'active');
});

test('after --uninstall --purge the disk is what it was before', async () => {
  await runInstaller(machine, next, ['--uninstall', '--purge']);
  assert.deepEqual(difference(pristine, await everyFile(machine)), SAME);
  assert.equal(await machine.sh('ls -d /run/ib-* 2>/dev/null || true'), '');
});
