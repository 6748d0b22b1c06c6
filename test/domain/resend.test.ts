// Checks when a push may be sent again: only while one is pending, spaced, few of them, and within the budget.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Fact } from '../../src/domain/facts.ts';
import { chargeLedger, EMPTY_LEDGER, type LedgerEntry, takeBackPush } from '../../src/domain/ledger.ts';
import { memoryOf, parseMemory } from '../../src/domain/memory.ts';
import { refuseResend } from '../../src/domain/resend.ts';
import { PROVEN, PUSH, Scene, UP } from './session-scene.ts';

const BRIDGE: Fact = { kind: 'bridge', up: true, detail: '' };

function pushWindow(window = 'w5'): Fact {
  const detail = { window, prompt: 'Check your phone', challenge: null, app: null, devices: null };
  return { kind: 'second-factor-shown', method: 'ib-key', detail };
}

function waiting(): Scene {
  const scene = new Scene({ restart: { ...new Scene().rules.restart, maxPushesPerHour: 5 } });
  scene.take({ kind: 'operator', action: 'login' }, ...UP, BRIDGE, pushWindow());
  return scene;
}

function why(scene: Scene): string {
  const refusal = refuseResend(scene.state, scene.context());
  return refusal === null ? 'allowed' : `${refusal.code}: ${refusal.message}`;
}

/** As the loop does it. */
function resend(scene: Scene): void {
  assert.equal(why(scene), 'allowed');
  const entry = { at: scene.now, user: 'user', session: 'live', order: scene.state.run?.order ?? '' };
  scene.ledger = chargeLedger(scene.ledger, { ...entry, kind: 'push', by: 'agent' }, scene.now);
  scene.take(
    ...(['asked', 'pressing', 'pressed'] as const).map((step): Fact => ({ kind: 'push-resend', step })),
  );
}

