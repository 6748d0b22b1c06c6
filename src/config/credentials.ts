// Owns how a launcher gets the user name, the password and the TOTP seed: from systemd, from a directory of files, or from a command.

import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { AgentError, type ErrorCode } from '../protocol/errors.ts';
import { Secret } from './secret.ts';
import type { CredentialSource } from './types.ts';

/** Both names are files in a directory, and what a command gets as its last argument. */
export const CREDENTIAL_NAMES = ['username', 'password'] as const;
export type CredentialName = (typeof CREDENTIAL_NAMES)[number];

export type Credentials = { readonly username: Secret; readonly password: Secret };

/** How a program that prints a credential ended. */
export type CredentialCommandResult = {
  /** Exit status; null when it did not exit by itself. */
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: Uint8Array;
  /** System error code: `ENOENT` and the like when it could not be started, `ETIMEDOUT` or `ENOBUFS` when it was killed for it, else null. */
  readonly error: string | null;
};

/** Runs a program without shell and stdin, and keeps its stderr to itself: that may hold the secret. */
export type RunCredentialCommand = (
  argv: readonly string[],
  limits: { readonly timeoutMs: number; readonly maxBytes: number },
) => CredentialCommandResult;

export type CredentialReader = {
  /** Value of `$CREDENTIALS_DIRECTORY`, set by systemd; it wins over the configured source. */
  readonly credentialsDirectory?: string | undefined;
  /** User that this process runs as; files must belong to it or to root. */
  readonly uid: number;
  readonly run: RunCredentialCommand;
};

/**
 * What the unit of ib-code is given where no seed is sealed: with a value of its own for it, systemd starts the program all the same, which
 * can then say what is missing (systemd.exec(5), SetCredential=).
 */
const NO_SEED = '-';

const LARGEST_CREDENTIAL = 4096;
/** A secret manager may have to ask a remote server; longer than this nobody waits for it. */
const COMMAND_TIMEOUT_MS = 30_000;
const GROUP_OR_OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Both credentials. One trailing line end (LF or CRLF) is taken off, nothing else. Throws an AgentError: `credential-missing`,
 * `credential-unsafe` (others can read or replace it), `credential-invalid` (empty, several lines, NUL, no UTF-8, over 4 KiB) or
 * `credential-command-failed`; none of their texts holds any of the content.
 */
export function readCredentials(source: CredentialSource, reader: CredentialReader): Credentials {
  const read = (name: CredentialName): Secret => {
    if (reader.credentialsDirectory !== undefined && reader.credentialsDirectory !== '') {
      const hint = `Add to the unit: LoadCredentialEncrypted=${name}:FILE, or LoadCredential=${name}:FILE.`;
      return readHandedOver(reader.credentialsDirectory, name, hint);
    }
    if (source.kind === 'directory') {
      const what = name === 'username' ? 'user name' : 'password';
      return readFromDirectory(source.path, name, { uid: reader.uid, what });
    }
    return readFromCommand(source.argv, name, reader.run);
  };
  return { username: read('username'), password: read('password') };
}

/**
 * The TOTP seed of a session, as it is stored: {@link normalizeSeed} says whether it is one. Comes from where user name and password come
 * from, under the name `seed`. Throws as {@link readCredentials}.
 */
export function readSeed(
  source: CredentialSource,
  reader: CredentialReader & { readonly session: string; readonly commandTimeoutMs: number },
): Secret {
  const { credentialsDirectory, session, uid } = reader;
  if (credentialsDirectory !== undefined && credentialsDirectory !== '') {
    const hint = `As root: ibctl credentials set ${session} --only seed`;
    const seed = readHandedOver(credentialsDirectory, 'seed', hint);
    if (seed.reveal() === NO_SEED) {
      throw failure('credential-missing', `No TOTP seed is sealed for the session ${session}`, hint);
    }
    return seed;
  }
  if (source.kind === 'directory') return readFromDirectory(source.path, 'seed', { uid, what: 'TOTP seed' });
  return readFromCommand(source.argv, 'seed', reader.run, reader.commandTimeoutMs);
}

/**
 * A secret that systemd hands over, as a file `name` of `$CREDENTIALS_DIRECTORY`. systemd made the directory for this unit alone
 * (systemd.exec(5), CREDENTIALS): its modes are its own affair. Throws as {@link readCredentials}; `hint` says what to do when
 * the file is missing.
 */
export function readHandedOver(directory: string, name: string, hint: string): Secret {
  const path = join(directory, name);
  const file = openCredential(path, path, 0, { hint });
  try {
    if (!fstatSync(file).isFile()) throw notAFile(path);
    return toSecret(readBytes(file, path), path);
  } finally {
    closeSync(file);
  }
}

/**
 * A secret that is a file `name` in a directory of secrets; both must be safe from other users than `uid` and root. Throws as
 * {@link readCredentials}. `what` is how the hint calls what belongs into the file.
 */
export function readFromDirectory(
  directory: string,
  name: string,
  { uid, what }: { readonly uid: number; readonly what: string },
): Secret {
  const path = join(directory, name);
  const folder = openCredential(directory, directory, constants.O_DIRECTORY, {
    hint: `Create it: install -d -m 0700 -o ${uid} ${quote(directory)}`,
  });
  try {
    checkOwner(fstatSync(folder), directory, uid);
    if ((fstatSync(folder).mode & WRITABLE_BY_OTHERS) !== 0) {
      throw unsafe(`${directory} can be changed by other users`, `chmod go-w ${quote(directory)}`);
    }
    // Through the descriptor, so that it is this directory and no other that took its name meanwhile.
    const file = openCredential(`/proc/self/fd/${folder}/${name}`, path, constants.O_NOFOLLOW, {
      hint: `Write the ${what} into it, then: chmod 0400 ${quote(path)}; chown ${uid} ${quote(path)}`,
    });
    try {
      const status = fstatSync(file);
      if (!status.isFile()) throw notAFile(path);
      checkOwner(status, path, uid);
      if ((status.mode & GROUP_OR_OTHERS) !== 0) {
        const mode = (status.mode & 0o777).toString(8).padStart(4, '0');
        throw unsafe(`${path} is open to other users (mode ${mode})`, `chmod 0400 ${quote(path)}`);
      }
      return toSecret(readBytes(file, path), path);
    } finally {
      closeSync(file);
    }
  } finally {
    closeSync(folder);
  }
}

