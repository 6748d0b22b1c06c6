// Owns the standing connection to the window bridge of a session's JVM: requests with deadlines, events, and the moment it ends.

import { connect, type Socket } from 'node:net';
import type { Clock, Timer } from '../host/clock.ts';
import { errorCode } from '../host/files.ts';
import { type PeerCredentials, peerCredentials } from '../host/peercred.ts';
import {
  BRIDGE_PROTOCOLS,
  BridgeError,
  type BridgeEvent,
  type BridgeHello,
  type JavaThread,
  type Json,
  type JvmClock,
  LONGEST_LINE,
  type Painting,
  parseLine,
  readClock,
  readError,
  readEvent,
  readHello,
  readPainting,
  readThreads,
  readWindows,
  type WindowList,
} from './protocol.ts';

/**
 * Why a connection ended. `ended`: by the other side, which is how a JVM's death shows at once. `foreign`: another user serves the socket.
 * `version`: a bridge that speaks none of our protocols. `refused`: it does not serve us. `mute`, `garbage`: it is no bridge.
 */
export type BridgeCloseReason = 'ended' | 'foreign' | 'version' | 'refused' | 'mute' | 'garbage';

export type BridgeObservation =
  /** `code` is the system's, such as `ENOENT` (no JVM yet), `ECONNREFUSED` (a dead one's socket), or `ETIMEDOUT`. */
  | { readonly kind: 'unreachable'; readonly code: string }
  | { readonly kind: 'open'; readonly hello: BridgeHello }
  | { readonly kind: 'event'; readonly event: BridgeEvent }
  /** `wasOpen`: it had been open, so this JVM is gone or its bridge is. */
  | { readonly kind: 'closed'; readonly reason: BridgeCloseReason; readonly wasOpen: boolean };

export type BridgeClientOptions = {
  readonly path: string;
  readonly clock: Clock;
  /** The user that the JVM runs as: another user's server is not talked to. */
  readonly serverUid: number;
  /** Called for each observation, never after `close()`. Must not throw. */
  readonly observe?: (observation: BridgeObservation) => void;
  /** Whether window events are wanted. */
  readonly events?: boolean;
  /** Milliseconds until the next attempt; `failures` counts attempts since it was open last, from 1. */
  readonly reconnectDelayMs?: (failures: number) => number;
  /** By default asks the kernel; null when it cannot tell. */
  readonly readPeer?: (socket: Socket) => PeerCredentials | null;
  /** From the attempt until the bridge has agreed to talk. */
  readonly connectTimeoutMs?: number;
};

/** What an action must find as it was seen; else nothing is done and it fails with `stale`. */
export type Expectation = {
  /** The window's title, exactly. */
  readonly title?: string;
  /** A text that shows in the window, exactly as it was listed. */
  readonly near?: string;
};

/** A component in a window, both as listed. */
export type Target = { readonly window: string; readonly path: string; readonly expect?: Expectation };

/**
 * An action was carried out. `returned` is false when it is still under way: it opened a modal dialog, which holds it until it closes, or
 * the program takes its time.
 */
export type Acted = { readonly returned: boolean };

export type PingAnswer =
  | { readonly eventThread: 'answers'; readonly roundTripMs: number }
  | { readonly eventThread: 'frozen'; readonly frozenMs: number }
  /** There is nothing that could freeze: no window yet, or none any more. */
  | { readonly eventThread: 'idle' | 'not-started' };

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 2_000;
/** How much longer than the bridge this side waits: an answer that says why is better than none. */
const SLACK_MS = 1_500;

const backOff = (failures: number) => Math.min(5_000, 100 * 2 ** Math.min(failures - 1, 6));

/** Keeps one connection, and opens the next when it ends, until it is closed. */
export class BridgeClient {
  readonly #options: BridgeClientOptions;
  #connection: Connection | null = null;
  #retry: Timer | null = null;
  #failures = 0;
  #state: 'new' | 'running' | 'closed' = 'new';
  readonly #waiting = new Set<{ readonly resolve: () => void; readonly reject: (error: Error) => void }>();

