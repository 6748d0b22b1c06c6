// Owns a session's processes where systemd runs them: units are asked for, and what becomes of them is read from the journal.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { sessionPaths } from '../config/paths.ts';
import { LAUNCH_FAILED_STATUS, type LaunchFailureCode, type LaunchOrder } from '../gateway/launch-records.ts';
import type { Clock, Timer } from '../host/clock.ts';
import { type Journal, type JournalEntry, readToEnd } from '../host/journal-reader.ts';
import type { ServiceAnswer, ServiceManager, UnitStatus } from '../host/service-manager.ts';
import { readLaunchRecord } from './launched.ts';
import type {
  HostListener,
  HostObservation,
  KnownRun,
  Recovery,
  SessionHost,
  TimedObservation,
} from './session-host.ts';
import { toldEvents } from './told-events.ts';
import type { UnitFeed } from './unit-feed.ts';
import {
  complaint,
  DisplayLife,
  invocationOf,
  isDependencyFailure,
  isStarting,
  lineOf,
  orderTaken,
  systemdWord,
  UNIT_FIELDS,
  UnitLife,
} from './unit-life.ts';
import { sessionUnits } from './units.ts';
import type { WarmRestarts } from './warm-restarts.ts';

export type SystemdHostParts = {
  readonly session: string;
  readonly paths: ReturnType<typeof sessionPaths>;
  readonly services: ServiceManager;
  readonly journal: Journal;
  readonly feed: UnitFeed;
  readonly clock: Clock;
  readonly listener: HostListener;
  readonly restarts: WarmRestarts;
  readonly warn: (fields: Readonly<Record<string, unknown>>, message: string) => void;
};

/** journald takes a JVM's lines and systemd's words from different sockets: the last lines may come after the news of the end. */
const SETTLE_MS = 60;
/** The same while the record of the end has not been seen. */
const SETTLE_WITHOUT_RECORD_MS = 1_500;
/** What the journal does not tell, because it is full, gone or late, the unit does. */
const CHECK_MS = 15_000;
const CHECK_SOON_MS = 2_000;
/** Of one order to systemd; it answers within milliseconds, and is given up after twenty seconds. */
const LONGEST_WORK_MS = 60_000;
/** Entries kept of starts that are not known to be ours. */
const MOST_CANDIDATES = 3;
const MOST_BUFFERED = 2_000;
/** journald's times have a fraction, ours are cut off. */
const SAME_TIME_MS = 1;

type Ours = {
  readonly order: Pick<LaunchOrder, 'id' | 'kind'>;
  /** Epoch milliseconds: a start that is older is somebody else's. */
  readonly since: number;
  readonly life: UnitLife;
  invocation: string | null;
  settling: Timer | null;
  /** Looks at the unit in a row that found it down while the journal says nothing. */
  misses: number;
};

export class SystemdHost implements SessionHost {
  readonly outlivesAgent = true;
  readonly #parts: SystemdHostParts;
  readonly #units: ReturnType<typeof sessionUnits>;
  readonly #candidates = new Map<string, JournalEntry[]>();
  readonly #display = new DisplayLife();
  readonly #checks: Timer;
  #run: Ours | null = null;
  #status: UnitStatus | null = null;
  #work: Promise<void> = Promise.resolve();
  #workSinceMs: number | null = null;
  #workCount = 0;
  #closed = false;

  constructor(parts: SystemdHostParts) {
    this.#parts = parts;
    this.#units = sessionUnits(parts.session);
    parts.feed.subscribe(this.#units.session, (entry) => this.#onEntry(entry));
    parts.feed.subscribe(this.#units.display, (entry) => this.#onDisplay(entry));
    this.#checks = parts.clock.every(CHECK_MS, () => this.#check());
  }

  pid(): number | null {
    return this.#run === null ? null : (this.#status?.mainPid ?? null);
  }

  cgroup(): string | null {
    return this.#run === null ? null : (this.#status?.cgroup ?? null);
  }

  isWorking(): boolean {
    return (
      this.#workSinceMs === null || this.#parts.clock.monotonicMs() - this.#workSinceMs < LONGEST_WORK_MS
    );
  }

  expect(soon: boolean): void {
    this.#parts.feed.expect(this.#parts.session, soon);
  }

  start(order: LaunchOrder): void {
    const { services, clock, session } = this.#parts;
    this.#status = null;
    this.#candidates.clear();
    const ours: Ours = {
      order,
      since: clock.now() - SAME_TIME_MS,
      life: new UnitLife(session, order),
      invocation: null,
      settling: null,
      misses: 0,
    };
    this.#run = ours;
    this.#do(async () => {
      const answer = await services.start(this.#units.session);
      if (answer.kind === 'done' || this.#run !== ours) return;
      this.#endUnstarted(ours, refusalOf(answer, this.#units.session));
    });
  }

  stop(): void {
    // The unit's own ExecStop= asks for a tidy close, and does without where there is no display to close windows on.
    this.#do(async () => {
      const answer = await this.#parts.services.stop(this.#units.session);
      this.#warnUnlessDone(answer, this.#units.session);
    });
    this.#checkSoon();
  }

