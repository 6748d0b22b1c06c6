// Tests what follows when a part is killed outright: the JVM, the display, the agent; with two sessions side by side.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { has, one, without } from '../support/main-scenarios.ts';
import { isRunning, makeWorld, until, type World } from '../support/world.ts';

describe('two sessions side by side', () => {
  let world: World;
  before(async () => {
    world = await makeWorld({
      sessions: {
        live: { config: { restart: { backoffMin: '100ms', backoffMax: '200ms' } } },
        paper: { mode: 'paper' },
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  const kill = (pid: number | null) => {
    assert.ok(pid !== null);
    process.kill(pid, 'SIGKILL');
  };

  it('come up at once, each with its own display, JVM and port', async () => {
    const results = await Promise.all([world.ibctl('login', 'live'), world.ibctl('login', 'paper')]);
    assert.deepEqual(
      results.map(({ status, stderr }) => [status, stderr]),
      [
        [0, ''],
        [0, ''],
      ],
    );
    const { sessions } = await world.fullStatus('--show-accounts');
    assert.deepEqual(
      sessions.map(({ name, mode, state, api }) => [name, mode, state, api.port, api.accounts]),
      [
        ['live', 'live', 'ready', world.ports['live'], ['U1234567']],
        ['paper', 'paper', 'ready', world.ports['paper'], ['DU1234567']],
      ],
    );
    assert.notEqual(world.ports['live'], world.ports['paper']);
    assert.notEqual(sessions[0]?.process.pid, sessions[1]?.process.pid);
    assert.notEqual(world.xvfbPid('live'), world.xvfbPid('paper'));
    for (const port of Object.values(world.ports)) {
      const socket = connect({ host: '127.0.0.1', port });
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
      socket.destroy();
    }
  });

  it('have to be named by verbs that concern one of them', async () => {
    for (const args of [['login'], ['stop'], ['restart'], ['wait'], ['logs']]) {
      const { status, stderr } = await world.ibctl(...args);
      assert.equal(status, 2, args.join(' '));
      assert.equal(stderr, 'error: there are 2 sessions: name one\nhint: one of: live, paper\n');
    }
    const unknown = await world.ibctl('login', 'demo');
    assert.deepEqual(
      [unknown.status, unknown.stderr],
      [2, 'error: there is no session "demo"\nhint: configured: live, paper\n'],
    );
  });

  it('lose a killed JVM with exit and reason in the record, and log in again after the back-off', async () => {
    const from = world.records.length;
    const { process: before } = await world.status();
    kill(before.pid);
    await world.event('session-ready', { from });
    assert.deepEqual(
      world.records.slice(from).map((record) => record['IB_EVENT']),
      [
        'gateway-exited',
        'session-lost',
        'session-backing-off',
        'session-starting',
        'login-submitted',
        'session-ready',
      ],
    );
    has(one(world.told('gateway-exited', { from })), {
      IB_SESSION: 'live',
      IB_EXIT_SIGNAL: 'SIGKILL',
      IB_EXIT_STATUS: '',
      IB_PREVIOUS_STATE: 'ready',
      IB_REASON: 'gateway-killed',
    });
    has(one(world.told('session-lost', { from })), {
      PRIORITY: '3',
      IB_DETAIL: 'SIGKILL',
      IB_REASON: 'gateway-killed',
    });
    has(one(world.told('session-backing-off', { from })), {
      IB_STATE: 'backing-off',
      IB_REASON: 'gateway-killed',
      IB_NEXT: 'login',
    });
    has(one(world.told('session-starting', { from })), { IB_LAUNCH: 'cold', IB_REASON: 'gateway-killed' });
    const now = await world.status();
    assert.deepEqual([now.state, now.ledger.logins24h], ['ready', 2]);
    assert.notEqual(now.process.pid, before.pid);
    assert.equal((await world.status('paper')).state, 'ready', 'the other one is not touched');
  });

  it('lose a killed display together with the JVM on it, and come up on a new one', async () => {
    const from = world.records.length;
    const { process: before } = await world.status();
    const xvfb = world.xvfbPid('live');
    kill(xvfb);
    await world.event('session-ready', { from });
    assert.deepEqual(
      world.records.slice(from).map((record) => record['IB_EVENT']),
      [
        'display-lost',
        'session-lost',
        'gateway-exited',
        'session-backing-off',
        'session-starting',
        'login-submitted',
        'session-ready',
      ],
    );
    has(one(world.told('display-lost', { from })), { IB_SESSION: 'live', IB_EXIT_SIGNAL: 'SIGKILL' });
    has(one(world.told('session-lost', { from })), { IB_REASON: 'display-lost' });
    has(one(world.told('session-backing-off', { from })), { IB_REASON: 'display-lost' });
    assert.equal(isRunning(before.pid ?? 0), false);
    assert.notEqual(world.xvfbPid('live'), xvfb);
    assert.equal((await world.status()).ledger.logins24h, 3);
  });

  it('end with a killed agent, which brings up at its next start what its ledger allows', async () => {
    const pids = world.processes().map(({ pid }) => pid);
    assert.equal(pids.length, 4, 'two JVMs and two displays');
    await world.endAgent('SIGKILL');
    await world.gone();

    const from = world.records.length;
    await world.startAgent();
    await world.event('session-ready', { from, session: 'paper' });
    has(one(world.told('session-starting', { from })), {
      IB_SESSION: 'paper',
      IB_LAUNCH: 'cold',
      IB_REASON: 'autostart',
    });
    assert.deepEqual(without(world.events('live').slice(-2), ''), ['login-deferred', 'session-halted']);
    has(one(world.told('session-halted', { from })), { IB_SESSION: 'live', IB_REASON: 'login-budget' });
    const { sessions } = await world.fullStatus();
    assert.deepEqual(
      sessions.map(({ name, state, desired, ledger }) => [name, state, desired, ledger.logins24h]),
      [
        ['live', 'halted', 'up', 3],
        ['paper', 'ready', 'up', 2],
      ],
    );
    const refused = await world.ibctl('login', 'live');
    assert.equal(refused.status, 6);
    assert.match(
      refused.stderr,
      /^error: the login budget of this IBKR user is used up: 3 of 3 (logins|second factors) in the last hour/,
    );
    assert.equal((await world.status('live')).state, 'halted');
    assert.equal(world.processes('live').length, 0);
  });

  it('are closed tidily by SIGTERM to the agent, which exits with 0 and still wants them up', async () => {
    const from = world.records.length;
    const follower = world.ibctlChild(['logs', 'paper', '-f']);
    let lines = '';
    follower.child.stdout?.on('data', (chunk: Buffer) => {
      lines += chunk.toString();
    });
    await until('the log is followed', () => lines.includes('Login has completed'));
    assert.equal(await world.endAgent('SIGTERM'), 0);
    await world.gone(undefined, 2_000);
    follower.child.kill('SIGINT');
    assert.equal((await follower.done).status, 130, 'it would wait for the agent to come again');
    assert.match(lines, /STANDIN shutting down: closed by the menu/);
    assert.deepEqual(
      world.records.slice(from).map((record) => record['IB_EVENT']),
      ['agent-stopping', 'gateway-exited', 'session-stopped'],
    );
    has(one(world.told('gateway-exited', { from })), { IB_EXIT_SIGNAL: '', IB_DETAIL: 'as asked' });
    has(one(world.told('session-stopped', { from })), { IB_SESSION: 'paper', IB_REASON: 'agent-stopping' });
    const durable = JSON.parse(readFileSync(join(world.root, 'lib', 'ib-agent', 'desired.json'), 'utf8')) as {
      sessions: unknown;
    };
    assert.deepEqual(durable.sessions, { live: 'up', paper: 'up' });
  });
});
