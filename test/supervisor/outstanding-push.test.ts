// Checks with two loops on one ledger that an IBKR user is asked for one second factor at a time, and that nobody waits for nothing.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { SessionConfig } from '../../src/config/types.ts';
import { memoryOf, NO_MEMORY } from '../../src/domain/memory.ts';
import { AgentError } from '../../src/protocol/errors.ts';
import { parseSessionName } from '../../src/protocol/session-name.ts';
import { LedgerStore } from '../../src/supervisor/ledger-store.ts';
import { planOf } from '../../src/supervisor/plan.ts';
import { ibc, LoopScene } from './loop-scene.ts';

const MINUTE = 60_000;
const DIALOG = ibc('Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT');

const scenes: LoopScene[] = [];
afterEach(() => {
  for (const scene of scenes.splice(0)) scene.remove();
});

/** Two sessions of one user, and as many agents as are asked for, over one state directory. */
class Pair {
  readonly a: LoopScene;
  readonly b: LoopScene;

  constructor(before?: Pair) {
    const shared =
      before === undefined
        ? {}
        : {
            root: before.a.root,
            clock: before.a.clock,
            ledger: new LedgerStore(before.a.paths.ledger, before.a.clock),
          };
    this.a = aScene('alpha', 4001, shared);
    this.b = aScene('beta', 4002, { root: this.a.root, clock: this.a.clock, ledger: this.a.ledger });
  }
}

function aScene(text: string, port: number, parts: ConstructorParameters<typeof LoopScene>[1]): LoopScene {
  const name = parseSessionName(text);
  assert.ok(name !== null);
  const change: Partial<SessionConfig> = { name, api: { host: '127.0.0.1', port, clientId: 1 } };
  const scene = new LoopScene(change, parts);
  scenes.push(scene);
  return scene;
}

/** Until IBKR waits for the second factor. */
function showSecondFactor(scene: LoopScene): void {
  scene.host.say(
    ibc('version: 3.24.1'),
    DIALOG,
    ibc('Login attempt: 1'),
    ibc('Second Factor Authentication initiated'),
  );
  assert.equal(scene.phase, 'awaiting-second-factor');
}

function deferred(error: unknown): boolean {
  return (
    error instanceof AgentError && error.code === 'login-deferred' && error.data?.['session'] === 'alpha'
  );
}

