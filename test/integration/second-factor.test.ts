// Tests what becomes of a second factor that nobody answers, and of an ibctl that is interrupted while one is pending.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { has, one, without } from '../support/main-scenarios.ts';
import { makeWorld, until, type World } from '../support/world.ts';

describe('a push that nobody approves', () => {
  let world: World;
  before(async () => {
    world = await makeWorld({
      sessions: {
        live: {
          knobs: {
            'second.factor': 'push',
            'push.approve.after.ms': 'never',
            'second.factor.timeout.ms': '4500',
          },
          config: {
            secondFactor: { method: 'ib-key' },
            deadlines: { secondFactor: '4s' },
            restart: { backoffMin: '1s', backoffMax: '2s' },
          },
        },
        patient: {
          knobs: { 'second.factor': 'push', 'push.approve.after.ms': 'never' },
          config: { secondFactor: { method: 'ib-key' } },
        },
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  it('ends the login with 6 and rings the phone once more by itself, then the session halts', async () => {
    const { status, stderr } = await world.ibctl('login', 'live');
    assert.equal(status, 6, stderr);
    assert.match(stderr, /^error: live is backing-off \(second-factor-missed\)/);
    assert.match(stderr, /^hint: have the phone at hand, then run: ibctl login/m);
    const attempt = [
      'session-starting',
      'login-submitted',
      'second-factor-pending',
      'second-factor-timeout',
      'gateway-exited',
    ];
    const [backingOff] = world.told('session-backing-off');
    assert.ok(backingOff !== undefined);
    has(backingOff, { IB_STATE: 'backing-off', IB_REASON: 'second-factor-missed', IB_NEXT: 'login' });
    const waitMs = Date.parse(backingOff['IB_UNTIL'] ?? '') - Date.parse(backingOff['time'] ?? '');
    assert.ok(waitMs >= 490 && waitMs <= 1_000, `between half and the whole of backoffMin: ${waitMs} ms`);

    const halted = await world.ibctl('wait', 'live', '--for', 'halted', '--timeout', '60s');
    assert.equal(halted.status, 0, halted.stderr);
    await world.gone('live');
    assert.deepEqual(without(world.events('live'), 'operator-command'), [
      ...attempt,
      'session-backing-off',
      ...attempt,
      'session-halted',
    ]);
    const missed = world.told('second-factor-timeout');
    assert.deepEqual(
      missed.map((record) => [record['IB_METHOD'], record['IB_MISSED'], record['IB_REASON']]),
      [
        ['ib-key', '1', 'second-factor-missed'],
        ['ib-key', '2', 'second-factor-missed'],
      ],
    );
    has(one(world.told('session-halted', { session: 'live' })), {
      IB_REASON: 'second-factor-missed',
      PRIORITY: '2',
    });
    const session = await world.status();
    assert.deepEqual(
      [session.state, session.desired, session.ledger.logins24h, session.ledger.pushes24h, session.next],
      ['halted', 'up', 2, 2, null],
    );
  });

  it('does not keep ibctl login from leaving the halt', async () => {
    world.setKnobs({ 'push.approve.after.ms': '100' });
    assert.equal((await world.ibctl('login', 'live')).status, 0);
    assert.equal((await world.status()).ledger.logins24h, 3);
  });

  it('uses up the budget like every login: a fourth one in the hour is refused with the time it is possible again', async () => {
    assert.equal((await world.ibctl('stop', 'live')).status, 0);
    const from = world.records.length;
    const { status, stderr, stdout } = await world.ibctl('login', 'live', '--json');
    assert.equal(status, 6);
    assert.match(
      stderr,
      /^error: the login budget of this IBKR user is used up: 3 of 3 second factors in the last hour/,
    );
    const told = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
      error: { code: string; data: { blockedUntil: string } };
    };
    assert.equal(told.error.code, 'login-deferred');
    const until = Date.parse(told.error.data.blockedUntil) - Date.now();
    assert.ok(until > 50 * 60_000 && until <= 3_600_000, `${until} ms`);
    assert.deepEqual(
      world.records.slice(from).map((record) => record['IB_EVENT']),
      ['operator-command', 'login-deferred'],
    );
    assert.equal((await world.status()).state, 'stopped');
    await world.gone('live');
  });

  it('is waited for by an ibctl login that Ctrl-C ends without ending the login', async () => {
    const { child, done } = world.ibctlChild(['login', 'patient']);
    await world.event('second-factor-pending', { session: 'patient' });
    child.kill('SIGINT');
    const { status, stderr } = await done;
    assert.equal(status, 130);
    assert.match(stderr, /^the login goes on; watch it with: ibctl status --watch patient$/m);
    const pending = await world.status('patient');
    assert.equal(pending.state, 'awaiting-second-factor');
    assert.deepEqual([pending.secondFactor?.method, pending.secondFactor?.attempt], ['ib-key', 1]);
    assert.equal(pending.next?.kind, 'give-up');
    assert.equal((await world.ibctl('status', 'patient', '--check')).status, 6);
    const waiting = await world.ibctl('wait', 'patient', '--timeout', '100ms');
    assert.equal(waiting.status, 6, waiting.stderr);

    world.setKnobs({ 'now.approve': '1' }, 'patient');
    assert.equal((await world.ibctl('wait', 'patient')).status, 0);
    assert.equal(world.told('session-ready', { session: 'patient' }).length, 1);
    assert.equal(world.told('login-submitted', { session: 'patient' }).length, 1);
  });
});

describe('ibctl login at a time limit', () => {
  let world: World;
  before(async () => {
    world = await makeWorld({ sessions: { live: { knobs: { 'start.delay.ms': 'never' } } } });
    await world.startAgent();
  });
  after(() => world.dispose());

  it('ends with 5 and says what goes on; ibctl stop ends a session that has shown nothing yet', async () => {
    const { status, stderr } = await world.ibctl('login', '--timeout', '2s');
    assert.equal(status, 5);
    assert.match(stderr, /^error: not done after 2s, live is starting/);
    assert.match(stderr, /^hint: the login goes on/m);
    await until('the JVM runs', () => world.processes().some(({ argv }) => argv[0]?.endsWith('/java')));
    const stop = await world.ibctl('stop');
    assert.equal(stop.status, 0, stop.stderr);
    await world.gone();
    has(one(world.told('session-stopped')), { IB_REASON: 'by-operator', IB_STATE: 'stopped' });
  });
});