  stopDisplay(): void {
    this.#do(async () => {
      const answer = await this.#parts.services.stop(this.#units.display);
      this.#warnUnlessDone(answer, this.#units.display);
    });
  }

  setReady(ready: boolean): void {
    const { services, paths, restarts } = this.#parts;
    restarts.setReady(ready ? (this.#run?.order.id ?? null) : null);
    this.#do(async () => {
      try {
        if (ready) {
          mkdirSync(dirname(paths.readyFlag), { recursive: true, mode: 0o755 });
          writeFileSync(paths.readyFlag, '', { mode: 0o644 });
        } else {
          rmSync(paths.readyFlag, { force: true });
        }
      } catch (error) {
        this.#parts.warn({ err: error }, `the ready flag ${paths.readyFlag} cannot be changed`);
      }
      const answer = await (ready ? services.start(this.#units.ready) : services.stop(this.#units.ready));
      this.#warnUnlessDone(answer, this.#units.ready);
    });
  }

  askRestart(): void {
    const { restarts, listener } = this.#parts;
    void restarts.ask(this.#run?.order.id ?? null).then((answer) => {
      if (!this.#closed) listener(answer);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#checks.cancel();
    this.#parts.restarts.close();
    this.#run?.settling?.cancel();
    this.#run = null;
    await this.#work;
  }

  async recover(known: KnownRun | null): Promise<Recovery> {
    const { services, paths, session } = this.#parts;
    const status = await services.show(this.#units.session);
    const isUp = status !== null && isAlive(status);
    let run = known;
    let invocation: string | null = null;
    if (isUp) {
      const record = readLaunchRecord(paths.launchRecord, null);
      if (record !== null && record.orderId !== known?.id) {
        run = { id: record.orderId, kind: record.kind, startedAt: record.at };
      }
      invocation = status.invocation;
    }
    // A launcher that somebody started by hand, and that is about to refuse.
    if (run === null) return { kind: 'nothing' };
    invocation ??= this.#findInvocation(run);
    if (invocation === null) return isUp ? { kind: 'nothing' } : { kind: 'lost' };

    const entries = await this.#readInvocation(invocation, run);
    const life = new UnitLife(session, run);
    const display = new DisplayLife();
    const observations: TimedObservation[] = [];
    for (const entry of entries) {
      const ofDisplay = unitOf(entry) === this.#units.display;
      for (const observation of ofDisplay ? display.push(entry) : life.push(entry)) {
        observations.push({ at: entry.at, observation });
      }
    }
    const lastAt = entries.at(-1)?.at ?? run.startedAt;
    if (isUp && !life.over) {
      const ours: Ours = { order: run, since: run.startedAt, life, invocation, settling: null, misses: 0 };
      this.#run = ours;
      this.#status = status;
      if (status.mainPid !== null) {
        observations.push({ at: lastAt, observation: { kind: 'launched', pid: status.mainPid } });
      }
    } else {
      for (const observation of life.exit()) observations.push({ at: lastAt, observation });
    }
    return {
      kind: 'found',
      run,
      complete: entries.some((entry) => isStarting(entry) && unitOf(entry) === this.#units.session),
      observations,
      told: toldEvents(this.#parts.journal, session, run.id),
    };
  }

  // --- the past -------------------------------------------------------------------------------------------------------

  /** The start under this order, by the launcher's own word, or else the first that began after the order was given. */
  #findInvocation(run: KnownRun): string | null {
    const unit = this.#units.session;
    const query = {
      any: [
        { _SYSTEMD_UNIT: unit, _TRANSPORT: 'stdout' },
        { UNIT: unit, _PID: '1' },
      ],
      fields: UNIT_FIELDS,
      from: { newest: 20_000 },
    };
    let first: string | null = null;
    for (const batch of readToEnd(this.#parts.journal, query)) {
      for (const entry of batch) {
        if (orderTaken(entry) === run.id) return invocationOf(entry);
        if (first === null && isStarting(entry) && entry.at >= run.startedAt - SAME_TIME_MS) {
          first = invocationOf(entry);
        }
      }
    }
    return first;
  }

  async #readInvocation(invocation: string, run: KnownRun): Promise<readonly JournalEntry[]> {
    const { journal, feed } = this.#parts;
    const display = this.#units.display;
    const query = {
      any: [
        { _SYSTEMD_INVOCATION_ID: invocation, _SYSTEMD_UNIT: this.#units.session },
        { INVOCATION_ID: invocation, UNIT: this.#units.session, _PID: '1' },
        { _SYSTEMD_UNIT: display },
        { UNIT: display, _PID: '1' },
      ],
      fields: UNIT_FIELDS,
      from: 'head',
    } as const;
    const entries: JournalEntry[] = [];
    for (const batch of readToEnd(journal, query)) {
      feed.skip(batch.map((entry) => entry.cursor));
      for (const entry of batch) {
        if (unitOf(entry) !== display || entry.at >= run.startedAt - SAME_TIME_MS) entries.push(entry);
      }
      await setImmediate();
    }
    return entries;
  }

  // --- the present ----------------------------------------------------------------------------------------------------

  #onEntry(entry: JournalEntry): void {
    const run = this.#run;
    const invocation = invocationOf(entry);
    if (run === null) {
      this.#show(entry);
      return;
    }
    if (run.invocation === null) {
      if (isDependencyFailure(entry, this.#units.session)) {
        this.#endUnstarted(run, {
          code: 'display-unreachable',
          message: `${this.#units.display} could not be started, so ${this.#units.session} was not`,
          hint: `see: journalctl -u ${this.#units.display}`,
        });
        return;
      }
      if (invocation === null) return;
      if ((isStarting(entry) && entry.at >= run.since) || orderTaken(entry) === run.order.id) {
        this.#accept(run, invocation);
      } else {
        this.#buffer(invocation, entry);
        return;
      }
    }
    if (invocation !== run.invocation) {
      this.#show(entry);
      return;
    }
    this.#live(run, entry);
  }

  /** Lines of a start that is none of ours, such as one by hand that the launcher refuses: for people to see. */
  #show(entry: JournalEntry): void {
    if (entry.fields['_TRANSPORT'] !== 'stdout') return;
    this.#parts.listener(lineOf(entry, 'session', false));
  }

  #buffer(invocation: string, entry: JournalEntry): void {
    const kept = this.#candidates.get(invocation);
    if (kept === undefined) {
      this.#candidates.set(invocation, [entry]);
      const [oldest] = this.#candidates.keys();
      if (this.#candidates.size > MOST_CANDIDATES && oldest !== undefined) this.#candidates.delete(oldest);
    } else if (kept.length < MOST_BUFFERED) {
      kept.push(entry);
    }
  }

  #accept(run: Ours, invocation: string): void {
    run.invocation = invocation;
    const kept = this.#candidates.get(invocation) ?? [];
    this.#candidates.clear();
    for (const entry of kept) this.#live(run, entry);
    this.#do(async () => {
      const status = await this.#parts.services.show(this.#units.session);
      if (this.#run !== run || status === null) return;
      this.#status = status;
      if (status.mainPid !== null) this.#parts.listener({ kind: 'launched', pid: status.mainPid });
    });
  }

  #live(run: Ours, entry: JournalEntry): void {
    for (const observation of run.life.push(entry)) this.#parts.listener(observation);
    if (!run.life.over || this.#run !== run) return;
    if (run.settling !== null && !run.life.recorded) return;
    run.settling?.cancel();
    const wait = run.life.recorded ? SETTLE_MS : SETTLE_WITHOUT_RECORD_MS;
    run.settling = this.#parts.clock.after(wait, () => {
      this.#parts.feed.poll();
      this.#end(run, run.life.exit());
    });
  }

  #onDisplay(entry: JournalEntry): void {
    for (const observation of this.#display.push(entry)) {
      if (observation.kind === 'line' || this.#run !== null) this.#parts.listener(observation);
    }
  }

  #end(run: Ours, last: readonly HostObservation[]): void {
    if (this.#run !== run) return;
    run.settling?.cancel();
    this.#run = null;
    this.#status = null;
    for (const observation of last) this.#parts.listener(observation);
  }

  /** A run that ended before it began: nothing was submitted. */
  #endUnstarted(
    run: Ours,
    failure: { readonly code: LaunchFailureCode; readonly message: string; readonly hint: string },
  ): void {
    const { session } = this.#parts;
    this.#end(run, [
      complaint(failure),
      { kind: 'exited', record: notRun(session, run, LAUNCH_FAILED_STATUS) },
    ]);
  }

  #checkSoon(): void {
    this.#parts.clock.after(CHECK_SOON_MS, () => this.#check());
  }

  /** Whether the unit is what the journal says: a lost entry must not leave a session waiting for ever. */
  #check(): void {
    const run = this.#run;
    if (run === null || run.settling !== null || this.#closed) return;
    this.#do(async () => {
      const status = await this.#parts.services.show(this.#units.session);
      if (this.#run !== run || run.settling !== null || status === null) return;
      this.#parts.feed.poll();
      if (this.#run !== run || run.settling !== null || run.life.over) return;
      const same =
        run.invocation === null || status.invocation === null || status.invocation === run.invocation;
      if (isAlive(status) && same) {
        run.misses = 0;
        this.#status = status;
        return;
      }
      run.misses += 1;
      if (run.misses === 1) {
        this.#checkSoon();
        return;
      }
      this.#parts.warn(
        { unit: this.#units.session },
        'the unit is down and the journal did not say so; its end is taken from systemd',
      );
      const signal = status.exitSignal === null ? null : `signal ${status.exitSignal}`;
      const record = { ...notRun(this.#parts.session, run, status.exitStatus), signal };
      const orderId = run.invocation === null ? null : run.order.id;
      this.#end(run, [{ kind: 'exited', record: { ...record, orderId } }]);
    });
  }

  /** One after the other: systemd must get them in the order in which they were decided. */
  #do(work: () => Promise<void>): void {
    if (this.#closed) return;
    const { clock, warn } = this.#parts;
    if (this.#workCount === 0) this.#workSinceMs = clock.monotonicMs();
    this.#workCount += 1;
    this.#work = this.#work
      .then(work)
      .catch((error: unknown) => warn({ err: error }, 'a defect in the talk with systemd'))
      .then(() => {
        this.#workCount -= 1;
        this.#workSinceMs = this.#workCount === 0 ? null : clock.monotonicMs();
      });
  }

  #warnUnlessDone(answer: ServiceAnswer, unit: string): void {
    if (answer.kind === 'done' || answer.kind === 'no-such-unit') return;
    this.#parts.warn({ unit, answer: answer.kind, detail: answer.detail }, refusalOf(answer, unit).message);
  }
}

function unitOf(entry: JournalEntry): string | undefined {
  return systemdWord(entry)?.unit ?? entry.fields['_SYSTEMD_UNIT'];
}

function isAlive(status: UnitStatus): boolean {
  return status.active === 'active' || status.active === 'activating' || status.active === 'deactivating';
}

function notRun(session: string, run: Ours, status: number | null) {
  return {
    v: 1,
    session,
    orderId: null,
    kind: run.order.kind,
    ibcSessionId: null,
    status,
    signal: null,
    flags: { coldRestart: false, pause: false },
    autorestart: { tokens: 'none', ageMs: null },
  } as const;
}

/** Why systemd did not do what it was asked, for the person who can mend it. */
function refusalOf(
  answer: Exclude<ServiceAnswer, { kind: 'done' }>,
  unit: string,
): { readonly code: LaunchFailureCode; readonly message: string; readonly hint: string } {
  switch (answer.kind) {
    case 'denied':
      return {
        code: 'start-denied',
        message: `polkit does not let the agent start or stop ${unit} (${answer.detail})`,
        hint: 'install polkit and its rule: sudo apt install polkitd; sudo ./install.sh; sudo ibctl doctor shows what is missing',
      };
    case 'no-such-unit':
      return {
        code: 'unit-missing',
        message: `systemd knows no unit ${unit} (${answer.detail})`,
        hint: 'install it again: sudo ./install.sh, then: sudo systemctl daemon-reload',
      };
    case 'refused':
      return {
        code: 'unit-missing',
        message: `systemd does not start ${unit} (${answer.detail})`,
        hint: `see: systemctl status ${unit}; a masked unit is freed by: sudo systemctl unmask ${unit}`,
      };
    case 'failed':
      return {
        code: 'start-failed',
        message: `systemd did not take the order for ${unit} (${answer.detail})`,
        hint: `see: systemctl status ${unit}`,
      };
  }
}
