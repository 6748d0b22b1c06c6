// Owns the asking of a running gateway, through IBC, for a restart that keeps its token.

import { readFileSync } from 'node:fs';
import { sendIbcCommand } from '../gateway/ibc-command.ts';
import { type LaunchRecord, parseLaunchRecord } from '../gateway/launch-records.ts';
import type { Clock } from '../host/clock.ts';
import type { HostObservation } from './session-host.ts';

/** IBC's RESTART may wait two seconds for a new minute, then walks through the configuration dialog. */
const RESTART_DEADLINE_MS = 90_000;

/** What the launcher of the run published; null while it has not, or when there is only an earlier run's. */
export function readLaunchRecord(path: string, order: string | null): LaunchRecord | null {
  try {
    const record = parseLaunchRecord(readFileSync(path, 'utf8'));
    // Left by an earlier run that was not cleaned up after: by now its port may be another session's.
    return record !== null && (order === null || record.orderId === order) ? record : null;
  } catch {
    return null;
  }
}

/** Sends RESTART to the JVM that runs under `order`. Never rejects. */
export async function askIbcRestart(
  launchRecord: string,
  order: string | null,
  clock: Clock,
): Promise<Extract<HostObservation, { kind: 'restart-answer' }>> {
  const record = order === null ? null : readLaunchRecord(launchRecord, order);
  if (record === null) {
    return { kind: 'restart-answer', accepted: false, detail: "IBC's command port is not known" };
  }
  const reply = await sendIbcCommand(record.commandPort, 'RESTART', {
    deadlineMs: RESTART_DEADLINE_MS,
    clock,
  });
  const words = reply.replies.map((line) => line.text).join('; ');
  return {
    kind: 'restart-answer',
    accepted: reply.outcome === 'accepted',
    detail: words === '' ? reply.outcome : words,
  };
}
