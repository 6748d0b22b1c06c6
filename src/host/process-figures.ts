// Owns what one process, or one unit's cgroup, uses of the machine: memory, CPU, and since when it runs.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from './clock.ts';

/** CPU time used up to a moment, to be compared with a later look at the same process. */
export type ProcessSample = {
  /** Of the clock that never jumps. */
  readonly atMs: number;
  /** Null when it could not be read. */
  readonly usedMs: number | null;
  /** Differs between two processes that had the same pid. */
  readonly owner: string;
};

/** Null is "not known", never zero. */
export type ProcessFigures = {
  readonly rssBytes: number | null;
  /** Of one core, since the previous look; null at the first. */
  readonly cpuPercent: number | null;
  /** Epoch milliseconds, true to about a second. */
  readonly startedAt: number | null;
  /** For the next look. */
  readonly sample: ProcessSample;
};

/** The kernel gives times to user space in hundredths of a second, whatever its own tick is (proc_pid_stat(5), USER_HZ). */
const TICK_MS = 10;
/** A start time this far ahead is wrong: inside some containers /proc/stat and /proc/PID/stat count from different boots. */
const CLOCK_SLACK_MS = 2_000;

/**
 * Figures of one process, without its children, from /proc. `previous` is what the last call for it returned. A
 * process that is gone, or only waits to be reaped, gives nulls. Never throws.
 */
export function readProcessFigures(
  pid: number,
  clock: Clock,
  previous?: ProcessFigures,
  procRoot = '/proc',
): ProcessFigures {
  const stat = readStat(join(procRoot, `${pid}`, 'stat'));
  const atMs = clock.monotonicMs();
  if (stat === null) {
    return {
      rssBytes: null,
      cpuPercent: null,
      startedAt: null,
      sample: { atMs, usedMs: null, owner: `${pid}` },
    };
  }
  const sample = { atMs, usedMs: stat.cpuMs, owner: `${pid} ${stat.startTicks}` };
  return {
    rssBytes: readKilobytes(join(procRoot, `${pid}`, 'status'), 'VmRSS'),
    cpuPercent: compareCpu(previous?.sample, sample),
    startedAt: readStart(join(procRoot, 'stat'), stat.startTicks, clock.now()),
    sample,
  };
}

/**
 * Figures of a whole cgroup (v2), such as a unit's `/sys/fs/cgroup/…/NAME.service`. Memory is what the kernel charges to it,
 * file cache included; the start is not known to it. Controllers that are not enabled give nulls. Never throws.
 */
export function readCgroupFigures(
  directory: string,
  clock: Clock,
  previous?: ProcessFigures,
): ProcessFigures {
  const usage = /^usage_usec (\d+)$/m.exec(readText(join(directory, 'cpu.stat')) ?? '')?.[1];
  const usedMs = usage === undefined ? null : Number(usage) / 1000;
  const sample = { atMs: clock.monotonicMs(), usedMs, owner: directory };
  return {
    rssBytes: readWholeNumber(join(directory, 'memory.current')),
    cpuPercent: compareCpu(previous?.sample, sample),
    startedAt: null,
    sample,
  };
}

function readStat(path: string): { readonly cpuMs: number; readonly startTicks: number } | null {
  const text = readText(path);
  if (text === null) return null;
  // The second field is the program's name in brackets and may hold brackets and blanks itself.
  const [state = 'X', ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  // Fields 14, 15 and 22 of proc_pid_stat(5); `fields` begins with the fourth.
  const [user, system, startTicks] = [fields[10], fields[11], fields[18]].map(Number);
  if (user === undefined || system === undefined || startTicks === undefined) return null;
  if (/[ZXx]/.test(state) || !Number.isFinite(user + system + startTicks)) return null;
  return { cpuMs: (user + system) * TICK_MS, startTicks };
}

function readStart(path: string, startTicks: number, now: number): number | null {
  const bootSeconds = /^btime (\d+)$/m.exec(readText(path) ?? '')?.[1];
  if (bootSeconds === undefined) return null;
  const startedAt = Number(bootSeconds) * 1000 + startTicks * TICK_MS;
  return startedAt > now + CLOCK_SLACK_MS ? null : Math.min(startedAt, now);
}

function compareCpu(previous: ProcessSample | undefined, now: ProcessSample): number | null {
  if (previous === undefined || previous.owner !== now.owner) return null;
  if (previous.usedMs === null || now.usedMs === null) return null;
  const passedMs = now.atMs - previous.atMs;
  const usedMs = now.usedMs - previous.usedMs;
  // A unit that was restarted in between counts from zero again.
  if (passedMs <= 0 || usedMs < 0) return null;
  return (usedMs / passedMs) * 100;
}

function readKilobytes(path: string, name: string): number | null {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readText(path) ?? '');
  return match === null ? null : Number(match[1]) * 1024;
}

function readWholeNumber(path: string): number | null {
  const text = readText(path)?.trim() ?? '';
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** The file's text, or null when it cannot be read for whatever reason: each means that the figure is not known. */
function readText(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}
