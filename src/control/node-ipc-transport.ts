// Owns node-ipc: the only file that knows it. It frames, bounds and parses; answers and policy are ours.

import type { Server, Socket } from 'node:net';
import nodeIpc, { IPCProtocolError } from 'node-ipc';
import type { Clock, Timer } from '../host/clock.ts';
import { type PeerCredentials, peerCredentials } from '../host/peercred.ts';
import { AgentError } from '../protocol/errors.ts';
import { encodeFrame } from '../protocol/framing.ts';
import { FRAME_TYPE, MAX_FRAME_BYTES } from '../protocol/version.ts';
import {
  type ControlTransport,
  type Peer,
  type PeerEnd,
  TRANSPORT_LIMITS,
  type TransportLimits,
} from './transport.ts';

type IpcServer = Exclude<InstanceType<(typeof nodeIpc)['IPC']>['server'], false>;

/** Where the transport reports dropped peers; payloads are never in it. */
export type TransportLog = (fields: Readonly<Record<string, unknown>>, message: string) => void;

/** Names that node-ipc publishes about its own life; the guarded parser lets no peer send them. */
const LIFE_CYCLE = new Set([
  'start',
  'connect',
  'disconnect',
  'destroy',
  'close',
  'socket.disconnected',
  'error',
  'data',
]);

/** Below this, what waits for one peer is not worth a look at the sum over all. */
const LITTLE_PENDING_BYTES = 64 * 1024;

/** Frames by node-ipc 14 with its guarded parser, over a listening socket of ours. */
export class NodeIpcTransport implements ControlTransport {
  readonly #clock: Clock;
  readonly #limits: TransportLimits;
  readonly #log: TransportLog;
  readonly #ipc: IpcServer;
  readonly #peers = new Map<unknown, NodeIpcPeer>();

  constructor(options: { clock: Clock; limits?: Partial<TransportLimits>; log?: TransportLog }) {
    this.#clock = options.clock;
    this.#limits = { ...TRANSPORT_LIMITS, ...options.limits };
    this.#log = options.log ?? (() => {});
    this.#ipc = createIpcServer(this.#limits);
    // One wildcard listener sees messages of every type, so that a peer with a wrong type gets an answer instead of silence.
    this.#ipc.on('*', (type, ...values) => this.#dispatch(type, values));
  }

  listen(server: Server, onPeer: (peer: Peer) => void): void {
    server.on('connection', (socket: Socket) => {
      const peer = new NodeIpcPeer(socket, {
        ipc: this.#ipc,
        clock: this.#clock,
        closeTimeoutMs: this.#limits.closeTimeoutMs,
        onBacklog: (written) => this.#boundTotal(written),
      });
      this.#peers.set(socket, peer);
      peer.onClose(() => this.#peers.delete(socket));
      this.#guard(peer, () => onPeer(peer));
    });
  }

  close(): void {
    for (const peer of [...this.#peers.values()]) peer.drop('dropped');
  }

  #dispatch(type: unknown, values: readonly unknown[]): void {
    if (typeof type !== 'string') return;
    if (LIFE_CYCLE.has(type)) {
      if (type === 'error' && values[0] instanceof IPCProtocolError) {
        this.#log({ code: values[0].code }, 'a control connection was dropped by its limits or its framing');
      }
      return;
    }
    const [data, socket] = values;
    const peer = this.#peers.get(socket);
    if (peer === undefined) return;
    // node-ipc starts the timer for half a frame once and stops it only at an empty buffer: a busy peer whose chunks never
    // end where a frame ends would be cut off after frameTimeoutMs although each of its frames came at once.
    peer.restartFrameTimer();
    this.#guard(peer, () => peer.receive(type, data));
  }

  /** What a listener throws would leave through the socket's event and end the process. */
  #guard(peer: NodeIpcPeer, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#log({ err: error }, 'a control connection was dropped because its handler failed');
      peer.drop('dropped');
    }
  }

  /** Keeps what waits for all peers together within its limit, at the cost of the one with most waiting. */
  #boundTotal(written: NodeIpcPeer): void {
    let total = 0;
    let worst = written;
    for (const peer of this.#peers.values()) {
      total += peer.pendingBytes;
      if (peer.pendingBytes > worst.pendingBytes) worst = peer;
    }
    if (total <= this.#limits.maxTotalPendingBytes) return;
    this.#log(
      { pid: worst.credentials?.pid, pendingBytes: worst.pendingBytes },
      'a slow control peer was dropped',
    );
    worst.drop('backlog');
  }
}

type PeerParts = {
  readonly ipc: IpcServer;
  readonly clock: Clock;
  readonly closeTimeoutMs: number;
  readonly onBacklog: (peer: NodeIpcPeer) => void;
};

