#!/usr/bin/env node

// Owns the program ib-session: becomes the JVM of one session, or says how it ended.

import { fileURLToPath } from 'node:url';
import { readCredentials } from '../config/credentials.ts';
import { DEFAULT_ROOTS, sessionPaths } from '../config/paths.ts';
import { LaunchError } from '../gateway/launch-error.ts';
import { LAUNCH_FAILED_STATUS } from '../gateway/launch-records.ts';
import { SystemClock } from '../host/clock.ts';
import { forbidCoreDumps } from '../host/core-dumps.ts';
import { runSync } from '../host/exec-sync.ts';
import { errorCode } from '../host/files.ts';
import { peerCredentials } from '../host/peercred.ts';
import { gatherAfter, readEnding } from './after.ts';
import { becomeProgram, writeOut } from './become.ts';
import { loadCachedConfig } from './cached-config.ts';
import { findSession, type LauncherArguments, readLauncherLine, refuseLine } from './command-line.ts';
import { failureLine, toLaunchFailure, warningLine } from './failure.ts';
import { discardSession, prepareSession } from './session.ts';
import { stopFailureText, stopSession } from './stop.ts';

const PROGRAM = 'ib-session';
const USAGE = `Usage: ib-session NAME [--config FILE]
       ib-session stop NAME [--config FILE]
       ib-session after NAME [--config FILE] [--status N | --signal SIGNAL]

Becomes the gateway's JVM of the session NAME, if the agent has ordered a launch (ibctl login NAME).
With "stop" it asks the JVM $MAINPID to close tidily and waits until it is gone; for ExecStop=, which sets that.
With "after" it prints one JSON line on how that JVM ended and what it left, and removes its files.

  --config FILE    configuration (default /etc/ib-agent/ib-agent.yaml)
  --status N       after: exit status of the JVM (default: what systemd sets for ExecStopPost=)
  --signal SIGNAL  after: signal that ended the JVM, such as SIGKILL
  --version        print the version
  --help           print this text
`;

/** Below TimeoutStopSec= of the unit, whose signal would otherwise hit this process in its wait. */
const LONGEST_STOP_MS = 85_000;

/** Returns the exit status when it did not become the JVM. */
async function main(argv: readonly string[]): Promise<number> {
  process.umask(0o077);
  const args = readLauncherLine(argv, PROGRAM, USAGE);
  if (typeof args === 'number') return args;
  const [first, second, ...more] = args.words;
  if (first === undefined || more.length > 0) return refuse('one session NAME is needed');
  if (second === undefined) return runSession(first, args.config);
  if (first === 'after') return runAfter(second, args);
  if (first === 'stop') return runStop(second, args.config);
  return refuse(`unknown word ${JSON.stringify(first)} before the session NAME`);
}

async function runSession(name: string, configFile: string): Promise<number> {
  // Before a password is in this memory, and for the JVM's.
  if (!forbidCoreDumps()) warn('core dumps could not be switched off; one would hold the password');
  try {
    const config = await loadCachedConfig(configFile, process.env['STATE_DIRECTORY']);
    const uid = process.getuid?.() ?? 0;
    const program = await prepareSession(
      {
        config,
        session: findSession(config, name),
        readCredentials: (source) =>
          readCredentials(source, {
            credentialsDirectory: process.env['CREDENTIALS_DIRECTORY'],
            uid,
            // A secret manager finds its server, its token and its home in the environment it is given.
            run: (command, limits) => runSync(command, { ...limits, env: process.env }),
          }),
        readPeer: peerCredentials,
        clock: new SystemClock(),
        uid,
        say: (line) => writeOut(1, line),
        bridgeJar: bridgeJar(),
      },
      warn,
    );
    try {
      becomeProgram(program);
    } catch (error) {
      discardSession(config, name);
      throw new LaunchError(
        'java-missing',
        `Cannot start ${program.file} in ${program.cwd} (${errorCode(error) ?? String(error)}).`,
        'It must be a Java executable for this machine, and the settings directory must be there.',
        error,
      );
    }
  } catch (error) {
    writeOut(2, failureLine(toLaunchFailure(error), process.env['JOURNAL_STREAM']));
    return LAUNCH_FAILED_STATUS;
  }
}

/** Returns 0 in any case: what it could not do, systemd's signals do next. */
async function runStop(name: string, configFile: string): Promise<number> {
  let roots = DEFAULT_ROOTS;
  let deadlineMs = LONGEST_STOP_MS;
  try {
    const config = await loadCachedConfig(configFile, process.env['STATE_DIRECTORY']);
    roots = config.agent;
    deadlineMs = Math.min(deadlineMs, findSession(config, name).deadlines.stopMs);
  } catch (error) {
    warn(toLaunchFailure(error).message);
  }
  const pid = Number(process.env['MAINPID'] ?? '');
  const outcome = await stopSession({
    paths: sessionPaths(roots, name),
    mainPid: Number.isInteger(pid) && pid > 0 ? pid : null,
    deadlineMs,
    readPeer: peerCredentials,
    uid: process.getuid?.() ?? 0,
    clock: new SystemClock(),
  });
  const trouble = stopFailureText(outcome);
  if (trouble !== null) warn(`${trouble}; systemd ends it by SIGTERM`);
  return 0;
}

/** Always prints its line and returns 0: whoever reads it must not be left guessing because a file was missing. */
async function runAfter(name: string, args: LauncherArguments & { kind: 'run' }): Promise<number> {
  let roots = DEFAULT_ROOTS;
  let settingsDir: string | null = null;
  try {
    const config = await loadCachedConfig(args.config, process.env['STATE_DIRECTORY']);
    roots = config.agent;
    settingsDir = findSession(config, name).settingsDir;
  } catch (error) {
    warn(toLaunchFailure(error).message);
  }
  const ending = readEnding(args, process.env);
  const record = gatherAfter({ session: name, roots, settingsDir, ending, now: new SystemClock().now() });
  writeOut(1, `${JSON.stringify(record)}\n`);
  return 0;
}

/** Beside this program in a release, where npm run build puts it in a checkout. */
function bridgeJar(): string {
  const here = import.meta.url;
  const inCheckout = new URL('../../.build/bridge/ib-bridge.jar', here);
  return fileURLToPath(here.endsWith('.ts') ? inCheckout : new URL('./ib-bridge.jar', here));
}

function warn(sentence: string): void {
  writeOut(2, warningLine(PROGRAM, sentence, process.env['JOURNAL_STREAM']));
}

function refuse(message: string): number {
  return refuseLine(PROGRAM, USAGE, message);
}

// Not exitCode: a wait for the display may still be running after another failure.
process.exit(await main(process.argv.slice(2)));
