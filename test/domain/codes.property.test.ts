// Checks that nothing that can happen to two sessions of one IBKR user, whose codes ib-code types, hands in a code that must not be.
//
// What is promised, whatever windows, lines, results, rejections, people, kills and clocks do:
//  - no time step's code is handed in twice for the user;
//  - of one second factor, which lasts until the login went on, ib-code hands in at most two, and people at most three;
//  - a step is used up in the ledger, on disk, before its code can be typed, and no code is handed in late or early for its step;
//  - a code is ordered for the window that is on the screen as far as anybody can know, while its second factor waits for one of the
//    authenticator app, and never while another is on its way;
//  - halted is left by an operator only.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterClockStep } from '../../src/domain/clock-step.ts';
import { endOf, STEP_MARGIN_MS, STEP_MS } from '../../src/domain/code-step.ts';
import { refuseCode } from '../../src/domain/codes.ts';
import type { Context } from '../../src/domain/draft.ts';
import type { Effect } from '../../src/domain/effects.ts';
import type { CodeTyped, Fact, FoundRun, SecondFactorDetail } from '../../src/domain/facts.ts';
import { budgetOf, EMPTY_LEDGER, followClock, type Ledger, useStep } from '../../src/domain/ledger.ts';
import { memoryOf, NO_MEMORY, type SessionMemory } from '../../src/domain/memory.ts';
import { nextTimerAt, reduce } from '../../src/domain/reducer.ts';
import type { SessionRules } from '../../src/domain/rules.ts';
import { initialState, type SessionState } from '../../src/domain/session-state.ts';
import type { SecondFactorMethod } from '../../src/protocol/states.ts';
import { pick, randomFrom } from '../support/random.ts';
import { EXIT, RULES, UP } from './session-scene.ts';

const SECOND = 1_000;
const MINUTE = 60_000;
const START = Date.UTC(2026, 10, 23, 9, 0, 0);
const MOST_ACTIONS = 16;
const NAMES = ['a', 'b'] as const;
type Name = (typeof NAMES)[number];

/** Only the codes are looked at: every other budget is wide. */
const CODE_RULES: SessionRules = {
  ...RULES,
  secondFactorMethod: 'totp',
  restart: {
    ...RULES.restart,
    maxLoginsPerHour: 1_000,
    maxLoginsPerDay: 1_000,
    maxPushesPerHour: 1_000,
    maxPushesPerDay: 1_000,
  },
};

/** A window on the gateway's screen. */
type Window = {
  readonly id: string;
  readonly method: SecondFactorMethod;
  readonly app: boolean | null;
  says: string | null;
};

/** What there is of a session outside of the agent, and stays there when that is killed. */
type Outside = {
  /** Order of the JVM that runs; null: none does. */
  jvm: string | null;
  window: Window | null;
  /** Codes that were handed in for the second factor that is not over yet. */
  made: number;
  typed: number;
  /** What its unit wrote to the journal, with the clock of then. */
  record: { readonly at: number; readonly fact: Fact }[];
  windows: number;
  /** Whether the journal has lost its beginning. */
  vacuumed: boolean;
};

/** An order that ib-code has, or had. `outcome` null: it is under way. */
type Order = {
  readonly id: string;
  readonly name: Name;
  readonly jvm: string | null;
  readonly step: number;
  readonly window: string;
  outcome: CodeTyped | null;
  told: boolean;
};

class World {
  readonly random: () => number;
  readonly states = new Map<Name, SessionState>();
  readonly memories = new Map<Name, SessionMemory>();
  readonly desired = new Map<Name, 'up' | 'down'>();
  readonly outside = new Map<Name, Outside>();
  readonly orders: Order[] = [];
  /** Steps whose code was handed in, or may have been. */
  readonly steps = new Set<number>();
  readonly seen: Record<string, number>;
  /** What happened, put into words only when it is needed. */
  readonly trail: (string | readonly [Name, string, Fact, string])[] = [];
  /** In memory, as the agent has it, and what is on disk of it. */
  ledger: Ledger = EMPTY_LEDGER;
  disk: Ledger = EMPTY_LEDGER;
  writable = true;
  /** Whether people hand in many codes. */
  readonly people: boolean;
  true = START;
  ahead = 0;
  /** Effects after which the agent is killed; -1: it lives on. */
  killAfter = -1;
  killed = false;
  #ids = 0;
  #queue: { readonly name: Name; readonly fact: Fact }[] = [];
  #retelling: number | null = null;

