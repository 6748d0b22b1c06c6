// Owns `ibctl code`: asks a person for a one-time code, or the answer to a challenge, and hands it in.

import { codeProblem, tidyCode } from '../../protocol/code.ts';
import { AgentError, EXIT, type ExitCode } from '../../protocol/errors.ts';
import type { ResultOf, SecondFactor, SessionStatus } from '../../protocol/methods.ts';
import { connectAgent, sessionParam } from '../connect.ts';
import type { CliContext, VerbCall } from '../context.ts';
import { askOnTerminal, PromptInterrupted } from '../credentials/prompt.ts';
import { usageError } from '../output.ts';
import { secondFactorAsks, secondFactorHint, secondFactorText } from '../status-text.ts';

const STATUS_DEADLINE_MS = 10_000;
/** The agent itself waits half a minute for what IBKR says. */
const CODE_DEADLINE_MS = 45_000;
const LONGEST_CODE = 64;

const VERDICTS: Readonly<
  Record<ResultOf<'code'>['verdict'], { readonly exit: ExitCode; readonly says: (session: string) => string }>
> = {
  accepted: {
    exit: EXIT.ok,
    says: (session) => `IBKR took the code; follow the login with: ibctl wait ${session}`,
  },
  rejected: {
    exit: EXIT.failed,
    says: (session) => `IBKR did not take the code; see: ibctl status ${session}`,
  },
  unanswered: {
    exit: EXIT.timedOut,
    says: (session) =>
      `the code was handed in, and IBKR has said nothing to it yet; see: ibctl status ${session}`,
  },
};

export async function runCode(call: VerbCall): Promise<number> {
  const { context, input, output } = call;
  const fromStdin = input.flag('--stdin');
  if (!fromStdin && !context.stdin.isTty)
    throw usageError(
      'standard input is no terminal to ask on',
      'for scripts: --stdin, with the code on one line',
    );
  const client = await connectAgent(context, input);
  try {
    const { sessions } = await client.call('status', sessionParam(input), { deadlineMs: STATUS_DEADLINE_MS });
    const [session, another] = sessions;
    // Without a name among several the agent answers better than this does.
    const pending = session === undefined || another !== undefined ? null : pendingCode(session);
    const code = fromStdin ? await readCode(context) : await askCode(call, pending);
    if (code === null) return EXIT_INTERRUPTED;
    const params = { ...sessionParam(input), code };
    const result = await client.call('code', params, { deadlineMs: CODE_DEADLINE_MS });
    const { exit, says } = VERDICTS[result.verdict];
    if (output.json) output.jsonDocument(result);
    else output.line(says(result.session));
    return exit;
  } finally {
    client.close();
  }
}

/** Throws AgentError `wrong-state` when the session waits for nothing that is typed. */
function pendingCode({ name, state, secondFactor }: SessionStatus): SecondFactor {
  if (secondFactor === null) {
    throw new AgentError('wrong-state', `${name} waits for no code: it is ${state}`, {
      hint: `ibctl login ${name} starts a login`,
    });
  }
  if (TAKES_CODE.has(secondFactor.method)) return secondFactor;
  throw new AgentError('wrong-state', `${name} waits for no code`, {
    hint: secondFactorHint(secondFactor, name),
  });
}

const EXIT_INTERRUPTED = 130;
/** Methods of which something is typed; the agent has the last word. */
const TAKES_CODE: ReadonlySet<string> = new Set(['code', 'totp', 'challenge', 'unknown']);

/** Null: the person changed his mind. */
async function askCode({ context, output }: VerbCall, pending: SecondFactor | null): Promise<string | null> {
  if (pending !== null) {
    output.note(secondFactorText(pending, context.clock.now()));
    const asks = secondFactorAsks(pending);
    if (asks !== null) output.note(asks);
  }
  const label = pending?.method === 'challenge' ? 'Answer (not shown): ' : 'Code (not shown): ';
  try {
    return await askOnTerminal(context, async (ask) => {
      for (;;) {
        const code = tidyCode(Buffer.from(await ask(label, { hidden: true })).toString('utf8'));
        const problem = codeProblem(pending?.method ?? 'code', code);
        if (problem === null) return code;
        context.stderr.write(`${problem}\n`);
      }
    });
  } catch (error) {
    if (!(error instanceof PromptInterrupted)) throw error;
    output.note('Nothing was typed.');
    return null;
  }
}

/** One line of standard input. Throws AgentError `invalid-params`. */
async function readCode({ stdin }: CliContext): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let chunk = await stdin.read(); chunk !== null; chunk = await stdin.read()) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > LONGEST_CODE) throw usageError('standard input is too long for a code');
  }
  const code = tidyCode(Buffer.concat(chunks).toString('utf8'));
  if (code === '') throw usageError('standard input holds no code');
  return code;
}
