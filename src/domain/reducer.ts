// Owns the rules of a session: one pure function from state, fact and time to the next state and what is to be done.

import type { ErrorCode } from '../protocol/errors.ts';
import {
  beginCodesAnew,
  onClockCompared,
  onCodeChecked,
  onCodeResult,
  onCodeTimer,
  planCode,
  takeCode,
  takeUpCodes,
} from './codes.ts';
import { nextVisibleAt } from './conditions.ts';
import { budgetDeferral, type Deferral, lockOutDeferral, pushDeferral } from './deferral.ts';
import { onDeviceUnknown, settleDeviceChoice, tellChosen } from './device-choice.ts';
import { type Context, Draft, dialogName, type Step } from './draft.ts';
import { judgeExit, lockOutWaitMs, REFUSAL_REASONS, statusText } from './exit-decision.ts';
import type {
  ApiFact,
  ExitReport,
  Fact,
  FoundRun,
  GatewayFact,
  OperatorAction,
  Override,
  RefusalCause,
} from './facts.ts';
import { NO_MEMORY, type SessionMemory } from './memory.ts';
import { onResend, settlePushes } from './resend.ts';
import {
  answerSecondFactor,
  chooseDevice,
  closeSecondFactor,
  endSecondFactor,
  endUnwantedPush,
  missSecondFactor,
  rejectCode,
  showSecondFactor,
} from './second-factor.ts';
import { endLine, loseWindow } from './second-factor-sight.ts';
import { tellPending } from './second-factor-told.ts';
import {
  type AfterStop,
  NO_API,
  NO_BROKER,
  type Phase,
  type Run,
  type SessionState,
} from './session-state.ts';

/** Why an operator's action cannot be done now; null when it can. */
export type OperatorRefusal = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly deferral: Deferral | null;
};

const MAX_LAUNCH_FAILURES = 5;
const MAX_LOGIN_REFUSALS = 2;
/** Of one JVM: after that many the budget has long ended it. */
const MAX_TOLD_SUBMISSIONS = 10;
const LONGEST_REMEMBERED_WAIT_MS = 24 * 3_600_000;

/** States in which a JVM is alive and nothing decided to end it. */
function isUp(phase: Phase): boolean {
  return [
    'starting',
    'logging-in',
    'awaiting-second-factor',
    'loading',
    'ready',
    'degraded',
    'restarting',
  ].includes(phase.name);
}

/** A JVM on its way to ready, which nothing has decided to end. */
function isComingUp(d: Draft): boolean {
  return d.run !== null && !isEnding(d) && !isReadyOrDegraded(d.phase);
}

/** A JVM that was asked to end, or says that it is about to. */
function isEnding(d: Draft): boolean {
  if (d.run?.afterExit != null || d.phase.name === 'stopping') return true;
  return d.phase.name === 'restarting' && d.phase.stage === 'closing';
}

function isReadyOrDegraded(phase: Phase): boolean {
  return phase.name === 'ready' || phase.name === 'degraded';
}

/**
 * Says why an operator's action cannot be done in this state. The caller asks this in the same turn in which it
 * reduces the action, so that nothing changes in between.
 */
export function refuseOperator(
  state: SessionState,
  action: OperatorAction,
  ctx: Context,
  override: Override | null = null,
): OperatorRefusal | null {
  const needsCold =
    action === 'restart-cold' ||
    ((action === 'login' || action === 'start') &&
      !state.token &&
      (['stopped', 'halted', 'backing-off', 'stopping'] as const).some((name) => name === state.phase.name));
  // A person may go beyond the budget, but not against IBKR, nor ring a phone that is being rung.
  const deferral = needsCold
    ? (lockOutDeferral(state.lockedOutUntil, ctx.now) ??
      (override === null ? budgetDeferral(ctx.budget) : null) ??
      pushDeferral(ctx.budget))
    : null;
  if (deferral !== null)
    return { code: 'login-deferred', message: deferral.text, hint: deferral.hint, deferral };
  if (override !== null && state.phase.name === 'stopping') {
    return {
      code: 'wrong-state',
      message: 'the session is being stopped',
      hint: 'give the command again when it is: ibctl wait --for=stopped',
      deferral: null,
    };
  }
  if (action === 'restart-warm') {
    if (state.run?.restartAsked) {
      return {
        code: 'wrong-state',
        message: 'a restart is already under way',
        hint: 'follow it with: ibctl wait',
        deferral: null,
      };
    }
    if (!isReadyOrDegraded(state.phase)) {
      return {
        code: 'warm-restart-unavailable',
        message: `a session that is ${state.phase.name} cannot be restarted without a login`,
        hint: 'ibctl restart --cold restarts with a full login and, if IBKR asks for it, a second factor',
        deferral: null,
      };
    }
  }
  return null;
}

