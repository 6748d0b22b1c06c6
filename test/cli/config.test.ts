// Tests `ibctl config` as a process: no agent is needed, every error is named with its line.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { startFakeControl } from '../fakes/fake-control.ts';
import { aSession, aStatus } from './builders.ts';
import { runIbctl } from './run-ibctl.ts';

const directory = mkdtempSync(join(tmpdir(), 'ibctl-config-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function aFile(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const GOOD = `sessions:
  live:
    mode: live
    install: { gatewayVersion: "1037" }
    api: { port: 4001 }
    credentials: { command: [/usr/bin/secret-tool, hunter2] }
`;
const BAD = `sessions:
  live:
    mode: liv
    install: { gatewayVersion: "1037" }
    api: { prot: 4001 }
`;

describe('ibctl config check', () => {
  it('says what is in a good file', async () => {
    const file = aFile('good.yaml', GOOD);
    const ended = await runIbctl(['config', 'check', file]);
    assert.deepEqual(ended, {
      stdout: `${file}: no errors, 1 session (live)\n`,
      stderr: '',
      exit: 0,
      signal: null,
    });
  });

  it('names a TOTP seed that is none, where it can be read, and nothing of it', async () => {
    const credentials = join(directory, 'seeds');
    mkdirSync(credentials, { mode: 0o700 });
    const text = GOOD.replace('command: [/usr/bin/secret-tool, hunter2]', `directory: ${credentials}`);
    const file = aFile('totp.yaml', `${text}    secondFactor: { method: totp }\n`);
    const missing = await runIbctl(['config', 'check', file]);
    assert.equal(missing.exit, 0, missing.stderr);
    assert.match(
      missing.stdout,
      /live: the TOTP seed is not checked: .*seed is not there.*sudo ibctl doctor live/,
    );
    const seed = join(credentials, 'seed');
    writeFileSync(seed, 'JBSWY3DPEHPK3PX1', { mode: 0o600 });
    const wrong = await runIbctl(['config', 'check', file]);
    assert.equal(wrong.exit, 1);
    assert.match(wrong.stderr, /the TOTP seed of live is wrong: .*\/seed: The TOTP seed is not base32/);
    assert.doesNotMatch(wrong.stdout + wrong.stderr, /JBSWY3DP/);
    const asJson = await runIbctl(['config', 'check', '--json', file]);
    assert.deepEqual(
      [JSON.parse(asJson.stdout).ok, JSON.parse(asJson.stdout).seeds[0].state, asJson.exit],
      [false, 'wrong', 1],
    );
    writeFileSync(seed, 'JBSWY3DPEHPK3PXP\n');
    const good = await runIbctl(['config', 'check', file]);
    assert.deepEqual([good.exit, good.stdout], [0, `${file}: no errors, 1 session (live)\n`]);
  });

  it('takes the file of --config, and a path from the working directory', async () => {
    aFile('good.yaml', GOOD);
    const { exit } = await runIbctl(['--config', 'good.yaml', 'config', 'check'], { cwd: directory });
    assert.equal(exit, 0);
  });

  it('names every error with file, line and column on stdout and ends with 1', async () => {
    const file = aFile('bad.yaml', BAD);
    const { stdout, stderr, exit } = await runIbctl(['config', 'check', file]);
    assert.equal(exit, 1);
    const lines = stdout.trimEnd().split('\n');
    assert.ok(lines.length >= 2, stdout);
    for (const line of lines) assert.match(line, /bad\.yaml:\d+:\d+: /);
    assert.match(stdout, /bad\.yaml:3:11: sessions\.live\.mode: /);
    assert.match(stderr, new RegExp(`^error: .*bad\\.yaml has ${lines.length} errors\n$`));
  });

  it('--json gives the same to programs', async () => {
    const file = aFile('bad.yaml', BAD);
    const { stdout, exit } = await runIbctl(['config', 'check', '--json', file]);
    const told = JSON.parse(stdout);
    assert.equal(exit, 1);
    assert.deepEqual([told.file, told.ok], [file, false]);
    assert.equal(told.problems[0].line, 3);
  });

  it('says so when the file is not there', async () => {
    const { stdout, stderr, exit } = await runIbctl(['config', 'check', '/nonexistent.yaml']);
    assert.deepEqual([stdout, exit], ['', 1]);
    assert.match(stderr, /^error: .*\/nonexistent\.yaml.*\nhint: /);
  });
});

describe('ibctl config show', () => {
  it('fills in the defaults, and leaves out what may be secret', async () => {
    const { stdout, exit } = await runIbctl(['config', 'show', aFile('good.yaml', GOOD)]);
    assert.equal(exit, 0);
    assert.match(stdout, /^ {6}clientId: \d+$/m);
    assert.doesNotMatch(stdout, /hunter2/);
  });

  it('--json is JSON', async () => {
    const { stdout } = await runIbctl(['config', 'show', '--json', aFile('good.yaml', GOOD)]);
    assert.equal(JSON.parse(stdout).sessions.live.api.port, 4001);
  });
});

it('ibctl config schema prints a JSON Schema', async () => {
  const { stdout, exit } = await runIbctl(['config', 'schema']);
  assert.equal(exit, 0);
  assert.equal(JSON.parse(stdout).$schema, 'https://json-schema.org/draft/2020-12/schema');
});

it('--config leads the other verbs to the socket of its agent', async () => {
  const root = mkdtempSync(join(tmpdir(), 'ibctl-root-'));
  const path = join(root, 'ib-agent', 'control.sock');
  const agent = await startFakeControl((_, reply) => reply.result(aStatus([aSession()])), { path });
  try {
    const file = aFile('rooted.yaml', `agent: { runtimeRoot: ${root} }\n${GOOD}`);
    const { stderr, exit } = await runIbctl(['--config', file, 'status'], {
      socket: '/nonexistent/control.sock',
    });
    assert.deepEqual([stderr, exit], ['', 0]);
  } finally {
    await agent.close();
    rmSync(root, { recursive: true, force: true });
  }
});
