import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeXauthority, findCookie, makeCookie } from '../../src/display/xauthority.ts';

describe('the Xauthority file', () => {
  it('is one FamilyWild entry without address and display', () => {
    const cookie = new Uint8Array(16).fill(0xab);
    const hex = Buffer.from(encodeXauthority(cookie)).toString('hex');
    assert.equal(
      hex,
      `ffff${'0000'}${'0000'}0012${Buffer.from('MIT-MAGIC-COOKIE-1').toString('hex')}0010${'ab'.repeat(16)}`,
    );
  });

  it('gives its cookie back, also after entries of other protocols', () => {
    const cookie = makeCookie();
    const other = Buffer.from('010000047f00000100013000035841410001ff', 'hex');
    assert.deepEqual(findCookie(Buffer.concat([other, encodeXauthority(cookie)])), new Uint8Array(cookie));
  });

  it('that is cut or of another format has no cookie', () => {
    const whole = Buffer.from(encodeXauthority(makeCookie()));
    for (let length = 0; length < whole.length; length += 1)
      assert.equal(findCookie(whole.subarray(0, length)), null);
  });

  it('has another cookie each time', () => {
    assert.notDeepEqual(makeCookie(), makeCookie());
    assert.equal(makeCookie().length, 16);
  });
});
