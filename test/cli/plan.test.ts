// Tests `ibctl plan` and `ibctl login --override`: what a person reads, what is asked, and what reaches the agent.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { renderPlan } from '../../src/cli/plan-text.ts';
import { runLogin } from '../../src/cli/verbs/login.ts';
import { runPlan } from '../../src/cli/verbs/plan.ts';
import { METHODS, type Plan } from '../../src/protocol/methods.ts';
import { type FakeControl, startFakeControl } from '../fakes/fake-control.ts';
import { aProgress, at, NOW } from './builders.ts';
import { callVerb } from './call-verb.ts';

const agents: FakeControl[] = [];
after(() => Promise.all(agents.map((agent) => agent.close())));

const DEFERRAL = {
  why: 'logins-hour',
  until: at(723),
  text: 'the login budget of this IBKR user is used up: 3 of 3 logins in the last hour',
  used: 3,
  limit: 3,
  session: null,
} as const;

function aPlan(change: Partial<Plan['sessions'][number]> = {}): Plan {
  return METHODS.plan.result.parse({
    sessions: [
      {
        session: 'live',
        user: 'trader',
        state: 'backing-off',
        desired: 'up',
        steps: [{ at: at(130), kind: 'login', needsSecondFactor: true, why: 'the gateway was killed' }],
        deferral: null,
        ...change,
      },
    ],
    users: [
      {
        user: 'trader',
        sessions: ['live', 'spare'],
        budgets: [
          { name: 'logins-hour', used: 3, limit: 3, freesAt: at(723) },
          { name: 'logins-day', used: 5, limit: 12, freesAt: at(3000) },
          { name: 'pushes-hour', used: 0, limit: 3, freesAt: null },
          { name: 'pushes-day', used: 2, limit: 10, freesAt: at(1800) },
        ],
        pushOutstanding: { session: 'spare', until: at(200), shown: true },
      },
    ],
  });
}

describe('a plan', () => {
  const paint = (_: unknown, text: string) => text;
  const show = (plan: Plan) => renderPlan(plan, { now: NOW, columns: 100, paint });

  it('says what comes next, whether the phone is needed and why, and what is left', () => {
    const text = show(aPlan({ deferral: DEFERRAL }));
    assert.match(
      text,
      /^live backing-off\n {2}in 2m 10s \(.*\): login, needs a second factor \(the gateway was killed\)/,
    );
    assert.match(text, /a login has to wait until in 12m 3s \(.*\): the login budget .* 3\s+of 3 logins/s);
    assert.match(text, /login budget of trader \(live, spare\)\n/);
    assert.match(text, /logins in the last hour: 3 of 3; used up until in 12m 3s/);
    assert.match(text, /logins in the last 24 hours: 5 of 12; one comes back in 50m/);
    assert.match(text, /second factors in the last hour: 0 of 3\n/);
    assert.match(text, /spare waits for its second factor; other sessions wait for it \(at most 3m 20s\)/);
  });

  it('says of a halted session that nothing happens by itself, and what is to be done', () => {
    assert.match(
      show(aPlan({ state: 'halted', steps: [] })),
      /nothing happens by itself: run ibctl login live/,
    );
  });

  it('is printed for programs as the agent gave it', async () => {
    const agent = await startFakeControl((_, reply) => reply.result(aPlan()));
    agents.push(agent);
    const called = await callVerb(runPlan, ['plan', 'live', '--json', '--socket', agent.path]);
    assert.deepEqual(JSON.parse(called.stdout), aPlan());
    assert.equal(called.exit, 0);
    assert.deepEqual(
      agent.requests.map(({ method, params }) => [method, params]),
      [['plan', { session: 'live' }]],
    );
  });
});

describe('ibctl login --override', () => {
  async function login(
    words: readonly string[],
    options: Parameters<typeof callVerb>[2],
    plan = aPlan({ deferral: DEFERRAL }),
  ) {
    const agent = await startFakeControl(({ method }, reply) =>
      reply.result(method === 'plan' ? plan : { reached: true, session: aProgress({ state: 'ready' }) }),
    );
    agents.push(agent);
    const called = await callVerb(runLogin, ['login', ...words, '--socket', agent.path], options);
    const logins = agent.requests.filter(({ method }) => method === 'login');
    return { ...called, logins: logins.map(({ params }) => params) };
  }

  it('asks for the name of the session, showing what was spent, and then says so to the agent', async () => {
    const { exit, stderr, logins } = await login(['live', '--override'], { terminal: true, stdin: 'live\r' });
    assert.equal(exit, 0);
    assert.deepEqual(logins, [{ session: 'live', follow: true, override: true }]);
    assert.match(stderr, /3 of 3 logins in the last hour/);
    assert.match(stderr, /type the name of the session \(live\): /);
  });

  it('does nothing for any other answer', async () => {
    for (const stdin of ['yes\r', '\r', 'paper\r', '\u0003']) {
      const { exit, logins } = await login(['--override', 'live'], { terminal: true, stdin });
      assert.notEqual(exit, 0, JSON.stringify(stdin));
      assert.deepEqual(logins, []);
    }
  });

  it('does not ask with --yes, and does nothing without a terminal or --yes', async () => {
    const { exit, logins } = await login(['--override', '--yes', 'live'], {});
    assert.deepEqual([exit, logins.length], [0, 1]);
    const refused = await login(['--override', 'live'], { stdin: 'live\n' });
    assert.deepEqual([refused.exit, refused.logins], [2, []]);
    assert.match(refused.stderr, /--yes/);
  });

  it('asks nothing when the budget is not used up', async () => {
    const { exit, stderr, logins } = await login(['--override', 'live'], { terminal: true }, aPlan());
    assert.deepEqual([exit, logins.length], [0, 1]);
    assert.doesNotMatch(stderr, /type the name/);
  });

  it('takes --yes for nothing else', async () => {
    const { exit, logins } = await login(['--yes', 'live'], {});
    assert.deepEqual([exit, logins], [2, []]);
  });
});
