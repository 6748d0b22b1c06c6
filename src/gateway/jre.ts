// Owns the search for the Java runtime that a gateway runs on.

import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LaunchError } from './launch-error.ts';

/** IBC 3.24 has class files of version 61. */
const OLDEST_JAVA = 17;

export type Java = {
  /** Absolute path of the executable. */
  readonly path: string;
  /** Sentence for the log when the runtime is known to be too old for current IBC, else null. */
  readonly warning: string | null;
};

/**
 * The configured executable, else the runtime that the gateway's installer recorded (`pref_jre.cfg`, then `inst_jre.cfg`, first line,
 * below `.install4j`). Java from PATH is not taken: it is rarely the one the gateway was made for. Throws LaunchError `java-missing`.
 */
export function findJava(programDir: string, configured: string | null): Java {
  if (configured !== null) {
    const defect = findDefect(configured);
    if (defect === null) return describe(configured);
    throw new LaunchError(
      'java-missing',
      `The configured java ${configured} ${defect}.`,
      'Correct install.java in the configuration, or leave it out to use the JRE that came with the gateway.',
    );
  }
  const tried: string[] = [];
  for (const name of ['pref_jre.cfg', 'inst_jre.cfg']) {
    const file = join(programDir, '.install4j', name);
    const home = readFirstLine(file);
    if (home === null || home === '') {
      tried.push(`${file} is missing or empty`);
      continue;
    }
    const java = join(home, 'bin', 'java');
    const defect = findDefect(java);
    if (defect === null) return describe(java);
    tried.push(`${java} (from ${name}) ${defect}`);
  }
  throw new LaunchError(
    'java-missing',
    `No Java runtime for the gateway: ${tried.join('; ')}.`,
    'Install the gateway again with its own JRE, or name a Java 17 executable as install.java in the configuration.',
  );
}

function describe(path: string): Java {
  const version = readVersion(dirname(dirname(path)));
  const old = version !== null && version < OLDEST_JAVA;
  return {
    path,
    warning: old ? `${path} is Java ${version}; IBC 3.24 needs Java ${OLDEST_JAVA} or later` : null,
  };
}

/** What is wrong with an executable, as the end of a sentence; null when nothing is. */
export function findDefect(path: string): string | null {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return 'does not exist';
  if (!status.isFile()) return 'is not a file';
  try {
    accessSync(path, constants.X_OK);
  } catch {
    return 'may not be executed by this user';
  }
  return null;
}

/** Major version from the `release` file that every JDK and JRE since 7 has; null when it cannot be told. */
function readVersion(home: string): number | null {
  let text: string;
  try {
    text = readFileSync(join(home, 'release'), 'utf8');
  } catch {
    return null;
  }
  const match = /^JAVA_VERSION="(?:1\.)?(\d+)/m.exec(text);
  return match === null ? null : Number(match[1]);
}

function readFirstLine(file: string): string | null {
  try {
    return (readFileSync(file, 'utf8').split('\n', 1)[0] ?? '').trim();
  } catch {
    return null;
  }
}
