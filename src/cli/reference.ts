// Owns docs/ibctl.md: the reference of the command line, written from the grammar.

import {
  type ArgumentSpec,
  allVerbs,
  EXIT_MEANINGS,
  GLOBAL_OPTIONS,
  GRAMMAR,
  isGroup,
  type OptionSpec,
  optionFlags,
  usageLine,
  type VerbSpec,
} from './grammar.ts';

/** The whole of docs/ibctl.md. */
export function cliReference(): string {
  const parts = [
    '# ibctl',
    '<!-- Written by `npm run docs` from src/cli/grammar.ts: change it there. -->',
    '`ibctl` talks to `ib-agent` over its control socket. Every verb has `--json` and `--help`.',
    table(['verb', 'does'], overview()),
    '## Options of all verbs',
    optionTable([
      ...GLOBAL_OPTIONS,
      { long: '--help', short: '-h', description: 'print help; also: `ibctl help VERB`' },
    ]),
    '`ibctl --version` prints the version.',
    '## Exit codes',
    table(
      ['code', 'means'],
      EXIT_MEANINGS.map(([code, meaning]) => [String(code), meaning]),
    ),
    'Errors are told on stderr as `error: …` and, where something can be done, `hint: …`. With `--json` they are on stdout too, as one line ' +
      '`{"error": {"code", "message", "hint", "data", "exit"}}`; the codes are those of the control protocol.',
    'Times are local for people and ISO 8601 UTC in JSON. Colours are off without a terminal, with `--no-color`, `NO_COLOR` or `TERM=dumb`. ' +
      '`COLUMNS` sets the width when the output is no terminal.',
    ...GRAMMAR.flatMap((group) => [
      `## ${group.title}`,
      ...group.verbs.flatMap((verb) =>
        isGroup(verb)
          ? verb.verbs.flatMap((inner) => verbSection([verb.name, inner.name], inner))
          : verbSection([verb.name], verb),
      ),
    ]),
  ];
  return `${parts.join('\n\n')}\n`;
}

function overview(): string[][] {
  return allVerbs().map(({ path, verb }) => {
    const name = path.join(' ');
    return [`[\`ibctl ${name}\`](#ibctl-${path.join('-')})`, verb.summary];
  });
}

function verbSection(path: readonly string[], verb: VerbSpec): string[] {
  const parts = [
    `### ibctl ${path.join(' ')}`,
    `${sentence(verb.summary)}`,
    `    ${usageLine(path, verb)}`,
    ...(verb.details ?? []),
  ];
  if (verb.arguments.length > 0) {
    parts.push(
      table(
        ['argument', 'is'],
        verb.arguments.map((argument) => [`\`${argument.name}\``, argumentText(argument)]),
      ),
    );
  }
  if (verb.options.length > 0) parts.push(optionTable(verb.options));
  if (verb.exits !== undefined) {
    parts.push(
      table(
        ['exit', 'means here'],
        Object.entries(verb.exits).map(([code, meaning]) => [code, meaning]),
      ),
    );
  }
  if (verb.examples.length > 0) {
    parts.push(
      ['```sh', ...verb.examples.map(({ command, does }) => `${command}   # ${does}`), '```'].join('\n'),
    );
  }
  return parts;
}

function argumentText({ description, value }: ArgumentSpec): string {
  return typeof value === 'string'
    ? description
    : `${description}: ${value.map((each) => `\`${each}\``).join(', ')}`;
}

function optionTable(options: readonly OptionSpec[]): string {
  return table(
    ['option', 'does'],
    options.map((option) => [`\`${optionFlags(option)}\``, optionText(option)]),
  );
}

function optionText({ description, value }: OptionSpec): string {
  const choices =
    value?.choices === undefined ? '' : `: ${value.choices.map((choice) => `\`${choice}\``).join(', ')}`;
  const fallback = value?.default === undefined ? '' : ` (default: \`${value.default}\`)`;
  return `${description}${choices}${fallback}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
