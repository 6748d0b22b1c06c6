// Checks the rules of a session: what each kind of story leads to, told as a person would tell it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Fact, GatewayFact, OperatorAction, RefusalCause } from '../../src/domain/facts.ts';
import { budgetOf, EMPTY_LEDGER } from '../../src/domain/ledger.ts';
import { memoryOf, parseMemory } from '../../src/domain/memory.ts';
import { nextTimerAt, refuseOperator } from '../../src/domain/reducer.ts';
import type { EventName } from '../../src/events/catalogue.ts';
import type { SessionStateName } from '../../src/protocol/states.ts';
import { EXIT, hourly, PROVEN, PUSH, RULES, readyScene, Scene, UP } from './session-scene.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const LOGIN: Fact = { kind: 'operator', action: 'login' };
const STOP: Fact = { kind: 'operator', action: 'stop' };
const START: Fact = { kind: 'operator', action: 'start' };
const LOGGED_IN: Fact = { kind: 'logged-in' };
const MAIN_WINDOW: Fact = { kind: 'main-window' };
const SHUTDOWN: Fact = { kind: 'shutdown-started' };
const ANSWERED: Fact = { kind: 'second-factor-answered' };

function exited(change: Partial<typeof EXIT> = {}): Fact {
  return { kind: 'exited', report: { ...EXIT, ...change } };
}

function refused(cause: RefusalCause, waitMs: number | null = null): Fact {
  return { kind: 'login-refused', cause, text: `words of ${cause}`, waitMs };
}

function broker(connected: boolean): Fact {
  return { kind: 'broker', connected, dataLost: false };
}

/** Events of the scene since the last look. */
function told(scene: Scene): EventName[] {
  return scene.events.splice(0).map((event) => event.event);
}

type ToldEvent = {
  readonly reason?: string;
  readonly hint?: string;
  readonly fields: Readonly<Record<string, string>>;
};

/** The last event of this name. */
function eventOf(scene: Scene, name: EventName): ToldEvent {
  const event = scene.events.findLast((candidate) => candidate.event === name);
  assert.ok(event !== undefined, `${name} is not among ${scene.eventNames().join(', ')}`);
  return event;
}

function until(scene: Scene): number {
  assert.ok(scene.state.phase.name === 'backing-off');
  return scene.state.phase.until - scene.now;
}

/** Waits for the next try. */
function waitOut(scene: Scene): void {
  scene.pass(until(scene));
}

function codes(scene: Scene): string[] {
  return scene.state.conditions.map((condition) => condition.code);
}

/** Logs in and is refused with a JVM that ends by itself, as IBC does after these dialogs. */
function refusedRun(scene: Scene, cause: RefusalCause): void {
  scene.take(...UP, refused(cause), exited({ coldRestart: true }));
}

describe('a login', () => {
  it('goes from stopped to ready by evidence only, and says each step', () => {
    const scene = new Scene();
    const phases: string[] = [];
    for (const fact of [LOGIN, ...UP, PUSH, ANSWERED, MAIN_WINDOW, LOGGED_IN, ...PROVEN]) {
      scene.take(fact);
      if (phases.at(-1) !== scene.phase) phases.push(scene.phase);
    }
    assert.deepEqual(phases, ['starting', 'logging-in', 'awaiting-second-factor', 'loading', 'ready']);
    assert.deepEqual(scene.eventNames(), [
      'session-starting',
      'login-submitted',
      'second-factor-pending',
      'second-factor-accepted',
      'session-ready',
    ]);
    assert.deepEqual(scene.did(), [
      'save-desired',
      'launch',
      'charge',
      'watch-api',
      'watch-api',
      'watch-api',
      'watch-api',
    ]);
    assert.equal(scene.state.reason, null);
    assert.equal(scene.state.desired, 'up');
  });

  it('is charged once when the agent launches it, and its push once', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, PUSH, PUSH);
    assert.deepEqual(
      scene.ledger.entries.map(({ kind, by }) => `${kind} ${by}`),
      ['login agent', 'push ibc'],
    );
  });

  it('is not ready by an open port, by a handshake, or by accounts before the login has completed', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, MAIN_WINDOW, ...PROVEN);
    assert.equal(scene.phase, 'logging-in');
    const other = new Scene();
    other.take(LOGIN, ...UP, LOGGED_IN, { kind: 'api-handshake', serverVersion: 178 });
    assert.equal(other.phase, 'loading');
    other.take({ kind: 'api-accounts', accounts: [] });
    assert.equal(other.phase, 'loading');
  });

  it('is not ready while an 1100 is outstanding', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, LOGGED_IN, broker(false), ...PROVEN);
    assert.equal(scene.phase, 'loading');
    scene.take(broker(true));
    assert.equal(scene.phase, 'ready');
  });

  it('tells the second factor with method, attempt, deadline and what to do', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, PUSH);
    const event = eventOf(scene, 'second-factor-pending');
    assert.deepEqual(event.fields, {
      IB_METHOD: 'ib-key',
      IB_ATTEMPT: '1',
      IB_DEADLINE: '2026-11-23T09:03:00.000Z',
      IB_CHALLENGE: '',
      IB_DEVICES: '',
      IB_DETAIL: '',
    });
    assert.equal(event.hint, 'approve the IBKR Mobile notification before 09:03:00 UTC');
  });

  it('takes a second factor that it did not expect as unknown', () => {
    const scene = new Scene({ mode: 'paper', secondFactorMethod: 'none' });
    scene.take(LOGIN, ...UP, PUSH, ANSWERED, LOGGED_IN);
    assert.equal(
      eventOf(scene, 'second-factor-pending').hint,
      "answer IBKR's second factor before 09:03:00 UTC",
    );
    assert.deepEqual(eventOf(scene, 'second-factor-accepted').fields, {
      IB_METHOD: 'unknown',
      IB_ATTEMPT: '1',
    });
  });

  it('counts a rejected code that opens the dialog again as another attempt', () => {
    const scene = new Scene({ secondFactorMethod: 'code' });
    scene.take(LOGIN, ...UP, PUSH, ANSWERED, PUSH);
    assert.equal(scene.phase, 'awaiting-second-factor');
    assert.equal(eventOf(scene, 'second-factor-pending').fields['IB_ATTEMPT'], '2');
  });

  it('that shows no login dialog in time is stopped tidily and tried again', () => {
    const scene = new Scene();
    scene.take(LOGIN, { kind: 'launched', pid: 1 });
    scene.pass(RULES.deadlines.startMs);
    assert.deepEqual([scene.phase, scene.state.reason], ['stopping', 'start-timeout']);
    scene.take(exited({ status: 143 }));
    assert.deepEqual([scene.phase, scene.state.reason], ['backing-off', 'start-timeout']);
  });

  it('that hears nothing after the credentials were submitted is stopped and tried again', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP);
    scene.pass(RULES.deadlines.loginMs);
    assert.deepEqual([scene.phase, scene.state.reason], ['stopping', 'login-timeout']);
  });

  it('whose loading time runs out when logged in becomes degraded, and never a second login', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, LOGGED_IN, { kind: 'api-down', detail: 'ECONNREFUSED' });
    scene.pass(RULES.deadlines.loadingMs);
    assert.deepEqual([scene.phase, scene.state.reason], ['degraded', 'loading-timeout']);
    assert.deepEqual(codes(scene), ['api-unproven']);
    scene.pass(24 * HOUR);
    assert.equal(scene.phase, 'degraded');
    assert.equal(scene.launches.length, 1);
    scene.take(...PROVEN);
    assert.equal(scene.phase, 'ready');
    assert.deepEqual(scene.eventNames().slice(-2), ['session-degraded', 'session-ready']);
  });

  it('whose second factor was answered and that then goes quiet is stopped and tried again', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, PUSH, ANSWERED);
    scene.pass(RULES.deadlines.loadingMs);
    assert.deepEqual([scene.phase, scene.state.reason], ['stopping', 'second-factor-login-hung']);
  });

  it('that IBC gives up with 1111 is tried again', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, PUSH, ANSWERED, { kind: 'fatal', code: 1111 }, exited({ status: 87 }));
    assert.deepEqual([scene.phase, scene.state.reason], ['backing-off', 'second-factor-login-hung']);
  });
});