describe('while a session of the user is logging in', () => {
  it('another one that comes up by itself waits, says for whom and until when, and goes on once that is ready', () => {
    const { a, b } = new Pair();
    a.loop.begin('up', NO_MEMORY);
    b.loop.begin('up', NO_MEMORY);
    assert.deepEqual(
      [a.phase, b.phase, b.loop.state.reason],
      ['starting', 'backing-off', 'push-outstanding'],
    );
    assert.deepEqual(b.host.orders, []);
    const told = b.events.find((event) => event.event === 'login-deferred');
    assert.deepEqual([told?.fields['IB_WHY'], told?.fields['IB_WAITS_FOR']], ['push-outstanding', 'alpha']);
    assert.equal(told?.reason, 'push-outstanding');
    showSecondFactor(a);
    assert.equal(b.phase, 'backing-off');
    a.host.say(ibc('Found Gateway main window'), ibc('Login has completed'));
    assert.deepEqual([b.phase, b.host.asked], ['starting', ['start cold']]);
  });

  it('an operator who logs in the other one is told for whom to wait; also at the second factor', () => {
    const { a, b } = new Pair();
    a.loop.operate('login');
    assert.throws(() => b.loop.operate('login'), deferred);
    showSecondFactor(a);
    assert.throws(() => b.loop.operate('login'), deferred);
    assert.throws(
      () => b.loop.operate('login', { uid: 0, pid: 1 }),
      deferred,
      'no override rings a phone twice',
    );
    assert.deepEqual(b.host.orders, []);
    a.host.say(ibc('Found Gateway main window'), ibc('Login has completed'));
    b.loop.operate('login');
    assert.equal(b.phase, 'starting');
  });

  it('the other one goes on when that one dies, or is stopped', () => {
    for (const stop of [false, true]) {
      const { a, b } = new Pair();
      a.loop.begin('up', NO_MEMORY);
      b.loop.begin('up', NO_MEMORY);
      showSecondFactor(a);
      if (stop) {
        a.loop.operate('stop');
        assert.equal(b.phase, 'backing-off', 'what is on the phone is there until the gateway is gone');
      }
      a.host.exit();
      assert.equal(b.phase, 'starting', `stop: ${stop}`);
    }
  });

  it('the other one does not wait for ever when the end of that one is never heard of', () => {
    const { a, b } = new Pair();
    a.loop.begin('up', NO_MEMORY);
    b.loop.begin('up', NO_MEMORY);
    for (let minutes = 0; minutes < 60 && b.phase === 'backing-off'; minutes += 1) a.clock.advance(MINUTE);
    assert.notEqual(b.phase, 'backing-off');
    assert.equal(b.host.orders.length, 1);
  });

  it('a restart of the agent forgets neither of them', async () => {
    const before = new Pair();
    before.a.loop.begin('up', NO_MEMORY);
    before.b.loop.begin('up', NO_MEMORY);
    showSecondFactor(before.a);
    const [order] = before.a.host.orders;
    assert.ok(order !== undefined);
    const memories = [memoryOf(before.a.loop.state), memoryOf(before.b.loop.state)] as const;
    const after = new Pair(before);
    after.a.host.found = {
      kind: 'found',
      run: { id: order.id, kind: 'cold', startedAt: before.a.clock.now() },
      complete: true,
      told: new Map(),
      observations: [],
    };
    await after.a.loop.prepare(memories[0]);
    await after.b.loop.prepare(memories[1]);
    // The one that waits is the first to look.
    after.b.loop.begin('up', memories[1]);
    assert.deepEqual([after.b.phase, after.b.loop.state.reason], ['backing-off', 'push-outstanding']);
    after.a.loop.begin('up', memories[0]);
    assert.deepEqual([after.a.phase, after.b.phase], ['starting', 'backing-off']);
    after.a.host.say(ibc('Found Gateway main window'), ibc('Login has completed'));
    assert.equal(after.b.phase, 'starting');
  });

  it('a restart of the agent after which that one is gone frees the other one', () => {
    const before = new Pair();
    before.a.loop.begin('up', NO_MEMORY);
    before.b.loop.begin('up', NO_MEMORY);
    const memory = memoryOf(before.b.loop.state);
    const after = new Pair(before);
    after.b.loop.begin('up', memory);
    assert.equal(after.b.phase, 'backing-off');
    after.a.loop.begin('down', NO_MEMORY);
    assert.deepEqual([after.a.phase, after.b.phase], ['stopped', 'starting']);
  });

  it('a second factor that comes by itself beside that one ends its own session, which tries again later', () => {
    const { a, b } = new Pair();
    b.bringUp();
    a.loop.operate('login');
    showSecondFactor(a);
    b.host.say(ibc('Second Factor Authentication initiated'));
    assert.deepEqual([a.phase, b.phase], ['awaiting-second-factor', 'stopping']);
    b.host.exit();
    assert.deepEqual([b.phase, b.loop.state.reason], ['backing-off', 'push-outstanding']);
    assert.equal(a.ledger.budget('me', a.config.restart).pushes24h, 2, 'it rang all the same, so it counts');
  });
});

describe('the plan', () => {
  it('names the session that is waited for, and what is left of the budgets that both share', () => {
    const { a, b } = new Pair();
    a.loop.begin('up', NO_MEMORY);
    b.loop.begin('up', NO_MEMORY);
    showSecondFactor(a);
    const all = [a, b].map(({ config, loop }) => ({ config, state: loop.state }));
    const plan = planOf(all, all, a.ledger, a.clock.now());
    const [user, another] = plan.users;
    assert.ok(user !== undefined && another === undefined);
    assert.deepEqual(user.sessions, ['alpha', 'beta']);
    assert.deepEqual([user.pushOutstanding?.session, user.pushOutstanding?.shown], ['alpha', true]);
    assert.deepEqual(
      user.budgets.map(({ name, used, limit }) => `${name} ${used}/${limit}`),
      ['logins-hour 1/3', 'logins-day 1/12', 'pushes-hour 1/3', 'pushes-day 1/10'],
    );
    assert.equal(user.budgets[0]?.freesAt, '2026-11-23T10:00:00.000Z');
    const [first, second] = plan.sessions;
    assert.equal(first?.deferral, null);
    assert.deepEqual([second?.deferral?.why, second?.deferral?.session], ['push-outstanding', 'alpha']);
    assert.deepEqual([second?.steps[0]?.kind, second?.steps[0]?.needsSecondFactor], ['login', true]);
  });
});