/** Takes one fact. Never throws, and ignores facts that mean nothing in the state. */
export function reduce(state: SessionState, fact: Fact, ctx: Context): Step {
  const draft = new Draft(state, ctx);
  tellWhatWaits(draft, fact);
  switch (fact.kind) {
    case 'agent-started':
      onAgentStarted(draft, fact.desired, fact.memory ?? NO_MEMORY, fact.found ?? 'nothing');
      break;
    case 'replayed':
      draft.settleAdopted();
      takeUpCodes(draft);
      // What stands beside another second factor was not looked at while the past was told.
      if (draft.run !== null && draft.phase.name === 'awaiting-second-factor' && draft.ctx.budget.push?.shown)
        endUnwantedPush(draft, draft.run);
      break;
    case 'unit-stopping':
      onUnitStopping(draft);
      break;
    case 'agent-stopping':
      onAgentStopping(draft);
      break;
    case 'operator':
      onOperator(draft, fact.action, fact.override ?? null, fact.device ?? null);
      break;
    case 'device-picked':
      tellChosen(draft, fact.device, fact.by);
      break;
    case 'push-resend':
      onResend(draft, fact);
      break;
    case 'push-free':
      if (draft.phase.name === 'backing-off' && draft.reason === 'push-outstanding')
        draft.launch(draft.phase.launch, draft.reason);
      break;
    case 'timer':
      onCodeTimer(draft);
      onTimer(draft);
      break;
    case 'launched':
      draft.updateRun({ pid: fact.pid });
      break;
    case 'launch-failed':
      if (draft.run !== null && draft.run.said.problem === null) {
        draft.say({ problem: fact.problem });
        draft.emit({
          event: 'launch-failed',
          fields: { IB_FAILURE: fact.problem.code, IB_DETAIL: fact.problem.message },
          hint: fact.problem.hint,
        });
      }
      break;
    case 'display-exited':
      onDisplayExited(draft, fact.status, fact.signal);
      break;
    case 'exited':
      onExited(draft, fact.report);
      break;
    case 'restart-answer':
      onRestartAnswer(draft, fact);
      break;
    case 'state-unwritable':
      if (draft.run !== null) {
        draft.run = null;
        draft.halt('state-unwritable', fact.detail);
      }
      break;
    case 'code-given':
      if (draft.run !== null) takeCode(draft, draft.run, fact.id);
      break;
    case 'code-result':
      if (draft.run !== null) onCodeResult(draft, draft.run, fact);
      break;
    case 'code-checked':
      if (draft.run !== null) onCodeChecked(draft, draft.run, fact);
      break;
    case 'clock-compared':
      onClockCompared(draft, fact.comparison);
      break;
    case 'records':
      if (draft.hold('state-unwritable', fact.detail, !fact.ok))
        draft.emit({ event: 'state-unwritable', fields: { IB_DETAIL: fact.detail } });
      break;
    case 'api-handshake':
    case 'api-accounts':
    case 'api-latency':
    case 'api-unresponsive':
    case 'api-mute':
    case 'api-down':
    case 'api-foreign':
    case 'api-client-id-in-use':
    case 'broker':
    case 'farm':
      onApi(draft, fact);
      break;
    default:
      onGateway(draft, fact);
  }
  settleDeviceChoice(draft);
  settlePushes(draft);
  draft.settleHealth();
  return draft.finish();
}

/** The earliest moment at which the state wants a `timer` fact; null when it waits for facts only. */
export function nextTimerAt(state: SessionState, now: number): number | null {
  const times = [
    state.phaseDeadline,
    state.restartDeadline,
    state.phase.name === 'backing-off' ? state.phase.until : null,
    state.run?.sight.untoldUntil ?? null,
    state.run?.codes.due ?? null,
    state.run?.codes.silentUntil ?? null,
    state.run?.choice.pickAt ?? null,
    nextVisibleAt(state.conditions, now),
  ].filter((at) => at !== null);
  return times.length === 0 ? null : Math.min(...times);
}

