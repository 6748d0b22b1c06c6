// Checks that a restart of the agent frees nobody: not from a halt, not from a wait, not from what was missed before.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { visibleConditions } from '../../src/domain/conditions.ts';
import { memoryOf, NO_MEMORY, parseMemory, type SessionMemory } from '../../src/domain/memory.ts';
import { refuseOperator } from '../../src/domain/reducer.ts';
import { EXIT, PROVEN, PUSH, readyScene, Scene, UP } from './session-scene.ts';

const MINUTE = 60_000;

/** A fresh agent at the same time with the same ledger, told what the one before left on disk. */
function afterAgentRestart(before: Scene, desired: 'up' | 'down' = 'up'): Scene {
  const scene = new Scene();
  scene.now = before.now;
  scene.ledger = before.ledger;
  const memory = parseMemory(JSON.parse(JSON.stringify(memoryOf(before.state))));
  assert.ok(memory !== null, 'what is written can be read');
  scene.take({ kind: 'agent-started', desired, memory });
  return scene;
}

/** Lets time pass until the back-off is over and the next try begins. */
function passBackOff(scene: Scene): void {
  assert.equal(scene.phase, 'backing-off');
  for (let minutes = 0; minutes < 60 && scene.phase === 'backing-off'; minutes += 1) scene.pass(MINUTE);
  assert.equal(scene.phase, 'starting');
}

function halted(): Scene {
  const scene = new Scene();
  scene.take({ kind: 'operator', action: 'login' }, ...UP);
  scene.take({ kind: 'login-refused', cause: 'credentials', text: 'Unrecognized', waitMs: null });
  scene.take({ kind: 'exited', report: EXIT });
  assert.equal(scene.phase, 'halted');
  return scene;
}

function lockedOut(): Scene {
  const scene = new Scene();
  scene.take({ kind: 'operator', action: 'login' }, ...UP);
  scene.take({ kind: 'login-refused', cause: 'locked-out', text: 'wait', waitMs: 10 * MINUTE });
  scene.take({ kind: 'exited', report: EXIT });
  assert.equal(scene.phase, 'backing-off');
  return scene;
}

describe('after a restart of the agent', () => {
  it('a halted session is halted, for the same reason and with the same advice, and starts nothing', () => {
    const before = halted();
    const scene = afterAgentRestart(before);
    assert.deepEqual(scene.state.phase, before.state.phase);
    assert.equal(scene.state.reason, 'wrong-credentials');
    assert.deepEqual(scene.launches, []);
    scene.pass(48 * 60 * MINUTE);
    assert.equal(scene.phase, 'halted');
    scene.take({ kind: 'operator', action: 'login' });
    assert.equal(scene.phase, 'starting');
  });

  it('a session that backs off waits until the same time', () => {
    const before = readyScene();
    before.take({ kind: 'exited', report: { ...EXIT, signal: 'SIGKILL', status: null } });
    const { phase } = before.state;
    assert.equal(phase.name, 'backing-off');
    const scene = afterAgentRestart(before);
    assert.deepEqual(scene.state.phase, phase);
    assert.equal(scene.state.streak, before.state.streak);
  });

  it('a second factor missed before counts: the next one halts', () => {
    const before = new Scene();
    before.take({ kind: 'operator', action: 'login' }, ...UP, PUSH, { kind: 'second-factor-timed-out' });
    before.take({ kind: 'exited', report: EXIT });
    const scene = afterAgentRestart(before);
    passBackOff(scene);
    scene.take(...UP, PUSH, { kind: 'second-factor-timed-out' }, { kind: 'exited', report: EXIT });
    assert.equal(scene.phase, 'halted');
    assert.equal(scene.state.reason, 'second-factor-missed');
  });

  it('a session that is wanted down stays down', () => {
    assert.equal(afterAgentRestart(halted(), 'down').phase, 'stopped');
  });

  it('a wait that a wrong clock wrote ends within a day', () => {
    const scene = new Scene();
    const until = scene.now + 1000 * 24 * 60 * MINUTE;
    const memory: SessionMemory = {
      ...NO_MEMORY,
      retry: { reason: 'connection-failed', until },
      lockedOutUntil: until,
    };
    scene.take({ kind: 'agent-started', desired: 'up', memory });
    assert.equal(scene.phase, 'backing-off');
    scene.pass(24 * 60 * MINUTE + 1);
    assert.equal(scene.phase, 'starting');
  });
});

describe('a lock-out by IBKR', () => {
  it('holds against an operator, by stop and login too, and over a restart of the agent', () => {
    const scene = lockedOut();
    for (const action of ['login', 'start', 'restart-cold'] as const) {
      const refusal = refuseOperator(scene.state, action, scene.context());
      assert.equal(refusal?.code, 'login-deferred', action);
      assert.equal(refusal?.until, scene.state.lockedOutUntil);
    }
    scene.take({ kind: 'operator', action: 'stop' }, { kind: 'operator', action: 'login' });
    assert.equal(scene.phase, 'stopped');
    const again = afterAgentRestart(scene, 'down');
    again.take({ kind: 'operator', action: 'login' });
    assert.equal(again.phase, 'stopped');
    again.pass(12 * MINUTE);
    again.take({ kind: 'operator', action: 'login' });
    assert.equal(again.phase, 'starting');
  });

  it('is over with the next login that succeeds', () => {
    const scene = lockedOut();
    passBackOff(scene);
    scene.take(...UP, { kind: 'logged-in' }, ...PROVEN);
    assert.equal(scene.phase, 'ready');
    assert.equal(scene.state.lockedOutUntil, null);
  });
});

