// Owns durable and private file writes: atomic replacement that survives power loss, and exclusive private files.

import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** The system calls of a file that is being replaced, in the words of node:fs; a test puts a disk that fails in their place. */
export type FileCalls = {
  /** Removes a file; one that is not there is no error. */
  remove(path: string): void;
  /** Creates a file of mode 0600, or fails when there is one. Returns its descriptor. */
  create(path: string): number;
  openDirectory(path: string): number;
  /** Returns how many bytes were taken. */
  write(file: number, bytes: Uint8Array, from: number): number;
  setGroup(file: number, gid: number): void;
  setMode(file: number, mode: number): void;
  sync(file: number): void;
  close(file: number): void;
  rename(from: string, to: string): void;
};

const SYSTEM_CALLS: FileCalls = {
  remove: (path) => rmSync(path, { force: true }),
  create: (path) => openSync(path, 'wx', 0o600),
  openDirectory: (path) => openSync(path, 'r'),
  write: (file, bytes, from) => writeSync(file, bytes, from),
  setGroup: (file, gid) => fchownSync(file, -1, gid),
  setMode: fchmodSync,
  sync: fsyncSync,
  close: closeSync,
  rename: renameSync,
};

/**
 * Replaces a file as one step: readers see the old content or the new, also after a power cut at any moment.
 * `mode` is set exactly, whatever the umask, and `gid` when it is given. Throws the error of the first call that fails; the old file is untouched then.
 */
export function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  mode: number,
  gid?: number,
  calls: FileCalls = SYSTEM_CALLS,
): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
  // Left by a process of the same number that was killed; its mode may forbid writing, or allow others to read.
  calls.remove(temporary);
  try {
    const file = calls.create(temporary);
    try {
      let written = 0;
      while (written < bytes.length) written += calls.write(file, bytes, written);
      // First the group: a mode that lets the group read must not hold for another one in between.
      if (gid !== undefined) calls.setGroup(file, gid);
      calls.setMode(file, mode);
      calls.sync(file);
    } finally {
      calls.close(file);
    }
    calls.rename(temporary, path);
  } catch (error) {
    calls.remove(temporary);
    throw error;
  }
  // Without this the rename itself may be lost at a power cut (fsync(2), "directory containing the file").
  const directory = calls.openDirectory(dirname(path));
  try {
    calls.sync(directory);
  } finally {
    calls.close(directory);
  }
}

/** Removes what {@link writeFileAtomic} left beside `path` when its process was killed. A directory that cannot be read keeps it. */
export function removeLeftovers(path: string): void {
  const name = basename(path);
  try {
    for (const file of readdirSync(dirname(path))) {
      if (!file.startsWith(`${name}.`) || !/^\d+\.tmp$/.test(file.slice(name.length + 1))) continue;
      rmSync(join(dirname(path), file), { force: true });
    }
  } catch {
    // They cost a little room and nothing else.
  }
}

/** Code of a system error such as `ENOENT`, or undefined for any other value. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
