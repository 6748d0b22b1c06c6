// Checks the daemon as a process: the signals it gets by accident, and the places it refuses to work in.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, it } from 'node:test';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'agent', 'main.ts');

let root = '';
const running = new Set<ChildProcess>();
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agent-'));
  writeFileSync(
    join(root, 'ib-agent.yaml'),
    `agent: {runtimeRoot: ${root}/run, stateRoot: ${root}/lib}\nsessions: {}\n`,
  );
});
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
  rmSync(root, { recursive: true, force: true });
});

function startAgent() {
  const child = spawn(process.execPath, [MAIN, '--config', join(root, 'ib-agent.yaml')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const waiting: { pattern: RegExp; resolve: () => void }[] = [];
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const { pattern, resolve } of waiting) if (pattern.test(line)) resolve();
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const said = (pattern: RegExp) =>
    new Promise<void>((resolve) => {
      if (lines.some((line) => pattern.test(line))) resolve();
      else waiting.push({ pattern, resolve });
    });
  const ended = once(child, 'close').then(() => ({ status: child.exitCode, stderr, lines }));
  return { child, said, ended };
}

describe('the agent', { timeout: 60_000 }, () => {
  it('opens no debugger on SIGUSR1', async () => {
    const { child, said, ended } = startAgent();
    await said(/"agent-started"/);
    child.kill('SIGUSR1');
    await said(/SIGUSR1 means nothing/);
    child.kill('SIGTERM');
    const { status, stderr } = await ended;
    assert.equal(stderr, '', 'Node says on stderr where its debugger listens');
    assert.equal(status, 0);
  });

  it('stops tidily when its terminal is closed', async () => {
    const { child, said, ended } = startAgent();
    await said(/"agent-started"/);
    child.kill('SIGHUP');
    const { status, lines } = await ended;
    assert.equal(status, 0);
    assert.match(lines.at(-1) ?? '', /"agent-stopping".*"IB_SIGNAL":"SIGHUP"/);
  });

  it('does not work where others can write, and says what to correct', async () => {
    for (const place of ['run/ib-agent', 'lib/ib-agent']) {
      mkdirSync(join(root, place), { recursive: true });
      chmodSync(join(root, place), 0o777);
      const { status, stderr } = await startAgent().ended;
      assert.equal(status, 1);
      assert.match(
        stderr,
        new RegExp(`the directory ${root}/${place} cannot be used: it can be written by others`),
      );
      assert.match(stderr, /^hint: .*owner and mode/m);
      chmodSync(join(root, place), 0o755);
    }
  });

  it('names the directory that it cannot make', async () => {
    writeFileSync(join(root, 'run'), '');
    const { status, stderr, lines } = await startAgent().ended;
    assert.equal(status, 1);
    assert.match(
      stderr,
      new RegExp(`${root}/run/ib-agent cannot be used: it cannot be made or looked at \\(ENOTDIR\\)`),
    );
    assert.deepEqual(lines, []);
  });
});
