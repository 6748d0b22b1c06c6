// Checks the rules of one-time codes: when ib-code types one, what follows from each thing that can come of it, and when a person has to.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { afterClockStep } from '../../src/domain/clock-step.ts';
import { STEP_MS, stepAt } from '../../src/domain/code-step.ts';
import { refuseCode } from '../../src/domain/codes.ts';
import type { CodeTyped, Fact, FoundRun, SecondFactorDetail } from '../../src/domain/facts.ts';
import { useStep } from '../../src/domain/ledger.ts';
import { memoryOf, parseMemory, type SessionMemory } from '../../src/domain/memory.ts';
import { checkId, initialState } from '../../src/domain/session-state.ts';
import type { SecondFactorMethod } from '../../src/protocol/states.ts';
import { EXIT, PROVEN, PUSH, Scene, UP } from './session-scene.ts';

const LOGIN: Fact = { kind: 'operator', action: 'login' };
const BRIDGE: Fact = { kind: 'bridge', up: true, detail: '' };
const NO_BRIDGE: Fact = { kind: 'bridge', up: false, detail: 'the JVM closed it' };
const ANSWERED: Fact = { kind: 'second-factor-answered' };
const LOGGED_IN: Fact = { kind: 'logged-in' };
const TYPED: CodeTyped = { kind: 'typed' };
const UNCERTAIN: CodeTyped = { kind: 'uncertain' };
const SYNCHRONISED = { synchronised: true, errorMs: 10 };

function seen(
  method: SecondFactorMethod,
  window: string,
  detail: Partial<SecondFactorDetail> = {},
): Extract<Fact, { kind: 'second-factor-shown' }> {
  const shown = { prompt: null, challenge: null, devices: null, app: null, ...detail };
  return { kind: 'second-factor-shown', method, detail: { window, ...shown } };
}

function closed(window: string): Fact {
  return { kind: 'second-factor-closed', window };
}

function rejected(window: string, text = 'The code is not correct.'): Fact {
  return { kind: 'second-factor-code-rejected', window, text };
}

function notTyped(why: string, hopeless = false): CodeTyped {
  return { kind: 'not-typed', why, detail: `refused: ${why}`, hopeless };
}

function checked(scene: Scene, outcome: CodeTyped): Fact {
  return { kind: 'code-checked', id: checkId(scene.state.run?.order ?? ''), outcome, clock: SYNCHRONISED };
}

/** A session whose credentials are submitted; ib-code is to type its codes. `at`: milliseconds after the beginning of a step. */
function loggingIn(at = 0): Scene {
  const scene = new Scene({ secondFactorMethod: 'totp' });
  scene.now += at;
  scene.take(LOGIN, ...UP, BRIDGE);
  return scene;
}

/** The same with the window of the code open. */
function asked(at = 0): Scene {
  const scene = loggingIn(at);
  scene.take(PUSH, seen('code', 'w5'));
  return scene;
}

/** What came of the code that was ordered last, or of the one named. */
function end(
  scene: Scene,
  outcome: CodeTyped,
  id = scene.typing.at(-1)?.id ?? '',
  clock: Extract<Fact, { kind: 'code-result' }>['clock'] = SYNCHRONISED,
): void {
  scene.take({ kind: 'code-result', id, outcome, clock });
}

/** A person hands in a code, and it is typed. */
function give(scene: Scene, id: string, outcome: CodeTyped = TYPED): void {
  assert.equal(refuse(scene), null);
  scene.take({ kind: 'code-given', id }, { kind: 'code-result', id, outcome, clock: null });
}

function refuse(scene: Scene, code = '123456'): string | null {
  return refuseCode(scene.state, 'live', code)?.code ?? null;
}

/** Step and window of each code that was ordered; steps are counted from the one in which the scene began. */
function ordered(scene: Scene): string[] {
  const first = stepAt(Date.UTC(2026, 10, 23, 9, 0, 0));
  return scene.typing.map(({ step, window }) => `${step - first} ${window}`);
}

function told(scene: Scene, name: string): Readonly<Record<string, string>>[] {
  return scene.events.filter(({ event }) => event === name).map(({ fields }) => ({ ...fields }));
}

/** Why the JVM is being ended; null when it is not. */
function ending(scene: Scene): string | null {
  return scene.state.run?.afterExit?.reason ?? null;
}

function methodOf(scene: Scene): string | null {
  return scene.state.phase.name === 'awaiting-second-factor' ? scene.state.phase.method : null;
}

/** The agent is killed and started again; what its last life left is read from a file. */
function restart(scene: Scene, found: FoundRun, ...record: readonly Fact[]): void {
  const memory = parseMemory(JSON.parse(JSON.stringify(memoryOf(scene.state))));
  assert.ok(memory !== null);
  begin(scene, memory, found, record);
}

