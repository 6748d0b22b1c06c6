// Owns reading a stream: with --follow it goes on after the agent was restarted, and ends by Ctrl-C.

import type { ControlClient } from '../control/client.ts';
import { EXIT } from '../protocol/errors.ts';
import { connectAgent, isAgentAway, reconnectAgent } from './connect.ts';
import type { VerbCall } from './context.ts';

/**
 * Runs `read` on a connection until it ends. With `follow`, when the agent stays away longer than the client bridges by
 * itself, `read` runs anew on a new connection. Returns 0, or the exit code of the interruption.
 */
export async function readStream(
  call: VerbCall,
  follow: boolean,
  read: (client: ControlClient, signal: AbortSignal) => Promise<void>,
): Promise<number> {
  const { context, output, input } = call;
  let client = await connectAgent(context, input);
  const interruption = context.interruption();
  try {
    for (;;) {
      try {
        await read(client, interruption);
        return EXIT.ok;
      } catch (error) {
        if (interruption.aborted || !follow || !isAgentAway(error)) throw error;
        output.note(`${error.message}; connecting again`);
      }
      client.close();
      client = await reconnectAgent(context, input, interruption);
    }
  } catch (error) {
    if (!interruption.aborted) throw error;
    return Number(interruption.reason);
  } finally {
    client.close();
  }
}
