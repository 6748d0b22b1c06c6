// Owns a machine's control group on the host: without one of its own, two machines started from one shell would share theirs.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

/** Where the hierarchies that systemd-nspawn moves its payload in are mounted: cgroup2, and v1's name=systemd beside it. */
function mountPoints(): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - cgroup2 | - cgroup \S+ \S*name=systemd/.test(line))
    .map((line) => line.split(' ')[4] ?? '');
}

export class MachineCgroup {
  readonly #directories: readonly string[];

  constructor(name: string) {
    this.#directories = mountPoints().map((point) => join(point, name));
  }

  /** Makes it, if need be. */
  create(): void {
    for (const directory of this.#directories) mkdirSync(directory, { recursive: true });
  }

  /** Files into which a process writes its pid to enter. */
  get entrances(): readonly string[] {
    return this.#directories.map((directory) => join(directory, 'cgroup.procs'));
  }

  /**
   * The same for a group inside the machine but outside its systemd's units, in which the tests' own commands run: in
   * no unit's accounts, and left alone when a unit is stopped. `leader` is the pid of the machine's systemd.
   */
  entrancesInside(leader: number): readonly string[] {
    const lines = readFileSync(`/proc/${leader}/cgroup`, 'utf8').split('\n');
    return mountPoints().flatMap((point) => {
      const unified = !existsSync(join(point, 'release_agent'));
      const line = lines.find((text) => (unified ? text.startsWith('0::') : text.includes(':name=systemd:')));
      if (line === undefined) return [];
      const root = line.slice(line.indexOf(':/') + 1).replace(/\/init\.scope$/, '');
      const directory = join(point, root, 'tests');
      mkdirSync(directory, { recursive: true });
      return [join(directory, 'cgroup.procs')];
    });
  }

  /** Pids of everything in it. */
  pids(): number[] {
    const found = new Set<number>();
    for (const directory of this.#directories.flatMap(withChildren)) {
      for (const line of read(join(directory, 'cgroup.procs')).split('\n'))
        if (line !== '') found.add(Number(line));
    }
    return [...found];
  }

  /** Removes it; false while something is still in it. */
  remove(): boolean {
    for (const directory of this.#directories.flatMap(withChildren)) {
      try {
        rmdirSync(directory);
      } catch {
        if (existsSync(directory)) return false;
      }
    }
    return true;
  }
}

/** The group and all below it, the deepest first. */
function withChildren(directory: string): string[] {
  if (!existsSync(directory)) return [];
  const children = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...children.flatMap((entry) => withChildren(join(directory, entry.name))), directory];
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