  constructor(random: () => number, seen: Record<string, number>) {
    this.random = random;
    this.seen = seen;
    this.people = random() < 0.15;
    for (const name of NAMES) {
      this.states.set(name, initialState(this.wall));
      this.memories.set(name, NO_MEMORY);
      this.desired.set(name, 'down');
      this.outside.set(name, {
        jvm: null,
        window: null,
        made: 0,
        typed: 0,
        record: [],
        windows: 0,
        vacuumed: false,
      });
    }
  }

  get wall(): number {
    return this.true + this.ahead;
  }

  count(what: string): void {
    this.seen[what] = (this.seen[what] ?? 0) + 1;
  }

  state(name: Name): SessionState {
    return this.states.get(name) ?? assert.fail();
  }

  out(name: Name): Outside {
    return this.outside.get(name) ?? assert.fail();
  }

  /** Facts in their order, and all that they set off. */
  take(name: Name, ...facts: readonly Fact[]): void {
    for (const fact of facts) {
      this.#queue.push({ name, fact });
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift())
        if (!this.killed) this.#step(next.name, next.fact);
    }
  }

  #step(name: Name, fact: Fact): void {
    const before = this.state(name);
    this.ledger = followClock(this.ledger, { boot: 'b', wall: this.wall, monotonicMs: this.true });
    this.#ids += 1;
    const now = this.#retelling ?? this.wall;
    const ctx: Context = {
      now,
      random: this.random(),
      order: `o${this.#ids}`,
      budget: budgetOf(this.ledger, 'u', this.wall, CODE_RULES.restart, name),
      rules: CODE_RULES,
    };
    const { state, effects } = reduce(before, fact, ctx);
    this.states.set(name, state);
    this.trail.push([name, before.phase.name, fact, state.phase.name]);
    if (before.phase.name === 'halted' && state.phase.name !== 'halted')
      assert.equal(fact.kind, 'operator', `halted was left by ${fact.kind}`);
    for (const effect of effects) {
      if (this.killAfter === 0) {
        this.killed = true;
        this.trail.push(`killed before ${effect.kind}`);
        return;
      }
      this.killAfter -= 1;
      this.#perform(name, effect);
      if (this.killed) return;
    }
  }

  #perform(name: Name, effect: Effect): void {
    const out = this.out(name);
    const past = this.#retelling !== null;
    switch (effect.kind) {
      case 'remember':
        this.memories.set(name, effect.memory);
        return;
      case 'save-desired':
        this.desired.set(name, effect.desired);
        return;
      case 'launch':
        assert.ok(!past, 'a launch while the past is told');
        assert.ok(out.jvm === null || out.jvm === effect.order);
        Object.assign(out, {
          jvm: effect.order,
          window: null,
          made: 0,
          typed: 0,
          record: [],
          vacuumed: false,
        });
        return;
      case 'type-code':
        assert.ok(!past, 'a code while the past is told');
        this.#typeMade(name, effect);
        return;
      case 'recall-code':
        assert.ok(!past);
        this.count('recalled codes');
        return;
      default:
        return;
    }
  }

  /** As the typist does it: the step, durably; then the field; then the order. The agent may be killed between any two of them. */
  #typeMade(name: Name, { id, step, window }: Extract<Effect, { kind: 'type-code' }>): void {
    const { phase, run } = this.state(name);
    assert.ok(
      phase.name === 'awaiting-second-factor' && phase.method === 'totp',
      `a code while ${phase.name}`,
    );
    assert.equal(phase.detail?.window, window);
    assert.equal(run?.afterExit, null, 'a code for a JVM that is being ended');
    assert.ok(
      !this.orders.some(
        (order) => order.name === name && order.jvm === this.out(name).jvm && order.outcome === null,
      ),
      'another one is on its way',
    );
    assert.ok(
      this.wall >= step * STEP_MS && this.wall <= endOf(step) - STEP_MARGIN_MS,
      'not the time of the step',
    );
    const fail = (why: string) => {
      this.count(`codes that failed by ${why}`);
      this.#queue.push({
        name,
        fact: resultOf(id, { kind: 'not-typed', why, detail: 'd', hopeless: false }),
      });
    };
    const used = useStep(this.ledger, { user: 'u', step });
    assert.ok(used !== null, `step ${step} is ordered a second time`);
    this.ledger = used;
    if (this.random() < 0.03) this.killed = true;
    if (this.killed) return;
    if (!this.writable) {
      fail('runtime-unusable');
      return;
    }
    this.disk = used;
    if (this.random() < 0.03) this.killed = true;
    if (this.killed) return;
    const out = this.out(name);
    if (out.window?.id !== window) {
      fail('window-gone');
      return;
    }
    this.orders.push({ id, name, jvm: out.jvm, step, window, outcome: null, told: false });
  }

  /** ib-code comes to an end with an order. */
  work(order: Order): void {
    const out = this.out(order.name);
    const chance = this.random();
    const isThere = out.window?.id === order.window && out.jvm === order.jvm;
    const inTime = this.wall >= order.step * STEP_MS && this.wall < endOf(order.step);
    if (!isThere || !inTime || chance < 0.2) {
      const hopeless = chance < 0.03;
      order.outcome = {
        kind: 'not-typed',
        why: hopeless ? 'seed-missing' : 'window-gone',
        detail: 'd',
        hopeless,
      };
    } else {
      order.outcome = chance < 0.4 ? { kind: 'uncertain' } : { kind: 'typed' };
      assert.ok(!this.steps.has(order.step), `step ${order.step} twice`);
      assert.ok(
        this.disk.steps.some(({ user, step }) => user === 'u' && step === order.step),
        'not on disk',
      );
      this.steps.add(order.step);
      out.made += 1;
      this.count('codes that were handed in');
      assert.ok(out.made <= 2, `${out.made} codes of ib-code for one second factor`);
      if (out.made === 2) this.count('second codes');
    }
  }

  tellResult(order: Order): void {
    if (order.outcome === null || order.told) return;
    order.told = true;
    this.take(order.name, resultOf(order.id, order.outcome));
  }

  pass(ms: number): void {
    const end = this.true + ms;
    for (let timers = 0; timers < 30 && !this.killed; timers += 1) {
      let soonest: { readonly name: Name; readonly at: number } | null = null;
      for (const name of NAMES) {
        const due = nextTimerAt(this.state(name), this.wall);
        if (due === null) continue;
        const at = Math.max(this.true, due - this.ahead);
        if (at <= end && (soonest === null || at < soonest.at)) soonest = { name, at };
      }
      if (soonest === null) break;
      this.true = soonest.at;
      this.take(soonest.name, { kind: 'timer' });
    }
    this.true = end;
  }

  jump(ms: number): void {
    this.ahead += ms;
    for (const name of NAMES) this.states.set(name, afterClockStep(this.state(name), ms));
  }

  /** A line of the log: it is in the journal whether an agent reads it or not. */
  line(name: Name, ...facts: readonly Fact[]): void {
    for (const fact of facts) {
      const out = this.out(name);
      if (out.jvm === null) return;
      out.record.push({ at: this.wall, fact });
      if (fact.kind === 'logged-in') {
        Object.assign(out, { made: 0, typed: 0, window: null });
        // What ib-code still has to do comes to nothing now, long before the next second factor.
        for (const order of this.orders) if (order.name === name && order.outcome === null) this.work(order);
      }
      if (!this.killed) this.take(name, fact);
    }
  }

  /** The agent looks at the windows. */
  look(name: Name): void {
    const { window, jvm } = this.out(name);
    if (jvm === null || this.killed) return;
    const told = this.state(name).run?.sight.window ?? null;
    if (told !== null && told !== window?.id) this.take(name, { kind: 'second-factor-closed', window: told });
    if (window === null) return;
    const { id, method, app, says } = window;
    const detail: SecondFactorDetail = { window: id, app, prompt: null, challenge: null, devices: null };
    if (says !== null) this.take(name, { kind: 'second-factor-code-rejected', window: id, text: says });
    this.take(name, { kind: 'second-factor-shown', method, detail });
    // What is told once is not told again.
    window.says = null;
  }

  /** The agent is started again; JVMs, ib-code and the ledger on disk went on without it. */
  restart(): void {
    this.killed = false;
    this.killAfter = -1;
    this.#queue = [];
    this.ledger = this.disk;
    this.count('restarts of the agent');
    for (const name of NAMES) {
      if (this.killed) return;
      const out = this.out(name);
      const memory = this.memories.get(name) ?? NO_MEMORY;
      this.states.set(name, initialState(this.wall));
      let found: FoundRun = 'nothing';
      if (memory.run !== null && memory.run.order === out.jvm) {
        out.vacuumed ||= this.random() < 0.2;
        found = out.vacuumed ? 'running' : 'replay';
      } else if (memory.run !== null) found = 'nothing';
      if (found === 'replay') this.#retelling = Math.min(memory.run?.startedAt ?? 0, this.wall);
      this.take(name, { kind: 'agent-started', desired: this.desired.get(name) ?? 'down', memory, found });
      if (found === 'nothing') continue;
      if (found === 'replay') {
        for (const { at, fact } of out.record) {
          this.#retelling = Math.min(at, this.wall);
          this.take(name, fact);
        }
      }
      this.#retelling = null;
      const busy = this.state(name).run?.codes.busy ?? null;
      this.memories.set(name, memoryOf(this.state(name)));
      this.take(name, { kind: 'replayed' }, { kind: 'bridge', up: true, detail: '' });
      if (this.killed) return;
      if (busy === null || busy.by !== 'ib-code') continue;
      // The runner waits for a program that is under way; an order that it knows nothing of will come to nothing.
      const order = this.orders.find(({ id }) => id === busy.id);
      if (order === undefined) {
        this.take(
          name,
          resultOf(busy.id, { kind: 'not-typed', why: 'timed-out', detail: 'd', hopeless: false }),
        );
      } else {
        if (order.outcome === null) this.work(order);
        order.told = false;
        if (this.random() < 0.5) this.look(name);
        this.tellResult(order);
      }
    }
  }
}

