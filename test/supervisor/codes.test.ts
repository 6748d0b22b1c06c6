// Checks how codes are carried out: the step is used up first, an order goes to the window that asks, and an agent that is killed at any
// point in between hands in no code twice.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import type { SessionConfig } from '../../src/config/types.ts';
import { STEP_MS, stepAt } from '../../src/domain/code-step.ts';
import type { Fact, SecondFactorDetail } from '../../src/domain/facts.ts';
import { AgentError, type ErrorCode } from '../../src/protocol/errors.ts';
import { parseSessionName } from '../../src/protocol/session-name.ts';
import type { SecondFactorMethod } from '../../src/protocol/states.ts';
import { type CodeVerdict, followCode } from '../../src/supervisor/follow.ts';
import { LIMITS } from '../domain/session-scene.ts';
import { settled } from '../fakes/fake-code-runner.ts';
import { ibc, LoopScene } from './loop-scene.ts';
import { SystemdScene } from './systemd-scene.ts';

const TOTP: Partial<SessionConfig> = { secondFactor: { method: 'totp', device: null } };
const CODE = '918273';
const BRIDGE: Fact = { kind: 'bridge', up: true, detail: '' };
const TYPED = { kind: 'typed' } as const;

const scenes: (LoopScene | SystemdScene)[] = [];
afterEach(() => {
  for (const scene of scenes.splice(0)) scene.remove();
});

function seen(window: string, app: boolean | null = null, method: SecondFactorMethod = 'code'): Fact {
  const detail: SecondFactorDetail = { window, prompt: null, challenge: null, devices: null, app };
  return { kind: 'second-factor-shown', method, detail };
}

function rejected(window: string): Fact {
  return { kind: 'second-factor-code-rejected', window, text: 'The code is not correct.' };
}

const DIALOG = [
  ibc('version: 3.24.1'),
  ibc('Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT'),
  ibc('Login attempt: 1'),
  ibc('Second Factor Authentication initiated'),
];
const THROUGH = [ibc('Found Gateway main window'), ibc('Login has completed')];

/** A session whose second factor is on the screen. `app`: whose code its window wants. */
async function asking(
  change: Partial<SessionConfig> = TOTP,
  parts: ConstructorParameters<typeof LoopScene>[1] = {},
  app: boolean | null = null,
): Promise<LoopScene> {
  const scene = new LoopScene(change, parts);
  scenes.push(scene);
  scene.loop.operate('login');
  await settled();
  scene.host.say(...DIALOG);
  scene.windows.tell(BRIDGE, seen('w5', app));
  await settled();
  return scene;
}

async function pass(scene: LoopScene, ms: number): Promise<void> {
  scene.clock.advance(ms);
  await settled();
}

async function end(scene: LoopScene, outcome: Parameters<LoopScene['codes']['end']>[0]): Promise<void> {
  scene.codes.end(outcome);
  await settled();
}

function told(scene: LoopScene, name: string): Readonly<Record<string, string>>[] {
  return scene.events.filter(({ event }) => event === name).map(({ fields }) => ({ ...fields }));
}

function methodOf(scene: LoopScene): string | null {
  const { phase } = scene.loop.state;
  return phase.name === 'awaiting-second-factor' ? phase.method : null;
}

async function refusal(work: Promise<unknown>): Promise<ErrorCode> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof AgentError, String(error));
    assert.ok(!`${error.message} ${error.hint} ${error.stack} ${JSON.stringify(error)}`.includes(CODE));
    return error.code;
  }
  return assert.fail('it was not refused');
}

