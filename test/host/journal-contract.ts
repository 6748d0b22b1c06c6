// What every journal does, whether real or a fake.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Journal, JournalEntry, JournalQuery, JournalReader } from '../../src/host/journal-reader.ts';
import { AgentError } from '../../src/protocol/errors.ts';

export type JournalUnderTest = {
  readonly journal: () => Journal;
  /** Appends an entry; readers see it when this resolves. */
  readonly append: (fields: readonly (readonly [string, string])[]) => Promise<void>;
  /** What of a received time is expected to be at least and at most. */
  readonly now: () => number;
};

let count = 0;

/** Adds the tests of the contract to the suite that is being described. */
export function journalContract({ journal, append, now }: JournalUnderTest): void {
  /** A field value that no other test has. */
  const aTopic = () => {
    count += 1;
    return `topic ${process.pid}.${count}`;
  };
  const say = (topic: string, message: string, fields: Readonly<Record<string, string>> = {}) =>
    append([['X_TOPIC', topic], ['MESSAGE', message], ...Object.entries(fields)]);
  const open = (topic: string, query: Partial<JournalQuery> = {}) =>
    journal().open({ any: [{ X_TOPIC: topic }], fields: ['MESSAGE'], from: 'head', ...query });
  const messages = (entries: readonly JournalEntry[]) => entries.map(({ fields }) => fields['MESSAGE']);
  const all = (reader: JournalReader) => messages(reader.read(1_000));

  it('gives what matches, oldest first, at most as many as asked for, each once', async (t) => {
    const topic = aTopic();
    await say(aTopic(), 'other');
    for (const message of ['one', 'two', 'three']) await say(topic, message);
    const reader = open(topic);
    t.after(() => reader.close());
    assert.deepEqual(messages(reader.read(0)), []);
    assert.deepEqual(messages(reader.read(2)), ['one', 'two']);
    assert.deepEqual(messages(reader.read(2)), ['three']);
    assert.deepEqual(messages(reader.read(2)), []);
    await say(topic, 'four');
    assert.deepEqual(messages(reader.read(2)), ['four']);
    assert.deepEqual(messages(reader.read(2)), []);
    assert.equal(reader.problem, null);
  });

  it('takes an entry for which all of one match hold, of any of the matches', async (t) => {
    const topic = aTopic();
    await say(topic, 'a1', { X_KIND: 'a', X_SIDE: '1' });
    await say(topic, 'a2', { X_KIND: 'a', X_SIDE: '2' });
    await say(topic, 'b1', { X_KIND: 'b', X_SIDE: '1' });
    await say(topic, 'b2', { X_KIND: 'b', X_SIDE: '2' });
    await say(topic, 'c');
    const of = (any: JournalQuery['any']) => {
      const reader = open(topic, { any });
      t.after(() => reader.close());
      return all(reader);
    };
    assert.deepEqual(
      of([
        { X_TOPIC: topic, X_KIND: 'a', X_SIDE: '1' },
        { X_SIDE: '2', X_KIND: 'b', X_TOPIC: topic },
      ]),
      ['a1', 'b2'],
    );
    assert.deepEqual(
      of([
        { X_TOPIC: topic, X_KIND: 'b' },
        { X_TOPIC: topic, X_SIDE: '1' },
      ]),
      ['a1', 'b1', 'b2'],
    );
    assert.deepEqual(of([{ X_TOPIC: topic, X_KIND: 'z' }]), []);
  });

  it('takes any value of a field that has several for the match, and gives the first', async (t) => {
    const topic = aTopic();
    await append([
      ['X_TOPIC', topic],
      ['MESSAGE', 'm'],
      ['X_MANY', 'first'],
      ['X_MANY', 'second'],
    ]);
    const reader = open(topic, { any: [{ X_TOPIC: topic, X_MANY: 'second' }], fields: ['X_MANY'] });
    t.after(() => reader.close());
    assert.deepEqual(
      reader.read(10).map(({ fields }) => fields),
      [{ X_MANY: 'first' }],
    );
  });

  it('gives the fields asked for and no other; one that an entry does not have is left out', async (t) => {
    const topic = aTopic();
    const text = 'über\nzwei\tZeilen = "three" 🙂\u0000.';
    await say(topic, text, { X_EMPTY: '', X_OTHER: 'other' });
    const reader = open(topic, { fields: ['MESSAGE', 'X_EMPTY', 'X_NONE', 'X_TOPIC'] });
    t.after(() => reader.close());
    assert.deepEqual(
      reader.read(10).map(({ fields }) => ({ ...fields })),
      [{ MESSAGE: text, X_EMPTY: '', X_TOPIC: topic }],
    );
  });

  it('from the tail gives nothing before now and everything after', async (t) => {
    const topic = aTopic();
    await say(topic, 'before');
    const reader = open(topic, { from: 'tail' });
    const fresh = open(aTopic(), { from: 'tail' });
    t.after(() => {
      reader.close();
      fresh.close();
    });
    assert.deepEqual(all(reader), []);
    await say(topic, 'after');
    await say(topic, 'later');
    assert.deepEqual(all(reader), ['after', 'later']);
    assert.deepEqual(all(fresh), []);
  });

  it('from the tail finds the first entry ever that matches', async (t) => {
    const topic = aTopic();
    const reader = open(topic, { from: 'tail' });
    t.after(() => reader.close());
    assert.deepEqual(all(reader), []);
    await say(aTopic(), 'other');
    assert.deepEqual(all(reader), []);
    await say(topic, 'first');
    assert.deepEqual(all(reader), ['first']);
  });

  it('goes on after the entry of a cursor, also of one that does not match', async (t) => {
    const topic = aTopic();
    const other = aTopic();
    await say(topic, 'one');
    await say(other, 'between');
    await say(topic, 'two');
    await say(topic, 'three');
    const cursorOf = (of: string, index: number) => {
      const reader = open(of);
      const cursor = reader.read(10)[index]?.cursor;
      reader.close();
      assert.ok(cursor !== undefined);
      return cursor;
    };
    const from = (cursor: string) => {
      const reader = open(topic, { from: { after: cursor } });
      t.after(() => reader.close());
      return reader;
    };
    assert.deepEqual(all(from(cursorOf(topic, 0))), ['two', 'three']);
    assert.deepEqual(all(from(cursorOf(other, 0))), ['two', 'three']);
    const last = from(cursorOf(topic, 2));
    assert.deepEqual(all(last), []);
    await say(topic, 'four');
    assert.deepEqual(all(last), ['four']);
  });

  it('gives the newest entries that match, as many as asked for, and what follows', async (t) => {
    const topic = aTopic();
    for (const message of ['one', 'two', 'three']) await say(topic, message);
    await say(aTopic(), 'other');
    const newest = (number: number) => {
      const reader = open(topic, { from: { newest: number } });
      t.after(() => reader.close());
      return reader;
    };
    assert.deepEqual(all(newest(2)), ['two', 'three']);
    assert.deepEqual(all(newest(3)), ['one', 'two', 'three']);
    assert.deepEqual(all(newest(9)), ['one', 'two', 'three']);
    const none = newest(0);
    const one = newest(1);
    assert.deepEqual(all(none), []);
    await say(topic, 'four');
    assert.deepEqual(all(none), ['four']);
    assert.deepEqual(all(one), ['three', 'four']);
  });

  it('says when an entry was received', async (t) => {
    const topic = aTopic();
    const before = now();
    await say(topic, 'x');
    const after = now();
    const reader = open(topic);
    t.after(() => reader.close());
    const at = reader.read(1)[0]?.at ?? Number.NaN;
    assert.ok(at >= before - 1 && at <= after + 1, `${before} ${at} ${after}`);
  });

  it('has nothing for no match at all, and everything for an empty one', async (t) => {
    const topic = aTopic();
    await say(topic, 'x');
    const none = open(topic, { any: [] });
    const every = open(topic, { any: [{ X_TOPIC: 'nobody' }, {}], from: { newest: 1 } });
    t.after(() => {
      none.close();
      every.close();
    });
    assert.deepEqual(all(none), []);
    await say(topic, 'y');
    assert.deepEqual(all(none), []);
    assert.equal(all(every).filter((message) => message === 'y').length, 1);
  });

  it('gives nothing once it is closed, which may be said twice', async () => {
    const topic = aTopic();
    await say(topic, 'x');
    const reader = open(topic);
    reader.close();
    reader.close();
    assert.deepEqual(all(reader), []);
  });

  it('refuses what is no field name and no cursor', () => {
    assert.throws(() => open('x', { fields: ['message'] }), TypeError);
    assert.throws(() => open('x', { any: [{ 'A=B': 'x' }] }), TypeError);
    assert.throws(
      () => open('x', { from: { after: 'nonsense' } }),
      (error) => error instanceof AgentError && error.code === 'journal-unavailable',
    );
  });
}