function begin(scene: Scene, memory: SessionMemory, found: FoundRun, record: readonly Fact[]): void {
  scene.state = initialState(scene.now);
  const { now } = scene;
  scene.take({ kind: 'agent-started', desired: 'up', memory, found });
  for (const [index, fact] of record.entries()) {
    scene.now = (memory.run?.startedAt ?? 0) + index;
    const { ledger } = scene;
    scene.take(fact);
    // What was charged then is not charged again.
    scene.ledger = ledger;
  }
  scene.now = now;
  scene.take({ kind: 'replayed' });
}

describe('the code that ib-code types', () => {
  it('is that of the time step in which its window is seen, and is followed to the login', () => {
    const scene = asked(12_000);
    assert.deepEqual(ordered(scene), ['0 w5']);
    assert.equal(told(scene, 'second-factor-pending')[0]?.['IB_METHOD'], 'totp');
    end(scene, TYPED);
    assert.deepEqual(told(scene, 'second-factor-code-typed'), [
      { IB_BY: 'ib-code', IB_NUMBER: '1', IB_CERTAIN: 'yes' },
    ]);
    scene.pass(60_000);
    scene.take(closed('w5'), ANSWERED, LOGGED_IN, ...PROVEN);
    assert.deepEqual([scene.phase, ordered(scene).length], ['ready', 1]);
    assert.deepEqual(told(scene, 'second-factor-rejected'), []);
  });

  it('is ordered while at least eight seconds of its step are left, since ib-code has to start and needs five, and else in the next', () => {
    assert.deepEqual(ordered(asked(22_000)), ['0 w5']);
    const late = asked(22_001);
    assert.deepEqual(ordered(late), []);
    late.pass(7_998);
    assert.deepEqual(ordered(late), []);
    late.pass(1);
    assert.deepEqual([ordered(late), late.now % STEP_MS], [['1 w5'], 0]);
  });

  it('never is that of a step that the user used before, in whichever session', () => {
    const scene = loggingIn(2_000);
    const used = useStep(scene.ledger, { user: 'user', step: stepAt(scene.now) });
    const foreign = useStep(used ?? scene.ledger, { user: 'other', step: stepAt(scene.now) + 1 });
    scene.ledger = foreign ?? scene.ledger;
    scene.take(seen('code', 'w5'));
    assert.deepEqual(ordered(scene), []);
    scene.pass(28_000);
    assert.deepEqual(ordered(scene), ['1 w5']);
  });

  it('waits for its window: the line of the log alone is not enough', () => {
    const scene = loggingIn();
    scene.take(PUSH);
    scene.pass(5_000);
    assert.deepEqual([methodOf(scene), ordered(scene)], ['totp', []]);
    scene.take(seen('code', 'w5', { app: true }));
    assert.deepEqual(ordered(scene), ['0 w5']);
  });

  it('is not typed where IBKR sent it by text message: a person is asked', () => {
    const scene = loggingIn();
    scene.take(PUSH, seen('code', 'w5', { app: false }));
    scene.pass(60_000);
    assert.deepEqual([methodOf(scene), ordered(scene)], ['code', []]);
    assert.equal(told(scene, 'second-factor-pending').at(-1)?.['IB_METHOD'], 'code');
    give(scene, 'mine');
    scene.take(rejected('w5'));
    assert.deepEqual(ordered(scene), []);
  });

  it('is not typed any more once the window turns out to want one of a text message', () => {
    const scene = asked(26_000);
    scene.take(seen('code', 'w5', { app: false, prompt: 'Enter the code of the message' }));
    scene.pass(60_000);
    assert.deepEqual([methodOf(scene), ordered(scene)], ['code', []]);
  });

  it('is not typed for a method that takes none', () => {
    for (const method of ['ib-key', 'challenge', 'device-choice', 'passkey', 'unknown'] as const) {
      const scene = loggingIn();
      scene.take(seen(method, 'w5'));
      scene.pass(60_000);
      assert.deepEqual([methodOf(scene), ordered(scene)], [method, []]);
    }
  });

  it('follows the choice of the device, into the window of the code', () => {
    const scene = loggingIn();
    scene.take(PUSH, seen('device-choice', 'w5', { devices: ['IB Key', 'Mobile Authenticator app'] }));
    assert.deepEqual(ordered(scene), []);
    scene.take({ kind: 'second-factor-device-chosen' }, closed('w5'), ANSWERED, PUSH, seen('code', 'w6'));
    assert.deepEqual([methodOf(scene), ordered(scene)], ['totp', ['0 w6']]);
    assert.equal(scene.ledger.entries.filter(({ kind }) => kind === 'push').length, 1);
  });
});

