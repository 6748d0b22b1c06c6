// Owns what the launchers have in common on their command line: options, help, version, and the search for the named session.

import { DEFAULT_CONFIG_FILE } from '../config/paths.ts';
import type { Config, SessionConfig } from '../config/types.ts';
import { LaunchError } from '../gateway/launch-error.ts';
import { errorCode } from '../host/files.ts';
import { AGENT_VERSION } from '../protocol/version.ts';
import { writeOut } from './become.ts';

/** Exit status for a wrong command line, as of the shell's own commands. */
export const USAGE_STATUS = 2;

export type LauncherArguments =
  | {
      readonly kind: 'run';
      readonly words: readonly string[];
      readonly config: string;
      readonly status: string | undefined;
      readonly signal: string | undefined;
    }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'wrong'; readonly message: string };

export function parseLauncherArguments(argv: readonly string[]): LauncherArguments {
  try {
    // Not imported: see become.ts on node:util.
    const { values, positionals } = process.getBuiltinModule('node:util').parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        status: { type: 'string' },
        signal: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    });
    if (values.help === true) return { kind: 'help' };
    if (values.version === true) return { kind: 'version' };
    const config = values.config ?? DEFAULT_CONFIG_FILE;
    return { kind: 'run', words: positionals, config, status: values.status, signal: values.signal };
  } catch (error) {
    if (errorCode(error)?.startsWith('ERR_PARSE_ARGS') !== true) throw error;
    return { kind: 'wrong', message: error instanceof Error ? error.message : String(error) };
  }
}

/** The words and options of a line that asks for work; the exit status when help, the version or a refusal was all there was to say. */
export function readLauncherLine(
  argv: readonly string[],
  program: string,
  usage: string,
): (LauncherArguments & { kind: 'run' }) | number {
  const args = parseLauncherArguments(argv);
  switch (args.kind) {
    case 'run':
      return args;
    case 'help':
      writeOut(1, usage);
      return 0;
    case 'version':
      writeOut(1, `${AGENT_VERSION}\n`);
      return 0;
    case 'wrong':
      return refuseLine(program, usage, args.message);
  }
}

/** Says what is wrong with the line, and how it should be; returns the exit status. */
export function refuseLine(program: string, usage: string, message: string): number {
  writeOut(2, `${program}: ${message}\n\n${usage}`);
  return USAGE_STATUS;
}

/** The session of this name. Throws a LaunchError `config-invalid` that lists the ones there are. */
export function findSession(config: Config, name: string): SessionConfig {
  const found = config.sessions.find((session) => session.name === name);
  if (found !== undefined) return found;
  const names = config.sessions.map((session) => session.name).join(', ');
  throw new LaunchError(
    'config-invalid',
    `There is no session ${JSON.stringify(name)} in ${config.file}.`,
    names === '' ? 'No session is configured there.' : `Configured: ${names}.`,
  );
}
