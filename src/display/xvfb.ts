// Owns how Xvfb is started: where it is, which display number is free, and its argument list.

import { accessSync, constants, lstatSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionConfig } from '../config/types.ts';

export const X_SOCKET_DIRECTORY = '/tmp/.X11-unix';

/** Numbers tried: above those of desktops, ssh (10 and up) and hand-started servers. */
const FIRST_NUMBER = 100;
const NUMBER_COUNT = 900;

/** The executable in a PATH text, or null. */
export function findXvfb(searchPath: string): string | null {
  for (const directory of searchPath.split(':')) {
    if (!directory.startsWith('/')) continue;
    const path = join(directory, 'Xvfb');
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) continue;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not for this user: a later directory may have one that is.
    }
  }
  return null;
}

/**
 * The argument list after the executable's name. No `-ac`: only who has the cookie may connect. The abstract socket stays on, because
 * X clients try that name first and whoever owned it instead would be sent the cookie. `-noreset`: the server survives its last client.
 */
export function buildXvfbArguments(
  size: SessionConfig['display'],
  number: number,
  cookieFile: string,
): readonly string[] {
  const screen = `${size.width}x${size.height}x${size.depth}`;
  return [`:${number}`, '-screen', '0', screen, '-nolisten', 'tcp', '-auth', cookieFile, '-noreset'];
}

/** What is known of display numbers in use on this host. */
export type DisplayNumbers = { isTaken(number: number): boolean };

/** Looks at listening sockets (abstract and by path), socket files and lock files; `unixSockets` is the text of /proc/net/unix. */
export function readDisplayNumbers(unixSockets: string, ownUid: number): DisplayNumbers {
  const listening = new Set<number>();
  for (const match of unixSockets.matchAll(/ @?\/tmp\/\.X11-unix\/X(\d+)$/gm))
    listening.add(Number(match[1]));
  return {
    isTaken(number) {
      if (listening.has(number)) return true;
      // Leftovers of a killed server: Xvfb replaces its own, but may not touch those of another user in a sticky directory.
      const socket = lstatSync(join(X_SOCKET_DIRECTORY, `X${number}`), { throwIfNoEntry: false });
      if (socket !== undefined && socket.uid !== ownUid) return true;
      const lockFile = `/tmp/.X${number}-lock`;
      const lock = lstatSync(lockFile, { throwIfNoEntry: false });
      if (lock === undefined) return false;
      return lock.uid !== ownUid || isHeld(lockFile);
    },
  };
}

function isHeld(lockFile: string): boolean {
  let text: string;
  try {
    text = readFileSync(lockFile, 'latin1');
  } catch {
    return true;
  }
  const pid = Number(text.trim());
  if (!Number.isInteger(pid) || pid <= 0) return true;
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false }) !== undefined;
}

/**
 * A free number, or null when all are taken. It starts from a number made of the session's name, so that sessions started at the same
 * moment rarely choose the same one and a session mostly keeps its own; who loses a race is started again.
 */
export function chooseDisplayNumber(session: string, numbers: DisplayNumbers): number | null {
  let hash = 2166136261;
  for (const byte of Buffer.from(session)) hash = Math.imul(hash ^ byte, 16777619) >>> 0;
  for (let step = 0; step < NUMBER_COUNT; step += 1) {
    const number = FIRST_NUMBER + ((hash + step) % NUMBER_COUNT);
    if (!numbers.isTaken(number)) return number;
  }
  return null;
}
