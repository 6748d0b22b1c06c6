// Checks the watch of a session's windows with a bridge of the test: what becomes a fact, once each, and what is done by itself.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import type { BridgeObservation } from '../../src/bridge/client.ts';
import { BridgeError, type BridgeWindow } from '../../src/bridge/protocol.ts';
import { ANSWERABLE_DIALOGS } from '../../src/config/schema.ts';
import { ANSWERABLE } from '../../src/domain/dialogs.ts';
import type { GatewayFact } from '../../src/domain/facts.ts';
import type { SeenWindow } from '../../src/domain/seen-window.ts';
import { AgentError } from '../../src/protocol/errors.ts';
import { BridgeWindowWatch } from '../../src/supervisor/window-watch.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { FakeBridge } from '../fakes/fake-window-watch.ts';

const NO_BOUNDS = { x: 0, y: 0, width: 10, height: 10 };

/** A fixture as the bridge tells it. */
function fixture(name: string, id = 'w4'): BridgeWindow {
  const file = new URL(`../fixtures/dialogs/${name}.json`, import.meta.url);
  const { window } = JSON.parse(readFileSync(file, 'utf8')) as { window: SeenWindow };
  return {
    ...window,
    id,
    owner: null,
    active: true,
    enabled: true,
    bounds: NO_BOUNDS,
    components: window.components.map((each) => ({
      ...each,
      name: null,
      unreadable: false,
      border: null,
      selected: false,
      rows: each.rows === null ? null : { count: each.rows.texts.length, selected: -1, ...each.rows },
      bounds: NO_BOUNDS,
    })),
  };
}

class Watched {
  readonly clock = new FakeClock();
  readonly facts: GatewayFact[] = [];
  readonly bridges: FakeBridge[] = [];
  gone = 0;
  readonly watch: BridgeWindowWatch;

  constructor(answer: readonly string[] = []) {
    this.watch = new BridgeWindowWatch({
      config: { dialogs: { answer } },
      clock: this.clock,
      listener: (fact) => this.facts.push(fact),
      onGone: () => {
        this.gone += 1;
      },
      makeBridge: (observe: (observation: BridgeObservation) => void) => {
        const bridge = new FakeBridge(observe);
        this.bridges.push(bridge);
        return bridge;
      },
    });
    this.watch.expect(true);
    this.watch.watch();
  }

  get bridge(): FakeBridge {
    return this.bridges.at(-1) ?? assert.fail('nothing was watched');
  }

