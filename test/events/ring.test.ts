// Checks bounded memory: what it keeps, what it lets go, and who hears of what.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Ring } from '../../src/events/ring.ts';

function filled(capacity: number, count: number): Ring<number> {
  const ring = new Ring<number>(capacity);
  for (let item = 1; item <= count; item += 1) ring.push(item);
  return ring;
}

describe('a ring', () => {
  it('keeps everything until it is full', () => {
    assert.deepEqual([filled(3, 0).items(), filled(3, 3).items(), filled(3, 3).dropped], [[], [1, 2, 3], 0]);
  });

  it('keeps the newest, oldest first, and counts what it let go', () => {
    for (const count of [4, 5, 6, 7, 100]) {
      const ring = filled(3, count);
      assert.deepEqual([ring.items(), ring.dropped], [[count - 2, count - 1, count], count - 3]);
    }
  });

  it('keeps no more than its weight allows, but always the newest', () => {
    const ring = new Ring<string>(3, { of: (text) => text.length, most: 10 });
    const kept = (text: string) => {
      ring.push(text);
      return ring.items().join(' ');
    };
    assert.equal(kept('aaaa'), 'aaaa');
    assert.equal(kept('bbbb'), 'aaaa bbbb');
    assert.equal(kept('cc'), 'aaaa bbbb cc');
    assert.equal(kept('dddd'), 'bbbb cc dddd');
    assert.equal(kept('eeeee'), 'dddd eeeee');
    assert.equal(kept('f'.repeat(50)), 'f'.repeat(50));
    assert.equal(kept('g'), 'g');
    assert.equal(ring.dropped, 6);
    for (let round = 0; round < 1000; round += 1) ring.push('hhh');
    assert.deepEqual([ring.items(), ring.dropped], [['hhh', 'hhh', 'hhh'], 1004]);
  });

  it('gives a copy: what is done to it does not reach the ring', () => {
    const ring = filled(3, 2);
    ring.items().push(99);
    assert.deepEqual(ring.items(), [1, 2]);
  });

  it('tells each subscriber of new items only, until it unsubscribes', () => {
    const ring = filled(3, 2);
    const [one, two]: [number[], number[]] = [[], []];
    const stop = ring.subscribe((item) => one.push(item));
    ring.subscribe((item) => two.push(item));
    ring.push(3);
    stop();
    stop();
    ring.push(4);
    assert.deepEqual([one, two], [[3], [3, 4]]);
  });

  it('takes one function twice as two subscribers', () => {
    const ring = filled(3, 0);
    const seen: number[] = [];
    const listener = (item: number) => seen.push(item);
    const stop = ring.subscribe(listener);
    ring.subscribe(listener);
    stop();
    ring.push(1);
    assert.deepEqual(seen, [1]);
  });

  it('is not confused by a subscriber that leaves while it is told', () => {
    const ring = filled(3, 0);
    const seen: string[] = [];
    const stop = ring.subscribe(() => {
      seen.push('first');
      stop();
    });
    ring.subscribe(() => seen.push('second'));
    ring.push(1);
    ring.push(2);
    assert.deepEqual(seen, ['first', 'second', 'second']);
  });
});

describe('what came before', () => {
  it('is put in front as far as there is room, the newest of it, and nobody is told', () => {
    const ring = new Ring<number>(4);
    const heard: number[] = [];
    for (const item of [5, 6, 7]) ring.push(item);
    ring.subscribe((item) => heard.push(item));
    ring.prepend([1, 2, 3, 4]);
    assert.deepEqual([ring.items(), ring.dropped, heard], [[4, 5, 6, 7], 3, []]);
    ring.push(8);
    assert.deepEqual(ring.items(), [5, 6, 7, 8]);
    const full = new Ring<number>(2);
    for (const item of [3, 4, 5]) full.push(item);
    full.prepend([1, 2]);
    assert.deepEqual(full.items(), [4, 5]);
  });

  it('counts by its weight as well', () => {
    const ring = new Ring<string>(10, { of: (text) => text.length, most: 6 });
    ring.push('new');
    ring.prepend(['too old', 'b', 'aa']);
    assert.deepEqual(ring.items(), ['b', 'aa', 'new']);
  });
});
