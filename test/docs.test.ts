// Checks that the generated texts are those that the code's tables produce now.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { GENERATED } from '../docs/generate.ts';

test('no text holds what a merge left', () => {
  for (const file of globSync(['*.md', 'docs/*.md', 'etc/**/*.*', 'systemd/*'])) {
    assert.doesNotMatch(readFileSync(file, 'utf8'), /^(<{7}|>{7}|={7}$)/m, file);
  }
});

for (const [file, generate] of Object.entries(GENERATED)) {
  test(`${file} is what npm run docs writes`, () => {
    assert.equal(readFileSync(file, 'utf8'), generate());
  });
}
