// Owns a small agent for tests of clients: speaks the control protocol over a real Unix socket with replies the test writes.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ClientMessage, ServerHello, ServerMessage } from '../../src/protocol/envelope.ts';
import type { WireError } from '../../src/protocol/errors.ts';
import { encodeFrame, FrameDecoder } from '../../src/protocol/framing.ts';
import { PROTOCOL_VERSION } from '../../src/protocol/version.ts';

/** How a test answers one request. */
export type FakeReply = {
  event(event: unknown): void;
  result(result: unknown): void;
  error(error: WireError): void;
  /** Closes the connection without a word, as a crashed agent does. */
  hangUp(): void;
};

export type FakeRequest = { readonly method: string; readonly params: unknown };

export type FakeControl = {
  readonly path: string;
  readonly requests: readonly FakeRequest[];
  /** How many connections were accepted. */
  connections(): number;
  /** Settles when a client has closed a connection or cancelled a request. */
  clientLeft(): Promise<void>;
  close(): Promise<void>;
};

type Script = (request: FakeRequest, reply: FakeReply) => void;

/** Starts listening in a directory of its own, or at `path`; `refuse` is said instead of hello. */
export async function startFakeControl(
  script: Script,
  options: {
    readonly hello?: Partial<ServerHello>;
    readonly refuse?: WireError;
    readonly path?: string;
  } = {},
): Promise<FakeControl> {
  const directory = mkdtempSync(join(tmpdir(), 'fake-control-'));
  const path = options.path ?? join(directory, 'control.sock');
  // The directory of a path that is used again went with the agent before.
  mkdirSync(dirname(path), { recursive: true });
  const requests: FakeRequest[] = [];
  const sockets = new Set<Socket>();
  const left = Promise.withResolvers<void>();
  let accepted = 0;

  const server: Server = createServer((socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      left.resolve();
    });
    const decoder = new FrameDecoder();
    const send = (message: ServerMessage) => {
      if (!socket.destroyed) socket.write(encodeFrame(message));
    };
    socket.on('data', (chunk: Buffer) => {
      for (const message of decoder.push(chunk)) receive(message as ClientMessage, send, socket);
    });
  });

  function receive(message: ClientMessage, send: (message: ServerMessage) => void, socket: Socket): void {
    switch (message.kind) {
      case 'hello':
        if (options.refuse !== undefined) {
          send({ kind: 'refused', error: options.refuse });
          socket.end();
          return;
        }
        send({
          kind: 'hello',
          protocol: PROTOCOL_VERSION,
          agentVersion: '0.1.0',
          access: 'operate',
          ...options.hello,
        });
        return;
      case 'cancel':
        left.resolve();
        send({ kind: 'response', id: message.id, error: { code: 'cancelled', message: 'cancelled' } });
        return;
      case 'request': {
        const { id, method, params } = message;
        requests.push({ method, params });
        script(
          { method, params },
          {
            event: (event) => send({ kind: 'event', id, event }),
            result: (result) => send({ kind: 'response', id, result }),
            error: (error) => send({ kind: 'response', id, error }),
            hangUp: () => socket.destroy(),
          },
        );
      }
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return {
    path,
    requests,
    connections: () => accepted,
    clientLeft: () => left.promise,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
