// Owns the agent's end of the control socket: who is admitted, how many, and the life of every connection.

import type { Clock } from '../host/clock.ts';
import { nativeProblem } from '../host/ffi.ts';
import type { GroupDatabase, UserGroups } from '../host/groups.ts';
import { AgentError } from '../protocol/errors.ts';
import {
  ACCESS_GROUPS,
  type AccessMode,
  decideAccess,
  needsNoGroups,
  refuseStranger,
  refuseUnknownPeer,
} from './actor.ts';
import { listenControlSocket, type SocketPlace } from './listen.ts';
import {
  type Admitted,
  type ControlLog,
  type Conversation,
  converse,
  type Handlers,
  type OnOperate,
} from './router.ts';
import type { ControlTransport, Peer } from './transport.ts';

export type ServerLimits = {
  /** Connections of all users together. */
  readonly maxConnections: number;
  /** Connections of one user who is neither root nor, outside systemd, the agent's own. */
  readonly maxConnectionsPerUid: number;
  /** How long a peer may be silent before its hello. */
  readonly helloTimeoutMs: number;
  readonly maxRequestsPerConnection: number;
};

export const SERVER_LIMITS: ServerLimits = {
  maxConnections: 1024,
  maxConnectionsPerUid: 128,
  helloTimeoutMs: 10_000,
  maxRequestsPerConnection: 64,
};

/** Room in the listening socket for peers that are told why they are not served. */
const REFUSED_AT_ONCE = 64;

export type ControlServerOptions = {
  readonly place: SocketPlace;
  readonly mode: AccessMode;
  /** The agent's own uid. */
  readonly ownUid: number;
  readonly transport: ControlTransport;
  readonly groups: GroupDatabase;
  readonly clock: Clock;
  readonly log: ControlLog;
  readonly handlers: Handlers;
  readonly onOperate: OnOperate;
  readonly limits?: Partial<ServerLimits>;
  /** Check results and stream items against the table of methods; for tests. */
  readonly checkResults?: boolean;
};

/** The running control socket. */
export type ControlServer = {
  /** Connections served now. */
  connectionCount(): number;
  /** Stops listening, answers running calls with `agent-stopping`, ends every connection, removes the socket file. Idempotent. */
  close(): Promise<void>;
};

