// Owns the question that stands before a login beyond the budget: what was spent, and the session's name as consent.

import { AgentError } from '../protocol/errors.ts';
import { connectAgent, sessionParam } from './connect.ts';
import type { VerbCall } from './context.ts';
import { askOnTerminal, PromptInterrupted } from './credentials/prompt.ts';
import { usageError } from './output.ts';
import { budgetLines } from './plan-text.ts';
import { printable } from './table.ts';

const PLAN_DEADLINE_MS = 10_000;

/**
 * Asks for consent to one login beyond the budget, unless `--yes` gives it. Returns null to go on, or the exit code with which the
 * verb ends. Throws AgentError `invalid-params` where there is nobody to ask, `cancelled` for any other answer than the name.
 */
export async function confirmOverride(call: VerbCall): Promise<number | null> {
  const { context, input, output } = call;
  if (input.flag('--yes')) return null;
  if (!context.stdin.isTty) {
    throw usageError('--override asks on a terminal, and standard input is none', 'for scripts: --yes');
  }
  const client = await connectAgent(context, input);
  let plan: Awaited<ReturnType<typeof client.call<'plan'>>>;
  try {
    plan = await client.call('plan', sessionParam(input), { deadlineMs: PLAN_DEADLINE_MS });
  } finally {
    client.close();
  }
  const [session, another] = plan.sessions;
  // Without a name among several, or without need, the agent answers better than a question does.
  if (session === undefined || another !== undefined || session.deferral === null) return null;
  output.warning(`${session.deferral.text}; IBKR may lock out a user who logs in too often`);
  for (const user of plan.users)
    for (const line of budgetLines(user, context.clock.now(), output.columns)) output.note(line);
  try {
    const question = `To log in all the same, type the name of the session (${printable(session.session)}): `;
    const typed = await askOnTerminal(context, (ask) => ask(question, { hidden: false }));
    if (Buffer.from(typed).toString('utf8').trim() === session.session) return null;
  } catch (error) {
    if (!(error instanceof PromptInterrupted)) throw error;
    return error.exit;
  }
  throw new AgentError('cancelled', 'that is not the name of the session; nothing was done', {
    hint: `wait until the budget is free again, or type ${session.session}`,
  });
}
