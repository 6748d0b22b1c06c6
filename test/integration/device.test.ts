// Tests the choice of a second-factor device, pushes sent again and the stored token, with the stand-in Gateway and the real bridge.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findJavaHome } from '../standin/build.ts';
import { has, one } from '../support/main-scenarios.ts';
import { makeWorld, until, type World } from '../support/world.ts';

const PATIENT = 120_000;
const ROWS = '"IB Key", "Mobile Authenticator app"';

/** Waits until the session waits for this method. */
async function pending(world: World, method: string, session = 'live', from = 0): Promise<void> {
  await until(
    `${session} waits for ${method}`,
    () =>
      world.told('second-factor-pending', { session, from }).some((record) => record['IB_METHOD'] === method),
    PATIENT,
  );
}

/** A java that passes everything on but the bridge. */
function withoutBridge(directory: string, real: string): string {
  mkdirSync(directory, { recursive: true });
  const java = join(directory, 'java');
  const lines = [
    '#!/bin/bash',
    'args=()',
    'for word in "$@"; do [[ $word == -javaagent:* ]] || args+=("$word"); done',
    `exec "${real}" "\${args[@]}"`,
  ];
  writeFileSync(java, `${lines.join('\n')}\n`, { mode: 0o755 });
  return java;
}

/** Lines of the gateway that hold a text. */
async function said(world: World, text: string, session = 'live'): Promise<number> {
  const { stdout } = await world.ibctl('logs', session, '-n', '2000');
  return stdout.split('\n').filter((line) => line.includes(text)).length;
}

