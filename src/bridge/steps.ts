// Owns what is done to IB Gateway's windows step by step: the tidy close, and the restart that keeps the login.

import { type Clock, delay } from '../host/clock.ts';
import type { BridgeClient, Target } from './client.ts';
import { type BridgeComponent, BridgeError, type BridgeWindow } from './protocol.ts';

/** What both sequences may meet. Nothing was confirmed then, so the gateway goes on as it was. */
export type StepFailure =
  /** No main window with the menus: the gateway is not that far, or is going down. */
  | { readonly kind: 'no-main-window' }
  /** The main window lacks a menu item, or the configuration a part: `what` names it. */
  | { readonly kind: 'missing'; readonly what: string }
  | { readonly kind: 'frozen'; readonly frozenMs: number }
  /** The bridge answered something else than was hoped for, or nothing. */
  | { readonly kind: 'failed'; readonly error: BridgeError };

export type CloseOutcome =
  /** The JVM is gone. */
  | { readonly kind: 'closed' }
  /** It has confirmed that it closes, and is not gone yet. */
  | { readonly kind: 'closing' }
  /** File > Close was chosen and nothing came of it within the deadline; `titles` are of the windows that show. */
  | { readonly kind: 'unanswered'; readonly titles: readonly string[] }
  | StepFailure;

export type RestartOutcome =
  /**
   * The gateway restarts by itself at `at` (epoch milliseconds), a full minute. Its own restart time stays at `time` from then on; what
   * was set before is in `before`.
   */
  | {
      readonly kind: 'scheduled';
      readonly at: number;
      readonly time: AutoTime;
      readonly before: AutoTime;
    }
  | StepFailure;

/** The gateway's daily restart or logoff, as its configuration shows it. */
export type AutoTime = {
  readonly action: 'restart' | 'logoff';
  /** `hh:mm`, 01–12. */
  readonly time: string;
  readonly half: 'AM' | 'PM';
};

export type StepOptions = {
  readonly clock: Clock;
  /** For the whole sequence. */
  readonly deadlineMs: number;
};

const LOOK_MS = 100;
/** So early before its minute a restart time must stand, or the gateway would take it for tomorrow's. */
const LEAD_MS = 8_000;
const LEAST_LEAD_MS = 2_000;
const MINUTE_MS = 60_000;

const EXIT_QUESTION = 'are you sure you want to exit?';
const SHUTDOWN_TITLE = 'shutdown progress';
const CONFIGURATION_TITLE = 'configuration';
const LOCK_PAGE = 'Lock and Exit';
const TIME_LABELS = ['set auto restart time (hh:mm)', 'set auto log off time (hh:mm)'];

/** Closes the gateway as a person would: File > Close, and yes to its question. Never rejects. */
export async function tidyClose(bridge: BridgeClient, options: StepOptions): Promise<CloseOutcome> {
  const sequence = new Sequence(bridge, options);
  let chosen = false;
  let confirmed = false;
  try {
    const main = findMain(await sequence.windows());
    if (main === null) return { kind: 'no-main-window' };
    const items = menuPath(main, 'File', 'Close');
    if (items === null) return { kind: 'missing', what: 'File > Close' };
    await bridge.menu({ window: main.id, items });
    chosen = true;
    for (;;) {
      const windows = await sequence.windows();
      if (windows.some(({ title }) => title.toLowerCase().includes(SHUTDOWN_TITLE))) confirmed = true;
      const question = confirmed ? null : findExitQuestion(windows);
      if (question !== null && (await answerIfThere(bridge, question))) confirmed = true;
      if (sequence.over) {
        return confirmed
          ? { kind: 'closing' }
          : { kind: 'unanswered', titles: windows.map(({ title }) => title) };
      }
      await sequence.pause();
    }
  } catch (error) {
    if (chosen && isEnd(error)) return { kind: 'closed' };
    if (confirmed && isFrozen(error)) return { kind: 'closing' };
    return failure(error);
  }
}

/** False when somebody else was quicker: the question is gone. */
async function answerIfThere(
  bridge: BridgeClient,
  question: Target & { readonly text: string },
): Promise<boolean> {
  try {
    await bridge.click(question);
    return true;
  } catch (error) {
    if (error instanceof BridgeError && error.code === 'stale') return false;
    throw error;
  }
}

/**
 * Makes the gateway restart at the next full minute without a new login: Configure > Settings > Lock and Exit. It is the gateway's own
 * daily restart, so its time of day is the JVM's. Never rejects.
 */