describe('a rejected code', () => {
  it('in the same window is followed by that of the next step, once; then an operator has to look', () => {
    const scene = asked();
    end(scene, TYPED);
    scene.pass(3_000);
    scene.take(rejected('w5'));
    assert.deepEqual(ordered(scene), ['0 w5'], 'its step is used');
    scene.pass(27_000);
    assert.deepEqual(ordered(scene), ['0 w5', '1 w5']);
    end(scene, TYPED);
    scene.did();
    scene.take(rejected('w5'));
    assert.deepEqual(scene.did(), ['compare-clock', 'stop']);
    assert.equal(told(scene, 'second-factor-rejected').length, 2);
    scene.take({ kind: 'exited', report: EXIT });
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'code-rejected']);
    scene.pass(24 * 3_600_000);
    assert.deepEqual([scene.phase, ordered(scene).length], ['halted', 2]);
  });

  it('whose rejection comes before its result is one', () => {
    const scene = asked();
    scene.take(rejected('w5'));
    assert.deepEqual(ordered(scene), ['0 w5']);
    end(scene, TYPED);
    assert.deepEqual(ordered(scene), ['0 w5']);
    assert.equal(scene.state.run?.codes.made, 1);
    scene.pass(30_000);
    assert.deepEqual(ordered(scene), ['0 w5', '1 w5']);
    end(scene, TYPED);
    assert.equal(ending(scene), null, 'the message was about the first');
    scene.take(rejected('w5'));
    assert.equal(ending(scene), 'code-rejected');
  });

  it('that was not typed after all was not rejected', () => {
    const scene = asked();
    scene.take(rejected('w5'));
    end(scene, notTyped('frozen'));
    assert.deepEqual([scene.state.run?.codes.refused, scene.state.run?.codes.made], [null, 0]);
  });

  const REOPENS: Readonly<Record<string, (next: string) => readonly Fact[]>> = {
    'the window first': (next) => [closed('w5'), seen('code', next), ANSWERED, PUSH],
    'the lines first': (next) => [ANSWERED, PUSH, closed('w5'), seen('code', next)],
    'the line of the end taken for an answer': (next) => [ANSWERED, closed('w5'), seen('code', next), PUSH],
    'no line at all': (next) => [closed('w5'), seen('code', next)],
  };
  for (const [name, facts] of Object.entries(REOPENS)) {
    for (const next of ['w6', 'w5']) {
      for (const late of [false, true]) {
        const when = late ? 'before the result' : 'after the result';
        it(`that opens the window again as ${next}, ${name}, ${when}, is followed by one more`, () => {
          const scene = asked();
          if (!late) end(scene, TYPED);
          scene.take(...facts(next));
          if (late) end(scene, TYPED);
          scene.pass(30_000);
          assert.deepEqual(ordered(scene), ['0 w5', `1 ${next}`]);
          assert.equal(methodOf(scene), 'totp');
          if (!late) assert.equal(told(scene, 'second-factor-rejected').length, 1);
          end(scene, TYPED);
          scene.take(closed(next), ANSWERED, LOGGED_IN, ...PROVEN);
          assert.equal(scene.phase, 'ready');
        });
      }
    }
  }

  it('whose words the next window shows is told with them once, and counts once', () => {
    for (const taken of [[closed('w5')], [ANSWERED, closed('w5')]]) {
      const scene = asked();
      end(scene, TYPED);
      scene.pass(40_000);
      // The next step is there already, so that the next code is ordered at once.
      scene.take(...taken, rejected('w6', 'Wrong.'), seen('code', 'w6'));
      assert.deepEqual(ordered(scene), ['0 w5', '1 w6']);
      end(scene, TYPED);
      assert.equal(ending(scene), null, 'the words are not about the second');
      const words = told(scene, 'second-factor-rejected').map((fields) => fields['IB_DETAIL']);
      assert.equal(words[0], 'Wrong.');
    }
  });

  it('said in a window of its own, with the code’s window closed, uses no step before that opens again', () => {
    const scene = asked();
    end(scene, TYPED);
    scene.pass(40_000);
    scene.take(closed('w5'), rejected('w7'));
    scene.pass(30_000);
    assert.deepEqual(ordered(scene), ['0 w5']);
    scene.take(seen('code', 'w8'));
    assert.deepEqual(ordered(scene), ['0 w5', '2 w8']);
  });

  it('is one of two at most, over however many windows of one second factor', () => {
    const scene = asked();
    for (let window = 6; window < 12; window += 1) {
      if (scene.state.run?.codes.busy !== null) end(scene, TYPED);
      scene.take(closed(`w${window - 1}`), seen('code', `w${window}`));
      scene.pass(30_000);
    }
    assert.equal(ordered(scene).length, 2);
    assert.equal(ending(scene), 'code-rejected');
  });

  it('rings no phone where its window opens again, so that the budget of second factors is spent once', () => {
    const scene = asked();
    end(scene, TYPED);
    const pushes = () => scene.ledger.entries.filter(({ kind }) => kind === 'push').length;
    assert.equal(pushes(), 1);
    scene.take(closed('w5'), seen('code', 'w6'));
    assert.equal(scene.state.phase.name, 'awaiting-second-factor');
    assert.equal(pushes(), 1);
  });

  it('refused by a message first, is told once, and its window that opens again is still the same second factor', () => {
    const scene = asked();
    end(scene, TYPED);
    scene.take(closed('w5'), rejected('w7'), seen('code', 'w6'));
    assert.equal(told(scene, 'second-factor-rejected').length, 1);
    assert.equal(scene.ledger.entries.filter(({ kind }) => kind === 'push').length, 1);
  });

  it('is followed by a push that counts like any other', () => {
    const scene = asked();
    end(scene, TYPED);
    scene.take(closed('w5'), seen('ib-key', 'w9'));
    assert.equal(scene.ledger.entries.filter(({ kind }) => kind === 'push').length, 2);
    assert.deepEqual(told(scene, 'second-factor-rejected'), []);
  });

  it('of a login that is submitted anew is not the one before, refused', () => {
    const scene = asked();
    end(scene, TYPED);
    scene.take(closed('w5'), ANSWERED, { kind: 'relogin-required' });
    scene.take({ kind: 'login-submitted', number: 2 }, PUSH, seen('code', 'w6'));
    assert.deepEqual(told(scene, 'second-factor-rejected'), []);
    assert.equal(scene.state.run?.codes.made, 0);
    assert.equal(scene.ledger.entries.filter(({ kind }) => kind === 'push').length, 2);
  });

  it('that could not be made for another launch is no reason to end this one', () => {
    const scene = loggingIn();
    const outcome = notTyped('seed-missing', true);
    scene.take({ kind: 'code-checked', id: checkId('another'), outcome, clock: SYNCHRONISED });
    assert.equal(scene.state.run?.codes.givenUp, null);
    assert.equal(scene.phase, 'logging-in');
  });

  it('is forgotten once the login went on: the next second factor begins anew', () => {
    const scene = asked();
    end(scene, TYPED);
    scene.take(rejected('w5'));
    scene.pass(30_000);
    end(scene, TYPED);
    scene.take(closed('w5'), ANSWERED, LOGGED_IN, ...PROVEN);
    scene.pass(3_600_000);
    scene.take({ kind: 'relogin-required' }, PUSH, seen('code', 'w9'));
    end(scene, TYPED);
    scene.take(rejected('w9'));
    scene.pass(30_000);
    assert.equal(ordered(scene).length, 4);
    assert.equal(ending(scene), null);
  });
});

