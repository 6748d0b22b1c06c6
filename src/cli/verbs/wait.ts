// Owns `ibctl wait`: block until a session is in a state.

import type { ParamsIn } from '../../protocol/methods.ts';
import { sessionParam } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import { followSession } from '../follow.ts';

type Goal = NonNullable<ParamsIn<'wait'>['for']>;

/** The grammar lets nothing else through; this only tells the type checker so. */
function isGoal(text: string | undefined): text is Goal {
  return text === 'ready' || text === 'stopped' || text === 'halted' || text === 'second-factor';
}

export async function runWait(call: VerbCall): Promise<number> {
  const text = call.input.text('--for');
  const goal = isGoal(text) ? text : 'ready';
  const params = { ...sessionParam(call.input), for: goal };
  return followSession(call, {
    verb: 'wait',
    order: (client, watching) => client.call('wait', params, watching),
    goal,
    acceptOnly: false,
    timeoutMs: call.input.number('--timeout'),
    goesOn: null,
  });
}
