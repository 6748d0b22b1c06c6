// Owns how a verb reaches the agent: which socket, with what patience, and which session name it may send.

import { type ControlClient, connectControl } from '../control/client.ts';
import { delay } from '../host/clock.ts';
import { AgentError, type ErrorCode } from '../protocol/errors.ts';
import { parseSessionName, SESSION_NAME_RULE, type SessionName } from '../protocol/session-name.ts';
import { AGENT_VERSION } from '../protocol/version.ts';
import type { CliContext } from './context.ts';
import type { VerbInput } from './input.ts';
import { usageError } from './output.ts';

/** The socket of a packaged install; equals `agentPaths(DEFAULT_ROOTS).socket`, which a test compares. */
export const DEFAULT_SOCKET = '/run/ib-agent/control.sock';

/** How long a connection may take once the socket exists. */
const CONNECT_DEADLINE_MS = 5_000;
/** How long an agent that is being restarted is waited for. */
const RETRY_MS = 2_000;
/** The same for somebody who is following something and would rather wait than be thrown out. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 250;

/** Errors that pass when the agent is back. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['agent-unreachable', 'connection-lost', 'agent-stopping']);

/** Whether a call failed because the agent is away, as while it is being restarted. */
export function isAgentAway(error: unknown): error is AgentError {
  return error instanceof AgentError && PASSING.has(error.code);
}

/** The control socket: --socket, else by --config, else $IBCTL_SOCKET, else the packaged place. */
export async function socketPath(context: CliContext, input: VerbInput): Promise<string> {
  const given = input.text('--socket');
  if (given !== undefined) return given;
  const configFile = input.text('--config');
  if (configFile !== undefined) return (await import('./verbs/config.ts')).socketOfConfig(configFile);
  return context.env['IBCTL_SOCKET'] || DEFAULT_SOCKET;
}

/** Connects to the agent. Throws AgentError `agent-unreachable`, `not-allowed` or `version-mismatch`. */
export async function connectAgent(
  context: CliContext,
  input: VerbInput,
  patience: { readonly retryMs?: number; readonly deadlineMs?: number } = {},
): Promise<ControlClient> {
  return connectControl(await socketPath(context, input), {
    deadlineMs: patience.deadlineMs ?? CONNECT_DEADLINE_MS,
    retryMs: patience.retryMs ?? RETRY_MS,
    clock: context.clock,
    client: `ibctl ${AGENT_VERSION}`,
  });
}

/**
 * Connects again after the agent went away, with more patience: also while its whole runtime directory is gone, as in a restart
 * of its unit. Rejects with the signal's reason when that is aborted.
 */
export async function reconnectAgent(
  context: CliContext,
  input: VerbInput,
  signal: AbortSignal,
): Promise<ControlClient> {
  const { clock } = context;
  const startMs = clock.monotonicMs();
  for (;;) {
    try {
      return await connectAgent(context, input, { retryMs: 0 });
    } catch (error) {
      if (!isAgentAway(error) || clock.monotonicMs() - startMs > PATIENCE_MS) throw error;
    }
    await delay(clock, PAUSE_MS, signal);
  }
}

/** `{session}` for the parameters of a call, or nothing when NAME was left out. Throws AgentError `invalid-params`. */
export function sessionParam(input: VerbInput): { session?: SessionName } {
  const text = input.argument('NAME');
  if (text === undefined) return {};
  const session = parseSessionName(text);
  if (session === null) {
    throw usageError(`NAME: "${text}" is not a session name`, `a session name is ${SESSION_NAME_RULE}`);
  }
  return { session };
}

/** `{device}` for the parameters of a login, or nothing when --device was left out. Throws AgentError `invalid-params`. */
export function deviceParam(input: VerbInput): { device?: string } {
  const device = input.text('--device');
  if (device === undefined) return {};
  if (device.trim() === '') throw usageError('--device: the entry of the device list is empty');
  return { device };
}
