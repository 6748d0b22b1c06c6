// Owns a machine's root directory: a writable view of a base image that is thrown away with the machine.

import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { MachineCgroup } from './cgroup.ts';
import { command, poll } from './command.ts';
import { BUILD_ROOT, type Image } from './image.ts';

const MACHINES = join(BUILD_ROOT, 'machines');

/** What systemd-nspawn keeps about a container; it does not remove its propagation directory when /run is no tmpfs. */
const NSPAWN_RUNTIME = ['/run/systemd/nspawn/propagate', '/run/systemd/nspawn/unix-export'];

/** Where a machine's directory is, its root in it, and what its console showed. */
export type MachineRoot = {
  readonly directory: string;
  readonly root: string;
  readonly console: string;
};

function rootOf(name: string): MachineRoot {
  const directory = join(MACHINES, name);
  return { directory, root: join(directory, 'root'), console: join(directory, 'console.log') };
}

/** Makes the root: an overlay over the image, or a copy where the file system below carries no overlay. */
export async function makeRoot(name: string, image: Image): Promise<MachineRoot> {
  const made = rootOf(name);
  const upper = join(made.directory, 'upper');
  const work = join(made.directory, 'work');
  for (const directory of [made.root, upper, work]) mkdirSync(directory, { recursive: true });
  writeFileSync(join(made.directory, 'owner'), `${process.pid} ${startOf(process.pid)}`);
  const layers = `lowerdir=${image.directory},upperdir=${upper},workdir=${work}`;
  const mounted = await command(['mount', '-t', 'overlay', 'overlay', '-o', layers, made.root], {
    check: false,
  });
  if (mounted.status !== 0) {
    await command(['cp', '-a', '--reflink=auto', `${image.directory}/.`, made.root], { timeoutMs: 300_000 });
  }
  return made;
}

/** Ends whatever still runs in a machine and removes all that it left on the host. */
export async function removeRoot(name: string): Promise<void> {
  const { directory, root } = rootOf(name);
  const cgroup = new MachineCgroup(name);
  await poll(
    () => `the control group of ${name} is empty, there are: ${cgroup.pids().join(' ')}`,
    () => {
      for (const pid of cgroup.pids()) kill(pid);
      return cgroup.remove();
    },
    { everyMs: 20 },
  );
  await poll(`${root} can be unmounted`, async () => {
    if (!mountedAt(root)) return true;
    return (await command(['umount', root], { check: false })).status === 0;
  });
  rmSync(directory, { recursive: true, force: true });
  for (const parent of NSPAWN_RUNTIME) {
    const path = join(parent, name);
    if (!existsSync(path)) continue;
    if (mountedAt(path)) await command(['umount', path]);
    rmSync(path, { recursive: true, force: true });
  }
  try {
    rmdirSync(MACHINES);
  } catch {
    // There are others.
  }
}

/** Removes the machines of test runs that were killed before they could do so themselves. */
export async function sweepMachines(): Promise<void> {
  for (const name of existsSync(MACHINES) ? readdirSync(MACHINES) : []) {
    const [pid, start] = read(join(MACHINES, name, 'owner')).split(' ');
    // Without an owner it is being made right now, or was left in that moment.
    if (pid === undefined || pid === '' || startOf(Number(pid)) === start) continue;
    await removeRoot(name);
  }
}

/** What a machine of this name has on the host: mounts, directories, control groups. Empty after `dispose`. */
export function tracesOf(name: string): string[] {
  return [
    ...read('/proc/self/mountinfo')
      .split('\n')
      .filter((line) => line.includes(name)),
    ...globSync([join(MACHINES, name), ...NSPAWN_RUNTIME.map((parent) => join(parent, name))]),
    ...new MachineCgroup(name).entrances.filter((file) => existsSync(file)),
  ];
}

function mountedAt(path: string): boolean {
  return read('/proc/self/mountinfo')
    .split('\n')
    .some((line) => line.split(' ')[4] === path);
}

/** When a process started, in ticks since boot: tells it from a later one of the same pid. Empty when there is none. */
function startOf(pid: number): string {
  return read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')[19] ?? '';
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
