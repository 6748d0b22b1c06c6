// Owns the completion scripts of bash, zsh and fish; all words come from the grammar, session names from the running agent.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are expansions of the shell

import { GLOBAL_OPTIONS, GRAMMAR, isGroup, type OptionSpec, type VerbSpec } from './grammar.ts';

/** The hidden verb by which a script asks for the names of sessions, one a line; silent when the agent is away. */
const SESSIONS_COMMAND = 'ibctl __complete sessions 2>/dev/null';
/** The same for targets of notifications. */
const TARGETS_COMMAND = 'ibctl __complete targets 2>/dev/null';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell): string {
  switch (shell) {
    case 'bash':
      return bashScript();
    case 'zsh':
      return zshScript();
    case 'fish':
      return fishScript();
  }
}

type NamedVerb = {
  readonly path: readonly string[];
  readonly verb: VerbSpec;
  readonly inner: readonly VerbSpec[];
};

function topVerbs(): readonly NamedVerb[] {
  return GRAMMAR.flatMap((group) =>
    group.verbs.map((verb) => ({ path: [verb.name], verb, inner: isGroup(verb) ? verb.verbs : [] })),
  );
}

function leafVerbs(): readonly NamedVerb[] {
  return topVerbs().flatMap((named) =>
    named.inner.length === 0
      ? [named]
      : named.inner.map((verb) => ({ path: [...named.path, verb.name], verb, inner: [] })),
  );
}

function optionWords(options: readonly OptionSpec[]): string {
  return options
    .flatMap((option) => (option.short === undefined ? [option.long] : [option.short, option.long]))
    .join(' ');
}

const HELP: OptionSpec = { long: '--help', short: '-h', description: 'print help' };

// ---------------------------------------------------------------------------------------------------------------- bash

function bashScript(): string {
  const valued = [
    ...new Map(
      [...GLOBAL_OPTIONS, ...leafVerbs().flatMap(({ verb }) => verb.options)].map((o) => [o.long, o]),
    ).values(),
  ].filter((option) => option.value !== undefined);
  const patterns = (options: readonly OptionSpec[]) => optionWords(options).replaceAll(' ', '|');
  const paths = valued.filter((option) => option.value?.kind === 'path');
  const chosen = valued.filter((option) => option.value?.choices !== undefined);
  const free = valued.filter((option) => !paths.includes(option) && !chosen.includes(option));
  const lines = [
    '# bash completion of ibctl; made by: ibctl completion bash',
    '_ibctl() {',
    '  local cur=${COMP_WORDS[COMP_CWORD]} prev= verb= word skip= i',
    '  COMPREPLY=()',
    '  # bash splits --option=value at the equals sign.',
    '  (( COMP_CWORD > 0 )) && prev=${COMP_WORDS[COMP_CWORD-1]}',
    '  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]] && (( COMP_CWORD > 1 )); then prev=${COMP_WORDS[COMP_CWORD-2]}; fi',
    '  for (( i = 1; i < COMP_CWORD; i++ )); do',
    '    word=${COMP_WORDS[i]}',
    '    if [[ $word == = ]]; then skip=1; continue; fi',
    '    if [[ -n $skip ]]; then skip=; continue; fi',
    '    case $word in',
    `      ${patterns(valued)}) [[ \${COMP_WORDS[i+1]} == = ]] || skip=1 ;;`,
    '      -*) ;;',
    '      *) verb=${verb:+$verb }$word ;;',
    '    esac',
    '  done',
    '  case $prev in',
    `    ${patterns(paths)}) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;`,
    ...chosen.map(
      (option) =>
        `    ${patterns([option])}) COMPREPLY=($(compgen -W '${option.value?.choices?.join(' ')}' -- "$cur")); return ;;`,
    ),
    `    ${patterns(free)}) return ;;`,
    '  esac',
    '  local options arguments=',
    '  case $verb in',
    `    '') options='${optionWords([...GLOBAL_OPTIONS, HELP])} --version'; arguments='${topVerbs()
      .map(({ verb }) => verb.name)
      .join(' ')} help' ;;`,
    ...topVerbs()
      .filter(({ inner }) => inner.length > 0)
      .map(
        ({ verb, inner }) =>
          `    '${verb.name}') options='${optionWords([...GLOBAL_OPTIONS, HELP])}'; arguments='${inner.map(({ name }) => name).join(' ')}' ;;`,
      ),
    ...leafVerbs().map(
      ({ path, verb }) =>
        `    '${path.join(' ')}') options='${optionWords([...verb.options, ...GLOBAL_OPTIONS, HELP])}'; ${bashArgument(verb)} ;;`,
    ),
    `    help) options=; arguments='${topVerbs()
      .map(({ verb }) => verb.name)
      .join(' ')}' ;;`,
    '    *) return ;;',
    '  esac',
    '  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$cur")); else COMPREPLY+=($(compgen -W "$arguments" -- "$cur")); fi',
    '}',
    'complete -F _ibctl ibctl',
  ];
  return `${lines.join('\n')}\n`;
}

