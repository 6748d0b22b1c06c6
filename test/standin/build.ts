// Compiles the stand-in Gateway and the stand-in IBC, and lays them out on disk exactly like real installs.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  access,
  chmod,
  copyFile,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { delimiter, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = import.meta.dirname;
const cacheRoot = join(here, '..', '..', '.build', 'standin');
const RELEASE = '17';
const IBC_VERSION = '3.24.1';
const GATEWAY_VERSION = '1045';

/** Where the compiled stand-ins are. `stubJar` is a valid jar without classes. */
export type Standins = {
  readonly gatewayJar: string;
  readonly ibcJar: string;
  readonly stubJar: string;
  readonly javaHome: string;
};

/** A laid-out install. `gatewayDir` is the tws path root, `programDir` is `<gatewayDir>/ibgateway/<version>`. */
export type Install = {
  readonly ibcDir: string;
  readonly gatewayDir: string;
  readonly programDir: string;
  readonly version: string;
};

export type InstallRequest = {
  /** An existing or new directory; `ibc/` and `Jts/` are made in it. */
  readonly root: string;
  /** `root` as the Gateway will see it, where that is another path. */
  readonly seenAs?: string;
  readonly version?: string;
  /** Written to inst_jre.cfg; by default the home of the JDK that compiled the stand-ins. */
  readonly javaHome?: string;
  /** Another IBC.jar than the stand-in's, for example the real one. */
  readonly ibcJar?: string;
};

/** Compiles both stand-ins, or takes them from the cache. Throws when no JDK with Swing is installed. */
export async function buildStandins(): Promise<Standins> {
  const javaHome = await findJavaHome();
  const gatewayJar = await buildGatewayJar();
  const [ibcJar, stubJar] = await Promise.all([buildIbcJar(), buildStubJar()]);
  return { gatewayJar, ibcJar, stubJar, javaHome };
}

/** The stand-in Gateway alone. */
export async function buildGatewayJar(): Promise<string> {
  return buildJar('gateway', []);
}

/** The stand-in IBC alone; it is compiled against the stand-in Gateway, whose entry class it calls. */
export async function buildIbcJar(): Promise<string> {
  return buildJar('ibc', [await buildGatewayJar()]);
}

/** The home of the JDK behind `javac` on PATH. */
export async function findJavaHome(): Promise<string> {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const javac = join(directory, 'javac');
    if (directory !== '' && (await exists(javac))) {
      const home = dirname(dirname(await realpath(javac)));
      if (await exists(join(home, 'lib', 'libawt_xawt.so'))) return home;
      throw new Error(
        `the JDK in ${home} has no Swing for X11 (lib/libawt_xawt.so): the stand-in Gateway would compile but not run. ` +
          'On Debian or Ubuntu: apt-get install openjdk-17-jre (openjdk-17-jdk-headless does not bring it).',
      );
    }
  }
  throw new Error(
    'javac was not found on PATH: the stand-in Gateway and IBC are written in Java. ' +
      'On Debian or Ubuntu: apt-get install openjdk-17-jdk (openjdk-17-jdk-headless compiles, but its runtime has no Swing windows).',
  );
}

/** Lays out Gateway and IBC under `root` as their installers do (hard links where the file system allows them). */
export async function layInstall(request: InstallRequest): Promise<Install> {
  const version = request.version ?? GATEWAY_VERSION;
  const javaHome = request.javaHome ?? (await findJavaHome());
  const gatewayJar = await buildGatewayJar();
  const stubJar = await buildStubJar();
  const ibcJar = request.ibcJar ?? (await buildIbcJar());

  const ibcDir = join(request.root, 'ibc');
  const gatewayDir = join(request.root, 'Jts');
  const programDir = join(gatewayDir, 'ibgateway', version);
  const jars = join(programDir, 'jars');
  const install4j = join(programDir, '.install4j');
  for (const directory of [ibcDir, jars, install4j]) await mkdir(directory, { recursive: true });

  await place(gatewayJar, join(jars, `jts4launch-${version}.jar`));
  const others = [
    `twslaunch-${version}.jar`,
    'twslaunch-install4j-1.10.jar',
    'total-2024.jar',
    'jxbrowser-7.29.jar',
  ];
  for (const name of [...others, 'log4j-api-2.17.1.jar', 'locales.jar'])
    await place(stubJar, join(jars, name));
  await place(stubJar, join(install4j, 'i4jruntime.jar'));
  await writeFile(join(install4j, 'inst_jre.cfg'), `${javaHome}\n`);
  await writeFile(join(install4j, 'i4jparams.conf'), installParameters());
  await writeFile(
    join(programDir, 'ibgateway.vmoptions'),
    vmOptions(join(request.seenAs ?? request.root, relative(request.root, programDir))),
  );
  await writeFile(join(programDir, 'ibgateway'), LAUNCHER);
  await chmod(join(programDir, 'ibgateway'), 0o755);

  await place(ibcJar, join(ibcDir, 'IBC.jar'));
  await writeFile(join(ibcDir, 'version'), IBC_VERSION);
  await writeFile(join(ibcDir, 'config.ini'), IBC_INI);
  return { ibcDir, gatewayDir, programDir, version };
}