class NodeIpcPeer implements Peer {
  readonly credentials: PeerCredentials | null;
  readonly #socket: Socket;
  readonly #parts: PeerParts;
  readonly #closeListeners: ((end: PeerEnd) => void)[] = [];
  #listener: ((message: unknown) => void) | null = null;
  #cause: PeerEnd | null = null;
  #end: PeerEnd | null = null;
  #closing = false;
  #closeTimer: Timer | null = null;

  constructor(socket: Socket, parts: PeerParts) {
    this.#socket = socket;
    this.#parts = parts;
    this.credentials = peerCredentials(socket);
    socket.on('end', () => this.#blame('closed'));
    // The listener must exist from the first moment: an 'error' that nobody hears ends the process.
    socket.on('error', () => this.#blame('closed'));
    socket.on('close', () => this.#finish());
  }

  /** Bytes that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.#socket.destroyed ? 0 : this.#socket.writableLength;
  }

  send(message: unknown): void {
    if (this.#closing || this.#socket.destroyed) return;
    let frame: Buffer;
    try {
      frame = encodeFrame(message);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new AgentError('frame-too-large', `the answer is larger than ${MAX_FRAME_BYTES} bytes`, {
        hint: 'ask for less at once',
        cause: error,
      });
    }
    // Bytes, not text: a socket counts the waiting characters of text, and node-ipc's bound would be off by up to three times.
    this.#parts.ipc.write(this.#socket, frame);
    if (this.#socket.destroyed) this.#blame('backlog');
    else if (this.pendingBytes > LITTLE_PENDING_BYTES) this.#parts.onBacklog(this);
  }

  close(): void {
    if (this.#closing || this.#socket.destroyed) return;
    this.#closing = true;
    this.#blame('dropped');
    this.#closeTimer = this.#parts.clock.after(this.#parts.closeTimeoutMs, () => this.#socket.destroy());
    this.#socket.end();
    // Reading goes on, into nothing: to a socket that is closed with something unread in it the peer's next write fails, and
    // it loses the answer that waits for it (unix(7) gives ECONNRESET or EPIPE).
    this.#socket.resume();
  }

  /** Ends the connection at once; what was not read by the peer is lost. */
  drop(cause: PeerEnd): void {
    this.#blame(cause);
    this.#socket.destroy();
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#listener = listener;
    if (!this.#socket.destroyed) this.#parts.ipc.addSocket(this.#socket);
  }

  onClose(listener: (end: PeerEnd) => void): void {
    if (this.#end === null) this.#closeListeners.push(listener);
    else listener(this.#end);
  }

  restartFrameTimer(): void {
    this.#parts.ipc.clearMessageTimer(this.#socket);
  }

  /** Takes a parsed frame. Frames behind the one that ended the connection still come out of the same chunk. */
  receive(type: string, data: unknown): void {
    if (this.#closing || this.#socket.destroyed) return;
    if (type === FRAME_TYPE) {
      this.#listener?.(data);
      return;
    }
    const error = new AgentError(
      'bad-frame',
      `a frame of type ${JSON.stringify(type)} came where "${FRAME_TYPE}" is spoken`,
      {
        hint: 'speak to this socket with ibctl, or as docs/protocol.md says',
      },
    );
    this.send({ kind: 'refused', error: error.toWire() });
    this.close();
  }

  #blame(cause: PeerEnd): void {
    this.#cause ??= cause;
  }

  #finish(): void {
    if (this.#end !== null) return;
    this.#closeTimer?.cancel();
    // Neither the peer nor we ended it, so node-ipc did: a frame it does not accept, or half of one for too long.
    this.#end = this.#cause ?? 'violation';
    for (const listener of this.#closeListeners) listener(this.#end);
  }
}

function createIpcServer(limits: TransportLimits): IpcServer {
  // A fresh instance: the package's default export is one for the whole process.
  const ipc = new nodeIpc.IPC();
  Object.assign(ipc.config, {
    parser: 'guarded',
    // With `unlink` node-ipc removes whatever stands at the path, also a socket that systemd bound before.
    unlink: false,
    silent: true,
    logPayloads: false,
    logger: () => {},
    maxMessageSize: MAX_FRAME_BYTES,
    maxPendingBytes: limits.maxPendingBytes,
    messageTimeout: limits.frameTimeoutMs,
  } satisfies Partial<typeof ipc.config>);
  // Builds `ipc.server` and no more. It is never started: the path is not used, listening is ours.
  ipc.serve('ib-agent');
  if (ipc.server === false) throw new Error('node-ipc built no server');
  return ipc.server;
}
