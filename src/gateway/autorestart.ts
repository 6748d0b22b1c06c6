// Owns what a gateway leaves in its settings directory for the next launch: autorestart tokens and IBC's flag files.

import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../host/files.ts';

/** A token: `directory` is the bare name for `-Drestart`, `modifiedAt` epoch milliseconds. */
export type AutorestartToken = {
  readonly directory: string;
  readonly path: string;
  readonly modifiedAt: number;
};

/**
 * Finds regular files at exactly SETTINGS/DIRECTORY/autorestart, sorted by directory name; a symbolic link, a deeper file or one
 * directly in SETTINGS is none, as for IBC's own script. A missing settings directory holds none. Other system errors are thrown.
 */
export function findTokens(settingsDir: string): readonly AutorestartToken[] {
  const tokens: AutorestartToken[] = [];
  for (const entry of listDirectory(settingsDir)) {
    if (!entry.isDirectory()) continue;
    const path = join(settingsDir, entry.name, 'autorestart');
    const status = lstatSync(path, { throwIfNoEntry: false });
    if (status?.isFile()) tokens.push({ directory: entry.name, path, modifiedAt: status.mtimeMs });
  }
  return tokens.sort((a, b) => (a.directory < b.directory ? -1 : 1));
}

/** Removes every token; a stale one would make IBC wait for ever at the login dialog. Returns how many there were. */
export function deleteTokens(settingsDir: string): number {
  const tokens = findTokens(settingsDir);
  for (const token of tokens) rmSync(token.path, { force: true });
  return tokens.length;
}

export type RestartFlags = { readonly coldRestart: boolean; readonly pause: boolean };

/** Finds and removes the flag files that IBC made for one JVM, `COLDRESTART<id>` and `PAUSE<id>`. */
export function takeFlags(settingsDir: string, ibcSessionId: string): RestartFlags {
  const take = (word: string): boolean => {
    const path = join(settingsDir, `${word}${ibcSessionId}`);
    const found = lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
    if (found) rmSync(path, { force: true });
    return found;
  };
  return { coldRestart: take('COLDRESTART'), pause: take('PAUSE') };
}

/** Eight letters or digits after the word, the form of every id that is given to IBC; so no other file of the user's is hit. */
const FLAG_FILE = /^(?:COLDRESTART|PAUSE)[A-Za-z0-9]{8}$/;

/** Removes flag files of all earlier JVMs. Returns how many there were. */
export function deleteOldFlags(settingsDir: string): number {
  let removed = 0;
  for (const entry of listDirectory(settingsDir)) {
    if (!entry.isFile() || !FLAG_FILE.test(entry.name)) continue;
    rmSync(join(settingsDir, entry.name), { force: true });
    removed += 1;
  }
  return removed;
}

function listDirectory(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