describe('a refusal', () => {
  it('of the password stops the gateway, halts, and no time ever leads to another try', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, refused('credentials'));
    assert.deepEqual([scene.phase, scene.did().at(-1)], ['stopping', 'stop']);
    scene.take(exited({ status: 143 }));
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'wrong-credentials']);
    scene.pass(30 * 24 * HOUR);
    assert.equal(scene.phase, 'halted');
    assert.equal(scene.launches.length, 1);
    assert.equal(nextTimerAt(scene.state, scene.now), null);
    assert.deepEqual(told(scene).slice(-3), ['login-refused', 'gateway-exited', 'session-halted']);
  });

  it('as "Login failed" is tried a second time, and halts when it comes twice in a row', () => {
    const scene = new Scene();
    scene.take(LOGIN);
    refusedRun(scene, 'login-failed');
    assert.equal(scene.phase, 'backing-off');
    waitOut(scene);
    assert.equal(scene.phase, 'starting');
    refusedRun(scene, 'login-failed');
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'login-refused']);
    assert.equal(scene.launches.length, 2);
  });

  it('as "Login failed" counts anew after a login that completed', () => {
    const scene = new Scene();
    scene.take(LOGIN);
    refusedRun(scene, 'login-failed');
    scene.pass(5 * MINUTE);
    scene.take(...UP, LOGGED_IN, ...PROVEN);
    scene.pass(2 * HOUR);
    scene.take(exited({ status: 1 }));
    scene.pass(5 * MINUTE);
    refusedRun(scene, 'login-failed');
    assert.equal(scene.phase, 'backing-off');
  });

  it('with a lock-out is waited out for at least the time IBKR asks for', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, refused('locked-out', 47 * MINUTE));
    assert.equal(scene.phase, 'stopping');
    scene.take(exited());
    assert.equal(scene.state.reason, 'locked-out');
    assert.ok(until(scene) >= 47 * MINUTE, `${until(scene)}`);
    scene.pass(47 * MINUTE - 1);
    assert.equal(scene.launches.length, 1);
  });

  it('with a lock-out whose time stands on a later line is waited out for that time', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, refused('locked-out'), refused('locked-out', 3 * HOUR), exited());
    assert.ok(until(scene) >= 3 * HOUR, `${until(scene)}`);
    assert.equal(scene.eventNames().filter((name) => name === 'login-refused').length, 1);
  });

  it('with a lock-out of unknown length is waited out for a quarter of an hour', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, refused('locked-out'), exited());
    assert.ok(until(scene) >= 15 * MINUTE);
  });

  it('with a lock-out counts more than a failed login in the same run', () => {
    const scene = new Scene();
    scene.take(
      LOGIN,
      ...UP,
      refused('login-failed'),
      refused('locked-out', HOUR),
      exited({ coldRestart: true }),
    );
    assert.equal(scene.state.reason, 'locked-out');
    assert.ok(until(scene) >= HOUR);
  });

  it('of the password counts more than a lock-out in the same run', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, refused('locked-out', HOUR), refused('credentials'), exited());
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'wrong-credentials']);
    assert.equal(scene.did().filter((kind) => kind === 'stop').length, 1);
  });

  it('that comes while an operator stops the session changes nothing about the stop', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, STOP, refused('credentials'), exited());
    assert.deepEqual([scene.phase, scene.state.reason], ['stopped', 'by-operator']);
  });

  for (const cause of ['connection-failed', 'login-error', 'invalidated'] as const) {
    it(`as ${cause} backs off each time and never halts by itself within the budget`, () => {
      const scene = new Scene({
        restart: { ...RULES.restart, backoffMinMs: HOUR, backoffMaxMs: 6 * HOUR },
      });
      scene.take(LOGIN);
      for (let round = 0; round < 6; round += 1) {
        refusedRun(scene, cause);
        assert.equal(scene.phase, 'backing-off');
        waitOut(scene);
        assert.equal(scene.phase, 'starting');
      }
    });
  }

  it('with restart.policy never halts instead of trying again', () => {
    const scene = new Scene({ restart: { ...RULES.restart, policy: 'never' } });
    scene.take(LOGIN);
    refusedRun(scene, 'connection-failed');
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'connection-failed']);
  });
});

describe('a missed second factor', () => {
  it('backs off once and halts the second time in a row', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, PUSH);
    scene.pass(RULES.deadlines.secondFactorMs + 20_000);
    assert.deepEqual([scene.phase, scene.state.reason], ['stopping', 'second-factor-missed']);
    scene.take(exited());
    assert.equal(scene.phase, 'backing-off');
    scene.pass(MINUTE);
    scene.take(...UP, PUSH, { kind: 'second-factor-timed-out' }, exited());
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'second-factor-missed']);
    assert.equal(eventOf(scene, 'second-factor-timeout').fields['IB_MISSED'], '2');
    assert.equal(budgetOf(scene.ledger, 'user', scene.now, hourly(3)).pushes24h, 2);
  });

  it('is forgotten when a later one is answered', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, PUSH, { kind: 'second-factor-timed-out' }, exited());
    scene.pass(MINUTE);
    scene.take(...UP, PUSH, ANSWERED, LOGGED_IN, ...PROVEN);
    scene.pass(2 * HOUR);
    scene.take(exited({ status: 1 }));
    scene.pass(MINUTE);
    scene.take(...UP, PUSH, { kind: 'second-factor-timed-out' }, exited());
    assert.equal(scene.phase, 'backing-off');
  });

  it('is forgotten when an operator acts, also while the gateway is still closing', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, PUSH, { kind: 'second-factor-timed-out' }, exited());
    scene.pass(MINUTE);
    scene.take(...UP, PUSH, { kind: 'second-factor-timed-out' });
    assert.equal(scene.phase, 'stopping');
    scene.take(LOGIN, exited());
    assert.equal(scene.phase, 'starting');
    scene.take(...UP, PUSH, { kind: 'second-factor-timed-out' }, exited());
    assert.deepEqual([scene.phase, scene.state.missedSecondFactors], ['backing-off', 1]);
  });

  it('in a session that had long been ready counts, though everything before is forgotten', () => {
    const scene = readyScene();
    scene.pass(5 * HOUR);
    for (const expected of ['backing-off', 'halted']) {
      scene.take(PUSH, { kind: 'second-factor-timed-out' }, exited());
      assert.equal(scene.phase, expected);
      if (scene.phase === 'backing-off') scene.pass(MINUTE);
      scene.take(...UP);
    }
  });

  it('after a ready session says that the session was lost', () => {
    const scene = readyScene();
    told(scene);
    scene.take(PUSH);
    assert.deepEqual(told(scene), ['session-lost', 'second-factor-pending']);
    assert.equal(scene.phase, 'awaiting-second-factor');
  });

  it('for which the device is not in the list halts', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, PUSH, { kind: 'second-factor-device-unknown', text: 'IB KEY' });
    assert.equal(scene.phase, 'stopping');
    scene.take(exited({ status: 143 }));
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'second-factor-device-unknown']);
    assert.match(eventOf(scene, 'session-halted').fields['IB_DETAIL'] ?? '', /IB KEY/);
  });
});

