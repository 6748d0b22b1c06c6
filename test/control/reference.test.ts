// Checks that the protocol's page names everything there is to call and every error there is to get.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { protocolReference } from '../../src/control/reference.ts';
import { ERROR_CODES } from '../../src/protocol/errors.ts';
import { encodeFrame } from '../../src/protocol/framing.ts';
import { METHODS } from '../../src/protocol/methods.ts';

const page = protocolReference();

test('docs/protocol.md is what the tables say now', () => {
  assert.equal(readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8'), page);
});

test('every method has a section with its parameters, and every error code a row', () => {
  for (const [name, row] of Object.entries(METHODS)) {
    const section = page.split(`\n### ${name}\n`)[1]?.split('\n### ')[0];
    assert.ok(section !== undefined, name);
    assert.ok(section.includes(`Needs \`${row.access}\`.`));
    for (const parameter of Object.keys(row.params.shape))
      assert.ok(section.includes(`| \`${parameter}\` |`), parameter);
    assert.equal(section.includes('Each item of the stream'), 'stream' in row);
  }
  for (const code of Object.keys(ERROR_CODES)) assert.ok(page.includes(`| \`${code}\` |`), code);
});

test('the frame shown is a frame as it is sent', () => {
  const shown = /```json\n(\{"type".*)\n```/.exec(page)?.[1];
  assert.equal(`${shown}\f`, encodeFrame({ kind: 'hello', protocol: 1, client: 'my-script' }).toString());
});

test('nothing of the page was left without words', () => {
  assert.doesNotMatch(page, /undefined|\[object|: any\b/);
});
