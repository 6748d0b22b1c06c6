// Owns `ibctl config`: check, show and schema, which work from the file alone, and the way from a file to its agent's socket.

import { resolve } from 'node:path';
import { stringify } from 'yaml';
import { describeConfig } from '../../config/describe.ts';
import { configJsonSchema } from '../../config/json-schema.ts';
import { loadConfig } from '../../config/load.ts';
import { agentPaths, DEFAULT_CONFIG_FILE } from '../../config/paths.ts';
import { ConfigError, formatProblem } from '../../config/problems.ts';
import { EXIT } from '../../protocol/errors.ts';
import type { VerbCall } from '../context.ts';
import { checkSeeds } from '../seed-check.ts';
import { printable } from '../table.ts';

/** The control socket of the agent that runs with this configuration. Throws AgentError when the file cannot be used. */
export function socketOfConfig(file: string): string {
  return agentPaths(loadConfig(file).agent).socket;
}

function fileOf({ context, input }: VerbCall): string {
  return resolve(context.cwd, input.argument('FILE') ?? input.text('--config') ?? DEFAULT_CONFIG_FILE);
}

export async function runConfigCheck(call: VerbCall): Promise<number> {
  const { output } = call;
  const file = fileOf(call);
  try {
    const config = loadConfig(file);
    const sessions = config.sessions.map(({ name }) => name);
    const seeds = checkSeeds(config.sessions);
    const wrong = seeds.filter(({ state }) => state === 'wrong');
    if (output.json) output.jsonDocument({ file, ok: wrong.length === 0, sessions, problems: [], seeds });
    else {
      const count = sessions.length === 1 ? '1 session' : `${sessions.length} sessions`;
      output.line(`${file}: no errors, ${count}${sessions.length === 0 ? '' : ` (${sessions.join(', ')})`}`);
      for (const { session, state, text } of seeds) {
        if (state === 'not-checked')
          output.line(printable(`${session}: the TOTP seed is not checked: ${text}`));
      }
    }
    for (const { session, text } of wrong)
      output.error(printable(`the TOTP seed of ${session} is wrong: ${text}`));
    return wrong.length === 0 ? EXIT.ok : EXIT.failed;
  } catch (error) {
    // Problems are what was asked for, so they are the output; a file that cannot be read is a failure like any other.
    if (!(error instanceof ConfigError)) throw error;
    const { problems } = error;
    if (output.json) output.jsonDocument({ file, ok: false, sessions: [], problems });
    else for (const problem of problems) output.line(printable(formatProblem(problem)));
    output.error(`${file} has ${problems.length === 1 ? '1 error' : `${problems.length} errors`}`);
    return EXIT.failed;
  }
}

export async function runConfigShow(call: VerbCall): Promise<number> {
  const { output } = call;
  const described = describeConfig(loadConfig(fileOf(call)));
  if (output.json) output.jsonDocument(described);
  else output.text(stringify(described, { lineWidth: 0 }));
  return EXIT.ok;
}

export async function runConfigSchema({ output }: VerbCall): Promise<number> {
  output.jsonDocument(configJsonSchema());
  return EXIT.ok;
}