describe('somebody else', () => {
  it("who sends STOP to IBC's port makes a lost session that comes back within the budget", () => {
    const scene = readyScene();
    told(scene);
    scene.take({ kind: 'command', command: 'STOP' }, SHUTDOWN);
    assert.deepEqual([scene.phase, scene.state.reason], ['stopping', 'foreign-stop']);
    assert.deepEqual(told(scene), [], 'no restart is announced');
    scene.take(exited());
    const lost = eventOf(scene, 'session-lost');
    assert.equal(lost.reason, 'foreign-stop');
    assert.deepEqual([scene.phase, scene.state.reason], ['backing-off', 'foreign-stop']);
    scene.pass(MINUTE);
    scene.take(...UP, LOGGED_IN, ...PROVEN);
    assert.equal(scene.phase, 'ready');
  });

  it('who stops it four times in an hour finds it halted by the budget', () => {
    const scene = readyScene();
    for (let round = 0; round < 3; round += 1) {
      scene.take({ kind: 'command', command: 'STOP' }, SHUTDOWN, exited());
      scene.pass(3 * MINUTE);
      if (scene.phase === 'starting') scene.take(...UP, LOGGED_IN, ...PROVEN);
    }
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'login-budget']);
    assert.equal(scene.launches.length, 3);
  });

  it('whose gateway hangs after that STOP gets it ended by signal', () => {
    const scene = readyScene();
    scene.take({ kind: 'command', command: 'STOP' }, SHUTDOWN);
    scene.did();
    scene.pass(RULES.deadlines.stopMs + RULES.deadlines.termMs + 30_000);
    assert.deepEqual(scene.did(), ['stop']);
    assert.equal(scene.phase, 'stopping');
  });

  it('who sends PAUSE halts the session although a token is there', () => {
    const scene = readyScene();
    scene.take({ kind: 'command', command: 'PAUSE' }, SHUTDOWN, exited({ pause: true, tokens: 'one' }));
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'paused']);
    scene.take(LOGIN);
    assert.deepEqual(scene.launches.at(-1)?.launch, 'warm', 'the token is used when an operator comes back');
  });

  it('who logs in elsewhere as the same user displaces it: it halts instead of fighting', () => {
    const scene = readyScene();
    told(scene);
    scene.take({ kind: 'existing-session', decision: 'ends' }, SHUTDOWN, exited());
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'displaced']);
    assert.deepEqual(told(scene), ['existing-session', 'gateway-exited', 'session-lost', 'session-halted']);
  });

  it('whose session gives way to this one is only told', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, { kind: 'existing-session', decision: 'continues' }, LOGGED_IN, ...PROVEN);
    assert.equal(scene.phase, 'ready');
    assert.equal(eventOf(scene, 'existing-session').fields['IB_DECISION'], 'continues');
  });

  it('who sends anything else is not taken for the cause of an end', () => {
    const scene = readyScene();
    scene.take({ kind: 'command', command: 'RECONNECTDATA' }, exited({ status: 76 }));
    assert.equal(scene.state.reason, 'gateway-crashed');
  });

  it('is not blamed for our own STOP', () => {
    const scene = readyScene();
    scene.take(STOP, { kind: 'command', command: 'STOP' }, SHUTDOWN, exited());
    assert.deepEqual([scene.phase, scene.state.reason], ['stopped', 'by-operator']);
  });
});

