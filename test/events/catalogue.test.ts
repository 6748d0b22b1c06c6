// Checks the catalogue of events: ids that never change, fields that the journal takes, texts that a person can read.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { REASONS } from '../../src/domain/reasons.ts';
import {
  CATALOGUE,
  completeEvent,
  type EventDraft,
  type EventName,
  journalFields,
} from '../../src/events/catalogue.ts';

const NAMES = Object.keys(CATALOGUE) as EventName[];
const GOLDEN = join(import.meta.dirname, 'message-ids.json');
const CONTEXT = { at: 0, session: 'live', state: 'ready', previousState: 'loading' } as const;

/** An event of this name with a telling value in each of its fields. */
function draftOf(name: EventName, value: (field: string) => string): EventDraft {
  const fields = Object.fromEntries(CATALOGUE[name].fields.map((field) => [field, value(field)]));
  return { event: name, fields } as EventDraft;
}

describe('the MESSAGE_IDs', () => {
  it('are 128 bits in lower-case hex, each used once', () => {
    const ids = NAMES.map((name) => CATALOGUE[name].messageId);
    for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
    assert.equal(new Set(ids).size, ids.length);
  });

  it('are those that were given out; one that was given out is never changed or taken back', () => {
    const known = JSON.parse(readFileSync(GOLDEN, 'utf8')) as Record<string, string>;
    const now = Object.fromEntries(NAMES.map((name) => [name, CATALOGUE[name].messageId]));
    for (const [name, id] of Object.entries(known)) {
      assert.equal(now[name], id, `${name}: people's scripts match on this id`);
    }
    // New events are written down by the same switch as other golden files, old ones never changed by it.
    if (process.env['UPDATE_GOLDEN'] === '1')
      writeFileSync(GOLDEN, `${JSON.stringify({ ...now, ...known }, null, 2)}\n`);
    const missing = NAMES.filter((name) => !(name in known));
    assert.deepEqual(
      process.env['UPDATE_GOLDEN'] === '1' ? [] : missing,
      [],
      'UPDATE_GOLDEN=1 writes new ones down',
    );
  });
});

describe('every event', () => {
  for (const name of NAMES) {
    const row = CATALOGUE[name];
    it(`${name} has a name, fields and a priority that the journal takes`, () => {
      assert.match(name, /^[a-z]+(-[a-z]+)*$/);
      for (const field of row.fields) assert.match(field, /^IB_[A-Z][A-Z0-9_]{0,60}$/);
      assert.equal(new Set<string>(row.fields).size, row.fields.length);
      for (const common of [
        'IB_EVENT',
        'IB_SESSION',
        'IB_STATE',
        'IB_PREVIOUS_STATE',
        'IB_REASON',
        'IB_HINT',
      ])
        assert.ok(!(row.fields as readonly string[]).includes(common), `${common} is every event's`);
      assert.ok(row.priority >= 2 && row.priority <= 6);
    });

    it(`${name} says what it means in a sentence, and its text holds what it is about`, () => {
      assert.match(row.meaning, /^[A-Z'].*\.$/s);
      assert.ok(row.remedy === '' || /^[A-Z`'].*\.$/s.test(row.remedy), row.remedy);
      const { message } = completeEvent(
        draftOf(name, (field) => `<${field}>`),
        CONTEXT,
      );
      assert.notEqual(message, '');
      assert.ok(!/undefined|null|NaN|\n/.test(message), message);
      const bare = completeEvent(
        draftOf(name, () => ''),
        CONTEXT,
      ).message;
      assert.ok(!/undefined|null/.test(bare), bare);
    });
  }

  it('that asks something of a person says what to do', () => {
    for (const name of NAMES) {
      if (CATALOGUE[name].priority <= 4) assert.notEqual(CATALOGUE[name].remedy, '', name);
    }
  });
});

describe('a completed event', () => {
  it('carries id, priority and words of the catalogue, and its own hint before the general one', () => {
    const draft: EventDraft = { event: 'session-halted', fields: { IB_DETAIL: 'why' }, reason: 'paused' };
    const event = completeEvent(draft, CONTEXT);
    assert.deepEqual(event, {
      ...CONTEXT,
      event: 'session-halted',
      messageId: CATALOGUE['session-halted'].messageId,
      priority: 2,
      reason: 'paused',
      message: 'halted: why',
      hint: CATALOGUE['session-halted'].remedy,
      fields: { IB_DETAIL: 'why' },
    });
    assert.equal(completeEvent({ ...draft, hint: 'do this' }, CONTEXT).hint, 'do this');
  });

  it('as journal fields has what every event has, and only text', () => {
    const event = completeEvent(
      { event: 'session-lost', fields: { IB_DETAIL: 'x' }, reason: 'displaced' },
      CONTEXT,
    );
    assert.deepEqual(journalFields(event), {
      MESSAGE_ID: CATALOGUE['session-lost'].messageId,
      PRIORITY: '3',
      IB_EVENT: 'session-lost',
      IB_SESSION: 'live',
      IB_STATE: 'ready',
      IB_PREVIOUS_STATE: 'loading',
      IB_REASON: 'displaced',
      IB_HINT: CATALOGUE['session-lost'].remedy,
      IB_DETAIL: 'x',
    });
  });

  it('of the agent itself leaves out what it does not have', () => {
    const context = { at: 0, session: null, state: null, previousState: null };
    const fields = journalFields(
      completeEvent({ event: 'agent-stopping', fields: { IB_SIGNAL: 'SIGTERM' } }, context),
    );
    assert.deepEqual(Object.keys(fields), ['MESSAGE_ID', 'PRIORITY', 'IB_EVENT', 'IB_SIGNAL']);
  });
});

describe('the reasons', () => {
  it('have words for people: no full stop, no line break, nothing that looks like code', () => {
    for (const [code, { text, hint }] of Object.entries(REASONS)) {
      assert.match(code, /^[a-z]+(-[a-z]+)*$/);
      for (const words of [text, hint]) {
        assert.ok(!/\n|undefined|\.$/.test(words), `${code}: ${words}`);
      }
      assert.notEqual(text, '', code);
    }
  });
});
