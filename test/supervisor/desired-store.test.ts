// Checks the durable wish for each session.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AgentError } from '../../src/protocol/errors.ts';
import { DesiredStore } from '../../src/supervisor/desired-store.ts';

let directory = '';
let path = '';
const boot = 'boot-1';
let damage: string[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ib-desired-'));
  path = join(directory, 'desired.json');
  damage = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function open(): DesiredStore {
  return new DesiredStore(path, boot, (detail) => damage.push(detail));
}

describe('the wish for a session', () => {
  it('is down until it is said otherwise, without a complaint', () => {
    assert.deepEqual([open().get('live'), damage], ['down', []]);
  });

  it('survives a restart, one session not touching another', () => {
    const store = open();
    store.set('live', 'up');
    store.set('paper', 'up');
    store.set('paper', 'down');
    const next = open();
    assert.deepEqual([next.get('live'), next.get('paper')], ['up', 'down']);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  for (const text of ['', '{"v":1', 'null', '7', '{"v":1}', '{"v":1,"sessions":"up"}']) {
    it(`in a damaged file (${JSON.stringify(text)}) counts as down, and that is told`, () => {
      writeFileSync(path, text);
      assert.deepEqual([open().get('live'), damage.length], ['down', 1]);
    });
  }

  it('of other words than up and down counts as down', () => {
    writeFileSync(path, '{"v":1,"sessions":{"live":"maybe","paper":"up"}}');
    const store = open();
    assert.deepEqual([store.get('live'), store.get('paper')], ['down', 'up']);
  });

  it('that cannot be read counts as down, and that is told', () => {
    mkdirSync(path);
    assert.deepEqual([open().get('live'), damage], ['down', ['EISDIR']]);
  });

  it('that cannot be written is refused and stays what it was', () => {
    const store = open();
    rmSync(directory, { recursive: true });
    assert.throws(
      () => store.set('live', 'up'),
      (error) =>
        error instanceof AgentError && error.code === 'state-unwritable' && error.message.includes(path),
    );
    assert.equal(store.get('live'), 'down');
  });
});
