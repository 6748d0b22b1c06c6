// Owns how a launcher writes and how it turns into its program.
// Nothing here or in its callers may touch process.stdout, process.stderr or console: they set O_NONBLOCK on the descriptors, that survives
// execve, and a JVM then loses lines when the reader is slow. Importing node:util as an ES module is enough to touch process.stderr
// (Node 26: its facade reads every export, one of which loads the colour support), so launchers do not import it.

import { closeSync, openSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { makeBlocking } from '../host/descriptors.ts';
import { errorCode } from '../host/files.ts';

/** What a launcher becomes. */
export type Program = {
  readonly file: string;
  /** The first element is argv[0]. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
};

/** Writes all of a text to descriptor 1 or 2, and waits for a slow reader. A closed pipe is ignored: there is nobody left to tell. */
export function writeOut(descriptor: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (error) {
      // A descriptor that somebody else set non-blocking: the reader is slow, so try again.
      if (errorCode(error) !== 'EAGAIN') return;
    }
  }
}

/**
 * Replaces this process. Returns only by throwing the system error of chdir or execve. Descriptor 0 becomes /dev/null; 1 and 2 are made
 * blocking where whoever started us left them otherwise.
 */
export function becomeProgram(program: Program): never {
  process.chdir(program.cwd);
  closeSync(0);
  // The lowest free descriptor is taken: 0.
  openSync('/dev/null', 'r');
  for (const descriptor of [1, 2]) {
    if (!makeBlocking(descriptor)) {
      writeOut(
        2,
        `launcher: warning: descriptor ${descriptor} does not block: lines may be lost when its reader is slow\n`,
      );
    }
  }
  // Node writes what it compiled when it exits, and this process does not.
  flushCompileCache();
  // execve is experimental in Node 26; its warning would be the gateway's first line.
  process.removeAllListeners('warning');
  process.execve?.(program.file, [...program.args], { ...program.env });
  throw new Error('this Node has no process.execve');
}
