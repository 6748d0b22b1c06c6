// Owns the process of ibctl: standard streams, environment, signals and the exit.

import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { SystemClock } from '../host/clock.ts';
import type { CliContext, TextSink } from './context.ts';
import { runIbctl } from './run.ts';
import { sourceOfStdin } from './stdin.ts';

/** Code of a system error such as `EPIPE`. */
function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** What a shell reports for a process that SIGPIPE ended: the reader of the output went away. */
const BROKEN_PIPE_EXIT = 141;

/** Something was left to Node's stream objects, which write it when the reader has room. */
let waitsForReader = false;

/**
 * A standard stream, written without opening Node's stream object, which costs start-up time. A full pipe that does not block
 * (EAGAIN) is left to that object, which waits; from then on everything goes through it, so that the order stays.
 */
function sinkOf(descriptor: 1 | 2): TextSink {
  const isTty = isatty(descriptor);
  let buffered = false;
  const stream = () => (descriptor === 1 ? process.stdout : process.stderr);
  const exitIfClosed = (error: unknown) => {
    if (errorCode(error) !== 'EPIPE') throw error;
    process.exit(BROKEN_PIPE_EXIT);
  };
  const writeBuffered = (bytes: Uint8Array) => {
    if (!buffered) stream().on('error', exitIfClosed);
    buffered = true;
    waitsForReader = true;
    stream().write(bytes);
  };
  const writeBytes = (all: Uint8Array) => {
    let bytes = all;
    while (bytes.length > 0 && !buffered) {
      try {
        bytes = bytes.subarray(writeSync(descriptor, bytes));
      } catch (error) {
        if (errorCode(error) === 'EAGAIN') break;
        exitIfClosed(error);
      }
    }
    if (bytes.length > 0) writeBuffered(bytes);
  };
  return {
    write: (text) => writeBytes(Buffer.from(text, 'utf8')),
    writeBytes,
    isTty,
    get columns() {
      return isTty ? stream().columns : null;
    },
  };
}

function interruptionOf(): () => AbortSignal {
  let signal: AbortSignal | undefined;
  return () => {
    if (signal !== undefined) return signal;
    const controller = new AbortController();
    signal = controller.signal;
    for (const [name, exit] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      // `once`: a second signal ends the process at once.
      process.once(name, () => controller.abort(exit));
    }
    return signal;
  };
}

const context: CliContext = {
  argv: process.argv.slice(2),
  env: process.env,
  stdout: sinkOf(1),
  stderr: sinkOf(2),
  stdin: sourceOfStdin(),
  clock: new SystemClock(),
  cwd: process.cwd(),
  interruption: interruptionOf(),
};

// No top-level await: the release bundle is CommonJS, which starts faster.
runIbctl(context).then((exit) => {
  process.exitCode = exit;
  // Everything is written: leaving now spares the tear-down of the event loop and of V8's heap.
  if (!waitsForReader) process.exit();
});
