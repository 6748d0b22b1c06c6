// Owns `ibctl screenshot`: a picture of the gateway's windows, into a file of one's own or to stdout.

import { resolve } from 'node:path';
import { errorCode, writeFileAtomic } from '../../host/files.ts';
import { AgentError, EXIT } from '../../protocol/errors.ts';
import { connectAgent, sessionParam } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import { usageError } from '../output.ts';

const DEADLINE_MS = 30_000;

export async function runScreenshot(call: VerbCall): Promise<number> {
  const { context, output, input } = call;
  const given = input.text('--output');
  const toStdout = given === '-';
  if (toStdout && output.json)
    throw usageError('--output - and --json both want stdout', 'leave one of them out');
  if (toStdout && output.isTty)
    throw usageError('a picture is nothing for a terminal', 'name a file: ibctl screenshot --output FILE');
  const window = input.text('--window');
  const params = { ...sessionParam(input), ...(window === undefined ? {} : { window }) };
  const client = await connectAgent(context, input);
  try {
    const pieces: Buffer[] = [];
    const { session, width, height, bytes } = await client.call('screenshot', params, {
      onEvent: ({ data }) => pieces.push(Buffer.from(data, 'base64')),
      onRepeat: () => {
        pieces.length = 0;
        return params;
      },
      deadlineMs: DEADLINE_MS,
    });
    const png = Buffer.concat(pieces);
    if (png.length !== bytes) throw new AgentError('connection-lost', 'the picture did not come as a whole');
    if (toStdout) {
      context.stdout.writeBytes(png);
      return EXIT.ok;
    }
    const file = resolve(context.cwd, given ?? `${session}-${fileTime(context.clock.now())}.png`);
    save(file, png);
    if (output.json) output.jsonDocument({ session, file, width, height, bytes });
    else output.line(`${file}: ${width}x${height}`);
    return EXIT.ok;
  } finally {
    client.close();
  }
}

function save(file: string, png: Buffer): void {
  try {
    writeFileAtomic(file, png, 0o600);
  } catch (cause) {
    throw new AgentError(
      'state-unwritable',
      `cannot write ${file} (${errorCode(cause) ?? 'unknown error'})`,
      {
        hint: 'name another file: ibctl screenshot --output FILE',
        cause,
      },
    );
  }
}

/** `20261123-090112`, local. */
function fileTime(at: number): string {
  const time = new Date(at);
  const pad = (value: number) => String(value).padStart(2, '0');
  const date = `${time.getFullYear()}${pad(time.getMonth() + 1)}${pad(time.getDate())}`;
  return `${date}-${pad(time.getHours())}${pad(time.getMinutes())}${pad(time.getSeconds())}`;
}
