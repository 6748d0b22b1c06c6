import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { sessionPaths } from '../../src/config/paths.ts';
import type { LaunchRecord } from '../../src/gateway/launch-records.ts';
import { gatherAfter, readEnding } from '../../src/launch/after.ts';

const NOW = 1_790_000_000_000;

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'after-'));
  mkdirSync(paths().runtime, { recursive: true });
  mkdirSync(settings(), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const roots = () => ({ runtimeRoot: join(root, 'run'), stateRoot: join(root, 'state') });
const paths = () => sessionPaths(roots(), 'live');
const settings = () => paths().defaultSettings;

function gather(settingsDir: string | null = settings()) {
  return gatherAfter({
    session: 'live',
    roots: roots(),
    settingsDir,
    ending: { status: 87, signal: null },
    now: NOW,
  });
}

function putLaunchRecord(): void {
  const record: LaunchRecord = {
    v: 1,
    orderId: 'a1',
    kind: 'cold',
    ibcSessionId: 'Qx7Lm2Pa',
    commandPort: 23456,
    gatewayVersion: '1045',
    display: ':7',
    pid: 4711,
    at: NOW,
  };
  writeFileSync(paths().launchRecord, JSON.stringify(record));
}

function putToken(directory: string, at = NOW): void {
  const path = join(settings(), directory, 'autorestart');
  mkdirSync(join(settings(), directory));
  writeFileSync(path, '');
  utimesSync(path, at / 1000, at / 1000);
}

describe('what is said after a JVM has ended', () => {
  it('names the order, the ending, the flags and the token, and removes credentials, record and flags', () => {
    putLaunchRecord();
    writeFileSync(paths().configIni, 'IbPassword=secret');
    writeFileSync(join(settings(), 'COLDRESTARTQx7Lm2Pa'), '');
    writeFileSync(join(settings(), 'PAUSEotherOne'), '');
    putToken('abc', NOW - 5000);
    assert.deepEqual(gather(), {
      v: 1,
      session: 'live',
      orderId: 'a1',
      kind: 'cold',
      ibcSessionId: 'Qx7Lm2Pa',
      status: 87,
      signal: null,
      flags: { coldRestart: true, pause: false },
      autorestart: { tokens: 'one', ageMs: 5000 },
    });
    assert.equal(existsSync(paths().configIni), false);
    assert.equal(existsSync(paths().launchRecord), false);
    assert.equal(existsSync(join(settings(), 'COLDRESTARTQx7Lm2Pa')), false);
    assert.equal(
      existsSync(join(settings(), 'abc', 'autorestart')),
      true,
      'the token is left for the next launch',
    );
  });

  it('says several tokens and gives no age then', () => {
    putToken('abc');
    putToken('def');
    assert.deepEqual(gather().autorestart, { tokens: 'several', ageMs: null });
  });

  it('never fails because something is missing or broken', () => {
    const nothing = {
      v: 1,
      session: 'live',
      orderId: null,
      kind: null,
      ibcSessionId: null,
      status: 87,
      signal: null,
      flags: { coldRestart: false, pause: false },
      autorestart: { tokens: 'none', ageMs: null },
    };
    assert.deepEqual(gather(), nothing);
    assert.deepEqual(gather(null), nothing);
    writeFileSync(paths().launchRecord, '{"orderId": 7, "ibcSessionId": "../../x"');
    assert.deepEqual(gather(), nothing);
    writeFileSync(paths().launchRecord, '{"orderId": 7, "ibcSessionId": "../../x"}');
    mkdirSync(paths().configIni);
    writeFileSync(join(root, 'file'), '');
    assert.deepEqual(gather(join(root, 'file')), nothing);
    rmSync(root, { recursive: true });
    assert.deepEqual(gather(), nothing);
  });

  it('keeps an age that the clock would make negative at zero', () => {
    putToken('abc', NOW + 60_000);
    assert.deepEqual(gather().autorestart, { tokens: 'one', ageMs: 0 });
  });
});

describe('how a JVM ended', () => {
  const none = { status: undefined, signal: undefined };

  it('is told by systemd', () => {
    assert.deepEqual(readEnding(none, { EXIT_CODE: 'exited', EXIT_STATUS: '143' }), {
      status: 143,
      signal: null,
    });
    assert.deepEqual(readEnding(none, { EXIT_CODE: 'killed', EXIT_STATUS: 'KILL' }), {
      status: null,
      signal: 'SIGKILL',
    });
    assert.deepEqual(readEnding(none, { EXIT_CODE: 'dumped', EXIT_STATUS: 'ABRT' }), {
      status: null,
      signal: 'SIGABRT',
    });
  });

  it('is told by flags, which win', () => {
    const env = { EXIT_CODE: 'exited', EXIT_STATUS: '0' };
    assert.deepEqual(readEnding({ status: '88', signal: undefined }, env), { status: 88, signal: null });
    assert.deepEqual(readEnding({ status: undefined, signal: 'SIGTERM' }, env), {
      status: null,
      signal: 'SIGTERM',
    });
  });

  it('is unknown rather than wrong', () => {
    const unknown = { status: null, signal: null };
    assert.deepEqual(readEnding(none, {}), unknown);
    assert.deepEqual(readEnding(none, { EXIT_CODE: 'exited', EXIT_STATUS: 'NOTHING' }), unknown);
    assert.deepEqual(readEnding({ status: '256', signal: undefined }, {}), unknown);
    assert.deepEqual(readEnding({ status: undefined, signal: 'NOPE' }, {}), unknown);
  });
});
