// Owns durable and private file writes: atomic replacement that survives power loss, and exclusive private files.

import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/**
 * Replaces a file as one step: readers see the old content or the new, also after a power cut at any moment.
 * `mode` is set exactly, whatever the umask, and `gid` when it is given. Throws the error of the first call that fails; the old file is untouched then.
 */
export function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  mode: number,
  gid?: number,
): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
  // Left by a process of the same number that was killed; its mode may forbid writing, or allow others to read.
  rmSync(temporary, { force: true });
  try {
    const file = openSync(temporary, 'wx', 0o600);
    try {
      let written = 0;
      while (written < bytes.length) written += writeSync(file, bytes, written);
      // First the group: a mode that lets the group read must not hold for another one in between.
      if (gid !== undefined) fchownSync(file, -1, gid);
      fchmodSync(file, mode);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  // Without this the rename itself may be lost at a power cut (fsync(2), "directory containing the file").
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** Code of a system error such as `ENOENT`, or undefined for any other value. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
