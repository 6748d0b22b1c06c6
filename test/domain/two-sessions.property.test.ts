// Checks that nothing that can happen to two sessions of one IBKR user makes the agent spend more than the user's budgets.
//
// What is promised, in true time (a clock that nobody sets), for any window of an hour and of a day:
//  - logins that the agent starts are at most maxLogins…;
//  - of the second factors that the agent asks for (the first of a login that it started, within the time of a login) there are at most maxPushes…;
//  - what IBC or IBKR do by themselves is counted too, and where it goes beyond a budget it ends its run, at once;
//  - halted is left by an operator only;
//  - at most one session of the user waits for a second factor.
// Where the agent was not running the kernel's clock of the boot says what passed; all here happens within one boot.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterClockStep } from '../../src/domain/clock-step.ts';
import type { Context } from '../../src/domain/draft.ts';
import type { Effect } from '../../src/domain/effects.ts';
import type { ExitReport, Fact, FoundRun } from '../../src/domain/facts.ts';
import {
  type Budget,
  budgetOf,
  chargeLedger,
  EMPTY_LEDGER,
  endLeases,
  followClock,
  type Ledger,
  type LoginLimits,
  redateLogin,
  refundLedger,
  takeLease,
} from '../../src/domain/ledger.ts';
import { NO_MEMORY, type SessionMemory } from '../../src/domain/memory.ts';
import { leaseUntil } from '../../src/domain/push-lease.ts';
import { nextTimerAt, reduce } from '../../src/domain/reducer.ts';
import type { SessionRules } from '../../src/domain/rules.ts';
import { initialState, type SessionState } from '../../src/domain/session-state.ts';
import { Retelling } from '../../src/supervisor/retelling.ts';
import { pick, randomFrom } from '../support/random.ts';
import { EXIT, RULES } from './session-scene.ts';

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 10, 23, 9, 0, 0);
const STEPS = 20;

/** What the account saw of a run that was started: by whom it was wanted does not matter to it. */
type Order = {
  readonly session: string;
  /** In true time. */
  readonly startedAt: number;
  used: boolean;
  loggedIn: boolean;
  alive: boolean;
  pushes: number;
  /** What its unit wrote to the journal, with the wall clock of then. */
  readonly record: { readonly at: number; readonly fact: Fact }[];
};

/** Two sessions over one ledger, as two loops have it, with a true time beside the wall clock that can be set. */
class World {
  readonly random: () => number;
  readonly rules: SessionRules;
  readonly states = new Map<string, SessionState>();
  readonly desired = new Map<string, 'up' | 'down'>();
  readonly memories = new Map<string, SessionMemory>();
  readonly orders = new Map<string, Order>();
  /** In true time. */
  readonly logins: number[] = [];
  readonly askedPushes: number[] = [];
  ledger: Ledger = EMPTY_LEDGER;
  true = START;
  ahead = 0;
  woken: string[] = [];
  /** What happened, put into words only when it is needed. */
  readonly trail: (
    | string
    | { readonly name: string; readonly from: string; readonly fact: Fact; readonly to: string }
  )[] = [];
  #orders = 0;
  /** Effects after which the agent is killed; -1: it lives on. */
  killAfter = -1;
  killed = false;
  retelling: Retelling | null = null;

  constructor(random: () => number, limits: LoginLimits) {
    this.random = random;
    this.rules = { ...RULES, restart: { ...RULES.restart, ...limits } };
    for (const name of ['a', 'b']) {
      this.states.set(name, initialState(this.wall));
      this.desired.set(name, 'down');
      this.memories.set(name, NO_MEMORY);
    }
  }

  get wall(): number {
    return this.true + this.ahead;
  }

  state(name: string): SessionState {
    const state = this.states.get(name);
    assert.ok(state !== undefined);
    return state;
  }

