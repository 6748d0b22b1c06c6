// Checks a session's units without an agent: they refuse without an order, run the gateway in their sandbox with one, and close it tidily.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { poll } from './command.ts';
import { bootProduct, sessionEnds, USERS } from './install.ts';
import type { Machine } from './machine.ts';

const SECRET = 'correct horse battery';

let machine: Machine;
before(async () => {
  machine = await bootProduct({
    name: 'session',
    idle: true,
    sessions: { live: { username: 'trader', password: SECRET } },
  });
});
after(() => machine?.dispose());

/** A launch order as the agent leaves it. */
async function order(id: string): Promise<void> {
  const notAfter = Date.now() + 60_000;
  await machine.sh('install -d -m 0750 -o ib-agent -g ib-gateway /run/ib-agent/launch');
  await machine.writeFile(
    '/run/ib-agent/launch/live.json',
    JSON.stringify({ v: 1, session: 'live', id, kind: 'cold', notAfter }),
    { mode: '0640', owner: 'ib-agent:ib-gateway' },
  );
}

async function property(name: string, unit = 'ib-session@live.service'): Promise<string> {
  return (await machine.sh('systemctl show -P "$1" "$2"', {}, name, unit)).trim();
}

test('the configuration that the tests write is one that ibctl accepts', async () => {
  await machine.run(['ibctl', 'config', 'check', '/etc/ib-agent/ib-agent.yaml'], { user: USERS.observer });
});

test('without an order nothing is started', async () => {
  const { status } = await machine.run(['systemctl', 'start', 'ib-session@live'], { check: false });
  await poll('it has ended', async () => (await property('ActiveState')) === 'failed');
  assert.ok(status === 0 || status === 1);
  assert.notEqual(await property('ExecMainStatus'), '0');
  assert.equal(await machine.sh('pgrep -u ib-gateway java || true'), '');
});

test('with an order the gateway logs in inside the sandbox, and its secret is in no other place than it must be', async () => {
  await order('first');
  await machine.run(['systemctl', 'start', 'ib-session@live']);
  await poll('the API listens', async () => (await machine.sh('ss -Hltn "sport = :4001"')) !== '', {
    deadlineMs: 120_000,
    everyMs: 300,
  });
  assert.equal(await property('ActiveState'), 'active');
  assert.equal(await property('User'), 'ib-gateway');
  const pid = await property('MainPID');
  assert.equal(await machine.sh('cat "/proc/$1/comm"', {}, pid), 'java\n');
  assert.match(await machine.sh('cat "/proc/$1/status"', {}, pid), /^NoNewPrivs:\t1$/m);
  // The display's main process is the X server, reachable by its abstract socket only.
  const display = await property('MainPID', 'ib-display@live.service');
  assert.match(await machine.sh('cat "/proc/$1/comm"', {}, display), /^Xvfb/);
  // The journal in its file also holds what journalctl does not print.
  const journal = (await machine.journal()).map((entry) => Object.values(entry).join('\n')).join('\n');
  assert.ok(journal.length > 1000);
  assert.equal(journal.includes(SECRET), false);
  // Command lines and environments; the bracket keeps the search from finding itself.
  const told = (pattern: string) =>
    machine.sh(
      '{ for p in /proc/[0-9]*; do cat "$p/cmdline" "$p/environ" 2>/dev/null || true; done; } | tr "\\0" "\\n" | grep -c "$1" || true',
      {},
      pattern,
    );
  assert.notEqual(await told('ibcalpha[.]ibc'), '0\n');
  assert.equal(await told('correct[ ]horse'), '0\n');
  for (const user of ['ib-agent', USERS.operator, USERS.stranger]) {
    const read = await machine.run(
      ['sh', '-c', 'cat /run/ib-session/live/config.ini /run/credentials/ib-session@live.service/*'],
      {
        user,
        check: false,
      },
    );
    assert.equal(read.stdout, '', user);
  }
});

test('stopping the unit closes the gateway tidily and removes the file with the password', async () => {
  await machine.run(['systemctl', 'stop', 'ib-session@live'], { timeoutMs: 150_000 });
  assert.equal(await property('ActiveState'), 'inactive');
  // It ended by itself, not by systemd's SIGTERM.
  const end = (await sessionEnds(machine)).at(-1);
  assert.equal(end?.status, 0);
  assert.equal(end.signal, null);
  assert.equal(await machine.sh('pgrep -u ib-gateway java || true'), '');
  assert.equal(await machine.sh('ls /run/ib-session/live/config.ini 2>/dev/null || true'), '');
});

test('an order is good for one login only', async () => {
  await machine.run(['systemctl', 'start', 'ib-session@live'], { check: false });
  await poll('it has ended', async () => (await property('ActiveState')) === 'failed');
  assert.equal(await machine.sh('pgrep -u ib-gateway java || true'), '');
});
