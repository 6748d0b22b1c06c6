// Owns the release bundles: dist/ from src/, each program in one or two files, runnable in place by dist/bin/.
//
//   node build.ts [--only PROGRAM]... [--with-node] [OUTDIR]
//
// dist/ can be moved anywhere: the one package that cannot be bundled is in its node_modules/. Node itself (150 MB) is not:
// in a checkout the starters take the pinned one of ../node_modules, and install.sh copies it to bin/node. With --with-node
// it is there at once, for a directory that is to be carried to a host without npm.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { buildBridgeJar } from './build-bridge.ts';

const ROOT = import.meta.dirname;

type Program = {
  readonly name: string;
  readonly entry: string;
  /** What dist/bin/NAME starts. */
  readonly starts: string;
  /** A source whose exports the main file gives to the parts. */
  readonly exports?: string;
  /** Further bundles of the program: file name → entry. */
  readonly parts?: Readonly<Record<string, string>>;
  readonly options: BuildOptions;
  readonly partOptions?: BuildOptions;
};

/**
 * Bundles of CommonJS packages call require; an ES module has none of its own. koffi is native and finds its library beside
 * its own files, so it comes along as a package.
 */
const DAEMON: BuildOptions = {
  format: 'esm',
  external: ['koffi'],
  keepNames: true,
  banner: {
    js: "import { createRequire as bundleRequire } from 'node:module'; const require = bundleRequire(import.meta.url);",
  },
};

/**
 * ibctl is CommonJS, because importing Node's own modules into an ES module costs it a third of its start-up time, and split
 * by hand: zod and yaml are needed by verbs that read the configuration, execa by `doctor`, commander by help and odd command lines. What the parts share by
 * identity, the error class, they take from the main file, which is loaded already.
 */
const SHARED = 'src/protocol/errors.ts';
const IBCTL: BuildOptions = {
  format: 'cjs',
  minify: true,
  plugins: [
    separate({
      'src/cli/verbs/config.ts': './ibctl-config.cjs',
      'src/cli/verbs/credentials.ts': './ibctl-credentials.cjs',
      'src/cli/verbs/doctor.ts': './ibctl-doctor.cjs',
      'src/cli/verbs/second-factor-show.ts': './ibctl-second-factor-show.cjs',
      'src/cli/program.ts': './ibctl-program.cjs',
    }),
  ],
};

export const PROGRAMS: readonly Program[] = [
  {
    name: 'ibctl',
    entry: 'src/cli/main.ts',
    starts: 'ibctl.cjs',
    exports: SHARED,
    parts: {
      'ibctl-config.cjs': 'src/cli/verbs/config.ts',
      'ibctl-credentials.cjs': 'src/cli/verbs/credentials.ts',
      'ibctl-doctor.cjs': 'src/cli/verbs/doctor.ts',
      'ibctl-second-factor-show.cjs': 'src/cli/verbs/second-factor-show.ts',
      'ibctl-program.cjs': 'src/cli/program.ts',
    },
    options: IBCTL,
    partOptions: { ...IBCTL, plugins: [separate({ [SHARED]: './ibctl.cjs' })] },
  },
  { name: 'ib-agent', entry: 'src/agent/main.ts', starts: 'ib-agent.js', options: DAEMON },
  { name: 'ib-session', entry: 'src/launch/session-main.ts', starts: 'ib-session.js', options: DAEMON },
  { name: 'ib-display', entry: 'src/launch/display-main.ts', starts: 'ib-display.js', options: DAEMON },
  { name: 'ib-code', entry: 'src/launch/code-main.ts', starts: 'ib-code.js', options: DAEMON },
  { name: 'ib-clock', entry: 'src/launch/clock-main.ts', starts: 'ib-clock.js', options: DAEMON },
];

/** Packages that must never come into the file that `ibctl status` loads. */
const TOO_SLOW_FOR_STATUS = [
  'commander',
  'zod',
  'yaml',
  'node-ipc',
  'koffi',
  'pino',
  'execa',
  'systeminformation',
];

