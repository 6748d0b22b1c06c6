// Owns the way to one target: what waits for it, one try at a time, the waits between tries, and what became of it all.

import type { NotifyTarget } from '../config/types.ts';
import {
  deadlineOf,
  decideNotification,
  isStillUseful,
  NOTHING_TOLD,
  nextTryMs,
  type PendingFactors,
} from '../domain/notify-rules.ts';
import type { AgentEvent } from '../events/catalogue.ts';
import { type Clock, delay } from '../host/clock.ts';
import type { Deliver } from './deliver.ts';
import type { Failure, Result } from './result.ts';

/** More than this many notices never wait for one target. */
const MOST_WAITING = 100;
/** Warnings of one target are told no more often. */
const WARNING_EVERY_MS = 60_000;

export type LaneParts = {
  readonly target: NotifyTarget;
  readonly deliver: Deliver;
  readonly clock: Clock;
  readonly random: () => number;
  readonly host: string;
  readonly pending: () => PendingFactors;
  readonly warn: (fields: Readonly<Record<string, unknown>>, message: string) => void;
  /** A notice was given up. */
  readonly onGivenUp: (event: AgentEvent, failure: Failure) => void;
};

/** What became of the newest notice that was sent, or given up. */
export type LaneFate = { readonly at: number; readonly event: string; readonly message: string };

export class Lane {
  readonly target: NotifyTarget;
  lastSent: LaneFate | null = null;
  lastFailed: LaneFate | null = null;
  /** Thrown away because too many waited. */
  dropped = 0;
  readonly #parts: LaneParts;
  readonly #stop = new AbortController();
  #memory = NOTHING_TOLD;
  #waiting: AgentEvent[] = [];
  #busy: Promise<void> | null = null;
  #overflowing = false;
  #warnedAt: number | null = null;
  #unwarned = 0;

  constructor(parts: LaneParts) {
    this.target = parts.target;
    this.#parts = parts;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes an event, if the target wants it; returns at once. */
  offer(event: AgentEvent): void {
    if (this.#stop.signal.aborted) return;
    const { target, clock } = this.#parts;
    const { verdict, memory } = decideNotification(event, target, this.#memory, clock.monotonicMs());
    this.#memory = memory;
    if (verdict !== 'tell') return;
    this.#waiting.push(event);
    if (this.#waiting.length > MOST_WAITING) this.#dropOldest();
    this.#busy ??= this.#work();
  }

  /** Resolves when nothing waits and nothing is being sent. */
  async idle(): Promise<void> {
    while (this.#busy !== null) await this.#busy;
  }

  /** Ends what is being sent, and forgets what waits. */
  abort(): void {
    this.#stop.abort(new Error('the agent stops'));
    this.#waiting = [];
  }

  #dropOldest(): void {
    this.#waiting.shift();
    this.dropped += 1;
    if (this.#overflowing) return;
    this.#overflowing = true;
    this.#parts.warn(
      { target: this.target.name, most: MOST_WAITING },
      `notifications to ${this.target.name} come faster than they can be sent: the oldest are dropped`,
    );
  }

  async #work(): Promise<void> {
    const { clock, pending } = this.#parts;
    try {
      // In a task of its own: the caller is a session's loop, and a secret is read from a file.
      await delay(clock, 0, this.#stop.signal);
      for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) {
        if (isStillUseful(event, pending(), clock.now())) await this.#send(event);
        if (this.#waiting.length === 0) this.#overflowing = false;
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    } finally {
      this.#busy = null;
    }
  }

  async #send(event: AgentEvent): Promise<void> {
    const { target, deliver, clock, host, random, pending } = this.#parts;
    const { signal } = this.#stop;
    for (let tries = 1; ; tries += 1) {
      const result: Result = await deliver(target, { event, host, test: false }, signal);
      const now = clock.now();
      if (result.ok) {
        this.lastSent = { at: now, event: event.event, message: '' };
        return;
      }
      if (signal.aborted) return;
      const { temporary, retryAfterMs } = result;
      const deadline = deadlineOf(event);
      const { retries } = target;
      const pause = nextTryMs({ tries, retries, temporary, retryAfterMs, deadline, now, random: random() });
      if (pause === null) {
        this.lastFailed = { at: now, event: event.event, message: result.message };
        this.#parts.onGivenUp(event, result);
        return;
      }
      this.#warn(event, result, pause);
      await delay(clock, pause, signal);
      // What was answered meanwhile, or is over, rings nobody's phone.
      if (!isStillUseful(event, pending(), clock.now())) return;
    }
  }

  #warn(event: AgentEvent, failure: Failure, pause: number): void {
    const now = this.#parts.clock.monotonicMs();
    if (this.#warnedAt !== null && now - this.#warnedAt < WARNING_EVERY_MS) {
      this.#unwarned += 1;
      return;
    }
    const { name } = this.target;
    this.#parts.warn(
      { target: name, about: event.event, unwarned: this.#unwarned },
      `a notification to ${name} failed: ${failure.message}; the next try is in ${Math.round(pause / 1000)} s`,
    );
    this.#warnedAt = now;
    this.#unwarned = 0;
  }
}
