// Checks when a wall-clock time comes next, through changes of summer time and on weekdays.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextZoneTime, parseTimeOfDay } from '../../src/supervisor/zone-time.ts';

const NEW_YORK = 'America/New_York';
const at = (text: string) => Date.parse(text);
const next = (now: string, zone: string, time: string, weekday?: number) => {
  const parsed = parseTimeOfDay(time);
  assert.ok(parsed !== null);
  return new Date(nextZoneTime(at(now), zone, parsed, weekday)).toISOString();
};

describe('the next time of day', () => {
  it('is today when it is still to come, else tomorrow', () => {
    assert.equal(next('2026-11-23T09:00:00Z', 'UTC', '11:45 PM'), '2026-11-23T23:45:00.000Z');
    assert.equal(next('2026-11-23T23:45:00Z', 'UTC', '11:45 PM'), '2026-11-24T23:45:00.000Z');
    assert.equal(next('2026-11-23T23:00:00Z', NEW_YORK, '5:00 PM'), '2026-11-24T22:00:00.000Z');
    assert.equal(next('2026-11-24T03:00:00Z', NEW_YORK, '23:45'), '2026-11-24T04:45:00.000Z');
  });

  it('follows summer time', () => {
    assert.equal(next('2026-03-07T20:00:00Z', NEW_YORK, '12:30 PM'), '2026-03-08T16:30:00.000Z');
    assert.equal(next('2026-10-31T20:00:00Z', NEW_YORK, '12:30 PM'), '2026-11-01T17:30:00.000Z');
  });

  it('is on the weekday that is asked for', () => {
    assert.equal(next('2026-11-23T09:00:00Z', NEW_YORK, '1:00 AM', 0), '2026-11-29T06:00:00.000Z');
    assert.equal(next('2026-11-29T06:00:00Z', NEW_YORK, '1:00 AM', 0), '2026-12-06T06:00:00.000Z');
  });

  it('is read with AM and PM and without, and from nothing else', () => {
    assert.deepEqual(parseTimeOfDay('12:05 AM'), { hour: 0, minute: 5 });
    assert.deepEqual(parseTimeOfDay('12:05 pm'), { hour: 12, minute: 5 });
    assert.deepEqual(parseTimeOfDay('23:59'), { hour: 23, minute: 59 });
    for (const text of ['24:00', '13:00 PM', '0:30 AM', '7', '', '12:60'])
      assert.equal(parseTimeOfDay(text), null);
  });
});
