// Owns a session's state while one fact changes it: the moves that several rules share, each with its events and effects.

import type { EventDraft } from '../events/catalogue.ts';
import { backoffMs } from './backoff.ts';
import { type ConditionCode, impairs, visibleConditions } from './conditions.ts';
import { budgetDeferral, type Deferral, lockOutDeferral, pushDeferral } from './deferral.ts';
import type { Effect } from './effects.ts';
import type { LaunchKind, Override } from './facts.ts';
import type { Budget } from './ledger.ts';
import { memoryOf, type RunMemory, sameMemory } from './memory.ts';
import { leaseUntil, pushOf, SECOND_FACTOR_GRACE_MS } from './push-lease.ts';
import { REASONS, type Reason } from './reasons.ts';
import type { SessionRules } from './rules.ts';
import {
  type AfterStop,
  checkId,
  NEW_RUN,
  NO_API,
  NO_BROKER,
  NOTHING_SAID,
  type OpenDialog,
  type Phase,
  type Run,
  type SessionState,
} from './session-state.ts';

/** What the reducer may know beside state and fact. All of it is data, so that a run can be replayed. */
export type Context = {
  /** Epoch milliseconds. */
  readonly now: number;
  /** In [0, 1). */
  readonly random: number;
  /** Id for a launch order, should one be written; unique per call. */
  readonly order: string;
  readonly budget: Budget;
  readonly rules: SessionRules;
};

export type Step = { readonly state: SessionState; readonly effects: readonly Effect[] };

/** How long a gateway may take from its minute until it has ended. */
const RESTART_GRACE_MS = 30_000;
/** Warm restarts cost no login, yet a gateway that restarts this often in an hour is broken. */
const MAX_WARM_LAUNCHES_PER_HOUR = 6;
const HOUR_MS = 3_600_000;
const MAX_COUNTED_LOGINS = 20;
/** How long a session must be ready before earlier failures are forgotten. */
const STABLE_AFTER_MS = 10 * 60_000;
/** Of windows, settings and farms that one session tells about; the newest are kept. */
const MAX_HELD_OF_A_CODE = 20;

/** A state being changed by one fact; what it collects becomes the next state and the effects. */
export class Draft {
  readonly ctx: Context;
  readonly effects: Effect[] = [];
  readonly #before: SessionState;
  readonly #events: EventDraft[] = [];
  phase: Phase;
  since: number;
  reason: Reason | null;
  desired: 'up' | 'down';
  run: Run | null;
  api: SessionState['api'];
  broker: SessionState['broker'];
  conditions: SessionState['conditions'];
  streak: number;
  missedSecondFactors: number;
  refusals: number;
  launchFailures: number;
  lockedOutUntil: number | null;
  warmLaunches: readonly number[];
  restart: SessionState['restart'];
  token: boolean;
  readyAt: number | null;
  announced: readonly string[];
  phaseDeadline: number | null;
  restartDeadline: number | null;
  held: boolean;
  passwordToldAt: number | null;
  lastStartedAt: number | null;

  constructor(state: SessionState, ctx: Context) {
    this.ctx = ctx;
    this.#before = state;
    this.phase = state.phase;
    this.since = state.since;
    this.reason = state.reason;
    this.desired = state.desired;
    this.run = state.run;
    this.api = state.api;
    this.broker = state.broker;
    this.conditions = state.conditions;
    this.streak = state.streak;
    this.missedSecondFactors = state.missedSecondFactors;
    this.refusals = state.refusals;
    this.launchFailures = state.launchFailures;
    this.lockedOutUntil = state.lockedOutUntil;
    this.warmLaunches = state.warmLaunches;
    this.restart = state.restart;
    this.token = state.token;
    this.readyAt = state.readyAt;
    this.announced = state.announced;
    this.phaseDeadline = state.phaseDeadline;
    this.restartDeadline = state.restartDeadline;
    this.held = state.held;
    this.passwordToldAt = state.passwordToldAt;
    this.lastStartedAt = state.lastStartedAt;
  }

