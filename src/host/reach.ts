// Owns the question whether a TCP server can be reached: one connection, closed as soon as it stands, nothing sent.

import { connect } from 'node:net';
import type { Clock } from './clock.ts';
import { errorCode } from './files.ts';

/** `answered` after so many milliseconds; `silent`: nothing came back in time; `refused`: with the system's error code. */
export type Reach =
  | { readonly kind: 'answered'; readonly ms: number }
  | { readonly kind: 'silent' }
  | { readonly kind: 'refused'; readonly code: string };

/** `address` is numeric: a name would be resolved on Node's thread pool, where it cannot be given up. Never rejects. */
export function reachTcp(address: string, port: number, deadlineMs: number, clock: Clock): Promise<Reach> {
  return new Promise((resolve) => {
    const startMs = clock.monotonicMs();
    const socket = connect({ host: address, port });
    const settle = (reach: Reach) => {
      timer.cancel();
      socket.destroy();
      resolve(reach);
    };
    const timer = clock.after(deadlineMs, () => settle({ kind: 'silent' }));
    socket.once('connect', () => settle({ kind: 'answered', ms: clock.monotonicMs() - startMs }));
    socket.on('error', (error) => settle({ kind: 'refused', code: errorCode(error) ?? 'UNKNOWN' }));
  });
}
