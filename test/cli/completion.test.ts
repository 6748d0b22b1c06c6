// Tests the completion scripts: bash's by completing with it, all of them for their words.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { completionScript, SHELLS } from '../../src/cli/completion-text.ts';
import { allVerbs, GLOBAL_OPTIONS } from '../../src/cli/grammar.ts';
import { type FakeControl, startFakeControl } from '../fakes/fake-control.ts';
import { aSession, aStatus } from './builders.ts';
import { runIbctl, runShell } from './run-ibctl.ts';

let agent: FakeControl;

before(async () => {
  agent = await startFakeControl((_, reply) =>
    reply.result(aStatus([aSession(), aSession({ name: 'paper' })])),
  );
});
after(() => agent.close());

/** Words that bash offers after the line; `words` is split as bash splits it (an equals sign is a word). */
async function complete(...words: string[]): Promise<string[]> {
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const line = `source <(ibctl completion bash)
COMP_WORDS=(ibctl ${quoted}); COMP_CWORD=${words.length}
_ibctl 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await runShell(line, { socket: agent.path });
  return stdout.split('\n').filter((word) => word !== '');
}

describe('bash completion', () => {
  it('offers verbs, then the sessions of the running agent', async () => {
    assert.deepEqual(await complete('st'), ['status', 'start', 'stop']);
    assert.deepEqual(await complete('login', ''), ['live', 'paper']);
    assert.deepEqual(await complete('--json', 'restart', '--cold', 'p'), ['paper']);
  });
  it('offers the options of the verb and the global ones', async () => {
    assert.deepEqual(await complete('restart', '--c'), ['--cold', '--config']);
    assert.deepEqual(await complete('status', '--wa'), ['--watch']);
  });
  it('offers the values of an option, also after an equals sign', async () => {
    assert.deepEqual(await complete('wait', '--for', 's'), ['stopped', 'second-factor']);
    assert.deepEqual(await complete('wait', '--for', '=', 'h'), ['halted']);
    assert.deepEqual(await complete('wait', '--for', '='), ['ready', 'stopped', 'halted', 'second-factor']);
  });
  it('does not take the value of an option for the verb', async () => {
    assert.deepEqual(await complete('--socket', 'status', 'lo'), ['logs', 'login']);
    assert.deepEqual(await complete('--socket', '=', 'status', 'lo'), ['logs', 'login']);
    assert.deepEqual(await complete('login', '--timeout', ''), []);
  });
  it('offers the verbs of config, and files', async () => {
    assert.deepEqual(await complete('config', 'sh'), ['show']);
    assert.deepEqual(await complete('config', 'check', 'package.j'), ['package.json']);
    assert.deepEqual(await complete('--config', 'package.j'), ['package.json']);
    assert.deepEqual(await complete('completion', ''), ['bash', 'zsh', 'fish']);
  });
});

describe('completion scripts', () => {
  for (const shell of SHELLS) {
    it(`${shell}'s has every verb and every option`, () => {
      const script = completionScript(shell);
      for (const { path, verb } of allVerbs()) {
        for (const name of path) assert.match(script, new RegExp(`\\b${name}\\b`));
        for (const { long } of [...verb.options, ...GLOBAL_OPTIONS])
          assert.ok(script.includes(long.slice(2)), `${shell} ${long}`);
      }
      assert.match(script, /ibctl __complete sessions/);
    });
  }
});

describe('ibctl __complete sessions', () => {
  it('prints the names, one a line', async () => {
    const ended = await runIbctl(['__complete', 'sessions'], { socket: agent.path });
    assert.deepEqual([ended.stdout, ended.stderr, ended.exit], ['live\npaper\n', '', 0]);
  });
  it('prints nothing when the agent is away, and does not wait for it', async () => {
    const ended = await runIbctl(['__complete', 'sessions'], { socket: '/nonexistent/control.sock' });
    assert.deepEqual([ended.stdout, ended.stderr, ended.exit], ['', '', 1]);
  });
});
