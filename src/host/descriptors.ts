// Owns the blocking mode of inherited file descriptors: what a program that is exec'ed must not find switched off, and a daemon not on.

import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { loadNativeLibrary } from './ffi.ts';

// fcntl(2); the numbers are those of Linux on x86-64 and arm64.
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;

/**
 * Takes O_NONBLOCK off a descriptor. It belongs to the open file, which others may share: so a pipe, file or terminal is opened anew for
 * us alone; a socket, which cannot be, is changed for all. Returns false when it stays non-blocking.
 */
export function makeBlocking(descriptor: number): boolean {
  const flags = readFlags(descriptor);
  if (flags === null || (flags & O_NONBLOCK) === 0) return true;
  return reopen(descriptor) || setFlags(descriptor, flags & ~O_NONBLOCK);
}

/**
 * A descriptor for writing to the same file, whose writes fail with EAGAIN instead of waiting for a reader. A pipe, file or terminal is opened
 * anew for it, as the shell that started us shares the open file; a socket is changed for all. What can be neither is given back as it is.
 */
export function withoutBlocking(descriptor: number): number {
  const { O_WRONLY, O_APPEND, O_NOCTTY } = constants;
  try {
    return openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK);
  } catch {
    const flags = readFlags(descriptor);
    if (flags !== null && isSocket(descriptor)) setFlags(descriptor, flags | O_NONBLOCK);
    return descriptor;
  }
}

/** The flags of open(2) as the kernel has them now; null for a descriptor that is not open. */
function readFlags(descriptor: number): number | null {
  try {
    const text = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1');
    const octal = /^flags:\s*([0-7]+)$/m.exec(text)?.[1];
    return octal === undefined ? null : Number.parseInt(octal, 8);
  } catch {
    return null;
  }
}

function reopen(descriptor: number): boolean {
  let again: number;
  try {
    again = openSync(`/proc/self/fd/${descriptor}`, 'a');
  } catch {
    return false;
  }
  closeSync(descriptor);
  // Node has no dup2; the lowest free descriptor is the one just closed, as those below it are open.
  openSync(`/proc/self/fd/${again}`, 'a');
  closeSync(again);
  return true;
}

function isSocket(descriptor: number): boolean {
  return fstatSync(descriptor).isSocket();
}

function setFlags(descriptor: number, flags: number): boolean {
  try {
    const fcntl = loadNativeLibrary('libc.so.6')?.func('int fcntl(int fd, int command, ...)');
    return fcntl?.(descriptor, F_SETFL, 'int', flags) === 0;
  } catch {
    return false;
  }
}
