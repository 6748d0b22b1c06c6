// Owns the serial loop of one session: observations become facts, facts go through the reducer one by one, effects are carried out.

import { randomUUID } from 'node:crypto';
import type { SessionConfig } from '../config/types.ts';
import { afterClockStep } from '../domain/clock-step.ts';
import { refuseCode } from '../domain/codes.ts';
import { openDeviceList, refuseDevice } from '../domain/device-choice.ts';
import type { Context } from '../domain/draft.ts';
import type { Effect } from '../domain/effects.ts';
import type { CodeTyped, Fact, FoundRun, LaunchProblem, OperatorAction, Override } from '../domain/facts.ts';
import type { Budget } from '../domain/ledger.ts';
import { minimalRun, type SessionMemory } from '../domain/memory.ts';
import { nextTimerAt, type OperatorRefusal, reduce, refuseOperator } from '../domain/reducer.ts';
import { refuseResend } from '../domain/resend.ts';
import type { SessionRules } from '../domain/rules.ts';
import { initialState, type SessionState } from '../domain/session-state.ts';
import { type AgentEvent, completeEvent } from '../events/catalogue.ts';
import { IbcLogParser } from '../gateway/ibc-log.ts';
import {
  type AfterRecord,
  type LaunchFailure,
  type LaunchOrder,
  parseLaunchFailure,
  parseOrderTaken,
} from '../gateway/launch-records.ts';
import { type Clock, isoTime, type Timer } from '../host/clock.ts';
import { writeFileAtomic } from '../host/files.ts';
import { tidyCode } from '../protocol/code.ts';
import { AgentError } from '../protocol/errors.ts';
import { maskAccounts } from '../protocol/mask.ts';
import type { LogLine } from '../protocol/methods.ts';
import type { ApiWatch } from './api-watch.ts';
import type { CodeRunner } from './code-runner.ts';
import { CodeTypist } from './code-typist.ts';
import type { DesiredStore } from './desired-store.ts';
import { IbcMapping } from './ibc-mapping.ts';
import type { LedgerStore } from './ledger-store.ts';
import { Retelling } from './retelling.ts';
import type { HostObservation, Recovery, SessionHost } from './session-host.ts';
import type { WindowWatch } from './window-watch.ts';

/** How long a launcher may take to use its order; after that a leftover order is worth nothing. */
const ORDER_VALID_MS = 60_000;
const LONGEST_ERROR_TEXT = 300;
/** The loop is asked for a sign of life this often, and is given up as hung after the second time. */
const TICK_MS = 2_000;
const LONGEST_TICK_MS = 10_000;
/** Two clocks are never read at the same moment. */
const SMALLEST_CLOCK_STEP_MS = 1_000;
/** How long a JVM whose bridge has gone is looked for often. */
const GONE_MS = 10_000;
/** States that last: what ends them is no urgent news. */
const RESTING: ReadonlySet<string> = new Set(['stopped', 'ready', 'degraded', 'backing-off', 'halted']);

export type SessionLoopParts = {
  readonly config: SessionConfig;
  readonly launchOrderPath: string;
  /** Group that reads launch orders; left out: the agent's own. */
  readonly launchOrderGid?: number | undefined;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly ledger: LedgerStore;
  readonly desired: DesiredStore;
  readonly makeHost: (listener: (observation: HostObservation) => void) => SessionHost;
  readonly makeApi: (listener: (fact: Fact) => void) => ApiWatch;
  /** `onGone`: the connection to the JVM's windows has ended, most often with the JVM. */
  readonly makeWindows: (listener: (fact: Fact) => void, onGone: () => void) => WindowWatch;
  readonly makeCodeRunner: (onLine: (stream: 'stdout' | 'stderr', text: string) => void) => CodeRunner;
  readonly onEvent: (event: AgentEvent) => void;
  readonly onLine: (line: LogLine) => void;
};

