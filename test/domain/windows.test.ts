// Checks what windows change in a session: a second factor told by log and windows counts once, and what only windows tell.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Fact, SecondFactorDetail } from '../../src/domain/facts.ts';
import type { SecondFactorMethod } from '../../src/protocol/states.ts';
import { EXIT, PROVEN, PUSH, readyScene, Scene, UP } from './session-scene.ts';

const LOGIN: Fact = { kind: 'operator', action: 'login' };
const BRIDGE: Fact = { kind: 'bridge', up: true, detail: '' };
const NO_BRIDGE: Fact = { kind: 'bridge', up: false, detail: 'the JVM closed it' };
const ANSWERED: Fact = { kind: 'second-factor-answered' };
const CHOSEN: Fact = { kind: 'second-factor-device-chosen' };
const LOGGED_IN: Fact = { kind: 'logged-in' };

function seen(method: SecondFactorMethod, window: string, detail: Partial<SecondFactorDetail> = {}): Fact {
  const shown = { prompt: null, challenge: null, devices: null, app: null, ...detail };
  return { kind: 'second-factor-shown', method, detail: { window, ...shown } };
}

function closed(window: string): Fact {
  return { kind: 'second-factor-closed', window };
}

/** A session whose credentials are submitted and whose windows are seen; nothing is configured about its second factor. */
function loggingIn(method: SecondFactorMethod | 'none' = 'unknown'): Scene {
  const scene = new Scene({ secondFactorMethod: method });
  scene.take(LOGIN, ...UP, BRIDGE);
  return scene;
}

function pushes(scene: Scene): number {
  return scene.ledger.entries.filter((entry) => entry.kind === 'push').length;
}

/** Method and attempt of each second factor that was told. */
function pendings(scene: Scene): string[] {
  return scene.events.flatMap(({ event, fields }) =>
    event === 'second-factor-pending' ? [`${fields.IB_METHOD} ${fields.IB_ATTEMPT}`] : [],
  );
}

function fieldsOf(scene: Scene, name: string): Readonly<Record<string, string>> {
  const found = scene.events.findLast(({ event }) => event === name);
  assert.ok(found, `no ${name} in ${scene.eventNames().join(' ')}`);
  return found.fields;
}

function methodOf(scene: Scene): string | null {
  return scene.state.phase.name === 'awaiting-second-factor' ? scene.state.phase.method : null;
}

describe('one second factor, told by a line and by its window', () => {
  const push = seen('ib-key', 'w5', { prompt: 'Check your phone' });
  const ORDERS: Readonly<Record<string, readonly Fact[]>> = {
    'the line first': [PUSH, push, PUSH, closed('w5'), ANSWERED, LOGGED_IN],
    'the window first': [push, PUSH, PUSH, closed('w5'), ANSWERED, LOGGED_IN],
    'the window closes after the line that says so': [push, PUSH, ANSWERED, closed('w5'), LOGGED_IN],
    'every line after the window has closed': [push, closed('w5'), PUSH, ANSWERED, LOGGED_IN],
    'the look at the window after every line': [PUSH, ANSWERED, push, closed('w5'), LOGGED_IN],
    'the look at the window after the login': [PUSH, ANSWERED, LOGGED_IN, push, closed('w5')],
    'no line at all': [push, closed('w5'), LOGGED_IN],
    'no window at all': [PUSH, PUSH, ANSWERED, LOGGED_IN],
  };
  for (const [name, facts] of Object.entries(ORDERS)) {
    it(`${name}: one push, one event, one attempt, and loading`, () => {
      const scene = loggingIn();
      scene.take(...facts);
      assert.deepEqual([pushes(scene), pendings(scene).length, scene.phase], [1, 1, 'loading']);
      assert.equal(scene.state.run?.secondFactors, 1);
      assert.equal(fieldsOf(scene, 'second-factor-accepted')['IB_ATTEMPT'], '1');
      scene.take(...PROVEN);
      assert.equal(scene.phase, 'ready');
      assert.equal(scene.eventNames().filter((event) => event === 'session-lost').length, 0);
    });
  }

  it('is told by the method that the window shows, whatever is configured', () => {
    const scene = loggingIn('ib-key');
    scene.take(PUSH);
    assert.deepEqual([scene.phase, pendings(scene)], ['awaiting-second-factor', []], 'the event waits');
    scene.take(seen('code', 'w5', { prompt: 'Enter code' }));
    assert.deepEqual([pendings(scene), methodOf(scene)], [['code 1'], 'code']);
    scene.pass(60_000);
    assert.equal(pendings(scene).length, 1);
  });

  it('is told after a second when no window comes, and before anything that follows', () => {
    const late = loggingIn();
    late.take(PUSH);
    late.pass(999);
    assert.deepEqual(pendings(late), []);
    late.pass(1);
    assert.deepEqual(pendings(late), ['unknown 1']);

    const quick = loggingIn();
    quick.take(PUSH, { kind: 'second-factor-timed-out' });
    const told = quick.eventNames().filter((event) => event.startsWith('second-factor'));
    assert.deepEqual(told, ['second-factor-pending', 'second-factor-timeout']);
  });

  it('is told at once where no window is seen', () => {
    const scene = new Scene({ secondFactorMethod: 'unknown' });
    scene.take(LOGIN, ...UP, PUSH);
    assert.deepEqual(pendings(scene), ['unknown 1']);
  });

  it('that is told by the window first waits for no line', () => {
    const scene = loggingIn();
    scene.take(seen('challenge', 'w5', { challenge: '123456' }));
    assert.deepEqual(pendings(scene), ['challenge 1']);
    assert.equal(fieldsOf(scene, 'second-factor-pending')['IB_CHALLENGE'], '123456');
  });

  it('whose answer is taken for one while its window shows goes on when the window closes', () => {
    const scene = loggingIn();
    scene.take(seen('ib-key', 'w5'), PUSH, ANSWERED);
    assert.equal(scene.phase, 'awaiting-second-factor');
    scene.take(closed('w5'));
    assert.deepEqual([scene.phase, scene.state.reason], ['loading', 'second-factor-answered']);
  });

  it('whose windows stop being seen goes on by the lines alone', () => {
    const scene = loggingIn();
    scene.take(PUSH, seen('ib-key', 'w5'), NO_BRIDGE, ANSWERED);
    assert.equal(scene.phase, 'loading');
  });
});