function resultOf(id: string, outcome: CodeTyped): Fact {
  return { kind: 'code-result', id, outcome, clock: { synchronised: true, errorMs: 1 } };
}

const PUSH: Fact = { kind: 'second-factor-shown', method: null };

/** Something happens. */
function happen(world: World): void {
  const { random } = world;
  const name = random() < 0.75 ? 'a' : 'b';
  const out = world.out(name);
  const order = world.orders.findLast((each) => each.name === name && !each.told) ?? null;
  const chance = random();
  if (random() < 0.04) world.killAfter = Math.floor(random() * 6);
  if (out.jvm === null) {
    if (chance < 0.7) {
      logIn(world, name);
    } else world.pass(MINUTE * 3);
    return;
  }
  if (world.state(name).run?.afterExit != null && random() < 0.5) {
    Object.assign(out, { jvm: null, window: null });
    world.take(name, { kind: 'exited', report: EXIT });
    return;
  }
  if (order !== null && chance < 0.35) {
    // What IBKR says of it may be seen before it is known that it was typed.
    if (order.outcome === null) world.work(order);
    if (random() < 0.3) answer(world, name);
    if (random() < 0.9) world.tellResult(order);
    return;
  }
  if (chance < 0.5) {
    if (out.window === null) open(world, name);
    else answer(world, name);
  } else if (chance < 0.62) {
    if (random() < 0.5 && out.window !== null) out.window = { ...out.window, says: 'wrong' };
    world.look(name);
  } else if (chance < 0.7) {
    world.line(
      name,
      pick(random, [PUSH, PUSH, { kind: 'second-factor-answered' }, { kind: 'relogin-required' }] as const),
    );
  } else if (chance < (world.people ? 0.86 : 0.76)) {
    const given = `g${world.trail.length}`;
    if (refuseCode(world.state(name), name, '123456') !== null) return;
    world.take(name, { kind: 'code-given', id: given });
    if (world.killed) {
      // It may have been typed, once the agent was to remember that.
      if (world.memories.get(name)?.run?.codes.busy?.id === given) out.typed += 1;
      return;
    }
    const outcome = pick<CodeTyped>(random, [
      { kind: 'typed' },
      { kind: 'uncertain' },
      { kind: 'not-typed', why: 'window-gone', detail: 'd', hopeless: false },
    ]);
    if (outcome.kind !== 'not-typed') {
      out.typed += 1;
      world.count('codes of people');
      if (out.typed === 3) world.count('third codes of people');
    }
    assert.ok(out.typed <= 3, 'more than three codes of people');
    world.take(name, { kind: 'code-result', id: given, outcome, clock: null });
    if (!world.people || out.window === null) return;
    // Wrong ones, one after the other.
    out.window.says = `no ${out.typed}`;
    world.look(name);
  } else if (chance < (world.people ? 0.87 : 0.8)) {
    world.take(name, { kind: 'bridge', up: random() < 0.75, detail: 'd' });
    world.look(name);
  } else if (chance < (world.people ? 0.88 : 0.84)) {
    out.window = null;
    if (random() < 0.7) world.look(name);
    world.line(name, { kind: 'logged-in' });
    world.count('logins that went on');
  } else if (chance < (world.people ? 0.885 : 0.87)) {
    Object.assign(out, { jvm: null, window: null });
    world.take(name, { kind: 'exited', report: { ...EXIT, status: 1 } });
  } else if (chance < 0.9) {
    world.take(name, { kind: 'operator', action: pick(random, ['login', 'stop', 'restart-cold'] as const) });
  } else world.pass(Math.floor(random() * 40 * SECOND));
}

