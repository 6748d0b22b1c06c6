// Owns the client's end of the control socket. ibctl loads it at every start: no zod, no node-ipc, nothing that takes time to load.

import { statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { type Clock, delay, isoTime, type Timer } from '../host/clock.ts';
import { errorCode } from '../host/files.ts';
import type { Access, ClientMessage } from '../protocol/envelope.ts';
import { AgentError, isErrorCode, type WireError } from '../protocol/errors.ts';
import { encodeFrame, FrameDecoder, FrameError } from '../protocol/framing.ts';
import type { METHODS, MethodName, ParamsIn, ResultOf, StreamOf } from '../protocol/methods.ts';
import { PROTOCOL_VERSION } from '../protocol/version.ts';

export type ConnectOptions = {
  /** How long an agent that is there may take to accept and say hello. */
  readonly deadlineMs: number;
  /** How long an agent that is not there, but may be coming back, is waited for before that; 0: not at all. Default 2,000. */
  readonly retryMs?: number;
  readonly clock: Clock;
  /** What the client calls itself, such as `ibctl 0.1.0`. */
  readonly client: string;
};

export type CallOptions<M extends MethodName> = {
  /** Gets each item of the method's stream, in order. What it throws ends the call with that error. */
  readonly onEvent?: (event: StreamOf<M>) => void;
  /** Aborting cancels the call: AgentError `cancelled`. */
  readonly signal?: AbortSignal;
  /** How long the call may take in all: AgentError `timed-out`. Without it, as long as the agent takes. */
  readonly deadlineMs?: number;
  /**
   * Gives the parameters for the repetition of a call after the agent came back, so that a stream goes on where it was. Without it
   * a call is repeated with the same ones, and only while nothing of its stream has been delivered.
   */
  readonly onRepeat?: () => ParamsIn<M>;
};

/** A connection to the agent, made again by itself when the agent restarts. */
export type ControlClient = {
  readonly agentVersion: string;
  /** What this user may do. */
  readonly access: Access;
  /**
   * Calls a method. Rejects with AgentError: the agent's own answer, or `connection-lost`, `agent-unreachable`, `timed-out`,
   * `cancelled`, `frame-too-large`. A call that only looks is repeated when the agent restarts under it (streams: see
   * {@link CallOptions.onRepeat}), and one that operates as well: the agent tells by `askedAt` what it has carried out already.
   */
  call<M extends MethodName>(method: M, params: ParamsIn<M>, options?: CallOptions<M>): Promise<ResultOf<M>>;
  /** Closes the connection; running calls end with `connection-lost`. Idempotent. */
  close(): void;
};

/** The access of each method, without loading the table; the compiler compares it with the table. */
const METHOD_ACCESS: { readonly [M in MethodName]: (typeof METHODS)[M]['access'] } = {
  status: 'observe',
  login: 'operate',
  start: 'operate',
  stop: 'operate',
  restart: 'operate',
  wait: 'observe',
  events: 'observe',
  logs: 'observe',
  plan: 'observe',
  'notify-list': 'observe',
  'notify-test': 'operate',
  windows: 'observe',
  code: 'operate',
  'window-click': 'operate',
  screenshot: 'operate',
  'second-factor-resend': 'operate',
};

const RETRY_MS = 2_000;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 200;
/** A repeated call whose connection ends sooner than this has not got on. */
const SHORT_LIFE_MS = 5_000;
const MAX_SHORT_LIVES = 3;
/** Requests on their way at once; below the agent's limit, so that a caller need not count. */
const MAX_IN_FLIGHT = 48;

/**
 * Connects and says hello. Throws AgentError: `agent-unreachable` (nothing answers), `not-allowed`, `version-mismatch`,
 * `too-many-connections`, `connection-lost` (closed before the hello), `timed-out` (no hello), `bad-frame` (no agent).
 */
export async function connectControl(path: string, options: ConnectOptions): Promise<ControlClient> {
  const client = new SocketClient(path, options);
  await client.connection();
  return client;
}

class SocketClient implements ControlClient {
  readonly #path: string;
  readonly #options: ConnectOptions;
  #connection: Promise<Connection> | null = null;
  #hello: Hello | null = null;
  #inFlight = 0;
  readonly #queue: (() => void)[] = [];
  readonly #closed = new AbortController();

  constructor(path: string, options: ConnectOptions) {
    this.#path = path;
    this.#options = options;
  }

  get agentVersion(): string {
    return this.#hello?.agentVersion ?? '';
  }

  get access(): Access {
    return this.#hello?.access ?? 'observe';
  }

  /** The live connection, or a new one; callers at the same time share it. */
  connection(): Promise<Connection> {
    this.#connection ??= this.#connect();
    return this.#connection;
  }

  async call<M extends MethodName>(
    method: M,
    params: ParamsIn<M>,
    options: CallOptions<M> = {},
  ): Promise<ResultOf<M>> {
    const { signal, deadlineMs, onEvent } = options;
    // One signal for all that may end the call from this side; its reason is the error to throw.
    const end = new AbortController();
    const onAbort = () => end.abort(new AgentError('cancelled', 'the call was cancelled'));
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer =
      deadlineMs === undefined
        ? null
        : this.#options.clock.after(deadlineMs, () => end.abort(timedOut(method, deadlineMs)));
    try {
      await this.#takeSlot(end.signal);
      try {
        return await this.#callWithRepeats(method, params, options, end.signal, onEvent);
      } finally {
        this.#leaveSlot();
      }
    } finally {
      timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(lostByClose());
    this.#connection?.then(
      (connection) => connection.end(lostByClose()),
      () => {},
    );
  }

  async #callWithRepeats<M extends MethodName>(
    method: M,
    params: ParamsIn<M>,
    options: CallOptions<M>,
    signal: AbortSignal,
    onEvent: ((event: StreamOf<M>) => void) | undefined,
  ): Promise<ResultOf<M>> {
    let current = params;
    let shortLives = 0;
    let delivered = false;
    const askedAt = isoTime(this.#options.clock.now());
    // What the agent sends has the types of the table: contract tests hold it to that, and the schemas would cost ibctl's start.
    const deliver = (event: unknown) => {
      delivered = true;
      onEvent?.(event as StreamOf<M>);
    };
    for (;;) {
      const connection = await abortable(this.connection(), signal);
      const sentMs = this.#options.clock.monotonicMs();
      try {
        return (await connection.request(method, current, deliver, signal)) as ResultOf<M>;
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
        if (this.#closed.signal.aborted) throw error.error;
        // An order is given again with the time it was given first: what was carried out then is only followed.
        const isOrder = METHOD_ACCESS[method] === 'operate';
        if (delivered && !isOrder && options.onRepeat === undefined) throw error.error;
        // A call that itself ends the agent, or a reader too slow for its stream, would otherwise go round for ever.
        shortLives = this.#options.clock.monotonicMs() - sentMs < SHORT_LIFE_MS ? shortLives + 1 : 0;
        if (shortLives > MAX_SHORT_LIVES) throw error.error;
        current = options.onRepeat?.() ?? current;
        if (isOrder && error.taken) current = { ...current, askedAt };
      }
    }
  }

  async #connect(): Promise<Connection> {
    try {
      this.#closed.signal.throwIfAborted();
      const connection = await openWithRetries(this.#path, this.#options, this.#closed.signal);
      this.#hello = connection.hello;
      connection.onEnd(() => {
        this.#connection = null;
      });
      return connection;
    } catch (error) {
      this.#connection = null;
      throw error;
    }
  }

  async #takeSlot(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#inFlight < MAX_IN_FLIGHT) {
      this.#inFlight += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = () => {
        this.#queue.splice(this.#queue.indexOf(enter), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#queue.push(enter);
    });
  }

  /** Hands the place to the next in the queue, if there is one. */
  #leaveSlot(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#inFlight -= 1;
    else next();
  }
}