export async function warmRestart(bridge: BridgeClient, options: StepOptions): Promise<RestartOutcome> {
  const sequence = new Sequence(bridge, options);
  try {
    const main = findMain(await sequence.windows());
    if (main === null) return { kind: 'no-main-window' };
    const items = menuPath(main, 'Configure', 'Settings');
    if (items === null) return { kind: 'missing', what: 'Configure > Settings' };
    await bridge.menu({ window: main.id, items });
    const dialog = await sequence.find((windows) => windows.find(isConfiguration) ?? null);
    if (dialog === null) return { kind: 'missing', what: 'the configuration' };
    try {
      return await setRestart(bridge, sequence, dialog);
    } catch (error) {
      // What was typed must not be saved by whoever clicks OK next.
      await cancel(bridge, dialog).catch(() => {});
      throw error;
    }
  } catch (error) {
    return failure(error);
  }
}

async function setRestart(
  bridge: BridgeClient,
  sequence: Sequence,
  dialog: BridgeWindow,
): Promise<RestartOutcome> {
  const expect = { title: dialog.title };
  const window = dialog.id;
  const missing = async (what: string): Promise<RestartOutcome> => {
    await cancel(bridge, dialog);
    return { kind: 'missing', what };
  };
  const page = findRow(dialog, LOCK_PAGE);
  if (page === null) return missing(LOCK_PAGE);
  await bridge.selectRow({ window, expect, ...page });
  const look = async () => {
    const { windows } = await bridge.windows({ window });
    const found = windows[0];
    return found === undefined ? null : readLockPage(found);
  };
  const before = await sequence.until(look);
  if (before === null) return missing('Auto restart');

  const click = async (target: { path: string; text: string | null }) => {
    await bridge.click({ window, expect, path: target.path, text: target.text ?? '' });
  };
  for (;;) {
    const jvm = await bridge.clock();
    const at = Math.ceil((jvm.now + LEAD_MS) / MINUTE_MS) * MINUTE_MS;
    const time = timeOfDay(at, jvm.offsetMinutes);
    await click(before.restart);
    await bridge.setText({ window, expect, path: before.field.path, text: time.time });
    await click(time.half === 'AM' ? before.am : before.pm);
    const page = await look();
    if (page === null || !isSame(page.shown, time)) return missing(`the time ${time.time} ${time.half}`);
    const { now } = await bridge.clock();
    // Typing took too long: the next minute then.
    if (at - now < LEAST_LEAD_MS && !sequence.over) continue;
    const ok = findButton(dialog, 'OK');
    if (ok === null) return missing('OK');
    await bridge.click({ window, expect, ...ok });
    return { kind: 'scheduled', at, time, before: before.shown };
  }
}

async function cancel(bridge: BridgeClient, dialog: BridgeWindow): Promise<void> {
  const button = findButton(dialog, 'Cancel');
  if (button !== null) await bridge.click({ window: dialog.id, expect: { title: dialog.title }, ...button });
  else await bridge.closeWindow({ window: dialog.id, title: dialog.title });
}

/** The deadline of a sequence, and looking again until something shows. */
class Sequence {
  readonly #bridge: BridgeClient;
  readonly #clock: Clock;
  readonly #end: number;
  /** Of the JVM that this is about: a connection made since may be another one's. */
  readonly #pid: number | undefined;

  constructor(bridge: BridgeClient, options: StepOptions) {
    this.#bridge = bridge;
    this.#clock = options.clock;
    this.#pid = bridge.hello?.pid;
    this.#end = options.clock.monotonicMs() + options.deadlineMs;
  }

  get over(): boolean {
    return this.#clock.monotonicMs() >= this.#end;
  }