describe('a device list', () => {
  const list = seen('device-choice', 'w5', { devices: ['IB Key', 'Mobile Authenticator app'] });
  const code = seen('code', 'w6');
  const ORDERS: Readonly<Record<string, readonly Fact[]>> = {
    'lines first': [PUSH, list, CHOSEN, closed('w5'), ANSWERED, PUSH, code, PUSH],
    'windows first': [list, closed('w5'), code, PUSH, CHOSEN, ANSWERED, PUSH, PUSH],
    'the second window before the line of the choice': [
      PUSH,
      list,
      closed('w5'),
      code,
      CHOSEN,
      ANSWERED,
      PUSH,
    ],
    'no line at all': [list, closed('w5'), code],
  };
  for (const [name, facts] of Object.entries(ORDERS)) {
    it(`and the code that follows, ${name}: one push, one attempt, told as the choice and as the code`, () => {
      const scene = loggingIn();
      scene.take(...facts);
      assert.deepEqual([pushes(scene), methodOf(scene)], [1, 'code']);
      assert.deepEqual(pendings(scene), ['device-choice 1', 'code 1']);
      assert.equal(fieldsOf(scene, 'second-factor-pending')['IB_DEVICES'], '');
      scene.take(closed('w6'), ANSWERED, LOGGED_IN);
      assert.deepEqual([scene.phase, pushes(scene)], ['loading', 1]);
    });
  }

  it('tells its entries', () => {
    const scene = loggingIn();
    scene.take(list);
    assert.equal(fieldsOf(scene, 'second-factor-pending')['IB_DEVICES'], 'IB Key, Mobile Authenticator app');
    assert.equal(pushes(scene), 0, 'nothing reached a phone yet');
  });
});

