// Checks that a launcher never works with another configuration than the one that stands in the file.

import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problems.ts';
import { loadCachedConfig } from '../../src/launch/cached-config.ts';

let root = '';
let file = '';
let state = '';

const yaml = (port: number) => `agent: {runtimeRoot: ${root}/run, stateRoot: ${root}/lib}
sessions:
  live:
    mode: live
    install: {gatewayVersion: "1045"}
    api: {port: ${port}}
`;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cached-config-'));
  file = join(root, 'ib-agent.yaml');
  state = join(root, 'state');
  mkdirSync(state);
  writeFileSync(file, yaml(4001));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

/** The one file the cache consists of. */
function cacheFile(): string {
  const [name, ...others] = readdirSync(state);
  assert.ok(name !== undefined && others.length === 0, 'one file');
  return join(state, name);
}

test('the kept configuration is what loading gives, and is readable by its user only', async () => {
  const fresh = loadConfig(file);
  assert.deepEqual(await loadCachedConfig(file, state), fresh);
  assert.equal(statSync(cacheFile()).mode & 0o777, 0o600);
  assert.deepEqual(await loadCachedConfig(file, state), fresh);
});

test('a changed file is read again', async () => {
  await loadCachedConfig(file, state);
  writeFileSync(file, yaml(4002));
  const config = await loadCachedConfig(file, state);
  assert.equal(config.sessions[0]?.api.port, 4002);
  assert.equal((await loadCachedConfig(file, state)).sessions[0]?.api.port, 4002);
});

test('a file that has become wrong is an error, whatever was kept', async () => {
  await loadCachedConfig(file, state);
  writeFileSync(file, yaml(4001).replace('live\n', 'demo\n'));
  await assert.rejects(loadCachedConfig(file, state), ConfigError);
  rmSync(file);
  await assert.rejects(loadCachedConfig(file, state), { code: 'config-unreadable' });
});

test('the kept configuration is really used, and a damaged one is not', async () => {
  const fresh = await loadCachedConfig(file, state);
  const path = cacheFile();
  const { key } = JSON.parse(await import('node:fs').then((fs) => fs.readFileSync(path, 'utf8'))) as {
    key: string;
  };
  writeFileSync(path, JSON.stringify({ key, config: { marker: true } }));
  assert.deepEqual(await loadCachedConfig(file, state), { marker: true });
  for (const damaged of ['', '{', 'null', '{"key":1}', JSON.stringify({ key })]) {
    writeFileSync(path, damaged);
    assert.deepEqual(await loadCachedConfig(file, state), fresh);
  }
});

test('one that another user may have written is not used', async () => {
  const fresh = await loadCachedConfig(file, state);
  const path = cacheFile();
  const forged = JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), config: { marker: true } });
  writeFileSync(path, forged);
  chmodSync(path, 0o666);
  assert.deepEqual(await loadCachedConfig(file, state), fresh);
  rmSync(path);
  const elsewhere = join(root, 'elsewhere');
  writeFileSync(elsewhere, forged);
  symlinkSync(elsewhere, path);
  assert.deepEqual(await loadCachedConfig(file, state), fresh);
});

test('without a directory to keep it in, everything is read each time', async () => {
  const fresh = loadConfig(file);
  assert.deepEqual(await loadCachedConfig(file, undefined), fresh);
  assert.deepEqual(await loadCachedConfig(file, join(root, 'absent')), fresh);
});