function bashArgument(verb: VerbSpec): string {
  const value = verb.arguments[0]?.value;
  if (value === undefined || value === 'text') return 'arguments=';
  if (value === 'session') return `[[ $cur == -* ]] || arguments=$(${SESSIONS_COMMAND})`;
  if (value === 'target') return `[[ $cur == -* ]] || arguments=$(${TARGETS_COMMAND})`;
  if (value === 'path')
    return 'compopt -o filenames 2>/dev/null; [[ $cur == -* ]] || COMPREPLY=($(compgen -f -- "$cur"))';
  return `arguments='${value.join(' ')}'`;
}

// ----------------------------------------------------------------------------------------------------------------- zsh

function zshScript(): string {
  const lines = [
    '#compdef ibctl',
    '# zsh completion of ibctl; made by: ibctl completion zsh',
    '_ibctl_sessions() {',
    '  local -a names',
    `  names=(\${(f)"$(${SESSIONS_COMMAND})"})`,
    '  _describe -t sessions session names',
    '}',
    '_ibctl_targets() {',
    '  local -a names',
    `  names=(\${(f)"$(${TARGETS_COMMAND})"})`,
    '  _describe -t targets target names',
    '}',
    '_ibctl() {',
    '  local curcontext=$curcontext state line',
    '  local -a verbs global',
    '  typeset -A opt_args',
    '  global=(',
    ...[...GLOBAL_OPTIONS, HELP].flatMap((option) => zshOption(option).map((spec) => `    ${spec}`)),
    '  )',
    `  _arguments -C $global '(-V --version)'{-V,--version}'[print the version]' '1:verb:->verb' '*::argument:->argument'`,
    '  case $state in',
    '    verb)',
    '      verbs=(',
    ...topVerbs().map(({ verb }) => `        ${zshQuote(`${verb.name}:${verb.summary}`)}`),
    '      )',
    '      _describe -t verbs verb verbs ;;',
    '    argument)',
    '      case $words[1] in',
    ...topVerbs().flatMap(({ verb, inner }) =>
      inner.length === 0 ? zshCase(verb, '        ') : zshNested(verb, inner),
    ),
    '      esac ;;',
    '  esac',
    '}',
    '# Sourced it only defines; as an autoloaded function it is called at once.',
    'if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _ibctl "$@"; else compdef _ibctl ibctl; fi',
  ];
  return `${lines.join('\n')}\n`;
}

function zshNested(verb: VerbSpec, inner: readonly VerbSpec[]): string[] {
  return [
    `        ${verb.name})`,
    "          _arguments -C $global '1:verb:->inner' '*::argument:->innerargument'",
    '          case $state in',
    '            inner)',
    `              verbs=(${inner.map(({ name, summary }) => zshQuote(`${name}:${summary}`)).join(' ')})`,
    '              _describe -t verbs verb verbs ;;',
    '            innerargument)',
    '              case $words[1] in',
    ...inner.flatMap((each) => zshCase(each, '                ')),
    '              esac ;;',
    '          esac ;;',
  ];
}

