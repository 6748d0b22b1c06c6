// Owns synchronous child processes, for launchers: they have nothing else to do meanwhile and must not pay for loading execa.

import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';

export type SyncRunOptions = {
  /** SIGKILL after this long. */
  readonly timeoutMs: number;
  /** The whole environment of the child; nothing is inherited. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Most bytes taken of each stream; a child that writes more is killed. */
  readonly maxBytes?: number;
  /** What the program reads on stdin; without it stdin is /dev/null. */
  readonly input?: Uint8Array;
};

export type SyncRunResult = {
  /** Exit status; null when it did not exit by itself. */
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** System error code of a program that could not be started, `ETIMEDOUT` or `ENOBUFS` of one that was killed for it, else null. */
  readonly error: string | null;
};

const DEFAULT_MAX_BYTES = 64 * 1024;

/** Runs a program to its end, without a shell. Never throws for anything the program or its absence does. */
export function runSync(argv: readonly string[], options: SyncRunOptions): SyncRunResult {
  const [file, ...args] = argv;
  if (file === undefined) throw new Error('no program to run');
  const result = spawnSync(file, args, {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.input === undefined ? {} : { input: options.input }),
    timeout: options.timeoutMs,
    killSignal: constants.signals.SIGKILL,
    maxBuffer: options.maxBytes ?? DEFAULT_MAX_BYTES,
    env: { ...options.env },
  });
  const found = result.error !== undefined && 'code' in result.error ? result.error.code : undefined;
  // A program may end without having read its stdin; how it ended says more.
  const unread = found === 'EPIPE' && options.input !== undefined;
  const code = unread ? undefined : found;
  const isFailure = result.error !== undefined && !unread;
  return {
    status: isFailure ? null : result.status,
    signal: result.signal,
    stdout: result.stdout ?? Buffer.alloc(0),
    stderr: result.stderr ?? Buffer.alloc(0),
    error: isFailure ? (typeof code === 'string' ? code : 'UNKNOWN') : null,
  };
}