  #follow(): void {
    this.ledger = followClock(this.ledger, { boot: 'b', wall: this.wall, monotonicMs: this.true });
  }

  budget(name: string): Budget {
    this.#follow();
    const told = this.retelling?.soFar ?? null;
    const budget = budgetOf(this.ledger, 'u', this.wall, this.rules.restart, name, told);
    // As the loop has it: what is told happened before.
    return told === null || budget.push === null
      ? budget
      : { ...budget, push: { ...budget.push, shown: false } };
  }

  /** One fact of one session, and all that the effects of it set off. */
  take(name: string, fact: Fact): void {
    const before = this.state(name);
    const budget = this.budget(name);
    this.#orders += 1;
    const writer = before.run === null ? undefined : this.orders.get(before.run.order);
    if (this.retelling === null && WRITTEN.has(fact.kind)) writer?.record.push({ at: this.wall, fact });
    const ctx: Context = {
      now: this.retelling?.at ?? this.wall,
      random: this.random(),
      order: `o${this.#orders}`,
      budget,
      rules: this.rules,
    };
    const step = reduce(before, fact, ctx);
    this.states.set(name, step.state);
    this.trail.push({ name, from: before.phase.name, fact, to: step.state.phase.name });
    if (before.phase.name === 'halted' && step.state.phase.name !== 'halted')
      assert.equal(fact.kind, 'operator', `halted was left by ${fact.kind}`);
    for (const effect of step.effects) {
      if (this.killAfter === 0) {
        this.killed = true;
        this.trail.push(`killed before ${effect.kind}`);
        return;
      }
      this.killAfter -= 1;
      const own =
        this.retelling === null ? effect : this.retelling.filter(effect, step.state.run?.order ?? null);
      if (own !== null) this.#perform(name, own);
      if (this.killed) return;
    }
    if (this.retelling !== null) return;
    if (fact.kind === 'second-factor-shown') this.#checkPush(name, before, step.state, budget);
    this.#checkWaiting();
    const woken = this.woken;
    this.woken = [];
    for (const other of woken) if (other !== name) this.take(other, { kind: 'push-free' });
  }

  #perform(name: string, effect: Effect): void {
    const entry = { at: this.wall, user: 'u', session: name };
    switch (effect.kind) {
      case 'launch': {
        const { order } = effect;
        if (effect.launch === 'cold') {
          const charged = this.ledger.entries.some((old) => old.order === order && old.by === 'agent');
          this.ledger = charged
            ? redateLogin(this.ledger, order, this.wall)
            : chargeLedger(this.ledger, { ...entry, kind: 'login', order, by: 'agent' }, this.wall);
        }
        // Between the charge and the start the agent may be killed too.
        if (this.killAfter === 0 || this.random() < 0.06) {
          this.killed = true;
          this.trail.push('killed between the charge and the start');
          return;
        }
        const known = this.orders.get(order);
        if (known?.used !== true) {
          this.orders.set(order, {
            session: name,
            startedAt: this.true,
            used: true,
            loggedIn: false,
            alive: true,
            pushes: 0,
            record: [],
          });
          if (effect.launch === 'cold') this.logins.push(this.true);
        }
        return;
      }
      case 'charge':
        this.ledger = chargeLedger(
          this.ledger,
          { ...entry, kind: effect.what, order: effect.order, by: 'ibc' },
          this.wall,
        );
        return;
      case 'refund':
        this.ledger = refundLedger(this.ledger, effect.order);
        return;
      case 'lease': {
        const { order, until, shown } = effect;
        this.ledger = takeLease(this.ledger, { user: 'u', session: name, order, until, shown }, this.wall);
        return;
      }
      case 'release':
        this.release((lease) => lease.order === effect.order, name);
        return;
      case 'save-desired':
        this.desired.set(name, effect.desired);
        return;
      case 'remember':
        this.memories.set(name, effect.memory);
        return;
      default:
        return;
    }
  }

  /** Time goes by, and what falls due is done. */
  pass(ms: number): void {
    const end = this.true + ms;
    for (let timers = 0; timers < 12; timers += 1) {
      let soonest: { readonly name: string; readonly at: number } | null = null;
      for (const name of ['a', 'b']) {
        const due = nextTimerAt(this.state(name), this.wall);
        if (due === null) continue;
        const at = Math.max(this.true, due - this.ahead);
        if (at <= end && (soonest === null || at < soonest.at)) soonest = { name, at };
      }
      if (soonest === null || this.killed) break;
      this.true = soonest.at;
      this.take(soonest.name, { kind: 'timer' });
    }
    this.true = end;
  }

  /** Somebody sets the clock while the agent runs. */
  jump(ms: number): void {
    this.ahead += ms;
    for (const name of ['a', 'b']) this.states.set(name, afterClockStep(this.state(name), ms));
  }

  release(ends: Parameters<typeof endLeases>[1], name: string): void {
    const next = endLeases(this.ledger, ends);
    if (next === this.ledger) return;
    this.ledger = next;
    this.woken.push(...['a', 'b'].filter((other) => other !== name));
  }

  #checkPush(name: string, before: SessionState, after: SessionState, budget: Budget): void {
    const { run } = before;
    if (run === null || before.phase.name === 'awaiting-second-factor') return;
    const order = this.orders.get(run.order);
    if (order === undefined) return;
    order.pushes += 1;
    // Long after a login that nobody saw the rest of it is none of that login: no session is kept waiting for it any more.
    const kept = leaseUntil('launched', this.rules, order.startedAt) > this.true;
    const asked = run.launch === 'cold' && order.pushes === 1 && !order.loggedIn && kept;
    if (asked && run.afterExit === null) this.askedPushes.push(this.true);
    const { maxPushesPerHour, maxPushesPerDay } = this.rules.restart;
    const full = budget.pushesLastHour >= maxPushesPerHour || budget.pushes24h >= maxPushesPerDay;
    // One of a login that is still under way as far as anybody knows, whose clock was set while no agent ran, is not told from an early one.
    const late = run.push === 'launched';
    if (full && !asked && !late && after.run !== null)
      assert.ok(after.run.afterExit !== null || isEnding(before), `${name} rings on`);
  }

  #checkWaiting(): void {
    // One whose time is over is on no phone any more; after a restart of the agent the timer that ends it is due at once.
    const waiting = ['a', 'b'].filter((name) => {
      const { phase } = this.state(name);
      return phase.name === 'awaiting-second-factor' && phase.deadline > this.wall;
    });
    assert.ok(waiting.length <= 1, 'two sessions wait for a second factor');
  }

  /** The agent is killed now and started again later; its runs live on, end, or are found. */
  restart(): void {
    this.killed = false;
    this.killAfter = -1;
    this.woken = [];
    for (const name of ['a', 'b']) this.states.set(name, initialState(this.wall));
    for (const name of this.random() < 0.5 ? ['a', 'b'] : ['b', 'a']) {
      const memory = this.memories.get(name) ?? NO_MEMORY;
      const kept = memory.run;
      const order = kept === null ? undefined : this.orders.get(kept.order);
      let found: FoundRun = 'nothing';
      if (kept !== null && order?.used === true) {
        found = order.alive ? (this.random() < 0.5 ? 'replay' : 'running') : 'lost';
      } else if (kept !== null) {
        const charged = this.ledger.entries.some((old) => old.order === kept.order && old.by === 'agent');
        found = charged || kept.launch === 'warm' || kept.afterExit !== null ? 'lost' : 'nothing';
      }
      const desired = this.desired.get(name) ?? 'down';
      const halted = memory.halted !== null;
      if (found === 'replay' && kept !== null) {
        this.retelling = new Retelling(kept.order, new Map(), {
          count: (of, kind, by) =>
            this.ledger.entries.filter(
              (entry) => entry.order === of && entry.kind === kind && entry.by === by,
            ).length,
        });
        this.retelling.at = Math.min(kept.startedAt, this.wall);
      }
      this.take(name, { kind: 'agent-started', desired, memory, found });
      if (halted && desired === 'up' && !memory.held && found === 'nothing')
        assert.equal(this.state(name).phase.name, 'halted', 'a restart left halted');
      if (found === 'replay') {
        for (const { at, fact } of order?.record ?? []) {
          if (this.retelling !== null) this.retelling.at = Math.min(at, this.wall);
          this.take(name, fact);
        }
        if (this.retelling !== null) this.retelling.at = null;
        const deferred = this.retelling?.deferred() ?? [];
        this.retelling = null;
        for (const effect of deferred) this.#perform(name, effect);
        this.take(name, { kind: 'replayed' });
      }
      const state = this.state(name);
      const holder = state.run?.order ?? null;
      this.release((lease) => lease.session === name && lease.order !== holder, name);
      if (found === 'lost' && order?.used === true && state.run !== null && state.run.order === kept?.order) {
        this.take(name, { kind: 'launch-failed', problem: ORDER_USED });
        this.take(name, { kind: 'exited', report: { ...EXIT, executed: false } });
      }
      const woken = this.woken;
      this.woken = [];
      for (const other of woken) if (other !== name) this.take(other, { kind: 'push-free' });
    }
  }
}

