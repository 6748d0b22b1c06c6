// Checks what each of IBC's facts becomes in the words of the rules.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GatewayFact } from '../../src/domain/facts.ts';
import type { IbcFact } from '../../src/gateway/ibc-facts.ts';
import { IbcMapping } from '../../src/supervisor/ibc-mapping.ts';
import { EXPECTED_RUNS } from '../fixtures/ibc-logs/expected.ts';

function map(fact: IbcFact, secondFactorMs = 180_000): GatewayFact | null {
  return new IbcMapping(secondFactorMs).map(fact);
}

const REFUSED = { kind: 'login-refused', waitMs: null } as const;

describe("IBC's facts", () => {
  const CASES: readonly [IbcFact, GatewayFact | null][] = [
    [
      { kind: 'ibc-started', version: '3.24.1' },
      { kind: 'gateway-up', version: '3.24.1' },
    ],
    [{ kind: 'command-server-ready' }, { kind: 'command-server', up: true }],
    [{ kind: 'command-server-failed' }, { kind: 'command-server', up: false }],
    [
      { kind: 'command-received', command: 'stop' },
      { kind: 'command', command: 'STOP' },
    ],
    [{ kind: 'session-restart' }, { kind: 'restored' }],
    [{ kind: 'login-dialog', loginState: 'LOGGED_OUT' }, { kind: 'login-dialog' }],
    [
      { kind: 'login-attempt', number: 2 },
      { kind: 'login-submitted', number: 2 },
    ],
    [{ kind: 'main-window' }, { kind: 'main-window' }],
    [{ kind: 'second-factor-opened' }, { kind: 'second-factor-shown', method: null }],
    [{ kind: 'second-factor-shown' }, { kind: 'second-factor-shown', method: null }],
    [{ kind: 'second-factor-timeout', relogin: false }, { kind: 'second-factor-timed-out' }],
    [
      { kind: 'second-factor-device-unknown', device: 'IB KEY' },
      { kind: 'second-factor-device-unknown', text: 'IB KEY' },
    ],
    [
      { kind: 'second-factor-device-unknown', device: null },
      { kind: 'second-factor-device-unknown', text: 'no device is configured' },
    ],
    [{ kind: 'logged-in' }, { kind: 'logged-in' }],
    [
      { kind: 'credentials-rejected', title: 'Unrecognized' },
      { ...REFUSED, cause: 'credentials', text: 'Unrecognized' },
    ],
    [{ kind: 'login-failed' }, { ...REFUSED, cause: 'login-failed', text: 'Login failed' }],
    [{ kind: 'login-error' }, { ...REFUSED, cause: 'login-error', text: 'Login Error' }],
    [
      { kind: 'connection-failed', text: 'no route' },
      { ...REFUSED, cause: 'connection-failed', text: 'no route' },
    ],
    [
      { kind: 'locked-out', seconds: 287 },
      { kind: 'login-refused', cause: 'locked-out', text: 'IBKR asks to wait 287 s', waitMs: 287_000 },
    ],
    [
      { kind: 'locked-out', seconds: null },
      { ...REFUSED, cause: 'locked-out', text: 'IBKR asks for a wait' },
    ],
    [
      { kind: 'existing-session-decision', scenario: 4, ends: true },
      { kind: 'existing-session', decision: 'ends' },
    ],
    [{ kind: 'relogin-required' }, { kind: 'relogin-required' }],
    [
      { kind: 'restart-planned', time: '04:36 AM' },
      { kind: 'restart-time', time: '04:36 AM' },
    ],
    [{ kind: 'shutdown-progress' }, { kind: 'shutdown-started' }],
    [
      { kind: 'fatal', code: 1111 },
      { kind: 'fatal', code: 1111 },
    ],
    [
      { kind: 'error', text: 'bad' },
      { kind: 'gateway-error', text: 'bad' },
    ],
    [
      { kind: 'exception', text: 'bad' },
      { kind: 'gateway-error', text: 'bad' },
    ],
    [
      { kind: 'window', type: 'dialog', title: 'T', event: 'Opened' },
      { kind: 'dialog', title: 'T', open: true },
    ],
    [
      { kind: 'window', type: 'dialog', title: 'T', event: 'Closed' },
      { kind: 'dialog', title: 'T', open: false },
    ],
    [
      { kind: 'window', type: 'dialog', title: 'T', event: 'Focused' },
      { kind: 'dialog', title: 'T', open: true },
    ],
    [{ kind: 'relogin-dialog' }, null],
    [{ kind: 'stopping', how: 'tidy' }, null],
  ];
  for (const [fact, expected] of CASES) {
    it(`${JSON.stringify(fact)} becomes ${expected === null ? 'nothing' : expected.kind}`, () => {
      assert.deepEqual(map(fact), expected);
    });
  }

  it('say that a second factor was answered only when its dialog closed before the limit', () => {
    assert.deepEqual(map({ kind: 'second-factor-duration', seconds: 179 }), {
      kind: 'second-factor-answered',
    });
    assert.equal(map({ kind: 'second-factor-duration', seconds: 180 }), null);
    assert.equal(map({ kind: 'second-factor-duration', seconds: 4 }, 4_000), null);
  });

  it('of every captured log are taken without an exception', () => {
    const mapping = new IbcMapping(180_000);
    let mapped = 0;
    for (const run of EXPECTED_RUNS)
      for (const [, fact] of run.facts) mapped += mapping.map(fact) === null ? 0 : 1;
    assert.ok(mapped > 200, `${mapped}`);
  });
});
