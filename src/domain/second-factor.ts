// Owns the rules of a second factor: pending, changed by what its window shows, answered, refused, missed.

import type { SecondFactorMethod } from '../protocol/states.ts';
import { endCodes, isReturned, noteCodeRefused, noteCodeReturned, planCode } from './codes.ts';
import { budgetDeferral, pushDeferral } from './deferral.ts';
import { endUnchosen } from './device-choice.ts';
import type { Draft } from './draft.ts';
import type { GatewayFact, SecondFactorDetail } from './facts.ts';
import { REASONS } from './reasons.ts';
import { differs, endLine, isOpen, sightLine, sightWindow } from './second-factor-sight.ts';
import { tellPending, tellSoon } from './second-factor-told.ts';
import type { Run } from './session-state.ts';

/** A line comes at about the time of the first look at the window; what a person is told waits this long for it. */
const WINDOW_WAIT_MS = 1_000;
/** Of one user in an hour; a line that repeats without end must not fill the disk. */
const MAX_COUNTED_PUSHES = 20;

/**
 * A second factor shows: as a line of the log says, or in a window, which says more. One that is not `wanted` belongs to a JVM that is
 * being ended: nobody is asked to answer it, but the phone rings all the same.
 */
export function showSecondFactor(
  d: Draft,
  run: Run,
  fact: Extract<GatewayFact, { kind: 'second-factor-shown' }>,
  wanted: boolean,
): void {
  const { detail = null } = fact;
  const pending = d.phase.name === 'awaiting-second-factor' ? d.phase : null;
  const { sight, sighting } =
    detail === null
      ? sightLine(run.sight, pending !== null)
      : sightWindow(
          run.sight,
          detail.window,
          pending === null ? null : { chosen: pending.method === 'device-choice' },
          d.ctx.now,
        );
  d.updateRun({ sight });
  if (!wanted) {
    if (sighting === 'new' || sighting === 'again') charge(d, fact.method ?? 'unknown');
    return;
  }
  switch (sighting) {
    case 'past':
      return;
    case 'same':
      if (detail !== null) refine(d, fact.method, detail);
      planCode(d);
      return;
    case 'next-step':
      nextStep(d, fact.method, detail);
      planCode(d);
      return;
    case 'new':
    case 'again': {
      tellPending(d);
      const asks = asksForCode(fact, run);
      const returned = asks && isReturned(run);
      // What was handed in into the window before, by us or by somebody at the window itself, was no good.
      const rejected = returned
        ? isNews(run, detail) && noteCodeReturned(d, run)
        : asks && pending !== null && takesCode(pending.method);
      if (rejected) tellRejected(d, run, '');
      begin(d, fact.method, detail, returned ? 'returned' : 'another');
      planCode(d);
      return;
    }
  }
}

/** Whether it asks for something to be typed; a line of the log does not tell, and is taken for what was asked for before. */
function asksForCode({ method }: { readonly method: SecondFactorMethod | null }, run: Run): boolean {
  const asked = method ?? run.secondFactor;
  return asked !== null && takesCode(asked);
}

/** Whether it is of now: of what an earlier agent saw, only the window of the code itself, or none, is there again. */
function isNews({ codes, sight }: Run, detail: SecondFactorDetail | null): boolean {
  const handed = codes.handed ?? codes.busy?.window ?? null;
  return sight.windows > 0 || (detail !== null && detail.window !== handed);
}

/** IBC picked an entry of the device list; the second factor itself follows. */
export function chooseDevice(d: Draft, run: Run): void {
  const sight = endLine(run.sight, d.ctx.now);
  d.updateRun({ sight });
  if (d.phase.name !== 'awaiting-second-factor') return;
  // The window that is open is what follows already.
  if (isOpen(sight) && d.phase.method !== 'device-choice') return;
  const prepaid = sight.prepaid || d.phase.method !== 'device-choice';
  d.updateRun({ secondFactors: run.secondFactors - 1, sight: { ...sight, window: null, prepaid } });
  d.enter({ name: 'logging-in' }, d.reason);
}

/** IBC takes a window that closes in time for an answer. */
export function answerSecondFactor(d: Draft, run: Run): void {
  const sight = endLine(run.sight, d.ctx.now);
  d.updateRun({ sight });
  // What closed in time was a list, and whoever chose from it, it was not the driver.
  if (d.phase.name === 'awaiting-second-factor' && d.phase.method === 'device-choice') {
    chooseDevice(d, run);
    return;
  }
  if (d.phase.name === 'awaiting-second-factor') {
    if (isOpen(sight)) d.updateRun({ sight: { ...sight, answered: true } });
    else d.enter({ name: 'loading' }, 'second-factor-answered');
  }
  d.watchApi(true);
}

export function closeSecondFactor(d: Draft, run: Run, window: string): void {
  const { sight } = run;
  if (sight.window !== window) return;
  d.updateRun({ sight: { ...sight, window: null, answered: false } });
  if (sight.answered && d.phase.name === 'awaiting-second-factor') {
    d.enter({ name: 'loading' }, 'second-factor-answered');
    d.watchApi(true);
  }
}

/** A message says that the code was not accepted. */
export function rejectCode(d: Draft, run: Run, text: string): void {
  // A window that opens again may say so before it is known what it is; the line of its end was taken for an answer.
  const inBetween = d.phase.name === 'loading' && run.codes.handed !== null;
  if (d.phase.name !== 'awaiting-second-factor' && !inBetween) return;
  tellRejected(d, run, text);
  noteCodeRefused(d, run, text);
}

/** The login went on. */
export function endSecondFactor(d: Draft, run: Run): void {
  d.updateRun({
    loggedInAt: d.ctx.now,
    secondFactor: null,
    sight: { ...endLine(run.sight, d.ctx.now), answered: false },
  });
  endCodes(d);
}

