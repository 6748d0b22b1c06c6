// Checks how a session is shown: in the protocol's shape, with what is unknown as null, and account ids masked.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { METHODS, type SessionStatus } from '../../src/protocol/methods.ts';
import { progressOf, statusOf } from '../../src/supervisor/view.ts';
import { aSession } from '../launch/builders.ts';
import { ibc, LoopScene, logLines } from './loop-scene.ts';

const scenes: LoopScene[] = [];
afterEach(() => {
  for (const scene of scenes.splice(0)) scene.remove();
});

function aScene(change: ConstructorParameters<typeof LoopScene>[0] = {}): LoopScene {
  const scene = new LoopScene(change);
  scenes.push(scene);
  return scene;
}

function show(scene: LoopScene, showAccounts = false): SessionStatus {
  const status = statusOf(scene.config, scene.loop.state, {
    now: scene.clock.now(),
    budget: scene.ledger.budget(scene.config.user, scene.config.restart, scene.config.name),
    process: { pid: scene.loop.pid, rssBytes: null, cpuPercent: null, startedAt: null },
    showAccounts,
  });
  const agent = {
    version: '0',
    pid: 1,
    startedAt: '2026-11-23T09:00:00.000Z',
    supervisor: 'process',
    protocol: 1,
  };
  const host = {
    memoryTotalBytes: null,
    memoryAvailableBytes: null,
    diskTotalBytes: null,
    diskAvailableBytes: null,
    load1: null,
    cpus: null,
    checkedAt: null,
  };
  METHODS.status.result.parse({ agent: { ...agent, host }, sessions: [status] });
  return status;
}

describe('the status of a session', () => {
  it('that never ran knows nothing of API, broker and process, and says so with null', () => {
    const status = show(aScene());
    assert.deepEqual(
      [status.state, status.reason, status.desired, status.since],
      ['stopped', 'not-started', 'down', '2026-11-23T09:00:00.000Z'],
    );
    assert.deepEqual(status.api, {
      host: '127.0.0.1',
      port: 4001,
      ok: null,
      serverVersion: null,
      accounts: [],
      latencyMs: null,
      checkedAt: null,
    });
    assert.deepEqual(status.broker, { connected: null, farms: [] });
    assert.deepEqual(status.process, {
      pid: null,
      rssBytes: null,
      cpuPercent: null,
      startedAt: null,
      gatewayVersion: null,
    });
    assert.deepEqual([status.next, status.secondFactor, status.conditions], [null, null, []]);
  });

  it('that is ready shows accounts masked, and in full only when asked', () => {
    const scene = aScene();
    scene.bringUp();
    scene.api.tell(
      { kind: 'api-latency', ms: 1.2345 },
      { kind: 'farm', name: 'usfarm', farmKind: 'market', ok: true },
    );
    const status = show(scene);
    assert.deepEqual(status.api.accounts, ['U***67']);
    assert.deepEqual(show(scene, true).api.accounts, ['U1234567']);
    assert.equal(status.api.latencyMs, 1.2);
    assert.deepEqual(status.broker, {
      connected: true,
      farms: [{ name: 'usfarm', kind: 'market', ok: true, since: '2026-11-23T09:00:00.000Z' }],
    });
    assert.deepEqual([status.process.pid, status.process.gatewayVersion], [4001, '1045']);
  });

  it('that waits for the second factor shows it, when it is given up, and what to do', () => {
    const scene = aScene();
    scene.loop.operate('login');
    scene.host.say(ibc('detected dialog entitled: Second Factor Authentication; event=Opened'));
    const status = show(scene);
    assert.equal(status.secondFactor?.deadline, '2026-11-23T09:03:00.000Z');
    assert.deepEqual(status.next, {
      at: '2026-11-23T09:03:00.000Z',
      kind: 'give-up',
      needsSecondFactor: true,
      why: 'IBKR closes the second factor then',
    });
    assert.deepEqual(
      status.conditions.map((condition) => condition.code),
      ['second-factor-pending'],
    );
    assert.deepEqual([status.ledger.logins24h, status.ledger.pushes24h], [1, 1]);
  });

  for (const [method, needs] of [
    ['ib-key', true],
    ['none', false],
    ['unknown', null],
  ] as const) {
    it(`that backs off says when it tries again, why, and with method ${method} that a second factor is needed: ${needs}`, () => {
      const scene = aScene({ secondFactor: { method, device: null } });
      scene.bringUp();
      scene.host.exit({ status: 1 });
      const status = show(scene);
      assert.deepEqual(status.next, {
        at: '2026-11-23T09:00:00.750Z',
        kind: 'login',
        needsSecondFactor: needs,
        why: 'the gateway ended with an error',
      });
      assert.deepEqual(
        status.conditions.map((condition) => condition.code),
        ['backing-off'],
      );
    });
  }

  it('that is halted shows why and what to do first', () => {
    const scene = aScene();
    scene.loop.operate('login');
    scene.host.say(...logLines('16-bad-password-stuck.log', 44, 204));
    scene.host.exit({ status: 143 });
    const [condition] = show(scene).conditions;
    assert.deepEqual(
      [condition?.code, condition?.severity, condition?.hint],
      [
        'halted',
        'error',
        'correct the stored credentials, check them on the IBKR website, then run: ibctl login',
      ],
    );
  });

  it('of which a restart was asked shows the full minute at which it comes', () => {
    const scene = aScene();
    scene.bringUp();
    scene.clock.advance(30_000);
    scene.loop.operate('restart-warm');
    assert.deepEqual(show(scene).next, {
      at: '2026-11-23T09:01:00.000Z',
      kind: 'warm-restart',
      needsSecondFactor: false,
      why: 'an operator asked for a restart',
    });
  });

  it('of which a restart was asked in the last two seconds of a minute shows the minute after', () => {
    const scene = aScene();
    scene.bringUp();
    scene.clock.advance(58_000);
    scene.loop.operate('restart-warm');
    assert.equal(show(scene).next?.at, '2026-11-23T09:02:00.000Z');
  });

  it('whose budget is used up shows until when', () => {
    const scene = aScene({ restart: { ...aSession().restart, maxLoginsPerHour: 3 } });
    for (const order of ['a', 'b', 'c'])
      scene.ledger.charge({ user: 'me', session: 'other', kind: 'login', order, by: 'agent' });
    assert.equal(show(scene).ledger.blockedUntil, '2026-11-23T10:00:00.000Z');
  });

  it('shows conditions only once they are to be told, with words and advice', () => {
    const scene = aScene();
    scene.bringUp();
    scene.api.tell({ kind: 'farm', name: 'usfarm', farmKind: 'market', ok: false });
    assert.deepEqual(show(scene).conditions, []);
    scene.clock.advance(30_000);
    const [condition] = show(scene).conditions;
    assert.deepEqual(
      [condition?.code, condition?.text, condition?.since],
      ['farm-down', 'data farm usfarm is down', '2026-11-23T09:00:00.000Z'],
    );
  });
});

describe('the progress of a session', () => {
  it('has the shape that the protocol gives it in every state of a login', () => {
    const scene = aScene();
    const stop = scene.loop.watch((state) => {
      METHODS.login.stream.parse(progressOf(scene.config, state, scene.clock.now()));
    });
    scene.loop.operate('login');
    scene.host.say(...logLines('05-totp-xdotool-nowm.log', 44, 358));
    scene.host.exit({ autorestart: { tokens: 'one', ageMs: 1 } });
    scene.host.exit();
    stop();
    assert.ok(scene.states.length > 5);
  });
});
