// Owns `ibctl doctor`: looks at everything that keeps a session from coming up, and says what to do.

import { resolve } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import { DEFAULT_CONFIG_FILE } from '../../config/paths.ts';
import { ConfigError, formatProblem } from '../../config/problems.ts';
import { AgentError, ERROR_CODES, EXIT } from '../../protocol/errors.ts';
import { AGENT_VERSION } from '../../protocol/version.ts';
import { connectAgent } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import type { Finding } from '../doctor/finding.ts';
import type { AgentAnswer, Machine } from '../doctor/machine.ts';
import { allChecks, runChecks } from '../doctor/run.ts';
import { type ConfigAnswer, Scene } from '../doctor/scene.ts';
import { SystemMachine } from '../doctor/system-machine.ts';
import { renderFindings } from '../doctor/text.ts';
import { readSessionName, unknownSession } from '../session-choice.ts';
import { fromWire } from '../time-text.ts';

const CONNECT_DEADLINE_MS = 3_000;
const STATUS_DEADLINE_MS = 5_000;

export function runDoctor(call: VerbCall): Promise<number> {
  return examine(call, new SystemMachine(call.context.clock, () => askAgent(call)));
}

/** Runs all checks on a machine. Throws AgentError `unknown-session`, else returns 1 when a check failed and 0 when none did. */
export async function examine(call: VerbCall, machine: Machine): Promise<number> {
  const { context, input, output } = call;
  const config = readConfig(resolve(context.cwd, input.text('--config') ?? DEFAULT_CONFIG_FILE));
  const scene = new Scene({
    machine,
    config,
    sessions: sessionsOf(config, input.argument('NAME')),
    offline: input.flag('--offline'),
  });
  const findings = await runChecks(allChecks(AGENT_VERSION), scene, context.clock);
  if (output.json) output.jsonDocument(findings.map(toJson));
  else output.text(renderFindings(findings, { columns: output.columns, paint: output.paint }));
  return findings.some(({ result }) => result === 'failed') ? EXIT.failed : EXIT.ok;
}

function toJson({ id, group, subject, result, evidence, remedy }: Finding) {
  return {
    id,
    subject,
    group: group.toLowerCase(),
    result,
    evidence,
    remedy: remedy?.words ?? null,
    command: remedy?.command ?? null,
  };
}

function readConfig(file: string): ConfigAnswer {
  try {
    return { ok: true, config: loadConfig(file) };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    const problems = error instanceof ConfigError ? error.problems.map(formatProblem) : [error.message];
    return {
      ok: false,
      file,
      problems,
      hint: error instanceof ConfigError ? 'Correct the file.' : (error.hint ?? ''),
    };
  }
}

/** With a configuration that cannot be used there is no session to look at, and a check says why. */
function sessionsOf(config: ConfigAnswer, text: string | undefined) {
  const asked = text === undefined ? null : readSessionName(text);
  if (!config.ok) return [];
  const { sessions, file } = config.config;
  if (asked === null) return sessions;
  const chosen = sessions.filter(({ name }) => name === asked);
  if (chosen.length > 0) return chosen;
  throw unknownSession(
    asked,
    sessions.map(({ name }) => name),
    `is not in ${file}`,
  );
}

async function askAgent({ context, input }: VerbCall): Promise<AgentAnswer> {
  try {
    const client = await connectAgent(context, input, { retryMs: 0, deadlineMs: CONNECT_DEADLINE_MS });
    try {
      const { agent } = await client.call('status', {}, { deadlineMs: STATUS_DEADLINE_MS });
      return {
        kind: 'running',
        version: agent.version,
        pid: agent.pid,
        startedAt: fromWire(agent.startedAt),
        supervisor: agent.supervisor,
        access: client.access,
      };
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    const exit = ERROR_CODES[error.code]?.exit;
    const refused = exit === EXIT.notAllowed || error.code === 'version-mismatch';
    return { kind: refused ? 'refused' : 'away', message: error.message };
  }
}
