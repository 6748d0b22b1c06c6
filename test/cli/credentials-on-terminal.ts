// Owns a program that is `ibctl credentials set` with another store than the system's: credentials-on-terminal.ts HOST WORD...

import { spawnSync } from 'node:child_process';
import type { CliContext, TextSink } from '../../src/cli/context.ts';
import { readCall } from '../../src/cli/input.ts';
import { Output } from '../../src/cli/output.ts';
import { parseWithCommander } from '../../src/cli/program.ts';
import { sourceOfStdin } from '../../src/cli/stdin.ts';
import { setCredentials } from '../../src/cli/verbs/credentials.ts';
import { SystemClock } from '../../src/host/clock.ts';

const [, , host = '', ...argv] = process.argv;

const sinkOf = (stream: NodeJS.WriteStream): TextSink => ({
  write: (text) => void stream.write(text),
  writeBytes: (bytes) => void stream.write(bytes),
  isTty: true,
  columns: 80,
});

const context: CliContext = {
  argv,
  env: process.env,
  stdout: sinkOf(process.stdout),
  stderr: sinkOf(process.stderr),
  stdin: sourceOfStdin(),
  clock: new SystemClock(),
  cwd: '/',
  interruption: () => {
    const controller = new AbortController();
    process.once('SIGTERM', () => controller.abort(143));
    return controller.signal;
  },
};

const output = new Output(context, { json: false, colour: false });
const raw = parseWithCommander(argv, output);
if (raw === null) throw new Error('it asked for help');
const { input } = readCall(raw, 0);
setCredentials({ context, output, input }, JSON.parse(host))
  .catch((error: unknown) => output.failure(error))
  .then((exit) => {
    // Node restores the terminal at its exit; the verb has to have done so before.
    const modes = spawnSync('stty', ['-a'], {
      stdio: ['inherit', 'pipe', 'inherit'],
      encoding: 'utf8',
    }).stdout;
    process.stdout.write(`${/ -(echo|icanon|isig)\b/.test(modes) ? 'still raw' : 'restored'}\n`);
    process.exit(exit);
  });
