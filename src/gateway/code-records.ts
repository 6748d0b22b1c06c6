// Owns the records that pass between the agent and ib-code and ib-clock: the order to type a code, what became of it, and the clocks compared.

import { isRecord } from '../protocol/json.ts';
import { isOrderId } from './launch-records.ts';

/** Where a code is typed and handed in. The window, paths and texts are as the bridge lists them; all must still be so. */
export type CodeTarget = {
  /** Id of the window. */
  readonly window: string;
  /** Its title, and a text that shows in it; at least one of the two. */
  readonly title: string | null;
  readonly near: string | null;
  /** Of the field. */
  readonly path: string;
  /** Path and text of the button. */
  readonly button: string;
  readonly buttonText: string;
};

type CodeOrderOf<Kind extends string, Rest> = {
  readonly v: 1;
  /** Unique; ib-code keeps the last one it used and refuses to use it again. */
  readonly id: string;
  readonly session: string;
  /** Epoch milliseconds after which the order is void. */
  readonly notAfter: number;
  readonly kind: Kind;
} & Rest;

/** `type`: hand in the code of exactly this time step. `check`: see whether one could be made, and type nothing. */
export type CodeOrder =
  | CodeOrderOf<'type', { readonly step: number; readonly target: CodeTarget }>
  | CodeOrderOf<'check', unknown>;

/**
 * Why nothing was typed, which is certain. `window-gone`: what was seen is not there any more. `field-refused`: the field did not take the
 * code, or is none. `seed-sealed`: systemd could not unseal the seed. `timed-out`: the program was ended before it came to typing.
 */
export const CODE_REFUSALS = [
  'step-not-yet',
  'step-over',
  'window-gone',
  'field-refused',
  'frozen',
  'bridge-absent',
  'bridge-refused',
  'seed-missing',
  'seed-unsafe',
  'seed-invalid',
  'seed-sealed',
  'seed-command-failed',
  'order-missing',
  'order-invalid',
  'order-expired',
  'order-used',
  'config-invalid',
  'runtime-unusable',
  'internal',
  // These are told by the agent in the program's place.
  'timed-out',
  'start-denied',
  'start-failed',
  'unit-missing',
] as const;
export type CodeRefusal = (typeof CODE_REFUSALS)[number];

/** `detail` is for people; it never holds seed or code. */
export type CodeOutcome =
  /** The code was typed and handed in. */
  | { readonly kind: 'typed' }
  /** Of a check: a code can be made. */
  | { readonly kind: 'ok' }
  | { readonly kind: 'not-typed'; readonly why: CodeRefusal; readonly detail: string; readonly hint: string }
  /** It may have been typed: the end is not known. The step counts as used. */
  | { readonly kind: 'uncertain'; readonly detail: string };

/** What the kernel says of the system's clock; null: it does not say. */
export type ClockState = {
  readonly synchronised: boolean | null;
  /** By how much it may be wrong at most. Milliseconds. */
  readonly errorMs: number | null;
};

export type CodeResult = {
  readonly v: 1;
  /** Of the order. */
  readonly id: string;
  /** Of the order; null for a check. */
  readonly step: number | null;
  readonly outcome: CodeOutcome;
  readonly clock: ClockState;
  /** Epoch milliseconds. */
  readonly at: number;
};

/** The result as it is on disk. Before anything is typed one is written that is `uncertain` and not done, for whoever ends the program then. */
export type CodeReport = CodeResult & { readonly done: boolean };

/** Exit statuses of ib-code; 0: typed, or ok. */
const STATUS_OF_REFUSAL: Readonly<Record<CodeRefusal, number>> = {
  'step-not-yet': 11,
  'step-over': 12,
  'window-gone': 13,
  'field-refused': 14,
  frozen: 15,
  'bridge-absent': 16,
  'bridge-refused': 17,
  'seed-missing': 21,
  'seed-unsafe': 22,
  'seed-invalid': 23,
  'seed-sealed': 24,
  'seed-command-failed': 25,
  'order-missing': 31,
  'order-invalid': 32,
  'order-expired': 33,
  'order-used': 34,
  'config-invalid': 41,
  'runtime-unusable': 42,
  internal: 43,
  'timed-out': 44,
  'start-denied': 45,
  'start-failed': 46,
  'unit-missing': 47,
};
export const CODE_UNCERTAIN_STATUS = 10;

export function codeStatus(outcome: CodeOutcome): number {
  switch (outcome.kind) {
    case 'typed':
    case 'ok':
      return 0;
    case 'uncertain':
      return CODE_UNCERTAIN_STATUS;
    case 'not-typed':
      return STATUS_OF_REFUSAL[outcome.why];
  }
}

