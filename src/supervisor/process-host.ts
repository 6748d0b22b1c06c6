// Owns a session's processes where there is no systemd: launchers run as children, end in order, and leave no orphan.

import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { sessionPaths } from '../config/paths.ts';
import type { SessionConfig } from '../config/types.ts';
import { askClose, closeFailureText } from '../gateway/close.ts';
import {
  type AfterRecord,
  formatLaunchFailure,
  LAUNCH_FAILED_STATUS,
  type LaunchFailure,
  type LaunchOrder,
} from '../gateway/launch-records.ts';
import { type Clock, delay } from '../host/clock.ts';
import { type Child, type Ending, type RunResult, run, spawnChild } from '../host/exec.ts';
import { errorCode } from '../host/files.ts';
import { commandLineOf, signalProcess } from '../host/processes.ts';
import { readLaunchRecord } from './launched.ts';
import type { HostListener, Recovery, SessionHost } from './session-host.ts';
import type { WarmRestarts } from './warm-restarts.ts';

export type ProcessHostParts = {
  readonly config: SessionConfig;
  readonly paths: ReturnType<typeof sessionPaths>;
  /** Argument lists of the launchers without their NAME, such as `[node, ib-session.ts, --config, FILE]`. */
  readonly sessionLauncher: readonly string[];
  readonly displayLauncher: readonly string[];
  /** The launchers' whole environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly listener: HostListener;
  readonly restarts: WarmRestarts;
  /** The user that the agent, and so the JVM, runs as. */
  readonly uid: number;
};

const DISPLAY_TERM_MS = 5_000;
const AFTER_TIMEOUT_MS = 20_000;
const LEFTOVER_POLL_MS = 50;

export class ProcessHost implements SessionHost {
  /** Its children are told to end when it does, and nobody would read what they write. */
  readonly outlivesAgent = false;
  readonly #parts: ProcessHostParts;
  #session: Child | null = null;
  #display: Child | null = null;
  #displayStopping = false;
  #stopping: 'tidy' | 'signal' | null = null;
  /** Of the run that was started last. */
  #order: string | null = null;
  /** Settles when the last child that was started is gone and reported. */
  #idle: Promise<void> = Promise.resolve();

  constructor(parts: ProcessHostParts) {
    this.#parts = parts;
  }

  pid(): number | null {
    return this.#session?.pid ?? null;
  }