  /** Lets time pass in steps, and what was asked be answered after each. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left >= 0; left -= 500) {
      this.clock.advance(Math.min(left, 500));
      await settle();
    }
  }

  async open(...windows: BridgeWindow[]): Promise<void> {
    this.bridge.showing = windows;
    this.bridge.open();
    await this.pass(0);
  }

  async change(...windows: BridgeWindow[]): Promise<void> {
    this.bridge.change(...windows);
    await this.pass(0);
  }

  kinds(): string[] {
    return this.facts.splice(0).map(({ kind }) => kind);
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i += 1) await Promise.resolve();
}

const watched: Watched[] = [];
function aWatch(answer: readonly string[] = []): Watched {
  const one = new Watched(answer);
  watched.push(one);
  return one;
}
afterEach(() => {
  for (const one of watched.splice(0)) one.watch.unwatch();
});

const PUSH = fixture('standin-push', 'w5');
const CODE = fixture('standin-totp', 'w5');

describe('a window', () => {
  it('is told once, again when what it says has changed, and when it has closed', async () => {
    const scene = aWatch();
    await scene.open(fixture('standin-splash', 'w2'), CODE);
    assert.deepEqual(scene.kinds(), ['bridge', 'second-factor-shown']);
    await scene.pass(10_000);
    assert.ok(scene.bridge.looks > 4, `${scene.bridge.looks} looks`);
    assert.deepEqual(scene.kinds(), []);
    await scene.change(fixture('standin-totp-rejected', 'w5'));
    assert.deepEqual(scene.kinds(), ['second-factor-code-rejected']);
    await scene.change();
    assert.deepEqual(scene.facts, [{ kind: 'second-factor-closed', window: 'w5' }]);
  });

  it('that closes is told before the one that opens instead', async () => {
    const scene = aWatch();
    await scene.open(CODE);
    scene.kinds();
    await scene.change({ ...CODE, id: 'w6' });
    assert.deepEqual(scene.kinds(), ['second-factor-closed', 'second-factor-shown']);
  });

  it('is seen without an event too: at once when something is expected, seldom when nothing is', async () => {
    const scene = aWatch();
    await scene.open();
    scene.bridge.showing = [PUSH];
    await scene.pass(2_000);
    assert.deepEqual(scene.kinds(), ['bridge', 'second-factor-shown']);
    scene.watch.expect(false);
    await scene.pass(2_000);
    const before = scene.bridge.looks;
    await scene.pass(29_000);
    assert.ok(scene.bridge.looks - before <= 1, `${scene.bridge.looks - before} looks in 29 s`);
  });

  it('that is usual is told nothing of', async () => {
    const scene = aWatch();
    const names = ['login-window', 'main-window-loading', 'splash', 'configuration', 'shutdown'];
    await scene.open(...names.map((name, index) => fixture(`standin-${name}`, `w${index}`)));
    await scene.pass(60_000);
    assert.deepEqual(scene.kinds(), ['bridge']);
  });

  it('that no rule knows is told with its text and its buttons, and when it has closed', async () => {
    const scene = aWatch();
    await scene.open(fixture('standin-notice', 'w7'));
    assert.deepEqual(scene.facts.at(-1), {
      kind: 'unknown-dialog',
      window: 'w7',
      title: 'Important notice',
      text: 'The rates of data subscriptions change on 1 January. Do you agree?',
      buttons: ['Agree', 'Decline'],
      open: true,
    });
    scene.kinds();
    await scene.change();
    assert.deepEqual(scene.facts, [
      { kind: 'unknown-dialog', window: 'w7', title: '', text: '', buttons: [], open: false },
    ]);
  });

  it('that the driver answers is told only when it stays open', async () => {
    const scene = aWatch();
    await scene.open(fixture('ibc-relogin', 'w7'));
    await scene.pass(29_000);
    assert.deepEqual(scene.kinds(), ['bridge']);
    await scene.pass(2_000);
    assert.deepEqual(scene.kinds(), ['unknown-dialog']);
    await scene.change(fixture('standin-splash', 'w7'));
    assert.deepEqual(
      scene.facts.map((fact) => fact.kind === 'unknown-dialog' && fact.open),
      [false],
    );
  });

  it('of a JVM that is gone is no fact any more', async () => {
    const scene = aWatch();
    await scene.open(PUSH);
    scene.kinds();
    scene.watch.unwatch();
    assert.equal(scene.bridge.closed, true);
    scene.bridge.change(CODE);
    await scene.pass(60_000);
    assert.deepEqual(scene.kinds(), []);
    scene.watch.watch();
    assert.equal(scene.bridges.length, 2);
    await scene.open(PUSH);
    assert.deepEqual(scene.kinds(), ['bridge', 'second-factor-shown'], 'another JVM counts its windows anew');
  });
});

describe('an answer by itself', () => {
  const messages = fixture('login-messages', 'w8');

  it('is given when it is allowed: the button of the rule, at its place, expecting what was seen', async () => {
    const scene = aWatch(['login-messages']);
    await scene.open(messages);
    assert.deepEqual(scene.bridge.clicks, [
      {
        window: 'w8',
        path: messages.components.at(-1)?.path,
        text: 'Resume login',
        expect: {
          title: 'Login Messages',
          near: 'Please read: the market data subscription of your account changes.',
        },
      },
    ]);
    assert.deepEqual(
      scene.facts.findLast(({ kind }) => kind === 'dialog-answered'),
      {
        kind: 'dialog-answered',
        rule: 'login-messages',
        title: 'Login Messages',
        button: 'Resume login',
      },
    );
    await scene.pass(5_000);
    assert.equal(scene.bridge.clicks.length, 1, 'once a window');
  });

  it('is not given unless it is allowed, and never in a window that no rule knows', async () => {
    const scene = aWatch();
    await scene.open(messages, fixture('standin-notice', 'w9'));
    await scene.pass(60_000);
    assert.deepEqual(scene.bridge.clicks, []);
    const allowed = aWatch([...ANSWERABLE]);
    await allowed.open(fixture('standin-notice', 'w9'), fixture('ibc-paper-notice', 'w10'));
    await allowed.pass(60_000);
    assert.deepEqual(allowed.bridge.clicks, []);
  });

  it('that finds the window changed is not told as given', async () => {
    const scene = aWatch(['login-messages']);
    scene.bridge.stale = new BridgeError('stale', 'changed');
    await scene.open(messages);
    assert.equal(scene.bridge.clicks.length, 1);
    assert.ok(!scene.kinds().includes('dialog-answered'));
  });

  it('may be allowed for exactly the rules that have one', () => {
    assert.deepEqual([...ANSWERABLE_DIALOGS], [...ANSWERABLE]);
  });
});

describe('the event thread', () => {
  const frozen = (frozenMs: number) => ({ eventThread: 'frozen', frozenMs }) as const;

  it('is told as frozen after the third miss, once, and when it answers again', async () => {
    const scene = aWatch();
    await scene.open();
    scene.kinds();
    scene.bridge.pinged = frozen(2_000);
    await scene.pass(20_500);
    assert.deepEqual(scene.kinds(), []);
    scene.bridge.pinged = frozen(23_000);
    await scene.pass(10_000);
    assert.deepEqual(scene.facts, [{ kind: 'gui-frozen', sinceMs: 23_000 }]);
    await scene.pass(60_000);
    assert.equal(scene.facts.length, 1);
    scene.kinds();
    scene.bridge.pinged = { eventThread: 'answers', roundTripMs: 1 };
    await scene.pass(10_000);
    assert.deepEqual(scene.kinds(), ['gui-responsive']);
  });

  it('that answers in between starts the count anew', async () => {
    const scene = aWatch();
    await scene.open();
    scene.kinds();
    for (const pinged of [frozen(1), frozen(1), { eventThread: 'idle' } as const, frozen(1), frozen(1)]) {
      scene.bridge.pinged = pinged;
      await scene.pass(10_000);
    }
    assert.deepEqual(scene.kinds(), []);
  });

  it('of a bridge that does not answer at all has not answered since it did', async () => {
    const scene = aWatch();
    await scene.open();
    scene.kinds();
    scene.bridge.pinged = new BridgeError('no-answer', 'too late');
    await scene.pass(31_000);
    const [fact] = scene.facts;
    assert.ok(fact?.kind === 'gui-frozen' && fact.sinceMs >= 25_000, JSON.stringify(fact));
  });
});

describe('a bridge', () => {
  it('that does not come is told after a while, with the reason, and when it has come', async () => {
    const scene = aWatch();
    scene.bridge.observe({ kind: 'unreachable', code: 'ENOENT' });
    await scene.pass(59_000);
    assert.deepEqual(scene.kinds(), []);
    await scene.pass(1_000);
    assert.deepEqual(scene.facts, [{ kind: 'bridge', up: false, detail: 'ENOENT' }]);
    await scene.open();
    assert.deepEqual(scene.facts.at(-1), { kind: 'bridge', up: true, detail: '' });
  });

  it('that is another user’s or speaks another language is told at once', () => {
    const scene = aWatch();
    scene.bridge.observe({ kind: 'closed', reason: 'foreign', wasOpen: false });
    assert.deepEqual(scene.facts, [
      { kind: 'bridge', up: false, detail: "another user's program serves the socket" },
    ]);
    assert.equal(scene.gone, 0);
  });

  it('that ends is a hint that the JVM has, and is missed only when it stays away', async () => {
    const scene = aWatch();
    await scene.open(PUSH);
    scene.kinds();
    scene.bridge.observe({ kind: 'closed', reason: 'ended', wasOpen: true });
    assert.equal(scene.gone, 1);
    await scene.pass(14_000);
    assert.deepEqual(scene.kinds(), []);
    await scene.pass(1_500);
    assert.deepEqual(scene.kinds(), ['bridge']);
  });
});

describe('what an operator asks', () => {
  it('fails with the reason while there is no bridge', async () => {
    const scene = aWatch();
    const unseen = (error: unknown) => error instanceof AgentError && error.code === 'windows-unseen';
    await assert.rejects(scene.watch.list(), unseen);
    await assert.rejects(scene.watch.click('w1', 'OK'), unseen);
    scene.watch.unwatch();
    await assert.rejects(scene.watch.paint('w1'), /no gateway runs/);
  });

  it('presses the one button of the text in the window as it is', async () => {
    const scene = aWatch();
    await scene.open(fixture('standin-notice', 'w9'));
    await scene.watch.click('w9', 'Decline');
    const [click] = scene.bridge.clicks;
    assert.equal(click?.text, 'Decline');
    assert.equal(click?.expect?.title, 'Important notice');
  });

  it('does nothing for a button that is not there, in a window that is gone, or that changed', async () => {
    const scene = aWatch();
    await scene.open(fixture('standin-notice', 'w9'));
    const changed = (error: unknown) => error instanceof AgentError && error.code === 'window-changed';
    await assert.rejects(scene.watch.click('w9', 'agree'), changed);
    await assert.rejects(scene.watch.click('w3', 'Agree'), changed);
    assert.deepEqual(scene.bridge.clicks, []);
    scene.bridge.stale = new BridgeError('stale', 'another title');
    await assert.rejects(scene.watch.click('w9', 'Agree'), changed);
  });
});

/** What an operation of the watch failed with. */
async function problemOf(work: Promise<unknown>): Promise<AgentError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof AgentError, String(error));
    return error;
  }
  return assert.fail('it did not fail');
}