describe('an override', () => {
  it('lets one login through a used-up budget, and says who did it and what was spent', () => {
    const { a } = new Pair();
    for (const order of ['x', 'y', 'z'])
      a.ledger.charge({ user: 'me', session: 'alpha', kind: 'login', order, by: 'agent' });
    assert.throws(() => a.loop.operate('login'), AgentError);
    a.loop.operate('login', { uid: 1000, pid: 77 });
    assert.equal(a.phase, 'starting');
    const told = a.events.find((event) => event.event === 'budget-overridden');
    const { IB_ACTOR_UID, IB_ACTOR_PID, IB_WHY, IB_LOGINS_HOUR } = told?.fields ?? {};
    assert.deepEqual(
      [IB_ACTOR_UID, IB_ACTOR_PID, IB_WHY, IB_LOGINS_HOUR],
      ['1000', '77', 'logins-hour', '3'],
    );
    assert.equal(a.ledger.budget('me', a.config.restart).loginsLastHour, 4, 'and it counts');
    a.host.exit();
    a.clock.advance(30 * MINUTE);
    assert.deepEqual([a.phase, a.loop.state.reason], ['halted', 'login-budget'], 'one login, and no other');
  });

  it('says nothing of an override that was not needed', () => {
    const { a } = new Pair();
    a.loop.operate('login', { uid: 1000, pid: 77 });
    assert.ok(!a.eventNames().includes('budget-overridden'));
  });

  it('does nothing against a lock-out by IBKR', () => {
    const { a } = new Pair();
    a.loop.operate('login');
    a.host.say(ibc('version: 3.24.1'), DIALOG, ibc('Login attempt: 1'));
    a.loop.dispatch({ kind: 'login-refused', cause: 'locked-out', text: 'wait', waitMs: 10 * MINUTE });
    a.host.exit();
    assert.throws(
      () => a.loop.operate('login', { uid: 0, pid: 1 }),
      (error) => error instanceof AgentError && error.data?.['why'] === 'locked-out',
    );
    assert.equal(a.host.orders.length, 1);
  });
});

describe('a clock that is set', () => {
  it('frees nothing that was spent, whichever way, and keeps nobody waiting longer', () => {
    for (const jump of [-5, 5, 24 * 400]) {
      const { a } = new Pair();
      for (const order of ['x', 'y', 'z'])
        a.ledger.charge({ user: 'me', session: 'alpha', kind: 'login', order, by: 'agent' });
      a.clock.setWall(a.clock.now() + jump * 60 * MINUTE);
      assert.throws(() => a.loop.operate('login'), AgentError, `${jump} h`);
      a.clock.advance(59 * MINUTE);
      assert.throws(() => a.loop.operate('login'), AgentError, `${jump} h, 59 minutes later`);
      a.clock.advance(MINUTE);
      a.loop.operate('login');
      assert.equal(a.phase, 'starting');
    }
  });

  it('shortens no lock-out and lengthens no back-off', () => {
    const { a } = new Pair();
    a.bringUp();
    a.host.exit({ signal: 'SIGKILL', status: null });
    assert.equal(a.phase, 'backing-off');
    a.clock.setWall(a.clock.now() - 24 * 60 * MINUTE);
    a.clock.advance(2 * MINUTE);
    assert.equal(a.phase, 'starting');
  });
});

describe('a session that an earlier agent left running', () => {
  it('is not ended for a login of IBC that used up the last of the budget, when the record of it is read again', async () => {
    const before = aScene('alpha', 4001, {});
    before.ledger.charge({ user: 'me', session: 'alpha', kind: 'login', order: 'x', by: 'agent' });
    before.bringUp();
    const relogin = [ibc('Re-login to session'), ibc('Login has completed')];
    before.host.say(...relogin);
    before.api.prove();
    assert.deepEqual(
      [before.phase, before.ledger.budget('me', before.config.restart).loginsLastHour],
      ['ready', 3],
    );
    const [order] = before.host.orders;
    assert.ok(order !== undefined);
    const lines = [
      ibc('version: 3.24.1'),
      ibc('Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT'),
      ibc('Login attempt: 1'),
      ibc('Login has completed'),
      ...relogin,
    ];
    const startedAt = before.clock.now();
    const after = aScene('alpha', 4001, { root: before.root, clock: before.clock });
    after.host.found = {
      kind: 'found',
      run: { id: order.id, kind: 'cold', startedAt },
      complete: true,
      told: new Map(),
      observations: lines.map((text) => ({
        at: startedAt,
        observation: { kind: 'line', source: 'session', stream: 'stdout', text },
      })),
    };
    const memory = memoryOf(before.loop.state);
    await after.loop.prepare(memory);
    after.loop.begin('up', memory);
    assert.equal(after.phase, 'loading');
    after.api.prove();
    assert.deepEqual([after.phase, after.host.asked.includes('stop tidy')], ['ready', false]);
    assert.equal(
      after.ledger.budget('me', after.config.restart).loginsLastHour,
      3,
      'and nothing is counted twice',
    );
  });
});
