// Owns reading the second-factor token that a gateway keeps in its jts.ini, for whoever may read that file.

import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJtsSetting } from '../gateway/jts-ini.ts';
import { errorCode } from '../host/files.ts';
import { AgentError } from '../protocol/errors.ts';

/** `writtenAt` is epoch milliseconds: of the file, which a gateway writes as a whole. */
export type StoredToken = {
  readonly file: string;
  readonly writtenAt: number | null;
  /** Null: the file, or the line in it, is not there. */
  readonly value: string | null;
};

/** What a configuration may hold; a line that is none is told as none. */
const TOKEN = /^[A-Za-z0-9._,;-]{1,256}$/;
const LARGEST_FILE = 1024 * 1024;

/**
 * `again` is the same command under sudo, for the hint. Throws AgentError `not-allowed` when this user may not read the file, and
 * `file-missing` when it is there and is no settings file.
 */
export function readStoredToken(settingsDir: string, again: string): StoredToken {
  const file = join(settingsDir, 'jts.ini');
  let descriptor: number;
  try {
    // The directory is the gateway's: what stands there under this name must not lead root elsewhere.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return { file, writtenAt: null, value: null };
    if (code === 'EACCES' || code === 'EPERM') {
      throw new AgentError('not-allowed', `${file} is for root and the gateway's user alone.`, {
        hint: `run: ${again}`,
        cause: error,
      });
    }
    throw notAFile(file, code ?? 'unknown error', error);
  }
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile() || status.size > LARGEST_FILE) throw notAFile(file, 'no settings file');
    const values = readJtsSetting(readFileSync(descriptor), 'Communication', '2ndFactor');
    const value = values.findLast((each) => TOKEN.test(each)) ?? null;
    return { file, writtenAt: Math.round(status.mtimeMs), value };
  } finally {
    closeSync(descriptor);
  }
}

/** `ab… (27 characters)`: enough to tell two apart, and no use to anybody. */
export function maskToken(value: string): string {
  return `${value.length > 8 ? value.slice(0, 2) : ''}… (${value.length} characters)`;
}

function notAFile(file: string, what: string, cause?: unknown): AgentError {
  return new AgentError('file-missing', `${file} cannot be read as a settings file (${what}).`, {
    hint: 'look what stands there: sudo ls -l',
    cause,
  });
}
