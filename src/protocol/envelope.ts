// Owns the messages that travel inside a frame's `data`, in both directions.

import type { WireError } from './errors.ts';

/** What a connection may do; decided at accept from the peer's uid. */
export type Access = 'observe' | 'operate';

/** First message of the client. `client` is free text for the agent's log, such as `ibctl 0.1.0`. */
export type ClientHello = { readonly kind: 'hello'; readonly protocol: number; readonly client: string };
export type ClientRequest = {
  readonly kind: 'request';
  /** Chosen by the client, 1–64 characters, unique among its running requests. */
  readonly id: string;
  readonly method: string;
  readonly params?: unknown;
};
/** Ends a running request; the agent answers it with error `cancelled`. What the request started goes on. */
export type ClientCancel = { readonly kind: 'cancel'; readonly id: string };
export type ClientMessage = ClientHello | ClientRequest | ClientCancel;

/** First message of the agent, sent in answer to the client's hello. */
export type ServerHello = {
  readonly kind: 'hello';
  readonly protocol: number;
  readonly agentVersion: string;
  readonly access: Access;
};
export type ServerResult = { readonly kind: 'response'; readonly id: string; readonly result: unknown };
export type ServerFailure = { readonly kind: 'response'; readonly id: string; readonly error: WireError };
/** One item of a stream; the stream ends with a response of the same id. */
export type ServerEvent = { readonly kind: 'event'; readonly id: string; readonly event: unknown };
/** Said once before the agent closes a connection that it will not serve. */
export type ServerRefusal = { readonly kind: 'refused'; readonly error: WireError };
export type ServerMessage = ServerHello | ServerResult | ServerFailure | ServerEvent | ServerRefusal;
