// Owns how any error of a launcher becomes the one launch-failure line, and what its complaints look like in the journal.

import { LaunchError } from '../gateway/launch-error.ts';
import { formatLaunchFailure, LAUNCH_FAILURES, type LaunchFailure } from '../gateway/launch-records.ts';
import { AgentError } from '../protocol/errors.ts';

/** The failure that an error means. What is not expected is `internal`, with the stack's first place so that it can be found. */
export function toLaunchFailure(error: unknown): LaunchFailure {
  if (error instanceof LaunchError) return error.failure;
  if (error instanceof AgentError) {
    const code =
      error.code === 'config-unreadable'
        ? 'config-invalid'
        : LAUNCH_FAILURES.find((known) => known === error.code);
    if (code !== undefined) return { code, message: error.message, hint: error.hint ?? '' };
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const place = error instanceof Error ? (/\n\s+at ([^\n]+)/.exec(error.stack ?? '')?.[1] ?? '') : '';
  return {
    code: 'internal',
    message: place === '' ? message : `${message} (at ${place})`,
    hint: 'This is a defect of ib-agent; please report it with this line.',
  };
}

/** The failure's line; `journalStream` is the value of $JOURNAL_STREAM. */
export function failureLine(failure: LaunchFailure, journalStream: string | undefined): string {
  return `${levelPrefix(3, journalStream)}${formatLaunchFailure(failure)}`;
}

/** A warning's line; `journalStream` is the value of $JOURNAL_STREAM. */
export function warningLine(program: string, sentence: string, journalStream: string | undefined): string {
  return `${levelPrefix(4, journalStream)}${program}: warning: ${sentence}\n`;
}

/** journald takes a line's priority from such a prefix (sd-daemon(3)); anybody else would only see it. */
export function levelPrefix(priority: 3 | 4 | 6, journalStream: string | undefined): string {
  return journalStream === undefined || journalStream === '' ? '' : `<${priority}>`;
}
