// Owns the words between the agent and ib-bridge.jar: versions, shapes of answers and events, and reading them from JSON.

/** Versions this side speaks. There is none before 1; the next one adds its own and keeps this one. */
export const BRIDGE_PROTOCOLS: readonly number[] = [1];

/** Longest line the bridge sends; a longer one is no bridge. */
export const LONGEST_LINE = 8 * 1024 * 1024 + 64 * 1024;

const SERVER_ERRORS = [
  'bad-request',
  'unknown-op',
  'hello-first',
  'version-mismatch',
  'not-allowed',
  'busy',
  'too-large',
  'stale',
  'not-found',
  'wrong-kind',
  'disabled',
  'not-accepted',
  'frozen',
  'unfinished',
  'failed',
] as const;

/**
 * What can become of a request. `stale`: what is there is not what was seen any more, and nothing was done. `frozen`: the event thread
 * did not come to it, and nothing was or will be done. `unfinished`: it was begun and its end is not known. `not-accepted`: the field did
 * not take the text. Of this side: `not-connected`, `no-answer` (the deadline passed), `lost` (the connection ended before the answer, so
 * that the end is not known), `unknown-server` (who serves the socket cannot be told, so it is given no secret), `garbage`.
 */
export type BridgeErrorCode =
  | (typeof SERVER_ERRORS)[number]
  | 'not-connected'
  | 'no-answer'
  | 'lost'
  | 'unknown-server'
  | 'garbage';

const UNCERTAIN = [
  'unfinished',
  'failed',
  'no-answer',
  'lost',
  'garbage',
] as const satisfies readonly BridgeErrorCode[];

/** Whether what was asked for may have been done all the same; after any other error it certainly was not. */
export function isUncertain(code: BridgeErrorCode): code is (typeof UNCERTAIN)[number] {
  return UNCERTAIN.some((uncertain) => uncertain === code);
}

/** An expected failure of a request. The message never holds what was sent. */
export class BridgeError extends Error {
  readonly code: BridgeErrorCode;
  /** For how long the event thread has not answered, with `frozen`. */
  readonly frozenMs: number | null;

  constructor(code: BridgeErrorCode, message: string, frozenMs: number | null = null) {
    super(message);
    this.code = code;
    this.frozenMs = frozenMs;
  }

  override get name(): string {
    return 'BridgeError';
  }
}

/** In pixels; of a component: from the upper left corner of its window. */
export type Bounds = {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
};

/** Rows of a list, combo box, unfolded tree, table (cells with tabs between them) or row of tabs. */
export type Rows = {
  readonly count: number;
  /** -1 for none. */
  readonly selected: number;
  /** The first ones; null for one that cannot be read. */
  readonly texts: readonly (string | null)[];
};

export type BridgeComponent = {
  /** `0/2/1:javax.swing.JButton`: places from the window down, and the class. */
  readonly path: string;
  readonly className: string;
  readonly name: string | null;
  /** What a person reads there, HTML as plain text; null where there is none, it cannot be read, or it is secret. */
  readonly text: string | null;
  /** A password, or a code that was typed: its text is never told. */
  readonly masked: boolean;
  /** The program's own component threw when it was asked for its text. */
  readonly unreadable: boolean;
  readonly border: string | null;
  readonly enabled: boolean;
  /** It and everything that holds it is visible. */
  readonly visible: boolean;
  readonly editable: boolean;
  /** Of buttons, boxes and menu items. */
  readonly selected: boolean;
  readonly rows: Rows | null;
  readonly bounds: Bounds;
};

export type BridgeWindow = {
  /** `w7`: for the life of the window, never given again. */
  readonly id: string;
  readonly className: string;
  readonly kind: 'frame' | 'dialog' | 'window';
  readonly title: string;
  readonly modal: boolean;
  /** Id of the window it belongs to. */
  readonly owner: string | null;
  readonly active: boolean;
  readonly enabled: boolean;
  readonly bounds: Bounds;
  /** In the order of the tree, parents first; empty when they were not asked for. */
  readonly components: readonly BridgeComponent[];
};

export type WindowList = {
  /** `not-started`: the program has not come to windows yet. `idle`: it has none at all, also no hidden one. */
  readonly awt: 'running' | 'idle' | 'not-started';
  readonly windows: readonly BridgeWindow[];
  /** Something was left out: too many components, or too slow ones. */
  readonly truncated: boolean;
};

export type BridgeHello = {
  readonly protocol: number;
  readonly pid: number;
  readonly java: string;
  /** What the agent cost the JVM's start, on the JVM's main thread. */
  readonly premainMicros: number;
};

export type BridgeEvent =
  /** From now on changes are told; what is there already is not. */
  | { readonly kind: 'watching' }
  | {
      readonly kind: 'window';
      readonly change: 'opened' | 'closed' | 'activated' | 'shown' | 'hidden' | 'title';
      readonly window: string;
      readonly className: string;
      readonly title: string;
    };

export type JavaThread = {
  readonly name: string;
  readonly state: string;
  readonly daemon: boolean;
  readonly frames: readonly string[];
};

