// Owns bounded memory of what came by: the newest items, how many were let go, and who wants to hear of new ones.

/** Keeps the newest `capacity` items and tells subscribers of each new one. */
export class Ring<T> {
  readonly #capacity: number;
  readonly #items: T[] = [];
  readonly #listeners = new Set<(item: T) => void>();
  #start = 0;
  #dropped = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  push(item: T): void {
    if (this.#items.length < this.#capacity) {
      this.#items.push(item);
    } else {
      this.#items[this.#start] = item;
      this.#start = (this.#start + 1) % this.#capacity;
      this.#dropped += 1;
    }
    for (const listener of [...this.#listeners]) listener(item);
  }

  /** Oldest first. */
  items(): T[] {
    return [...this.#items.slice(this.#start), ...this.#items.slice(0, this.#start)];
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
}