  start(order: LaunchOrder): void {
    this.#stopping = null;
    this.#order = order.id;
    if (this.#display === null || this.#displayStopping) {
      try {
        this.#startDisplay();
      } catch (error) {
        this.#reportUnusable(order, error);
        return;
      }
    }
    const child = this.#spawn('session', this.#parts.sessionLauncher);
    this.#session = child;
    if (child.pid !== undefined) this.#parts.listener({ kind: 'launched', pid: child.pid });
    this.#track(
      child.exited.then(async (ending) => {
        if (ending.error !== null) {
          this.#session = null;
          this.#reportUnstartable(order, ending.error);
          return;
        }
        const record = await this.#after(order, ending);
        this.#session = null;
        this.#parts.listener({ kind: 'exited', record });
      }),
    );
  }

  stop(how: 'tidy' | 'signal'): void {
    const child = this.#session;
    if (child === null) return;
    if (how === 'signal' && this.#stopping !== 'signal') {
      this.#stopping = 'signal';
      this.#track(this.#terminate(child));
    } else if (this.#stopping === null) {
      this.#stopping = 'tidy';
      this.#track(this.#closeTidily(child));
    }
  }

  stopDisplay(): void {
    const child = this.#display;
    if (child === null || this.#displayStopping) return;
    this.#displayStopping = true;
    child.kill('SIGTERM');
    this.#killAfter(child, DISPLAY_TERM_MS);
  }

  cgroup(): null {
    return null;
  }

  /** Nothing binds to a session whose processes are our children. */
  setReady(ready: boolean): void {
    this.#parts.restarts.setReady(ready ? this.#order : null);
  }

  /** Children's output comes by itself. */
  expect(): void {}

  isWorking(): boolean {
    return true;
  }

  async recover(): Promise<Recovery> {
    await this.#reapLeftovers();
    return { kind: 'nothing' };
  }

  async #reapLeftovers(): Promise<void> {
    const { paths, config, clock, listener } = this.#parts;
    const record = readLaunchRecord(paths.launchRecord, null);
    // A launcher that was ended while it waited for the display has left the credentials, but no record.
    if (record === null && !existsSync(paths.configIni)) return;
    // The pid may be another process's by now; only a JVM of this session was started with this file.
    const runs = () => record !== null && commandLineOf(record.pid)?.includes(paths.configIni) === true;
    if (record !== null && runs()) {
      const text = `a gateway of an earlier agent still runs (pid ${record.pid}): it is ended first`;
      listener({ kind: 'line', source: 'session', stream: 'stderr', text });
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        signalProcess(record.pid, signal);
        const end = clock.monotonicMs() + config.deadlines.termMs;
        while (runs() && clock.monotonicMs() < end) await delay(clock, LEFTOVER_POLL_MS);
      }
    }
    // Removes the credentials it was given, its flags, and the record itself.
    await this.#runAfter(['--signal', 'SIGKILL']);
  }

  askRestart(): void {
    const { restarts, listener } = this.#parts;
    this.#track(restarts.ask(this.#order).then(listener));
  }

  async close(): Promise<void> {
    this.stop('signal');
    this.stopDisplay();
    this.#parts.restarts.close();
    let seen: Promise<void>;
    do {
      seen = this.#idle;
      await seen;
    } while (seen !== this.#idle);
  }

  #track(work: Promise<unknown>): void {
    this.#idle = Promise.all([this.#idle, work]).then(() => {});
  }

  #spawn(source: 'session' | 'display', launcher: readonly string[]): Child {
    const { environment, listener, config, clock } = this.#parts;
    const [file, ...args] = [...PARENT_DEATH_SIGNAL, ...launcher, config.name];
    return spawnChild(file ?? '', args, {
      env: environment,
      clock,
      onLine: (stream, text) => listener({ kind: 'line', source, stream, text }),
    });
  }

  #startDisplay(): void {
    // What an earlier display published must not be taken for the new one's.
    rmSync(this.#parts.paths.displayRecord, { force: true });
    mkdirSync(dirname(this.#parts.paths.display), { recursive: true, mode: 0o755 });
    const child = this.#spawn('display', this.#parts.displayLauncher);
    this.#display = child;
    this.#displayStopping = false;
    this.#track(
      child.exited.then(({ status, signal }) => {
        if (this.#display !== child) return;
        const asked = this.#displayStopping;
        this.#display = null;
        this.#displayStopping = false;
        if (!asked) this.#parts.listener({ kind: 'display-exited', status, signal });
      }),
    );
  }

  /** Closed through its windows, then SIGTERM, then SIGKILL; each only when the one before did not end the JVM in time. */
  async #closeTidily(child: Child): Promise<void> {
    const trouble = await this.#askToClose(child);
    if (trouble === null || this.#stopping !== 'tidy') return;
    const text = `${trouble}; it is ended by SIGTERM`;
    this.#parts.listener({ kind: 'line', source: 'session', stream: 'stderr', text });
    await this.#terminate(child);
  }

  /** Null when it has ended; else why not, as a sentence without its full stop. */
  async #askToClose(child: Child): Promise<string | null> {
    const { config, paths, clock, uid } = this.#parts;
    const { stopMs } = config.deadlines;
    const record = this.#order === null ? null : readLaunchRecord(paths.launchRecord, this.#order);
    if (record === null) return 'there is no gateway yet that could be asked to close';
    const end = clock.monotonicMs() + stopMs;
    const answer = await askClose({
      bridge: { path: paths.bridgeSocket, serverUid: uid },
      record,
      deadlineMs: stopMs,
      clock,
    });
    const closes = answer.kind === 'closing';
    const ended = await this.#endsWithin(child, closes ? Math.max(0, end - clock.monotonicMs()) : 0);
    if (ended) return null;
    return closes ? 'the gateway is closing, but has not ended in time' : closeFailureText(answer);
  }

  async #terminate(child: Child): Promise<void> {
    child.kill('SIGTERM');
    if (await this.#endsWithin(child, this.#parts.config.deadlines.termMs)) return;
    child.kill('SIGKILL');
  }

  async #endsWithin(child: Child, ms: number): Promise<boolean> {
    return await new Promise((resolve) => {
      const timer = this.#parts.clock.after(ms, () => resolve(false));
      void child.exited.then(() => {
        timer.cancel();
        resolve(true);
      });
    });
  }

  #killAfter(child: Child, ms: number): void {
    this.#track(this.#endsWithin(child, ms).then((ended) => ended || child.kill('SIGKILL')));
  }

  /** The display's directory cannot be made: the run has ended before it began, with nothing submitted. */
  #reportUnusable(order: LaunchOrder, error: unknown): void {
    const { paths } = this.#parts;
    const directory = dirname(paths.display);
    this.#reportNotRun(order, 'display', {
      code: 'runtime-unusable',
      message: `cannot make ${directory}: ${errorCode(error) ?? String(error)}`,
      hint: 'make its parent directory writable for the agent (ls -ld)',
    });
  }

  /** The launcher itself could not be run. */
  #reportUnstartable(order: LaunchOrder, code: string): void {
    this.#reportNotRun(order, 'session', {
      code: 'internal',
      message: `cannot start ${PARENT_DEATH_SIGNAL[0]}, which starts the launcher: ${code}`,
      hint: 'install util-linux, and give the agent a PATH that has it',
    });
  }

  /** A run that ended before it began: nothing was submitted. */
  #reportNotRun(order: LaunchOrder, source: 'session' | 'display', failure: LaunchFailure): void {
    const { listener, config } = this.#parts;
    listener({ kind: 'line', source, stream: 'stderr', text: formatLaunchFailure(failure).trimEnd() });
    const record = noRecord(config.name, order, { status: LAUNCH_FAILED_STATUS, signal: null });
    listener({ kind: 'exited', record: { ...record, orderId: null } });
  }

  #runAfter(how: readonly string[]): Promise<RunResult> {
    const { sessionLauncher, config, environment } = this.#parts;
    const [file, ...args] = sessionLauncher;
    return run(file ?? '', [...args, 'after', config.name, ...how], {
      timeoutMs: AFTER_TIMEOUT_MS,
      env: environment,
    });
  }

  /** What `ib-session after` says of the run; what only we know when it says nothing. */
  async #after(order: LaunchOrder, ending: Ending): Promise<AfterRecord> {
    const { config } = this.#parts;
    const result = await this.#runAfter(
      ending.signal === null ? ['--status', String(ending.status ?? 1)] : ['--signal', ending.signal],
    );
    try {
      return JSON.parse(result.stdout) as AfterRecord;
    } catch {
      this.#parts.listener({
        kind: 'line',
        source: 'session',
        stream: 'stderr',
        text: `ib-session after said nothing (status ${result.status ?? result.signal}): ${result.stderr.trim()}`,
      });
      return noRecord(config.name, order, ending);
    }
  }
}

/** A run of which nothing else is known; its login counts as made. */
function noRecord(
  session: string,
  order: LaunchOrder,
  ending: Pick<AfterRecord, 'status' | 'signal'>,
): AfterRecord {
  return {
    v: 1,
    session,
    orderId: order.id,
    kind: order.kind,
    ibcSessionId: null,
    status: ending.status,
    signal: ending.signal,
    flags: { coldRestart: false, pause: false },
    autorestart: { tokens: 'none', ageMs: null },
  };
}

/**
 * Kernel's parent-death signal, set before exec and kept across it (prctl(2), PR_SET_PDEATHSIG): when the agent is
 * killed outright, its children are told to end. setpriv is part of util-linux.
 */
export const PARENT_DEATH_SIGNAL = ['setpriv', '--pdeathsig', 'TERM', '--'];
