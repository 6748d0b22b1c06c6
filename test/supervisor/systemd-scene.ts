// Owns the builder of the systemd adapter's tests: one session on a fake systemd and journal, whose agent can be killed and started again.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { agentPaths, sessionPaths } from '../../src/config/paths.ts';
import type { SessionConfig } from '../../src/config/types.ts';
import { type AgentEvent, journalFields } from '../../src/events/catalogue.ts';
import { formatOrderTaken, type LaunchOrder } from '../../src/gateway/launch-records.ts';
import type { ServiceManager } from '../../src/host/service-manager.ts';
import type { CodeRunner } from '../../src/supervisor/code-runner.ts';
import { DesiredStore } from '../../src/supervisor/desired-store.ts';
import { LedgerStore } from '../../src/supervisor/ledger-store.ts';
import { SessionLoop } from '../../src/supervisor/session-loop.ts';
import { SystemdHost } from '../../src/supervisor/systemd-host.ts';
import { UnitFeed } from '../../src/supervisor/unit-feed.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { FakeCodeRunner } from '../fakes/fake-code-runner.ts';
import { FakeJournal } from '../fakes/fake-journal.ts';
import { FakeServices, type StartedUnit } from '../fakes/fake-services.ts';
import { FakeApiWatch } from '../fakes/fake-session-host.ts';
import { FakeWindowWatch } from '../fakes/fake-window-watch.ts';
import { aSession } from '../launch/builders.ts';
import { FakeRestarts } from './host-builders.ts';
import { ibc } from './loop-scene.ts';

export const SESSION_UNIT = 'ib-session@live.service';
export const DISPLAY_UNIT = 'ib-display@live.service';
export const READY_TARGET = 'ib-ready@live.target';

/** One life of the agent. */
type Life = {
  readonly loop: SessionLoop;
  readonly feed: UnitFeed;
  readonly api: FakeApiWatch;
  readonly windows: FakeWindowWatch;
};

export class SystemdScene {
  readonly root = mkdtempSync(join(tmpdir(), 'ib-units-'));
  readonly clock = new FakeClock();
  readonly journal = new FakeJournal();
  readonly services = new FakeServices(this.journal, this.clock);
  readonly config: SessionConfig;
  readonly paths: ReturnType<typeof agentPaths>;
  readonly session: ReturnType<typeof sessionPaths>;
  readonly events: AgentEvent[] = [];
  readonly warnings: string[] = [];
  readonly restarts = new FakeRestarts();
  #life: Life | null = null;
  /** How many more things the agent writes, tells or orders before it is killed. */
  actions = Number.POSITIVE_INFINITY;
  /** Whether it was killed by that; the next `startAgent` is another life. */
  killed = false;

  constructor(change: Partial<SessionConfig> = {}) {
    this.config = aSession({ user: 'me', ...change });
    const roots = { runtimeRoot: join(this.root, 'run'), stateRoot: join(this.root, 'lib') };
    this.paths = agentPaths(roots);
    this.session = sessionPaths(roots, this.config.name);
    mkdirSync(this.paths.launchOrders, { recursive: true });
    mkdirSync(this.paths.state, { recursive: true });
  }

  get loop(): SessionLoop {
    return this.#alive().loop;
  }

  get api(): FakeApiWatch {
    return this.#alive().api;
  }

  get windows(): FakeWindowWatch {
    return this.#alive().windows;
  }

  get phase(): string {
    return this.loop.state.phase.name;
  }

  get ledger(): LedgerStore {
    return new LedgerStore(this.paths.ledger, this.clock);
  }

  /** Names of the events that were told, of all lives of the agent together. */
  told(name?: string): string[] {
    return this.events.map(({ event }) => event).filter((event) => name === undefined || event === name);
  }

  readonly codes = new FakeCodeRunner(this.clock);

