// Owns what a record of the log is as an entry of the journal.

import type { LogLevel } from './event-log.ts';

const PRIORITY_OF_LEVEL: Readonly<Record<LogLevel, string>> = {
  critical: '2',
  error: '3',
  warning: '4',
  notice: '5',
  info: '6',
  debug: '7',
};

/** Fields that an event gives itself; any other key of a record becomes one of ours. */
const OWN = /^(MESSAGE_ID|PRIORITY|IB_[A-Z0-9_]{1,61})$/;
const LONGEST_NAME = 64;

/** What the journal has by itself, or what becomes another field. */
const NOT_FIELDS = new Set(['level', 'time', 'msg', 'err']);

export type JournalRecord = {
  readonly fields: Readonly<Record<string, string>>;
  readonly message: string;
};

/**
 * From a line that pino wrote, so after its redaction. `session` becomes IB_SESSION, `errorId` IB_ERROR_ID; values that are no text become
 * JSON. An error is told in the message, with its stack on further lines, and named by IB_ERROR.
 */
export function journalRecord(line: string): JournalRecord {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return { fields: { SYSLOG_IDENTIFIER: 'ib-agent', PRIORITY: '4' }, message: line.trimEnd() };
  }
  const fields: Record<string, string> = {
    SYSLOG_IDENTIFIER: 'ib-agent',
    PRIORITY: PRIORITY_OF_LEVEL[record['level'] as LogLevel] ?? '6',
  };
  for (const [key, value] of Object.entries(record)) {
    if (NOT_FIELDS.has(key) || value === null || value === undefined) continue;
    fields[OWN.test(key) ? key : ownName(key)] = textOf(value);
  }
  const message = textOf(record['msg'] ?? '');
  const error = record['err'];
  if (error === undefined || error === null) return { fields, message };
  const { type, message: what, stack } = wordsOf(error);
  fields['IB_ERROR'] = `${type}: ${what}`;
  return { fields, message: [message, stack ?? fields['IB_ERROR']].filter((part) => part !== '').join('\n') };
}

/** What pino makes of an error; anything can be thrown. */
function wordsOf(error: unknown): { type: string; message: string; stack: string | undefined } {
  const of: Record<string, unknown> =
    typeof error === 'object' && error !== null ? { ...error } : { message: error };
  return {
    type: textOf(of['type'] ?? 'Error'),
    message: textOf(of['message'] ?? error),
    stack: typeof of['stack'] === 'string' ? of['stack'] : undefined,
  };
}

function ownName(key: string): string {
  const words = key.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();
  return `IB_${words.replace(/[^A-Z0-9_]/g, '_')}`.slice(0, LONGEST_NAME);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
