// Owns one connection's conversation: hello, requests, streams, cancel, and the turning of errors into their wire form.

import { randomUUID } from 'node:crypto';
import type * as z from 'zod';
import type { Access, ServerMessage } from '../protocol/envelope.ts';
import { AgentError } from '../protocol/errors.ts';
import {
  METHODS,
  type MethodName,
  type ParamsOf,
  type ResultOf,
  type StreamOf,
} from '../protocol/methods.ts';
import { findNearest } from '../protocol/nearest.ts';
import { AGENT_VERSION, PROTOCOL_VERSION } from '../protocol/version.ts';
import { type Actor, refuseOperation } from './actor.ts';
import type { Peer } from './transport.ts';

/** Where the control socket reports; pino's loggers fit. Neither parameters nor results are ever in it. */
export type ControlLog = {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
};

/** What a handler knows of the call it serves. */
export type Call<M extends MethodName> = {
  readonly actor: Actor;
  /** Aborted when the caller cancels or is gone, or the agent stops. What the call started goes on; only the telling ends. */
  readonly signal: AbortSignal;
  /** Sends one item of the method's stream; after the call's end, or to a peer that is gone, it does nothing. Throws AgentError `frame-too-large`. */
  emit(event: StreamOf<M>): void;
};

/** One handler per method; parameters come checked, with defaults filled in. Expected failures are thrown as AgentError. */
export type Handlers = {
  readonly [M in MethodName]: (params: ParamsOf<M>, call: Call<M>) => Promise<ResultOf<M>>;
};

/** What a record of a call must not leave out. */
export type Asked = {
  /** The window, and the button that was pressed in it. */
  readonly detail: string | null;
  /** Beyond the login budget. */
  readonly override: boolean;
};

/** Told of every call that may change something, before it is served. `session` is null when none was named. */
export type OnOperate = (actor: Actor, method: MethodName, session: string | null, asked: Asked) => void;

export type RouterOptions = {
  readonly handlers: Handlers;
  readonly log: ControlLog;
  readonly onOperate: OnOperate;
  /** Running requests a connection may have. */
  readonly maxRequests?: number;
  /** Check results and stream items against the table; for tests, where a wrong one answers `internal`. */
  readonly checkResults?: boolean;
};

/** Identity and access of a peer, before it has said its client's name. */
export type Admitted = Omit<Actor, 'client'>;

/** A connection being served. */
export type Conversation = {
  /** Takes one message of the peer. Never throws. */
  receive(message: unknown): void;
  /** Aborts every running call; the peer is gone. */
  abandon(): void;
  /** Answers every running call with the error and takes no more. */
  shutDown(error: AgentError): void;
};

const MAX_REQUESTS = 64;
export const MAX_ID_CHARACTERS = 64;
export const MAX_CLIENT_CHARACTERS = 128;

type Running = { readonly abort: AbortController; answer(message: ServerMessage): void };

