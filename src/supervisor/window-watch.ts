// Owns the windows of one session as its rules want them: seen through the bridge, known by the dialog rules, told as facts once each.

import type { BridgeClient, BridgeObservation } from '../bridge/client.ts';
import { BridgeError, type BridgeWindow, isUncertain, type Painting } from '../bridge/protocol.ts';
import { CLOSE_WORDS } from '../bridge/visit.ts';
import type { SessionConfig } from '../config/types.ts';
import { quoteDevices } from '../domain/device-choice.ts';
import { canHoldUp, type DialogRule, findAnswer, findResend, knowDialog } from '../domain/dialogs.ts';
import type { GatewayFact } from '../domain/facts.ts';
import { lookAt } from '../domain/seen-window.ts';
import type { Clock, Timer } from '../host/clock.ts';
import { AgentError } from '../protocol/errors.ts';
import { maskAccounts } from '../protocol/mask.ts';

/** What is used of the bridge's client. */
export type Bridge = Pick<
  BridgeClient,
  'connect' | 'close' | 'hello' | 'windows' | 'ping' | 'click' | 'paint' | 'typeCode' | 'selectRow'
>;

export interface WindowWatch {
  /** A JVM is coming up or is there: connects, and stays connected. */
  watch(): void;
  /** That JVM is gone; no fact follows. */
  unwatch(): void;
  /** Whether something is expected to change soon, so that it is worth looking often. */
  expect(soon: boolean): void;
  /** The bridge that is connected, for what is typed into a window; null when there is none. */
  bridge(): Bridge | null;
  /** The showing windows. Throws AgentError `windows-unseen`. */
  list(): Promise<readonly BridgeWindow[]>;
  /**
   * Presses the one button of this text in a window, but none that rings the phone. Throws AgentError `windows-unseen`, `window-changed` or
   * `wrong-state`.
   */
  click(window: string, button: string): Promise<void>;
  /**
   * Chooses the one entry of this text in a window that is a device list. Throws AgentError `windows-unseen`, `window-changed` or
   * `unknown-device`.
   */
  choose(window: string, device: string): Promise<void>;
  /** Presses the button of a push's window that sends it again. Never rejects with an AgentError: the outcome says it. */
  resend(window: string): Promise<ResendOutcome>;
  /** Throws AgentError `windows-unseen` or `window-changed`. */
  paint(window: string): Promise<Painting>;
  /** Where a window takes a code. Throws AgentError `windows-unseen` or `window-changed`. */
  codeField(window: string): Promise<CodeField>;
  /**
   * Types a code and hands it in. `uncertain`: it may have been handed in. Throws AgentError `windows-unseen` or `window-changed` when it
   * certainly was not.
   */
  typeCode(window: string, code: string): Promise<'typed' | 'uncertain'>;
  /** A code is about to be typed there: what the window says of an earlier one is no answer to it. */
  expectCode(window: string): void;
  /** It was handed in, or was not. */
  codeEnded(window: string, handed: boolean): void;
}

/** A field for a code, the button that hands it in, and what must still show then. */
export type CodeField = {
  readonly window: string;
  readonly title: string;
  readonly near: string | null;
  readonly path: string;
  readonly button: string;
  readonly buttonText: string;
};
/** `not-pressed` is certain, `uncertain` is neither; both say why. */
export type ResendOutcome =
  | { readonly kind: 'pressed' }
  | { readonly kind: 'not-pressed' | 'uncertain'; readonly error: AgentError };

export type WindowWatchParts = {
  readonly config: Pick<SessionConfig, 'dialogs'>;
  readonly clock: Clock;
  readonly listener: (fact: GatewayFact) => void;
  /** The connection to a JVM that was there has ended. Only a hint: what became of the JVM, the host says. */
  readonly onGone: () => void;
  readonly makeBridge: (observe: (observation: BridgeObservation) => void) => Bridge;
};