// --- the operator, the agent, time -----------------------------------------------------------------------------------

function onAgentStarted(d: Draft, desired: 'up' | 'down', memory: SessionMemory, found: FoundRun): void {
  if (d.phase.name !== 'stopped' || d.run !== null) return;
  const { now } = d.ctx;
  d.desired = desired;
  d.streak = memory.streak;
  d.missedSecondFactors = memory.missedSecondFactors;
  d.refusals = memory.refusals;
  d.lastStartedAt = memory.lastStartedAt;
  // A clock that was wrong when this was written must not keep a session down for years.
  const notLater = (at: number) => Math.min(at, now + LONGEST_REMEMBERED_WAIT_MS);
  d.lockedOutUntil = memory.lockedOutUntil === null ? null : notLater(memory.lockedOutUntil);
  const { run } = memory;
  if (run !== null && (found === 'replay' || found === 'running')) {
    d.adopt(run, found);
    return;
  }
  if (run !== null && found === 'lost' && run.afterExit !== null) {
    // It was asked to end, and it has: what was to follow follows.
    d.restart = run.restart;
    d.follow(run.afterExit);
    return;
  }
  if (memory.held) {
    d.held = true;
    d.enter({ name: 'stopped' }, 'stopped-by-systemd');
    return;
  }
  if (desired === 'down') return;
  if (run !== null && found === 'lost') {
    d.launchAgain(run);
    return;
  }
  const { halted, retry } = memory;
  if (halted !== null) d.stayHalted(halted.reason, halted.text, halted.hint);
  // Whether that one is through by now, the ledger says.
  else if (retry !== null && retry.until > now && retry.reason !== 'push-outstanding')
    d.waitUntil(retry.reason, notLater(retry.until));
  else d.launch('cold', 'autostart');
}

function onAgentStopping(d: Draft): void {
  if (d.run === null) {
    if (d.phase.name === 'backing-off') d.enter({ name: 'stopped' }, 'agent-stopping');
    return;
  }
  d.stopThen({ kind: 'stay-stopped', reason: 'agent-stopping' });
}

function onOperator(
  d: Draft,
  action: OperatorAction,
  override: Override | null,
  device: string | null,
): void {
  const refusal = refuseOperator(d.snapshot(), action, d.ctx, override);
  if (refusal !== null) {
    if (refusal.deferral !== null) d.emitDeferred(refusal.deferral, refusal.hint);
    return;
  }
  switch (action) {
    case 'login':
    case 'start':
      d.wantUp();
      if (d.phase.name === 'stopping') {
        d.forgetFailures();
        d.updateRun({
          afterExit: { kind: 'launch', launch: 'cold', reason: 'operator-login', ...deviceOf(device) },
        });
      } else if (!isUp(d.phase)) {
        d.forgetFailures();
        d.launch(d.token ? 'warm' : 'cold', 'operator-login', override, device);
      }
      return;
    case 'stop':
      d.wantDown();
      d.held = false;
      d.forgetFailures();
      d.restart = null;
      if (d.run === null) {
        if (d.phase.name !== 'stopped') d.stayStopped('by-operator');
        else d.reason = 'by-operator';
      } else {
        d.stopThen({ kind: 'stay-stopped', reason: 'by-operator' });
      }
      return;
    case 'restart-cold':
      d.wantUp();
      d.forgetFailures();
      if (d.run === null) {
        d.launch('cold', 'operator-restart', null, device);
        return;
      }
      d.restart = { kind: 'cold', since: d.ctx.now };
      d.emit({
        event: 'restart-planned',
        fields: { IB_KIND: 'cold', IB_AT: '' },
        reason: 'operator-restart',
      });
      d.emit({ event: 'restart-started', fields: { IB_KIND: 'cold' }, reason: 'operator-restart' });
      d.stopThen({ kind: 'launch', launch: 'cold', reason: 'operator-restart', ...deviceOf(device) });
      return;
    case 'restart-warm':
      d.updateRun({ restartAsked: { at: d.ctx.now, time: null, due: null } });
      d.clear('restart-failed');
      d.restartDeadline = d.ctx.now + d.ctx.rules.deadlines.warmRestartMs;
      d.effects.push({ kind: 'ask-restart' });
      return;
  }
}

function deviceOf(device: string | null): { readonly device?: string } {
  return device === null ? {} : { device };
}

