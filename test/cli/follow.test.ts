// Tests login, start, stop, restart and wait as processes: progress, exit codes, time limits, Ctrl-C, a restarted agent.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Progress } from '../../src/protocol/methods.ts';
import {
  type FakeControl,
  type FakeReply,
  type FakeRequest,
  startFakeControl,
} from '../fakes/fake-control.ts';
import { aCondition, aProgress, NOT_SEEN } from './builders.ts';
import { runIbctl, startIbctl, startOnTerminal } from './run-ibctl.ts';

const agents: FakeControl[] = [];

async function anAgent(script: (request: FakeRequest, reply: FakeReply) => void): Promise<FakeControl> {
  const agent = await startFakeControl(script);
  agents.push(agent);
  return agent;
}

after(async () => {
  await Promise.all(agents.map((agent) => agent.close()));
});

/** A second factor that runs out `seconds` from now: the process under test lives in real time. */
function pending(seconds: number): Progress {
  const deadline = new Date(Date.now() + seconds * 1000 + 500).toISOString();
  const since = new Date().toISOString();
  return aProgress({
    state: 'awaiting-second-factor',
    since,
    reason: 'second-factor-pending',
    secondFactor: { method: 'ib-key', since, deadline, attempt: 1, ...NOT_SEEN },
    conditions: [
      aCondition({ code: 'second-factor-pending', since, text: 'IBKR waits', hint: 'approve it' }),
    ],
  });
}

const starting = aProgress();
const ready = aProgress({ state: 'ready' });
const halted = aProgress({
  state: 'halted',
  reason: 'second-factor-missed',
  conditions: [
    aCondition({
      code: 'second-factor-missed',
      severity: 'error',
      text: 'nobody answered',
      hint: 'have the phone at hand',
    }),
  ],
});

