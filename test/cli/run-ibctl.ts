// Owns running ibctl as a real child process, from source or, when IBCTL_BUNDLE names one, from a release bundle.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const ROOT = join(import.meta.dirname, '../..');
const MAIN = process.env['IBCTL_BUNDLE'] ?? join(ROOT, 'src/cli/main.ts');
const DEADLINE_MS = 30_000;

export type RunOptions = {
  readonly socket?: string;
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
};

export type Ended = {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number | null;
  readonly signal: NodeJS.Signals | null;
};

export class Ibctl {
  stdout = '';
  stderr = '';
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<Ended>;
  #changed = Promise.withResolvers<void>();

  constructor(command: string, args: readonly string[], options: RunOptions) {
    this.#child = spawn(command, args, {
      cwd: options.cwd ?? ROOT,
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        TZ: 'UTC',
        COLUMNS: String(options.columns ?? 80),
        ...(options.socket === undefined ? {} : { IBCTL_SOCKET: options.socket }),
        ...options.env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: DEADLINE_MS,
      killSignal: 'SIGKILL',
    });
    const note = () => {
      this.#changed.resolve();
      this.#changed = Promise.withResolvers<void>();
    };
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      note();
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      note();
    });
    this.#ended = new Promise((resolve) => {
      this.#child.on('close', (exit, signal) => {
        resolve({ stdout: this.stdout, stderr: this.stderr, exit, signal });
        note();
      });
    });
  }

  /** Waits until what was written to stdout matches; fails when ibctl ends first. */
  untilStdout(pattern: RegExp): Promise<void> {
    return this.#until(() => pattern.test(this.stdout), pattern);
  }

  untilStderr(pattern: RegExp): Promise<void> {
    return this.#until(() => pattern.test(this.stderr), pattern);
  }

  async #until(isThere: () => boolean, pattern: RegExp): Promise<void> {
    while (!isThere()) {
      const ended = await Promise.race([this.#changed.promise, this.#ended]);
      if (ended !== undefined && !isThere()) {
        throw new Error(`ibctl ended (${ended.exit}) before ${pattern}: ${JSON.stringify(ended)}`);
      }
    }
  }

  interrupt(signal: NodeJS.Signals = 'SIGINT'): void {
    this.#child.kill(signal);
  }

  /** Types a text; only for a program on a terminal. */
  type(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Types Ctrl-C; only for {@link startOnTerminal}, where the terminal makes a SIGINT of it. */
  typeCtrlC(): void {
    this.#child.stdin.write('\u0003');
  }

  ended(): Promise<Ended> {
    return this.#ended;
  }
}

/** Starts ibctl with pipes for its output. */
export function startIbctl(args: readonly string[], options: RunOptions = {}): Ibctl {
  return new Ibctl(process.execPath, [MAIN, ...args], options);
}

/** Runs ibctl to its end. */
export function runIbctl(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return startIbctl(args, options).ended();
}

/** Runs a shell line in which `ibctl` is the program under test. */
export function runShell(line: string, options: RunOptions = {}): Promise<Ended> {
  const script = `ibctl() { "${process.execPath}" "${MAIN}" "$@"; }\n${line}`;
  return new Ibctl('bash', ['-c', script], options).ended();
}

/** Starts ibctl on a pseudo-terminal of 80 columns, made by script(1) of util-linux; what it shows arrives in `stdout`. */
export function startOnTerminal(args: readonly string[], options: RunOptions = {}): Ibctl {
  const quoted = [process.execPath, MAIN, ...args].map((arg) => `'${arg}'`).join(' ');
  return shellOnTerminal(`exec ${quoted}`, options);
}

/** Starts a shell line on a pseudo-terminal of 80 columns. */
export function shellOnTerminal(line: string, options: RunOptions = {}): Ibctl {
  const command = `stty cols ${options.columns ?? 80} rows 24; ${line}`;
  return new Ibctl('script', ['-qefc', command, '/dev/null'], {
    ...options,
    env: { TERM: 'xterm', SHELL: '/bin/sh', ...options.env },
  });
}
