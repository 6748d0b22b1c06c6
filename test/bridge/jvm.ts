// Owns what the bridge's tests run against: a virtual display, and JVMs with the agent in them.

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { buildBridgeJar } from '../../build-bridge.ts';
import { BridgeClient, type BridgeClientOptions, type BridgeObservation } from '../../src/bridge/client.ts';
import type { BridgeComponent, BridgeWindow } from '../../src/bridge/protocol.ts';
import { SystemClock } from '../../src/host/clock.ts';
import { buildGatewayJar, findJavaHome } from '../standin/build.ts';
import { freePort, until } from '../support/world.ts';

const FIXTURE = join(import.meta.dirname, 'fixture');
export const clock = new SystemClock();
export const UID = process.getuid?.() ?? 0;

/** A JVM's main class with its arguments, and options before it. */
export type JvmSetup = {
  readonly options?: readonly string[];
  readonly main: readonly string[];
  readonly classpath: string;
  /** Words after the socket's path in the agent's argument; null: no agent. */
  readonly agent?: string | null;
  readonly java?: string;
  readonly display?: boolean;
};

export class Jvm {
  readonly process: ChildProcess;
  readonly socket: string;
  readonly lines: string[] = [];
  readonly exit: Promise<number | null>;

  constructor(child: ChildProcess, socket: string) {
    this.process = child;
    this.socket = socket;
    this.exit = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : null));
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
    }
  }

  get pid(): number {
    const { pid } = this.process;
    if (pid === undefined) throw new Error('java was not started');
    return pid;
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  async sees(text: string): Promise<void> {
    await until(`a line with ${text}`, () => this.lines.some((line) => line.includes(text))).catch(
      (error) => {
        throw new Error(`${error.message}; there were:\n${this.lines.join('\n')}`);
      },
    );
  }

  async end(): Promise<void> {
    if (this.running) this.process.kill('SIGKILL');
    await this.exit;
  }
}

/** The display, the compiled fixture and everything started in one test file. */
export class Bench {
  readonly root = mkdtempSync(join(tmpdir(), 'bridge-'));
  java = '';
  gatewayJar = '';
  #display = '';
  #xvfb: ChildProcess | null = null;
  readonly #jvms: Jvm[] = [];
  readonly #clients: BridgeClient[] = [];

  async open(): Promise<void> {
    // Strangers must be stopped by the socket's own directory or by the bridge, never by this one.
    chmodSync(this.root, 0o755);
    const home = await findJavaHome();
    this.java = join(home, 'bin', 'java');
    this.gatewayJar = await buildGatewayJar();
    const sources = ['Nasty.java', 'Quiet.java'].map((name) => join(FIXTURE, name));
    await promisify(execFile)(join(home, 'bin', 'javac'), [
      '--release',
      '17',
      '-d',
      this.fixture,
      ...sources,
    ]);
    const xvfb = spawn(
      'Xvfb',
      ['-displayfd', '3', '-screen', '0', '1024x768x24', '-nolisten', 'tcp', '-noreset'],
      {
        stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      },
    );
    this.#xvfb = xvfb;
    const numbers = xvfb.stdio[3];
    assert.ok(numbers && 'setEncoding' in numbers);
    const [data] = await once(numbers, 'data');
    this.#display = `:${String(data).trim()}`;
  }

  get fixture(): string {
    return join(this.root, 'classes');
  }