function onTimer(d: Draft): void {
  const { now } = d.ctx;
  if (d.restartDeadline !== null && d.restartDeadline <= now)
    d.failRestart('the gateway did not restart in time');
  if (d.phase.name === 'backing-off' && d.phase.until <= now) {
    const { launch } = d.phase;
    d.launch(launch, d.reason ?? 'gateway-exited');
    return;
  }
  if (d.phaseDeadline === null || d.phaseDeadline > now) return;
  d.phaseDeadline = null;
  switch (d.phase.name) {
    case 'starting':
      d.fail('start-timeout', 'nothing was seen of the login dialog');
      return;
    case 'restarting':
      if (d.phase.stage === 'launching') d.fail('start-timeout', 'the restarted gateway showed nothing');
      else if (d.run?.afterExit === null)
        d.fail('gateway-exited', 'it went down for a restart and did not end');
      else d.stopAgain();
      return;
    case 'logging-in':
      d.fail('login-timeout', 'no answer to the login');
      return;
    case 'awaiting-second-factor':
      missSecondFactor(d);
      return;
    case 'loading':
      // Logged in, but not proven: another login would cost a second factor and mend nothing, so a person is told instead.
      if (d.run?.loggedInAt != null) d.degradeUnproven();
      else if (d.run !== null && d.run.secondFactors > 0) missSecondFactor(d, 'second-factor-login-hung');
      else d.fail('loading-timeout', 'nothing was heard after the login');
      return;
    case 'stopping':
      d.stopAgain();
      return;
    default:
      return;
  }
}

// --- processes -------------------------------------------------------------------------------------------------------

function onDisplayExited(d: Draft, status: number | null, signal: string | null): void {
  if (d.run === null) return;
  if (d.run.afterExit !== null) return;
  // A display that could not be started has said so itself; it was never there to be lost.
  if (d.run.said.problem === null) {
    d.emit({
      event: 'display-lost',
      fields: { IB_EXIT_STATUS: status === null ? '' : String(status), IB_EXIT_SIGNAL: signal ?? '' },
      reason: 'display-lost',
    });
  }
  d.lose('display-lost', 'its X display ended');
  // A JVM without its display cannot close a window tidily; it only hangs in the attempt.
  const problem = d.run.said.problem;
  const then: AfterStop =
    problem !== null && !problem.temporary
      ? { kind: 'halt', reason: 'launch-failed', detail: problem.message }
      : d.afterFailure('display-lost', null);
  d.stopThen(then, 'signal');
}

/** Who it was cannot be told; that it was none of us can. */
function onUnitStopping(d: Draft): void {
  if (d.run === null || d.run.afterExit !== null) return;
  d.held = true;
  d.lose('stopped-by-systemd', 'its unit is being stopped');
  d.restartDeadline = null;
  d.updateRun({ afterExit: { kind: 'stay-stopped', reason: 'stopped-by-systemd' } });
  d.enter({ name: 'stopping' }, 'stopped-by-systemd');
}

function onExited(d: Draft, report: ExitReport): void {
  const run = d.run;
  if (run === null) return;
  const phase = d.phase;
  const then = run.afterExit;
  d.token =
    report.tokens === 'one' && !report.coldRestart && !(run.launch === 'warm' && run.loggedInAt === null);
  const verdict = judgeExit(run, report);
  const exitText = statusText(report);
  d.emit({
    event: 'gateway-exited',
    fields: {
      IB_EXIT_STATUS: report.status === null ? '' : String(report.status),
      IB_EXIT_SIGNAL: report.signal ?? '',
      IB_DETAIL: then === null ? verdict.detail : 'as asked',
    },
    ...(then === null ? { reason: verdict.reason } : {}),
  });
  d.leaveReady();
  if (run.said.problem !== null) d.launchFailures += 1;
  // A report that says otherwise than the lines did is wrong, and what is not known counts as spent.
  const silent = run.gatewayVersion === null && run.submissions === 0;
  const used = run.said.problem?.code === 'order-used';
  if (!report.executed && silent && !used && run.launch === 'cold')
    d.effects.push({ kind: 'refund', order: run.order });
  const wasLoggedIn = run.loggedInAt !== null;
  d.endRun();

  if (then !== null) {
    d.follow(then, run.said.problem?.hint);
    return;
  }
  if (verdict.next.kind === 'warm') {
    d.restart = { kind: 'warm', since: d.restart?.since ?? d.ctx.now };
    if (phase.name !== 'restarting')
      d.emit({ event: 'restart-started', fields: { IB_KIND: 'warm' }, reason: 'gateway-restart' });
    d.launch('warm', run.restartAsked === null ? 'gateway-restart' : 'operator-restart');
    return;
  }
  if (wasLoggedIn)
    d.lose(verdict.reason, `${verdict.detail}${verdict.detail.includes(exitText) ? '' : ` (${exitText})`}`);
  d.endRestart(verdict.detail);
  switch (verdict.next.kind) {
    case 'halt':
      d.halt(verdict.reason, verdict.detail, run.said.problem?.hint);
      return;
    case 'back-off-once':
      d.refusals += 1;
      d.follow(
        d.refusals >= MAX_LOGIN_REFUSALS
          ? { kind: 'halt', reason: verdict.reason, detail: verdict.detail }
          : d.afterFailure(verdict.reason, null),
      );
      return;
    case 'back-off':
      if (d.launchFailures >= MAX_LAUNCH_FAILURES)
        d.halt(verdict.reason, verdict.detail, run.said.problem?.hint);
      else
        d.follow(
          d.afterFailure(
            verdict.reason,
            verdict.next.waitMs === null ? null : d.ctx.now + verdict.next.waitMs,
          ),
        );
      return;
  }
}