describe('two windows that ask for a code at once', () => {
  it('get two codes at most, one after the other', () => {
    const scene = loggingIn();
    scene.take(PUSH, seen('code', 'w5'), seen('code', 'w6'));
    assert.deepEqual(ordered(scene), ['0 w5'], 'one at a time');
    end(scene, TYPED);
    for (let turn = 0; turn < 6; turn += 1) {
      scene.pass(30_000);
      if (scene.state.run?.codes.busy != null) end(scene, TYPED);
      scene.take(seen('code', turn % 2 === 0 ? 'w5' : 'w6', { prompt: `look ${turn}` }));
    }
    assert.ok(ordered(scene).length <= 2, ordered(scene).join());
  });
});

describe('a code that was not typed', () => {
  it('since its window had gone, or froze, is followed by the next step’s; after the third a person is asked', () => {
    for (const why of [
      'window-gone',
      'frozen',
      'bridge-absent',
      'timed-out',
      'step-over',
      'runtime-unusable',
    ]) {
      const scene = asked();
      end(scene, notTyped(why));
      scene.pass(30_000);
      end(scene, notTyped(why));
      scene.pass(30_000);
      assert.deepEqual([methodOf(scene), ordered(scene)], ['totp', ['0 w5', '1 w5', '2 w5']]);
      end(scene, notTyped(why));
      scene.pass(60_000);
      assert.deepEqual([methodOf(scene), ordered(scene).length], ['code', 3]);
      const failures = told(scene, 'second-factor-code-failed');
      assert.deepEqual(
        failures.map((fields) => [fields['IB_WHY'], fields['IB_NUMBER']]),
        [
          [why, '1'],
          [why, '2'],
          [why, '3'],
        ],
      );
      const pending = told(scene, 'second-factor-pending').at(-1);
      assert.deepEqual([pending?.['IB_METHOD'], pending?.['IB_DETAIL']], ['code', `refused: ${why}`]);
    }
  });

  it('counts as failed in a row only', () => {
    const scene = asked();
    end(scene, notTyped('frozen'));
    scene.pass(30_000);
    end(scene, notTyped('frozen'));
    scene.pass(30_000);
    end(scene, TYPED);
    scene.take(rejected('w5'));
    scene.pass(30_000);
    end(scene, notTyped('frozen'));
    assert.equal(methodOf(scene), 'totp');
    assert.equal(scene.state.run?.codes.made, 1, 'what came to nothing is none of the two');
  });

  it('for want of a seed is not tried again: a person is asked at once, in later windows too', () => {
    const scene = asked();
    end(scene, notTyped('seed-missing', true));
    assert.equal(methodOf(scene), 'code');
    give(scene, 'mine');
    scene.take(closed('w5'), seen('code', 'w6'));
    scene.pass(60_000);
    assert.deepEqual([methodOf(scene), ordered(scene).length], ['code', 1]);
    give(scene, 'another');
    scene.take(closed('w6'), ANSWERED, LOGGED_IN, ...PROVEN);
    assert.equal(scene.phase, 'ready');
  });

  it('is not planned while its window is closed, and is once it is there again', () => {
    const scene = asked(26_000);
    scene.take(closed('w5'));
    scene.pass(64_000);
    assert.deepEqual(ordered(scene), []);
    scene.take(seen('code', 'w5'));
    assert.equal(ordered(scene).length, 1);
  });
});

