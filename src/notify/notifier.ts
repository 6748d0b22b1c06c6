// Owns the telling of events to people and programs elsewhere: one lane for each target, tests of them, and their state for who asks.

import { type ReadNotifySecret, secretNamesOf } from '../config/notify-secrets.ts';
import type { NotifyForm, NotifyTarget } from '../config/types.ts';
import { notePending, type PendingFactors } from '../domain/notify-rules.ts';
import type { AgentEvent, EventDraft, EventName } from '../events/catalogue.ts';
import { NOTIFIABLE_EVENTS } from '../events/notifiable.ts';
import { type Clock, delay, isoTime } from '../host/clock.ts';
import { AgentError } from '../protocol/errors.ts';
import type { NotifyTargetStatus, NotifyTestResult } from '../protocol/methods.ts';
import { findNearest } from '../protocol/nearest.ts';
import { makeDeliver } from './deliver.ts';
import { Lane, type LaneFate } from './lane.ts';
import { failed, type Result } from './result.ts';
import { sampleEvent } from './samples.ts';

export type NotifierParts = {
  readonly targets: readonly NotifyTarget[];
  readonly read: ReadNotifySecret;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Name of this host. */
  readonly host: string;
  /** Session that samples are about; null where none is configured. */
  readonly sampleSession: string | null;
  readonly warn: (fields: Readonly<Record<string, unknown>>, message: string) => void;
  /** Tells an event of the notifier's own, about a session or the agent. */
  readonly say: (draft: EventDraft, session: string | null) => void;
};

/** Why a secret cannot be read, and what to do. */
type SecretProblem = { readonly message: string; readonly hint: string };

const DEFAULT_SAMPLE: EventName = 'second-factor-pending';

/** Tells every target what it wants to be told. Nothing here delays or fails its caller. */
export class Notifier {
  readonly #parts: NotifierParts;
  readonly #lanes: readonly Lane[];
  readonly #tests = new AbortController();
  #pending: PendingFactors = new Map();

