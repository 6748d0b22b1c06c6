// Owns what a notification says: title and text for a person, JSON for a program.

import type { AgentEvent } from '../events/catalogue.ts';
import { isoTime } from '../host/clock.ts';

/** An event on its way to somebody. */
export type Notice = {
  readonly event: AgentEvent;
  /** Name of this host. */
  readonly host: string;
  /** Sent by `ibctl notify test`: nothing has happened. */
  readonly test: boolean;
};

/** Such as `live: second factor pending`. */
export function titleOf({ event, test }: Notice): string {
  const title = `${event.session ?? 'ib-agent'}: ${event.event.replaceAll('-', ' ')}`;
  return test ? `[test] ${title}` : title;
}

/** Lines: what happened, what to do, for a second factor how and until when, and the host. `now` is epoch milliseconds. */
export function bodyOf(notice: Notice, now: number): string {
  const { event, host, test } = notice;
  // Of a second factor its own lines say all that its message says, and shorter.
  const isFactor = event.event === 'second-factor-pending';
  const lines = isFactor ? [] : [sentence(event.message)];
  if (event.hint !== null && event.hint !== '') lines.push(sentence(event.hint));
  if (isFactor) lines.push(...secondFactorLines(event, now));
  if (test) lines.push('This is a test: nothing has happened.');
  lines.push(`${host}, ${localTime(event.at)}`);
  return lines.join('\n');
}

function secondFactorLines({ fields }: AgentEvent, now: number): string[] {
  const deadline = Date.parse(fields['IB_DEADLINE'] ?? '');
  const lines = [`Method ${fields['IB_METHOD'] ?? 'unknown'}, attempt ${fields['IB_ATTEMPT'] ?? '?'}.`];
  if (!Number.isNaN(deadline)) {
    const utc = isoTime(deadline).slice(11, 19);
    lines.push(
      `Time left: ${timeLeft(deadline - now)}, until ${utc} UTC (${localTime(deadline)} on the host).`,
    );
  }
  return lines;
}

/** The event as hooks get it. Times are ISO 8601, UTC. */
export function jsonOf({ event, host, test }: Notice): string {
  const { at, messageId, session, state, previousState, priority, reason, message, hint, fields } = event;
  return JSON.stringify({
    at: isoTime(at),
    event: event.event,
    messageId,
    priority,
    session,
    state,
    previousState,
    reason,
    message,
    hint,
    fields,
    host,
    test,
  });
}

function sentence(text: string): string {
  const plain = text.replaceAll(/[\p{Cc}\u2028-\u202e\u2066-\u2069]+/gu, ' ').trim();
  const whole = /[.!?:]$/.test(plain) ? plain : `${plain}.`;
  // Names such as ib-agent stay as they are.
  return /^[\w`]*-/.test(whole) ? whole : `${whole.charAt(0).toUpperCase()}${whole.slice(1)}`;
}

function timeLeft(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds} s` : `${minutes} min ${seconds % 60} s`;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Time of day on the host with its offset: `10:03:00 UTC+1`. */
function localTime(epochMs: number): string {
  const date = new Date(epochMs);
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  const rest = size % 60 === 0 ? '' : `:${two(size % 60)}`;
  const zone = minutes === 0 ? 'UTC' : `UTC${minutes < 0 ? '-' : '+'}${Math.floor(size / 60)}${rest}`;
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`;
}
