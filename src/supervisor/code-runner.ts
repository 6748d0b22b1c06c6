// Owns the port through which a session has a one-time code typed and its clock compared, and what its adapters share: files and their reading.

import { readFileSync, rmSync } from 'node:fs';
import {
  type ClockComparison,
  type CodeOrder,
  type CodeRefusal,
  type CodeResult,
  parseClockComparison,
  parseCodeOrder,
  parseCodeReport,
  refusalOfStatus,
} from '../gateway/code-records.ts';
import { errorCode, writeFileAtomic } from '../host/files.ts';

/** Runs ib-code and ib-clock of one session. Nothing here rejects; each answers within half a minute. */
export interface CodeRunner {
  /**
   * Carries out an order, whose id must be new, and tells what became of it. Orders given while one is under way wait for it. `typed` and
   * `uncertain` use the step up; with `not-typed` it is certain that no code was handed in.
   */
  run(order: CodeOrder): Promise<CodeResult>;
  /**
   * What became of an order that was given before, as by an earlier agent: a program that still runs is waited for. Null: nothing came of
   * it, and nothing will, since the order is taken back.
   */
  lastResult(id: string): Promise<CodeResult | null>;
  /** Compares the clock of this host with the configured server's. */
  compareClock(): Promise<ClockComparison>;
}

/** Paths of a session that both adapters use, as sessionPaths() names them. */
export type CodePaths = {
  readonly codeOrder: string;
  readonly codeResult: string;
  readonly clockResult: string;
};

/** Of one run of ib-code; the program itself needs less in any case. */
export const CODE_DEADLINE_MS = 20_000;
/** Of one run of ib-clock, which gives up after ten seconds. */
export const CLOCK_DEADLINE_MS = 15_000;

/** The result of this order that is on disk; one that was begun only says that its end is not known. Null: there is none. */
export function readCodeResult(
  path: string,
  id: string,
): { readonly result: CodeResult; readonly done: boolean } | null {
  const report = parseCodeReport(readText(path) ?? '');
  if (report === null || report.id !== id) return null;
  const { done, ...result } = report;
  return { result, done };
}

export function readClockComparison(path: string): ClockComparison | null {
  return parseClockComparison(readText(path) ?? '');
}

/** The text of a small file, or null when it cannot be read. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** Hands an order over, for the group to read. Returns what is wrong, or null. */
export function writeCodeOrder(path: string, order: CodeOrder, gid: number | undefined): string | null {
  try {
    writeFileAtomic(path, `${JSON.stringify(order)}\n`, 0o640, gid);
    return null;
  } catch (error) {
    return `Cannot write ${path} (${errorCode(error) ?? 'unknown error'}).`;
  }
}

/** Takes an order back, unless it is another one by now. A program that has read it already goes on. */
export function withdrawCodeOrder(path: string, id: string): void {
  if (parseCodeOrder(readText(path) ?? '')?.id !== id) return;
  try {
    rmSync(path, { force: true });
  } catch {
    // It is void before long, and good for once.
  }
}

/** A result that the agent tells in the program's place. */
export function notRun(
  order: CodeOrder,
  why: CodeRefusal,
  detail: string,
  hint: string,
  now: number,
): CodeResult {
  return {
    v: 1,
    id: order.id,
    step: order.kind === 'type' ? order.step : null,
    outcome: { kind: 'not-typed', why, detail, hint },
    clock: { synchronised: null, errorMs: null },
    at: now,
  };
}

/** What a program that left no result of this order means by its exit status: it refused the order, or did not come that far. */
export function ofStatus(order: CodeOrder, status: number | null, now: number): CodeResult {
  const why = refusalOfStatus(status);
  if (why !== null) {
    const detail = `ib-code did not take the order (status ${status}).`;
    return notRun(order, why, detail, `Its reason is in the log: journalctl -t ib-code, ibctl logs`, now);
  }
  return notRun(
    order,
    'start-failed',
    `ib-code ended before it did anything (${status === null ? 'by a signal' : `status ${status}`}).`,
    'Its log says why: journalctl -t ib-code',
    now,
  );
}

/** A comparison that came to nothing, told in the program's place. */
export function notCompared(why: 'timed-out' | 'not-run', detail: string, now: number): ClockComparison {
  return { kind: 'failed', why, detail, address: null, at: now };
}

/** Lets one piece of work begin when the one before has ended. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work);
    this.#last = mine.catch(() => {});
    return mine;
  }
}
