// Tests that a Secret shows itself nowhere but where it is asked to.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { format, inspect } from 'node:util';
import { pino } from 'pino';
import { Secret } from '../../src/config/secret.ts';

const TEXT = 'hunter2';

describe('a Secret', () => {
  const secret = new Secret(TEXT);

  it('reveals its text when asked', () => {
    assert.equal(secret.reveal(), TEXT);
  });

  it('shows as [secret] wherever it is turned to text', () => {
    assert.equal(`${secret}`, '[secret]');
    assert.equal(String(secret), '[secret]');
    assert.equal(`a ${secret}`, 'a [secret]');
    assert.equal(JSON.stringify({ secret, list: [secret] }), '{"secret":"[secret]","list":["[secret]"]}');
    assert.equal(inspect(secret), '[secret]');
    assert.equal(
      inspect({ deep: { secret } }, { depth: 9, showHidden: true }),
      '{ deep: { secret: [secret] } }',
    );
  });

  it('does not show under any way of printing an object', () => {
    const shown = [
      format('%s %o %O %j %d', secret, secret, secret, secret, secret),
      inspect(secret, { customInspect: false, showHidden: true, getters: true }),
      Object.entries(secret).join(),
      JSON.stringify({ ...secret }),
      Reflect.ownKeys(secret).map(String).join(),
      inspect(new Error('x', { cause: secret })),
      inspect(structuredClone({ secret })),
      new Map([[secret, secret]]),
    ].map((value) => (typeof value === 'string' ? value : inspect(value, { depth: 9, showHidden: true })));
    for (const text of shown) assert.ok(!text.includes(TEXT), text);
  });

  it('does not show in log records', () => {
    const lines: string[] = [];
    const log = pino({}, { write: (line: string) => lines.push(line) });
    log.info({ password: secret, deep: { list: [secret] } }, 'login %s', secret);
    log.error(new Error(`failed for ${secret}`, { cause: secret }));
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? '', /"password":"\[secret\]"/);
    for (const line of lines) assert.ok(!line.includes(TEXT), line);
  });
});