  snapshot(): SessionState {
    return {
      phase: this.phase,
      since: this.since,
      reason: this.reason,
      desired: this.desired,
      run: this.run,
      api: this.api,
      broker: this.broker,
      conditions: this.conditions,
      streak: this.streak,
      missedSecondFactors: this.missedSecondFactors,
      refusals: this.refusals,
      launchFailures: this.launchFailures,
      lockedOutUntil: this.lockedOutUntil,
      warmLaunches: this.warmLaunches,
      restart: this.restart,
      token: this.token,
      readyAt: this.readyAt,
      announced: this.announced,
      phaseDeadline: this.phaseDeadline,
      restartDeadline: this.restartDeadline,
      held: this.held,
      passwordToldAt: this.passwordToldAt,
      lastStartedAt: this.lastStartedAt,
    };
  }

  finish(): Step {
    // Events come before a launch, so that the record says what begins before anything of it can be seen.
    this.#settleLease();
    const launches = this.effects.filter((effect) => effect.kind === 'launch');
    const others = this.effects.filter((effect) => effect.kind !== 'launch');
    const events = this.#events.map((event): Effect => ({ kind: 'emit', event }));
    const state = this.snapshot();
    const memory = memoryOf(state);
    const remember: Effect[] = sameMemory(memory, memoryOf(this.#before))
      ? []
      : [{ kind: 'remember', memory }];
    // What must not be forgotten comes first: an agent that is killed after any of the others finds out what it was about to do.
    return { state, effects: [...remember, ...others, ...events, ...launches] };
  }

  emit(event: EventDraft): void {
    this.#events.push(event);
  }

  emitDeferred({ why, until, text, used, limit, session }: Deferral, hint?: string): void {
    this.emit({
      event: 'login-deferred',
      fields: {
        IB_UNTIL: new Date(until).toISOString(),
        IB_DETAIL: text,
        IB_WHY: why,
        IB_USED: used === null ? '' : String(used),
        IB_LIMIT: limit === null ? '' : String(limit),
        IB_WAITS_FOR: session ?? '',
      },
      reason: why === 'locked-out' || why === 'push-outstanding' ? why : 'login-budget',
      ...(hint === undefined ? {} : { hint }),
    });
  }

  /** The user's other sessions are kept off before the phone can ring, and freed only once the next claim of this one stands. */
  #settleLease(): void {
    const before = this.#before.run;
    const push = pushOf(this.snapshot(), before);
    if (this.run !== null && this.run.push !== push) this.updateRun({ push });
    const { run } = this;
    const same = before !== null && before.order === run?.order;
    if (run !== null && push !== null && !(same && before.push === push)) {
      const until = leaseUntil(push, this.ctx.rules, this.ctx.now);
      this.effects.push({ kind: 'lease', order: run.order, until, shown: push === 'shown' });
    }
    if (before !== null && before.push !== null && (push === null || !same))
      this.effects.push({ kind: 'release', order: before.order });
  }

  /** Changes the phase; its deadline starts now. */
  enter(phase: Phase, reason: Reason | null): void {
    this.phase = phase;
    this.since = this.ctx.now;
    this.reason = reason;
    const limit = this.#phaseLimitMs(phase);
    this.phaseDeadline = limit === null ? null : this.ctx.now + limit;
  }

  #phaseLimitMs(phase: Phase): number | null {
    const { deadlines } = this.ctx.rules;
    switch (phase.name) {
      case 'starting':
        return deadlines.startMs;
      case 'logging-in':
        return deadlines.loginMs;
      case 'awaiting-second-factor':
        return deadlines.secondFactorMs + SECOND_FACTOR_GRACE_MS;
      case 'loading':
        return deadlines.loadingMs;
      case 'restarting':
        return phase.stage === 'closing' ? deadlines.stopMs + deadlines.termMs + 30_000 : deadlines.startMs;
      case 'stopping':
        return deadlines.stopMs + deadlines.termMs + 30_000;
      default:
        return null;
    }
  }

  updateRun(change: Partial<Run>): void {
    if (this.run !== null) this.run = { ...this.run, ...change };
  }

  say(change: Partial<Run['said']>): void {
    if (this.run !== null) this.run = { ...this.run, said: { ...this.run.said, ...change } };
  }

  wantUp(): void {
    if (this.desired === 'up') return;
    this.desired = 'up';
    this.effects.push({ kind: 'save-desired', desired: 'up' });
  }

  wantDown(): void {
    if (this.desired === 'down') return;
    this.desired = 'down';
    this.effects.push({ kind: 'save-desired', desired: 'down' });
  }

