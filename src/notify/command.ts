// Owns the hook: a program of the user's that is told of an event on its standard input.

import type { Clock } from '../host/clock.ts';
import { feed } from '../host/exec.ts';
import { jsonOf, type Notice } from './notice.ts';
import { failed, type Result } from './result.ts';

/** All that a hook finds in its environment, beside the name of the event and the session. */
const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' } as const;
const STDERR_BYTES = 2_048;
const STDERR_SHOWN = 300;

/** Runs the program with the event's JSON as one line on its stdin. Never rejects. */
export async function runHook(
  argv: readonly string[],
  notice: Notice,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly clock: Clock },
): Promise<Result> {
  const [program = '', ...args] = argv;
  const { event, session } = notice.event;
  const ended = await feed(program, args, {
    ...options,
    input: `${jsonOf(notice)}\n`,
    env: { ...ENVIRONMENT, IB_EVENT: event, ...(session === null ? {} : { IB_SESSION: session }) },
    maxBytes: STDERR_BYTES,
  });
  if (ended.error !== null) {
    return failed(
      `${program} could not be started (${ended.error})`,
      'Is it there, and executable for the user of the agent?',
    );
  }
  // The other arguments may hold what nobody else should know.
  if (ended.timedOut) {
    return failed(
      `${program} did not end within ${options.timeoutMs} ms`,
      'Make it quicker, or raise timeout.',
      {
        temporary: true,
      },
    );
  }
  if (options.signal.aborted) return failed('it was cut off, as the agent stops', '', { temporary: true });
  if (ended.status === 0) return { ok: true, httpStatus: null };
  const how =
    ended.status === null ? `was ended by ${ended.signal}` : `ended with exit status ${ended.status}`;
  const said = lastWords(ended.stderr);
  return failed(
    `${program} ${how}${said === '' ? '' : `: ${said}`}`,
    'Run it by hand: it gets the event as JSON on stdin.',
    {
      temporary: true,
    },
  );
}

function lastWords(stderr: string): string {
  const plain = stderr.replaceAll(/[\p{Cc}\u2028-\u202e\u2066-\u2069]+/gu, ' ').trim();
  return plain.length <= STDERR_SHOWN ? plain : `${plain.slice(0, STDERR_SHOWN)}…`;
}
