// Owns bounded memory of what came by: the newest items, how many were let go, and who wants to hear of new ones.

/** What a ring may hold besides its number of items. */
export type WeightLimit<T> = {
  /** What an item costs, such as its characters. */
  readonly of: (item: T) => number;
  /** For all items together; the newest is kept whatever it weighs. */
  readonly most: number;
};

/** Keeps the newest items, at most `capacity` and no more than their weight allows, and tells subscribers of each new one. */
export class Ring<T> {
  readonly #capacity: number;
  readonly #limit: WeightLimit<T> | null;
  /** From `#start` on; what is before it was let go, and is cut off when it is as much as what is kept may be. */
  readonly #items: (T | undefined)[] = [];
  readonly #listeners = new Set<(item: T) => void>();
  #start = 0;
  #weight = 0;
  #dropped = 0;

  constructor(capacity: number, limit: WeightLimit<T> | null = null) {
    this.#capacity = capacity;
    this.#limit = limit;
  }

  push(item: T): void {
    this.#items.push(item);
    this.#weight += this.#limit?.of(item) ?? 0;
    const most = this.#limit?.most ?? 0;
    while (this.#count > this.#capacity || (this.#weight > most && this.#count > 1)) this.#dropOldest();
    for (const listener of [...this.#listeners]) listener(item);
  }

  /** Puts what came before all that is kept in front of it, oldest first, as far as there is room. Nobody is told; what does not fit is let go. */
  prepend(older: readonly T[]): void {
    let room = this.#capacity - this.#count;
    let first = older.length;
    for (; first > 0 && room > 0; first -= 1, room -= 1) {
      const weight = this.#limit?.of(older[first - 1] as T) ?? 0;
      if (this.#limit !== null && this.#weight + weight > this.#limit.most) break;
      this.#weight += weight;
    }
    this.#items.splice(0, this.#start, ...older.slice(first));
    this.#start = 0;
    this.#dropped += first;
  }

  /** Oldest first. */
  items(): T[] {
    return this.#items.slice(this.#start) as T[];
  }

  /** How many items memory no longer holds. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Calls back for every item from now on, until the returned function is called. */
  subscribe(listener: (item: T) => void): () => void {
    // A wrapper, so that one function subscribed twice is two subscriptions.
    const own = (item: T) => listener(item);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  get #count(): number {
    return this.#items.length - this.#start;
  }

  #dropOldest(): void {
    const oldest = this.#items[this.#start] as T;
    this.#items[this.#start] = undefined;
    this.#weight -= this.#limit?.of(oldest) ?? 0;
    this.#start += 1;
    this.#dropped += 1;
    if (this.#start < this.#capacity) return;
    this.#items.splice(0, this.#start);
    this.#start = 0;
  }
}
