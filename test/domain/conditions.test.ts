// Checks which conditions are told: old enough, and not explained by another; and that their table hangs together.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  CONDITIONS,
  type ConditionCode,
  type HeldCondition,
  impairs,
  nextVisibleAt,
  visibleConditions,
} from '../../src/domain/conditions.ts';

const NOW = 1_000_000;
const CODES = Object.keys(CONDITIONS) as ConditionCode[];

function held(code: ConditionCode, ageMs = 3_600_000, detail = ''): HeldCondition {
  return { code, detail, since: NOW - ageMs };
}

function told(...conditions: HeldCondition[]): string[] {
  return visibleConditions(conditions, NOW).map((condition) => condition.code);
}

describe('a condition', () => {
  it('is told once it has held for its time, to the millisecond', () => {
    assert.deepEqual(told(held('api-unreachable', 2_999)), []);
    assert.deepEqual(told(held('api-unreachable', 3_000)), ['api-unreachable']);
    assert.deepEqual(told(held('api-mute', 0)), ['api-mute']);
  });

  it('is not told while its cause is told; a cause that is too young to be told hides nothing yet', () => {
    assert.deepEqual(told(held('broker-disconnected'), held('farm-down')), ['broker-disconnected']);
    assert.deepEqual(told(held('broker-disconnected'), held('api-unreachable', 2_999)), [
      'broker-disconnected',
    ]);
    assert.deepEqual(told(held('broker-disconnected'), held('api-unreachable', 3_000)), ['api-unreachable']);
    assert.deepEqual(told(held('api-unproven'), held('api-client-id-in-use')), ['api-client-id-in-use']);
  });

  it('is told several times when it holds for several things', () => {
    assert.deepEqual(
      told(held('farm-down', 60_000, 'usfarm'), held('farm-down', 60_000, 'ushmds')).length,
      2,
    );
  });

  it('says when the next one becomes old enough, and nothing when none is waiting', () => {
    assert.equal(nextVisibleAt([held('farm-down', 10_000), held('dialog-unknown', 1_000)], NOW), NOW + 4_000);
    assert.equal(nextVisibleAt([held('farm-down'), held('api-mute', 0)], NOW), null);
    assert.equal(nextVisibleAt([], NOW), null);
  });

  it('that a window or a setting causes does not impair trading; a lost API, broker or farm does', () => {
    const impairing = CODES.filter((code) => impairs(held(code)));
    assert.deepEqual(impairing, [
      'api-foreign',
      'api-unreachable',
      'gui-frozen',
      'api-mute',
      'api-unresponsive',
      'api-unproven',
      'api-client-id-in-use',
      'broker-disconnected',
      'farm-down',
    ]);
  });
});

describe('the table of conditions', () => {
  it('names as causes only conditions that there are, and no condition explains itself through others', () => {
    const causes = (code: string): readonly string[] => CONDITIONS[code as ConditionCode].dependsOn;
    for (const code of CODES) {
      const seen = new Set<string>();
      const open: string[] = [...causes(code)];
      for (let cause = open.pop(); cause !== undefined; cause = open.pop()) {
        assert.ok(cause in CONDITIONS, `${code} depends on ${cause}`);
        assert.notEqual(cause, code, `${code} explains itself`);
        if (!seen.has(cause)) open.push(...causes(cause));
        seen.add(cause);
      }
    }
  });

  it('has words and advice for each', () => {
    for (const code of CODES) {
      const text = CONDITIONS[code].text('DETAIL');
      assert.match(text, /^[a-zA-Z]/, code);
      assert.ok(!text.includes('undefined') && !text.includes('\n'), code);
      assert.notEqual(CONDITIONS[code].hint, '', code);
    }
  });
});
