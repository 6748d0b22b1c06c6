// Owns standard input as verbs read it; Node's stream object is opened at the first use only, because it costs start-up time.

import { isatty } from 'node:tty';
import type { ByteSource } from './context.ts';

export function sourceOfStdin(): ByteSource {
  let chunks: AsyncIterator<Uint8Array> | undefined;
  return {
    isTty: isatty(0),
    setRaw: (raw) => {
      if (process.stdin.isTTY) process.stdin.setRawMode(raw);
    },
    read: async () => {
      chunks ??= process.stdin[Symbol.asyncIterator]();
      const next = await chunks.next();
      return next.done === true ? null : next.value;
    },
  };
}
