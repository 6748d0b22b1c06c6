// Tests how ibctl reads and writes time.

import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import {
  formatComing,
  formatDateTime,
  formatDuration,
  formatElapsed,
  formatZone,
  parseDuration,
  parseMoment,
} from '../../src/cli/time-text.ts';

const NOW = Date.parse('2026-11-23T09:00:00Z');

describe('parseDuration', () => {
  const good: readonly (readonly [string, number])[] = [
    ['0s', 0],
    ['250ms', 250],
    ['90s', 90_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
    ['7d', 604_800_000],
  ];
  for (const [text, ms] of good) {
    it(`reads ${text} as ${ms} ms`, () => assert.equal(parseDuration(text), ms));
  }
  for (const text of ['', '5', 'm', '-5m', '1.5h', '5 m', '8d', '7d1ms', '5M', '5min', '1e9s']) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseDuration(text), null));
  }
});

describe('parseMoment', () => {
  it('takes a duration as that long ago', () => assert.equal(parseMoment('10m', NOW), NOW - 600_000));
  it('takes a time with a zone as it is', () => {
    assert.equal(parseMoment('2026-11-23T09:00:00Z', NOW), NOW);
    assert.equal(parseMoment('2026-11-23T10:00+01:00', NOW), NOW);
  });
  it('takes a time without a zone, and a bare date, as local', () => {
    assert.equal(parseMoment('2026-11-23 09:30', NOW), new Date(2026, 10, 23, 9, 30).getTime());
    assert.equal(parseMoment('2026-11-23', NOW), new Date(2026, 10, 23).getTime());
  });
  for (const text of ['', 'yesterday', '2026-13-01', '2026-11-23T25:00', '23.11.2026', '9:00']) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseMoment(text, NOW), null));
  }
});

describe('formatDuration', () => {
  const cases: readonly (readonly [number, string])[] = [
    [-5, '0s'],
    [999, '0s'],
    [41_900, '41s'],
    [60_000, '1m'],
    [139_000, '2m 19s'],
    [8_050_000, '2h 14m'],
    [86_400_000, '1d'],
    [270_000_000, '3d 3h'],
  ];
  for (const [ms, text] of cases)
    it(`writes ${ms} ms as ${text}`, () => assert.equal(formatDuration(ms), text));
});

it('elapsed time has one decimal and a steady width', () => {
  assert.equal(formatElapsed(0), '  0.0s');
  assert.equal(formatElapsed(12_345), ' 12.3s');
  assert.equal(formatElapsed(-1), '  0.0s');
});

describe('local times', () => {
  before(() => {
    // V8 reads the zone again when TZ is assigned (nodejs/node#20026).
    process.env['TZ'] = 'Asia/Kolkata';
  });
  it('are written in the zone of the machine, and the zone is named', () => {
    assert.equal(formatDateTime(NOW), '2026-11-23 14:30:00');
    assert.equal(formatZone(NOW), 'UTC+5:30');
  });
  it('a coming time is as short as it stays clear', () => {
    assert.equal(formatComing(NOW - 1, NOW), 'now');
    assert.equal(formatComing(NOW + 130_000, NOW), 'in 2m 10s');
    assert.equal(formatComing(NOW + 3_600_000, NOW), '15:30');
    assert.equal(formatComing(NOW + 86_400_000, NOW), 'Tue 14:30');
    assert.equal(formatComing(NOW + 8 * 86_400_000, NOW), '2026-12-01 14:30');
  });
});
