// Checks that no sequence of facts, commands and clock steps makes a session throw, loop, or leave its tables.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fact } from '../../src/domain/facts.ts';
import { REASONS } from '../../src/domain/reasons.ts';
import { nextTimerAt } from '../../src/domain/reducer.ts';
import { TRANSITIONS } from '../../src/domain/session-state.ts';
import { CATALOGUE } from '../../src/events/catalogue.ts';
import { pick, randomFrom } from '../support/random.ts';
import { Scene } from './session-scene.ts';

const HOUR = 3_600_000;

function randomFact(random: () => number): Fact {
  const yes = () => random() < 0.5;
  const aWindow = () => `w${Math.floor(random() * 4)}`;
  const make: (() => Fact)[] = [
    () => ({ kind: 'agent-started', desired: yes() ? 'up' : 'down' }),
    () => ({ kind: 'agent-stopping' }),
    () => ({
      kind: 'operator',
      action: pick(random, ['login', 'start', 'stop', 'restart-warm', 'restart-cold'] as const),
    }),
    () => ({ kind: 'launched', pid: 1 }),
    () => ({
      kind: 'launch-failed',
      problem: {
        code: pick(random, ['java-missing', 'token-missing', 'display-unreachable']),
        message: 'm',
        hint: 'h',
        temporary: yes(),
      },
    }),
    () => ({ kind: 'display-exited', status: 1, signal: null }),
    () => exit(random),
    () => exit(random),
    () => exit(random),
    () => ({ kind: 'restart-answer', accepted: true, at: yes() ? 60_000 : null, detail: 'd' }),
    () => ({ kind: 'restart-answer', accepted: false, why: 'gone', detail: 'd' }),
    () => ({ kind: 'state-unwritable', detail: 'disk full' }),
    () => ({ kind: 'records', ok: yes(), detail: 'disk full' }),
    () => ({ kind: 'timer' }),
    () => ({ kind: 'gateway-up', version: '3.24.1' }),
    () => ({ kind: 'login-dialog' }),
    () => ({ kind: 'login-submitted', number: 1 }),
    () => ({ kind: 'restored' }),
    () => ({ kind: 'main-window' }),
    () => ({ kind: 'second-factor-shown', method: pick(random, [null, 'ib-key', 'code'] as const) }),
    () => ({ kind: 'second-factor-answered' }),
    () => ({ kind: 'second-factor-timed-out' }),
    () => ({ kind: 'second-factor-device-unknown', text: 't' }),
    () => ({ kind: 'logged-in' }),
    () => ({ kind: 'logged-in' }),
    () => ({
      kind: 'login-refused',
      cause: pick(random, [
        'credentials',
        'login-failed',
        'login-error',
        'connection-failed',
        'locked-out',
        'invalidated',
      ] as const),
      text: 't',
      waitMs: yes() ? null : Math.floor(random() * HOUR),
    }),
    () => ({ kind: 'existing-session', decision: pick(random, ['continues', 'ends', 'asks'] as const) }),
    () => ({ kind: 'relogin-required' }),
    () => ({ kind: 'command', command: pick(random, ['STOP', 'PAUSE', 'RESTART', 'x']) }),
    () => ({ kind: 'restart-time', time: '04:36 AM' }),
    () => ({ kind: 'shutdown-started' }),
    () => ({ kind: 'command-server', up: yes() }),
    () => ({ kind: 'fatal', code: pick(random, [1100, 1101, 1103, 1107, 1111, 1112, 99999]) }),
    () => ({ kind: 'gateway-error', text: `e${Math.floor(random() * 3)}` }),
    () => ({ kind: 'dialog', title: `w${Math.floor(random() * 3)}`, open: yes() }),
    () => ({
      kind: 'second-factor-shown',
      method: pick(random, ['ib-key', 'code', 'challenge', 'device-choice'] as const),
      detail: { window: aWindow(), prompt: null, challenge: null, devices: null, app: null },
    }),
    () => ({ kind: 'second-factor-closed', window: aWindow() }),
    () => ({ kind: 'second-factor-code-rejected', window: aWindow(), text: 't' }),
    () => ({ kind: 'passkey-required', text: 't' }),
    () => ({ kind: 'tokens-expired', text: 't' }),
    () => ({ kind: 'password-expiring', days: yes() ? 3 : null, text: 't' }),
    () => ({ kind: 'upgrade-required', text: 't', ends: yes() }),
    () => ({
      kind: 'unknown-dialog',
      window: aWindow(),
      title: 't',
      text: 't',
      buttons: ['OK'],
      open: yes(),
    }),
    () => ({ kind: 'dialog-answered', rule: 'login-messages', title: 't', button: 'b' }),
    () => ({ kind: 'bridge', up: yes(), detail: 'd' }),
    () => ({ kind: 'gui-frozen', sinceMs: 30_000 }),
    () => ({ kind: 'gui-responsive' }),
    () => ({ kind: 'api-handshake', serverVersion: 178 }),
    () => ({ kind: 'api-accounts', accounts: yes() ? ['U1'] : [] }),
    () => ({ kind: 'api-accounts', accounts: ['U1'] }),
    () => ({ kind: 'api-latency', ms: 3 }),
    () => ({ kind: 'api-unresponsive', sinceMs: 10_000 }),
    () => ({ kind: 'api-mute' }),
    () => ({ kind: 'api-down', detail: 'ECONNREFUSED' }),
    () => ({ kind: 'api-client-id-in-use' }),
    () => ({ kind: 'broker', connected: yes(), dataLost: yes() }),
    () => ({
      kind: 'farm',
      name: pick(random, ['usfarm', 'ushmds']),
      farmKind: 'market',
      ok: pick(random, [true, false, null]),
    }),
  ];
  return pick(random, make)();
}

