// Owns what every sequence of steps in the gateway's windows needs: one deadline, looking again, the main window and its menus.

import { type Clock, delay } from '../host/clock.ts';
import type { BridgeClient } from './client.ts';
import { type BridgeComponent, BridgeError, type BridgeWindow } from './protocol.ts';

/** What every sequence may meet. Nothing was confirmed then, so the gateway goes on as it was. */
export type StepFailure =
  /** No main window with the menus: the gateway is not that far, or is going down. */
  | { readonly kind: 'no-main-window' }
  /** The main window lacks a menu item, or the configuration a part: `what` names it. */
  | { readonly kind: 'missing'; readonly what: string }
  | { readonly kind: 'frozen'; readonly frozenMs: number }
  /** The bridge answered something else than was hoped for, or nothing. */
  | { readonly kind: 'failed'; readonly error: BridgeError };

export type StepOptions = {
  readonly clock: Clock;
  /** For the whole sequence. */
  readonly deadlineMs: number;
};

const LOOK_MS = 100;

/** The deadline of a sequence, and looking again until something shows. */
export class Sequence {
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

  /** Null when the deadline, or that of `withinMs`, came first. */
  async until<T>(look: () => Promise<T | null>, withinMs = Number.POSITIVE_INFINITY): Promise<T | null> {
    const end = this.#clock.monotonicMs() + withinMs;
    for (;;) {
      const found = await look();
      if (found !== null || this.over || this.#clock.monotonicMs() >= end) return found;
      await this.pause();
    }
  }
}

/** The frame whose menus have the About item: that is how it is told from the splash and the login window. */
export function findMain(windows: readonly BridgeWindow[]): BridgeWindow | null {
  return (
    windows.find(
      (window) =>
        window.kind === 'frame' &&
        (menuPath(window, 'Help', 'About IB Gateway') ?? menuPath(window, 'Help', 'About Gateway')) !== null,
    ) ?? null
  );
}

/** The texts of a menu and its item as they are written there, or null. */
export function menuPath(window: BridgeWindow, menu: string, item: string): readonly string[] | null {
  for (const outer of window.components) {
    if (!isCalled(outer, menu)) continue;
    const below = `${placeOf(outer)}/`;
    const inner = window.components.find((each) => each.path.startsWith(below) && isCalled(each, item));
    if (inner?.text != null && outer.text !== null) return [outer.text, inner.text];
  }
  return null;
}

export function findButton(window: BridgeWindow, name: string): { path: string; text: string } | null {
  const button = window.components.find((part) => isCalled(part, name) && part.visible && part.enabled);
  return button?.text == null ? null : { path: button.path, text: button.text };
}

/** Texts of buttons, menus and their items count whatever their case, as IBC has it. */
export function isCalled({ text }: BridgeComponent, name: string): boolean {
  return text?.toLowerCase() === name.toLowerCase();
}

/** The places of a component from its window down, without its class. */
export function placeOf({ path }: BridgeComponent): string {
  return path.slice(0, path.indexOf(':'));
}

/** The JVM that was asked is gone, or its bridge. */
export function isEnd(error: unknown): boolean {
  return error instanceof BridgeError && (error.code === 'lost' || error.code === 'not-connected');
}

/** What was to be acted on is not there any more as it was seen. */
export function isStale(error: unknown): boolean {
  return error instanceof BridgeError && (error.code === 'stale' || error.code === 'not-found');
}

/** Throws what is no BridgeError again. */
export function failure(error: unknown): StepFailure {
  if (!(error instanceof BridgeError)) throw error;
  if (error.code === 'frozen') return { kind: 'frozen', frozenMs: error.frozenMs ?? 0 };
  return { kind: 'failed', error };
}
