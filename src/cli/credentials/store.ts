// Owns the credential store of systemd: sealing by systemd-creds, replacing files all or none, and what is in it.

import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Secret } from '../../config/secret.ts';
import { runSync, type SyncRunResult } from '../../host/exec-sync.ts';
import { errorCode } from '../../host/files.ts';
import { AgentError } from '../../protocol/errors.ts';
import { type CredentialKind, credentialFile, KIND_WORDS, parseCredentialFile } from './names.ts';
import { readSealing, type Sealing } from './sealed-with.ts';

/** Where the store is and who uses it; replaced as a whole in tests. */
export type CredentialHost = {
  /** User that this process runs as. */
  readonly uid: number;
  readonly directory: string;
  /** systemd-creds, by path or by name. */
  readonly program: string;
  /** `PATH` for it. */
  readonly searchPath: string;
};

export const SYSTEM_CREDENTIALS: CredentialHost = {
  uid: process.geteuid?.() ?? -1,
  directory: '/etc/credstore.encrypted',
  program: 'systemd-creds',
  searchPath: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
};

export type KeyChoice = {
  /** `auto`: the host's key, with the TPM where there is one. */
  readonly key: 'auto' | 'host' | 'host+tpm2';
  /** Registers to bind to, for `--tpm2-pcrs=`; empty for none. */
  readonly pcrs: string;
};

export type SealedCredential = {
  readonly kind: CredentialKind;
  readonly bytes: Uint8Array;
  readonly sealing: Sealing | null;
};

export type StoredCredential = {
  readonly session: string;
  readonly kind: CredentialKind;
  readonly file: string;
  /** Epoch milliseconds. */
  readonly setAt: number;
  readonly sealing: Sealing | null;
  /** Why it cannot be opened on this machine now; null when it can. */
  readonly problem: string | null;
};

/** The first release with systemd-creds; what we give it is understood by all since 252. */
const OLDEST_SYSTEMD = 252;
/** A TPM may take seconds for each. */
const TIMEOUT_MS = 60_000;
/** More than the largest credential with its TPM part takes. */
const LARGEST_SEALED = 1024 * 1024;
const WRITABLE_BY_OTHERS = 0o022;

export class CredentialStore {
  readonly #host: CredentialHost;

  constructor(host: CredentialHost) {
    this.#host = host;
  }

  /** Throws AgentError when credentials cannot be sealed here at all, so that nobody types a password in vain. */
  checkUsable(): void {
    const result = this.#run(['--version']);
    const version = Number(/^systemd (\d+)/.exec(result.stdout.toString('latin1'))?.[1] ?? Number.NaN);
    if (Number.isNaN(version) || version >= OLDEST_SYSTEMD) return;
    throw new AgentError(
      'credential-sealing-failed',
      `systemd is ${version} here, and ib-agent's credentials need ${OLDEST_SYSTEMD} or later.`,
      { hint: 'Upgrade the system, or name another source of credentials in the configuration.' },
    );
  }

  /** A core dump of this process or of systemd-creds would hold the secret; where it cannot be forbidden, it is not. */
  forbidCoreDumps(): void {
    // 1 and not 0: with 0 the kernel still starts a program that core_pattern names (core(5)).
    runSync(['prlimit', '--core=1:1', `--pid=${process.pid}`], {
      timeoutMs: TIMEOUT_MS,
      env: this.#environment(),
    });
  }

  /**
   * Seals a secret, and opens the result once to see that it holds. It is bound to no register unless asked: those change with
   * firmware, boot loader and kernel, and the gateway would be locked out after an update. Throws AgentError
   * `credential-sealing-failed`.
   */
  seal(kind: CredentialKind, secret: Secret, choice: KeyChoice): SealedCredential {
    const args = [
      'encrypt',
      `--name=${kind}`,
      `--with-key=${this.#keyOf(choice)}`,
      `--tpm2-pcrs=${choice.pcrs}`,
    ];
    const plain = Buffer.from(secret.reveal(), 'utf8');
    try {
      const sealed = this.#run([...args, '-', '-'], plain);
      if (!succeeded(sealed) || sealed.stdout.length === 0) throw this.#failure('seal', kind, sealed);
      const opened = this.#run(['decrypt', `--name=${kind}`, '--newline=no', '-', '-'], sealed.stdout);
      const holds = succeeded(opened) && opened.stdout.equals(plain);
      opened.stdout.fill(0);
      if (!holds) throw this.#failure('open again', kind, opened);
      return { kind, bytes: sealed.stdout, sealing: readSealing(sealed.stdout) };
    } finally {
      plain.fill(0);
    }
  }

