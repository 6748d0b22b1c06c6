// Owns the reading of plain command lines without commander, whose loading would cost `ibctl status` a third of its time.

import {
  GLOBAL_OPTIONS,
  GRAMMAR,
  isGroup,
  type OptionSpec,
  type VerbGroup,
  type VerbSpec,
} from './grammar.ts';
import type { RawCall } from './input.ts';

/**
 * Reads a command line in which everything is spelled out and right: a verb, options by their whole names, values in words of
 * their own or after `=`. Returns null for all else (help, errors, `-n5`, `--`): that is commander's, and what this accepts
 * commander reads the same way, which a test holds it to.
 */
export function parsePlain(argv: readonly string[]): RawCall | null {
  const path: string[] = [];
  const words: string[] = [];
  const options = new Map<string, string | true>();
  let verb: VerbSpec | null = null;
  let byDefault: VerbSpec | null = null;
  let choices: readonly (VerbSpec | VerbGroup)[] = GRAMMAR.flatMap((group) => group.verbs);
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? '';
    if (word.startsWith('-')) {
      const equals = word.startsWith('--') ? word.indexOf('=') : -1;
      const name = equals === -1 ? word : word.slice(0, equals);
      const option = findOption(name, verb);
      if (option === undefined) return null;
      if (option.value === undefined) {
        if (equals !== -1) return null;
        options.set(option.long, true);
      } else {
        if (equals === -1) index += 1;
        const value = equals === -1 ? argv[index] : word.slice(equals + 1);
        if (value === undefined || value === '' || value.startsWith('-')) return null;
        options.set(option.long, value);
      }
    } else if (verb !== null) {
      words.push(word);
    } else {
      const found = choices.find(({ name }) => name === word);
      if (found === undefined) {
        if (byDefault === null) return null;
        verb = byDefault;
        words.push(word);
      } else {
        path.push(word);
        if (isGroup(found)) {
          choices = found.verbs;
          byDefault = found.verbs.find(({ name }) => name === found.byDefault) ?? null;
        } else verb = found;
      }
    }
  }
  verb ??= byDefault;
  if (verb !== null && verb === byDefault && path.at(-1) !== verb.name) path.push(verb.name);
  if (verb === null || words.length > verb.arguments.length || words.includes('')) return null;
  if (verb.arguments.some(({ required }, index) => required && words[index] === undefined)) return null;
  return { path, verb, arguments: words, options };
}

function findOption(name: string, verb: VerbSpec | null): OptionSpec | undefined {
  return [...GLOBAL_OPTIONS, ...(verb?.options ?? [])].find(
    ({ long, short }) => name === long || name === short,
  );
}