const SOON_MS = 1_500;
const SELDOM_MS = 30_000;
/** After a change: a window's texts are often set just after it has opened. */
const SETTLE_MS = 150;
const PING_MS = 10_000;
const PING_TIMEOUT_MS = 2_000;
const MISSES_UNTIL_FROZEN = 3;
/** A JVM opens its bridge before the gateway begins; the launcher waits for the display before that. */
const ABSENT_AFTER_MS = 60_000;
/** A connection that ended is most often the JVM's end, which its host tells within this time. */
const LOST_AFTER_MS = 15_000;
const MOST_ROWS = 50;
/** A message that stands there so long after another code was handed in is about that one. */
const STALE_MS = 10_000;
const HANDS_IN = /^(?:ok|submit|continue|confirm|verify|log ?in|next)$/i;

const EAGER_RETRY_MS = 200;
const EAGER_RETRIES = 300;
const PATIENT_RETRY_MS = 5_000;

/**
 * Milliseconds until the next attempt to connect: for a minute a JVM may be coming up, and its first windows must not be missed; a later one
 * has no bridge, or is gone.
 */
export function bridgeRetryMs(failures: number): number {
  return failures <= EAGER_RETRIES ? EAGER_RETRY_MS : PATIENT_RETRY_MS;
}

/** A showing window and what was told of it. */
type Known = {
  rule: DialogRule | null;
  /** Monotonic milliseconds. */
  since: number;
  /** Kind of fact → what was told last. */
  readonly told: Map<GatewayFact['kind'], string>;
  secondFactor: boolean;
  waiting: boolean;
  answered: boolean;
  /** What was said of earlier codes while another one is under way; monotonic milliseconds until which it means nothing, null: for now. */
  stale: Stale | null;
};

/** `text` undefined: whatever it says first, of a window that was not seen before. */
type Stale = { text: string | null | undefined; untilMs: number | null };

export class BridgeWindowWatch implements WindowWatch {
  readonly #parts: WindowWatchParts;
  readonly #known = new Map<string, Known>();
  /** Of windows that are not seen yet, as after a restart of the agent: a code is under way there. */
  readonly #expected = new Map<string, Stale>();
  /** Window into which a code is being typed. */
  #typing: string | null = null;
  #bridge: Bridge | null = null;
  #pid: number | null = null;
  #soon = false;
  #next: Timer | null = null;
  #nextAt = Number.POSITIVE_INFINITY;
  #pings: Timer | null = null;
  #absent: Timer | null = null;
  #why = 'no answer';
  #looking = false;
  #again = false;
  #misses = 0;
  #frozen = false;
  #lastAnswerMs = 0;

  constructor(parts: WindowWatchParts) {
    this.#parts = parts;
  }

  watch(): void {
    if (this.#bridge !== null) return;
    const bridge = this.#parts.makeBridge((observation) => {
      if (this.#bridge === bridge) this.#observe(observation);
    });
    this.#bridge = bridge;
    this.#expectBridge(ABSENT_AFTER_MS);
    this.#pings = this.#parts.clock.every(PING_MS, () => void this.#ping());
    bridge.connect();
  }

