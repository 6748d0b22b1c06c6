// Owns what ib-display does: a cookie, a free display number, its publication, and the command line of Xvfb.

import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { sessionPaths } from '../config/paths.ts';
import type { Config, SessionConfig } from '../config/types.ts';
import { type DisplayRecord, formatDisplayRecord } from '../display/display-record.ts';
import { encodeXauthority, makeCookie } from '../display/xauthority.ts';
import { buildXvfbArguments, chooseDisplayNumber, findXvfb, readDisplayNumbers } from '../display/xvfb.ts';
import { LaunchError } from '../gateway/launch-error.ts';
import { writeFileAtomic } from '../host/files.ts';
import type { Program } from './become.ts';
import { ensureDirectory } from './directories.ts';

export type DisplayLaunch = {
  readonly config: Config;
  readonly session: SessionConfig;
  /** PATH in which Xvfb is looked for. */
  readonly searchPath: string;
  readonly uid: number;
  readonly pid: number;
  /** Epoch milliseconds. */
  readonly now: number;
};

/** Writes the cookie and display.json, and says what to become. Throws a LaunchError. */
export function prepareDisplay(launch: DisplayLaunch): Program {
  const paths = sessionPaths(launch.config.agent, launch.session.name);
  const xvfb = findXvfb(launch.searchPath);
  if (xvfb === null) {
    throw new LaunchError('xvfb-missing', `There is no Xvfb in ${launch.searchPath}.`, 'apt install xvfb');
  }
  ensureDirectory(paths.display, 0o750, 'runtime-unusable', launch.uid);
  // A directory of its own: should Xvfb's socket directory ever be bind-mounted below this one, Xvfb would open it to everybody (1777).
  ensureDirectory(dirname(paths.displayCookie), 0o750, 'runtime-unusable', launch.uid);
  const number = chooseDisplayNumber(
    launch.session.name,
    readDisplayNumbers(readFileSync('/proc/net/unix', 'latin1'), launch.uid),
  );
  if (number === null) {
    throw new LaunchError(
      'display-unreachable',
      'Every display number is taken on this host.',
      'Look for leftovers in /tmp/.X11-unix and /tmp/.X*-lock.',
    );
  }
  writeFileAtomic(paths.displayCookie, encodeXauthority(makeCookie()), 0o640);
  const record: DisplayRecord = { v: 1, number, display: `:${number}`, pid: launch.pid, at: launch.now };
  writeFileAtomic(paths.displayRecord, formatDisplayRecord(record), 0o640);
  return {
    file: xvfb,
    args: ['Xvfb', ...buildXvfbArguments(launch.session.display, number, paths.displayCookie)],
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', HOME: paths.display },
    cwd: '/',
  };
}
