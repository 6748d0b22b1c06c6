// Owns `ibctl login`: log a session in and follow it until it is ready or a person is needed.

import { sessionParam } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import { followSession } from '../follow.ts';

export async function runLogin(call: VerbCall): Promise<number> {
  const acceptOnly = call.input.flag('--no-wait');
  const params = { ...sessionParam(call.input), follow: !acceptOnly };
  return followSession(call, {
    verb: 'login',
    order: (client, watching) => client.call('login', params, watching),
    goal: 'ready',
    acceptOnly,
    timeoutMs: call.input.number('--timeout'),
    goesOn: 'the login goes on',
  });
}
