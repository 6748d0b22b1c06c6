// Owns everything ibctl writes: lines and JSON on stdout, errors with their hints on stderr, colours.

import { AgentError, ERROR_CODES, type ErrorCode, EXIT, type ExitCode } from '../protocol/errors.ts';
import type { CliContext } from './context.ts';
import { printable } from './table.ts';
import { formatDuration, formatTime, fromWire } from './time-text.ts';

const SGR = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

export type Style = keyof typeof SGR;

/** Puts colour on a text, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

const plain: Paint = (_, text) => text;
const coloured: Paint = (style, text) =>
  text === '' ? '' : `\u001b[${SGR[style][0]}m${text}\u001b[${SGR[style][1]}m`;

/** An error of the command line itself; ends with exit code 2. */
export function usageError(message: string, hint?: string): AgentError {
  return new AgentError('invalid-params', message, { hint });
}

export type OutputOptions = { readonly json: boolean; readonly colour: boolean };

export class Output {
  readonly json: boolean;
  readonly paint: Paint;
  readonly #context: CliContext;
  readonly #colour: boolean;

  constructor(context: CliContext, options: OutputOptions) {
    this.#context = context;
    this.json = options.json;
    this.#colour = options.colour && !context.env['NO_COLOR'] && context.env['TERM'] !== 'dumb';
    this.paint = this.#colour && context.stdout.isTty ? coloured : plain;
  }

  /** Width to lay out for: the terminal's, else $COLUMNS, else 80. */
  get columns(): number {
    const fromEnv = Number(this.#context.env['COLUMNS']);
    const columns = this.#context.stdout.columns ?? (fromEnv > 0 ? Math.floor(fromEnv) : 80);
    return Math.max(40, columns);
  }

  get isTty(): boolean {
    return this.#context.stdout.isTty;
  }

  /** Text to stdout as it is, such as a whole block or a cursor movement. */
  text(text: string): void {
    this.#context.stdout.write(text);
  }

  line(text: string): void {
    this.#context.stdout.write(`${text}\n`);
  }

  /** One JSON value in one line. */
  jsonLine(value: unknown): void {
    this.#context.stdout.write(`${toJson(value)}\n`);
  }

  /** One JSON value, indented for reading. */
  jsonDocument(value: unknown): void {
    this.#context.stdout.write(`${toJson(value, 2)}\n`);
  }

  note(text: string): void {
    this.#context.stderr.write(`${text}\n`);
  }

  warning(text: string): void {
    this.note(`${this.#paintNote('yellow', 'warning:')} ${text}`);
  }

  error(message: string, hint?: string): void {
    this.note(`${this.#paintNote('red', 'error:')} ${printableLines(message)}`);
    if (hint !== undefined && hint !== '')
      this.note(`${this.#paintNote('cyan', 'hint:')} ${printableLines(hint)}`);
  }

  #paintNote(style: Style, text: string): string {
    return this.#colour && this.#context.stderr.isTty ? coloured(style, text) : text;
  }

  /** When the login budget allows what it refused now; empty for other failures. */
  #untilText(data: AgentError['data']): string {
    const until = data?.['blockedUntil'];
    const at = typeof until === 'string' ? fromWire(until) : Number.NaN;
    const now = this.#context.clock.now();
    if (Number.isNaN(at) || at <= now) return '';
    return `; the next login is allowed in ${formatDuration(at - now)} (${formatTime(at)})`;
  }

  /** Tells a failure to people on stderr and, with --json, to programs on stdout. Returns the exit code. */
  failure(error: unknown): ExitCode {
    const told = describeFailure(error);
    this.error(`${told.message}${this.#untilText(told.data)}`, told.hint);
    if (this.json) this.jsonLine({ error: told });
    return told.exit;
  }
}

// What JSON leaves as it is and a terminal would obey: DEL, C1, line separators, bidi controls (see printable).
const UNESCAPED = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** JSON of the same value, safe to look at: texts of gateways are not ours. */
export function toJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replace(
    UNESCAPED,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

type Told = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly data?: AgentError['data'];
  readonly exit: ExitCode;
};

function describeFailure(error: unknown): Told {
  if (error instanceof AgentError) {
    // A newer agent may send a code that is not in the table of this build.
    const row: { exit: ExitCode } | undefined = ERROR_CODES[error.code];
    return {
      code: error.code,
      message: error.message,
      hint: error.hint,
      data: error.data,
      exit: row?.exit ?? EXIT.failed,
    };
  }
  return {
    code: 'internal',
    message: error instanceof Error ? error.message : String(error),
    hint: 'this is a defect of ibctl: please report it with the command you typed',
    exit: EXIT.failed,
  };
}
