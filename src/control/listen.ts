// Owns the control socket as a file: whose it is, its mode, and that nothing else is ever removed from its place.

import { chmodSync, linkSync, lstatSync, rmSync, type Stats, unlinkSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import type { Clock } from '../host/clock.ts';
import { errorCode } from '../host/files.ts';
import { AgentError } from '../protocol/errors.ts';

/** Where to listen: a path with the mode its socket gets, or a descriptor that somebody else (systemd) has bound and owns. */
export type SocketPlace = { readonly path: string; readonly mode: 0o600 | 0o666 } | { readonly fd: number };

/** A listening control socket. */
export type ListeningSocket = {
  readonly server: Server;
  /** Stops listening and removes the socket file, unless by now it is another's. The peers are the caller's to end. */
  close(): Promise<void>;
};

/** sun_path of unix(7) holds 108 bytes with the final zero. */
const LONGEST_PATH_BYTES = 107;
const BACKLOG = 1024;
const PROBE_MS = 2_000;

/**
 * Listens. A live agent at the path is AgentError `already-running`; a socket that nobody answers on is replaced; anything else
 * at the path, or a directory that cannot be used, is `socket-unusable`.
 */
export async function listenControlSocket(place: SocketPlace, clock: Clock): Promise<ListeningSocket> {
  const server = createServer();
  if ('fd' in place) {
    await listening(server, () => server.listen({ fd: place.fd }), `descriptor ${place.fd}`);
    return { server, close: () => closed(server) };
  }
  const { path, mode } = place;
  if (Buffer.byteLength(path) > LONGEST_PATH_BYTES) {
    throw unusable(
      path,
      `its path is longer than the ${LONGEST_PATH_BYTES} bytes a socket may have`,
      'choose a shorter runtime directory',
    );
  }
  await removeStale(path, clock);
  // Shorter than any name but one of a single letter or two, so that it fits where the path does.
  const bound = join(dirname(path), `.${process.pid.toString(36)}`);
  rmSync(bound, { force: true });
  await listening(server, () => bindPrivately(server, bound), path);
  try {
    publish(bound, path, mode);
  } catch (error) {
    server.close();
    throw error;
  }
  const own = lstatOrNull(path);
  return { server, close: () => release(server, path, own) };
}

/**
 * Gives the socket its mode, then its name, in this order: a caller who comes in between finds nothing, which he waits out, and never a
 * socket that he may not open. Widening by a umask would for a moment count for every file the process makes.
 */
function publish(bound: string, path: string, mode: number): void {
  try {
    chmodSync(bound, mode);
    linkSync(bound, path);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') throw justTaken(path, error);
    throw unusable(
      path,
      `it cannot be given its mode and name (${errorCode(error) ?? error})`,
      'something removes files there; look who does',
      error,
    );
  } finally {
    rmSync(bound, { force: true });
  }
}

/** bind(2) takes the mode from the umask: with 0177 no other user can connect before the mode is what it should be. */
function bindPrivately(server: Server, path: string): void {
  const umask = process.umask(0o177);
  try {
    // Node binds a path before listen() returns.
    server.listen({ path, backlog: BACKLOG });
  } finally {
    process.umask(umask);
  }
}

async function removeStale(path: string, clock: Clock): Promise<void> {
  const found = lookAt(path);
  if (found === null) return;
  if (!found.isSocket()) {
    throw unusable(
      path,
      'something that is no socket stands there',
      'it is not removed: look what it is, and move it away',
    );
  }
  const answer = await probe(path, clock);
  if (answer === 'alive') {
    throw new AgentError('already-running', `an agent already answers on ${path}`, {
      hint: 'stop it first (systemctl stop ib-agent), or give this one another runtime directory',
    });
  }
  if (answer !== 'dead') {
    throw unusable(path, `the socket there cannot be tried (${answer})`, 'check who owns it');
  }
  const now = lookAt(path);
  if (now === null) return;
  // Another agent may have taken the place while this one asked.
  // The change time too: the number of a removed file may be given to the next.
  if (!isSame(found, now) || found.ctimeMs !== now.ctimeMs) {
    throw justTaken(path);
  }
  try {
    unlinkSync(path);
  } catch (error) {
    throw unusable(
      path,
      `the socket of an agent that is gone cannot be removed (${errorCode(error) ?? error})`,
      ownerHint(path),
      error,
    );
  }
}

/** `alive`, `dead`, or the code of the error that leaves it open. An agent that is too busy to accept is alive. */
function probe(path: string, clock: Clock): Promise<string> {
  return new Promise((resolve) => {
    const finish = (answer: string) => {
      timer.cancel();
      socket.destroy();
      resolve(answer);
    };
    const socket = connect({ path });
    const timer = clock.after(PROBE_MS, () => finish('alive'));
    socket.on('connect', () => finish('alive'));
    socket.on('error', (error) => {
      const code = errorCode(error);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') finish('dead');
      else finish(code === 'EAGAIN' ? 'alive' : (code ?? String(error)));
    });
  });
}

function listening(server: Server, listen: () => void, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const code = errorCode(error);
      if (code === 'EADDRINUSE') {
        reject(justTaken(where, error));
      } else reject(unusable(where, `listening failed (${code ?? error.message})`, ownerHint(where), error));
    });
    server.once('listening', () => {
      server.removeAllListeners('error');
      resolve();
    });
    listen();
  });
}

/** Removes the name, unless by now it is another's. */
function release(server: Server, path: string, own: Stats | null): Promise<void> {
  const now = lstatOrNull(path);
  if (own !== null && now !== null && isSame(own, now)) rmSync(path, { force: true });
  return closed(server);
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function lookAt(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return null;
    throw unusable(path, `its place cannot be looked at (${code ?? error})`, ownerHint(path), error);
  }
}

function lstatOrNull(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}

function isSame(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

function justTaken(where: string, cause?: unknown): AgentError {
  return new AgentError('already-running', `another agent has just begun to listen on ${where}`, {
    hint: 'start only one agent for one runtime directory',
    cause,
  });
}

function ownerHint(path: string): string {
  return `${dirname(path)} must exist and belong to the user that runs ib-agent`;
}

function unusable(path: string, why: string, hint: string, cause?: unknown): AgentError {
  return new AgentError('socket-unusable', `cannot listen on ${path}: ${why}`, { hint, cause });
}
