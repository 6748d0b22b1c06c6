// Owns the one type that a user name or password travels in: it never prints itself.

import { inspect } from 'node:util';

const HIDDEN = '[secret]';

/** Text that shows as `[secret]` in templates, JSON, logs and debuggers; only {@link Secret.reveal} gives it away. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The text itself. Call it only where the text is handed on, and keep the result in no variable that lives longer. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [Symbol.toPrimitive](): string {
    return HIDDEN;
  }

  get [Symbol.toStringTag](): string {
    return 'Secret';
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}
