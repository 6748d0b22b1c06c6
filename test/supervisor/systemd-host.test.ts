// Checks the systemd form of a session: what its units and the journal say becomes the session's state, and an agent that is killed at
// any moment goes on where it was.

import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { SessionConfig } from '../../src/config/types.ts';
import { LIMITS } from '../domain/session-scene.ts';
import { ibc } from './loop-scene.ts';
import { DISPLAY_UNIT, PUSH_LOGIN, READY_TARGET, SESSION_UNIT, SystemdScene } from './systemd-scene.ts';

let scene: SystemdScene;
beforeEach(() => {
  scene = new SystemdScene();
});
afterEach(() => scene.remove());

/** Another session than the default one. */
function use(change: Partial<SessionConfig>): void {
  scene.remove();
  scene = new SystemdScene(change);
}

async function login() {
  await scene.startAgent();
  scene.loop.operate('login');
  await scene.settle();
  const unit = scene.begin();
  await scene.settle();
  return unit;
}

async function bringUp() {
  const unit = await login();
  for (const line of PUSH_LOGIN) unit.line(line);
  await scene.settle();
  scene.api.prove();
  await scene.settle();
  assert.equal(scene.phase, 'ready');
  return unit;
}

const sessionStarts = () => scene.services.asked.filter((asked) => asked === `start ${SESSION_UNIT}`).length;

describe('a login', () => {
  it('starts the unit under an order that is on disk, and follows its JVM to ready', async () => {
    const unit = await bringUp();
    assert.deepEqual(scene.told(), [
      'session-starting',
      'login-submitted',
      'second-factor-pending',
      'second-factor-accepted',
      'session-ready',
    ]);
    assert.equal(sessionStarts(), 1);
    assert.equal(scene.loop.pid, unit.mainPid);
    assert.deepEqual(
      [scene.ledger.budget('me', LIMITS).logins24h, scene.ledger.budget('me', LIMITS).pushes24h],
      [1, 1],
    );
  });

  it('that polkit does not allow is halted with the way to allow it, and costs nothing', async () => {
    scene.services.answer = { kind: 'denied', detail: 'Access denied' };
    await scene.startAgent();
    scene.loop.operate('login');
    await scene.settle();
    assert.equal(scene.phase, 'halted');
    assert.match(
      JSON.stringify(scene.loop.state.phase),
      /polkit does not let the agent.*apt install polkitd/,
    );
    assert.equal(scene.ledger.budget('me', LIMITS).logins24h, 0);
  });

  it('whose credentials systemd cannot load is halted with the command that stores them, and costs nothing', async () => {
    await scene.startAgent();
    scene.loop.operate('login');
    await scene.settle();
    scene.services.begin(SESSION_UNIT).end({ status: 243 });
    await scene.settle(2_000);
    assert.equal(scene.phase, 'halted');
    assert.match(JSON.stringify(scene.loop.state.phase), /sudo ibctl credentials set live/);
    assert.equal(scene.ledger.budget('me', LIMITS).logins24h, 0);
  });

  it('whose process systemd cannot set up is halted with where the cause stands, and costs nothing', async () => {
    await scene.startAgent();
    scene.loop.operate('login');
    await scene.settle();
    scene.services.begin(SESSION_UNIT).end({ status: 226 });
    await scene.settle(2_000);
    assert.deepEqual([scene.phase, scene.loop.state.reason], ['halted', 'launch-failed']);
    assert.match(JSON.stringify(scene.loop.state.phase), /status 226.*journalctl -u ib-session@live/);
    assert.equal(scene.ledger.budget('me', LIMITS).logins24h, 0);
  });

  it('whose display cannot be started backs off and costs nothing', async () => {
    await scene.startAgent();
    scene.loop.operate('login');
    await scene.settle();
    scene.services.say(SESSION_UNIT, 'start-failed', { JOB_TYPE: 'start', JOB_RESULT: 'dependency' });
    await scene.settle();
    assert.equal(scene.phase, 'backing-off');
    assert.equal(scene.ledger.budget('me', LIMITS).logins24h, 0);
  });

  it('is not mistaken for a start by hand a moment before, which the launcher refused', async () => {
    await scene.startAgent();
    const byHand = scene.services.begin(SESSION_UNIT);
    byHand.line('launch-failed {"code":"order-missing","message":"m","hint":"h"}', { priority: 3 });
    byHand.end({ status: 78 });
    scene.clock.advance(5);
    scene.loop.operate('login');
    await scene.settle();
    assert.equal(scene.phase, 'starting');
    const ours = scene.begin();
    for (const line of PUSH_LOGIN) ours.line(line);
    await scene.settle();
    assert.equal(scene.phase, 'loading');
  });
});

