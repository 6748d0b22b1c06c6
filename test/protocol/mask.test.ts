import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maskAccounts } from '../../src/protocol/mask.ts';

describe('account ids in text', () => {
  const MASKED: readonly [text: string, masked: string][] = [
    ['U1234567', 'U***67'],
    ['U12345678', 'U***78'],
    ['DU1234567', 'DU***67'],
    ['DUK123456', 'DUK***56'],
    ['DF1234567', 'DF***67'],
    ['F1234567', 'F***67'],
    ['I1234567', 'I***67'],
    ['F1234567A', 'F***67A'],
    ['U1234567,DU7654321;F1111122', 'U***67,DU***21;F***22'],
    ['"U1234567"', '"U***67"'],
    ['/var/lib/U1234567/x', '/var/lib/U***67/x'],
    ['account=U1234567.', 'account=U***67.'],
    ['DU1234567 IBKR Gateway', 'DU***67 IBKR Gateway'],
  ];
  for (const [text, masked] of MASKED) {
    it(`${text} becomes ${masked}`, () => assert.equal(maskAccounts(text), masked));
  }

  const KEPT = [
    'UTF-8 and U.S. and U+1F600',
    'U1234',
    'F12',
    'FOO1234567',
    'XU1234567',
    'u1234567',
    'U1234567x9',
    'ABU12345678',
    '0xF1234567',
    'id_U1234567',
    'U1234567_1',
    'U12345678901234',
    '550e8400-e29b-41d4-a716-446655440000',
    'port 4001 pid 1234567',
    'DuktDK38',
    'restart=abcdefghijklmnopqrstuvwxyz',
  ];
  for (const text of KEPT) {
    it(`${text} stays as it is`, () => assert.equal(maskAccounts(text), text));
  }

  it('masking twice is masking once', () => {
    const once = maskAccounts('U1234567 and DUK123456');
    assert.equal(maskAccounts(once), once);
  });

  it('a text of 1 MiB costs no time', () => {
    const before = performance.now();
    maskAccounts('DU1'.repeat(350_000));
    maskAccounts('U'.repeat(2 ** 20));
    maskAccounts(`U${'1'.repeat(2 ** 20)}`);
    assert.ok(performance.now() - before < 2000);
  });
});
