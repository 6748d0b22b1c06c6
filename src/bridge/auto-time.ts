// Owns the gateway's daily restart time in its configuration: setting it to the next full minute, which restarts the gateway without a
// login, and setting it back.

import type { BridgeClient } from './client.ts';
import { type BridgeComponent, BridgeError, type BridgeWindow } from './protocol.ts';
import {
  failure,
  findButton,
  findMain,
  isCalled,
  menuPath,
  placeOf,
  Sequence,
  type StepFailure,
  type StepOptions,
} from './sequence.ts';

/** The gateway's daily restart or logoff, as its configuration shows it. */
export type AutoTime = {
  readonly action: 'restart' | 'logoff';
  /** `hh:mm`, 01–12. */
  readonly time: string;
  readonly half: 'AM' | 'PM';
};

/** A restart of the gateway by itself. */
export type PlannedRestart = {
  /** Epoch milliseconds; a full minute. */
  readonly at: number;
  /** Its own restart time from then on. */
  readonly time: AutoTime;
  /** What was set before. */
  readonly before: AutoTime;
};

export type ConfigurationFailure =
  | StepFailure
  /** The configuration is open already: somebody works in it. */
  | { readonly kind: 'busy' };

export type RestartOutcome = ({ readonly kind: 'scheduled' } & PlannedRestart) | ConfigurationFailure;

export type RestoreOutcome =
  | { readonly kind: 'restored' }
  /** Another time than the expected one is set by now; it was left alone. */
  | { readonly kind: 'other'; readonly shown: AutoTime }
  | ConfigurationFailure;

export type RestartOptions = StepOptions & {
  /** Called right before the time is saved. When it throws, nothing is saved and that error rejects. */
  readonly note?: (planned: PlannedRestart) => void;
};

/** So early before its minute a restart time must stand, or the gateway would take it for tomorrow's. */
const LEAD_MS = 8_000;
const LEAST_LEAD_MS = 2_000;
const MINUTE_MS = 60_000;
/** The driver types its settings into the configuration at each start; it takes seconds. */
const OTHERS_MS = 10_000;

const CONFIGURATION_TITLE = 'configuration';
const LOCK_PAGE = 'Lock and Exit';
const TIME_LABELS = ['set auto restart time (hh:mm)', 'set auto log off time (hh:mm)'];

/**
 * Makes the gateway restart at the next full minute without a new login: Configure > Settings > Lock and Exit. It is the gateway's own
 * daily restart, so its time of day is the JVM's. Rejects only with what `note` throws.
 */
export function warmRestart(bridge: BridgeClient, options: RestartOptions): Promise<RestartOutcome> {
  return configure<RestartOutcome>(bridge, options, async (page, sequence) => {
    const before = page.shown;
    for (;;) {
      const jvm = await bridge.clock();
      const at = Math.ceil((jvm.now + LEAD_MS) / MINUTE_MS) * MINUTE_MS;
      const time = timeOfDay(at, jvm.offsetMinutes);
      if (!(await page.type(time))) return { kind: 'missing', what: wordsOf(time) };
      const { now } = await bridge.clock();
      // Typing took too long: the next minute then.
      if (at - now < LEAST_LEAD_MS && !sequence.over) continue;
      options.note?.({ at, time, before });
      return (await page.save()) ? { kind: 'scheduled', at, time, before } : { kind: 'missing', what: 'OK' };
    }
  });
}

/** Sets the daily restart time to `before`, if it still is `set`. Never rejects. */
export function restoreAutoTime(
  bridge: BridgeClient,
  times: { readonly set: AutoTime; readonly before: AutoTime },
  options: StepOptions,
): Promise<RestoreOutcome> {
  return configure<RestoreOutcome>(bridge, options, async (page) => {
    if (!isSame(page.shown, times.set)) {
      await page.cancel();
      return { kind: 'other', shown: page.shown };
    }
    if (!(await page.type(times.before))) return { kind: 'missing', what: wordsOf(times.before) };
    return (await page.save()) ? { kind: 'restored' } : { kind: 'missing', what: 'OK' };
  });
}