  constructor(parts: NotifierParts) {
    this.#parts = parts;
    const { clock, random, host, warn, read } = parts;
    const deliver = makeDeliver({ read, clock });
    this.#lanes = parts.targets.map(
      (target) =>
        new Lane({
          target,
          deliver,
          clock,
          random,
          host,
          warn,
          pending: () => this.#pending,
          onGivenUp: (event, failure) =>
            parts.say(
              {
                event: 'notify-failed',
                fields: { IB_TARGET: target.name, IB_ABOUT: event.event, IB_DETAIL: failure.message },
                ...(failure.hint === '' ? {} : { hint: failure.hint }),
              },
              event.session,
            ),
        }),
    );
  }

  /** Says in the log which secrets cannot be read; they may come later. */
  checkSecrets(): void {
    for (const { name, form } of this.#parts.targets) {
      for (const problem of this.#problemsOf(form)) {
        this.#parts.warn(
          { target: name, hint: problem.hint },
          `notifications to ${name} cannot be sent: ${problem.message}`,
        );
      }
    }
  }

  /** Takes an event; returns at once. */
  offer(event: AgentEvent): void {
    this.#pending = notePending(this.#pending, event);
    for (const lane of this.#lanes) lane.offer(event);
  }

  /**
   * Sends a sample to the target of this name, or to all, now and once. Throws an AgentError: `unknown-target`, or
   * `invalid-params` for an event that does not exist.
   */
  async test(options: {
    readonly target?: string | undefined;
    readonly event?: string | undefined;
    readonly signal: AbortSignal;
  }): Promise<readonly NotifyTestResult[]> {
    const chosen = this.#chooseTargets(options.target);
    const event = chooseEvent(options.event ?? DEFAULT_SAMPLE);
    const { clock, host, read, sampleSession } = this.#parts;
    const signal = AbortSignal.any([options.signal, this.#tests.signal]);
    const deliver = makeDeliver({ read, clock });
    return await Promise.all(
      chosen.map(async ({ target }): Promise<NotifyTestResult> => {
        const start = clock.monotonicMs();
        // A session that the target hears of, so that the sample is what it would get.
        const session = target.sessions?.[0] ?? sampleSession;
        const notice = { event: sampleEvent(event, session, clock.now()), host, test: true };
        const problem = this.#problemsOf(target.form)[0];
        const result: Result =
          problem === undefined
            ? await deliver(target, notice, signal)
            : failed(problem.message, problem.hint);
        return {
          target: target.name,
          type: target.form.kind,
          ok: result.ok,
          httpStatus: result.httpStatus,
          ms: Math.round(clock.monotonicMs() - start),
          message: result.ok ? 'sent' : result.message,
          hint: result.ok ? '' : result.hint,
        };
      }),
    );
  }

  list(): readonly NotifyTargetStatus[] {
    return this.#lanes.map((lane): NotifyTargetStatus => {
      const { target } = lane;
      return {
        name: target.name,
        type: target.form.kind,
        to: placeOf(target.form),
        events: target.events === '*' ? ['*'] : [...target.events],
        sessions: target.sessions === null ? null : [...target.sessions],
        leastPriority: target.leastPriority,
        secrets: secretNamesOf(target.form).map((name) => {
          const problem = this.#problemOf(name);
          return { name, ok: problem === null, problem: problem?.message ?? '', hint: problem?.hint ?? '' };
        }),
        waiting: lane.waiting,
        dropped: lane.dropped,
        lastSent: fateOf(lane.lastSent),
        lastFailed: fateOf(lane.lastFailed),
      };
    });
  }

  /** Waits until all is sent, but no longer than this; what is left then is forgotten. */
  async stop(longestMs: number): Promise<void> {
    const over = new AbortController();
    const idle = Promise.all(this.#lanes.map((lane) => lane.idle()));
    await Promise.race([idle, delay(this.#parts.clock, longestMs, over.signal).catch(() => undefined)]);
    over.abort();
    this.#tests.abort(new Error('the agent stops'));
    for (const lane of this.#lanes) lane.abort();
  }

  #chooseTargets(name: string | undefined): readonly Lane[] {
    const names = this.#lanes.map(({ target }) => target.name);
    if (names.length === 0) {
      throw new AgentError('unknown-target', 'no target of notifications is configured', {
        hint: 'add one under notify in the configuration, then restart the agent; docs/notifications.md has examples',
      });
    }
    if (name === undefined) return this.#lanes;
    const found = this.#lanes.filter(({ target }) => target.name === name);
    if (found.length > 0) return found;
    const nearest = findNearest(name, names);
    throw new AgentError('unknown-target', `there is no target ${JSON.stringify(name)}`, {
      hint: nearest === null ? `configured: ${names.join(', ')}` : `did you mean ${nearest}?`,
    });
  }

  #problemsOf(form: NotifyForm): readonly SecretProblem[] {
    return secretNamesOf(form)
      .map((name) => this.#problemOf(name))
      .filter((problem) => problem !== null);
  }

  #problemOf(secret: string): SecretProblem | null {
    try {
      this.#parts.read(secret);
      return null;
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      return { message: error.message.replace(/\.$/, ''), hint: error.hint ?? '' };
    }
  }
}

function chooseEvent(name: string): EventName {
  const known = NOTIFIABLE_EVENTS.find((event) => event === name);
  if (known !== undefined) return known;
  const nearest = findNearest(name, NOTIFIABLE_EVENTS);
  throw new AgentError(
    'invalid-params',
    `there is no event ${JSON.stringify(name.slice(0, 64))} to notify of`,
    {
      hint: nearest === null ? 'docs/events.md lists them' : `did you mean ${nearest}?`,
    },
  );
}

function fateOf(fate: LaneFate | null): NotifyTargetStatus['lastSent'] {
  return fate === null ? null : { at: isoTime(fate.at), event: fate.event, message: fate.message };
}

/** Where it goes, as far as that is no secret. */
function placeOf(form: NotifyForm): string {
  switch (form.kind) {
    case 'ntfy':
    case 'telegram':
      return new URL(form.server).host;
    case 'slack':
      return '';
    case 'webhook':
      return typeof form.url === 'string' ? new URL(form.url).host : '';
    case 'command':
      return form.argv[0] ?? '';
  }
}