describe('ibctl login', () => {
  it('prints a line for each state with the elapsed time and ends with 0 when the session is ready', async () => {
    const agent = await anAgent((_, reply) => {
      for (const progress of [starting, starting, pending(180), aProgress({ state: 'loading' }), ready])
        reply.event(progress);
      reply.result({ reached: true, session: ready });
    });
    const { stdout, stderr, exit } = await runIbctl(['login', 'live'], { socket: agent.path });
    assert.deepEqual(agent.requests, [{ method: 'login', params: { session: 'live', follow: true } }]);
    const lines = stdout.trimEnd().split('\n');
    assert.match(lines[0] ?? '', /^ {2}\d\.\ds {2}starting$/);
    assert.match(
      lines[1] ?? '',
      /s {2}awaiting-second-factor: (3m|2m 59s) left \(until \d\d:\d\d:\d\d\), IB Key, attempt 1$/,
    );
    assert.match(lines[2] ?? '', /^ {8}hint: approve the notification of IBKR Mobile on the phone$/);
    assert.match(lines[3] ?? '', /s {2}loading$/);
    assert.match(lines[4] ?? '', /s {2}ready$/);
    assert.equal(lines.length, 5);
    assert.equal(stderr, '');
    assert.equal(exit, 0);
  });

  it('ends with 6 and says what to do when the session is halted', async () => {
    const agent = await anAgent((_, reply) => {
      reply.event(starting);
      reply.result({ reached: false, session: halted });
    });
    const { stdout, stderr, exit } = await runIbctl(['login'], { socket: agent.path });
    assert.equal(exit, 6);
    assert.match(stdout, /error second-factor-missed.*: nobody answered\n +hint: have the phone at hand/);
    assert.equal(stderr, 'error: live is halted (second-factor-missed)\nhint: have the phone at hand\n');
  });

  it('ends with 6 when it ends while the second factor is pending', async () => {
    const agent = await anAgent((_, reply) => reply.result({ reached: false, session: pending(60) }));
    assert.equal((await runIbctl(['login'], { socket: agent.path })).exit, 6);
  });

  it('ends with 1 when the session went down or backs off', async () => {
    const next = {
      at: new Date(Date.now() + 90_500).toISOString(),
      kind: 'login',
      needsSecondFactor: null,
      why: '',
    } as const;
    const session = aProgress({
      at: new Date().toISOString(),
      state: 'backing-off',
      reason: 'connection-failed',
      next,
    });
    const agent = await anAgent((_, reply) => reply.result({ reached: false, session }));
    const { stderr, exit } = await runIbctl(['login'], { socket: agent.path });
    assert.equal(exit, 1);
    assert.match(stderr, /^error: live is backing-off \(connection-failed\), login in 1m \d+s\n$/);
  });

  it('--json prints one object a line: progress, then the outcome', async () => {
    const agent = await anAgent((_, reply) => {
      reply.event(starting);
      reply.result({ reached: true, session: ready });
    });
    const { stdout, exit } = await runIbctl(['login', '--json'], { socket: agent.path });
    assert.deepEqual(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
      [{ progress: starting }, { progress: ready }, { outcome: { reached: true, session: ready } }],
    );
    assert.equal(exit, 0);
  });

  it('--quiet prints nothing but errors', async () => {
    const agent = await anAgent((_, reply) => {
      reply.event(starting);
      reply.result({ reached: false, session: halted });
    });
    const { stdout, stderr } = await runIbctl(['login', '-q'], { socket: agent.path });
    assert.equal(stdout, '');
    assert.match(stderr, /^error: live is halted/);
  });

  it('--no-wait returns with 0 once the order is accepted', async () => {
    const agent = await anAgent((_, reply) => reply.result({ reached: false, session: starting }));
    const { stdout, exit } = await runIbctl(['login', '--no-wait', 'live'], { socket: agent.path });
    assert.deepEqual(agent.requests[0]?.params, { session: 'live', follow: false });
    assert.equal(stdout, 'live: login accepted, now starting\n');
    assert.equal(exit, 0);
  });

  it('--timeout ends with 5, says that the login goes on, and leaves the call', async () => {
    const agent = await anAgent((_, reply) => reply.event(starting));
    const { stdout, stderr, exit } = await runIbctl(['login', '--timeout', '1s', '--json'], {
      socket: agent.path,
    });
    assert.equal(exit, 5);
    assert.match(
      stderr,
      /^error: not done after 1s, live is starting\nhint: the login goes on; watch it with: ibctl status --watch live\n$/,
    );
    const error = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '').error;
    assert.equal(error.code, 'timed-out');
    await agent.clientLeft();
  });

  it('--timeout ends with 6 when it runs out while the second factor is pending', async () => {
    const agent = await anAgent((_, reply) => reply.event(pending(60)));
    const { stderr, exit } = await runIbctl(['login', '--timeout', '1s'], { socket: agent.path });
    assert.equal(exit, 6);
    assert.match(
      stderr,
      /^error: not done after 1s, live is awaiting-second-factor\nhint: the login goes on/,
    );
  });

  it('Ctrl-C leaves the login running and says so, exit 130', async () => {
    const agent = await anAgent((_, reply) => reply.event(starting));
    const ibctl = startIbctl(['login'], { socket: agent.path });
    await ibctl.untilStdout(/starting/);
    ibctl.interrupt();
    const { stderr, exit } = await ibctl.ended();
    assert.equal(exit, 130);
    assert.equal(stderr, 'the login goes on; watch it with: ibctl status --watch live\n');
    await agent.clientLeft();
  });

  it('on a terminal counts the time left of a second factor down in one line', async () => {
    let answer: (() => void) | undefined;
    const agent = await anAgent((_, reply) => {
      reply.event(pending(125));
      answer = () => reply.result({ reached: true, session: ready });
    });
    const ibctl = startOnTerminal(['login', '--no-color'], { socket: agent.path });
    await ibctl.untilStdout(/2m 5s left.*2m 4s left/s);
    answer?.();
    const { stdout, exit } = await ibctl.ended();
    assert.equal(exit, 0);
    const lines = stdout.replaceAll('\r\n', '\n').trimEnd().split('\n');
    assert.equal(lines.length, 3);
    assert.match(lines[0] ?? '', /^ {8}hint: approve/);
    assert.ok((lines[1]?.split('\r\u001b[K').length ?? 0) >= 3);
    assert.match(lines[2] ?? '', /s {2}ready$/);
  });

  it('a countdown fits a narrow terminal', async () => {
    let answer: (() => void) | undefined;
    const agent = await anAgent((_, reply) => {
      reply.event(pending(125));
      answer = () => reply.result({ reached: true, session: ready });
    });
    const ibctl = startOnTerminal(['login', '--no-color'], { socket: agent.path, columns: 44 });
    await ibctl.untilStdout(/awaiting-second-factor: 2m \d+s/);
    answer?.();
    const { stdout } = await ibctl.ended();
    for (const line of stdout.split(/\r\n|\r/)) assert.ok(line.replace('\u001b[K', '').length < 44, line);
  });

  it('what comes up while a countdown runs is told above it, and the countdown goes on', async () => {
    let answer: (() => void) | undefined;
    const waiting = pending(125);
    const late = { ...waiting, conditions: [...waiting.conditions, aCondition()] };
    const agent = await anAgent((_, reply) => {
      reply.event(waiting);
      reply.event(late);
      answer = () => reply.result({ reached: true, session: ready });
    });
    const ibctl = startOnTerminal(['login', '--no-color'], { socket: agent.path });
    await ibctl.untilStdout(/farm-down.*2m 4s left/s);
    answer?.();
    const { stdout } = await ibctl.ended();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal obeys is what is taken out
    const shown = stdout.replaceAll('\r\n', '\n').replaceAll(/[^\n]*\r\u001b\[K/g, '');
    assert.match(shown, /^ +hint: approve.*\n +warning farm-down.*\n(?: {8}.*\n)+.*awaiting.*\n.*ready\n$/);
    assert.equal(shown.match(/awaiting/g)?.length, 1);
  });

  it('an agent that was restarted on the way is watched on', async () => {
    let calls = 0;
    const agent = await anAgent((_, reply) => {
      calls += 1;
      if (calls === 1) {
        reply.event(starting);
        // A moment later, so that the progress is read before the end of the connection.
        setImmediate(() => reply.hangUp());
      } else {
        reply.event(aProgress({ state: 'loading' }));
        reply.result({ reached: true, session: ready });
      }
    });
    const { stdout, stderr, exit } = await runIbctl(['login'], { socket: agent.path });
    assert.deepEqual([exit, stderr], [0, '']);
    assert.match(stdout, /starting\n.*loading\n.*ready\n$/);
    const [first, again] = agent.requests;
    assert.deepEqual([first?.method, again?.method], ['login', 'login']);
    assert.ok(Object.hasOwn(again?.params ?? {}, 'askedAt'), 'so that it is followed, and not done twice');
  });

  it('an agent that goes away again and again is a failure', async () => {
    const agent = await anAgent((_, reply) => reply.hangUp());
    const { stderr, exit } = await runIbctl(['login'], { socket: agent.path });
    assert.equal(exit, 3);
    assert.match(stderr, /^error: /);
    assert.equal(agent.requests.length, 4);
  });

  it('a login that the budget does not allow says when it will', async () => {
    const blockedUntil = new Date(Date.now() + 600_500).toISOString();
    const agent = await anAgent((_, reply) =>
      reply.error({ code: 'login-deferred', message: '3 logins', hint: 'wait', data: { blockedUntil } }),
    );
    const { stderr, exit } = await runIbctl(['login'], { socket: agent.path });
    assert.match(
      stderr,
      /^error: 3 logins; the next login is allowed in (10m|9m 59s) \(\d\d:\d\d:\d\d\)\nhint: wait\n$/,
    );
    assert.equal(exit, 6);
  });

  it('an error of the agent decides the exit code', async () => {
    for (const [code, exit] of [
      ['login-deferred', 6],
      ['second-factor-pending', 6],
      ['not-allowed', 4],
      ['unknown-session', 2],
      ['wrong-state', 1],
      ['timed-out', 5],
    ] as const) {
      const agent = await anAgent((_, reply) => reply.error({ code, message: 'no', hint: 'do this' }));
      const ended = await runIbctl(['login'], { socket: agent.path });
      assert.deepEqual([ended.exit, ended.stderr], [exit, 'error: no\nhint: do this\n'], code);
    }
  });
});

