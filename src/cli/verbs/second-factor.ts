// Owns `ibctl second-factor resend`: having the notification of a pending second factor sent again.

import { EXIT } from '../../protocol/errors.ts';
import { connectAgent, sessionParam } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import { formatTime, fromWire } from '../time-text.ts';

const RESEND_DEADLINE_MS = 20_000;

export async function runSecondFactorResend(call: VerbCall): Promise<number> {
  const { context, output, input } = call;
  const client = await connectAgent(context, input);
  try {
    const sent = await client.call('second-factor-resend', sessionParam(input), {
      deadlineMs: RESEND_DEADLINE_MS,
    });
    if (output.json) output.jsonDocument(sent);
    else {
      const deadline = formatTime(fromWire(sent.deadline));
      output.line(
        `sent again: notification ${sent.pushes} of at most ${sent.mostPushes} of this second factor; approve it before ${deadline}`,
      );
    }
    return EXIT.ok;
  } finally {
    client.close();
  }
}
