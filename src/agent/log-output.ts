// Owns where the agent's records go: entries of the journal, or lines on stdout; and what happens when the journal is not to be had.

import { existsSync } from 'node:fs';
import { nativeProblem } from '../host/ffi.ts';
import { JOURNAL_SOCKET, type JournalSink, LoggerSink, openLibsystemdSink } from '../host/journal-sink.ts';
import { isJournalStream } from '../host/journal-stream.ts';
import type { RecordDestination } from './event-log.ts';
import { journalRecord } from './journal-record.ts';

export const LOG_MODES = ['auto', 'journal', 'stdout'] as const;
export type LogMode = (typeof LOG_MODES)[number];

/** Lines on stdout: what {@link RecordOutput} is. */
type LineOutput = RecordDestination & { finish(timeoutMs: number): void };

export type LogOutputOptions = {
  /** `auto`: the journal, when stdout or stderr goes there anyway. */
  readonly mode: LogMode;
  readonly stdout: LineOutput;
  /** `$JOURNAL_STREAM` and `$PATH`. */
  readonly journalStream: string | undefined;
  readonly path: string | undefined;
  /** Null where libsystemd cannot be had. */
  readonly openSink?: () => JournalSink | null;
  readonly journalSocket?: string;
};

export type LogOutput = RecordDestination & {
  /** Why records do not go where they were meant to, for one warning; null when they do. */
  readonly fallback: string | null;
  /** Before the process ends; blocks for at most `timeoutMs`. */
  finish(timeoutMs: number): void;
};

export function openLogOutput(options: LogOutputOptions): LogOutput {
  const { mode, stdout, journalStream, journalSocket = JOURNAL_SOCKET } = options;
  const lines = {
    write: (line: string) => stdout.write(line),
    finish: (timeoutMs: number) => stdout.finish(timeoutMs),
  };
  if (mode === 'stdout' || (mode === 'auto' && !isJournalStream(journalStream)))
    return { ...lines, fallback: null };
  // libsystemd drops what it cannot send because there is no socket, and calls it a success.
  if (!existsSync(journalSocket))
    return { ...lines, fallback: `no journald listens on ${journalSocket}: the log goes to stdout` };
  const sink = (options.openSink ?? openLibsystemdSink)();
  if (sink === null)
    return {
      ...withEvents(options),
      fallback: `${nativeProblem() ?? 'libsystemd cannot be used'}: ${WITHOUT_LIBSYSTEMD}`,
    };
  return {
    write: (line) => send(sink, line),
    finish: () => {},
    fallback: null,
  };
}

const WITHOUT_LIBSYSTEMD = 'events go to the journal through logger, the rest of the log to stdout';

/** Events are what scripts match on, so they keep their fields; all else can do with being lines. */
function withEvents({ stdout, path }: LogOutputOptions) {
  const logger = new LoggerSink({
    path: path ?? '/usr/bin:/bin',
    onLost: (fields, message) => void stdout.write(`${JSON.stringify({ ...fields, msg: message })}\n`),
  });
  return {
    write: (line: string) => {
      if (line.includes('"IB_EVENT":')) send(logger, line);
      else stdout.write(line);
    },
    finish: (timeoutMs: number) => {
      logger.finish();
      stdout.finish(timeoutMs);
    },
  };
}

function send(sink: JournalSink, line: string): void {
  const { fields, message } = journalRecord(line);
  sink.send(fields, message);
}