describe('a code of which it is not known whether it was typed', () => {
  it('is given fifteen seconds; then it has not been, and that of the next step follows, once', () => {
    const scene = asked();
    end(scene, UNCERTAIN);
    assert.equal(told(scene, 'second-factor-code-typed')[0]?.['IB_CERTAIN'], 'no');
    scene.pass(14_999);
    assert.equal(scene.state.run?.codes.handed, 'w5');
    scene.pass(15_001);
    assert.deepEqual(ordered(scene), ['0 w5', '1 w5']);
    end(scene, UNCERTAIN);
    scene.pass(14_999);
    assert.equal(ending(scene), null);
    scene.pass(1);
    assert.equal(ending(scene), 'code-rejected');
    scene.pass(60_000);
    assert.equal(ordered(scene).length, 2);
  });

  it('and that was accepted is followed by none', () => {
    const scene = asked();
    end(scene, UNCERTAIN);
    scene.take(closed('w5'), ANSWERED);
    scene.pass(40_000);
    scene.take(LOGGED_IN, ...PROVEN);
    assert.deepEqual([scene.phase, ordered(scene).length], ['ready', 1]);
  });

  it('and whose window closed without a line is followed by none before a window asks', () => {
    const scene = asked();
    end(scene, UNCERTAIN);
    scene.take(closed('w5'));
    scene.pass(60_000);
    assert.equal(ordered(scene).length, 1);
  });
});

describe('the windows that are not seen', () => {
  it('leave the code to a person, who is told why', () => {
    const scene = new Scene({ secondFactorMethod: 'totp' });
    scene.take(LOGIN, ...UP, NO_BRIDGE, PUSH);
    const pending = told(scene, 'second-factor-pending').at(-1);
    assert.deepEqual(
      [methodOf(scene), pending?.['IB_METHOD'], pending?.['IB_DETAIL']],
      ['code', 'code', "the gateway's windows are not seen (the JVM closed it)"],
    );
    assert.equal(refuse(scene), 'windows-unseen');
  });

  it('from the time on at which that is known', () => {
    const scene = new Scene({ secondFactorMethod: 'totp' });
    scene.take(LOGIN, ...UP, PUSH);
    assert.equal(methodOf(scene), 'totp', 'they may come yet');
    scene.take(NO_BRIDGE);
    assert.equal(methodOf(scene), 'code');
  });

  it('do not while a code waits for its answer, and the same window seen again is no other one', () => {
    const scene = asked();
    end(scene, TYPED);
    scene.take(NO_BRIDGE);
    assert.equal(methodOf(scene), 'totp');
    scene.take(BRIDGE, seen('code', 'w5'));
    scene.pass(40_000);
    assert.deepEqual(ordered(scene), ['0 w5']);
    assert.deepEqual(told(scene, 'second-factor-rejected'), []);
    assert.deepEqual([scene.state.run?.secondFactors, told(scene, 'second-factor-pending').length], [1, 1]);
    scene.take(rejected('w5'));
    assert.deepEqual(ordered(scene), ['0 w5', '1 w5']);
  });
});

describe('the seed that is tried at the start', () => {
  it('and is none ends the login before it begins, and nothing is spent', () => {
    const scene = new Scene({ secondFactorMethod: 'totp' });
    scene.take(LOGIN);
    assert.ok(scene.did().includes('check-code'));
    scene.take(checked(scene, notTyped('seed-missing', true)));
    assert.deepEqual(scene.did(), ['stop']);
    scene.take({ kind: 'exited', report: { ...EXIT, executed: false } });
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'code-unavailable']);
    assert.deepEqual(scene.ledger.entries, []);
    scene.pass(24 * 3_600_000);
    assert.equal(scene.phase, 'halted');
  });

  it('and is none leaves a login that has begun to a person', () => {
    const scene = loggingIn();
    scene.take(checked(scene, notTyped('seed-sealed', true)));
    assert.equal(scene.phase, 'logging-in');
    scene.take(PUSH, seen('code', 'w5'));
    scene.pass(60_000);
    assert.deepEqual([methodOf(scene), ordered(scene)], ['code', []]);
    assert.equal(told(scene, 'second-factor-pending').at(-1)?.['IB_DETAIL'], 'refused: seed-sealed');
  });

  it('and could not be tried for a reason that may pass changes nothing', () => {
    const scene = new Scene({ secondFactorMethod: 'totp' });
    scene.take(LOGIN);
    scene.take(checked(scene, notTyped('timed-out')));
    assert.equal(scene.phase, 'starting');
  });

  it('is tried for a cold login with totp only', () => {
    const push = new Scene();
    push.take(LOGIN);
    assert.ok(!push.did().includes('check-code'));
  });
});

