// Owns `ibctl plan`: what happens next, whether it needs a second factor, and what is left of the login budgets.

import { EXIT } from '../../protocol/errors.ts';
import { connectAgent, sessionParam } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import { renderPlan } from '../plan-text.ts';

const CALL_DEADLINE_MS = 10_000;

export async function runPlan({ context, output, input }: VerbCall): Promise<number> {
  const client = await connectAgent(context, input);
  try {
    const plan = await client.call('plan', sessionParam(input), { deadlineMs: CALL_DEADLINE_MS });
    const layout = { now: context.clock.now(), columns: output.columns, paint: output.paint };
    if (output.json) output.jsonDocument(plan);
    else output.text(renderPlan(plan, layout));
    return EXIT.ok;
  } finally {
    client.close();
  }
}
