// Owns what the head of a sealed credential says about the key it was sealed with; nothing secret is in it.

export type SealingKey =
  | 'host'
  | 'tpm2'
  | 'host+tpm2'
  | 'tpm2-with-public-key'
  | 'host+tpm2-with-public-key'
  /** Sealed with a key that everybody knows. */
  | 'none';

export type Sealing = {
  readonly key: SealingKey;
  /** Platform configuration registers whose state must be the same for the credential to open; null without a TPM. */
  readonly pcrs: readonly number[] | null;
};

/** Key ids of the format (systemd, src/shared/creds-util.h): the first 16 bytes, in hexadecimal. */
const KEYS: ReadonlyMap<string, SealingKey> = new Map([
  ['5a1c6a86df9d4096b1d5a65e0862f19a', 'host'],
  ['0c7cc07b117645919c4b0bea08bc20fe', 'tpm2'],
  ['93a894094874449090caf2fc93cab553', 'host+tpm2'],
  ['faf7eb9341e3412ca1a436f95a29362f', 'tpm2-with-public-key'],
  ['af4950a849134eb1a73846304ff30c05', 'host+tpm2-with-public-key'],
  ['058469daf6f54324800549da0f8ea2fb', 'none'],
]);

/** Key id, then the sizes of key, block, initialisation vector and tag, each of four bytes in little-endian order. */
const FIXED_BYTES = 32;
const VECTOR_SIZE_AT = 24;
const MOST_PCRS = 24;

/** Reads a file of the credential store as systemd-creds wrote it (base64). Null for what is not of the format, or newer. */
export function readSealing(file: Uint8Array): Sealing | null {
  const bytes = Buffer.from(Buffer.from(file).toString('latin1'), 'base64');
  if (bytes.length < FIXED_BYTES) return null;
  const key = KEYS.get(bytes.subarray(0, 16).toString('hex'));
  if (key === undefined) return null;
  if (!key.includes('tpm2')) return { key, pcrs: null };
  // The TPM's part begins at the next multiple of eight after the vector, with a mask of registers.
  const at = Math.ceil((FIXED_BYTES + bytes.readUInt32LE(VECTOR_SIZE_AT)) / 8) * 8;
  if (bytes.length < at + 4) return null;
  const mask = bytes.readUInt32LE(at);
  const pcrs = Array.from({ length: MOST_PCRS }, (_, pcr) => pcr).filter((pcr) => (mask & (1 << pcr)) !== 0);
  return { key, pcrs };
}

const WORDS: Readonly<Record<SealingKey, string>> = {
  host: 'host key',
  tpm2: 'TPM',
  'host+tpm2': 'host key and TPM',
  'tpm2-with-public-key': 'TPM, signed kernel',
  'host+tpm2-with-public-key': 'host key and TPM, signed kernel',
  none: 'no key at all',
};

/** `host key`, `host key and TPM, PCR 7`. */
export function sealingText({ key, pcrs }: Sealing): string {
  if (pcrs === null || pcrs.length === 0) return WORDS[key];
  return `${WORDS[key]}, PCR ${pcrs.join('+')}`;
}
