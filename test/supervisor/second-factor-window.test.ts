// Checks what is done in a second factor's window for operators and by the agent itself: once, charged first, undone when nothing happened.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { LaunchOrder } from '../../src/gateway/launch-records.ts';
import { AgentError, type ErrorCode } from '../../src/protocol/errors.ts';
import { ibc, LoopScene } from './loop-scene.ts';

const scenes: LoopScene[] = [];
afterEach(() => {
  for (const scene of scenes.splice(0)) scene.remove();
});

function aScene(device: string | null = null): LoopScene {
  const scene = new LoopScene({ secondFactor: { method: 'unknown', device } });
  scenes.push(scene);
  return scene;
}

function show(scene: LoopScene, method: 'ib-key' | 'device-choice'): void {
  scene.loop.operate('login');
  scene.host.say(
    ibc('version: 3.24.1'),
    ibc('Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT'),
    ibc('Login attempt: 1'),
  );
  const devices = method === 'ib-key' ? null : ['IB Key', 'Mobile Authenticator app'];
  scene.windows.tell(
    { kind: 'bridge', up: true, detail: '' },
    {
      kind: 'second-factor-shown',
      method,
      detail: { window: 'w5', prompt: 'x', challenge: null, app: null, devices },
    },
  );
}

async function codeOf(work: Promise<unknown>): Promise<ErrorCode | null> {
  try {
    await work;
    return null;
  } catch (error) {
    assert.ok(error instanceof AgentError, String(error));
    return error.code;
  }
}

function pushes(scene: LoopScene): number {
  return scene.ledger.budget('me', scene.config.restart).pushes24h;
}

const changed = new AgentError('window-changed', 'there is no window w5 any more');

describe('a push that is sent again', () => {
  it('is charged on disk before anything is pressed', async () => {
    const scene = aScene();
    show(scene, 'ib-key');
    scene.clock.advance(30_000);
    const { promise, resolve } = Promise.withResolvers<void>();
    scene.windows.hold = promise;
    const sent = scene.loop.resendPush();
    const { entries } = scene.readJson(scene.paths.ledger) as { entries: { kind: string; by: string }[] };
    assert.equal(entries.filter(({ kind, by }) => kind === 'push' && by === 'agent').length, 1);
    resolve();
    await sent;
    assert.deepEqual(
      scene.windows.asked.filter((each) => each.startsWith('resend')),
      ['resend w5'],
    );
    assert.deepEqual([pushes(scene), scene.eventNames().at(-1)], [2, 'second-factor-resent']);
  });

  it('of two operators at once is pressed for one', async () => {
    const scene = aScene();
    show(scene, 'ib-key');
    scene.clock.advance(30_000);
    const codes = await Promise.all([codeOf(scene.loop.resendPush()), codeOf(scene.loop.resendPush())]);
    assert.deepEqual(codes, [null, 'wrong-state']);
    assert.equal(pushes(scene), 2);
  });

  it('that was certainly not pressed is taken back and can be asked for at once', async () => {
    const scene = aScene();
    show(scene, 'ib-key');
    scene.clock.advance(30_000);
    scene.windows.resent = { kind: 'not-pressed', error: changed };
    assert.equal(await codeOf(scene.loop.resendPush()), 'window-changed');
    assert.deepEqual([pushes(scene), scene.eventNames().includes('second-factor-resent')], [1, false]);
    scene.windows.resent = { kind: 'pressed' };
    assert.equal(await codeOf(scene.loop.resendPush()), null);
    assert.equal(pushes(scene), 2);
  });

  it('of which it is not known stays charged, is told, and is not pressed again at once', async () => {
    const scene = aScene();
    show(scene, 'ib-key');
    scene.clock.advance(30_000);
    scene.windows.resent = { kind: 'uncertain', error: changed };
    assert.equal(await codeOf(scene.loop.resendPush()), 'windows-unseen');
    assert.equal(pushes(scene), 2);
    const told = scene.events.at(-1);
    assert.deepEqual([told?.event, told?.fields['IB_OUTCOME']], ['second-factor-resent', 'uncertain']);
    assert.equal(await codeOf(scene.loop.resendPush()), 'wrong-state');
  });

  it('whose gateway ended meanwhile is no news of the next one', async () => {
    const scene = aScene();
    show(scene, 'ib-key');
    scene.clock.advance(30_000);
    const { promise, resolve } = Promise.withResolvers<void>();
    scene.windows.hold = promise;
    const sent = scene.loop.resendPush();
    scene.loop.operate('stop');
    scene.host.exit();
    resolve();
    await sent;
    assert.deepEqual([scene.phase, scene.eventNames().includes('second-factor-resent')], ['stopped', false]);
    assert.equal(pushes(scene), 2);
  });
});

describe('a device list', () => {
  it('is chosen from for one of two operators', async () => {
    const scene = aScene();
    show(scene, 'device-choice');
    const both = [scene.loop.chooseDevice('IB Key'), scene.loop.chooseDevice('Mobile Authenticator app')];
    assert.deepEqual(await Promise.all(both.map(codeOf)), [null, 'wrong-state']);
    assert.deepEqual(
      scene.windows.asked.filter((each) => each.startsWith('choose')),
      ['choose w5 IB Key'],
    );
    const told = scene.events.at(-1);
    assert.deepEqual([told?.event, told?.fields['IB_BY']], ['second-factor-device-chosen', 'operator']);
    assert.equal(pushes(scene), 0);
  });

  it('is answered by the agent after a while; when it cannot be, a person still can', async () => {
    const scene = aScene('IB Key');
    show(scene, 'device-choice');
    scene.windows.failure = changed;
    scene.clock.advance(4_000);
    await setImmediate();
    assert.equal(scene.windows.asked.at(-1), 'choose w5 IB Key');
    assert.equal(scene.eventNames().includes('second-factor-device-chosen'), false);
    scene.windows.failure = null;
    assert.equal(await codeOf(scene.loop.chooseDevice('IB Key')), null);
    scene.clock.advance(60_000);
    await setImmediate();
    assert.equal(scene.windows.asked.filter((each) => each.startsWith('choose')).length, 2);
  });
});

describe('a device with a login', () => {
  it('is in the launch order, and no device is in one without', () => {
    const scene = aScene();
    scene.loop.operate('login', null, 'IB Key');
    const order = scene.readJson(scene.paths.launchOrder) as LaunchOrder;
    assert.equal(order.device, 'IB Key');
    const other = aScene();
    other.loop.operate('login');
    assert.equal('device' in (other.readJson(other.paths.launchOrder) as LaunchOrder), false);
  });

  it('is refused once the login is under way, and changes nothing then', () => {
    const scene = aScene();
    scene.loop.operate('login');
    const told = scene.events.length;
    assert.throws(
      () => scene.loop.operate('login', null, 'IB Key'),
      (error) => error instanceof AgentError && error.code === 'wrong-state',
    );
    assert.equal(scene.events.length, told);
  });
});