function onRestartAnswer(d: Draft, answer: Extract<Fact, { kind: 'restart-answer' }>): void {
  // It may be going down already, which says more.
  if (!d.run?.restartAsked || d.run.shutdownSeen) return;
  if (!answer.accepted) {
    d.failRestart(answer.detail);
    return;
  }
  const asked = { ...d.run.restartAsked, due: answer.at };
  d.updateRun({ restartAsked: asked });
  d.expectRestart(asked);
  d.emit({
    event: 'restart-planned',
    fields: { IB_KIND: 'warm', IB_AT: answer.at === null ? '' : new Date(answer.at).toISOString() },
    reason: 'operator-restart',
  });
}

// --- what the gateway says -------------------------------------------------------------------------------------------

function onGateway(d: Draft, fact: GatewayFact): void {
  const run = d.run;
  if (run === null) return;
  switch (fact.kind) {
    case 'gateway-up':
      d.updateRun({ gatewayVersion: fact.version });
      return;
    case 'login-dialog':
      if (!isComingUp(d) || (d.phase.name !== 'starting' && d.phase.name !== 'restarting')) return;
      // A restart that asks for a login has lost its token; IBC would show this dialog for ever and fill in nothing.
      if (run.launch === 'warm') d.fail('token-refused', 'the restarted gateway asks for a login');
      else d.enter({ name: 'logging-in' }, d.reason);
      return;
    case 'login-submitted':
      onSubmitted(d, run);
      return;
    case 'restored':
    case 'main-window':
      d.watchApi(false);
      return;
    case 'second-factor-shown':
      showSecondFactor(d, run, fact, isComingUp(d) || isReadyOrDegraded(d.phase));
      return;
    case 'second-factor-device-chosen':
      chooseDevice(d, run);
      return;
    case 'second-factor-answered':
      answerSecondFactor(d, run);
      return;
    case 'second-factor-closed':
      closeSecondFactor(d, run, fact.window);
      return;
    case 'second-factor-code-rejected':
      rejectCode(d, run, fact.text);
      return;
    case 'second-factor-timed-out':
      d.updateRun({ sight: endLine(run.sight, d.ctx.now) });
      if (d.phase.name === 'awaiting-second-factor' || d.phase.name === 'loading') missSecondFactor(d);
      return;
    case 'passkey-required':
      haltFor(d, 'passkey-required', fact.text);
      return;
    case 'second-factor-device-unknown':
      onDeviceUnknown(d, run, fact.text);
      return;
    case 'logged-in':
      d.updateRun({ logins: run.logins + 1 });
      onLoggedIn(d, run);
      return;
    case 'login-refused':
      onRefused(d, fact);
      return;
    case 'existing-session':
      d.emit({ event: 'existing-session', fields: { IB_DECISION: fact.decision } });
      if (fact.decision === 'ends') d.say({ displaced: true });
      return;
    case 'relogin-required':
      if (!isEnding(d)) {
        d.lose('relogin-required', 'IBC logs in again by itself');
        d.updateRun({ loggedInAt: null, secondFactor: null });
        d.leaveReady();
        d.enter({ name: 'logging-in' }, 'relogin-required');
      }
      d.chargeForeignLogin();
      return;
    case 'tokens-expired':
      if (!isEnding(d)) d.fail('tokens-expired', fact.text);
      return;
    case 'password-expiring':
      onPasswordExpiring(d, fact.days, fact.text);
      return;
    case 'upgrade-required':
      if (d.hold('upgrade-required', firstLine(fact.text), true))
        d.emit({ event: 'upgrade-required', fields: { IB_DETAIL: fact.text } });
      if (fact.ends) haltFor(d, 'upgrade-required', fact.text);
      return;
    case 'command':
      // RESTART is judged by what it leads to; only a stop or a pause that was not ours explains an end.
      if (run.afterExit === null && (fact.command === 'STOP' || fact.command === 'PAUSE'))
        d.say({ foreignCommand: fact.command });
      return;
    case 'restart-time':
      if (run.restartAsked !== null) d.updateRun({ restartAsked: { ...run.restartAsked, time: fact.time } });
      return;
    case 'shutdown-started':
      onShutdownStarted(d, run);
      return;
    case 'command-server':
      d.hold('command-server-down', '', !fact.up);
      return;
    case 'fatal':
      d.say({ fatal: fact.code });
      return;
    case 'gateway-error':
      d.say({ error: fact.text });
      if (isUp(d.phase) && d.hold('setting-failed', fact.text, true)) {
        d.emit({ event: 'setting-failed', fields: { IB_DETAIL: fact.text } });
      }
      return;
    case 'dialog':
      // Where windows are seen, what is seen counts: it tells which of them wait for somebody.
      if (!run.windows) d.hold('dialog-unknown', fact.title, fact.open);
      return;
    case 'unknown-dialog':
      onUnknownDialog(d, run, fact);
      return;
    case 'dialog-answered':
      d.emit({
        event: 'dialog-answered',
        fields: { IB_DIALOG: fact.rule, IB_TITLE: fact.title, IB_BUTTON: fact.button },
      });
      return;
    case 'bridge':
      onBridge(d, run, fact.up, fact.detail);
      return;
    case 'gui-frozen':
      // A gateway that goes down stops reacting some time before its end.
      if (!isEnding(d) && d.hold('gui-frozen', '', true, d.ctx.now - fact.sinceMs))
        d.emit({ event: 'gui-frozen', fields: { IB_SECONDS: String(Math.round(fact.sinceMs / 1000)) } });
      return;
    case 'gui-responsive':
      d.clear('gui-frozen');
      return;
  }
}