describe('a choice from the device list', () => {
  const LIST = fixture('ibga-devices', 'w5');

  it('selects the row and presses OK, if the window is as it was seen', async () => {
    const scene = aWatch();
    await scene.open(LIST);
    await scene.watch.choose('w5', 'Mobile Authenticator app');
    const [selection] = scene.bridge.selections;
    assert.deepEqual([selection?.row, selection?.text], [1, ' Mobile Authenticator app']);
    const expect = { title: 'Second Factor Authentication', near: 'Select second factor device' };
    assert.deepEqual(selection?.expect, expect);
    assert.deepEqual(
      scene.bridge.clicks.map(({ text, expect: seen }) => [text, seen]),
      [['OK', expect]],
    );
  });

  it('of an entry that is not there names those that are, and presses nothing', async () => {
    const scene = aWatch();
    await scene.open(LIST);
    const problem = await problemOf(scene.watch.choose('w5', 'IB key'));
    assert.equal(problem.code, 'unknown-device');
    assert.match(problem.message, /no entry "IB key"; it has: "IB Key", "Mobile Authenticator app"/);
    assert.deepEqual([scene.bridge.selections, scene.bridge.clicks], [[], []]);
  });

  it('presses nothing in a window that is gone or is another by now, or without a bridge', async () => {
    const scene = aWatch();
    await scene.open(CODE);
    assert.equal((await problemOf(scene.watch.choose('w5', 'IB Key'))).code, 'window-changed');
    assert.equal((await problemOf(scene.watch.choose('w9', 'IB Key'))).code, 'window-changed');
    scene.bridge.observe({ kind: 'closed', reason: 'ended', wasOpen: true });
    assert.equal((await problemOf(scene.watch.choose('w5', 'IB Key'))).code, 'windows-unseen');
    assert.deepEqual([scene.bridge.selections, scene.bridge.clicks], [[], []]);
  });
});