describe('the clock', () => {
  it('that is not synchronised is a condition, which goes when it is', () => {
    const scene = asked();
    const holds = () => scene.state.conditions.some(({ code }) => code === 'clock-unsynchronised');
    end(scene, notTyped('frozen'), undefined, { synchronised: false, errorMs: 16_000 });
    assert.equal(holds(), true);
    scene.pass(30_000);
    end(scene, notTyped('frozen'), undefined, { synchronised: null, errorMs: null });
    assert.equal(holds(), true, 'what is not said changes nothing');
    scene.pass(30_000);
    end(scene, TYPED);
    assert.equal(holds(), false);
    const id = checkId(scene.state.run?.order ?? '');
    scene.take({ kind: 'code-checked', id, outcome: TYPED, clock: { synchronised: false, errorMs: 1 } });
    assert.equal(holds(), true);
  });

  it('that is set while a step is waited for is looked at again when that is due', () => {
    for (const ms of [-40_000, -7_000, 7_000, 40_000, 3_600_000]) {
      const scene = asked(26_000);
      scene.now += ms;
      scene.state = afterClockStep(scene.state, ms);
      scene.pass(40_000);
      const [one, ...more] = scene.typing;
      assert.ok(one !== undefined && more.length === 0, `${ms} ms: ${scene.typing.length}`);
    }
  });

  it('that was set back waits for a step that was not used, and asks a person when that is too far', () => {
    const near = loggingIn();
    near.ledger = useStep(near.ledger, { user: 'user', step: stepAt(near.now) + 3 }) ?? near.ledger;
    near.take(seen('code', 'w5'));
    near.pass(119_999);
    assert.deepEqual(ordered(near), []);
    near.pass(1);
    assert.deepEqual(ordered(near), ['4 w5']);

    const far = loggingIn();
    far.ledger = useStep(far.ledger, { user: 'user', step: stepAt(far.now) + 9 }) ?? far.ledger;
    far.take(seen('code', 'w5'));
    assert.deepEqual([methodOf(far), ordered(far)], ['code', []]);
    assert.match(told(far, 'second-factor-pending').at(-1)?.['IB_DETAIL'] ?? '', /was the clock set back/);
  });

  it('is not blamed where only the time for the second factor is too short', () => {
    const scene = asked();
    end(scene, notTyped('frozen'));
    // Almost all of its three minutes are gone when the window is seen to ask again.
    scene.pass(30_000);
    scene.pass(149_000 - 30_000 + 28_000);
    end(scene, notTyped('frozen'));
    assert.equal(methodOf(scene), 'code');
    assert.match(
      told(scene, 'second-factor-pending').at(-1)?.['IB_DETAIL'] ?? '',
      /time for the second factor/,
    );
  });

  it('is compared when codes were rejected, and the halt says what it has to do with it', () => {
    for (const exitFirst of [false, true]) {
      const scene = asked();
      end(scene, TYPED);
      scene.take(rejected('w5'));
      scene.pass(30_000);
      end(scene, TYPED);
      scene.take(rejected('w5'));
      const comparison = {
        kind: 'compared',
        offsetMs: 40_000,
        uncertaintyMs: 500,
        host: 'clock.example',
      } as const;
      const facts: Fact[] = [
        { kind: 'clock-compared', comparison },
        { kind: 'exited', report: EXIT },
      ];
      scene.take(...(exitFirst ? facts.reverse() : facts));
      const { phase } = scene.state;
      assert.ok(phase.name === 'halted');
      assert.match(phase.text, /40 s ahead of that of clock\.example/);
      if (exitFirst) assert.match(phase.hint, /timedatectl/);
      const { halted } = memoryOf(scene.state);
      assert.equal(halted?.text, phase.text);
    }
  });
});

