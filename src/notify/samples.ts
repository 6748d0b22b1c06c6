// Owns the sample that stands for an event in a test of a target: true to the catalogue, about nothing that happened.

import { secondFactorHint } from '../domain/second-factor-hint.ts';
import {
  type AgentEvent,
  CATALOGUE,
  completeEvent,
  type EventDraft,
  type EventName,
} from '../events/catalogue.ts';
import { isoTime } from '../host/clock.ts';
import type { SessionStateName } from '../protocol/states.ts';

const SAMPLE_DEADLINE_MS = 170_000;

const STATES: Partial<Record<EventName, SessionStateName>> = {
  'second-factor-pending': 'awaiting-second-factor',
  'second-factor-timeout': 'stopping',
  'session-halted': 'halted',
  'session-ready': 'ready',
};

/** Values of fields that a person would wonder at if they read `sample`. */
function sampleValue(field: string, now: number): string {
  switch (field) {
    case 'IB_METHOD':
      return 'ib-key';
    case 'IB_ATTEMPT':
    case 'IB_MISSED':
      return '1';
    case 'IB_DEADLINE':
    case 'IB_UNTIL':
    case 'IB_AT':
      return isoTime(now + SAMPLE_DEADLINE_MS);
    case 'IB_CHALLENGE':
    case 'IB_DEVICES':
      return '';
    case 'IB_CAUSE':
      return 'credentials';
    case 'IB_DETAIL':
      return 'a test of the notifications';
    default:
      return 'sample';
  }
}

/** `session` is null where none is configured; `now` is epoch milliseconds. */
export function sampleEvent(name: EventName, session: string | null, now: number): AgentEvent {
  const fields = Object.fromEntries(CATALOGUE[name].fields.map((field) => [field, sampleValue(field, now)]));
  // The catalogue ties the names of the fields to the event; TypeScript cannot follow that through the loop.
  const draft = {
    event: name,
    fields,
    ...(name === 'second-factor-pending'
      ? { hint: secondFactorHint('ib-key', now + SAMPLE_DEADLINE_MS) }
      : {}),
  } as EventDraft;
  const ofAgent = name.startsWith('agent-') || name === 'operator-command';
  return completeEvent(draft, {
    at: now,
    session: ofAgent ? null : session,
    state: ofAgent ? null : (STATES[name] ?? null),
    previousState: null,
  });
}