export class SessionLoop {
  readonly config: SessionConfig;
  readonly #parts: SessionLoopParts;
  readonly #host: SessionHost;
  readonly #api: ApiWatch;
  readonly #windows: WindowWatch;
  readonly #typist: CodeTypist;
  /** Order of the run whose windows are watched. */
  #watched: string | null = null;
  /** Until when the JVM may be gone without its host having said so; monotonic milliseconds. */
  #goneUntilMs = 0;
  readonly #listeners = new Set<(state: SessionState) => void>();
  readonly #queue: Fact[] = [];
  #busy = false;
  #state: SessionState;
  #parser = new IbcLogParser();
  #mapping: IbcMapping;
  #lastError: string | null = null;
  /** Wall clock less monotonic clock, as of the last look; differs when somebody set the clock. */
  #wallOffsetMs: number;
  #timer: Timer | null = null;
  #timerAt: number | null = null;
  /** Why something could not be recorded; null when the last thing was. */
  #unrecorded: unknown = null;
  /** The same of the wish that was to be recorded last. */
  #wishUnrecorded: unknown = null;
  #closing = false;
  #recovery: Recovery = { kind: 'nothing' };
  /** While what happened without an agent is told to the rules, and after it for what may have been told already. */
  #retelling: Retelling | null = null;
  #ready = false;
  /** Whether it has been told that the session is ready, or that it is not. */
  #decided = false;
  /** Something is being pressed in a second factor's window: a second choice would get in between. */
  #pressing = false;
  readonly #unwait: () => void;
  #ticks: Timer | null = null;
  #lastTickMs = 0;

