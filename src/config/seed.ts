// Owns how a TOTP seed is read: base32 as people copy it, or the otpauth:// address behind a QR code.

import { AgentError } from '../protocol/errors.ts';

/** 80 bits; RFC 4226 (section 4, R6) asks for 128 and recommends 160, but shorter seeds are in use. */
const LEAST_CHARACTERS = 16;
/** 640 bits, longer than the block of any hash in use. */
const MOST_CHARACTERS = 128;
/** What is left over after whole groups of eight: 1, 3 and 6 encode no whole byte (RFC 4648, section 6). */
const IMPOSSIBLE_REST: ReadonlySet<number> = new Set([1, 3, 6]);

/** What authenticator apps and IBKR use; another value would need another generator. */
const USUAL = { algorithm: 'SHA1', digits: '6', period: '30' } as const;

/**
 * The seed in its one normal form: base32 in capitals, without blanks, hyphens and padding. Throws AgentError `credential-invalid`;
 * no text of it holds any of what was given.
 */
export function normalizeSeed(text: string): string {
  return /^otpauth:/i.test(text.trim()) ? fromAddress(text.trim()) : fromBase32(text);
}

function fromAddress(text: string): string {
  let address: URL;
  try {
    address = new URL(text);
  } catch {
    throw invalid('The otpauth:// address cannot be read');
  }
  if (address.host.toLowerCase() !== 'totp') {
    throw invalid('The otpauth:// address is not one of time-based codes (otpauth://totp/…)');
  }
  const parameters = new Map([...address.searchParams].map(([name, value]) => [name.toLowerCase(), value]));
  for (const [name, usual] of Object.entries(USUAL)) {
    const given = parameters.get(name);
    if (given !== undefined && given.toUpperCase().replace('-', '') !== usual) {
      throw invalid(`The otpauth:// address asks for another ${name} than ${usual}, which is not supported`);
    }
  }
  const secret = parameters.get('secret');
  if (secret === undefined) throw invalid('The otpauth:// address has no secret in it');
  return fromBase32(secret);
}

function fromBase32(text: string): string {
  const seed = text
    .replace(/[\s-]/g, '')
    .toUpperCase()
    .replace(/={1,6}$/, '');
  if (seed === '') throw invalid('The TOTP seed is empty');
  if (!/^[A-Z2-7]+$/.test(seed)) {
    throw invalid('The TOTP seed is not base32: it may hold the letters A to Z and the digits 2 to 7 only');
  }
  if (seed.length < LEAST_CHARACTERS || seed.length > MOST_CHARACTERS) {
    throw invalid(
      `The TOTP seed has ${seed.length} characters; expected ${LEAST_CHARACTERS} to ${MOST_CHARACTERS}`,
    );
  }
  if (IMPOSSIBLE_REST.has(seed.length % 8)) {
    throw invalid(
      `The TOTP seed has ${seed.length} characters, which base32 never gives: one was lost or added`,
    );
  }
  return seed;
}

function invalid(message: string): AgentError {
  return new AgentError('credential-invalid', `${message}.`, {
    hint: 'Give the key that IBKR shows when the authenticator app is set up ("cannot scan?"), or the otpauth:// address of its QR code.',
  });
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/**
 * The bytes of a seed in its normal form. Bits that are left over at the end are dropped whatever they are, as authenticator apps do
 * (RFC 4648, section 3.5, lets a decoder refuse them). Throws an Error without a word of the seed for other characters.
 */
export function decodeSeed(seed: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((seed.length * 5) / 8));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const character of seed) {
    const value = ALPHABET.indexOf(character);
    if (value === -1) throw new Error('a seed that is not in its normal form');
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (held >> bits) & 0xff;
    }
  }
  return bytes;
}
