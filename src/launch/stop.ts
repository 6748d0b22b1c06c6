// Owns `ib-session stop`: asks the gateway for a tidy close and waits for it, as the ExecStop= of its unit, without the agent.

import { readFileSync } from 'node:fs';
import { parseDisplayRecord } from '../display/display-record.ts';
import { type ReadPeer, tryDisplay } from '../display/x-server.ts';
import { findCookie } from '../display/xauthority.ts';
import { askClose, type CloseAnswer, closeFailureText } from '../gateway/close.ts';
import { parseLaunchRecord } from '../gateway/launch-records.ts';
import { type Clock, delay } from '../host/clock.ts';
import { isRunning } from '../host/processes.ts';

export type SessionStop = {
  /** Files of the session, as sessionPaths() names them. */
  readonly paths: {
    readonly launchRecord: string;
    readonly bridgeSocket: string;
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
 * How it went: `closed`: the JVM has ended. `nothing`: there was none. The others mean that systemd's SIGTERM has to do it: `not-launched`
 * (there is no gateway yet), `no-display` (a JVM without a display cannot close a window; it only hangs), `too-slow`, and what
 * {@link askClose} met.
 */
export type StopOutcome =
  | { readonly kind: 'closed' | 'nothing' | 'not-launched' | 'no-display' | 'too-slow' }
  | Exclude<CloseAnswer, { readonly kind: 'closing' }>;

const DISPLAY_DEADLINE_MS = 2_000;
const POLL_MS = 100;

/** Returns when the JVM is gone or cannot be brought to go: systemd sends SIGTERM to what is left once this has ended. */
export async function stopSession(stop: SessionStop): Promise<StopOutcome> {
  const { mainPid, clock, paths, uid, deadlineMs } = stop;
  if (mainPid === null || !isRunning(mainPid)) return { kind: 'nothing' };
  const record = parseLaunchRecord(readText(paths.launchRecord));
  // A launcher that has not become java yet has nothing to close.
  if (record === null || record.pid !== mainPid) return { kind: 'not-launched' };
  if (!(await hasDisplay(stop))) return { kind: 'no-display' };
  const end = clock.monotonicMs() + deadlineMs;
  const answer = await askClose({
    bridge: { path: paths.bridgeSocket, serverUid: uid },
    record,
    deadlineMs,
    clock,
  });
  // It may have ended by itself meanwhile.
  if (answer.kind !== 'closing') return isRunning(mainPid) ? answer : { kind: 'closed' };
  while (isRunning(mainPid)) {
    if (clock.monotonicMs() >= end) return { kind: 'too-slow' };
    await delay(clock, POLL_MS);
  }
  return { kind: 'closed' };
}

/** What went wrong, as a sentence without its full stop; null when nothing did. */
export function stopFailureText(outcome: StopOutcome): string | null {
  switch (outcome.kind) {
    case 'closed':
    case 'nothing':
      return null;
    case 'not-launched':
      return 'there is no gateway yet that could be asked to close';
    case 'no-display':
      return 'the gateway cannot close tidily: its X display is gone';
    case 'too-slow':
      return 'the gateway is closing, but has not ended in time';
    default:
      return closeFailureText(outcome);
  }
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
