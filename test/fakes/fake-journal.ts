// A journal in memory: what a test appends, open readers see, by the same rules as the real one.

import type {
  Journal,
  JournalEntry,
  JournalMatch,
  JournalQuery,
  JournalReader,
} from '../../src/host/journal-reader.ts';
import { AgentError } from '../../src/protocol/errors.ts';

type Stored = {
  readonly sequence: number;
  readonly at: number;
  readonly fields: readonly (readonly [string, string])[];
};

const CURSOR = /^fake=(\d+)$/;

export class FakeJournal implements Journal {
  /** What open readers give as their problem; while it is set they find nothing. */
  problem: string | null = null;
  #entries: Stored[] = [];
  #last = 0;
  readonly #open = new Set<JournalReader>();

  /** Readers that are open now: a test can see that they are closed again. */
  get readers(): number {
    return this.#open.size;
  }

  /** Appends one entry, received at `at` (epoch ms), and gives its cursor. A field given as a pair may have several values. */
  append(
    fields: Readonly<Record<string, string>> | readonly (readonly [string, string])[],
    at = this.#last,
  ): string {
    this.#last += 1;
    this.#entries.push({
      sequence: this.#last,
      at,
      fields: Array.isArray(fields) ? fields : Object.entries(fields),
    });
    return cursorOf(this.#last);
  }

  /** As vacuum does: the oldest entries are gone. */
  forget(count: number): void {
    this.#entries.splice(0, count);
  }

  open(query: JournalQuery): JournalReader {
    const { from } = query;
    for (const name of [...query.fields, ...query.any.flatMap((match) => Object.keys(match))])
      if (!/^[A-Z_][A-Z0-9_]{0,63}$/.test(name)) throw new TypeError(`${name} is no name of a journal field`);
    const matching = () => this.#entries.filter((entry) => query.any.some((match) => holds(match, entry)));
    let position = 0;
    if (from === 'tail') position = this.#last;
    else if (typeof from === 'object' && 'after' in from) position = sequenceOf(from.after);
    else if (typeof from === 'object') {
      const first = from.newest > 0 ? matching().slice(-from.newest)[0] : undefined;
      position = first === undefined ? this.#last : first.sequence - 1;
    }
    const fake = this;
    const reader: JournalReader = {
      get problem() {
        return fake.problem;
      },
      read: (most) => {
        if (!this.#open.has(reader) || this.problem !== null) return [];
        const found = matching()
          .filter(({ sequence }) => sequence > position)
          .slice(0, most);
        position = found.at(-1)?.sequence ?? position;
        return found.map((entry) => entryOf(entry, query.fields));
      },
      close: () => void this.#open.delete(reader),
    };
    this.#open.add(reader);
    return reader;
  }
}

function holds(match: JournalMatch, { fields }: Stored): boolean {
  return Object.entries(match).every(([name, value]) =>
    fields.some((field) => field[0] === name && field[1] === value),
  );
}

function entryOf({ sequence, at, fields }: Stored, names: readonly string[]): JournalEntry {
  const asked = names.flatMap((name) => {
    const field = fields.find(([each]) => each === name);
    return field === undefined ? [] : [field];
  });
  return { cursor: cursorOf(sequence), at, fields: Object.fromEntries(asked) };
}

function cursorOf(sequence: number): string {
  return `fake=${sequence}`;
}

function sequenceOf(cursor: string): number {
  const sequence = CURSOR.exec(cursor)?.[1];
  if (sequence === undefined)
    throw new AgentError('journal-unavailable', `${cursor} is no cursor of this journal`);
  return Number(sequence);
}
