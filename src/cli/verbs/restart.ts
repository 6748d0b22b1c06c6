// Owns `ibctl restart`: restart a gateway warm or cold and follow it.

import { deviceParam, sessionParam } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import { followSession } from '../follow.ts';
import { usageError } from '../output.ts';

export async function runRestart(call: VerbCall): Promise<number> {
  const { input, output } = call;
  const acceptOnly = input.flag('--no-wait');
  const cold = input.flag('--cold');
  const params = { ...sessionParam(input), follow: !acceptOnly, cold, ...deviceParam(input) };
  if (!cold && input.text('--device') !== undefined) throw usageError('--device belongs to --cold');
  if (cold && !input.flag('--quiet')) {
    output.warning(
      'a cold restart is a full login: it counts against the login budget and may need a second factor',
    );
  }
  return followSession(call, {
    verb: 'restart',
    order: (client, watching) => client.call('restart', params, watching),
    // Ready may be what it was before the restart: a new agent cannot tell.
    goal: null,
    acceptOnly,
    timeoutMs: input.number('--timeout'),
    goesOn: 'the restart goes on',
  });
}
