// Tests the records of ib-code and ib-clock: what is read from a file, and what is refused.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  CODE_REFUSALS,
  CODE_UNCERTAIN_STATUS,
  type CodeOrder,
  type CodeReport,
  codeStatus,
  parseClockComparison,
  parseCodeOrder,
  parseCodeReport,
  refusalOfStatus,
} from '../../src/gateway/code-records.ts';

const TARGET = {
  window: 'w3',
  title: 'Second Factor',
  near: null,
  path: '0/1',
  button: '0/2',
  buttonText: 'OK',
};
const ORDER: CodeOrder = {
  v: 1,
  id: 'a1',
  session: 'live',
  notAfter: 1_790_000_000_000,
  kind: 'type',
  step: 59_666_666,
  target: TARGET,
};
const REPORT: CodeReport = {
  v: 1,
  id: 'a1',
  step: 59_666_666,
  outcome: { kind: 'typed' },
  clock: { synchronised: true, errorMs: 12.5 },
  at: 1_790_000_000_000,
  done: true,
};

describe('an order', () => {
  it('is read as it was written', () => {
    const check: CodeOrder = { v: 1, id: 'a2', session: 'live', notAfter: 5, kind: 'check' };
    for (const order of [ORDER, check]) assert.deepEqual(parseCodeOrder(JSON.stringify(order)), order);
  });

  it('is refused when anything that it needs is missing or odd', () => {
    for (const wrong of [
      { v: 2 },
      { id: '../x' },
      { id: '' },
      { session: undefined },
      { notAfter: '5' },
      { kind: 'other' },
      { step: 1.5 },
      { step: -1 },
      { step: null },
      { target: null },
      { target: { ...TARGET, title: null } },
      { target: { ...TARGET, title: 5 } },
      { target: { ...TARGET, window: '' } },
      { target: { ...TARGET, buttonText: undefined } },
    ]) {
      assert.equal(parseCodeOrder(JSON.stringify({ ...ORDER, ...wrong })), null, JSON.stringify(wrong));
    }
    for (const text of ['', 'null', '[]', '{"v":1']) assert.equal(parseCodeOrder(text), null, text);
  });
});

describe('a result', () => {
  it('is read as it was written', () => {
    for (const outcome of [
      { kind: 'typed' },
      { kind: 'ok' },
      { kind: 'uncertain', detail: 'x' },
      { kind: 'not-typed', why: 'frozen', detail: 'x', hint: 'y' },
    ] as const) {
      const report = { ...REPORT, outcome, clock: { synchronised: null, errorMs: null }, step: null };
      assert.deepEqual(parseCodeReport(JSON.stringify(report)), report);
    }
  });

  it('is refused when it is not one', () => {
    for (const wrong of [
      { v: 2 },
      { done: 'yes' },
      { step: 'x' },
      { at: null },
      { clock: {} },
      { outcome: { kind: 'not-typed', why: 'no-such-reason', detail: '', hint: '' } },
      { outcome: { kind: 'uncertain' } },
      { outcome: 'typed' },
    ]) {
      assert.equal(parseCodeReport(JSON.stringify({ ...REPORT, ...wrong })), null, JSON.stringify(wrong));
    }
  });
});

describe('the exit statuses', () => {
  it('are distinct, none of those that systemd or a shell use, and lead back to the reason', () => {
    const statuses = CODE_REFUSALS.map((why) => codeStatus({ kind: 'not-typed', why, detail: '', hint: '' }));
    const all = [...statuses, CODE_UNCERTAIN_STATUS];
    assert.equal(new Set(all).size, all.length);
    for (const status of all) assert.ok(status > 2 && status < 64, String(status));
    assert.deepEqual(statuses.map(refusalOfStatus), [...CODE_REFUSALS]);
    for (const status of [0, 1, 2, CODE_UNCERTAIN_STATUS, 243, null]) {
      assert.equal(refusalOfStatus(status), null, String(status));
    }
  });
});

describe('a comparison of clocks', () => {
  it('is read as it was written, and refused otherwise', () => {
    const compared = {
      kind: 'compared',
      offsetMs: -5,
      uncertaintyMs: 510,
      address: 'https://x/',
      at: 7,
    } as const;
    const failed = { kind: 'failed', why: 'off', detail: 'x', address: null, at: 7 } as const;
    for (const comparison of [compared, failed]) {
      assert.deepEqual(parseClockComparison(JSON.stringify(comparison)), comparison);
    }
    for (const wrong of [
      { ...compared, offsetMs: null },
      { ...compared, at: 'x' },
      { ...failed, why: 'x' },
      [],
    ]) {
      assert.equal(parseClockComparison(JSON.stringify(wrong)), null, JSON.stringify(wrong));
    }
  });
});
