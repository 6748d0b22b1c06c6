// Tests the release bundle of ibctl: built anew, started as a process, in parts that are loaded only when needed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { buildRelease, PROGRAMS } from '../../build.ts';
import { startFakeControl } from '../fakes/fake-control.ts';
import { aSession, aStatus } from './builders.ts';
import { Ibctl } from './run-ibctl.ts';

const directory = mkdtempSync(join(tmpdir(), 'ibctl-bundle-'));
const outdir = join(directory, 'dist');

before(() => buildRelease(outdir, ['ibctl']));
after(() => rmSync(directory, { recursive: true, force: true }));

function run(args: readonly string[], socket?: string) {
  return new Ibctl(
    process.execPath,
    [join(outdir, 'ibctl.cjs'), ...args],
    socket === undefined ? {} : { socket },
  ).ended();
}

describe('the release bundle of ibctl', () => {
  it('asks the agent without any other file of the bundle', async () => {
    const agent = await startFakeControl((_, reply) => reply.result(aStatus([aSession()])));
    const alone = join(directory, 'alone.cjs');
    writeFileSync(alone, readFileSync(join(outdir, 'ibctl.cjs')));
    try {
      const { stdout, stderr, exit } = await new Ibctl(process.execPath, [alone, 'status'], {
        socket: agent.path,
      }).ended();
      assert.deepEqual([stderr, exit], ['', 0]);
      assert.match(stdout, /\nlive +live +ready/);
    } finally {
      await agent.close();
    }
  });

  it('keeps the exit code of errors that arise in its other parts', async () => {
    assert.equal((await run(['config', 'check', '/nonexistent.yaml'])).exit, 1);
    assert.equal((await run(['nope'])).exit, 2);
    assert.equal((await run(['login', '--timeout', '5'])).exit, 2);
    assert.equal((await run(['credentials', 'remove', 'NO'])).exit, process.geteuid?.() === 0 ? 2 : 4);
  });

  it('checks configurations and prints help', async () => {
    const file = join(directory, 'bad.yaml');
    writeFileSync(file, 'sessions:\n  live: { mode: liv }\n');
    const { stdout, exit } = await run(['config', 'check', file]);
    assert.equal(exit, 1);
    assert.match(stdout, /bad\.yaml:2:17: /);
    assert.match((await run(['--help'])).stdout, /^Usage: ibctl/);
  });

  it('looks at the machine', async () => {
    const { stdout, stderr, exit } = await run([
      '--config',
      '/nonexistent.yaml',
      'doctor',
      '--offline',
      '--json',
    ]);
    assert.deepEqual([stderr, exit], ['', 1]);
    const broken = JSON.parse(stdout).filter(({ evidence }: { evidence: string }) =>
      /the check itself/.test(evidence),
    );
    assert.deepEqual(broken, []);
  });

  it('comes with the licences of what is in it', () => {
    const text = readFileSync(join(outdir, 'THIRD-PARTY-LICENSES.txt'), 'utf8');
    for (const name of ['commander', 'yaml', 'zod']) assert.match(text, new RegExp(`^${name} \\d`, 'm'));
  });

  it('its launcher says what to do when there is no Node beside it', () => {
    const { status, stderr } = spawnSync(join(outdir, 'bin/ibctl'), ['--version'], { encoding: 'utf8' });
    assert.equal(status, 1);
    assert.match(stderr, /npm ci/);
  });
});

describe('a release with everything', () => {
  const built = join(directory, 'built');
  const moved = join(directory, 'elsewhere', 'release');

  before(async () => {
    await buildRelease(
      built,
      PROGRAMS.map(({ name }) => name),
      { withNode: true },
    );
    mkdirSync(join(directory, 'elsewhere'));
    renameSync(built, moved);
  });

  it('runs wherever it is moved, by its own Node, also through a symbolic link', () => {
    const link = join(directory, 'ibctl');
    symlinkSync(join(moved, 'bin/ibctl'), link);
    for (const program of [link, ...PROGRAMS.map(({ name }) => join(moved, 'bin', name))]) {
      const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8', env: {} });
      assert.equal(status, 0, program);
      assert.match(stdout, /^(ibctl )?\d+\.\d+\.\d+\b/);
    }
  });

  it('brings the native library that it calls the system by', () => {
    const script = `
      const koffi = require('node:module').createRequire(process.argv[1])('koffi');
      console.log(koffi.load('libc.so.6').func('int getpid()')() === process.pid);`;
    const { stdout, stderr } = spawnSync(
      join(moved, 'bin/node'),
      ['-e', script, join(moved, 'ib-agent.js')],
      { encoding: 'utf8' },
    );
    assert.equal(`${stdout}${stderr}`, 'true\n');
  });

  it('says which version it is', () => {
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));
    assert.equal(readFileSync(join(moved, 'VERSION'), 'utf8'), `${version}\n`);
  });
});

describe('the build', () => {
  it('has an entry for every program', () => {
    for (const { entry } of PROGRAMS) assert.ok(existsSync(join(import.meta.dirname, '../..', entry)), entry);
  });

  it('does not empty a directory that it did not make', async () => {
    const precious = join(directory, 'precious');
    mkdirSync(precious);
    writeFileSync(join(precious, 'file'), '');
    await assert.rejects(buildRelease(precious, ['ibctl']), /not empty and was not made by this build/);
    assert.ok(existsSync(join(precious, 'file')));
  });
});