describe('a person’s code', () => {
  it('is refused while ib-code types one, and while one waits for its answer', () => {
    const scene = asked();
    assert.equal(refuse(scene), 'wrong-state');
    assert.match(refuseCode(scene.state, 'live', '123456')?.message ?? '', /being typed/);
    end(scene, TYPED);
    assert.match(refuseCode(scene.state, 'live', '123456')?.message ?? '', /not answered yet/);
    scene.take(rejected('w5'));
    assert.equal(refuse(scene), null);
  });

  it('takes the place of one that ib-code waits to type', () => {
    const scene = asked(26_000);
    assert.equal(refuse(scene), null);
    scene.take({ kind: 'code-given', id: 'mine' });
    scene.pass(30_000);
    assert.deepEqual(ordered(scene), []);
    scene.take({ kind: 'code-result', id: 'mine', outcome: TYPED, clock: null });
    scene.pass(30_000);
    assert.deepEqual(ordered(scene), []);
    assert.equal(told(scene, 'second-factor-code-typed')[0]?.['IB_BY'], 'operator');
  });

  it('that was not typed leaves the rest as it was', () => {
    const scene = asked(26_000);
    give(scene, 'mine', notTyped('window-gone'));
    assert.deepEqual(told(scene, 'second-factor-code-failed'), []);
    assert.deepEqual([scene.state.run?.codes.typed, scene.state.run?.codes.failed], [0, 0]);
    scene.pass(4_000);
    assert.deepEqual(ordered(scene), ['1 w5'], 'ib-code goes on');
  });

  it('is one of three at most of a second factor, over all its windows', () => {
    const scene = asked();
    end(scene, notTyped('seed-missing', true));
    give(scene, 'one');
    scene.take(closed('w5'), seen('code', 'w6'));
    give(scene, 'two');
    scene.take(rejected('w6'));
    give(scene, 'three');
    scene.take(closed('w6'), seen('code', 'w7'));
    assert.equal(refuse(scene), 'code-limit');
    assert.equal(told(scene, 'second-factor-code-typed').at(-1)?.['IB_NUMBER'], '3');
  });

  it('is refused where none is asked for, and with the wrong shape, without being repeated', () => {
    const scene = asked(26_000);
    for (const code of ['12345', '12345678', '12a456', '']) {
      const refused = refuseCode(scene.state, 'live', code);
      assert.equal(refused?.code, 'invalid-code');
      assert.ok(code === '' || !JSON.stringify(refused).includes(code));
    }
    scene.take(closed('w5'), ANSWERED, LOGGED_IN, ...PROVEN);
    assert.equal(refuse(scene), 'wrong-state');
    for (const method of ['ib-key', 'device-choice', 'passkey'] as const) {
      const other = loggingIn();
      other.take(seen(method, 'w5'));
      assert.equal(refuse(other), 'wrong-state', method);
    }
  });
});

describe('an acceptance that is told twice', () => {
  it('is one', () => {
    const scene = asked();
    end(scene, TYPED);
    scene.take(closed('w5'), ANSWERED, ANSWERED, LOGGED_IN, LOGGED_IN, closed('w5'), ...PROVEN);
    assert.equal(told(scene, 'second-factor-accepted').length, 1);
    assert.equal(scene.phase, 'ready');
    end(scene, TYPED);
    assert.equal(told(scene, 'second-factor-code-typed').length, 1, 'the same result twice is one');
  });
});

describe('a run that ends while a code is typed', () => {
  it('takes the code with it: its result changes nothing of the next run', () => {
    const scene = asked();
    const id = scene.typing.at(-1)?.id ?? '';
    scene.take({ kind: 'exited', report: { ...EXIT, status: 1 } });
    scene.pass(scene.state.phase.name === 'backing-off' ? scene.state.phase.until - scene.now : 0);
    scene.pass(STEP_MS - (scene.now % STEP_MS));
    scene.take(...UP, BRIDGE, PUSH, seen('code', 'w5'));
    const before = scene.state.run?.codes;
    assert.notEqual(before?.busy, null);
    end(scene, TYPED, id);
    assert.deepEqual(scene.state.run?.codes, before);
    assert.deepEqual(told(scene, 'second-factor-code-typed'), []);
  });

  it('for being stopped leaves no code behind that is due', () => {
    const scene = asked(26_000);
    scene.take({ kind: 'operator', action: 'stop' });
    scene.pass(60_000);
    assert.deepEqual(ordered(scene), []);
  });
});