type Hello = { readonly agentVersion: string; readonly access: Access };

/** A call that ended without an answer from the agent. */
class Interrupted extends Error {
  readonly error: AgentError;
  /** Whether an agent may have begun to serve it. */
  readonly taken: boolean;

  constructor(error: AgentError, taken: boolean) {
    super(error.message);
    this.error = error;
    this.taken = taken;
  }
}

type Pending = {
  readonly onEvent: (event: unknown) => void;
  resolve(result: unknown): void;
  reject(error: Error): void;
};

/** One connection, from hello to its end. */
class Connection {
  readonly hello: Hello;
  readonly #path: string;
  readonly #socket: Socket;
  readonly #pending = new Map<string, Pending>();
  readonly #endListeners: (() => void)[] = [];
  #lastId = 0;
  #ended: AgentError | null = null;

  constructor(path: string, socket: Socket, hello: Hello) {
    this.#path = path;
    this.#socket = socket;
    this.hello = hello;
  }

  request(
    method: string,
    params: unknown,
    onEvent: (event: unknown) => void,
    signal: AbortSignal,
  ): Promise<unknown> {
    if (this.#ended !== null) return Promise.reject(new Interrupted(this.#ended, false));
    this.#lastId += 1;
    const id = String(this.#lastId);
    return new Promise((resolve, reject) => {
      const abandon = () => {
        this.#pending.delete(id);
        this.#write({ kind: 'cancel', id });
        reject(signal.reason);
      };
      const settle = () => {
        this.#pending.delete(id);
        signal.removeEventListener('abort', abandon);
      };
      this.#pending.set(id, {
        onEvent: (event) => {
          try {
            onEvent(event);
          } catch (error) {
            settle();
            this.#write({ kind: 'cancel', id });
            reject(error);
          }
        },
        resolve: (result) => {
          settle();
          resolve(result);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      if (signal.aborted) {
        this.#pending.delete(id);
        reject(signal.reason);
        return;
      }
      signal.addEventListener('abort', abandon, { once: true });
      try {
        this.#write({ kind: 'request', id, method, params });
      } catch (error) {
        settle();
        reject(error);
      }
    });
  }

  receive(message: Record<string, unknown>): void {
    const { kind, id } = message;
    if (kind === 'refused') {
      this.end(readError(message['error']));
      return;
    }
    // An answer to a request that was cancelled here finds nobody, and that is right.
    const pending = typeof id === 'string' ? this.#pending.get(id) : undefined;
    if (pending === undefined) return;
    if (kind === 'event') pending.onEvent(message['event']);
    else if (kind === 'response') {
      if (!('error' in message)) pending.resolve(message['result']);
      else {
        const error = readError(message['error']);
        // Every call that ran when the agent began to stop gets this answer; what came later it marks as not taken.
        if (error.code === 'agent-stopping') {
          pending.reject(new Interrupted(error, error.data?.['taken'] !== false));
          this.end(error);
        } else pending.reject(error);
      }
    }
  }

  /** Ends the connection and all that waits on it. */
  end(error: AgentError): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    this.#socket.destroy();
    for (const listener of this.#endListeners) listener();
    for (const pending of [...this.#pending.values()]) pending.reject(new Interrupted(error, true));
  }

  /** The socket closed without a word. */
  lost(): void {
    this.end(
      new AgentError(
        'connection-lost',
        `the agent closed the connection on ${this.#path} before it answered`,
        {
          hint: 'what was asked may have been begun: look with ibctl status; journalctl -u ib-agent says why the connection ended',
        },
      ),
    );
  }

  onEnd(listener: () => void): void {
    this.#endListeners.push(listener);
  }

  #write(message: ClientMessage): void {
    if (this.#ended !== null) return;
    this.#socket.write(encodeMessage(message));
  }
}

/** Failures to connect that a restart of the agent explains. */
class ComingBack extends Error {
  readonly error: AgentError;

  constructor(error: AgentError) {
    super(error.message);
    this.error = error;
  }
}

async function openWithRetries(
  path: string,
  options: ConnectOptions,
  closed: AbortSignal,
): Promise<Connection> {
  const { clock, retryMs = RETRY_MS } = options;
  const startMs = clock.monotonicMs();
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    try {
      return await open(path, options, closed);
    } catch (error) {
      if (!(error instanceof ComingBack)) throw error;
      const waitMs = pauseMs * (0.5 + Math.random());
      const passedMs = clock.monotonicMs() - startMs + waitMs;
      // Without its runtime directory the agent is not restarting but stopped: systemd removes the one with the other.
      if (passedMs > retryMs || !isDirectory(dirname(path))) throw error.error;
      await delay(clock, waitMs, closed);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }
}

/** One attempt: connect, hello, and the agent's hello. */
function open(path: string, options: ConnectOptions, closed: AbortSignal): Promise<Connection> {
  const { deadlineMs } = options;
  return new Promise((resolve, reject) => {
    const decoder = new FrameDecoder();
    let connection: Connection | null = null;
    let connected = false;
    const socket = connect({ path });
    const timer: Timer = options.clock.after(deadlineMs, () => fail(noHello(path, connected, deadlineMs)));
    const onClosed = () => fail(lostByClose());
    closed.addEventListener('abort', onClosed, { once: true });

    function settle(): void {
      timer.cancel();
      closed.removeEventListener('abort', onClosed);
    }
    function fail(error: Error): void {
      settle();
      socket.destroy();
      reject(error);
    }
    function take(message: unknown): void {
      if (typeof message !== 'object' || message === null) throw new FrameError('not-a-frame');
      const fields = message as Record<string, unknown>;
      if (connection !== null) connection.receive(fields);
      else if (fields['kind'] === 'refused') fail(comingBackIfStopping(readError(fields['error'])));
      else {
        const { kind, protocol, agentVersion, access } = fields;
        if (
          kind !== 'hello' ||
          typeof agentVersion !== 'string' ||
          (access !== 'observe' && access !== 'operate')
        ) {
          throw new FrameError('not-a-frame');
        }
        if (protocol !== PROTOCOL_VERSION) {
          fail(wrongVersion(protocol, agentVersion));
          return;
        }
        settle();
        connection = new Connection(path, socket, { agentVersion, access });
        resolve(connection);
      }
    }

    socket.on('connect', () => {
      connected = true;
      socket.write(encodeMessage({ kind: 'hello', protocol: PROTOCOL_VERSION, client: options.client }));
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of decoder.push(chunk)) take(message);
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
        const foreign = notAnAgent(path, error);
        if (connection === null) fail(foreign);
        else connection.end(foreign);
      }
    });
    // After the connect an error is always followed by 'close', which tells the same.
    socket.on('error', (error) => {
      if (!connected) fail(describeConnectError(path, error));
    });
    socket.on('close', () => {
      if (connection !== null) connection.lost();
      else fail(new ComingBack(closedBeforeHello(path)));
    });
  });
}

function encodeMessage(message: ClientMessage): Buffer {
  try {
    return encodeFrame(message);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new AgentError('frame-too-large', 'the request is larger than the protocol allows', {
      cause: error,
    });
  }
}

/** The agent's error as it is thrown here. A code of a newer agent that this build does not know becomes `internal`. */
function readError(value: unknown): AgentError {
  const wire = (typeof value === 'object' && value !== null ? value : {}) as Partial<WireError>;
  const code: unknown = wire.code;
  const message = typeof wire.message === 'string' ? wire.message : 'the agent gave no reason';
  return new AgentError(isErrorCode(code) ? code : 'internal', message, {
    hint: typeof wire.hint === 'string' ? wire.hint : undefined,
    ...(typeof wire.data === 'object' && wire.data !== null ? { data: wire.data } : {}),
  });
}

function comingBackIfStopping(error: AgentError): Error {
  return error.code === 'agent-stopping' ? new ComingBack(error) : error;
}

function describeConnectError(path: string, cause: Error): Error {
  const code = errorCode(cause);
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    const what = code === 'ENOENT' ? `there is no control socket ${path}` : `nothing answers on ${path}`;
    return new ComingBack(new AgentError('agent-unreachable', what, { hint: START_HINT, cause }));
  }
  if (code === 'EAGAIN') {
    return new ComingBack(
      new AgentError('agent-unreachable', `the agent does not accept connections on ${path} fast enough`, {
        hint: 'too many clients call it at once: try again',
        cause,
      }),
    );
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new AgentError('not-allowed', `this user may not open ${path}`, {
      hint: 'outside systemd only the user who runs ib-agent and root may: run ibctl as that user',
      cause,
    });
  }
  return new AgentError('agent-unreachable', `cannot connect to ${path} (${code ?? cause.message})`, {
    hint: START_HINT,
    cause,
  });
}

const START_HINT =
  'is ib-agent running? start it with: systemctl start ib-agent, or by hand: ib-agent --config FILE';

function noHello(path: string, connected: boolean, deadlineMs: number): AgentError {
  const what = connected
    ? `the agent took the connection on ${path} but did not answer`
    : `${path} did not take the connection`;
  return new AgentError('timed-out', `${what} within ${Math.round(deadlineMs)} ms`, {
    hint: 'journalctl -u ib-agent shows what it is doing',
  });
}

function closedBeforeHello(path: string): AgentError {
  return new AgentError('connection-lost', `the agent closed the connection on ${path} before its hello`, {
    hint: 'it may be stopping, or have too many connections: journalctl -u ib-agent says which',
  });
}

function wrongVersion(protocol: unknown, agentVersion: string): AgentError {
  return new AgentError(
    'version-mismatch',
    `this client speaks protocol ${PROTOCOL_VERSION}, the agent (${agentVersion}) speaks ${String(protocol)}`,
    {
      hint: 'restart the agent so that it runs what is installed: systemctl restart ib-agent',
    },
  );
}

function notAnAgent(path: string, cause: FrameError): AgentError {
  return new AgentError(
    'bad-frame',
    `what answers on ${path} does not speak the control protocol (${cause.problem})`,
    {
      hint: 'check that the path is the control socket of ib-agent',
      cause,
    },
  );
}

function timedOut(method: string, deadlineMs: number): AgentError {
  return new AgentError('timed-out', `${method} was not answered within ${Math.round(deadlineMs)} ms`, {
    hint: 'ibctl status shows how far it is',
  });
}

function lostByClose(): AgentError {
  return new AgentError('connection-lost', 'the connection was closed by the caller');
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** The promise's outcome, or the signal's reason when that comes first. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