/** Starts the conversation with an admitted peer. It sends to the peer, and closes it when it breaks the protocol. */
export function converse(peer: Peer, admitted: Admitted, options: RouterOptions): Conversation {
  const { handlers, log, onOperate, maxRequests = MAX_REQUESTS, checkResults = false } = options;
  const running = new Map<string, Running>();
  /** Handlers that have not settled, answered or not: a cancel must not let a client start without end. */
  let working = 0;
  let actor: Actor | null = null;
  let stopping: AgentError | null = null;
  let over = false;

  function send(message: ServerMessage): void {
    peer.send(message);
  }

  function refuse(error: AgentError): void {
    log.warn(
      { code: error.code, uid: admitted.uid, pid: admitted.pid },
      `control connection refused: ${error.message}`,
    );
    send({ kind: 'refused', error: error.toWire() });
    over = true;
    peer.close();
  }

  function fail(id: string, error: AgentError): void {
    send({ kind: 'response', id, error: error.toWire() });
  }

  function receiveHello(message: Record<string, unknown>): void {
    const { protocol, client } = message;
    if (typeof protocol !== 'number' || typeof client !== 'string') {
      refuse(badFrame('hello needs protocol (a number) and client (a text)'));
      return;
    }
    if (protocol !== PROTOCOL_VERSION) {
      refuse(versionMismatch(protocol));
      return;
    }
    actor = { ...admitted, client: printable(client).slice(0, MAX_CLIENT_CHARACTERS) };
    log.debug(
      { uid: actor.uid, pid: actor.pid, access: actor.access, client: actor.client },
      'control client connected',
    );
    send({ kind: 'hello', protocol: PROTOCOL_VERSION, agentVersion: AGENT_VERSION, access: admitted.access });
  }

  function receiveRequest(caller: Actor, message: Record<string, unknown>): void {
    const { id, method, params } = message;
    if (typeof id !== 'string' || id.length === 0 || id.length > MAX_ID_CHARACTERS) {
      refuse(badFrame(`a request needs an id of 1 to ${MAX_ID_CHARACTERS} characters`));
      return;
    }
    if (typeof method !== 'string') {
      refuse(badFrame('a request needs a method (a text)'));
      return;
    }
    if (running.has(id)) {
      // The answer carries the id of the request that runs on, so the whole connection is in doubt.
      refuse(
        new AgentError('duplicate-id', `request ${JSON.stringify(id)} is still running`, {
          hint: 'give each request its own id',
        }),
      );
      return;
    }
    if (stopping !== null) fail(id, notTaken(stopping));
    else if (working >= maxRequests) {
      fail(
        id,
        new AgentError('too-many-requests', `${maxRequests} requests are running on this connection`, {
          hint: 'wait for answers first',
        }),
      );
    } else serve(caller, id, method, params);
  }

  function serve(caller: Actor, id: string, name: string, params: unknown): void {
    let prepared: () => Promise<unknown>;
    const abort = new AbortController();
    let answered = false;
    const answer = (message: ServerMessage) => {
      if (answered) return;
      // Sent first: what is too large throws here, and the error that follows is then the answer.
      send(message);
      answered = true;
      running.delete(id);
    };
    try {
      if (!isMethodName(name)) throw unknownMethod(name);
      prepared = prepare(name, params, caller, abort.signal, (event) => {
        if (!answered) send({ kind: 'event', id, event });
      });
    } catch (error) {
      fail(id, describe(error, name));
      return;
    }
    running.set(id, { abort, answer });
    working += 1;
    // Started in a microtask of its own, so that a handler that throws at once is like one that rejects.
    Promise.resolve()
      .then(prepared)
      .then((result) => answer({ kind: 'response', id, result }))
      .catch((error: unknown) => {
        // A caller who cancelled has its answer and one who is gone needs none; failing by being aborted is no news.
        if (!abort.signal.aborted) answer({ kind: 'response', id, error: describe(error, name).toWire() });
      })
      .catch((error: unknown) => log.error({ err: error, method: name }, 'an answer could not be sent'))
      .finally(() => {
        working -= 1;
      });
  }

  /** Checks everything that can be refused before the handler runs, and binds it. */
  function prepare<M extends MethodName>(
    name: M,
    params: unknown,
    caller: Actor,
    signal: AbortSignal,
    emit: (event: StreamOf<M>) => void,
  ): () => Promise<ResultOf<M>> {
    const row = METHODS[name];
    const access: Access = row.access;
    if (access === 'operate' && caller.access !== 'operate') {
      log.warn({ uid: caller.uid, pid: caller.pid, method: name }, 'control call refused: not allowed');
      throw refuseOperation(caller, name);
    }
    const parsed = row.params.safeParse(params === undefined ? {} : params);
    if (!parsed.success) throw invalidParams(name, row.params, parsed.error);
    // The table ties the schema of a row to its method; TypeScript cannot follow that through the index.
    const checked = parsed.data as ParamsOf<M>;
    if (access === 'operate') onOperate(caller, name, sessionOf(checked), askedOf(checked));
    const emitter = checkResults ? (event: StreamOf<M>) => emit(checkedEvent(name, event)) : emit;
    return async () => {
      const result = await handlers[name](checked, { actor: caller, signal, emit: emitter });
      return checkResults ? (row.result.parse(result) as ResultOf<M>) : result;
    };
  }

  /** The one place where what was thrown becomes what is told. What nobody foresaw is told by an id only. */
  function describe(error: unknown, method: string): AgentError {
    if (error instanceof AgentError) return error;
    const errorId = randomUUID().slice(0, 8);
    log.error({ err: error, errorId, method: method.slice(0, 64) }, 'a control call failed by a defect');
    return new AgentError('internal', `a defect in the agent ended the call (error id ${errorId})`, {
      hint: `journalctl -u ib-agent -g ${errorId} shows the details; please report them`,
      data: { errorId },
    });
  }

  function dispatch(message: unknown): void {
    if (typeof message !== 'object' || message === null || Array.isArray(message) || !('kind' in message)) {
      refuse(badFrame('a message is an object with a kind'));
      return;
    }
    const fields = message as Record<string, unknown>;
    const kind = fields['kind'];
    if (actor === null) {
      if (kind === 'hello') receiveHello(fields);
      else
        refuse(
          new AgentError('hello-expected', 'the first message must be hello', {
            hint: `say {"kind":"hello","protocol":${PROTOCOL_VERSION},"client":"NAME"} first`,
          }),
        );
    } else if (kind === 'request') receiveRequest(actor, fields);
    else if (kind === 'cancel') cancel(fields['id']);
    else if (kind === 'hello') refuse(badFrame('hello was said already'));
    else refuse(badFrame('a message is of kind hello, request or cancel'));
  }

  /** A cancel may cross its answer on the way, so one for an id that does not run is nothing. */
  function cancel(id: unknown): void {
    const request = typeof id === 'string' ? running.get(id) : undefined;
    if (request === undefined || typeof id !== 'string') return;
    const error = new AgentError('cancelled', 'the caller cancelled the request');
    request.answer({ kind: 'response', id, error: error.toWire() });
    request.abort.abort(error);
  }

  return {
    receive(message) {
      if (over) return;
      try {
        dispatch(message);
      } catch (error) {
        log.error({ err: error }, 'a control connection was dropped by a defect');
        over = true;
        peer.close();
      }
    },
    abandon() {
      over = true;
      const gone = new AgentError('connection-lost', 'the caller is gone');
      for (const request of running.values()) request.abort.abort(gone);
      running.clear();
    },
    shutDown(error) {
      stopping = error;
      for (const [id, request] of [...running]) {
        request.answer({ kind: 'response', id, error: error.toWire() });
        request.abort.abort(error);
      }
    },
  };
}