describe('a push that is to be sent again', () => {
  it('has its one button pressed, with what must still be there', async () => {
    const scene = aWatch();
    await scene.open(PUSH);
    assert.deepEqual(await scene.watch.resend('w5'), { kind: 'pressed' });
    const [click, ...others] = scene.bridge.clicks;
    assert.deepEqual([click?.text, others], ['Resend Notification', []]);
    assert.equal(click?.expect?.title, 'Second Factor Authentication');
    assert.notEqual(click?.expect?.near, undefined);
  });

  it('is certainly not sent when the window is another, is gone, changed under the click, or has no such button', async () => {
    for (const [shows, window] of [
      [CODE, 'w5'],
      [PUSH, 'w9'],
      [fixture('ibga-push-change-device', 'w5'), 'w5'],
    ] as const) {
      const scene = aWatch();
      await scene.open(shows);
      const outcome = await scene.watch.resend(window);
      assert.ok(outcome.kind === 'not-pressed', outcome.kind);
      assert.equal(outcome.error.code, 'window-changed');
      assert.deepEqual(scene.bridge.clicks, []);
    }
    const scene = aWatch();
    await scene.open(PUSH);
    for (const code of ['stale', 'frozen', 'not-found', 'disabled'] as const) {
      scene.bridge.stale = new BridgeError(code, 'x');
      assert.equal((await scene.watch.resend('w5')).kind, 'not-pressed', code);
    }
  });

  it('may have been sent when the end of the click is not known, and was not when the look failed', async () => {
    const scene = aWatch();
    await scene.open(PUSH);
    for (const code of ['lost', 'no-answer', 'unfinished', 'failed', 'garbage'] as const) {
      scene.bridge.stale = new BridgeError(code, 'x');
      assert.equal((await scene.watch.resend('w5')).kind, 'uncertain', code);
    }
    scene.bridge.observe({ kind: 'closed', reason: 'ended', wasOpen: true });
    assert.equal((await scene.watch.resend('w5')).kind, 'not-pressed');
  });
});

