// Owns the figures of the machine as a whole: memory, the disk that holds our state, load.

import { statfs } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import type { HostFigures } from '../protocol/methods.ts';
import { type Clock, isoTime } from './clock.ts';

export interface HostMetrics {
  /** Never rejects; what cannot be known is null. */
  read(): Promise<HostFigures>;
}

type Memory = { readonly total: number; readonly available: number };

/**
 * Memory by systeminformation, the rest by node. The library is loaded at the first look: it costs 10 to 12 MB of
 * resident memory and 70 ms once. Of its calls only `mem` is used, which reads one file of /proc; its `fsSize` starts a shell and
 * `df` over all file systems (a dead network mount blocks it), and its `currentLoad` takes half a second.
 */
export class SystemHostMetrics implements HostMetrics {
  readonly #stateDirectory: string;
  readonly #clock: Clock;
  readonly #readMemory: () => Promise<Memory>;

  /** Disk figures are those of the file system that holds `stateDirectory`. */
  constructor(stateDirectory: string, clock: Clock, readMemory: () => Promise<Memory> = readSystemMemory) {
    this.#stateDirectory = stateDirectory;
    this.#clock = clock;
    this.#readMemory = readMemory;
  }

  async read(): Promise<HostFigures> {
    const [memory, disk] = await Promise.all([
      this.#readMemory().catch(() => null),
      statfs(this.#stateDirectory).catch(() => null),
    ]);
    return {
      memoryTotalBytes: bytes(memory?.total),
      memoryAvailableBytes: bytes(memory?.available),
      diskTotalBytes: disk === null ? null : bytes(disk.blocks * disk.bsize),
      // What an ordinary user may still write, as `df` says.
      diskAvailableBytes: disk === null ? null : bytes(disk.bavail * disk.bsize),
      load1: loadavg()[0] ?? null,
      cpus: availableParallelism(),
      checkedAt: isoTime(this.#clock.now()),
    };
  }
}

async function readSystemMemory(): Promise<Memory> {
  const { default: systeminformation } = await import('systeminformation');
  return systeminformation.mem();
}

function bytes(value: number | undefined): number | null {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