/** Listens and serves. Throws AgentError `already-running` or `socket-unusable`; nothing is left behind then. */
export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { clock, log, transport } = options;
  const limits = { ...SERVER_LIMITS, ...options.limits };
  const admission = new Admission(options, limits);
  const peers = new Set<Peer>();
  const conversations = new Map<Peer, Conversation>();
  /** Settled while stopping, when the last peer is gone. */
  const drained = Promise.withResolvers<void>();
  let stopping: Promise<void> | null = null;

  const socket = await listenControlSocket(options.place, clock);
  socket.server.maxConnections = limits.maxConnections + REFUSED_AT_ONCE;
  socket.server.on('error', (error) => log.error({ err: error }, 'accepting a control connection failed'));
  socket.server.on('drop', () => log.warn({}, 'a control connection was dropped: too many are open'));
  transport.listen(socket.server, (peer) => {
    peers.add(peer);
    peer.onClose(() => {
      peers.delete(peer);
      if (stopping !== null && peers.size === 0) drained.resolve();
    });
    const timer = clock.after(limits.helloTimeoutMs, () => {
      log.warn(
        { uid: peer.credentials?.uid, pid: peer.credentials?.pid },
        'a control peer that did not say hello was dropped',
      );
      peer.close();
    });
    peer.onClose(() => timer.cancel());
    admission
      .admit(peer)
      .then((admitted) => {
        const conversation = converse(peer, admitted, {
          handlers: options.handlers,
          log,
          onOperate: options.onOperate,
          maxRequests: limits.maxRequestsPerConnection,
          checkResults: options.checkResults ?? false,
        });
        conversations.set(peer, conversation);
        peer.onClose((end) => {
          conversations.delete(peer);
          conversation.abandon();
          if (end === 'violation' || end === 'backlog') {
            log.warn({ uid: admitted.uid, pid: admitted.pid, end }, 'a control peer was dropped');
          }
        });
        peer.onMessage((message) => {
          // Whatever the first message is, it makes the peer a greeted or a refused one.
          timer.cancel();
          conversation.receive(message);
        });
      })
      .catch((error: unknown) => turnAway(peer, error));
  });

  function turnAway(peer: Peer, error: unknown): void {
    const refusal =
      error instanceof AgentError
        ? error
        : new AgentError('internal', 'the agent cannot tell what this user may do', {
            hint: 'its log says why',
          });
    log.warn(
      { err: error, uid: peer.credentials?.uid, pid: peer.credentials?.pid },
      `control connection refused: ${refusal.message}`,
    );
    peer.send({ kind: 'refused', error: refusal.toWire() });
    peer.close();
  }

  async function stop(): Promise<void> {
    const closing = socket.close();
    const error = new AgentError('agent-stopping', 'the agent is stopping', {
      hint: 'it may be restarting: try again',
    });
    for (const conversation of conversations.values()) conversation.shutDown(error);
    for (const peer of peers) peer.close();
    admission.close();
    // At most closeTimeoutMs of the transport: it gives no peer longer.
    if (peers.size > 0) await drained.promise;
    await closing;
  }

  return {
    connectionCount: () => conversations.size,
    close() {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** Decides about new connections, and counts them for as long as they last. */
class Admission {
  readonly #options: ControlServerOptions;
  readonly #limits: ServerLimits;
  readonly #countByUid = new Map<number, number>();
  #count = 0;
  #warned = false;
  #closed = false;

  constructor(options: ControlServerOptions, limits: ServerLimits) {
    this.#options = options;
    this.#limits = limits;
  }

  /** Rejects with the AgentError to tell the peer. */
  async admit(peer: Peer): Promise<Admitted> {
    const { mode, ownUid, groups } = this.#options;
    this.#takePlace(peer);
    if (peer.credentials === null) return this.#admitUnknown();
    const { uid, gid, pid } = peer.credentials;
    let user: UserGroups = { name: null, groups: [] };
    if (!needsNoGroups({ uid, ownUid, mode })) {
      this.#takePlaceOfUid(peer, uid);
      user = await groups.lookUp(uid, ACCESS_GROUPS);
    }
    if (this.#closed) throw new AgentError('agent-stopping', 'the agent is stopping');
    const access = decideAccess({ uid, ownUid, mode, groups: user.groups });
    if (access === null) throw refuseStranger(uid, user.name);
    return { uid, gid, pid, user: user.name, access };
  }

  /** Admits nobody any more, also none of those that still wait for the user database. */
  close(): void {
    this.#closed = true;
  }

  /** Nobody but the owner and root can open a socket of mode 0600: there the mode vouches for a peer that the kernel does not name. */
  #admitUnknown(): Admitted {
    const { place, mode, log } = this.#options;
    if (!this.#warned) {
      this.#warned = true;
      log.error({ problem: nativeProblem() }, 'peer credentials do not work here');
    }
    if (mode === 'process' && 'mode' in place && place.mode === 0o600) {
      return { uid: null, gid: null, pid: null, user: null, access: 'operate' };
    }
    throw refuseUnknownPeer();
  }

  #takePlace(peer: Peer): void {
    this.#count += 1;
    peer.onClose(() => {
      this.#count -= 1;
    });
    if (this.#count > this.#limits.maxConnections) {
      throw tooMany(`the agent has ${this.#limits.maxConnections} connections open`);
    }
  }

  #takePlaceOfUid(peer: Peer, uid: number): void {
    const count = (this.#countByUid.get(uid) ?? 0) + 1;
    this.#countByUid.set(uid, count);
    peer.onClose(() => {
      const left = (this.#countByUid.get(uid) ?? 1) - 1;
      if (left === 0) this.#countByUid.delete(uid);
      else this.#countByUid.set(uid, left);
    });
    if (count > this.#limits.maxConnectionsPerUid) {
      throw tooMany(`uid ${uid} has ${this.#limits.maxConnectionsPerUid} connections open`);
    }
  }
}

function tooMany(message: string): AgentError {
  return new AgentError('too-many-connections', message, {
    hint: 'close some, or use one connection for several requests',
  });
}
