// Owns the builder of the supervisor tests: one session's loop over a temporary state directory, with fakes at every edge.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentPaths, sessionPaths } from '../../src/config/paths.ts';
import type { SessionConfig } from '../../src/config/types.ts';
import type { AgentEvent } from '../../src/events/catalogue.ts';
import type { LogLine } from '../../src/protocol/methods.ts';
import { DesiredStore } from '../../src/supervisor/desired-store.ts';
import { LedgerStore } from '../../src/supervisor/ledger-store.ts';
import { SessionLoop } from '../../src/supervisor/session-loop.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { FakeCodeRunner } from '../fakes/fake-code-runner.ts';
import { FakeApiWatch, FakeSessionHost } from '../fakes/fake-session-host.ts';
import { FakeWindowWatch } from '../fakes/fake-window-watch.ts';
import { aSession } from '../launch/builders.ts';

const LOGS = new URL('../fixtures/ibc-logs/', import.meta.url);

/** Lines `from` to `to` (counted from 1) of a captured log: the output of one JVM. */
export function logLines(file: string, from: number, to: number): string[] {
  return readFileSync(new URL(file, LOGS), 'utf8')
    .split('\n')
    .slice(from - 1, to);
}

/** A line as IBC writes it. */
export function ibc(text: string): string {
  return `2026-11-23 09:00:00:000 IBC: ${text}`;
}

export class LoopScene {
  readonly root: string;
  readonly clock: FakeClock;
  readonly config: SessionConfig;
  readonly paths: ReturnType<typeof agentPaths> & { readonly launchOrder: string };
  readonly host: FakeSessionHost;
  readonly api: FakeApiWatch;
  readonly windows: FakeWindowWatch;
  readonly loop: SessionLoop;
  readonly ledger: LedgerStore;
  readonly codes: FakeCodeRunner;
  readonly events: AgentEvent[] = [];
  readonly lines: LogLine[] = [];
  /** Each state that was entered, in order. */
  readonly states: string[] = ['stopped'];

  constructor(
    change: Partial<SessionConfig> = {},
    parts: { readonly root?: string; readonly clock?: FakeClock; readonly ledger?: LedgerStore } = {},
  ) {
    this.root = parts.root ?? mkdtempSync(join(tmpdir(), 'ib-loop-'));
    this.clock = parts.clock ?? new FakeClock();
    this.codes = new FakeCodeRunner(this.clock);
    this.config = aSession({ user: 'me', ...change });
    const roots = { runtimeRoot: join(this.root, 'run'), stateRoot: join(this.root, 'lib') };
    const agent = agentPaths(roots);
    this.paths = { ...agent, launchOrder: sessionPaths(roots, this.config.name).launchOrder };
    mkdirSync(agent.launchOrders, { recursive: true });
    mkdirSync(agent.state, { recursive: true });
    this.ledger = parts.ledger ?? new LedgerStore(agent.ledger, this.clock);
    const made: {
      host: FakeSessionHost | null;
      api: FakeApiWatch | null;
      windows: FakeWindowWatch | null;
    } = { host: null, api: null, windows: null };
    this.loop = new SessionLoop({
      config: this.config,
      launchOrderPath: this.paths.launchOrder,
      clock: this.clock,
      random: () => 0.5,
      ledger: this.ledger,
      desired: new DesiredStore(agent.desired, 'boot-1', () => {}),
      makeHost: (listener) => {
        made.host = new FakeSessionHost(listener);
        return made.host;
      },
      makeApi: (listener) => {
        made.api = new FakeApiWatch(listener);
        return made.api;
      },
      makeWindows: (listener, onGone) => {
        made.windows = new FakeWindowWatch(listener, onGone);
        return made.windows;
      },
      makeCodeRunner: () => this.codes,
      onEvent: (event) => this.events.push(event),
      onLine: (line) => this.lines.push(line),
    });
    if (made.host === null || made.api === null || made.windows === null) {
      throw new Error('the loop made no host, no API watch or no window watch');
    }
    this.host = made.host;
    this.api = made.api;
    this.windows = made.windows;
    this.loop.watch((state) => {
      if (state.phase.name !== this.states.at(-1)) this.states.push(state.phase.name);
    });
  }

  get phase(): string {
    return this.loop.state.phase.name;
  }

  eventNames(): string[] {
    return this.events.map((event) => event.event);
  }

  /** Logs in without second factor, until ready. */
  bringUp(): void {
    if (this.phase === 'stopped') this.loop.operate('login');
    this.host.say(
      ibc('version: 3.24.1'),
      ibc('Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT'),
      ibc('Login attempt: 1'),
      ibc('Found Gateway main window'),
      ibc('Login has completed'),
    );
    this.api.prove();
  }

  readJson(path: string): unknown {
    return JSON.parse(readFileSync(path, 'utf8'));
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
