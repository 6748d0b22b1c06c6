// Checks that JSON on a terminal is as harmless as text is.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { toJson } from '../../src/cli/output.ts';

it('JSON holds no character that a terminal obeys, and is still the same value', () => {
  const everything = Array.from({ length: 0x2100 }, (_, code) => String.fromCharCode(code)).join('');
  const value = { text: `${everything}\u{1f600}€`, list: [1, null] };
  for (const indent of [0, 2]) {
    const json = toJson(value, indent);
    assert.deepEqual(JSON.parse(json), value);
    assert.equal(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/u.exec(json.replaceAll('\n', '')), null);
  }
  assert.equal(toJson({ a: 'é' }), '{"a":"é"}');
});
