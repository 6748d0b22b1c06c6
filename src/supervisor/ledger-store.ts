// Owns the ledger on disk: every charge is durable before anything is done on its strength.

import { readFileSync } from 'node:fs';
import {
  type Budget,
  budgetOf,
  chargeLedger,
  EMPTY_LEDGER,
  type Ledger,
  type LedgerEntry,
  parseLedger,
  refundLedger,
  settleLedger,
  shiftLedger,
} from '../domain/ledger.ts';
import type { Clock } from '../host/clock.ts';
import { errorCode, writeFileAtomic } from '../host/files.ts';
import { AgentError } from '../protocol/errors.ts';

/** Less is a clock that is slewed, or the time between two readings. */
const SMALLEST_JUMP_MS = 5_000;

export class LedgerStore {
  readonly #path: string;
  readonly #clock: Clock;
  #ledger: Ledger;
  /** The wall clock less the monotonic one, when last looked at. */
  #offsetMs: number;

  /** Throws AgentError `state-unwritable` when the file is there and cannot be read as a ledger: a budget that is not known is not free. */
  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#offsetMs = clock.now() - clock.monotonicMs();
    this.#ledger = readLedger(path);
  }

  /**
   * Throws AgentError `state-unwritable`; a login of ours is not charged then and must not be started. What IBC did
   * by itself has happened all the same: it stays counted here, and is on disk with the next write that succeeds.
   */
  charge(entry: Omit<LedgerEntry, 'at'>): void {
    const now = this.#now();
    const next = chargeLedger(this.#ledger, { ...entry, at: now }, now);
    if (entry.by === 'ibc') this.#ledger = next;
    this.#write(next);
  }

  /** How many entries of a kind stand under a launch order: those that IBC caused, or the agent. */
  count(order: string, kind: LedgerEntry['kind'], by: LedgerEntry['by']): number {
    return this.#ledger.entries.filter(
      (entry) => entry.order === order && entry.kind === kind && entry.by === by,
    ).length;
  }

  refund(order: string): void {
    this.#write(refundLedger(this.#ledger, order));
  }

  budget(user: string, maxLoginsPerHour: number): Budget {
    const now = this.#now();
    // Without this, entries from a clock that ran ahead would block for as long as it did.
    this.#ledger = settleLedger(this.#ledger, now);
    return budgetOf(this.#ledger, user, now, maxLoginsPerHour);
  }

  /**
   * The time, after which entries are as old as they were: a clock that was set forward made no login older. A host that slept
   * looks the same, and has its budget a little later than it could.
   */
  #now(): number {
    const now = this.#clock.now();
    const offsetMs = now - this.#clock.monotonicMs();
    const jumpMs = Math.round(offsetMs - this.#offsetMs);
    if (Math.abs(jumpMs) < SMALLEST_JUMP_MS) return now;
    this.#offsetMs = offsetMs;
    this.#ledger = shiftLedger(this.#ledger, jumpMs);
    return now;
  }

  #write(next: Ledger): void {
    try {
      writeFileAtomic(this.#path, `${JSON.stringify(next)}\n`, 0o600);
    } catch (cause) {
      throw new AgentError(
        'state-unwritable',
        `cannot write the ledger ${this.#path}: ${errorCode(cause) ?? 'unknown error'}`,
        {
          hint: 'make the directory writable and give it room (df -h, ls -ld)',
          cause,
        },
      );
    }
    this.#ledger = next;
  }
}

function readLedger(path: string): Ledger {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return EMPTY_LEDGER;
    throw new AgentError(
      'state-unwritable',
      `cannot read the ledger ${path}: ${errorCode(cause) ?? 'unknown error'}`,
      {
        hint: 'the agent does not log in without knowing what was spent; make the file readable',
        cause,
      },
    );
  }
  const ledger = parseLedger(text);
  if (ledger !== null) return ledger;
  throw new AgentError('state-unwritable', `the ledger ${path} is damaged`, {
    hint: 'the agent does not log in without knowing what was spent; if no login was made in the last hour, delete the file',
  });
}
