// Owns the standing connection to a gateway's TWS API: what it proves of the session's health, and how it fails.

import { connect, type Socket } from 'node:net';
import type { Clock, Timer } from '../host/clock.ts';
import { ownerOfLoopbackServer, type TcpOwner } from '../host/tcp-owner.ts';
import {
  encodeCurrentTimeRequest,
  encodeHello,
  encodeStartApi,
  FrameReader,
  GarbageError,
  isReadableVersion,
  readHandshake,
  readMessage,
  type TwsMessage,
} from './tws-codec.ts';

/**
 * Why a connection that stood was given up: `ended` by the server, `reset` by it or by the system, `mute` (no handshake),
 * `garbage` (no TWS API), `unsupported-version`, `unresponsive` (no answers any more), `foreign` (another user's program is on the port:
 * loopback belongs to everybody, and what it says of the session proves nothing).
 */
export type TwsCloseReason =
  | 'ended'
  | 'reset'
  | 'mute'
  | 'garbage'
  | 'unsupported-version'
  | 'unresponsive'
  | 'foreign';

/** What the connection shows, in the order it happens. */
export type TwsObservation =
  /** TCP only: it proves nothing yet. */
  | { readonly kind: 'connected' }
  /** No TCP connection. `code` is the system's, such as `ECONNREFUSED`, or `ETIMEDOUT`. */
  | { readonly kind: 'unreachable'; readonly code: string }
  /** The port accepts and says nothing; `closed` follows. */
  | { readonly kind: 'mute'; readonly afterMs: number }
  | { readonly kind: 'handshake'; readonly serverVersion: number; readonly connectionTime: string }
  /** The handshake stands but no accounts came in time. Said once a connection, which stays open: they may still come. */
  | { readonly kind: 'no-accounts'; readonly afterMs: number }
  /** Full account ids. */
  | Exclude<TwsMessage, { readonly kind: 'current-time' }>
  /** Round trip of one request. */
  | { readonly kind: 'latency'; readonly ms: number }
  /** The request sent `sinceMs` ago has no answer. `latency` follows if it comes, `closed` if it does not. */
  | { readonly kind: 'unresponsive'; readonly sinceMs: number }
  | { readonly kind: 'closed'; readonly reason: TwsCloseReason };

export type TwsApiOptions = {
  /** On 127.0.0.1, the only host this client ever talks to. */
  readonly port: number;
  readonly clientId: number;
  readonly clock: Clock;
  /** Called for each observation, never after `close()`. Must not throw. */
  readonly observe: (observation: TwsObservation) => void;
  /** Milliseconds until the next attempt, asked after each end; `failures` counts attempts since the last accounts, from 1. */
  readonly reconnectDelayMs: (failures: number) => number;
  /** The user that the gateway runs as, by default ours. A server of another user, unless root, is not believed. */
  readonly serverUid?: number;
  /** By default asks the kernel. */
  readonly readOwner?: (localPort: number, port: number) => TcpOwner;
  /** From the attempt until TCP stands. A full backlog drops attempts in silence. */
  readonly connectTimeoutMs?: number;
  /** From TCP until the server's version. */
  readonly handshakeTimeoutMs?: number;
  /** From the handshake until the accounts. */
  readonly accountsTimeoutMs?: number;
  /** Between two requests for the time. */
  readonly intervalMs?: number;
  /** Until a request counts as unanswered; after as long again the connection is given up. */
  readonly answerTimeoutMs?: number;
};

const DEFAULTS = {
  connectTimeoutMs: 5_000,
  handshakeTimeoutMs: 5_000,
  accountsTimeoutMs: 15_000,
  intervalMs: 10_000,
  answerTimeoutMs: 10_000,
} as const;

/** Keeps one connection to the gateway, and opens the next one when it ends, until it is closed. */
export class TwsApiClient {
  readonly #options: TwsApiOptions;
  #connection: Connection | null = null;
  #retry: Timer | null = null;
  #failures = 0;
  #state: 'new' | 'running' | 'closed' = 'new';

  constructor(options: TwsApiOptions) {
    this.#options = options;
  }

  /** Starts; a second call does nothing. */
  connect(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    this.#open();
  }

  /** Ends a wait for the next attempt, as when the gateway is known to come up. No effect while a connection stands. */
  retryNow(): void {
    if (this.#retry === null) return;
    this.#retry.cancel();
    this.#retry = null;
    this.#open();
  }

  /** Ends for good, without a further observation; a second call does nothing. */
  close(): void {
    this.#state = 'closed';
    this.#retry?.cancel();
    this.#retry = null;
    this.#connection?.drop();
    this.#connection = null;
  }

  #open(): void {
    const connection = new Connection(
      { ...DEFAULTS, ...this.#options },
      (observation) => {
        if (this.#connection !== connection) return;
        if (observation.kind === 'accounts') this.#failures = 0;
        this.#options.observe(observation);
      },
      () => {
        // The observer may have closed us.
        if (this.#connection !== connection) return;
        this.#connection = null;
        this.#scheduleRetry();
      },
    );
    this.#connection = connection;
    connection.start();
  }

  #scheduleRetry(): void {
    this.#failures++;
    this.#retry = this.#options.clock.after(this.#options.reconnectDelayMs(this.#failures), () => {
      this.#retry = null;
      this.#open();
    });
  }
}

/** One TCP connection from its attempt to its end. */
class Connection {
  readonly #options: TwsApiOptions & Required<Pick<TwsApiOptions, keyof typeof DEFAULTS>>;
  readonly #observe: (observation: TwsObservation) => void;
  readonly #ended: () => void;
  readonly #reader = new FrameReader();
  #socket: Socket | null = null;
  /** The step that is waited for: connect, handshake, accounts. */
  #step: Timer | null = null;
  /** The next request, or the answer to the last one. */
  #beat: Timer | null = null;
  #connected = false;
  #serverVersion: number | null = null;
  #accounts = false;
  #askedAt: number | null = null;
  #done = false;

