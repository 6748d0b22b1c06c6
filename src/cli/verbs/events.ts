// Owns `ibctl events`: what happened, as one line or one JSON object each.

import { isoTime } from '../../host/clock.ts';
import type { EventRecord } from '../../protocol/methods.ts';
import { sessionParam } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import type { Paint } from '../output.ts';
import { readStream } from '../stream.ts';
import { printable } from '../table.ts';
import { formatDateTime, fromWire } from '../time-text.ts';

export async function runEvents(call: VerbCall): Promise<number> {
  const { input, output } = call;
  const follow = input.flag('--follow');
  const since = input.number('--since');
  const session = sessionParam(input);
  const seen = new SeenEvents();
  // After the agent was away, the stream is asked for again from the last moment that was shown.
  const params = () => {
    const from = seen.lastAt ?? (since === undefined ? undefined : isoTime(since));
    return {
      ...session,
      follow,
      limit: input.number('--lines') ?? 1000,
      ...(from === undefined ? {} : { since: from }),
    };
  };
  return readStream(call, follow, async (client, signal) => {
    const { dropped } = await client.call('events', params(), {
      onEvent: (event) => {
        if (!seen.add(event)) return;
        if (output.json) output.jsonLine(event);
        else output.line(eventLine(event, output.paint));
      },
      onRepeat: params,
      signal,
    });
    // Of the past that was asked for: with a limit, leaving out the rest is what was asked.
    if (dropped > 0 && since !== undefined) {
      output.warning(`${dropped} older events are no longer in the agent's memory; its log has them`);
    }
  });
}

/** Of a moment that is asked for again, leaves out what was shown. */
class SeenEvents {
  lastAt: string | undefined;
  readonly #atLast = new Set<string>();

  /** False when the event was seen before. */
  add(event: EventRecord): boolean {
    const key = `${event.seq} ${event.messageId} ${event.message}`;
    if (event.at === this.lastAt && this.#atLast.has(key)) return false;
    if (event.at !== this.lastAt) this.#atLast.clear();
    this.lastAt = event.at;
    this.#atLast.add(key);
    return true;
  }
}

/** `2026-11-23 09:01:12 live: second-factor-pending: MESSAGE (HINT)`; the colour says the priority. */
export function eventLine(event: EventRecord, paint: Paint): string {
  const where = event.session === null ? '' : ` ${event.session}:`;
  const hint =
    event.hint === null || event.hint === '' ? '' : ` ${paint('dim', `(${printable(event.hint)})`)}`;
  const words = `${event.event}: ${printable(event.message)}`;
  return `${paint('dim', formatDateTime(fromWire(event.at)))}${where} ${paintPriority(event.priority, words, paint)}${hint}`;
}

/** syslog's priorities: up to 3 is an error, 4 a warning, 5 worth noticing. */
function paintPriority(priority: number, text: string, paint: Paint): string {
  if (priority <= 3) return paint('red', text);
  if (priority === 4) return paint('yellow', text);
  return priority === 5 ? paint('bold', text) : text;
}
