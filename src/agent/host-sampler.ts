// Owns the host's figures in status: looked at on a slow timer, so that asking costs nothing.

import type { Clock, Timer } from '../host/clock.ts';
import type { HostMetrics } from '../host/host-figures.ts';
import type { HostFigures } from '../protocol/methods.ts';

const INTERVAL_MS = 60_000;

const UNKNOWN: HostFigures = {
  memoryTotalBytes: null,
  memoryAvailableBytes: null,
  diskTotalBytes: null,
  diskAvailableBytes: null,
  load1: null,
  cpus: null,
  checkedAt: null,
};

export class HostSampler {
  readonly #metrics: HostMetrics;
  readonly #timer: Timer;
  #latest: HostFigures = UNKNOWN;

  /** Takes a first look at once, then one a minute until stopped. */
  constructor(metrics: HostMetrics, clock: Clock) {
    this.#metrics = metrics;
    this.#timer = clock.every(INTERVAL_MS, () => void this.#look());
    void this.#look();
  }

  /** What was seen last; all null before the first look has ended. */
  latest(): HostFigures {
    return this.#latest;
  }

  stop(): void {
    this.#timer.cancel();
  }

  async #look(): Promise<void> {
    this.#latest = await this.#metrics.read();
  }
}