async function buildJar(part: 'gateway' | 'ibc', classpath: readonly string[]): Promise<string> {
  const sources = join(here, part);
  if (!(await exists(sources)))
    throw new Error(`there is no ${sources}: the stand-in ${part} has no sources`);
  const files = (await readdir(sources, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith('.java'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const hash = createHash('sha256').update(
    `release ${RELEASE}\n${classpath.map((jar) => relative(cacheRoot, jar)).join('\n')}\n`,
  );
  for (const file of files) {
    hash.update(`${relative(sources, file)}\n`).update(await readFile(file));
  }
  return cached(`${part}-${hash.digest('hex').slice(0, 16)}`, `${part}.jar`, async (work) => {
    const home = await findJavaHome();
    const classes = join(work, 'classes');
    await mkdir(classes);
    const path = classpath.length > 0 ? ['-classpath', classpath.join(delimiter)] : [];
    const javac = [...FEW_THREADS, '-encoding', 'UTF-8', '--release', RELEASE, '-d', classes, ...path];
    await tool(join(home, 'bin', 'javac'), [...javac, ...files], part);
    const jar = [...FEW_THREADS, '--create', '--file', join(work, `${part}.jar`), '-C', classes, '.'];
    await tool(join(home, 'bin', 'jar'), jar, part);
    await rm(classes, { recursive: true });
  });
}

/** A jar with nothing but a manifest stands for the install's other libraries: they only have to be there. */
async function buildStubJar(): Promise<string> {
  return cached('stub-1', 'stub.jar', async (work) => {
    const home = await findJavaHome();
    const empty = join(work, 'empty');
    await mkdir(empty);
    await tool(
      join(home, 'bin', 'jar'),
      [...FEW_THREADS, '--create', '--file', join(work, 'stub.jar'), '-C', empty, '.'],
      'stub',
    );
    await rm(empty, { recursive: true });
  });
}

// The tools start faster this way than with the defaults of a large machine.
const FEW_THREADS = ['-J-XX:+UseSerialGC', '-J-XX:TieredStopAtLevel=1'];

/** Two processes may build the same part at once: each works in its own directory, the first rename wins. */
async function cached(key: string, name: string, build: (work: string) => Promise<void>): Promise<string> {
  const done = join(cacheRoot, key);
  const file = join(done, name);
  if (await exists(file)) return file;
  await mkdir(cacheRoot, { recursive: true });
  const work = await mkdtemp(join(cacheRoot, `.${key}-`));
  try {
    await build(work);
    await rename(work, done);
  } catch (error) {
    await rm(work, { recursive: true, force: true });
    if (!(await exists(file))) throw error;
  }
  return file;
}

async function tool(command: string, args: readonly string[], part: string): Promise<void> {
  try {
    await run(command, args, { maxBuffer: 16 * 1024 * 1024 });
  } catch (error) {
    const output = error instanceof Error && 'stderr' in error ? `\n${String(error.stderr)}` : '';
    throw new Error(`${command} failed on the stand-in ${part}${output}`, { cause: error });
  }
}

async function place(from: string, to: string): Promise<void> {
  await rm(to, { force: true });
  try {
    await link(from, to);
  } catch {
    // Another file system, or a kernel that protects hard links to other users' files.
    await copyFile(from, to);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function vmOptions(programDir: string): string {
  return [
    '# One option per line.',
    '-Xmx256m',
    '-XX:+UseG1GC',
    '-XX:MaxGCPauseMillis=200',
    '-XX:ParallelGCThreads=2',
    '-XX:ConcGCThreads=1',
    '',
    '-Dinstaller.uuid=00000000-0000-4000-8000-000000000000',
    `-DvmOptionsPath=${join(programDir, 'ibgateway.vmoptions')}`,
    '-Dsun.awt.nopixfmt=true',
    '-Dsun.java2d.noddraw=true',
    '-Dswing.boldMetal=false',
    '-Dsun.locale.formatasdefault=true',
    '',
  ].join('\n');
}

/** Partly binary, as the real file is; the key is found by its property name. */
function installParameters(): Buffer {
  return Buffer.concat([
    Buffer.from([0x00, 0x01, 0xfe, 0xff, 0x0a]),
    Buffer.from('<vmOptions value="-DjxBrowserKey=STANDINKEY0123456789 -Dchannel=latest"/>'),
    Buffer.from([0x0a, 0x00, 0x80, 0x0a]),
  ]);
}

// Started by a Gateway that finds it at its automatic restart: the trace shows that the session has left IBC.
const LAUNCHER = `#!/bin/sh
# Stands for the install4j launcher of IB Gateway.
echo "launcher started outside IBC: $*" >> "\${1:-.}/launcher.log"
`;

// Every setting of IBC with its default; what a session needs is written to a file of its own.
const IBC_INI = `${[
  'FIX=no',
  'IbLoginId=',
  'IbPassword=',
  'FIXLoginId=',
  'FIXPassword=',
  'SecondFactorDevice=',
  'ReloginAfterSecondFactorAuthenticationTimeout=',
  'SecondFactorAuthenticationExitInterval=',
  'SecondFactorAuthenticationTimeout=180',
  'TradingMode=live',
  'AcceptNonBrokerageAccountWarning=yes',
  'LoginDialogDisplayTimeout=60',
  'IbDir=',
  'MinimizeMainWindow=no',
  'ExistingSessionDetectedAction=manual',
  'OverrideTwsApiPort=',
  'OverrideTwsMasterClientID=',
  'ReadOnlyLogin=no',
  'ReadOnlyApi=',
  'AutoLogoffTime=',
  'AutoRestartTime=',
  'ColdRestartTime=',
  'ClosedownAt=',
  'AcceptIncomingConnectionAction=manual',
  'CommandServerPort=0',
  'ControlFrom=',
  'BindAddress=127.0.0.1',
  'CommandPrompt=',
  'SuppressInfoMessages=no',
  'LogStructureScope=known',
  'LogStructureWhen=never',
  'IncludeStackTraceForExceptions=no',
].join('\n')}\n`;