describe('a warm restart', () => {
  const ASK: Fact = { kind: 'operator', action: 'restart-warm' };

  it('goes from the ask over the exit with a token to ready again, planned, started and finished', () => {
    const scene = readyScene();
    told(scene);
    scene.did();
    scene.take(ASK);
    assert.deepEqual([scene.phase, scene.did()], ['ready', ['ask-restart']]);
    const at = scene.now + 40_000;
    scene.take({ kind: 'restart-answer', accepted: true, at, detail: 'OK' });
    assert.equal(eventOf(scene, 'restart-planned').fields['IB_AT'], new Date(at).toISOString());
    scene.now = at;
    scene.take(SHUTDOWN);
    assert.equal(scene.phase, 'restarting');
    scene.now += 20_000;
    scene.take(exited({ tokens: 'one' }));
    assert.deepEqual([scene.phase, scene.launches.at(-1)?.launch], ['restarting', 'warm']);
    scene.take({ kind: 'launched', pid: 2 }, { kind: 'gateway-up', version: '3.24.1' }, { kind: 'restored' });
    scene.take(MAIN_WINDOW, LOGGED_IN, ...PROVEN);
    assert.equal(scene.phase, 'ready');
    assert.deepEqual(told(scene), [
      'restart-planned',
      'restart-started',
      'gateway-exited',
      'session-starting',
      'session-ready',
      'restart-finished',
    ]);
    assert.equal(scene.ledger.entries.length, 1, 'a warm restart costs no login');
  });

  it('that does not begin in time is told as failed, and the session stays ready', () => {
    const scene = readyScene();
    scene.take(ASK);
    scene.pass(RULES.deadlines.warmRestartMs);
    assert.equal(scene.phase, 'ready');
    assert.match(eventOf(scene, 'restart-failed').fields['IB_DETAIL'] ?? '', /in time/);
    assert.deepEqual(codes(scene), ['restart-failed']);
    scene.take(ASK);
    assert.deepEqual(codes(scene), [], 'the next ask begins anew');
  });

  it('is not late before its minute, however short the limit is', () => {
    const scene = readyScene({ deadlines: { ...RULES.deadlines, warmRestartMs: 5_000 } });
    const at = scene.now + 65_000;
    scene.take(ASK, { kind: 'restart-answer', accepted: true, at, detail: 'x' });
    scene.pass(94_000);
    assert.deepEqual(codes(scene), []);
    scene.pass(1_000);
    assert.deepEqual(codes(scene), ['restart-failed']);
  });

  it('that is taken up by another agent keeps its minute', () => {
    const scene = readyScene();
    const at = scene.now + 65_000;
    scene.take(ASK, { kind: 'restart-answer', accepted: true, at, detail: 'x' });
    const memory = parseMemory(JSON.parse(JSON.stringify(memoryOf(scene.state))));
    assert.ok(memory !== null);
    assert.equal(memory.run?.restartAsked?.due, at);
    const next = new Scene({ deadlines: { ...RULES.deadlines, warmRestartMs: 5_000 } });
    next.take({ kind: 'agent-started', desired: 'up', memory, found: 'running' });
    assert.equal(next.state.restartDeadline, at + 30_000);
  });

  it('of whose answer the gateway says more, by going down, is judged by that', () => {
    const scene = readyScene();
    told(scene);
    scene.take(ASK, SHUTDOWN, { kind: 'restart-answer', accepted: false, why: 'gone', detail: 'x' });
    assert.deepEqual([scene.phase, told(scene)], ['restarting', ['restart-started']]);
  });

  it('that is refused is told as failed with its words', () => {
    const scene = readyScene();
    scene.take(ASK, { kind: 'restart-answer', accepted: false, why: 'busy', detail: 'it is open already' });
    assert.equal(scene.phase, 'ready');
    assert.match(eventOf(scene, 'restart-failed').fields['IB_DETAIL'] ?? '', /it is open already/);
    assert.equal(scene.state.restartDeadline, null);
  });

  it('is not asked twice at once', () => {
    const scene = readyScene();
    scene.take(ASK);
    scene.did();
    assert.equal(refuseOperator(scene.state, 'restart-warm', scene.context())?.code, 'wrong-state');
    scene.take(ASK);
    assert.deepEqual(scene.did(), []);
  });

  it('by the gateway itself, once a day, costs nothing and needs nobody', () => {
    const scene = readyScene();
    scene.pass(20 * HOUR);
    told(scene);
    scene.take(SHUTDOWN, exited({ tokens: 'one' }));
    assert.deepEqual([scene.phase, scene.state.reason], ['restarting', 'gateway-restart']);
    scene.take({ kind: 'restored' }, LOGGED_IN, ...PROVEN);
    assert.deepEqual(told(scene), [
      'restart-started',
      'gateway-exited',
      'session-starting',
      'session-ready',
      'restart-finished',
    ]);
  });

  it('whose shutdown line was missed is still a restart when the exit leaves a token', () => {
    const scene = readyScene();
    told(scene);
    scene.take(exited({ tokens: 'one' }));
    assert.deepEqual(scene.launches.at(-1)?.launch, 'warm');
    assert.deepEqual(told(scene).slice(0, 2), ['gateway-exited', 'restart-started']);
  });

  it('without a token is a lost session that logs in again', () => {
    const scene = readyScene();
    scene.take(SHUTDOWN, exited());
    assert.deepEqual([scene.phase, scene.state.reason], ['backing-off', 'gateway-exited']);
    assert.equal(eventOf(scene, 'session-lost').reason, 'gateway-exited');
  });

  it('with several tokens is a full login', () => {
    const scene = readyScene();
    scene.take(exited({ tokens: 'several' }));
    assert.equal(scene.phase, 'backing-off');
  });

  it('whose gateway shows the login dialog has a stale token: it logs in cold after a pause', () => {
    const scene = readyScene();
    scene.take(
      exited({ tokens: 'one' }),
      { kind: 'gateway-up', version: '3.24.1' },
      { kind: 'login-dialog' },
    );
    assert.deepEqual([scene.phase, scene.state.reason], ['stopping', 'token-refused']);
    scene.take(exited({ tokens: 'one' }));
    assert.equal(scene.phase, 'backing-off');
    scene.pass(MINUTE);
    assert.deepEqual(
      scene.launches.map((launch) => launch.launch),
      ['cold', 'warm', 'cold'],
    );
  });

  it('whose token IBKR refuses logs in cold after a pause, though the token still lies there', () => {
    const scene = readyScene();
    scene.take(
      exited({ tokens: 'one' }),
      refused('login-error'),
      exited({ coldRestart: true, tokens: 'one' }),
    );
    assert.deepEqual([scene.phase, scene.state.reason], ['backing-off', 'token-refused']);
    scene.pass(MINUTE);
    assert.equal(scene.launches.at(-1)?.launch, 'cold');
  });

  it('whose launcher finds no token logs in cold after a pause', () => {
    const scene = readyScene();
    scene.take(
      exited({ tokens: 'one' }),
      {
        kind: 'launch-failed',
        problem: { code: 'token-missing', message: 'm', hint: 'h', temporary: false },
      },
      exited({ status: 78, executed: false }),
    );
    assert.deepEqual([scene.phase, scene.state.reason], ['backing-off', 'token-refused']);
  });

  it('that shows nothing in time is given up', () => {
    const scene = readyScene();
    scene.take(exited({ tokens: 'one' }));
    scene.pass(RULES.deadlines.startMs);
    assert.deepEqual([scene.phase, scene.state.reason], ['stopping', 'start-timeout']);
  });

  it('whose gateway hangs in its shutdown is told as lost and ended', () => {
    const scene = readyScene();
    scene.take(SHUTDOWN);
    scene.did();
    scene.pass(RULES.deadlines.stopMs + RULES.deadlines.termMs + 30_000);
    assert.deepEqual([scene.phase, scene.did()], ['stopping', ['stop']]);
    assert.equal(eventOf(scene, 'session-lost').reason, 'gateway-exited');
  });

  it('seven times in an hour is a storm and halts', () => {
    const scene = readyScene();
    for (let round = 0; round < 7; round += 1) {
      assert.notEqual(scene.phase, 'halted', `round ${round}`);
      scene.take(exited({ tokens: 'one' }), LOGGED_IN, ...PROVEN);
      scene.now += MINUTE;
    }
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'restart-storm']);
  });

  for (const [name, scene] of [
    ['stopped', () => new Scene()],
    ['logging-in', () => inState('logging-in')],
    ['backing-off', () => inState('backing-off')],
  ] as const) {
    it(`is not available while ${name}`, () => {
      const { state, context } = ((it) => ({ state: it.state, context: it.context() }))(scene());
      assert.equal(refuseOperator(state, 'restart-warm', context)?.code, 'warm-restart-unavailable');
    });
  }
});

describe('a cold restart', () => {
  it('closes tidily, logs in anew, and is planned, started and finished', () => {
    const scene = readyScene();
    told(scene);
    scene.did();
    scene.take({ kind: 'operator', action: 'restart-cold' });
    assert.deepEqual([scene.phase, scene.did()], ['restarting', ['stop']]);
    scene.take(exited({ tokens: 'one' }));
    assert.deepEqual([scene.phase, scene.launches.at(-1)?.launch], ['restarting', 'cold']);
    scene.take(...UP, LOGGED_IN, ...PROVEN);
    assert.deepEqual(told(scene), [
      'restart-planned',
      'restart-started',
      'gateway-exited',
      'session-starting',
      'login-submitted',
      'session-ready',
      'restart-finished',
    ]);
    assert.equal(scene.state.desired, 'up');
  });

  it('that the budget does not allow changes nothing and says until when', () => {
    const scene = spentScene(readyScene());
    const before = scene.state;
    assert.equal(refuseOperator(scene.state, 'restart-cold', scene.context())?.code, 'login-deferred');
    scene.take({ kind: 'operator', action: 'restart-cold' });
    assert.deepEqual(scene.state, before);
    assert.equal(scene.eventNames().at(-1), 'login-deferred');
  });
});

/** The same scene with a used-up budget: three logins now. */
function spentScene(scene: Scene): Scene {
  const entry = { at: scene.now, user: 'user', session: 'live', kind: 'login', by: 'agent' } as const;
  scene.ledger = { ...EMPTY_LEDGER, entries: ['x', 'y', 'z'].map((order) => ({ ...entry, order })) };
  return scene;
}

