// Checks that the generated texts are those that the code's tables produce now.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { GENERATED } from '../docs/generate.ts';

for (const [file, generate] of Object.entries(GENERATED)) {
  test(`${file} is what npm run docs writes`, () => {
    assert.equal(readFileSync(file, 'utf8'), generate());
  });
}
