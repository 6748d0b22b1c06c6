// Owns the questions that credentials are typed into: the terminal shows nothing of a hidden answer and is as before at the end.

import type { CliContext } from '../context.ts';

/** The person, or a signal, ended the dialogue; `exit` is the exit code for it. */
export class PromptInterrupted extends Error {
  readonly exit: number;

  constructor(exit: number) {
    super('interrupted');
    this.exit = exit;
  }
}

/** Asks one question; resolves with the bytes typed, without line end. */
export type Ask = (label: string, options: { readonly hidden: boolean }) => Promise<Uint8Array>;

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const BACKSPACE = 0x08;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const CTRL_U = 0x15;
const ESCAPE = 0x1b;
const DELETE = 0x7f;
const BELL = '\u0007';
/** One more than a credential may have: the check that follows says so. */
const LONGEST = 4097;

/**
 * Runs a dialogue on the terminal. It is raw from the first question to the last, so that nothing typed ahead, or pasted in one
 * piece, is echoed between two questions; visible answers are echoed here. Rejects with {@link PromptInterrupted}.
 */
export async function askOnTerminal<T>(context: CliContext, dialogue: (ask: Ask) => Promise<T>): Promise<T> {
  const { stdin, stderr } = context;
  const signal = context.interruption();
  const keys = new Keys(context, signal);
  stdin.setRaw(true);
  try {
    return await dialogue(async (label, { hidden }) => {
      stderr.write(label);
      const line = new Line(hidden ? () => undefined : (text) => stderr.write(text));
      for (;;) {
        const key = await keys.next();
        if (key === RETURN || key === NEWLINE) break;
        if (key === CTRL_C) throw new PromptInterrupted(130);
        if (key === CTRL_D && line.isEmpty) throw new PromptInterrupted(130);
        if (key === ESCAPE) await keys.skipSequence();
        else if (!line.take(key)) stderr.write(BELL);
      }
      stderr.write('\n');
      return line.bytes();
    });
  } catch (error) {
    if (error instanceof PromptInterrupted) stderr.write('\n');
    throw error;
  } finally {
    stdin.setRaw(false);
  }
}

class Line {
  readonly #bytes = Buffer.alloc(LONGEST);
  #length = 0;
  readonly #echo: (text: string) => void;
  readonly #decoder = new TextDecoder();

  constructor(echo: (text: string) => void) {
    this.#echo = echo;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Takes a key; false when it can do nothing here. */
  take(key: number): boolean {
    if (key === DELETE || key === BACKSPACE) return this.#erase();
    if (key === CTRL_U) {
      while (this.#erase());
      return true;
    }
    if (key < 0x20 || this.#length === LONGEST) return false;
    this.#bytes[this.#length] = key;
    this.#length += 1;
    this.#echo(this.#decoder.decode(Uint8Array.of(key), { stream: true }));
    return true;
  }

  /** Takes the last character back, which may be several bytes of UTF-8. */
  #erase(): boolean {
    if (this.#length === 0) return false;
    do {
      this.#length -= 1;
    } while (this.#length > 0 && ((this.#bytes[this.#length] ?? 0) & 0xc0) === 0x80);
    this.#bytes.fill(0, this.#length);
    this.#echo('\b \b');
    return true;
  }

  bytes(): Uint8Array {
    const typed = Uint8Array.from(this.#bytes.subarray(0, this.#length));
    this.#bytes.fill(0);
    return typed;
  }
}

class Keys {
  readonly #context: CliContext;
  readonly #stopped: Promise<never>;
  #pending: Uint8Array = new Uint8Array();
  #at = 0;

  constructor(context: CliContext, signal: AbortSignal) {
    this.#context = context;
    this.#stopped = new Promise((_, reject) => {
      const stop = () =>
        reject(new PromptInterrupted(typeof signal.reason === 'number' ? signal.reason : 130));
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
    // It may come when no key is awaited.
    this.#stopped.catch(() => undefined);
  }

  async next(): Promise<number> {
    while (this.#at >= this.#pending.length) {
      this.#pending.fill(0);
      const chunk = await Promise.race([this.#context.stdin.read(), this.#stopped]);
      if (chunk === null) throw new PromptInterrupted(130);
      this.#pending = chunk;
      this.#at = 0;
    }
    const key = this.#pending[this.#at] ?? 0;
    this.#at += 1;
    return key;
  }

  /** An arrow or function key sends ESC, `[` or `O`, parameters, and one final character (ECMA-48, 5.4). */
  async skipSequence(): Promise<void> {
    // The key Esc alone: nothing follows in the same read.
    if (this.#at >= this.#pending.length) return;
    const kind = await this.next();
    if (kind === 0x4f) await this.next();
    if (kind !== 0x5b) return;
    while ((await this.next()) < 0x40);
  }
}
