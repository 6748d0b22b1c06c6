// Checks when following a session ends, and what is told on the way.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { SessionState } from '../../src/domain/session-state.ts';
import type { Outcome, Progress } from '../../src/protocol/methods.ts';
import {
  followSession,
  judgeLogin,
  judgeRestart,
  judgeStop,
  judgeWait,
  type Verdict,
} from '../../src/supervisor/follow.ts';
import { ibc, LoopScene } from './loop-scene.ts';

const scenes: LoopScene[] = [];
afterEach(() => {
  for (const scene of scenes.splice(0)) scene.remove();
});

function aScene(): LoopScene {
  const scene = new LoopScene();
  scenes.push(scene);
  return scene;
}

type Followed = {
  readonly told: Progress[];
  readonly outcome: Promise<Outcome>;
  readonly abort: AbortController;
};

function follow(scene: LoopScene, judge: (state: SessionState) => Verdict, timeoutMs?: number): Followed {
  const told: Progress[] = [];
  const abort = new AbortController();
  const outcome = followSession(scene.loop, judge, {
    clock: scene.clock,
    signal: abort.signal,
    emit: (progress) => told.push(progress),
    timeoutMs,
  });
  return { told, outcome, abort };
}

function states(followed: Followed): string[] {
  return followed.told.map((progress) => progress.state);
}

describe('following a login', () => {
  it('tells each step once and ends when the session is ready', async () => {
    const scene = aScene();
    scene.loop.operate('login');
    const followed = follow(scene, judgeLogin);
    scene.host.say('noise', 'noise');
    scene.bringUp();
    const { reached, session } = await followed.outcome;
    assert.deepEqual([reached, session.state], [true, 'ready']);
    assert.deepEqual(states(followed), ['starting', 'logging-in', 'loading', 'ready']);
  });

  it('of a session that is ready already ends at once', async () => {
    const scene = aScene();
    scene.bringUp();
    assert.equal((await follow(scene, judgeLogin).outcome).reached, true);
  });

  it('tells the second factor with its deadline', () => {
    const scene = aScene();
    scene.loop.operate('login');
    const followed = follow(scene, judgeLogin);
    scene.host.say(ibc('Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT'));
    scene.host.say(ibc('detected dialog entitled: Second Factor Authentication; event=Opened'));
    assert.deepEqual(followed.told.at(-1)?.secondFactor, {
      method: 'ib-key',
      since: '2026-11-23T09:00:00.000Z',
      deadline: '2026-11-23T09:03:00.000Z',
      attempt: 1,
      prompt: null,
      challenge: null,
      devices: null,
    });
    followed.abort.abort();
  });

  it('ends unreached when the session backs off', async () => {
    const scene = aScene();
    scene.loop.operate('login');
    const followed = follow(scene, judgeLogin);
    scene.host.say(ibc('version: 3.24.1'));
    scene.host.exit({ status: 1 });
    const { reached, session } = await followed.outcome;
    assert.deepEqual([reached, session.state, session.reason], [false, 'backing-off', 'gateway-crashed']);
    assert.equal(session.next?.kind, 'login');
  });

  it('ends when the caller goes away, and the session goes on', async () => {
    const scene = aScene();
    scene.loop.operate('login');
    const followed = follow(scene, judgeLogin);
    followed.abort.abort();
    assert.equal((await followed.outcome).reached, false);
    scene.bringUp();
    assert.equal(scene.phase, 'ready');
    assert.deepEqual(states(followed), ['starting'], 'nothing is told after the end');
  });

  it('ends when time is over', async () => {
    const scene = aScene();
    scene.loop.operate('login');
    const followed = follow(scene, judgeLogin, 5_000);
    scene.clock.advance(5_000);
    assert.deepEqual([(await followed.outcome).reached, scene.phase], [false, 'starting']);
  });

  it('leaves no timer behind when it ends before its time', async () => {
    const scene = aScene();
    scene.bringUp();
    await follow(scene, judgeLogin, 5_000).outcome;
    assert.deepEqual(scene.clock.pending, []);
  });

  it('whose listener fails is over for that caller only', async () => {
    const scene = aScene();
    scene.loop.operate('login');
    const outcome = followSession(scene.loop, judgeLogin, {
      clock: scene.clock,
      signal: new AbortController().signal,
      emit: () => {
        throw new Error('gone');
      },
    });
    await assert.rejects(outcome, /gone/);
    scene.bringUp();
    assert.equal(scene.phase, 'ready');
  });
});

describe('the verdict on', () => {
  it('a stop is reached when stopped, and missed when somebody wants the session up again', () => {
    const scene = aScene();
    scene.bringUp();
    scene.loop.operate('stop');
    assert.equal(judgeStop(scene.loop.state), 'pending');
    scene.loop.operate('start');
    assert.equal(judgeStop(scene.loop.state), 'missed');
    scene.loop.operate('stop');
    scene.host.exit();
    assert.equal(judgeStop(scene.loop.state), 'reached');
  });

  it('a restart is pending until another JVM is ready', () => {
    const scene = aScene();
    scene.bringUp();
    const judge = judgeRestart(scene.loop.state.run?.order ?? null);
    scene.loop.operate('restart-warm');
    assert.equal(judge(scene.loop.state), 'pending');
    scene.host.exit({ autorestart: { tokens: 'one', ageMs: 1 } });
    assert.equal(judge(scene.loop.state), 'pending');
    scene.host.say(ibc('Re-starting session'), ibc('Login has completed'));
    scene.api.prove();
    assert.equal(judge(scene.loop.state), 'reached');
  });

  it('a restart is missed when the old JVM goes on', () => {
    const scene = aScene();
    scene.bringUp();
    const judge = judgeRestart(scene.loop.state.run?.order ?? null);
    scene.loop.operate('restart-warm');
    scene.host.answerRestart(null, 'ERROR');
    assert.equal(judge(scene.loop.state), 'missed');
  });

  it('a wait for ready outlasts a back-off, and is missed when halted or wanted down', () => {
    const scene = aScene();
    const judge = judgeWait('ready');
    assert.equal(judge(scene.loop.state), 'missed');
    scene.bringUp();
    assert.equal(judge(scene.loop.state), 'reached');
    scene.host.exit({ status: 1 });
    assert.equal(judge(scene.loop.state), 'pending');
    scene.clock.advance(60_000);
    scene.host.exit({ flags: { coldRestart: false, pause: true } });
    assert.deepEqual([scene.phase, judge(scene.loop.state)], ['halted', 'missed']);
    assert.equal(judgeWait('halted')(scene.loop.state), 'reached');
    assert.equal(judgeWait('stopped')(scene.loop.state), 'pending');
  });

  it('a wait for the second factor is reached while it is pending', () => {
    const scene = aScene();
    scene.loop.operate('login');
    const judge = judgeWait('second-factor');
    assert.equal(judge(scene.loop.state), 'pending');
    scene.host.say(ibc('detected dialog entitled: Second Factor Authentication; event=Opened'));
    assert.equal(judge(scene.loop.state), 'reached');
  });
});
