// Tests the making of codes against the vectors of RFC 6238, and that nothing of a seed is told.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { makeCode } from '../../src/launch/totp.ts';

/** `12345678901234567890` of RFC 6238, appendix B, in base32. */
const RFC_SEED = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

describe('a code', () => {
  for (const [seconds, code] of [
    [59, '287082'],
    [1_111_111_109, '081804'],
    [1_111_111_111, '050471'],
    [1_234_567_890, '005924'],
    [2_000_000_000, '279037'],
    [20_000_000_000, '353130'],
  ] as const) {
    it(`of ${seconds} s is the last six digits of the vector, zeros in front included`, () => {
      assert.equal(makeCode(RFC_SEED, Math.floor(seconds / 30)), code);
    });
  }

  for (const characters of [16, 26, 32, 52, 103, 128]) {
    it(`can be made from a seed of ${characters} characters`, () => {
      const seed = 'JBSWY3DPEHPK3PXP'.repeat(8).slice(0, characters);
      const key = decode(seed);
      const counter = Buffer.alloc(8);
      counter.writeBigInt64BE(59_666_666n);
      const hash = createHmac('sha1', key).update(counter).digest();
      const offset = (hash.at(-1) ?? 0) & 0xf;
      const expected = String((hash.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
      assert.equal(makeCode(seed, 59_666_666), expected);
    });
  }

  it('cannot be made from what is no seed, and the error holds nothing of it', () => {
    for (const seed of ['HUNTER2HUNTER2', 'hunter1!', '']) {
      assert.throws(
        () => makeCode(seed, 1),
        (error) => !/hunter/i.test(inspect(error, { depth: 9, showHidden: true }).split('\n')[0] ?? ''),
      );
    }
  });
});

function decode(text: string): Buffer {
  const bits = [...text]
    .map((each) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(each).toString(2).padStart(5, '0'))
    .join('');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}