/** Of koffi, what is loaded at run time on this platform; the rest of its 4 MB are sources and other platforms' libraries. */
const KOFFI_FILES = [
  'koffi/package.json',
  'koffi/LICENSE.txt',
  'koffi/index.cjs',
  'koffi/src/koffi/index.cjs',
  'koffi/src/koffi/src/static.cjs',
  `@koromix/koffi-linux-${process.arch}/package.json`,
  `@koromix/koffi-linux-${process.arch}/index.js`,
  `@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`,
];

/** Holds the product's version; what installs a release reads it. */
const VERSION_FILE = 'VERSION';

/** Also the mark by which a directory is known as made by this build. */
const LICENCES_FILE = 'THIRD-PARTY-LICENSES.txt';

/**
 * Builds the named programs into a directory, which is emptied first; `withNode`: with a copy of the Node that runs this.
 * Throws with a message for people.
 */
export async function buildRelease(
  outdir: string,
  names: readonly string[],
  { withNode = false }: { readonly withNode?: boolean } = {},
): Promise<void> {
  const programs = PROGRAMS.filter(({ name }) => names.includes(name));
  // First, so that a missing JDK leaves an earlier build as it was.
  const bridgeJar = names.includes('ib-session') ? buildBridgeJar() : null;
  const missing = programs
    .flatMap(({ entry, parts }) => [entry, ...Object.values(parts ?? {})])
    .filter((entry) => !existsSync(join(ROOT, entry)));
  if (missing.length > 0) throw new Error(`there is no ${missing.join(', no ')}: nothing was built`);
  emptyOutput(outdir);
  mkdirSync(join(outdir, 'bin'), { recursive: true });
  writeFileSync(join(outdir, LICENCES_FILE), '');
  // The .js files are ES modules wherever dist/ is copied to.
  writeFileSync(join(outdir, 'package.json'), '{"type":"module"}\n');
  const packages = new Set<string>();
  const daemons = programs.filter(({ options }) => options === DAEMON);
  if (daemons.length > 0) {
    for (const each of packagesIn(await bundleTogether(daemons, outdir))) packages.add(each);
    copyKoffi(outdir);
  }
  if (withNode) copyNode(outdir);
  for (const program of programs) {
    const { name, starts } = program;
    writeStarter(outdir, name, starts);
    if (program.options === DAEMON) continue;
    const main = await bundle(mainEntry(program), join(outdir, starts), program.options);
    if (name === 'ibctl') refuseSlowPackages(packagesIn(main));
    for (const each of packagesIn(main)) packages.add(each);
    for (const [file, source] of Object.entries(program.parts ?? {})) {
      const part = await bundle(
        { entryPoints: [source] },
        join(outdir, file),
        program.partOptions ?? program.options,
      );
      for (const each of packagesIn(part)) packages.add(each);
    }
  }
  if (bridgeJar !== null) copyFileSync(bridgeJar, join(outdir, 'ib-bridge.jar'));
  writeFileSync(join(outdir, LICENCES_FILE), licences([...packages].sort()));
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  // Last: a directory without it is half a release.
  writeFileSync(join(outdir, VERSION_FILE), `${version}\n`);
}

function copyKoffi(outdir: string): void {
  for (const file of KOFFI_FILES) {
    const copy = join(outdir, 'node_modules', file);
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(join(ROOT, 'node_modules', file), copy);
  }
}

function copyNode(outdir: string): void {
  const copy = join(outdir, 'bin/node');
  copyFileSync(process.execPath, copy);
  chmodSync(copy, 0o755);
}

/** What these programs have in common, and what they load only when it is needed, goes into chunks/. */
async function bundleTogether(programs: readonly Program[], outdir: string): Promise<Metafile> {
  const { metafile } = await build({
    ...DAEMON,
    ...COMMON,
    entryPoints: Object.fromEntries(programs.map(({ name, entry }) => [name, entry])),
    outdir,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
  });
  return metafile;
}

function writeStarter(outdir: string, name: string, starts: string): void {
  const starter = join(outdir, 'bin', name);
  writeFileSync(starter, starterScript(name, starts));
  chmodSync(starter, 0o755);
}

