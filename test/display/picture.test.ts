// Checks pictures: what is written is read back, each row filter is understood, and several are put into one.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deflateSync } from 'node:zlib';
import { compose, decodePng, encodePng, type Pixels } from '../../src/display/picture.ts';

/** A picture of one colour in each pixel: the given digits, one a pixel, row by row. */
function picture(...rows: string[]): Pixels {
  const rgb = Buffer.from(
    rows
      .join('')
      .split('')
      .flatMap((digit) => [Number(digit) * 20, 7, Number(digit)]),
  );
  return { width: rows[0]?.length ?? 0, height: rows.length, rgb };
}

/** The digits again; `.` for the background. */
function digits({ width, height, rgb }: Pixels): string[] {
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) =>
      rgb[(y * width + x) * 3 + 1] === 7 ? rgb[(y * width + x) * 3 + 2] : '.',
    ).join(''),
  );
}

describe('a PNG', () => {
  it('is read back as it was written', () => {
    const drawn = picture('123', '456');
    assert.deepEqual(digits(decodePng(encodePng(drawn))), ['123', '456']);
  });

  it('is read with each row filter', () => {
    const { width, height, rgb } = picture('12345', '54321', '11111', '22212', '98789');
    const row = width * 3;
    const at = (x: number, y: number) => (x < 0 || y < 0 ? 0 : (rgb[y * row + x] ?? 0));
    const rows = Array.from({ length: height }, (_, y) => {
      const bytes = Array.from({ length: row }, (_, x) => {
        const [a, b, c] = [at(x - 3, y), at(x, y - 1), at(x - 3, y - 1)];
        const guess = a + b - c;
        const near = [a, b, c].sort((p, q) => Math.abs(guess - p) - Math.abs(guess - q))[0] ?? 0;
        return (at(x, y) - ([0, a, b, (a + b) >> 1, near][y] ?? 0)) & 0xff;
      });
      return Buffer.from([y, ...bytes]);
    });
    const plain = encodePng({ width, height, rgb });
    const start = plain.indexOf('IDAT') - 4;
    const data = deflateSync(Buffer.concat(rows));
    const head = Buffer.alloc(8);
    head.writeUInt32BE(data.length, 0);
    head.write('IDAT', 4, 'latin1');
    const png = Buffer.concat([
      plain.subarray(0, start),
      head,
      data,
      Buffer.alloc(4),
      plain.subarray(plain.indexOf('IEND') - 4),
    ]);
    assert.deepEqual(digits(decodePng(png)), ['12345', '54321', '11111', '22212', '98789']);
  });

  it('of another kind is refused', () => {
    assert.throws(() => decodePng(Buffer.from('no picture at all')), RangeError);
    const grey = encodePng(picture('1'));
    grey[25] = 0;
    assert.throws(() => decodePng(grey), RangeError);
  });
});

describe('a picture of several', () => {
  it('has later ones over earlier ones, cut off at its edge, on a ground of its own', () => {
    const [one, two] = [encodePng(picture('11', '11')), encodePng(picture('22', '22'))];
    const all = compose({ width: 4, height: 3 }, [
      { at: { x: 0, y: 0, width: 2, height: 2 }, png: one },
      { at: { x: 1, y: 1, width: 2, height: 2 }, png: two },
      { at: { x: 3, y: -1, width: 2, height: 2 }, png: one },
    ]);
    assert.deepEqual(digits(decodePng(all)), ['11.1', '122.', '.22.']);
  });

  it('stretches one that was made smaller', () => {
    const png = encodePng(picture('12'));
    const all = compose({ width: 4, height: 2 }, [{ at: { x: 0, y: 0, width: 4, height: 2 }, png }]);
    assert.deepEqual(digits(decodePng(all)), ['1122', '1122']);
  });
});
