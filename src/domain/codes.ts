// Owns the rules of codes that are typed into a second factor's window: who types, when, how often, and what follows from it.

import { codeProblem } from '../protocol/code.ts';
import type { ErrorCode } from '../protocol/errors.ts';
import { chooseStep, ORDER_MARGIN_MS, stepAt } from './code-step.ts';
import type { Draft } from './draft.ts';
import type { ClockState, ClocksCompared, CodeTyped, Fact } from './facts.ts';
import { tellAgain } from './second-factor-told.ts';
import { type Codes, checkId, NO_CODES, type Run, type SessionState } from './session-state.ts';

/** Of one second factor, made from the seed: a rejected one is followed by one more, since its step may have just ended. */
const MOST_MADE = 2;
/** Of one second factor, typed by people. Users report that IBKR locks a user name after a handful of wrong ones. */
const MOST_TYPED = 3;
/** Tries in a row that came to nothing for certain, before a person is asked. */
const MOST_FAILED = 3;
/** After that long without a word, a code of which it is not known whether it was handed in has not been. */
const UNCERTAIN_MS = 15_000;
/** Steps are half a minute: a clock that is off by more makes codes that IBKR refuses. */
const MEANINGFUL_OFFSET_MS = 15_000;

/** Why a code that a person wants to hand in cannot be taken now. */
export type CodeRefused = { readonly code: ErrorCode; readonly message: string; readonly hint: string };

/** Whether and why a code cannot be taken from a person now; null: it can. `code` is looked at, and never part of the answer. */
export function refuseCode(state: SessionState, session: string, code: string): CodeRefused | null {
  const { phase, run } = state;
  if (phase.name !== 'awaiting-second-factor' || run === null || run.afterExit !== null) {
    return {
      code: 'wrong-state',
      message: `the session waits for no code: it is ${phase.name}`,
      hint: `ibctl login ${session} starts a login; ibctl status shows what it asks for`,
    };
  }
  switch (phase.method) {
    case 'ib-key':
      return wrongMethod('the login is approved on the phone', 'approve the notification of IBKR Mobile');
    case 'device-choice':
      return wrongMethod(
        'the gateway asks which device to use first',
        `choose one with: ibctl login ${session} --device DEVICE`,
      );
    case 'passkey':
      return wrongMethod('the login asks for a passkey', 'only a person at the device can give it');
    case 'code':
    case 'totp':
    case 'challenge':
    case 'unknown':
      break;
  }
  const problem = codeProblem(phase.method, code);
  if (problem !== null) return { code: 'invalid-code', message: problem, hint: 'nothing was typed' };
  const { codes } = run;
  if (phase.detail === null) {
    return {
      code: 'windows-unseen',
      message: "the gateway's window for the code is not seen",
      hint: 'ibctl status says why; ibctl windows shows what is open',
    };
  }
  if (codes.busy !== null) {
    return {
      code: 'wrong-state',
      message: 'a code is being typed at this moment',
      hint: `wait for what comes of it: ibctl status ${session}`,
    };
  }
  if (codes.handed === phase.detail.window) {
    return {
      code: 'wrong-state',
      message: 'a code was typed, and IBKR has not answered yet',
      hint: `wait for what comes of it: ibctl status ${session}`,
    };
  }
  if (codes.typed >= MOST_TYPED) {
    return {
      code: 'code-limit',
      message: `${codes.typed} codes were typed for this second factor`,
      hint: 'more would risk a lock-out by IBKR; find out why they are refused, then run: ibctl login',
    };
  }
  return null;
}

/** A person's code is about to be typed. The caller has asked {@link refuseCode}. */
export function takeCode(d: Draft, run: Run, id: string): void {
  if (d.phase.name !== 'awaiting-second-factor' || d.phase.detail === null) return;
  if (run.codes.busy !== null) return;
  const { window } = d.phase.detail;
  change(d, { busy: { id, by: 'operator', step: null, window }, due: null });
}

/** Plans the next code of ib-code, when there is to be one; to be asked after anything that may have changed that. */
export function planCode(d: Draft): void {
  const { run, phase } = d;
  if (run === null || run.afterExit !== null || phase.name !== 'awaiting-second-factor') return;
  const { codes } = run;
  const { detail } = phase;
  if (phase.method !== 'totp' || codes.busy !== null || codes.due !== null) return;
  if (codes.handed !== null && (detail === null || codes.handed === detail.window)) return;
  const unseen = d.conditions.find(({ code }) => code === 'bridge-absent');
  if (unseen !== undefined) {
    giveUp(d, `the gateway's windows are not seen (${unseen.detail})`);
    return;
  }
  if (detail === null) return;
  // One that has closed is over, or opens again; then it is seen.
  if (run.sight.window !== detail.window) return;
  if (codes.made >= MOST_MADE) {
    haltRefused(d, codes.made);
    return;
  }
  const { lastStep } = d.ctx.budget;
  const { from } = chooseStep(d.ctx.now, lastStep, ORDER_MARGIN_MS);
  if (from >= phase.deadline)
    giveUp(
      d,
      lastStep !== null && lastStep > stepAt(d.ctx.now)
        ? 'the last code was for a time that has not come yet: was the clock set back?'
        : 'the time for the second factor ends before that of the next code begins',
    );
  else if (from > d.ctx.now) change(d, { due: from });
  else order(d);
}