describe('a code that ib-code is to type', () => {
  it('is ordered for the field that shows, until five seconds before its step ends', async () => {
    const scene = await asking();
    const [check, order, ...more] = scene.codes.orders;
    assert.equal(check?.kind, 'check');
    assert.deepEqual(more, []);
    assert.ok(order?.kind === 'type');
    const step = stepAt(scene.clock.now());
    assert.deepEqual(
      { session: order.session, step: order.step, notAfter: order.notAfter, target: order.target },
      {
        session: 'live',
        step,
        notAfter: (step + 1) * STEP_MS - 5_000,
        target: {
          window: 'w5',
          title: 'Second Factor Authentication',
          near: null,
          path: '0:f',
          button: '1:b',
          buttonText: 'OK',
        },
      },
    );
  });

  it('has its step on disk before it is ordered, and the session’s memory names it before that', async () => {
    const scene = new LoopScene(TOTP);
    scenes.push(scene);
    const { run } = scene.codes;
    const onDisk: unknown[] = [];
    scene.codes.run = (order) => {
      if (order.kind === 'type') {
        const ledger = JSON.parse(readFileSync(scene.paths.ledger, 'utf8'));
        const memory = readFileSync(scene.paths.desired, 'utf8');
        onDisk.push(ledger.steps, memory.includes(order.id));
        assert.deepEqual(ledger.steps, [{ user: 'me', step: order.step }]);
      }
      return run.call(scene.codes, order);
    };
    scene.loop.operate('login');
    scene.host.say(...DIALOG);
    scene.windows.tell(BRIDGE, seen('w5'));
    await settled();
    assert.deepEqual(onDisk.at(1), true);
    assert.equal(scene.codes.typed.length, 1);
  });

  it('tells the watch of the window before and after, so that old words are no answer', async () => {
    const scene = await asking();
    await end(scene, TYPED);
    assert.deepEqual(
      scene.windows.asked.filter((asked) => asked.includes('w5')),
      ['expect w5', 'find w5', 'handed w5'],
    );
  });

  it('finds its window gone between look and click: the next step, three times at most, then a person', async () => {
    const scene = await asking();
    await end(scene, { kind: 'not-typed', why: 'window-gone', detail: 'gone', hint: '' });
    scene.windows.failure = new AgentError('window-changed', 'there is no window w5 any more', { hint: 'x' });
    await pass(scene, STEP_MS);
    await pass(scene, STEP_MS);
    assert.deepEqual([methodOf(scene), scene.codes.typed.length], ['code', 1], 'no order without a field');
    const failures = told(scene, 'second-factor-code-failed').map((fields) => fields['IB_WHY']);
    assert.deepEqual(failures, ['window-gone', 'window-gone', 'window-gone']);
  });

  it('finds no bridge: says so, and a person is asked', async () => {
    const scene = await asking();
    await end(scene, { kind: 'not-typed', why: 'bridge-absent', detail: 'gone', hint: '' });
    scene.windows.failure = new AgentError('windows-unseen', 'the window bridge cannot be reached', {
      hint: 'x',
    });
    for (let turn = 0; turn < 2; turn += 1) await pass(scene, STEP_MS);
    assert.equal(told(scene, 'second-factor-code-failed').at(-1)?.['IB_WHY'], 'bridge-absent');
    assert.equal(methodOf(scene), 'code');
  });

  it('finds the windows frozen: what ib-code says of that counts the same', async () => {
    const scene = await asking();
    for (let turn = 0; turn < 3; turn += 1) {
      assert.equal(methodOf(scene), 'totp');
      scene.codes.refuse('frozen');
      await settled();
      await pass(scene, STEP_MS);
    }
    assert.deepEqual([methodOf(scene), scene.codes.typed.length], ['code', 3]);
  });

  it('is not ordered when its step cannot be recorded, and none of those steps is used after that', async () => {
    const scene = new LoopScene(TOTP);
    scenes.push(scene);
    scene.loop.operate('login');
    await settled();
    scene.host.say(...DIALOG.slice(0, 3));
    rmSync(scene.paths.ledger);
    mkdirSync(scene.paths.ledger);
    scene.windows.tell(BRIDGE, seen('w5'));
    await settled();
    assert.equal(scene.codes.typed.length, 0);
    assert.equal(told(scene, 'second-factor-code-failed')[0]?.['IB_WHY'], 'runtime-unusable');
    rmSync(scene.paths.ledger, { recursive: true });
    const step = stepAt(scene.clock.now());
    await pass(scene, STEP_MS);
    assert.deepEqual(
      scene.codes.typed.map((order) => order.step),
      [step + 1],
    );
    await end(scene, TYPED);
    scene.host.say(...THROUGH);
    scene.api.prove();
    assert.equal(scene.phase, 'ready');
  });

  it('is left to a person after three steps that could not be recorded', async () => {
    const scene = await asking();
    rmSync(scene.paths.ledger);
    mkdirSync(scene.paths.ledger);
    scene.codes.refuse('frozen');
    await settled();
    for (let turn = 0; turn < 2; turn += 1) await pass(scene, STEP_MS);
    assert.deepEqual([methodOf(scene), scene.codes.typed.length], ['code', 1]);
    const pending = told(scene, 'second-factor-pending').at(-1);
    assert.match(pending?.['IB_DETAIL'] ?? '', /cannot write the ledger/);
  });

  it('never is of a step that another session of the user took', async () => {
    const live = await asking();
    await end(live, TYPED);
    live.host.say(...THROUGH);
    live.api.prove();
    assert.equal(live.phase, 'ready');
    const name = parseSessionName('paper');
    assert.ok(name !== null);
    const paper = await asking(
      { ...TOTP, name, api: { host: '127.0.0.1', port: 4002, clientId: 1 } },
      { root: live.root, clock: live.clock, ledger: live.ledger },
    );
    assert.equal(paper.codes.typed.length, 0);
    await pass(paper, STEP_MS);
    assert.equal(paper.codes.typed[0]?.step, (live.codes.typed[0]?.step ?? 0) + 1);
  });

  it('waits for its step whatever becomes of the clock meanwhile', async () => {
    for (const jump of [-90_000, -7_000, 7_000, 90_000]) {
      const scene = new LoopScene(TOTP);
      scenes.push(scene);
      scene.clock.advance(26_000);
      scene.loop.operate('login');
      scene.host.say(...DIALOG);
      scene.windows.tell(BRIDGE, seen('w5'));
      await settled();
      assert.equal(scene.codes.typed.length, 0);
      scene.clock.setWall(scene.clock.now() + jump);
      for (let second = 0; second < 60; second += 1) await pass(scene, 1_000);
      const [order, ...more] = scene.codes.typed;
      assert.ok(order !== undefined, `${jump}`);
      assert.deepEqual(more, []);
      assert.deepEqual(scene.ledger.budget('me', LIMITS).lastStep, order.step);
    }
  });

  it('is none in a window that wants the code of a text message', async () => {
    const scene = await asking(TOTP, {}, false);
    await pass(scene, 2 * STEP_MS);
    assert.deepEqual([methodOf(scene), scene.codes.typed], ['code', []]);
    assert.equal(await scene.loop.giveCode(CODE), 'typed');
    assert.ok(scene.windows.asked.includes(`type w5 ${CODE}`));
  });

  it('of a run that has ended touches nothing of the next', async () => {
    const scene = await asking();
    scene.loop.operate('restart-cold');
    scene.host.exit();
    await settled();
    scene.host.say(...DIALOG);
    await pass(scene, STEP_MS);
    scene.windows.tell(BRIDGE, seen('w5'));
    await settled();
    const [old, now] = scene.codes.typed;
    assert.ok(old !== undefined && now !== undefined);
    const { codes } = scene.loop.state.run ?? assert.fail('no run');
    scene.codes.end(TYPED, old.id);
    await settled();
    assert.deepEqual(scene.loop.state.run?.codes, codes);
    assert.deepEqual(told(scene, 'second-factor-code-typed'), []);
    assert.notEqual(now.step, old.step);
  });

  it('shows a clock that is not synchronised, for as long as it is not', async () => {
    const scene = await asking();
    const holds = () => scene.loop.state.conditions.some(({ code }) => code === 'clock-unsynchronised');
    assert.equal(holds(), false);
    scene.codes.clockState = { synchronised: false, errorMs: 16_000_000 };
    scene.codes.refuse('frozen');
    await settled();
    assert.equal(holds(), true);
    scene.codes.clockState = { synchronised: true, errorMs: 5 };
    await pass(scene, STEP_MS);
    await end(scene, TYPED);
    assert.equal(holds(), false);
  });

  it('and was rejected twice halts, with the clocks compared once', async () => {
    const scene = await asking();
    scene.codes.comparison = {
      ...scene.codes.comparison,
      kind: 'compared',
      address: 'https://clock.example/',
      offsetMs: -70_000,
      uncertaintyMs: 500,
    };
    await end(scene, TYPED);
    scene.windows.tell(rejected('w5'));
    await pass(scene, STEP_MS);
    await end(scene, TYPED);
    scene.windows.tell(rejected('w5'));
    scene.host.exit();
    await settled();
    const { phase, reason } = scene.loop.state;
    assert.ok(phase.name === 'halted');
    assert.deepEqual([reason, scene.codes.comparisons], ['code-rejected', 1]);
    assert.match(phase.text, /70 s behind that of clock\.example/);
  });
});