describe('a code that is not accepted', () => {
  it('in the same window is told with its words, and the attempt goes on', () => {
    const scene = loggingIn();
    scene.take(PUSH, seen('code', 'w5'));
    scene.take({ kind: 'second-factor-code-rejected', window: 'w5', text: 'The code is not correct.' });
    assert.deepEqual(fieldsOf(scene, 'second-factor-rejected'), {
      IB_METHOD: 'code',
      IB_ATTEMPT: '1',
      IB_DETAIL: 'The code is not correct.',
    });
    assert.deepEqual([scene.phase, pushes(scene), pendings(scene).length], ['awaiting-second-factor', 1, 1]);
  });

  const first = [PUSH, seen('code', 'w5')];
  const ORDERS: Readonly<Record<string, readonly Fact[]>> = {
    'lines first': [...first, ANSWERED, PUSH, closed('w5'), seen('code', 'w6')],
    'windows first': [...first, closed('w5'), seen('code', 'w6'), ANSWERED, PUSH],
    'both windows before any line': [
      seen('code', 'w5'),
      closed('w5'),
      seen('code', 'w6'),
      PUSH,
      ANSWERED,
      PUSH,
    ],
  };
  for (const [name, facts] of Object.entries(ORDERS)) {
    it(`and opens the window again, ${name}: rejected once, and another attempt`, () => {
      const scene = loggingIn();
      scene.take(...facts);
      assert.deepEqual(pendings(scene), ['code 1', 'code 2']);
      assert.equal(pushes(scene), 2);
      const rejected = scene.eventNames().filter((event) => event === 'second-factor-rejected');
      assert.equal(rejected.length, 1);
      scene.take(closed('w6'), ANSWERED, LOGGED_IN);
      assert.deepEqual([scene.phase, pushes(scene), scene.state.run?.secondFactors], ['loading', 2, 2]);
    });
  }
});

describe('what ends a login', () => {
  it('a passkey halts with advice, told once', () => {
    const scene = loggingIn();
    const passkey: Fact = { kind: 'passkey-required', text: 'Use your passkey' };
    scene.take(passkey, passkey);
    assert.deepEqual([scene.phase, scene.state.reason], ['stopping', 'passkey-required']);
    scene.take({ kind: 'exited', report: { ...EXIT, coldRestart: true } });
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'passkey-required']);
    assert.match(JSON.stringify(scene.state.phase), /Use your passkey.*another second factor for this user/);
    assert.equal(scene.launches.length, 1);
  });

  it('a version that is refused halts; one that is only old is told once and held against it', () => {
    const old = readyScene();
    const fact: Fact = { kind: 'upgrade-required', text: 'Version 10.30 will be desupported', ends: false };
    old.take(fact, fact);
    assert.equal(old.phase, 'ready');
    assert.equal(old.eventNames().filter((event) => event === 'upgrade-required').length, 1);
    assert.ok(old.state.conditions.some(({ code }) => code === 'upgrade-required'));

    const refused = loggingIn();
    refused.take({ kind: 'upgrade-required', text: 'no longer supported', ends: true });
    refused.take({ kind: 'exited', report: EXIT });
    assert.deepEqual([refused.phase, refused.state.reason], ['halted', 'upgrade-required']);
  });

  it('expired tokens end a warm start, and a full login follows within the budget', () => {
    const scene = readyScene();
    scene.take({ kind: 'shutdown-started' }, { kind: 'exited', report: { ...EXIT, tokens: 'one' } });
    scene.take({ kind: 'launched', pid: 2 }, { kind: 'gateway-up', version: '3.24.1' });
    scene.take({ kind: 'tokens-expired', text: 'The security tokens have expired' });
    assert.deepEqual([scene.phase, scene.state.reason], ['stopping', 'tokens-expired']);
    scene.take({ kind: 'exited', report: EXIT });
    assert.deepEqual([scene.phase, scene.state.reason], ['backing-off', 'tokens-expired']);
    scene.pass(3_600_000);
    assert.deepEqual(
      scene.launches.map(({ launch }) => launch),
      ['cold', 'warm', 'cold'],
    );
  });

  it('a refusal that line and window tell of is told once', () => {
    const refusal = (text: string): Fact => ({
      kind: 'login-refused',
      cause: 'credentials',
      text,
      waitMs: null,
    });
    const scene = loggingIn();
    scene.take(
      refusal('Unrecognized Username or Password'),
      refusal('The user name or password you entered'),
    );
    assert.equal(scene.eventNames().filter((event) => event === 'login-refused').length, 1);
  });
});

describe('a password that expires', () => {
  const DAY = 24 * 3_600_000;
  it('is told once a day, and held until a login that does not show it any more', () => {
    const scene = readyScene();
    const told = () => scene.eventNames().filter((event) => event === 'password-expiring').length;
    const fact: Fact = { kind: 'password-expiring', days: 9, text: 'Your password will expire in 9 days.' };
    scene.take(fact, fact);
    scene.pass(3_600_000);
    scene.take(fact);
    assert.equal(told(), 1);
    scene.pass(DAY - 3_600_000);
    scene.take({ ...fact, days: 8 });
    assert.equal(told(), 2);
    assert.equal(fieldsOf(scene, 'password-expiring')['IB_DAYS'], '8');
    const held = () => scene.state.conditions.filter(({ code }) => code === 'password-expiring');
    assert.deepEqual(
      held().map(({ detail }) => detail),
      ['in 8 days'],
    );
    scene.take({ kind: 'exited', report: EXIT });
    assert.equal(held().length, 1, 'the password does not get better by an end of the gateway');
    scene.take({ kind: 'operator', action: 'login' }, ...UP);
    assert.equal(held().length, 0);
  });
});

