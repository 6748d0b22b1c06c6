// Owns the Xauthority file of a session's display: one cookie, valid for any display name.
// Format: xauth entries as libXau writes them (Xauth.h, AuWrite.c): big-endian counts before each field.

import { randomBytes } from 'node:crypto';

const PROTOCOL = 'MIT-MAGIC-COOKIE-1';
/** FamilyWild: libXau takes the entry for whatever address and host name the client computes. */
const FAMILY_WILD = 0xffff;
const COOKIE_BYTES = 16;

export function makeCookie(): Uint8Array {
  return randomBytes(COOKIE_BYTES);
}

/** The bytes of an Xauthority file that gives `cookie` for every display. */
export function encodeXauthority(cookie: Uint8Array): Uint8Array {
  const family = Buffer.alloc(2);
  family.writeUInt16BE(FAMILY_WILD);
  const empty = Buffer.alloc(0);
  return Buffer.concat([
    family,
    counted(empty),
    counted(empty),
    counted(Buffer.from(PROTOCOL)),
    counted(cookie),
  ]);
}

/** The first cookie of an Xauthority file, or null when there is none or the bytes are not of the format. */
export function findCookie(bytes: Uint8Array): Uint8Array | null {
  const buffer = Buffer.from(bytes);
  let offset = 0;
  const readCounted = (): Buffer | null => {
    if (offset + 2 > buffer.length) return null;
    const start = offset + 2;
    const end = start + buffer.readUInt16BE(offset);
    if (end > buffer.length) return null;
    offset = end;
    return buffer.subarray(start, end);
  };
  while (offset + 2 <= buffer.length) {
    offset += 2;
    const fields = [readCounted(), readCounted(), readCounted(), readCounted()];
    const [, , name, data] = fields;
    if (name === null || name === undefined || data === null || data === undefined) return null;
    if (name.toString('latin1') === PROTOCOL) return new Uint8Array(data);
  }
  return null;
}

function counted(field: Uint8Array): Buffer {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(field.length);
  return Buffer.concat([count, field]);
}
