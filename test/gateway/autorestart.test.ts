import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { deleteOldFlags, deleteTokens, findTokens, takeFlags } from '../../src/gateway/autorestart.ts';

let settings = '';
beforeEach(() => {
  settings = mkdtempSync(join(tmpdir(), 'settings-'));
});
afterEach(() => rmSync(settings, { recursive: true, force: true }));

function put(...parts: string[]): string {
  const path = join(settings, ...parts);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, '');
  return path;
}

describe('autorestart tokens', () => {
  it('are regular files exactly one directory deep', () => {
    const token = put('abcdef', 'autorestart');
    utimesSync(token, 1000, 1000);
    put('autorestart');
    put('deep', 'er', 'autorestart');
    put('other', 'autorestart.bak');
    mkdirSync(join(settings, 'dir', 'autorestart'), { recursive: true });
    mkdirSync(join(settings, 'link'));
    symlinkSync(token, join(settings, 'link', 'autorestart'));
    symlinkSync(join(settings, 'abcdef'), join(settings, 'linked-directory'));
    assert.deepEqual(findTokens(settings), [{ directory: 'abcdef', path: token, modifiedAt: 1_000_000 }]);
  });

  it('are all found and all deleted', () => {
    put('b', 'autorestart');
    put('a', 'autorestart');
    assert.deepEqual(
      findTokens(settings).map((token) => token.directory),
      ['a', 'b'],
    );
    assert.equal(deleteTokens(settings), 2);
    assert.deepEqual(findTokens(settings), []);
    assert.ok(existsSync(join(settings, 'a')));
  });

  it('are none in a settings directory that does not exist', () => {
    assert.deepEqual(findTokens(join(settings, 'nowhere')), []);
  });
});

describe('flag files', () => {
  it('of one JVM are found once and removed; those of another stay', () => {
    put('COLDRESTARTabcdEF12');
    put('PAUSEotherOTH');
    assert.deepEqual(takeFlags(settings, 'abcdEF12'), { coldRestart: true, pause: false });
    assert.deepEqual(takeFlags(settings, 'abcdEF12'), { coldRestart: false, pause: false });
    assert.deepEqual(takeFlags(settings, 'otherOTH'), { coldRestart: false, pause: true });
  });

  it('of all earlier JVMs are removed before a launch, and nothing else', () => {
    for (const name of ['COLDRESTARTabcdEF12', 'PAUSEabcdEF12', 'PAUSEnotes.txt', 'jts.ini']) put(name);
    assert.equal(deleteOldFlags(settings), 2);
    assert.deepEqual(readdirSync(settings).sort(), ['PAUSEnotes.txt', 'jts.ini']);
  });
});
