// Tests of YAML as text: what becomes of values, and where they stand.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readYaml } from '../../src/config/yaml-source.ts';

function dataOf(text: string): unknown {
  const source = readYaml(text);
  assert.deepEqual(source.problems, []);
  // Maps come without prototype; JSON makes them ordinary for the comparison.
  return JSON.parse(JSON.stringify(source.data));
}

describe('YAML', () => {
  it('is that of version 1.2: yes, no, times and dates are texts', () => {
    assert.deepEqual(
      dataOf('{a: yes, b: no, c: off, d: 12:30, e: 2026-11-22, f: true, g: 0123, h: 1e3, i: ~}'),
      {
        a: 'yes',
        b: 'no',
        c: 'off',
        d: '12:30',
        e: '2026-11-22',
        f: true,
        g: 123,
        h: 1000,
        i: null,
      },
    );
  });

  it('takes a key for the text that stands there', () => {
    assert.deepEqual(dataOf('{1: a, true: b, 1.0: c}'), { '1': 'a', true: 'b', '1.0': 'c' });
  });

  it('takes an alias for the last anchor of its name before it', () => {
    assert.deepEqual(dataOf('- &a 1\n- *a\n- &a 2\n- *a\n- &b [*a]\n- &a 3\n- *b\n- *a\n'), [
      1,
      1,
      2,
      2,
      [2],
      3,
      [2],
      3,
    ]);
  });

  it('knows where each value and its key stand, and how plain values are spelt', () => {
    const source = readYaml('a:\n  b: 10.30\n  c: "x"\n  d:\n    - e\n  f:\n');
    const place = (...path: (string | number)[]) => {
      const found = source.placeOf(path);
      assert.ok(found);
      const at = (offset: number) => Object.values(source.position(offset)).join(':');
      return [found.key === null ? null : at(found.key), at(found.value), found.plain];
    };
    assert.deepEqual(place('a', 'b'), ['2:3', '2:6', '10.30']);
    assert.deepEqual(place('a', 'c'), ['3:3', '3:6', null]);
    assert.deepEqual(place('a', 'd', 0), [null, '5:7', 'e']);
    assert.deepEqual(place('a', 'f'), ['6:3', '6:3', '']);
    assert.equal(source.placeOf(['a', 'x']), undefined);
  });

  it('tells one problem for each broken line, without the text of the line', () => {
    const { problems, broken } = readYaml('a: "hunter2\nb: [hunter2\nc: }hunter2\n');
    assert.equal(broken, true);
    assert.ok(problems.length > 0);
    assert.doesNotMatch(JSON.stringify(problems), /hunter2/);
  });
});
