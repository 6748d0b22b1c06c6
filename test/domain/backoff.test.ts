// Checks the pauses between tries: exponential, bounded, never at once, never all at the same moment.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs } from '../../src/domain/backoff.ts';

test('the pause doubles with each failure in a row until its maximum', () => {
  const longest = [1, 2, 3, 4, 5, 6].map((streak) => backoffMs(streak, 1, 30_000, 400_000));
  assert.deepEqual(longest, [30_000, 60_000, 120_000, 240_000, 400_000, 400_000]);
});

test('half of the pause is fixed and half is random', () => {
  assert.equal(backoffMs(1, 0, 30_000, 400_000), 15_000);
  assert.equal(backoffMs(1, 0.5, 30_000, 400_000), 22_500);
  assert.equal(backoffMs(9, 0, 30_000, 400_000), 200_000);
});

test('a very long streak, or none, gives a finite pause within the bounds', () => {
  assert.equal(backoffMs(1_000_000, 1, 30_000, 1_800_000), 1_800_000);
  assert.equal(backoffMs(0, 1, 30_000, 1_800_000), 30_000);
});
