// Tests what a session's health is made of: the API, the connection to IBKR, data farms, windows; and that a session which is impaired is told, not restarted.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { has, one, without } from '../support/main-scenarios.ts';
import { isRunning, makeWorld, type World } from '../support/world.ts';

// Most of their time these sessions wait for one deadline or another, so they do it side by side.
describe('a session that is logged in', { concurrency: true }, () => {
  let world: World;
  before(async () => {
    world = await makeWorld({
      sessions: {
        api: {},
        broker: {},
        port: { knobs: { 'api.delay.ms': '6000' }, config: { deadlines: { loading: '3s' } } },
        stuck: { config: { deadlines: { stop: '2s', term: '2s' } } },
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  const conditionsOf = async (session: string) =>
    (await world.status(session)).conditions.map(({ code }) => code);

  it('is degraded when its API port closes or does not answer the handshake, and recovers in the same JVM', async () => {
    assert.equal((await world.ibctl('login', 'api')).status, 0);
    const { pid } = (await world.status('api')).process;

    // Refused connections are seen at once and told when they have lasted three seconds.
    world.setKnobs({ 'now.api.mode': 'refuse' }, 'api');
    const down = await world.event('session-degraded', { session: 'api' });
    has(down, { IB_CONDITIONS: 'api-unreachable', IB_STATE: 'degraded', IB_PREVIOUS_STATE: 'ready' });
    assert.deepEqual(await conditionsOf('api'), ['api-unreachable']);
    assert.equal((await world.status('api')).api.ok, false);
    assert.equal((await world.ibctl('status', 'api', '--check')).status, 7);

    world.setKnobs({ 'now.api.mode': 'mute' }, 'api');
    const mute = await world.event('api-unresponsive', { session: 'api' });
    has(mute, { IB_DETAIL: 'the port is open, the handshake is not answered', PRIORITY: '3' });
    assert.equal((await world.status('api')).api.ok, false);

    world.setKnobs({ 'now.api.mode': 'ok' }, 'api');
    await world.event('session-recovered', { session: 'api' });
    const now = await world.status('api');
    assert.deepEqual(
      [now.state, now.conditions, now.process.pid, now.ledger.logins24h],
      ['ready', [], pid, 1],
    );
  });

  it('is degraded while IBKR or a data farm is not reached, and tells an unknown window', async () => {
    assert.equal((await world.ibctl('login', 'broker')).status, 0);
    const { pid } = (await world.status('broker')).process;
    const farm = (await world.status('broker')).broker.farms[0];
    assert.equal(farm?.ok, true);

    world.setKnobs({ 'now.connectivity': 'lost' }, 'broker');
    has(await world.event('session-degraded', { session: 'broker' }), {
      IB_CONDITIONS: 'broker-disconnected',
    });
    const lost = await world.status('broker');
    assert.deepEqual([lost.state, lost.broker.connected, lost.api.ok], ['degraded', false, true]);
    world.setKnobs({ 'now.connectivity': 'restored' }, 'broker');
    await world.event('session-recovered', { session: 'broker' });
    assert.equal((await world.status('broker')).broker.connected, true);

    // Not before half a minute, since farms come and go.
    const from = world.records.length;
    world.setKnobs(
      { 'now.farm': 'usfarm:2103', 'now.dialog': 'Something New|Who knows what to do|Yes,No' },
      'broker',
    );
    const dialog = await world.event('dialog-unknown', { session: 'broker' });
    has(dialog, { IB_TITLE: 'Something New', PRIORITY: '4', IB_STATE: 'ready' });
    assert.deepEqual(await conditionsOf('broker'), ['dialog-unknown']);
    assert.equal(
      (await world.ibctl('status', 'broker', '--check')).status,
      0,
      'a window alone impairs nothing',
    );
    world.setKnobs({ 'now.close.dialogs': '1' }, 'broker');

    has(await world.event('session-degraded', { session: 'broker', from }), { IB_CONDITIONS: 'farm-down' });
    const down = await world.status('broker');
    assert.deepEqual(
      down.conditions.map(({ code, text }) => [code, text]),
      [['farm-down', 'data farm usfarm is down']],
    );
    assert.deepEqual(
      down.broker.farms.filter(({ ok }) => ok === false).map(({ name }) => name),
      ['usfarm'],
    );
    world.setKnobs({ 'now.farm': 'usfarm:2104' }, 'broker');
    await world.event('session-recovered', { session: 'broker', from });
    const now = await world.status('broker');
    assert.deepEqual([now.state, now.conditions, now.process.pid], ['ready', [], pid]);
  });

  it('without a word from its API is degraded, not logged in again, and so it is when the API falls silent later', async () => {
    const { status, stderr } = await world.ibctl('login', 'port');
    assert.equal(status, 1, stderr);
    assert.match(stderr, /^error: port is degraded \(loading-timeout\)/);
    has(await world.event('session-degraded', { session: 'port' }), {
      IB_CONDITIONS: 'api-unproven',
      IB_PREVIOUS_STATE: 'loading',
      IB_REASON: 'loading-timeout',
    });
    const unproven = await world.status('port');
    assert.deepEqual([unproven.state, unproven.api.ok], ['degraded', false]);
    assert.deepEqual(
      unproven.conditions.map(({ code }) => code),
      ['api-unproven'],
    );
    assert.equal((await world.ibctl('wait', 'port', '--timeout', '60s')).status, 0);
    assert.deepEqual(without(world.events('port'), 'operator-command'), [
      'session-starting',
      'login-submitted',
      'session-degraded',
      'session-ready',
    ]);
    const now = await world.status('port');
    assert.deepEqual([now.state, now.conditions, now.ledger.logins24h], ['ready', [], 1]);

    // Now a connection that stands and no longer answers: found by the next request for the time.
    const from = world.records.length;
    world.setKnobs({ 'now.api.mode': 'mute' }, 'port');
    const silent = await world.event('session-degraded', { session: 'port', from });
    has(silent, { IB_CONDITIONS: 'api-unresponsive', IB_PREVIOUS_STATE: 'ready' });
    has(one(world.told('api-unresponsive', { session: 'port' })), { IB_DETAIL: 'no answer for 10 s' });
    assert.deepEqual(await conditionsOf('port'), ['api-unresponsive']);
    world.setKnobs({ 'now.api.mode': 'ok' }, 'port');
    await world.event('session-recovered', { session: 'port', from });
    assert.equal((await world.status('port')).ledger.logins24h, 1);
  });

  it('is ended by SIGKILL when its process does nothing any more', async () => {
    assert.equal((await world.ibctl('login', 'stuck')).status, 0);
    const { pid } = (await world.status('stuck')).process;
    assert.ok(pid !== null);
    process.kill(pid, 'SIGSTOP');
    const { status, stderr } = await world.ibctl('stop', 'stuck');
    assert.equal(status, 0, stderr);
    assert.equal(isRunning(pid), false);
    await world.gone('stuck');
    has(one(world.told('gateway-exited', { session: 'stuck' })), {
      IB_EXIT_SIGNAL: 'SIGKILL',
      IB_DETAIL: 'as asked',
    });
  });
});
