// Checks which events are told, which are repeats, until when telling is of use, and when a failed try is made again.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  deadlineOf,
  decideNotification,
  type FailedTry,
  isStillUseful,
  NOTHING_TOLD,
  type NotifyRules,
  nextTryMs,
  notePending,
} from '../../src/domain/notify-rules.ts';
import { type AgentEvent, completeEvent, type EventDraft } from '../../src/events/catalogue.ts';
import { DEFAULT_NOTIFIED_EVENTS, NOTIFIABLE_EVENTS } from '../../src/events/notifiable.ts';
import type { SessionStateName } from '../../src/protocol/states.ts';

const NOW = Date.UTC(2026, 10, 23, 9, 0, 0);

function anEvent(
  draft: EventDraft,
  session: string | null = 'live',
  state: SessionStateName | null = null,
): AgentEvent {
  return completeEvent(draft, { at: NOW, session, state, previousState: null });
}

const halted = (reason = 'paused') =>
  anEvent({ event: 'session-halted', fields: { IB_DETAIL: 'why' }, reason }, 'live', 'halted');
const lost = (session: string | null = 'live') =>
  anEvent({ event: 'session-lost', fields: { IB_DETAIL: 'x' }, reason: 'gone' }, session);
const pushed = (attempt: number, deadlineMs = 180_000, session = 'live', method = 'ib-key') =>
  anEvent(
    {
      event: 'second-factor-pending',
      fields: {
        IB_METHOD: method,
        IB_ATTEMPT: String(attempt),
        IB_DEADLINE: new Date(NOW + deadlineMs).toISOString(),
        IB_CHALLENGE: '',
        IB_DEVICES: '',
        IB_DETAIL: '',
      },
      reason: 'second-factor-pending',
    },
    session,
    'awaiting-second-factor',
  );
const accepted = () =>
  anEvent(
    { event: 'second-factor-accepted', fields: { IB_METHOD: 'ib-key', IB_ATTEMPT: '1' } },
    'live',
    'loading',
  );
const info = () => anEvent({ event: 'session-stopped', fields: {} });
const failed = () =>
  anEvent({ event: 'notify-failed', fields: { IB_TARGET: 'a', IB_ABOUT: 'b', IB_DETAIL: 'c' } });

function rules(changes: Partial<NotifyRules> = {}): NotifyRules {
  return { events: '*', sessions: null, leastPriority: 6, debounceMs: 300_000, ...changes };
}

const WANTED: readonly (readonly [string, AgentEvent, Partial<NotifyRules>, boolean])[] = [
  ['every event with "*"', info(), {}, true],
  ['one that is named', halted(), { events: ['session-halted'] }, true],
  ['not one that is not named', lost(), { events: ['session-halted'] }, false],
  ['not with an empty list', lost(), { events: [] }, false],
  ['one of a session that is named', lost(), { sessions: ['paper', 'live'] }, true],
  ['not one of another session', lost('paper'), { sessions: ['live'] }, false],
  ["not one of the agent's own where sessions are named", lost(null), { sessions: ['live'] }, false],
  ["one of the agent's own where none is", lost(null), {}, true],
  ['one of just the priority', halted(), { leastPriority: 2 }, true],
  ['not one of less', lost(), { leastPriority: 2 }, false],
  ['never of a notification that failed', failed(), {}, false],
  ['not of a code that ib-code types', pushed(1, 180_000, 'live', 'totp'), {}, false],
  [
    'not of a code that ib-code types, even by name',
    pushed(1, 180_000, 'live', 'totp'),
    { events: ['second-factor-pending'] },
    false,
  ],
  ['of a code that a person has to type', pushed(1, 180_000, 'live', 'code'), {}, true],
];

describe('a target is told of', () => {
  for (const [what, event, changes, told] of WANTED) {
    it(what, () => {
      const { verdict } = decideNotification(event, rules(changes), NOTHING_TOLD, 0);
      assert.equal(verdict, told ? 'tell' : 'not-wanted');
    });
  }

  it('what needs a person, when it does not say of what', () => {
    for (const name of ['second-factor-pending', 'session-halted', 'session-lost', 'login-refused'] as const)
      assert.ok(DEFAULT_NOTIFIED_EVENTS.includes(name), name);
    assert.ok(!NOTIFIABLE_EVENTS.includes('notify-failed'));
  });
});

