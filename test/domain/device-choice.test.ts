// Checks the rules of a device list: what is picked by itself and when, what goes with an order, and a device that is not there.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { matchDevice, openDeviceList, refuseDevice } from '../../src/domain/device-choice.ts';
import type { Effect } from '../../src/domain/effects.ts';
import type { Fact } from '../../src/domain/facts.ts';
import { memoryOf, parseMemory } from '../../src/domain/memory.ts';
import { EXIT, PROVEN, Scene, UP } from './session-scene.ts';

const ROWS = ['IB Key', 'Mobile Authenticator app'];

function list(window = 'w5', devices: readonly string[] = ROWS): Fact {
  const detail = { window, prompt: 'Select second factor device', challenge: null, app: null, devices };
  return { kind: 'second-factor-shown', method: 'device-choice', detail };
}

const BRIDGE: Fact = { kind: 'bridge', up: true, detail: '' };
const PUSH_WINDOW: Fact = {
  kind: 'second-factor-shown',
  method: 'ib-key',
  detail: { window: 'w6', prompt: 'Check your phone', challenge: null, app: null, devices: null },
};

function atList(configured: string | null, ordered?: string, rows = ROWS): Scene {
  const scene = new Scene({ secondFactorMethod: 'unknown', secondFactorDevice: configured });
  scene.take(
    { kind: 'operator', action: 'login', ...(ordered === undefined ? {} : { device: ordered }) },
    ...UP,
    BRIDGE,
    list('w5', rows),
  );
  return scene;
}

function picks(scene: Scene): Extract<Effect, { kind: 'choose-device' }>[] {
  return scene.effects.filter((effect) => effect.kind === 'choose-device');
}

describe('an entry', () => {
  it('is found whatever blanks stand around it, and only with its capital letters', () => {
    assert.equal(matchDevice([' IB Key', 'Other'], 'IB Key '), ' IB Key');
    assert.equal(matchDevice(['IB Key'], 'ib key'), null);
    assert.equal(matchDevice(['IB Key', ' IB Key'], 'IB Key'), null);
    assert.equal(matchDevice([], 'IB Key'), null);
  });
});

describe('a device list that stays open', () => {
  it('is answered with the configured entry after four seconds, once', () => {
    const scene = atList('IB Key');
    scene.pass(3_999);
    assert.deepEqual(picks(scene), []);
    scene.pass(1);
    assert.deepEqual(picks(scene), [{ kind: 'choose-device', window: 'w5', device: 'IB Key' }]);
    scene.pass(60_000);
    scene.take(list());
    assert.equal(picks(scene).length, 1);
  });

  it('is answered with the entry of the order rather than the configured one', () => {
    const scene = atList('IB Key', 'Mobile Authenticator app');
    scene.pass(4_000);
    assert.equal(picks(scene)[0]?.device, 'Mobile Authenticator app');
  });

  it('is left alone when nothing fits it exactly, when two do, and when nothing is wanted', () => {
    for (const [wanted, rows] of [
      ['ib key', ROWS],
      ['IB Key', ['IB Key', 'IB Key']],
      [null, ROWS],
    ] as const) {
      const scene = atList(wanted, undefined, [...rows]);
      scene.pass(60_000);
      assert.deepEqual(picks(scene), [], String(wanted));
    }
  });

  it('is left alone once IBC or a person has chosen, or the run is being ended', () => {
    const byDriver = atList('IB Key');
    byDriver.take({ kind: 'second-factor-device-chosen' });
    byDriver.pass(10_000);
    const byPerson = atList('IB Key');
    byPerson.take({ kind: 'device-picked', device: 'IB Key', by: 'operator' });
    byPerson.pass(10_000);
    const ending = atList('IB Key');
    ending.take({ kind: 'operator', action: 'stop' });
    ending.pass(10_000);
    for (const scene of [byDriver, byPerson, ending]) assert.deepEqual(picks(scene), []);
  });

  it('is one second factor with what follows, and one push, also when the log tells of its end first', () => {
    for (const between of [[], [{ kind: 'second-factor-answered' }]] as Fact[][]) {
      const scene = atList(null);
      scene.take(
        { kind: 'device-picked', device: 'IB Key', by: 'operator' },
        ...between,
        { kind: 'second-factor-closed', window: 'w5' },
        PUSH_WINDOW,
      );
      assert.ok(scene.state.phase.name === 'awaiting-second-factor');
      assert.deepEqual([scene.state.phase.method, scene.state.phase.attempt], ['ib-key', 1]);
      assert.equal(scene.ledger.entries.filter(({ kind }) => kind === 'push').length, 1);
      assert.equal(
        scene.effects.some(({ kind }) => kind === 'release'),
        false,
      );
    }
  });
});

