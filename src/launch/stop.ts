// Owns `ib-session stop`: asks the gateway for a tidy close and waits for it, as the ExecStop= of its unit, without the agent.

import { readFileSync } from 'node:fs';
import { parseDisplayRecord } from '../display/display-record.ts';
import { type ReadPeer, tryDisplay } from '../display/x-server.ts';
import { findCookie } from '../display/xauthority.ts';
import { sendIbcCommand } from '../gateway/ibc-command.ts';
import { parseLaunchRecord } from '../gateway/launch-records.ts';
import { type Clock, delay } from '../host/clock.ts';
import { isRunning } from '../host/processes.ts';

export type SessionStop = {
  /** Files of the session, as sessionPaths() names them. */
  readonly paths: {
    readonly launchRecord: string;
    readonly displayRecord: string;
    readonly displayCookie: string;
  };
  /** Of the JVM, as systemd knows it; null: it has ended already. */
  readonly mainPid: number | null;
  /** How long the tidy close may take, in milliseconds. */
  readonly deadlineMs: number;
  readonly readPeer: ReadPeer;
  readonly uid: number;
  readonly clock: Clock;
};

/**
 * How it went: `closed`: the JVM has ended. `nothing`: there was none. The others mean that systemd's SIGTERM has to do it: `cannot-ask`
 * (no command port on record, or nobody there), `no-display` (a JVM without a display cannot close a window; it only hangs),
 * `refused` and `too-slow`.
 */
export type StopOutcome = 'closed' | 'nothing' | 'cannot-ask' | 'no-display' | 'refused' | 'too-slow';

const COMMAND_DEADLINE_MS = 10_000;
const DISPLAY_DEADLINE_MS = 2_000;
const POLL_MS = 100;

/** Returns when the JVM is gone or cannot be brought to go: systemd sends SIGTERM to what is left once this has ended. */
export async function stopSession(stop: SessionStop): Promise<StopOutcome> {
  const { mainPid, clock, paths } = stop;
  if (mainPid === null || !isRunning(mainPid)) return 'nothing';
  const record = parseLaunchRecord(readText(paths.launchRecord));
  // A launcher that has not become java yet has nothing to close.
  if (record === null || record.pid !== mainPid) return 'cannot-ask';
  if (!(await hasDisplay(stop))) return 'no-display';
  const end = clock.monotonicMs() + stop.deadlineMs;
  const { outcome } = await sendIbcCommand(record.commandPort, 'STOP', {
    deadlineMs: Math.min(COMMAND_DEADLINE_MS, stop.deadlineMs),
    clock,
  });
  if (outcome === 'refused') return 'refused';
  // Without an answer it may be closing all the same, but only while it is not known that nobody listens.
  if (outcome === 'no-server') return isRunning(mainPid) ? 'cannot-ask' : 'closed';
  while (isRunning(mainPid)) {
    if (clock.monotonicMs() >= end) return 'too-slow';
    await delay(clock, POLL_MS);
  }
  return 'closed';
}

async function hasDisplay({ paths, readPeer, uid, clock }: SessionStop): Promise<boolean> {
  const display = parseDisplayRecord(readText(paths.displayRecord));
  const cookie = findCookie(readBytes(paths.displayCookie) ?? Buffer.alloc(0));
  if (display === null || cookie === null) return false;
  const answer = await tryDisplay({
    number: display.number,
    cookie,
    uid,
    readPeer,
    clock,
    timeoutMs: DISPLAY_DEADLINE_MS,
  });
  return answer.kind === 'ready';
}

function readText(path: string): string {
  return readBytes(path)?.toString('utf8') ?? '';
}

function readBytes(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}
