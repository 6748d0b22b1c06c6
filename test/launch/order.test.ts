import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { LaunchError } from '../../src/gateway/launch-error.ts';
import type { LaunchOrder } from '../../src/gateway/launch-records.ts';
import { parseLaunchOrder, readLaunchOrder, useLaunchOrder } from '../../src/launch/order.ts';

const NOW = 1_790_000_000_000;

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'order-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function anOrder(changes: Partial<LaunchOrder> = {}): LaunchOrder {
  return { v: 1, session: 'live', id: 'a1', kind: 'cold', notAfter: NOW + 1000, ...changes };
}

function write(order: unknown): string {
  const file = join(root, 'live.json');
  writeFileSync(file, typeof order === 'string' ? order : JSON.stringify(order));
  return file;
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof LaunchError) return error.code;
    throw error;
  }
  return 'none';
}

describe('a launch order', () => {
  it('is read when it is for this session and in time, up to its last millisecond', () => {
    const order = anOrder({ kind: 'warm' });
    assert.deepEqual(readLaunchOrder(write(order), 'live', NOW + 1000), order);
  });

  it('that is missing says how to get one', () => {
    assert.throws(
      () => readLaunchOrder(join(root, 'none.json'), 'live', NOW),
      (error) =>
        error instanceof LaunchError &&
        error.code === 'order-missing' &&
        error.hint === 'use: ibctl login live',
    );
  });

  it('is void after its time', () => {
    assert.equal(
      codeOf(() => readLaunchOrder(write(anOrder()), 'live', NOW + 1001)),
      'order-expired',
    );
  });

  it('is refused when it is for another session, of another version, or malformed', () => {
    assert.equal(
      codeOf(() => readLaunchOrder(write(anOrder({ session: 'paper' })), 'live', NOW)),
      'order-invalid',
    );
    const malformed = [
      '',
      'null',
      '[]',
      { ...anOrder(), v: 2 },
      { ...anOrder(), id: '../x' },
      { ...anOrder(), id: '' },
      { ...anOrder(), id: 7 },
      { ...anOrder(), kind: 'hot' },
      { ...anOrder(), notAfter: '9' },
      { ...anOrder(), session: undefined },
    ];
    for (const order of malformed) {
      assert.equal(
        codeOf(() => readLaunchOrder(write(order), 'live', NOW)),
        'order-invalid',
        JSON.stringify(order),
      );
    }
    assert.equal(parseLaunchOrder('{"v":1'), null);
  });

  it('is used once', () => {
    const last = join(root, 'last-order');
    useLaunchOrder(last, anOrder());
    assert.equal(readFileSync(last, 'utf8'), 'a1\n');
    assert.equal(
      codeOf(() => useLaunchOrder(last, anOrder())),
      'order-used',
    );
    assert.equal(
      codeOf(() => useLaunchOrder(last, anOrder({ id: 'a2' }))),
      'none',
    );
    assert.deepEqual(readdirSync(root), ['last-order']);
  });

  it('that another launcher is about to use, or died using, counts as used', () => {
    const last = join(root, 'last-order');
    writeFileSync(`${last}.claim-a1`, '');
    assert.equal(
      codeOf(() => useLaunchOrder(last, anOrder())),
      'order-used',
    );
    useLaunchOrder(last, anOrder({ id: 'a2' }));
    assert.deepEqual(readdirSync(root), ['last-order'], 'claims of dead launchers are removed');
  });

  it('that cannot be marked as used is not used', () => {
    assert.equal(
      codeOf(() => useLaunchOrder(join(root, 'nowhere', 'last-order'), anOrder())),
      'runtime-unusable',
    );
  });
});

describe('the device of an order', () => {
  it('is read, and none is named in an order of an earlier agent', () => {
    assert.deepEqual(
      parseLaunchOrder(JSON.stringify(anOrder({ device: 'IB Key' }))),
      anOrder({ device: 'IB Key' }),
    );
    assert.equal(parseLaunchOrder(JSON.stringify(anOrder()))?.device, undefined);
  });

  it('that is no line of a list makes the order invalid', () => {
    for (const device of ['', 'IB Key\nIbPassword=x', 7, null, 'x'.repeat(201)])
      assert.equal(parseLaunchOrder(JSON.stringify({ ...anOrder(), device })), null, String(device));
  });
});
