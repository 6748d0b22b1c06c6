// Checks how a child's output becomes lines: whole, bounded, and without keeping anybody waiting.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { SystemClock } from '../../src/host/clock.ts';
import { LineSplitter, LONGEST_LINE, readLines } from '../../src/host/lines.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

function split(...chunks: Buffer[]): string[] {
  const splitter = new LineSplitter();
  return [...chunks.flatMap((chunk) => [...splitter.push(chunk)]), ...splitter.end()];
}

describe('a line splitter', () => {
  it('gives the same lines wherever the bytes are split', () => {
    const bytes = Buffer.from('one\r\n\ntwo €\rx\n\u{1f600}\n\r\nlast é');
    const expected = ['one', '', 'two €\rx', '\u{1f600}', '', 'last é'];
    for (let at = 0; at <= bytes.length; at += 1) {
      assert.deepEqual(split(bytes.subarray(0, at), bytes.subarray(at)), expected, `split at ${at}`);
    }
    assert.deepEqual(split(...[...bytes].map((byte) => Buffer.of(byte))), expected);
    assert.deepEqual(split(Buffer.from('a\n')), ['a']);
    assert.deepEqual(split(), []);
  });

  it('cuts what is too long into pieces of whole characters, ended or not', () => {
    const text = `x${'€'.repeat(60_000)}`;
    for (const end of ['', '\n']) {
      const lines = split(Buffer.from(text + end));
      assert.equal(lines.join(''), text);
      assert.ok(lines.every((line) => Buffer.byteLength(line) <= LONGEST_LINE));
      assert.equal(lines.length, 3);
    }
  });

  it('holds no more than one piece of a line that never ends', () => {
    const splitter = new LineSplitter();
    let given = 0;
    for (let round = 0; round < 100; round += 1) {
      for (const line of splitter.push(Buffer.alloc(50_000, 0x80))) given += line.length;
    }
    const left = [...splitter.end()].join('').length;
    assert.ok(left <= LONGEST_LINE, String(left));
    assert.equal(given + left, 5_000_000);
  });
});

describe('reading lines', () => {
  it('lets others have their turn when lines are slow to handle', async () => {
    const clock = new FakeClock();
    let turns = 0;
    let done = false;
    const reading = readLines(Readable.from([Buffer.from('line\n'.repeat(100))]), clock, () => {
      clock.advance(5);
    }).then(() => {
      done = true;
    });
    while (!done) {
      await setImmediate();
      turns += 1;
    }
    await reading;
    assert.ok(turns >= 40, `${turns} turns during 500 ms of work`);
  });

  it('takes no more from a stream than it has handed on', async () => {
    let given = 0;
    const endless = Readable.from(
      (function* () {
        for (;;) {
          given += 1;
          yield Buffer.from('line\n');
        }
      })(),
      { highWaterMark: 2 },
    );
    const lines: string[] = [];
    await readLines(endless, new SystemClock(), (line) => {
      lines.push(line);
      if (lines.length === 1000) endless.destroy();
    });
    assert.ok(given - lines.length <= 8, `${given} chunks were taken for ${lines.length} lines`);
  });

  it('rejects with what its listener throws', async () => {
    const wrong = new Error('wrong');
    await assert.rejects(
      readLines(Readable.from([Buffer.from('a\n')]), new SystemClock(), () => {
        throw wrong;
      }),
      wrong,
    );
  });
});
