#!/usr/bin/env node

// Owns the program ib-agent: its command line, signals, and what happens when something goes wrong that nobody foresaw.

import { parseArgs } from 'node:util';
import { DEFAULT_CONFIG_FILE } from '../config/paths.ts';
import type { Config } from '../config/types.ts';
import { SystemClock } from '../host/clock.ts';
import { LibsystemdJournal } from '../host/journal-reader.ts';
import { openNotifier } from '../host/notify.ts';
import { SystemctlServiceManager } from '../host/service-manager.ts';
import { loadCachedConfig } from '../launch/cached-config.ts';
import { AgentError } from '../protocol/errors.ts';
import { AGENT_VERSION } from '../protocol/version.ts';
import { startAgent } from './agent.ts';
import { describeLostRecords, makeAgentLog } from './event-log.ts';
import { LOG_MODES, type LogMode, openLogOutput } from './log-output.ts';
import { RecordOutput } from './record-output.ts';
import { noticeService } from './service-notice.ts';
import {
  SUPERVISORS,
  type Supervision,
  type SupervisionParts,
  type SupervisorKind,
  superviseChildren,
  superviseUnits,
} from './supervision.ts';

const USAGE = `Usage: ib-agent [--config FILE] [--supervisor process|systemd] [--log auto|journal|stdout]

Keeps the sessions of the configuration logged in and serves ibctl. Runs in the foreground; stop it with
SIGTERM. Its log goes to the journal, or to stdout, one JSON record a line.

  --config FILE      configuration (default ${DEFAULT_CONFIG_FILE})
  --supervisor KIND  process (default): sessions are children of the agent, and are closed tidily when it
                     stops; systemd: they are units, which go on without it (as in ib-agent.service)
  --log WHERE        journal, stdout, or auto: the journal where output goes there anyway (default auto)
  --version          print the version
  --help             print this text

Exit status: 0 stopped as asked, 1 failed to start, 2 wrong command line, 70 a defect, 78 wrong configuration.
`;

/** EX_SOFTWARE and EX_CONFIG of sysexits.h. */
const DEFECT_STATUS = 70;
const CONFIG_STATUS = 78;
/** How long the end of the agent waits for a slow reader of its stdout. */
const LAST_RECORDS_MS = 1_000;

/**
 * What launchers may inherit: where programs are, and what a command that prints a credential commonly needs.
 * Nothing that changes how Java runs.
 */
const INHERITED = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'XDG_RUNTIME_DIR',
  'XDG_CONFIG_HOME',
  'DBUS_SESSION_BUS_ADDRESS',
  'GNUPGHOME',
];

async function main(): Promise<number | null> {
  const args = readArguments();
  if (typeof args === 'number') return args;
  // Sockets, launch orders and state are made with their exact modes; this is for what is not thought of.
  process.umask(0o027);
  let config: Config;
  try {
    config = await loadCachedConfig(args.config, process.env['STATE_DIRECTORY']);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    printError(error);
    return CONFIG_STATUS;
  }
  const clock = new SystemClock();
  const output = openLogOutput({
    mode: args.log,
    stdout: new RecordOutput(1, {
      clock,
      describeLoss: (count) => describeLostRecords(count, clock.now()),
    }),
    journalStream: process.env['JOURNAL_STREAM'],
    path: process.env['PATH'],
  });
  const log = makeAgentLog(config.agent.logLevel, output);
  if (output.fallback !== null) log.warn({}, output.fallback);
  const exit = (status: number) => {
    output.finish(LAST_RECORDS_MS);
    process.exit(status);
  };
  for (const name of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(name, (error) => {
      log.error({ err: error }, `a defect ended the agent (${name})`);
      exit(DEFECT_STATUS);
    });
  }
  // Without a handler (or --disable-sigusr1) Node opens a debugger's port on it, where any local user can run code as us.
  process.on('SIGUSR1', () => log.warn({}, 'SIGUSR1 means nothing to the agent'));
  const environment = Object.fromEntries(
    INHERITED.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const starting = supervise(args.supervisor, { config, clock, log, environment }).then((supervision) =>
    startAgent({
      config,
      clock,
      log,
      uid: process.getuid?.() ?? 0,
      supervision,
      credentialsDirectory: process.env['CREDENTIALS_DIRECTORY'],
    }),
  );
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = process.env;
  const notifier = openNotifier({ NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID }, process.pid);
  if (notifier.problem !== null)
    log.warn({ problem: notifier.problem }, 'systemd cannot be told that the agent is up');
  let endNotices = () => notifier.stopping();
  const stop = async (signal: string) => {
    // Of a start that failed main tells.
    const agent = await starting.catch(() => null);
    if (agent === null) return;
    endNotices();
    try {
      await agent.stop(signal);
      exit(0);
    } catch (error) {
      log.error({ err: error }, 'the agent did not stop cleanly');
      exit(DEFECT_STATUS);
    }
  };
  // Before the first session is started; a signal during the start is obeyed after it.
  // SIGHUP: the terminal is closed. Without a handler that would end the agent at once, and every session untidily.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void stop(signal));
  try {
    endNotices = noticeService(await starting, notifier, clock);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    printError(error);
    return 1;
  }
  return null;
}

async function supervise(kind: SupervisorKind, parts: SupervisionParts): Promise<Supervision> {
  return kind === 'process'
    ? superviseChildren(parts)
    : await superviseUnits(parts, {
        services: new SystemctlServiceManager(),
        journal: new LibsystemdJournal(),
      });
}

function readArguments(): { config: string; supervisor: SupervisorKind; log: LogMode } | number {
  try {
    const { values } = parseArgs({
      options: {
        config: { type: 'string', default: DEFAULT_CONFIG_FILE },
        supervisor: { type: 'string', default: 'process' },
        log: { type: 'string', default: 'auto' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    });
    if (values.help === true) {
      process.stdout.write(USAGE);
      return 0;
    }
    if (values.version === true) {
      process.stdout.write(`${AGENT_VERSION}\n`);
      return 0;
    }
    const supervisor = SUPERVISORS.find((kind) => kind === values.supervisor);
    if (supervisor === undefined) throw wrongChoice('--supervisor', SUPERVISORS, values.supervisor);
    const log = LOG_MODES.find((mode) => mode === values.log);
    if (log === undefined) throw wrongChoice('--log', LOG_MODES, values.log);
    return { config: values.config, supervisor, log };
  } catch (error) {
    process.stderr.write(`ib-agent: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
}

function wrongChoice(option: string, choices: readonly string[], got: string): Error {
  return new Error(`${option}: expected one of ${choices.join(', ')}, got ${JSON.stringify(got)}`);
}

function printError(error: AgentError): void {
  process.stderr.write(`ib-agent: ${error.message}\n`);
  if (error.hint !== undefined) process.stderr.write(`hint: ${error.hint}\n`);
}

const status = await main();
if (status !== null) process.exitCode = status;
