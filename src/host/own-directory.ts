// Owns the question whether a directory is ours alone: what is read from it is believed, and some of it is run.

import { lstatSync, mkdirSync, readFileSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errorCode } from './files.ts';

const WRITABLE_BY_OTHERS = 0o022;
const WRITABLE_BY_ALL = 0o002;
/** In such a directory only its owner can replace an entry. */
const STICKY = 0o1000;
const PERMISSIONS = 0o7777;
/** What a user namespace shows for every user it does not know (user_namespaces(7)). */
const UNMAPPED_UID = 65_534;
const ALL_MAPPED = /^\s*0\s+0\s+4294967295\s*$/;

/**
 * Makes a directory and those above it where they are missing, with `mode` less the umask. Returns what is wrong with it, as the end of a
 * sentence that begins with its path, else null: it, or one above it, could be replaced by another user than `uid` and root, or be written.
 */
export function makeOwnDirectory(path: string, mode: number, uid: number): string | null {
  try {
    mkdirSync(path, { recursive: true, mode });
    const final = lstatSync(path);
    if (final.isDirectory() && (final.mode & WRITABLE_BY_OTHERS) !== 0) {
      return `can be written by others (mode ${modeText(final)})`;
    }
    return findReplaceable(resolve(path), uid, path);
  } catch (error) {
    return `cannot be made or looked at (${errorCode(error) ?? String(error)})`;
  }
}

function findReplaceable(path: string, uid: number, asked: string): string | null {
  const above = dirname(path);
  if (above !== path) {
    const problem = findReplaceable(above, uid, asked);
    if (problem !== null) return problem;
  }
  const status = lstatSync(path);
  const where = path === asked ? '' : `is not safe: ${path} `;
  if (!isTrusted(status.uid, uid)) return `${where}belongs to uid ${status.uid}`;
  if (status.isSymbolicLink()) return findReplaceable(resolve(above, readlinkSync(path)), uid, asked);
  const open = (status.mode & WRITABLE_BY_ALL) !== 0 && (status.mode & STICKY) === 0;
  return open ? `${where}can be written by everybody (mode ${modeText(status)})` : null;
}

function isTrusted(owner: number, uid: number): boolean {
  return owner === 0 || owner === uid || (owner === UNMAPPED_UID && !areAllUsersMapped());
}

function areAllUsersMapped(): boolean {
  return ALL_MAPPED.test(readFileSync('/proc/self/uid_map', 'latin1'));
}

function modeText(status: Stats): string {
  return (status.mode & PERMISSIONS).toString(8).padStart(4, '0');
}
