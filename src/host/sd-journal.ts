// Owns the bindings to libsystemd's sd_journal_… calls that read: one open journal, its numbers as libsystemd gives them.

import { AgentError } from '../protocol/errors.ts';
import { loadNativeLibrary, type NativeFunction, nativeProblem } from './ffi.ts';

/** sd-journal.h: files of this machine only, not those that systemd-journal-remote collected from others. */
const SD_JOURNAL_LOCAL_ONLY = 1;
/** Longer values are cut, so that a core dump or a stack in one field does not cost megabytes. */
export const LONGEST_VALUE_BYTES = 64 * 1024;
/** sd_journal_get_data(3): the entry has no such field. */
const ENOENT = -2;

type Calls = {
  readonly open: NativeFunction;
  readonly close: NativeFunction;
  readonly getFd: NativeFunction;
  readonly process: NativeFunction;
  readonly setDataThreshold: NativeFunction;
  readonly addMatch: NativeFunction;
  readonly addDisjunction: NativeFunction;
  readonly flushMatches: NativeFunction;
  readonly seekHead: NativeFunction;
  readonly seekTail: NativeFunction;
  readonly seekCursor: NativeFunction;
  readonly testCursor: NativeFunction;
  readonly next: NativeFunction;
  readonly previousSkip: NativeFunction;
  readonly getCursor: NativeFunction;
  readonly getRealtime: NativeFunction;
  readonly getData: NativeFunction;
  readonly free: NativeFunction;
  readonly strlen: NativeFunction;
  readonly memcpy: NativeFunction;
};

/**
 * One open journal. Numbers are libsystemd's: negative is `-errno`, and what a positive one means says the manual page of the call.
 * Closed by {@link close} only; the calls are not made for several threads.
 */
export interface SdJournal {
  close(): void;
  /** Takes notice of rotated, removed and new files. */
  process(): number;
  addMatch(field: string, value: string): number;
  addDisjunction(): number;
  flushMatches(): void;
  seekHead(): number;
  seekTail(): number;
  seekCursor(cursor: string): number;
  /** Positive when the current entry is the one of the cursor. */
  testCursor(cursor: string): number;
  /** Positive when there is a next entry, 0 at the end. */
  next(): number;
  /** By how many entries it went back. */
  previousSkip(count: number): number;
  /** Of the current entry; null when it cannot be told. */
  cursor(): string | null;
  /** When journald received the current entry, in microseconds since the epoch; null when it cannot be told. */
  realtimeUsec(): bigint | null;
  /** First value of a field of the current entry; undefined when it has none, null when it has one that cannot be read. */
  text(field: string): string | null | undefined;
}

/** Opens the journal of this machine. Throws `journal-unavailable` when it, or libsystemd, is not to be had. */
export function openSdJournal(): SdJournal {
  return new NativeSdJournal(bind());
}

class NativeSdJournal implements SdJournal {
  readonly #calls: Calls;
  readonly #handle: bigint;
  /** Where the calls put a pointer and a length. */
  readonly #out = new BigUint64Array(2);
  readonly #length = this.#out.subarray(1);
  readonly #copy = Buffer.allocUnsafeSlow(LONGEST_VALUE_BYTES);
  /** Field name → its C string: encoded once, not once an entry. */
  readonly #names = new Map<string, { readonly text: Buffer; readonly prefixLength: number }>();

