// Checks the agent's stdout: every record where somebody reads, and neither a stop nor endless memory where nobody does.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RecordOutput } from '../../src/agent/record-output.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

const describeLoss = (count: number) => `lost ${count}\n`;

/** A pipe with both its ends. */
function withPipe(work: (ends: { reader: number; writer: number }) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'output-'));
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(fifo, constants.O_WRONLY);
  try {
    work({ reader, writer });
  } finally {
    closeSync(writer);
    rmSync(directory, { recursive: true });
  }
}

/** Everything that stands in a pipe now. */
function readAll(reader: number): string {
  const chunks: Buffer[] = [];
  const chunk = Buffer.alloc(64 * 1024);
  for (;;) {
    try {
      const length = readSync(reader, chunk);
      if (length === 0) break;
      chunks.push(Buffer.from(chunk.subarray(0, length)));
    } catch {
      break;
    }
  }
  return Buffer.concat(chunks).toString();
}

const record = (number: number) => `${String(number).padStart(6, '0')} ${'x'.repeat(992)}\n`;

describe('the output of records', () => {
  it('has written a record when the call returns', () => {
    withPipe(({ reader, writer }) => {
      const output = new RecordOutput(writer, { clock: new FakeClock(), describeLoss });
      output.write('one\n');
      assert.equal(readAll(reader), 'one\n');
      closeSync(reader);
    });
  });

  it('keeps whole records for a reader that has stopped, and says how many were too many', () => {
    withPipe(({ reader, writer }) => {
      const clock = new FakeClock();
      const output = new RecordOutput(writer, { clock, describeLoss, mostWaitingBytes: 100_000 });
      for (let number = 0; number < 1000; number += 1) output.write(record(number));
      let seen = '';
      for (let round = 0; round < 10; round += 1) {
        seen += readAll(reader);
        clock.advance(100);
      }
      const lines = seen.split('\n').slice(0, -1);
      const kept = lines.length - 1;
      assert.ok(kept > 100 && kept < 300, String(kept));
      assert.deepEqual(
        lines.slice(0, -1).map((line) => `${line}\n`),
        Array.from({ length: kept }, (_, number) => record(number)),
      );
      assert.equal(lines.at(-1), `lost ${1000 - kept}`);
      assert.deepEqual(clock.pending, [], 'it does not look again without need');
      output.write('again\n');
      assert.equal(readAll(reader), 'again\n');
      closeSync(reader);
    });
  });

  it('forgets what a reader that is gone will never read', () => {
    withPipe(({ reader, writer }) => {
      const clock = new FakeClock();
      const output = new RecordOutput(writer, { clock, describeLoss });
      for (let number = 0; number < 100; number += 1) output.write(record(number));
      assert.equal(clock.pending.length, 1, 'something waits');
      closeSync(reader);
      output.write('nobody\n');
      assert.deepEqual(clock.pending, []);
    });
  });

  it('waits for room on a full disk, within its bound', () => {
    const clock = new FakeClock();
    const full = openSync('/dev/full', 'w');
    const output = new RecordOutput(full, { clock, describeLoss, mostWaitingBytes: 10_000 });
    for (let number = 0; number < 100; number += 1) output.write(record(number));
    assert.equal(clock.pending.length, 1);
    closeSync(full);
  });

  it('goes to the end of a file that others write to as well', () => {
    const directory = mkdtempSync(join(tmpdir(), 'output-'));
    const path = join(directory, 'log');
    const [one, two] = [openSync(path, 'w'), openSync(path, 'a')];
    const clock = new FakeClock();
    const [first, second] = [one, two].map((fd) => new RecordOutput(fd, { clock, describeLoss }));
    first?.write('a\n');
    second?.write('b\n');
    first?.write('c\n');
    assert.equal(readFileSync(path, 'utf8'), 'a\nb\nc\n');
    assert.equal(statSync(path).size, 6);
    for (const fd of [one, two]) closeSync(fd);
    rmSync(directory, { recursive: true });
  });
});
