// Checks the installed units, users and rights on each suite: what systemd thinks of them, and what the agent's user may do.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Suite } from './image.ts';
import { addUsers, idleAgent, installProduct, USERS } from './install.ts';
import { bootMachine, type Machine } from './machine.ts';
import { productTree } from './tree.ts';

/** Most exposure that `systemd-analyze security` may see in each, of 10. */
const LIMITS = {
  'ib-agent.service': 1.5,
  'ib-session@live.service': 2.0,
  'ib-display@live.service': 1.8,
  'ib-code@live.service': 0.8,
  'ib-clock@live.service': 1.3,
} as const;

const DENIED = /Interactive authentication required|Access denied|Permission denied/;

const SUITES: readonly Suite[] = ['bookworm', 'trixie'];
for (const suite of SUITES) {
  describe(suite, () => {
    let machine: Machine;
    before(async () => {
      const tree = await productTree();
      machine = await bootMachine({ name: 'units', suite, binds: [tree.bind] });
      await idleAgent(machine);
      await installProduct(machine, tree);
      await addUsers(machine);
      // Other units' processes, for the agent's user to lay hands on.
      await machine.writeFile(
        '/etc/systemd/system/other.service',
        '[Service]\nExecStart=/usr/bin/sleep infinity\n',
      );
      // In place of a login.
      await machine.writeFile(
        '/etc/systemd/system/ib-session@live.service.d/idle.conf',
        '[Service]\nExecStart=\nExecStart=/usr/bin/sleep infinity\nExecStop=\nExecStopPost=\nLoadCredentialEncrypted=\n',
      );
      await machine.writeFile(
        '/etc/systemd/system/ib-display@live.service.d/idle.conf',
        '[Service]\nType=exec\nExecStart=\nExecStart=/usr/bin/sleep infinity\n',
      );
      await machine.sh('systemctl daemon-reload; systemctl start other');
    });
    after(() => machine?.dispose());

    test('systemd finds nothing to say against the units', async () => {
      const units = (await machine.sh('cd /usr/lib/systemd/system; ls ib-* ib.slice')).trim().split('\n');
      assert.ok(units.length >= 6, units.join(' '));
      for (const unit of units) {
        const file = unit.replace('@.', '@live.');
        const { stdout, stderr } = await machine.run([
          'systemd-analyze',
          'verify',
          `/usr/lib/systemd/system/${file}`,
        ]);
        assert.equal(stdout + stderr, '', unit);
      }
    });

    test('each unit is shut in as far as promised', async () => {
      const rows: string[] = [];
      const above: string[] = [];
      for (const [unit, limit] of Object.entries(LIMITS)) {
        const report = await machine.sh('systemd-analyze security --no-pager "$1"', {}, unit);
        const figure = Number(/exposure level for \S+: ([\d.]+)/.exec(report)?.[1]);
        rows.push(
          `${suite.padEnd(10)} ${unit.padEnd(26)} ${figure.toFixed(1)}  (at most ${limit.toFixed(1)})`,
        );
        // NaN is above every limit.
        if (!(figure <= limit)) above.push(`${rows.at(-1)}\n${report}`);
      }
      console.log(rows.join('\n'));
      assert.deepEqual(above, []);
    });

    test('users, groups and modes are those that the design counts on', async () => {
      const groups = async (user: string) =>
        (await machine.sh('id -Gn "$1"', {}, user)).trim().split(' ').sort();
      assert.deepEqual(await groups('ib-agent'), ['ib-agent', 'ib-gateway', 'systemd-journal']);
      assert.deepEqual(await groups('ib-gateway'), ['ib-gateway']);
      for (const user of ['ib-agent', 'ib-gateway']) {
        assert.match(await machine.sh('getent passwd "$1"', {}, user), /\/usr\/sbin\/nologin\n$/);
        assert.match(await machine.sh('passwd --status "$1"', {}, user), new RegExp(`^${user} L`));
      }
      const stat = await machine.sh(
        'stat -c "%a %U:%G %n" "$@"',
        {},
        '/etc/ib-agent',
        '/etc/ib-agent/ib-agent.yaml',
        '/etc/credstore.encrypted',
        '/run/ib-agent',
        '/var/lib/ib-agent',
      );
      assert.equal(
        stat,
        '755 root:root /etc/ib-agent\n644 root:root /etc/ib-agent/ib-agent.yaml\n700 root:root /etc/credstore.encrypted\n755 ib-agent:ib-agent /run/ib-agent\n700 ib-agent:ib-agent /var/lib/ib-agent\n',
      );
    });

    test('nobody but root can change a program, a unit or the configuration', async () => {
      const places = [
        '/usr/lib/ib-agent',
        '/usr/lib/systemd/system',
        '/usr/share/polkit-1/rules.d/50-ib-agent.rules',
        '/etc/ib-agent',
      ];
      assert.equal(
        await machine.sh('find "$@" ! -type l \\( ! -user root -o -perm /022 \\)', {}, ...places),
        '',
      );
      assert.equal(await machine.sh('find /usr/lib/ib-agent -perm /6000'), '');
    });

    test('every account can run ibctl', async () => {
      assert.match(await machine.sh('ibctl --version', { user: USERS.stranger }), /^ibctl \d+\.\d+\.\d+$/m);
    });

    test('the agent starts, restarts and stops a session, and so do not the gateways or other users', async () => {
      const state = async () => (await machine.sh('systemctl show -P ActiveState ib-session@live')).trim();
      for (const user of ['ib-gateway', USERS.operator, USERS.stranger]) {
        const tried = await machine.run(['systemctl', '--no-ask-password', 'start', 'ib-session@live'], {
          user,
          check: false,
        });
        assert.match(tried.stderr, DENIED, user);
        assert.equal(await state(), 'inactive');
      }
      for (const [verb, after] of [
        ['start', 'active'],
        ['restart', 'active'],
        ['stop', 'inactive'],
      ] as const) {
        await machine.run(['systemctl', '--no-ask-password', verb, 'ib-session@live'], { user: 'ib-agent' });
        assert.equal(await state(), after, verb);
      }
    });

    test('the agent may do nothing else to the machine', async () => {
      await machine.sh('systemctl start ib-session@live');
      const attempts = [
        ...[
          'start other',
          'stop other',
          'restart other',
          'stop ib-agent',
          'restart ib-agent',
          'start ib-agent',
        ],
        ...['stop dbus.socket', 'start ib-down@live.target', 'start ib.slice', 'start ib-session@UPPER'],
        ...[
          'start ib-session@live.target',
          'start ib-session@a.b',
          'reload ib-session@live',
          'kill ib-session@live',
        ],
        ...[
          'kill --signal=TERM ib-agent',
          'daemon-reload',
          'daemon-reexec',
          'set-property ib-session@live CPUWeight=10',
        ],
        ...[
          'set-property --runtime other CPUWeight=10',
          'reset-failed ib-session@live',
          'enable ib-session@live',
        ],
        ...[
          'mask ib-session@live',
          'mask --runtime other',
          'set-environment LD_PRELOAD=/tmp/x',
          'isolate rescue.target',
        ],
        ...[
          'freeze ib-session@live',
          'clean ib-session@live',
          'set-default rescue.target',
          'reboot',
          'poweroff',
        ],
      ].map((line) => ['systemctl', '--no-ask-password', '--no-wall', ...line.split(' ')]);
      attempts.push(['systemd-run', '--no-ask-password', '/usr/bin/true']);
      const wrong: string[] = [];
      for (const argv of attempts) {
        const { status, stderr } = await machine.run(argv, { user: 'ib-agent', check: false });
        if (status === 0 || !DENIED.test(stderr))
          wrong.push(`${argv.slice(2).join(' ')}: ${status} ${stderr.trim()}`);
      }
      assert.deepEqual(wrong, []);
      const states = await machine.sh('systemctl is-active other ib-agent ib-session@live dbus.socket');
      assert.equal(states, 'active\n'.repeat(4));
    });
  });
}