  constructor(calls: Calls) {
    this.#calls = calls;
    const opened = Number(calls.open(this.#out, SD_JOURNAL_LOCAL_ONLY));
    if (opened < 0) throw unavailable(`sd_journal_open failed (errno ${-opened})`);
    this.#handle = this.#out[0] ?? 0n;
    calls.setDataThreshold(this.#handle, LONGEST_VALUE_BYTES);
    // Starts the watch on the directories; without one sd_journal_process does nothing.
    const watched = Number(calls.getFd(this.#handle));
    if (watched < 0) {
      this.close();
      throw unavailable(
        `its directories cannot be watched (errno ${-watched})`,
        'This is so when a user has too many inotify instances: see `sysctl fs.inotify.max_user_instances`.',
      );
    }
  }

  close(): void {
    this.#calls.close(this.#handle);
  }

  process(): number {
    return Number(this.#calls.process(this.#handle));
  }

  addMatch(field: string, value: string): number {
    const match = Buffer.from(`${field}=${value}`);
    return Number(this.#calls.addMatch(this.#handle, match, match.length));
  }

  addDisjunction(): number {
    return Number(this.#calls.addDisjunction(this.#handle));
  }

  flushMatches(): void {
    this.#calls.flushMatches(this.#handle);
  }

  seekHead(): number {
    return Number(this.#calls.seekHead(this.#handle));
  }

  seekTail(): number {
    return Number(this.#calls.seekTail(this.#handle));
  }

  seekCursor(cursor: string): number {
    return Number(this.#calls.seekCursor(this.#handle, cursor));
  }

  testCursor(cursor: string): number {
    return Number(this.#calls.testCursor(this.#handle, cursor));
  }

  next(): number {
    return Number(this.#calls.next(this.#handle));
  }

  previousSkip(count: number): number {
    return Number(this.#calls.previousSkip(this.#handle, count));
  }

  cursor(): string | null {
    if (Number(this.#calls.getCursor(this.#handle, this.#out)) < 0) return null;
    const pointer = this.#out[0] ?? 0n;
    const length = Number(this.#calls.strlen(pointer));
    const text = this.#read(pointer, 0, length).toString('latin1', 0, length);
    this.#calls.free(pointer);
    return text;
  }

  realtimeUsec(): bigint | null {
    if (Number(this.#calls.getRealtime(this.#handle, this.#out)) < 0) return null;
    return this.#out[0] ?? 0n;
  }

  text(field: string): string | null | undefined {
    const { text, prefixLength } = this.#name(field);
    const found = Number(this.#calls.getData(this.#handle, text, this.#out, this.#length));
    if (found === ENOENT) return undefined;
    if (found < 0) return null;
    const length = Math.min(Number(this.#out[1]), LONGEST_VALUE_BYTES) - prefixLength;
    return this.#read(this.#out[0] ?? 0n, prefixLength, length).toString('utf8', 0, length);
  }

  #read(pointer: bigint, offset: number, length: number): Buffer {
    this.#calls.memcpy(this.#copy, pointer + BigInt(offset), length);
    return this.#copy;
  }

  #name(field: string): { readonly text: Buffer; readonly prefixLength: number } {
    let name = this.#names.get(field);
    if (name === undefined) {
      const text = Buffer.from(`${field}\0`);
      // The data that comes back is "FIELD=value": as long as the C string with its end, and a "=" for the NUL.
      name = { text, prefixLength: text.length };
      this.#names.set(field, name);
    }
    return name;
  }
}

let bound: Calls | undefined;

function bind(): Calls {
  if (bound !== undefined) return bound;
  const systemd = loadNativeLibrary('libsystemd.so.0');
  const libc = loadNativeLibrary('libc.so.6');
  if (systemd === null || libc === null) throw unavailable(nativeProblem() ?? 'no native calls');
  try {
    // Every pointer is a void *: buffers are passed as they are, handles and results are addresses.
    const journal = (name: string, rest = '') => systemd.func(`int sd_journal_${name}(void *j${rest})`);
    bound = {
      open: systemd.func('int sd_journal_open(void *ret, int flags)'),
      close: systemd.func('void sd_journal_close(void *j)'),
      getFd: journal('get_fd'),
      process: journal('process'),
      setDataThreshold: journal('set_data_threshold', ', size_t size'),
      addMatch: journal('add_match', ', const void *data, size_t size'),
      addDisjunction: journal('add_disjunction'),
      flushMatches: systemd.func('void sd_journal_flush_matches(void *j)'),
      seekHead: journal('seek_head'),
      seekTail: journal('seek_tail'),
      seekCursor: journal('seek_cursor', ', const char *cursor'),
      testCursor: journal('test_cursor', ', const char *cursor'),
      next: journal('next'),
      previousSkip: journal('previous_skip', ', uint64_t skip'),
      getCursor: journal('get_cursor', ', void *cursor'),
      getRealtime: journal('get_realtime_usec', ', void *usec'),
      getData: journal('get_data', ', const void *field, void *data, void *length'),
      free: libc.func('void free(void *pointer)'),
      strlen: libc.func('size_t strlen(const void *text)'),
      memcpy: libc.func('void memcpy(void *to, const void *from, size_t size)'),
    };
  } catch (error) {
    throw unavailable(
      `libsystemd.so.0 lacks a call: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return bound;
}

function unavailable(what: string, hint?: string): AgentError {
  return new AgentError('journal-unavailable', `the journal cannot be read: ${what}`, {
    hint: hint ?? 'Install libsystemd0, and look whether node_modules/koffi is beside the program.',
  });
}
