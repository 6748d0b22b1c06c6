// Owns the carrying out of what the rules decide about codes: by ib-code for those of the seed, through the bridge for those of a person.

import { endOf, STEP_MARGIN_MS } from '../domain/code-step.ts';
import type { ClocksCompared, CodeTyped, Fact } from '../domain/facts.ts';
import type { ClockComparison, CodeOutcome, CodeRefusal, CodeResult } from '../gateway/code-records.ts';
import type { Clock } from '../host/clock.ts';
import { AgentError } from '../protocol/errors.ts';
import type { CodeRunner } from './code-runner.ts';
import type { LedgerStore } from './ledger-store.ts';
import type { WindowWatch } from './window-watch.ts';

export type CodeTypistParts = {
  readonly session: string;
  /** IBKR user name's key in the ledger. */
  readonly user: string;
  readonly ledger: LedgerStore;
  readonly windows: WindowWatch;
  readonly runner: CodeRunner;
  readonly clock: Clock;
  readonly dispatch: (fact: Fact) => void;
};

/** A check reads the seed and computes; it waits for nothing. */
const CHECK_VALID_MS = 20_000;

/** Trying again mends none of these. */
const HOPELESS: ReadonlySet<CodeRefusal> = new Set([
  'seed-missing',
  'seed-unsafe',
  'seed-invalid',
  'seed-sealed',
  'seed-command-failed',
  'config-invalid',
  'start-denied',
  'unit-missing',
]);

/** Nothing here throws or rejects but {@link typeGiven}: what came of it is told as a fact. */
export class CodeTypist {
  readonly #parts: CodeTypistParts;

  constructor(parts: CodeTypistParts) {
    this.#parts = parts;
  }

  /** Has the code of a time step typed. The step is used up on disk before anybody can type it. */
  async typeMade(id: string, step: number, window: string): Promise<void> {
    const { ledger, user, windows, runner, session } = this.#parts;
    const failed = (why: CodeRefusal | 'step-used', detail: string) =>
      this.#tell(id, { kind: 'not-typed', why, detail, hopeless: false });
    try {
      if (!ledger.useStep(user, step)) {
        failed('step-used', 'the code of this time step was used before');
        return;
      }
    } catch (error) {
      failed('runtime-unusable', messageOf(error));
      return;
    }
    try {
      windows.expectCode(window);
      const target = await windows.codeField(window);
      const notAfter = endOf(step) - STEP_MARGIN_MS;
      const result = await runner.run({ v: 1, id, session, notAfter, kind: 'type', step, target });
      this.#end(window, result);
    } catch (error) {
      windows.codeEnded(window, false);
      const unseen = error instanceof AgentError && error.code === 'windows-unseen';
      failed(unseen ? 'bridge-absent' : 'window-gone', messageOf(error));
    }
  }

  /** What an earlier agent ordered; without a trace of it, nothing was typed. */
  async recall(id: string, window: string): Promise<void> {
    const { runner, windows } = this.#parts;
    windows.expectCode(window);
    const result = await runner.lastResult(id);
    if (result !== null) {
      this.#end(window, result);
      return;
    }
    windows.codeEnded(window, false);
    this.#tell(id, {
      kind: 'not-typed',
      why: 'timed-out',
      detail: 'the agent ended before the code was typed',
      hopeless: false,
    });
  }

  async check(id: string): Promise<void> {
    const { session, runner, clock, dispatch } = this.#parts;
    const notAfter = clock.now() + CHECK_VALID_MS;
    const result = await runner.run({ v: 1, id, session, notAfter, kind: 'check' });
    dispatch({ kind: 'code-checked', id, outcome: typedOf(result.outcome), clock: result.clock });
  }

  async compareClock(): Promise<void> {
    const { runner, dispatch } = this.#parts;
    const comparison = comparedOf(await runner.compareClock());
    if (comparison !== null) dispatch({ kind: 'clock-compared', comparison });
  }

  /** Types a person's code. Throws AgentError `window-changed` or `windows-unseen` when it is certain that nothing was handed in. */
  async typeGiven(window: string, code: string): Promise<'typed' | 'uncertain'> {
    const { windows } = this.#parts;
    windows.expectCode(window);
    try {
      const typed = await windows.typeCode(window, code);
      windows.codeEnded(window, true);
      return typed;
    } catch (error) {
      windows.codeEnded(window, false);
      throw error;
    }
  }

  #end(window: string, { id, outcome, clock }: CodeResult): void {
    const typed = typedOf(outcome);
    this.#parts.windows.codeEnded(window, typed.kind !== 'not-typed');
    this.#parts.dispatch({ kind: 'code-result', id, outcome: typed, clock });
  }

  #tell(id: string, outcome: CodeTyped): void {
    this.#parts.dispatch({ kind: 'code-result', id, outcome, clock: null });
  }
}

function typedOf(outcome: CodeOutcome): CodeTyped {
  switch (outcome.kind) {
    case 'typed':
    case 'ok':
      return { kind: 'typed' };
    case 'uncertain':
      return { kind: 'uncertain' };
    case 'not-typed': {
      const { why, detail, hint } = outcome;
      return { kind: 'not-typed', why, detail: sentence(detail, hint), hopeless: HOPELESS.has(why) };
    }
  }
}

/** Null: nobody is to be asked. */
function comparedOf(comparison: ClockComparison): ClocksCompared | null {
  if (comparison.kind === 'compared') {
    const { offsetMs, uncertaintyMs, address } = comparison;
    return { kind: 'compared', offsetMs, uncertaintyMs, host: new URL(address).host };
  }
  return comparison.why === 'off' ? null : { kind: 'failed', detail: comparison.detail };
}

function sentence(detail: string, hint: string): string {
  return hint === '' ? detail : `${detail} ${hint}`;
}

function messageOf(error: unknown): string {
  return error instanceof AgentError ? error.message : String(error);
}
