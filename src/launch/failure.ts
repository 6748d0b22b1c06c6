// Owns how any error of a launcher becomes the one launch-failure line.

import { LaunchError } from '../gateway/launch-error.ts';
import { LAUNCH_FAILURES, type LaunchFailure } from '../gateway/launch-records.ts';
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
