// Owns the making of a one-time code from a seed: the only file that uses otplib.

import { createGuardrails, generateSync } from 'otplib';
import { decodeSeed } from '../config/seed.ts';

/** IBKR's parameters, which are those of authenticator apps in general. */
const DIGITS = 6;
const PERIOD_S = 30;
/** otplib refuses less than 128 bits, and seeds of 80 bits are in use; what is stored was checked for its length. */
const GUARDRAILS = createGuardrails({ MIN_SECRET_BYTES: 10, MAX_SECRET_BYTES: 80 });

/**
 * The code of a time step (RFC 6238): SHA-1, six digits, 30 s. `seed` is in the form that normalizeSeed gives. Throws an Error without a
 * word of the seed when that is none.
 */
export function makeCode(seed: string, step: number): string {
  // Decoded here: otplib's own decoder refuses seeds with bits left over at the end, which IBKR may well give.
  const secret = decodeSeed(seed);
  try {
    return generateSync({
      secret,
      epoch: step * PERIOD_S,
      period: PERIOD_S,
      digits: DIGITS,
      algorithm: 'sha1',
      guardrails: GUARDRAILS,
    });
  } catch {
    // Without its cause: that may quote what it was given.
    throw new Error('no code can be made from this seed');
  } finally {
    secret.fill(0);
  }
}