describe('what is remembered', () => {
  it('is written when it changes and only then, before anything is launched', () => {
    const scene = readyScene();
    scene.didAll();
    scene.take({ kind: 'dialog', title: 'x', open: true });
    assert.ok(!scene.didAll().includes('remember'), 'what will be seen again is not remembered');
    scene.take({ kind: 'exited', report: { ...EXIT, status: 76 } });
    assert.equal(scene.didAll()[0], 'remember');
    scene.pass(60 * MINUTE);
    const did = scene.didAll();
    assert.ok(did.indexOf('remember') < did.indexOf('launch'), did.join(' '));
  });

  it('is refused when it is no memory', () => {
    const good = { ...NO_MEMORY, halted: { reason: 'displaced', text: 't', hint: 'h' } };
    assert.deepEqual(parseMemory(good), good);
    for (const bad of [
      null,
      'x',
      [],
      {},
      { ...NO_MEMORY, streak: -1 },
      { ...NO_MEMORY, refusals: '1' },
      { ...NO_MEMORY, lockedOutUntil: 'soon' },
      { ...NO_MEMORY, halted: { reason: 'no-such-reason', text: '', hint: '' } },
      { ...NO_MEMORY, halted: 5 },
      { ...NO_MEMORY, retry: { reason: 'displaced' } },
    ]) {
      assert.equal(parseMemory(bad), null, JSON.stringify(bad));
    }
  });
});

describe('the rules that are not about memory alone', () => {
  it('a device list that the driver answers is no second factor', () => {
    const scene = new Scene();
    scene.take({ kind: 'operator', action: 'login' }, ...UP, PUSH, { kind: 'second-factor-device-chosen' });
    assert.equal(scene.phase, 'logging-in');
    scene.take({ kind: 'second-factor-answered' });
    assert.equal(scene.phase, 'logging-in');
    scene.take(PUSH);
    assert.deepEqual(scene.state.phase.name === 'awaiting-second-factor' && scene.state.phase.attempt, 1);
  });

  it('a broken broker connection is asked for again by a new API connection', () => {
    const scene = readyScene();
    scene.take({ kind: 'broker', connected: false, dataLost: false });
    assert.equal(scene.phase, 'degraded');
    scene.take({ kind: 'api-down', detail: 'ended' });
    scene.pass(5_000);
    scene.take(...PROVEN);
    assert.equal(scene.phase, 'ready');
  });

  it('a stranger on the API port is told as such, and its going as recovery', () => {
    const scene = readyScene();
    scene.take({ kind: 'api-down', detail: 'ended' }, { kind: 'api-foreign' });
    scene.pass(10_000);
    assert.equal(scene.phase, 'degraded');
    assert.deepEqual(
      visibleConditions(scene.state.conditions, scene.now).map((condition) => condition.code),
      ['api-foreign'],
    );
    scene.take(...PROVEN);
    assert.equal(scene.phase, 'ready');
  });

  it('a line repeated without end is counted to an end', () => {
    const scene = readyScene();
    for (let line = 0; line < 500; line += 1) scene.take({ kind: 'login-submitted', number: line });
    assert.ok(scene.ledger.entries.length <= 20, `${scene.ledger.entries.length} entries`);
    assert.ok(scene.eventNames().filter((name) => name === 'login-submitted').length <= 10);
    assert.equal(scene.phase, 'stopping');
  });

  it('a warm restart whose token is refused is told as failed', () => {
    const scene = readyScene();
    scene.take({ kind: 'operator', action: 'restart-warm' }, { kind: 'shutdown-started' });
    scene.take({ kind: 'exited', report: { ...EXIT, tokens: 'one' } });
    scene.take({ kind: 'gateway-up', version: '3.24.1' }, { kind: 'login-dialog' });
    assert.ok(scene.eventNames().includes('restart-failed'), scene.eventNames().join(' '));
  });

  it('a second factor that was answered to no effect counts like one that was missed', () => {
    const scene = new Scene();
    scene.take({ kind: 'operator', action: 'login' });
    for (let round = 0; round < 2; round += 1) {
      scene.take(...UP, PUSH, { kind: 'second-factor-answered' });
      scene.pass(3 * MINUTE + 1);
      scene.take({ kind: 'exited', report: EXIT });
      if (round === 0) passBackOff(scene);
    }
    assert.equal(scene.phase, 'halted');
    assert.equal(scene.state.reason, 'second-factor-login-hung');
    assert.ok(!scene.eventNames().includes('second-factor-timeout'));
  });
});