/** Events with their times, and which of them are told. */
const REPEATS: readonly (readonly [
  string,
  readonly (readonly [AgentEvent, number])[],
  readonly boolean[],
  number?,
])[] = [
  [
    'a repeat is told once',
    [
      [halted(), 0],
      [halted(), 299_999],
    ],
    [true, false],
  ],
  [
    'after its time a repeat is news',
    [
      [halted(), 0],
      [halted(), 300_000],
    ],
    [true, true],
  ],
  [
    'the time counts from what was told, not from the repeats',
    [
      [halted(), 0],
      [halted(), 200_000],
      [halted(), 300_000],
    ],
    [true, false, true],
  ],
  [
    'another reason is news',
    [
      [halted('paused'), 0],
      [halted('login-budget'), 1],
    ],
    [true, true],
  ],
  [
    'another session is news',
    [
      [lost('live'), 0],
      [lost('paper'), 1],
    ],
    [true, true],
  ],
  [
    'another event is news',
    [
      [lost(), 0],
      [halted(), 1],
    ],
    [true, true],
  ],
  [
    'a second factor with a new attempt is news',
    [
      [pushed(1), 0],
      [pushed(2), 1],
    ],
    [true, true],
  ],
  [
    'a second factor of a new login is news, whatever its number',
    [
      [pushed(1, 180_000), 0],
      [pushed(1, 190_000), 1],
    ],
    [true, true],
  ],
  [
    'the same second factor is not',
    [
      [pushed(1), 0],
      [pushed(1), 1],
    ],
    [true, false],
  ],
  [
    'the same second factor that is to be answered in another way is',
    [
      [pushed(1, 180_000, 'live', 'device-choice'), 0],
      [pushed(1, 180_000, 'live', 'totp'), 1],
      [pushed(1, 180_000, 'live', 'code'), 2],
      [pushed(1, 180_000, 'live', 'code'), 3],
    ],
    [true, false, true, false],
  ],
  [
    'without debounce everything is news',
    [
      [halted(), 0],
      [halted(), 0],
    ],
    [true, true],
    0,
  ],
];

describe('repeats:', () => {
  for (const [what, events, told, debounceMs = 300_000] of REPEATS) {
    it(what, () => {
      let memory = NOTHING_TOLD;
      const verdicts = events.map(([event, at]) => {
        const decision = decideNotification(event, rules({ debounceMs }), memory, at);
        memory = decision.memory;
        return decision.verdict === 'tell';
      });
      assert.deepEqual(verdicts, told);
    });
  }

  it('what was told long ago is forgotten, so that memory stays small', () => {
    let memory = NOTHING_TOLD;
    for (let attempt = 1; attempt <= 1_000; attempt += 1)
      memory = decideNotification(pushed(attempt), rules(), memory, attempt * 60_000).memory;
    assert.ok(memory.size <= 5, String(memory.size));
  });
});

describe('a second factor is of use', () => {
  it('until its deadline', () => {
    const event = pushed(1, 1_000);
    const pending = notePending(new Map(), event);
    assert.equal(deadlineOf(event), NOW + 1_000);
    assert.equal(isStillUseful(event, pending, NOW + 999), true);
    assert.equal(isStillUseful(event, pending, NOW + 1_000), false);
  });

  it('until it is answered, or another took its place', () => {
    const event = pushed(1);
    let pending = notePending(new Map(), event);
    pending = notePending(pending, pushed(1, 180_000, 'paper'));
    assert.equal(isStillUseful(event, pending, NOW), true);
    assert.equal(isStillUseful(event, notePending(pending, accepted()), NOW), false);
    assert.equal(isStillUseful(event, notePending(pending, pushed(2)), NOW), false);
    assert.equal(isStillUseful(event, notePending(pending, lost()), NOW), true, 'no state, no news of it');
  });

  it('and every other event always', () => {
    assert.equal(deadlineOf(halted()), null);
    assert.equal(isStillUseful(halted(), new Map(), NOW + 1e9), true);
  });
});

describe('the next try', () => {
  const aTry = (changes: Partial<FailedTry>): number | null =>
    nextTryMs({
      tries: 1,
      retries: 3,
      temporary: true,
      retryAfterMs: null,
      deadline: null,
      now: NOW,
      random: 0.5,
      ...changes,
    });

  it('comes later each time, never at once, and at most after a minute', () => {
    assert.deepEqual(
      [1, 2, 3].map((tries) => aTry({ tries })),
      [1_500, 3_000, 6_000],
    );
    assert.deepEqual([aTry({ random: 0 }), aTry({ random: 0.999_999 })], [1_000, 2_000]);
    assert.equal(aTry({ tries: 10, retries: 10, random: 0.999_999 }), 60_000);
  });

  it('is not made when there were enough, or when it would be in vain', () => {
    assert.equal(aTry({ tries: 4 }), null);
    assert.equal(aTry({ retries: 0 }), null);
    assert.equal(aTry({ temporary: false }), null);
  });

  it('waits as long as the server asks, but not for ever', () => {
    assert.equal(aTry({ retryAfterMs: 20_000 }), 20_000);
    assert.equal(aTry({ retryAfterMs: 100 }), 1_500);
    assert.equal(aTry({ retryAfterMs: 61_000 }), null);
  });

  it('is not made after the deadline', () => {
    assert.equal(aTry({ deadline: NOW + 1_501 }), 1_500);
    assert.equal(aTry({ deadline: NOW + 1_500 }), null);
  });
});
