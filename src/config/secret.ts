// Owns the one type that a user name or password travels in: it never prints itself.

const HIDDEN = '[secret]';

/**
 * util.inspect.custom by its registered name: importing node:util as a module reads process.stderr, which sets O_NONBLOCK on
 * descriptor 2, and a launcher would pass that on to the JVM.
 */
const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom');

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

  [INSPECT](): string {
    return HIDDEN;
  }
}
