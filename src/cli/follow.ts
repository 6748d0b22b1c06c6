// Owns the verbs that bring a session somewhere and watch it go: order, progress, time limit, Ctrl-C, exit code.

import type { ControlClient } from '../control/client.ts';
import { AgentError, EXIT, type ExitCode } from '../protocol/errors.ts';
import type { Outcome, ParamsIn, Progress } from '../protocol/methods.ts';
import { parseSessionName } from '../protocol/session-name.ts';
import { connectAgent, isAgentAway, reconnectAgent } from './connect.ts';
import type { VerbCall } from './context.ts';
import { jsonProgress, type ProgressView, SILENT, TextProgress } from './progress-view.ts';
import { progressText } from './status-text.ts';
import { formatDuration, fromWire } from './time-text.ts';

type Watching = { readonly onEvent: (progress: Progress) => void; readonly signal: AbortSignal };

export type Following = {
  /** Name of the verb, for people. */
  readonly verb: string;
  /** Gives the order. */
  readonly order: (client: ControlClient, watching: Watching) => Promise<Outcome>;
  /** What to wait for when the agent was restarted after it had accepted the order; null: then the call has failed. */
  readonly goal: NonNullable<ParamsIn<'wait'>['for']> | null;
  /** The call ends as soon as the agent has accepted it. */
  readonly acceptOnly: boolean;
  /** Milliseconds until ibctl stops watching; undefined: never. */
  readonly timeoutMs: number | undefined;
  /** Said when watching ends early, such as `the login goes on`; null when nothing was started. */
  readonly goesOn: string | null;
};

/** Gives the order and shows progress until it ends; returns the exit code. */
export async function followSession(
  { context, output, input }: VerbCall,
  following: Following,
): Promise<number> {
  let client = await connectAgent(context, input);
  const quiet = input.flag('--quiet');
  const view: ProgressView = quiet
    ? SILENT
    : output.json
      ? jsonProgress(output)
      : new TextProgress(output, context.clock);
  const end = new AbortController();
  let early: number | undefined;
  const endEarly = (exit: number) => {
    early ??= exit;
    end.abort();
  };
  const interruption = context.interruption();
  interruption.addEventListener('abort', () => endEarly(Number(interruption.reason)), { once: true });
  const limit =
    following.timeoutMs === undefined
      ? undefined
      : context.clock.after(following.timeoutMs, () => endEarly(EXIT.timedOut));
  let last: Progress | undefined;
  const watching: Watching = {
    onEvent: (progress) => {
      last = progress;
      if (!following.acceptOnly) view.show(progress);
    },
    signal: end.signal,
  };
  let order = following.order;
  try {
    for (;;) {
      try {
        const outcome = await order(client, watching);
        if (!following.acceptOnly) view.show(outcome.session);
        view.end();
        return tellOutcome(output, following, outcome, quiet);
      } catch (error) {
        const session = last === undefined ? null : parseSessionName(last.session);
        const { goal } = following;
        if (!isAgentAway(error) || early !== undefined || session === null || goal === null) throw error;
        // The order is accepted and durable: a restarted agent goes on with it, and so does who watches.
        view.end();
        output.note(`${error.message}; connecting again`);
        client.close();
        client = await reconnectAgent(context, input, end.signal);
        order = (again, options) => again.call('wait', { session, for: goal }, options);
      }
    }
  } catch (error) {
    view.end();
    if (early === undefined) throw error;
    return tellEarlyEnd(output, following, early, last);
  } finally {
    limit?.cancel();
    client.close();
  }
}

function tellOutcome(
  output: VerbCall['output'],
  following: Following,
  outcome: Outcome,
  quiet: boolean,
): ExitCode {
  const { session, reached } = outcome;
  if (output.json) output.jsonLine({ outcome });
  if (following.acceptOnly) {
    if (!output.json && !quiet)
      output.line(`${session.session}: ${following.verb} accepted, now ${session.state}`);
    return EXIT.ok;
  }
  if (reached) return EXIT.ok;
  const worst = session.conditions.find((condition) => condition.hint !== '');
  output.error(`${session.session} is ${progressText(session, fromWire(session.at))}`, worst?.hint);
  // The next try rings the phone again: without a person it ends the same way.
  const missed = session.state === 'backing-off' && session.reason === 'second-factor-missed';
  return session.state === 'halted' || session.secondFactor !== null || missed
    ? EXIT.operatorNeeded
    : EXIT.failed;
}

function tellEarlyEnd(
  output: VerbCall['output'],
  following: Following,
  exit: number,
  last: Progress | undefined,
): number {
  const name = last === undefined ? '' : ` ${last.session}`;
  const hint =
    following.goesOn === null ? undefined : `${following.goesOn}; watch it with: ibctl status --watch${name}`;
  if (exit === EXIT.timedOut) {
    const after = formatDuration(following.timeoutMs ?? 0);
    // Who waits in a script must know that more time alone does not help: a person is needed.
    const needsPerson = last !== undefined && last.secondFactor !== null;
    const state = last === undefined ? '' : `, ${last.session} is ${last.state}`;
    return output.failure(
      new AgentError(needsPerson ? 'second-factor-pending' : 'timed-out', `not done after ${after}${state}`, {
        hint,
      }),
    );
  }
  if (hint !== undefined) output.note(hint);
  return exit;
}
