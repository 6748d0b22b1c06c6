// Tests install.sh on trees of files: what it lays out, leaves alone, and takes away again.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { buildRelease, PROGRAMS } from '../../build.ts';
import { AGENT_VERSION } from '../../src/protocol/version.ts';

const ROOT = join(import.meta.dirname, '../..');
const SCRIPT = join(ROOT, 'install.sh');
const directory = mkdtempSync(join(tmpdir(), 'ib-install-'));
const release = join(directory, 'release');
const tree = join(directory, 'tree');
const lib = join(tree, 'usr/lib/ib-agent');
const config = join(tree, 'etc/ib-agent/ib-agent.yaml');

before(async () => {
  await buildRelease(
    release,
    PROGRAMS.map(({ name }) => name),
  );
  // Its 150 MB would be copied and compared dozens of times.
  writeFileSync(join(release, 'bin/node'), `#!/bin/sh\nexec '${process.execPath}' "$@"\n`, { mode: 0o755 });
});
beforeEach(() => {
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(tree);
});
after(() => rmSync(directory, { recursive: true, force: true }));

function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = { DESTDIR: tree },
  script = SCRIPT,
) {
  const { status, stdout, stderr } = spawnSync(script, args, {
    encoding: 'utf8',
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...env },
  });
  return { status, stdout, stderr };
}