describe('a push', () => {
  it('may be sent again half a minute after the last, twice', () => {
    const scene = waiting();
    assert.match(why(scene), /^wrong-state: the last notification was sent only 0 s ago/);
    scene.pass(29_999);
    assert.match(why(scene), /only 29 s ago/);
    scene.pass(1);
    resend(scene);
    assert.match(why(scene), /only 0 s ago/);
    scene.pass(30_000);
    resend(scene);
    scene.pass(60_000);
    assert.match(why(scene), /^wrong-state: this second factor has had 3 notifications/);
    const told = scene.events.filter(({ event }) => event === 'second-factor-resent');
    assert.deepEqual(
      told.map(({ fields }) => 'IB_PUSH' in fields && [fields.IB_PUSH, fields.IB_OUTCOME]),
      [
        ['2', 'pressed'],
        ['3', 'pressed'],
      ],
    );
  });

  it('of the next second factor counts anew', () => {
    const scene = waiting();
    scene.pass(30_000);
    resend(scene);
    scene.take({ kind: 'second-factor-closed', window: 'w5' }, pushWindow('w9'));
    assert.deepEqual(scene.state.run?.pushes, { attempt: 2, count: 1, lastAt: scene.now });
  });

  it('that was certainly not pressed does not count, one of which that is not known does', () => {
    const scene = waiting();
    scene.pass(30_000);
    const before = scene.state.run?.pushes ?? null;
    scene.take({ kind: 'push-resend', step: 'pressing' });
    assert.equal(scene.state.run?.pushes?.count, 2);
    scene.take({ kind: 'push-resend', step: 'not-pressed', before });
    assert.deepEqual(scene.state.run?.pushes, before);
    scene.take({ kind: 'push-resend', step: 'pressing' }, { kind: 'push-resend', step: 'uncertain' });
    assert.equal(scene.state.run?.pushes?.count, 2);
    assert.equal(scene.events.filter(({ event }) => event === 'second-factor-resent').length, 1);
  });

  it('is not sent again beyond the budget, which is told as a login that is deferred', () => {
    const scene = new Scene({ restart: { ...new Scene().rules.restart, maxPushesPerHour: 1 } });
    scene.take({ kind: 'operator', action: 'login' }, ...UP, BRIDGE, pushWindow());
    scene.pass(60_000);
    assert.match(why(scene), /^login-deferred: .*1 of 1 second factors in the last hour/);
    assert.doesNotMatch(refuseResend(scene.state, scene.context())?.hint ?? '', /override/);
    scene.take({ kind: 'push-resend', step: 'asked' });
    assert.equal(scene.events.at(-1)?.event, 'login-deferred');
  });

  it('is none without one pending, with a code, or where its window is not seen', () => {
    const scene = new Scene();
    assert.match(why(scene), /^wrong-state: no second factor is pending: the session is stopped/);
    scene.take({ kind: 'operator', action: 'login' }, ...UP, PUSH);
    assert.match(why(scene), /^windows-unseen/);
    const code = new Scene();
    const shown = pushWindow();
    code.take({ kind: 'operator', action: 'login' }, ...UP, BRIDGE, { ...shown, method: 'code' } as Fact);
    assert.match(why(code), /^wrong-state: the pending second factor is no notification/);
    const gone = waiting();
    gone.pass(60_000);
    gone.take({ kind: 'bridge', up: false, detail: 'ENOENT' });
    assert.match(why(gone), /^windows-unseen/);
    scene.take({ kind: 'logged-in' }, ...PROVEN);
    assert.match(why(scene), /the session is ready/);
  });

  it('that was sent again is remembered by the next agent', () => {
    const scene = waiting();
    scene.pass(30_000);
    resend(scene);
    const kept = parseMemory(JSON.parse(JSON.stringify(memoryOf(scene.state))));
    assert.deepEqual(kept?.run?.pushes, { attempt: 1, count: 2, lastAt: scene.now });
    const next = new Scene();
    next.now = scene.now + 1_000;
    assert.ok(kept !== null);
    next.take({ kind: 'agent-started', desired: 'up', memory: kept, found: 'replay' });
    next.take(...UP, PUSH, { kind: 'replayed' }, BRIDGE, pushWindow());
    assert.deepEqual(next.state.run?.pushes, kept.run?.pushes);
  });

  it('is remembered also of a second factor that was not the first of its JVM', () => {
    const scene = waiting();
    const closed: Fact = { kind: 'second-factor-closed', window: 'w5' };
    scene.take(closed, { kind: 'second-factor-answered' }, PUSH, pushWindow('w6'));
    assert.equal(scene.state.run?.pushes?.attempt, 2);
    scene.pass(30_000);
    resend(scene);
    const kept = parseMemory(JSON.parse(JSON.stringify(memoryOf(scene.state))));
    assert.ok(kept !== null);
    const next = new Scene();
    next.now = scene.now + 1_000;
    next.take({ kind: 'agent-started', desired: 'up', memory: kept, found: 'replay' });
    next.take(
      ...UP,
      PUSH,
      { kind: 'second-factor-answered' },
      PUSH,
      { kind: 'replayed' },
      BRIDGE,
      pushWindow('w6'),
    );
    assert.deepEqual(next.state.run?.pushes, { attempt: 2, count: 2, lastAt: scene.now });
  });
});

describe('a push that is taken back', () => {
  it('is the last one that the agent caused under the order, and none that IBC caused', () => {
    const entry = (at: number, by: 'agent' | 'ibc', order = 'a'): LedgerEntry => ({
      ...{ at, by, order, kind: 'push', user: 'u', session: 's' },
    });
    const entries = [entry(1, 'ibc'), entry(2, 'agent'), entry(3, 'agent'), entry(4, 'agent', 'b')];
    const once = takeBackPush({ ...EMPTY_LEDGER, entries }, 'a');
    assert.deepEqual(
      once.entries.map(({ at }) => at),
      [1, 2, 4],
    );
    const [first] = entries;
    assert.ok(first !== undefined);
    const none = { ...EMPTY_LEDGER, entries: [first] };
    assert.equal(takeBackPush(none, 'a'), none);
  });
});
