// Owns what the journal says of one start of a session's unit: whose it is, what its JVM writes, who stops it, and how it ended.

import {
  type AfterRecord,
  formatLaunchFailure,
  type LaunchFailure,
  parseAfterRecord,
  parseOrderTaken,
} from '../gateway/launch-records.ts';
import type { JournalEntry } from '../host/journal-reader.ts';
import type { HostObservation } from './session-host.ts';

/** The journal's fields that are read; names with a leading underscore are journald's own word on who wrote. */
export const UNIT_FIELDS = [
  'MESSAGE',
  'MESSAGE_ID',
  'PRIORITY',
  '_PID',
  '_TRANSPORT',
  '_SYSTEMD_UNIT',
  '_SYSTEMD_INVOCATION_ID',
  'UNIT',
  'INVOCATION_ID',
  'JOB_TYPE',
  'JOB_RESULT',
  'EXIT_CODE',
  'EXIT_STATUS',
  'COMMAND',
] as const;

/** Of sd-messages.h: what systemd itself says of a unit. */
const MESSAGES = {
  starting: '7d4958e842da4a758f6c1cdc7b36dcc5',
  startFailed: 'be02cf6855d2428ba40df7e9d022f03d',
  stopping: 'de5b426a63be47a7b6ac3eaac82e2f6f',
  processExit: '98e322203f7a4ed290d09fe03c09fe15',
  failed: 'd9b373ed55a64feb8242e02dbe79a49c',
  success: '7ad2d189f7e94e70a38c781354912448',
} as const;

/** EXIT_CREDENTIALS of systemd.exec(5): the process was never started, since a credential could not be loaded. */
const CREDENTIALS_STATUS = 243;
/** The other statuses with which systemd says that it could not set up a process (systemd.exec(5), "Process exit codes"). */
const isSetupStatus = (status: number | null) => status !== null && status >= 200 && status <= 245;
/** Priorities up to warning: launchers write their complaints so, and the JVM writes everything with the unit's default. */
const COMPLAINT = 4;

/** What systemd says of a unit; null for entries that are none of it, whatever they claim. */
export function systemdWord(
  entry: JournalEntry,
): { readonly unit: string; readonly id: string; readonly invocation: string | null } | null {
  const { fields } = entry;
  // Anybody can write UNIT= and INVOCATION_ID= fields; nobody else can write as process 1.
  if (fields['_PID'] !== '1' || fields['_TRANSPORT'] !== 'journal') return null;
  const { UNIT: unit, MESSAGE_ID: id } = fields;
  return unit === undefined || id === undefined
    ? null
    : { unit, id, invocation: fields['INVOCATION_ID'] ?? null };
}

/** The start that an entry belongs to: as journald knows it of a process of the unit, or as systemd says. */
export function invocationOf(entry: JournalEntry): string | null {
  const own = entry.fields['_SYSTEMD_UNIT'];
  const word = systemdWord(entry);
  if (word !== null) return word.invocation;
  return own === undefined ? null : (entry.fields['_SYSTEMD_INVOCATION_ID'] ?? null);
}

/** Whether systemd says with this entry that a start begins. */
export function isStarting(entry: JournalEntry): boolean {
  return systemdWord(entry)?.id === MESSAGES.starting;
}

/** The launch order that a launcher says to have taken in this entry; null for any other. */
export function orderTaken(entry: JournalEntry): string | null {
  return entry.fields['_TRANSPORT'] === 'stdout' ? parseOrderTaken(entry.fields['MESSAGE'] ?? '') : null;
}

/** Whether the start of a unit failed before it began, because something it needs did. */
export function isDependencyFailure(entry: JournalEntry, unit: string): boolean {
  const word = systemdWord(entry);
  return (
    word?.id === MESSAGES.startFailed &&
    word.unit === unit &&
    entry.fields['JOB_TYPE'] === 'start' &&
    entry.fields['JOB_RESULT'] === 'dependency'
  );
}

/** Reads the entries of one start of a session's unit, in their order. */
export class UnitLife {
  readonly #session: string;
  readonly #order: { readonly id: string; readonly kind: 'warm' | 'cold' };
  #mainPid: string | null = null;
  #taken = false;
  #record: AfterRecord | null = null;
  #ending: Pick<AfterRecord, 'status' | 'signal'> | null = null;
  #over = false;

  constructor(session: string, order: { readonly id: string; readonly kind: 'warm' | 'cold' }) {
    this.#session = session;
    this.#order = order;
  }

  /** systemd has said that the unit is down. Lines of its last moments may still follow. */
  get over(): boolean {
    return this.#over;
  }

  /** Whether the record of `ib-session after` has been seen. */
  get recorded(): boolean {
    return this.#record !== null;
  }

  /** What an entry of this start means. The exit is not among it: see {@link exit}. */
  push(entry: JournalEntry): readonly HostObservation[] {
    const word = systemdWord(entry);
    return word === null ? this.#hear(entry) : this.#obey(word.id, entry);
  }

