// Checks what a host does to a session on a booted Debian: secrets, polkit, journal, disk, clock and configuration that fail, and come back.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { jumpClock, prepareClock } from './clock.ts';
import { poll } from './command.ts';
import { bootProduct, sealCredentials, setKnobs, USERS } from './install.ts';
import type { JournalEntry, Machine } from './machine.ts';
import {
  AGENT,
  does,
  eventNames,
  forgetLogins,
  ibctl,
  inState,
  invocation,
  isActive,
  property,
  sessionStatus,
} from './product.ts';

const SESSION = 'ib-session@live.service';
const USERNAME = 'user-live';
const PASSWORD = 'correct horse';
const SEALED = '/etc/credstore.encrypted/ib-session.live.password';
const RULE = '/usr/share/polkit-1/rules.d/50-ib-agent.rules';
const CONFIG = '/etc/ib-agent/ib-agent.yaml';
const STATE = '/var/lib/ib-agent';
const LEDGER = `${STATE}/ledger.json`;
const FENCE = '!'.repeat(79);
/** Of sd-messages.h. */
const UNIT_STARTING = '7d4958e842da4a758f6c1cdc7b36dcc5';
const UNIT_STOPPING = 'de5b426a63be47a7b6ac3eaac82e2f6f';
const UNIT_SUCCESS = '7ad2d189f7e94e70a38c781354912448';
const UNIT_FAILED = 'd9b373ed55a64feb8242e02dbe79a49c';
const PROCESS_EXIT = '98e322203f7a4ed290d09fe03c09fe15';
const HOUR_S = 3600;

/** What must not change while something else than the session is at fault. */
async function standing(machine: Machine) {
  const { state, ledger } = await sessionStatus(machine);
  return {
    state,
    logins: ledger.logins24h,
    pushes: ledger.pushes24h,
    session: await invocation(machine),
  };
}

/** Logs in as the operator; must end halted, with nothing spent, no JVM started, and no try of its own. Returns what was said. */
async function haltsUnspent(machine: Machine): Promise<string> {
  const before = await sessionStatus(machine);
  const starts = (await machine.journal('_PID=1', `UNIT=${SESSION}`, `MESSAGE_ID=${UNIT_STARTING}`)).length;
  const { status, stdout, stderr } = await ibctl(machine, ['login']);
  assert.equal(status, 6, stdout + stderr);
  const halted = await inState(machine, 'halted');
  assert.equal(halted.ledger.logins24h, before.ledger.logins24h, 'nothing was spent');
  assert.equal(halted.next, null, 'no try of its own is planned');
  assert.equal(await isActive(machine, SESSION), false);
  const [condition] = halted.conditions;
  assert.equal(condition?.code, 'halted');
  const started = (await machine.journal('_PID=1', `UNIT=${SESSION}`, `MESSAGE_ID=${UNIT_STARTING}`)).length;
  assert.ok(started - starts <= 1, `${started - starts} starts`);
  return `${condition?.text}\n${condition?.hint}`;
}

/** Lets the gateway write an error as IBC reports it, and waits until the agent tells of it. */
async function isHeard(machine: Machine, text: string): Promise<void> {
  const said = `2026-11-23 09:00:00:000 IBC: ${text}`;
  await setKnobs(machine, { 'now.print': [FENCE, said, FENCE].join('\n') });
  await machine.logged(
    `the agent tells of "${text}"`,
    ['IB_EVENT=setting-failed', '_SYSTEMD_UNIT=ib-agent.service'],
    (entry) => (entry['IB_DETAIL'] ?? '').endsWith(text),
    20_000,
  );
}

/** Every file of the journal that is not being written to is gone, and so is what was written before. */
async function vacuum(machine: Machine): Promise<void> {
  await machine.run(['journalctl', '--rotate']);
  await poll('no archived journal file is left', async () => {
    await machine.run(['journalctl', '--vacuum-time=1s']);
    return (await machine.sh('find /var/log/journal /run/log/journal -name "*@*" 2>/dev/null')) === '';
  });
}

