// Owns the shortcut of the launchers and the agent to the configuration: what was checked once is not checked again while the file is the same.

import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Config } from '../config/types.ts';
import { writeFileAtomic } from '../host/files.ts';
import { AGENT_VERSION } from '../protocol/version.ts';

const CACHE_FILE = 'checked-config.json';
const WRITABLE_BY_OTHERS = 0o022;

/**
 * The configuration, as loadConfig gives it and with its errors. Reading YAML and the schema takes three times as long as all
 * else a launcher does, so the result is kept in `stateDirectory`: its own, readable and writable by its user only.
 * Undefined: nothing is kept. It is used while the file's bytes, its path and this version are the same.
 */
export async function loadCachedConfig(file: string, stateDirectory: string | undefined): Promise<Config> {
  const path = resolve(file);
  const key = keyOf(path);
  const cache = stateDirectory === undefined ? null : join(stateDirectory, CACHE_FILE);
  if (cache !== null && key !== null) {
    const kept = readCache(cache, key);
    if (kept !== null) return kept;
  }
  // Loaded only here: most starts do without.
  const { loadConfig } = await import('../config/load.ts');
  const config = loadConfig(path);
  // The key again: what was checked may be newer than what the first key was made of.
  if (cache !== null && key !== null && key === keyOf(path)) keep(cache, key, config);
  return config;
}

/** null when the file cannot be read; loadConfig then says why. */
function keyOf(path: string): string | null {
  try {
    return createHash('sha256')
      .update(`${AGENT_VERSION}\0${path}\0`)
      .update(readFileSync(path))
      .digest('hex');
  } catch {
    return null;
  }
}

function readCache(cache: string, key: string): Config | null {
  try {
    const value = JSON.parse(readOwnFile(cache)) as { key?: unknown; config?: Config };
    return value.key === key && value.config !== undefined ? value.config : null;
  } catch {
    return null;
  }
}

/** What is kept is not checked again, and names programs to run: another user must not have written it. Throws otherwise. */
function readOwnFile(path: string): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { uid, mode } = fstatSync(file);
    if (uid !== process.geteuid?.() || (mode & WRITABLE_BY_OTHERS) !== 0) throw new Error('not ours alone');
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/** Without it the next launcher checks the file again, which is only slower. */
function keep(cache: string, key: string, config: Config): void {
  try {
    writeFileAtomic(cache, JSON.stringify({ key, config }), 0o600);
  } catch {
    // The directory is not there before the first launch, or the disk is full: see above.
  }
}
