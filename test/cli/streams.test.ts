// Tests `ibctl events` and `ibctl logs` as processes: lines, JSON, following over a restart of the agent, closed pipes.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import {
  type FakeControl,
  type FakeReply,
  type FakeRequest,
  startFakeControl,
} from '../fakes/fake-control.ts';
import { aLogLine, anEvent, at } from './builders.ts';
import { runIbctl, runShell, startIbctl, startOnTerminal } from './run-ibctl.ts';

const agents: FakeControl[] = [];

async function anAgent(script: (request: FakeRequest, reply: FakeReply) => unknown): Promise<FakeControl> {
  const agent = await startFakeControl(script);
  agents.push(agent);
  return agent;
}

after(async () => {
  await Promise.all(agents.map((agent) => agent.close()));
});

const first = anEvent();
const second = anEvent({
  seq: 2,
  at: at(-30),
  event: 'second-factor-pending',
  priority: 4,
  message: 'IBKR waits for the second factor',
  hint: 'Approve the IBKR Mobile notification',
});

describe('ibctl events', () => {
  it('prints one line each: local time, session, event, message, hint', async () => {
    const agent = await anAgent((_, reply) => {
      reply.event(first);
      reply.event(second);
      reply.event(
        anEvent({ seq: 3, at: at(0), event: 'agent-stopping', session: null, message: 'bye\u001b[2J' }),
      );
      reply.result({ dropped: 0 });
    });
    const { stdout, stderr, exit } = await runIbctl(['events'], {
      socket: agent.path,
      env: { TZ: 'Asia/Kolkata' },
    });
    assert.equal(
      stdout,
      '2026-11-23 14:29:00 live: session-ready: the session is ready\n' +
        '2026-11-23 14:29:30 live: second-factor-pending: IBKR waits for the second factor (Approve the IBKR Mobile notification)\n' +
        '2026-11-23 14:30:00 agent-stopping: bye\\x1b[2J\n',
    );
    assert.deepEqual([stderr, exit], ['', 0]);
    assert.deepEqual(agent.requests, [{ method: 'events', params: { follow: false, limit: 1000 } }]);
  });

  it('--since takes a time ago and sends it as ISO 8601 UTC', async () => {
    const agent = await anAgent((_, reply) => reply.result({ dropped: 0 }));
    const before = Date.now();
    await runIbctl(['events', '--since', '10m', '-n', '5', 'live'], { socket: agent.path });
    const params = agent.requests[0]?.params as { since: string; limit: number; session: string };
    assert.match(params.since, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const ago = Date.now() - Date.parse(params.since);
    assert.ok(ago >= 600_000 && ago <= 600_000 + (Date.now() - before), `${ago} ms ago`);
    assert.deepEqual([params.limit, params.session], [5, 'live']);
  });

  it('says on stderr when memory does not reach back as far as was asked', async () => {
    const agent = await anAgent((_, reply) => reply.result({ dropped: 12 }));
    const { stdout, stderr, exit } = await runIbctl(['events', '--since', '7d'], { socket: agent.path });
    assert.deepEqual([stdout, exit], ['', 0]);
    assert.match(stderr, /^warning: 12 older events/);
  });

  it('--json prints the records as they come', async () => {
    const agent = await anAgent((_, reply) => {
      reply.event(first);
      reply.event(second);
      reply.result({ dropped: 0 });
    });
    const { stdout } = await runIbctl(['events', '--json'], { socket: agent.path });
    assert.deepEqual(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
      [first, second],
    );
  });

  it('colours by priority on a terminal', async () => {
    const agent = await anAgent((_, reply) => {
      reply.event(anEvent({ priority: 3, event: 'session-halted', message: 'x' }));
      reply.event(second);
      reply.result({ dropped: 0 });
    });
    const { stdout } = await startOnTerminal(['events'], { socket: agent.path }).ended();
    assert.ok(stdout.includes('\u001b[31msession-halted: x\u001b[39m'));
    assert.ok(stdout.includes('\u001b[33msecond-factor-pending:'));
  });

  it('-f goes on after the agent was restarted, without repeating what was shown', async () => {
    let call = 0;
    const agent = await anAgent((_, reply) => {
      call += 1;
      if (call === 1) {
        reply.event(first);
        reply.event(second);
        setImmediate(() => reply.hangUp());
      } else {
        reply.event(second);
        reply.event(anEvent({ seq: 1, at: at(10), event: 'agent-started', session: null, message: 'up' }));
      }
    });
    const ibctl = startIbctl(['events', '-f'], { socket: agent.path });
    await ibctl.untilStdout(/agent-started/);
    ibctl.interrupt();
    const { stdout, stderr, exit } = await ibctl.ended();
    assert.equal(exit, 130);
    assert.equal(stdout.match(/second-factor-pending/g)?.length, 1);
    assert.equal(stdout.match(/session-ready/g)?.length, 1);
    assert.equal(stderr, '');
    const again = agent.requests[1]?.params as { since: string } | undefined;
    assert.equal(again?.since, second.at);
  });

  it('-f waits for an agent that stays away longer, and says so', async () => {
    const agent = await anAgent((_, reply) => reply.event(first));
    const ibctl = startIbctl(['events', '-f'], { socket: agent.path });
    await ibctl.untilStdout(/session-ready/);
    await agent.close();
    await ibctl.untilStderr(/connecting again/);
    agents.push(await startFakeControl((_, reply) => reply.event(second), { path: agent.path }));
    await ibctl.untilStdout(/second-factor-pending/);
    ibctl.interrupt();
    assert.equal((await ibctl.ended()).exit, 130);
  });

  it('-f ends at once by Ctrl-C while it waits for the agent', async () => {
    const agent = await anAgent((_, reply) => reply.event(first));
    const ibctl = startIbctl(['events', '-f'], { socket: agent.path });
    await ibctl.untilStdout(/session-ready/);
    await agent.close();
    await ibctl.untilStderr(/connecting again/);
    ibctl.interrupt();
    const { exit, stderr } = await ibctl.ended();
    assert.equal(exit, 130);
    assert.doesNotMatch(stderr, /error/);
  });

  it('without -f a lost connection is a failure', async () => {
    const agent = await anAgent(async (_, reply) => {
      reply.event(first);
      await agent.close();
    });
    const { stdout, stderr, exit } = await runIbctl(['events'], { socket: agent.path });
    assert.equal(exit, 3);
    assert.match(stdout, /session-ready/);
    assert.match(stderr, /^error: .*\nhint: /);
  });

  it('ends without a word when the reader of its output goes away', async () => {
    const agent = await anAgent((_, reply) => {
      for (let seq = 1; seq <= 20_000; seq++) reply.event(anEvent({ seq, at: at(seq) }));
      reply.result({ dropped: 0 });
    });
    const { stdout, stderr } = await runShell('ibctl events | head -1; echo "exit $PIPESTATUS"', {
      socket: agent.path,
    });
    assert.match(stdout, /^2026-11-23 09:00:01 live: session-ready: the session is ready\nexit 141\n$/);
    assert.equal(stderr, '');
  });
});

describe('ibctl logs', () => {
  it('prints the text with its time and marks lines of the display', async () => {
    const agent = await anAgent((_, reply) => {
      reply.event(aLogLine());
      reply.event(aLogLine({ source: 'display', stream: 'stderr', text: 'tab\tand \u001b[31mred' }));
      reply.result({ dropped: 0 });
    });
    const { stdout, exit } = await runIbctl(['logs', '-n', '50', 'live'], { socket: agent.path });
    assert.equal(
      stdout,
      '2026-11-23 08:59:00 IBC: Login has completed\n2026-11-23 08:59:00 [display] tab and \\x1b[31mred\n',
    );
    assert.equal(exit, 0);
    assert.deepEqual(agent.requests[0]?.params, {
      session: 'live',
      follow: false,
      lines: 50,
      showAccounts: false,
    });
  });

  it('-f goes on after a lost connection with the lines that came meanwhile', async () => {
    let call = 0;
    const agent = await anAgent((_, reply) => {
      call += 1;
      reply.event(aLogLine({ at: at(1), text: 'one' }));
      if (call === 1) setImmediate(() => reply.hangUp());
      else reply.event(aLogLine({ at: at(2), text: 'two' }));
    });
    const ibctl = startIbctl(['logs', '-f'], { socket: agent.path });
    await ibctl.untilStdout(/two/);
    ibctl.interrupt();
    assert.equal((await ibctl.ended()).stdout.match(/one/g)?.length, 1);
  });
});
