// A journald of the test's own, as root: in mounts of its own, so that tests of several checkouts and the machine's journal do not meet.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const JOURNALD = '/lib/systemd/systemd-journald';
const MARK = 'IB_TEST_PRIVATE_MOUNTS';
const HERE = [
  '/run/systemd',
  '/run/log',
  // Only where it is there: nothing is made on the machine's disk.
  ...(existsSync('/var/log/journal') ? ['/var/log/journal'] : []),
];
export const VOLATILE = '/run/log/journal';
export const PERSISTENT = '/var/log/journal';

/**
 * Called first in a test file: runs it again with empty mounts in place of the directories of systemd and its journal. Returns false
 * when that is not possible, with a reason for node:test's `skip`; with CI=true it throws then.
 */
export function withPrivateMounts(): string | false {
  const missing = whatIsMissing();
  if (missing !== null) {
    if (process.env['CI'] === 'true') throw new Error(`the tests of the journal cannot run: ${missing}`);
    return missing;
  }
  if (process.env[MARK] === undefined) {
    process.removeAllListeners('warning');
    process.execve?.(
      '/usr/bin/unshare',
      [
        'unshare',
        '--mount',
        '--propagation=private',
        '--',
        process.execPath,
        ...process.execArgv,
        ...process.argv.slice(1),
      ],
      { ...process.env, [MARK]: '1' },
    );
  }
  for (const path of HERE) mountEmpty(path);
  mkdirSync('/run/systemd/journal', { recursive: true });
  // Without it libsystemd takes no file for one of this machine.
  writeFileSync('/run/systemd/machine-id', 'b08dfa6083e7567a1921a715000001fb\n');
  mount('--bind', '/run/systemd/machine-id', '/etc/machine-id');
  return false;
}

function whatIsMissing(): string | null {
  if (process.getuid?.() !== 0) return 'only root can start a journald';
  if (!existsSync(JOURNALD)) return `there is no ${JOURNALD} (Debian package systemd)`;
  if (!existsSync('/etc/machine-id')) return 'there is no /etc/machine-id';
  const { status, stderr } = spawnSync('unshare', ['--mount', 'true'], { encoding: 'utf8' });
  return status === 0 ? null : `no mounts of its own can be had (${stderr.trim()})`;
}

/** An empty directory in place of this one, for the test's own processes only. */
export function mountEmpty(path: string): void {
  mount('-t', 'tmpfs', 'tmpfs', path);
}

function mount(...args: string[]): void {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/** Runs a program to its end; its status must be 0. Gives what it wrote. */
export function must(file: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  assert.equal(status, 0, `${file} ${args.join(' ')}: ${stderr} ${error ?? ''}`);
  return stdout;
}

/** Polls a condition until it gives something, for at most half a minute. */
export async function eventually<T>(what: string, look: () => T | null | undefined | false): Promise<T> {
  for (const end = Date.now() + 30_000; Date.now() < end; await pause(5)) {
    const found = look();
    if (found !== null && found !== undefined && found !== false) return found;
  }
  throw new Error(`never came about: ${what}`);
}

/** The entries that have these fields, oldest first, as journalctl(1) shows them; a value of several bytes that are no text is an array. */
export function journalEntries(...matches: string[]): Record<string, unknown>[] {
  return must('journalctl', '--output=json', '--all', '--no-pager', ...matches)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

export class PrivateJournald {
  #child: ChildProcess | null = null;

  /** `Storage=` of journald.conf(5). */
  async start(storage: 'volatile' | 'persistent' | 'auto' = 'volatile'): Promise<void> {
    mkdirSync('/run/systemd/journald.conf.d', { recursive: true });
    writeFileSync(
      '/run/systemd/journald.conf.d/test.conf',
      `[Journal]\nStorage=${storage}\nReadKMsg=no\nAudit=no\nRateLimitIntervalSec=0\n`,
    );
    // It does not outlive the test, whatever ends that.
    const child = spawn('setpriv', ['--pdeathsig=KILL', '--', JOURNALD], { stdio: 'ignore' });
    this.#child = child;
    // The last thing that it opens.
    await eventually(
      'journald is up',
      () => existsSync('/run/systemd/journal/io.systemd.journal') || child.exitCode !== null,
    );
    must('journalctl', '--sync');
  }

  /** Ends it tidily, and removes its sockets: a program that sends finds nobody, and libsystemd calls that a success. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    for (const name of ['io.systemd.journal', 'socket', 'stdout', 'dev-log'])
      rmSync(`/run/systemd/journal/${name}`, { force: true });
  }

  /** Leaves its sockets behind: who sends is refused. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
    rmSync('/run/systemd/journal/io.systemd.journal', { force: true });
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  /** What was sent before is written to the files when this returns. */
  sync(): void {
    must('journalctl', '--sync');
  }
}
