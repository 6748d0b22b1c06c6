// Tests `ibctl code` as a process: what is asked and hidden, what is handed in, and what its end says.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { SecondFactor } from '../../src/protocol/methods.ts';
import {
  type FakeControl,
  type FakeReply,
  type FakeRequest,
  startFakeControl,
} from '../fakes/fake-control.ts';
import { aDownSession, aSession, aStatus, at, NOT_SEEN } from './builders.ts';
import { runIbctl, runShell, startOnTerminal } from './run-ibctl.ts';

const CODE = '918273';

const agents: FakeControl[] = [];
after(() => Promise.all(agents.map((agent) => agent.close())));

type Verdict = 'accepted' | 'rejected' | 'unanswered';

/** An agent whose session waits for a second factor; `pending` null: for none. */
async function anAgent(
  pending: Partial<SecondFactor> | null,
  answer: Verdict | ((request: FakeRequest, reply: FakeReply) => unknown) = 'accepted',
): Promise<FakeControl> {
  const secondFactor: SecondFactor | null =
    pending === null
      ? null
      : {
          method: 'code',
          since: at(-10),
          deadline: at(86_400 * 365 * 20),
          attempt: 1,
          ...NOT_SEEN,
          ...pending,
        };
  const session =
    pending === null ? aDownSession() : aSession({ state: 'awaiting-second-factor', secondFactor });
  const agent = await startFakeControl((request, reply) => {
    if (request.method === 'status') reply.result(aStatus([session]));
    else if (typeof answer === 'string') reply.result({ session: 'live', verdict: answer });
    else answer(request, reply);
  });
  agents.push(agent);
  return agent;
}

/** What was handed in. */
function handed(agent: FakeControl): unknown[] {
  return agent.requests.filter(({ method }) => method === 'code').map(({ params }) => params);
}

function pipe(agent: FakeControl, text: string, ...words: string[]) {
  const args = ['code', ...words].join(' ');
  return runShell(`printf '${text}' | ibctl ${args}`, { socket: agent.path });
}