describe('the budget', () => {
  it('ends a session that keeps crashing with a halt at the fourth login of an hour', () => {
    const scene = new Scene({ restart: { ...RULES.restart, backoffMinMs: 1000 } });
    scene.take(LOGIN);
    for (let round = 0; round < 3; round += 1) {
      scene.take(...UP, exited({ status: 1 }));
      scene.pass(MINUTE);
    }
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'login-budget']);
    assert.equal(scene.launches.length, 3);
    assert.deepEqual(scene.eventNames().slice(-2), ['login-deferred', 'session-halted']);
  });

  it('holds across a restart of the agent', () => {
    const before = new Scene({ restart: { ...RULES.restart, backoffMinMs: 1000 } });
    before.take(LOGIN);
    for (let round = 0; round < 2; round += 1) {
      before.take(...UP, exited({ status: 1 }));
      before.pass(MINUTE);
    }
    const after = new Scene();
    after.now = before.now;
    after.ledger = before.ledger;
    after.take({ kind: 'agent-started', desired: 'up' });
    assert.deepEqual([after.phase, after.state.reason, after.launches.length], ['halted', 'login-budget', 0]);
  });

  it('refuses an operator with login-deferred and the time from which a login is allowed', () => {
    const scene = spentScene(new Scene());
    const refusal = refuseOperator(scene.state, 'login', scene.context());
    assert.deepEqual([refusal?.code, refusal?.deferral?.until], ['login-deferred', scene.now + HOUR]);
    scene.take(LOGIN);
    assert.deepEqual([scene.phase, scene.state.desired, scene.launches.length], ['stopped', 'down', 0]);
    assert.deepEqual(eventOf(scene, 'login-deferred').fields, {
      IB_UNTIL: '2026-11-23T10:00:00.000Z',
      IB_DETAIL: 'the login budget of this IBKR user is used up: 3 of 3 logins in the last hour',
      IB_WHY: 'logins-hour',
      IB_USED: '3',
      IB_LIMIT: '3',
      IB_WAITS_FOR: '',
    });
    scene.pass(HOUR);
    scene.take(LOGIN);
    assert.equal(scene.phase, 'starting');
  });

  it('does not stand in the way of a session that can come up with a token', () => {
    const scene = readyScene();
    scene.take(STOP, exited({ tokens: 'one' }));
    spentScene(scene);
    scene.take(LOGIN);
    assert.deepEqual([scene.phase, scene.launches.at(-1)?.launch], ['starting', 'warm']);
  });

  it('counts a login that IBC makes by itself, and the session goes on while there is room', () => {
    const scene = readyScene();
    told(scene);
    scene.take({ kind: 'relogin-required' });
    assert.deepEqual([scene.phase, scene.state.reason], ['logging-in', 'relogin-required']);
    assert.deepEqual(told(scene), ['session-lost']);
    assert.equal(budgetOf(scene.ledger, 'user', scene.now, hourly(3)).loginsLastHour, 2);
    scene.take(LOGGED_IN);
    assert.deepEqual([scene.phase, told(scene)], ['ready', ['session-ready']], 'its API still proves it');
  });

  it('that is used up stops a session whose IBC logs in by itself once more', () => {
    const scene = spentScene(readyScene());
    scene.did();
    scene.take({ kind: 'relogin-required' });
    assert.deepEqual([scene.phase, scene.did()], ['stopping', ['charge', 'stop']]);
    scene.take(exited());
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'login-budget']);
  });

  it("counts IBC's login also when the gateway is being stopped already", () => {
    const scene = readyScene();
    scene.take(STOP, { kind: 'relogin-required' });
    assert.equal(scene.phase, 'stopping');
    assert.equal(budgetOf(scene.ledger, 'user', scene.now, hourly(3)).loginsLastHour, 2);
  });

  it('counts every further submission of one JVM', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, { kind: 'login-submitted', number: 2 });
    assert.equal(budgetOf(scene.ledger, 'user', scene.now, hourly(3)).loginsLastHour, 2);
  });

  it('does not call a second factor accepted when a re-login needed none', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, PUSH, ANSWERED, LOGGED_IN, ...PROVEN);
    told(scene);
    scene.take({ kind: 'relogin-required' }, LOGGED_IN);
    assert.deepEqual(told(scene), ['session-lost', 'session-ready']);
  });
});

describe('a gateway that ends', () => {
  it('with an error comes back after exponential pauses', () => {
    const scene = new Scene({
      restart: { ...RULES.restart, maxLoginsPerHour: 3, backoffMinMs: 20 * MINUTE, backoffMaxMs: 6 * HOUR },
    });
    scene.take(LOGIN);
    const pauses: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      scene.take(...UP, LOGGED_IN, ...PROVEN, exited({ status: 1 }));
      pauses.push(until(scene) / MINUTE);
      scene.pass(until(scene));
    }
    // Half of it is fixed, half random; the scene's random is 0.5.
    assert.deepEqual(pauses, [15, 30, 60, 120, 240]);
    assert.equal(scene.phase, 'starting');
  });

  it('after ten minutes of being ready starts the pauses anew', () => {
    const scene = new Scene();
    scene.take(LOGIN);
    for (const ready of [MINUTE, MINUTE, 11 * MINUTE]) {
      scene.take(...UP, LOGGED_IN, ...PROVEN);
      scene.pass(ready);
      scene.take(exited({ status: 1 }));
      if (ready === MINUTE) scene.pass(until(scene));
    }
    assert.equal(scene.state.streak, 1);
  });

  it('by SIGKILL is lost as killed', () => {
    const scene = readyScene();
    scene.take(exited({ status: null, signal: 'SIGKILL' }));
    assert.deepEqual([scene.phase, scene.state.reason], ['backing-off', 'gateway-killed']);
    assert.equal(eventOf(scene, 'gateway-exited').fields['IB_EXIT_SIGNAL'], 'SIGKILL');
    assert.equal(eventOf(scene, 'session-lost').reason, 'gateway-killed');
  });

  it('before IBC ran, with words of java, halts with these words', () => {
    const scene = new Scene();
    scene.take(LOGIN, exited({ status: 1, lastError: 'Error: Could not find or load main class' }));
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'java-failed']);
    assert.match(eventOf(scene, 'session-halted').fields['IB_DETAIL'] ?? '', /Could not find or load/);
  });

  for (const code of [1103, 1104, 1105]) {
    it(`because IBC refuses its configuration (${code}) halts`, () => {
      const scene = new Scene();
      scene.take(
        LOGIN,
        { kind: 'gateway-up', version: '3' },
        { kind: 'fatal', code },
        exited({ status: code % 256 }),
      );
      assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'ibc-config']);
    });
  }

  it('leaves nothing behind that was evidence of it', () => {
    const scene = readyScene();
    scene.take(
      { kind: 'farm', name: 'usfarm', farmKind: 'market', ok: true },
      { kind: 'dialog', title: 'x', open: true },
    );
    scene.take(exited({ status: 1 }));
    const { api, broker: brokerHealth, conditions, run, readyAt } = scene.state;
    assert.deepEqual(
      { ok: api.ok, accounts: api.accounts, farms: brokerHealth.farms, conditions, run, readyAt },
      { ok: null, accounts: [], farms: [], conditions: [], run: null, readyAt: null },
    );
    assert.ok(scene.did().includes('unwatch-api'));
  });
});