describe('a device that IBC does not find', () => {
  const unknown: Fact = { kind: 'second-factor-device-unknown', text: 'Toaster' };

  it('halts at once where windows are not seen', () => {
    const scene = new Scene();
    scene.take({ kind: 'operator', action: 'login' }, ...UP, unknown);
    assert.equal(scene.phase, 'stopping');
    scene.take({ kind: 'exited', report: EXIT });
    assert.equal(scene.state.reason, 'second-factor-device-unknown');
  });

  it('leaves the list to a person until its time is over, and then halts', () => {
    const scene = atList('Toaster');
    scene.take(unknown);
    scene.pass(190_000);
    assert.equal(scene.phase, 'awaiting-second-factor');
    scene.pass(11_000);
    scene.take({ kind: 'exited', report: EXIT });
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'second-factor-device-unknown']);
    assert.equal(scene.state.missedSecondFactors, 0);
  });

  it('is forgotten once one was chosen: a push that nobody answers then is missed as any', () => {
    const scene = atList('Toaster');
    scene.take(
      unknown,
      { kind: 'device-picked', device: 'IB Key', by: 'operator' },
      { kind: 'second-factor-closed', window: 'w5' },
      PUSH_WINDOW,
    );
    scene.pass(201_000);
    scene.take({ kind: 'exited', report: EXIT });
    assert.deepEqual([scene.phase, scene.state.reason], ['backing-off', 'second-factor-missed']);
  });
});

describe('a device of an operator', () => {
  it('goes with the order of the login that it leads to, and with no later one', () => {
    const scene = new Scene({ secondFactorMethod: 'unknown' });
    scene.take({ kind: 'operator', action: 'login', device: 'IB Key' });
    const [first] = scene.effects.filter(({ kind }) => kind === 'launch');
    assert.ok(first?.kind === 'launch');
    assert.equal(first.device, 'IB Key');
    scene.take(...UP, { kind: 'logged-in' }, ...PROVEN);
    scene.effects.length = 0;
    scene.take({ kind: 'operator', action: 'restart-cold' }, { kind: 'exited', report: EXIT });
    const [second] = scene.effects.filter(({ kind }) => kind === 'launch');
    assert.ok(second?.kind === 'launch');
    assert.equal(second.device, undefined);
  });

  it('waits for the end of the gateway that is closed first, also in memory', () => {
    const scene = new Scene({ secondFactorMethod: 'unknown' });
    scene.take({ kind: 'operator', action: 'login' }, ...UP);
    scene.take({ kind: 'operator', action: 'restart-cold', device: 'IB Key' });
    const kept = parseMemory(JSON.parse(JSON.stringify(memoryOf(scene.state))));
    assert.deepEqual(kept, memoryOf(scene.state));
    assert.ok(kept?.run?.afterExit?.kind === 'launch');
    assert.equal(kept.run.afterExit.device, 'IB Key');
    scene.effects.length = 0;
    scene.take({ kind: 'exited', report: EXIT });
    const [launch] = scene.effects.filter(({ kind }) => kind === 'launch');
    assert.ok(launch?.kind === 'launch');
    assert.equal(launch.device, 'IB Key');
    assert.equal(parseMemory(JSON.parse(JSON.stringify(memoryOf(scene.state))))?.run?.device, 'IB Key');
  });

  it('is refused while the login is under way or waits for something else, and is no obstacle to a session that is up', () => {
    const scene = new Scene({ secondFactorMethod: 'unknown' });
    assert.equal(refuseDevice(scene.state), null);
    scene.take({ kind: 'operator', action: 'login' });
    assert.match(refuseDevice(scene.state)?.message ?? '', /starting already/);
    scene.take(...UP, BRIDGE, PUSH_WINDOW);
    assert.match(refuseDevice(scene.state)?.message ?? '', /another second factor \(ib-key\)/);
    assert.equal(openDeviceList(scene.state.phase), null);
    scene.take({ kind: 'logged-in' });
    assert.match(refuseDevice(scene.state)?.message ?? '', /answered already/);
    scene.take(...PROVEN);
    assert.deepEqual([scene.phase, refuseDevice(scene.state)], ['ready', null]);
  });
});
