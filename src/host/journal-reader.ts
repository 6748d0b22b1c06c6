// Owns reading the journal: what is asked for by matches, followed across rotation, vacuum and restarts of journald.

import { statSync } from 'node:fs';
import { AgentError } from '../protocol/errors.ts';
import { openSdJournal, type SdJournal } from './sd-journal.ts';

/** One entry; `fields` holds only the names asked for (first value wins), text as UTF-8 (invalid bytes replaced, at most 64 KiB). */
export type JournalEntry = {
  /** Names the entry for good; `{ after: cursor }` goes on behind it. Longer than an entry of the journal it does not live. */
  readonly cursor: string;
  /** When journald received it: epoch milliseconds, with a fraction. */
  readonly at: number;
  readonly fields: Readonly<Record<string, string>>;
};

/** All of one match hold together; any of several matches suffices. A field may have one value. `{}` is held by every entry. */
export type JournalMatch = Readonly<Record<string, string>>;

export type JournalQuery = {
  /** With none there is never an entry. */
  readonly any: readonly JournalMatch[];
  readonly fields: readonly string[];
  /**
   * `tail`: nothing before now. `after`: what follows the entry of that cursor; when that is gone, what is later. `newest`: that many
   * of the last entries that match, and what follows.
   */
  readonly from: 'head' | 'tail' | { readonly after: string } | { readonly newest: number };
};

export interface Journal {
  /** Throws `journal-unavailable` when the journal cannot be read on this machine, or when `after` is no cursor. */
  open(query: JournalQuery): JournalReader;
}

export interface JournalReader {
  /**
   * Entries that are there now, oldest first, at most `most`; [] when there are none yet, and after {@link close}. Never waits, and
   * never throws: what goes wrong with a journal that could be opened is mended at this or a later call.
   */
  read(most: number): readonly JournalEntry[];
  /** Why the last `read` could not look for entries, in words for a person; null when it could. */
  readonly problem: string | null;
  /** Idempotent. */
  close(): void;
}

/** Where journald keeps files (systemd-journald.service(8)); libsystemd notices a new file in these, but not a new one of these. */
const ROOTS = ['/run/log/journal', '/var/log/journal'] as const;

/** systemd.journal-fields(7), and what sd_journal_add_match takes; also those of journald itself, with an underscore in front. */
const FIELD_NAME = /^[A-Z_][A-Z0-9_]{0,63}$/;

export type LibsystemdJournalOptions = {
  /** Opens a journal by the calls of libsystemd. */
  readonly openNative?: () => SdJournal;
};

/** The journal of this machine, through libsystemd. What the user may not read (systemd-journal's group may all) is not there. */
export class LibsystemdJournal implements Journal {
  readonly #openNative: () => SdJournal;

  constructor(options: LibsystemdJournalOptions = {}) {
    this.#openNative = options.openNative ?? openSdJournal;
  }

  open(query: JournalQuery): JournalReader {
    for (const field of [...query.fields, ...query.any.flatMap((match) => Object.keys(match))]) {
      if (!FIELD_NAME.test(field))
        throw new TypeError(`${JSON.stringify(field)} is no name of a journal field`);
    }
    return new LibsystemdReader(this.#openNative, query);
  }
}

class LibsystemdReader implements JournalReader {
  readonly #openNative: () => SdJournal;
  readonly #query: JournalQuery;
  #native: SdJournal | null = null;
  #closed = false;
  #problem: string | null = null;
  /** Where to go on when the journal is opened again: what the query says, later the last entry that was read. */
  #from: JournalQuery['from'];
  /** After a seek to this cursor the first step may lead to the entry of the cursor itself, which is read already. */
  #sought: string | null = null;
  /** The current entry is the first to be read. */
  #current = false;
  #roots = '';

  constructor(openNative: () => SdJournal, query: JournalQuery) {
    this.#openNative = openNative;
    this.#query = query;
    this.#from = query.from;
    this.#open();
  }

  get problem(): string | null {
    return this.#problem;
  }

