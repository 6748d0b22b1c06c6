#!/usr/bin/env node
// Owns the program ib-code: types the one-time code of one time step, if the agent has ordered it.

import { readSeed } from '../config/credentials.ts';
import { type CodeOutcome, codeStatus } from '../gateway/code-records.ts';
import { SystemClock } from '../host/clock.ts';
import { readKernelClock } from '../host/clock-sync.ts';
import { forbidCoreDumps } from '../host/core-dumps.ts';
import { runSync } from '../host/exec-sync.ts';
import { peerCredentials } from '../host/peercred.ts';
import { writeOut } from './become.ts';
import { loadCachedConfig } from './cached-config.ts';
import { type CodeEnd, refusalOf, runCode } from './code.ts';
import { findSession, readLauncherLine, refuseLine } from './command-line.ts';
import { levelPrefix, warningLine } from './failure.ts';

const PROGRAM = 'ib-code';
const USAGE = `Usage: ib-code NAME [--config FILE]

Types one time-based code (TOTP) into the gateway of the session NAME, through its window bridge, if the
agent has ordered it. Seed and code are shown nowhere.

  --config FILE  configuration (default /etc/ib-agent/ib-agent.yaml)
  --version      print the version
  --help         print this text

Exit status: 0 typed, or checked; 10 it may have been typed; 2 usage; others: nothing was typed.
`;

/** Of a secret manager; the whole program has twenty seconds. */
const COMMAND_TIMEOUT_MS = 10_000;

async function main(argv: readonly string[]): Promise<number> {
  process.umask(0o077);
  const args = readLauncherLine(argv, PROGRAM, USAGE);
  if (typeof args === 'number') return args;
  const [name, ...more] = args.words;
  if (name === undefined || more.length > 0) return refuseLine(PROGRAM, USAGE, 'one session NAME is needed');
  // Before a seed is in this memory.
  if (!forbidCoreDumps()) {
    const sentence = 'core dumps could not be switched off; one would hold the TOTP seed';
    writeOut(2, warningLine(PROGRAM, sentence, process.env['JOURNAL_STREAM']));
  }
  const end = await run(name, args.config).catch(
    (error: unknown): CodeEnd => ({ order: null, outcome: refusalOf(error) }),
  );
  say(name, end);
  return codeStatus(end.outcome);
}

async function run(name: string, configFile: string): Promise<CodeEnd> {
  const config = await loadCachedConfig(configFile, process.env['STATE_DIRECTORY']);
  const uid = process.getuid?.() ?? 0;
  return await runCode({
    config,
    session: findSession(config, name),
    readSeed: (source) =>
      readSeed(source, {
        credentialsDirectory: process.env['CREDENTIALS_DIRECTORY'],
        session: name,
        uid,
        commandTimeoutMs: COMMAND_TIMEOUT_MS,
        // A secret manager finds its server, its token and its home in the environment it is given.
        run: (command, limits) => runSync(command, { ...limits, env: process.env }),
      }),
    readClock: () => {
      const clock = readKernelClock();
      return { synchronised: clock?.synchronised ?? null, errorMs: clock?.maxErrorMs ?? null };
    },
    clock: new SystemClock(),
    uid,
    readPeer: peerCredentials,
  });
}

function say(name: string, { order, outcome }: CodeEnd): void {
  const of = order === null ? '' : ` (order ${order.id})`;
  const priority = outcome.kind === 'not-typed' || outcome.kind === 'uncertain' ? 4 : 6;
  const prefix = levelPrefix(priority, process.env['JOURNAL_STREAM']);
  writeOut(priority === 6 ? 1 : 2, `${prefix}${PROGRAM}: ${sentence(name, outcome)}${of}\n`);
}

function sentence(name: string, outcome: CodeOutcome): string {
  switch (outcome.kind) {
    case 'typed':
      return `the one-time code of the session ${name} is typed and handed in`;
    case 'ok':
      return `a one-time code of the session ${name} can be made`;
    case 'uncertain':
      return `whether the code was handed in is not known: ${outcome.detail}`;
    case 'not-typed':
      return `nothing was typed: ${outcome.detail}${outcome.hint === '' ? '' : ` ${outcome.hint}`}`;
  }
}

// Not exitCode: a timer of the bridge's client may still run.
process.exit(await main(process.argv.slice(2)));
