// Owns what a verb is given: its checked arguments and options, read by name and type.

import type { AgentError } from '../protocol/errors.ts';
import { GLOBAL_OPTIONS, type OptionSpec, type VerbSpec } from './grammar.ts';
import { usageError } from './output.ts';
import { durationRule, MOMENT_RULE, parseDuration, parseMoment } from './time-text.ts';

type Value = string | number | boolean;

export class VerbInput {
  readonly #arguments: ReadonlyMap<string, string>;
  readonly #options: ReadonlyMap<string, Value>;

  constructor(given: { arguments: ReadonlyMap<string, string>; options: ReadonlyMap<string, Value> }) {
    this.#arguments = given.arguments;
    this.#options = given.options;
  }

  /** An argument by its name in the grammar, such as `NAME`; undefined when it was left out. */
  argument(name: string): string | undefined {
    return this.#arguments.get(name);
  }

  /** Whether a flag such as `--watch` was given. */
  flag(long: string): boolean {
    return this.#options.get(long) === true;
  }

  text(long: string): string | undefined {
    const value = this.#options.get(long);
    return typeof value === 'string' ? value : undefined;
  }

  /** Value of a count, duration (milliseconds) or moment (epoch milliseconds). */
  number(long: string): number | undefined {
    const value = this.#options.get(long);
    return typeof value === 'number' ? value : undefined;
  }
}

/** A command line that was understood. */
export type ParsedCall = {
  /** Full name of the verb, such as `config check`. */
  readonly path: string;
  readonly input: VerbInput;
};

/** What a parser found, before values are looked at: options by their long name, `true` for a flag. */
export type RawCall = {
  readonly path: readonly string[];
  readonly verb: VerbSpec;
  readonly arguments: readonly string[];
  readonly options: ReadonlyMap<string, string | true>;
};

/** Checks the values and fills in defaults. Throws AgentError `invalid-params` naming what was expected. */
export function readCall(raw: RawCall, now: number): ParsedCall {
  const options = new Map<string, Value>();
  for (const option of [...GLOBAL_OPTIONS, ...raw.verb.options]) {
    const given = raw.options.get(option.long) ?? option.value?.default;
    if (given !== undefined) options.set(option.long, given === true ? true : readValue(option, given, now));
  }
  const given = new Map<string, string>();
  raw.verb.arguments.forEach(({ name, value }, index) => {
    const text = raw.arguments[index];
    if (text === undefined) return;
    if (Array.isArray(value) && !value.includes(text)) {
      throw usageError(`${name}: expected one of ${value.join(', ')}, got "${text}"`);
    }
    given.set(name, text);
  });
  return { path: raw.path.join(' '), input: new VerbInput({ arguments: given, options }) };
}

function readValue(option: OptionSpec, text: string, now: number): Value {
  const { value } = option;
  if (value === undefined) return true;
  if (value.choices !== undefined && !value.choices.includes(text)) {
    throw wrong(option, text, `one of ${value.choices.join(', ')}`);
  }
  switch (value.kind) {
    case 'text':
      return text;
    case 'path':
      if (text === '') throw wrong(option, text, 'a path');
      return text;
    case 'duration':
      return parseDuration(text) ?? raise(wrong(option, text, durationRule()));
    case 'moment':
      return parseMoment(text, now) ?? raise(wrong(option, text, MOMENT_RULE));
    case 'count':
      if (!/^\d{1,5}$/.test(text) || Number(text) > 10_000)
        throw wrong(option, text, 'a number from 0 to 10000');
      return Number(text);
  }
}

function wrong(option: OptionSpec, text: string, expected: string): AgentError {
  return usageError(`${option.long}: expected ${expected}, got "${text}"`);
}

function raise(error: Error): never {
  throw error;
}
