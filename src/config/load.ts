// Owns the reading of a configuration file: loadConfig for everybody, checkConfigText for a text that is at hand.

import { lstatSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { AgentError } from '../protocol/errors.ts';
import { checkText, type FileLook } from './check.ts';
import { ConfigError } from './problems.ts';
import type { Config } from './types.ts';

const LARGEST_FILE = 1024 * 1024;

const NO_LOOK: FileLook = { isSymlink: () => false, real: (path) => path };

/**
 * Reads and checks the file. Throws an AgentError `config-unreadable` when it cannot be read, and a {@link ConfigError} with every
 * problem when it is wrong. Beside the file itself it looks only at the settings directories, for symbolic links.
 */
export function loadConfig(file: string): Config {
  const path = resolve(file);
  return check(readText(path), path, {
    isSymlink: (target) => attempt(() => lstatSync(target).isSymbolicLink(), false),
    real: realPath,
  });
}

/** As {@link loadConfig}, of a text that is at hand, without a look at the machine. `file` is what the problems name. */
export function checkConfigText(text: string, file: string): Config {
  return check(text, resolve(file), NO_LOOK);
}

function readText(path: string): string {
  let bytes: Buffer;
  try {
    const status = statSync(path);
    if (!status.isFile()) {
      throw new AgentError('config-unreadable', `The configuration ${path} is not a file.`, {
        hint: 'Name the file itself with --config FILE.',
      });
    }
    if (status.size > LARGEST_FILE) {
      throw new AgentError('config-unreadable', `The configuration ${path} is larger than 1 MiB.`, {
        hint: 'Is this the right file? Name the right one with --config FILE.',
      });
    }
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof AgentError) throw error;
    throw unreadable(path, error);
  }
  return decode(bytes, path);
}

function unreadable(path: string, error: unknown): AgentError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new AgentError('config-unreadable', `There is no configuration ${path}.`, {
      hint: 'Create it from the commented example that comes with ib-agent, or name another file with --config FILE.',
      cause: error,
    });
  }
  const denied = code === 'EACCES' || code === 'EPERM';
  return new AgentError(
    'config-unreadable',
    `The configuration ${path} cannot be read: ${denied ? 'permission denied' : code}.`,
    {
      hint: denied
        ? `Let this user read it: chmod a+r ${path} (it holds no secrets), or see the rights of its directories.`
        : 'Check the file and the disk it is on.',
      cause: error,
    },
  );
}

function decode(bytes: Buffer, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const before = bytes.toString('utf8').split('\ufffd', 1)[0] ?? '';
    const lines = before.split('\n');
    throw new ConfigError(file, [
      {
        file,
        line: lines.length,
        column: (lines.at(-1)?.length ?? 0) + 1,
        path: '',
        message: 'the file is not UTF-8 text here',
        expected: 'UTF-8 text',
      },
    ]);
  }
}

function check(text: string, file: string, look: FileLook): Config {
  const result = checkText(text, file, look);
  if (result.config === null) throw new ConfigError(file, result.problems);
  return deepFreeze(result.config);
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}

function attempt<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch {
    // What cannot be seen cannot be judged here; the launcher, which has the rights, looks again.
    return otherwise;
  }
}

/** Symbolic links resolved in the part that exists. */
function realPath(path: string): string {
  const found = attempt(() => realpathSync(path), null);
  if (found !== null) return found;
  const parent = dirname(path);
  return parent === path ? path : join(realPath(parent), path.slice(parent.length));
}