describe('a launch', () => {
  const FAILURE: Fact = {
    kind: 'launch-failed',
    problem: {
      code: 'java-missing',
      message: 'there is no java at /opt/jre/bin/java',
      hint: 'install it',
      temporary: false,
    },
  };

  it('that fails halts with the path, gives the login back, and counts no further failure', () => {
    const scene = new Scene();
    scene.take(LOGIN, FAILURE, FAILURE, exited({ status: 78, executed: false }));
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'launch-failed']);
    assert.ok(scene.state.phase.name === 'halted');
    assert.match(scene.state.phase.text, /\/opt\/jre\/bin\/java/);
    assert.equal(scene.state.phase.hint, 'install it; then run: ibctl login');
    assert.equal(scene.ledger.entries.length, 0);
    assert.equal(scene.eventNames().filter((name) => name === 'launch-failed').length, 1);
  });

  it('that fails for want of a display is tried again five times, then halts; no login is spent', () => {
    const scene = new Scene();
    scene.take(LOGIN);
    for (let round = 1; round <= 5; round += 1) {
      scene.take(
        {
          kind: 'launch-failed',
          problem: { code: 'display-unreachable', message: 'm', hint: 'h', temporary: true },
        },
        exited({ status: 78, executed: false }),
      );
      assert.equal(scene.phase, round < 5 ? 'backing-off' : 'halted');
      if (round < 5) waitOut(scene);
    }
    assert.equal(scene.ledger.entries.length, 0);
  });

  it('is not given back when lines showed that the gateway ran, whatever the report says', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, exited({ status: 1, executed: false }));
    assert.equal(scene.ledger.entries.length, 1);
  });

  it('for which the ledger cannot be written starts nothing and halts', () => {
    const scene = new Scene();
    scene.take(LOGIN, { kind: 'state-unwritable', detail: 'cannot write /var/lib/x: ENOSPC' });
    assert.deepEqual(
      [scene.phase, scene.state.reason, scene.state.run],
      ['halted', 'state-unwritable', null],
    );
    assert.match(eventOf(scene, 'session-halted').fields['IB_DETAIL'] ?? '', /ENOSPC/);
  });
});

describe('the display', () => {
  it('that ends takes the gateway with it by signal, says that the session is lost, and comes back', () => {
    const scene = readyScene();
    told(scene);
    scene.effects.length = 0;
    const effects = scene.take({ kind: 'display-exited', status: null, signal: 'SIGSEGV' });
    assert.deepEqual(
      effects.find((effect) => effect.kind === 'stop'),
      { kind: 'stop', how: 'signal' },
    );
    assert.deepEqual(told(scene), ['display-lost', 'session-lost']);
    scene.take(exited({ status: 76 }));
    assert.deepEqual([scene.phase, scene.state.reason], ['backing-off', 'display-lost']);
  });

  it('that could not be started at all halts with what was missing', () => {
    const scene = new Scene();
    scene.take(
      LOGIN,
      {
        kind: 'launch-failed',
        problem: { code: 'xvfb-missing', message: 'no Xvfb', hint: 'apt install xvfb', temporary: false },
      },
      { kind: 'display-exited', status: 78, signal: null },
      exited({ status: null, signal: 'SIGTERM', executed: false }),
    );
    assert.deepEqual([scene.phase, scene.state.reason], ['halted', 'launch-failed']);
    assert.equal(scene.ledger.entries.length, 0);
  });

  it('that ends while the gateway is being stopped is no news', () => {
    const scene = readyScene();
    scene.take(STOP);
    told(scene);
    scene.take({ kind: 'display-exited', status: 0, signal: null });
    assert.deepEqual(told(scene), []);
  });
});

describe('the health of a session that was ready', () => {
  it('turns degraded when the API is gone for three seconds, and recovers with handshake and accounts', () => {
    const scene = readyScene();
    told(scene);
    scene.take({ kind: 'api-down', detail: 'connection ended' });
    assert.equal(scene.phase, 'ready');
    scene.pass(3_000);
    assert.equal(scene.phase, 'degraded');
    assert.deepEqual(eventOf(scene, 'session-degraded').fields, { IB_CONDITIONS: 'api-unreachable' });
    scene.take({ kind: 'api-handshake', serverVersion: 178 });
    assert.equal(scene.phase, 'degraded', 'a handshake is not enough');
    scene.take({ kind: 'api-accounts', accounts: ['U1234567'] });
    assert.equal(scene.phase, 'ready');
    assert.deepEqual(told(scene), ['session-degraded', 'session-recovered']);
  });

  it('is not proven any more by a new connection that names no account', () => {
    const scene = readyScene();
    scene.take(
      { kind: 'api-down', detail: 'connection reset' },
      { kind: 'api-handshake', serverVersion: 178 },
    );
    scene.take({ kind: 'api-accounts', accounts: [] });
    assert.deepEqual([scene.phase, codes(scene)], ['degraded', ['api-unproven']]);
    scene.take({ kind: 'api-accounts', accounts: ['U1234567'] });
    assert.deepEqual([scene.phase, codes(scene)], ['ready', []]);
  });

  it('turns degraded with 1100 and recovers with 1102', () => {
    const scene = readyScene();
    told(scene);
    scene.take(broker(false));
    assert.equal(scene.phase, 'degraded');
    assert.deepEqual(eventOf(scene, 'session-degraded').fields, { IB_CONDITIONS: 'broker-disconnected' });
    scene.take(broker(true));
    assert.equal(scene.phase, 'ready');
    assert.deepEqual(told(scene), ['session-degraded', 'session-recovered']);
  });

  for (const fact of [{ kind: 'api-mute' }, { kind: 'api-unresponsive', sinceMs: 30_000 }] as const) {
    it(`turns degraded at once when the API is ${fact.kind}, and says so once`, () => {
      const scene = readyScene();
      told(scene);
      scene.take(fact, fact);
      assert.equal(scene.phase, 'degraded');
      assert.deepEqual(told(scene), ['api-unresponsive', 'session-degraded']);
      scene.take({ kind: 'api-down', detail: 'connection mute' });
      scene.pass(3_000);
      scene.take(...PROVEN);
      assert.equal(scene.phase, 'ready');
    });
  }

  it('is not disturbed by a data farm that flaps within thirty seconds', () => {
    const scene = readyScene();
    told(scene);
    const farm = (ok: boolean): Fact => ({ kind: 'farm', name: 'usfarm', farmKind: 'market', ok });
    for (let round = 0; round < 5; round += 1) {
      scene.take(farm(false));
      scene.pass(29_000);
      scene.take(farm(true));
      scene.pass(1_000);
    }
    assert.deepEqual([scene.phase, told(scene)], ['ready', []]);
    scene.take(farm(false));
    scene.pass(30_000);
    assert.equal(scene.phase, 'degraded');
  });

  it('shows a client id that another client uses as the cause, not its consequences', () => {
    const scene = readyScene();
    scene.take({ kind: 'api-client-id-in-use' }, { kind: 'api-down', detail: 'connection ended' });
    scene.pass(3_000);
    assert.deepEqual(eventOf(scene, 'session-degraded').fields, { IB_CONDITIONS: 'api-client-id-in-use' });
  });

  it('tells an unknown window after five seconds, once, and again when it comes back', () => {
    const scene = readyScene();
    told(scene);
    const open: Fact = { kind: 'dialog', title: 'Important notice', open: true };
    const closed: Fact = { kind: 'dialog', title: 'Important notice', open: false };
    scene.take(open);
    scene.pass(4_999);
    assert.deepEqual(told(scene), []);
    scene.pass(1);
    assert.deepEqual(told(scene), ['dialog-unknown']);
    scene.pass(HOUR);
    assert.deepEqual([scene.phase, told(scene)], ['ready', []]);
    scene.take(closed, open);
    scene.pass(5_000);
    assert.deepEqual(told(scene), ['dialog-unknown']);
  });

  it('does not tell a window that closes within five seconds', () => {
    const scene = readyScene();
    told(scene);
    scene.take({ kind: 'dialog', title: 'Tip', open: true });
    scene.pass(4_000);
    scene.take({ kind: 'dialog', title: 'Tip', open: false });
    scene.pass(HOUR);
    assert.deepEqual(told(scene), []);
  });

  it('tells an error of IBC once and does not suffer from it', () => {
    const scene = readyScene();
    told(scene);
    const error: Fact = {
      kind: 'gateway-error',
      text: 'Auto restart time setting must be hh:mm AM or hh:mm PM',
    };
    scene.take(error, error);
    assert.deepEqual(
      [scene.phase, told(scene), codes(scene)],
      ['ready', ['setting-failed'], ['setting-failed']],
    );
  });

  it('keeps no more than a bounded number of conditions, however much a gateway complains', () => {
    const scene = readyScene();
    for (let number = 0; number < 1_000; number += 1)
      scene.take({ kind: 'gateway-error', text: `error ${number}` });
    assert.ok(scene.state.conditions.length <= 100, `${scene.state.conditions.length}`);
    assert.equal(scene.state.conditions.at(-1)?.detail, 'error 999');
  });

  it('says that its records cannot be written until they can, also across the end of a run', () => {
    const scene = readyScene();
    told(scene);
    scene.take(
      { kind: 'records', ok: false, detail: 'ENOSPC' },
      { kind: 'records', ok: false, detail: 'ENOSPC' },
    );
    assert.deepEqual([scene.phase, told(scene)], ['ready', ['state-unwritable']]);
    scene.take(exited({ status: 1 }));
    assert.deepEqual(codes(scene), ['state-unwritable']);
    scene.take({ kind: 'records', ok: true, detail: '' });
    assert.deepEqual(codes(scene), []);
  });

  it('shows a command port that IBC could not open', () => {
    const scene = new Scene();
    scene.take(LOGIN, ...UP, { kind: 'command-server', up: false });
    assert.deepEqual(codes(scene), ['command-server-down']);
  });
});

