// Tests that docs/ibctl.md is what the grammar says.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { allVerbs } from '../../src/cli/grammar.ts';
import { cliReference } from '../../src/cli/reference.ts';

it('docs/ibctl.md is current; `npm run docs` writes it anew', () => {
  const path = join(import.meta.dirname, '../../docs/ibctl.md');
  assert.ok(
    readFileSync(path, 'utf8') === cliReference(),
    `${path} differs from what src/cli/reference.ts writes`,
  );
});

it('every verb has a section, an example and a link that leads to it', () => {
  const text = cliReference();
  for (const { path, verb } of allVerbs()) {
    assert.ok(text.includes(`\n### ibctl ${path.join(' ')}\n`), path.join(' '));
    assert.ok(text.includes(`(#ibctl-${path.join('-')})`), path.join(' '));
    assert.ok(verb.examples.length > 0, `${path.join(' ')} has no example`);
  }
});
