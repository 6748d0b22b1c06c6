// Owns where the parts of an installed gateway and of IBC are, and the check that they are there.

import { existsSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionConfig } from '../config/types.ts';
import { errorCode } from '../host/files.ts';
import { findJava } from './jre.ts';
import { LaunchError } from './launch-error.ts';

/** The parts of an install that the java command line is made of; every path is absolute and was there. */
export type InstallLayout = {
  readonly programDir: string;
  readonly java: string;
  /** In the order of the class path: the gateway's jars sorted bytewise, install4j's runtime, IBC.jar. */
  readonly classpath: readonly string[];
  /** Lines of ibgateway.vmoptions as they stand in the file. */
  readonly vmoptions: readonly string[];
  /** Licence key of the gateway's embedded browser; null when the installer left none. */
  readonly jxBrowserKey: string | null;
  /** Sentences for the log; nothing that stops a launch. */
  readonly warnings: readonly string[];
};

/** Finds every part. Throws a LaunchError that names the first missing path. */
export function findInstall(install: SessionConfig['install']): InstallLayout {
  const ibcJar = join(install.ibcDir, 'IBC.jar');
  if (!isFile(ibcJar)) {
    throw new LaunchError(
      'ibc-missing',
      `IBC is not there: ${ibcJar} does not exist.`,
      'Install IBC, or correct install.ibcDir in the configuration.',
    );
  }
  const programDir = findProgram(install);
  const jarsDir = join(programDir, 'jars');
  const jars = readdirSync(jarsDir).filter((name) => name.endsWith('.jar'));
  if (jars.length === 0) throw gatewayMissing(`${jarsDir} holds no jar`);
  const runtimeJar = join(programDir, '.install4j', 'i4jruntime.jar');
  if (!isFile(runtimeJar)) throw gatewayMissing(`${runtimeJar} does not exist`);
  const java = findJava(programDir, install.java);
  return {
    programDir,
    java: java.path,
    classpath: [...sortBytewise(jars).map((name) => join(jarsDir, name)), runtimeJar, ibcJar],
    vmoptions: readVmoptions(join(programDir, 'ibgateway.vmoptions')),
    jxBrowserKey: readJxBrowserKey(join(programDir, '.install4j', 'i4jparams.conf')),
    warnings: java.warning === null ? [] : [java.warning],
  };
}

/** The standalone installer's place first, then the one of a combined TWS install. */
function findProgram(install: SessionConfig['install']): string {
  const candidates = [
    join(install.gatewayDir, 'ibgateway', install.gatewayVersion),
    join(install.gatewayDir, install.gatewayVersion),
  ];
  const found = candidates.find((path) =>
    statSync(join(path, 'jars'), { throwIfNoEntry: false })?.isDirectory(),
  );
  if (found !== undefined) return found;
  const looked = candidates.map((path) => join(path, 'jars')).join(' nor ');
  throw gatewayMissing(`there is neither ${looked}`);
}

function gatewayMissing(what: string): LaunchError {
  return new LaunchError(
    'jars-missing',
    `The gateway is not there: ${what}.`,
    'Install the standalone (offline) IB Gateway, or correct install.gatewayDir and install.gatewayVersion in the configuration.',
  );
}

function readVmoptions(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/);
  } catch (error) {
    throw new LaunchError(
      'vmoptions-missing',
      `Cannot read the gateway's Java options ${file} (${errorCode(error) ?? 'unknown error'}).`,
      'Install the gateway again; an empty file is enough.',
      error,
    );
  }
}

/** The first `DjxBrowserKey=` of a file that is partly binary, up to the next double quote or blank. */
function readJxBrowserKey(file: string): string | null {
  let text: string;
  try {
    text = readFileSync(file, 'latin1');
  } catch {
    return null;
  }
  const match = /DjxBrowserKey=([^"\s\0]+)/.exec(text);
  return match?.[1] ?? null;
}

/**
 * Renames install4j's launcher `ibgateway` to `ibgateway1`: a gateway that finds it restarts itself without IBC and takes the token with it.
 * Installing a gateway puts it back, so this is done before every launch. Returns a sentence for the log when it could not be done, else null.
 */
export function disableOwnLauncher(programDir: string): string | null {
  const launcher = join(programDir, 'ibgateway');
  try {
    renameSync(launcher, `${launcher}1`);
    return null;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return null;
    return `cannot rename ${launcher} to ibgateway1 (${code ?? 'unknown error'}); at its automatic restart the gateway may start itself without IBC: sudo mv ${launcher} ${launcher}1`;
  }
}

function sortBytewise(names: readonly string[]): string[] {
  return [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}
