// Owns how a session on its way is shown: a line for each step, on a terminal with the time left of a second factor running.

import type { Clock, Timer } from '../host/clock.ts';
import type { Progress } from '../protocol/methods.ts';
import type { Output } from './output.ts';
import { conditionText, paintState, progressText } from './status-text.ts';
import { printable, truncate } from './table.ts';
import { formatElapsed } from './time-text.ts';

const REDRAW_MS = 1_000;
const INDENT = ' '.repeat(8);

export type ProgressView = {
  show(progress: Progress): void;
  /** Ends a line that is still being rewritten, so that other text can follow. */
  end(): void;
};

/** A view that says nothing, for --quiet. */
export const SILENT: ProgressView = { show: () => undefined, end: () => undefined };

/** One `{"progress": …}` a line. */
export function jsonProgress(output: Output): ProgressView {
  return { show: (progress) => output.jsonLine({ progress }), end: () => undefined };
}

/** Lines for people; elapsed time counts from the creation of the view. */
export class TextProgress implements ProgressView {
  readonly #output: Output;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #told = new Set<string>();
  #key = '';
  #live: { readonly timer: Timer } | null = null;

  constructor(output: Output, clock: Clock) {
    this.#output = output;
    this.#clock = clock;
    this.#startedAt = clock.monotonicMs();
  }

  show(progress: Progress): void {
    const { state, since, reason, secondFactor, next, conditions } = progress;
    const key = JSON.stringify([state, since, reason, secondFactor?.method, secondFactor?.attempt, next?.at]);
    if (key !== this.#key) {
      this.#key = key;
      this.end();
      const shownAt = this.#clock.monotonicMs() - this.#startedAt;
      if (secondFactor !== null && this.#output.isTty) this.#countDown(progress, shownAt);
      else this.#output.line(this.#lineOf(progress, shownAt));
    }
    for (const condition of conditions) {
      const name = `${condition.code} ${condition.since} ${condition.text}`;
      if (this.#told.has(name)) continue;
      this.#told.add(name);
      this.end();
      this.#output.line(`${INDENT}${printable(conditionText(condition, this.#clock.now()))}`);
      if (condition.hint !== '') this.#output.line(`${INDENT}hint: ${printable(condition.hint)}`);
    }
  }

  end(): void {
    if (this.#live === null) return;
    this.#live.timer.cancel();
    this.#live = null;
    this.#output.text('\n');
  }

  /** Rewrites its line every second; the process stays alive through the connection, not through this timer. */
  #countDown(progress: Progress, shownAt: number): void {
    const draw = () => this.#output.text(`\r\u001b[K${this.#lineOf(progress, shownAt)}`);
    this.#live = { timer: this.#clock.every(REDRAW_MS, draw) };
    draw();
  }

  #lineOf(progress: Progress, shownAt: number): string {
    const text = progressText(progress, this.#clock.now());
    // A line that wraps could not be rewritten in place.
    const cut = this.#output.isTty ? truncate(text, this.#output.columns - INDENT.length - 1) : text;
    const { state } = progress;
    const painted = cut.startsWith(state)
      ? paintState(this.#output.paint, state, state) + cut.slice(state.length)
      : cut;
    return `${formatElapsed(shownAt)}  ${painted}`;
  }
}
