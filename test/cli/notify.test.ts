// Tests `ibctl notify` as a process: what it shows of targets, what it says of a test, and its exit codes.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { NotifyTargetStatus, NotifyTestResult } from '../../src/protocol/methods.ts';
import { METHODS } from '../../src/protocol/methods.ts';
import { type FakeControl, startFakeControl } from '../fakes/fake-control.ts';
import { runIbctl } from './run-ibctl.ts';

const agents: FakeControl[] = [];
after(() => Promise.all(agents.map((agent) => agent.close())));

async function anAgent(result: unknown): Promise<FakeControl> {
  const agent = await startFakeControl((_, reply) => reply.result(result));
  agents.push(agent);
  return agent;
}

function aTarget(changes: Partial<NotifyTargetStatus> = {}): NotifyTargetStatus {
  return {
    name: 'phone',
    type: 'ntfy',
    to: 'ntfy.sh',
    events: ['session-halted', 'second-factor-pending'],
    sessions: null,
    leastPriority: 6,
    secrets: [{ name: 'phone-token', ok: true, problem: '', hint: '' }],
    waiting: 0,
    dropped: 0,
    lastSent: null,
    lastFailed: null,
    ...changes,
  };
}

const SENT: NotifyTestResult = {
  target: 'phone',
  type: 'ntfy',
  ok: true,
  httpStatus: 200,
  ms: 84,
  message: 'sent',
  hint: '',
};
const FAILED: NotifyTestResult = {
  target: 'team',
  type: 'slack',
  ok: false,
  httpStatus: 404,
  ms: 12,
  message: 'the server answered with HTTP status 404',
  hint: 'make a new\u001b[2J webhook',
};

describe('ibctl notify list', () => {
  const targets = [
    aTarget({
      lastSent: { at: '2026-11-23T09:00:00.000Z', event: 'session-halted', message: '' },
      lastFailed: {
        at: '2026-11-23T08:00:00.000Z',
        event: 'session-lost',
        message: 'the connection was refused',
      },
    }),
    aTarget({
      name: 'team',
      type: 'slack',
      to: '',
      events: ['*'],
      sessions: METHODS['notify-list'].result.shape.targets.element.shape.sessions.parse(['live']),
      secrets: [{ name: 'team-url', ok: false, problem: 'it is not there', hint: 'put it there' }],
      dropped: 7,
    }),
  ];

  it('shows each target, whether its secret is there, what was sent last, and what is missing', async () => {
    const agent = await anAgent({ targets });
    const { stdout, stderr, exit } = await runIbctl(['notify', 'list'], { socket: agent.path, columns: 80 });
    assert.equal(
      stdout,
      `TARGET  TYPE   TO       SECRET   WAITING  LAST
phone   ntfy   ntfy.sh  there    0        sent 2026-11-23 09:00:00
team    slack  -        missing  0        -

phone
  told of: session-halted, second-factor-pending
  sessions: all sessions and the agent
  last sent: session-halted at 2026-11-23 09:00:00
  last failed: session-lost at 2026-11-23 08:00:00: the connection was refused

team
  told of: every event
  sessions: live
  secret team-url: it is not there
  hint: put it there
  dropped: 7, because too many waited
`,
    );
    assert.deepEqual([stderr, exit], ['', 0]);
  });

  it('prints what the agent said with --json', async () => {
    const agent = await anAgent({ targets });
    const { stdout, exit } = await runIbctl(['notify', 'list', '--json'], { socket: agent.path });
    assert.deepEqual([JSON.parse(stdout), exit], [{ targets }, 0]);
  });

  it('says that there is none', async () => {
    const agent = await anAgent({ targets: [] });
    const { stdout, exit } = await runIbctl(['notify', 'list'], { socket: agent.path });
    assert.match(stdout, /^no target is configured/);
    assert.equal(exit, 0);
  });

  it('has its names for completion', async () => {
    const agent = await anAgent({ targets });
    const { stdout } = await runIbctl(['__complete', 'targets'], { socket: agent.path });
    assert.equal(stdout, 'phone\nteam\n');
  });
});

describe('ibctl notify test', () => {
  it('says of each target whether it was sent, and fails when one was not', async () => {
    const agent = await anAgent({ results: [SENT, FAILED] });
    const { stdout, exit } = await runIbctl(['notify', 'test'], { socket: agent.path });
    assert.equal(
      stdout,
      'phone: sent (ntfy, HTTP 200, 84 ms)\n' +
        'team: failed: the server answered with HTTP status 404 (slack, HTTP 404, 12 ms)\n' +
        '  hint: make a new\\x1b[2J webhook\n',
    );
    assert.equal(exit, 1);
    assert.deepEqual(agent.requests, [{ method: 'notify-test', params: { event: 'second-factor-pending' } }]);
  });

  it('asks for one target and another event', async () => {
    const agent = await anAgent({ results: [SENT] });
    const { exit } = await runIbctl(['notify', 'test', 'phone', '--event', 'session-halted'], {
      socket: agent.path,
    });
    assert.equal(exit, 0);
    assert.deepEqual(agent.requests[0]?.params, { target: 'phone', event: 'session-halted' });
  });

  it('prints what the agent said with --json, and the exit code is the same', async () => {
    const agent = await anAgent({ results: [FAILED] });
    const { stdout, exit } = await runIbctl(['notify', 'test', '--json'], { socket: agent.path });
    assert.deepEqual([JSON.parse(stdout), exit], [{ results: [FAILED] }, 1]);
  });
});
