// Checks the user database against id(1), and that answers are remembered only as long as meant.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Clock } from '../../src/host/clock.ts';
import { CachedGroupDatabase, type GroupDatabase, NssGroupDatabase } from '../../src/host/groups.ts';

function idOf(option: '-un' | '-Gn', user: string): string[] {
  return execFileSync('id', [option, user], { encoding: 'utf8' }).trim().split(' ');
}

test('every user of this machine is in the groups that id tells, and in no other', async () => {
  const database = new NssGroupDatabase();
  const passwd = readFileSync('/etc/passwd', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(':'));
  const allGroups = readFileSync('/etc/group', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(':')[0] ?? '');
  assert.ok(passwd.length > 5 && allGroups.length > 5);
  for (const [name = '', , uid] of passwd) {
    const answer = await database.lookUp(Number(uid), allGroups);
    assert.equal(answer.name, name);
    assert.deepEqual([...answer.groups].sort(), idOf('-Gn', name).sort(), name);
  }
});

test('a group that does not exist has no members', async () => {
  const answer = await new NssGroupDatabase().lookUp(0, ['no-such-group', 'root']);
  assert.deepEqual(answer, { name: 'root', groups: ['root'] });
});

test('an entry that does not fit the first buffer is read with a larger one', async () => {
  const database = new NssGroupDatabase({ recordBytes: 1, groups: 0 });
  assert.deepEqual(await database.lookUp(1, ['root', 'daemon']), { name: 'daemon', groups: ['daemon'] });
});

test('a uid without a name is in no group', async () => {
  assert.deepEqual(await new NssGroupDatabase().lookUp(3_999_999_999, ['root']), { name: null, groups: [] });
});

test("many lookups at once do not get into each other's way", async () => {
  const database = new NssGroupDatabase();
  const uids = Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? 0 : 1));
  const answers = await Promise.all(uids.map((uid) => database.lookUp(uid, ['root', 'daemon'])));
  for (const [index, { name, groups }] of answers.entries()) {
    const expected = uids[index] === 0 ? 'root' : 'daemon';
    assert.deepEqual({ name, groups }, { name: expected, groups: [expected] });
  }
});

class CountingDatabase implements GroupDatabase {
  asked = 0;
  fail = false;

  async lookUp(uid: number, among: readonly string[]) {
    this.asked += 1;
    if (this.fail) throw new Error('directory down');
    return { name: `user${uid}`, groups: among };
  }
}

function cached() {
  let nowMs = 0;
  const source = new CountingDatabase();
  const clock: Clock = {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    after: () => assert.fail('no timer is needed'),
    every: () => assert.fail('no timer is needed'),
  };
  const advance = (ms: number) => {
    nowMs += ms;
  };
  return { source, advance, cache: new CachedGroupDatabase(source, clock, 10_000) };
}

test('an answer is asked for once in ten seconds, for each user', async () => {
  const { source, advance, cache } = cached();
  await Promise.all([cache.lookUp(1, ['a']), cache.lookUp(1, ['a']), cache.lookUp(2, ['a'])]);
  assert.equal(source.asked, 2);
  advance(9_999);
  assert.deepEqual(await cache.lookUp(1, ['a']), { name: 'user1', groups: ['a'] });
  assert.equal(source.asked, 2);
  advance(1);
  await cache.lookUp(1, ['a']);
  assert.equal(source.asked, 3);
});

test('a failure is not remembered', async () => {
  const { source, cache } = cached();
  source.fail = true;
  await assert.rejects(cache.lookUp(1, ['a']), /directory down/);
  source.fail = false;
  assert.deepEqual(await cache.lookUp(1, ['a']), { name: 'user1', groups: ['a'] });
});