function zshCase(verb: VerbSpec, indent: string): string[] {
  const specs = [
    ...verb.options.flatMap(zshOption),
    ...verb.arguments.map((each, index) => zshArgument(each, index + 1)),
  ];
  return [`${indent}${verb.name}) _arguments $global${specs.map((spec) => ` ${spec}`).join('')} ;;`];
}

function zshArgument({ name, value, required }: VerbSpec['arguments'][number], place: number): string {
  const colon = `${place}${required ? ':' : '::'}`;
  if (value === 'session') return zshQuote(`${colon}session:_ibctl_sessions`);
  if (value === 'target') return zshQuote(`${colon}target:_ibctl_targets`);
  if (value === 'path') return zshQuote(`${colon}file:_files`);
  if (value === 'text') return zshQuote(`${colon}${name}: `);
  return zshQuote(`${colon}shell:(${value.join(' ')})`);
}

function zshOption(option: OptionSpec): string[] {
  const text = `[${option.description.replaceAll(/[[\]\\]/g, '\\$&')}]${zshValue(option)}`;
  const names = option.short === undefined ? [option.long] : [option.short, option.long];
  return names.map((name) =>
    zshQuote(`(${names.join(' ')})${name}${option.value && name === option.long ? '=' : ''}${text}`),
  );
}

function zshValue({ value }: OptionSpec): string {
  if (value === undefined) return '';
  if (value.choices !== undefined) return `:${value.placeholder}:(${value.choices.join(' ')})`;
  return `:${value.placeholder}:${value.kind === 'path' ? '_files' : ' '}`;
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// ---------------------------------------------------------------------------------------------------------------- fish

function fishScript(): string {
  const names = topVerbs()
    .map(({ verb }) => verb.name)
    .join(' ');
  const lines = [
    '# fish completion of ibctl; made by: ibctl completion fish',
    'complete -c ibctl -f',
    ...[...GLOBAL_OPTIONS, HELP].map((option) => fishOption(option)),
    ...topVerbs().map(
      ({ verb }) =>
        `complete -c ibctl -n ${fishQuote(`not __fish_seen_subcommand_from ${names}`)} -a ${verb.name} -d ${fishQuote(verb.summary)}`,
    ),
    ...topVerbs().flatMap(({ verb, inner }) =>
      inner.map(
        (each) =>
          `complete -c ibctl -n ${fishQuote(
            `__fish_seen_subcommand_from ${verb.name}; and not __fish_seen_subcommand_from ${inner.map(({ name }) => name).join(' ')}`,
          )} -a ${each.name} -d ${fishQuote(each.summary)}`,
      ),
    ),
    ...leafVerbs().flatMap(({ path, verb }) => {
      const seen = path.map((name) => `__fish_seen_subcommand_from ${name}`).join('; and ');
      return [
        ...verb.options.map((option) => fishOption(option, seen)),
        ...verb.arguments.flatMap((argument) => fishArgument(argument, seen)),
      ];
    }),
  ];
  return `${lines.join('\n')}\n`;
}

function fishOption(option: OptionSpec, condition?: string): string {
  const parts = ['complete -c ibctl'];
  if (condition !== undefined) parts.push(`-n ${fishQuote(condition)}`);
  if (option.short !== undefined) parts.push(`-s ${option.short.slice(1)}`);
  parts.push(`-l ${option.long.slice(2)}`);
  if (option.value?.choices !== undefined) parts.push(`-x -a ${fishQuote(option.value.choices.join(' '))}`);
  else if (option.value?.kind === 'path') parts.push('-r -F');
  else if (option.value !== undefined) parts.push('-x');
  parts.push(`-d ${fishQuote(option.description)}`);
  return parts.join(' ');
}

function fishArgument({ value }: VerbSpec['arguments'][number], condition: string): string[] {
  if (value === 'text') return [];
  const when = `complete -c ibctl -n ${fishQuote(condition)}`;
  if (value === 'session') return [`${when} -a ${fishQuote(`(${SESSIONS_COMMAND})`)} -d session`];
  if (value === 'target') return [`${when} -a ${fishQuote(`(${TARGETS_COMMAND})`)} -d target`];
  if (value === 'path') return [`${when} -F`];
  return [`${when} -a ${fishQuote(value.join(' '))}`];
}

function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