  constructor(options: BridgeClientOptions) {
    this.#options = options;
  }

  /** Starts; a second call does nothing. */
  connect(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    this.#open();
  }

  /** Ends a wait for the next attempt, as when a JVM is known to come up. */
  retryNow(): void {
    if (this.#retry === null) return;
    this.#retry.cancel();
    this.#retry = null;
    this.#open();
  }

  /** Ends for good, without a further observation; requests that wait fail with `lost`. */
  close(): void {
    this.#state = 'closed';
    this.#retry?.cancel();
    this.#retry = null;
    const connection = this.#connection;
    this.#connection = null;
    connection?.drop();
    for (const waiting of this.#waiting) waiting.reject(notConnected());
    this.#waiting.clear();
  }

  /** The bridge that is connected; null while there is none. */
  get hello(): BridgeHello | null {
    return this.#connection?.hello ?? null;
  }

  /** Resolves once a bridge is connected; rejects with BridgeError `not-connected` at the deadline or when closed. */
  whenOpen(deadlineMs: number): Promise<void> {
    if (this.hello !== null) return Promise.resolve();
    if (this.#state === 'closed') return Promise.reject(notConnected());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = { resolve, reject };
    this.#waiting.add(waiting);
    const timer = this.#options.clock.after(deadlineMs, () => reject(notConnected()));
    return promise.finally(() => {
      timer.cancel();
      this.#waiting.delete(waiting);
    });
  }

  /** The showing windows. `window` lists only that one, `components: false` only titles, `rows` is the most rows told of a list. */
  async windows(
    options: { readonly window?: string; readonly components?: boolean; readonly rows?: number } = {},
    timeoutMs = REQUEST_TIMEOUT_MS,
  ): Promise<WindowList> {
    return readWindows(await this.#ask('windows', options, timeoutMs));
  }

  /** A round trip through the event thread, which must come within `timeoutMs`. */
  async ping(timeoutMs = REQUEST_TIMEOUT_MS): Promise<PingAnswer> {
    try {
      const begun = this.#options.clock.monotonicMs();
      const { eventThread } = await this.#ask('ping', {}, timeoutMs);
      if (eventThread === 'idle' || eventThread === 'not-started') return { eventThread };
      return { eventThread: 'answers', roundTripMs: this.#options.clock.monotonicMs() - begun };
    } catch (error) {
      if (!(error instanceof BridgeError) || error.code !== 'frozen') throw error;
      return { eventThread: 'frozen', frozenMs: error.frozenMs ?? timeoutMs };
    }
  }

  /** All threads and where they are; answered also while the event thread is stuck. */
  async threads(timeoutMs = REQUEST_TIMEOUT_MS): Promise<readonly JavaThread[]> {
    return readThreads(await this.#ask('threads', {}, timeoutMs));
  }

  async clock(timeoutMs = REQUEST_TIMEOUT_MS): Promise<JvmClock> {
    return readClock(await this.#ask('clock', {}, timeoutMs));
  }

  /** A picture of a window, passwords and codes painted over; smaller than the window when that is very large. */
  async paint(window: string, timeoutMs = 5_000): Promise<Painting> {
    return readPainting(await this.#ask('paint', { window }, timeoutMs));
  }

  /** Clicks a button, box or menu item that has this text. */
  click(target: Target & { readonly text: string }, timeoutMs = REQUEST_TIMEOUT_MS): Promise<Acted> {
    return this.#act('click', target, timeoutMs);
  }

  /** Replaces the text of an editable field. A secret is given only to a server that is known to be the right one. */
  setText(
    target: Target & { readonly text: string; readonly secret?: boolean },
    timeoutMs = REQUEST_TIMEOUT_MS,
  ): Promise<Acted> {
    return this.#act('set-text', target, timeoutMs, target.secret === true);
  }

  /**
   * Types a code into a field and clicks a button in one turn of the event thread. The field's text is never told afterwards. A title or
   * a text must be expected.
   */
  typeCode(
    target: Target & {
      readonly expect: Expectation;
      readonly code: string;
      readonly button: string;
      readonly buttonText: string;
    },
    timeoutMs = REQUEST_TIMEOUT_MS,
  ): Promise<Acted> {
    return this.#act('type-code', target, timeoutMs, true);
  }

  /** Selects a row of a list, combo box, tree, table or row of tabs, if it has this text. `expand` unfolds a tree's row. */
  selectRow(
    target: Target & { readonly row: number; readonly text: string; readonly expand?: boolean },
    timeoutMs = REQUEST_TIMEOUT_MS,
  ): Promise<Acted> {
    return this.#act('select-row', target, timeoutMs);
  }

  /** Asks a window of this title to close, as the close button of its frame would. */
  closeWindow(
    target: { readonly window: string; readonly title: string },
    timeoutMs = REQUEST_TIMEOUT_MS,
  ): Promise<Acted> {
    return this.#act('close-window', target, timeoutMs);
  }

  /** Chooses from a window's menu bar: texts of the menus, then of the item. */
  menu(
    target: { readonly window: string; readonly items: readonly string[]; readonly expect?: Expectation },
    timeoutMs = REQUEST_TIMEOUT_MS,
  ): Promise<Acted> {
    return this.#act('menu', target, timeoutMs);
  }

  async #act(op: string, target: object, timeoutMs: number, secret = false): Promise<Acted> {
    const { returned } = await this.#ask(op, target, timeoutMs, secret);
    return { returned: returned === true };
  }

  #ask(op: string, members: object, timeoutMs: number, secret = false): Promise<Json> {
    const connection = this.#connection;
    if (connection === null || connection.hello === null) return Promise.reject(notConnected());
    return connection.ask(op, { ...members, timeoutMs }, timeoutMs + SLACK_MS, secret);
  }

  #open(): void {
    const connection = new Connection(
      this.#options,
      (observation) => {
        if (this.#connection !== connection) return;
        if (observation.kind === 'open') this.#opened();
        this.#options.observe?.(observation);
      },
      () => {
        if (this.#connection !== connection) return;
        this.#connection = null;
        this.#failures++;
        const delay = (this.#options.reconnectDelayMs ?? backOff)(this.#failures);
        this.#retry = this.#options.clock.after(delay, () => {
          this.#retry = null;
          this.#open();
        });
      },
    );
    this.#connection = connection;
    connection.start();
  }

  #opened(): void {
    this.#failures = 0;
    for (const waiting of this.#waiting) waiting.resolve();
    this.#waiting.clear();
  }
}

type Pending = {
  readonly resolve: (answer: Json) => void;
  readonly reject: (error: BridgeError) => void;
  readonly timer: Timer;
};

/** One connection from its attempt to its end. */
class Connection {
  hello: BridgeHello | null = null;
  readonly #options: BridgeClientOptions;
  readonly #observe: (observation: BridgeObservation) => void;
  readonly #ended: () => void;
  readonly #pending = new Map<number, Pending>();
  readonly #socket: Socket;
  #step: Timer | null = null;
  #greeting: BridgeHello | null = null;
  #connected = false;
  #trusted = false;
  #chunks: Buffer[] = [];
  #length = 0;
  #lastId = 0;
  #over = false;

  constructor(
    options: BridgeClientOptions,
    observe: (observation: BridgeObservation) => void,
    ended: () => void,
  ) {
    this.#options = options;
    this.#observe = observe;
    this.#ended = ended;
    this.#socket = connect({ path: options.path });
  }

  start(): void {
    const socket = this.#socket;
    const { clock, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    this.#step = clock.after(connectTimeoutMs, () => {
      if (this.#connected) this.#end('mute');
      else this.#unreachable('ETIMEDOUT');
    });
    socket.on('connect', () => {
      this.#connected = true;
      const peer = (this.#options.readPeer ?? peerCredentials)(socket);
      if (peer !== null && peer.uid !== this.#options.serverUid) this.#end('foreign');
      else this.#trusted = peer !== null;
    });
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => {
      if (this.#connected) this.#end('ended');
      else this.#unreachable(errorCode(error) ?? 'EIO');
    });
    socket.on('close', () => this.#end('ended'));
  }

  ask(op: string, members: object, deadlineMs: number, secret: boolean): Promise<Json> {
    if (secret && !this.#trusted) {
      const message = 'Which user serves the window bridge cannot be told, so it is given no secret.';
      return Promise.reject(new BridgeError('unknown-server', message));
    }
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<Json>();
    const timer = this.#options.clock.after(deadlineMs, () => {
      this.#pending.delete(id);
      reject(new BridgeError('no-answer', `The window bridge did not answer ${op} within ${deadlineMs} ms.`));
    });
    this.#pending.set(id, { resolve, reject, timer });
    this.#socket.write(`${JSON.stringify({ ...members, id, op })}\n`);
    return promise;
  }

  /** Ends without telling the client. */
  drop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#step?.cancel();
    this.#socket.removeAllListeners();
    // Without a listener a late error would end the process.
    this.#socket.on('error', () => {});
    this.#socket.destroy();
    this.#chunks = [];
    for (const { reject, timer } of this.#pending.values()) {
      timer.cancel();
      reject(new BridgeError('lost', 'The connection to the window bridge ended before the answer.'));
    }
    this.#pending.clear();
  }

  #unreachable(code: string): void {
    if (this.#over) return;
    this.drop();
    this.#observe({ kind: 'unreachable', code });
    this.#ended();
  }

  #end(reason: BridgeCloseReason): void {
    if (this.#over) return;
    const wasOpen = this.hello !== null;
    this.hello = null;
    this.drop();
    this.#observe({ kind: 'closed', reason, wasOpen });
    this.#ended();
  }

  #take(chunk: Buffer): void {
    let from = 0;
    while (!this.#over) {
      const end = chunk.indexOf(0x0a, from);
      const part = chunk.subarray(from, end === -1 ? chunk.length : end);
      this.#length += part.length;
      if (this.#length > LONGEST_LINE) {
        this.#end('garbage');
        return;
      }
      this.#chunks.push(part);
      if (end === -1) return;
      const line = Buffer.concat(this.#chunks).toString('utf8');
      this.#chunks = [];
      this.#length = 0;
      from = end + 1;
      try {
        this.#line(parseLine(line));
      } catch {
        this.#end('garbage');
      }
    }
  }

  #line(line: Json): void {
    if (this.#greeting === null) {
      this.#greet(line);
      return;
    }
    const { id } = line;
    if (typeof id !== 'number') {
      const event = readEvent(line);
      if (event !== null && this.hello !== null) this.#observe({ kind: 'event', event });
      return;
    }
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.timer.cancel();
    if (line['ok'] === true) pending.resolve(line);
    else pending.reject(readError(line));
  }

  #greet(line: Json): void {
    if (line['ok'] === false) {
      this.#end('refused');
      return;
    }
    this.#greeting = readHello(line);
    if (!BRIDGE_PROTOCOLS.includes(this.#greeting.protocol)) {
      this.#end('version');
      return;
    }
    this.#agree(this.#greeting).catch((error: unknown) => {
      // When it was closed meanwhile there is nothing left to say.
      const code = error instanceof BridgeError ? error.code : 'garbage';
      this.#end(code === 'version-mismatch' ? 'version' : code === 'no-answer' ? 'mute' : 'garbage');
    });
  }

  async #agree(greeting: BridgeHello): Promise<void> {
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS, events = false } = this.#options;
    await this.ask('hello', { protocols: BRIDGE_PROTOCOLS }, connectTimeoutMs, false);
    if (this.#over) return;
    this.#step?.cancel();
    this.hello = greeting;
    this.#observe({ kind: 'open', hello: greeting });
    if (events && !this.#over) await this.ask('subscribe', {}, connectTimeoutMs, false);
  }
}

function notConnected(): BridgeError {
  return new BridgeError('not-connected', 'There is no window bridge to ask: no JVM runs, or it has none.');
}