  /** Starts the agent as it stands after a boot, a restart or a crash. */
  async startAgent(): Promise<void> {
    const { clock, journal, services } = this;
    const desired = new DesiredStore(this.paths.desired, services.boot, (detail) =>
      this.warnings.push(detail),
    );
    const feed = new UnitFeed({ journal, clock, onProblem: (problem) => this.warnings.push(`${problem}`) });
    const made: { api: FakeApiWatch | null; windows: FakeWindowWatch | null } = { api: null, windows: null };
    let alive = true;
    this.killed = false;
    /** Whether the next thing that the outside would notice still happens. */
    const acts = () => {
      if (alive && this.actions <= 0) {
        alive = false;
        this.killed = true;
      }
      this.actions -= 1;
      return alive;
    };
    const codes: CodeRunner = {
      run: (order) => (acts() ? this.codes.run(order) : new Promise(() => {})),
      lastResult: async (id) => {
        const result = await this.codes.lastResult(id);
        return alive ? result : await new Promise(() => {});
      },
      compareClock: () => this.codes.compareClock(),
    };
    // What a killed agent had in mind to ask is never asked.
    const asking: ServiceManager = {
      start: (unit) => (alive ? services.start(unit) : new Promise(() => {})),
      stop: (unit) => (alive ? services.stop(unit) : new Promise(() => {})),
      show: (unit) => services.show(unit),
      bootIdentity: () => services.bootIdentity(),
    };
    const loop = new SessionLoop({
      config: this.config,
      launchOrderPath: this.session.launchOrder,
      clock,
      random: () => 0.5,
      ledger: gated(
        new LedgerStore(this.paths.ledger, clock),
        ['charge', 'redate', 'refund', 'useStep', 'lease', 'release'],
        acts,
      ),
      desired: gated(desired, ['set', 'remember'], acts),
      makeHost: (listener) =>
        new SystemdHost({
          session: this.config.name,
          paths: this.session,
          services: asking,
          journal,
          feed,
          clock,
          listener: (observation) => {
            if (alive) listener(observation);
          },
          restarts: this.restarts,
          warn: (_, message) => this.warnings.push(message),
        }),
      makeApi: (listener) => {
        made.api = new FakeApiWatch((fact) => {
          if (alive) listener(fact);
        });
        return made.api;
      },
      makeWindows: (listener, onGone) => {
        made.windows = new FakeWindowWatch((fact) => {
          if (alive) listener(fact);
        }, onGone);
        return made.windows;
      },
      makeCodeRunner: () => codes,
      onEvent: (event) => {
        if (!acts()) return;
        this.events.push(event);
        journal.append({ ...journalFields(event), _SYSTEMD_UNIT: 'ib-agent.service' }, clock.now());
      },
      onLine: () => {},
    });
    if (made.api === null || made.windows === null) throw new Error('no API watch or window watch was made');
    feed.open();
    const memory = desired.memory(this.config.name);
    await loop.prepare(memory);
    loop.begin(desired.get(this.config.name), memory);
    feed.start();
    this.#life = { loop, feed, api: made.api, windows: made.windows };
    this.#kill = () => {
      alive = false;
      feed.close();
      void loop.shutDown();
    };
    await this.settle();
  }

  #kill: () => void = () => {};

  /** As SIGKILL does: nothing more is read, told or written by this life. */
  killAgent(): void {
    this.#kill();
    this.#life = null;
  }

  /** Lets what was asked of systemd be done, and the journal be read. */
  async settle(ms = 30): Promise<void> {
    for (let turn = 0; turn < 300; turn += 1) await Promise.resolve();
    this.clock.advance(ms);
    for (let turn = 0; turn < 300; turn += 1) await Promise.resolve();
  }

  order(): LaunchOrder {
    return JSON.parse(readFileSync(this.session.launchOrder, 'utf8')) as LaunchOrder;
  }

  /** systemd starts the session's unit, and its launcher takes the order. */
  begin(): StartedUnit {
    const unit = this.services.begin(SESSION_UNIT);
    const order = this.order();
    unit.line(formatOrderTaken(order).trimEnd());
    this.publish(order, unit.mainPid);
    return unit;
  }

  /** What the launcher publishes before it becomes the JVM. */
  publish(order: Pick<LaunchOrder, 'id' | 'kind'>, pid: number): void {
    mkdirSync(dirname(this.session.launchRecord), { recursive: true });
    const record = {
      v: 1,
      orderId: order.id,
      kind: order.kind,
      ibcSessionId: 'abcdefgh',
      commandPort: null,
      gatewayVersion: '10.37',
      display: ':100',
      pid,
      at: this.clock.now(),
    };
    writeFileSync(this.session.launchRecord, JSON.stringify(record));
  }

  /** The line that `ib-session after` prints. */
  record(change: Readonly<Record<string, unknown>> = {}): string {
    const { id, kind } = this.order();
    return JSON.stringify({
      v: 1,
      session: 'live',
      orderId: id,
      kind,
      ibcSessionId: 'abcdefgh',
      status: 0,
      signal: null,
      flags: { coldRestart: false, pause: false },
      autorestart: { tokens: 'none', ageMs: null },
      ...change,
    });
  }

  remove(): void {
    if (this.#life !== null) this.killAgent();
    rmSync(this.root, { recursive: true, force: true });
  }

  #alive(): Life {
    if (this.#life === null) throw new Error('no agent runs');
    return this.#life;
  }
}

/** The same object, of which these methods do nothing once the agent is dead. */
function gated<T extends object>(target: T, methods: readonly (keyof T)[], acts: () => boolean): T {
  return new Proxy(target, {
    get: (_, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      const isGated = methods.some((method) => method === name);
      return (...args: unknown[]) => (isGated && !acts() ? true : Reflect.apply(member, target, args));
    },
  });
}

/** What IBC writes of a login with a push, line by line, from real output. */
export const PUSH_LOGIN: readonly string[] = [
  ibc('version: 3.24.1'),
  ibc('Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT'),
  ibc('Login attempt: 1'),
  ibc('detected dialog entitled: Second Factor Authentication; event=Opened'),
  ibc('Second Factor Authentication initiated'),
  ibc('Duration since login: 6 seconds'),
  ibc('Found Gateway main window'),
  ibc('Login has completed'),
];
