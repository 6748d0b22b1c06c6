// Owns `ibctl logs`: what the gateway, IBC and the display wrote.

import type { LogLine } from '../../protocol/methods.ts';
import { sessionParam } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import type { Paint } from '../output.ts';
import { readStream } from '../stream.ts';
import { printable } from '../table.ts';
import { formatDateTime, fromWire } from '../time-text.ts';

export async function runLogs(call: VerbCall): Promise<number> {
  const { input, output } = call;
  const follow = input.flag('--follow');
  const session = sessionParam(input);
  const lines = input.number('--lines') ?? 200;
  const seen = new SeenLines();
  const showAccounts = input.flag('--show-accounts');
  // After the agent was away: all it has, less what was shown.
  const params = () => ({ ...session, follow, showAccounts, lines: seen.resume() ? MOST_LINES : lines });
  return readStream(call, follow, async (client, signal) => {
    await client.call('logs', params(), {
      onEvent: (line) => {
        if (!seen.add(line)) return;
        if (output.json) output.jsonLine(line);
        else output.line(logText(line, output.paint));
      },
      onRepeat: params,
      signal,
    });
  });
}

/** The most that can be asked for at once. */
const MOST_LINES = 10_000;

/** Lines carry no number; they are known by their time and how many had the same. */
class SeenLines {
  #lastAt = '';
  #atLast = 0;
  #skipUntil = '';
  #skipAtLast = 0;

  /** Expects to be shown old lines again; false when there are none yet. */
  resume(): boolean {
    this.#skipUntil = this.#lastAt;
    this.#skipAtLast = this.#atLast;
    return this.#lastAt !== '';
  }

  /** False when the line was seen before. Times on the wire have one form, so their order is that of the texts. */
  add({ at }: LogLine): boolean {
    if (at < this.#skipUntil) return false;
    if (at === this.#skipUntil && this.#skipAtLast > 0) {
      this.#skipAtLast -= 1;
      return false;
    }
    this.#atLast = at === this.#lastAt ? this.#atLast + 1 : 1;
    this.#lastAt = at;
    return true;
  }
}

/** `2026-11-23 09:01:12 TEXT`; lines of the display are marked. */
export function logText(line: LogLine, paint: Paint): string {
  const source = line.source === 'display' ? `${paint('cyan', '[display]')} ` : '';
  const text = printable(line.text);
  return `${paint('dim', formatDateTime(fromWire(line.at)))} ${source}${line.stream === 'stderr' ? paint('yellow', text) : text}`;
}