/** `restart at 11:45 PM`. */
export function wordsOf({ action, time, half }: AutoTime): string {
  return `${action} at ${time} ${half}`;
}

export function isSame(a: AutoTime, b: AutoTime): boolean {
  return a.action === b.action && a.time === b.time && a.half === b.half;
}

/** The page of the configuration that holds the time, opened. */
type OpenPage = {
  readonly shown: AutoTime;
  /** False when the page does not show it afterwards. */
  readonly type: (time: AutoTime) => Promise<boolean>;
  /** False when there is no OK. */
  readonly save: () => Promise<boolean>;
  readonly cancel: () => Promise<void>;
};

/** Opens the configuration, and closes it unsaved unless `work` saved or closed it. */
async function configure<T>(
  bridge: BridgeClient,
  options: StepOptions,
  work: (page: OpenPage, sequence: Sequence) => Promise<T>,
): Promise<T | ConfigurationFailure> {
  const sequence = new Sequence(bridge, options);
  let dialog: BridgeWindow | null = null;
  const cancel = async () => {
    const open = dialog;
    dialog = null;
    if (open !== null) await close(bridge, open);
  };
  try {
    const windows = await sequence.until(async () => {
      const showing = await sequence.windows();
      return showing.some(isConfiguration) ? null : showing;
    }, OTHERS_MS);
    if (windows === null) return { kind: 'busy' };
    const main = findMain(windows);
    if (main === null) return { kind: 'no-main-window' };
    const items = menuPath(main, 'Configure', 'Settings');
    if (items === null) return { kind: 'missing', what: 'Configure > Settings' };
    await bridge.menu({ window: main.id, items });
    dialog = await sequence.find((all) => all.find(isConfiguration) ?? null);
    if (dialog === null) return { kind: 'missing', what: 'the configuration' };
    const { id: window, title } = dialog;
    const expect = { title };
    const row = findRow(dialog, LOCK_PAGE);
    if (row === null) return { kind: 'missing', what: LOCK_PAGE };
    await bridge.selectRow({ window, expect, ...row });
    const look = async () => {
      const [found] = (await bridge.windows({ window })).windows;
      return found === undefined ? null : readLockPage(found);
    };
    const parts = await sequence.until(look);
    if (parts === null) return { kind: 'missing', what: 'Auto restart' };
    const click = ({ path, text }: BridgeComponent) =>
      bridge.click({ window, expect, path, text: text ?? '' });
    const ok = findButton(dialog, 'OK');
    return await work(
      {
        shown: parts.shown,
        type: async (time) => {
          await click(time.action === 'restart' ? parts.restart : parts.logoff);
          await bridge.setText({ window, expect, path: parts.field.path, text: time.time });
          await click(time.half === 'AM' ? parts.am : parts.pm);
          const after = await look();
          return after !== null && isSame(after.shown, time);
        },
        save: async () => {
          if (ok === null) return false;
          await bridge.click({ window, expect, ...ok });
          dialog = null;
          return true;
        },
        cancel,
      },
      sequence,
    );
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    return failure(error);
  } finally {
    // What was typed must not be saved by whoever clicks OK next.
    await cancel().catch(() => {});
  }
}

async function close(bridge: BridgeClient, dialog: BridgeWindow): Promise<void> {
  const button = findButton(dialog, 'Cancel');
  if (button !== null) await bridge.click({ window: dialog.id, expect: { title: dialog.title }, ...button });
  else await bridge.closeWindow({ window: dialog.id, title: dialog.title });
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
  readonly logoff: BridgeComponent;
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
  if (field?.text == null || restart === undefined || logoff === undefined) return null;
  if (am === undefined || pm === undefined) return null;
  return {
    field,
    restart,
    logoff,
    am,
    pm,
    shown: {
      action: restart.selected && !logoff.selected ? 'restart' : 'logoff',
      time: field.text,
      half: am.selected ? 'AM' : 'PM',
    },
  };
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
