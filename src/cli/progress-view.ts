// Owns how a session on its way is shown: a line for each step, on a terminal with the time left, of a second factor or until a
// restart, running.

import type { Clock, Timer } from '../host/clock.ts';
import type { Progress } from '../protocol/methods.ts';
import type { Output } from './output.ts';
import {
  conditionText,
  isRestartComing,
  paintState,
  progressText,
  secondFactorAsks,
  secondFactorHint,
  untoldConditions,
} from './status-text.ts';
import { printable, truncate, wrap } from './table.ts';
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
  /** Milliseconds after the creation at which the line of #key was shown first. */
  #shownAt = 0;
  #live: Timer | null = null;

  constructor(output: Output, clock: Clock) {
    this.#output = output;
    this.#clock = clock;
    this.#startedAt = clock.monotonicMs();
  }

  show(progress: Progress): void {
    const news = this.#news(progress);
    const key = keyOf(progress);
    const isNew = key !== this.#key;
    if (!isNew && news.length === 0) return;
    if (isNew) this.#shownAt = this.#clock.monotonicMs() - this.#startedAt;
    this.#key = key;
    const runs = this.#output.isTty && (progress.secondFactor !== null || isRestartComing(progress));
    // A line that runs has to be the last one, so what there is to say about it goes before it.
    if (isNew) this.end();
    else this.#erase();
    if (isNew && !runs) this.#output.line(this.#lineOf(progress));
    for (const text of news) for (const line of this.#fit(text)) this.#output.line(line);
    if (runs) this.#countDown(progress);
  }

  end(): void {
    if (this.#live === null) return;
    this.#live.cancel();
    this.#live = null;
    this.#output.text('\n');
  }

  /** Takes a line that runs away again, to write it anew below. */
  #erase(): void {
    if (this.#live === null) return;
    this.#live.cancel();
    this.#live = null;
    this.#output.text('\r\u001b[K');
  }

  /** Whole lines for pipes, so that they can be searched. */
  #fit(text: string): readonly string[] {
    const clean = printable(text);
    return this.#output.isTty
      ? wrap(clean, this.#output.columns - 1, INDENT, `${INDENT}  `)
      : [`${INDENT}${clean}`];
  }

  /** Lines about conditions and second factors that were not told yet. */
  #news(progress: Progress): string[] {
    const lines: string[] = [];
    const tell = (name: string, ...texts: readonly string[]) => {
      if (this.#told.has(name)) return;
      this.#told.add(name);
      lines.push(...texts.filter((text) => text !== ''));
    };
    const { secondFactor } = progress;
    if (secondFactor !== null) {
      const { method, attempt } = secondFactor;
      const hint = secondFactorHint(secondFactor, progress.session);
      const asks = secondFactorAsks(secondFactor) ?? '';
      tell(`second factor ${method} ${attempt} ${hint} ${asks}`, asks, `hint: ${hint}`);
    }
    for (const condition of untoldConditions(progress)) {
      const hint = condition.hint === '' ? '' : `hint: ${condition.hint}`;
      const name = `${condition.code} ${condition.since} ${condition.text}`;
      tell(name, conditionText(condition, this.#clock.now()), hint);
    }
    return lines;
  }

  /** Rewrites its line every second; the process stays alive through the connection, not through this timer. */
  #countDown(progress: Progress): void {
    const draw = () => this.#output.text(`\r\u001b[K${this.#lineOf(progress)}`);
    this.#live = this.#clock.every(REDRAW_MS, draw);
    draw();
  }

  #lineOf(progress: Progress): string {
    const text = progressText(progress, this.#clock.now());
    // A line that wraps could not be rewritten in place.
    const cut = this.#output.isTty ? truncate(text, this.#output.columns - INDENT.length - 1) : text;
    const { state } = progress;
    const painted = cut.startsWith(state)
      ? paintState(this.#output.paint, state, state) + cut.slice(state.length)
      : cut;
    return `${formatElapsed(this.#shownAt)}  ${painted}`;
  }
}

/** What makes a line of its own: whatever {@link progressText} says but the time left. */
function keyOf(progress: Progress): string {
  const { state, reason, secondFactor, next } = progress;
  const awaited = state === 'backing-off' || isRestartComing(progress) ? next?.at : undefined;
  return JSON.stringify([state, reason, secondFactor?.method, secondFactor?.attempt, awaited]);
}
