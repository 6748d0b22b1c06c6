// Checks how the end of a JVM is judged from the launcher's failure, the lines, the files it left, and its status.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgeExit, lockOutWaitMs, statusText } from '../../src/domain/exit-decision.ts';
import type { ExitReport, RefusalCause } from '../../src/domain/facts.ts';
import { NEW_RUN, NOTHING_SAID, type Run } from '../../src/domain/session-state.ts';
import { EXIT } from './session-scene.ts';

type Told = Partial<Omit<Run, 'said'>> & { readonly said?: Partial<Run['said']> };

function aRun({ said = {}, ...change }: Told = {}): Run {
  return {
    order: 'order-1',
    launch: 'cold',
    startedAt: 0,
    ...NEW_RUN,
    pid: 1,
    gatewayVersion: '3.24.1',
    submissions: 1,
    ...change,
    said: { ...NOTHING_SAID, ...said },
  };
}

function judge(run: Told, report: Partial<ExitReport> = {}): string {
  const { reason, next } = judgeExit(aRun(run), { ...EXIT, ...report });
  return `${reason} → ${next.kind}`;
}

function refusal(cause: RefusalCause, waitMs: number | null = null) {
  return { refusal: { cause, text: 'words', waitMs } };
}

const UP: Told = { loggedInAt: 1 };
const WARM: Told = { launch: 'warm', submissions: 0 };

describe('the end of a JVM', () => {
  const CASES: readonly [string, Told, Partial<ExitReport>, string][] = [
    ['a tidy end nobody here asked for', UP, {}, 'gateway-exited → back-off'],
    ['an end before the login, status 0', {}, {}, 'gateway-exited → back-off'],
    ['one token after a login', UP, { tokens: 'one' }, 'gateway-restart → warm'],
    [
      'one token although it was killed',
      UP,
      { tokens: 'one', status: null, signal: 'SIGKILL' },
      'gateway-restart → warm',
    ],
    ['one token that lay there before a login completed', {}, { tokens: 'one' }, 'gateway-exited → back-off'],
    ['several tokens', UP, { tokens: 'several' }, 'gateway-exited → back-off'],
    ['a token and a cold-restart flag', UP, { tokens: 'one', coldRestart: true }, 'login-error → back-off'],
    ['a token and a pause flag', UP, { tokens: 'one', pause: true }, 'paused → halt'],
    ['a STOP of somebody else', { ...UP, said: { foreignCommand: 'STOP' } }, {}, 'foreign-stop → back-off'],
    ['a displaced session', { ...UP, said: { displaced: true } }, {}, 'displaced → halt'],
    [
      'a displaced session with a token',
      { ...UP, said: { displaced: true } },
      { tokens: 'one' },
      'displaced → halt',
    ],
    ['the wrong password', { said: refusal('credentials') }, { status: 143 }, 'wrong-credentials → halt'],
    [
      '"Login failed"',
      { said: refusal('login-failed') },
      { coldRestart: true },
      'login-refused → back-off-once',
    ],
    [
      '"Login Error" after a login',
      { said: refusal('login-error') },
      { coldRestart: true },
      'login-error → back-off',
    ],
    [
      '"Login Error" after a token',
      { ...WARM, said: refusal('login-error') },
      { coldRestart: true },
      'token-refused → back-off',
    ],
    [
      'no connection to IBKR',
      { said: refusal('connection-failed') },
      { coldRestart: true },
      'connection-failed → back-off',
    ],
    [
      'an invalidated dialog',
      { said: refusal('invalidated') },
      { coldRestart: true },
      'login-invalidated → back-off',
    ],
    ['a lock-out', { said: refusal('locked-out', 1) }, {}, 'locked-out → back-off'],
    ['a warm start that ended before it was up', WARM, { status: 1 }, 'token-refused → back-off'],
    [
      'a warm start that ended before it was up, token kept',
      WARM,
      { tokens: 'one' },
      'token-refused → back-off',
    ],
    ['a crash after a warm start was up', { ...WARM, ...UP }, { status: 1 }, 'gateway-crashed → back-off'],
    ['IBC 1100', { said: { fatal: 1100 } }, { status: 76 }, 'gateway-crashed → back-off'],
    ['IBC 1101', { said: { fatal: 1101 } }, { status: 77 }, 'gateway-crashed → back-off'],
    ['IBC 1103', { said: { fatal: 1103 } }, { status: 79 }, 'ibc-config → halt'],
    ['IBC 1104', { said: { fatal: 1104 } }, { status: 80 }, 'ibc-config → halt'],
    ['IBC 1105', { said: { fatal: 1105 } }, { status: 81 }, 'ibc-config → halt'],
    ['IBC 1107', { said: { fatal: 1107 } }, { status: 83 }, 'launch-failed → halt'],
    ['IBC 1111', { said: { fatal: 1111 } }, { status: 87 }, 'second-factor-login-hung → back-off'],
    ['IBC 1112', { said: { fatal: 1112 } }, { status: 88 }, 'start-timeout → back-off'],
    ['SIGKILL', UP, { status: null, signal: 'SIGKILL' }, 'gateway-killed → back-off'],
    ['status 143, which is SIGTERM', UP, { status: 143 }, 'gateway-killed → back-off'],
    ['status 137, which is SIGKILL', UP, { status: 137 }, 'gateway-killed → back-off'],
    ['another status', UP, { status: 3 }, 'gateway-crashed → back-off'],
    ['no status at all', UP, { status: null }, 'gateway-crashed → back-off'],
    ['java that never ran IBC', { gatewayVersion: null }, { status: 1 }, 'java-failed → halt'],
  ];
  for (const [name, run, report, expected] of CASES) {
    it(`${name}: ${expected}`, () => assert.equal(judge(run, report), expected));
  }

  it('of a launcher is judged by its failure before anything else', () => {
    const problem = { code: 'java-missing', message: 'no java at /x', hint: 'h', temporary: false };
    assert.equal(judge({ said: { problem } }, { pause: true, status: 78 }), 'launch-failed → halt');
    assert.equal(judge({ said: { problem: { ...problem, temporary: true } } }), 'launch-failed → back-off');
    assert.equal(
      judge({ said: { problem: { ...problem, code: 'token-missing' } } }),
      'token-refused → back-off',
    );
  });

  it('says in its detail what a person needs', () => {
    const detail = (run: Told, report: Partial<ExitReport>) =>
      judgeExit(aRun(run), { ...EXIT, ...report }).detail;
    assert.equal(detail({ said: { fatal: 1105, error: 'bad time' } }, {}), 'IBC exit code 1105: bad time');
    assert.equal(
      detail({ gatewayVersion: null }, { status: 1, lastError: 'no main class' }),
      'status 1: no main class',
    );
    assert.equal(detail({ said: { foreignCommand: 'STOP' } }, {}), "STOP on IBC's command port");
  });

  it('in a lock-out waits longer than asked, never shorter', () => {
    const verdict = judgeExit(aRun({ said: refusal('locked-out', 287_000) }), EXIT);
    assert.ok(verdict.next.kind === 'back-off' && (verdict.next.waitMs ?? 0) > 287_000);
    assert.ok(lockOutWaitMs(null) >= 15 * 60_000);
  });
});

describe('how an end is put in words', () => {
  it('names the signal before the status', () => {
    assert.equal(statusText({ status: null, signal: 'SIGKILL' }), 'SIGKILL');
    assert.equal(statusText({ status: 76, signal: null }), 'status 76');
    assert.equal(statusText({ status: null, signal: null }), 'status unknown');
  });
});
