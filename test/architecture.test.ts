// Checks that modules import only what the house allows, so that the pure core stays pure and edges stay thin.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

/** Folder → folders of ours it may import. */
const EDGES: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  events: ['protocol'],
  domain: ['protocol', 'events'],
  config: ['protocol', 'events'],
  host: ['events', 'protocol'],
  gateway: ['host', 'config', 'protocol', 'bridge'],
  display: ['host', 'config', 'protocol'],
  bridge: ['host', 'protocol'],
  launch: ['config', 'domain', 'gateway', 'display', 'bridge', 'host', 'protocol'],
  supervisor: ['protocol', 'events', 'domain', 'config', 'host', 'gateway', 'display', 'bridge'],
  control: ['protocol', 'host'],
  notify: ['protocol', 'events', 'domain', 'config', 'host'],
  agent: [
    'protocol',
    'events',
    'domain',
    'config',
    'host',
    'gateway',
    'display',
    'bridge',
    'supervisor',
    'control',
    'notify',
    // Its configuration comes the way the launchers' does.
    'launch',
  ],
  cli: ['protocol', 'control', 'config', 'gateway', 'host'],
};

/** Module or name → the only files that may have it. */
const ONLY_IN: readonly { readonly what: RegExp; readonly name: string; readonly files: RegExp }[] = [
  {
    name: 'node-ipc',
    what: /from 'node-ipc'|import\('node-ipc'\)/,
    files: /^src\/control\/node-ipc-transport\.ts$/,
  },
  { name: 'koffi', what: /from 'koffi'|import\('koffi'\)|require\('koffi'\)/, files: /^src\/host\/ffi\.ts$/ },
  { name: 'child processes', what: /'(node:child_process|execa)'/, files: /^src\/host\/exec(-sync)?\.ts$/ },
  {
    name: 'node:net',
    what: /from 'node:net'/,
    files:
      /^src\/(control\/|launch\/|gateway\/tws-api\.ts|gateway\/ibc-command\.ts|bridge\/client\.ts|display\/x-server\.ts|host\/(peercred|reach)\.ts)/,
  },
  { name: 'otplib', what: /'otplib'/, files: /^src\/launch\/totp\.ts$/ },
  { name: 'systeminformation', what: /'systeminformation'/, files: /^src\/host\/host-figures\.ts$/ },
  {
    name: 'the clock',
    what: /\bDate\.now\(|\bnew Date\(\)|\bsetTimeout\(|\bsetInterval\(|\bperformance\.now\(/,
    files: /^src\/host\/clock\.ts$/,
  },
  {
    name: 'process.env',
    what: /\bprocess\.env\b/,
    files: /^src\/(config\/|agent\/main\.ts|cli\/main\.ts|launch\/[a-z]+-main\.ts)/,
  },
  { name: 'a default export', what: /^export default\b/m, files: /\.d\.ts$/ },
];

const SOURCES = globSync('src/**/*.ts').sort();

function importsOf(text: string): string[] {
  const found = text.matchAll(
    /^(?:import|export)\b[^;]*?from '([^']+)'|\bimport\('([^']+)'\)|^import '([^']+)'/gms,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

/** Without comments, so that a sentence about a rule does not break it. */
function codeOf(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

test('there are sources to look at, each opening with a sentence on what it owns', () => {
  assert.ok(SOURCES.length > 40, `${SOURCES.length} files`);
  const without = SOURCES.filter((file) => {
    const lines = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => !line.startsWith('#!') && line !== '');
    return !/^\/\/ (Owns|Describes) /.test(lines[0] ?? '');
  });
  assert.deepEqual(without, []);
});

test('folders import only what the table allows', () => {
  const wrong: string[] = [];
  for (const file of SOURCES) {
    const folder = file.split('/')[1] ?? '';
    const allowed = EDGES[folder];
    if (allowed === undefined) {
      wrong.push(`${file}: folder ${folder} is not in the table`);
      continue;
    }
    for (const target of importsOf(readFileSync(file, 'utf8'))) {
      if (!target.startsWith('.')) {
        if (folder === 'domain') wrong.push(`${file}: rules are pure and import no package: ${target}`);
        if (folder === 'events' && target.startsWith('node:')) wrong.push(`${file}: ${target}`);
        continue;
      }
      if (!target.endsWith('.ts') && !target.endsWith('.json')) wrong.push(`${file}: ${target} has no .ts`);
      const to = normalize(join(dirname(file), target)).split('/')[1] ?? '';
      if (to !== folder && !allowed.includes(to)) wrong.push(`${file}: ${folder} may not import ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('of the control socket, ibctl imports the client only', () => {
  const wrong = SOURCES.filter((file) => file.startsWith('src/cli/')).flatMap((file) =>
    importsOf(readFileSync(file, 'utf8'))
      .filter((target) => target.includes('/control/') && !/\/control\/(client|reference)\.ts$/.test(target))
      .map((target) => `${file}: ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test('of the gateway, ibctl imports where it is installed and how its settings are read only', () => {
  const wrong = SOURCES.filter((file) => file.startsWith('src/cli/')).flatMap((file) =>
    importsOf(readFileSync(file, 'utf8'))
      .filter((target) => /\/gateway\/(?!install-layout\.ts$|launch-error\.ts$|jts-ini\.ts$)/.test(target))
      .map((target) => `${file}: ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test('clock, environment, processes, sockets and native code are touched in their own files only', () => {
  const wrong: string[] = [];
  for (const file of SOURCES) {
    const code = codeOf(readFileSync(file, 'utf8'));
    for (const rule of ONLY_IN) {
      if (rule.what.test(code) && !rule.files.test(file)) wrong.push(`${file}: ${rule.name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('the project speaks of itself only', () => {
  const files = globSync('**/*.{ts,java,md,yaml,sh,json}', {
    exclude: (path) => /^(node_modules|dist|\.build|package-lock\.json)/.test(path),
  }).filter((file) => file !== 'test/architecture.test.ts');
  const wrong = files.filter((file) =>
    /\/work\/|\.library|shared\/(reference|fixtures|design)|closing note|\bissue #?\d/i.test(
      readFileSync(file, 'utf8'),
    ),
  );
  assert.deepEqual(wrong, []);
});
