// Owns a short visit to the window bridge of one JVM: connect, do one thing, leave; without waiting for a bridge that is not there.

import type { Clock } from '../host/clock.ts';
import { BridgeClient, type BridgeClientOptions, type BridgeCloseReason } from './client.ts';

export type VisitOptions = Pick<BridgeClientOptions, 'path' | 'serverUid' | 'readPeer'> & {
  readonly clock: Clock;
  /** Of the JVM that is meant. */
  readonly pid: number;
  /** For connecting, in milliseconds; left out: 5 seconds. */
  readonly connectTimeoutMs?: number;
};

export type Visit<T> =
  | { readonly kind: 'visited'; readonly value: T }
  /** `detail` is a clause for people, such as `nobody listens`. */
  | { readonly kind: 'absent'; readonly detail: string };

/** Why there is no connection, as a clause. */
export const CLOSE_WORDS: Readonly<Record<BridgeCloseReason, string>> = {
  ended: 'the gateway closed the connection',
  foreign: "another user's program serves the socket",
  version: 'it speaks no protocol of this version',
  refused: 'it does not serve this user',
  mute: 'it does not answer',
  garbage: 'it is no window bridge',
};

const SYSTEM_WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'this JVM has none, or is not that far',
  ECONNREFUSED: 'nobody listens',
  EACCES: 'its socket may not be used by this user',
  ETIMEDOUT: 'it does not answer',
};

const CONNECT_TIMEOUT_MS = 5_000;
/** Longer than any visit: a connection that ends is not made anew, since it would be another JVM's. */
const NEVER_MS = 2 ** 30;

/** Rejects only with what `work` rejects with. */
export async function visitBridge<T>(
  options: VisitOptions,
  work: (bridge: BridgeClient) => Promise<T>,
): Promise<Visit<T>> {
  const { path, clock, serverUid, readPeer, pid, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
  const opening = Promise.withResolvers<string | null>();
  const bridge = new BridgeClient({
    path,
    clock,
    serverUid,
    connectTimeoutMs,
    ...(readPeer === undefined ? {} : { readPeer }),
    reconnectDelayMs: () => NEVER_MS,
    observe: (observation) => {
      if (observation.kind === 'open') opening.resolve(null);
      else if (observation.kind === 'closed') opening.resolve(CLOSE_WORDS[observation.reason]);
      else if (observation.kind === 'unreachable') {
        opening.resolve(SYSTEM_WORDS[observation.code] ?? observation.code);
      }
    },
  });
  bridge.connect();
  try {
    const obstacle = await opening.promise;
    if (obstacle !== null) return { kind: 'absent', detail: obstacle };
    if (bridge.hello?.pid !== pid) return { kind: 'absent', detail: "it is another process's" };
    return { kind: 'visited', value: await work(bridge) };
  } finally {
    bridge.close();
  }
}
