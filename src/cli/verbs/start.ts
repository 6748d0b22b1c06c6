// Owns `ibctl start`: want a session up and follow it.

import { deviceParam, sessionParam } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import { followSession } from '../follow.ts';

export async function runStart(call: VerbCall): Promise<number> {
  const acceptOnly = call.input.flag('--no-wait');
  const params = { ...sessionParam(call.input), follow: !acceptOnly, ...deviceParam(call.input) };
  return followSession(call, {
    verb: 'start',
    order: (client, watching) => client.call('start', params, watching),
    goal: 'ready',
    acceptOnly,
    timeoutMs: call.input.number('--timeout'),
    goesOn: 'the start goes on',
  });
}