describe('ibctl code on a terminal', () => {
  it('says what is asked for, hides the code, and says that IBKR took it', async () => {
    const agent = await anAgent({ prompt: 'Enter the code\u001b[2J of your app' });
    const ibctl = startOnTerminal(['code', 'live'], { socket: agent.path });
    await ibctl.untilStdout(/Code \(not shown\): $/);
    ibctl.type(`918 273\r`);
    const { stdout, exit } = await ibctl.ended();
    assert.equal(exit, 0, stdout);
    assert.match(stdout, /Enter the code\\x1b\[2J of your app/);
    assert.match(stdout, /IBKR took the code; follow the login with: ibctl wait live/);
    for (const part of [CODE, '918', '273', '*']) assert.ok(!stdout.includes(part), stdout);
    assert.deepEqual(handed(agent), [{ session: 'live', code: CODE }]);
  });

  it('asks again for letters, five digits or eight, and never shows what was typed', async () => {
    const agent = await anAgent({});
    const ibctl = startOnTerminal(['code', 'live'], { socket: agent.path });
    const wrong = [
      ['91827', /six digits; this one has 5\s+Code \(not shown\): $/],
      ['91827364', /six digits; this one has 8\s+Code \(not shown\): $/],
      ['91827a', /holds something else\s+Code \(not shown\): $/],
      ['', /the code is empty\s+Code \(not shown\): $/],
    ] as const;
    await ibctl.untilStdout(/Code \(not shown\): $/);
    for (const [text, says] of wrong) {
      ibctl.type(`${text}\r`);
      await ibctl.untilStdout(says);
    }
    ibctl.type(`${CODE}\r`);
    const { stdout, exit } = await ibctl.ended();
    assert.equal(exit, 0, stdout);
    assert.ok(!stdout.includes('9182'), stdout);
    assert.deepEqual(handed(agent), [{ session: 'live', code: CODE }]);
  });

  it('shows the challenge, and takes an answer to it', async () => {
    const agent = await anAgent({ method: 'challenge', challenge: '445 566' });
    const ibctl = startOnTerminal(['code'], { socket: agent.path });
    await ibctl.untilStdout(/challenge: 445 566\s+Answer \(not shown\): $/);
    ibctl.type('ab12cd34\r');
    const { stdout, exit } = await ibctl.ended();
    assert.equal(exit, 0, stdout);
    assert.ok(!stdout.includes('ab12'), stdout);
    assert.deepEqual(handed(agent), [{ code: 'ab12cd34' }]);
  });

  it('hands nothing in after Ctrl-C', async () => {
    const agent = await anAgent({});
    const ibctl = startOnTerminal(['code', 'live'], { socket: agent.path });
    await ibctl.untilStdout(/Code \(not shown\): $/);
    ibctl.type('9182');
    ibctl.typeCtrlC();
    const { stdout, exit } = await ibctl.ended();
    assert.equal(exit, 130, stdout);
    assert.match(stdout, /Nothing was typed\./);
    assert.deepEqual(handed(agent), []);
  });

  it('asks for no code where none is waited for', async () => {
    const agent = await anAgent(null);
    const { stdout, exit } = await startOnTerminal(['code', 'live'], { socket: agent.path }).ended();
    assert.equal(exit, 1, stdout);
    assert.match(stdout, /live waits for no code: it is stopped\s[\s\S]*ibctl login live starts a login/);
    assert.ok(!stdout.includes('not shown'), stdout);
    assert.deepEqual(handed(agent), []);
  });
});

describe('ibctl code --stdin', () => {
  it('hands in one line, and says what came of it by words and exit code', async () => {
    const ends: readonly (readonly [Verdict, number, RegExp])[] = [
      ['accepted', 0, /IBKR took the code/],
      ['rejected', 1, /IBKR did not take the code; see: ibctl status live/],
      ['unanswered', 5, /has said nothing to it yet/],
    ];
    for (const [verdict, status, says] of ends) {
      const agent = await anAgent({}, verdict);
      const { stdout, stderr, exit } = await pipe(agent, `${CODE}\\n`, '--stdin', 'live');
      assert.equal(exit, status, stderr);
      assert.match(stdout, says);
      assert.ok(!`${stdout}${stderr}`.includes(CODE));
      assert.deepEqual(handed(agent), [{ session: 'live', code: CODE }]);
    }
  });

  it('gives its answer as JSON, without the code', async () => {
    const agent = await anAgent({}, 'rejected');
    const { stdout, exit } = await pipe(agent, CODE, '--stdin', '--json', 'live');
    assert.deepEqual([JSON.parse(stdout), exit], [{ session: 'live', verdict: 'rejected' }, 1]);
  });

  it('refuses nothing, too much, and a terminal’s place without it', async () => {
    const agent = await anAgent({});
    const empty = await pipe(agent, ' \\n', '--stdin', 'live');
    assert.deepEqual([empty.exit, empty.stdout], [2, '']);
    assert.match(empty.stderr, /holds no code/);
    const long = await pipe(agent, '9'.repeat(100), '--stdin', 'live');
    assert.equal(long.exit, 2);
    assert.match(long.stderr, /too long for a code/);
    assert.ok(!long.stderr.includes('999'));
    const closed = await pipe(agent, `${CODE}\\n`, 'live');
    assert.equal(closed.exit, 2);
    assert.match(closed.stderr, /no terminal to ask on[\s\S]*--stdin/);
    assert.deepEqual(handed(agent), []);
  });

  it('takes no code as an argument', async () => {
    const agent = await anAgent({});
    const { exit, stdout } = await runIbctl(['code', 'live', CODE], { socket: agent.path });
    assert.deepEqual([exit, stdout], [2, '']);
    assert.deepEqual(agent.requests, []);
  });

  it('tells what the agent refuses, with its exit code', async () => {
    const refusals = [
      ['invalid-code', 'a code has six digits; this one has 5', 2],
      ['code-limit', '3 codes were typed for this second factor', 6],
      ['windows-unseen', "the gateway's window for the code is not seen", 1],
    ] as const;
    for (const [code, message, status] of refusals) {
      const agent = await anAgent({}, (_, reply) => reply.error({ code, message, hint: 'look' }));
      const { stderr, exit } = await pipe(agent, `${CODE}\\n`, '--stdin', 'live');
      assert.equal(stderr, `error: ${message}\nhint: look\n`);
      assert.equal(exit, status, code);
    }
  });

  it('asks nothing where no code is waited for', async () => {
    const agent = await anAgent(null);
    const { exit, stderr } = await pipe(agent, `${CODE}\\n`, '--stdin', 'live');
    assert.equal(exit, 1, stderr);
    assert.match(stderr, /live waits for no code/);
    assert.deepEqual(handed(agent), []);
  });
});