describe('a seed that is tried and is none', () => {
  it('ends the login before its gateway is there, and the login is not counted', async () => {
    const scene = new LoopScene(TOTP);
    scenes.push(scene);
    scene.codes.answer = { kind: 'not-typed', why: 'seed-missing', detail: 'No seed.', hint: 'Seal one.' };
    scene.loop.operate('login');
    await settled();
    assert.equal(scene.host.asked.at(-1), 'stop tidy');
    scene.host.exit({ orderId: null });
    const { phase, reason } = scene.loop.state;
    assert.deepEqual([phase.name, reason], ['halted', 'code-unavailable']);
    assert.match(phase.name === 'halted' ? phase.text : '', /No seed\. Seal one\./);
    assert.equal(scene.ledger.budget('me', LIMITS).logins24h, 0);
  });

  it('is a person’s business once the gateway is there', async () => {
    const scene = new LoopScene(TOTP);
    scenes.push(scene);
    scene.codes.answer = { kind: 'not-typed', why: 'seed-invalid', detail: 'No seed.', hint: '' };
    scene.loop.operate('login');
    scene.host.say(...DIALOG);
    await settled();
    scene.windows.tell(BRIDGE, seen('w5'));
    await settled();
    assert.deepEqual([methodOf(scene), scene.codes.typed], ['code', []]);
    assert.equal(scene.ledger.budget('me', LIMITS).logins24h, 1);
  });

  it('is hopeless exactly where trying again mends nothing', async () => {
    for (const [why, hopeless] of [
      ['seed-unsafe', true],
      ['seed-sealed', true],
      ['seed-command-failed', true],
      ['config-invalid', true],
      ['start-denied', true],
      ['unit-missing', true],
      ['start-failed', false],
      ['step-over', false],
      ['order-expired', false],
    ] as const) {
      const scene = await asking();
      scene.codes.refuse(why);
      await settled();
      assert.equal(methodOf(scene), hopeless ? 'code' : 'totp', why);
    }
  });
});

