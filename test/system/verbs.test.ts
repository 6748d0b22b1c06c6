// Checks what root does on a booted Debian: credentials are set, listed and rotated, doctor finds what is wrong, and a firewall limits the API.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { poll } from './command.ts';
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
  readonly command: string | null;
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

  test('credentials are asked for on a terminal, where only the user name is shown; the next login takes them', async () => {
    await does(machine, 'stop');
    await machine.sh('mkfifo -m 0600 /run/keys');
    const asked = machine.spawn([
      'sh',
      '-c',
      // Held open for both: the program reads keys as they come, as from a keyboard.
      'exec 3<>/run/keys; exec script --quiet --return --flush --command "ibctl credentials set live" /run/screen <&3',
    ]);
    const screen = async () => (await machine.run(['cat', '/run/screen'], { check: false })).stdout;
    const answer = async (question: RegExp, keys: string) => {
      await poll(`it asks ${question}`, async () => question.test(await screen()));
      await machine.run(['sh', '-c', 'cat >/run/keys'], { input: `${keys}\r` });
    };
    await answer(/IBKR user name of live: /, USERNAME);
    await answer(/IBKR password of live: /, WRONG);
    await answer(/The same again: /, RIGHT);
    // They differ, so it asks once more.
    await answer(/The two passwords differ\..*IBKR password of live: /s, RIGHT);
    await answer(/The same again: .*The same again: /s, RIGHT);
    assert.equal(await asked.done, 0, await screen());
    const shown = await screen();
    assert.match(shown, /Sealed the user name and password of live/);
    assert.ok(shown.includes(USERNAME));
    for (const secret of [RIGHT, WRONG]) assert.equal(shown.includes(secret), false, shown);
    await forgetLogins(machine);
    await does(machine, 'login');
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

  const faults: readonly (readonly [string, string, string, string, RegExp, RegExp])[] = [
    [
      'a unit file that is missing',
      'mv /usr/lib/systemd/system/ib-display@.service /root/unit; systemctl daemon-reload',
      'mv /root/unit /usr/lib/systemd/system/ib-display@.service; systemctl daemon-reload',
      'units',
      /systemd does not know ib-display@\.service/,
      /sudo install .*ib-display@\.service /,
    ],
    [
      'polkit that is masked',
      'systemctl mask --runtime polkit; systemctl stop polkit',
      'systemctl unmask --runtime polkit; systemctl start polkit',
      'polkit',
      /is masked/,
      /sudo systemctl unmask polkit/,
    ],
    [
      'a credential that is missing',
      'mv /etc/credstore.encrypted/ib-session.live.password /root/password',
      'mv /root/password /etc/credstore.encrypted/ib-session.live.password',
      'credentials',
      /password is not set/,
      /sudo ibctl credentials set live/,
    ],
  ];
  for (const [what, harm, heal, id, evidence, command] of faults) {
    test(`doctor names ${what}, ends with 1, and gives the line that mends it`, async () => {
      await machine.sh(harm);
      const { status, rows } = await doctor(null);
      await machine.sh(heal);
      const row = rows.get(id);
      assert.deepEqual([status, row?.result], [1, 'failed'], JSON.stringify(row));
      assert.match(row?.evidence ?? '', evidence);
      assert.match(row?.command ?? '', command);
      assert.equal((await doctor(null)).status, 0);
    });
  }

  test('the line that doctor gives for a missing unit file mends it', async () => {
    await machine.sh('mv /usr/lib/systemd/system/ib-display@.service /root/unit; systemctl daemon-reload');
    const line = (await doctor(null)).rows.get('units')?.command ?? '';
    await machine.run(['sh', '-euc', line]);
    const { status } = await doctor(null);
    await machine.sh(
      'rm /etc/systemd/system/ib-display@.service; mv /root/unit /usr/lib/systemd/system/ib-display@.service; systemctl daemon-reload',
    );
    assert.equal(status, 0, line);
  });

  test("doctor names an API port that another user's program holds", async () => {
    await does(machine, 'stop');
    const squatter = machine.spawn(
      [
        '/usr/lib/ib-agent/current/bin/node',
        '-e',
        "require('net').createServer().listen(4001, '127.0.0.1', () => console.log('up'))",
      ],
      { user: USERS.stranger },
    );
    await squatter.line(/^up$/);
    const { status, rows } = await doctor(null);
    await squatter.kill();
    const row = rows.get('api-port');
    assert.deepEqual([status, row?.result], [1, 'failed'], JSON.stringify(row));
    assert.match(row?.evidence ?? '', /4001 is held by a program of strange/);
    assert.match(row?.command ?? '', /sudo ss -ltnp/);
    await forgetLogins(machine);
    await does(machine, 'login');
  });

  test('the example firewall refuses a stranger the API port, and the session stays ready', async () => {
    const connect = (user: string | null) =>
      machine.run(['bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/4001'], {
        check: false,
        ...(user === null ? {} : { user }),
      });
    assert.equal((await connect(USERS.stranger)).status, 0, 'loopback is not private');
    const rules = readFileSync(new URL('../../etc/examples/ib-agent.nft', import.meta.url), 'utf8');
    // As its comments say: the trading program's user is put in.
    await machine.sh('useradd --system bot');
    const fitted = rules.replace(
      /^\t\telements = \{ root, ib-agent, ib-gateway \}$/m,
      '\t\telements = { root, ib-agent, ib-gateway, bot }',
    );
    assert.notEqual(fitted, rules);
    await machine.writeFile('/etc/nftables.d/ib-agent.nft', fitted);
    await machine.run(['nft', '-f', '/etc/nftables.d/ib-agent.nft']);
    assert.notEqual((await connect(USERS.stranger)).status, 0);
    for (const user of [null, 'ib-agent', 'bot']) assert.equal((await connect(user)).status, 0, `${user}`);
    assert.match((await doctor(null)).rows.get('other-users')?.evidence ?? '', /has the table ib_agent/);
    await forgetLogins(machine);
    // The agent's own connection is made anew by the restart, through the rules.
    await inState(machine, 'ready');
    assert.equal((await ibctl(machine, ['status', '--check'])).status, 0);
  });
});