function exit(random: () => number): Fact {
  return {
    kind: 'exited',
    report: {
      status: pick(random, [0, 0, 0, 1, 76, 87, 88, 143, null]),
      signal: random() < 0.1 ? 'SIGKILL' : null,
      coldRestart: random() < 0.2,
      pause: random() < 0.1,
      tokens: pick(random, ['none', 'none', 'one', 'several'] as const),
      executed: random() < 0.8,
      lastError: null,
    },
  };
}

/** The most that fall into any window of an hour. */
function mostInAnHour(times: readonly number[]): number {
  let most = 0;
  for (const start of times)
    most = Math.max(most, times.filter((at) => at >= start && at < start + HOUR).length);
  return most;
}

test('no sequence of facts throws, leaves the state table, leaves halted by itself, or logs in more often than the budget', () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const runs = Number(process.env['RUNS'] ?? 2_000);
  for (let run = 0; run < runs; run += 1) {
    const random = randomFrom(seed + run);
    const scene = new Scene();
    scene.random = random;
    const trail: string[] = [];
    const where = () => `SEED=${seed + run} RUNS=1\n${trail.slice(-25).join('\n')}`;
    // A refunded order was never executed, so it submitted nothing: the ledger is what the account saw.
    let seen = 0;
    for (let step = 0; step < 120; step += 1) {
      const before = scene.state;
      const timerAt = nextTimerAt(before, scene.now);
      const jump = random();
      if (timerAt !== null && jump < 0.15) scene.now = Math.max(scene.now, timerAt);
      else if (jump < 0.9) scene.now += Math.floor(random() * 60_000);
      else scene.now += Math.floor(random() * 20 * 60_000);
      const fact = timerAt !== null && jump < 0.15 ? ({ kind: 'timer' } as const) : randomFact(random);
      trail.push(`${scene.phase} <- ${JSON.stringify(fact)}`);
      scene.take(fact);
      const from = before.phase.name;
      const to = scene.phase;
      assert.ok(
        from === to || TRANSITIONS[from].includes(to),
        `${from} -> ${to} is not in the table: ${where()}`,
      );
      if (from === 'halted' && to !== 'halted') {
        assert.equal(fact.kind, 'operator', `halted was left by ${fact.kind}: ${where()}`);
      }
      if (scene.state.reason !== null) assert.ok(scene.state.reason in REASONS, where());
      const up = !['stopped', 'halted', 'backing-off'].includes(to);
      assert.equal(scene.state.run !== null, up, `a run exists exactly while a JVM does: ${to}: ${where()}`);
      for (; seen < scene.events.length; seen += 1) {
        const event = scene.events[seen];
        assert.ok(event !== undefined && event.event in CATALOGUE, where());
        assert.deepEqual(
          Object.keys(event.fields).sort(),
          [...CATALOGUE[event.event].fields].sort(),
          where(),
        );
      }
      const timer = nextTimerAt(scene.state, scene.now);
      if (up && !['ready', 'degraded'].includes(to))
        assert.ok(timer !== null, `${to} waits for ever: ${where()}`);
    }
    const agentLogins = scene.ledger.entries
      .filter((entry) => entry.kind === 'login' && entry.by === 'agent')
      .map((entry) => entry.at);
    assert.ok(mostInAnHour(agentLogins) <= 3, `more logins than the budget: ${where()}`);
    const warm = scene.launches.filter((launch) => launch.launch === 'warm').map((launch) => launch.at);
    assert.ok(mostInAnHour(warm) <= 6, `warm restarts loop: ${where()}`);
  }
});

test('a session whose every run dies at once comes to rest without an operator', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = randomFrom(seed);
    const scene = new Scene();
    scene.random = random;
    scene.take({ kind: 'operator', action: 'login' });
    let steps = 0;
    while (scene.phase !== 'halted' && steps < 60) {
      steps += 1;
      if (scene.state.run !== null) scene.take(exit(random));
      else scene.pass(HOUR / 2);
    }
    assert.ok(scene.phase === 'halted' || scene.launches.length <= steps, `seed ${seed}`);
    const cold = scene.ledger.entries.filter((entry) => entry.kind === 'login').map((entry) => entry.at);
    assert.ok(mostInAnHour(cold) <= 3, `seed ${seed}`);
  }
});
