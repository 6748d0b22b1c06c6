// Owns a stand-in for ib-code and ib-clock: orders are kept, and end when and how a test says.

import type {
  ClockComparison,
  CodeOrder,
  CodeOutcome,
  CodeRefusal,
  CodeResult,
} from '../../src/gateway/code-records.ts';
import type { Clock } from '../../src/host/clock.ts';
import type { CodeRunner } from '../../src/supervisor/code-runner.ts';

export class FakeCodeRunner implements CodeRunner {
  /** Orders in the order in which they were given. */
  readonly orders: CodeOrder[] = [];
  /** What was asked about earlier orders. */
  readonly asked: string[] = [];
  /** Results by the id of their order, for `lastResult`; those that ended here are put in by themselves. */
  readonly results = new Map<string, CodeResult>();
  /** How each order ends at once; null: when `end` is called. A check ends with `ok` unless this says otherwise. */
  answer: CodeOutcome | null = null;
  clockState: CodeResult['clock'] = { synchronised: true, errorMs: 10 };
  comparisons = 0;
  comparison: ClockComparison;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, (outcome: CodeOutcome) => void>();
  readonly #running = new Map<string, Promise<CodeResult>>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.comparison = {
      kind: 'compared',
      offsetMs: 0,
      uncertaintyMs: 500,
      address: 'https://clock.example/',
      at: clock.now(),
    };
  }

  run(order: CodeOrder): Promise<CodeResult> {
    this.orders.push(order);
    const { promise, resolve } = Promise.withResolvers<CodeResult>();
    const end = (outcome: CodeOutcome) => {
      const result: CodeResult = {
        v: 1,
        id: order.id,
        step: order.kind === 'type' ? order.step : null,
        outcome,
        clock: this.clockState,
        at: this.#clock.now(),
      };
      this.results.set(order.id, result);
      resolve(result);
    };
    const answer = this.answer ?? (order.kind === 'check' ? { kind: 'ok' as const } : null);
    this.#running.set(order.id, promise);
    if (answer === null) this.#waiting.set(order.id, end);
    else end(answer);
    return promise;
  }

  async lastResult(id: string): Promise<CodeResult | null> {
    this.asked.push(id);
    const running = this.#running.get(id);
    return running === undefined ? (this.results.get(id) ?? null) : await running;
  }

  async compareClock(): Promise<ClockComparison> {
    this.comparisons += 1;
    return this.comparison;
  }

  /** Whether an order is under way. */
  isRunning(id: string): boolean {
    return this.#waiting.has(id);
  }

  /** Orders that had a code typed. */
  get typed(): readonly Extract<CodeOrder, { kind: 'type' }>[] {
    return this.orders.filter((order) => order.kind === 'type');
  }

  /** Ends the order that was given last, or the one named. */
  end(outcome: CodeOutcome, id = this.orders.at(-1)?.id ?? ''): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) throw new Error(`no order ${id} is under way`);
    this.#waiting.delete(id);
    waiting(outcome);
  }

  /** Ends it with nothing typed. */
  refuse(why: CodeRefusal, id?: string): void {
    this.end({ kind: 'not-typed', why, detail: `refused: ${why}`, hint: 'do something' }, id);
  }
}

/** Until what waits for promises only has been done. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
