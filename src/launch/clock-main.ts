#!/usr/bin/env node
// Owns the program ib-clock: compares this host's clock with a web server's, for one-time codes that are rejected.

import { sessionPaths } from '../config/paths.ts';
import type { ClockComparison } from '../gateway/code-records.ts';
import { LAUNCH_FAILED_STATUS } from '../gateway/launch-records.ts';
import { SystemClock } from '../host/clock.ts';
import { writeFileAtomic } from '../host/files.ts';
import { writeOut } from './become.ts';
import { loadCachedConfig } from './cached-config.ts';
import { compareClock } from './clock.ts';
import { findSession, readLauncherLine, refuseLine } from './command-line.ts';
import { ensureDirectory } from './directories.ts';
import { failureLine, levelPrefix, toLaunchFailure } from './failure.ts';

const PROGRAM = 'ib-clock';
const USAGE = `Usage: ib-clock NAME [--config FILE]

Compares the clock of this host with that of the web server clock.compareWith of the configuration, and leaves the
result for the agent in the session's directory of ib-clock.

  --config FILE  configuration (default /etc/ib-agent/ib-agent.yaml)
  --version      print the version
  --help         print this text

Exit status: 0 compared, or nothing is to be asked; 1 the server gave no time; 78 it could not try.
`;

async function main(argv: readonly string[]): Promise<number> {
  process.umask(0o077);
  const args = readLauncherLine(argv, PROGRAM, USAGE);
  if (typeof args === 'number') return args;
  const [name, ...more] = args.words;
  if (name === undefined || more.length > 0) return refuseLine(PROGRAM, USAGE, 'one session NAME is needed');
  const stream = process.env['JOURNAL_STREAM'];
  try {
    const config = await loadCachedConfig(args.config, process.env['STATE_DIRECTORY']);
    const paths = sessionPaths(config.agent, findSession(config, name).name);
    ensureDirectory(paths.clock, 0o750, 'runtime-unusable', process.getuid?.() ?? 0);
    const clock = new SystemClock();
    const { compareWith } = config.clock;
    const comparison: ClockComparison =
      compareWith === null
        ? {
            kind: 'failed',
            why: 'off',
            detail: 'clock.compareWith is null in the configuration.',
            address: null,
            at: clock.now(),
          }
        : await compareClock(compareWith, clock);
    writeFileAtomic(paths.clockResult, `${JSON.stringify(comparison)}\n`, 0o640);
    const isFine = comparison.kind === 'compared' || comparison.why === 'off';
    writeOut(isFine ? 1 : 2, `${levelPrefix(isFine ? 6 : 4, stream)}${PROGRAM}: ${sentence(comparison)}\n`);
    return isFine ? 0 : 1;
  } catch (error) {
    writeOut(2, failureLine(toLaunchFailure(error), stream));
    return LAUNCH_FAILED_STATUS;
  }
}

function sentence(comparison: ClockComparison): string {
  if (comparison.kind === 'failed') return `no clock was compared: ${comparison.detail}`;
  const { offsetMs, uncertaintyMs, address } = comparison;
  const host = URL.parse(address)?.host ?? address;
  const way = offsetMs < 0 ? 'behind' : 'ahead of';
  const seconds = (ms: number) => (Math.abs(ms) / 1000).toFixed(1);
  return `this clock is ${seconds(offsetMs)} s ${way} that of ${host}, give or take ${seconds(uncertaintyMs)} s`;
}

// Not exitCode: a connection may still be closing.
process.exit(await main(process.argv.slice(2)));