  /** The session is ready no more; when it was for long enough, what went wrong before is forgotten. */
  leaveReady(): void {
    if (this.readyAt !== null && this.ctx.now - this.readyAt >= STABLE_AFTER_MS) this.forgetFailures();
    this.readyAt = null;
  }

  forgetFailures(): void {
    this.streak = 0;
    this.missedSecondFactors = 0;
    this.refusals = 0;
    this.launchFailures = 0;
  }

  /** Counts a login that IBC makes by itself; a budget that was used up before it ends the session. */
  chargeForeignLogin(): void {
    if (this.run === null) return;
    const { loginsLastHour } = this.ctx.budget;
    const deferral = budgetDeferral(this.ctx.budget, 'login');
    // A gateway that repeats the line without end is being stopped already; more entries would only fill the disk.
    if (loginsLastHour < MAX_COUNTED_LOGINS) {
      this.effects.push({ kind: 'charge', what: 'login', order: this.run.order });
    }
    if (deferral === null || this.run.afterExit !== null) return;
    this.emitDeferred({ ...deferral, text: `IBC logged in by itself: ${deferral.text}` });
    this.stopThen({ kind: 'halt', reason: 'login-budget', detail: 'IBC logged in by itself once more' });
  }

  /** Starts a JVM when the budget allows it, and halts otherwise; waits while another session of the user may ring its phone. */
  launch(
    kind: LaunchKind,
    reason: Reason,
    override: Override | null = null,
    device: string | null = null,
  ): void {
    if (this.run !== null) return;
    const { now, order } = this.ctx;
    if (kind === 'cold' && this.#mayNotLogIn(reason, override)) return;
    if (kind === 'warm') {
      const recent = this.warmLaunches.filter((at) => at <= now && now - at < HOUR_MS);
      if (recent.length >= MAX_WARM_LAUNCHES_PER_HOUR) {
        this.halt('restart-storm', `${recent.length} restarts in the last hour`);
        return;
      }
      this.warmLaunches = [...recent, now];
    }
    this.token = false;
    this.held = false;
    this.run = { ...NEW_RUN, said: NOTHING_SAID, order, launch: kind, startedAt: now, device };
    this.lastStartedAt = now;
    this.effects.push({ kind: 'launch', order, launch: kind, ...(device === null ? {} : { device }) });
    // Without a seed that is good the login would wait for a code in vain.
    if (kind === 'cold' && this.ctx.rules.secondFactorMethod === 'totp')
      this.effects.push({ kind: 'check-code', id: checkId(order) });
    this.enter(
      this.restart === null
        ? { name: 'starting' }
        : { name: 'restarting', restart: this.restart.kind, stage: 'launching' },
      reason,
    );
    this.emit({ event: 'session-starting', fields: { IB_LAUNCH: kind, IB_ORDER: order }, reason });
  }

  /** Whether a login has to wait or is not to be; then the session does so by now. */
  #mayNotLogIn(reason: Reason, override: Override | null): boolean {
    const { now, budget } = this.ctx;
    const spent = budgetDeferral(budget);
    if (spent !== null && override === null) {
      this.emitDeferred(spent);
      this.halt('login-budget', `${spent.text}; the last reason was: ${REASONS[reason].text}`);
      return true;
    }
    const lockOut = lockOutDeferral(this.lockedOutUntil, now);
    if (lockOut !== null) {
      this.waitUntil('locked-out', lockOut.until);
      return true;
    }
    const push = pushDeferral(budget);
    if (push !== null) {
      this.emitDeferred(push, push.hint);
      this.waitUntil('push-outstanding', push.until);
      return true;
    }
    if (spent !== null && override !== null) this.#tellOverride(override, spent);
    return false;
  }

