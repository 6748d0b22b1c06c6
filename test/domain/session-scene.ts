// Owns the builders of the domain tests: a session driven fact by fact with its own time and ledger.

import type { Context } from '../../src/domain/draft.ts';
import type { Effect } from '../../src/domain/effects.ts';
import type { ExitReport, Fact } from '../../src/domain/facts.ts';
import {
  budgetOf,
  chargeLedger,
  EMPTY_LEDGER,
  endLeases,
  type Ledger,
  type LoginLimits,
  refundLedger,
  takeLease,
  useStep,
} from '../../src/domain/ledger.ts';
import { nextTimerAt, reduce } from '../../src/domain/reducer.ts';
import type { SessionRules } from '../../src/domain/rules.ts';
import { initialState, type SessionState } from '../../src/domain/session-state.ts';
import type { EventDraft } from '../../src/events/catalogue.ts';

export const RULES: SessionRules = {
  mode: 'live',
  secondFactorMethod: 'ib-key',
  restart: {
    policy: 'always',
    backoffMinMs: 30_000,
    backoffMaxMs: 1_800_000,
    maxLoginsPerHour: 3,
    maxLoginsPerDay: 12,
    maxPushesPerHour: 3,
    maxPushesPerDay: 10,
    maxMissedSecondFactors: 2,
  },
  deadlines: {
    startMs: 180_000,
    loginMs: 120_000,
    secondFactorMs: 180_000,
    loadingMs: 180_000,
    warmRestartMs: 180_000,
    stopMs: 60_000,
    termMs: 15_000,
  },
};

/** Limits of which only that of logins in an hour is tight. */
export function hourly(maxLoginsPerHour: number): LoginLimits {
  return { maxLoginsPerHour, maxLoginsPerDay: 100, maxPushesPerHour: 100, maxPushesPerDay: 100 };
}

/** As {@link RULES} has them. */
export const LIMITS: LoginLimits = RULES.restart;

export const EXIT: ExitReport = {
  status: 0,
  signal: null,
  coldRestart: false,
  pause: false,
  tokens: 'none',
  executed: true,
  lastError: null,
};

/** Drives one session as the loop does: budget from a ledger, charges and refunds booked, time under the test's control. */
export class Scene {
  now = Date.UTC(2026, 10, 23, 9, 0, 0);
  state: SessionState = initialState(this.now);
  ledger: Ledger = EMPTY_LEDGER;
  readonly rules: SessionRules;
  readonly effects: Effect[] = [];
  readonly events: EventDraft[] = [];
  readonly launches: { at: number; launch: 'warm' | 'cold' }[] = [];
  /** Codes that ib-code was to type, as they were ordered; their steps are used up in the ledger. */
  readonly typing: Extract<Effect, { kind: 'type-code' }>[] = [];
  random: () => number = () => 0.5;
  #orders = 0;

  constructor(rules: Partial<SessionRules> = {}) {
    this.rules = { ...RULES, ...rules };
  }

  context(): Context {
    return {
      now: this.now,
      random: this.random(),
      order: `order-${this.#orders + 1}`,
      budget: budgetOf(this.ledger, 'user', this.now, this.rules.restart, 'live'),
      rules: this.rules,
    };
  }

  /** Takes facts one after the other; returns the effects of the last one. */
  take(...facts: Fact[]): readonly Effect[] {
    let last: readonly Effect[] = [];
    for (const fact of facts) {
      const step = reduce(this.state, fact, this.context());
      this.state = step.state;
      last = step.effects;
      for (const effect of step.effects) this.#book(effect);
    }
    return last;
  }

  #book(effect: Effect): void {
    this.effects.push(effect);
    const entry = { at: this.now, user: 'user', session: 'live' };
    if (effect.kind === 'launch') {
      this.#orders += 1;
      this.launches.push({ at: this.now, launch: effect.launch });
      if (effect.launch === 'cold') {
        this.ledger = chargeLedger(
          this.ledger,
          { ...entry, kind: 'login', order: effect.order, by: 'agent' },
          this.now,
        );
      }
    } else if (effect.kind === 'charge') {
      this.ledger = chargeLedger(
        this.ledger,
        { ...entry, kind: effect.what, order: effect.order, by: 'ibc' },
        this.now,
      );
    } else if (effect.kind === 'refund') {
      this.ledger = refundLedger(this.ledger, effect.order);
    } else if (effect.kind === 'lease') {
      const { order, until, shown } = effect;
      this.ledger = takeLease(this.ledger, { user: 'user', session: 'live', order, until, shown }, this.now);
    } else if (effect.kind === 'release') {
      this.ledger = endLeases(this.ledger, (lease) => lease.order === effect.order);
    } else if (effect.kind === 'type-code') {
      this.#orders += 1;
      const next = useStep(this.ledger, { user: 'user', step: effect.step });
      if (next === null) throw new Error(`step ${effect.step} is ordered twice`);
      this.ledger = next;
      this.typing.push(effect);
    } else if (effect.kind === 'emit') {
      this.events.push(effect.event);
    }
  }

  /** Lets time pass, taking every timer that falls due on the way. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const at = nextTimerAt(this.state, this.now);
      if (at === null || at > end) break;
      this.now = Math.max(this.now, at);
      const before = this.state;
      this.take({ kind: 'timer' });
      if (this.state === before && nextTimerAt(this.state, this.now) === at)
        throw new Error(`timer at ${at} changes nothing`);
    }
    this.now = end;
  }

  get phase(): SessionState['phase']['name'] {
    return this.state.phase.name;
  }

  eventNames(): string[] {
    return this.events.map((event) => event.event);
  }

  /** What the effects asked for since the last look, without events. */
  did(): string[] {
    return this.didAll().filter((kind) => !['remember', 'lease', 'release'].includes(kind));
  }

  /** As {@link did}, with what is to be remembered. */
  didAll(): string[] {
    const kinds = this.effects.filter((effect) => effect.kind !== 'emit').map((effect) => effect.kind);
    this.effects.length = 0;
    return kinds;
  }
}

export const UP: Fact[] = [
  { kind: 'launched', pid: 4711 },
  { kind: 'gateway-up', version: '3.24.1' },
  { kind: 'login-dialog' },
  { kind: 'login-submitted', number: 1 },
];
export const PROVEN: Fact[] = [
  { kind: 'api-handshake', serverVersion: 178 },
  { kind: 'api-accounts', accounts: ['U1234567'] },
];
export const PUSH: Fact = { kind: 'second-factor-shown', method: null };

/** A session that an operator logged in without second factor and that is ready. */
export function readyScene(rules: Partial<SessionRules> = {}): Scene {
  const scene = new Scene(rules);
  scene.take(
    { kind: 'operator', action: 'login' },
    ...UP,
    { kind: 'main-window' },
    { kind: 'logged-in' },
    ...PROVEN,
  );
  return scene;
}