describe('the other verbs', () => {
  it('start, stop and restart give their order', async () => {
    for (const [args, method, params] of [
      [['start', 'live'], 'start', { session: 'live', follow: true }],
      [['stop'], 'stop', { follow: true }],
      [['restart', 'live'], 'restart', { session: 'live', follow: true, cold: false }],
      [['restart', '--cold'], 'restart', { follow: true, cold: true }],
    ] as const) {
      const agent = await anAgent((_, reply) => reply.result({ reached: true, session: ready }));
      assert.equal((await runIbctl(args, { socket: agent.path })).exit, 0);
      assert.deepEqual(agent.requests, [{ method, params }]);
    }
  });

  it('restart --cold warns that it is a login; a warm one does not', async () => {
    const agent = await anAgent((_, reply) => reply.result({ reached: true, session: ready }));
    assert.match(
      (await runIbctl(['restart', '--cold'], { socket: agent.path })).stderr,
      /^warning: a cold restart is a full login/,
    );
    assert.equal((await runIbctl(['restart'], { socket: agent.path })).stderr, '');
  });

  it('restart says until when a session that is still ready waits for its restart', async () => {
    const next = {
      at: new Date(Date.now() + 40_500).toISOString(),
      kind: 'warm-restart',
      needsSecondFactor: false,
      why: '',
    } as const;
    const closing = aProgress({ state: 'restarting', reason: 'operator-restart' });
    const agent = await anAgent((_, reply) => {
      reply.event(aProgress({ state: 'ready', next }));
      reply.event(closing);
      reply.event({ ...closing, since: new Date().toISOString() });
      reply.result({ reached: true, session: ready });
    });
    const { stdout } = await runIbctl(['restart'], { socket: agent.path });
    assert.match(
      stdout,
      /^ +0\.\ds {2}ready, the gateway restarts itself in (40|39)s \(\d\d:\d\d:\d\d\)\n.*s {2}restarting \(operator-restart\)\n.*s {2}ready\n$/,
    );
  });

  it('wait --for=second-factor ends with 0 when the second factor is pending', async () => {
    const agent = await anAgent((_, reply) => reply.result({ reached: true, session: pending(60) }));
    const { exit } = await runIbctl(['wait', '--for=second-factor', 'live'], { socket: agent.path });
    assert.equal(exit, 0);
    assert.deepEqual(agent.requests, [{ method: 'wait', params: { session: 'live', for: 'second-factor' } }]);
  });

  it('wait that was interrupted does not claim that something goes on', async () => {
    const agent = await anAgent((_, reply) => reply.event(starting));
    const ibctl = startIbctl(['wait'], { socket: agent.path });
    await ibctl.untilStdout(/starting/);
    ibctl.interrupt();
    const { stderr, exit } = await ibctl.ended();
    assert.deepEqual([stderr, exit], ['', 130]);
  });
});
