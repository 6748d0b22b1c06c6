// Owns what the kernel knows of the system's clock: whether something keeps it right, and how wrong it may be.

import { loadNativeLibrary, type NativeFunction } from './ffi.ts';

/** Milliseconds. */
export type KernelClock = {
  readonly synchronised: boolean;
  /** The clock is wrong by at most this, as the time service or the kernel reckons. */
  readonly maxErrorMs: number;
  /** By about this. */
  readonly estimatedErrorMs: number;
};

/** Bytes of `struct timex` on 64-bit Linux, and where its members begin (linux/timex.h). */
const TIMEX_BYTES = 208;
const MAXERROR_AT = 24;
const ESTERROR_AT = 32;
/**
 * The kernel lets the greatest error grow until it is this, and then counts the clock as unsynchronised (NTP_PHASE_LIMIT). Not STA_UNSYNC:
 * time services also set that to keep the kernel from writing the hardware clock, which is why timedatectl does not look at it either.
 */
const UNSYNCHRONISED_US = 16_000_000;

let adjtimex: NativeFunction | null | undefined;

/** Asks adjtimex(2) and changes nothing; null where that is refused, as in many containers, or native calls do not work. */
export function readKernelClock(): KernelClock | null {
  // modes is 0: nothing is set, for which no privilege is needed.
  const timex = Buffer.alloc(TIMEX_BYTES);
  try {
    if (adjtimex === undefined)
      adjtimex = loadNativeLibrary('libc.so.6')?.func('int adjtimex(void *timex)') ?? null;
    const state = adjtimex?.(timex);
    if (typeof state !== 'number' || state < 0) return null;
  } catch {
    return null;
  }
  return parseTimex(timex);
}

/** What a `struct timex` says, in the byte order of x86-64 and arm64. */
export function parseTimex(timex: Buffer): KernelClock {
  const maxError = Number(timex.readBigInt64LE(MAXERROR_AT));
  return {
    synchronised: maxError < UNSYNCHRONISED_US,
    maxErrorMs: maxError / 1000,
    estimatedErrorMs: Number(timex.readBigInt64LE(ESTERROR_AT)) / 1000,
  };
}
