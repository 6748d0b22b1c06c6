// Checks which directories are believed to be ours alone.

import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { makeOwnDirectory } from '../../src/host/own-directory.ts';

const uid = process.getuid?.() ?? 0;
const STRANGER = 12_345;

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'own-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const make = (path: string) => makeOwnDirectory(join(root, path), 0o750, uid);

describe('a directory of our own', () => {
  it('is made with those above it', () => {
    assert.equal(make('a/b'), null);
    assert.equal(statSync(join(root, 'a/b')).mode & 0o777, 0o750 & ~process.umask());
    assert.equal(make('a/b'), null);
  });

  it('is not one that others can write, whatever is above it', () => {
    for (const mode of [0o777, 0o1777, 0o770, 0o702]) {
      make('open');
      chmodSync(join(root, 'open'), mode);
      assert.match(make('open') ?? '', /^can be written by others \(mode \d{4}\)$/);
    }
  });

  it('is not one that everybody could put another in place of', () => {
    make('open/inner');
    chmodSync(join(root, 'open'), 0o777);
    assert.equal(make('open/inner'), `is not safe: ${root}/open can be written by everybody (mode 0777)`);
    chmodSync(join(root, 'open'), 0o1777);
    assert.equal(make('open/inner'), null, 'as in /tmp');
  });

  it('is not one that is reached through a link in such a place', () => {
    make('open');
    make('elsewhere/target');
    symlinkSync(join(root, 'elsewhere'), join(root, 'open', 'link'));
    assert.equal(make('open/link/target'), null);
    chmodSync(join(root, 'open'), 0o777);
    assert.match(make('open/link/target') ?? '', /open can be written by everybody/);
    chmodSync(join(root, 'open'), 0o755);
    chmodSync(join(root, 'elsewhere'), 0o777);
    assert.match(make('open/link/target') ?? '', /elsewhere can be written by everybody/);
  });

  it('is not one of another user', () => {
    if (uid === 0) {
      mkdirSync(join(root, 'theirs'), { mode: 0o755 });
      chownSync(join(root, 'theirs'), STRANGER, STRANGER);
      assert.equal(make('theirs'), `belongs to uid ${STRANGER}`);
      assert.equal(make('theirs/inner'), `is not safe: ${root}/theirs belongs to uid ${STRANGER}`);
    } else {
      assert.match(makeOwnDirectory(root, 0o750, STRANGER) ?? '', /belongs to uid/);
    }
  });

  it('cannot be made below a file', () => {
    writeFileSync(join(root, 'file'), '');
    assert.equal(make('file/inner'), 'cannot be made or looked at (ENOTDIR)');
    assert.equal(make('file'), 'cannot be made or looked at (EEXIST)');
  });
});
