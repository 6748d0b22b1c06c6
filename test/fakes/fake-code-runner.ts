// Owns a stand-in for the running of ib-code and ib-clock.

import type { ClockComparison, CodeOrder, CodeOutcome, CodeResult } from '../../src/gateway/code-records.ts';
import type { CodeRunner } from '../../src/supervisor/code-runner.ts';

/** Each order waits until the test says what came of it, but for checks, which find a seed. */
export class FakeCodeRunner implements CodeRunner {
  readonly orders: CodeOrder[] = [];
  /** What came of orders that were given before. */
  readonly past = new Map<string, CodeResult>();
  readonly recalled: string[] = [];
  check: CodeOutcome = { kind: 'ok' };
  synchronised: boolean | null = true;
  comparison: ClockComparison = {
    kind: 'compared',
    offsetMs: 0,
    uncertaintyMs: 1_000,
    address: 'https://time.example/',
    at: 0,
  };
  readonly #waiting = new Map<string, (result: CodeResult) => void>();

  run(order: CodeOrder): Promise<CodeResult> {
    this.orders.push(order);
    if (order.kind === 'check') return Promise.resolve(this.#resultOf(order, this.check));
    return new Promise((resolve) => this.#waiting.set(order.id, resolve));
  }

  async lastResult(id: string): Promise<CodeResult | null> {
    this.recalled.push(id);
    return this.past.get(id) ?? null;
  }

  async compareClock(): Promise<ClockComparison> {
    return this.comparison;
  }

  /** Those that had a code typed. */
  get typed(): Extract<CodeOrder, { kind: 'type' }>[] {
    return this.orders.filter((order) => order.kind === 'type');
  }

  /** Says what came of the last order. */
  async end(outcome: CodeOutcome = { kind: 'typed' }): Promise<void> {
    const order = this.orders.findLast(({ id }) => this.#waiting.has(id));
    if (order === undefined) throw new Error('no order waits');
    this.#waiting.get(order.id)?.(this.#resultOf(order, outcome));
    this.#waiting.delete(order.id);
    await settled();
  }

  #resultOf(order: CodeOrder, outcome: CodeOutcome): CodeResult {
    const step = order.kind === 'type' ? order.step : null;
    const clock = { synchronised: this.synchronised, errorMs: 5 };
    return { v: 1, id: order.id, step, outcome, clock, at: 0 };
  }
}

/** Until what waits for promises only has been done. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
