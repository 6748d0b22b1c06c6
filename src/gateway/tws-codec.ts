// Owns the bytes of the TWS API as a health client needs them: framing, and the handful of messages that prove a session.
//
// Hand-written although @stoqey/ib exists, because that library (1.6.10) does not serve a connection that must tell every kind
// of failure apart and never take the agent down with it. Tried: a frame with a negative length makes its reader loop for ever
// and with it the process; a port that accepts and stays mute gives no event and no time-out; it adds 20 MB of resident
// memory. Read in its source: the watchdog never drops a connection that still counts as connected, and every socket error is
// one code whose cause stands only in the text. It stays the independent peer in the tests.

/** Lowest version that frames its messages with a length. */
export const LOWEST_VERSION = 100;
/** Highest version we offer: servers answer with the lower of theirs and ours, so messages stay in the form read here. */
export const HIGHEST_VERSION = 176;
/** From this server version messages may be protobuf (IBKR's constant MIN_SERVER_VER_PROTOBUF). */
const PROTOBUF_VERSION = 201;
/** From this server version an error has no version field (MIN_SERVER_VER_ERROR_TIME). */
const ERROR_TIME_VERSION = 194;
/** From this server version texts come as ASCII with \uXXXX (MIN_SERVER_VER_ENCODE_MSG_ASCII7). */
const ASCII_VERSION = 153;

/** IBKR's own clients refuse longer frames. */
const LONGEST_FRAME = 0xff_ff_ff;
/** Frames above this are passed over unread: nothing that a health client reads is as long. */
const LONGEST_READ_FRAME = 256 * 1024;
const LONGEST_TEXT = 500;

const OUT_START_API = 71;
const OUT_CURRENT_TIME = 49;
const IN_ERROR = '4';
const IN_NEXT_VALID_ID = '9';
const IN_MANAGED_ACCOUNTS = '15';
const IN_CURRENT_TIME = '49';

/** What a client sends first: the range of versions it speaks. */
export function encodeHello(lowest = LOWEST_VERSION, highest = HIGHEST_VERSION): Buffer {
  return Buffer.concat([
    Buffer.from('API\0', 'latin1'),
    frame(Buffer.from(`v${lowest}..${highest}`, 'latin1')),
  ]);
}

/** One message: every field ends with a zero byte. */
export function encodeMessage(fields: readonly (string | number)[]): Buffer {
  return frame(Buffer.from(fields.map((field) => `${field}\0`).join(''), 'utf8'));
}

export function encodeStartApi(clientId: number): Buffer {
  return encodeMessage([OUT_START_API, 2, clientId, '']);
}

export function encodeCurrentTimeRequest(): Buffer {
  return encodeMessage([OUT_CURRENT_TIME, 1]);
}

function frame(payload: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length);
  return Buffer.concat([length, payload]);
}

/** The stream holds no frames of this protocol; nothing that follows can be read. */
export class GarbageError extends Error {
  constructor(length: number) {
    super(`a frame of ${length} bytes is announced; no message of the TWS API is that long`);
    this.name = 'GarbageError';
  }
}

/** Cuts a stream into messages, wherever it is split. Keeps at most one readable frame in memory. */
export class FrameReader {
  readonly #header = Buffer.alloc(4);
  #headerBytes = 0;
  /** Bytes of the current frame that are still to come. */
  #missing = 0;
  /** The current frame's payload so far; null while the frame is passed over. */
  #payload: Buffer | null = null;

