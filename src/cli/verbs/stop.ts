// Owns `ibctl stop`: close a session tidily and follow it down.

import { sessionParam } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import { followSession } from '../follow.ts';

export async function runStop(call: VerbCall): Promise<number> {
  const acceptOnly = call.input.flag('--no-wait');
  const params = { ...sessionParam(call.input), follow: !acceptOnly };
  return followSession(call, {
    verb: 'stop',
    order: (client, watching) => client.call('stop', params, watching),
    goal: 'stopped',
    acceptOnly,
    timeoutMs: call.input.number('--timeout'),
    goesOn: 'the tidy close goes on',
  });
}