function install(...more: readonly string[]): string {
  const { status, stdout, stderr } = run(['--from', release, ...more]);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** Everything below the tree: path → what shows whether it was written to. */
function picture(): Record<string, string> {
  const paths = readdirSync(tree, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    paths
      .filter((path) => !path.startsWith('usr/lib/ib-agent/install'))
      .map((path) => {
        const { ino, mode, size } = lstatSync(join(tree, path));
        return [path, `${ino} ${mode.toString(8)} ${lstatSync(join(tree, path)).isDirectory() ? '' : size}`];
      }),
  );
}

/** The same release, with one byte more: another build of the same version. */
function changeRelease(): void {
  appendFileSync(join(release, 'ib-agent.js'), '\n');
}

describe('install.sh', () => {
  it('has no fault that shellcheck knows', () => {
    const { status, stdout, error } = spawnSync('shellcheck', [SCRIPT], { encoding: 'utf8' });
    assert.equal(error, undefined, 'shellcheck cannot be run: sh test/prepare.sh installs what is missing');
    assert.equal(status, 0, stdout);
  });

  it('explains itself, also when sh runs it', () => {
    const { status, stdout } = spawnSync('sh', [SCRIPT, '--help'], { encoding: 'utf8' });
    assert.equal(status, 0);
    for (const option of [
      '--dry-run',
      '--uninstall',
      '--purge',
      '--from',
      '--offline',
      '--no-packages',
      '--prefix',
    ]) {
      assert.match(stdout, new RegExp(`^ *${option}\\b`, 'm'));
    }
  });

  it('refuses a wrong command line with status 2', () => {
    for (const args of [
      ['--nope'],
      ['--purge'],
      ['--from'],
      ['--from', '/nonexistent'],
      ['--prefix', 'usr'],
    ]) {
      assert.equal(run(args).status, 2, args.join(' '));
    }
  });

  it('lays out everything, and starts by a link that names the version', () => {
    install();
    assert.equal(readFileSync(join(lib, 'current/VERSION'), 'utf8'), `${AGENT_VERSION}\n`);
    assert.equal(readlinkSync(join(lib, 'current')), AGENT_VERSION);
    assert.equal(readlinkSync(join(tree, 'usr/bin/ibctl')), '/usr/lib/ib-agent/current/bin/ibctl');
    for (const unit of readdirSync(join(ROOT, 'systemd')).filter((name) =>
      /\.(service|target|slice)$/.test(name),
    )) {
      const installed = join(tree, 'usr/lib/systemd/system', unit);
      assert.deepEqual(readFileSync(installed), readFileSync(join(ROOT, 'systemd', unit)));
      assert.equal(statSync(installed).mode & 0o777, 0o644);
    }
    for (const path of [
      'usr/lib/sysusers.d/ib-agent.conf',
      'usr/lib/tmpfiles.d/ib-agent.conf',
      'usr/share/polkit-1/rules.d/50-ib-agent.rules',
      'etc/needrestart/conf.d/ib-agent.conf',
      'usr/lib/ib-agent/current/share/docs/operating.md',
      'usr/lib/ib-agent/current/share/etc/examples/bot.service',
    ]) {
      assert.ok(existsSync(join(tree, path)), path);
    }
    assert.match(
      readFileSync(join(tree, 'usr/share/bash-completion/completions/ibctl'), 'utf8'),
      /complete .*ibctl/,
    );
    assert.deepEqual(readFileSync(config), readFileSync(join(ROOT, 'etc/ib-agent.yaml')));
    const { status, stdout } = spawnSync(join(lib, 'current/bin/ibctl'), ['--version'], { encoding: 'utf8' });
    assert.deepEqual([status, stdout], [0, `ibctl ${AGENT_VERSION}\n`]);
  });

  it('writes nothing that others may write to', () => {
    install();
    const loose = readdirSync(tree, { recursive: true, encoding: 'utf8' }).filter((path) => {
      const status = lstatSync(join(tree, path));
      return !status.isSymbolicLink() && (status.mode & 0o022) !== 0;
    });
    assert.deepEqual(loose, []);
  });

  it('does nothing the second time', () => {
    install();
    const first = picture();
    install();
    assert.deepEqual(picture(), first);
  });

  it('changes nothing with --dry-run, and says what it would do', () => {
    const out = install('--dry-run');
    assert.match(out, /^would write: .*\/usr\/lib\/systemd\/system\/ib-agent\.service$/m);
    assert.match(out, /^would link: .*\/current -> /m);
    assert.deepEqual(picture(), {});
    install();
    const first = picture();
    changeRelease();
    install('--dry-run');
    assert.match(run(['--uninstall', '--purge', '--dry-run']).stdout, /^would remove: /m);
    assert.deepEqual(picture(), first);
  });

  it('leaves an empty tree after --uninstall --purge', () => {
    install();
    changeRelease();
    install();
    const { status, stderr } = run(['--uninstall', '--purge']);
    assert.equal(status, 0, stderr);
    assert.deepEqual(picture(), {});
  });

  it('can be removed by the copy that it installed', () => {
    install();
    const own = join(lib, 'current/share/install.sh');
    const { status, stderr } = run(['--uninstall', '--purge'], { DESTDIR: tree }, own);
    assert.equal(status, 0, stderr);
    assert.deepEqual(picture(), {});
  });

  it('removes nothing that it did not bring', () => {
    for (const path of ['usr/lib/systemd/system/other.service', 'etc/ib-other', 'usr/lib/ib-agent2/x']) {
      mkdirSync(join(tree, path, '..'), { recursive: true });
      writeFileSync(join(tree, path), 'theirs');
    }
    const before = picture();
    install();
    assert.equal(run(['--uninstall', '--purge']).status, 0);
    assert.deepEqual(picture(), before);
  });

  it('keeps configuration and state when it is removed without --purge', () => {
    install();
    appendFileSync(config, '# mine\n');
    const state = join(tree, 'var/lib/ib-agent/ledger.json');
    mkdirSync(join(state, '..'), { recursive: true });
    writeFileSync(state, '{}');
    assert.equal(run(['--uninstall']).status, 0);
    assert.match(readFileSync(config, 'utf8'), /# mine/);
    assert.ok(existsSync(state));
    assert.equal(existsSync(join(lib, 'current')), false);
    assert.equal(existsSync(join(tree, 'usr/bin')), false);
  });

  it('refuses to write over a file that is not from it, before it changes anything', () => {
    mkdirSync(join(tree, 'usr/bin'), { recursive: true });
    writeFileSync(join(tree, 'usr/bin/ibctl'), 'another program of that name');
    const before = picture();
    const { status, stderr } = run(['--from', release]);
    assert.equal(status, 1);
    assert.match(stderr, /usr\/bin\/ibctl is there already[\s\S]*hint: /);
    assert.deepEqual(picture(), before);
  });

  it('refuses a release of another version', () => {
    const other = join(directory, 'other');
    cpSync(release, other, { recursive: true });
    writeFileSync(join(other, 'VERSION'), '9.9.9\n');
    const { status, stderr } = run(['--from', other]);
    assert.equal(status, 1);
    assert.match(stderr, /version 9\.9\.9/);
    assert.deepEqual(picture(), {});
  });

  it('writes the paths of another prefix into the units', () => {
    assert.equal(run(['--from', release, '--prefix', '/opt/ib']).status, 0);
    const unit = readFileSync(join(tree, 'opt/ib/lib/systemd/system/ib-session@.service'), 'utf8');
    assert.match(unit, /^ExecStart=\/opt\/ib\/lib\/ib-agent\/current\/bin\/node /m);
    assert.doesNotMatch(unit, /\/usr\/lib\/ib-agent/);
    assert.equal(run(['--uninstall', '--purge', '--prefix', '/opt/ib']).status, 0);
    assert.deepEqual(picture(), {});
  });
});

describe('an upgrade by install.sh', () => {
  it('makes a new directory and touches no file of the one that runs', () => {
    install();
    const before = picture();
    changeRelease();
    install();
    const now = picture();
    for (const path of Object.keys(before).filter((each) =>
      each.startsWith(`usr/lib/ib-agent/${AGENT_VERSION}/`),
    )) {
      assert.equal(now[path], before[path], path);
    }
    assert.equal(readlinkSync(join(lib, 'current')), `${AGENT_VERSION}+2`);
    assert.equal(readlinkSync(join(lib, 'previous')), AGENT_VERSION);
  });

  it('removes versions older than the previous one, unless a process uses them', async () => {
    install();
    // As a JVM has its jars: open, and neither mapped nor in its command line.
    const file = openSync(join(lib, AGENT_VERSION, 'ib-agent.js'), 'r');
    const reader: ChildProcess = spawn('sleep', ['600'], { stdio: [file, 'ignore', 'ignore'] });
    await once(reader, 'spawn');
    closeSync(file);
    try {
      changeRelease();
      install();
      changeRelease();
      assert.match(
        install(),
        new RegExp(`Keeping ${AGENT_VERSION.replaceAll('.', '\\.')}: a running process uses it`),
      );
      assert.ok(existsSync(join(lib, AGENT_VERSION)));
    } finally {
      reader.kill('SIGKILL');
      await once(reader, 'close');
    }
    changeRelease();
    install();
    assert.deepEqual(
      readdirSync(lib).filter((name) => /^\d/.test(name)),
      [`${AGENT_VERSION}+3`, `${AGENT_VERSION}+4`],
    );
  });

  it('keeps the version that runs when the new one does not run here', () => {
    install();
    const first = picture();
    const broken = join(directory, 'broken');
    cpSync(release, broken, { recursive: true });
    writeFileSync(join(broken, 'ibctl.cjs'), 'throw new Error("broken")');
    const { status, stderr } = run(['--from', broken]);
    assert.equal(status, 1);
    assert.match(stderr, /does not run on this host/);
    assert.deepEqual(picture(), first);
  });

  it('never writes over an edited configuration, and puts the new one beside it', () => {
    install();
    appendFileSync(config, '# mine\n');
    const mine = readFileSync(config, 'utf8');
    assert.match(install(), /ib-agent\.yaml was edited and stays as it is/);
    assert.equal(readFileSync(config, 'utf8'), mine);
    assert.deepEqual(readFileSync(`${config}.new`), readFileSync(join(ROOT, 'etc/ib-agent.yaml')));
    assert.doesNotMatch(install(), /was edited/, 'said once');
  });

  it('replaces a default that nobody edited, and removes units that are no more', () => {
    // A checkout of an earlier time.
    const earlier = join(directory, 'earlier');
    mkdirSync(earlier);
    for (const part of ['systemd', 'etc', 'docs', 'package.json']) {
      cpSync(join(ROOT, part), join(earlier, part), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(earlier, 'node_modules'));
    copyFileSync(SCRIPT, join(earlier, 'install.sh'));
    chmodSync(join(earlier, 'install.sh'), 0o755);
    appendFileSync(join(earlier, 'etc/ib-agent.yaml'), '# of an earlier version\n');
    writeFileSync(join(earlier, 'systemd/ib-gone@.service'), '');
    const { status, stderr } = run(['--from', release], { DESTDIR: tree }, join(earlier, 'install.sh'));
    assert.equal(status, 0, stderr);
    assert.match(readFileSync(config, 'utf8'), /# of an earlier version/);
    assert.ok(existsSync(join(tree, 'usr/lib/systemd/system/ib-gone@.service')));
    install();
    assert.deepEqual(readFileSync(config), readFileSync(join(ROOT, 'etc/ib-agent.yaml')));
    assert.equal(existsSync(`${config}.new`), false);
    assert.equal(existsSync(join(tree, 'usr/lib/systemd/system/ib-gone@.service')), false);
  });
});