describe('a person’s code', () => {
  const follow = (scene: LoopScene): Promise<CodeVerdict> =>
    followCode(scene.loop, scene.loop.state.run?.order ?? null, {
      clock: scene.clock,
      signal: new AbortController().signal,
    });

  it('is typed without its blanks, and is in no event, no line, no memory and no ledger', async () => {
    const scene = await asking({ secondFactor: { method: 'unknown', device: null } });
    assert.equal(await scene.loop.giveCode('918 273'), 'typed');
    assert.ok(scene.windows.asked.includes(`type w5 ${CODE}`));
    const kept = [
      JSON.stringify([scene.events, scene.lines, scene.loop.state]),
      readFileSync(scene.paths.ledger, 'utf8'),
      readFileSync(scene.paths.desired, 'utf8'),
    ].join();
    assert.ok(!kept.includes(CODE) && !kept.includes('918 273'));
    assert.deepEqual(told(scene, 'second-factor-code-typed'), [
      { IB_BY: 'operator', IB_NUMBER: '1', IB_CERTAIN: 'yes' },
    ]);
  });

  it('is refused while ib-code types, while another one is typed, and while one waits for its answer', async () => {
    const scene = await asking();
    assert.equal(await refusal(scene.loop.giveCode(CODE)), 'wrong-state');
    scene.codes.refuse('seed-missing');
    await settled();
    const gate = Promise.withResolvers<void>();
    scene.windows.busy = gate.promise;
    const first = scene.loop.giveCode(CODE);
    assert.equal(await refusal(scene.loop.giveCode(CODE)), 'wrong-state');
    gate.resolve();
    assert.equal(await first, 'typed');
    assert.equal(await refusal(scene.loop.giveCode(CODE)), 'wrong-state');
    assert.equal(scene.windows.asked.filter((asked) => asked.startsWith('type')).length, 1);
  });

  it('is refused after three', async () => {
    const scene = await asking({ secondFactor: { method: 'unknown', device: null } });
    for (let number = 1; number <= 3; number += 1) {
      await scene.loop.giveCode(CODE);
      scene.windows.tell(rejected('w5'));
    }
    assert.equal(await refusal(scene.loop.giveCode(CODE)), 'code-limit');
  });

  it('that cannot be typed says so, is not counted, and lets ib-code go on', async () => {
    const scene = new LoopScene(TOTP);
    scenes.push(scene);
    scene.clock.advance(26_000);
    scene.loop.operate('login');
    scene.host.say(...DIALOG);
    scene.windows.tell(BRIDGE, seen('w5'));
    scene.windows.failure = new AgentError('window-changed', 'there is no window w5 any more', { hint: 'x' });
    assert.equal(await refusal(scene.loop.giveCode(CODE)), 'window-changed');
    assert.deepEqual(
      scene.windows.asked.filter((asked) => asked.includes('w5')),
      ['expect w5', `type w5 ${CODE}`, 'not handed w5'],
    );
    assert.equal(scene.loop.state.run?.codes.typed, 0);
    scene.windows.failure = null;
    await pass(scene, 4_000);
    assert.equal(scene.codes.typed.length, 1);
  });

  it('is refused by an agent that stops', async () => {
    const scene = await asking({ secondFactor: { method: 'unknown', device: null } });
    void scene.loop.shutDown();
    assert.equal(await refusal(scene.loop.giveCode(CODE)), 'agent-stopping');
    scene.host.exit();
  });

  it('is accepted when the login goes on', async () => {
    const scene = await asking({ secondFactor: { method: 'unknown', device: null } });
    await scene.loop.giveCode(CODE);
    const verdict = follow(scene);
    scene.windows.tell({ kind: 'second-factor-closed', window: 'w5' });
    scene.host.say(...THROUGH);
    assert.equal(await verdict, 'accepted');
  });

  it('is accepted when its window closed and half a minute later the gateway still loads', async () => {
    const scene = await asking({ secondFactor: { method: 'unknown', device: null } });
    await scene.loop.giveCode(CODE);
    const verdict = follow(scene);
    scene.host.say(ibc('Duration since login: 6 seconds'));
    scene.windows.tell({ kind: 'second-factor-answered' }, { kind: 'second-factor-closed', window: 'w5' });
    assert.equal(scene.phase, 'loading');
    await pass(scene, 30_000);
    assert.equal(await verdict, 'accepted');
  });

  it('is rejected by words, by another window, by the same one again, and by the end of the run', async () => {
    const ends: ((scene: LoopScene) => void)[] = [
      (scene) => scene.windows.tell(rejected('w5')),
      (scene) => scene.windows.tell({ kind: 'second-factor-closed', window: 'w5' }, seen('w6')),
      (scene) =>
        scene.windows.tell(
          { kind: 'second-factor-answered' },
          { kind: 'second-factor-closed', window: 'w5' },
          seen('w5'),
        ),
      (scene) => scene.host.exit({ status: 1 }),
      (scene) => scene.loop.operate('stop'),
    ];
    for (const ended of ends) {
      const scene = await asking({ secondFactor: { method: 'unknown', device: null } });
      await scene.loop.giveCode(CODE);
      const verdict = follow(scene);
      ended(scene);
      assert.equal(await verdict, 'rejected');
    }
  });

  it('is rejected although ib-code’s own, that follows, is accepted', async () => {
    const scene = new LoopScene(TOTP);
    scenes.push(scene);
    scene.clock.advance(26_000);
    scene.loop.operate('login');
    scene.host.say(...DIALOG);
    scene.windows.tell(BRIDGE, seen('w5'));
    await scene.loop.giveCode(CODE);
    const verdict = follow(scene);
    await pass(scene, 6_000);
    scene.windows.tell(rejected('w5'));
    await settled();
    assert.equal(scene.codes.typed.length, 1);
    await end(scene, TYPED);
    scene.host.say(...THROUGH);
    assert.equal(await verdict, 'rejected');
  });

  it('is unanswered when nothing is heard for half a minute, and when nobody waits any more', async () => {
    const scene = await asking({ secondFactor: { method: 'unknown', device: null } });
    await scene.loop.giveCode(CODE);
    const verdict = follow(scene);
    await pass(scene, 29_999);
    await pass(scene, 1);
    assert.equal(await verdict, 'unanswered');
    const abort = new AbortController();
    const aborted = followCode(scene.loop, scene.loop.state.run?.order ?? null, {
      clock: scene.clock,
      signal: abort.signal,
    });
    abort.abort();
    assert.equal(await aborted, 'unanswered');
  });
});

