// Owns the small interface between the router and whatever carries its frames, so that the carrier can be replaced in one file.

import type { Server } from 'node:net';
import type { PeerCredentials } from '../host/peercred.ts';

/** Why a peer is no longer there. `backlog`: it did not read what it was sent; `violation`: it sent something that is no frame. */
export type PeerEnd = 'closed' | 'violation' | 'backlog' | 'dropped';

/** One connection, seen from the agent. No method throws but {@link Peer.send}, and no listener may throw: what one throws drops the peer. */
export interface Peer {
  /** Who is at the other end, from the kernel; null when it cannot be known. */
  readonly credentials: PeerCredentials | null;
  /**
   * Sends one message. Throws AgentError `frame-too-large`, and then nothing was sent. A peer that lets too much pile up is dropped;
   * to a peer that is gone nothing is sent.
   */
  send(message: unknown): void;
  /** Ends the connection: what was sent is still delivered, what comes is ignored, and the peer has a while to close its side. Idempotent. */
  close(): void;
  /** Nothing is read from the peer before this is called; once only. */
  onMessage(listener: (message: unknown) => void): void;
  /** Called once when the peer is gone, whoever ended it; at once when it is gone already. */
  onClose(listener: (end: PeerEnd) => void): void;
}

/** Carries frames over the connections of one listening socket. */
export interface ControlTransport {
  /** Serves the connections of a server that listens or is about to; call once. */
  listen(server: Server, onPeer: (peer: Peer) => void): void;
  /** Drops every peer; the listening socket is the caller's. */
  close(): void;
}

export type TransportLimits = {
  /** How long half a frame may wait for its rest. */
  readonly frameTimeoutMs: number;
  /** Bytes that may wait for one peer to read them, beyond what the kernel holds. */
  readonly maxPendingBytes: number;
  /** The same over all peers; when it is passed, the peer with most waiting is dropped. */
  readonly maxTotalPendingBytes: number;
  /** How long a peer that is being closed may take to read what was sent to it, and to close its side. */
  readonly closeTimeoutMs: number;
};

export const TRANSPORT_LIMITS: TransportLimits = {
  frameTimeoutMs: 30_000,
  maxPendingBytes: 8 * 1024 * 1024,
  maxTotalPendingBytes: 64 * 1024 * 1024,
  closeTimeoutMs: 2_000,
};