describe('a device that is given with a login', () => {
  let world: World;
  before(async () => {
    world = await makeWorld({
      sessions: {
        live: {
          knobs: { 'second.factor': 'devices', 'push.approve.after.ms': 'never' },
          config: { secondFactor: { method: 'unknown', device: 'Mobile Authenticator app' } },
        },
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  it('is picked by IBC instead of the configured one, for that login only', async () => {
    const login = await world.ibctl('login', '--no-wait', '--device', ' IB Key ');
    assert.equal(login.status, 0, login.stderr);
    await pending(world, 'ib-key');
    world.setKnobs({ 'now.approve': '1' });
    assert.equal((await world.ibctl('wait', '--timeout', '2m')).status, 0);
    assert.equal(await said(world, 'second factor device selected: IB Key'), 1);
    assert.equal(world.told('second-factor-device-chosen').length, 0);
    assert.equal((await world.status()).ledger.pushes24h, 1);
    const [operation] = world.told('operator-command').filter((record) => record['IB_METHOD'] === 'login');
    assert.equal(operation?.['IB_DETAIL'], 'IB Key');

    const from = world.records.length;
    const warm = await world.ibctl('restart', '--device', 'IB Key');
    assert.deepEqual([warm.status, warm.stderr.includes('--device belongs to --cold')], [2, true]);
    assert.equal((await world.ibctl('restart', '--cold', '--no-wait', '-q')).status, 0);
    await pending(world, 'code', 'live', from);
    assert.equal((await world.ibctl('stop')).status, 0);
  });
});

describe('a device list whose configured entry is not there', () => {
  let world: World;
  before(async () => {
    world = await makeWorld({
      sessions: {
        live: {
          knobs: { 'second.factor': 'devices', 'push.approve.after.ms': 'never' },
          config: { secondFactor: { method: 'unknown', device: 'Toaster' } },
        },
        brief: {
          knobs: { 'second.factor': 'devices', 'second.factor.timeout.ms': 'never' },
          config: { secondFactor: { method: 'unknown' }, deadlines: { secondFactor: '2s' } },
        },
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  it('waits with the list and the command that chooses from it; a wrong entry is refused with the list', async () => {
    const { child, done } = world.ibctlChild(['login', 'live']);
    let shown = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
    });
    await pending(world, 'device-choice');
    const told = world.told('second-factor-pending', { session: 'live' }).at(-1);
    assert.equal(told?.['IB_DEVICES'], 'IB Key, Mobile Authenticator app');
    assert.match(told?.['IB_HINT'] ?? '', /ibctl login NAME --device DEVICE, one of "IB Key", "Mobile/);
    await until('ibctl login tells it', () => shown.includes(`choose one of ${ROWS}`), PATIENT);
    assert.match(shown, /such as: ibctl login live --device 'IB Key'/);
    const status = await world.ibctl('status', 'live');
    assert.match(
      status.stdout.replace(/\s+/g, ' '),
      /choose one of "IB Key", "Mobile Authenticator app", such/,
    );

    const wrong = await world.ibctl('login', 'live', '--device', 'ib key');
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /the device list has no entry "ib key"; it has: "IB Key", "Mobile Auth/);
    assert.equal((await world.status('live')).secondFactor?.method, 'device-choice');
    assert.equal(world.told('second-factor-device-chosen').length, 0);
    child.kill('SIGINT');
    await done;
  });

  it('is chosen from by one of two operators, without another login, and with one push in the ledger', async () => {
    const from = world.records.length;
    const both = await Promise.all([
      world.ibctl('login', 'live', '--no-wait', '--device', 'IB Key'),
      world.ibctl('login', 'live', '--no-wait', '--device', 'Mobile Authenticator app'),
    ]);
    assert.deepEqual(both.map(({ status }) => status).sort(), [0, 1], JSON.stringify(both));
    const key = both[0]?.status === 0;
    await pending(world, key ? 'ib-key' : 'code', 'live', from);
    has(one(world.told('second-factor-device-chosen', { from })), {
      IB_DEVICE: key ? 'IB Key' : 'Mobile Authenticator app',
      IB_BY: 'operator',
    });
    const late = await world.ibctl('login', 'live', '--device', 'IB Key');
    assert.equal(late.status, 1);
    assert.match(late.stderr, /the session waits for another second factor/);
    const { ledger, secondFactor } = await world.status('live');
    assert.deepEqual([ledger.logins24h, ledger.pushes24h, secondFactor?.attempt], [1, 1, 1]);
    assert.equal((await world.ibctl('stop', 'live')).status, 0);
  });

  it('halts when nobody chooses in time, and not before', async () => {
    assert.equal((await world.ibctl('login', 'brief', '--no-wait')).status, 0);
    await pending(world, 'device-choice', 'brief');
    await world.event('session-halted', { session: 'brief', deadlineMs: PATIENT });
    assert.equal((await world.status('brief')).reason, 'second-factor-device-unknown');
  });
});

describe('a device list that IBC does not see', () => {
  let world: World;
  before(async () => {
    world = await makeWorld({
      sessions: {
        live: {
          knobs: {
            'second.factor': 'devices',
            'second.factor.late.title': 'yes',
            'push.approve.after.ms': 'never',
          },
          config: { secondFactor: { method: 'unknown', device: 'IB Key' } },
        },
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  it('is answered by the agent with the configured entry, once, and is one second factor', async () => {
    assert.equal((await world.ibctl('login', '--no-wait')).status, 0);
    await world.event('second-factor-device-chosen', { deadlineMs: PATIENT });
    await pending(world, 'ib-key');
    has(one(world.told('second-factor-device-chosen')), { IB_DEVICE: 'IB Key', IB_BY: 'agent' });
    world.setKnobs({ 'now.approve': '1' });
    assert.equal((await world.ibctl('wait', '--timeout', '2m')).status, 0);
    has(one(world.told('second-factor-accepted')), { IB_METHOD: 'ib-key', IB_ATTEMPT: '1' });
    assert.equal((await world.status()).ledger.pushes24h, 1);
    assert.equal((await world.ibctl('stop')).status, 0);
  });
});

describe('a notification that is sent again', () => {
  let world: World;
  before(async () => {
    const knobs = { 'second.factor': 'push', 'push.approve.after.ms': 'never' };
    const secondFactor = { method: 'ib-key' };
    world = await makeWorld({
      sessions: {
        live: {
          knobs: { ...knobs, 'push.resend.button': 'Re-send the notification' },
          config: { secondFactor },
        },
        tight: { knobs, config: { secondFactor, restart: { maxPushesPerHour: 1 } } },
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  it('is refused without one pending, and within half a minute of the last', async () => {
    const none = await world.ibctl('second-factor', 'resend', 'live');
    assert.deepEqual([none.status, /no second factor is pending/.test(none.stderr)], [1, true], none.stderr);
    assert.equal((await world.ibctl('login', 'live', '--no-wait')).status, 0);
    assert.equal((await world.ibctl('login', 'tight', '--no-wait')).status, 0);
    await pending(world, 'ib-key');
    const soon = await world.ibctl('second-factor', 'resend', 'live');
    assert.deepEqual([soon.status, /was sent only \d+ s ago/.test(soon.stderr)], [1, true], soon.stderr);
    assert.equal(await said(world, 'notification sent again'), 0);
    assert.equal((await world.status('live')).ledger.pushes24h, 1);
  });

  it('is pressed once for two operators, charged, and told', async () => {
    const shownAt = Date.parse(world.told('second-factor-pending', { session: 'live' })[0]?.['time'] ?? '');
    await until('half a minute is over', () => Date.now() - shownAt > 31_000, 60_000);
    const both = await Promise.all([
      world.ibctl('second-factor', 'resend', 'live', '--json'),
      world.ibctl('second-factor', 'resend', 'live', '--json'),
    ]);
    assert.deepEqual(both.map(({ status }) => status).sort(), [0, 1], JSON.stringify(both));
    const answer = JSON.parse(both.find(({ status }) => status === 0)?.stdout ?? '{}') as { pushes: number };
    assert.equal(answer.pushes, 2);
    assert.equal(await said(world, 'notification sent again'), 1);
    has(one(world.told('second-factor-resent')), { IB_PUSH: '2', IB_ATTEMPT: '1', IB_OUTCOME: 'pressed' });
    assert.equal((await world.status('live')).ledger.pushes24h, 2);
  });

  it('is refused with login-deferred when the budget is used up', async () => {
    await pending(world, 'ib-key', 'tight');
    const shownAt = Date.parse(world.told('second-factor-pending', { session: 'tight' })[0]?.['time'] ?? '');
    await until('half a minute is over', () => Date.now() - shownAt > 31_000, 60_000);
    const refused = await world.ibctl('second-factor', 'resend', 'tight', '--json');
    assert.equal(refused.status, 6, refused.stderr);
    const { error } = JSON.parse(refused.stdout) as { error: { code: string; hint: string } };
    assert.equal(error.code, 'login-deferred');
    assert.doesNotMatch(error.hint, /override/);
    assert.equal(await said(world, 'notification sent again', 'tight'), 0);
    assert.equal(world.told('login-deferred', { session: 'tight' }).length, 1);
  });

  it('is not sent once the second factor is accepted', async () => {
    world.setKnobs({ 'now.approve': '1' });
    assert.equal((await world.ibctl('wait', 'live', '--timeout', '2m')).status, 0);
    has(one(world.told('second-factor-accepted', { session: 'live' })), { IB_METHOD: 'ib-key' });
    const ready = await world.ibctl('second-factor', 'resend', 'live');
    assert.deepEqual([ready.status, /the session is ready/.test(ready.stderr)], [1, true], ready.stderr);
    assert.equal(world.told('second-factor-resent').length, 1);
  });
});

describe('a second factor whose windows are not seen', () => {
  let world: World;
  before(async () => {
    const real = join(await findJavaHome(), 'bin', 'java');
    const knobs = { 'second.factor': 'push', 'push.approve.after.ms': 'never' };
    world = await makeWorld({
      sessions: {
        live: { knobs, config: { secondFactor: { method: 'ib-key' } } },
      },
      configure: (sessions, root) => {
        for (const session of Object.values(sessions)) {
          const install = session['install'] as { java?: string };
          install.java = withoutBridge(join(root, 'jre', 'bin'), real);
        }
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  it('is not sent again, and no device is chosen: the error says what is missing', async () => {
    assert.equal((await world.ibctl('login', 'live', '--no-wait')).status, 0);
    await pending(world, 'ib-key');
    const resend = await world.ibctl('second-factor', 'resend', 'live');
    assert.deepEqual([resend.status, /window is not seen/.test(resend.stderr)], [1, true], resend.stderr);
    assert.equal((await world.status('live')).ledger.pushes24h, 1);
    const choose = await world.ibctl('login', 'live', '--device', 'IB Key');
    assert.deepEqual([choose.status, /another second factor/.test(choose.stderr)], [1, true], choose.stderr);
    assert.equal(await said(world, 'notification sent again'), 0);
  });
});

describe('the second-factor token', () => {
  const OWN = 'seedofanewhost,5.2a;';
  const PAIRED = 'pairedbythegateway,7.1b;';
  let world: World;
  before(async () => {
    world = await makeWorld({
      sessions: {
        live: {
          knobs: { 'second.factor': 'push', 'push.approve.after.ms': '100' },
          config: { secondFactor: { method: 'ib-key' }, jts: { secondFactor: OWN } },
        },
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  const show = async (...more: string[]) => {
    const { stdout, stderr, status } = await world.ibctl(
      ...['second-factor', 'show', 'live', '--json', '--config', world.configFile, ...more],
    );
    assert.equal(status, 0, stderr);
    return (JSON.parse(stdout) as { sessions: Record<string, unknown>[] }).sessions[0];
  };
  const lines = () =>
    readFileSync(join(world.settingsDir(), 'jts.ini'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('2ndFactor='));

  it('of the configuration is in jts.ini of a new host after its first start', async () => {
    assert.deepEqual([(await show())?.['present'], (await show())?.['writtenAt']], [false, null]);
    const login = await world.ibctl('login', '--timeout', '2m');
    assert.equal(login.status, 0, login.stderr);
    assert.deepEqual(lines(), [`2ndFactor=${OWN}`]);
    assert.deepEqual([(await show())?.['configured'], (await show())?.['value']], ['same', null]);
    assert.equal(await said(world, 'contains required minimal lines'), 2);
    assert.deepEqual([await said(world, OWN), world.stdout.includes(OWN)], [0, false]);
  });

  it('that a gateway wrote since stays, and is found by ibctl second-factor show', async () => {
    assert.equal((await world.ibctl('stop')).status, 0);
    world.setKnobs({ 'second.factor.token': PAIRED });
    assert.equal((await world.ibctl('login', '--timeout', '2m')).status, 0);
    assert.deepEqual(lines(), [`2ndFactor=${PAIRED}`]);
    assert.equal((await world.ibctl('stop')).status, 0);
    world.setKnobs({ 'second.factor.token': '' });
    assert.equal((await world.ibctl('login', '--timeout', '2m')).status, 0);
    assert.deepEqual(lines(), [`2ndFactor=${PAIRED}`]);
    const found = await show();
    assert.deepEqual([found?.['present'], found?.['configured'], found?.['value']], [true, 'other', null]);
    assert.equal((await show('--reveal'))?.['value'], PAIRED);
    assert.deepEqual([await said(world, PAIRED), world.stdout.includes(PAIRED)], [0, false]);
    assert.equal(await said(world, 'another second-factor token than jts.secondFactor'), 1);
    const text = await world.ibctl('second-factor', 'show', '--config', world.configFile);
    assert.doesNotMatch(text.stdout, new RegExp(PAIRED));
    assert.match(text.stdout, /secondFactor: pa… \(24 characters\)/);
  });
});