  read(most: number): readonly JournalEntry[] {
    const entries: JournalEntry[] = [];
    if (this.#closed || this.#query.any.length === 0) return entries;
    if (this.#roots !== identityOfRoots()) this.#drop();
    for (let attempt = 0; attempt < 2 && entries.length === 0; attempt += 1) {
      try {
        this.#native ?? this.#open();
        this.#problem = null;
        if (this.#fill(entries, most)) return entries;
        this.#problem = 'the journal gave an error; it is opened again';
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        this.#problem = error.message;
      }
      this.#drop();
    }
    return entries;
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  #drop(): void {
    this.#native?.close();
    this.#native = null;
  }

  #open(): void {
    // Before: a directory that comes about meanwhile is then noticed by the next read.
    this.#roots = identityOfRoots();
    const native = this.#openNative();
    try {
      this.#sought = null;
      this.#current = false;
      this.#position(native);
    } catch (error) {
      native.close();
      throw error;
    }
    this.#native = native;
  }

  #position(native: SdJournal): void {
    const from = this.#from;
    if (from === 'tail') {
      this.#seekEnd(native);
      return;
    }
    this.#match(native);
    if (from === 'head') {
      expect('sd_journal_seek_head', native.seekHead());
    } else if ('after' in from) {
      expect(`sd_journal_seek_cursor (${JSON.stringify(from.after)})`, native.seekCursor(from.after));
      this.#sought = from.after;
    } else {
      expect('sd_journal_seek_tail', native.seekTail());
      this.#current =
        from.newest > 0 && expect('sd_journal_previous_skip', native.previousSkip(from.newest)) > 0;
      if (!this.#current) this.#seekEnd(native);
    }
  }

  /**
   * Behind the last entry of all, whether it matches or not. Were the last one that matches taken, there would often be none, and a
   * step on from the bare tail finds nothing, ever.
   */
  #seekEnd(native: SdJournal): void {
    native.flushMatches();
    expect('sd_journal_seek_tail', native.seekTail());
    const found = expect('sd_journal_previous_skip', native.previousSkip(1)) > 0;
    const last = found ? native.cursor() : null;
    // With no entry at all every one that comes is new.
    this.#from = last === null ? 'head' : { after: last };
    this.#position(native);
  }

  #match(native: SdJournal): void {
    const { any } = this.#query;
    // libsystemd would leave an empty term out of the disjunction, which then asks for more than it should.
    if (any.some((match) => Object.keys(match).length === 0)) return;
    for (const [index, match] of any.entries()) {
      if (index > 0) expect('sd_journal_add_disjunction', native.addDisjunction());
      for (const [field, value] of Object.entries(match))
        expect('sd_journal_add_match', native.addMatch(field, value));
    }
  }

  /** False when the journal is in no state to be read further. */
  #fill(entries: JournalEntry[], most: number): boolean {
    const native = this.#native;
    if (native === null || native.process() < 0) return false;
    while (entries.length < most) {
      if (this.#current) this.#current = false;
      else {
        const moved = native.next();
        if (moved <= 0) return moved === 0;
      }
      const entry = this.#read(native);
      if (entry === null) continue;
      this.#from = { after: entry.cursor };
      entries.push(entry);
    }
    return true;
  }

  /** The current entry; null when it was read before, or when a part of it cannot be read. */
  #read(native: SdJournal): JournalEntry | null {
    const cursor = native.cursor();
    if (cursor === null) return null;
    if (this.#sought !== null) {
      const known = native.testCursor(this.#sought) > 0 || isCopy(cursor, this.#sought);
      this.#sought = null;
      if (known) return null;
    }
    const usec = native.realtimeUsec();
    if (usec === null) return null;
    const fields: Record<string, string> = {};
    for (const name of this.#query.fields) {
      const text = native.text(name);
      if (text === null) return null;
      if (text !== undefined) fields[name] = text;
    }
    return { cursor, at: Number(usec) / 1000, fields };
  }
}

/**
 * Whether two cursors are of one entry, which journald has copied from its volatile files to the persistent ones: the copy has a
 * sequence number of another series, and sd_journal_test_cursor denies it. Boot, times and hash are the entry's own.
 */
function isCopy(one: string, other: string): boolean {
  const series = one.slice(0, one.indexOf(';'));
  const own = one.indexOf(';b=');
  return own > 0 && !other.startsWith(`${series};`) && other.endsWith(one.slice(own));
}

function identityOfRoots(): string {
  return ROOTS.map((path) => {
    try {
      const status = statSync(path, { throwIfNoEntry: false });
      return status === undefined ? '' : `${status.dev}:${status.ino}`;
    } catch {
      return '';
    }
  }).join(' ');
}

function expect(call: string, result: number): number {
  if (result >= 0) return result;
  throw new AgentError(
    'journal-unavailable',
    `the journal cannot be read: ${call} failed (errno ${-result})`,
  );
}

/** The entries of a query to its end, in pieces of `size`; the reader is closed also when the caller leaves early. */
export function* readToEnd(
  journal: Journal,
  query: Parameters<Journal['open']>[0],
  size = 500,
): Generator<readonly JournalEntry[]> {
  const reader = journal.open(query);
  try {
    for (let batch = reader.read(size); batch.length > 0; batch = reader.read(size)) yield batch;
  } finally {
    reader.close();
  }
}