/** Time has passed. */
export function onCodeTimer(d: Draft): void {
  const { run } = d;
  if (run === null) return;
  const { due, silentUntil } = run.codes;
  if (silentUntil !== null && silentUntil <= d.ctx.now) {
    // Its window still asks: if it was handed in at all, nothing came of it.
    change(d, { silentUntil: null, handed: null });
    planCode(d);
  } else if (due !== null && due <= d.ctx.now) {
    change(d, { due: null });
    planCode(d);
  }
}

/** What became of a code that was to be typed, by ib-code or for a person. */
export function onCodeResult(
  d: Draft,
  run: Run,
  result: { readonly id: string; readonly outcome: CodeTyped; readonly clock: ClockState | null },
): void {
  const { codes } = run;
  const { busy } = codes;
  if (busy === null || busy.id !== result.id) return;
  noteClock(d, result.clock);
  const { outcome } = result;
  if (outcome.kind === 'not-typed') {
    const failed = busy.by === 'ib-code' ? codes.failed + 1 : codes.failed;
    change(d, { busy: null, refused: null, failed });
    if (busy.by === 'ib-code' && d.phase.name === 'awaiting-second-factor') onNotTyped(d, failed, outcome);
    else planCode(d);
    return;
  }
  const made = codes.made + (busy.by === 'ib-code' ? 1 : 0);
  const typed = codes.typed + (busy.by === 'operator' ? 1 : 0);
  const uncertain = outcome.kind === 'uncertain';
  change(d, {
    busy: null,
    refused: null,
    made,
    typed,
    failed: 0,
    handed: busy.window,
    returns: true,
    silentUntil: uncertain ? d.ctx.now + UNCERTAIN_MS : null,
  });
  d.emit({
    event: 'second-factor-code-typed',
    fields: {
      IB_BY: busy.by,
      IB_NUMBER: String(busy.by === 'ib-code' ? made : typed),
      IB_CERTAIN: uncertain ? 'no' : 'yes',
    },
  });
  if (codes.refused !== null) onCodeRefused(d);
  // Its window may be another one by now.
  else planCode(d);
}

/** A message says that a code was not accepted. It may come before it is known that the code was typed. */
export function noteCodeRefused(d: Draft, run: Run, text: string): void {
  if (run.codes.busy !== null) change(d, { refused: text });
  else onCodeRefused(d);
}

/** The seed was tried while the gateway comes up. */
export function onCodeChecked(
  d: Draft,
  run: Run,
  { id, outcome, clock }: Extract<Fact, { kind: 'code-checked' }>,
): void {
  if (id !== checkId(run.order)) return;
  noteClock(d, clock);
  if (outcome.kind !== 'not-typed' || !outcome.hopeless || run.afterExit !== null) return;
  const { name } = d.phase;
  const early = name === 'starting' || name === 'restarting' || name === 'logging-in';
  if (early && run.submissions === 0)
    d.stopThen({ kind: 'halt', reason: 'code-unavailable', detail: outcome.detail });
  else giveUp(d, outcome.detail);
}

/** The clocks were compared, since right codes may be refused for a wrong clock. */
export function onClockCompared(d: Draft, comparison: ClocksCompared): void {
  const text = comparisonText(comparison);
  const offset = comparison.kind === 'compared' ? comparison.offsetMs : null;
  d.emit({
    event: 'clock-compared',
    fields: {
      IB_OFFSET_MS: offset === null ? '' : String(Math.round(offset)),
      IB_HOST: comparison.kind === 'compared' ? comparison.host : '',
      IB_DETAIL: text,
    },
  });
  if (offset === null || Math.abs(offset) < MEANINGFUL_OFFSET_MS) return;
  const hint = 'set the clock right (timedatectl; chronyc makestep), then run: ibctl login';
  const after = d.run?.afterExit;
  if (d.phase.name === 'halted' && d.reason === 'code-rejected')
    d.phase = { ...d.phase, text: `${d.phase.text}; ${text}`, hint };
  else if (after?.kind === 'halt' && after.reason === 'code-rejected')
    d.updateRun({ afterExit: { ...after, detail: `${after.detail ?? ''}; ${text}` } });
}

