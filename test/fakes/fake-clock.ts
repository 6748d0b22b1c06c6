// Owns time under a test's control: it stands still until it is advanced, and timers then fire in the order in which they fall due.

import type { Clock, Timer } from '../../src/host/clock.ts';

type Waiting = { at: number; readonly callback: () => void; readonly everyMs: number | null };

export class FakeClock implements Clock {
  #now: number;
  #monotonicMs = 0;
  readonly #waiting = new Set<Waiting>();

  constructor(now = Date.UTC(2026, 10, 23, 9, 0, 0)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.#wait({ at: this.#monotonicMs + Math.max(0, delayMs), callback, everyMs: null });
  }

  every(intervalMs: number, callback: () => void): Timer {
    return this.#wait({ at: this.#monotonicMs + intervalMs, callback, everyMs: intervalMs });
  }

  #wait(waiting: Waiting): Timer {
    this.#waiting.add(waiting);
    return { cancel: () => void this.#waiting.delete(waiting) };
  }

  /** Milliseconds from now at which each armed timer fires, soonest first. */
  get pending(): number[] {
    return [...this.#waiting].map((waiting) => waiting.at - this.#monotonicMs).sort((a, b) => a - b);
  }

  /** Lets time pass; timers that are set on the way fire too when they fall due. */
  advance(ms: number): void {
    const end = this.#monotonicMs + ms;
    for (;;) {
      let next: Waiting | null = null;
      for (const waiting of this.#waiting) {
        if (waiting.at <= end && (next === null || waiting.at < next.at)) next = waiting;
      }
      if (next === null) break;
      this.#pass(next.at - this.#monotonicMs);
      if (next.everyMs === null) this.#waiting.delete(next);
      else next.at += next.everyMs;
      next.callback();
    }
    this.#pass(end - this.#monotonicMs);
  }

  /** Sets the wall clock, as NTP or an administrator does; timers do not notice. */
  setWall(epochMs: number): void {
    this.#now = epochMs;
  }

  #pass(ms: number): void {
    this.#now += ms;
    this.#monotonicMs += ms;
  }
}
