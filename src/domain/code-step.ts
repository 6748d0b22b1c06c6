// Owns the arithmetic of one-time codes' time steps (RFC 6238): which step to use, from when, and whether it may still be used.

/** What authenticator apps and IBKR use. */
export const STEP_MS = 30_000;
/** A code that is handed in later than this before its step ends may arrive in the next one. */
export const STEP_MARGIN_MS = 5_000;
/** An order needs more: ib-code has to start before it looks at the clock, and a step that is missed by then is used up all the same. */
export const ORDER_MARGIN_MS = STEP_MARGIN_MS + 3_000;

/** A time step, by its number since the epoch, and when its code may be handed in. Times are epoch milliseconds. */
export type StepChoice = {
  readonly step: number;
  /** Now, or the beginning of the step. */
  readonly from: number;
  /** The last millisecond in which it may be handed in. */
  readonly until: number;
};

/**
 * The first step whose code may be handed in: never `lastUsed` or an earlier one, since each code is good once, and never one with less
 * than `marginMs` left. `lastUsed` is the last step that was, or may have been, handed in for this user name; null: none. One that lies
 * ahead, as after a clock was set back, is waited for.
 */
export function chooseStep(now: number, lastUsed: number | null, marginMs = STEP_MARGIN_MS): StepChoice {
  const current = stepAt(now);
  const earliest = judgeStep(now, current, marginMs) === 'now' ? current : current + 1;
  const step = lastUsed === null ? earliest : Math.max(earliest, lastUsed + 1);
  return { step, from: Math.max(now, startOf(step)), until: startOf(step + 1) - marginMs };
}

/** Whether the code of a step may be handed in at this moment. */
export function judgeStep(
  now: number,
  step: number,
  marginMs = STEP_MARGIN_MS,
): 'now' | 'step-not-yet' | 'step-over' {
  if (now < startOf(step)) return 'step-not-yet';
  return now <= startOf(step + 1) - marginMs ? 'now' : 'step-over';
}

/** The step that a moment lies in. */
export function stepAt(now: number): number {
  return Math.floor(now / STEP_MS);
}

/** When a step ends and the next one begins, in epoch milliseconds. */
export function endOf(step: number): number {
  return startOf(step + 1);
}

function startOf(step: number): number {
  return step * STEP_MS;
}