/** `this host's clock is 40 s ahead of www.interactivebrokers.com`, or why that is not known. */
export function comparisonText(comparison: ClocksCompared): string {
  if (comparison.kind === 'failed') return `the clock could not be compared: ${comparison.detail}`;
  const { offsetMs, uncertaintyMs, host } = comparison;
  if (Math.abs(offsetMs) <= uncertaintyMs) return `this host's clock agrees with that of ${host}`;
  const seconds = Math.max(1, Math.round(Math.abs(offsetMs) / 1_000));
  return `this host's clock is ${seconds} s ${offsetMs > 0 ? 'ahead of' : 'behind'} that of ${host}`;
}

/** What is known of codes when an earlier agent's run is taken up: what it left in a person's hand may have been handed in. */
export function takeUpCodes(d: Draft): void {
  const busy = d.run?.codes.busy;
  if (d.run == null || busy == null) return;
  if (busy.by === 'ib-code') {
    d.effects.push({ kind: 'recall-code', id: busy.id, window: busy.window });
    return;
  }
  const outcome: CodeTyped = { kind: 'uncertain' };
  onCodeResult(d, d.run, { id: busy.id, outcome, clock: null });
}

/**
 * Its window has closed and shows again, or another one does: the code that was handed in was not accepted. To be planned anew by the caller.
 * False: that was told already.
 */
export function noteCodeReturned(d: Draft, run: Run): boolean {
  const { busy, handed, refused } = run.codes;
  if (busy !== null) change(d, { refused: refused ?? '' });
  else change(d, { handed: null, silentUntil: null, returns: false });
  return busy !== null || handed !== null;
}

/**
 * The login went on: the next second factor begins anew. What an earlier agent remembered of codes is of its last moment; while the past of
 * a run is told, there may be logins in it that went on long before.
 */
export function endCodes(d: Draft): void {
  if (d.run === null || d.run.codes === NO_CODES || d.run.logins <= d.run.codes.after) return;
  d.updateRun({ codes: NO_CODES });
}

/** The login was submitted anew: what it asks for has nothing to do with the codes before. Not told of the past, where they are of later. */
export function beginCodesAnew(d: Draft): void {
  const { run } = d;
  if (run === null || run.codes === NO_CODES || run.submissions <= run.codes.submission) return;
  d.updateRun({ codes: NO_CODES });
}

/** Whether a window that asks for a code now asks again for the one that was handed in. */
export function isReturned(run: Run): boolean {
  return run.secondFactors > 0 && (run.codes.busy !== null || run.codes.returns);
}

function onCodeRefused(d: Draft): void {
  change(d, { handed: null, silentUntil: null });
  planCode(d);
}

function onNotTyped(
  d: Draft,
  failed: number,
  { why, detail, hopeless }: Extract<CodeTyped, { kind: 'not-typed' }>,
): void {
  d.emit({
    event: 'second-factor-code-failed',
    fields: { IB_WHY: why, IB_DETAIL: detail, IB_NUMBER: String(failed) },
  });
  if (hopeless || failed >= MOST_FAILED) giveUp(d, detail);
  else planCode(d);
}

/** From here a person has to type. */
function giveUp(d: Draft, why: string): void {
  change(d, { givenUp: why, due: null });
  if (d.phase.name !== 'awaiting-second-factor' || d.phase.method !== 'totp') return;
  d.phase = { ...d.phase, method: 'code' };
  d.updateRun({ secondFactor: 'code' });
  tellAgain(d);
}

function haltRefused(d: Draft, made: number): void {
  d.effects.push({ kind: 'compare-clock' });
  d.endRestart('the codes were rejected');
  d.stopThen({
    kind: 'halt',
    reason: 'code-rejected',
    detail: `${made} codes of different times were rejected`,
  });
}

function order(d: Draft): void {
  if (d.phase.name !== 'awaiting-second-factor' || d.phase.detail === null) return;
  const { window } = d.phase.detail;
  const { step } = chooseStep(d.ctx.now, d.ctx.budget.lastStep, ORDER_MARGIN_MS);
  const id = d.ctx.order;
  change(d, { busy: { id, by: 'ib-code', step, window }, due: null });
  d.effects.push({ kind: 'type-code', id, step, window });
}

function noteClock(d: Draft, clock: ClockState | null): void {
  if (clock === null || clock.synchronised === null) return;
  d.hold('clock-unsynchronised', '', !clock.synchronised);
}

function change(d: Draft, change: Partial<Codes>): void {
  if (d.run === null) return;
  const { codes, logins, submissions } = d.run;
  // While the past is told, what was remembered is of later.
  const after = Math.max(codes.after, logins);
  const submission = Math.max(codes.submission, submissions);
  d.updateRun({ codes: { ...codes, ...change, after, submission } });
}

function wrongMethod(message: string, hint: string): CodeRefused {
  return { code: 'wrong-state', message, hint };
}
