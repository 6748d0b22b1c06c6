// Owns the note on disk of a daily restart time that the agent has changed and has to set back.

import { readFileSync, rmSync } from 'node:fs';
import { type AutoTime, isSame, type PlannedRestart } from '../bridge/auto-time.ts';
import { writeFileAtomic } from '../host/files.ts';
import { isRecord } from '../protocol/json.ts';

/** A restart that was set, under the order of the JVM it was set in. */
export type RestartNote = PlannedRestart & { readonly order: string };

/** The note, or null when there is none that could be followed. */
export function readNote(file: string): RestartNote | null {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
  if (!isRecord(value) || value['v'] !== 1) return null;
  const { order, at } = value;
  const time = parseTime(value['time']);
  const before = parseTime(value['before']);
  if (typeof order !== 'string' || typeof at !== 'number' || time === null || before === null) return null;
  return { order, at, time, before };
}

/** Writes it durably. What stood before an earlier restart of ours, whose time still stands, is what is to be set back. Throws an AgentError. */
export function writeNote(file: string, note: RestartNote): void {
  const earlier = readNote(file);
  const before = earlier !== null && isSame(earlier.time, note.before) ? earlier.before : note.before;
  writeFileAtomic(file, `${JSON.stringify({ v: 1, ...note, before })}\n`, 0o600);
}

export function removeNote(file: string): void {
  rmSync(file, { force: true });
}

function parseTime(value: unknown): AutoTime | null {
  if (!isRecord(value)) return null;
  const { action, time, half } = value;
  if (action !== 'restart' && action !== 'logoff') return null;
  if (typeof time !== 'string' || (half !== 'AM' && half !== 'PM')) return null;
  return { action, time, half };
}
