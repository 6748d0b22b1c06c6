// Owns the comparison with golden files; UPDATE_GOLDEN=1 writes them anew.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const DIRECTORY = join(import.meta.dirname, 'golden');

export function assertGolden(name: string, actual: string): void {
  const path = join(DIRECTORY, name);
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, actual);
  }
  assert.equal(
    actual,
    readFileSync(path, 'utf8'),
    `differs from ${path}; UPDATE_GOLDEN=1 accepts the new text`,
  );
}
