// Owns the one stream of the journal that all sessions are followed by: read often while something is expected, seldom otherwise.

import type { Clock, Timer } from '../host/clock.ts';
import type { Journal, JournalEntry, JournalReader } from '../host/journal-reader.ts';
import { systemdWord, UNIT_FIELDS } from './unit-life.ts';

/** journald tells its followers of new entries up to half a second late, yet they can be read at once: so they are looked for. */
const SOON_MS = 20;
const SELDOM_MS = 250;
/** Handed on at a stretch; a gateway that writes without end must not keep the agent from everything else. */
const BATCH = 200;

export type UnitFeedParts = {
  readonly journal: Journal;
  readonly clock: Clock;
  /** The journal cannot be read for now, and why; null: it can be again. */
  readonly onProblem: (problem: string | null) => void;
};

export class UnitFeed {
  readonly #parts: UnitFeedParts;
  readonly #listeners = new Map<string, (entry: JournalEntry) => void>();
  readonly #seen = new Set<string>();
  readonly #expecting = new Set<string>();
  #reader: JournalReader | null = null;
  #timer: Timer | null = null;
  #polling = false;
  #problem: string | null = null;
  #lastPollMs: number;

  constructor(parts: UnitFeedParts) {
    this.#parts = parts;
    this.#lastPollMs = parts.clock.monotonicMs();
  }

  /** Entries of a unit's processes, and systemd's own words on it. Before {@link open}. */
  subscribe(unit: string, listener: (entry: JournalEntry) => void): void {
    this.#listeners.set(unit, listener);
  }

  /** From now on nothing is missed; nothing is handed on before {@link start}. */
  open(): void {
    const units = [...this.#listeners.keys()];
    if (units.length === 0) return;
    this.#reader = this.#parts.journal.open({
      any: units.flatMap((unit) => [{ _SYSTEMD_UNIT: unit }, { UNIT: unit, _PID: '1' }]),
      fields: UNIT_FIELDS,
      from: 'tail',
    });
  }

  /** Entries that were read elsewhere since {@link open}. */
  skip(cursors: Iterable<string>): void {
    for (const cursor of cursors) this.#seen.add(cursor);
  }

  start(): void {
    this.#polling = true;
    this.#arm(0);
  }

  /** Whether something of this session is expected soon. */
  expect(session: string, soon: boolean): void {
    const before = this.#expecting.size;
    if (soon) this.#expecting.add(session);
    else this.#expecting.delete(session);
    if (before === 0 && this.#expecting.size > 0 && this.#polling) this.#arm(0);
  }

  /** Hands on all that is there now. */
  poll(): void {
    let count = BATCH;
    while (count === BATCH) count = this.#read();
  }

  /** How long ago the journal was last looked at, in milliseconds. */
  ageMs(): number {
    return this.#parts.clock.monotonicMs() - this.#lastPollMs;
  }

  close(): void {
    this.#polling = false;
    this.#timer?.cancel();
    this.#reader?.close();
    this.#reader = null;
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.after(delayMs, () => {
      const full = this.#read() === BATCH;
      if (!this.#polling) return;
      this.#arm(full ? 0 : this.#expecting.size > 0 ? SOON_MS : SELDOM_MS);
    });
  }

  /** Returns how many entries there were. */
  #read(): number {
    this.#lastPollMs = this.#parts.clock.monotonicMs();
    if (this.#reader === null) return 0;
    const entries = this.#reader.read(BATCH);
    const { problem } = this.#reader;
    if (problem !== this.#problem) this.#parts.onProblem(problem);
    this.#problem = problem;
    for (const entry of entries) {
      if (this.#seen.delete(entry.cursor)) continue;
      const unit = systemdWord(entry)?.unit ?? entry.fields['_SYSTEMD_UNIT'];
      if (unit !== undefined) this.#listeners.get(unit)?.(entry);
    }
    return entries.length;
  }
}
