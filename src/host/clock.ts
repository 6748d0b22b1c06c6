// Owns time: the only file that reads the clock or sets a timer.

/** A running timer; `cancel` is idempotent. */
export type Timer = { cancel(): void };

/** Time as the rest of the code sees it. Times are epoch milliseconds; `monotonicMs` never jumps. */
export interface Clock {
  now(): number;
  monotonicMs(): number;
  /** Calls back once, not before `delayMs` have passed. */
  after(delayMs: number, callback: () => void): Timer;
  every(intervalMs: number, callback: () => void): Timer;
}

/** setTimeout's limit; a longer delay would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

export class SystemClock implements Clock {
  now(): number {
    return Date.now();
  }

  monotonicMs(): number {
    // Not performance.now(): that loads perf_hooks, which costs a short-lived ibctl a tenth of its start-up.
    return Number(process.hrtime.bigint()) / 1e6;
  }

  after(delayMs: number, callback: () => void): Timer {
    const handle = setTimeout(callback, Math.min(Math.max(0, delayMs), LONGEST_DELAY_MS));
    return { cancel: () => clearTimeout(handle) };
  }

  every(intervalMs: number, callback: () => void): Timer {
    const handle = setInterval(callback, intervalMs);
    handle.unref();
    return { cancel: () => clearInterval(handle) };
  }
}

/** A promise for the time after `delayMs`; rejects with the signal's reason when aborted first. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** ISO 8601 UTC text of an epoch time in milliseconds. */
export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