describe('the journal', () => {
  it('is believed by who wrote it: forged words on the unit, lines of other users and of other processes mean nothing', async () => {
    const unit = await bringUp();
    const forged = { UNIT: SESSION_UNIT, INVOCATION_ID: unit.invocation, MESSAGE: 'x' };
    for (const MESSAGE_ID of ['7ad2d189f7e94e70a38c781354912448', 'de5b426a63be47a7b6ac3eaac82e2f6f']) {
      scene.journal.append({ ...forged, MESSAGE_ID, _PID: '4711', _TRANSPORT: 'journal' }, scene.clock.now());
      scene.journal.append({ ...forged, MESSAGE_ID, _PID: '4711', _TRANSPORT: 'stdout' }, scene.clock.now());
    }
    scene.journal.append(
      {
        _TRANSPORT: 'stdout',
        _SYSTEMD_UNIT: 'user@1000.service',
        _PID: '4711',
        UNIT: SESSION_UNIT,
        MESSAGE: ibc('Login attempt: 2'),
      },
      scene.clock.now(),
    );
    unit.line(ibc('Login attempt: 2'), { pid: 4712 });
    await scene.settle(300);
    assert.equal(scene.phase, 'ready');
    assert.equal(scene.told('login-submitted').length, 1);
  });

  it('that loses the end of a unit leaves no session waiting: systemd itself is asked', async () => {
    await bringUp();
    scene.services.down(SESSION_UNIT);
    await scene.settle(16_000);
    assert.equal(scene.phase, 'ready', 'one look is not believed');
    await scene.settle(3_000);
    assert.equal(scene.phase, 'backing-off');
    assert.deepEqual(scene.told('session-lost').length, 1);
  });
});

describe('the end of a JVM', () => {
  it('is judged by the record of its own unit: a token means a warm restart', async () => {
    const unit = await bringUp();
    unit.end({ record: scene.record({ autorestart: { tokens: 'one', ageMs: 10 } }) });
    await scene.settle(400);
    assert.equal(scene.phase, 'restarting');
    assert.equal(scene.order().kind, 'warm');
    assert.equal(sessionStarts(), 2);
    assert.equal(scene.ledger.budget('me', LIMITS).logins24h, 1);
  });

  it('waits for lines and a record that journald hands on late', async () => {
    const unit = await bringUp();
    scene.services.say(SESSION_UNIT, 'success', { INVOCATION_ID: unit.invocation });
    scene.services.down(SESSION_UNIT);
    await scene.settle(300);
    assert.equal(scene.phase, 'ready');
    unit.line(scene.record({ autorestart: { tokens: 'one', ageMs: 10 } }), { pid: unit.mainPid + 5 });
    await scene.settle(1_600);
    assert.equal(scene.order().kind, 'warm');
  });

  it('by its display is a lost display, not a stop by the administrator', async () => {
    const unit = await bringUp();
    const display = scene.services.begin(DISPLAY_UNIT);
    await scene.settle(300);
    display.end({ signal: 9 });
    unit.stopping();
    unit.end({ signal: 15, record: scene.record({ status: null, signal: 'SIGTERM' }) });
    await scene.settle(400);
    assert.deepEqual([scene.phase, scene.loop.state.reason], ['backing-off', 'display-lost']);
    assert.equal(scene.told('display-lost').length, 1);
  });
});