  constructor(parts: SessionLoopParts) {
    this.config = parts.config;
    this.#parts = parts;
    this.#state = initialState(parts.clock.now());
    this.#wallOffsetMs = parts.clock.now() - parts.clock.monotonicMs();
    this.#mapping = new IbcMapping(parts.config.deadlines.secondFactorMs);
    this.#host = parts.makeHost((observation) => this.#observe(observation));
    this.#api = parts.makeApi((fact) => this.dispatch(fact));
    this.#unwait = parts.ledger.onRelease(parts.config.user, () => this.dispatch({ kind: 'push-free' }));
    this.#windows = parts.makeWindows(
      (fact) => {
        if (fact.kind === 'bridge' && fact.up) this.#awaitAnswer();
        this.dispatch(fact);
      },
      () => this.#suspectGone(),
    );
    this.#typist = new CodeTypist({
      session: parts.config.name,
      user: parts.config.user,
      ledger: parts.ledger,
      windows: this.#windows,
      runner: parts.makeCodeRunner((stream, text) => this.#tellLine({ source: 'code', stream, text })),
      clock: parts.clock,
      dispatch: (fact) => {
        if (!this.#closing) this.dispatch(fact);
      },
    });
  }

  get state(): SessionState {
    return this.#state;
  }

  /** The windows of the JVM that runs. */
  get windows(): WindowWatch {
    return this.#windows;
  }

  /** Pid of the JVM or its launcher; null when there is none. */
  get pid(): number | null {
    return this.#host.pid();
  }

  /** Directory of the cgroup of the session's processes; null when they have none of their own. */
  get cgroup(): string | null {
    return this.#host.cgroup();
  }

  /** Whether the loop turns and what it asked for is being worked on: what the watchdog of the agent's own unit is fed by. */
  isAlive(): boolean {
    const turns =
      this.#ticks === null || this.#parts.clock.monotonicMs() - this.#lastTickMs < LONGEST_TICK_MS;
    return turns && this.#host.isWorking();
  }

  /**
   * To be awaited before {@link begin}: takes up what an earlier agent left running, or makes sure that no JVM of it shares the
   * settings directory with ours.
   */
  async prepare(memory: SessionMemory): Promise<void> {
    const { run } = memory;
    this.#recovery = await this.#host.recover(
      run === null ? null : { id: run.order, kind: run.launch, startedAt: run.startedAt },
    );
  }

  /** Since when what is taken up has been running, in epoch milliseconds; null when there is nothing. After {@link prepare}. */
  get recoveredFrom(): number | null {
    return this.#recovery.kind === 'found' ? this.#recovery.run.startedAt : null;
  }

  /** Brings the session to where it is by now, or up when it is wanted up. Effects that an earlier agent had already are not repeated. */
  begin(desired: 'up' | 'down', memory: SessionMemory): void {
    const { clock } = this.#parts;
    const tick = () => {
      this.#lastTickMs = clock.monotonicMs();
    };
    tick();
    this.#ticks = clock.every(TICK_MS, tick);
    const recovery = this.#recovery;
    if (recovery.kind !== 'found') {
      this.dispatch({ kind: 'agent-started', desired, memory, found: this.#judgeLost(recovery, memory) });
      this.#endStaleLeases();
      return;
    }
    const { run, complete, observations, told } = recovery;
    const kept =
      memory.run?.order === run.id
        ? memory.run
        : minimalRun({ order: run.id, launch: run.kind, startedAt: run.startedAt });
    const retelling = new Retelling(run.id, told, this.#parts.ledger);
    this.#retelling = retelling;
    this.#forgetLines();
    retelling.at = Math.min(run.startedAt, clock.now());
    const found = complete ? 'replay' : 'running';
    // What is not on record must count from now, or a deadline of long ago would end the session.
    if (!complete) retelling.at = clock.now();
    this.dispatch({ kind: 'agent-started', desired, memory: { ...memory, run: kept }, found });
    for (const { at, observation } of observations) {
      // A record from before the clock was set back: what came after it would be waited for as long as that.
      if (complete) retelling.at = Math.min(at, clock.now());
      this.#observe(observation);
    }
    retelling.at = null;
    for (const effect of retelling.deferred()) this.#perform(effect, this.#state);
    this.dispatch({ kind: 'replayed' });
    this.#endStaleLeases();
  }

  /**
   * What an earlier agent's run kept the user's other sessions waiting for, and no run does any more. That of a run which goes on, and of
   * which the beginning is not on record, is left to its deadline: nobody knows whether it is through.
   */
  #endStaleLeases(): void {
    const { run } = this.#state;
    const { name, user } = this.config;
    const order = run?.order ?? null;
    this.#book(() =>
      this.#parts.ledger.release(user, (lease) => lease.session === name && lease.order !== order),
    );
  }

  /** The charge comes before the order: a run that was never charged was never ordered, and is decided anew. */
  #judgeLost(recovery: Recovery, { run }: SessionMemory): FoundRun {
    if (recovery.kind !== 'lost' || run === null) return 'nothing';
    if (run.launch === 'cold' && run.afterExit === null)
      return this.#parts.ledger.count(run.order, 'login', 'agent') > 0 ? 'lost' : 'nothing';
    return 'lost';
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
   * it is being carried out, but will be forgotten when the agent restarts. `device`: second-factor device of the login that follows.
   */
  operate(action: OperatorAction, override: Override | null = null, device: string | null = null): void {
    this.#followClock();
    this.#refuseClosing();
    const misplaced = device === null || action === 'restart-cold' ? null : refuseDevice(this.#state);
    if (misplaced !== null) throw this.#refusalError(misplaced);
    const wanted = this.#state.desired;
    const refusal = refuseOperator(this.#state, action, this.#context(), override);
    this.dispatch({ kind: 'operator', action, override, ...(device === null ? {} : { device }) });
    if (refusal !== null) throw this.#refusalError(refusal);
    if (this.#state.desired !== wanted && this.#wishUnrecorded !== null) throw this.#wishUnrecorded;
  }

  /**
   * Chooses an entry of the device list that is open. Throws AgentError: `unknown-device` with the list, `wrong-state` when there is no
   * list or somebody is choosing, `windows-unseen`, `window-changed`.
   */
  async chooseDevice(device: string): Promise<void> {
    this.#refuseClosing();
    const list = openDeviceList(this.#state.phase);
    if (list === null) throw changedMeanwhile();
    await this.#choose(list.window, device, 'operator');
  }

  /**
   * Has the push sent again that is pending. It is charged, durably, before anything is pressed, and that is taken back only when it is
   * certain that nothing was. Throws AgentError: `login-deferred`, `wrong-state`, `windows-unseen`, `window-changed`, `state-unwritable`.
   */
  async resendPush(): Promise<void> {
    this.#followClock();
    this.#refuseClosing();
    if (this.#pressing) throw busy();
    const { ledger } = this.#parts;
    const refusal = refuseResend(this.#state, this.#context());
    this.dispatch({ kind: 'push-resend', step: 'asked' });
    if (refusal !== null) throw this.#refusalError(refusal);
    const { run, phase } = this.#state;
    const window = phase.name === 'awaiting-second-factor' ? (phase.detail?.window ?? null) : null;
    if (run === null || window === null) throw changedMeanwhile();
    const { order, pushes: before } = run;
    ledger.charge({
      user: this.config.user,
      session: this.config.name,
      kind: 'push',
      order,
      by: 'agent',
    });
    this.#pressing = true;
    try {
      this.dispatch({ kind: 'push-resend', step: 'pressing' });
      const outcome = await this.#windows.resend(window);
      if (outcome.kind === 'not-pressed') {
        this.#book(() => ledger.takeBackPush(order));
        if (this.#state.run?.order === order)
          this.dispatch({ kind: 'push-resend', step: 'not-pressed', before });
        throw outcome.error;
      }
      if (this.#state.run?.order === order) this.dispatch({ kind: 'push-resend', step: outcome.kind });
      if (outcome.kind === 'uncertain') {
        throw new AgentError(
          'windows-unseen',
          `it is not known whether the notification was sent again: ${outcome.error.message}`,
          { hint: 'look at the phone; it counts as sent', cause: outcome.error },
        );
      }
    } finally {
      this.#pressing = false;
    }
  }

  /**
   * Presses a button of a window for an operator. Throws AgentError `windows-unseen`, `window-changed`, or `wrong-state` while a code is on its
   * way, or something else is being pressed.
   */
  async clickWindow(window: string, button: string): Promise<void> {
    this.#refuseClosing();
    if (this.#pressing || (this.#state.run?.codes.busy ?? null) !== null) throw busy();
    await this.#windows.click(window, button);
  }

  async #choose(window: string, device: string, by: 'agent' | 'operator'): Promise<void> {
    if (this.#pressing) throw busy();
    const order = this.#state.run?.order;
    this.#pressing = true;
    try {
      await this.#windows.choose(window, device);
    } finally {
      this.#pressing = false;
    }
    if (this.#state.run?.order === order) this.dispatch({ kind: 'device-picked', device, by });
  }

  #refuseClosing(): void {
    if (this.#closing) {
      throw new AgentError('agent-stopping', 'the agent is stopping', { hint: 'try again when it is back' });
    }
  }

  #refusalError(refusal: OperatorRefusal): AgentError {
    const { deferral } = refusal;
    return new AgentError(refusal.code, refusal.message, {
      hint: refusal.hint,
      ...(deferral === null
        ? {}
        : {
            data: {
              blockedUntil: isoTime(deferral.until),
              why: deferral.why,
              used: deferral.used,
              limit: deferral.limit,
              session: deferral.session,
            },
          }),
    });
  }

  /**
   * Types a person's code into the window that asks for one. Resolves once that is done, or may have been done; what IBKR says to it shows in
   * the state. Throws an AgentError that says why nothing was typed; it never holds any of the code.
   */
  async giveCode(text: string): Promise<'typed' | 'uncertain'> {
    this.#followClock();
    this.#refuseClosing();
    const code = tidyCode(text);
    const refused = refuseCode(this.#state, this.config.name, code);
    if (refused !== null) throw new AgentError(refused.code, refused.message, { hint: refused.hint });
    const { phase } = this.#state;
    const window = phase.name === 'awaiting-second-factor' ? (phase.detail?.window ?? '') : '';
    const id = randomUUID();
    this.dispatch({ kind: 'code-given', id });
    const tell = (outcome: CodeTyped) => {
      if (!this.#closing) this.dispatch({ kind: 'code-result', id, outcome, clock: null });
    };
    try {
      const kind = await this.#typist.typeGiven(window, code);
      tell({ kind });
      return kind;
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      tell({ kind: 'not-typed', why: 'window-gone', detail, hopeless: false });
      throw error;
    }
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
    if (this.#host.outlivesAgent) {
      await this.#leave();
      return;
    }
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
    await this.#leave();
  }

  async #leave(): Promise<void> {
    this.#unwait();
    this.#ticks?.cancel();
    this.#timer?.cancel();
    this.#api.unwatch();
    this.#windows.unwatch();
    await this.#host.close();
  }

  /** Epoch milliseconds: of what is being told, else of the clock. */
  #now(): number {
    return this.#retelling?.at ?? this.#parts.clock.now();
  }

  #context(): Context {
    const { random, config } = this.#parts;
    return {
      now: this.#now(),
      random: random(),
      order: randomUUID(),
      budget: this.#budget(),
      rules: rulesOf(config),
    };
  }

  /** While the past is told, as it stood then: what is on record of the rest of the run has not happened yet. */
  #budget(): Budget {
    const { ledger, config } = this.#parts;
    const told = this.#retelling?.soFar ?? null;
    const budget = ledger.budget(config.user, config.restart, config.name, told);
    if (told === null || budget.push === null) return budget;
    return { ...budget, push: { ...budget.push, shown: false } };
  }

  /** What waits, waits for time to pass, not for the wall clock to say so. */
  #followClock(): void {
    const { clock } = this.#parts;
    const offset = clock.now() - clock.monotonicMs();
    const step = Math.round(offset - this.#wallOffsetMs);
    if (Math.abs(step) < SMALLEST_CLOCK_STEP_MS || this.#retelling?.at != null) return;
    this.#wallOffsetMs = offset;
    this.#state = afterClockStep(this.#state, step);
  }

  #step(fact: Fact): void {
    this.#followClock();
    const before = this.#state;
    const { state, effects } = reduce(before, fact, this.#context());
    this.#state = state;
    for (const effect of effects) {
      const own =
        this.#retelling === null ? effect : this.#retelling.filter(effect, state.run?.order ?? null);
      if (own !== null) this.#perform(own, before);
    }
    this.#tellReadiness();
    this.#watchWindows();
    for (const listener of [...this.#listeners]) listener(state);
  }

  /** Up exactly while the session is ready; while an adopted one is being checked it stays as the agent before left it. */
  #tellReadiness(): void {
    const { phase, run } = this.#state;
    if (this.#retelling?.at != null) return;
    this.#expect(phase.name);
    const ready = phase.name === 'ready';
    const undecided = run?.adopted === true && phase.name === 'loading' && !this.#decided;
    if (undecided || (ready === this.#ready && this.#decided)) return;
    this.#decided = true;
    this.#ready = ready;
    this.#host.setReady(ready);
  }

  /** One connection for each JVM: a run that is over and one that follows at once are two. */
  #watchWindows(): void {
    if (this.#retelling?.at != null) return;
    const order = this.#state.run?.order ?? null;
    if (order !== this.#watched) {
      this.#windows.unwatch();
      if (order !== null) this.#windows.watch();
      this.#watched = order;
    }
    this.#windows.expect(!RESTING.has(this.#state.phase.name));
  }

  #expect(phase: string): void {
    this.#host.expect(!RESTING.has(phase) || this.#parts.clock.monotonicMs() < this.#goneUntilMs);
  }

  /** Windows are seen again: words that stand there are not about the code that was handed in last. */
  #awaitAnswer(): void {
    const { handed = null, busy = null } = this.#state.run?.codes ?? {};
    if (handed === null || busy !== null) return;
    this.#windows.expectCode(handed);
    this.#windows.codeEnded(handed, true);
  }

  #suspectGone(): void {
    const { clock } = this.#parts;
    this.#goneUntilMs = clock.monotonicMs() + GONE_MS;
    this.#expect(this.#state.phase.name);
    clock.after(GONE_MS, () => {
      if (!this.#closing) this.#expect(this.#state.phase.name);
    });
  }

  #perform(effect: Effect, before: SessionState): void {
    switch (effect.kind) {
      case 'launch':
        this.#launch(effect.order, effect.launch, effect.device);
        return;
      case 'stop':
        this.#host.stop(effect.how);
        return;
      case 'stop-display':
        this.#host.stopDisplay();
        return;
      case 'choose-device':
        this.#choose(effect.window, effect.device, 'agent').catch((error: unknown) => {
          // Somebody else was quicker, or it cannot be done: the list still shows then, and a person is asked already.
          if (!(error instanceof AgentError)) throw error;
        });
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
      case 'lease': {
        const { order, until, shown } = effect;
        const { user, name: session } = this.config;
        this.#book(() => this.#parts.ledger.lease({ user, session, order, until, shown }));
        return;
      }
      case 'release':
        this.#book(() =>
          this.#parts.ledger.release(this.config.user, (lease) => lease.order === effect.order),
        );
        return;
      case 'save-desired':
        this.#wishUnrecorded = this.#book(() => this.#parts.desired.set(this.config.name, effect.desired));
        return;
      case 'remember':
        this.#book(() => this.#parts.desired.remember(this.config.name, effect.memory));
        return;
      case 'type-code':
        void this.#typist.typeMade(effect.id, effect.step, effect.window);
        return;
      case 'recall-code':
        void this.#typist.recall(effect.id, effect.window);
        return;
      case 'check-code':
        void this.#typist.check(effect.id);
        return;
      case 'compare-clock':
        void this.#typist.compareClock();
        return;
      case 'emit':
        this.#parts.onEvent(
          completeEvent(effect.event, {
            at: this.#now(),
            session: this.config.name,
            state: this.#state.phase.name,
            previousState: before.phase.name,
          }),
        );
        return;
    }
  }

  /** The ledger first, then the order, then the processes: a crash in between can only cost budget, never a login too many. */
  #launch(id: string, launch: 'warm' | 'cold', device?: string): void {
    const order: LaunchOrder = {
      v: 1,
      session: this.config.name,
      id,
      kind: launch,
      notAfter: this.#parts.clock.now() + ORDER_VALID_MS,
      ...(device === undefined ? {} : { device }),
    };
    try {
      // An order that is given again was charged when it was given first, and is used now if ever.
      if (launch === 'cold' && this.#parts.ledger.count(id, 'login', 'agent') > 0) {
        this.#parts.ledger.redate(id);
      } else if (launch === 'cold') {
        this.#parts.ledger.charge({
          user: this.config.user,
          session: this.config.name,
          kind: 'login',
          order: id,
          by: 'agent',
        });
      }
      writeFileAtomic(
        this.#parts.launchOrderPath,
        `${JSON.stringify(order)}\n`,
        0o640,
        this.#parts.launchOrderGid,
      );
    } catch (error) {
      this.#queue.push({
        kind: 'state-unwritable',
        detail: error instanceof Error ? error.message : String(error),
      });
      return;
    }
    this.#forgetLines();
    this.#host.start(order);
  }

  /** Before the lines of another JVM. */
  #forgetLines(): void {
    this.#parser = new IbcLogParser();
    this.#mapping = new IbcMapping(this.config.deadlines.secondFactorMs);
    this.#lastError = null;
  }

  /** Bookkeeping after the fact: what cannot be written does not undo what happened, but a person must hear of it. Returns why not, or null. */
  #book(write: () => void): unknown {
    try {
      write();
      if (this.#unrecorded !== null) this.#queue.push({ kind: 'records', ok: true, detail: '' });
      this.#unrecorded = null;
      return null;
    } catch (error) {
      this.#unrecorded = error;
      const detail = error instanceof Error ? error.message : String(error);
      this.#queue.push({ kind: 'records', ok: false, detail });
      return error;
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
      case 'unit-stopping':
        this.dispatch(observation);
        return;
      case 'exited':
        this.#onExited(observation.record);
        return;
    }
  }

  #onLine(line: Extract<HostObservation, { kind: 'line' }>): void {
    this.#tellLine(line);
    if (line.stream === 'stderr') {
      const failure = parseLaunchFailure(line.text);
      if (failure !== null) this.dispatch({ kind: 'launch-failed', problem: problemOf(failure) });
    }
    if (line.source !== 'session' || parseOrderTaken(line.text) !== null) return;
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

  #tellLine({ at, source, stream, text }: Omit<LogLine, 'at' | 'session'> & { readonly at?: number }): void {
    this.#parts.onLine({ at: isoTime(at ?? this.#now()), session: this.config.name, source, stream, text });
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

function busy(): AgentError {
  return new AgentError(
    'wrong-state',
    "something is being typed or pressed in the gateway's windows at this moment",
    {
      hint: 'see what came of it: ibctl status',
    },
  );
}

function changedMeanwhile(): AgentError {
  return new AgentError('wrong-state', 'the session waits for that no more', {
    hint: 'see how it is: ibctl status',
  });
}

/** The part of a session's configuration that its rules read. */
export function rulesOf(config: SessionConfig): SessionRules {
  const { method, device } = config.secondFactor;
  return {
    mode: config.mode,
    secondFactorMethod: method,
    secondFactorDevice: device,
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
