// Owns stand-ins for a session's windows: the watch that its loop has, and the bridge that the real watch has.

import type { Acted, BridgeObservation, PingAnswer } from '../../src/bridge/client.ts';
import {
  BridgeError,
  type BridgeHello,
  type BridgeWindow,
  type Painting,
  type WindowList,
} from '../../src/bridge/protocol.ts';
import type { Fact } from '../../src/domain/facts.ts';
import type { Bridge, CodeField, ResendOutcome, WindowWatch } from '../../src/supervisor/window-watch.ts';

export class FakeWindowWatch implements WindowWatch {
  /** What was asked, in order: `watch`, `unwatch`, `click w1 OK`. */
  readonly asked: string[] = [];
  expected = false;
  windows: readonly BridgeWindow[] = [];
  picture: Painting = { width: 2, height: 1, png: Buffer.from('png') };
  /** What the next click fails with. */
  failure: Error | null = null;
  typed: 'typed' | 'uncertain' = 'typed';
  /** What a resend comes to. */
  resent: ResendOutcome = { kind: 'pressed' };
  /** Choices and resends wait for it. */
  hold: Promise<void> | null = null;
  /** What finding a field, and typing, waits for. */
  busy: Promise<void> = Promise.resolve();
  readonly #listener: (fact: Fact) => void;
  readonly #onGone: () => void;

  constructor(listener: (fact: Fact) => void, onGone: () => void) {
    this.#listener = listener;
    this.#onGone = onGone;
  }

  watch(): void {
    this.asked.push('watch');
  }

  unwatch(): void {
    this.asked.push('unwatch');
  }

  expect(soon: boolean): void {
    this.expected = soon;
  }

  bridge(): null {
    return null;
  }

  async list(): Promise<readonly BridgeWindow[]> {
    return this.windows;
  }

  async click(window: string, button: string): Promise<void> {
    this.asked.push(`click ${window} ${button}`);
    if (this.failure !== null) throw this.failure;
  }

  async choose(window: string, device: string): Promise<void> {
    this.asked.push(`choose ${window} ${device}`);
    if (this.hold !== null) await this.hold;
    if (this.failure !== null) throw this.failure;
  }

  async resend(window: string): Promise<ResendOutcome> {
    this.asked.push(`resend ${window}`);
    if (this.hold !== null) await this.hold;
    return this.resent;
  }

  async paint(): Promise<Painting> {
    return this.picture;
  }

  async codeField(window: string): Promise<CodeField> {
    this.asked.push(`find ${window}`);
    await this.busy;
    if (this.failure !== null) throw this.failure;
    return {
      window,
      title: 'Second Factor Authentication',
      near: null,
      path: '0:f',
      button: '1:b',
      buttonText: 'OK',
    };
  }

  async typeCode(window: string, code: string): Promise<'typed' | 'uncertain'> {
    this.asked.push(`type ${window} ${code}`);
    await this.busy;
    if (this.failure !== null) throw this.failure;
    return this.typed;
  }

  expectCode(window: string): void {
    this.asked.push(`expect ${window}`);
  }

  codeEnded(window: string, handed: boolean): void {
    this.asked.push(`${handed ? 'handed' : 'not handed'} ${window}`);
  }

  tell(...facts: Fact[]): void {
    for (const fact of facts) this.#listener(fact);
  }

  /** The JVM's bridge closed the connection. */
  go(): void {
    this.#onGone();
  }
}

export const HELLO: BridgeHello = { protocol: 1, pid: 4711, java: '17', premainMicros: 1 };

/** Answers what the test has set, each answer in a microtask of its own. */
export class FakeBridge implements Bridge {
  hello: BridgeHello | null = null;
  closed = false;
  showing: readonly BridgeWindow[] = [];
  /** What `ping` answers; an error is thrown. */
  pinged: PingAnswer | BridgeError = { eventThread: 'answers', roundTripMs: 1 };
  /** What the next click fails with. */
  stale: BridgeError | null = null;
  looks = 0;
  readonly selections: Parameters<Bridge['selectRow']>[0][] = [];
  readonly clicks: Parameters<Bridge['click']>[0][] = [];
  /** Codes that were typed, or were to be. */
  readonly codes: Parameters<Bridge['typeCode']>[0][] = [];
  /** What typing a code fails with. */
  codeFailure: BridgeError | null = null;
  readonly #observe: (observation: BridgeObservation) => void;

  constructor(observe: (observation: BridgeObservation) => void) {
    this.#observe = observe;
  }

  connect(): void {}

  close(): void {
    this.closed = true;
    this.hello = null;
  }

  async windows(options: { readonly window?: string } = {}): Promise<WindowList> {
    this.looks += 1;
    if (this.hello === null) throw new BridgeError('not-connected', 'no');
    const { window } = options;
    const windows = this.showing.filter(({ id }) => window === undefined || id === window);
    return { awt: 'running', windows, truncated: false };
  }

  async ping(): Promise<PingAnswer> {
    if (this.pinged instanceof BridgeError) throw this.pinged;
    return this.pinged;
  }

  async click(target: Parameters<Bridge['click']>[0]): Promise<Acted> {
    this.clicks.push(target);
    if (this.stale !== null) throw this.stale;
    return { returned: true };
  }

  async paint(): Promise<Painting> {
    return { width: 1, height: 1, png: Buffer.from('png') };
  }

  async typeCode(target: Parameters<Bridge['typeCode']>[0]): Promise<Acted> {
    this.codes.push(target);
    if (this.codeFailure !== null) throw this.codeFailure;
    return { returned: true };
  }

  async selectRow(target: Parameters<Bridge['selectRow']>[0]): Promise<Acted> {
    this.selections.push(target);
    return { returned: true };
  }

  open(): void {
    this.hello = HELLO;
    this.#observe({ kind: 'open', hello: HELLO });
  }

  observe(observation: BridgeObservation): void {
    if (observation.kind === 'closed') this.hello = null;
    this.#observe(observation);
  }

  /** Something changed in the windows. */
  change(...windows: readonly BridgeWindow[]): void {
    this.showing = windows;
    const event = { kind: 'window', change: 'shown', window: 'w1', className: 'x', title: 'x' } as const;
    this.#observe({ kind: 'event', event });
  }
}
