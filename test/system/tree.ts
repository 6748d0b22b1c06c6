// Owns the tree that install.sh runs from in a machine: a checkout with node_modules and dist/, as somebody without network has it.

import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from './command.ts';
import { BUILD_ROOT } from './image.ts';
import type { Bind } from './machine.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TREES = join(BUILD_ROOT, 'trees');
const DAY_MS = 24 * 60 * 60 * 1000;

/** Where the version stands. */
const VERSION_LINES: readonly (readonly [string, RegExp])[] = [
  ['package.json', /^( {2}"version": ").*(",)$/m],
  ['src/protocol/version.ts', /^(export const AGENT_VERSION = ').*(';)$/m],
];

export type Tree = {
  readonly version: string;
  readonly directory: string;
  /** To be given to `bootMachine`. */
  readonly bind: Bind;
};

/**
 * The working tree as git sees it, changes included, with node_modules and a fresh dist/; `version` instead of its own, for
 * upgrades. Built once for each state of the sources.
 */
export async function productTree(options: { readonly version?: string } = {}): Promise<Tree> {
  const listed = await command(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
  });
  const files = listed.stdout
    .split('\0')
    .filter((file) => file !== '' && !file.startsWith('test/') && isFile(file));
  const hash = createHash('sha256').update(`${options.version} ${VERSION_LINES}`);
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(ROOT, file)));
  const directory = join(TREES, hash.digest('hex').slice(0, 16));
  if (!existsSync(directory)) await build(files, directory, options.version);
  const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
    version: string;
  };
  return { version, directory, bind: { from: directory, to: `/usr/src/ib-agent-${version}` } };
}

async function build(
  files: readonly string[],
  directory: string,
  version: string | undefined,
): Promise<void> {
  mkdirSync(TREES, { recursive: true });
  for (const name of readdirSync(TREES)) {
    const path = join(TREES, name);
    if (Date.now() - statSync(path).mtimeMs > DAY_MS) rmSync(path, { recursive: true, force: true });
  }
  const work = mkdtempSync(join(TREES, '.new-'));
  try {
    for (const file of files) {
      mkdirSync(dirname(join(work, file)), { recursive: true });
      copyFileSync(join(ROOT, file), join(work, file));
    }
    for (const [file, line] of version === undefined ? [] : VERSION_LINES) {
      const text = readFileSync(join(work, file), 'utf8');
      if (!line.test(text)) throw new Error(`${file} has no line with the version`);
      writeFileSync(join(work, file), text.replace(line, `$1${version}$2`));
    }
    const modules = join(ROOT, 'node_modules');
    const linked = await command(['cp', '-al', modules, work], { check: false, timeoutMs: 300_000 });
    if (linked.status !== 0) {
      // Another file system: hard links do not reach there.
      rmSync(join(work, 'node_modules'), { recursive: true, force: true });
      await command(['cp', '-a', modules, work], { timeoutMs: 300_000 });
    }
    await command([process.execPath, 'build.ts'], { cwd: work, timeoutMs: 300_000 });
    // Otherwise only root could enter.
    await command(['chmod', '0755', work]);
    renameSync(work, directory);
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    if (!existsSync(directory)) throw error;
  }
}

/** Not a file that is deleted in the working tree and still in the index. */
function isFile(file: string): boolean {
  return statSync(join(ROOT, file), { throwIfNoEntry: false })?.isFile() === true;
}