/** What the journal has of a run. */
const WRITTEN: ReadonlySet<Fact['kind']> = new Set([
  'gateway-up',
  'login-dialog',
  'login-submitted',
  'second-factor-shown',
  'second-factor-answered',
  'second-factor-timed-out',
  'second-factor-device-chosen',
  'relogin-required',
  'shutdown-started',
  'main-window',
  'logged-in',
  'login-refused',
  'fatal',
]);

const DULL: readonly Fact[] = [
  { kind: 'login-dialog' },
  { kind: 'login-submitted', number: 1 },
  { kind: 'gateway-up', version: '3.24.1' },
  { kind: 'second-factor-answered' },
  { kind: 'second-factor-timed-out' },
  { kind: 'second-factor-device-chosen' },
  { kind: 'relogin-required' },
  { kind: 'shutdown-started' },
  { kind: 'main-window' },
  { kind: 'api-handshake', serverVersion: 178 },
  { kind: 'api-accounts', accounts: ['U1'] },
  { kind: 'login-refused', cause: 'locked-out', text: 't', waitMs: 5 * MINUTE },
  { kind: 'login-refused', cause: 'connection-failed', text: 't', waitMs: null },
  { kind: 'display-exited', status: 1, signal: null },
  { kind: 'unit-stopping' },
  { kind: 'fatal', code: 1111 },
  { kind: 'state-unwritable', detail: 'disk full' },
];
/** What a launcher says of an order that is given again after it was used. */
const ORDER_USED = { code: 'order-used', message: 'm', hint: 'h', temporary: false };
const PUSH: Fact = { kind: 'second-factor-shown', method: null };
const ACTIONS = ['login', 'start', 'login', 'start', 'stop', 'restart-warm', 'restart-cold'] as const;

