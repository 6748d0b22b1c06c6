// Tests what people read of sessions: the status picture at several widths, and the words of progress.

import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Paint } from '../../src/cli/output.ts';
import {
  formatBytes,
  nextText,
  progressText,
  renderStatus,
  secondFactorText,
} from '../../src/cli/status-text.ts';
import { displayWidth } from '../../src/cli/table.ts';
import { SECOND_FACTOR_METHODS, SESSION_STATES } from '../../src/protocol/states.ts';
import {
  aCondition,
  aDownSession,
  anAgent,
  aProgress,
  aSession,
  aStatus,
  at,
  NOT_SEEN,
  NOW,
} from './builders.ts';
import { assertGolden } from './golden.ts';

const plain: Paint = (_, text) => text;
const tagged: Paint = (style, text) => `<${style}>${text}</>`;

const pending = { method: 'ib-key', since: at(-41), deadline: at(139), attempt: 1, ...NOT_SEEN } as const;

/** One session in each situation that a person must tell apart. */
const EVERYTHING = aStatus([
  aSession({
    next: { at: at(53_100), kind: 'warm-restart', needsSecondFactor: false, why: 'daily restart' },
  }),
  aDownSession({
    name: 'paper',
    mode: 'paper',
    state: 'awaiting-second-factor',
    since: at(-41),
    desired: 'up',
    secondFactor: pending,
    next: { at: at(139), kind: 'give-up', needsSecondFactor: null, why: 'IBKR waits three minutes' },
  }),
  aSession({ name: 'swing', state: 'degraded', reason: 'farm-down', conditions: [aCondition()] }),
  aDownSession({
    name: 'scalper-eurex',
    state: 'halted',
    desired: 'up',
    reason: 'wrong-credentials',
    conditions: [
      aCondition({
        code: 'wrong-credentials',
        severity: 'error',
        text: 'IBKR does not know this user name and password',
        hint: 'correct the stored credentials, check them on the IBKR website, then run: ibctl login scalper-eurex',
      }),
    ],
  }),
  aDownSession({ name: 'spare' }),
  aDownSession({
    name: 'retry',
    state: 'backing-off',
    desired: 'up',
    reason: 'connection-failed',
    next: { at: at(400), kind: 'login', needsSecondFactor: true, why: 'try 2 of 3 in this hour' },
    ledger: {
      logins24h: 3,
      pushes24h: 2,
      blockedUntil: at(400),
      deferral: {
        why: 'logins-hour',
        until: at(400),
        text: 'the login budget of this IBKR user is used up: 3 of 3 logins in the last hour',
        used: 3,
        limit: 3,
        session: null,
      },
    },
  }),
]);

before(() => {
  process.env['TZ'] = 'Europe/Berlin';
});

