// Owns the connection to an X server: whose it is, and whether it takes our cookie.

import { connect, type Socket } from 'node:net';
import { type Clock, delay } from '../host/clock.ts';
import { errorCode } from '../host/files.ts';
import { X_SOCKET_DIRECTORY } from './xvfb.ts';

/** Credentials of a socket's other end, taken by the kernel when it listened (SO_PEERCRED, unix(7)); null where they cannot be had. */
export type ReadPeer = (socket: Socket) => { readonly pid: number; readonly uid: number } | null;

/** What one attempt found. Only `ready` is a server that is ours and takes the cookie. */
export type DisplayAnswer =
  | { readonly kind: 'ready'; readonly pid: number }
  /** Nothing listens, or it closed the connection or kept silent. */
  | { readonly kind: 'absent'; readonly detail: string }
  /** The server runs as another user than root or us, or its user cannot be told. It got no byte from us. */
  | { readonly kind: 'foreign'; readonly uid: number | null }
  | { readonly kind: 'refused'; readonly reason: string };

export type DisplayAttempt = {
  readonly number: number;
  readonly cookie: Uint8Array;
  /** The user that the server must run as, unless it is root. */
  readonly uid: number;
  readonly readPeer: ReadPeer;
  readonly clock: Clock;
  /** For the whole attempt. */
  readonly timeoutMs: number;
};

/**
 * Connects once, the way libxcb does: the abstract name first, the path when nothing listens there. The cookie is sent only after the
 * server's user is known to be ours, because whoever owns the abstract name of a display receives its cookies.
 */
export async function tryDisplay(attempt: DisplayAttempt): Promise<DisplayAnswer> {
  const path = `${X_SOCKET_DIRECTORY}/X${attempt.number}`;
  const abstract = await trySocket(`\0${path}`, attempt);
  if (abstract !== 'not-listening') return abstract;
  const byPath = await trySocket(path, attempt);
  return byPath === 'not-listening' ? { kind: 'absent', detail: 'nothing listens there' } : byPath;
}

/** How long to wait between attempts. A new Xvfb takes some 100 ms to listen. */
const POLL_MS = 15;
const ATTEMPT_MS = 5_000;
/** Also for the attempt that the deadline cuts short: a healthy server must not look silent. */
const SHORTEST_ATTEMPT_MS = 250;

export type DisplayWait = Omit<DisplayAttempt, 'number' | 'cookie' | 'timeoutMs'> & {
  /** Number and cookie as they are published now; null while they are not. They change when the display is started again. */
  readonly readTarget: () => { readonly number: number; readonly cookie: Uint8Array } | null;
  readonly deadlineMs: number;
};

/** What the wait ended with: `number` of the ready display, or the last answer when the deadline came first (null: nothing was published). */
export type DisplayOutcome =
  | { readonly kind: 'ready'; readonly number: number; readonly pid: number }
  | { readonly kind: 'failed'; readonly number: number | null; readonly answer: DisplayAnswer | null };

/**
 * Waits until the published display is ready, for at most `deadlineMs`. Every other answer is tried again: the display may be starting at
 * the same time, with the record of the run before still in place.
 */
export async function connectDisplay(wait: DisplayWait): Promise<DisplayOutcome> {
  const { clock } = wait;
  const end = clock.monotonicMs() + wait.deadlineMs;
  let number: number | null = null;
  let answer: DisplayAnswer | null = null;
  for (;;) {
    const target = wait.readTarget();
    if (target !== null) {
      number = target.number;
      const timeoutMs = Math.max(SHORTEST_ATTEMPT_MS, Math.min(ATTEMPT_MS, end - clock.monotonicMs()));
      answer = await tryDisplay({ ...wait, ...target, timeoutMs });
      if (answer.kind === 'ready') return { kind: 'ready', number, pid: answer.pid };
    }
    const left = end - clock.monotonicMs();
    if (left <= 0) return { kind: 'failed', number, answer };
    await delay(clock, Math.min(POLL_MS, left));
  }
}

function trySocket(path: string, attempt: DisplayAttempt): Promise<DisplayAnswer | 'not-listening'> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const finish = (answer: DisplayAnswer | 'not-listening') => {
      timer.cancel();
      socket.removeAllListeners();
      // Errors after the answer (a reset on close) concern nobody.
      socket.on('error', () => {});
      socket.destroy();
      resolve(answer);
    };
    const timer = attempt.clock.after(attempt.timeoutMs, () =>
      finish({ kind: 'absent', detail: 'it did not answer in time' }),
    );
    let received = Buffer.alloc(0);
    socket.on('connect', () => {
      const peer = attempt.readPeer(socket);
      if (peer === null || (peer.uid !== 0 && peer.uid !== attempt.uid)) {
        finish({ kind: 'foreign', uid: peer?.uid ?? null });
        return;
      }
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        const answer = readSetupReply(received, peer.pid);
        if (answer !== null) finish(answer);
      });
      socket.write(encodeSetup(attempt.cookie));
    });
    socket.on('error', (error) => {
      const code = errorCode(error);
      const missing = code === 'ECONNREFUSED' || code === 'ENOENT';
      finish(missing ? 'not-listening' : { kind: 'absent', detail: code ?? 'error' });
    });
    socket.on('close', () => finish({ kind: 'absent', detail: 'it closed the connection' }));
  });
}

const AUTHORIZATION = Buffer.from('MIT-MAGIC-COOKIE-1');

/** The connection setup request of the X protocol, version 11.0, little-endian (X Window System Protocol, "Connection Setup"). */
function encodeSetup(cookie: Uint8Array): Buffer {
  const head = Buffer.alloc(12);
  head.write('l', 0, 'latin1');
  head.writeUInt16LE(11, 2);
  head.writeUInt16LE(AUTHORIZATION.length, 6);
  head.writeUInt16LE(cookie.length, 8);
  return Buffer.concat([head, padTo4(AUTHORIZATION), padTo4(cookie)]);
}

/** The answer in the server's first bytes; null while more are needed. */
function readSetupReply(bytes: Buffer, pid: number): DisplayAnswer | null {
  if (bytes.length < 8) return null;
  const status = bytes[0];
  if (status === 1) return { kind: 'ready', pid };
  const length = 8 + 4 * bytes.readUInt16LE(6);
  if (bytes.length < length) return null;
  // "Failed" gives the reason's length; "Authenticate" (2) pads it with zeros.
  const end = status === 0 ? 8 + (bytes[1] ?? 0) : length;
  const reason = bytes
    .toString('latin1', 8, end)
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim();
  return { kind: 'refused', reason: reason === '' ? `setup status ${status}` : reason };
}

function padTo4(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