  /** How it ended, from its own record, or as far as systemd told it. */
  exit(): readonly HostObservation[] {
    const ending = this.#ending ?? { status: 0, signal: null };
    const said: HostObservation[] = [];
    if (!this.#taken && isSetupStatus(ending.status)) {
      said.push(
        complaint(
          ending.status === CREDENTIALS_STATUS
            ? credentialsUnavailable(this.#session)
            : setupFailed(this.#session, ending.status),
        ),
      );
    }
    // Without a record: the login counts as made once the order was taken.
    const record: AfterRecord = this.#record ?? {
      v: 1,
      session: this.#session,
      orderId: this.#taken ? this.#order.id : null,
      kind: this.#order.kind,
      ibcSessionId: null,
      ...ending,
      flags: { coldRestart: false, pause: false },
      autorestart: { tokens: 'none', ageMs: null },
    };
    return [...said, { kind: 'exited', record }];
  }

  #obey(id: string, entry: JournalEntry): readonly HostObservation[] {
    const { fields } = entry;
    switch (id) {
      case MESSAGES.stopping:
        return [{ kind: 'unit-stopping' }];
      case MESSAGES.processExit:
        if (fields['COMMAND'] === 'ExecStart' || fields['COMMAND'] === undefined) {
          this.#ending = readEnding(fields['EXIT_CODE'], fields['EXIT_STATUS']);
        }
        return [];
      case MESSAGES.failed:
      case MESSAGES.success:
        this.#over = true;
        return [];
      default:
        return [];
    }
  }

  #hear(entry: JournalEntry): readonly HostObservation[] {
    const { fields } = entry;
    const { MESSAGE: text, _PID: pid } = fields;
    if (fields['_TRANSPORT'] !== 'stdout' || text === undefined || pid === undefined) return [];
    // The launcher, which becomes the JVM, is the first process of a start; those that stop it and tell of its end come later.
    this.#mainPid ??= pid;
    if (pid === this.#mainPid) {
      if (parseOrderTaken(text) === this.#order.id) this.#taken = true;
    } else {
      const record = parseAfterRecord(text);
      if (record !== null && record.session === this.#session) {
        this.#record = record;
        return [];
      }
    }
    return [lineOf(entry, 'session', pid === this.#mainPid)];
  }
}

/** An entry of a unit's process as a line of output. What others than the main process write is shown, and means nothing. */
export function lineOf(
  entry: JournalEntry,
  source: 'session' | 'display',
  isMain = true,
): Extract<HostObservation, { kind: 'line' }> {
  const complains = Number(entry.fields['PRIORITY'] ?? 6) <= COMPLAINT;
  return {
    kind: 'line',
    source,
    stream: complains || !isMain ? 'stderr' : 'stdout',
    text: entry.fields['MESSAGE'] ?? '',
    at: entry.at,
  };
}

/** A display's unit as its session sees it: an end that nobody ordered. */
export class DisplayLife {
  #ordered = false;
  #ending: Pick<AfterRecord, 'status' | 'signal'> | null = null;

  push(entry: JournalEntry): readonly HostObservation[] {
    const { fields } = entry;
    const word = systemdWord(entry);
    if (word === null) return fields['_TRANSPORT'] === 'stdout' ? [lineOf(entry, 'display')] : [];
    switch (word.id) {
      case MESSAGES.starting:
        this.#ordered = false;
        this.#ending = null;
        return [];
      case MESSAGES.stopping:
        this.#ordered = true;
        return [];
      case MESSAGES.processExit:
        this.#ending = readEnding(fields['EXIT_CODE'], fields['EXIT_STATUS']);
        return [];
      case MESSAGES.failed:
      case MESSAGES.success: {
        const { status, signal } = this.#ending ?? { status: 0, signal: null };
        return this.#ordered ? [] : [{ kind: 'display-exited', status, signal }];
      }
      default:
        return [];
    }
  }
}

/** The line by which a failure is told that no launcher could tell itself. */
export function complaint(
  failure: LaunchFailure,
  source: 'session' | 'display' = 'session',
): HostObservation {
  return { kind: 'line', source, stream: 'stderr', text: formatLaunchFailure(failure).trimEnd() };
}

function credentialsUnavailable(session: string): LaunchFailure {
  return {
    code: 'credential-missing',
    message: `systemd could not load the credentials of ${session}: one is missing in /etc/credstore.encrypted, or cannot be decrypted on this host (status 243)`,
    hint: `store them again: sudo ibctl credentials set ${session}`,
  };
}

function setupFailed(session: string, status: number | null): LaunchFailure {
  return {
    code: 'start-failed',
    message: `systemd could not set up the process of the session ${session} (status ${status})`,
    hint: `systemd names the cause, often a directory that a drop-in names and that is not there: journalctl -u ib-session@${session}`,
  };
}

/** EXIT_CODE and EXIT_STATUS of systemd's message: `exited` and a number, `killed` or `dumped` and a signal's number. */
function readEnding(
  code: string | undefined,
  status: string | undefined,
): Pick<AfterRecord, 'status' | 'signal'> {
  const number = /^\d+$/.test(status ?? '') ? Number(status) : null;
  if (code === 'exited') return { status: number, signal: null };
  return { status: null, signal: number === null ? null : (SIGNALS[number] ?? `signal ${number}`) };
}

/** signal(7), x86-64 and arm64: those a process dies of. */
const SIGNALS: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  13: 'SIGPIPE',
  15: 'SIGTERM',
  24: 'SIGXCPU',
  31: 'SIGSYS',
};
