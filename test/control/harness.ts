// Owns a real control server in a directory of its own, and a client that sends whatever bytes a test wants.

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Actor } from '../../src/control/actor.ts';
import { type ControlClient, connectControl } from '../../src/control/client.ts';
import { NodeIpcTransport } from '../../src/control/node-ipc-transport.ts';
import type { Asked, ControlLog, Handlers } from '../../src/control/router.ts';
import { type ControlServerOptions, startControlServer } from '../../src/control/server.ts';
import type { TransportLimits } from '../../src/control/transport.ts';
import { SystemClock } from '../../src/host/clock.ts';
import type { GroupDatabase } from '../../src/host/groups.ts';
import { encodeFrame, FrameDecoder } from '../../src/protocol/framing.ts';
import type { Outcome, Progress, Status } from '../../src/protocol/methods.ts';
import { PROTOCOL_VERSION } from '../../src/protocol/version.ts';

export const clock = new SystemClock();
const AT = '2026-11-22T09:00:00.000Z';

export function aStatus(): Status {
  return {
    agent: {
      version: '0.1.0',
      pid: process.pid,
      startedAt: AT,
      supervisor: 'process',
      protocol: PROTOCOL_VERSION,
      host: {
        memoryTotalBytes: null,
        memoryAvailableBytes: null,
        diskTotalBytes: null,
        diskAvailableBytes: null,
        load1: null,
        cpus: 2,
        checkedAt: null,
      },
    },
    sessions: [],
  };
}

export function aProgress(changes: Partial<Progress> = {}): Progress {
  const base: Progress = {
    at: AT,
    session: 'live',
    state: 'starting',
    since: AT,
    reason: null,
    secondFactor: null,
    next: null,
    conditions: [],
  };
  return { ...base, ...changes };
}

export function anOutcome(changes: Partial<Progress> = {}): Outcome {
  return { reached: true, session: aProgress({ state: 'ready', ...changes }) };
}

/** Handlers that answer at once; tests replace the ones they are about. */
export function handlers(changes: Partial<Handlers> = {}): Handlers {
  return {
    status: async () => aStatus(),
    login: async (_params, call) => {
      call.emit(aProgress());
      return anOutcome();
    },
    start: async () => anOutcome(),
    stop: async () => anOutcome({ state: 'stopped' }),
    restart: async () => anOutcome(),
    wait: async () => anOutcome(),
    events: async () => ({ dropped: 0 }),
    logs: async () => ({ dropped: 0 }),
    plan: async () => ({ sessions: [], users: [] }),
    'notify-list': async () => ({ targets: [] }),
    'notify-test': async () => ({ results: [] }),
    windows: async () => ({ session: aProgress().session, count: 0 }),
    code: async () => ({ session: aProgress().session, verdict: 'accepted' as const }),
    'window-click': async ({ window, button }) => ({ session: aProgress().session, window, button }),
    'second-factor-resend': async () => ({
      session: aProgress().session,
      pushes: 2,
      mostPushes: 3,
      deadline: '2026-11-23T09:03:00.000Z',
    }),
    screenshot: async () => ({ session: aProgress().session, width: 1, height: 1, bytes: 0 }),
    ...changes,
  };
}

/** A user database that knows only what the test says, by uid. */
export function groupsByUid(groups: Readonly<Record<number, readonly string[]>>): GroupDatabase {
  return { lookUp: async (uid) => ({ name: `user${uid}`, groups: groups[uid] ?? [] }) };
}

export type LogRecord = {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
};

export type TestServer = {
  readonly path: string;
  readonly directory: string;
  readonly log: readonly LogRecord[];
  readonly operations: readonly ({
    readonly actor: Actor;
    readonly method: string;
    readonly session: string | null;
  } & Asked)[];
  readonly connectionCount: () => number;
  readonly close: () => Promise<void>;
};

export type ServerSetup = Partial<ControlServerOptions> & {
  readonly transportLimits?: Partial<TransportLimits>;
};

