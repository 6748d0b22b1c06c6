// Owns `ibctl login`: log a session in and follow it until it is ready or a person is needed.

import { deviceParam, sessionParam } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import { followSession } from '../follow.ts';
import { usageError } from '../output.ts';
import { confirmOverride } from '../override.ts';

export async function runLogin(call: VerbCall): Promise<number> {
  const acceptOnly = call.input.flag('--no-wait');
  const override = call.input.flag('--override');
  if (!override && call.input.flag('--yes')) throw usageError('--yes belongs to --override');
  if (override) {
    const ended = await confirmOverride(call);
    if (ended !== null) return ended;
  }
  const params = {
    ...sessionParam(call.input),
    follow: !acceptOnly,
    ...(override ? { override } : {}),
    ...deviceParam(call.input),
  };
  return followSession(call, {
    verb: 'login',
    order: (client, watching) => client.call('login', params, watching),
    goal: 'ready',
    acceptOnly,
    timeoutMs: call.input.number('--timeout'),
    goesOn: 'the login goes on',
  });
}
