// Tests what the kernel says of the clock.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';
import { parseTimex, readKernelClock } from '../../src/host/clock-sync.ts';

function timex(maxErrorUs: bigint, estimatedUs: bigint): Buffer {
  const bytes = Buffer.alloc(208, 0xff);
  bytes.writeBigInt64LE(maxErrorUs, 24);
  bytes.writeBigInt64LE(estimatedUs, 32);
  return bytes;
}

it('a clock whose error has grown to the limit counts as unsynchronised', () => {
  assert.deepEqual(parseTimex(timex(16_000_000n, 16_000_000n)), {
    synchronised: false,
    maxErrorMs: 16_000,
    estimatedErrorMs: 16_000,
  });
  assert.deepEqual(parseTimex(timex(15_999_999n, 500n)), {
    synchronised: true,
    maxErrorMs: 15_999.999,
    estimatedErrorMs: 0.5,
  });
});

it('the kernel is asked without setting anything, and says what another program is told', () => {
  const clock = readKernelClock();
  // Python's ctypes asks the same call by its own way; where neither is allowed both say so.
  const script = `
import ctypes, struct
buffer = ctypes.create_string_buffer(208)
state = ctypes.CDLL('libc.so.6').adjtimex(buffer)
print(state < 0, struct.unpack_from('<q', buffer, 24)[0] >= 16000000)`;
  const { status, stdout } = spawnSync('python3', ['-c', script], { encoding: 'utf8' });
  if (status !== 0) {
    assert.ok(clock === null || clock.maxErrorMs >= 0);
    return;
  }
  const [refused, unsynchronised] = stdout.trim().split(' ');
  assert.equal(clock === null, refused === 'True');
  if (clock !== null) assert.equal(clock.synchronised, unsynchronised === 'False');
});