describe('after a restart of the agent', () => {
  const RECORD: readonly Fact[] = [...UP, PUSH];

  it('a code that was ordered is asked for by its id, and what came of it counts', () => {
    for (const found of ['replay', 'running'] as const) {
      const scene = asked();
      const id = scene.typing.at(-1)?.id ?? '';
      scene.did();
      restart(scene, found, ...(found === 'replay' ? RECORD : []));
      const recall = scene.effects.find(({ kind }) => kind === 'recall-code');
      assert.deepEqual(recall, { kind: 'recall-code', id, window: 'w5' });
      scene.take(BRIDGE, seen('code', 'w5'));
      assert.equal(ordered(scene).length, 1, 'none before that is known');
      end(scene, TYPED, id);
      scene.pass(40_000);
      assert.equal(ordered(scene).length, 1, 'it waits for the answer');
      scene.take(rejected('w5'));
      assert.deepEqual(ordered(scene), ['0 w5', '1 w5']);
      end(scene, TYPED);
      scene.take(rejected('w5'));
      assert.equal(ending(scene), 'code-rejected');
    }
  });

  it('one of which nothing came is followed by another, one that is uncertain after a while', () => {
    const none = asked();
    restart(none, 'replay', ...RECORD);
    none.take(BRIDGE, seen('code', 'w5'));
    end(none, notTyped('timed-out'), none.typing[0]?.id, null);
    none.pass(30_000);
    assert.deepEqual(ordered(none), ['0 w5', '1 w5']);
    assert.equal(none.state.run?.codes.made, 0);

    const perhaps = asked();
    restart(perhaps, 'replay', ...RECORD);
    perhaps.take(BRIDGE, seen('code', 'w5'));
    end(perhaps, UNCERTAIN, perhaps.typing[0]?.id, null);
    perhaps.pass(14_999);
    assert.equal(ordered(perhaps).length, 1);
    perhaps.pass(15_001);
    assert.deepEqual(ordered(perhaps), ['0 w5', '1 w5']);
    assert.equal(perhaps.state.run?.codes.made, 1);
  });

  it('a code that waits for its answer still does, and nobody is told that it was rejected', () => {
    for (const found of ['replay', 'running'] as const) {
      const scene = asked();
      end(scene, TYPED);
      restart(scene, found, ...(found === 'replay' ? RECORD : []));
      scene.take(BRIDGE, seen('code', 'w5'));
      scene.pass(60_000);
      assert.deepEqual([ordered(scene), told(scene, 'second-factor-rejected')], [['0 w5'], []], found);
    }
  });

  it('a code whose window is another one by now was rejected', () => {
    const scene = asked();
    end(scene, TYPED);
    scene.pass(40_000);
    restart(scene, 'replay', ...RECORD);
    scene.take(BRIDGE, seen('code', 'w6'));
    assert.deepEqual(ordered(scene), ['0 w5', '1 w6']);
  });

  it('a code that was ordered for a window which is another one by now is followed by one for that', () => {
    const scene = asked();
    const id = scene.typing.at(-1)?.id ?? '';
    scene.pass(40_000);
    restart(scene, 'replay', ...RECORD);
    scene.take(BRIDGE, seen('code', 'w6'));
    assert.equal(ordered(scene).length, 1);
    end(scene, TYPED, id);
    assert.deepEqual(ordered(scene), ['0 w5', '1 w6']);
  });

  it('a person’s code that was being typed may have been', () => {
    const scene = asked(26_000);
    scene.take({ kind: 'code-given', id: 'mine' });
    restart(scene, 'replay', ...RECORD);
    assert.deepEqual(told(scene, 'second-factor-code-typed'), [
      { IB_BY: 'operator', IB_NUMBER: '1', IB_CERTAIN: 'no' },
    ]);
    scene.take(BRIDGE, seen('code', 'w5'));
    assert.deepEqual(ordered(scene), []);
    scene.pass(15_000);
    assert.equal(ordered(scene).length, 1);
  });

  it('the codes of this second factor are not forgotten for an earlier login of the same run', () => {
    const scene = asked();
    end(scene, TYPED);
    scene.take(closed('w5'), ANSWERED, LOGGED_IN, ...PROVEN);
    scene.pass(3_600_000);
    scene.take({ kind: 'relogin-required' }, PUSH, seen('code', 'w9'));
    end(scene, TYPED);
    scene.take(rejected('w9'));
    scene.pass(30_000);
    assert.equal(ordered(scene).length, 3);
    restart(scene, 'replay', ...RECORD, ANSWERED, LOGGED_IN, { kind: 'relogin-required' }, PUSH);
    scene.take(BRIDGE, seen('code', 'w9'));
    end(scene, TYPED);
    scene.take(rejected('w9'));
    scene.pass(60_000);
    assert.deepEqual([ordered(scene).length, ending(scene)], [3, 'code-rejected']);
  });

  it('a login that went on meanwhile ends them', () => {
    const scene = asked();
    end(scene, TYPED);
    const memory = memoryOf(scene.state);
    const at = scene.now + 5_000;
    scene.now += 60_000;
    scene.state = initialState(scene.now);
    const { now } = scene;
    scene.take({ kind: 'agent-started', desired: 'up', memory, found: 'replay' });
    scene.now = at - 10_000;
    scene.take(...RECORD);
    scene.now = at;
    scene.take(ANSWERED, LOGGED_IN);
    scene.now = now;
    scene.take({ kind: 'replayed' });
    assert.deepEqual([scene.state.run?.codes.made, scene.state.run?.codes.handed], [0, null]);
  });

  it('that found no word of codes, as of an earlier version, there are none', () => {
    const scene = asked();
    end(scene, TYPED);
    const text = JSON.parse(JSON.stringify(memoryOf(scene.state)));
    delete text.run.codes;
    assert.equal(parseMemory(text)?.run?.codes.made, 0);
    assert.equal(parseMemory({ ...text, run: { ...text.run, codes: { made: 1 } } }), null);
  });
});