  constructor(
    options: TwsApiOptions & Required<Pick<TwsApiOptions, keyof typeof DEFAULTS>>,
    observe: (observation: TwsObservation) => void,
    ended: () => void,
  ) {
    this.#options = options;
    this.#observe = observe;
    this.#ended = ended;
  }

  start(): void {
    const { clock, port, connectTimeoutMs } = this.#options;
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket = socket;
    this.#step = clock.after(connectTimeoutMs, () => this.#fail('ETIMEDOUT'));
    socket.on('connect', () => this.#onConnect());
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(error.code ?? error.name));
    socket.on('end', () => this.#end('ended'));
    socket.on('close', () => this.#end('reset'));
  }

  /** Ends without a word. */
  drop(): void {
    this.#done = true;
    this.#step?.cancel();
    this.#beat?.cancel();
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.removeAllListeners();
    // Without a listener an error that comes after this would end the process.
    socket.on('error', () => {});
    socket.destroy();
  }

  #onConnect(): void {
    const { clock, handshakeTimeoutMs } = this.#options;
    this.#connected = true;
    this.#step?.cancel();
    this.#step = clock.after(handshakeTimeoutMs, () => {
      this.#tell({ kind: 'mute', afterMs: handshakeTimeoutMs });
      this.#end('mute');
    });
    this.#socket?.write(encodeHello());
    this.#tell({ kind: 'connected' });
  }

  #onData(chunk: Buffer): void {
    let messages: string[][];
    try {
      messages = this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof GarbageError)) throw error;
      this.#end('garbage');
      return;
    }
    for (const fields of messages) {
      if (this.#done) return;
      if (this.#serverVersion === null) this.#onHandshake(fields);
      else this.#onMessage(fields, this.#serverVersion);
    }
  }

  #onHandshake(fields: readonly string[]): void {
    const handshake = readHandshake(fields);
    if (handshake === null) {
      this.#end('garbage');
      return;
    }
    // Now that the server has spoken it has accepted, and the kernel knows whose it is.
    const distrust = this.#findDistrust();
    if (distrust !== null) {
      this.#end(distrust);
      return;
    }
    if (!isReadableVersion(handshake.serverVersion)) {
      this.#end('unsupported-version');
      return;
    }
    const { clock, clientId, accountsTimeoutMs } = this.#options;
    this.#serverVersion = handshake.serverVersion;
    this.#step?.cancel();
    this.#step = clock.after(accountsTimeoutMs, () => {
      this.#tell({ kind: 'no-accounts', afterMs: accountsTimeoutMs });
      // Silence after the handshake may also be a dead peer: only an answer tells.
      if (!this.#done) this.#ask();
    });
    this.#socket?.write(encodeStartApi(clientId));
    this.#tell({ kind: 'handshake', ...handshake });
  }

  /** Why the server is not to be believed; null when it is the gateway's user's or the kernel's table cannot be had. */
  #findDistrust(): TwsCloseReason | null {
    const { port, readOwner = ownerOfLoopbackServer, serverUid = process.getuid?.() } = this.#options;
    const localPort = this.#socket?.localPort;
    if (localPort === undefined) return 'reset';
    const owner = readOwner(localPort, port);
    if (owner.kind === 'gone') return 'reset';
    if (owner.kind === 'unknown' || owner.uid === 0 || owner.uid === serverUid) return null;
    return 'foreign';
  }

  #onMessage(fields: readonly string[], serverVersion: number): void {
    const message = readMessage(fields, serverVersion);
    if (message === null) return;
    if (message.kind === 'current-time') {
      this.#onAnswer();
      return;
    }
    if (message.kind === 'accounts') {
      // An empty list is no account, and no proof.
      if (message.accounts.length === 0) return;
      this.#accounts = true;
      this.#step?.cancel();
    }
    this.#tell(message);
    // Requests before the server is ready for them are dropped by it; either message says that it is.
    if (this.#done || this.#beat !== null || this.#askedAt !== null) return;
    if (this.#accounts || message.kind === 'next-valid-id') this.#ask();
  }

  #ask(): void {
    if (this.#askedAt !== null) return;
    const { clock, answerTimeoutMs } = this.#options;
    this.#beat?.cancel();
    this.#askedAt = clock.monotonicMs();
    this.#socket?.write(encodeCurrentTimeRequest());
    this.#beat = clock.after(answerTimeoutMs, () => {
      this.#tell({ kind: 'unresponsive', sinceMs: answerTimeoutMs });
      if (this.#done) return;
      this.#beat = clock.after(answerTimeoutMs, () => this.#end('unresponsive'));
    });
  }

  #onAnswer(): void {
    // An answer that nobody asked for measures nothing.
    if (this.#askedAt === null) return;
    const { clock, intervalMs } = this.#options;
    const ms = clock.monotonicMs() - this.#askedAt;
    this.#askedAt = null;
    this.#beat?.cancel();
    this.#beat = clock.after(intervalMs, () => this.#ask());
    this.#tell({ kind: 'latency', ms });
  }

  #tell(observation: TwsObservation): void {
    if (!this.#done) this.#observe(observation);
  }

  #fail(code: string): void {
    if (this.#connected) {
      this.#end('reset');
      return;
    }
    this.#tell({ kind: 'unreachable', code });
    this.#finish();
  }

  #end(reason: TwsCloseReason): void {
    this.#tell({ kind: 'closed', reason });
    this.#finish();
  }

  #finish(): void {
    if (this.#done) return;
    this.drop();
    this.#ended();
  }
}
