// Owns a whole installation for tests, demo and benchmarks: stand-in gateway, configuration, credentials, a running agent, ibctl.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { buildBridgeJar } from '../../build-bridge.ts';
import { METHODS, type SessionStatus, type Status } from '../../src/protocol/methods.ts';
import { type Install, layInstall } from '../standin/build.ts';

export type Knobs = Readonly<Record<string, string>>;

export type SessionSetup = {
  readonly mode?: 'live' | 'paper';
  readonly username?: string;
  readonly password?: string;
  /** Of one-time codes, base32. */
  readonly seed?: string;
  /** Lines of standin.properties. */
  readonly knobs?: Knobs;
  /** Merged over the session's part of the configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
};

/** A session's part of the configuration file. */
export type SessionSettings = Record<string, unknown>;

export type WorldSetup = {
  readonly sessions?: Readonly<Record<string, SessionSetup>>;
  readonly agent?: Readonly<Record<string, unknown>>;
  /** Address of the server whose clock is asked; left out: none is. */
  readonly compareWith?: string;
  /** Changes the sessions' part of the configuration before it is written. */
  readonly configure?: (sessions: Record<string, SessionSettings>, root: string) => void;
  /** Another IBC.jar than the stand-in's, for example the real one. */
  readonly ibcJar?: string;
  /** Instead of the java that came with the gateway, in every session. */
  readonly java?: string;
  /** `source` runs the TypeScript, `release` the bundles in dist/. */
  readonly form?: 'source' | 'release';
};

/** One record of the agent's stdout. */
export type AgentRecord = Readonly<Record<string, string>>;

export type IbctlResult = {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** A process that belongs to a world, as /proc shows it. */
export type WorldProcess = { readonly pid: number; readonly argv: readonly string[] };

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAMS = {
  source: { agent: 'src/agent/main.ts', ibctl: 'src/cli/main.ts' },
  release: { agent: 'dist/ib-agent.js', ibctl: 'dist/ibctl.cjs' },
} as const;

/** Small JVMs that start fast: these are many and the machines are small. */
export const FAST_JVM = { heap: '256m', options: ['-XX:TieredStopAtLevel=1', '-Xshare:auto'] };

/** Waits until `check` gives something else than undefined, null or false; looks every 20 ms. */
export async function until<T>(
  what: string,
  check: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  deadlineMs = 30_000,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== null && value !== false) return value;
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A TCP port on 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export class World {
  readonly root: string;
  readonly install: Install;
  readonly configFile: string;
  readonly socket: string;
  readonly form: 'source' | 'release';
  readonly records: AgentRecord[] = [];
  readonly ports: Record<string, number> = {};
  /** What the agent wrote, as it is. */
  stdout = '';
  stderr = '';
  #agent: ChildProcess | null = null;

  constructor(root: string, install: Install, form: 'source' | 'release') {
    this.root = root;
    this.install = install;
    this.form = form;
    this.configFile = join(root, 'ib-agent.yaml');
    this.socket = join(root, 'run', 'ib-agent', 'control.sock');
  }

  settingsDir(session = 'live'): string {
    return join(this.root, 'settings', session);
  }

  runtimeDir(session = 'live'): string {
    return join(this.root, 'run', 'ib-session', session);
  }

  /** Sets knobs of the stand-in Gateway; a running JVM takes those that begin with `now.`. */
  setKnobs(knobs: Knobs, session = 'live'): void {
    const file = join(this.settingsDir(session), 'standin.properties');
    const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
    const kept = before
      .split('\n')
      .filter((line) => line !== '' && !(line.slice(0, line.indexOf('=')) in knobs));
    const lines = Object.entries(knobs).map(([key, value]) => `${key}=${escapeProperty(value)}`);
    writeFileSync(file, `${[...kept, ...lines].join('\n')}\n`);
  }

  get agentPid(): number {
    const pid = this.#agent?.pid;
    if (pid === undefined) throw new Error('no agent runs');
    return pid;
  }

  /** Starts the agent and waits until it serves; `env` is added to its environment. */
  async startAgent(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const file = join(ROOT, PROGRAMS[this.form].agent);
    const agent = spawn(process.execPath, [file, '--config', this.configFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.#agent = agent;
    const from = this.records.length;
    createInterface({ input: agent.stdout }).on('line', (line) => {
      this.stdout += `${line}\n`;
      this.records.push(JSON.parse(line) as AgentRecord);
    });
    agent.stderr.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    await until('the agent serves', () => {
      if (agent.exitCode !== null) throw new Error(`the agent exited with ${agent.exitCode}: ${this.stderr}`);
      return this.records.slice(from).find((record) => record['IB_EVENT'] === 'agent-started');
    });
  }

  /** Sends a signal to the agent and waits until it is gone. */
  async endAgent(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const agent = this.#agent;
    if (agent === null) return null;
    this.#agent = null;
    if (agent.exitCode === null && agent.signalCode === null) {
      const exit = once(agent, 'exit');
      agent.kill(signal);
      await exit;
    }
    return agent.exitCode;
  }

  /** Names of the events so far, of one session or of all. */
  events(session?: string): string[] {
    return this.records
      .filter(
        (record) =>
          record['IB_EVENT'] !== undefined && (session === undefined || record['IB_SESSION'] === session),
      )
      .map((record) => record['IB_EVENT'] ?? '');
  }

  /** Waits for an event; `from` is an index into `records`. */
  async event(
    name: string,
    options: { from?: number; session?: string; deadlineMs?: number } = {},
  ): Promise<AgentRecord> {
    try {
      return await until(
        `event ${name}`,
        () =>
          this.records
            .slice(options.from ?? 0)
            .find(
              (record) =>
                record['IB_EVENT'] === name &&
                (options.session === undefined || record['IB_SESSION'] === options.session),
            ),
        options.deadlineMs ?? 60_000,
      );
    } catch (error) {
      throw new Error(`${String(error)}; there were: ${this.events().join(' ')}`);
    }
  }

  /** Events of this name, or of all, since `from`. */
  told(name: string, options: { from?: number; session?: string } = {}): AgentRecord[] {
    return this.records
      .slice(options.from ?? 0)
      .filter(
        (record) =>
          record['IB_EVENT'] === name &&
          (options.session === undefined || record['IB_SESSION'] === options.session),
      );
  }

  /**
   * The processes of the sessions, or of one: launchers, JVM, Xvfb. Found by their command lines, which all name a
   * path of this world; the agent and ibctl are left out.
   */
  processes(session?: string): WorldProcess[] {
    const own = new Set<number>([process.pid, this.#agent?.pid ?? 0]);
    const found: WorldProcess[] = [];
    for (const entry of readdirSync('/proc')) {
      const pid = Number(entry);
      if (!Number.isInteger(pid) || own.has(pid)) continue;
      const argv = readProc(pid, 'cmdline').split('\0');
      if (!argv.some((arg) => arg.includes(this.root)) || argv.includes('--socket')) continue;
      if (argv.some((arg) => arg.endsWith(PROGRAMS[this.form].agent))) continue;
      const ofSession = (name: string) =>
        argv.some(
          (arg) =>
            arg === name || arg.includes(`/ib-session/${name}/`) || arg.includes(`/ib-display/${name}/`),
        );
      if (session === undefined || ofSession(session)) found.push({ pid, argv });
    }
    return found;
  }

  /** Pid of a session's Xvfb. */
  xvfbPid(session = 'live'): number {
    const [xvfb, ...others] = this.processes(session).filter(({ argv }) => argv[0]?.endsWith('Xvfb'));
    if (xvfb === undefined || others.length > 0) {
      throw new Error(`not one Xvfb of ${session}: ${JSON.stringify(this.processes(session))}`);
    }
    return xvfb.pid;
  }

  /** Waits until no process of the sessions, or of one, is left. */
  async gone(session?: string, deadlineMs = 15_000): Promise<void> {
    try {
      await until('no process is left', () => this.processes(session).length === 0, deadlineMs);
    } catch {
      throw new Error(`left running: ${JSON.stringify(this.processes(session))}`);
    }
  }

  ibctl(...args: string[]): Promise<IbctlResult> {
    return this.ibctlChild(args).done;
  }

  /** Runs ibctl with this on its standard input. */
  ibctlWith(input: string, ...args: string[]): Promise<IbctlResult> {
    return this.ibctlChild(args, input).done;
  }

  /** Runs ibctl; `child` can be sent signals. */
  ibctlChild(args: readonly string[], input?: string): { child: ChildProcess; done: Promise<IbctlResult> } {
    const file = join(ROOT, PROGRAMS[this.form].ibctl);
    const child = spawn(process.execPath, [file, '--socket', this.socket, ...args], {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    child.stdin?.end(input);
    if (child.stdout === null || child.stderr === null) throw new Error('ibctl has no output');
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const done = once(child, 'close').then(() => ({ status: child.exitCode, stdout, stderr }));
    return { child, done };
  }

  /** `ibctl status --json`; fails when it is not exactly of the shape that the protocol promises. */
  async fullStatus(...args: string[]): Promise<Status> {
    const { stdout, stderr } = await this.ibctl('status', '--json', ...args);
    try {
      return METHODS.status.result.parse(JSON.parse(stdout));
    } catch (cause) {
      throw new Error(`no status: ${stdout}${stderr}`, { cause });
    }
  }

  /** One session of `ibctl status --json`. */
  async status(session = 'live'): Promise<SessionStatus> {
    const { sessions } = await this.fullStatus(session);
    const [found] = sessions;
    if (found?.name !== session) throw new Error(`no status of ${session}`);
    return found;
  }

  /** Ends the agent and whatever a failed test left behind, and removes every file. */
  async dispose(): Promise<void> {
    await this.endAgent();
    for (const { pid } of this.processes()) process.kill(pid, 'SIGKILL');
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A file below /proc/PID, empty when the process is gone (or a zombie, which has no command line). */
export function readProc(pid: number, file: 'cmdline' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** Whether a process is there and no zombie. */
export function isRunning(pid: number): boolean {
  return readProc(pid, 'cmdline') !== '';
}

/** Lays out an installation with the sessions given, by default one live session without second factor. */
export async function makeWorld(setup: WorldSetup = {}): Promise<World> {
  const root = mkdtempSync(join(tmpdir(), 'ib-agent-'));
  chmodSync(root, 0o755);
  // A release brings its own.
  if (setup.form !== 'release') buildBridgeJar();
  const install = await layInstall({ root, ...(setup.ibcJar === undefined ? {} : { ibcJar: setup.ibcJar }) });
  const world = new World(root, install, setup.form ?? 'source');
  const sessions: Record<string, SessionSettings> = {};
  for (const [name, session] of Object.entries(setup.sessions ?? { live: {} })) {
    const port = await freePort();
    world.ports[name] = port;
    const credentials = join(root, 'credentials', name);
    mkdirSync(credentials, { recursive: true, mode: 0o700 });
    writeFileSync(join(credentials, 'username'), session.username ?? `user-${name}`, { mode: 0o600 });
    writeFileSync(join(credentials, 'password'), session.password ?? 'correct horse', { mode: 0o600 });
    if (session.seed !== undefined) writeFileSync(join(credentials, 'seed'), session.seed, { mode: 0o600 });
    mkdirSync(world.settingsDir(name), { recursive: true, mode: 0o700 });
    if (session.knobs !== undefined) world.setKnobs(session.knobs, name);
    sessions[name] = {
      mode: session.mode ?? 'live',
      install: {
        ibcDir: install.ibcDir,
        gatewayDir: install.gatewayDir,
        gatewayVersion: install.version,
        ...(setup.java === undefined ? {} : { java: setup.java }),
      },
      settingsDir: world.settingsDir(name),
      api: { port },
      jvm: FAST_JVM,
      credentials: { directory: credentials },
      ...session.config,
    };
  }
  setup.configure?.(sessions, root);
  const agent = { runtimeRoot: join(root, 'run'), stateRoot: join(root, 'lib'), ...setup.agent };
  const clock = { compareWith: setup.compareWith ?? null };
  writeFileSync(world.configFile, stringify({ agent, clock, sessions }));
  return world;
}

/** A value as java.util.Properties reads it back. */
export function escapeProperty(value: string): string {
  return [...value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')]
    .map((character) => {
      const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
      return units.every((unit) => unit >= 0x20 && unit < 0x7f)
        ? character
        : units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
    })
    .join('');
}