  unwatch(): void {
    const bridge = this.#bridge;
    this.#bridge = null;
    bridge?.close();
    for (const timer of [this.#next, this.#pings, this.#absent]) timer?.cancel();
    this.#next = null;
    this.#nextAt = Number.POSITIVE_INFINITY;
    this.#pings = null;
    this.#absent = null;
    this.#pid = null;
    this.#known.clear();
    // What is expected of a JVM that is about to be watched stays.
    if (bridge !== null) this.#expected.clear();
    this.#looking = false;
    this.#again = false;
    this.#misses = 0;
    this.#frozen = false;
    this.#why = 'no answer';
  }

  expect(soon: boolean): void {
    const more = soon && !this.#soon;
    this.#soon = soon;
    if (more && this.#isOpen()) this.#lookIn(0);
  }

  bridge(): Bridge | null {
    return this.#bridge !== null && this.#bridge.hello !== null ? this.#bridge : null;
  }

  async list(): Promise<readonly BridgeWindow[]> {
    return await this.#asked(async (bridge) => (await bridge.windows({ rows: MOST_ROWS })).windows);
  }

  async click(window: string, button: string): Promise<void> {
    await this.#asked(async (bridge) => {
      const there = await lookAgain(bridge, window);
      const { clickable } = lookAt(there);
      const matching = clickable.filter(({ text }) => text.trim() === button.trim());
      const [found] = matching;
      if (found === undefined || matching.length > 1) {
        const texts = clickable.map(({ text }) => JSON.stringify(text.trim())).join(', ');
        throw changed(
          `window ${window} has ${found === undefined ? 'no' : 'more than one'} button ${JSON.stringify(button)}`,
          clickable.length === 0 ? 'it has no button that can be pressed' : `its buttons: ${texts}`,
        );
      }
      const rule = knowDialog(there);
      if (rule !== null && findResend(rule, there)?.path === found.path) {
        throw new AgentError('wrong-state', 'this button rings the phone, which has to be counted', {
          hint: 'use: ibctl second-factor resend',
        });
      }
      await bridge.click({ window, ...found, expect: expectationOf(there) });
    });
    this.#lookIn(SETTLE_MS);
  }

  async choose(window: string, device: string): Promise<void> {
    await this.#asked(async (bridge) => {
      const there = await lookAgain(bridge, window);
      if (knowDialog(there)?.id !== 'second-factor-devices')
        throw changed(`window ${window} is no device list any more`);
      const { path, row, text } = findDevice(there, device);
      const expect = expectationOf(there);
      await bridge.selectRow({ window, path, row, text, expect });
      // A button may become one that can be pressed only once a row is chosen.
      const buttons = lookAt(await lookAgain(bridge, window)).clickable;
      const [ok, ...others] = buttons.filter((button) => button.text.trim().toLowerCase() === 'ok');
      if (ok === undefined || others.length > 0)
        throw changed(`window ${window} has ${ok === undefined ? 'no' : 'more than one'} button OK`);
      await bridge.click({ window, ...ok, expect });
    });
    this.#lookIn(SETTLE_MS);
  }

  async resend(window: string): Promise<ResendOutcome> {
    let pressing = false;
    try {
      await this.#asked(async (bridge) => {
        const there = await lookAgain(bridge, window);
        const rule = knowDialog(there);
        const button = rule === null ? null : findResend(rule, there);
        if (button === null) {
          const texts = lookAt(there).clickable.map(({ text }) => JSON.stringify(text.trim()));
          throw changed(
            `window ${window} has no button that sends the notification again`,
            texts.length === 0 ? undefined : `its buttons: ${texts.join(', ')}`,
          );
        }
        pressing = true;
        await bridge.click({ window, ...button, expect: expectationOf(there) });
      });
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      const { cause } = error;
      const certain = !pressing || (cause instanceof BridgeError && !isUncertain(cause.code));
      return { kind: certain ? 'not-pressed' : 'uncertain', error };
    }
    this.#lookIn(SETTLE_MS);
    return { kind: 'pressed' };
  }

  paint(window: string): Promise<Painting> {
    return this.#asked((bridge) => bridge.paint(window));
  }

  codeField(window: string): Promise<CodeField> {
    return this.#asked((bridge) => this.#findCodeField(bridge, window));
  }

  async typeCode(window: string, code: string): Promise<'typed' | 'uncertain'> {
    return await this.#asked(async (bridge) => {
      const { title, near, path, button, buttonText } = await this.#findCodeField(bridge, window);
      const expect = near === null ? { title } : { title, near };
      try {
        await bridge.typeCode({ window, path, expect, code, button, buttonText });
        return 'typed';
      } catch (error) {
        if (error instanceof BridgeError && isUncertain(error.code)) return 'uncertain';
        throw error;
      }
    });
  }

  expectCode(window: string): void {
    const known = this.#known.get(window);
    if (known === undefined) this.#expected.set(window, { text: undefined, untilMs: null });
    else known.stale = { text: known.told.get('second-factor-code-rejected') ?? null, untilMs: null };
    this.#typing = window;
  }

  codeEnded(window: string, handed: boolean): void {
    this.#typing = null;
    // Messages that came meanwhile, in windows of their own.
    for (const other of this.#known.values()) {
      if (other.stale?.untilMs === null) other.stale.untilMs = this.#parts.clock.monotonicMs() + STALE_MS;
    }
    const known = this.#known.get(window);
    const stale = known?.stale ?? this.#expected.get(window) ?? null;
    if (stale === null) return;
    stale.untilMs = this.#parts.clock.monotonicMs() + STALE_MS;
    if (!handed) this.#expected.delete(window);
    if (!handed && known !== undefined) known.stale = null;
    this.#lookIn(SETTLE_MS);
  }

  async #findCodeField(bridge: Bridge, window: string): Promise<CodeField> {
    const there = await lookAgain(bridge, window);
    const { fields, clickable } = lookAt(there);
    const [path, another] = fields;
    if (another !== undefined) {
      throw changed(
        `window ${window} has ${fields.length} fields, and a code belongs into one`,
        'choose another device for this login: ibctl login --device; ibctl windows shows what it asks',
      );
    }
    const button = clickable.find(({ text }) => HANDS_IN.test(text.trim()));
    if (path === undefined || button === undefined)
      throw changed(
        `window ${window} has no ${path === undefined ? 'field for a code' : 'button to hand it in'}`,
      );
    const { title, near = null } = expectationOf(there);
    return { window, title, near, path, button: button.path, buttonText: button.text };
  }

  #isOpen(): boolean {
    return this.bridge() !== null;
  }

  async #asked<T>(work: (bridge: Bridge) => Promise<T>): Promise<T> {
    const bridge = this.bridge();
    if (bridge === null) {
      throw new AgentError(
        'windows-unseen',
        this.#bridge === null ? 'no gateway runs' : `the window bridge cannot be reached (${this.#why})`,
        { hint: this.#bridge === null ? 'ibctl status says how the session is' : 'see: ibctl status' },
      );
    }
    try {
      return await work(bridge);
    } catch (error) {
      throw error instanceof BridgeError ? toAgentError(error) : error;
    }
  }

  #observe(observation: BridgeObservation): void {
    switch (observation.kind) {
      case 'unreachable':
        this.#why = observation.code;
        return;
      case 'open':
        if (this.#pid !== observation.hello.pid) this.#known.clear();
        this.#pid = observation.hello.pid;
        this.#absent?.cancel();
        this.#absent = null;
        this.#misses = 0;
        this.#lastAnswerMs = this.#parts.clock.monotonicMs();
        this.#parts.listener({ kind: 'bridge', up: true, detail: '' });
        this.#lookIn(0);
        return;
      case 'event':
        this.#lookIn(0);
        return;
      case 'closed':
        this.#why = CLOSE_WORDS[observation.reason];
        if (observation.reason !== 'ended') this.#tellAbsent();
        if (!observation.wasOpen) return;
        this.#next?.cancel();
        this.#nextAt = Number.POSITIVE_INFINITY;
        this.#misses = 0;
        if (observation.reason === 'ended') this.#expectBridge(LOST_AFTER_MS);
        this.#parts.onGone();
        return;
    }
  }

  #expectBridge(withinMs: number): void {
    this.#absent?.cancel();
    this.#absent = this.#parts.clock.after(withinMs, () => this.#tellAbsent());
  }

  #tellAbsent(): void {
    this.#absent?.cancel();
    this.#absent = null;
    this.#frozen = false;
    // What was open is not known any more; when it is seen again, it is told again.
    this.#known.clear();
    this.#parts.listener({ kind: 'bridge', up: false, detail: this.#why });
  }

  // --- looking ---------------------------------------------------------------------------------------------------------

  #lookIn(delayMs: number): void {
    const { clock } = this.#parts;
    const at = clock.monotonicMs() + delayMs;
    if (this.#bridge === null || at >= this.#nextAt) return;
    this.#next?.cancel();
    this.#nextAt = at;
    this.#next = clock.after(delayMs, () => {
      this.#nextAt = Number.POSITIVE_INFINITY;
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    const bridge = this.bridge();
    if (bridge === null) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    this.#again = false;
    let due = this.#soon ? SOON_MS : SELDOM_MS;
    try {
      const { windows } = await bridge.windows({ rows: MOST_ROWS });
      if (this.#bridge !== bridge) return;
      due = Math.min(due, this.#judge(bridge, windows));
    } catch (error) {
      if (this.#bridge !== bridge) return;
      // Frozen, or going down: the ping and the host tell. A window that changed while it was answered is looked at again.
      if (!(error instanceof BridgeError)) throw error;
    }
    this.#looking = false;
    this.#lookIn(this.#again ? SETTLE_MS : due);
  }

  /** Milliseconds until one of the windows has waited long enough to be told. */
  #judge(bridge: Bridge, windows: readonly BridgeWindow[]): number {
    const { clock, listener } = this.#parts;
    const now = clock.monotonicMs();
    const gone = new Map(this.#known);
    for (const window of windows) gone.delete(window.id);
    // What closed comes first: a code's window that opens again is another one.
    for (const [id, known] of gone) {
      this.#known.delete(id);
      if (known.secondFactor) listener({ kind: 'second-factor-closed', window: id });
      if (known.waiting) listener(waitingFact(id, null));
    }
    let due = Number.POSITIVE_INFINITY;
    for (const window of windows) {
      const rule = knowDialog(window);
      const known = this.#knownFor(window.id, rule, now);
      for (const fact of rule?.facts?.(lookAt(window)) ?? []) this.#tell(known, fact);
      if (this.#bridge !== bridge) return due;
      if (rule !== null && !known.answered) this.#answer(bridge, rule, window, known);
      const left = this.#leftUntilTold(window, known, now);
      if (left === null) {
        if (known.waiting) listener(waitingFact(window.id, null));
        known.waiting = false;
      } else if (left > 0) due = Math.min(due, left);
      else {
        known.waiting = true;
        this.#tell(known, waitingFact(window.id, window));
      }
      if (this.#bridge !== bridge) return due;
    }
    return due;
  }

  #knownFor(id: string, rule: DialogRule | null, now: number): Known {
    const before = this.#known.get(id);
    if (before !== undefined && before.rule === rule) return before;
    const known: Known = before ?? {
      rule,
      since: now,
      told: new Map(),
      secondFactor: false,
      waiting: false,
      answered: false,
      // What another window says while a code is on its way is about the one before.
      stale:
        this.#expected.get(id) ??
        (this.#typing === null || this.#typing === id ? null : { text: undefined, untilMs: null }),
    };
    this.#expected.delete(id);
    known.rule = rule;
    known.since = now;
    this.#known.set(id, known);
    return known;
  }

  /** Null: it may stay open. */
  #leftUntilTold(window: BridgeWindow, known: Known, now: number): number | null {
    const { rule, since } = known;
    if (rule === null) return canHoldUp(window) ? 0 : null;
    return rule.waitsMs === null ? null : Math.max(0, since + rule.waitsMs - now);
  }

  #tell(known: Known, fact: GatewayFact): void {
    const text = JSON.stringify(fact);
    if (fact.kind === 'second-factor-code-rejected' && known.stale !== null) {
      const { stale } = known;
      if (stale.text === undefined) stale.text = text;
      const old = stale.text === text;
      if (old && (stale.untilMs === null || this.#parts.clock.monotonicMs() < stale.untilMs)) return;
      if (old) known.told.delete(fact.kind);
      known.stale = null;
    }
    if (known.told.get(fact.kind) === text) return;
    known.told.set(fact.kind, text);
    if (fact.kind === 'second-factor-shown') known.secondFactor = true;
    this.#parts.listener(fact);
  }

  /** Once a window; should it have changed meanwhile, nothing is pressed. */
  #answer(bridge: Bridge, rule: DialogRule, window: BridgeWindow, known: Known): void {
    const { config, listener } = this.#parts;
    if (rule.click === null || !config.dialogs.answer.includes(rule.click.setting)) return;
    const button = findAnswer(rule, window);
    if (button === null) return;
    known.answered = true;
    bridge.click({ window: window.id, ...button, expect: expectationOf(window) }).then(
      () => {
        if (this.#bridge === bridge)
          listener({ kind: 'dialog-answered', rule: rule.id, title: window.title, button: button.text });
      },
      (error: unknown) => {
        // Still there at the next look, it is tried again; else it is gone as it should be.
        if (error instanceof BridgeError) known.answered = false;
        else throw error;
      },
    );
  }

  // --- the event thread ------------------------------------------------------------------------------------------------

  async #ping(): Promise<void> {
    const bridge = this.bridge();
    if (bridge === null) return;
    const { clock, listener } = this.#parts;
    let silentMs: number | null = null;
    try {
      const answer = await bridge.ping(PING_TIMEOUT_MS);
      if (answer.eventThread === 'frozen') silentMs = answer.frozenMs;
    } catch (error) {
      if (!(error instanceof BridgeError)) throw error;
      // Without a connection there is nothing to be said of it.
      if (error.code !== 'no-answer') return;
      silentMs = clock.monotonicMs() - this.#lastAnswerMs;
    }
    if (this.#bridge !== bridge) return;
    if (silentMs === null) {
      this.#lastAnswerMs = clock.monotonicMs();
      this.#misses = 0;
      if (!this.#frozen) return;
      this.#frozen = false;
      listener({ kind: 'gui-responsive' });
      this.#lookIn(0);
      return;
    }
    this.#misses += 1;
    if (this.#misses < MISSES_UNTIL_FROZEN || this.#frozen) return;
    this.#frozen = true;
    listener({ kind: 'gui-frozen', sinceMs: Math.round(silentMs) });
  }
}

/** The fact that a window waits for somebody, or does no more. */
function waitingFact(id: string, window: BridgeWindow | null): GatewayFact {
  if (window === null) {
    return { kind: 'unknown-dialog', window: id, title: '', text: '', buttons: [], open: false };
  }
  const { says, clickable } = lookAt(window);
  return {
    kind: 'unknown-dialog',
    window: id,
    title: maskAccounts(window.title.trim()),
    text: says,
    buttons: clickable.map(({ text }) => maskAccounts(text.trim())),
    open: true,
  };
}

async function lookAgain(bridge: Bridge, window: string): Promise<BridgeWindow> {
  const { windows } = await bridge.windows({ window, rows: MOST_ROWS });
  const there = windows.find(({ id }) => id === window);
  if (there === undefined) throw changed(`there is no window ${window} any more`);
  return there;
}

/** The row of a device list, by its text without the blanks around it, or by what is shown of it where something is masked. */
function findDevice(
  window: BridgeWindow,
  device: string,
): { readonly path: string; readonly row: number; readonly text: string } {
  const list = window.components.find(
    ({ visible, rows }) => visible && rows !== null && rows.texts.length > 0,
  );
  const shown = lookAt(window).rows ?? [];
  const texts = list?.rows?.texts ?? [];
  const exact = texts.flatMap((text, row) => (text?.trim() === device ? [row] : []));
  const rows = exact.length > 0 ? exact : shown.flatMap((text, row) => (text === device ? [row] : []));
  const [row, ...others] = rows;
  const text = row === undefined ? null : texts[row];
  if (list === undefined || row === undefined || text == null || others.length > 0) {
    throw new AgentError(
      'unknown-device',
      `the device list has ${others.length > 0 ? 'more than one entry' : 'no entry'} ${JSON.stringify(device)}; it has: ${quoteDevices(shown)}`,
      { hint: 'write it exactly as it stands there, capital letters too' },
    );
  }
  return { path: list.path, row, text };
}

/** What must still be there when a button is pressed: the title, and the first text that the window shows. */
function expectationOf(window: BridgeWindow): { readonly title: string; readonly near?: string } {
  const said = new Set(lookAt(window).lines);
  const near = window.components.find(
    ({ text, visible, editable, masked }) =>
      visible && !editable && !masked && text !== null && said.has(maskAccounts(text.trim())),
  )?.text;
  return { title: window.title, ...(near == null ? {} : { near }) };
}

function changed(message: string, hint = 'see what shows now: ibctl windows'): AgentError {
  return new AgentError('window-changed', message, { hint });
}

function toAgentError(error: BridgeError): AgentError {
  switch (error.code) {
    case 'stale':
    case 'not-found':
    case 'wrong-kind':
    case 'disabled':
      return new AgentError('window-changed', `nothing was done: ${error.message}`, {
        hint: 'see what shows now: ibctl windows',
        cause: error,
      });
    case 'frozen':
      return new AgentError('windows-unseen', "the gateway's windows do not react", {
        hint: 'ibctl status says for how long; ibctl restart --cold ends it',
        cause: error,
      });
    default:
      return new AgentError('windows-unseen', `the window bridge failed: ${error.message}`, {
        hint: 'try again; ibctl status says how the session is',
        cause: error,
      });
  }
}
