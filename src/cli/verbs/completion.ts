// Owns `ibctl completion` and the hidden `ibctl __complete` that its scripts call.

import { EXIT } from '../../protocol/errors.ts';
import { completionScript, SHELLS } from '../completion-text.ts';
import { connectAgent } from '../connect.ts';
import type { CliContext, VerbCall } from '../context.ts';
import { VerbInput } from '../input.ts';
import { usageError } from '../output.ts';

/** A person waits at the prompt: better no names than late ones. */
const DEADLINE_MS = 300;

export async function runCompletion({ input, output }: VerbCall): Promise<number> {
  const shell = SHELLS.find((name) => name === input.argument('SHELL'));
  if (shell === undefined) throw usageError(`SHELL: expected one of ${SHELLS.join(', ')}`);
  const script = completionScript(shell);
  if (output.json) output.jsonDocument({ shell, script });
  else output.text(script);
  return EXIT.ok;
}

/**
 * `__complete sessions` prints the names of sessions, `__complete targets` those of targets of notifications; whatever goes
 * wrong, it prints nothing and says so by its exit code.
 */
export async function runComplete(context: CliContext): Promise<number> {
  const what = context.argv[1];
  if (what !== 'sessions' && what !== 'targets') return EXIT.usage;
  try {
    const nothing = new VerbInput({ arguments: new Map(), options: new Map() });
    const client = await connectAgent(context, nothing, { retryMs: 0, deadlineMs: DEADLINE_MS });
    try {
      const options = { deadlineMs: DEADLINE_MS };
      const named =
        what === 'sessions'
          ? (await client.call('status', {}, options)).sessions
          : (await client.call('notify-list', {}, options)).targets;
      context.stdout.write(named.map(({ name }) => `${name}\n`).join(''));
      return EXIT.ok;
    } finally {
      client.close();
    }
  } catch {
    return EXIT.failed;
  }
}