async function spoken(machine: Machine): Promise<JournalEntry[]> {
  return machine.journal(`_SYSTEMD_UNIT=${AGENT}`);
}

describe('faults of the host around a session', () => {
  let machine: Machine;
  before(async () => {
    machine = await bootProduct({ name: 'faults' });
  });
  after(() => machine?.dispose());

  for (const [what, harm] of [
    ['is missing', `rm ${SEALED}`],
    ['cannot be decrypted', `echo garbage >${SEALED}`],
  ] as const) {
    test(`a credential that ${what}: the login halts unspent and names the remedy, which works`, async () => {
      await machine.sh(harm);
      const said = await haltsUnspent(machine);
      assert.match(said, /sudo ibctl credentials set live/);
      assert.equal(await property(machine, SESSION, 'ExecMainStatus'), '243');
      await sealCredentials(machine, 'live', USERNAME, PASSWORD);
      await does(machine, 'login');
      assert.equal((await sessionStatus(machine)).ledger.logins24h, 1);
      await does(machine, 'stop');
      await forgetLogins(machine);
    });
  }

  for (const [what, harm, heal] of [
    [
      'without its rule',
      `mv ${RULE} /root/; systemctl restart polkit`,
      `mv /root/50-ib-agent.rules ${RULE}; systemctl restart polkit`,
    ],
    [
      'masked and stopped',
      'systemctl mask --runtime polkit; systemctl stop polkit',
      'systemctl unmask --runtime polkit; systemctl start polkit',
    ],
  ] as const) {
    test(`polkit ${what}: the login halts unspent and names polkit and the remedy, which works`, async () => {
      await machine.sh(harm);
      const said = await haltsUnspent(machine);
      await machine.sh(heal);
      assert.match(said, /polkit/);
      assert.match(said, /ibctl doctor/);
      await does(machine, 'login');
      assert.equal((await sessionStatus(machine)).ledger.logins24h, 1);
      await does(machine, 'stop');
      await forgetLogins(machine);
    });
  }

  test('settings where the unit may not write: the login halts unspent and names the drop-in, which works', async () => {
    const elsewhere = '/srv/settings';
    const dropIn = '/run/systemd/system/ib-session@.service.d';
    await machine.sh(`install -d -m 0700 -o ib-gateway -g ib-gateway ${elsewhere}`);
    const good = await machine.readFile(CONFIG);
    const config = parse(good) as { sessions: { live: object } };
    config.sessions.live = { ...config.sessions.live, settingsDir: elsewhere };
    await machine.writeFile(CONFIG, stringify(config));
    await machine.sh(`systemctl restart ${AGENT}`);
    await inState(machine, 'stopped');
    const said = await haltsUnspent(machine);
    assert.match(said, /systemctl edit ib-session@\.service.*ReadWritePaths=\/srv\/settings/);

    await machine.sh(`mkdir -p ${dropIn}`);
    await machine.writeFile(`${dropIn}/settings.conf`, `[Service]\nReadWritePaths=${elsewhere}\n`);
    await machine.sh('systemctl daemon-reload');
    await does(machine, 'login');
    await does(machine, 'stop');
    await machine.sh(`test -s ${elsewhere}/jts.ini`);
    await machine.sh(`rm -r ${dropIn}; systemctl daemon-reload`);
    await machine.writeFile(CONFIG, good);
    await machine.sh(`systemctl restart ${AGENT}`);
    await inState(machine, 'stopped');
    await forgetLogins(machine);
  });

  test('a journal that is restarted, rotated and vacuumed while a push waits: the approval is seen', async () => {
    await setKnobs(machine, { 'second.factor': 'push', 'push.approve.after.ms': 'never' });
    const login = machine.spawn(['ibctl', 'login'], { user: USERS.operator });
    await inState(machine, 'awaiting-second-factor');
    const before = await standing(machine);
    const pid = await property(machine, AGENT, 'MainPID');
    await machine.run(['systemctl', 'restart', 'systemd-journald']);
    await vacuum(machine);
    assert.deepEqual(await standing(machine), before);
    await setKnobs(machine, { 'now.approve': 'yes' });
    assert.equal(await login.done, 0, login.lines.join('\n'));
    const { state, ledger } = await sessionStatus(machine);
    assert.deepEqual([state, ledger.logins24h, ledger.pushes24h], ['ready', 1, 1]);
    assert.equal(await property(machine, AGENT, 'MainPID'), pid);
  });

  test('a journal that is restarted, rotated and vacuumed under a ready session: it stays, and its next words are heard', async () => {
    const before = await standing(machine);
    const pid = await property(machine, AGENT, 'MainPID');
    await machine.run(['systemctl', 'restart', 'systemd-journald']);
    await isHeard(machine, 'after the restart');
    await machine.run(['journalctl', '--rotate']);
    await isHeard(machine, 'after the rotation');
    await vacuum(machine);
    await isHeard(machine, 'after the vacuum');
    assert.deepEqual(await standing(machine), before);
    assert.equal(await property(machine, AGENT, 'MainPID'), pid);
  });

  test('an agent that finds no beginning in a vacuumed journal takes the session up by its API: no stop, no login', async () => {
    const before = await standing(machine);
    await machine.run(['systemctl', 'stop', AGENT]);
    await vacuum(machine);
    const lost = await machine.journal('_PID=1', `UNIT=${SESSION}`, `MESSAGE_ID=${UNIT_STARTING}`);
    assert.deepEqual(lost, [], 'the beginning is gone');
    await machine.run(['systemctl', 'start', AGENT]);
    await inState(machine, 'ready');
    assert.deepEqual(await standing(machine), before);
    assert.deepEqual(
      (await eventNames(machine)).filter((name) => name !== 'session-ready'),
      [],
    );
    await isHeard(machine, 'after all is gone');
  });

  test('entries that a stranger forges move nothing and are shown to nobody', async () => {
    const before = await standing(machine);
    const told = (await eventNames(machine)).length;
    const own = { UNIT: SESSION, INVOCATION_ID: before.session, _PID: '1', _SYSTEMD_UNIT: SESSION };
    const forged: Readonly<Record<string, string>>[] = [
      { ...own, MESSAGE_ID: UNIT_STOPPING, MESSAGE: 'Stopping forged' },
      { ...own, MESSAGE_ID: PROCESS_EXIT, EXIT_CODE: 'killed', EXIT_STATUS: '9', MESSAGE: 'forged exit' },
      { ...own, MESSAGE_ID: UNIT_FAILED, UNIT_RESULT: 'signal', MESSAGE: 'forged failure' },
      { ...own, MESSAGE_ID: UNIT_SUCCESS, MESSAGE: 'forged success' },
      {
        SYSLOG_IDENTIFIER: 'ib-agent',
        IB_EVENT: 'session-halted',
        IB_SESSION: 'live',
        IB_STATE: 'halted',
        _SYSTEMD_UNIT: AGENT,
        MESSAGE: 'forged halt',
      },
      {
        OBJECT_SYSTEMD_UNIT: SESSION,
        _TRANSPORT: 'stdout',
        SYSLOG_IDENTIFIER: 'ib-session',
        MESSAGE: 'forged line',
      },
    ];
    for (const entry of forged) {
      const input = Object.entries(entry).map(([field, value]) => `${field}=${value}\n`);
      await machine.run(['logger', '--journald'], { user: USERS.stranger, input: input.join('') });
    }
    const arrived = (await machine.journal(`UNIT=${SESSION}`)).filter(
      ({ MESSAGE, _PID }) => /forged/i.test(MESSAGE ?? '') && _PID !== '1',
    );
    assert.equal(arrived.length, 4, 'they are in the journal');

    // A unit of the same name, of the stranger's own service manager, that prints what a session's would.
    const { uid, home } = machine.account(USERS.stranger);
    const lines = [
      '2026-11-23 09:00:00:000 IBC: detected dialog entitled: forged dialog; event=Opened',
      FENCE,
      '2026-11-23 09:00:00:000 IBC: forged error',
      FENCE,
      '2026-11-23 09:00:00:000 IBC: Re-login is required',
      JSON.stringify({ v: 1, session: 'live', orderId: null, status: 1, signal: null }),
    ];
    await machine.writeFile(`${home}/lines`, `${lines.join('\n')}\n`);
    await machine.writeFile(
      `${home}/.config/systemd/user/ib-session@.service`,
      `[Service]\nType=oneshot\nSyslogIdentifier=ib-session\nExecStart=/bin/cat ${home}/lines\n`,
    );
    // Without pam_systemd nobody else sets it.
    await machine.writeFile(
      '/run/systemd/system/user@.service.d/runtime.conf',
      '[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n',
    );
    await machine.sh(`systemctl daemon-reload; systemctl start user@${uid}.service`);
    await machine.run(['systemctl', '--user', 'start', SESSION], {
      user: USERS.stranger,
      env: { XDG_RUNTIME_DIR: `/run/user/${uid}` },
    });
    await machine.logged('the stranger’s unit has spoken', [`_SYSTEMD_USER_UNIT=${SESSION}`], (entry) =>
      /forged error/.test(entry['MESSAGE'] ?? ''),
    );

    // What comes after them in the journal is seen, so they were as well.
    await isHeard(machine, 'after the forgeries');
    assert.deepEqual(await standing(machine), before);
    assert.deepEqual((await eventNames(machine)).slice(told), ['setting-failed']);
    assert.doesNotMatch(await does(machine, 'events'), /forged/i);
    assert.doesNotMatch(await does(machine, 'logs', '--lines', '2000'), /forged/i);
    assert.deepEqual(
      (await sessionStatus(machine)).conditions.filter(({ text }) => /forged/.test(text)),
      [],
    );
    await machine.run(['systemctl', 'restart', AGENT]);
    await inState(machine, 'ready');
    assert.deepEqual(await standing(machine), before);
    assert.doesNotMatch(await does(machine, 'events'), /forged/i);
  });

  test('a second agent ends with 1 and says that one runs; the first goes on', async () => {
    const before = await standing(machine);
    const pid = await property(machine, AGENT, 'MainPID');
    const second = await machine.run(
      [
        'runuser',
        '-u',
        'ib-agent',
        '--',
        '/usr/lib/ib-agent/current/bin/node',
        '/usr/lib/ib-agent/current/ib-agent.js',
        '--supervisor=systemd',
      ],
      { check: false, timeoutMs: 30_000 },
    );
    assert.equal(second.status, 1, second.stdout + second.stderr);
    assert.match(second.stderr, /an agent already answers on \/run\/ib-agent\/control\.sock/);
    assert.match(second.stderr, /hint: stop it first \(systemctl stop ib-agent\)/);
    assert.equal(await property(machine, AGENT, 'MainPID'), pid);
    assert.deepEqual(await standing(machine), before);
    await isHeard(machine, 'after the second agent');
  });

  test('a broken configuration: 78 with file and line, no loop of restarts; sessions stay and are taken up again', async () => {
    const before = await standing(machine);
    const good = await machine.readFile(CONFIG);
    await machine.writeFile(CONFIG, good.replace('port: 4001', 'port: four'));
    const { status } = await machine.run(['systemctl', 'restart', AGENT], { check: false });
    assert.notEqual(status, 0);
    assert.deepEqual(
      [
        await property(machine, AGENT, 'ActiveState'),
        await property(machine, AGENT, 'ExecMainStatus'),
        await property(machine, AGENT, 'NRestarts'),
      ],
      ['failed', '78', '0'],
    );
    const line = good.split('\n').findIndex((text) => text.includes('port: 4001')) + 1;
    const told = (await spoken(machine)).map((entry) => entry['MESSAGE'] ?? '');
    assert.ok(
      told.some((text) => text.includes(`${CONFIG}:${line}`)),
      told.slice(-10).join('\n'),
    );
    assert.equal(await isActive(machine, SESSION), true);
    assert.equal(await invocation(machine), before.session);
    await machine.writeFile(CONFIG, good);
    await machine.run(['systemctl', 'start', AGENT]);
    await inState(machine, 'ready');
    assert.deepEqual(await standing(machine), before);
  });

  test('an agent that hangs is ended and started anew by the watchdog; the session stays', async () => {
    const before = await standing(machine);
    const dropIn = '/run/systemd/system/ib-agent.service.d/watchdog.conf';
    await machine.writeFile(dropIn, '[Service]\nWatchdogSec=3s\n');
    await machine.sh('systemctl daemon-reload; systemctl restart ib-agent');
    await inState(machine, 'ready');
    const pid = await property(machine, AGENT, 'MainPID');
    await machine.run(['kill', '-STOP', pid]);
    const started = performance.now();
    await poll(
      'another agent runs',
      async () => {
        const now = await property(machine, AGENT, 'MainPID');
        return now !== pid && now !== '0' && (await isActive(machine, AGENT));
      },
      { deadlineMs: 60_000 },
    );
    const tookMs = performance.now() - started;
    assert.ok(tookMs < 45_000, `${tookMs} ms`);
    assert.equal(await property(machine, AGENT, 'NRestarts'), '1');
    await inState(machine, 'ready');
    assert.deepEqual(await standing(machine), before);
    await machine.sh(`rm ${dropIn}; systemctl daemon-reload; systemctl restart ib-agent`);
    await inState(machine, 'ready');
  });

  test('a clock that jumps by hours under a ready session: no restart, no login, and no budget comes free', async () => {
    await prepareClock(machine, AGENT);
    // Two more logins than were made: the budget of this hour is used up.
    await machine.run(['systemctl', 'stop', AGENT]);
    const ledger = JSON.parse(await machine.readFile(LEDGER));
    const login = ledger.entries.find((entry: { kind: string }) => entry.kind === 'login');
    const now = Number(await machine.sh('date +%s')) * 1000;
    ledger.entries.push({ ...login, at: now, order: 'a' }, { ...login, at: now, order: 'b' });
    await machine.writeFile(LEDGER, JSON.stringify(ledger), { mode: '0600', owner: 'ib-agent:ib-agent' });
    await machine.run(['systemctl', 'start', AGENT]);
    await inState(machine, 'ready');
    const before = await standing(machine);
    assert.equal(before.logins, 3);
    const pid = await property(machine, AGENT, 'MainPID');
    for (const seconds of [2 * HOUR_S, 0, -2 * HOUR_S, 0]) {
      await jumpClock(machine, AGENT, seconds);
      await isHeard(machine, `at ${seconds} seconds`);
      const { status, stderr } = await ibctl(machine, ['restart', '--cold']);
      assert.notEqual(status, 0, `at ${seconds} seconds`);
      assert.match(stderr, /3 logins in the last hour/, `at ${seconds} seconds`);
      assert.deepEqual(await standing(machine), before, `at ${seconds} seconds`);
    }
    assert.equal(await property(machine, AGENT, 'MainPID'), pid);
    await does(machine, 'stop');
  });

  for (const seconds of [2 * HOUR_S, -2 * HOUR_S]) {
    test(`a clock that jumps by ${seconds} seconds while a push waits: nothing is submitted twice, and the approval counts`, async (t) => {
      await jumpClock(machine, AGENT, 0);
      await forgetLogins(machine);
      await setKnobs(machine, { 'now.approve': 'no' });
      const login = machine.spawn(['ibctl', 'login'], { user: USERS.operator });
      const waiting = await inState(machine, 'awaiting-second-factor');
      const before = await standing(machine);
      await jumpClock(machine, AGENT, seconds);
      // A fact, for which the rules look at the clock.
      await isHeard(machine, `a push and ${seconds} seconds`);
      const then = await sessionStatus(machine);
      t.diagnostic(
        `deadline ${waiting.secondFactor?.deadline}; after the jump: ${then.state}, deadline ${then.secondFactor?.deadline}`,
      );
      assert.deepEqual(await standing(machine), before);
      await setKnobs(machine, { 'now.approve': 'yes' });
      assert.equal(await login.done, 0, login.lines.join('\n'));
      assert.deepEqual(await standing(machine), { ...before, state: 'ready' });
      const said = await machine.journal(`_SYSTEMD_INVOCATION_ID=${before.session}`);
      assert.equal(said.filter((entry) => /Login attempt: \d/.test(entry['MESSAGE'] ?? '')).length, 1);
      await jumpClock(machine, AGENT, 0);
      await does(machine, 'stop');
    });
  }

  test('a full disk under the state: the login halts, no JVM starts, the ledger stays whole; with room again it works', async () => {
    await setKnobs(machine, { 'second.factor': 'none' });
    await forgetLogins(machine);
    await does(machine, 'login');
    await does(machine, 'stop');
    await machine.sh(
      `systemctl stop ib-agent
       cp -a ${LEDGER} /root/ledger.json
       mount -t tmpfs -o "size=16m,mode=0700,uid=$(id -u ib-agent),gid=$(id -g ib-agent)" tmpfs ${STATE}
       cp -a /root/ledger.json ${LEDGER}
       systemctl start ib-agent
       dd if=/dev/zero of=${STATE}/fill bs=4k 2>/dev/null || true`,
    );
    const ledger = await machine.readFile(LEDGER);
    const starts = async () =>
      (await machine.journal('_PID=1', `UNIT=${SESSION}`, `MESSAGE_ID=${UNIT_STARTING}`)).length;
    const before = await starts();
    const { status, stdout, stderr } = await ibctl(machine, ['login']);
    // The wish for the session could not be written either, and that is what the caller hears.
    assert.equal(status, 1, stdout + stderr);
    assert.match(stderr, /ENOSPC/);
    const halted = await sessionStatus(machine);
    assert.deepEqual(
      [halted.state, halted.reason, halted.ledger.logins24h],
      ['halted', 'state-unwritable', 1],
    );
    assert.match(`${halted.conditions[0]?.text}`, /ENOSPC/);
    assert.match(`${halted.conditions[0]?.hint}`, /disk full.*ibctl login/);
    assert.equal(await starts(), before, 'no JVM was started');
    assert.equal(await machine.readFile(LEDGER), ledger);
    assert.deepEqual(
      (await machine.sh(`ls -A ${STATE}`)).split('\n').filter((name) => /ledger/.test(name)),
      ['ledger.json'],
    );
    await machine.sh(`rm ${STATE}/fill`);
    await does(machine, 'login');
    const { state, ledger: spent, conditions } = await sessionStatus(machine);
    assert.deepEqual([state, spent.logins24h, conditions], ['ready', 2, []]);
    assert.equal(JSON.parse(await machine.readFile(LEDGER)).entries.length, 2);
    await does(machine, 'stop');
    await machine.sh(`systemctl stop ib-agent; umount ${STATE}; systemctl start ib-agent`);
  });
});

describe('a host with a volatile journal', () => {
  test('a session is logged in, taken up by the next agent, and logged in again after a reboot', async () => {
    await using machine = await bootProduct({ name: 'volatile', journal: 'volatile' });
    await does(machine, 'login');
    const before = await standing(machine);
    assert.equal(before.state, 'ready');
    await machine.run(['systemctl', 'restart', AGENT]);
    await inState(machine, 'ready');
    assert.deepEqual(await standing(machine), before);
    await machine.reboot();
    const { ledger } = await inState(machine, 'ready', 120_000);
    assert.equal(ledger.logins24h, 2);
  });
});