describe('a stop by the administrator', () => {
  it('holds: no timer, no crash and no restart of the agent brings the session up', async () => {
    const unit = await bringUp();
    unit.stopping();
    unit.end({ record: scene.record() });
    await scene.settle(400);
    assert.deepEqual(
      [scene.phase, scene.loop.state.reason, scene.loop.state.desired],
      ['stopped', 'stopped-by-systemd', 'up'],
    );
    await scene.settle(3_600_000);
    scene.killAgent();
    await scene.startAgent();
    await scene.settle(3_600_000);
    assert.deepEqual([scene.phase, scene.loop.state.reason], ['stopped', 'stopped-by-systemd']);
    assert.equal(sessionStarts(), 1);
  });

  it('made while no agent ran holds as well', async () => {
    const unit = await bringUp();
    scene.killAgent();
    unit.stopping();
    unit.end({ record: scene.record() });
    await scene.startAgent();
    assert.deepEqual([scene.phase, scene.loop.state.reason], ['stopped', 'stopped-by-systemd']);
    await scene.settle(3_600_000);
    assert.equal(sessionStarts(), 1);
  });

  it('ends with ibctl start, or with the next boot', async () => {
    for (const how of ['start', 'boot'] as const) {
      use({});
      const unit = await bringUp();
      unit.stopping();
      unit.end({ record: scene.record() });
      await scene.settle(400);
      if (how === 'start') {
        scene.loop.operate('start');
      } else {
        scene.killAgent();
        scene.services.boot = 'boot-2';
        await scene.startAgent();
      }
      await scene.settle();
      assert.equal(scene.phase, 'starting', how);
    }
  });
});

describe('readiness for other units', () => {
  it('is a target that is up exactly while the session is ready', async () => {
    await bringUp();
    assert.ok(existsSync(scene.session.readyFlag));
    assert.equal(scene.services.asked.at(-1), `start ${READY_TARGET}`);
    scene.api.tell({ kind: 'broker', connected: false, dataLost: false });
    await scene.settle();
    assert.equal(scene.phase, 'degraded');
    assert.ok(!existsSync(scene.session.readyFlag));
    assert.equal(scene.services.asked.at(-1), `stop ${READY_TARGET}`);
  });

  it('outlives the agent, and is taken down when the next one finds no proof', async () => {
    await bringUp();
    scene.services.asked.length = 0;
    scene.killAgent();
    await scene.startAgent();
    assert.equal(scene.phase, 'loading');
    assert.deepEqual(scene.services.asked, [], 'bots are not bounced by a restart of the agent');
    scene.api.prove();
    await scene.settle();
    assert.equal(scene.phase, 'ready');
    scene.killAgent();
    await scene.startAgent();
    await scene.settle(scene.config.deadlines.loadingMs + 1_000);
    assert.equal(scene.phase, 'degraded');
    assert.equal(scene.services.asked.at(-1), `stop ${READY_TARGET}`);
  });
});