  #tellOverride({ uid, pid }: Override, { why, until }: Deferral): void {
    const { loginsLastHour, logins24h, pushesLastHour, pushes24h } = this.ctx.budget;
    this.emit({
      event: 'budget-overridden',
      fields: {
        IB_ACTOR_UID: String(uid ?? ''),
        IB_ACTOR_PID: String(pid ?? ''),
        IB_WHY: why,
        IB_UNTIL: new Date(until).toISOString(),
        IB_LOGINS_HOUR: String(loginsLastHour),
        IB_LOGINS_DAY: String(logins24h),
        IB_PUSHES_HOUR: String(pushesLastHour),
        IB_PUSHES_DAY: String(pushes24h),
      },
      reason: 'operator-login',
    });
  }

  /**
   * Takes up a run that an earlier agent began. Without its beginning on record it counts as logged in: whether it is, the API proves or
   * does not, and what is not known must not end it.
   */
  adopt(kept: RunMemory, found: 'replay' | 'running'): void {
    const { order, launch, startedAt, afterExit, restartAsked, codes, readyAt, restart } = kept;
    const loggedInAt = found === 'replay' ? null : (kept.loggedInAt ?? this.ctx.now);
    this.run = {
      ...NEW_RUN,
      said: NOTHING_SAID,
      adopted: true,
      order,
      launch,
      startedAt,
      loggedInAt,
      // Without its record nothing of what was before is told again.
      logins: found === 'replay' ? 0 : codes.after,
      afterExit,
      restartAsked,
      codes,
      device: kept.device ?? null,
      pushes: kept.pushes ?? null,
    };
    this.restart = restart;
    this.readyAt = readyAt;
    if (restartAsked !== null) this.expectRestart(restartAsked);
    if (afterExit !== null) this.enter(endingPhase(afterExit), afterExit.reason);
    else if (found === 'running') this.#checkAgain();
    else if (restart !== null)
      this.enter({ name: 'restarting', restart: restart.kind, stage: 'launching' }, 'gateway-restart');
    else this.enter({ name: 'starting' }, 'agent-restarted');
  }

  /** Starts a run of an earlier agent of which nothing is on record. An order works once: if it was used, this start is refused and says so. */
  launchAgain(kept: RunMemory): void {
    const { order, launch, device = null } = kept;
    this.restart = kept.restart;
    if (launch === 'cold' && this.#mayNotLogIn('agent-restarted', null)) return;
    const startedAt = this.ctx.now;
    this.run = { ...NEW_RUN, said: NOTHING_SAID, adopted: true, order, launch, startedAt, device };
    this.effects.push({ kind: 'launch', order, launch, ...(device === null ? {} : { device }) });
    this.enter(
      kept.restart === null
        ? { name: 'starting' }
        : { name: 'restarting', restart: kept.restart.kind, stage: 'launching' },
      'agent-restarted',
    );
  }

  /** All that is on record of an adopted run has been told; what it is now, the unit and the API say. */
  settleAdopted(): void {
    const { run } = this;
    if (run === null) return;
    if (run.afterExit !== null) {
      this.effects.push({ kind: 'stop', how: 'tidy' });
      this.enter(endingPhase(run.afterExit), run.afterExit.reason);
    } else if (this.phase.name === 'loading' && run.loggedInAt !== null) {
      this.#checkAgain();
    }
  }

  /** Logged in as far as is known; proven again by a connection of this agent, for which the time starts now. */
  #checkAgain(): void {
    this.enter({ name: 'loading' }, 'agent-restarted');
    this.watchApi(true);
  }

  /** Asks the JVM to end; `then` happens when it has. */
  stopThen(then: AfterStop, how: 'tidy' | 'signal' = 'tidy'): void {
    if (this.run === null) {
      this.follow(then);
      return;
    }
    if (this.run.afterExit === null) this.effects.push({ kind: 'stop', how });
    this.updateRun({ afterExit: then });
    this.restartDeadline = null;
    this.enter(endingPhase(then), then.reason);
  }

  /** The supervisor's ladder ends with SIGKILL, so an exit that is overdue means that its report was lost: ask again. */
  stopAgain(): void {
    this.effects.push({ kind: 'stop', how: 'signal' });
    this.phaseDeadline = this.ctx.now + this.ctx.rules.deadlines.termMs + 30_000;
  }

  follow(then: AfterStop, hint?: string): void {
    switch (then.kind) {
      case 'stay-stopped':
        this.stayStopped(then.reason);
        return;
      case 'halt':
        this.halt(then.reason, then.detail, hint);
        return;
      case 'launch':
        this.launch(then.launch, then.reason, null, then.device ?? null);
        return;
      case 'back-off':
        this.#backOff(then.reason, then.notBefore);
        return;
    }
  }

  stayStopped(reason: Reason): void {
    this.restart = null;
    this.enter({ name: 'stopped' }, reason);
    this.effects.push({ kind: 'stop-display' });
    this.emit({ event: 'session-stopped', fields: {}, reason });
  }

  #backOff(reason: Reason, notBefore: number | null): void {
    this.streak += 1;
    const { now, random, rules } = this.ctx;
    const delayMs = backoffMs(this.streak, random, rules.restart.backoffMinMs, rules.restart.backoffMaxMs);
    this.waitUntil(reason, Math.max(now + delayMs, notBefore ?? 0));
  }

  /** Tries again at a time that is known already. */
  waitUntil(reason: Reason, until: number): void {
    this.restart = null;
    this.enter({ name: 'backing-off', until, launch: 'cold' }, reason);
    this.emit({
      event: 'session-backing-off',
      fields: { IB_UNTIL: new Date(until).toISOString(), IB_NEXT: 'login', IB_DETAIL: REASONS[reason].text },
      reason,
      hint: REASONS[reason].hint,
    });
  }

  halt(reason: Reason, detail: string | null, hint?: string): void {
    const text = detail === null ? REASONS[reason].text : `${REASONS[reason].text}: ${detail}`;
    const advice =
      hint === undefined ? REASONS[reason].hint : `${hint.replace(/\.$/, '')}; then run: ibctl login`;
    this.stayHalted(reason, text, advice);
    this.effects.push({ kind: 'stop-display' });
  }

  stayHalted(reason: Reason, text: string, hint: string): void {
    this.restart = null;
    this.enter({ name: 'halted', text, hint }, reason);
    this.emit({ event: 'session-halted', fields: { IB_DETAIL: text }, reason, hint });
  }

  /** What follows a failure: another try, or a halt where the policy wants none. */
  afterFailure(reason: Reason, notBefore: number | null): AfterStop {
    if (this.ctx.rules.restart.policy === 'never')
      return { kind: 'halt', reason, detail: 'restart.policy is never' };
    return { kind: 'back-off', reason, notBefore };
  }

  fail(reason: Reason, detail: string): void {
    if (this.run?.loggedInAt != null) this.lose(reason, detail);
    this.endRestart(detail);
    this.stopThen(this.afterFailure(reason, null));
  }

  /** Says that a session which was up is gone. */
  lose(reason: Reason, detail: string): void {
    if (this.run !== null && this.run.loggedInAt === null) return;
    this.emit({ event: 'session-lost', fields: { IB_DETAIL: detail }, reason, hint: REASONS[reason].hint });
  }

  /** It comes at a full minute: until then, and for a while after, it is not late. */
  expectRestart({ at, due }: NonNullable<Run['restartAsked']>): void {
    const asAsked = at + this.ctx.rules.deadlines.warmRestartMs;
    this.restartDeadline = due === null ? asAsked : Math.max(asAsked, due + RESTART_GRACE_MS);
  }

  /** A restart that was under way has led nowhere. */
  endRestart(detail: string): void {
    if (this.restart === null) return;
    this.emit({ event: 'restart-failed', fields: { IB_KIND: this.restart.kind, IB_DETAIL: detail } });
    this.restart = null;
  }

  failRestart(detail: string): void {
    this.updateRun({ restartAsked: null });
    this.restartDeadline = null;
    this.hold('restart-failed', detail, true);
    this.emit({ event: 'restart-failed', fields: { IB_KIND: 'warm', IB_DETAIL: detail } });
  }

  watchApi(eager: boolean): void {
    this.effects.push({ kind: 'watch-api', eager });
  }

  /** The JVM is gone, and with it everything it was the evidence for. */
  endRun(): void {
    this.run = null;
    this.api = NO_API;
    this.broker = NO_BROKER;
    this.conditions = this.conditions.filter(
      // The password does not get better by a restart; the next login says whether it still expires.
      ({ code }) => code === 'state-unwritable' || code === 'password-expiring',
    );
    this.announced = [];
    this.readyAt = null;
    this.restartDeadline = null;
    this.effects.push({ kind: 'unwatch-api' });
  }

  /** Makes a condition hold or not; true when it is new. `since` is epoch milliseconds, when it is not now. */
  hold(code: ConditionCode, detail: string, holds: boolean, since = this.ctx.now): boolean {
    const others = this.conditions.filter(
      (condition) => condition.code !== code || (distinguished(code) && condition.detail !== detail),
    );
    const same = this.conditions.find((condition) => !others.includes(condition));
    if (!holds) {
      this.conditions = others;
      return false;
    }
    const ofCode = others.filter((condition) => condition.code === code);
    const oldest = ofCode.length >= MAX_HELD_OF_A_CODE ? ofCode[0] : undefined;
    const kept = others.filter((condition) => condition !== oldest);
    this.conditions = [...kept, { code, detail, since: same?.since ?? since }];
    return same === undefined;
  }

  clear(code: ConditionCode): void {
    this.conditions = this.conditions.filter((condition) => condition.code !== code);
  }

  /** Moves between loading, ready and degraded by what is proven, and tells of conditions that became visible. */
  settleHealth(): void {
    if (this.run === null) return;
    if (this.#isProven()) this.clear('api-unproven');
    const visible = visibleConditions(this.conditions, this.ctx.now);
    const told = visible.map((condition) => `${condition.code} ${condition.detail}`);
    for (const condition of visible) {
      if (condition.code !== 'dialog-unknown') continue;
      if (this.announced.includes(`${condition.code} ${condition.detail}`)) continue;
      const dialog = this.run.dialogs.find((each) => dialogName(each) === condition.detail);
      this.emit({
        event: 'dialog-unknown',
        fields: {
          IB_TITLE: dialog?.title ?? condition.detail,
          IB_TEXT: dialog?.text ?? '',
          IB_BUTTONS: dialog?.buttons.join(', ') ?? '',
          IB_WINDOW: dialog?.window ?? '',
        },
      });
    }
    this.announced = told;
    const impairing = visible.filter(impairs);
    const proven = this.#isProven();
    if (this.phase.name === 'loading' && proven && this.run.loggedInAt !== null && impairing.length === 0) {
      this.#becomeReady();
    } else if (this.phase.name === 'ready' && impairing.length > 0) {
      this.enter({ name: 'degraded' }, this.reason);
      this.emit({
        event: 'session-degraded',
        fields: { IB_CONDITIONS: [...new Set(impairing.map((condition) => condition.code))].join(' ') },
      });
    } else if (this.phase.name === 'degraded' && impairing.length === 0 && proven) {
      if (this.readyAt === null) {
        this.#becomeReady();
        return;
      }
      this.enter({ name: 'ready' }, null);
      this.emit({ event: 'session-recovered', fields: {} });
    }
  }

  /** Positive evidence: the handshake, the accounts, and no lost connectivity outstanding. */
  #isProven(): boolean {
    return this.api.ok === true && this.api.serverVersion !== null && this.broker.connected !== false;
  }

  /** For a session that logged in and whose API does not prove it in time. */
  degradeUnproven(): void {
    this.hold('api-unproven', this.api.problem ?? 'nothing was heard from it', true);
    this.enter({ name: 'degraded' }, 'loading-timeout');
    this.watchApi(false);
    const told = visibleConditions(this.conditions, this.ctx.now).filter(impairs);
    this.emit({
      event: 'session-degraded',
      fields: { IB_CONDITIONS: [...new Set(told.map((condition) => condition.code))].join(' ') },
      reason: 'loading-timeout',
    });
  }

  #becomeReady(): void {
    this.enter({ name: 'ready' }, null);
    this.readyAt ??= this.ctx.now;
    this.watchApi(false);
    this.emit({
      event: 'session-ready',
      fields: {
        IB_SERVER_VERSION: String(this.api.serverVersion ?? ''),
        IB_LATENCY_MS: this.api.latencyMs === null ? '' : String(Math.round(this.api.latencyMs)),
      },
    });
    if (this.restart !== null) {
      const seconds = Math.round((this.ctx.now - this.restart.since) / 1000);
      this.emit({
        event: 'restart-finished',
        fields: { IB_KIND: this.restart.kind, IB_SECONDS: String(seconds) },
      });
      this.restart = null;
    }
  }
}

/** What a window that waits is called in its condition. */
export function dialogName({ window, title }: Pick<OpenDialog, 'window' | 'title'>): string {
  return title === '' ? window : `${title} (${window})`;
}

/** The phase of a session whose JVM was asked to end. */
function endingPhase(then: AfterStop): Phase {
  return then.kind === 'launch'
    ? { name: 'restarting', restart: then.launch, stage: 'closing' }
    : { name: 'stopping' };
}

/** Codes of which several may hold at once, told apart by their detail. */
function distinguished(code: ConditionCode): boolean {
  return code === 'farm-down' || code === 'dialog-unknown' || code === 'setting-failed';
}
