// Owns the base images: one Debian per suite, built once, never written to afterwards.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { command } from './command.ts';

export type Suite = 'bookworm' | 'trixie';

/** Everything that the tier keeps between runs. */
export const BUILD_ROOT = fileURLToPath(new URL('../../.build/system', import.meta.url));

const DEFAULT_MIRROR = 'http://deb.debian.org/debian';

/** What a small server has, what the product needs there, and what the tests look with. */
const PACKAGES = [
  ['systemd', 'systemd-sysv', 'dbus', 'polkitd', 'libsystemd0', 'adduser', 'sudo', 'util-linux', 'procps'],
  ['iproute2', 'nftables', 'ca-certificates', 'needrestart'],
  // What install.sh wants to find, since the machines have no network to fetch it from.
  ['libatomic1', 'xvfb', 'fontconfig', 'fonts-dejavu-core', 'libx11-6', 'libxext6', 'libxi6', 'libxrender1'],
  ['libxtst6', 'libxrandr2', 'libxcursor1', 'libxinerama1', 'libfontconfig1', 'libfreetype6'],
  ['libfaketime'],
].flat();

/** What has another name in each: the JRE (not the headless one, which shows no windows), and a renamed library. */
const OF_SUITE: Readonly<Record<Suite, readonly string[]>> = {
  bookworm: ['openjdk-17-jre', 'libasound2'],
  trixie: ['openjdk-21-jre', 'libasound2t64'],
};

/**
 * Run in the finished root. What apt and file systems do by the clock would disturb a test; an empty machine-id gets a
 * new value in each machine without the machine taking this for its first boot, which would reset what units are enabled.
 */
const FINISH = [
  'rm -f "$1/etc/hostname" "$1/etc/resolv.conf"',
  ': > "$1/etc/machine-id"',
  'rm -f "$1/var/lib/dbus/machine-id"',
  'for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer console-getty.service; do ln -sf /dev/null "$1/etc/systemd/system/$unit"; done',
].join(' && ');

export type Image = {
  readonly suite: Suite;
  readonly directory: string;
};

/**
 * The image of a suite: from the cache, or built, which takes a minute and needs Debian's mirror. Test runs that want
 * the same image at once wait for each other.
 */
export async function baseImage(suite: Suite): Promise<Image> {
  const packages = [...PACKAGES, ...OF_SUITE[suite]];
  const hash = createHash('sha256')
    .update(JSON.stringify([suite, packages, FINISH]))
    .digest('hex')
    .slice(0, 12);
  const directory = join(BUILD_ROOT, `${suite}-${hash}`);
  if (existsSync(directory)) return { suite, directory };
  mkdirSync(join(BUILD_ROOT, 'apt-cache'), { recursive: true });
  const release = await lock(join(BUILD_ROOT, `${suite}.lock`));
  try {
    if (!existsSync(directory)) await build(suite, packages, directory);
    removeOthers(suite, directory);
  } finally {
    release();
  }
  return { suite, directory };
}

async function build(suite: Suite, packages: readonly string[], directory: string): Promise<void> {
  const started = performance.now();
  process.stderr.write(`building the ${suite} image in ${directory} ...\n`);
  const work = `${directory}.new`;
  rmSync(work, { recursive: true, force: true });
  const cache = join(BUILD_ROOT, 'apt-cache');
  const archives = '"$1/var/cache/apt/archives"';
  try {
    await command(
      [
        'mmdebstrap',
        '--mode=root',
        '--format=directory',
        '--variant=minbase',
        `--include=${packages.join(',')}`,
        // An interrupted build is thrown away, so it need not be safe on disk at each step.
        '--dpkgopt=force-unsafe-io',
        '--aptopt=Acquire::Languages "none"',
        // Between these two steps the packages would be removed, before the hook below can keep them.
        '--skip=essential/unlink',
        '--skip=cleanup/apt/cache',
        `--setup-hook=mkdir -p ${archives} && find ${quote(cache)} -name '*.deb' -exec cp -t ${archives} {} +`,
        `--customize-hook=find ${archives} -name '*.deb' -exec cp -n -t ${quote(cache)} {} + && find ${archives} -name '*.deb' -delete`,
        `--customize-hook=${FINISH}`,
        '--keyring=/usr/share/keyrings/debian-archive-keyring.gpg',
        suite,
        work,
        mirror(),
      ],
      { timeoutMs: 15 * 60_000 },
    );
    renameSync(work, directory);
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    throw error;
  }
  process.stderr.write(`... built in ${Math.round((performance.now() - started) / 1000)} s\n`);
}

/** Images of other package lists; those that a machine of another test run stands on are left for later. */
function removeOthers(suite: Suite, current: string): void {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  for (const name of readdirSync(BUILD_ROOT)) {
    const path = join(BUILD_ROOT, name);
    const other = name.startsWith(`${suite}-`) && path !== current && statSync(path).isDirectory();
    if (other && !mounts.includes(path)) rmSync(path, { recursive: true, force: true });
  }
}

/** The host's own mirror of Debian, which may be a nearer one. Security updates and the like are other archives. */
function mirror(): string {
  const files = ['/etc/apt/sources.list', ...globSync('/etc/apt/sources.list.d/*.{list,sources}')];
  for (const file of files.filter((name) => existsSync(name))) {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      if (line.startsWith('#')) continue;
      const found = /\bhttps?:\/\/\S+?\/debian\/?(?=\s|$)/.exec(line);
      if (found !== null) return found[0];
    }
  }
  return DEFAULT_MIRROR;
}

/** An exclusive lock, held by a child so that it ends with this process however that ends. Gives its release. */
async function lock(file: string): Promise<() => void> {
  const holder: ChildProcess & { stdin: NodeJS.WritableStream; stdout: NodeJS.ReadableStream } = spawn(
    'flock',
    ['--exclusive', file, 'sh', '-c', 'echo held; exec cat'],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  for await (const line of createInterface({ input: holder.stdout })) {
    if (line === 'held') return () => holder.stdin.end();
  }
  throw new Error(`no lock on ${file}`);
}

function quote(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}
