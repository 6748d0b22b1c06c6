// Owns what the launcher of a session published of its run, as the agent reads it.

import { readFileSync } from 'node:fs';
import { type LaunchRecord, parseLaunchRecord } from '../gateway/launch-records.ts';

/** What the launcher of the run published; null while it has not, or when there is only an earlier run's. */
export function readLaunchRecord(path: string, order: string | null): LaunchRecord | null {
  try {
    const record = parseLaunchRecord(readFileSync(path, 'utf8'));
    // Left by an earlier run that was not cleaned up after: by now its pid and port may be another session's.
    return record !== null && (order === null || record.orderId === order) ? record : null;
  } catch {
    return null;
  }
}
