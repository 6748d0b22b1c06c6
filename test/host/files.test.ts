// Checks durable file writes: all or nothing, with the exact mode, leaving nothing behind.

import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { errorCode, writeFileAtomic } from '../../src/host/files.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ib-files-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function codeOf(work: () => void): string | undefined {
  try {
    work();
  } catch (error) {
    return errorCode(error);
  }
  return 'none';
}

describe('an atomic write', () => {
  it('makes the file with its content and nothing beside it', () => {
    const path = join(directory, 'file');
    writeFileAtomic(path, 'grüße\n', 0o600);
    assert.equal(readFileSync(path, 'utf8'), 'grüße\n');
    assert.deepEqual(readdirSync(directory), ['file']);
  });

  it('writes bytes as they are, also many', () => {
    const path = join(directory, 'file');
    const bytes = Buffer.alloc(3_000_000, 0xfe);
    writeFileAtomic(path, bytes, 0o600);
    assert.ok(readFileSync(path).equals(bytes));
    writeFileAtomic(path, '', 0o600);
    assert.equal(statSync(path).size, 0);
  });

  it('does not write through what stands at the place of its temporary file', () => {
    const path = join(directory, 'file');
    const other = join(directory, 'other');
    writeFileSync(other, 'theirs');
    symlinkSync(other, `${path}.${process.pid}.tmp`);
    writeFileAtomic(path, 'ours', 0o600);
    assert.equal(readFileSync(other, 'utf8'), 'theirs');
    assert.ok(lstatSync(path).isFile());
    assert.deepEqual(readdirSync(directory).sort(), ['file', 'other']);
  });

  it('gives exactly the mode it was asked for, whatever the umask and the file before', () => {
    const path = join(directory, 'file');
    const before = process.umask(0o077);
    try {
      for (const mode of [0o640, 0o600, 0o400, 0o644]) {
        writeFileAtomic(path, 'x', mode);
        assert.equal(statSync(path).mode & 0o777, mode);
      }
    } finally {
      process.umask(before);
    }
  });

  it('replaces a file as another one, so that a reader of the old one keeps it whole', () => {
    const path = join(directory, 'file');
    writeFileAtomic(path, 'old', 0o600);
    const inode = statSync(path).ino;
    writeFileAtomic(path, 'new', 0o600);
    assert.notEqual(statSync(path).ino, inode);
    assert.equal(readFileSync(path, 'utf8'), 'new');
  });

  it('that fails leaves what was there, nothing beside it, and says the code of the system', () => {
    const path = join(directory, 'taken');
    mkdirSync(path);
    writeFileSync(join(path, 'inside'), 'kept');
    assert.equal(
      codeOf(() => writeFileAtomic(path, 'x', 0o600)),
      'EISDIR',
    );
    assert.deepEqual(readdirSync(directory), ['taken']);
    assert.equal(readFileSync(join(path, 'inside'), 'utf8'), 'kept');
    assert.equal(
      codeOf(() => writeFileAtomic(join(directory, 'no', 'file'), 'x', 0o600)),
      'ENOENT',
    );
    writeFileSync(join(directory, 'plain'), '');
    assert.equal(
      codeOf(() => writeFileAtomic(join(directory, 'plain', 'file'), 'x', 0o600)),
      'ENOTDIR',
    );
  });
});

describe('the code of an error', () => {
  it('is that of the system, and nothing for any other value', () => {
    assert.equal(
      codeOf(() => readFileSync(join(directory, 'missing'))),
      'ENOENT',
    );
    for (const value of [null, undefined, 'ENOENT', new Error('x'), { code: 7 }])
      assert.equal(errorCode(value), undefined);
  });
});