/** Tells the client that it may repeat even a call that operates: nobody has begun it. */
function notTaken({ code, message, hint }: AgentError): AgentError {
  return new AgentError(code, message, { hint, data: { taken: false } });
}

function isMethodName(name: string): name is MethodName {
  return Object.hasOwn(METHODS, name);
}

function sessionOf(params: object): string | null {
  return 'session' in params && typeof params.session === 'string' ? params.session : null;
}

function askedOf(params: object): Asked {
  const words = ['window', 'button', 'device'].map((key) => (params as Record<string, unknown>)[key]);
  const said = words.filter((word) => typeof word === 'string');
  return {
    detail: said.length === 0 ? null : said.map(printable).join(' '),
    override: 'override' in params && params.override === true,
  };
}

function checkedEvent<M extends MethodName>(name: M, event: StreamOf<M>): StreamOf<M> {
  const row = METHODS[name];
  if (!('stream' in row)) throw new Error(`method ${name} has no stream`);
  return row.stream.parse(event) as StreamOf<M>;
}

function badFrame(message: string): AgentError {
  return new AgentError('bad-frame', message, { hint: 'the messages are described in docs/protocol.md' });
}

function versionMismatch(protocol: number): AgentError {
  const newerClient = protocol > PROTOCOL_VERSION;
  return new AgentError(
    'version-mismatch',
    `the client speaks protocol ${protocol}, the agent (${AGENT_VERSION}) speaks ${PROTOCOL_VERSION}`,
    {
      hint: newerClient
        ? 'the running agent is older than what is installed: systemctl restart ib-agent'
        : 'the client is older than the agent: use the ibctl that was installed with it',
      data: { clientProtocol: protocol, agentProtocol: PROTOCOL_VERSION, agentVersion: AGENT_VERSION },
    },
  );
}

function unknownMethod(name: string): AgentError {
  const names = Object.keys(METHODS);
  const nearest = findNearest(name, names);
  return new AgentError(
    'unknown-method',
    `the agent (${AGENT_VERSION}) has no method ${JSON.stringify(name.slice(0, 64))}`,
    {
      hint: nearest === null ? `methods: ${names.join(', ')}` : `did you mean ${nearest}?`,
    },
  );
}

/** Zod's issues in words: where, what was expected, and the nearest name for one that does not exist. */
function invalidParams(method: string, schema: z.ZodObject, error: z.ZodError): AgentError {
  const known = Object.keys(schema.shape);
  let hint = known.length === 0 ? `${method} takes no parameters` : `${method} takes ${known.join(', ')}`;
  const texts = error.issues.map((issue) => {
    const where = issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
    if (issue.code === 'unrecognized_keys') {
      const nearest = issue.keys.map((key) => findNearest(key, known)).find((name) => name !== null);
      if (nearest !== undefined) hint = `did you mean ${nearest}?`;
      return `${where}there is no parameter ${issue.keys.map((key) => JSON.stringify(key.slice(0, 64))).join(', ')}`;
    }
    // A pattern's own message is the rule itself, such as what a session may be called.
    if (issue.code === 'invalid_format') return `${where}expected ${issue.message}`;
    return `${where}${issue.message.replace(/^Invalid (input|option): /, '')}`;
  });
  return new AgentError('invalid-params', `${method}: ${texts.slice(0, 5).join('; ')}`, { hint });
}

/** Text without control characters: what a client calls itself ends up in logs and on terminals. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ').trim();
}