function exit(random: () => number): ExitReport {
  return {
    ...EXIT,
    status: pick(random, [0, 0, 1, 76, 143]),
    coldRestart: random() < 0.2,
    tokens: pick(random, ['none', 'none', 'one'] as const),
  };
}

/** Something happens. */
function happen(world: World): void {
  const { random } = world;
  const first = random() < 0.5 ? 'a' : 'b';
  const other = first === 'a' ? 'b' : 'a';
  // More happens to what runs.
  const name = world.state(first).run === null && random() < 0.5 ? other : first;
  const state = world.state(name);
  const order = state.run === null ? undefined : world.orders.get(state.run.order);
  const chance = random();
  if (chance > 0.93) world.killAfter = Math.floor(random() * 4);
  if (chance < 0.22) {
    const at = nextTimerAt(state, world.wall);
    if (at !== null) world.pass(Math.min(Math.max(0, at - world.wall), 2 * HOUR));
  } else if (chance < 0.38) world.take(name, { kind: 'operator', action: pick(random, ACTIONS) });
  else if (chance < 0.6) {
    world.take(name, PUSH);
  } else if (chance < 0.7) {
    if (order !== undefined) order.loggedIn = true;
    world.take(name, { kind: 'logged-in' });
  } else if (chance < 0.85) {
    if (state.run === null) return;
    if (order !== undefined) order.alive = false;
    world.take(name, { kind: 'exited', report: exit(random) });
  } else {
    const fact = pick(random, DULL);
    // The charge that cannot be written starts nothing; what was started has been charged.
    if (fact.kind === 'state-unwritable' && state.run !== null && order?.used === true) return;
    world.take(name, fact);
  }
}

/** Whether its JVM goes down by itself already. */
function isEnding({ phase }: SessionState): boolean {
  return phase.name === 'stopping' || (phase.name === 'restarting' && phase.stage === 'closing');
}