  /**
   * With a TPM its key is asked for by name: `auto` would also bind to a signed kernel image where such a key is installed, and
   * without a TPM `auto` refuses a host key that the next boot forgets.
   */
  #keyOf({ key, pcrs }: KeyChoice): string {
    if (key !== 'auto') return key;
    // systemd-creds(1), has-tpm2: 0 when firmware, driver and library are all there.
    const tpm = this.#run(['has-tpm2', '--quiet']).status === 0;
    if (!tpm && pcrs !== '') {
      throw new AgentError('credential-sealing-failed', 'There is no TPM here that --pcrs could bind to.', {
        hint: 'Leave --pcrs out; see: systemd-creds has-tpm2',
      });
    }
    return tpm ? 'host+tpm2' : 'auto';
  }

  /** Puts the credentials of a session in place, all or none. Throws AgentError `credential-sealing-failed`; the old ones are there then. */
  replace(session: string, sealed: readonly SealedCredential[]): readonly string[] {
    this.#makeDirectory();
    const files = sealed.map(({ kind, bytes }) => {
      const path = join(this.#host.directory, credentialFile(session, kind));
      return {
        path,
        bytes,
        fresh: hidden(this.#host.directory, session, kind, 'new'),
        old: hidden(this.#host.directory, session, kind, 'old'),
      };
    });
    const replaced: typeof files = [];
    try {
      for (const { fresh, bytes } of files) writeDurably(fresh, bytes);
      for (const file of files) {
        rmSync(file.old, { force: true });
        keepOld(file.path, file.old);
        renameSync(file.fresh, file.path);
        replaced.push(file);
      }
      syncDirectory(this.#host.directory);
    } catch (error) {
      for (const { path, old } of replaced.reverse()) {
        if (exists(old)) renameSync(old, path);
        else rmSync(path, { force: true });
      }
      throw unwritable(this.#host.directory, error);
    } finally {
      for (const { fresh, old } of files) {
        rmSync(fresh, { force: true });
        rmSync(old, { force: true });
      }
    }
    return files.map(({ path }) => path);
  }

  /** What is stored, by session and kind; each is opened once, and what comes out is thrown away. */
  list(): readonly StoredCredential[] {
    const { directory } = this.#host;
    const found: StoredCredential[] = [];
    for (const name of this.#names()) {
      const ours = parseCredentialFile(name);
      if (ours === null) continue;
      const file = join(directory, name);
      const status = lstatSync(file);
      const bytes = status.isFile() && status.size <= LARGEST_SEALED ? readFileSync(file) : null;
      found.push({
        ...ours,
        file,
        setAt: status.mtimeMs,
        sealing: bytes === null ? null : readSealing(bytes),
        problem: bytes === null ? 'it is not a sealed credential' : this.#whyClosed(ours.kind, bytes),
      });
    }
    return found;
  }

  /** The kinds that are stored for a session, and the sessions that have any; nothing is opened. */
  stored(): readonly { readonly session: string; readonly kind: CredentialKind }[] {
    return this.#names()
      .map(parseCredentialFile)
      .filter((ours) => ours !== null);
  }

  /** Removes one credential for good. Throws AgentError when it cannot. */
  remove(session: string, kind: CredentialKind): string {
    const path = join(this.#host.directory, credentialFile(session, kind));
    try {
      rmSync(path);
      syncDirectory(this.#host.directory);
    } catch (error) {
      throw unwritable(this.#host.directory, error);
    }
    return path;
  }

  #names(): readonly string[] {
    try {
      return readdirSync(this.#host.directory).sort();
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw unwritable(this.#host.directory, error);
    }
  }

  #whyClosed(kind: CredentialKind, bytes: Uint8Array): string | null {
    const result = this.#run(['decrypt', `--name=${kind}`, '-', '-'], bytes);
    result.stdout.fill(0);
    return succeeded(result) ? null : describe(result);
  }

  /** The store belongs to systemd, which makes it 0700 at boot (tmpfiles.d/credstore.conf); others' files in it are not our affair. */
  #makeDirectory(): void {
    const { directory } = this.#host;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const status = lstatSync(directory);
      if (!status.isDirectory()) throw unsafe(directory, 'is not a directory');
      if (status.uid !== 0 && status.uid !== process.geteuid?.()) {
        throw unsafe(directory, `belongs to the user with id ${status.uid}`);
      }
      if ((status.mode & WRITABLE_BY_OTHERS) !== 0) throw unsafe(directory, 'can be changed by other users');
      if ((status.mode & 0o077) !== 0) chmodSync(directory, 0o700);
    } catch (error) {
      throw error instanceof AgentError ? error : unwritable(directory, error);
    }
  }

  #environment(): Record<string, string> {
    return { PATH: this.#host.searchPath, LC_ALL: 'C.UTF-8' };
  }

  #run(args: readonly string[], input?: Uint8Array): SyncRunResult {
    const result = runSync([this.#host.program, ...args], {
      timeoutMs: TIMEOUT_MS,
      maxBytes: LARGEST_SEALED,
      env: this.#environment(),
      ...(input === undefined ? {} : { input }),
    });
    if (result.error === 'ENOENT' || result.error === 'EACCES') {
      throw new AgentError(
        'file-missing',
        `${this.#host.program} cannot be run (${result.error}): credentials are sealed by systemd ${OLDEST_SYSTEMD} or later.`,
        { hint: 'Install systemd; without it, name a source of credentials in the configuration.' },
      );
    }
    return result;
  }

  #failure(what: string, kind: CredentialKind, result: SyncRunResult): AgentError {
    return new AgentError(
      'credential-sealing-failed',
      `systemd-creds could not ${what} the ${KIND_WORDS[kind]}: ${describe(result)}`,
      {
        hint: 'Nothing was changed. What it needs: systemd-creds has-tpm2, and /var/lib/systemd/credential.secret.',
      },
    );
  }
}

function succeeded(result: SyncRunResult): boolean {
  return result.error === null && result.status === 0;
}

/** The last line that systemd-creds said; it names files and keys, never content. */
function describe(result: SyncRunResult): string {
  if (result.error === 'ETIMEDOUT') return `no answer within ${TIMEOUT_MS / 1000} seconds`;
  if (result.error !== null) return result.error;
  const said = result.stderr.toString('utf8').trim().split('\n').at(-1) ?? '';
  if (said !== '') return said;
  return result.status === null ? `ended by ${result.signal}` : `exit status ${result.status}`;
}

/** Hidden, and of no name that a unit could ask for. */
function hidden(directory: string, session: string, kind: CredentialKind, what: 'new' | 'old'): string {
  return join(directory, `.${credentialFile(session, kind)}.${what}`);
}

function writeDurably(path: string, bytes: Uint8Array): void {
  // What a run that was killed left.
  rmSync(path, { force: true });
  const file = openSync(path, 'wx', 0o600);
  try {
    let written = 0;
    while (written < bytes.length) written += writeSync(file, bytes, written);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function keepOld(path: string, old: string): void {
  try {
    linkSync(path, old);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function unwritable(directory: string, error: unknown): AgentError {
  return new AgentError(
    'credential-sealing-failed',
    `The credential store ${directory} cannot be read or changed: ${errorCode(error) ?? String(error)}. What was there is as it was.`,
    { hint: 'Check the directory, and the disk it is on.', cause: error },
  );
}

function unsafe(directory: string, what: string): AgentError {
  return new AgentError('credential-unsafe', `The credential store ${directory} ${what}.`, {
    hint: `Look at what is in it, then: sudo chown root: ${directory} && sudo chmod 0700 ${directory}`,
  });
}
