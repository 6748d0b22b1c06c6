// Owns a stand-in for systemd: units that are ordered up and down, and what its journal then holds, in systemd's own words.

import type { ServiceAnswer, ServiceManager, UnitStatus } from '../../src/host/service-manager.ts';
import type { FakeClock } from './fake-clock.ts';
import type { FakeJournal } from './fake-journal.ts';

const MESSAGE_IDS = {
  starting: '7d4958e842da4a758f6c1cdc7b36dcc5',
  started: '39f53479d3a045ac8e11786248231fbf',
  'start-failed': 'be02cf6855d2428ba40df7e9d022f03d',
  stopping: 'de5b426a63be47a7b6ac3eaac82e2f6f',
  'process-exit': '98e322203f7a4ed290d09fe03c09fe15',
  failed: 'd9b373ed55a64feb8242e02dbe79a49c',
  success: '7ad2d189f7e94e70a38c781354912448',
} as const;

const DOWN: UnitStatus = {
  load: 'loaded',
  active: 'inactive',
  mainPid: null,
  invocation: null,
  cgroup: null,
  startedAt: null,
  exitStatus: null,
  exitSignal: null,
};

export class FakeServices implements ServiceManager {
  /** What was asked, in order: `start ib-session@live.service`, … */
  readonly asked: string[] = [];
  readonly status = new Map<string, UnitStatus>();
  boot = 'boot-1';
  /** What the next start is answered. */
  answer: ServiceAnswer = { kind: 'done' };
  readonly #journal: FakeJournal;
  readonly #clock: FakeClock;
  #invocations = 0;
  #pids = 4_000;

  constructor(journal: FakeJournal, clock: FakeClock) {
    this.#journal = journal;
    this.#clock = clock;
  }

  async start(unit: string): Promise<ServiceAnswer> {
    this.asked.push(`start ${unit}`);
    return this.answer;
  }

  async stop(unit: string): Promise<ServiceAnswer> {
    this.asked.push(`stop ${unit}`);
    return { kind: 'done' };
  }

  async show(unit: string): Promise<UnitStatus | null> {
    return this.status.get(unit) ?? DOWN;
  }

  async bootIdentity(): Promise<string | null> {
    return this.boot;
  }

  /** systemd starts a unit: what it writes, and the process that then writes lines. */
  begin(unit: string): StartedUnit {
    this.#invocations += 1;
    this.#pids += 10;
    const invocation = this.#invocations.toString(16).padStart(32, '0');
    const mainPid = this.#pids;
    this.say(unit, 'starting', { INVOCATION_ID: invocation, JOB_TYPE: 'start' });
    this.status.set(unit, { ...DOWN, active: 'active', mainPid, invocation, startedAt: this.#clock.now() });
    return new StartedUnit(this, this.#journal, this.#clock, unit, invocation, mainPid);
  }

  /** An entry of process 1 on a unit. */
  say(unit: string, what: keyof typeof MESSAGE_IDS, fields: Readonly<Record<string, string>> = {}): void {
    this.#journal.append(
      {
        _PID: '1',
        _TRANSPORT: 'journal',
        _SYSTEMD_UNIT: 'init.scope',
        UNIT: unit,
        MESSAGE: what,
        MESSAGE_ID: MESSAGE_IDS[what],
        ...fields,
      },
      this.#clock.now(),
    );
  }

  down(unit: string): void {
    this.status.set(unit, DOWN);
  }
}

export class StartedUnit {
  readonly invocation: string;
  readonly mainPid: number;
  readonly #services: FakeServices;
  readonly #journal: FakeJournal;
  readonly #clock: FakeClock;
  readonly #unit: string;

  constructor(
    services: FakeServices,
    journal: FakeJournal,
    clock: FakeClock,
    unit: string,
    invocation: string,
    mainPid: number,
  ) {
    this.#services = services;
    this.#journal = journal;
    this.#clock = clock;
    this.#unit = unit;
    this.invocation = invocation;
    this.mainPid = mainPid;
  }

  /** A line of the main process, or of another one of the unit. */
  line(text: string, options: { readonly pid?: number; readonly priority?: number } = {}): void {
    this.#journal.append(
      {
        _TRANSPORT: 'stdout',
        _SYSTEMD_UNIT: this.#unit,
        _SYSTEMD_INVOCATION_ID: this.invocation,
        _PID: String(options.pid ?? this.mainPid),
        PRIORITY: String(options.priority ?? 6),
        MESSAGE: text,
      },
      this.#clock.now(),
    );
  }

  stopping(): void {
    this.#services.say(this.#unit, 'stopping', { INVOCATION_ID: this.invocation, JOB_TYPE: 'stop' });
  }

  /** Ends with a status or by a signal; `record`: what ExecStopPost= prints. */
  end(ending: { readonly status?: number; readonly signal?: number; readonly record?: string } = {}): void {
    const { status = 0, signal, record } = ending;
    const good = signal === undefined && status === 0;
    if (!good) {
      this.#services.say(this.#unit, 'process-exit', {
        INVOCATION_ID: this.invocation,
        COMMAND: 'ExecStart',
        EXIT_CODE: signal === undefined ? 'exited' : 'killed',
        EXIT_STATUS: String(signal ?? status),
      });
    }
    if (record !== undefined) this.line(record, { pid: this.mainPid + 5 });
    this.#services.say(this.#unit, good ? 'success' : 'failed', { INVOCATION_ID: this.invocation });
    this.#services.down(this.#unit);
  }
}
