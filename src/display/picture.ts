// Owns pictures in PNG as far as windows need them: opaque, eight bits a colour; several are put into one.

import { crc32, deflateSync, inflateSync } from 'node:zlib';

export type Size = { readonly width: number; readonly height: number };

/** A picture and where it goes; it is stretched to these bounds, in pixels. */
export type Layer = {
  readonly at: Size & { readonly x: number; readonly y: number };
  readonly png: Buffer;
};

/** Pixels row by row, red, green, blue. */
export type Pixels = Size & { readonly rgb: Buffer };

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** The grey of an empty X display behind windows. */
const BACKGROUND = 0x30;
const BYTES = 3;

/** Puts the pictures into one of this size, later ones over earlier ones; what stands out is cut off. Throws when one is no such PNG. */
export function compose(size: Size, layers: readonly Layer[]): Buffer {
  const rgb = Buffer.alloc(size.width * size.height * BYTES, BACKGROUND);
  for (const { at, png } of layers) {
    const picture = decodePng(png);
    const right = Math.min(size.width, at.x + at.width);
    const bottom = Math.min(size.height, at.y + at.height);
    for (let y = Math.max(0, at.y); y < bottom; y += 1) {
      const fromY = Math.floor(((y - at.y) * picture.height) / at.height);
      for (let x = Math.max(0, at.x); x < right; x += 1) {
        const fromX = Math.floor(((x - at.x) * picture.width) / at.width);
        const from = (fromY * picture.width + fromX) * BYTES;
        picture.rgb.copy(rgb, (y * size.width + x) * BYTES, from, from + BYTES);
      }
    }
  }
  return encodePng({ ...size, rgb });
}

export function encodePng({ width, height, rgb }: Pixels): Buffer {
  const row = width * BYTES;
  const data = Buffer.alloc((row + 1) * height);
  for (let y = 0; y < height; y += 1) rgb.copy(data, y * (row + 1) + 1, y * row, (y + 1) * row);
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(data)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Reads truecolour of eight bits, not interlaced. Throws RangeError for all else. */
export function decodePng(png: Buffer): Pixels {
  if (!png.subarray(0, 8).equals(SIGNATURE)) throw new RangeError('no PNG');
  let head: Buffer | null = null;
  const data: Buffer[] = [];
  for (let at = 8; at + 8 <= png.length; ) {
    const length = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    if (type === 'IHDR') head = body;
    if (type === 'IDAT') data.push(body);
    at += length + 12;
  }
  if (head === null || head.length !== 13 || head[8] !== 8 || head[9] !== 2 || head[12] !== 0)
    throw new RangeError('a PNG of a kind that windows are not painted in');
  const width = head.readUInt32BE(0);
  const height = head.readUInt32BE(4);
  return { width, height, rgb: unfilter(inflateSync(Buffer.concat(data)), width, height) };
}

/** PNG (ISO/IEC 15948), section 9: each row begins with how its bytes follow from those to the left (a), above (b) and left above (c). */
function unfilter(data: Buffer, width: number, height: number): Buffer {
  const row = width * BYTES;
  if (data.length !== (row + 1) * height) throw new RangeError('a PNG whose rows are not complete');
  const rgb = Buffer.alloc(row * height);
  for (let y = 0; y < height; y += 1) {
    const filter = data[y * (row + 1)] ?? 0;
    for (let x = 0; x < row; x += 1) {
      const a = x < BYTES ? 0 : (rgb[y * row + x - BYTES] ?? 0);
      const b = y === 0 ? 0 : (rgb[(y - 1) * row + x] ?? 0);
      const c = x < BYTES || y === 0 ? 0 : (rgb[(y - 1) * row + x - BYTES] ?? 0);
      rgb[y * row + x] = (data[y * (row + 1) + 1 + x] ?? 0) + predict(filter, a, b, c);
    }
  }
  return rgb;
}

function predict(filter: number, a: number, b: number, c: number): number {
  switch (filter) {
    case 0:
      return 0;
    case 1:
      return a;
    case 2:
      return b;
    case 3:
      return (a + b) >> 1;
    case 4: {
      const guess = a + b - c;
      const [toA, toB, toC] = [Math.abs(guess - a), Math.abs(guess - b), Math.abs(guess - c)];
      return toA <= toB && toA <= toC ? a : toB <= toC ? b : c;
    }
    default:
      throw new RangeError(`a PNG with a filter ${filter}`);
  }
}

function chunk(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length, 0);
  head.write(type, 4, 'latin1');
  const end = Buffer.alloc(4);
  end.writeUInt32BE(crc32(body, crc32(head.subarray(4))), 0);
  return Buffer.concat([head, body, end]);
}