/** A directory for a socket that goes away with the test; every user may enter it. */
export function socketDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'ib-control-'));
  chmodSync(directory, 0o755);
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Starts a server whose own uid is the test's, and that checks results against the table. */
export async function startServer(t: TestContext, setup: ServerSetup = {}): Promise<TestServer> {
  const { transportLimits, ...changes } = setup;
  const directory = socketDirectory(t);
  const path = join(directory, 'control.sock');
  const records: LogRecord[] = [];
  const logTo = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) => {
    records.push({ level, message, fields });
  };
  const log: ControlLog = { debug: logTo('debug'), warn: logTo('warn'), error: logTo('error') };
  const operations: ({ actor: Actor; method: string; session: string | null } & Asked)[] = [];
  const server = await startControlServer({
    place: { path, mode: 0o600 },
    mode: 'process',
    ownUid: process.getuid?.() ?? 0,
    transport: new NodeIpcTransport({ clock, limits: transportLimits ?? {}, log: log.debug }),
    groups: groupsByUid({}),
    clock,
    log,
    handlers: handlers(),
    onOperate: (actor, method, session, asked) => operations.push({ actor, method, session, ...asked }),
    checkResults: true,
    ...changes,
  });
  t.after(() => server.close());
  return {
    path,
    directory,
    log: records,
    operations,
    connectionCount: server.connectionCount,
    close: server.close,
  };
}

export function aClient(path: string): Promise<ControlClient> {
  return connectControl(path, { deadlineMs: 5_000, retryMs: 0, clock, client: 'test' });
}

/** Fails unless a new client gets an answer. */
export async function assertServes(path: string): Promise<void> {
  const client = await aClient(path);
  try {
    assert.equal((await client.call('status', {}, { deadlineMs: 5_000 })).agent.pid, process.pid);
  } finally {
    client.close();
  }
}

export type Message = Readonly<Record<string, unknown>>;

/** A client without manners: sends bytes as they are, keeps what comes. */
export class RawClient {
  readonly socket: Socket;
  readonly messages: Message[] = [];
  /** Settles when the connection has ended, by whomever. */
  readonly ended: Promise<void>;
  #wake: () => void = () => {};
  #closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    const decoder = new FrameDecoder();
    socket.on('data', (chunk: Buffer) => {
      for (const message of decoder.push(chunk)) this.messages.push(message as Message);
      this.#wake();
    });
    socket.on('error', () => {});
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.#closed = true;
        this.#wake();
        resolve();
      });
    });
  }

  static async connect(t: TestContext, path: string): Promise<RawClient> {
    const socket = connect({ path });
    const client = new RawClient(socket);
    t.after(() => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  /** Connected and greeted. */
  static async greeted(t: TestContext, path: string): Promise<RawClient> {
    const client = await RawClient.connect(t, path);
    client.send({ kind: 'hello', protocol: PROTOCOL_VERSION, client: 'raw' });
    const hello = await client.take(1);
    assert.equal(hello[0]?.['kind'], 'hello');
    return client;
  }

  send(message: unknown): void {
    this.socket.write(encodeFrame(message));
  }

  write(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** The next `count` messages; fails when the connection ends before. */
  async take(count: number): Promise<Message[]> {
    while (this.messages.length < count) {
      assert.ok(!this.#closed, `the connection ended after ${this.messages.length} of ${count} messages`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.messages.splice(0, count);
  }

  request(id: string, method: string, params?: unknown): void {
    this.send({ kind: 'request', id, method, ...(params === undefined ? {} : { params }) });
  }
}

/** Lets both ends, which live in one process, read what was written before; each chunk arrives by itself then. */
export async function letRead(): Promise<void> {
  await nextTurn();
  await nextTurn();
}

/** Waits until `check` holds; fails after ten seconds. */
export async function until(what: string, check: () => boolean): Promise<void> {
  const end = clock.monotonicMs() + 10_000;
  while (!check()) {
    if (clock.monotonicMs() > end) assert.fail(`not within 10 s: ${what}`);
    await nextTurn();
  }
}

/** The error of a refusal or failed response. */
export function errorOf(message: Message | undefined): Record<string, unknown> {
  const error = message?.['error'];
  assert.ok(typeof error === 'object' && error !== null, `no error in ${JSON.stringify(message)}`);
  return error as Record<string, unknown>;
}
