// Tests which time step's code is used, and when.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseStep, endOf, judgeStep, STEP_MARGIN_MS, STEP_MS, stepAt } from '../../src/domain/code-step.ts';

const STEP = 58_000_000;
const START = STEP * STEP_MS;

describe('the step to use', () => {
  for (const [what, now, lastUsed, step, from] of [
    ['is the present one at its beginning', START, null, STEP, START],
    ['is the present one while five seconds are left', START + 25_000, null, STEP, START + 25_000],
    ['is the next one when they are not', START + 25_001, null, STEP + 1, START + 30_000],
    ['is the next one in the last millisecond', START + 29_999, null, STEP + 1, START + 30_000],
    ['is the present one when the one before was used', START + 100, STEP - 1, STEP, START + 100],
    ['is the next one when the present one was used', START + 100, STEP, STEP + 1, START + 30_000],
    ['follows a used one that lies ahead', START + 100, STEP + 3, STEP + 4, START + 120_000],
    ['is the next one when both reasons hold', START + 29_000, STEP, STEP + 1, START + 30_000],
    ['forgets a used one of long ago', START + 7, 3, STEP, START + 7],
  ] as const) {
    it(what, () => {
      const until = (step + 1) * STEP_MS - STEP_MARGIN_MS;
      assert.deepEqual(chooseStep(now, lastUsed), { step, from, until });
    });
  }

  it('heeds another margin', () => {
    assert.equal(chooseStep(START + 15_001, null, 15_000).step, STEP + 1);
    assert.equal(chooseStep(START + 15_000, null, 15_000).step, STEP);
  });
});

describe('a step', () => {
  it('is judged by the margin at its end, and not before its beginning', () => {
    assert.equal(judgeStep(START - 1, STEP), 'step-not-yet');
    assert.equal(judgeStep(START, STEP), 'now');
    assert.equal(judgeStep(START + 25_000, STEP), 'now');
    assert.equal(judgeStep(START + 25_001, STEP), 'step-over');
    assert.equal(judgeStep(START + 90_000, STEP), 'step-over');
  });

  it('ends where the next begins', () => {
    assert.equal(stepAt(START - 1), STEP - 1);
    assert.equal(stepAt(START), STEP);
    assert.equal(endOf(STEP), START + STEP_MS);
  });
});

describe('whatever the times', () => {
  it('no step is used twice, none before its time or in its last five seconds, and none is left out without reason', () => {
    let seed = 20_261_127;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    for (let run = 0; run < 200; run += 1) {
      let now = START + random(10 * STEP_MS);
      let lastUsed: number | null = random(3) === 0 ? null : stepAt(now) - 2 + random(5);
      for (let use = 0; use < 30; use += 1) {
        const { step, from, until } = chooseStep(now, lastUsed);
        const context = JSON.stringify({ now, lastUsed, step, from, until });
        assert.ok(lastUsed === null || step > lastUsed, context);
        assert.ok(from >= now && from <= until, context);
        for (const at of [from, until]) {
          assert.equal(stepAt(at), step, context);
          assert.ok(endOf(step) - at >= STEP_MARGIN_MS, context);
          assert.equal(judgeStep(at, step), 'now', context);
        }
        assert.equal(judgeStep(until + 1, step), 'step-over', context);
        // The step before could not have been used.
        const before = step - 1;
        assert.ok(before <= (lastUsed ?? -1) || judgeStep(now, before) === 'step-over', context);
        // Sometimes it is used at the last moment, sometimes the clock is set back.
        now = random(2) === 0 ? from : until;
        lastUsed = step;
        now += random(3) === 0 ? -random(STEP_MS) : random(2 * STEP_MS);
      }
    }
  });
});
