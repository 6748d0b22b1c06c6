// Owns the grammar as commander sees it: all of its syntax, help, and errors with guesses.

import { Command, CommanderError, Option } from 'commander';
import { type AgentError, EXIT } from '../protocol/errors.ts';
import { AGENT_VERSION } from '../protocol/version.ts';
import {
  type ArgumentSpec,
  EXIT_MEANINGS,
  type Example,
  GLOBAL_OPTIONS,
  GRAMMAR,
  isGroup,
  MAIN_EXAMPLES,
  type OptionSpec,
  optionFlags,
  type VerbGroup,
  type VerbSpec,
} from './grammar.ts';
import type { RawCall } from './input.ts';
import { type Output, usageError } from './output.ts';
import { renderPairs, wrap } from './table.ts';

/** Reads a command line; null when it asked for help or the version, which is printed then. Throws AgentError `invalid-params`. */
export function parseWithCommander(argv: readonly string[], output: Output): RawCall | null {
  let call: RawCall | null = null;
  const program = buildProgram(output, (found) => {
    call = found;
  });
  try {
    program.parse(argv, { from: 'user' });
    return call;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return null;
    throw usageErrorOf(error, argv);
  }
}

type OnCall = (call: RawCall) => void;

function buildProgram(output: Output, onCall: OnCall): Command {
  const program = new Command('ibctl')
    .description("ibctl talks to ib-agent, which keeps Interactive Brokers' gateways logged in.")
    .version(`ibctl ${AGENT_VERSION}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help; also: ibctl help VERB')
    .commandsGroup('Set up:')
    .helpCommand('help [verb]', 'explain a verb')
    .usage('[options] VERB [NAME]')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.text(text),
      writeErr: (text) => output.note(text.trimEnd()),
      // The message is told by the caller, in the form of all other errors.
      outputError: () => undefined,
      getOutHelpWidth: () => output.columns,
      getErrHelpWidth: () => output.columns,
    })
    .configureHelp({ showGlobalOptions: true, styleTitle: (title) => output.paint('bold', title) });
  for (const option of GLOBAL_OPTIONS) program.addOption(toOption(option));
  for (const group of GRAMMAR) {
    for (const verb of group.verbs) {
      const command = isGroup(verb)
        ? toGroup(verb, program, output, onCall)
        : toCommand(verb, [verb.name], program, output, onCall);
      program.addCommand(command.helpGroup(`${group.title}:`));
    }
  }
  program.addHelpText('after', () => `\n${exampleText(MAIN_EXAMPLES, output)}\n\n${exitText(output)}`);
  return program;
}

function toGroup(spec: VerbGroup, program: Command, output: Output, onCall: OnCall): Command {
  const command = new Command(spec.name)
    .copyInheritedSettings(program)
    .description(spec.summary)
    .usage('VERB');
  for (const verb of spec.verbs) {
    const isDefault = verb.name === spec.byDefault;
    command.addCommand(toCommand(verb, [spec.name, verb.name], program, output, onCall), { isDefault });
  }
  return command;
}

function toCommand(
  spec: VerbSpec,
  path: readonly string[],
  program: Command,
  output: Output,
  onCall: OnCall,
): Command {
  const command = new Command(spec.name).copyInheritedSettings(program).description(spec.summary);
  for (const argument of spec.arguments) command.argument(argumentSyntax(argument), argument.description);
  for (const option of spec.options) command.addOption(toOption(option));
  command.addHelpText('after', () => afterText(spec, output));
  command.action(() =>
    onCall({ path, verb: spec, arguments: command.args, options: optionsOf(spec, command) }),
  );
  return command;
}

function argumentSyntax({ name, required }: ArgumentSpec): string {
  return required ? `<${name}>` : `[${name}]`;
}

function toOption(spec: OptionSpec): Option {
  const choices = spec.value?.choices === undefined ? '' : `: ${spec.value.choices.join(', ')}`;
  const option = new Option(optionFlags(spec), `${spec.description}${choices}`);
  return spec.value?.default === undefined ? option : option.default(spec.value.default);
}

function optionsOf(spec: VerbSpec, command: Command): ReadonlyMap<string, string | true> {
  const values: Readonly<Record<string, unknown>> = command.optsWithGlobals();
  const options = new Map<string, string | true>();
  for (const option of [...GLOBAL_OPTIONS, ...spec.options]) {
    const parsed = toOption(option);
    const value = values[parsed.attributeName()];
    // commander keeps `--no-x` as x: false.
    if (parsed.negate ? value === false : value === true) options.set(option.long, true);
    else if (typeof value === 'string') options.set(option.long, value);
  }
  return options;
}

function usageErrorOf(error: CommanderError, argv: readonly string[]): AgentError {
  // A bare `ibctl` or `ibctl config` has printed its help on stderr already.
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  if (error.code === 'commander.help') {
    const unknown = argv[0] === 'help' ? argv[1] : undefined;
    return usageError(
      unknown === undefined ? 'a verb is missing' : `unknown verb '${unknown}'`,
      'see: ibctl --help',
    );
  }
  const verb = GRAMMAR.flatMap((group) => group.verbs).find(({ name }) => argv.includes(name));
  const see = `see: ibctl ${verb === undefined ? '' : `${verb.name} `}--help`;
  const guess = rest.join(' ').replace(/^\(|\)$/g, '');
  return usageError(first, guess === '' ? see : `${guess.charAt(0).toLowerCase()}${guess.slice(1)} ${see}`);
}

function afterText(spec: VerbSpec, output: Output): string {
  const lines: string[] = [];
  for (const paragraph of spec.details ?? []) lines.push('', ...wrap(paragraph, output.columns));
  if (spec.examples.length > 0) lines.push('', exampleText(spec.examples, output));
  lines.push('', exitText(output, spec));
  return lines.join('\n');
}

function exampleText(examples: readonly Example[], output: Output): string {
  const lines = [output.paint('bold', 'Examples:')];
  for (const { command, does } of examples) lines.push(`  ${command}`, `      ${does}`);
  return lines.join('\n');
}

function exitText(output: Output, spec?: VerbSpec): string {
  const own: Readonly<Partial<Record<number, string>>> = spec?.exits ?? {};
  const rows = EXIT_MEANINGS.filter(
    ([code]) => spec === undefined || code !== EXIT.degraded || own[code] !== undefined,
  );
  const pairs = rows.map(([code, meaning]) => [String(code), own[code] ?? meaning] as const);
  return [output.paint('bold', 'Exit codes:'), ...renderPairs(pairs, output.columns, '  ')].join('\n');
}
