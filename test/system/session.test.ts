// Checks the product as its users have it on a booted Debian: systemctl, ibctl as each kind of user, the journal, bots, restarts.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { CATALOGUE } from '../../src/events/catalogue.ts';
import { poll } from './command.ts';
import { bootProduct, setKnobs, USERS } from './install.ts';
import type { Machine } from './machine.ts';
import {
  AGENT,
  does,
  eventNames,
  events,
  forgetLogins,
  ibctl,
  inState,
  invocation,
  isActive,
  property,
  sessionStatus,
} from './product.ts';

const PASSWORD = 'pä;#=\\ "x';
const USERNAME = 'jane.trader77';
const READY = 'ib-ready@live.target';
const SESSION = 'ib-session@live.service';

describe('a session on a booted Debian', () => {
  let machine: Machine;
  before(async () => {
    machine = await bootProduct({
      name: 'session',
      sessions: {
        live: {
          username: USERNAME,
          password: PASSWORD,
          knobs: {
            'expect.user': USERNAME,
            'expect.password': PASSWORD,
            'second.factor': 'push',
            'push.approve.after.ms': '1500',
            'autorestart.when': 'set',
            'autorestart.after.ms': '500',
          },
          config: { secondFactor: { method: 'ib-key' } },
        },
      },
    });
  });
  after(() => machine?.dispose());

  test('nothing is started by the installation; the agent is ready and says how the sessions are', async () => {
    assert.equal(await property(machine, AGENT, 'ActiveState'), 'active');
    assert.equal(await property(machine, AGENT, 'StatusText'), 'live stopped');
    assert.equal(await isActive(machine, SESSION), false);
    const status = JSON.parse(await does(machine, 'status', '--json'));
    assert.equal(status.agent.supervisor, 'systemd');
    assert.equal((await machine.sh('stat -c "%a %U" /run/ib-agent/control.sock')).trim(), '666 ib-agent');
  });

  test('an observer looks and may not log in; a stranger gets 4 and the group to join; root operates', async () => {
    assert.equal((await ibctl(machine, ['status'], USERS.observer)).status, 0);
    const refused = await ibctl(machine, ['login'], USERS.observer);
    assert.equal(refused.status, 4);
    assert.match(refused.stderr, /ib-operators/);
    const stranger = await ibctl(machine, ['status'], USERS.stranger);
    assert.equal(stranger.status, 4);
    assert.match(stranger.stderr, /sudo usermod -aG ib-o\w+ strange/);
    assert.equal((await ibctl(machine, ['status'], null)).status, 0);
    assert.equal(await isActive(machine, SESSION), false);
  });

  test('a start by hand is refused by the launcher before it reads a credential, and costs nothing', async () => {
    await machine.run(['systemctl', 'start', SESSION], { check: false });
    await machine.logged('the launcher refuses', [`_SYSTEMD_UNIT=${SESSION}`], (entry) =>
      /"order-missing".*ibctl login live/.test(entry['MESSAGE'] ?? ''),
    );
    await poll('it has failed', async () => (await property(machine, SESSION, 'ActiveState')) === 'failed');
    assert.equal(await property(machine, SESSION, 'ExecMainStatus'), '78');
    assert.equal((await sessionStatus(machine)).ledger.logins24h, 0);
  });

  test('a bot that is started early fails, and starts neither the target nor a login', async () => {
    const unit = readFileSync(new URL('../../etc/examples/bot.service', import.meta.url), 'utf8');
    await machine.writeFile('/usr/local/bin/bot', '#!/bin/sh\nexec sleep infinity\n', { mode: '0755' });
    await machine.writeFile('/etc/systemd/system/bot.service', unit);
    await machine.sh('useradd --system bot; systemctl daemon-reload; systemctl enable bot.service');
    const { status } = await machine.run(['systemctl', 'start', 'bot.service'], { check: false });
    assert.notEqual(status, 0);
    for (const each of ['bot.service', READY, SESSION])
      assert.equal(await isActive(machine, each), false, each);
    assert.equal((await sessionStatus(machine)).ledger.logins24h, 0);
  });

  test('an operator logs in with a push: each step is told, in the journal too, and the bot starts', async () => {
    const { status, stdout, stderr } = await ibctl(machine, ['login']);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /awaiting-second-factor: .*IB Key, attempt 1\n.*approve the notification/);
    assert.match(stdout, /ready\n$/);
    assert.deepEqual(await eventNames(machine), [
      'session-starting',
      'login-submitted',
      'second-factor-pending',
      'second-factor-accepted',
      'session-ready',
    ]);
    const pending = (await events(machine)).find((entry) => entry['IB_EVENT'] === 'second-factor-pending');
    assert.equal(pending?.['MESSAGE_ID'], CATALOGUE['second-factor-pending'].messageId);
    assert.deepEqual(
      [
        pending?.['PRIORITY'],
        pending?.['IB_METHOD'],
        pending?.['SYSLOG_IDENTIFIER'],
        pending?.['_TRANSPORT'],
      ],
      ['4', 'ib-key', 'ib-agent', 'journal'],
    );
    await poll('the bot runs', () => isActive(machine, 'bot.service'));
    assert.equal(await isActive(machine, READY), true);
    assert.equal(await property(machine, AGENT, 'StatusText'), 'live ready');
    const { process } = await sessionStatus(machine);
    assert.ok(
      (process.pid ?? 0) > 1 && (process.rssBytes === null || process.rssBytes > 1e6),
      JSON.stringify(process),
    );
  });

  test("the README's lines for the journal give what they promise", async () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const lines = readme.split('\n').flatMap((line) => /^(journalctl .*?)(?: +#.*)?$/.exec(line)?.[1] ?? []);
    assert.equal(lines.length, 5, lines.join('\n'));
    for (const line of lines) {
      const finite = line.replace(/ -f\b| --follow\b/, '');
      const { status, stdout } = await machine.run(['sh', '-c', `${finite} --no-pager`], { check: false });
      assert.equal(status === 0 || /-p/.test(line), true, line);
      if (!/-p/.test(line)) assert.match(stdout, /second.factor|ib-agent/i, line);
    }
    const explained = await machine.sh('journalctl IB_EVENT=second-factor-pending -x --no-pager -n 1');
    assert.match(explained, /Subject: .*[Ss]econd factor/);
  });

  test('no secret is in an argument list, an environment, the journal, or a file that others can read', async () => {
    const found = await machine.run(
      [
        'sh',
        '-c',
        `for p in /proc/[0-9]*; do for f in cmdline environ; do
           tr '\\0' '\\n' <$p/$f 2>/dev/null | grep -qF -e "$1" -e "$2" && [ "$p" != "/proc/$$" ] && echo "$p/$f"
         done; done
         journalctl --no-pager -o export | grep -cF -e "$1" -e "$2" | grep -v '^0$'
         grep -rlF -e "$1" -e "$2" /run /var /etc /tmp /home 2>/dev/null
         true`,
        'sh',
        USERNAME,
        PASSWORD,
      ],
      {},
    );
    const places = found.stdout
      .split('\n')
      // The shell that searches has both in its own arguments; the knobs of the stand-in are this test's.
      .filter((line) => line !== '' && !/standin\\.properties$|standin\.properties$/.test(line));
    const own = places.filter((place) => !/^\/proc\/\d+\/cmdline$/.test(place));
    // Where IBC must read them, and where systemd gives them to this unit alone.
    const given = ['password', 'username'].map((name) => `/run/credentials/${SESSION}/${name}`);
    assert.deepEqual(own.sort(), [...given, '/run/ib-session/live/config.ini'], found.stdout);
    for (const path of given) {
      const stranger = await machine.run(['cat', path], { user: USERS.operator, check: false });
      assert.notEqual(stranger.status, 0, path);
    }
    assert.equal(
      (await machine.sh('stat -c "%a %U" /run/ib-session/live/config.ini')).trim(),
      '400 ib-gateway',
    );
    const agent = await machine.run(['cat', '/run/ib-session/live/config.ini'], {
      user: 'ib-agent',
      check: false,
    });
    assert.notEqual(agent.status, 0, 'the agent must not read the password');
  });

  test('a warm restart costs no login, and the bot goes down and comes back with it', async () => {
    const before = await invocation(machine);
    const bot = await property(machine, 'bot.service', 'InvocationID');
    assert.match(await does(machine, 'restart'), /ready\n$/);
    assert.notEqual(await invocation(machine), before);
    const { ledger } = await sessionStatus(machine);
    assert.deepEqual([ledger.logins24h, ledger.pushes24h], [1, 1]);
    // The gateway's own restart time is set back, and the note of it is gone.
    await poll('the time is set back', async () => {
      const notes = await machine.sh('ls /var/lib/ib-agent');
      return !notes.includes('restart-time-live.json');
    });
    const listening = await machine.sh(`ss -Hltnp | grep '"java"' | awk '{print $4}'`);
    assert.match(listening, /^\S+:4001\n$/, 'nothing but the API listens');
    await poll('the bot runs again', () => isActive(machine, 'bot.service'));
    assert.notEqual(await property(machine, 'bot.service', 'InvocationID'), bot);
  });

  test('a restart of the agent fails no call, ends no session, repeats no event, and bounces no bot', async () => {
    const session = await invocation(machine);
    const bot = await property(machine, 'bot.service', 'InvocationID');
    const told = (await eventNames(machine)).length;
    const restart = machine.run(['systemctl', 'restart', AGENT]);
    const calls = await Promise.all(
      [1, 2, 3, 4, 5].map(() => ibctl(machine, ['wait', '--for=ready', '--timeout', '60s', '--quiet'])),
    );
    await restart;
    assert.deepEqual(
      calls.map(({ status, stderr }) => [status, stderr]),
      calls.map(() => [0, '']),
    );
    await inState(machine, 'ready');
    assert.deepEqual(
      [await invocation(machine), await property(machine, 'bot.service', 'InvocationID')],
      [session, bot],
    );
    assert.deepEqual((await eventNames(machine)).slice(told), []);
    assert.equal(await isActive(machine, READY), true);
  });

  test('events and logs are there after a restart of the agent as well', async () => {
    assert.match(await does(machine, 'events'), /second-factor-pending/);
    assert.match(await does(machine, 'logs', '--lines', '2000'), /Login has completed/);
  });

  test('systemctl stop ib-agent stays stopped, ibctl says 3, and the session stays up', async () => {
    const session = await invocation(machine);
    await machine.run(['systemctl', 'stop', AGENT]);
    const { status, stderr } = await ibctl(machine, ['status']);
    assert.equal(status, 3);
    assert.match(stderr, /systemctl start ib-agent/);
    assert.equal(await isActive(machine, AGENT), false);
    assert.deepEqual([await isActive(machine, SESSION), await isActive(machine, READY)], [true, true]);
    assert.equal(await invocation(machine), session);
  });

  test('a crash of the session takes target and bot down with the agent dead; the next agent judges it', async () => {
    await machine.sh(`kill -9 "$(systemctl show --value -pMainPID ${SESSION})"`);
    await poll('the target is down', async () => !(await isActive(machine, READY)));
    await poll('the bot is down', async () => !(await isActive(machine, 'bot.service')));
    await machine.run(['systemctl', 'start', AGENT]);
    const { reason } = await inState(machine, 'backing-off');
    assert.equal(reason, 'gateway-killed');
    assert.ok((await eventNames(machine)).includes('session-lost'));
    assert.equal((await sessionStatus(machine)).ledger.logins24h, 1);
  });

  test('an administrator stops the unit: that holds, until ibctl start', async () => {
    await forgetLogins(machine);
    await does(machine, 'login');
    await machine.run(['systemctl', 'stop', SESSION]);
    const stopped = await inState(machine, 'stopped');
    assert.deepEqual([stopped.reason, stopped.desired], ['stopped-by-systemd', 'up']);
    const record = await machine.logged('its end', [`_SYSTEMD_UNIT=${SESSION}`], (entry) =>
      /^\{"v":1.*"status":0,"signal":null/.test(entry['MESSAGE'] ?? ''),
    );
    assert.ok(record, 'it closed tidily');
    await machine.run(['systemctl', 'restart', AGENT]);
    assert.equal((await inState(machine, 'stopped')).reason, 'stopped-by-systemd');
    await does(machine, 'start');
    assert.equal((await sessionStatus(machine)).state, 'ready');
  });

  test('ibctl stop closes tidily, and nothing is left of the session', async () => {
    await does(machine, 'stop');
    await poll('both units are down', async () => {
      const up = await Promise.all(
        [SESSION, 'ib-display@live.service'].map((unit) => isActive(machine, unit)),
      );
      return !up.includes(true);
    });
    assert.equal((await machine.sh('ls /run/ib-session /run/ib-display')).includes('live'), false);
  });

  test('a reboot with a logged-in session and a stopped agent closes tidily, and the next boot brings it up', async () => {
    await forgetLogins(machine);
    await does(machine, 'login');
    await machine.run(['systemctl', 'stop', AGENT]);
    const boot = await machine.bootId();
    await setKnobs(machine, { 'shutdown.ms': '1500' });
    await machine.reboot();
    assert.notEqual(await machine.bootId(), boot);
    const before = await machine.journal('--boot=-1', `_SYSTEMD_UNIT=${SESSION}`);
    const record = before.map((entry) => entry['MESSAGE'] ?? '').filter((text) => text.startsWith('{"v":1'));
    assert.match(
      record.at(-1) ?? '',
      /"status":0,"signal":null/,
      'the gateway closed before its display and the network',
    );
    await inState(machine, 'ready', 120_000);
    assert.equal((await sessionStatus(machine)).ledger.logins24h, 2);
    await poll('the bot runs', () => isActive(machine, 'bot.service'));
  });
});
