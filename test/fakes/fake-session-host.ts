// Owns stand-ins for what runs a session's processes and what watches its API: they note what is asked, and say what the test says.

import type { ApiFact } from '../../src/domain/facts.ts';
import type { AfterRecord, LaunchOrder } from '../../src/gateway/launch-records.ts';
import type { ApiWatch } from '../../src/supervisor/api-watch.ts';
import type { HostListener, KnownRun, Recovery, SessionHost } from '../../src/supervisor/session-host.ts';

export class FakeSessionHost implements SessionHost {
  outlivesAgent = false;
  /** What {@link recover} finds. */
  found: Recovery = { kind: 'nothing' };
  /** What it was told to look for. */
  known: KnownRun | null = null;
  /** Each readiness that was told. */
  readonly readiness: boolean[] = [];
  expected = false;
  working = true;
  /** What was asked, in order: `start cold`, `stop tidy`, `stop-display`, `ask-restart`, `recover`, `close`. */
  readonly asked: string[] = [];
  readonly orders: LaunchOrder[] = [];
  /** Called at the start of `start`, to look at what is on disk by then. */
  onStart: (order: LaunchOrder) => void = () => {};
  readonly #listener: HostListener;
  #pid: number | null = null;

  constructor(listener: HostListener) {
    this.#listener = listener;
  }

  start(order: LaunchOrder): void {
    this.onStart(order);
    this.asked.push(`start ${order.kind}`);
    this.orders.push(order);
    this.#pid = 4_000 + this.orders.length;
    this.#listener({ kind: 'launched', pid: this.#pid });
  }

  stop(how: 'tidy' | 'signal'): void {
    this.asked.push(`stop ${how}`);
  }

  stopDisplay(): void {
    this.asked.push('stop-display');
  }

  async recover(known: KnownRun | null): Promise<Recovery> {
    this.asked.push('recover');
    this.known = known;
    return this.found;
  }

  setReady(ready: boolean): void {
    this.readiness.push(ready);
  }

  expect(soon: boolean): void {
    this.expected = soon;
  }

  isWorking(): boolean {
    return this.working;
  }

  cgroup(): string | null {
    return null;
  }

  askRestart(): void {
    this.asked.push('ask-restart');
  }

  async close(): Promise<void> {
    this.asked.push('close');
  }

  pid(): number | null {
    return this.#pid;
  }

  /** What the JVM writes to stdout. */
  say(...lines: string[]): void {
    for (const text of lines) this.#listener({ kind: 'line', source: 'session', stream: 'stdout', text });
  }

  /** What the launcher or the JVM writes to stderr. */
  complain(text: string, source: 'session' | 'display' = 'session'): void {
    this.#listener({ kind: 'line', source, stream: 'stderr', text });
  }

  /** Ends the run that was started last; as one that was executed unless `change` says otherwise. */
  exit(change: Partial<AfterRecord> = {}): void {
    const order = this.orders.at(-1);
    if (order === undefined) throw new Error('nothing was started');
    this.#pid = null;
    this.#listener({
      kind: 'exited',
      record: {
        v: 1,
        session: order.session,
        orderId: order.id,
        kind: order.kind,
        ibcSessionId: 'abcdefgh',
        status: 0,
        signal: null,
        flags: { coldRestart: false, pause: false },
        autorestart: { tokens: 'none', ageMs: null },
        ...change,
      },
    });
  }

  /** Somebody stops the unit. */
  stopping(): void {
    this.#listener({ kind: 'unit-stopping' });
  }

  exitDisplay(status: number | null = 1, signal: string | null = null): void {
    this.#listener({ kind: 'display-exited', status, signal });
  }

  /** `at`: when it restarts; null: it does not, for `detail`. */
  answerRestart(at: number | null, detail = 'x'): void {
    if (at === null) this.#listener({ kind: 'restart-answer', accepted: false, why: 'failed', detail });
    else this.#listener({ kind: 'restart-answer', accepted: true, at, detail });
  }
}

export class FakeApiWatch implements ApiWatch {
  /** What was asked, in order: `eager`, `patient`, `off`. */
  readonly asked: string[] = [];
  readonly #listener: (fact: ApiFact) => void;

  constructor(listener: (fact: ApiFact) => void) {
    this.#listener = listener;
  }

  watch(eager: boolean): void {
    this.asked.push(eager ? 'eager' : 'patient');
  }

  unwatch(): void {
    this.asked.push('off');
  }

  tell(...facts: ApiFact[]): void {
    for (const fact of facts) this.#listener(fact);
  }

  /** The evidence that makes a logged-in session ready. */
  prove(): void {
    this.tell(
      { kind: 'api-handshake', serverVersion: 178 },
      { kind: 'api-accounts', accounts: ['U1234567'] },
    );
  }
}
