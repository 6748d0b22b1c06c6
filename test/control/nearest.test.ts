// Checks the guess at what somebody meant who mistyped a name.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findNearest } from '../../src/control/nearest.ts';

const NAMES = ['status', 'login', 'start', 'stop', 'restart'];

test('a slip of one or two letters finds the name', () => {
  assert.equal(findNearest('stauts', NAMES), 'status');
  assert.equal(findNearest('Logn', NAMES), 'login');
  assert.equal(findNearest('restar', NAMES), 'restart');
});

test('what resembles no name finds none', () => {
  assert.equal(findNearest('frobnicate', NAMES), null);
  assert.equal(findNearest('', NAMES), null);
  assert.equal(findNearest('x'.repeat(1_000_000), NAMES), null);
});
