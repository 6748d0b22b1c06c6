// Owns the look at processes that are not our children: whether one runs, what it was started as, and the signal to it.

import { readFileSync } from 'node:fs';
import { errorCode } from './files.ts';

/** The argument list of a running process; null when there is none of this pid, or it only waits to be reaped. */
export function commandLineOf(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    // The kernel gives nothing for a zombie (proc_pid_cmdline(5)).
    return text === '' ? null : text.split('\0').slice(0, -1);
  } catch {
    return null;
  }
}

/** Whether a process is there and does not only wait to be reaped. */
export function isRunning(pid: number): boolean {
  return commandLineOf(pid) !== null;
}

/** Sends a signal; false when there is no such process. Throws when it is not ours to signal. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
}