  /** Ends what one test has started. */
  async clear(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    for (const jvm of this.#jvms.splice(0)) await jvm.end();
  }

  async close(): Promise<void> {
    await this.clear();
    const xvfb = this.#xvfb;
    if (xvfb !== null && xvfb.exitCode === null) {
      xvfb.kill();
      await once(xvfb, 'exit');
    }
    rmSync(this.root, { recursive: true, force: true });
  }

  start(setup: JvmSetup): Jvm {
    const directory = mkdtempSync(join(this.root, 'run-'));
    chmodSync(directory, 0o755);
    const socket = join(directory, 'bridge.sock');
    const agent = setup.agent === undefined ? '' : setup.agent;
    const options = [
      '-Xmx256m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      ...(agent === null ? [] : [`-javaagent:${buildBridgeJar()}=${socket}${agent}`]),
      ...(setup.options ?? []),
    ];
    const env: Record<string, string> = {
      HOME: directory,
      LC_ALL: 'C.UTF-8',
      TZ: 'Etc/UTC',
      PATH: '/usr/bin:/bin',
    };
    if (setup.display !== false) env['DISPLAY'] = this.#display;
    const child = spawn(setup.java ?? this.java, [...options, '-cp', setup.classpath, ...setup.main], {
      cwd: directory,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const jvm = new Jvm(child, socket);
    this.#jvms.push(jvm);
    return jvm;
  }

  nasty(...what: string[]): Jvm {
    return this.start({ classpath: this.fixture, main: ['Nasty', ...what] });
  }

  /** The stand-in Gateway without IBC: the bridge works its windows. */
  async gateway(knobs: Readonly<Record<string, string>> = {}): Promise<Jvm & { settings: string }> {
    const settings = mkdtempSync(join(this.root, 'settings-'));
    mkdirSync(settings, { recursive: true });
    const all = {
      'api.port': String(await freePort()),
      'login.delay.ms': '20',
      'splash.ms': '40',
      'shutdown.ms': '20',
      ...knobs,
    };
    const text = Object.entries(all).map(([key, value]) => `${key}=${value}\n`);
    writeFileSync(join(settings, 'standin.properties'), text.join(''));
    const jvm = this.start({ classpath: this.gatewayJar, main: ['ibgateway.GWClient', settings] });
    return Object.assign(jvm, { settings });
  }

  /** A client that is connected. */
  async client(
    jvm: Jvm,
    options: Partial<BridgeClientOptions> = {},
  ): Promise<{ bridge: BridgeClient; seen: BridgeObservation[] }> {
    const seen: BridgeObservation[] = [];
    const bridge = new BridgeClient({
      path: jvm.socket,
      clock,
      serverUid: UID,
      reconnectDelayMs: () => 20,
      observe: (observation) => seen.push(observation),
      ...options,
    });
    this.#clients.push(bridge);
    bridge.connect();
    await bridge.whenOpen(30_000).catch((error) => {
      throw new Error(`${error.message} ${JSON.stringify(seen.slice(-2))}\n${jvm.lines.join('\n')}`);
    });
    return { bridge, seen };
  }
}

/** Polls until `find` gives something. */
export async function eventually<T>(
  what: string,
  find: () => Promise<T | undefined | null | false>,
  deadlineMs = 30_000,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const found = await find();
    if (found !== undefined && found !== null && found !== false) return found;
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits for a showing window with this title. */
export function windowCalled(bridge: BridgeClient, title: string): Promise<BridgeWindow> {
  return eventually(`a window called ${title}`, async () =>
    (await bridge.windows({}, 10_000)).windows.find((window) => window.title === title),
  );
}

export function withText(window: BridgeWindow, text: string): BridgeComponent {
  const found = window.components.find((component) => component.text === text);
  if (found === undefined) throw new Error(`nothing says ${text} in ${JSON.stringify(window.components)}`);
  return found;
}

export function ofClass(window: BridgeWindow, className: string, index = 0): BridgeComponent {
  const found = window.components.filter((component) => component.className === className)[index];
  if (found === undefined) throw new Error(`no ${className} in ${JSON.stringify(window.components)}`);
  return found;
}

export function named(window: BridgeWindow, name: string): BridgeComponent {
  const found = window.components.find((component) => component.name === name);
  if (found === undefined)
    throw new Error(`nothing is named ${name} in ${JSON.stringify(window.components)}`);
  return found;
}

/** Logs the stand-in Gateway in through the bridge. */
export async function logIn(bridge: BridgeClient): Promise<void> {
  const login = await windowCalled(bridge, 'IBKR Gateway');
  const window = login.id;
  const expect = { title: 'IBKR Gateway' };
  await bridge.click({ window, expect, path: withText(login, 'IB API').path, text: 'IB API' });
  await bridge.setText({
    window,
    expect,
    path: ofClass(login, 'javax.swing.JTextField').path,
    text: 'user1',
  });
  const password = ofClass(login, 'javax.swing.JPasswordField').path;
  await bridge.setText({ window, expect, path: password, text: 'correct horse', secret: true });
  await bridge.click({ window, expect, path: withText(login, 'Log In').path, text: 'Log In' });
}

/** A bare connection: what is written to it is not what a client of ours would write. */
export class Raw {
  readonly socket;
  received = '';
  closed = false;

  constructor(path: string) {
    this.socket = connect({ path });
    this.socket.setEncoding('utf8');
    this.socket.on('data', (chunk: string) => {
      this.received += chunk;
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  write(text: string | Buffer): void {
    this.socket.write(text);
  }

  lines(): Record<string, unknown>[] {
    return this.received
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  answer(id: number | null): Promise<Record<string, unknown>> {
    return until(`an answer to ${id} in ${this.received.slice(0, 500)}`, () =>
      this.lines().find((line) => 'ok' in line && line['id'] === id),
    );
  }

  async greet(): Promise<void> {
    this.write('{"id":0,"op":"hello","protocols":[1]}\n');
    await this.answer(0);
  }
}