/** The greatest number that falls into any window. */
function most(times: readonly number[], windowMs: number): number {
  let greatest = 0;
  let first = 0;
  for (let last = 0; last < times.length; last += 1) {
    while ((times[last] ?? 0) - (times[first] ?? 0) >= windowMs) first += 1;
    greatest = Math.max(greatest, last - first + 1);
  }
  return greatest;
}

/** One sequence; what it came to, so that the test can say that it met what it is about. */
function runSequence(seed: number, seen: Record<string, number>): void {
  const random = randomFrom(seed);
  const limits = pick<LoginLimits>(random, [
    RULES.restart,
    { maxLoginsPerHour: 1, maxLoginsPerDay: 2, maxPushesPerHour: 1, maxPushesPerDay: 2 },
    { maxLoginsPerHour: 3, maxLoginsPerDay: 4, maxPushesPerHour: 2, maxPushesPerDay: 3 },
  ]);
  const world = new World(random, limits);
  const count = (what: string) => {
    seen[what] = (seen[what] ?? 0) + 1;
  };
  try {
    // Half of them are started by themselves, as after a boot; there one waits for the other.
    const boot = random() < 0.5;
    for (const name of ['a', 'b']) {
      if (boot) world.desired.set(name, 'up');
      world.take(
        name,
        boot ? { kind: 'agent-started', desired: 'up' } : { kind: 'operator', action: 'login' },
      );
    }
    for (let step = 0; step < STEPS; step += 1) {
      const chance = random();
      const longest = chance < 0.7 ? 90 * SECOND : chance < 0.95 ? 20 * MINUTE : 5 * HOUR;
      if (!world.killed) world.pass(Math.floor(random() * longest));
      if (random() < 0.08) {
        const jump = pick(random, [
          -DAY,
          -2 * HOUR,
          -10 * MINUTE,
          10 * MINUTE,
          HOUR,
          2 * HOUR,
          DAY,
          400 * DAY,
        ]);
        world.jump(jump);
        world.trail.push(`clock ${jump / HOUR} h`);
        count('clock jumps');
      }
      if (!world.killed) happen(world);
      if (world.killed || random() < 0.05) {
        if (random() < 0.5) world.true += Math.floor(random() * 2 * HOUR);
        if (random() < 0.2) world.ahead += pick(random, [-HOUR, HOUR, DAY]);
        // Some of what it left running ends while nobody looks.
        for (const order of world.orders.values()) if (order.alive && random() < 0.3) order.alive = false;
        world.trail.push('the agent is started again');
        world.restart();
        count('restarts of the agent');
      }
      for (const name of ['a', 'b']) {
        const { reason } = world.state(name);
        if (reason === 'push-outstanding') count('waits for another session');
        if (reason === 'login-budget') count('used-up budgets');
      }
    }
    assert.ok(most(world.logins, HOUR) <= limits.maxLoginsPerHour, `logins in an hour: ${world.logins}`);
    assert.ok(most(world.logins, DAY) <= limits.maxLoginsPerDay, `logins in a day: ${world.logins}`);
    assert.ok(most(world.askedPushes, HOUR) <= limits.maxPushesPerHour, 'second factors in an hour');
    assert.ok(most(world.askedPushes, DAY) <= limits.maxPushesPerDay, 'second factors in a day');
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(
      `SEED=${seed} SEQUENCES=1: ${text}\n${world.trail
        .slice(-45)
        .map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
        .join('\n')}`,
      {
        cause: error,
      },
    );
  }
  seen['logins'] = (seen['logins'] ?? 0) + world.logins.length;
  seen['second factors'] = (seen['second factors'] ?? 0) + world.askedPushes.length;
}

test('no sequence of facts, commands, kills and clock jumps spends more than the budgets of the user', (t) => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const sequences = Number(process.env['SEQUENCES'] ?? 100_000);
  const seen: Record<string, number> = {};
  let done = 0;
  for (; done < sequences; done += 1) runSequence(seed + done, seen);
  t.diagnostic(`SEED=${seed}: ${done} sequences of ${STEPS} steps; ${JSON.stringify(seen)}`);
  if (sequences < 1_000) return;
  for (const what of ['logins', 'second factors', 'waits for another session', 'used-up budgets'])
    assert.ok((seen[what] ?? 0) > sequences / 10, `${what}: ${seen[what]} in ${done} sequences`);
});
