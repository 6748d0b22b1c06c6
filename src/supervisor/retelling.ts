// Owns which effects of what happened without an agent are still to be had: none twice, and none left out.

import type { Effect } from '../domain/effects.ts';
import type { ToldSoFar } from '../domain/ledger.ts';
import type { LedgerStore } from './ledger-store.ts';

/** Events that may follow long after the retelling and still have been told by the agent before. */
const TOLD_LATER: ReadonlySet<string> = new Set(['session-ready', 'restart-finished']);

/** Of these pairs only the later counts. */
const SAME_MATTER: Readonly<Partial<Record<Effect['kind'], Effect['kind']>>> = {
  'unwatch-api': 'watch-api',
  release: 'lease',
};

/**
 * The rules are given the whole record of a run again, and want everything again that followed from it. An earlier agent had the beginning
 * of that and was ended at some point: the n-th event of a name, the n-th charge of a kind was had when at least n are on record.
 */
export class Retelling {
  /** Epoch milliseconds of what is being told; null once all is. */
  at: number | null = null;
  readonly #order: string;
  readonly #told: Map<string, number>;
  readonly #ledger: Pick<LedgerStore, 'count'>;
  readonly #charged = new Map<'login' | 'push', number>();
  readonly #late: Effect[] = [];

  constructor(order: string, told: ReadonlyMap<string, number>, ledger: Pick<LedgerStore, 'count'>) {
    this.#order = order;
    this.#told = new Map(told);
    this.#ledger = ledger;
  }

  /** What the run has spent by the moment that is being told; null once all is told. */
  get soFar(): ToldSoFar | null {
    if (this.at === null) return null;
    return {
      order: this.#order,
      login: this.#charged.get('login') ?? 0,
      push: this.#charged.get('push') ?? 0,
    };
  }

  /** The effect when it is to be carried out now; null when it was had, comes later (see {@link deferred}), or never. */
  filter(effect: Effect, order: string | null): Effect | null {
    if (this.at === null)
      return effect.kind === 'emit' && order === this.#order ? this.#tellLater(effect) : effect;
    switch (effect.kind) {
      case 'emit':
        return this.#wasTold(effect.event.event) ? null : effect;
      case 'charge':
        return this.#wasCharged(effect.what) ? null : effect;
      case 'refund':
        return effect;
      // A stop that is still due is asked for at the end, by the rules; a restart was asked for before the record of it was made.
      case 'stop':
      case 'ask-restart':
      // What is on a window by now is seen by the agent itself.
      case 'type-code':
      case 'recall-code':
      case 'check-code':
      case 'compare-clock':
      case 'choose-device':
        return null;
      case 'launch':
      case 'lease':
      case 'release':
      case 'stop-display':
      case 'watch-api':
      case 'unwatch-api':
      case 'save-desired':
      case 'remember':
        this.#late.push(effect);
        return null;
    }
  }

  /** What is left to do once all has been told: of each kind the last. */
  deferred(): readonly Effect[] {
    const last = new Map<string, Effect>();
    for (const effect of this.#late) {
      const key = SAME_MATTER[effect.kind] ?? effect.kind;
      last.delete(key);
      last.set(key, effect);
    }
    const launches = [...last.values()].filter((effect) => effect.kind === 'launch');
    return [...[...last.values()].filter((effect) => effect.kind !== 'launch'), ...launches];
  }

  #tellLater(effect: Effect & { kind: 'emit' }): Effect | null {
    return TOLD_LATER.has(effect.event.event) && this.#wasTold(effect.event.event) ? null : effect;
  }

  #wasTold(name: string): boolean {
    const left = this.#told.get(name) ?? 0;
    this.#told.set(name, left - 1);
    return left > 0;
  }

  #wasCharged(what: 'login' | 'push'): boolean {
    const number = (this.#charged.get(what) ?? 0) + 1;
    this.#charged.set(what, number);
    return number <= this.#ledger.count(this.#order, what, 'ibc');
  }
}
