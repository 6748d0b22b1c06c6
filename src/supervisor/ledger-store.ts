// Owns the ledger on disk: every charge is durable before anything is done on its strength.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  type Budget,
  budgetOf,
  chargeLedger,
  EMPTY_LEDGER,
  endLeases,
  followClock,
  type Ledger,
  type LedgerEntry,
  type LoginLimits,
  type PushLease,
  parseLedger,
  redateLogin,
  refundLedger,
  type ToldSoFar,
  takeBackPush,
  takeLease,
  useStep,
} from '../domain/ledger.ts';
import type { Clock } from '../host/clock.ts';
import { errorCode, removeLeftovers, writeFileAtomic } from '../host/files.ts';
import { AgentError } from '../protocol/errors.ts';

export class LedgerStore {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #boot: string;
  readonly #waiting = new Map<() => void, string>();
  #ledger: Ledger;

  /**
   * `boot` differs from boot to boot: with it, time that passed while no agent ran is told from a clock that was set.
   * Throws AgentError `state-unwritable` when the file is there and cannot be read as a ledger: a budget that is not known is not free.
   */
  constructor(path: string, clock: Clock, boot: string = randomUUID()) {
    this.#path = path;
    this.#clock = clock;
    this.#boot = boot;
    this.#ledger = readLedger(path);
    removeLeftovers(path);
  }

  /**
   * Throws AgentError `state-unwritable`; a login of ours is not charged then and must not be started. What IBC did
   * by itself has happened all the same: it stays counted here, and is on disk with the next write that succeeds.
   */
  charge(entry: Omit<LedgerEntry, 'at'>): void {
    const now = this.#follow();
    const next = chargeLedger(this.#ledger, { ...entry, at: now }, now);
    if (entry.by === 'ibc') this.#ledger = next;
    this.#write(next);
  }

  /** For an order that is given again. Throws AgentError `state-unwritable`. */
  redate(order: string): void {
    const now = this.#follow();
    this.#write(redateLogin(this.#ledger, order, now));
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

  /** Uses up a time step of the user's one-time codes; false: it was used before. Throws AgentError `state-unwritable`; nothing may be typed then. */
  useStep(user: string, step: number): boolean {
    this.#follow();
    const next = useStep(this.#ledger, { user, step });
    if (next === null) return false;
    // Also when it cannot be written: what is on disk by then is not known.
    this.#ledger = next;
    this.#write(next);
    return true;
  }

  /** For a push that was charged and then certainly not sent. Throws AgentError `state-unwritable`; it stays charged then. */
  takeBackPush(order: string): void {
    this.#write(takeBackPush(this.#ledger, order));
  }

  /** Keeps the other sessions of the user from logging in; holds here also when it cannot be written. Throws AgentError `state-unwritable`. */
  lease(lease: PushLease): void {
    const now = this.#follow();
    this.#ledger = takeLease(this.#ledger, lease, now);
    this.#write(this.#ledger);
  }

  /** Frees the user's other sessions, and tells those that wait. Throws AgentError `state-unwritable`; they are free all the same. */
  release(user: string, ends: (lease: PushLease) => boolean): void {
    const next = endLeases(this.#ledger, (lease) => lease.user === user && ends(lease));
    if (next === this.#ledger) return;
    this.#ledger = next;
    try {
      this.#write(next);
    } finally {
      for (const [wake, of] of [...this.#waiting]) if (of === user) wake();
    }
  }

  /** Calls back when a lease of the user has ended, until the returned function is called. */
  onRelease(user: string, wake: () => void): () => void {
    this.#waiting.set(wake, user);
    return () => this.#waiting.delete(wake);
  }

  /** How the budget of `user` stands for `session`: leases of its own do not keep it waiting. */
  budget(
    user: string,
    limits: LoginLimits,
    session: string | null = null,
    told: ToldSoFar | null = null,
  ): Budget {
    const now = this.#follow();
    return budgetOf(this.#ledger, user, now, limits, session, told);
  }

  /** Epoch milliseconds; dates are in the terms of the clock as it is now after this. */
  #follow(): number {
    const wall = this.#clock.now();
    this.#ledger = followClock(this.#ledger, {
      boot: this.#boot,
      wall,
      monotonicMs: this.#clock.monotonicMs(),
    });
    return wall;
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
    hint: 'the agent does not log in without knowing what was spent; if no login was made in the last 24 hours, delete the file',
  });
}
