// Owns the look back into the journal when somebody asks: events and lines that an earlier run of the agent told.

import { setImmediate } from 'node:timers/promises';
import { CATALOGUE, isEventName } from '../events/catalogue.ts';
import { isoTime } from '../host/clock.ts';
import { type Journal, type JournalEntry, readToEnd } from '../host/journal-reader.ts';
import type { EventRecord, LogLine } from '../protocol/methods.ts';
import { parseSessionName, type SessionName } from '../protocol/session-name.ts';
import { SESSION_STATES } from '../protocol/states.ts';
import { lineOf } from '../supervisor/unit-life.ts';
import { AGENT_UNIT, sessionUnits } from '../supervisor/units.ts';

/** The newest events that agents on this host told before `before` (epoch milliseconds), oldest first, numbered from 1. */
export async function pastEvents(
  journal: Journal,
  { most, before }: { readonly most: number; readonly before: number },
): Promise<readonly EventRecord[]> {
  const own = [...new Set(Object.values(CATALOGUE).flatMap((row): readonly string[] => row.fields))];
  const entries = await readAll(journal, {
    any: [{ _SYSTEMD_UNIT: AGENT_UNIT, SYSLOG_IDENTIFIER: 'ib-agent' }],
    fields: [
      'MESSAGE',
      'IB_EVENT',
      'IB_SESSION',
      'IB_STATE',
      'IB_PREVIOUS_STATE',
      'IB_REASON',
      'IB_HINT',
      ...own,
    ],
    from: { newest: most },
  });
  return entries
    .filter((entry) => entry.at < before)
    .map(readEvent)
    .filter((event) => event !== null)
    .map((event, index) => ({ ...event, seq: index + 1 }));
}

/** What a session's processes wrote before `before` (epoch milliseconds), the newest `most` lines, oldest first. */
export async function pastLines(
  journal: Journal,
  session: SessionName,
  options: { readonly most: number; readonly before: number },
): Promise<readonly LogLine[]> {
  const units = sessionUnits(session);
  const entries = await readAll(journal, {
    any: [units.session, units.display].map((unit) => ({ _SYSTEMD_UNIT: unit, _TRANSPORT: 'stdout' })),
    fields: ['MESSAGE', 'PRIORITY', '_SYSTEMD_UNIT'],
    from: { newest: options.most },
  });
  return entries
    .filter((entry) => entry.at < options.before)
    .map((entry): LogLine => {
      const source = entry.fields['_SYSTEMD_UNIT'] === units.session ? 'session' : 'display';
      const { stream, text } = lineOf(entry, source);
      return { at: isoTime(entry.at), session, source, stream, text };
    });
}

async function readAll(
  journal: Journal,
  query: Parameters<Journal['open']>[0],
): Promise<readonly JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for (const batch of readToEnd(journal, query)) {
    entries.push(...batch);
    // Others are served meanwhile.
    await setImmediate();
  }
  return entries;
}

/** An event as it stands in the journal; null for other records of the agent, and for events that this version does not know. */
function readEvent({ at, fields }: JournalEntry): Omit<EventRecord, 'seq'> | null {
  const event = fields['IB_EVENT'];
  if (event === undefined || !isEventName(event)) return null;
  const row = CATALOGUE[event];
  const state = (name: string) => SESSION_STATES.find((known) => known === fields[name]) ?? null;
  const session = fields['IB_SESSION'];
  return {
    at: isoTime(at),
    event,
    messageId: row.messageId,
    priority: row.priority,
    session: session === undefined ? null : parseSessionName(session),
    state: state('IB_STATE'),
    previousState: state('IB_PREVIOUS_STATE'),
    reason: fields['IB_REASON'] ?? null,
    message: fields['MESSAGE'] ?? '',
    hint: fields['IB_HINT'] ?? null,
    fields: Object.fromEntries(row.fields.map((name) => [name, fields[name] ?? ''])),
  };
}