/** Removes what an earlier build left; a directory that is none of ours is not touched. */
function emptyOutput(outdir: string): void {
  if (existsSync(outdir) && readdirSync(outdir).length > 0 && !existsSync(join(outdir, LICENCES_FILE))) {
    throw new Error(`${outdir} is not empty and was not made by this build: name another directory`);
  }
  rmSync(outdir, { recursive: true, force: true });
}

function mainEntry({ entry, exports }: Program): BuildOptions {
  if (exports === undefined) return { entryPoints: [entry] };
  const contents = `export * from './${exports}';\nimport './${entry}';\n`;
  return { stdin: { contents, resolveDir: ROOT, sourcefile: 'entry.ts', loader: 'ts' } };
}

const COMMON = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: 'node',
  target: 'node26',
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
} as const satisfies BuildOptions;

async function bundle(entry: BuildOptions, outfile: string, options: BuildOptions): Promise<Metafile> {
  const { metafile } = await build({ ...COMMON, ...options, ...entry, outfile, metafile: true });
  return metafile;
}

/** These sources are not bundled where they are imported, but loaded from the file beside the bundle. */
function separate(files: Readonly<Record<string, string>>): Plugin {
  return {
    name: 'separate',
    setup(hooks) {
      hooks.onResolve({ filter: /\.ts$/ }, ({ path, kind, resolveDir }) => {
        if (kind === 'entry-point') return null;
        const full = resolve(resolveDir, path);
        const found = Object.entries(files).find(([source]) => full === join(ROOT, source));
        return found === undefined ? null : { path: found[1], external: true };
      });
    },
  };
}

function packagesIn({ inputs }: Metafile): Set<string> {
  const names = Object.keys(inputs).map(
    (path) => /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1],
  );
  return new Set(names.filter((name) => name !== undefined));
}

function refuseSlowPackages(used: ReadonlySet<string>): void {
  const slow = TOO_SLOW_FOR_STATUS.filter((name) => used.has(name));
  if (slow.length > 0)
    throw new Error(`ibctl status would load ${slow.join(', ')}: import it where it is needed only`);
}

/**
 * Starts a bundle with the Node that is pinned in package-lock.json: the one beside it where it is installed, else that of the tree
 * that dist/ stands in. On SIGUSR1 Node would open a debugger's port, where any local user can run code as us.
 */
function starterScript(name: string, starts: string): string {
  return `#!/bin/sh
self=$0
[ -L "$self" ] && self=$(readlink -f "$self")
dist=\${self%/*}/..
for node in "$dist/bin/node" "$dist"/../node_modules/node-linux-*/bin/node; do
  [ -x "$node" ] && exec "$node" --disable-sigusr1 "$dist/${starts}" "$@"
done
echo "${name}: there is no Node in $dist/bin, nor in $dist/../node_modules: install it again, or run npm ci" >&2
exit 1
`;
}

function licences(packages: readonly string[]): string {
  const parts = packages.map((name) => {
    const directory = join(ROOT, 'node_modules', name);
    const { version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    const file = ['LICENSE', 'LICENSE.md', 'LICENSE.txt', 'license', 'LICENCE']
      .map((each) => join(directory, each))
      .find((each) => existsSync(each));
    return `${name} ${version} (${license})\n\n${file === undefined ? '' : readFileSync(file, 'utf8').trim()}\n`;
  });
  return `Parts of these packages are in the bundles beside this file.\n\n${parts.join(`\n${'-'.repeat(80)}\n\n`)}`;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { only: { type: 'string', multiple: true }, 'with-node': { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const known = PROGRAMS.map(({ name }) => name);
  const names = values.only ?? known;
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(`--only: expected one of ${known.join(', ')}, got ${unknown.join(', ')}`);
  const outdir = resolve(positionals[0] ?? join(ROOT, 'dist'));
  await buildRelease(outdir, names, { withNode: values['with-node'] });
  console.log(`built ${names.join(', ')} in ${relative(process.cwd(), outdir) || '.'}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main().catch((error: unknown) => {
    console.error(`build: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  });
}
