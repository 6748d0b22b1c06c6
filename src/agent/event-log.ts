// Owns the agent's own output: every event and log line as one JSON record, with the fields of the journal, and no secret in it.

import { type DestinationStream, pino } from 'pino';
import { type AgentEvent, journalFields } from '../events/catalogue.ts';
import { isoTime } from '../host/clock.ts';

/** syslog's words for pino's numbers; `notice` is where things stand that a person wants to know and nobody must do anything about. */
const LEVELS = { debug: 20, info: 30, notice: 35, warning: 40, error: 50, critical: 60 } as const;
export type LogLevel = keyof typeof LEVELS;

const LEVEL_OF_PRIORITY = { 2: 'critical', 3: 'error', 4: 'warning', 5: 'notice', 6: 'info' } as const;

export type AgentLog = {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
  event(event: AgentEvent): void;
};

/** Where records go; each is one line with its end. */
export type RecordDestination = Pick<DestinationStream, 'write'>;

/** Writes each record to `destination` before the call returns. */
export function makeAgentLog(level: Exclude<LogLevel, 'critical'>, destination: RecordDestination): AgentLog {
  const logger = pino(
    {
      level,
      customLevels: LEVELS,
      useOnlyCustomLevels: true,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Secrets are a type that prints itself as [secret]; this is the second line, for a plain string under a telling name.
      redact: ['password', 'username', 'secret', 'seed', '*.password', '*.username', '*.secret', '*.seed'],
    },
    destination,
  );
  // An event is part of the record whatever the log level is.
  const events = logger.child({}, { level: 'debug' });
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warning(fields, message),
    error: (fields, message) => logger.error(fields, message),
    event: (event) => events[LEVEL_OF_PRIORITY[event.priority]](journalFields(event), event.message),
  };
}

/** In the form of the other records. */
export function describeLostRecords(count: number, at: number): string {
  const record = {
    level: 'warning',
    time: isoTime(at),
    msg: `${count} records are lost: nobody read them in time`,
  };
  return `${JSON.stringify(record)}\n`;
}
