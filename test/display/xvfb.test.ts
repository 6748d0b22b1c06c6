import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  buildXvfbArguments,
  chooseDisplayNumber,
  findXvfb,
  readDisplayNumbers,
} from '../../src/display/xvfb.ts';

const UID = process.getuid?.() ?? 0;
const HEADER = 'Num       RefCount Protocol Flags    Type St Inode Path\n';

describe('Xvfb', () => {
  it('is found in the search path, past what is not executable or not absolute', () => {
    const root = mkdtempSync(join(tmpdir(), 'xvfb-'));
    try {
      for (const [name, mode] of [
        ['a', 0o644],
        ['b', 0o755],
      ] as const) {
        mkdirSync(join(root, name));
        writeFileSync(join(root, name, 'Xvfb'), '', { mode });
      }
      mkdirSync(join(root, 'c', 'Xvfb'), { recursive: true });
      assert.equal(
        findXvfb(`.:${join(root, 'c')}:${join(root, 'a')}:${join(root, 'b')}`),
        join(root, 'b', 'Xvfb'),
      );
      assert.equal(findXvfb(join(root, 'a')), null);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('asks for the cookie, keeps the abstract socket and listens on no port', () => {
    const args = buildXvfbArguments({ width: 800, height: 600, depth: 16 }, 7, '/c/Xauthority');
    assert.equal(args.join(' '), ':7 -screen 0 800x600x16 -nolisten tcp -auth /c/Xauthority -noreset');
  });
});

describe('a display number', () => {
  it('is taken by a listening socket, abstract or by path, and by a live lock file', () => {
    const numbers = readDisplayNumbers(
      `${HEADER}0: 2 0 10000 1 1 4 @/tmp/.X11-unix/X901\n0: 2 0 10000 1 1 4 /tmp/.X11-unix/X902\n0: 2 0 10000 1 1 4 /x/tmp/.X11-unix/X903\n`,
      UID,
    );
    assert.equal(numbers.isTaken(901), true);
    assert.equal(numbers.isTaken(902), true);
    assert.equal(numbers.isTaken(903), false);
    const locked = 60_000 + (process.pid % 5000);
    const lock = `/tmp/.X${locked}-lock`;
    try {
      writeFileSync(lock, `${String(process.pid).padStart(10)}\n`);
      assert.equal(numbers.isTaken(locked), true);
      writeFileSync(lock, `${String(2 ** 30).padStart(10)}\n`);
      assert.equal(numbers.isTaken(locked), false, 'the lock of a dead server of ours');
      assert.equal(readDisplayNumbers(HEADER, UID + 1).isTaken(locked), true, 'the lock of another user');
    } finally {
      rmSync(lock, { force: true });
    }
  });

  it('stays the same for a session while it is free, and is the next free one otherwise', () => {
    const first = chooseDisplayNumber('live', { isTaken: () => false });
    assert.ok(first !== null && first >= 100);
    assert.equal(chooseDisplayNumber('live', { isTaken: () => false }), first);
    const next = chooseDisplayNumber('live', { isTaken: (number) => number === first });
    assert.ok(next !== null && next !== first);
    assert.notEqual(chooseDisplayNumber('paper', { isTaken: () => false }), first);
    assert.equal(chooseDisplayNumber('live', { isTaken: () => true }), null);
    const last = chooseDisplayNumber('live', { isTaken: (number) => number !== 100 });
    assert.equal(last, 100);
  });
});