  async windows(): Promise<readonly BridgeWindow[]> {
    if (this.#bridge.hello?.pid !== this.#pid) throw new BridgeError('lost', 'This JVM is gone.');
    return (await this.#bridge.windows()).windows;
  }

  pause(): Promise<void> {
    return delay(this.#clock, LOOK_MS);
  }

  find<T>(choose: (windows: readonly BridgeWindow[]) => T | null): Promise<T | null> {
    return this.until(async () => choose(await this.windows()));
  }

  /** Null when the deadline came first. */
  async until<T>(look: () => Promise<T | null>): Promise<T | null> {
    for (;;) {
      const found = await look();
      if (found !== null || this.over) return found;
      await this.pause();
    }
  }
}

/** The frame whose menus have the About item: that is how it is told from the splash and the login window. */
function findMain(windows: readonly BridgeWindow[]): BridgeWindow | null {
  return (
    windows.find(
      (window) =>
        window.kind === 'frame' &&
        (menuPath(window, 'Help', 'About IB Gateway') ?? menuPath(window, 'Help', 'About Gateway')) !== null,
    ) ?? null
  );
}

/** The texts of a menu and its item as they are written there, or null. */
function menuPath(window: BridgeWindow, menu: string, item: string): readonly string[] | null {
  for (const outer of window.components) {
    if (!isCalled(outer, menu)) continue;
    const below = `${placeOf(outer)}/`;
    const inner = window.components.find((each) => each.path.startsWith(below) && isCalled(each, item));
    if (inner?.text != null && outer.text !== null) return [outer.text, inner.text];
  }
  return null;
}

function findExitQuestion(windows: readonly BridgeWindow[]): (Target & { readonly text: string }) | null {
  for (const dialog of windows) {
    if (dialog.kind !== 'dialog') continue;
    const question = dialog.components.find(({ text }) => text?.toLowerCase().includes(EXIT_QUESTION));
    const yes = findButton(dialog, 'Yes');
    if (question?.text == null || yes === null) continue;
    return { window: dialog.id, expect: { title: dialog.title, near: question.text }, ...yes };
  }
  return null;
}

function isConfiguration({ kind, title, components }: BridgeWindow): boolean {
  const rightTitle = title.toLowerCase().includes(CONFIGURATION_TITLE);
  return kind === 'dialog' && rightTitle && components.some(({ rows }) => rows !== null);
}

function findRow(window: BridgeWindow, text: string): { path: string; row: number; text: string } | null {
  for (const { path, rows } of window.components) {
    const row = rows?.texts.findIndex((each) => each?.trim().toLowerCase() === text.toLowerCase()) ?? -1;
    const found = rows?.texts[row];
    if (found != null) return { path, row, text: found };
  }
  return null;
}

type LockPage = {
  readonly field: BridgeComponent;
  readonly restart: BridgeComponent;
  readonly am: BridgeComponent;
  readonly pm: BridgeComponent;
  readonly shown: AutoTime;
};

/** The restart time's parts: they stand below the grandparent of its label. */
function readLockPage(dialog: BridgeWindow): LockPage | null {
  const label = dialog.components.find(
    ({ text, visible }) => visible && TIME_LABELS.some((known) => text?.toLowerCase().includes(known)),
  );
  if (label === undefined) return null;
  const group = `${placeOf(label).split('/').slice(0, -2).join('/')}/`;
  const parts = dialog.components.filter(({ path, visible }) => visible && path.startsWith(group));
  const field = parts.find(({ editable, rows }) => editable && rows === null);
  const [restart, logoff, am, pm] = ['Auto restart', 'Auto logoff', 'AM', 'PM'].map((name) =>
    parts.find((part) => isCalled(part, name)),
  );
  if (field?.text == null || restart === undefined || am === undefined || pm === undefined) return null;
  return {
    field,
    restart,
    am,
    pm,
    shown: {
      action: restart.selected && logoff?.selected !== true ? 'restart' : 'logoff',
      time: field.text,
      half: am.selected ? 'AM' : 'PM',
    },
  };
}

function findButton(window: BridgeWindow, name: string): { path: string; text: string } | null {
  const button = window.components.find((part) => isCalled(part, name) && part.visible && part.enabled);
  return button?.text == null ? null : { path: button.path, text: button.text };
}

/** Texts of buttons, menus and their items count whatever their case, as IBC has it. */
function isCalled({ text }: BridgeComponent, name: string): boolean {
  return text?.toLowerCase() === name.toLowerCase();
}

function placeOf({ path }: BridgeComponent): string {
  return path.slice(0, path.indexOf(':'));
}

function timeOfDay(at: number, offsetMinutes: number): AutoTime {
  const minutes = Math.floor(at / MINUTE_MS) + offsetMinutes;
  const ofDay = ((minutes % 1440) + 1440) % 1440;
  const hour = Math.floor(ofDay / 60);
  const pad = (value: number) => String(value).padStart(2, '0');
  return {
    action: 'restart',
    time: `${pad(hour % 12 === 0 ? 12 : hour % 12)}:${pad(ofDay % 60)}`,
    half: hour < 12 ? 'AM' : 'PM',
  };
}

function isSame(a: AutoTime, b: AutoTime): boolean {
  return a.action === b.action && a.time === b.time && a.half === b.half;
}

/** The JVM that was asked is gone. */
function isEnd(error: unknown): boolean {
  return error instanceof BridgeError && (error.code === 'lost' || error.code === 'not-connected');
}

function isFrozen(error: unknown): boolean {
  return error instanceof BridgeError && error.code === 'frozen';
}

function failure(error: unknown): StepFailure {
  if (!(error instanceof BridgeError)) throw error;
  if (error.code === 'frozen') return { kind: 'frozen', frozenMs: error.frozenMs ?? 0 };
  return { kind: 'failed', error };
}