function logIn(world: World, name: Name): void {
  world.take(name, { kind: 'operator', action: 'login' });
  if (world.out(name).jvm !== null) world.line(name, ...UP);
  if (world.random() < 0.95) world.take(name, { kind: 'bridge', up: true, detail: '' });
}

/** A window asks for something; seen at once, or later. */
function open(world: World, name: Name): void {
  const { random } = world;
  const out = world.out(name);
  if (random() < 0.8) out.windows += 1;
  const method = random() < 0.85 ? 'code' : pick(random, ['device-choice', 'ib-key'] as const);
  const app = world.people ? false : pick(random, [null, null, true, true, true, false] as const);
  out.window = { id: `w${out.windows}`, method, app: method === 'code' ? app : null, says: null };
  const first = random() < 0.5;
  if (first && random() < 0.8) world.line(name, PUSH);
  if (random() < 0.85) world.look(name);
  if (!first && random() < 0.8) world.line(name, PUSH);
}

/** IBKR takes no code: it says so, or opens its window again. */
function answer(world: World, name: Name): void {
  const { random } = world;
  const out = world.out(name);
  if (out.window === null) return;
  world.count('rejections');
  if (random() < 0.5) {
    out.window.says = `no ${Math.floor(random() * 2)}`;
    if (random() < 0.9) world.look(name);
    return;
  }
  out.window = null;
  if (random() < 0.6) world.look(name);
  if (random() < 0.5) world.line(name, { kind: 'second-factor-answered' });
  open(world, name);
}

