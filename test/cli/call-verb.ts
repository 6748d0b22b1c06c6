// Owns calling a verb inside the test: a command line, what stands on stdin, and all that it wrote.

import type { CliContext, TextSink, Verb } from '../../src/cli/context.ts';
import { readCall } from '../../src/cli/input.ts';
import { Output } from '../../src/cli/output.ts';
import { parseWithCommander } from '../../src/cli/program.ts';
import { SystemClock } from '../../src/host/clock.ts';

export type Called = { readonly exit: number; readonly stdout: string; readonly stderr: string };

/** Calls `verb` as `ibctl WORDS` would; failures are told as ibctl tells them. */
export async function callVerb(
  verb: Verb,
  words: readonly string[],
  options: {
    readonly stdin?: string | Uint8Array;
    readonly columns?: number;
    readonly terminal?: boolean;
  } = {},
): Promise<Called> {
  let stdout = '';
  let stderr = '';
  const sink = (write: (text: string) => void): TextSink => ({
    write,
    writeBytes: (bytes) => write(Buffer.from(bytes).toString('latin1')),
    isTty: false,
    columns: options.columns ?? 80,
  });
  let left: Uint8Array | null = Buffer.from(options.stdin ?? '');
  const context: CliContext = {
    argv: words,
    env: { PATH: '/usr/bin:/bin' },
    stdout: sink((text) => {
      stdout += text;
    }),
    stderr: sink((text) => {
      stderr += text;
    }),
    stdin: {
      isTty: options.terminal ?? false,
      setRaw: () => undefined,
      read: async () => {
        const chunk = left;
        left = null;
        return chunk !== null && chunk.length === 0 ? null : chunk;
      },
    },
    clock: new SystemClock(),
    cwd: '/',
    interruption: () => new AbortController().signal,
  };
  const output = new Output(context, { json: words.includes('--json'), colour: false });
  try {
    const raw = parseWithCommander(words, output);
    if (raw === null) throw new Error('it asked for help');
    const { input } = readCall(raw, context.clock.now());
    return { exit: await verb({ context, output, input }), stdout, stderr };
  } catch (error) {
    return { exit: output.failure(error), stdout, stderr };
  }
}
