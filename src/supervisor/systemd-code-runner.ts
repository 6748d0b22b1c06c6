// Owns the running of ib-code and ib-clock where systemd runs them: orders and results are files, the units are started and waited for.

import type { ClockComparison, CodeOrder, CodeResult } from '../gateway/code-records.ts';
import { type Clock, delay } from '../host/clock.ts';
import type { ServiceAnswer, ServiceManager, UnitStatus } from '../host/service-manager.ts';
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
import { codeUnits } from './units.ts';

export type SystemdCodeRunnerParts = {
  readonly session: string;
  readonly paths: CodePaths;
  readonly services: ServiceManager;
  /** Group that reads orders. */
  readonly orderGid: number | undefined;
  readonly clock: Clock;
};

const POLL_MS = 100;
/** Asking systemd starts a program each time; the result is seen by itself. */
const UNIT_POLL_MS = 500;
/** A start that is enqueued is begun at once; one that is not seen to begin in this time is called off. */
const BEGIN_MS = 5_000;
/** Above TimeoutStopSec= of the units. */
const STOP_MS = 8_000;
/** Exit status of systemd's own child where a credential cannot be handed over (systemd.exec(5), EXIT_CREDENTIALS). */
const CREDENTIALS_FAILED = 243;

/** `ended`: the unit that was started is down; `status` is that of its program, null when it is not known. */
type Wait<T> =
  | { readonly kind: 'found'; readonly value: T }
  | { readonly kind: 'ended'; readonly status: number | null }
  | { readonly kind: 'timed-out' };

export class SystemdCodeRunner implements CodeRunner {
  readonly #parts: SystemdCodeRunnerParts;
  readonly #units: ReturnType<typeof codeUnits>;
  readonly #codes = new Turns();
  readonly #clocks = new Turns();

  constructor(parts: SystemdCodeRunnerParts) {
    this.#parts = parts;
    this.#units = codeUnits(parts.session);
  }

  run(order: CodeOrder): Promise<CodeResult> {
    return this.#codes.take(() => this.#run(order));
  }