/** What goes on while the event of a second factor waits for its window. */
const GOES_ON: ReadonlySet<Fact['kind']> = new Set([
  'second-factor-shown',
  'second-factor-closed',
  'dialog',
  'unknown-dialog',
  'main-window',
  'restored',
  'bridge',
]);

/** An event that waits for a window comes before everything that follows from another fact. */
function tellWhatWaits(d: Draft, fact: Fact): void {
  const until = d.run?.sight.untoldUntil ?? null;
  if (until === null) return;
  if (until > d.ctx.now && (GOES_ON.has(fact.kind) || fact.kind === 'timer')) return;
  tellPending(d);
}

/** Stops what only a person can mend. A halt that was decided before stands. */
function haltFor(d: Draft, reason: 'passkey-required' | 'upgrade-required', text: string): void {
  if (d.run === null) return;
  const { afterExit } = d.run;
  if (afterExit === null || afterExit.kind === 'back-off') d.stopThen({ kind: 'halt', reason, detail: text });
}

const DAY_MS = 24 * 3_600_000;

function onPasswordExpiring(d: Draft, days: number | null, text: string): void {
  const { now } = d.ctx;
  d.clear('password-expiring');
  d.hold('password-expiring', days === null ? 'soon' : days === 1 ? 'in 1 day' : `in ${days} days`, true);
  // A daily restart shows it at about the same time of each day.
  if (d.passwordToldAt !== null && now - d.passwordToldAt < DAY_MS - 2 * 3_600_000) return;
  d.passwordToldAt = now;
  d.emit({
    event: 'password-expiring',
    fields: { IB_DAYS: days === null ? '' : String(days), IB_DETAIL: text },
  });
}

const MOST_OPEN_DIALOGS = 20;

