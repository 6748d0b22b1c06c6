// Owns the way from a child's output to its lines: bounded pieces, and no longer at a time than others can wait.

import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from './clock.ts';

/** A longer line is handed on in pieces of at most this many bytes, so that a child that never ends its line costs no memory. */
export const LONGEST_LINE = 64 * 1024;

/** How long lines are handed on at a stretch. One chunk of a pipe may hold thousands, and each may cost a write to the disk. */
const STRETCH_MS = 10;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Calls back for each line, without its line end (`\n` or `\r\n`), and for the last one also when it has none. The stream is read no
 * faster than lines are taken: a child that writes more waits. Resolves when the stream has ended; rejects only with what `onLine` throws.
 */
export async function readLines(
  stream: Readable,
  clock: Clock,
  onLine: (line: string) => void,
): Promise<void> {
  const splitter = new LineSplitter();
  const chunks = stream[Symbol.asyncIterator]();
  let end = clock.monotonicMs() + STRETCH_MS;
  for (;;) {
    // A stream that breaks or is closed has ended.
    const next = await chunks.next().catch(() => null);
    if (next === null || next.done === true) break;
    for (const line of splitter.push(next.value as Buffer)) {
      if (clock.monotonicMs() >= end) {
        await setImmediate();
        end = clock.monotonicMs() + STRETCH_MS;
      }
      onLine(line);
    }
  }
  for (const line of splitter.end()) onLine(line);
}

/**
 * Cuts bytes into lines. Works on bytes, not on decoded text: a piece of a decoded chunk would keep the whole chunk in memory for as long
 * as somebody keeps the line.
 */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** The lines that this chunk completes. Must be read to its end before the next call. */
  *push(chunk: Buffer): Generator<string> {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
      const withReturn = end > start && bytes[end - 1] === CARRIAGE_RETURN;
      yield* pieces(bytes.subarray(start, withReturn ? end - 1 : end));
      start = end + 1;
    }
    while (bytes.length - start > LONGEST_LINE) {
      const end = beginOfCharacter(bytes, start + LONGEST_LINE);
      yield bytes.toString('utf8', start, end);
      start = end;
    }
    this.#rest = Buffer.from(bytes.subarray(start));
  }

  /** What stands after the last line end, if anything. */
  *end(): Generator<string> {
    if (this.#rest.length > 0) yield* pieces(this.#rest);
    this.#rest = Buffer.alloc(0);
  }
}

function* pieces(line: Buffer): Generator<string> {
  let start = 0;
  while (line.length - start > LONGEST_LINE) {
    const end = beginOfCharacter(line, start + LONGEST_LINE);
    yield line.toString('utf8', start, end);
    start = end;
  }
  yield line.toString('utf8', start);
}

/** The place at or just before `at` where a UTF-8 character begins; `at` itself when the bytes are no UTF-8. */
function beginOfCharacter(bytes: Buffer, at: number): number {
  for (let place = at; place > at - 4; place -= 1) {
    if (((bytes[place] ?? 0) & 0xc0) !== 0x80) return place;
  }
  return at;
}