function tellRejected(d: Draft, run: Run, text: string): void {
  d.emit({
    event: 'second-factor-rejected',
    fields: {
      IB_METHOD: run.secondFactor ?? 'unknown',
      IB_ATTEMPT: String(run.secondFactors),
      IB_DETAIL: text,
    },
  });
}

/** A push that led nowhere, answered or not: a few in a row are all that a person is asked for. */
export function missSecondFactor(
  d: Draft,
  reason: 'second-factor-missed' | 'second-factor-login-hung' = 'second-factor-missed',
): void {
  if (endUnchosen(d)) return;
  d.missedSecondFactors += 1;
  d.endRestart(REASONS[reason].text);
  if (reason === 'second-factor-missed') tellMissed(d);
  d.stopThen(
    d.missedSecondFactors >= d.ctx.rules.restart.maxMissedSecondFactors
      ? { kind: 'halt', reason, detail: `${d.missedSecondFactors} times in a row` }
      : d.afterFailure(reason, null),
  );
}

/** The one that is pending is another than the last: it counts, and is told. */
function begin(
  d: Draft,
  shown: SecondFactorMethod | null,
  detail: SecondFactorDetail | null,
  what: 'another' | 'returned',
): void {
  const { run } = d;
  if (run === null) return;
  const attempt = run.secondFactors + 1;
  d.lose('relogin-required', 'the gateway asks for the second factor again');
  d.leaveReady();
  const method = methodOf(d, run, shown, detail);
  d.updateRun({ secondFactors: attempt, secondFactor: method, loggedInAt: null });
  const deadline = d.ctx.now + d.ctx.rules.deadlines.secondFactorMs;
  d.enter({ name: 'awaiting-second-factor', method, deadline, attempt, detail }, 'second-factor-pending');
  // A window that asks again after a wrong code rings no phone.
  if (what === 'another') charge(d, method);
  tellSoon(d, detail === null && run.windows ? WINDOW_WAIT_MS : 0);
  if (what === 'another') endUnwantedPush(d, run);
}

/** The device is chosen, and here is what it asks for: the same second factor, told once more because now it can be answered. */
function nextStep(d: Draft, shown: SecondFactorMethod | null, detail: SecondFactorDetail | null): void {
  tellPending(d);
  if (d.phase.name !== 'awaiting-second-factor') return;
  const method = methodOf(d, d.run, shown, detail);
  d.phase = { ...d.phase, method, detail };
  d.updateRun({ secondFactor: method });
  charge(d, method);
  tellSoon(d, 0);
}

/** One that came by itself, and that nobody can be asked to answer: beside another one, or beyond the budget. The run is ended. */
export function endUnwantedPush(d: Draft, run: Run): void {
  const { budget } = d.ctx;
  const other = budget.push?.shown === true ? pushDeferral(budget) : null;
  if (other !== null) {
    d.emitDeferred(other, other.hint);
    d.endRestart(other.text);
    d.stopThen(d.afterFailure('push-outstanding', other.until));
    return;
  }
  // The first one after a login of ours was allowed with that login.
  const spent = run.push === 'launched' ? null : budgetDeferral(budget, 'push');
  if (spent === null) return;
  d.emitDeferred({ ...spent, text: `IBKR asks for one more second factor: ${spent.text}` });
  d.endRestart(spent.text);
  d.stopThen({ kind: 'halt', reason: 'login-budget', detail: spent.text });
}

/** The window says more than what was known, or shows something else by now. */
function refine(d: Draft, shown: SecondFactorMethod | null, detail: SecondFactorDetail): void {
  const { phase, run } = d;
  if (phase.name !== 'awaiting-second-factor' || run === null) return;
  const method = shown === null ? phase.method : methodOf(d, run, shown, detail);
  if (phase.method !== method || differs(phase.detail, detail)) d.phase = { ...phase, method, detail };
  // What a line told of was counted, and was only the choice of the device.
  const prepaid = run.sight.prepaid || (method === 'device-choice' && phase.method !== 'device-choice');
  d.updateRun({ secondFactor: method, sight: { ...run.sight, prepaid } });
  if (phase.detail === null) tellPending(d);
}

/** Nothing reaches the phone before a device is chosen. */
function charge(d: Draft, method: SecondFactorMethod): void {
  const { run } = d;
  if (run === null || method === 'device-choice') return;
  if (!run.sight.prepaid && d.ctx.budget.pushesLastHour < MAX_COUNTED_PUSHES)
    d.effects.push({ kind: 'charge', what: 'push', order: run.order });
  d.updateRun({ sight: { ...run.sight, prepaid: false } });
}

function tellMissed(d: Draft): void {
  d.emit({
    event: 'second-factor-timeout',
    fields: {
      IB_METHOD: d.run?.secondFactor ?? 'unknown',
      IB_ATTEMPT: String(d.run?.secondFactors ?? ''),
      IB_MISSED: String(d.missedSecondFactors),
    },
    reason: 'second-factor-missed',
  });
}

/** What is asked for. A code that ib-code makes is `totp`, until it cannot: then a person has to type one. */
function methodOf(
  d: Draft,
  run: Run | null,
  shown: SecondFactorMethod | null,
  detail: SecondFactorDetail | null,
): SecondFactorMethod {
  const expected = d.ctx.rules.secondFactorMethod;
  const method = shown ?? (expected === 'none' ? 'unknown' : expected);
  if (expected !== 'totp' || (method !== 'code' && method !== 'totp')) return method;
  return detail?.app === false || (run !== null && run.codes.givenUp !== null) ? 'code' : 'totp';
}

function takesCode(method: SecondFactorMethod): boolean {
  return method === 'code' || method === 'totp' || method === 'challenge';
}