describe('the agent', () => {
  it('that starts brings up what was wanted up, with a login of its own', () => {
    const scene = new Scene();
    scene.take({ kind: 'agent-started', desired: 'up' });
    assert.deepEqual([scene.phase, scene.state.reason], ['starting', 'autostart']);
    assert.deepEqual(scene.did(), ['launch'], 'the wish is not written again');
  });

  it('that starts leaves down what was wanted down', () => {
    const scene = new Scene();
    scene.take({ kind: 'agent-started', desired: 'down' });
    assert.deepEqual([scene.phase, scene.did()], ['stopped', []]);
  });

  it('that stops closes a session tidily and leaves the wish for it as it is', () => {
    const scene = readyScene();
    scene.did();
    scene.take({ kind: 'agent-stopping' });
    assert.deepEqual([scene.phase, scene.did()], ['stopping', ['stop']]);
    scene.take(exited());
    assert.deepEqual(
      [scene.phase, scene.state.reason, scene.state.desired],
      ['stopped', 'agent-stopping', 'up'],
    );
  });

  it('that stops gives up a pending try, a restart and a halt of a session that is closing', () => {
    const waiting = inState('backing-off');
    waiting.take({ kind: 'agent-stopping' });
    assert.equal(waiting.phase, 'stopped');
    const restarting = readyScene();
    restarting.take({ kind: 'operator', action: 'restart-cold' }, { kind: 'agent-stopping' }, exited());
    assert.deepEqual([restarting.phase, restarting.launches.length], ['stopped', 1]);
  });
});

describe('an operator', () => {
  it('who stops a session that is coming up gets it stopped, whatever it was waiting for', () => {
    for (const state of ['starting', 'logging-in', 'awaiting-second-factor', 'loading'] as const) {
      const scene = inState(state);
      scene.take(STOP);
      assert.equal(scene.phase, 'stopping', state);
      scene.take(...UP.slice(1), PUSH, LOGGED_IN, ...PROVEN);
      assert.equal(scene.phase, 'stopping', `${state}: what it still says does not bring it back`);
      scene.take(exited());
      assert.deepEqual([scene.phase, scene.state.desired], ['stopped', 'down'], state);
    }
  });

  it('who changes his mind while it stops gets it started once it has stopped', () => {
    const scene = readyScene();
    scene.take(STOP, START);
    assert.deepEqual([scene.phase, scene.state.desired], ['stopping', 'up']);
    scene.take(exited());
    assert.deepEqual([scene.phase, scene.launches.length], ['starting', 2]);
  });

  it('who stops a session whose exit is overdue has the signal sent again and again', () => {
    const scene = readyScene();
    scene.take(STOP);
    scene.did();
    scene.pass(10 * MINUTE);
    assert.ok(scene.did().filter((kind) => kind === 'stop').length >= 5);
    assert.equal(scene.phase, 'stopping');
  });

  it('whose login ends a back-off or a halt starts with a clean slate', () => {
    for (const state of ['backing-off', 'halted'] as const) {
      const scene = inState(state);
      scene.take(LOGIN);
      const { phase, streak, refusals, missedSecondFactors, launchFailures } = scene.state;
      assert.deepEqual(
        { name: phase.name, streak, refusals, missedSecondFactors, launchFailures },
        { name: 'starting', streak: 0, refusals: 0, missedSecondFactors: 0, launchFailures: 0 },
      );
    }
  });
});

/** A session in each state, reached by facts. */
function inState(state: SessionStateName | 'restarting-launching'): Scene {
  const scene = new Scene();
  switch (state) {
    case 'stopped':
      return scene;
    case 'starting':
      scene.take(LOGIN);
      break;
    case 'logging-in':
      scene.take(LOGIN, ...UP);
      break;
    case 'awaiting-second-factor':
      scene.take(LOGIN, ...UP, PUSH);
      break;
    case 'loading':
      scene.take(LOGIN, ...UP, PUSH, ANSWERED);
      break;
    case 'ready':
      return readyScene();
    case 'degraded':
      return withFacts(readyScene(), broker(false));
    case 'restarting':
      return withFacts(readyScene(), SHUTDOWN);
    case 'restarting-launching':
      return withFacts(readyScene(), SHUTDOWN, exited({ tokens: 'one' }));
    case 'backing-off':
      return withFacts(readyScene(), exited({ status: 1 }));
    case 'halted':
      scene.take(LOGIN, ...UP, refused('credentials'), exited());
      break;
    case 'stopping':
      return withFacts(readyScene(), STOP);
  }
  return scene;
}

function withFacts(scene: Scene, ...facts: Fact[]): Scene {
  scene.take(...facts);
  return scene;
}

