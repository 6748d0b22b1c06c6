// Tests of the guess at a mistyped name.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { editDistance, findNearest } from '../../src/protocol/nearest.ts';

describe('the distance of two texts', () => {
  for (const [from, to, distance] of [
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', '', 3],
    ['port', 'port', 0],
    ['prt', 'port', 1],
    ['potr', 'port', 1],
    ['mode', 'made', 1],
    ['kitten', 'sitting', 3],
  ] as const) {
    it(`from ${JSON.stringify(from)} to ${JSON.stringify(to)} is ${distance}`, () => {
      assert.equal(editDistance(from, to), distance);
    });
  }
});

describe('the nearest name', () => {
  const names = ['port', 'clientId', 'timeZone', 'ReadOnlyApi'];

  it('is found for slips of the keyboard, case, hyphens and underscores', () => {
    assert.equal(findNearest('prot', names), 'port');
    assert.equal(findNearest('client_id', names), 'clientId');
    assert.equal(findNearest('time-zone', names), 'timeZone');
    assert.equal(findNearest('READONLYAPI', names), 'ReadOnlyApi');
  });

  it('is none when nothing is near, or there is nothing', () => {
    assert.equal(findNearest('heap', names), null);
    assert.equal(findNearest('', names), null);
    assert.equal(findNearest('port', []), null);
    assert.equal(findNearest('p'.repeat(100_000), names), null);
  });
});

it('an endless name costs no time and finds none', () => {
  assert.equal(findNearest('x'.repeat(1_000_000), ['status', 'login']), null);
});