function runSequence(seed: number, seen: Record<string, number>): void {
  const random = randomFrom(seed);
  const world = new World(random, seen);
  // Anywhere in a step.
  world.true += Math.floor(random() * STEP_MS);
  try {
    logIn(world, random() < 0.8 ? 'a' : 'b');
    for (let action = 0; action < MOST_ACTIONS; action += 1) {
      if (!world.killed) world.pass(Math.floor(random() * (random() < 0.6 ? 4 : 40) * SECOND));
      if (random() < 0.03) {
        world.jump(pick(random, [-400, -120, -31, -7, 7, 31, 120, 400]) * SECOND);
        world.count('clock jumps');
      }
      if (random() < (world.writable ? 0.01 : 0.2)) world.writable = !world.writable;
      if (!world.killed) happen(world);
      if (random() < 0.03) world.killed = true;
      if (!world.killed) continue;
      world.trail.push('the agent is started again');
      if (random() < 0.3) world.true += Math.floor(random() * MINUTE);
      for (const order of world.orders) if (order.outcome === null && random() < 0.5) world.work(order);
      for (const name of NAMES) {
        const chance = random();
        const out = world.out(name);
        // What goes on while nobody looks.
        if (chance < 0.1) Object.assign(out, { jvm: null, window: null });
        else if (chance < 0.2) world.line(name, { kind: 'logged-in' });
        else if (chance < 0.3 && out.window !== null) open(world, name);
      }
      for (let life = 0; life === 0 || world.killed; life += 1) world.restart();
      for (const name of NAMES) if (random() < 0.8) world.look(name);
    }
    for (const name of NAMES) if (world.state(name).phase.name === 'halted') world.count('halts');
  } catch (error) {
    const trail = world.trail
      .slice(-45)
      .map((line) => (typeof line === 'string' ? line : line.map((part) => JSON.stringify(part)).join(' ')));
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`SEED=${seed} SEQUENCES=1: ${text}\n${trail.join('\n')}`, {
      cause: error,
    });
  }
}

test('no sequence of windows, codes, answers, kills and clock jumps hands in a code that must not be', (t) => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const sequences = Number(process.env['SEQUENCES'] ?? 100_000);
  const seen: Record<string, number> = {};
  let done = 0;
  for (; done < sequences; done += 1) runSequence(seed + done, seen);
  t.diagnostic(`SEED=${seed}: ${done} sequences of ${MOST_ACTIONS} actions; ${JSON.stringify(seen)}`);
  if (sequences < 1_000) return;
  for (const what of [
    'codes that were handed in',
    'second codes',
    'codes of people',
    'rejections',
    'recalled codes',
    'halts',
  ])
    assert.ok((seen[what] ?? 0) > sequences / 50, `${what}: ${seen[what]} in ${done} sequences`);
});
