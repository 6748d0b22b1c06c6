// Owns the running of ib-code and ib-clock where there is no systemd: as children of the agent.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ClockComparison, CodeOrder, CodeResult } from '../gateway/code-records.ts';
import type { Clock } from '../host/clock.ts';
import { type Child, type Ending, type OutputStream, spawnChild } from '../host/exec.ts';
import { errorCode } from '../host/files.ts';
import {
  CLOCK_DEADLINE_MS,
  CODE_DEADLINE_MS,
  type CodePaths,
  type CodeRunner,
  notCompared,
  notRun,
  ofStatus,
  readClockComparison,
  readCodeResult,
  readText,
  Turns,
  withdrawCodeOrder,
  writeCodeOrder,
} from './code-runner.ts';
import { PARENT_DEATH_SIGNAL } from './process-host.ts';

export type ProcessCodeRunnerParts = {
  readonly session: string;
  readonly paths: CodePaths;
  /** Argument lists of the programs without their NAME, such as `[node, code-main.ts, --config, FILE]`. */
  readonly codeProgram: readonly string[];
  readonly clockProgram: readonly string[];
  /** Their whole environment. */
  readonly codeEnvironment: Readonly<Record<string, string>>;
  readonly clockEnvironment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** Told what they write. */
  readonly onLine: (stream: OutputStream, line: string) => void;
};

type Run = Ending & { readonly timedOut: boolean };

export class ProcessCodeRunner implements CodeRunner {
  readonly #parts: ProcessCodeRunnerParts;
  readonly #codes = new Turns();
  readonly #clocks = new Turns();

  constructor(parts: ProcessCodeRunnerParts) {
    this.#parts = parts;
  }

  run(order: CodeOrder): Promise<CodeResult> {
    return this.#codes.take(() => this.#run(order));
  }

  lastResult(id: string): Promise<CodeResult | null> {
    // A program of an earlier agent ended with that one.
    return this.#codes.take(async () => {
      const { paths } = this.#parts;
      withdrawCodeOrder(paths.codeOrder, id);
      return readCodeResult(paths.codeResult, id)?.result ?? null;
    });
  }

  compareClock(): Promise<ClockComparison> {
    return this.#clocks.take(() => this.#compareClock());
  }

  async #run(order: CodeOrder): Promise<CodeResult> {
    const { paths, clock, codeProgram, codeEnvironment } = this.#parts;
    const problem =
      makeDirectories(paths.codeOrder, paths.codeResult) ?? writeCodeOrder(paths.codeOrder, order, undefined);
    const hint = 'Check owner, mode and free space of its directory.';
    if (problem !== null) return notRun(order, 'runtime-unusable', problem, hint, clock.now());
    const ended = await this.#runProgram(codeProgram, codeEnvironment, CODE_DEADLINE_MS);
    withdrawCodeOrder(paths.codeOrder, order.id);
    const found = readCodeResult(paths.codeResult, order.id);
    if (found !== null) return found.result;
    if (ended.error !== null) {
      const detail = `Cannot start ${PARENT_DEATH_SIGNAL[0]}, which starts ib-code (${ended.error}).`;
      const install = 'Install util-linux, and give the agent a PATH that has it.';
      return notRun(order, 'start-failed', detail, install, clock.now());
    }
    if (ended.timedOut) {
      const detail = `ib-code was ended, since it typed nothing within ${CODE_DEADLINE_MS / 1000} seconds.`;
      return notRun(order, 'timed-out', detail, 'Its log says how far it came: ibctl logs', clock.now());
    }
    return ofStatus(order, ended.status, clock.now());
  }

  async #compareClock(): Promise<ClockComparison> {
    const { paths, clock, clockProgram, clockEnvironment } = this.#parts;
    const before = readText(paths.clockResult);
    const fail = (why: 'timed-out' | 'not-run', detail: string) => notCompared(why, detail, clock.now());
    const problem = makeDirectories(paths.clockResult);
    if (problem !== null) return fail('not-run', problem);
    const ended = await this.#runProgram(clockProgram, clockEnvironment, CLOCK_DEADLINE_MS);
    const after = readText(paths.clockResult);
    const comparison = after === before ? null : readClockComparison(paths.clockResult);
    if (comparison !== null) return comparison;
    if (ended.timedOut) return fail('timed-out', 'ib-clock did not end in time.');
    return fail(
      'not-run',
      `ib-clock did not run (${ended.error ?? ended.signal ?? `status ${ended.status}`}).`,
    );
  }

  async #runProgram(
    program: readonly string[],
    env: Readonly<Record<string, string>>,
    deadlineMs: number,
  ): Promise<Run> {
    const { session, clock, onLine } = this.#parts;
    const [file, ...args] = [...PARENT_DEATH_SIGNAL, ...program, session];
    const child: Child = spawnChild(file ?? '', args, { env, clock, onLine });
    let timedOut = false;
    const timer = clock.after(deadlineMs, () => {
      timedOut = true;
      child.kill('SIGKILL');
    });
    const ending = await child.exited;
    timer.cancel();
    return { ...ending, timedOut };
  }
}

/** The parents of the session's own directories, which the programs make themselves, and that of the orders. */
function makeDirectories(order: string, result?: string): string | null {
  const directories =
    result === undefined ? [dirname(dirname(order))] : [dirname(order), dirname(dirname(result))];
  for (const directory of directories) {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o755 });
    } catch (error) {
      return `Cannot make ${directory} (${errorCode(error) ?? 'unknown error'}).`;
    }
  }
  return null;
}
