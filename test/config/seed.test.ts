// Tests which texts are TOTP seeds.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { normalizeSeed } from '../../src/config/seed.ts';
import { AgentError } from '../../src/protocol/errors.ts';

const SEED = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';

for (const [what, text] of [
  ['plain', SEED],
  ['lower case in groups', 'jbsw y3dp ehpk 3pxp-jbsw y3dp ehpk 3pxp'],
  ['an address', `otpauth://totp/IBKR:alice?secret=${SEED}&issuer=IBKR`],
  [
    'an address with the usual parameters',
    ` OTPAUTH://totp/x?SECRET=${SEED.toLowerCase()}&algorithm=sha-1&digits=6&period=30 `,
  ],
] as const) {
  it(`takes ${what}`, () => assert.equal(normalizeSeed(text), SEED));
}

it('takes padding off', () => assert.equal(normalizeSeed('JBSWY3DPEHPK3PXPJA======'), 'JBSWY3DPEHPK3PXPJA'));

for (const [text, message] of [
  ['', /is empty/],
  ['JBSWY3DPEHPK3PX1', /is not base32/],
  ['JBSWY3DPEHPK3PÄP', /is not base32/],
  ['JBSWY3DPEHPK3PX', /has 15 characters; expected 16 to 128/],
  ['A'.repeat(129), /has 129 characters/],
  [`${SEED}A`, /has 33 characters, which base32 never gives/],
  ['otpauth://hotp/x?secret=JBSWY3DPEHPK3PXP&counter=1', /not one of time-based codes/],
  ['otpauth://totp/x?issuer=y', /has no secret/],
  ['otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=8', /another digits than 6/],
  ['otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&algorithm=SHA256', /another algorithm than SHA1/],
  ['otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&period=60', /another period than 30/],
  ['otpauth://[', /cannot be read/],
] as const) {
  it(`refuses ${text.slice(0, 60)} without repeating it`, () => {
    assert.throws(
      () => normalizeSeed(text),
      (error) => {
        assert.ok(error instanceof AgentError && error.code === 'credential-invalid');
        assert.match(error.message, message);
        assert.ok(text === '' || !`${error.message}${error.hint}`.includes(text));
        assert.ok(!error.message.includes('JBSW'));
        return true;
      },
    );
  });
}