describe('a code', () => {
  const REJECTED = fixture('standin-totp-rejected', 'w5');
  const isChanged = (error: unknown) => error instanceof AgentError && error.code === 'window-changed';
  const rejections = (scene: Watched) =>
    scene.facts.splice(0).flatMap((fact) => (fact.kind === 'second-factor-code-rejected' ? [fact.text] : []));

  it('goes to the field that shows and the button that hands it in, both as they were seen', async () => {
    const scene = aWatch();
    await scene.open(fixture('standin-splash', 'w2'), CODE);
    const field = await scene.watch.codeField('w5');
    const [path] = CODE.components.filter(({ editable }) => editable).map((each) => each.path);
    const button = CODE.components.find(({ text }) => text === 'OK');
    assert.deepEqual(
      { path: field.path, button: field.button, buttonText: field.buttonText, title: field.title },
      { path, button: button?.path, buttonText: 'OK', title: CODE.title },
    );
    assert.notEqual(field.near, null);
    assert.equal(await scene.watch.typeCode('w5', '123456'), 'typed');
    const { near } = field;
    assert.ok(near !== null);
    assert.deepEqual(scene.bridge.codes, [
      {
        window: 'w5',
        path: field.path,
        expect: { title: field.title, near },
        code: '123456',
        button: field.button,
        buttonText: 'OK',
      },
    ]);
  });

  it('goes nowhere in a window that is gone, has no field, or no button to hand it in', async () => {
    const scene = aWatch();
    const [noField, noButton] = [
      { ...CODE, components: CODE.components.filter(({ editable }) => !editable) },
      { ...CODE, id: 'w6', components: CODE.components.filter(({ text }) => text !== 'OK') },
    ];
    await scene.open(noField, noButton);
    for (const window of ['w5', 'w6', 'w9']) {
      await assert.rejects(scene.watch.codeField(window), isChanged);
      await assert.rejects(scene.watch.typeCode(window, '123456'), isChanged);
    }
    assert.deepEqual(scene.bridge.codes, []);
  });

  it('may have been handed in when the end is not known, and certainly was not when its window was another', async () => {
    const scene = aWatch();
    await scene.open(CODE);
    for (const code of ['unfinished', 'no-answer', 'lost', 'garbage'] as const) {
      scene.bridge.codeFailure = new BridgeError(code, 'x');
      assert.equal(await scene.watch.typeCode('w5', '123456'), 'uncertain', code);
    }
    for (const code of ['stale', 'not-found', 'wrong-kind', 'disabled'] as const) {
      scene.bridge.codeFailure = new BridgeError(code, 'x');
      await assert.rejects(scene.watch.typeCode('w5', '123456'), isChanged);
    }
    for (const code of ['frozen', 'not-connected'] as const) {
      scene.bridge.codeFailure = new BridgeError(code, 'x');
      await assert.rejects(
        scene.watch.typeCode('w5', '123456'),
        (error: unknown) =>
          error instanceof AgentError && error.code === 'windows-unseen' && !error.message.includes('123456'),
      );
    }
  });

  it('without a bridge is typed nowhere', async () => {
    const scene = aWatch();
    await assert.rejects(
      scene.watch.typeCode('w5', '123456'),
      (error: unknown) => error instanceof AgentError && error.code === 'windows-unseen',
    );
  });

  it('is not rejected by words that stood there before it was typed, nor just after', async () => {
    const scene = aWatch();
    await scene.open(REJECTED);
    assert.equal(rejections(scene).length, 1);
    scene.watch.expectCode('w5');
    await scene.pass(20_000);
    assert.deepEqual(rejections(scene), [], 'while it is being typed');
    scene.watch.codeEnded('w5', true);
    await scene.pass(9_000);
    assert.deepEqual(rejections(scene), [], 'just after');
    await scene.pass(3_000);
    assert.equal(rejections(scene).length, 1, 'the same words, still there, are about it by now');
    await scene.pass(60_000);
    assert.deepEqual(rejections(scene), [], 'once');
  });

  it('is rejected at once by other words, even while it is being typed', async () => {
    const scene = aWatch();
    await scene.open(REJECTED);
    rejections(scene);
    const other = {
      ...REJECTED,
      components: REJECTED.components.map((each) =>
        each.text?.includes('not correct') ? { ...each, text: 'Invalid code.' } : each,
      ),
    };
    scene.watch.expectCode('w5');
    await scene.change(other);
    assert.deepEqual(rejections(scene), ['Invalid code.']);
    scene.watch.codeEnded('w5', true);
    await scene.pass(60_000);
    assert.deepEqual(rejections(scene), []);
  });

  it('is rejected by the first words of a window that said none before', async () => {
    const scene = aWatch();
    await scene.open(CODE);
    scene.watch.expectCode('w5');
    scene.watch.codeEnded('w5', true);
    await scene.change(REJECTED);
    assert.equal(rejections(scene).length, 1);
  });

  it('that was not handed in leaves the words to the code before', async () => {
    const scene = aWatch();
    await scene.open(REJECTED);
    rejections(scene);
    scene.watch.expectCode('w5');
    scene.watch.codeEnded('w5', false);
    await scene.pass(60_000);
    assert.deepEqual(rejections(scene), []);
  });

  it('whose words the next window shows is told as rejected before that window asks', async () => {
    const scene = aWatch();
    await scene.open(CODE);
    scene.kinds();
    scene.watch.expectCode('w5');
    scene.watch.codeEnded('w5', true);
    await scene.change({ ...REJECTED, id: 'w6' });
    assert.deepEqual(scene.kinds(), [
      'second-factor-closed',
      'second-factor-code-rejected',
      'second-factor-shown',
    ]);
  });

  it('of an earlier agent is not rejected by words that may have stood there before it', async () => {
    const scene = aWatch();
    scene.watch.unwatch();
    scene.watch.expectCode('w5');
    scene.watch.unwatch();
    scene.watch.watch();
    await scene.open(REJECTED);
    assert.deepEqual(rejections(scene), []);
    scene.watch.codeEnded('w5', true);
    await scene.pass(9_000);
    assert.deepEqual(rejections(scene), []);
    await scene.pass(3_000);
    assert.equal(rejections(scene).length, 1);
  });

  it('of an earlier agent that was not handed in is no reason to hold the words back', async () => {
    const scene = aWatch();
    scene.watch.expectCode('w5');
    scene.watch.codeEnded('w5', false);
    await scene.open(REJECTED);
    assert.equal(rejections(scene).length, 1);
  });
});
