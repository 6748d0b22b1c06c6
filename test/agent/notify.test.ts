// Checks notifications of the daemon as a process: what it tells of itself, how its end treats them, and that its secrets stay its own.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { runIbctl } from '../cli/run-ibctl.ts';
import { Sink, until } from '../notify/scene.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'agent', 'main.ts');
const TOKEN = 'tk_hushhush4711';

let root = '';
const running = new Set<ChildProcess>();
const sinks = new Set<Sink>();
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agent-notify-'));
  mkdirSync(join(root, 'credentials', 'notify'), { recursive: true, mode: 0o700 });
  mkdirSync(join(root, 'handed'), { mode: 0o700 });
});
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
  for (const sink of sinks) sink.close();
  sinks.clear();
  rmSync(root, { recursive: true, force: true });
});

async function aSink(answer?: ConstructorParameters<typeof Sink>[0]): Promise<Sink> {
  const sink = await new Sink(answer).start();
  sinks.add(sink);
  return sink;
}

function startAgent(targets: Readonly<Record<string, unknown>>) {
  const agent = { runtimeRoot: join(root, 'run'), stateRoot: join(root, 'lib'), logLevel: 'debug' };
  writeFileSync(join(root, 'ib-agent.yaml'), JSON.stringify({ agent, notify: targets, sessions: {} }));
  const child = spawn(process.execPath, [MAIN, '--config', join(root, 'ib-agent.yaml')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], CREDENTIALS_DIRECTORY: join(root, 'handed') },
  });
  running.add(child);
  const said = { text: '' };
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said.text += chunk.toString();
    });
  const ended = once(child, 'close').then(() => child.exitCode);
  return { child, said, ended, socket: join(root, 'run', 'ib-agent', 'control.sock') };
}

describe('the agent', { timeout: 120_000 }, () => {
  it('tells its start and its end, and its secrets are nowhere to be seen', async () => {
    const sink = await aSink();
    writeFileSync(join(root, 'handed', 'ib-notify.token'), TOKEN, { mode: 0o400 });
    const broken = await aSink((response) => response.writeHead(500).end());
    const agent = startAgent({
      phone: { type: 'ntfy', server: sink.origin, topic: 'ib', secret: 'token', events: '*' },
      ops: {
        type: 'webhook',
        url: broken.origin,
        secretHeaders: { Authorization: 'token' },
        events: '*',
        retries: 0,
        debounce: '0s',
      },
    });
    await until('the start', () => sink.got.length >= 1 && agent.said.text.includes('notify-failed'));
    assert.equal(sink.json()['title'], 'ib-agent: agent started');
    assert.equal(sink.got[0]?.headers.authorization, `Bearer ${TOKEN}`);
    assert.equal(broken.got[0]?.headers.authorization, TOKEN);
    const listed = await runIbctl(['notify', 'list', '--json'], { socket: agent.socket });
    const tested = await runIbctl(['notify', 'test'], { socket: agent.socket });
    assert.equal(tested.exit, 1);
    assert.match(tested.stdout, /^phone: sent \(ntfy, HTTP 200, \d+ ms\)\nops: failed: .*HTTP status 500/);
    const events = await runIbctl(['events', '--json'], { socket: agent.socket });
    assert.match(events.stdout, /"event":"notify-failed".*"IB_TARGET":"ops"/);
    const { pid } = agent.child;
    const seen = ['environ', 'cmdline'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'latin1'));
    agent.child.kill('SIGTERM');
    assert.equal(await agent.ended, 0);
    assert.equal(JSON.parse(sink.got.at(-1)?.body ?? '').title, 'ib-agent: agent stopping');
    const titles = sink.got.map(({ body }) => JSON.parse(body).title);
    assert.ok(!titles.some((title) => /notify failed/.test(title)), 'of a failure nobody is notified');
    const all = [agent.said.text, listed.stdout, tested.stdout, tested.stderr, events.stdout, ...seen].join();
    assert.ok(!all.includes('hushhush'));
  });

  it('starts without a secret, and says so', async () => {
    const agent = startAgent({ team: { type: 'slack', secret: 'nowhere' } });
    await until('the start', () => agent.said.text.includes('"agent-started"'));
    assert.match(agent.said.text, /"level":"warning".*notifications to team cannot be sent: .*nowhere/);
    assert.match(agent.said.text, /LoadCredentialEncrypted=ib-notify\.nowhere/);
    agent.child.kill('SIGTERM');
    assert.equal(await agent.ended, 0);
  });

  it('does not wait for a mute server at its end', async () => {
    const sink = await aSink(() => undefined);
    const agent = startAgent({
      ops: { type: 'webhook', url: sink.origin, events: '*', timeout: '1m' },
    });
    await until('it is being told of the start', () => sink.got.length === 1);
    const start = performance.now();
    agent.child.kill('SIGTERM');
    assert.equal(await agent.ended, 0);
    const ms = performance.now() - start;
    assert.ok(ms > 1_500 && ms < 20_000, `it took ${ms} ms`);
  });
});
