// Checks what root does on a booted Debian: credentials are set, listed and rotated, doctor finds what is wrong, and a firewall limits the API.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { bootProduct, USERS } from './install.ts';
import type { Machine } from './machine.ts';
import { does, forgetLogins, ibctl, inState, sessionStatus } from './product.ts';

const USERNAME = 'jane.trader77';
const RIGHT = 'correct horse 42';
const WRONG = 'battery staple 43';

type Row = {
  readonly id: string;
  readonly subject: string;
  readonly result: string;
  readonly evidence: string;
};

describe('what root does', () => {
  let machine: Machine;
  before(async () => {
    machine = await bootProduct({
      name: 'verbs',
      sessions: { live: { knobs: { 'expect.user': USERNAME, 'expect.password': RIGHT } } },
    });
    await machine.sh('rm /etc/credstore.encrypted/ib-session.live.*');
  });
  after(() => machine?.dispose());

  const setCredentials = (password: string) =>
    machine.run(['ibctl', 'credentials', 'set', '--stdin', 'live'], { input: `${USERNAME}\n${password}\n` });

  /** Rows of doctor by check, as this user; the network's are left out. */
  async function doctor(user: string | null): Promise<{ status: number | null; rows: Map<string, Row> }> {
    const { status, stdout } = await ibctl(machine, ['doctor', '--offline', '--json'], user);
    const rows = JSON.parse(stdout) as Row[];
    return { status, rows: new Map(rows.map((row) => [row.id, row])) };
  }

  test('a login without credentials is halted with the command that stores them, and costs nothing', async () => {
    const { status } = await ibctl(machine, ['login']);
    assert.equal(status, 6);
    const { state, conditions, ledger } = await sessionStatus(machine);
    assert.deepEqual([state, ledger.logins24h], ['halted', 0]);
    assert.match(JSON.stringify(conditions), /sudo ibctl credentials set live/);
    assert.equal((await doctor(null)).rows.get('credentials')?.result, 'failed');
  });

  test('credentials are for root: an operator gets 4 and the line with sudo', async () => {
    const { status, stderr } = await ibctl(machine, ['credentials', 'set', 'live']);
    assert.equal(status, 4);
    assert.match(stderr, /sudo ibctl credentials set live/);
  });

  test('credentials are sealed, listed without their values, and changed for the next login without touching a unit', async () => {
    await setCredentials(WRONG);
    const list = await machine.run(['ibctl', 'credentials', 'list', '--json']);
    assert.match(list.stdout, /"live"/);
    for (const secret of [USERNAME, WRONG]) {
      assert.equal(list.stdout.includes(secret), false);
      const { status } = await machine.run(['grep', '-rqF', secret, '/etc/credstore.encrypted'], {
        check: false,
      });
      assert.equal(status, 1, 'what is on the disk is sealed');
    }
    assert.equal((await ibctl(machine, ['login'])).status, 6);
    assert.equal((await inState(machine, 'halted')).reason, 'wrong-credentials');
    await setCredentials(RIGHT);
    await does(machine, 'login');
    assert.equal((await sessionStatus(machine)).state, 'ready');
    const places = await machine.run(
      ['sh', '-c', 'journalctl --no-pager -o export | grep -cF -e "$1" -e "$2"', 'sh', RIGHT, WRONG],
      { check: false },
    );
    assert.equal(places.stdout.trim(), '0');
  });

  test('doctor finds nothing wrong on a host that is right, and sees as much as its caller may', async () => {
    const asRoot = await doctor(null);
    const failed = [...asRoot.rows.values()].filter(({ result }) => result === 'failed');
    assert.deepEqual(failed, []);
    assert.equal(asRoot.status, 0);
    for (const id of ['systemd', 'polkit', 'users', 'units', 'agent', 'credentials', 'gateway', 'api-port']) {
      assert.equal(asRoot.rows.get(id)?.result, 'ok', JSON.stringify(asRoot.rows.get(id)));
    }
    const asOperator = await doctor(USERS.operator);
    assert.equal(asOperator.rows.get('credentials')?.result, 'skipped');
    assert.equal(asOperator.rows.get('you')?.result, 'ok');
  });

  test('doctor names a changed unit and a missing rule, and the other users who could reach the API', async () => {
    await machine.sh(
      'cp -a /usr/lib/systemd/system/ib-display@.service /root/unit; echo "# changed" >>/usr/lib/systemd/system/ib-display@.service; systemctl daemon-reload; mv /usr/share/polkit-1/rules.d/50-ib-agent.rules /root/rule',
    );
    const { status, rows } = await doctor(null);
    await machine.sh(
      'mv /root/unit /usr/lib/systemd/system/ib-display@.service; mv /root/rule /usr/share/polkit-1/rules.d/50-ib-agent.rules; systemctl daemon-reload',
    );
    assert.equal(status, 1);
    assert.notEqual(rows.get('units')?.result, 'ok');
    assert.match(rows.get('units')?.evidence ?? '', /ib-display@/);
    assert.equal(rows.get('polkit')?.result, 'failed');
    assert.match(rows.get('other-users')?.evidence ?? '', /strange/);
    assert.equal((await doctor(null)).status, 0);
  });

  test('the example firewall refuses a stranger the API port, and the session stays ready', async () => {
    const connect = (user: string | null) =>
      machine.run(['bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/4001'], {
        check: false,
        ...(user === null ? {} : { user }),
      });
    assert.equal((await connect(USERS.stranger)).status, 0, 'loopback is not private');
    const rules = readFileSync(new URL('../../etc/examples/ib-agent.nft', import.meta.url), 'utf8');
    await machine.writeFile('/etc/nftables.d/ib-agent.nft', rules);
    await machine.run(['nft', '-f', '/etc/nftables.d/ib-agent.nft']);
    assert.notEqual((await connect(USERS.stranger)).status, 0);
    assert.equal((await connect(null)).status, 0);
    await forgetLogins(machine);
    // The agent's own connection is made anew by the restart, through the rules.
    await inState(machine, 'ready');
    assert.equal((await ibctl(machine, ['status', '--check'])).status, 0);
  });
});
