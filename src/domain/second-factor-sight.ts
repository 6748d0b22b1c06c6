// Owns how the log's lines and the windows of a second factor are taken for the same: how many each has told of, and what is open.

import type { SecondFactorDetail } from './facts.ts';

/**
 * The log and the windows tell of each second factor on their own, each in its order, but neither in time with the other: the n-th of one
 * is the n-th of the other. What only one tells of (a gateway that never reports the opening, windows that are not seen) counts all the same.
 */
export type SecondFactorSight = {
  /** How many windows have shown. */
  readonly windows: number;
  /** How many the log has told of. */
  readonly lines: number;
  /** Id of the window that is open; null when none is seen. */
  readonly window: string | null;
  /** Id of the window that was open when windows stopped being seen; should it be seen again, it is the same one. */
  readonly lost: string | null;
  /** The log has told of one and not of its end. */
  readonly lineOpen: boolean;
  /** When the log told of the last end; epoch milliseconds. */
  readonly lineClosedAt: number | null;
  /** The log says it was answered, but the window still shows. */
  readonly answered: boolean;
  /** What is to come was counted in the ledger before it was known that a device had to be chosen first. */
  readonly prepaid: boolean;
  /** The event waits until then for the window, which knows more; epoch milliseconds. */
  readonly untoldUntil: number | null;
};

export const NOT_SIGHTED: SecondFactorSight = {
  windows: 0,
  lines: 0,
  window: null,
  lost: null,
  lineOpen: false,
  lineClosedAt: null,
  answered: false,
  prepaid: false,
  untoldUntil: null,
};

/** How long a look at the windows may come after the line that ended what it shows. */
const LATE_LOOK_MS = 5_000;

/** What a line or a window means for what is told already. */
export type Sighting =
  /** It is what is told already, at most more exactly. */
  | 'same'
  /** It is told of and over already. */
  | 'past'
  /** It belongs to the second factor that is pending, whose device was chosen just now. */
  | 'next-step'
  /** It is a second factor of its own; `again`: instead of the one that is pending. */
  | 'new'
  | 'again';

export type Sighted = { readonly sight: SecondFactorSight; readonly sighting: Sighting };

/** A line of the log says that a second factor shows. `awaiting`: one is pending. */
export function sightLine(before: SecondFactorSight, awaiting: boolean): Sighted {
  if (before.lineOpen && awaiting) return { sight: before, sighting: 'same' };
  const lines = before.lines + 1;
  const sight = { ...before, lines, lineOpen: true, lineClosedAt: null, answered: false };
  if (lines <= before.windows) return { sight, sighting: awaiting ? 'same' : 'past' };
  if (!awaiting) return { sight, sighting: 'new' };
  // One that no line told of is pending: this line does, unless a window of it had its line before.
  return { sight, sighting: before.lines > 0 && before.windows > 0 ? 'again' : 'same' };
}

/** The log says that what showed is over. */
export function endLine(before: SecondFactorSight, now: number): SecondFactorSight {
  return before.lineOpen ? { ...before, lineOpen: false, lineClosedAt: now } : before;
}

/** A window shows a second factor. `pending` is what is pending, as it was seen; null when nothing is. */
export function sightWindow(
  before: SecondFactorSight,
  window: string,
  pending: { readonly chosen: boolean } | null,
  now: number,
): Sighted {
  if (window === before.window || window === before.lost)
    return { sight: { ...before, window, lost: null }, sighting: pending === null ? 'past' : 'same' };
  const windows = before.windows + 1;
  const told = windows <= before.lines;
  const sight = { ...before, windows, window, lost: null, answered: false };
  if (pending !== null) {
    // The first ones may have come before anybody looked.
    if (told)
      return { sight: before.lineOpen ? { ...sight, windows: before.lines } : sight, sighting: 'same' };
    if (pending.chosen) return { sight, sighting: 'next-step' };
    return { sight, sighting: before.windows > 0 ? 'again' : 'same' };
  }
  const late =
    told && !before.lineOpen && before.lineClosedAt !== null && now - before.lineClosedAt < LATE_LOOK_MS;
  return { sight, sighting: late ? 'past' : 'new' };
}

/** Windows are not seen any more. */
export function loseWindow(before: SecondFactorSight): SecondFactorSight {
  return { ...before, window: null, lost: before.window ?? before.lost };
}

/** Whether a line that ends what showed may be believed: not while the window of a later step is open. */
export function isOpen(sight: SecondFactorSight): boolean {
  return sight.window !== null;
}

/** Whether two looks at one window show something else. */
export function differs(a: SecondFactorDetail | null, b: SecondFactorDetail): boolean {
  return JSON.stringify(a) !== JSON.stringify(b);
}
