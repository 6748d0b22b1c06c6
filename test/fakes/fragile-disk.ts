// Owns a stand-in for a file system whose power fails: what was not synced may be there, in part, or not at all.

import { dirname } from 'node:path';
import type { FileCalls } from '../../src/host/files.ts';

type Inode = { bytes: Buffer; durable: Buffer };

/** The power failed before the call that was counted to. */
export class PowerCut extends Error {}

/**
 * Keeps what programs see and what is on the platter apart. File content is durable from fsync of the file, names are durable from fsync
 * of their directory; until then each change may or may not have reached the platter, and content may be there in part.
 */
export class FragileDisk {
  readonly #names = new Map<string, Inode>();
  readonly #durableNames = new Map<string, Inode>();
  /** Changes of names in the order in which they were made, since the directory was synced. */
  #journal: { readonly path: string; readonly inode: Inode | null }[] = [];
  readonly #open = new Map<number, { readonly inode: Inode | null; readonly path: string }>();
  #next = 3;
  /** Calls until the power fails; Infinity: it does not. */
  callsLeft = Number.POSITIVE_INFINITY;
  /** How many bytes a write takes at once. */
  largestWrite = 40;

  /** What programs see now; undefined: no such file. */
  read(path: string): string | undefined {
    return this.#names.get(path)?.bytes.toString('utf8');
  }

  readonly calls: FileCalls = {
    remove: (path) => {
      this.#call();
      if (this.#names.has(path)) this.#change(path, null);
    },
    create: (path) => {
      this.#call();
      if (this.#names.has(path)) throw Object.assign(new Error('EEXIST'), { code: 'EEXIST' });
      const inode = { bytes: Buffer.alloc(0), durable: Buffer.alloc(0) };
      this.#change(path, inode);
      return this.#opened(inode, path);
    },
    openDirectory: (path) => {
      this.#call();
      return this.#opened(null, path);
    },
    write: (file, bytes, from) => {
      this.#call();
      const { inode } = this.#file(file);
      const part = Buffer.from(bytes.subarray(from, from + this.largestWrite));
      if (inode !== null) inode.bytes = Buffer.concat([inode.bytes, part]);
      return part.length;
    },
    setGroup: () => this.#call(),
    setMode: () => this.#call(),
    sync: (file) => {
      this.#call();
      const { inode, path } = this.#file(file);
      if (inode !== null) inode.durable = inode.bytes;
      else this.#syncNames(path);
    },
    close: (file) => {
      this.#call();
      this.#open.delete(file);
    },
    rename: (from, to) => {
      this.#call();
      const inode = this.#names.get(from);
      if (inode === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
      this.#change(from, null);
      this.#change(to, inode);
    },
  };

  /**
   * Every content that the file may have when the power is back; undefined: no such file. Names come back in the order in which they were
   * changed, up to any point, as on a journalling file system that commits by itself at any time; bytes that were not synced up to any one.
   */
  afterPowerCut(path: string): Set<string | undefined> {
    const possible = new Set<string | undefined>();
    for (let kept = 0; kept <= this.#journal.length; kept += 1) {
      const names = new Map(this.#durableNames);
      for (const { path: name, inode } of this.#journal.slice(0, kept)) {
        if (inode === null) names.delete(name);
        else names.set(name, inode);
      }
      const inode = names.get(path);
      if (inode === undefined) {
        possible.add(undefined);
        continue;
      }
      const { bytes, durable } = inode;
      if (bytes === durable) possible.add(durable.toString('utf8'));
      else
        for (let length = 0; length <= bytes.length; length += 1)
          possible.add(bytes.toString('utf8', 0, length));
    }
    return possible;
  }

  #call(): void {
    if (this.callsLeft <= 0) throw new PowerCut('the power failed');
    this.callsLeft -= 1;
  }

  #change(path: string, inode: Inode | null): void {
    if (inode === null) this.#names.delete(path);
    else this.#names.set(path, inode);
    this.#journal.push({ path, inode });
  }

  #syncNames(directory: string): void {
    for (const { path, inode } of this.#journal) {
      if (dirname(path) !== directory) continue;
      if (inode === null) this.#durableNames.delete(path);
      else this.#durableNames.set(path, inode);
    }
    this.#journal = this.#journal.filter(({ path }) => dirname(path) !== directory);
  }

  #opened(inode: Inode | null, path: string): number {
    this.#next += 1;
    this.#open.set(this.#next, { inode, path });
    return this.#next;
  }

  #file(file: number): { readonly inode: Inode | null; readonly path: string } {
    const open = this.#open.get(file);
    if (open === undefined) throw new Error(`no open file ${file}`);
    return open;
  }
}