/** The refusal that an exit status of ib-code stands for, or null. */
export function refusalOfStatus(status: number | null): CodeRefusal | null {
  return CODE_REFUSALS.find((why) => STATUS_OF_REFUSAL[why] === status) ?? null;
}

/** How the local clock compares with a server's. */
export type ClockComparison =
  | {
      readonly kind: 'compared';
      /** Local minus remote. Milliseconds. */
      readonly offsetMs: number;
      /** The offset may be wrong by this much either way. */
      readonly uncertaintyMs: number;
      readonly address: string;
      readonly at: number;
    }
  /** `off`: the configuration says that no clock is asked. `certificate`: it is not valid, which a wrong clock can be the reason of. */
  | {
      readonly kind: 'failed';
      readonly why: 'off' | 'unreachable' | 'certificate' | 'no-date' | 'timed-out' | 'not-run';
      readonly detail: string;
      readonly address: string | null;
      readonly at: number;
    };

const CLOCK_FAILURES = ['off', 'unreachable', 'certificate', 'no-date', 'timed-out', 'not-run'] as const;

/** The order in a file's text, or null when it is not one of this version. */
export function parseCodeOrder(text: string): CodeOrder | null {
  const value = parseObject(text);
  if (value === null || value['v'] !== 1) return null;
  const { id, session, notAfter, kind, step } = value;
  if (typeof id !== 'string' || !isOrderId(id) || typeof session !== 'string' || !isTime(notAfter))
    return null;
  if (kind === 'check') return { v: 1, id, session, notAfter, kind };
  const target = readTarget(value['target']);
  if (kind !== 'type' || target === null || !isStep(step)) return null;
  return { v: 1, id, session, notAfter, kind, step, target };
}

/** The result in a file's text, or null when it is none of this version. */
export function parseCodeReport(text: string): CodeReport | null {
  const value = parseObject(text);
  if (value === null || value['v'] !== 1) return null;
  const { id, step, at, done } = value;
  const outcome = readOutcome(value['outcome']);
  const clock = readClock(value['clock']);
  if (typeof id !== 'string' || !isTime(at) || typeof done !== 'boolean') return null;
  if (outcome === null || clock === null || (step !== null && !isStep(step))) return null;
  return { v: 1, id, step, outcome, clock, at, done };
}

/** The comparison in a file's text, or null when it is none. */
export function parseClockComparison(text: string): ClockComparison | null {
  const value = parseObject(text);
  if (value === null) return null;
  const { kind, address, at, offsetMs, uncertaintyMs, detail } = value;
  if (!isTime(at)) return null;
  if (kind === 'compared') {
    if (
      !isNumber(offsetMs) ||
      !isNumber(uncertaintyMs) ||
      typeof address !== 'string' ||
      !URL.canParse(address)
    )
      return null;
    return { kind, offsetMs, uncertaintyMs, address, at };
  }
  const why = CLOCK_FAILURES.find((known) => known === value['why']);
  if (kind !== 'failed' || why === undefined || typeof detail !== 'string') return null;
  if (address !== null && typeof address !== 'string') return null;
  return { kind, why, detail, address, at };
}

function readTarget(value: unknown): CodeTarget | null {
  if (!isRecord(value)) return null;
  const { window, title, near, path, button, buttonText } = value;
  if (!isText(window) || !isText(path) || !isText(button) || !isText(buttonText)) return null;
  if (!isTextOrNull(title) || !isTextOrNull(near) || (title === null && near === null)) return null;
  return { window, title, near, path, button, buttonText };
}

function readOutcome(value: unknown): CodeOutcome | null {
  if (!isRecord(value)) return null;
  const { kind, detail, hint } = value;
  if (kind === 'typed' || kind === 'ok') return { kind };
  if (typeof detail !== 'string') return null;
  if (kind === 'uncertain') return { kind, detail };
  const why = CODE_REFUSALS.find((known) => known === value['why']);
  if (kind !== 'not-typed' || why === undefined || typeof hint !== 'string') return null;
  return { kind, why, detail, hint };
}

function readClock(value: unknown): ClockState | null {
  if (!isRecord(value)) return null;
  const { synchronised, errorMs } = value;
  if (synchronised !== null && typeof synchronised !== 'boolean') return null;
  if (errorMs !== null && !isNumber(errorMs)) return null;
  return { synchronised, errorMs };
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isTime(value: unknown): value is number {
  return isNumber(value) && value >= 0;
}

function isStep(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}