  lastResult(id: string): Promise<CodeResult | null> {
    return this.#codes.take(async () => {
      const { paths } = this.#parts;
      const done = () => {
        const found = readCodeResult(paths.codeResult, id);
        return found?.done === true ? found.result : null;
      };
      if (done() === null) await this.#end(this.#units.code, id, CODE_DEADLINE_MS, done);
      withdrawCodeOrder(paths.codeOrder, id);
      return readCodeResult(paths.codeResult, id)?.result ?? null;
    });
  }

  compareClock(): Promise<ClockComparison> {
    return this.#clocks.take(() => this.#compareClock());
  }

  async #run(order: CodeOrder): Promise<CodeResult> {
    const { paths, services, clock, orderGid } = this.#parts;
    const unit = this.#units.code;
    const before = await services.show(unit);
    const problem = writeCodeOrder(paths.codeOrder, order, orderGid);
    if (problem !== null) {
      const hint = 'Check owner, mode and free space of its directory.';
      return notRun(order, 'runtime-unusable', problem, hint, clock.now());
    }
    const answer = await services.start(unit);
    if (answer.kind !== 'done') {
      // What was not answered in time may be started all the same.
      if (answer.kind === 'failed') return await this.#calledOff(order, answer.detail);
      withdrawCodeOrder(paths.codeOrder, order.id);
      return refused(order, answer, unit, clock.now());
    }
    const waited = await this.#wait(unit, before, CODE_DEADLINE_MS, () => {
      const found = readCodeResult(paths.codeResult, order.id);
      return found?.done === true ? found.result : null;
    });
    if (waited.kind === 'found') {
      withdrawCodeOrder(paths.codeOrder, order.id);
      return waited.value;
    }
    if (waited.kind === 'timed-out') {
      return await this.#calledOff(order, `It was not done within ${CODE_DEADLINE_MS / 1000} seconds.`);
    }
    withdrawCodeOrder(paths.codeOrder, order.id);
    // The program writes before it types: without a result of this order it has typed nothing.
    const found = readCodeResult(paths.codeResult, order.id);
    return found?.result ?? this.#ofEnd(order, waited.status);
  }

  /** Sees to it that nothing more comes of an order, and tells what did. */
  async #calledOff(order: CodeOrder, detail: string): Promise<CodeResult> {
    const { paths, clock } = this.#parts;
    const isDown = await this.#end(this.#units.code, order.id, 0, () => null);
    const found = readCodeResult(paths.codeResult, order.id);
    if (found !== null) return found.result;
    if (isDown) {
      const hint = `See: systemctl status ${this.#units.code}`;
      return notRun(order, 'timed-out', `${this.#units.code} was stopped. ${detail}`, hint, clock.now());
    }
    return {
      ...notRun(order, 'internal', '', '', clock.now()),
      outcome: {
        kind: 'uncertain',
        detail: `${this.#units.code} cannot be stopped, and may still type the code. ${detail}`,
      },
    };
  }

  /**
   * Takes an order back and stops the unit, unless what is looked for comes first, for which a program that runs is given time. Returns
   * whether the unit is known to be down.
   */
  async #end(unit: string, id: string, patienceMs: number, look: () => unknown): Promise<boolean> {
    const { paths, services, clock } = this.#parts;
    withdrawCodeOrder(paths.codeOrder, id);
    const isDown = async () => isEnded(await services.show(unit));
    const patience = clock.monotonicMs() + patienceMs;
    while (look() === null && clock.monotonicMs() < patience) {
      if (await isDown()) break;
      await delay(clock, UNIT_POLL_MS);
    }
    if (look() !== null) return true;
    // Also where it is down: a start that is still enqueued is cancelled by it.
    await services.stop(unit);
    const end = clock.monotonicMs() + STOP_MS;
    for (;;) {
      if (await isDown()) return true;
      if (clock.monotonicMs() >= end) return false;
      await delay(clock, UNIT_POLL_MS);
    }
  }

  async #wait<T>(
    unit: string,
    before: UnitStatus | null,
    deadlineMs: number,
    look: () => T | null,
  ): Promise<Wait<T>> {
    const { services, clock } = this.#parts;
    const begun = clock.monotonicMs();
    let seenUp = false;
    let askAt = begun;
    for (;;) {
      const value = look();
      if (value !== null) return { kind: 'found', value };
      const now = clock.monotonicMs();
      if (now - begun >= deadlineMs) return { kind: 'timed-out' };
      if (now >= askAt) {
        askAt = now + UNIT_POLL_MS;
        const status = await services.show(unit);
        const isDown = isEnded(status);
        if (status !== null && !isDown) seenUp = true;
        // A unit that ended well is forgotten by systemd, with its invocation.
        const isNew =
          status !== null && status.invocation !== null && status.invocation !== before?.invocation;
        if (isDown && (isNew || seenUp)) {
          const late = look();
          return late === null
            ? { kind: 'ended', status: status.exitStatus }
            : { kind: 'found', value: late };
        }
        if (isDown && now - begun >= BEGIN_MS) return { kind: 'timed-out' };
      }
      await delay(clock, POLL_MS);
    }
  }

  #ofEnd(order: CodeOrder, status: number | null): CodeResult {
    const now = this.#parts.clock.now();
    if (status !== CREDENTIALS_FAILED) return ofStatus(order, status, now);
    const detail = 'systemd cannot unseal the TOTP seed: it was sealed on another host, or by another TPM.';
    const hint = `Seal it again: sudo ibctl credentials set ${this.#parts.session} --only seed`;
    return notRun(order, 'seed-sealed', detail, hint, now);
  }

  async #compareClock(): Promise<ClockComparison> {
    const { paths, services, clock } = this.#parts;
    const unit = this.#units.clock;
    const fail = (why: 'timed-out' | 'not-run', detail: string) => notCompared(why, detail, clock.now());
    const before = readText(paths.clockResult);
    const beforeUnit = await services.show(unit);
    const answer = await services.start(unit);
    if (answer.kind !== 'done') return fail('not-run', `${unit} was not started: ${answer.detail}`);
    const waited = await this.#wait(unit, beforeUnit, CLOCK_DEADLINE_MS, () =>
      readText(paths.clockResult) === before ? null : readClockComparison(paths.clockResult),
    );
    if (waited.kind === 'found') return waited.value;
    if (waited.kind === 'ended') return fail('not-run', `${unit} did not run (status ${waited.status}).`);
    await services.stop(unit);
    return fail('timed-out', `${unit} was not done in time.`);
  }
}

function isEnded(status: UnitStatus | null): status is UnitStatus {
  return status?.active === 'inactive' || status?.active === 'failed';
}

function refused(
  order: CodeOrder,
  answer: Exclude<ServiceAnswer, { kind: 'done' }>,
  unit: string,
  now: number,
): CodeResult {
  const detail = `${unit} was not started: ${answer.detail}`;
  switch (answer.kind) {
    case 'denied':
      return notRun(order, 'start-denied', detail, 'See whether polkit runs: ibctl doctor', now);
    case 'no-such-unit':
      return notRun(order, 'unit-missing', detail, 'Install ib-agent again: sudo ./install.sh', now);
    case 'refused':
    case 'failed':
      return notRun(order, 'start-failed', detail, `See: systemctl status ${unit}`, now);
  }
}
