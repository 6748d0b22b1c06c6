// Tests of how lengths of time are read and written.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DURATION_PATTERN, formatDuration, parseDuration } from '../../src/config/duration.ts';

describe('a duration', () => {
  for (const [text, ms] of [
    ['500ms', 500],
    ['30s', 30_000],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['0s', 0],
    ['007m', 420_000],
  ] as const) {
    it(`is read: ${text}`, () => assert.equal(parseDuration(text), ms));
  }

  for (const text of [
    '',
    '30',
    's',
    '1.5h',
    '-1s',
    '1 s',
    '1S',
    '1d',
    '1h30m',
    ' 1s',
    '1s\n',
    '9999999999s',
    '1:30',
  ]) {
    it(`is not read, by the function or the pattern: ${JSON.stringify(text)}`, () => {
      assert.equal(parseDuration(text), null);
      assert.doesNotMatch(text, DURATION_PATTERN);
    });
  }

  it('is written so that it is read back as the same', () => {
    const lengths = [
      0, 1, 999, 1000, 1500, 59_999, 60_000, 90_000, 3_599_000, 3_600_000, 5_400_000, 86_400_000,
    ];
    for (const ms of lengths) assert.equal(parseDuration(formatDuration(ms)), ms, formatDuration(ms));
    assert.equal(formatDuration(5_400_000), '90m');
  });
});