describe('renderStatus', () => {
  for (const columns of [40, 80, 200]) {
    it(`is as in the golden file at ${columns} columns`, () => {
      assertGolden(`status-${columns}.txt`, renderStatus(EVERYTHING, { now: NOW, columns, paint: plain }));
    });
    it(`has no line wider than ${columns} columns`, () => {
      const lines = renderStatus(EVERYTHING, { now: NOW, columns, paint: plain }).split('\n');
      assert.deepEqual(
        lines.filter((line) => displayWidth(line) > columns),
        [],
      );
    });
  }

  it('tells the time of the next step below the table when the table has no room for it', () => {
    const next = {
      at: at(53_100),
      kind: 'warm-restart',
      needsSecondFactor: false,
      why: 'daily restart',
    } as const;
    const long = aSession({ name: 'a'.repeat(31), next });
    const text = renderStatus(aStatus([long]), { now: NOW, columns: 72, paint: plain });
    assert.match(text, /\n {2}next: warm restart 00:45 \(daily restart\)\n/);
  });

  it('says what to type when a session is halted and no condition says it', () => {
    const halted = aDownSession({ state: 'halted', reason: 'displaced' });
    const text = renderStatus(aStatus([halted]), { now: NOW, columns: 100, paint: plain });
    assert.match(text, /halted: displaced\n {2}hint: see why with "ibctl events live".* ibctl login live/);
  });

  it('does not take unknown for ok', () => {
    const unknown = aDownSession({ state: 'ready' });
    const text = renderStatus(aStatus([unknown]), { now: NOW, columns: 200, paint: plain });
    assert.doesNotMatch(text, /\bok\b/);
  });

  it('tells a pending second factor once, not also as a condition', () => {
    const conditions = [aCondition({ code: 'second-factor-pending', text: 'IBKR waits' }), aCondition()];
    const session = aDownSession({ state: 'awaiting-second-factor', secondFactor: pending, conditions });
    const text = renderStatus(aStatus([session]), { now: NOW, columns: 100, paint: plain });
    assert.match(text, /second factor: 2m 19s left/);
    assert.match(text, /farm-down/);
    assert.doesNotMatch(text, /second-factor-pending/);
  });

  it('leaves out figures of the host that are not known', () => {
    const nothing = {
      memoryTotalBytes: null,
      memoryAvailableBytes: null,
      diskTotalBytes: null,
      diskAvailableBytes: null,
      load1: null,
      cpus: null,
      checkedAt: null,
    };
    const text = renderStatus(
      { agent: anAgent({ host: nothing }), sessions: [] },
      { now: NOW, columns: 200, paint: plain },
    );
    assert.doesNotMatch(text, /host:/);
    assert.match(text, /no session is configured/);
  });

  it('paints states by what they ask of a person', () => {
    const text = renderStatus(EVERYTHING, { now: NOW, columns: 80, paint: tagged });
    assert.match(text, /<green>ready<\/>/);
    assert.match(text, /<red>halted<\/>/);
    assert.match(text, /<yellow>awaiting-second-factor<\/>/);
    assert.match(text, /<dim>stopped<\/>/);
    assert.match(text, /<yellow>warning farm-down for 4m 2s<\/>: data farm/);
  });

  it('makes texts of gateways harmless to the terminal', () => {
    const nasty = aSession({
      state: 'degraded',
      conditions: [aCondition({ text: 'window "\u001b]0;owned\u0007"' })],
    });
    const text = renderStatus(aStatus([nasty]), { now: NOW, columns: 80, paint: plain });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    assert.doesNotMatch(text, /[\u001b\u0007]/);
  });
});

describe('words of progress', () => {
  it('a pending second factor shows method, attempt, time left and the local deadline', () => {
    assert.equal(secondFactorText(pending, NOW), '2m 19s left (until 10:02:19), IB Key, attempt 1');
    assert.equal(secondFactorText(pending, NOW + 200_000), 'time is up (until 10:02:19), IB Key, attempt 1');
  });
  it('every method and every state has words', () => {
    for (const method of SECOND_FACTOR_METHODS)
      assert.doesNotMatch(secondFactorText({ ...pending, method }, NOW), /undefined/);
    for (const state of SESSION_STATES) assert.equal(progressText(aProgress({ state }), NOW), state);
  });
  it('a reason stands beside the state, and for backing off the next try', () => {
    const next = { at: at(130), kind: 'login', needsSecondFactor: true, why: '' } as const;
    const progress = aProgress({ state: 'backing-off', reason: 'connection-failed', next });
    assert.equal(
      progressText(progress, NOW),
      'backing-off (connection-failed), login in 2m 10s, second factor',
    );
  });
  it('a step whose second factor is not known does not promise that none is needed', () => {
    const next = { at: at(130), kind: 'login', needsSecondFactor: null, why: '' } as const;
    assert.equal(nextText(next, NOW), 'login in 2m 10s');
  });
});

it('bytes are written in the unit that reads best', () => {
  assert.equal(formatBytes(512 * 1024 ** 2), '512 MiB');
  assert.equal(formatBytes(7.84 * 1024 ** 3), '7.8 GiB');
  assert.equal(formatBytes(250 * 1024 ** 3), '250 GiB');
});
