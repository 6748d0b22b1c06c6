// Owns the tiers of the tests: which files belong to which, and that each of them really ran.

import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';

const INTEGRATION = [
  'test/bridge/**/*.test.ts',
  'test/integration/**/*.test.ts',
  'test/standin/**/*.test.ts',
];

const TIERS = {
  check: () => [
    ['biome', 'ci', '.'],
    ['tsc', '--noEmit'],
  ],
  unit: () => [
    testCommand(
      globSync('test/**/*.test.ts', {
        exclude: (path) => /(^|\/)(bridge|integration|standin|system|real)(\/|$)/.test(path),
      }),
      2,
    ),
  ],
  build: () => [[process.execPath, 'build.ts']],
  // Two files at a time: each of these starts JVMs, but most of them wait most of the time.
  integration: () => [testCommand(globSync(INTEGRATION), 2)],
  // Needs root and namespaces; where it cannot run it fails and says why, rather than pass unseen.
  system: () => [['sh', 'test/system/prepare.sh'], testCommand(globSync('test/system/**/*.test.ts'), 1)],
  real: () => [testCommand(globSync('test/real/**/*.test.ts'), 1)],
} as const;

type Tier = keyof typeof TIERS;

const DEFAULT: readonly Tier[] = ['check', 'unit', 'build', 'integration', 'system'];

function testCommand(files: readonly string[], concurrency: number): string[] {
  if (files.length === 0) throw new Error('no test file was found: run this from the root of the checkout');
  return [
    process.execPath,
    '--test',
    `--test-concurrency=${concurrency}`,
    '--test-reporter=spec',
    ...[...files].sort(),
  ];
}

function isTier(name: string): name is Tier {
  return Object.hasOwn(TIERS, name);
}

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !isTier(name));
if (unknown !== undefined) {
  process.stderr.write(`unknown tier ${unknown}; there are: ${Object.keys(TIERS).join(', ')}\n`);
  process.exit(2);
}
for (const tier of asked.length === 0 ? DEFAULT : asked.filter(isTier)) {
  const started = performance.now();
  for (const [file, ...args] of TIERS[tier]()) {
    process.stdout.write(`\n== ${tier}\n`);
    const { status, error } = spawnSync(file ?? '', args, { stdio: 'inherit' });
    if (error !== undefined) process.stderr.write(`${file}: ${error.message}\n`);
    if (status !== 0) {
      process.stderr.write(`\n== ${tier} failed (${file} ${args[0] ?? ''}: status ${status})\n`);
      process.exit(1);
    }
  }
  process.stdout.write(`== ${tier} took ${Math.round((performance.now() - started) / 1000)} s\n`);
}