function onUnknownDialog(d: Draft, run: Run, fact: Extract<GatewayFact, { kind: 'unknown-dialog' }>): void {
  const { window, title, text, buttons } = fact;
  const before = run.dialogs.find((dialog) => dialog.window === window);
  const others = run.dialogs.filter((dialog) => dialog !== before);
  if (!fact.open) {
    d.updateRun({ dialogs: others });
    if (before !== undefined) d.hold('dialog-unknown', dialogName(before), false);
    return;
  }
  if (before !== undefined && before.title !== title) d.hold('dialog-unknown', dialogName(before), false);
  d.updateRun({ dialogs: [...others, { window, title, text, buttons }].slice(-MOST_OPEN_DIALOGS) });
  d.hold('dialog-unknown', dialogName(fact), true);
}

function onBridge(d: Draft, run: Run, up: boolean, detail: string): void {
  d.hold('bridge-absent', detail, !up);
  if (run.windows !== up) onSightChanged(d, run, up);
  planCode(d);
}

function onSightChanged(d: Draft, run: Run, up: boolean): void {
  // What the one knew of open windows the other cannot end.
  d.clear('dialog-unknown');
  if (!up) d.clear('gui-frozen');
  d.updateRun({ windows: up, dialogs: [], sight: up ? run.sight : loseWindow(run.sight) });
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

function onSubmitted(d: Draft, run: Run): void {
  const submissions = run.submissions + 1;
  d.updateRun({ submissions });
  beginCodesAnew(d);
  // Should it still expire, this login says so.
  d.clear('password-expiring');
  if (submissions <= MAX_TOLD_SUBMISSIONS)
    d.emit({ event: 'login-submitted', fields: { IB_ATTEMPT: String(submissions) } });
  // The first submission of a cold launch was charged with its order; any other is IBC's own.
  if (submissions > 1 || run.launch === 'warm') d.chargeForeignLogin();
  if (!isComingUp(d)) return;
  if (d.phase.name === 'starting' || d.phase.name === 'restarting') d.enter({ name: 'logging-in' }, d.reason);
  else if (d.phase.name === 'logging-in') d.phaseDeadline = d.ctx.now + d.ctx.rules.deadlines.loginMs;
}

function onLoggedIn(d: Draft, run: Run): void {
  if (!isComingUp(d)) return;
  endSecondFactor(d, run);
  if (run.secondFactor !== null) {
    d.emit({
      event: 'second-factor-accepted',
      fields: { IB_METHOD: run.secondFactor, IB_ATTEMPT: String(run.secondFactors) },
    });
  }
  d.missedSecondFactors = 0;
  d.refusals = 0;
  d.launchFailures = 0;
  d.lockedOutUntil = null;
  if (d.phase.name !== 'loading') d.enter({ name: 'loading' }, d.reason);
  d.watchApi(true);
}

/** Of several refusals in one run the one that costs most to overlook counts. */
function weighRefusal(cause: RefusalCause): number {
  return cause === 'credentials' ? 3 : cause === 'locked-out' ? 2 : 1;
}

function onRefused(d: Draft, fact: Extract<GatewayFact, { kind: 'login-refused' }>): void {
  if (d.run === null) return;
  const { afterExit, said } = d.run;
  // The waiting time may stand on a later line than the words that ask for it.
  const later = fact.cause === 'locked-out' && said.refusal?.cause === 'locked-out' && fact.waitMs !== null;
  if (said.refusal !== null && !later && weighRefusal(fact.cause) <= weighRefusal(said.refusal.cause)) return;
  d.say({ refusal: { cause: fact.cause, text: fact.text, waitMs: fact.waitMs } });
  if (!later) {
    d.emit({
      event: 'login-refused',
      fields: { IB_CAUSE: fact.cause, IB_DETAIL: fact.text },
      reason: REFUSAL_REASONS[fact.cause],
    });
  }
  if (afterExit !== null && afterExit.kind !== 'back-off') return;
  // IBC leaves these two dialogs open for ever; after the others it ends the JVM itself.
  if (fact.cause === 'credentials') {
    d.stopThen({ kind: 'halt', reason: 'wrong-credentials', detail: fact.text });
  } else if (fact.cause === 'locked-out') {
    d.lockedOutUntil = d.ctx.now + lockOutWaitMs(fact.waitMs);
    d.stopThen(d.afterFailure('locked-out', d.lockedOutUntil));
  }
}

function onShutdownStarted(d: Draft, run: Run): void {
  d.updateRun({ shutdownSeen: true });
  if (run.afterExit !== null || !isReadyOrDegraded(d.phase)) return;
  // It said before why it goes down, and that it will not come back by itself.
  const { displaced, foreignCommand } = run.said;
  if (displaced || foreignCommand !== null) {
    d.restartDeadline = null;
    const command = foreignCommand === 'PAUSE' ? 'paused' : 'foreign-stop';
    d.enter({ name: 'stopping' }, foreignCommand === null ? 'displaced' : command);
    return;
  }
  const kind = 'warm';
  d.restart = { kind, since: d.ctx.now };
  d.restartDeadline = null;
  d.enter(
    { name: 'restarting', restart: kind, stage: 'closing' },
    run.restartAsked === null ? 'gateway-restart' : 'operator-restart',
  );
  d.emit({ event: 'restart-started', fields: { IB_KIND: kind } });
}

// --- what the API says -----------------------------------------------------------------------------------------------

function onApi(d: Draft, fact: ApiFact): void {
  if (d.run === null) return;
  const { now } = d.ctx;
  const proven = isReadyOrDegraded(d.phase);
  switch (fact.kind) {
    case 'api-handshake':
      d.api = {
        ...d.api,
        serverVersion: fact.serverVersion,
        checkedAt: now,
        problem: 'it answered the handshake, but named no account',
      };
      for (const code of ['api-unreachable', 'api-mute'] as const) d.clear(code);
      return;
    case 'api-accounts':
      d.api = { ...d.api, accounts: fact.accounts, ok: fact.accounts.length > 0, checkedAt: now };
      // Only accounts show that the client id was accepted: the handshake comes before it is looked at.
      for (const code of ['api-unresponsive', 'api-client-id-in-use', 'api-foreign'] as const) d.clear(code);
      // A session that was proven on an earlier connection is not proven on one that names no account.
      if (proven && fact.accounts.length === 0)
        d.hold('api-unproven', d.api.problem ?? 'it names no account', true);
      return;
    case 'api-latency':
      d.api = { ...d.api, latencyMs: fact.ms, ok: d.api.accounts.length > 0, checkedAt: now };
      d.clear('api-unresponsive');
      return;
    case 'api-unresponsive':
      d.api = { ...d.api, ok: false, checkedAt: now };
      if (proven && d.hold('api-unresponsive', `no answer for ${Math.round(fact.sinceMs / 1000)} s`, true)) {
        d.emit({
          event: 'api-unresponsive',
          fields: { IB_DETAIL: `no answer for ${Math.round(fact.sinceMs / 1000)} s` },
        });
      }
      return;
    case 'api-mute':
      d.api = {
        ...d.api,
        ok: false,
        checkedAt: now,
        problem: 'the port is open, the handshake is not answered',
      };
      if (proven && d.hold('api-mute', '', true)) {
        d.emit({
          event: 'api-unresponsive',
          fields: { IB_DETAIL: 'the port is open, the handshake is not answered' },
        });
      }
      return;
    case 'api-down':
      // Accounts belong to a connection: without one, nothing proves that the session is there.
      d.api = { ...NO_API, ok: false, checkedAt: now, problem: fact.detail };
      // What the broker connection is now, only a new connection can tell: the gateway says so when it is broken.
      d.broker = NO_BROKER;
      for (const code of ['broker-disconnected', 'farm-down'] as const) d.clear(code);
      if (proven) d.hold('api-unreachable', fact.detail, true);
      return;
    case 'api-foreign':
      d.api = { ...NO_API, ok: false, checkedAt: now, problem: "another user's program has the port" };
      d.hold('api-foreign', '', true);
      return;
    case 'api-client-id-in-use':
      d.hold('api-client-id-in-use', '', true);
      return;
    case 'broker':
      d.broker = { ...d.broker, connected: fact.connected };
      d.hold('broker-disconnected', '', !fact.connected);
      return;
    case 'farm': {
      const farms = d.broker.farms.filter((farm) => farm.name !== fact.name || farm.kind !== fact.farmKind);
      const before = d.broker.farms.find((farm) => farm.name === fact.name && farm.kind === fact.farmKind);
      const since = before !== undefined && before.ok === fact.ok ? before.since : now;
      d.broker = {
        connected: fact.ok === true && d.broker.connected === null ? true : d.broker.connected,
        farms: [...farms, { name: fact.name, kind: fact.farmKind, ok: fact.ok, since }],
      };
      d.hold('farm-down', fact.name, fact.ok === false);
      return;
    }
  }
}
