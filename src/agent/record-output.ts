// Owns the agent's stdout: records are written where they are taken at once, and wait within bounds where they are not.

import { writeSync } from 'node:fs';
import type { Clock, Timer } from '../host/clock.ts';
import { withoutBlocking } from '../host/descriptors.ts';
import { errorCode } from '../host/files.ts';

/** What waits for a reader that has stopped, or for room on a full disk. */
const MOST_WAITING_BYTES = 1024 * 1024;
const RETRY_MS = 100;
const PAUSE_MS = 10;

export type RecordOutputOptions = {
  readonly clock: Clock;
  readonly mostWaitingBytes?: number;
  /** The record that stands where `count` others could not be kept. */
  readonly describeLoss: (count: number) => string;
};

/**
 * Writes whole records to a descriptor, each before `write` returns, as long as the reader takes them. A reader that has stopped (a terminal
 * after Ctrl-S, a pager, a log daemon that hangs) must not stop the agent with it, and a full disk must not fill its memory: then records
 * wait, and those beyond the bound are lost and counted. A reader that is gone loses everything. Never throws.
 */
export class RecordOutput {
  readonly #descriptor: number;
  readonly #clock: Clock;
  readonly #mostWaitingBytes: number;
  readonly #describeLoss: (count: number) => string;
  /** Whole records, but for the first: its beginning may be written already. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #retry: Timer | null = null;

  constructor(descriptor: number, options: RecordOutputOptions) {
    this.#descriptor = withoutBlocking(descriptor);
    this.#clock = options.clock;
    this.#mostWaitingBytes = options.mostWaitingBytes ?? MOST_WAITING_BYTES;
    this.#describeLoss = options.describeLoss;
  }

  /** Takes one record with its line end. */
  write(record: string): void {
    const bytes = Buffer.from(record);
    if (this.#waitingBytes + bytes.length > this.#mostWaitingBytes && this.#waiting.length > 0) {
      this.#lost += 1;
    } else {
      this.#keep(bytes);
    }
    this.#flush();
  }

  /** Before the process ends: gives a reader that is only slow a last while to take what waits. Blocks for at most `timeoutMs`. */
  finish(timeoutMs: number): void {
    const end = this.#clock.monotonicMs() + timeoutMs;
    const cell = new Int32Array(new SharedArrayBuffer(4));
    while (this.#waiting.length > 0 && this.#clock.monotonicMs() < end) {
      Atomics.wait(cell, 0, 0, PAUSE_MS);
      this.#flush();
    }
  }

  #keep(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  #flush(): void {
    try {
      for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
        const written = writeSync(this.#descriptor, first);
        this.#waitingBytes -= written;
        if (written < first.length) this.#waiting[0] = first.subarray(written);
        else this.#waiting.shift();
        if (this.#waiting.length === 0 && this.#lost > 0) {
          this.#keep(Buffer.from(this.#describeLoss(this.#lost)));
          this.#lost = 0;
        }
      }
      this.#endRetry();
    } catch (error) {
      const code = errorCode(error);
      // Gone, or closed from the beginning: there is nobody to keep anything for.
      if (code === 'EPIPE' || code === 'EBADF') this.#forget();
      else this.#retryLater();
    }
  }

  #forget(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#lost = 0;
    this.#endRetry();
  }

  #endRetry(): void {
    this.#retry?.cancel();
    this.#retry = null;
  }

  #retryLater(): void {
    // Not `after`: waiting for a reader must not keep a process alive that has nothing else to do.
    this.#retry ??= this.#clock.every(RETRY_MS, () => this.#flush());
  }
}