describe('every operator action in every state', () => {
  const ACTIONS: readonly OperatorAction[] = ['login', 'start', 'stop', 'restart-warm', 'restart-cold'];
  /** Action → the state that follows, the effects that are no events, and the refusal. */
  type Outcome = Readonly<Record<OperatorAction, string>>;
  const TABLE: Readonly<Record<SessionStateName | 'restarting-launching', Outcome>> = {
    stopped: {
      login: 'starting save-desired launch',
      start: 'starting save-desired launch',
      stop: 'stopped',
      'restart-warm': 'refused warm-restart-unavailable',
      'restart-cold': 'starting save-desired launch',
    },
    starting: {
      login: 'starting',
      start: 'starting',
      stop: 'stopping save-desired stop',
      'restart-warm': 'refused warm-restart-unavailable',
      'restart-cold': 'restarting stop',
    },
    'logging-in': {
      login: 'logging-in',
      start: 'logging-in',
      stop: 'stopping save-desired stop',
      'restart-warm': 'refused warm-restart-unavailable',
      'restart-cold': 'restarting stop',
    },
    'awaiting-second-factor': {
      login: 'awaiting-second-factor',
      start: 'awaiting-second-factor',
      stop: 'stopping save-desired stop',
      'restart-warm': 'refused warm-restart-unavailable',
      'restart-cold': 'restarting stop',
    },
    loading: {
      login: 'loading',
      start: 'loading',
      stop: 'stopping save-desired stop',
      'restart-warm': 'refused warm-restart-unavailable',
      'restart-cold': 'restarting stop',
    },
    ready: {
      login: 'ready',
      start: 'ready',
      stop: 'stopping save-desired stop',
      'restart-warm': 'ready ask-restart',
      'restart-cold': 'restarting stop',
    },
    degraded: {
      login: 'degraded',
      start: 'degraded',
      stop: 'stopping save-desired stop',
      'restart-warm': 'degraded ask-restart',
      'restart-cold': 'restarting stop',
    },
    restarting: {
      login: 'restarting',
      start: 'restarting',
      stop: 'stopping save-desired stop',
      'restart-warm': 'refused warm-restart-unavailable',
      'restart-cold': 'restarting stop',
    },
    'restarting-launching': {
      login: 'restarting',
      start: 'restarting',
      stop: 'stopping save-desired stop',
      'restart-warm': 'refused warm-restart-unavailable',
      'restart-cold': 'restarting stop',
    },
    'backing-off': {
      login: 'starting launch',
      start: 'starting launch',
      stop: 'stopped save-desired stop-display',
      'restart-warm': 'refused warm-restart-unavailable',
      'restart-cold': 'starting launch',
    },
    halted: {
      login: 'starting launch',
      start: 'starting launch',
      stop: 'stopped save-desired stop-display',
      'restart-warm': 'refused warm-restart-unavailable',
      'restart-cold': 'starting launch',
    },
    stopping: {
      login: 'stopping save-desired',
      start: 'stopping save-desired',
      stop: 'stopping',
      'restart-warm': 'refused warm-restart-unavailable',
      'restart-cold': 'restarting save-desired',
    },
  };

  for (const [state, outcome] of Object.entries(TABLE) as [keyof typeof TABLE, Outcome][]) {
    for (const action of ACTIONS) {
      it(`${action} while ${state}: ${outcome[action]}`, () => {
        const scene = inState(state);
        scene.did();
        const refusal = refuseOperator(scene.state, action, scene.context());
        const before = scene.state;
        scene.take({ kind: 'operator', action });
        if (refusal !== null) assert.deepEqual(scene.state, before, 'a refused action changes nothing');
        const after = refusal === null ? [scene.phase, ...scene.did()] : ['refused', refusal.code];
        assert.equal(after.join(' '), outcome[action]);
      });
    }
  }
});

describe('a session without a JVM', () => {
  const GATEWAY: { readonly [K in GatewayFact['kind']]: Extract<GatewayFact, { kind: K }> } = {
    'gateway-up': { kind: 'gateway-up', version: '3.24.1' },
    'login-dialog': { kind: 'login-dialog' },
    'login-submitted': { kind: 'login-submitted', number: 1 },
    restored: { kind: 'restored' },
    'main-window': { kind: 'main-window' },
    'second-factor-shown': { kind: 'second-factor-shown', method: null },
    'second-factor-device-chosen': { kind: 'second-factor-device-chosen' },
    'second-factor-answered': { kind: 'second-factor-answered' },
    'second-factor-timed-out': { kind: 'second-factor-timed-out' },
    'second-factor-device-unknown': { kind: 'second-factor-device-unknown', text: 'x' },
    'logged-in': { kind: 'logged-in' },
    'login-refused': { kind: 'login-refused', cause: 'credentials', text: 'x', waitMs: null },
    'existing-session': { kind: 'existing-session', decision: 'ends' },
    'relogin-required': { kind: 'relogin-required' },
    command: { kind: 'command', command: 'STOP' },
    'restart-time': { kind: 'restart-time', time: '04:36 AM' },
    'shutdown-started': { kind: 'shutdown-started' },
    'command-server': { kind: 'command-server', up: false },
    fatal: { kind: 'fatal', code: 1100 },
    'gateway-error': { kind: 'gateway-error', text: 'x' },
    dialog: { kind: 'dialog', title: 'x', open: true },
    'second-factor-closed': { kind: 'second-factor-closed', window: 'w1' },
    'second-factor-code-rejected': { kind: 'second-factor-code-rejected', window: 'w1', text: 'x' },
    'passkey-required': { kind: 'passkey-required', text: 'x' },
    'tokens-expired': { kind: 'tokens-expired', text: 'x' },
    'password-expiring': { kind: 'password-expiring', days: 3, text: 'x' },
    'upgrade-required': { kind: 'upgrade-required', text: 'x', ends: true },
    'unknown-dialog': {
      kind: 'unknown-dialog',
      window: 'w1',
      title: 'x',
      text: 'x',
      buttons: [],
      open: true,
    },
    'dialog-answered': { kind: 'dialog-answered', rule: 'login-messages', title: 'x', button: 'y' },
    bridge: { kind: 'bridge', up: false, detail: 'x' },
    'gui-frozen': { kind: 'gui-frozen', sinceMs: 30_000 },
    'gui-responsive': { kind: 'gui-responsive' },
  };
  const OTHERS: readonly Fact[] = [
    { kind: 'launched', pid: 1 },
    { kind: 'launch-failed', problem: { code: 'c', message: 'm', hint: 'h', temporary: false } },
    { kind: 'display-exited', status: 1, signal: null },
    { kind: 'exited', report: EXIT },
    { kind: 'restart-answer', accepted: false, why: 'failed', detail: 'x' },
    { kind: 'state-unwritable', detail: 'x' },
    { kind: 'timer' },
    ...PROVEN,
    { kind: 'api-latency', ms: 1 },
    { kind: 'api-unresponsive', sinceMs: 1 },
    { kind: 'api-mute' },
    { kind: 'api-down', detail: 'x' },
    { kind: 'api-client-id-in-use' },
    { kind: 'broker', connected: false, dataLost: true },
    { kind: 'farm', name: 'usfarm', farmKind: 'market', ok: false },
  ];
  for (const state of ['stopped', 'halted', 'backing-off'] as const) {
    it(`that is ${state} takes nothing from a gateway, an API or a process that is not there`, () => {
      for (const fact of [...Object.values(GATEWAY), ...OTHERS]) {
        const scene = inState(state);
        const before = scene.state;
        const effects = scene.take(fact);
        assert.deepEqual(scene.state, before, fact.kind);
        assert.deepEqual(effects, [], fact.kind);
      }
    });
  }
});
