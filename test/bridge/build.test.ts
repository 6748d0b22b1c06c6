// The jar: the same bytes from the same sources, cached, and a word for people where there is no compiler.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { buildBridgeJar } from '../../build-bridge.ts';
import { findJavaHome } from '../standin/build.ts';

let root = '';
before(() => {
  root = mkdtempSync(join(tmpdir(), 'bridge-build-'));
});
after(() => rmSync(root, { recursive: true, force: true }));

it('two builds give the same bytes, and the second look compiles nothing', () => {
  const first = buildBridgeJar(join(root, 'a'));
  const second = buildBridgeJar(join(root, 'b'));
  assert.ok(readFileSync(first).equals(readFileSync(second)));
  const { mtimeMs, ino } = statSync(first);
  assert.equal(buildBridgeJar(join(root, 'a')), first);
  assert.deepEqual([statSync(first).mtimeMs, statSync(first).ino], [mtimeMs, ino]);
  assert.equal(readdirSync(join(root, 'a')).length, 2);
});

it('is a jar that Java reads, for Java 17, without invokedynamic', async () => {
  const jar = buildBridgeJar(join(root, 'a'));
  const javap = join(await findJavaHome(), 'bin', 'javap');
  for (const name of ['Agent', 'Server', 'Hands', 'Operations']) {
    const text = execFileSync(javap, ['-v', '-p', '-cp', jar, `ibagent.bridge.${name}`], {
      encoding: 'utf8',
      maxBuffer: 16 * 1024 * 1024,
    });
    assert.match(text, /major version: 61/);
    assert.ok(!text.includes('InvokeDynamic'), `${name} would cost every JVM its bootstrap`);
  }
});

it('without a compiler it says what to install, and leaves nothing', () => {
  const path = process.env['PATH'];
  process.env['PATH'] = join(root, 'empty');
  try {
    assert.throws(() => buildBridgeJar(join(root, 'c')), /there is no javac on PATH.*apt-get install/);
    assert.deepEqual(readdirSync(join(root, 'c')), []);
  } finally {
    process.env['PATH'] = path;
  }
});
