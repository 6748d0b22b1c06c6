// Owns writing to the journal: entries with fields of one's own, through libsystemd, or through logger(1) where that is not to be had.

import { run } from './exec.ts';
import { defineNativeStruct, loadNativeLibrary, type NativeFunction } from './ffi.ts';

/** Takes entries of the journal. */
export interface JournalSink {
  /**
   * Hands one entry on. Values may have several lines; names are as {@link assertFieldName} wants them. Never throws for what the
   * system does.
   */
  send(fields: Readonly<Record<string, string>>, message: string): void;
}

/** Where journald takes entries (systemd-journald.service(8)). */
export const JOURNAL_SOCKET = '/run/systemd/journal/socket';

/** Names of fields that a program may set (systemd.journal-fields(7)): those with an underscore in front are journald's own. */
const FIELD_NAME = /^[A-Z][A-Z0-9_]{0,63}$/;

/** Throws a TypeError for a name that journald would drop with its value, without a word. */
export function assertFieldName(name: string): void {
  if (!FIELD_NAME.test(name)) throw new TypeError(`${JSON.stringify(name)} is no name of a journal field`);
}

/** Name of the structure among koffi's types, which are the whole process's. */
const IOVEC = 'ib_iovec';
let sendv: NativeFunction | null | undefined;

/**
 * The journal through libsystemd; null where that, or koffi, cannot be loaded, and then `nativeProblem` says why. A send takes some 20 µs,
 * and waits while journald's queue is full: PID 1 holds the socket, so nothing is lost while journald restarts. An entry that is not taken
 * all the same is counted, and told of with the next one that is.
 */
export function openLibsystemdSink(): JournalSink | null {
  sendv ??= bindSendv();
  return sendv === null ? null : new LibsystemdSink(sendv);
}

class LibsystemdSink implements JournalSink {
  readonly #sendv: NativeFunction;
  #lost = 0;

  constructor(send: NativeFunction) {
    this.#sendv = send;
  }

  send(fields: Readonly<Record<string, string>>, message: string): void {
    for (const name of Object.keys(fields)) assertFieldName(name);
    if (!this.#send({ ...fields, MESSAGE: message })) {
      this.#lost += 1;
      return;
    }
    if (this.#lost === 0) return;
    const { SYSLOG_IDENTIFIER: identifier } = fields;
    const lost = this.#lost;
    this.#lost = 0;
    this.#send({
      MESSAGE: `${lost} records are lost: journald did not take them`,
      PRIORITY: '4',
      ...(identifier === undefined ? {} : { SYSLOG_IDENTIFIER: identifier }),
    });
  }

  #send(fields: Readonly<Record<string, string>>): boolean {
    const vector = Object.entries(fields).map(([name, value]) => {
      const bytes = Buffer.from(`${name}=${value}`);
      return { iov_base: bytes, iov_len: bytes.length };
    });
    return Number(this.#sendv(vector, vector.length)) >= 0;
  }
}

function bindSendv(): NativeFunction | null {
  try {
    const library = loadNativeLibrary('libsystemd.so.0');
    if (library === null || !defineNativeStruct(IOVEC, { iov_base: 'const void *', iov_len: 'size_t' }))
      return null;
    return library.func(`int sd_journal_sendv(const ${IOVEC} *iov, int n)`);
  } catch {
    return null;
  }
}

type Entry = { readonly fields: Readonly<Record<string, string>>; readonly message: string };

const LOGGER_TIMEOUT_MS = 10_000;
const MOST_WAITING = 200;

export type LoggerSinkOptions = {
  /** Program, by name or path; found in `path`. */
  readonly file?: string;
  readonly path: string;
  /** Gets an entry that logger(1) did not take, or that came when too many were waiting. */
  readonly onLost: (fields: Readonly<Record<string, string>>, message: string) => void;
};

/**
 * The journal through logger(1): a process for each entry, one after another, so for rare ones only. Of the values only the message keeps
 * its line breaks: the text that logger(1) reads has none in other fields.
 */
export class LoggerSink implements JournalSink {
  readonly #options: LoggerSinkOptions;
  #waiting: Entry[] = [];
  #running: Promise<void> | null = null;

  constructor(options: LoggerSinkOptions) {
    this.#options = options;
  }

  send(fields: Readonly<Record<string, string>>, message: string): void {
    for (const name of Object.keys(fields)) assertFieldName(name);
    if (this.#waiting.length >= MOST_WAITING) {
      this.#options.onLost(fields, message);
      return;
    }
    this.#waiting.push({ fields, message });
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Before the process ends: what logger(1) has perhaps not taken yet goes to `onLost`. */
  finish(): void {
    for (const { fields, message } of this.#waiting.splice(0)) this.#options.onLost(fields, message);
  }

  async #run(): Promise<void> {
    for (let entry = this.#waiting[0]; entry !== undefined; entry = this.#waiting[0]) {
      const { status } = await run(this.#options.file ?? 'logger', ['--journald'], {
        input: loggerText(entry),
        env: { PATH: this.#options.path },
        timeoutMs: LOGGER_TIMEOUT_MS,
      });
      // Else it was given up meanwhile.
      if (this.#waiting[0] !== entry) continue;
      this.#waiting.shift();
      if (status !== 0) this.#options.onLost(entry.fields, entry.message);
    }
  }
}

/** logger(1): FIELD=value a line; of several lines MESSAGE= it makes one message of several lines. */
function loggerText({ fields, message }: Entry): string {
  const lines = message.split('\n').map((line) => `MESSAGE=${line}`);
  for (const [name, value] of Object.entries(fields))
    if (name !== 'MESSAGE') lines.push(`${name}=${value.replaceAll('\n', ' ')}`);
  return `${lines.join('\n')}\n`.replaceAll('\0', '\ufffd');
}