describe('an agent that is killed and started again', () => {
  it('at any moment of a login with a push: one login, one push, one start, every event once, the right state', async () => {
    for (let before = 0; before <= PUSH_LOGIN.length; before += 1) {
      for (let away = 0; before + away <= PUSH_LOGIN.length; away += 3) {
        use({});
        const where = `killed after ${before} lines, away for ${away}`;
        const unit = await login();
        const write = (from: number, to: number) => {
          for (const line of PUSH_LOGIN.slice(from, to)) unit.line(line);
        };
        write(0, before);
        await scene.settle();
        scene.killAgent();
        write(before, before + away);
        scene.clock.advance(250);
        await scene.startAgent();
        write(before + away, PUSH_LOGIN.length);
        await scene.settle();
        scene.api.prove();
        await scene.settle();
        assert.equal(scene.phase, 'ready', where);
        assert.deepEqual(
          scene.told(),
          [
            'session-starting',
            'login-submitted',
            'second-factor-pending',
            'second-factor-accepted',
            'session-ready',
          ],
          where,
        );
        assert.equal(sessionStarts(), 1, where);
        const { logins24h, pushes24h } = scene.ledger.budget('me', LIMITS);
        assert.deepEqual([logins24h, pushes24h], [1, 1], where);
        assert.ok(!scene.services.asked.includes(`stop ${SESSION_UNIT}`), where);
      }
    }
  });

  it('between the order and the start of the unit gives the same order again, which works once', async () => {
    await scene.startAgent();
    scene.loop.operate('login');
    // Before the order to systemd is carried out.
    scene.killAgent();
    const { id } = scene.order();
    scene.services.asked.length = 0;
    await scene.startAgent();
    assert.equal(scene.order().id, id);
    assert.equal(sessionStarts(), 1);
    assert.equal(scene.ledger.budget('me', LIMITS).logins24h, 1);
    const unit = scene.begin();
    for (const line of PUSH_LOGIN) unit.line(line);
    await scene.settle();
    assert.equal(scene.phase, 'loading');
  });

  it('does not start anew a session whose end no record tells of', async () => {
    await bringUp();
    scene.killAgent();
    scene.services.down(SESSION_UNIT);
    scene.journal.forget(1_000);
    await scene.startAgent();
    const refused = scene.services.begin(SESSION_UNIT);
    refused.line('launch-failed {"code":"order-used","message":"it was used already","hint":"h"}', {
      priority: 3,
    });
    refused.end({ status: 78 });
    await scene.settle(2_000);
    assert.deepEqual([scene.phase, scene.loop.state.reason], ['halted', 'history-missing']);
    await scene.settle(3_600_000);
    assert.equal(scene.ledger.budget('me', LIMITS).logins24h, 1);
  });

  it('takes up a running session whose beginning the journal no longer holds, without a stop, a start or a login', async () => {
    await bringUp();
    scene.killAgent();
    scene.journal.forget(1_000);
    await scene.startAgent();
    assert.equal(scene.phase, 'loading');
    scene.api.prove();
    await scene.settle();
    assert.equal(scene.phase, 'ready');
    assert.equal(sessionStarts(), 1);
    assert.ok(!scene.services.asked.includes(`stop ${SESSION_UNIT}`));
  });

  it('takes up a running session also when its own record is lost', async () => {
    await bringUp();
    scene.killAgent();
    rmSync(scene.paths.desired);
    await scene.startAgent();
    scene.api.prove();
    await scene.settle();
    assert.deepEqual([scene.phase, scene.loop.state.desired], ['ready', 'down']);
    assert.ok(!scene.services.asked.includes(`stop ${SESSION_UNIT}`));
  });

  it('judges an end that came while it was away by what the JVM said before it', async () => {
    const unit = await login();
    scene.killAgent();
    for (const line of PUSH_LOGIN.slice(0, 3)) unit.line(line);
    unit.line(ibc('detected dialog entitled: Login failed; event=Opened'));
    unit.line(ibc('Login failed'));
    unit.end({ status: 0, record: scene.record({ flags: { coldRestart: true, pause: false } }) });
    await scene.startAgent();
    assert.deepEqual([scene.phase, scene.loop.state.reason], ['backing-off', 'login-refused']);
    assert.equal(scene.told('login-refused').length, 1);
    assert.equal(sessionStarts(), 1);
  });

  it('asks again for a stop that was decided, and does what was to follow', async () => {
    const unit = await bringUp();
    scene.loop.operate('stop');
    scene.killAgent();
    scene.services.asked.length = 0;
    await scene.startAgent();
    assert.equal(scene.phase, 'stopping');
    assert.ok(scene.services.asked.includes(`stop ${SESSION_UNIT}`));
    unit.stopping();
    unit.end({ record: scene.record() });
    await scene.settle(400);
    assert.deepEqual([scene.phase, scene.loop.state.reason], ['stopped', 'by-operator']);
  });

  it('after a boot starts what was wanted up, with a login of its own', async () => {
    await bringUp();
    scene.killAgent();
    scene.services.down(SESSION_UNIT);
    scene.services.boot = 'boot-2';
    await scene.startAgent();
    assert.deepEqual([scene.phase, scene.loop.state.reason], ['starting', 'autostart']);
    assert.equal(scene.ledger.budget('me', LIMITS).logins24h, 2);
  });

  it('that is stopped leaves the session alone', async () => {
    await bringUp();
    scene.services.asked.length = 0;
    await scene.loop.shutDown();
    assert.ok(!scene.services.asked.some((asked) => asked.startsWith('stop')));
  });
});
