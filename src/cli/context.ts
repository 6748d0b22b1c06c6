// Owns what a verb gets from the process it runs in, so that no verb touches the process itself.

import type { Clock } from '../host/clock.ts';
import type { VerbInput } from './input.ts';
import type { Output } from './output.ts';

/** A stream that text is written to. */
export type TextSink = {
  write(text: string): void;
  writeBytes(bytes: Uint8Array): void;
  readonly isTty: boolean;
  /** Cells in a line; null when it is no terminal. */
  readonly columns: number | null;
};

/** Standard input. Nothing of it is touched before the first call. */
export type ByteSource = {
  readonly isTty: boolean;
  /** Raw: the terminal echoes nothing and Ctrl-C is a character. Does nothing when it is no terminal. */
  setRaw(raw: boolean): void;
  /** The next bytes as they come; null at the end. */
  read(): Promise<Uint8Array | null>;
};

export type CliContext = {
  /** Arguments after the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly stdin: ByteSource;
  readonly clock: Clock;
  /** Absolute path of the working directory. */
  readonly cwd: string;
  /**
   * From the first call on, SIGINT and SIGTERM do not end the process but abort this signal, with the exit code
   * (130 or 143) as its reason. A second SIGINT ends the process.
   */
  interruption(): AbortSignal;
};

/** What a verb is called with. */
export type VerbCall = { readonly context: CliContext; readonly output: Output; readonly input: VerbInput };

/** A verb: does its work, writes through `output`, and returns the exit code. Throws AgentError. */
export type Verb = (call: VerbCall) => Promise<number>;
