// Owns the serial loop of one session: observations become facts, facts go through the reducer one by one, effects are carried out.

import { randomUUID } from 'node:crypto';
import type { SessionConfig } from '../config/types.ts';
import type { Context } from '../domain/draft.ts';
import type { Effect } from '../domain/effects.ts';
import type { Fact, LaunchProblem, OperatorAction } from '../domain/facts.ts';
import { nextTimerAt, reduce, refuseOperator } from '../domain/reducer.ts';
import type { SessionRules } from '../domain/rules.ts';
import { initialState, type SessionState } from '../domain/session-state.ts';
import { type AgentEvent, completeEvent } from '../events/catalogue.ts';
import { IbcLogParser } from '../gateway/ibc-log.ts';
import {
  type AfterRecord,
  type LaunchFailure,
  type LaunchOrder,
  parseLaunchFailure,
} from '../gateway/launch-records.ts';
import { type Clock, isoTime, type Timer } from '../host/clock.ts';
import { writeFileAtomic } from '../host/files.ts';
import { AgentError } from '../protocol/errors.ts';
import { maskAccounts } from '../protocol/mask.ts';
import type { LogLine } from '../protocol/methods.ts';
import type { ApiWatch } from './api-watch.ts';
import type { DesiredStore } from './desired-store.ts';
import { IbcMapping } from './ibc-mapping.ts';
import type { LedgerStore } from './ledger-store.ts';
import type { HostObservation, SessionHost } from './session-host.ts';

/** How long a launcher may take to use its order; after that a leftover order is worth nothing. */
const ORDER_VALID_MS = 60_000;
const LONGEST_ERROR_TEXT = 300;

export type SessionLoopParts = {
  readonly config: SessionConfig;
  readonly launchOrderPath: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly ledger: LedgerStore;
  readonly desired: DesiredStore;
  readonly makeHost: (listener: (observation: HostObservation) => void) => SessionHost;
  readonly makeApi: (listener: (fact: Fact) => void) => ApiWatch;
  readonly onEvent: (event: AgentEvent) => void;
  readonly onLine: (line: LogLine) => void;
};

export class SessionLoop {
  readonly config: SessionConfig;
  readonly #parts: SessionLoopParts;
  readonly #host: SessionHost;
  readonly #api: ApiWatch;
  readonly #listeners = new Set<(state: SessionState) => void>();
  readonly #queue: Fact[] = [];
  #busy = false;
  #state: SessionState;
  #parser = new IbcLogParser();
  #mapping: IbcMapping;
  #lastError: string | null = null;
  #timer: Timer | null = null;
  #timerAt: number | null = null;
  /** Why something could not be recorded; null when the last thing was. */
  #unrecorded: unknown = null;
  #closing = false;

  constructor(parts: SessionLoopParts) {
    this.config = parts.config;
    this.#parts = parts;
    this.#state = initialState(parts.clock.now());
    this.#mapping = new IbcMapping(parts.config.deadlines.secondFactorMs);
    this.#host = parts.makeHost((observation) => this.#observe(observation));
    this.#api = parts.makeApi((fact) => this.dispatch(fact));
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Pid of the JVM or its launcher; null when there is none. */
  get pid(): number | null {
    return this.#host.pid();
  }

  /** To be awaited before the first fact: makes sure that no JVM of an earlier agent shares the settings directory with ours. */
  async prepare(): Promise<void> {
    await this.#host.reapLeftovers();
  }

  /** Takes a fact, in order after those that are still being worked on. */
  dispatch(fact: Fact): void {
    this.#queue.push(fact);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next);
    } finally {
      this.#busy = false;
      this.#arm();
    }
  }

