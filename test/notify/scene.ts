// Owns what the tests of notifications share: a small HTTP server that remembers, a notifier with its secrets, and events.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkConfigText } from '../../src/config/load.ts';
import { notifySecretReader } from '../../src/config/notify-secrets.ts';
import { type AgentEvent, completeEvent, type EventDraft } from '../../src/events/catalogue.ts';
import { type Clock, SystemClock } from '../../src/host/clock.ts';
import { Notifier } from '../../src/notify/notifier.ts';

export type Got = {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

/** A server on loopback; `answer` says what each request gets, by default 200. */
export class Sink {
  readonly got: Got[] = [];
  /** How many requests were being answered at the same time, at most. */
  most = 0;
  #open = 0;
  readonly #server: Server;

  constructor(answer: (response: ServerResponse, count: number) => void = (response) => response.end('ok')) {
    this.#server = createServer((request, response) => {
      this.#open += 1;
      this.most = Math.max(this.most, this.#open);
      response.on('close', () => {
        this.#open -= 1;
      });
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        this.got.push({ method, path: url, headers, body: Buffer.concat(chunks).toString() });
        answer(response, this.got.length);
      });
    });
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get origin(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('it does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  json(index = 0): Record<string, unknown> {
    return JSON.parse(this.got[index]?.body ?? 'null');
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

export type Warning = { readonly fields: Readonly<Record<string, unknown>>; readonly message: string };

export class Scene {
  readonly directory = mkdtempSync(join(tmpdir(), 'notify-'));
  readonly warnings: Warning[] = [];
  readonly said: { readonly draft: EventDraft; readonly session: string | null }[] = [];
  readonly #notifiers: Notifier[] = [];
  readonly #sinks: Sink[] = [];

  async sink(answer?: ConstructorParameters<typeof Sink>[0]): Promise<Sink> {
    const sink = await new Sink(answer).start();
    this.#sinks.push(sink);
    return sink;
  }

  secret(name: string, value: string): void {
    writeFileSync(join(this.directory, name), value, { mode: 0o400 });
  }

  /** `targets` is what stands under notify: in the configuration. */
  notifier(targets: Readonly<Record<string, unknown>>, clock: Clock = new SystemClock()): Notifier {
    const yaml = JSON.stringify({ notify: targets, sessions: {} });
    const notifier = new Notifier({
      targets: checkConfigText(yaml, join(this.directory, 'ib-agent.yaml')).notify.targets,
      read: notifySecretReader({
        credentialsDirectory: undefined,
        secretsDir: this.directory,
        uid: process.getuid?.() ?? 0,
      }),
      clock,
      // The shortest waits.
      random: () => 0,
      host: 'trader1',
      sampleSession: 'live',
      warn: (fields, message) => this.warnings.push({ fields, message }),
      say: (draft, session) => this.said.push({ draft, session }),
    });
    this.#notifiers.push(notifier);
    return notifier;
  }

  /** Everything that a person or the journal could get to see. */
  get told(): string {
    return JSON.stringify([this.warnings, this.said]);
  }

  async remove(): Promise<void> {
    await Promise.all(this.#notifiers.map((notifier) => notifier.stop(0)));
    for (const sink of this.#sinks) sink.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function halted(reason = 'paused', detail = 'the reason'): AgentEvent {
  return completeEvent(
    { event: 'session-halted', fields: { IB_DETAIL: detail }, reason, hint: 'run: ibctl login live' },
    { at: Date.UTC(2026, 10, 23, 9, 0, 0), session: 'live', state: 'halted', previousState: 'ready' },
  );
}

/** A second factor that must be answered within `leftMs` from now. */
export function pushed(attempt: number, leftMs: number): AgentEvent {
  const now = Date.now();
  return completeEvent(
    {
      event: 'second-factor-pending',
      fields: {
        IB_METHOD: 'ib-key',
        IB_ATTEMPT: String(attempt),
        IB_DEADLINE: new Date(now + leftMs).toISOString(),
        IB_CHALLENGE: '',
        IB_DEVICES: '',
        IB_DETAIL: '',
      },
      reason: 'second-factor-pending',
      hint: 'approve the IBKR Mobile notification',
    },
    { at: now, session: 'live', state: 'awaiting-second-factor', previousState: 'logging-in' },
  );
}

/** Waits until the check is true; fails after a generous time. */
export async function until(what: string, check: () => boolean): Promise<void> {
  const end = performance.now() + 30_000;
  while (!check()) {
    if (performance.now() > end) throw new Error(`it did not come: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
