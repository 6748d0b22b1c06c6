// Owns the programs that the system tier runs on the host: to their end with captured output, and conditions that are polled.

import { type ChildProcess, spawn } from 'node:child_process';

export type Result = {
  /** Exit status; null when a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type CommandOptions = {
  readonly input?: string | Uint8Array;
  /** The whole environment; by default that of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** SIGKILL after this long, and an error; 60 s. */
  readonly timeoutMs?: number;
  /** Whom the SIGKILL goes to: by default the whole process group. */
  readonly end?: (child: ChildProcess) => void | Promise<void>;
  /** Throw when the exit status is not 0; true. */
  readonly check?: boolean;
};

/** Runs a program to its end. Throws when it cannot be started, takes too long or, with `check`, fails. */
export async function command(argv: readonly string[], options: CommandOptions = {}): Promise<Result> {
  const timeoutMs = options.timeoutMs ?? 60_000;
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    // A group of its own: what the program started ends with it when the time is over.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A program that ends without reading all of its input is no error of ours.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  let ended: Promise<void> | null = null;
  const timer = setTimeout(() => {
    ended = Promise.resolve((options.end ?? killGroup)(child));
  }, timeoutMs);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  }).finally(() => clearTimeout(timer));
  const result = {
    status,
    stdout: Buffer.concat(stdout).toString(),
    stderr: Buffer.concat(stderr).toString(),
  };
  if (ended !== null) {
    await ended;
    throw new Error(`not within ${timeoutMs} ms: ${describe(argv, result)}`);
  }
  if (status !== 0 && options.check !== false) throw new Error(describe(argv, result));
  return result;
}

/** SIGKILL to a program that was started as the head of its process group. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}

function describe(argv: readonly string[], { status, stdout, stderr }: Result): string {
  return `${argv.join(' ')}: status ${status}\n${stdout}${stderr}`;
}

export type PollOptions = {
  readonly deadlineMs?: number;
  readonly everyMs?: number;
};

/** Asks until the answer is something else than undefined, null or false. */
export async function poll<T>(
  what: string | (() => string),
  check: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  options: PollOptions = {},
): Promise<T> {
  const deadlineMs = options.deadlineMs ?? 30_000;
  const end = performance.now() + deadlineMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== null && value !== false) return value;
    if (performance.now() > end) {
      throw new Error(`not within ${deadlineMs} ms: ${typeof what === 'string' ? what : what()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 100));
  }
}