  /**
   * Carries out an operator's action, or throws an AgentError that says why it cannot be done now. `state-unwritable`:
   * it is being carried out, but will be forgotten when the agent restarts.
   */
  operate(action: OperatorAction): void {
    if (this.#closing) {
      throw new AgentError('agent-stopping', 'the agent is stopping', { hint: 'try again when it is back' });
    }
    const wanted = this.#state.desired;
    const refusal = refuseOperator(this.#state, action, this.#context());
    this.dispatch({ kind: 'operator', action });
    if (refusal === null) {
      if (this.#state.desired !== wanted && this.#unrecorded !== null) throw this.#unrecorded;
      return;
    }
    throw new AgentError(refusal.code, refusal.message, {
      hint: refusal.hint,
      ...(refusal.until === null ? {} : { data: { blockedUntil: isoTime(refusal.until) } }),
    });
  }

  /** Calls back after every change of the state, until the returned function is called. */
  watch(listener: (state: SessionState) => void): () => void {
    const own = (state: SessionState) => listener(state);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** Stops the session tidily, leaving the wish for it as it is; resolves once none of its processes is left. */
  async shutDown(): Promise<void> {
    this.#closing = true;
    this.dispatch({ kind: 'agent-stopping' });
    if (this.#state.run !== null) {
      await new Promise<void>((resolve) => {
        const unwatch = this.watch((state) => {
          if (state.run !== null) return;
          unwatch();
          resolve();
        });
      });
    }
    this.#timer?.cancel();
    this.#api.unwatch();
    await this.#host.close();
  }

  #context(): Context {
    const { clock, random, ledger, config } = this.#parts;
    return {
      now: clock.now(),
      random: random(),
      order: randomUUID(),
      budget: ledger.budget(config.user, config.restart.maxLoginsPerHour),
      rules: rulesOf(config),
    };
  }

  #step(fact: Fact): void {
    const before = this.#state;
    const { state, effects } = reduce(before, fact, this.#context());
    this.#state = state;
    for (const effect of effects) this.#perform(effect, before);
    for (const listener of [...this.#listeners]) listener(state);
  }

  #perform(effect: Effect, before: SessionState): void {
    switch (effect.kind) {
      case 'launch':
        this.#launch(effect.order, effect.launch);
        return;
      case 'stop':
        this.#host.stop(effect.how);
        return;
      case 'stop-display':
        this.#host.stopDisplay();
        return;
      case 'ask-restart':
        this.#host.askRestart();
        return;
      case 'watch-api':
        this.#api.watch(effect.eager);
        return;
      case 'unwatch-api':
        this.#api.unwatch();
        return;
      case 'charge':
        this.#book(() =>
          this.#parts.ledger.charge({
            user: this.config.user,
            session: this.config.name,
            kind: effect.what,
            order: effect.order,
            by: 'ibc',
          }),
        );
        return;
      case 'refund':
        this.#book(() => this.#parts.ledger.refund(effect.order));
        return;
      case 'save-desired':
        this.#book(() => this.#parts.desired.set(this.config.name, effect.desired));
        return;
      case 'remember':
        this.#book(() => this.#parts.desired.remember(this.config.name, effect.memory));
        return;
      case 'emit':
        this.#parts.onEvent(
          completeEvent(effect.event, {
            at: this.#parts.clock.now(),
            session: this.config.name,
            state: this.#state.phase.name,
            previousState: before.phase.name,
          }),
        );
        return;
    }
  }

  /** The ledger first, then the order, then the processes: a crash in between can only cost budget, never a login too many. */
  #launch(id: string, launch: 'warm' | 'cold'): void {
    const order: LaunchOrder = {
      v: 1,
      session: this.config.name,
      id,
      kind: launch,
      notAfter: this.#parts.clock.now() + ORDER_VALID_MS,
    };
    try {
      if (launch === 'cold') {
        this.#parts.ledger.charge({
          user: this.config.user,
          session: this.config.name,
          kind: 'login',
          order: id,
          by: 'agent',
        });
      }
      writeFileAtomic(this.#parts.launchOrderPath, `${JSON.stringify(order)}\n`, 0o640);
    } catch (error) {
      this.#queue.push({
        kind: 'state-unwritable',
        detail: error instanceof Error ? error.message : String(error),
      });
      return;
    }
    this.#parser = new IbcLogParser();
    this.#mapping = new IbcMapping(this.config.deadlines.secondFactorMs);
    this.#lastError = null;
    this.#host.start(order);
  }

  /** Bookkeeping after the fact: what cannot be written does not undo what happened, but a person must hear of it. */
  #book(write: () => void): void {
    try {
      write();
      if (this.#unrecorded !== null) this.#queue.push({ kind: 'records', ok: true, detail: '' });
      this.#unrecorded = null;
    } catch (error) {
      this.#unrecorded = error;
      const detail = error instanceof Error ? error.message : String(error);
      this.#queue.push({ kind: 'records', ok: false, detail });
    }
  }

  #observe(observation: HostObservation): void {
    switch (observation.kind) {
      case 'launched':
        this.dispatch(observation);
        return;
      case 'line':
        this.#onLine(observation);
        return;
      case 'display-exited':
        this.dispatch(observation);
        return;
      case 'restart-answer':
        this.dispatch(observation);
        return;
      case 'exited':
        this.#onExited(observation.record);
        return;
    }
  }

  #onLine(line: Extract<HostObservation, { kind: 'line' }>): void {
    this.#parts.onLine({
      at: isoTime(this.#parts.clock.now()),
      session: this.config.name,
      source: line.source,
      stream: line.stream,
      text: line.text,
    });
    if (line.stream === 'stderr') {
      const failure = parseLaunchFailure(line.text);
      if (failure !== null) this.dispatch({ kind: 'launch-failed', problem: problemOf(failure) });
    }
    if (line.source !== 'session') return;
    // A JVM that cannot start says so on stdout or stderr, whichever of its parts complains.
    if (this.#state.run?.gatewayVersion === null && line.text.trim() !== '') {
      this.#lastError = maskAccounts(line.text.slice(0, LONGEST_ERROR_TEXT));
    }
    if (line.stream === 'stderr') return;
    // What is read from a line may end up in events and conditions.
    for (const ibc of this.#parser.push(maskAccounts(line.text))) {
      const fact = this.#mapping.map(ibc);
      if (fact !== null) this.dispatch(fact);
    }
  }

  #onExited(record: AfterRecord): void {
    this.dispatch({
      kind: 'exited',
      report: {
        status: record.status,
        signal: record.signal,
        coldRestart: record.flags.coldRestart,
        pause: record.flags.pause,
        tokens: record.autorestart.tokens,
        executed: record.orderId !== null && record.orderId === this.#state.run?.order,
        lastError: this.#lastError,
      },
    });
  }

  #arm(): void {
    const now = this.#parts.clock.now();
    const at = nextTimerAt(this.#state, now);
    if (at === this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer =
      at === null
        ? null
        : this.#parts.clock.after(Math.max(0, at - now), () => {
            this.#timerAt = null;
            this.dispatch({ kind: 'timer' });
          });
  }
}

/** The part of a session's configuration that its rules read. */
export function rulesOf(config: SessionConfig): SessionRules {
  const { method } = config.secondFactor;
  return {
    mode: config.mode,
    secondFactorMethod: method,
    restart: config.restart,
    deadlines: config.deadlines,
  };
}

/** A display that is not there yet may come by itself, and a clock that was set expires one order; everything else needs a person. */
function problemOf(failure: LaunchFailure): LaunchProblem {
  return {
    ...failure,
    temporary: failure.code === 'display-unreachable' || failure.code === 'order-expired',
  };
}
