// Tests `ibctl status` as a process against a scripted agent.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { changeKey, checkExit } from '../../src/cli/verbs/status.ts';
import type { SessionStatus } from '../../src/protocol/methods.ts';
import { type FakeControl, startFakeControl } from '../fakes/fake-control.ts';
import { aDownSession, anAgent, aSession, aStatus, at } from './builders.ts';
import { runIbctl, startIbctl, startOnTerminal } from './run-ibctl.ts';

const agents: FakeControl[] = [];

async function anAgentWith(...statuses: unknown[]): Promise<FakeControl> {
  let call = 0;
  const agent = await startFakeControl((request, reply) => {
    assert.equal(request.method, 'status');
    reply.result(statuses[Math.min(call, statuses.length - 1)]);
    call += 1;
  });
  agents.push(agent);
  return agent;
}

after(async () => {
  await Promise.all(agents.map((agent) => agent.close()));
});

const halted = aDownSession({ state: 'halted', desired: 'up', reason: 'displaced' });
const waiting = aDownSession({ state: 'awaiting-second-factor', desired: 'up' });
const degraded = aSession({ state: 'degraded' });
const ready = aSession();
const stopped = aDownSession();

describe('ibctl status', () => {
  it('prints the table and exits 0, also when a session is down', async () => {
    const { path } = await anAgentWith(aStatus([ready, { ...halted, name: 'paper' }]));
    const { stdout, stderr, exit } = await runIbctl(['status'], { socket: path });
    assert.match(stdout, /^ib-agent 0\.1\.0, up .*\n\nNAME +MODE +STATE/);
    assert.match(stdout, /\npaper +live +halted /);
    assert.equal(stderr, '');
    assert.equal(exit, 0);
  });

  it("--json prints exactly the agent's answer", async () => {
    const answer = aStatus([ready]);
    const { path, requests } = await anAgentWith(answer);
    const { stdout, exit } = await runIbctl(['status', '--json', '--show-accounts', 'live'], {
      socket: path,
    });
    assert.deepEqual(JSON.parse(stdout), answer);
    assert.equal(exit, 0);
    assert.deepEqual(requests[0]?.params, { session: 'live', showAccounts: true });
  });

  it('does not colour a pipe', async () => {
    const { path } = await anAgentWith(aStatus([ready]));
    const { stdout } = await runIbctl(['status'], { socket: path });
    assert.ok(!stdout.includes('\u001b['));
  });

  it('colours a terminal, unless NO_COLOR, --no-color or TERM=dumb says otherwise', async () => {
    const { path } = await anAgentWith(aStatus([ready]));
    const coloured = await startOnTerminal(['status'], { socket: path }).ended();
    assert.ok(coloured.stdout.includes('\u001b[32mready\u001b[39m'));
    for (const [args, env] of [
      [['status'], { NO_COLOR: '1' }],
      [['status'], { TERM: 'dumb' }],
      [['--no-color', 'status'], {}],
    ] as const) {
      const plain = await startOnTerminal(args, { socket: path, env }).ended();
      assert.ok(!plain.stdout.includes('\u001b['), JSON.stringify([args, env]));
    }
  });

  const checks: readonly (readonly [string, readonly SessionStatus[], boolean, number])[] = [
    ['ready', [ready], false, 0],
    ['ready beside one stopped on purpose', [ready, stopped], false, 0],
    ['degraded', [ready, degraded], false, 7],
    ['second factor pending', [degraded, waiting], false, 6],
    ['halted', [halted, ready], false, 6],
    ['starting beside degraded', [degraded, aDownSession({ state: 'starting', desired: 'up' })], false, 1],
    ['backing off', [aDownSession({ state: 'backing-off', desired: 'up' })], false, 1],
    ['stopped though wanted up', [ready, aDownSession({ desired: 'up' })], false, 1],
    ['all stopped on purpose', [stopped], false, 1],
    ['stopped on purpose, but named', [stopped], true, 1],
    ['no session at all', [], false, 1],
  ];
  for (const [what, sessions, named, exit] of checks) {
    it(`--check says ${exit} for: ${what}`, () => assert.equal(checkExit(sessions, named), exit));
  }

  it('--check ends with that exit code', async () => {
    const { path } = await anAgentWith(aStatus([degraded]));
    const { stdout, exit } = await runIbctl(['status', '--check'], { socket: path });
    assert.equal(exit, 7);
    assert.match(stdout, /degraded/);
  });
});

describe('ibctl status --watch', () => {
  it('in a pipe prints a block for each change and none without one', async () => {
    const moved = { ...aSession({ api: { ...ready.api, latencyMs: 99, checkedAt: at(1) } }) };
    const agent = await anAgentWith(aStatus([ready]), aStatus([moved]), aStatus([halted]));
    const ibctl = startIbctl(['status', '--watch'], { socket: agent.path });
    await ibctl.untilStdout(/halted/);
    ibctl.interrupt();
    const { stdout, exit } = await ibctl.ended();
    assert.equal(exit, 130);
    assert.equal(stdout.match(/^NAME/gm)?.length, 2);
  });

  it('--json prints one object a line', async () => {
    const { path } = await anAgentWith(aStatus([ready]), aStatus([degraded]));
    const ibctl = startIbctl(['status', '--watch', '--json'], { socket: path });
    await ibctl.untilStdout(/degraded/);
    ibctl.interrupt('SIGTERM');
    const { stdout, exit } = await ibctl.ended();
    assert.equal(exit, 143);
    const states = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).sessions[0].state);
    assert.deepEqual(states, ['ready', 'degraded']);
  });

  it('on a terminal redraws on the alternate screen and leaves the last picture on the normal one', async () => {
    const { path } = await anAgentWith(aStatus([ready]), aStatus([halted]));
    const ibctl = startOnTerminal(['status', '-w', '--no-color'], { socket: path });
    await ibctl.untilStdout(/halted/);
    ibctl.typeCtrlC();
    const { stdout, exit } = await ibctl.ended();
    assert.equal(exit, 130);
    assert.ok(stdout.startsWith('\u001b[?1049h'));
    const [, left = ''] = stdout.split('\u001b[?1049l');
    assert.match(left, /^ib-agent .*halted/s);
  });

  it('survives an agent that is away for a moment', async () => {
    const agent = await anAgentWith(aStatus([ready]));
    const ibctl = startIbctl(['status', '--watch'], { socket: agent.path });
    await ibctl.untilStdout(/ready/);
    await agent.close();
    const again = await startFakeControl((_, reply) => reply.result(aStatus([degraded])), {
      path: agent.path,
    });
    agents.push(again);
    await ibctl.untilStdout(/degraded/);
    ibctl.interrupt();
    assert.equal((await ibctl.ended()).exit, 130);
  });

  it('takes figures that move with every look for no change', () => {
    const moved = aStatus(
      [
        aSession({
          api: { ...ready.api, latencyMs: 7, checkedAt: at(5) },
          process: { ...ready.process, rssBytes: 1 },
        }),
      ],
      { host: { ...anAgent().host, load1: 3 } },
    );
    assert.equal(changeKey(moved), changeKey(aStatus([ready])));
    assert.notEqual(changeKey(aStatus([degraded])), changeKey(aStatus([ready])));
    assert.notEqual(changeKey(aStatus([ready], { pid: 1 })), changeKey(aStatus([ready])));
  });
});
