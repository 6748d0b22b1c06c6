// Owns a booted Debian: systemd as its PID 1, its life from power on to power loss, and commands run inside.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { MachineCgroup } from './cgroup.ts';
import { type CommandOptions, command, killGroup, poll, type Result } from './command.ts';
import { baseImage, type Suite } from './image.ts';
import { type MachineRoot, makeRoot, removeRoot, sweepMachines } from './root.ts';

export type Bind = {
  readonly from: string;
  readonly to: string;
  readonly writable?: boolean;
};

export type MachineSetup = {
  readonly suite?: Suite;
  /** Lower-case letters, digits, hyphens; it is made unique. */
  readonly name?: string;
  /** Where the journal is kept; `persistent` survives a reboot. */
  readonly journal?: 'persistent' | 'volatile';
  /** Host directories and files seen inside, read-only unless `writable`. */
  readonly binds?: readonly Bind[];
  /** `private`: a loopback of its own and nothing else. `host`: the host's, for apt. */
  readonly network?: 'private' | 'host';
  /** System calls that systemd-nspawn's own filter refuses, to be let through. */
  readonly systemCalls?: readonly string[];
};

export type RunOptions = Omit<CommandOptions, 'cwd' | 'end'> & {
  /** Login name; root by default. */
  readonly user?: string;
  /** Added to a login shell's few variables; nothing of the tests' own environment gets in. */
  readonly env?: Readonly<Record<string, string>>;
};

/** An entry of the journal; a field that occurs several times has its values on lines of their own. */
export type JournalEntry = Readonly<Record<string, string>>;

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** How long nsenter gets to follow the program that it ran. */
const NSENTER_MS = 3000;
const BOOT_MS = 90_000;
/** Longer than systemd's own patience with a unit that does not stop. */
const SHUTDOWN_MS = 120_000;

/** Enters the control groups named first, then becomes the program; the shell's own PWD stays behind. */
const ENTER =
  'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ >"$1" || exit 125; shift; n=$((n-1)); done; exec env -u PWD "$@"';

/** systemd-nspawn's exit status for a reboot, with --keep-unit: whoever started it is to start it again. */
const REBOOT = 133;

let machines = 0;

/** Boots a fresh machine and waits until its systemd has nothing left to start. */
export async function bootMachine(setup: MachineSetup = {}): Promise<Machine> {
  const image = await baseImage(setup.suite ?? 'bookworm');
  await sweepMachines();
  machines += 1;
  const name = `ib-${setup.name ?? 'machine'}-${process.pid}-${machines}`;
  const root = await makeRoot(name, image);
  const machine = new Machine(name, root, setup);
  try {
    writeFileSync(machine.path('/etc/hostname'), `${name}\n`);
    writeFileSync(machine.path('/etc/hosts'), `127.0.0.1 localhost ${name}\n::1 localhost\n`);
    const storage = `[Journal]\nStorage=${setup.journal ?? 'persistent'}\n`;
    writeFileSync(machine.path('/etc/systemd/journald.conf'), storage);
    await machine.boot();
  } catch (error) {
    await machine.dispose();
    throw error;
  }
  return machine;
}

export class Machine {
  readonly name: string;
  readonly suite: Suite;
  readonly #root: MachineRoot;
  readonly #setup: MachineSetup;
  readonly #cgroup: MachineCgroup;
  readonly #running = new Set<Running>();
  #nspawn: ChildProcess | null = null;
  #leader: number | null = null;

  constructor(name: string, root: MachineRoot, setup: MachineSetup) {
    this.name = name;
    this.suite = setup.suite ?? 'bookworm';
    this.#root = root;
    this.#setup = setup;
    this.#cgroup = new MachineCgroup(name);
  }