describe('a frozen event thread', () => {
  it('is told at once, impairs after a minute without answer, and recovers', () => {
    const scene = readyScene();
    scene.take(BRIDGE, { kind: 'gui-frozen', sinceMs: 30_000 });
    assert.equal(fieldsOf(scene, 'gui-frozen')['IB_SECONDS'], '30');
    scene.pass(29_999);
    scene.take({ kind: 'gui-frozen', sinceMs: 59_999 });
    assert.equal(scene.phase, 'ready');
    scene.pass(1);
    assert.deepEqual(
      [scene.phase, fieldsOf(scene, 'session-degraded')['IB_CONDITIONS']],
      ['degraded', 'gui-frozen'],
    );
    scene.take({ kind: 'gui-responsive' });
    assert.equal(scene.phase, 'ready');
    assert.equal(scene.eventNames().filter((event) => event === 'gui-frozen').length, 1);
  });

  it('is forgotten with the bridge that saw it', () => {
    const scene = readyScene();
    scene.take(BRIDGE, { kind: 'gui-frozen', sinceMs: 30_000 }, NO_BRIDGE);
    scene.pass(120_000);
    assert.equal(scene.phase, 'ready');
  });
});

describe('a window that nobody answers', () => {
  const open = {
    kind: 'unknown-dialog',
    window: 'w7',
    title: 'Important notice',
    text: 'Rates change.\nDo you agree?',
    buttons: ['Agree', 'Decline'],
    open: true,
  } as const;

  it('is told after five seconds with its text and buttons, once', () => {
    const scene = readyScene();
    scene.take(BRIDGE, open);
    scene.pass(4_999);
    assert.ok(!scene.eventNames().includes('dialog-unknown'));
    scene.pass(1);
    assert.deepEqual(fieldsOf(scene, 'dialog-unknown'), {
      IB_TITLE: 'Important notice',
      IB_TEXT: 'Rates change.\nDo you agree?',
      IB_BUTTONS: 'Agree, Decline',
      IB_WINDOW: 'w7',
    });
    scene.take(open);
    scene.pass(60_000);
    assert.equal(scene.eventNames().filter((event) => event === 'dialog-unknown').length, 1);
    assert.equal(scene.phase, 'ready');
    scene.take({ ...open, open: false });
    assert.deepEqual(scene.state.conditions, []);
  });

  const line = (isOpen: boolean): Fact => ({ kind: 'dialog', title: 'Important notice', open: isOpen });
  for (const [name, facts] of Object.entries({
    'the line first': [line(true), BRIDGE, open],
    'the window first': [BRIDGE, open, line(true)],
  })) {
    it(`and that the log tells of too is told once, ${name}`, () => {
      const scene = readyScene();
      scene.take(...facts);
      scene.pass(60_000);
      assert.equal(scene.eventNames().filter((event) => event === 'dialog-unknown').length, 1);
      assert.equal(fieldsOf(scene, 'dialog-unknown')['IB_WINDOW'], 'w7');
      scene.take(line(false), { ...open, open: false });
      assert.deepEqual(scene.state.conditions, []);
    });
  }

  it('that the log tells of and that is seen to be a usual one is not told', () => {
    const scene = readyScene();
    scene.take(line(true), BRIDGE);
    scene.pass(60_000);
    assert.ok(!scene.eventNames().includes('dialog-unknown'));
  });
});

describe('windows that are not seen', () => {
  it('are a condition that does not impair, and the log is believed again', () => {
    const scene = readyScene();
    scene.take(NO_BRIDGE, { kind: 'dialog', title: 'Notice', open: true });
    scene.pass(10_000);
    assert.equal(scene.phase, 'ready');
    assert.deepEqual(
      scene.state.conditions.map(({ code }) => code),
      ['bridge-absent', 'dialog-unknown'],
    );
    assert.equal(fieldsOf(scene, 'dialog-unknown')['IB_TITLE'], 'Notice');
    scene.take(BRIDGE);
    assert.deepEqual(scene.state.conditions, []);
  });
});
