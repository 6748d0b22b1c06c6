// Owns asynchronous child processes: running a program to its end, and supervising one whose lines are read as they come.

import { execa } from 'execa';
import type { Clock, Timer } from './clock.ts';
import { errorCode } from './files.ts';
import { readLines } from './lines.ts';

export type RunOptions = {
  /** SIGKILL after this long. */
  readonly timeoutMs: number;
  /** The whole environment of the child; nothing is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  /** Most bytes kept of each stream; a child that writes more is ended. */
  readonly maxBytes?: number;
  readonly cwd?: string;
  /** What it reads on stdin; /dev/null when left out. */
  readonly input?: string;
};

export type RunResult = {
  /** Exit status; null when it did not exit by itself. */
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
  /** System error code of a program that could not be started (`ENOENT`), `ENOBUFS` when it wrote more than `maxBytes`, else null. */
  readonly error: string | null;
};

const DEFAULT_MAX_BYTES = 1024 * 1024;

/** Runs a program to its end, without a shell. Never rejects for anything the program or its absence does. */
export async function run(file: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const result = await execa(file, [...args], {
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    env: { ...options.env },
    extendEnv: false,
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: options.maxBytes ?? DEFAULT_MAX_BYTES,
    stripFinalNewline: false,
    reject: false,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  return {
    status: result.exitCode ?? null,
    signal: result.signal ?? null,
    stdout: result.stdout,
    stderr: result.stderr,
    timedOut: result.timedOut,
    error: result.isMaxBuffer
      ? 'ENOBUFS'
      : result.exitCode === undefined
        ? (errorCode(result) ?? null)
        : null,
  };
}

export type OutputStream = 'stdout' | 'stderr';

export type SpawnOptions = {
  /** The whole environment of the child; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Called for each line as {@link readLines} gives it, as soon as it is written. */
  readonly onLine: (stream: OutputStream, line: string) => void;
  readonly clock: Clock;
};

export type Ending = {
  /** Exit status; null when a signal ended it or it could not be started. */
  readonly status: number | null;
  readonly signal: string | null;
  /** System error code of a program that could not be started, else null. */
  readonly error: string | null;
};

export type Child = {
  /** Undefined when it could not be started; `exited` says why. */
  readonly pid: number | undefined;
  /** Resolves once the process has ended and all it wrote has been given to `onLine`. Never rejects. */
  readonly exited: Promise<Ending>;
  /** Sends a signal; false when there is no process any more. */
  kill(signal: NodeJS.Signals): boolean;
};

/** How long output may still come after the end: a grandchild that inherited the pipes must not hold up the report for ever. */
const DRAIN_MS = 2_000;

/**
 * Starts a program without a shell, stdin being /dev/null, apart from this process's terminal. What becomes of it when
 * this process exits first is the caller's care. A program that cannot be started is an ending with `error`, not an exception.
 */
export function spawnChild(file: string, args: readonly string[], options: SpawnOptions): Child {
  const subprocess = execa(file, [...args], {
    stdin: 'ignore',
    env: { ...options.env },
    extendEnv: false,
    buffer: false,
    reject: false,
    cleanup: false,
    // A session of its own: Ctrl-C in the agent's terminal must reach the agent only, which then closes things tidily.
    detached: true,
    // Our own callers decide when SIGTERM was not enough; execa would send SIGKILL after five seconds.
    forceKillAfterDelay: false,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let over = false;
  const handOn = (stream: OutputStream) => (line: string) => {
    if (!over) options.onLine(stream, line);
  };
  const read = Promise.all([
    readLines(subprocess.stdout, options.clock, handOn('stdout')),
    readLines(subprocess.stderr, options.clock, handOn('stderr')),
  ]);
  const drained = Promise.all([subprocess, read]).then(([result]): Ending => {
    const started = result.exitCode !== undefined || result.signal !== undefined;
    return {
      status: result.exitCode ?? null,
      signal: result.signal ?? null,
      error: started ? null : (errorCode(result) ?? 'UNKNOWN'),
    };
  });
  const exited = new Promise<Ending>((resolve) => {
    let timer: Timer | null = null;
    subprocess.nodeChildProcess.once('exit', (status, signal) => {
      timer = options.clock.after(DRAIN_MS, () => {
        // What is left must not come after the end.
        over = true;
        subprocess.stdout.destroy();
        subprocess.stderr.destroy();
        resolve({ status, signal, error: null });
      });
    });
    drained.then((ending) => {
      timer?.cancel();
      resolve(ending);
    });
  });
  return { pid: subprocess.pid, exited, kill: (signal) => subprocess.kill(signal) };
}

export type FeedOptions = {
  /** All of the child's standard input. */
  readonly input: string;
  /** SIGKILL to the child and whatever it started after this long. */
  readonly timeoutMs: number;
  /** The same as soon as it is aborted. */
  readonly signal: AbortSignal;
  /** The whole environment of the child; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Most bytes kept of its stderr, from the beginning; what is more is read and thrown away. */
  readonly maxBytes: number;
  readonly clock: Clock;
};

export type FeedResult = Ending & { readonly timedOut: boolean; readonly stderr: string };

/** How long stderr may stay open after the end, held by a grandchild. */
const FEED_DRAIN_MS = 200;

/**
 * Runs a program to its end with a text on its stdin, without a shell, in a session and a process group of its own, which is
 * killed as a whole. Its stdout is thrown away. Never rejects for anything the program or its absence does.
 */
export async function feed(file: string, args: readonly string[], options: FeedOptions): Promise<FeedResult> {
  const { clock, signal, maxBytes } = options;
  const subprocess = execa(file, [...args], {
    stdin: 'pipe',
    stdout: 'ignore',
    env: { ...options.env },
    extendEnv: false,
    cwd: '/',
    buffer: false,
    reject: false,
    cleanup: false,
    detached: true,
    forceKillAfterDelay: false,
  });
  const child = subprocess.nodeChildProcess;
  let timedOut = false;
  const killAll = () => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  };
  const timer = clock.after(options.timeoutMs, () => {
    timedOut = true;
    killAll();
  });
  if (signal.aborted) killAll();
  signal.addEventListener('abort', killAll, { once: true });
  const kept: Buffer[] = [];
  let size = 0;
  subprocess.stderr.on('data', (chunk: Buffer) => {
    if (size < maxBytes) kept.push(chunk.subarray(0, maxBytes - size));
    size += chunk.length;
  });
  // A program that does not read what it is given is no fault of ours.
  subprocess.stdin.on('error', () => undefined);
  subprocess.stdin.end(options.input);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      timer.cancel();
      clock.after(FEED_DRAIN_MS, () => {
        subprocess.stderr.destroy();
        resolve();
      });
    });
  });
  const result = subprocess.then((outcome) => outcome);
  const outcome = await Promise.race([result, ended.then(() => null)]);
  timer.cancel();
  signal.removeEventListener('abort', killAll);
  // What it left running in its group goes with it only when its time was over; a program may start something that stays.
  const stderr = Buffer.concat(kept).toString('utf8');
  const started = child.pid !== undefined;
  return {
    status: started ? child.exitCode : null,
    signal: child.signalCode,
    error: started ? null : ((outcome === null ? undefined : errorCode(outcome)) ?? 'UNKNOWN'),
    timedOut,
    stderr,
  };
}