  /** A path of the machine as the host sees it; nothing of it is below a file system that the machine mounts itself. */
  path(inside: string): string {
    return join(this.#root.root, inside);
  }

  /** Pid on the host of the machine's PID 1. */
  get leader(): number {
    if (this.#leader === null) throw new Error(`${this.name} is off`);
    return this.#leader;
  }

  /** What the console has shown since the first boot. */
  get console(): string {
    return readFileSync(this.#root.console, 'utf8');
  }

  /** Powers on; after `poweroff` or `kill` the same disk boots again. */
  async boot(): Promise<void> {
    if (this.#nspawn !== null) throw new Error(`${this.name} is on already`);
    this.#cgroup.create();
    const log = openSync(this.#root.console, 'a');
    const nspawn = spawn('sh', this.#nspawnCommand(), {
      stdio: ['ignore', log, log],
      env: { PATH, LANG: 'C.UTF-8', SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
    });
    closeSync(log);
    this.#nspawn = nspawn;
    nspawn.on('exit', () => {
      if (this.#nspawn !== nspawn) return;
      this.#nspawn = null;
      this.#leader = null;
    });
    await once(nspawn, 'spawn');
    await this.#ready();
  }

  #nspawnCommand(): string[] {
    const binds = (this.#setup.binds ?? []).map(
      ({ from, to, writable }) => `--bind${writable === true ? '' : '-ro'}=${from}:${to}`,
    );
    const network =
      this.#setup.network === 'host'
        ? ['--resolv-conf=replace-host']
        : ['--private-network', '--resolv-conf=off'];
    const allowed = this.#setup.systemCalls ?? [];
    const filter = allowed.length === 0 ? [] : [`--system-call-filter=${allowed.join(' ')}`];
    return [
      ...entering(this.#cgroup.entrances),
      // The machine ends with the process that tests it, however that ends: systemd-nspawn alone would leave its PID 1
      // behind, so it is itself the first process of a namespace.
      ...[
        'setpriv',
        '--pdeathsig=KILL',
        'unshare',
        '--pid',
        '--fork',
        '--mount-proc',
        '--kill-child=SIGKILL',
      ],
      ...['systemd-nspawn', '--quiet', `--directory=${this.#root.root}`, '--boot', `--machine=${this.name}`],
      ...[
        '--keep-unit',
        '--register=no',
        '--timezone=off',
        '--link-journal=no',
        ...network,
        ...filter,
        ...binds,
      ],
    ];
  }

  /** Waits for PID 1 and until it has started what it starts at boot. */
  async #ready(): Promise<void> {
    let state = 'no PID 1';
    try {
      await poll(
        () => `${this.name} is up; it is: ${state}`,
        async () => {
          if (this.#nspawn === null) throw new Error(`${this.name} went off while it booted`);
          const leader = this.#cgroup.pids().find(isLeader);
          if (leader === undefined) return false;
          this.#leader = leader;
          const asked = await this.run(['systemctl', 'is-system-running'], { check: false });
          state = `${asked.stdout}${asked.stderr}`.trim();
          return state === 'running' || state === 'degraded';
        },
        { deadlineMs: BOOT_MS, everyMs: 50 },
      );
    } catch (error) {
      throw new Error(`${String(error)}\nIts console:\n${this.console}`, { cause: error });
    }
  }

  /** Runs a program inside to its end, outside of every unit. Throws when it fails, unless `check` is false. */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
    const { user, env, ...rest } = options;
    return command(['sh', ...this.#insideCommand(argv, user)], {
      ...rest,
      env: this.#environment(user, env),
      end: endInside,
    });
  }

  /** Runs a shell script inside, with `set -eu`; `args` are its $1 and so on. */
  async sh(script: string, options: RunOptions = {}, ...args: string[]): Promise<string> {
    return (await this.run(['sh', '-euc', script, 'sh', ...args], options)).stdout;
  }

  /** Starts a program inside that is to go on; its output is read by lines. */
  spawn(argv: readonly string[], options: Pick<RunOptions, 'user' | 'env'> = {}): Running {
    const child = spawn('sh', this.#insideCommand(argv, options.user), {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.#environment(options.user, options.env),
    });
    const running = new Running(argv, child);
    this.#running.add(running);
    void running.done.finally(() => this.#running.delete(running));
    return running;
  }

  #insideCommand(argv: readonly string[], user: string | undefined): string[] {
    const leader = String(this.leader);
    const account = user === undefined || user === 'root' ? null : this.account(user);
    const become =
      account === null
        ? []
        : [
            'setpriv',
            `--reuid=${account.uid}`,
            `--regid=${account.gid}`,
            '--init-groups',
            '--inh-caps=-all',
            '--',
          ];
    const enter = ['nsenter', '-t', leader, '-m', '-p', '-u', '-i', '-n', '-C', '--'];
    return [...entering(this.#cgroup.entrancesInside(this.leader)), ...enter, ...become, ...argv];
  }

  #environment(user = 'root', env: Readonly<Record<string, string>> = {}): Record<string, string> {
    const home = user === 'root' ? '/root' : this.account(user).home;
    return {
      PATH,
      HOME: home,
      USER: user,
      LOGNAME: user,
      SHELL: '/bin/sh',
      LANG: 'C.UTF-8',
      TERM: 'dumb',
      ...env,
    };
  }

  /** A user of the machine. */
  account(user: string): { readonly uid: number; readonly gid: number; readonly home: string } {
    for (const line of readFileSync(this.path('/etc/passwd'), 'utf8').split('\n')) {
      const [name, , uid, gid, , home] = line.split(':');
      if (name === user) return { uid: Number(uid), gid: Number(gid), home: home ?? '/' };
    }
    throw new Error(`${this.name} has no user ${user}`);
  }

  /**
   * Entries of the journal, oldest first. Arguments are those of journalctl: matches like `_SYSTEMD_UNIT=…`, or options
   * like `--unit=…`. All that was logged before the call is there.
   */
  async journal(...matches: string[]): Promise<JournalEntry[]> {
    await this.run(['journalctl', '--sync']);
    const { stdout } = await this.run([
      'journalctl',
      '--output=json',
      '--all',
      '--no-pager',
      '--quiet',
      ...matches,
    ]);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map(parseEntry);
  }

  /** Waits for an entry of the journal that `wanted` accepts. */
  async logged(
    what: string,
    matches: readonly string[],
    wanted: (entry: JournalEntry) => boolean,
    deadlineMs = 60_000,
  ): Promise<JournalEntry> {
    let seen: JournalEntry[] = [];
    return poll(
      () => `${what}; the journal has:\n${seen.map((entry) => entry['MESSAGE'] ?? '').join('\n')}`,
      async () => {
        seen = await this.journal(...matches);
        return seen.find(wanted);
      },
      { deadlineMs, everyMs: 200 },
    );
  }

  /** A file's text; also of one below /run or /tmp while the machine is on. */
  async readFile(path: string): Promise<string> {
    if (this.#leader === null) return readFileSync(this.path(path), 'utf8');
    return (await this.run(['cat', '--', path])).stdout;
  }

  /** Writes a file, and the directories above it where there are none. */
  async writeFile(
    path: string,
    content: string | Uint8Array,
    options: { readonly mode?: string; readonly owner?: string } = {},
  ): Promise<void> {
    await this.run(
      [
        'sh',
        '-euc',
        'mkdir -p "$(dirname "$1")"; cat >"$1"; chmod "$2" "$1"; chown "$3" "$1"',
        'sh',
        path,
      ].concat(options.mode ?? '0644', options.owner ?? 'root:root'),
      { input: content },
    );
  }

  /** The kernel's id of this boot. */
  async bootId(): Promise<string> {
    return (await this.readFile('/proc/sys/kernel/random/boot_id')).trim();
  }

  /** Shuts down in good order; waits until it is off. */
  async poweroff(): Promise<void> {
    // The command may lose its connection to what it shuts down.
    await this.run(['systemctl', '--no-block', 'poweroff'], { check: false });
    await this.#off(SHUTDOWN_MS);
  }

  /** Shuts down in good order and boots again: the disk stays, what is below /run and /tmp does not. */
  async reboot(): Promise<void> {
    const nspawn = this.#nspawn;
    await this.run(['systemctl', '--no-block', 'reboot'], { check: false });
    await this.#off(SHUTDOWN_MS);
    if (nspawn?.exitCode !== REBOOT) throw new Error(`${this.name} went off instead of rebooting`);
    await this.boot();
  }

  /**
   * Power loss: every process ends at once and unasked. What they wrote is on the disk, also what was not synced: the
   * page cache is the host's and survives.
   */
  async kill(): Promise<void> {
    process.kill(this.leader, 'SIGKILL');
    await this.#off(30_000);
  }

  async #off(deadlineMs: number): Promise<void> {
    try {
      await poll(`${this.name} is off`, () => this.#nspawn === null, { deadlineMs, everyMs: 20 });
    } catch (error) {
      throw new Error(`${String(error)}\nIts console:\n${this.console}`, { cause: error });
    }
  }

  /** Power loss, then removes the machine and all that it left on the host. Does nothing the second time. */
  async dispose(): Promise<void> {
    await Promise.all([...this.#running].map((running) => running.kill()));
    const nspawn = this.#nspawn;
    if (nspawn !== null) {
      // The leader first: systemd-nspawn then puts away what it holds on the host.
      if (this.#leader !== null) kill(this.#leader);
      else nspawn.kill('SIGKILL');
      await this.#off(30_000);
    }
    await removeRoot(this.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

/** A program that goes on inside a machine. */
export class Running {
  /** What it wrote to stdout and stderr so far. */
  readonly lines: string[] = [];
  /** Its exit status; null when a signal ended it. */
  readonly done: Promise<number | null>;
  readonly #argv: readonly string[];
  readonly #child: ChildProcess;

  constructor(argv: readonly string[], child: ChildProcess) {
    this.#argv = argv;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
    }
    this.done = once(child, 'close').then(() => child.exitCode);
  }

  /** Waits for a line; `from` is an index into `lines`. */
  async line(
    pattern: RegExp,
    options: { readonly from?: number; readonly deadlineMs?: number } = {},
  ): Promise<string> {
    return poll(
      () => `${this.#argv.join(' ')} writes ${pattern}; it wrote:\n${this.lines.join('\n')}`,
      () => this.lines.slice(options.from ?? 0).find((line) => pattern.test(line)),
      { deadlineMs: options.deadlineMs ?? 30_000, everyMs: 20 },
    );
  }

  /** SIGKILL to it and what it started, unless that left its process group. */
  async kill(): Promise<void> {
    await endInside(this.#child);
  }
}

function entering(entrances: readonly string[]): string[] {
  return ['-c', ENTER, 'sh', String(entrances.length), ...entrances];
}

/** PID 1 of the machine's namespace, once it is systemd and no longer systemd-nspawn's own code. */
function isLeader(pid: number): boolean {
  const status = readStatus(pid);
  return /^NSpid:\t.*\t1$/m.test(status) && /^Name:\tsystemd$/m.test(status);
}

/**
 * Ends what a command runs inside, and waits until nothing of its process group is left. nsenter, the head of the group, is
 * left to see its child end and to follow: if it ended first, the child would be a zombie until the host's first process
 * looks, and a systemd that shuts down waits ten seconds for it.
 */
async function endInside(child: ChildProcess): Promise<void> {
  const started = performance.now();
  await poll(
    `the process group ${child.pid} is gone`,
    () => {
      const members = readdirSync('/proc')
        .map(Number)
        .filter((pid) => Number.isInteger(pid) && groupOf(pid) === child.pid);
      const others = members.filter((pid) => pid !== child.pid);
      for (const pid of others) kill(pid);
      if (others.length === 0 && performance.now() - started > NSENTER_MS) killGroup(child);
      return members.length === 0;
    },
    { everyMs: 20 },
  );
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}

function groupOf(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[2]);
  } catch {
    return undefined;
  }
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

/** journalctl writes a value that is no UTF-8 text as an array of bytes, and several values of one field as an array. */
function parseEntry(line: string): JournalEntry {
  const entry: Record<string, string> = {};
  for (const [field, value] of Object.entries(JSON.parse(line) as Record<string, unknown>)) {
    if (typeof value === 'string') entry[field] = value;
    else if (Array.isArray(value))
      entry[field] = value.every((part) => typeof part === 'number')
        ? text(value)
        : value.map(text).join('\n');
  }
  return entry;
}

function text(value: unknown): string {
  return Array.isArray(value) ? Buffer.from(value as number[]).toString() : String(value);
}
