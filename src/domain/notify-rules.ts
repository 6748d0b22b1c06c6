// Owns the rules of notifications: which events a target is told of, which of them are repeats, until when telling is of use, and when to try again.

import type { AgentEvent, EventName, Priority } from '../events/catalogue.ts';
import { NOTIFIABLE_EVENTS } from '../events/notifiable.ts';
import { backoffMs } from './backoff.ts';

/** What a target wants to be told. */
export type NotifyRules = {
  readonly events: '*' | readonly EventName[];
  /** Null: all sessions, and the agent itself. */
  readonly sessions: readonly string[] | null;
  /** A greater number is less important. */
  readonly leastPriority: Priority;
  readonly debounceMs: number;
};

/** What was told to one target lately: a key of each event, and when. Times are of a clock that never jumps. */
export type NotifyMemory = ReadonlyMap<string, number>;

export const NOTHING_TOLD: NotifyMemory = new Map();

/** Why an event is not told, or that it is; `memory` is to be kept for the next event in any case. */
export type NotifyDecision = {
  readonly verdict: 'tell' | 'not-wanted' | 'repeat';
  readonly memory: NotifyMemory;
};

/** Whether a target is told of an event. `nowMs` is monotonic. */
export function decideNotification(
  event: AgentEvent,
  rules: NotifyRules,
  memory: NotifyMemory,
  nowMs: number,
): NotifyDecision {
  if (!isWanted(event, rules)) return { verdict: 'not-wanted', memory };
  const key = repeatKey(event);
  const toldAt = memory.get(key);
  if (toldAt !== undefined && nowMs - toldAt < rules.debounceMs) return { verdict: 'repeat', memory };
  const recent = [...memory].filter(([, at]) => nowMs - at < rules.debounceMs);
  return { verdict: 'tell', memory: new Map([...recent, [key, nowMs]]) };
}

function isWanted(event: AgentEvent, { events, sessions, leastPriority }: NotifyRules): boolean {
  if (event.priority > leastPriority) return false;
  if (!NOTIFIABLE_EVENTS.includes(event.event)) return false;
  // Nobody has to do anything about it.
  if (event.event === 'second-factor-pending' && event.fields['IB_METHOD'] === 'totp') return false;
  if (events !== '*' && !events.includes(event.event)) return false;
  return sessions === null || (event.session !== null && sessions.includes(event.session));
}

/** What makes two events the same to a person. Every second factor is one of its own, and so is each way to answer it: somebody has to. */
function repeatKey({ event, session, reason, fields }: AgentEvent): string {
  const own =
    event === 'second-factor-pending'
      ? [fields['IB_ATTEMPT'], fields['IB_DEADLINE'], fields['IB_METHOD']]
      : [];
  return JSON.stringify([event, session, reason, ...own]);
}

/** When there is no more use in telling an event, epoch milliseconds; null: it stays news. */
export function deadlineOf(event: AgentEvent): number | null {
  if (event.event !== 'second-factor-pending') return null;
  const at = Date.parse(event.fields['IB_DEADLINE'] ?? '');
  return Number.isNaN(at) ? null : at;
}

/** The second factors that wait for an answer, by session: which event told of each. */
export type PendingFactors = ReadonlyMap<string, AgentEvent>;

/** What is pending after an event: whatever shows a session in another state ends the wait. */
export function notePending(pending: PendingFactors, event: AgentEvent): PendingFactors {
  if (event.session === null || event.state === null) return pending;
  if (event.event === 'second-factor-pending') return new Map([...pending, [event.session, event]]);
  if (event.state === 'awaiting-second-factor' || !pending.has(event.session)) return pending;
  return new Map([...pending].filter(([session]) => session !== event.session));
}

/** Whether telling an event is still of use: a second factor that was answered, or whose time is over, is not told. `now` is epoch milliseconds. */
export function isStillUseful(event: AgentEvent, pending: PendingFactors, now: number): boolean {
  const deadline = deadlineOf(event);
  if (event.event !== 'second-factor-pending' || event.session === null) return true;
  return pending.get(event.session) === event && (deadline === null || now < deadline);
}

const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;

/** What is known when a try has failed. */
export type FailedTry = {
  /** Tries so far, from 1. */
  readonly tries: number;
  /** Further tries after the first that may be made. */
  readonly retries: number;
  /** Whether the same may succeed later. */
  readonly temporary: boolean;
  /** What the server asked for; null: nothing. */
  readonly retryAfterMs: number | null;
  /** Epoch milliseconds; null: none. */
  readonly deadline: number | null;
  readonly now: number;
  /** In [0, 1). */
  readonly random: number;
};

/** How long to wait before the next try; null: give up. A wait that a server asks for is kept up to a minute. */
export function nextTryMs(failed: FailedTry): number | null {
  if (!failed.temporary || failed.tries > failed.retries) return null;
  const own = backoffMs(failed.tries, failed.random, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
  if (failed.retryAfterMs !== null && failed.retryAfterMs > LONGEST_PAUSE_MS) return null;
  const pause = Math.max(own, failed.retryAfterMs ?? 0);
  return failed.deadline !== null && failed.now + pause >= failed.deadline ? null : pause;
}