/** What ib-code and IBKR make of an order: each code that was handed in, and what is on the screen. */
class Account {
  readonly scene: SystemdScene;
  readonly handed: { readonly step: number; readonly window: string }[] = [];
  /** The window that asks, and what it says of the code before. */
  window = 'w5';
  says: string | null = null;
  readonly #done = new Set<string>();
  readonly #reopens: boolean;

  constructor(scene: SystemdScene, reopens: boolean) {
    this.scene = scene;
    this.#reopens = reopens;
  }

  get isThrough(): boolean {
    return this.handed.length >= 2;
  }

  /** ib-code does what it was told: the first code is rejected, the second accepted. Facts that the windows tell of it. */
  work(): Fact[] {
    const facts: Fact[] = [];
    for (const order of this.scene.codes.typed) {
      if (this.#done.has(order.id) || !this.scene.codes.isRunning(order.id)) continue;
      this.#done.add(order.id);
      if (order.target.window !== this.window || this.isThrough) {
        this.scene.codes.refuse('window-gone', order.id);
        continue;
      }
      assert.equal(order.step, stepAt(this.scene.clock.now()), 'a code of another time');
      this.handed.push({ step: order.step, window: order.target.window });
      if (!this.isThrough && this.#reopens) {
        facts.push({ kind: 'second-factor-closed', window: this.window });
        this.window = 'w6';
        facts.push(seen(this.window));
      } else if (!this.isThrough) {
        this.says = 'The code is not correct.';
        facts.push(rejected(this.window));
      } else facts.push({ kind: 'second-factor-closed', window: this.window });
      this.scene.codes.end(TYPED, order.id);
    }
    return facts;
  }
}

/** One login with the agent killed after so many things that it did; returns how many there were in all. */
async function login(killAfter: number, reopens: boolean, killsAgain: number): Promise<number> {
  const scene = new SystemdScene(TOTP);
  scenes.push(scene);
  const account = new Account(scene, reopens);
  // So that the second step is not long in coming.
  scene.clock.advance(22_000);
  await scene.startAgent();
  scene.loop.operate('login');
  await scene.settle();
  const unit = scene.begin();
  for (const line of DIALOG) unit.line(line);
  await scene.settle();
  scene.actions = killAfter;
  let kills = 0;
  const look = (): Fact[] => [
    BRIDGE,
    ...(account.says === null ? [] : [rejected(account.window)]),
    ...(account.isThrough ? [] : [seen(account.window)]),
  ];
  scene.windows.tell(...look());
  let isUp = false;
  for (let turn = 0; turn < 150 && scene.phase !== 'ready' && scene.phase !== 'stopping'; turn += 1) {
    await scene.settle(0);
    const facts = account.work();
    if (account.isThrough && !isUp) {
      isUp = true;
      for (const line of THROUGH) unit.line(line);
    }
    scene.windows.tell(...facts);
    await scene.settle(500);
    if (scene.killed) {
      kills += 1;
      scene.killAgent();
      scene.actions = kills <= killsAgain ? killAfter % 7 : Number.POSITIVE_INFINITY;
      await scene.startAgent();
      if (!scene.killed) scene.windows.tell(...look());
    }
    if (isUp) scene.api.prove();
  }
  const steps = account.handed.map(({ step }) => step);
  const where = `killed after ${killAfter}, reopens ${reopens}, again ${killsAgain}: ${JSON.stringify(account.handed)}, ${scene.phase}`;
  assert.equal(new Set(steps).size, steps.length, `a step twice; ${where}`);
  assert.ok(steps.length === 2, where);
  for (const { step } of account.handed) {
    const ledger = JSON.parse(readFileSync(scene.paths.ledger, 'utf8'));
    assert.ok(
      ledger.steps.some((used: { step: number }) => used.step === step),
      where,
    );
  }
  const logins = scene.services.asked.filter((asked) => asked === 'start ib-session@live.service').length;
  assert.equal(logins, 1, where);
  return killAfter - scene.actions;
}

describe('an agent that is killed while codes are ordered and typed', () => {
  it('asks what became of its order, and takes no words that stand there for the answer', async () => {
    const scene = new SystemdScene(TOTP);
    scenes.push(scene);
    await scene.startAgent();
    scene.loop.operate('login');
    await scene.settle();
    const unit = scene.begin();
    for (const line of DIALOG) unit.line(line);
    await scene.settle();
    scene.windows.tell(BRIDGE, seen('w5'));
    await scene.settle();
    const [order] = scene.codes.typed;
    assert.ok(order !== undefined);
    scene.killAgent();
    await scene.startAgent();
    assert.deepEqual(scene.codes.asked, [order.id]);
    assert.deepEqual(
      scene.windows.asked.filter((asked) => asked.includes('w5')),
      ['expect w5'],
    );
    scene.codes.end(TYPED, order.id);
    await scene.settle();
    assert.equal(scene.windows.asked.at(-1), 'handed w5');
    assert.deepEqual(
      [scene.loop.state.run?.codes.handed, scene.loop.state.run?.codes.made, scene.codes.typed.length],
      ['w5', 1, 1],
    );
    assert.equal(scene.told('second-factor-code-typed').length, 1);
    assert.equal(scene.told('second-factor-rejected').length, 0);
  });

  it('goes on where it was, at whichever point that was: no step twice, two codes, one login', async () => {
    for (const reopens of [false, true]) {
      const all = await login(10_000, reopens, 0);
      assert.ok(all > 15 && all < 200, `${all} things were done`);
      for (let after = 0; after < all; after += 1) await login(after, reopens, 0);
      for (let after = reopens ? 0 : 1; after < all; after += 2) await login(after, reopens, 3);
    }
  });
});
