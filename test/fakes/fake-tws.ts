// Owns a TWS API server for tests: it speaks the handshake and the messages of a session's health, and fails on demand.

import { createServer, type Server, type Socket } from 'node:net';

/**
 * `ok`: a session that is well. `mute`: accepts, says nothing. `handshake-only`: its version, then silence. `no-accounts`: all
 * but the accounts. `frozen`: no answer to requests for the time. `slow`: every answer after `delayMs`. `old-version`: a
 * version from before framed messages. `protobuf-version`: one whose messages are no text. `garbage`: an HTTP server.
 * `drop`: closes after the handshake.
 */
export type FakeTwsMode =
  | 'ok'
  | 'mute'
  | 'handshake-only'
  | 'no-accounts'
  | 'frozen'
  | 'slow'
  | 'old-version'
  | 'protobuf-version'
  | 'garbage'
  | 'drop';

export type FakeTwsOptions = {
  readonly mode?: FakeTwsMode;
  /** 0, the default: any free port. */
  readonly port?: number;
  /** Highest version the server speaks; the lower of this and the client's is used. */
  readonly serverVersion?: number;
  readonly accounts?: readonly string[];
  /** Written to each client that has just started, in order. */
  readonly notices?: readonly (readonly [code: number, text: string])[];
  /** For `slow`. */
  readonly delayMs?: number;
  /** Writes at most so many bytes at once; 0, the default: whole messages. */
  readonly chunkBytes?: number;
};

type Client = {
  readonly socket: Socket;
  buffer: Buffer;
  version: number | null;
  clientId: number | null;
};

export class FakeTws {
  /** May be changed at any time; what is already sent stays sent. */
  mode: FakeTwsMode;
  readonly port: number;
  /** TCP connections accepted so far. */
  accepted = 0;
  /** Fields of every message received after the hello. */
  readonly received: string[][] = [];
  /** Version ranges that clients offered, as text. */
  readonly offers: string[] = [];
  readonly #server: Server;
  readonly #options: FakeTwsOptions;
  readonly #clients = new Set<Client>();
  readonly #timers = new Set<NodeJS.Timeout>();

  static async listen(options: FakeTwsOptions = {}): Promise<FakeTws> {
    const server = createServer();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
    await promise;
    return new FakeTws(server, options);
  }

  private constructor(server: Server, options: FakeTwsOptions) {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the server has no port');
    this.port = address.port;
    this.mode = options.mode ?? 'ok';
    this.#options = options;
    this.#server = server;
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#clients.size;
  }

  /** Sends an error or notice to every client that has started; `id` -1 is a notice of the system. */
  sendError(code: number, text: string, id = -1): void {
    for (const client of this.#clients) if (client.clientId !== null) this.#error(client, id, code, text);
  }

  /** Sends bytes as they are to every client. */
  sendRaw(bytes: Buffer): void {
    for (const client of this.#clients) client.socket.write(bytes);
  }

  /** Ends all connections; `reset` without the courtesy of a FIN. */
  dropAll(how: 'end' | 'reset' = 'end'): void {
    for (const { socket } of this.#clients) {
      if (how === 'end') socket.end();
      else socket.resetAndDestroy();
    }
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const { socket } of this.#clients) socket.destroy();
    await promise;
  }

  #accept(socket: Socket): void {
    this.accepted++;
    const client: Client = { socket, buffer: Buffer.alloc(0), version: null, clientId: null };
    this.#clients.add(client);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.#clients.delete(client));
    socket.on('data', (chunk: Buffer) => {
      client.buffer = Buffer.concat([client.buffer, chunk]);
      this.#read(client);
    });
  }

  #read(client: Client): void {
    if (this.mode === 'garbage') {
      client.socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
      return;
    }
    const prefix = client.version === null ? 4 : 0;
    while (client.buffer.length >= prefix + 4) {
      const length = client.buffer.readUInt32BE(prefix);
      const end = prefix + 4 + length;
      if (client.buffer.length < end) return;
      const text = client.buffer.subarray(prefix + 4, end).toString('utf8');
      client.buffer = client.buffer.subarray(end);
      if (client.version === null) {
        this.#hello(client, text);
        if (client.version !== null) this.#read(client);
        return;
      }
      const fields = text.split('\0').slice(0, -1);
      this.received.push(fields);
      this.#message(client, fields);
    }
  }

  #hello(client: Client, offer: string): void {
    this.offers.push(offer);
    if (this.mode === 'mute') return;
    const highest = Number(/\.\.(\d+)/.exec(offer)?.[1] ?? 0);
    const spoken =
      this.mode === 'old-version'
        ? 76
        : this.mode === 'protobuf-version'
          ? 222
          : Math.min(highest, this.#options.serverVersion ?? 176);
    client.version = spoken;
    this.#send(client, [spoken, '20261122 04:32:46 UTC']);
    if (this.mode === 'drop') client.socket.end();
  }

  #message(client: Client, fields: readonly string[]): void {
    if (this.mode === 'handshake-only' || this.mode === 'drop') return;
    const [id] = fields;
    if (id === '71') this.#start(client, Number(fields[2]));
    if (id === '49' && this.mode !== 'frozen') this.#send(client, [49, 1, 1_795_321_966]);
  }

  #start(client: Client, clientId: number): void {
    for (const other of this.#clients) {
      if (other.clientId !== clientId) continue;
      this.#error(
        client,
        -1,
        326,
        'Unable to connect as the client id is already in use.  Retry with a unique client id.',
      );
      client.socket.end();
      return;
    }
    client.clientId = clientId;
    // One segment, so that a client meets several messages in one read.
    client.socket.cork();
    const accounts = this.#options.accounts ?? ['DU1234567'];
    if (this.mode !== 'no-accounts') this.#send(client, [15, 1, accounts.join(',')]);
    this.#send(client, [9, 1, 1]);
    for (const [code, text] of this.#options.notices ?? []) this.#error(client, -1, code, text);
    client.socket.uncork();
  }

  #error(client: Client, id: number, code: number, text: string): void {
    const version = client.version ?? 0;
    const fields: (string | number)[] = version >= 194 ? [4, id, code] : [4, 2, id, code];
    fields.push(version >= 153 ? escapeText(text) : text);
    if (version >= 166) fields.push('');
    if (version >= 194) fields.push(1_795_321_966_000);
    this.#send(client, fields);
  }

  #send(client: Client, fields: readonly (string | number)[]): void {
    const payload = Buffer.from(fields.map((field) => `${field}\0`).join(''));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(payload.length);
    const bytes = Buffer.concat([length, payload]);
    if (this.mode !== 'slow') {
      this.#write(client, bytes);
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#write(client, bytes);
    }, this.#options.delayMs ?? 50);
    this.#timers.add(timer);
  }

  #write(client: Client, bytes: Buffer): void {
    if (client.socket.destroyed || !client.socket.writable) return;
    const step = this.#options.chunkBytes ?? 0;
    if (step === 0) {
      client.socket.write(bytes);
      return;
    }
    for (let at = 0; at < bytes.length; at += step) client.socket.write(bytes.subarray(at, at + step));
  }
}

/** ASCII only, other characters as \uXXXX, as servers from version 153 on write texts. */
function escapeText(text: string): string {
  return text.replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