/** The JVM's wall clock: `now` in epoch milliseconds, and the zone in which the program means its times of day. */
export type JvmClock = { readonly now: number; readonly zone: string; readonly offsetMinutes: number };

export type Painting = { readonly width: number; readonly height: number; readonly png: Buffer };

export type Json = Readonly<Record<string, unknown>>;

/** One line as an object. Throws BridgeError `garbage`. */
export function parseLine(line: string): Json {
  try {
    return object(JSON.parse(line));
  } catch {
    throw garbage();
  }
}

export function readHello(line: Json): BridgeHello {
  if (line['hello'] !== 'ib-bridge') throw garbage();
  return {
    protocol: number(line['protocol']),
    pid: number(line['pid']),
    java: string(line['java']),
    premainMicros: number(line['premainMicros']),
  };
}

/** The event of a line, or null when it is none that this version knows. */
export function readEvent(line: Json): BridgeEvent | null {
  if (line['event'] === 'watching') return { kind: 'watching' };
  if (line['event'] !== 'window') return null;
  const changes = ['opened', 'closed', 'activated', 'shown', 'hidden', 'title'] as const;
  const change = changes.find((known) => known === line['change']);
  if (change === undefined) return null;
  return {
    kind: 'window',
    change,
    window: string(line['window']),
    className: string(line['class']),
    title: string(line['title']),
  };
}

/** The error of an answer. One that only a newer bridge knows counts as `failed`. */
export function readError(answer: Json): BridgeError {
  const error = object(answer['error']);
  const code = SERVER_ERRORS.find((known) => known === error['code']) ?? 'failed';
  const frozenMs = typeof error['frozenMs'] === 'number' ? error['frozenMs'] : null;
  return new BridgeError(code, string(error['message']), frozenMs);
}

export function readWindows(answer: Json): WindowList {
  const states = ['running', 'idle', 'not-started'] as const;
  const awt = states.find((known) => known === answer['awt']);
  if (awt === undefined) throw garbage();
  return { awt, windows: list(answer['windows']).map(readWindow), truncated: answer['truncated'] === true };
}

function readWindow(value: unknown): BridgeWindow {
  const window = object(value);
  const kinds = ['frame', 'dialog', 'window'] as const;
  /** Places of the components that are visible, to tell what their children are. */
  const visible = new Set<string>();
  return {
    id: string(window['id']),
    className: string(window['class']),
    kind: kinds.find((known) => known === window['kind']) ?? 'window',
    title: string(window['title']),
    modal: window['modal'] === true,
    owner: text(window['owner']),
    active: window['active'] === true,
    enabled: window['enabled'] === true,
    bounds: readBounds(window['bounds']),
    components: (window['components'] === undefined ? [] : list(window['components'])).map((item) =>
      readComponent(object(item), visible),
    ),
  };
}

function readComponent(item: Json, visiblePlaces: Set<string>): BridgeComponent {
  const path = string(item['path']);
  const colon = path.indexOf(':');
  const place = path.slice(0, colon);
  const slash = place.lastIndexOf('/');
  const visible = item['visible'] !== false && (slash === -1 || visiblePlaces.has(place.slice(0, slash)));
  if (visible) visiblePlaces.add(place);
  return {
    path,
    className: path.slice(colon + 1),
    name: text(item['name']),
    text: text(item['text']),
    masked: item['masked'] === true,
    unreadable: item['unreadable'] === true,
    border: text(item['border']),
    enabled: item['enabled'] !== false,
    visible,
    editable: item['editable'] === true,
    selected: item['selected'] === true,
    rows: item['rows'] === undefined ? null : readRows(object(item['rows'])),
    bounds: readBounds(item['bounds']),
  };
}

function readRows(rows: Json): Rows {
  return {
    count: number(rows['count']),
    selected: number(rows['selected']),
    texts: list(rows['texts']).map(text),
  };
}

function readBounds(value: unknown): Bounds {
  const [x, y, width, height] = list(value);
  return { x: number(x), y: number(y), width: number(width), height: number(height) };
}

export function readThreads(answer: Json): readonly JavaThread[] {
  return list(answer['threads']).map((value) => {
    const thread = object(value);
    return {
      name: string(thread['name']),
      state: string(thread['state']),
      daemon: thread['daemon'] === true,
      frames: list(thread['frames']).map(string),
    };
  });
}

export function readClock(answer: Json): JvmClock {
  return {
    now: number(answer['now']),
    zone: string(answer['zone']),
    offsetMinutes: number(answer['offsetMinutes']),
  };
}

export function readPainting(answer: Json): Painting {
  return {
    width: number(answer['width']),
    height: number(answer['height']),
    png: Buffer.from(string(answer['png']), 'base64'),
  };
}

function object(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw garbage();
  return value as Json;
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw garbage();
  return value;
}

function string(value: unknown): string {
  if (typeof value !== 'string') throw garbage();
  return value;
}

function number(value: unknown): number {
  if (typeof value !== 'number') throw garbage();
  return value;
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function garbage(): BridgeError {
  return new BridgeError('garbage', 'What came from the socket is not what a window bridge says.');
}