function checkOwner(status: Stats, path: string, uid: number): void {
  if (status.uid === uid || status.uid === 0) return;
  throw unsafe(`${path} belongs to the user with id ${status.uid}`, `chown ${uid} ${quote(path)}`);
}

/** `shown` is the path that errors name. O_NONBLOCK: opening a FIFO must not wait for its writer. */
function openCredential(
  path: string,
  shown: string,
  flags: number,
  missing: { readonly hint: string },
): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    if (code === 'ENOENT') throw failure('credential-missing', `${shown} does not exist`, missing.hint);
    if (code === 'ELOOP') {
      throw unsafe(
        `${shown} is a symbolic link`,
        `put the file itself there, and: chmod 0400 ${quote(shown)}`,
      );
    }
    if (code === 'ENOTDIR') throw failure('credential-missing', `${shown} is not a directory`, missing.hint);
    if (code === 'EACCES' || code === 'EPERM') {
      const hint = `Give it to the user that reads it (the gateway's for a login, the agent's for notifications): chown that user ${quote(shown)}; see the rights of its directories too.`;
      throw failure('credential-missing', `${shown} cannot be read: permission denied`, hint);
    }
    throw failure('credential-missing', `${shown} cannot be read: ${code}`, 'Check the disk it is on.');
  }
}

function readBytes(file: number, path: string): Buffer {
  const bytes = Buffer.alloc(LARGEST_CREDENTIAL + 3);
  let length = 0;
  try {
    while (length < bytes.length) {
      const count = readSync(file, bytes, length, bytes.length - length, null);
      if (count === 0) break;
      length += count;
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw failure('credential-missing', `${path} cannot be read: ${code}`, 'Check the disk it is on.');
  }
  return bytes.subarray(0, length);
}

function readFromCommand(
  argv: readonly string[],
  name: CredentialName | 'seed',
  run: RunCredentialCommand,
  timeoutMs = COMMAND_TIMEOUT_MS,
): Secret {
  const program = argv[0] ?? '';
  const result = run([...argv, name], {
    timeoutMs,
    maxBytes: LARGEST_CREDENTIAL * 2,
  });
  // The other arguments may name what nobody else should know; the program is enough to find it in the configuration.
  const what = `The command ${program} for the credential ${name}`;
  const hint = `Run it by hand as the user that the gateway runs as, with ${name} as its last argument.`;
  if (result.error === 'ENOBUFS') throw tooLong(`the output of ${program}`);
  if (result.error === 'ETIMEDOUT') {
    throw failure(
      'credential-command-failed',
      `${what} did not end within ${timeoutMs / 1000} seconds`,
      `${hint} It must not ask for anything.`,
    );
  }
  if (result.error !== null) {
    throw failure('credential-command-failed', `${what} could not be started: ${result.error}`, hint);
  }
  if (result.status !== 0) {
    const how =
      result.status === null
        ? `was ended by ${result.signal ?? 'a signal'}`
        : `failed with exit status ${result.status}`;
    throw failure('credential-command-failed', `${what} ${how}`, hint);
  }
  return toSecret(Buffer.from(result.stdout), `the output of ${program}`);
}

/**
 * The credential that bytes hold; they are overwritten. `origin` is what errors call the source: a path, the output of a program.
 * Throws AgentError `credential-invalid` as {@link readCredentials} does.
 */
export function toSecret(bytes: Uint8Array, origin: string): Secret {
  let text: string;
  try {
    // A byte order mark would go to the login as part of the text; it is not removed silently but refused below.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid(`${origin} is not UTF-8 text`);
  } finally {
    bytes.fill(0);
  }
  const value = text.replace(/\r?\n$/, '');
  if (Buffer.byteLength(value) > LARGEST_CREDENTIAL) throw tooLong(origin);
  if (value === '') throw invalid(`${origin} is empty`);
  if (value.startsWith('\ufeff')) throw invalid(`${origin} begins with a byte order mark`);
  if (value.includes('\0')) throw invalid(`${origin} contains a NUL character`);
  if (/[\r\n]/.test(value)) throw invalid(`${origin} has more than one line`);
  return new Secret(value);
}

function tooLong(origin: string): AgentError {
  return invalid(`${origin} is longer than ${LARGEST_CREDENTIAL} bytes`);
}

function invalid(message: string): AgentError {
  return failure(
    'credential-invalid',
    message,
    'It must hold the bare credential on one line, and nothing else.',
  );
}

function unsafe(message: string, command: string): AgentError {
  return failure('credential-unsafe', message, `As its owner or root: ${command}`);
}

function notAFile(path: string): AgentError {
  return unsafe(`${path} is not a regular file`, `put a regular file there, and: chmod 0400 ${quote(path)}`);
}

function failure(code: ErrorCode, message: string, hint: string): AgentError {
  const sentence = message.endsWith('.') ? message : `${message}.`;
  return new AgentError(code, sentence.replace(/^the /, 'The '), { hint });
}

/** For a command that is to be copied into a shell. */
function quote(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
