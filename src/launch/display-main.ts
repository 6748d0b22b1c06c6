#!/usr/bin/env node
// Owns the program ib-display: becomes the X server of one session.

import { LAUNCH_FAILED_STATUS } from '../gateway/launch-records.ts';
import { SystemClock } from '../host/clock.ts';
import { becomeProgram, writeOut } from './become.ts';
import { loadCachedConfig } from './cached-config.ts';
import { findSession, readLauncherLine, refuseLine } from './command-line.ts';
import { prepareDisplay } from './display.ts';
import { failureLine, toLaunchFailure } from './failure.ts';

const PROGRAM = 'ib-display';
const USAGE = `Usage: ib-display NAME [--config FILE]

Becomes the X server (Xvfb) of the session NAME: chooses a free display number, publishes it with a
fresh cookie in the session's display directory, and replaces itself with Xvfb.

  --config FILE  configuration (default /etc/ib-agent/ib-agent.yaml)
  --version      print the version
  --help         print this text
`;

/** Returns the exit status when it did not become Xvfb. */
async function main(argv: readonly string[]): Promise<number> {
  process.umask(0o077);
  const args = readLauncherLine(argv, PROGRAM, USAGE);
  if (typeof args === 'number') return args;
  const [name, ...more] = args.words;
  if (name === undefined || more.length > 0) return refuseLine(PROGRAM, USAGE, 'one session NAME is needed');
  try {
    const config = await loadCachedConfig(args.config, process.env['STATE_DIRECTORY']);
    const program = prepareDisplay({
      config,
      session: findSession(config, name),
      searchPath: process.env['PATH'] ?? '/usr/bin:/bin',
      uid: process.getuid?.() ?? 0,
      pid: process.pid,
      now: new SystemClock().now(),
    });
    becomeProgram(program);
  } catch (error) {
    writeOut(2, failureLine(toLaunchFailure(error), process.env['JOURNAL_STREAM']));
    return LAUNCH_FAILED_STATUS;
  }
}

process.exitCode = await main(process.argv.slice(2));
