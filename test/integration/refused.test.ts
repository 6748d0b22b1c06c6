// Tests logins that do not come to an end, or not to the wanted one: each leads to one decided step and no further login.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { has, one, without } from '../support/main-scenarios.ts';
import { makeWorld, type World } from '../support/world.ts';

describe('a login that goes wrong', { concurrency: 2 }, () => {
  let world: World;
  before(async () => {
    world = await makeWorld({
      sessions: {
        locked: { knobs: { 'login.result': 'too-many:5' } },
        offline: { knobs: { 'login.result': 'connection-failed' } },
        error: { knobs: { 'login.result': 'login-error' } },
        silent: { knobs: { 'start.delay.ms': 'never' }, config: { deadlines: { start: '3s' } } },
        displaced: {
          knobs: { 'existing.session': 'after:500' },
          config: { ibc: { ExistingSessionDetectedAction: 'secondary' } },
        },
        relogin: { knobs: { 'relogin.after.ms': '500' } },
        crashing: {
          knobs: { 'crash.after.ms': '500', 'crash.code': '7' },
          config: { restart: { policy: 'never' } },
        },
        device: {
          knobs: { 'second.factor': 'devices' },
          config: { secondFactor: { method: 'ib-key', device: 'Pager' }, deadlines: { secondFactor: '2s' } },
        },
        hung: { knobs: { 'login.delay.ms': '60000' }, config: { deadlines: { login: '2s' } } },
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  /** Logs in and expects that the session backs off for this reason, with one login spent; gives the wait in milliseconds. */
  async function backsOff(session: string, reason: string, events: readonly string[]): Promise<number> {
    const { status, stderr } = await world.ibctl('login', session);
    assert.equal(status, 1, stderr);
    assert.ok(stderr.startsWith(`error: ${session} is backing-off (${reason})`), stderr);
    assert.deepEqual(without(world.events(session), 'operator-command'), [
      'session-starting',
      ...events,
      'session-backing-off',
    ]);
    const record = one(world.told('session-backing-off', { session }));
    has(record, { IB_STATE: 'backing-off', IB_REASON: reason, IB_NEXT: 'login', PRIORITY: '4' });
    const now = await world.status(session);
    assert.deepEqual(
      [now.state, now.reason, now.next?.kind, now.next?.at, now.process.pid, now.ledger.logins24h],
      ['backing-off', reason, 'login', record['IB_UNTIL'], null, 1],
    );
    assert.deepEqual(
      now.conditions.map(({ code }) => code),
      ['backing-off'],
    );
    assert.equal((await world.ibctl('stop', session)).status, 0);
    assert.equal((await world.status(session)).state, 'stopped');
    await world.gone(session);
    return Date.parse(record['IB_UNTIL'] ?? '') - Date.parse(record['time'] ?? '');
  }

  /** Waits until the session is halted for this reason, with nothing left of it. */
  async function halts(session: string, reason: string): Promise<void> {
    const waiting = await world.ibctl('wait', session, '--for', 'halted', '--timeout', '60s');
    assert.equal(waiting.status, 0, waiting.stderr);
    await world.gone(session);
    has(one(world.told('session-halted', { session })), { IB_STATE: 'halted', IB_REASON: reason });
    assert.equal(world.told('login-submitted', { session }).length, 1);
    assert.equal((await world.status(session)).ledger.logins24h, 1);
  }

  it('keeps away as long as IBKR asks for after too many failed attempts, and a minute more', async () => {
    const events = ['login-submitted', 'login-refused', 'gateway-exited'];
    const waitMs = await backsOff('locked', 'locked-out', events);
    assert.ok(waitMs > 60_000 && waitMs < 70_000, `${waitMs} ms`);
    has(one(world.told('login-refused', { session: 'locked' })), {
      IB_CAUSE: 'locked-out',
      IB_REASON: 'locked-out',
    });
  });

  it('backs off when the gateway cannot reach IBKR', async () => {
    const events = ['login-submitted', 'login-refused', 'gateway-exited'];
    const waitMs = await backsOff('offline', 'connection-failed', events);
    assert.ok(waitMs >= 14_900 && waitMs <= 30_100, `between half and the whole of backoffMin: ${waitMs} ms`);
    has(one(world.told('login-refused', { session: 'offline' })), { IB_CAUSE: 'connection-failed' });
  });

  it('backs off after a login error', async () => {
    await backsOff('error', 'login-error', ['login-submitted', 'login-refused', 'gateway-exited']);
    has(one(world.told('login-refused', { session: 'error' })), { IB_CAUSE: 'login-error' });
  });

  it('backs off when no login window shows in time', async () => {
    await backsOff('silent', 'start-timeout', ['gateway-exited']);
    assert.equal(world.told('login-submitted', { session: 'silent' }).length, 0);
  });

  it('backs off when nothing is heard of the submitted credentials in time', async () => {
    await backsOff('hung', 'login-timeout', ['login-submitted', 'gateway-exited']);
  });

  it('halts when another login of the user takes the session, if this one is to yield', async () => {
    assert.equal((await world.ibctl('login', 'displaced')).status, 0);
    await halts('displaced', 'displaced');
    has(one(world.told('existing-session', { session: 'displaced' })), { IB_DECISION: 'ends' });
    has(one(world.told('session-lost', { session: 'displaced' })), { IB_REASON: 'displaced' });
  });

  it('counts the login that IBC makes by itself after "Re-login is required"', async () => {
    assert.equal((await world.ibctl('login', 'relogin')).status, 0);
    // IBC presses the button that logs in again, and submits nothing that a line would tell of.
    const lost = await world.event('session-lost', { session: 'relogin' });
    await world.event('session-ready', { session: 'relogin', from: world.records.indexOf(lost) });
    has(one(world.told('session-lost', { session: 'relogin' })), { IB_REASON: 'relogin-required' });
    const now = await world.status('relogin');
    assert.deepEqual([now.state, now.ledger.logins24h], ['ready', 2]);
    assert.equal(world.told('session-starting', { session: 'relogin' }).length, 1, 'in the same JVM');
    assert.equal(world.told('login-submitted', { session: 'relogin' }).length, 1);
    assert.equal((await world.ibctl('stop', 'relogin')).status, 0);
  });

  it('halts at once after a crash when the policy is never', async () => {
    assert.equal((await world.ibctl('login', 'crashing')).status, 0);
    await halts('crashing', 'gateway-crashed');
    has(one(world.told('gateway-exited', { session: 'crashing' })), { IB_EXIT_STATUS: '7' });
    has(one(world.told('session-lost', { session: 'crashing' })), { IB_REASON: 'gateway-crashed' });
  });

  it('halts when the second-factor device that is configured is not in the list and nobody chooses one', async () => {
    const { status, stderr } = await world.ibctl('login', 'device');
    assert.equal(status, 6);
    assert.match(stderr, /hint: set secondFactor.device to an entry of the list/);
    await halts('device', 'second-factor-device-unknown');
  });
});
