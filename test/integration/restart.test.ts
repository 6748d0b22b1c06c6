// Tests restarts that a person, the gateway itself or somebody else causes, and closes that do not go tidily.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sendIbcCommand } from '../../src/gateway/ibc-command.ts';
import type { LaunchRecord } from '../../src/gateway/launch-records.ts';
import { SystemClock } from '../../src/host/clock.ts';
import { has, one } from '../support/main-scenarios.ts';
import { isRunning, makeWorld, type World } from '../support/world.ts';

const BACK_OFF_AT_ONCE = { restart: { backoffMin: '100ms', backoffMax: '200ms' } };

/** Sends a command to IBC's command server, where it is on, as any account of the host could. */
async function sendForeign(world: World, command: string): Promise<void> {
  const record = JSON.parse(readFileSync(join(world.runtimeDir(), 'launch.json'), 'utf8')) as LaunchRecord;
  assert.ok(record.commandPort !== null);
  const reply = await sendIbcCommand(record.commandPort, command as 'STOP', {
    deadlineMs: 10_000,
    clock: new SystemClock(),
  });
  assert.equal(reply.outcome, 'accepted', JSON.stringify(reply));
}

describe('a gateway that others act on', () => {
  let world: World;
  before(async () => {
    world = await makeWorld({ sessions: { live: { config: { ...BACK_OFF_AT_ONCE, commandServer: true } } } });
    await world.startAgent();
    assert.equal((await world.ibctl('login')).status, 0);
  });
  after(() => world.dispose());

  it('restarts by itself, as every day, and comes up without a login', async () => {
    const from = world.records.length;
    const before = await world.status();
    world.setKnobs({ 'now.restart': '1' });
    await world.event('restart-finished', { from });
    assert.deepEqual(
      world.records.slice(from).map((record) => record['IB_EVENT']),
      ['restart-started', 'gateway-exited', 'session-starting', 'session-ready', 'restart-finished'],
    );
    has(one(world.told('restart-started', { from })), { IB_KIND: 'warm', IB_STATE: 'restarting' });
    has(one(world.told('session-starting', { from })), { IB_LAUNCH: 'warm', IB_REASON: 'gateway-restart' });
    const now = await world.status();
    assert.deepEqual([now.state, now.ledger], ['ready', before.ledger]);
    assert.notEqual(now.process.pid, before.process.pid);
  });

  it('stopped through the command port by somebody else is lost as foreign-stop, and logs in again', async () => {
    const from = world.records.length;
    await sendForeign(world, 'STOP');
    await world.event('session-ready', { from });
    has(one(world.told('session-lost', { from })), {
      IB_REASON: 'foreign-stop',
      IB_DETAIL: "STOP on IBC's command port (status 0)",
      IB_HINT: 'find out who on this host used 127.0.0.1; stop sessions with: ibctl stop',
    });
    has(one(world.told('session-backing-off', { from })), { IB_REASON: 'foreign-stop' });
    assert.equal(world.told('operator-command', { from }).length, 0);
    const now = await world.status();
    assert.deepEqual([now.state, now.desired, now.ledger.logins24h], ['ready', 'up', 2]);
  });

  it('paused through the command port halts', async () => {
    const from = world.records.length;
    await sendForeign(world, 'PAUSE');
    // PAUSE waits for the gateway's own restart, which the clock would bring within a minute.
    world.setKnobs({ 'now.restart': '2' });
    const { status } = await world.ibctl('wait', '--for', 'halted', '--timeout', '60s');
    assert.equal(status, 0);
    await world.gone();
    has(one(world.told('session-halted', { from })), { IB_REASON: 'paused' });
    assert.equal(world.told('session-starting', { from }).length, 0);
  });

  it('comes back from a pause by ibctl login without another login, when a token was left', async () => {
    const from = world.records.length;
    const { status, stderr } = await world.ibctl('login');
    assert.equal(status, 0, stderr);
    has(one(world.told('session-starting', { from })), { IB_LAUNCH: 'warm' });
    assert.equal(world.told('login-submitted', { from }).length, 0);
    assert.equal((await world.status()).ledger.logins24h, 2);
  });
});

describe('ibctl restart', () => {
  let world: World;
  before(async () => {
    world = await makeWorld({
      sessions: {
        live: {
          knobs: { 'autorestart.when': 'set', 'autorestart.after.ms': '300' },
          config: { ...BACK_OFF_AT_ONCE, deadlines: { stop: '2s', term: '2s' } },
        },
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  it('is refused while there is nothing to restart warm', async () => {
    const { status, stderr } = await world.ibctl('restart');
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^error: a session that is stopped cannot be restarted without a login\nhint: ibctl restart --cold/,
    );
    assert.equal((await world.status()).state, 'stopped');
  });

  it('--cold logs in again, from any state', async () => {
    const first = await world.ibctl('restart', '--cold');
    assert.equal(first.status, 0, first.stderr);
    const from = world.records.length;
    const { status, stderr, stdout } = await world.ibctl('restart', '--cold');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^warning: a cold restart is a full login/);
    assert.match(stdout, /restarting \(operator-restart\)/);
    assert.deepEqual(
      world.records.slice(from).map((record) => record['IB_EVENT']),
      [
        'operator-command',
        'restart-planned',
        'restart-started',
        'gateway-exited',
        'session-starting',
        'login-submitted',
        'session-ready',
        'restart-finished',
      ],
    );
    has(one(world.told('session-starting', { from })), { IB_LAUNCH: 'cold', IB_REASON: 'operator-restart' });
    has(one(world.told('restart-finished', { from })), { IB_KIND: 'cold' });
    assert.equal((await world.status()).ledger.logins24h, 2);
  });

  it('whose token IBKR refuses falls back to one full login', async () => {
    world.setKnobs({ 'autorestart.refuse': 'login' });
    const from = world.records.length;
    const { status, stderr } = await world.ibctl('restart');
    // The restart as asked has not come true; the session goes on by itself.
    assert.equal(status, 1);
    assert.match(stderr, /backing-off \(token-refused\)/);
    await world.event('session-ready', { from });
    const launches = world.told('session-starting', { from }).map((record) => record['IB_LAUNCH']);
    assert.deepEqual(launches, ['warm', 'cold']);
    has(one(world.told('session-backing-off', { from })), { IB_REASON: 'token-refused' });
    has(one(world.told('login-submitted', { from })), { IB_ATTEMPT: '1' });
    assert.equal((await world.status()).ledger.logins24h, 3);
  });

  it('is followed by a stop that ends even a gateway whose windows are frozen, by SIGTERM', async () => {
    const { process: before } = await world.status();
    world.setKnobs({ 'now.freeze.ms': '60000' });
    const start = performance.now();
    const { status, stderr } = await world.ibctl('stop');
    assert.equal(status, 0, stderr);
    assert.ok(performance.now() - start < 15_000);
    assert.equal(isRunning(before.pid ?? 0), false);
    await world.gone();
    has(world.told('gateway-exited').at(-1) ?? {}, { IB_EXIT_STATUS: '143', IB_DETAIL: 'as asked' });
  });
});