  /** The messages that this chunk completes, each as its fields. Throws `GarbageError`, and must not be used after. */
  push(chunk: Buffer): string[][] {
    const messages: string[][] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#missing === 0) {
        const taken = chunk.copy(this.#header, this.#headerBytes, at);
        at += taken;
        this.#headerBytes += taken;
        if (this.#headerBytes === 4) this.#beginFrame();
        continue;
      }
      const part = chunk.subarray(at, at + this.#missing);
      if (this.#payload !== null) part.copy(this.#payload, this.#payload.length - this.#missing);
      at += part.length;
      this.#missing -= part.length;
      if (this.#missing === 0 && this.#payload !== null) messages.push(splitFields(this.#payload));
    }
    return messages;
  }

  #beginFrame(): void {
    this.#headerBytes = 0;
    this.#missing = this.#header.readUInt32BE();
    if (this.#missing === 0 || this.#missing > LONGEST_FRAME) throw new GarbageError(this.#missing);
    this.#payload = this.#missing > LONGEST_READ_FRAME ? null : Buffer.alloc(this.#missing);
  }
}

function splitFields(payload: Buffer): string[] {
  const fields = payload.toString('utf8').split('\0');
  if (fields.at(-1) === '') fields.pop();
  return fields;
}

/** The server's first message: its version and the time of connection as text. Null when it is none. */
export type Handshake = { readonly serverVersion: number; readonly connectionTime: string };

export function readHandshake(fields: readonly string[]): Handshake | null {
  const [version = '', connectionTime = ''] = fields;
  if (!/^-?\d{1,9}$/.test(version)) return null;
  return { serverVersion: Number(version), connectionTime: connectionTime.slice(0, 100) };
}

/** Whether messages of this server version can be read here. */
export function isReadableVersion(serverVersion: number): boolean {
  return serverVersion >= LOWEST_VERSION && serverVersion < PROTOBUF_VERSION;
}

export type FarmKind = 'market' | 'historical' | 'sec-def';

/** What a message after the handshake says, as far as it concerns health. */
export type TwsMessage =
  | { readonly kind: 'accounts'; readonly accounts: readonly string[] }
  | { readonly kind: 'next-valid-id' }
  | { readonly kind: 'current-time' }
  | { readonly kind: 'connectivity'; readonly code: 1100 | 1101 | 1102 | 2110 }
  | {
      readonly kind: 'farm';
      readonly code: number;
      readonly name: string;
      readonly farmKind: FarmKind;
      readonly ok: boolean | null;
    }
  | { readonly kind: 'client-id-in-use' }
  | { readonly kind: 'api-error'; readonly code: number; readonly text: string };

/** Reads one message; null for those that say nothing of health, and for damaged ones. */
export function readMessage(fields: readonly string[], serverVersion: number): TwsMessage | null {
  switch (fields[0]) {
    case IN_ERROR:
      return readError(fields, serverVersion);
    case IN_NEXT_VALID_ID:
      return { kind: 'next-valid-id' };
    case IN_MANAGED_ACCOUNTS: {
      const accounts = (fields[2] ?? '').split(',').map((account) => account.trim());
      return { kind: 'accounts', accounts: accounts.filter((account) => account !== '') };
    }
    case IN_CURRENT_TIME:
      return { kind: 'current-time' };
    default:
      return null;
  }
}

const CLIENT_ID_IN_USE = 326;
const CONNECTIVITY_CODES = [1100, 1101, 1102, 2110] as const;

/**
 * `ok` of each farm message. An inactive farm (2107, 2108) counts as ok: it stands by because nobody asks it for data, and
 * IBKR says that nothing is to be done. One that is connecting (2119) is neither.
 */
const FARM_CODES: ReadonlyMap<number, { readonly farmKind: FarmKind; readonly ok: boolean | null }> = new Map(
  [
    [2103, { farmKind: 'market', ok: false }],
    [2104, { farmKind: 'market', ok: true }],
    [2105, { farmKind: 'historical', ok: false }],
    [2106, { farmKind: 'historical', ok: true }],
    [2107, { farmKind: 'historical', ok: true }],
    [2108, { farmKind: 'market', ok: true }],
    [2119, { farmKind: 'market', ok: null }],
    [2157, { farmKind: 'sec-def', ok: false }],
    [2158, { farmKind: 'sec-def', ok: true }],
  ],
);

function readError(fields: readonly string[], serverVersion: number): TwsMessage | null {
  // [4, version, id, code, text, …]; the version field is gone from 194 on.
  const shift = serverVersion >= ERROR_TIME_VERSION ? 0 : 1;
  const codeField = fields[2 + shift] ?? '';
  if (!/^-?\d{1,9}$/.test(codeField)) return null;
  const code = Number(codeField);
  const raw = fields[3 + shift] ?? '';
  const text = (serverVersion >= ASCII_VERSION ? unescapeText(raw) : raw).slice(0, LONGEST_TEXT);

  if (code === CLIENT_ID_IN_USE) return { kind: 'client-id-in-use' };
  const connectivity = CONNECTIVITY_CODES.find((known) => known === code);
  if (connectivity !== undefined) return { kind: 'connectivity', code: connectivity };
  const farm = FARM_CODES.get(code);
  if (farm !== undefined) return { kind: 'farm', code, name: readFarmName(text), ...farm };
  return { kind: 'api-error', code, text };
}

/** The name stands only in the text: `… is OK:usfarm.nj`, but `… available upon demand.ushmds`. */
function readFarmName(text: string): string {
  const name = /(?:^|:|upon demand\.)\s*([\w.-]{1,60})\s*$/.exec(text)?.[1];
  return name ?? 'unnamed';
}

function unescapeText(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}
