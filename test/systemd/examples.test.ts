// Tests the examples and small files that other programs read: each by the program that reads it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'ib-examples-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function run(file: string, args: readonly string[]) {
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin' },
  });
  assert.equal(error, undefined, `${file} cannot be run: sh test/prepare.sh installs what is missing`);
  return { status, output: `${stdout}${stderr}` };
}

describe('the example of a trading program', () => {
  const text = readFileSync(join(ROOT, 'etc/examples/bot.service'), 'utf8');

  it('is free of complaints from systemd', () => {
    const unit = join(directory, 'bot.service');
    writeFileSync(unit, text.replace('/usr/local/bin/bot ', '/bin/true '));
    // With what it names, and what that names.
    const units = join(ROOT, 'systemd');
    for (const name of readdirSync(units).filter((each) => /\.(service|target|slice)$/.test(each))) {
      copyFileSync(join(units, name), join(directory, name));
    }
    const { output } = run('systemd-analyze', ['verify', '--man=no', unit]);
    assert.deepEqual(
      output.split('\n').filter((line) => /\bbot\b/.test(line)),
      [],
    );
  });

  it('is bound to the session, ordered after it and started by it', () => {
    for (const setting of ['BindsTo', 'After', 'WantedBy']) {
      assert.match(text, new RegExp(`^${setting}=ib-ready@live\\.target$`, 'm'));
    }
  });
});

describe('the example of a firewall', () => {
  const text = readFileSync(join(ROOT, 'etc/examples/ib-agent.nft'), 'utf8');

  it('is what nft reads', () => {
    const rules = join(directory, 'ib-agent.nft');
    // The users of an installation are not there.
    const numbers = text.replace(/elements = \{ root, ib-agent, ib-gateway \}/, 'elements = { 0, 991, 992 }');
    assert.notEqual(numbers, text);
    writeFileSync(rules, numbers);
    // nft asks the kernel, also to check only: in a network of its own, so that no rights are needed and nothing is touched.
    const { status, output } = run('unshare', ['--map-root-user', '--net', 'nft', '-c', '-f', rules]);
    assert.deepEqual([status, output], [0, '']);
  });

  it('judges by port and user, of which the agent is one', () => {
    assert.match(text, /tcp dport != @api_ports accept/);
    assert.match(text, /elements = \{ root, ib-agent, ib-gateway \}/);
  });
});

describe('the file for needrestart', () => {
  const script = join(ROOT, 'systemd/ib-agent.needrestart');

  it('keeps it from restarting what is ours, and nothing else', () => {
    const program = `our %nrconf; defined(do $ARGV[0]) or die $@ || $!;
      for my $unit (@ARGV[1..$#ARGV]) {
        my ($found) = grep { $unit =~ /$_/ } keys %{$nrconf{override_rc}};
        print defined $found ? $nrconf{override_rc}{$found} : 'asks', " $unit\\n";
      }`;
    const { output } = run('perl', [
      '-we',
      program,
      script,
      'ib-session@live.service',
      'ib-display@live.service',
      'ib-agent.service',
      'ib-agent2.service',
      'ssh.service',
    ]);
    assert.deepEqual(output.trimEnd().split('\n'), [
      '0 ib-session@live.service',
      '0 ib-display@live.service',
      '0 ib-agent.service',
      'asks ib-agent2.service',
      'asks ssh.service',
    ]);
  });
});

describe('the users', () => {
  it('are what systemd-sysusers reads: no login, and the agent in the groups it needs', () => {
    const { status, output } = run('systemd-sysusers', [
      '--dry-run',
      `--root=${directory}`,
      join(ROOT, 'systemd/ib-agent.sysusers'),
    ]);
    assert.equal(status, 0, output);
    for (const name of ['ib-agent', 'ib-gateway'])
      assert.match(output, new RegExp(`Creating user '${name}'`));
    const text = readFileSync(join(ROOT, 'systemd/ib-agent.sysusers'), 'utf8');
    const users = text.split('\n').filter((line) => line.startsWith('u '));
    assert.equal(users.length, 2);
    for (const line of users) assert.match(line, /\/usr\/sbin\/nologin$/);
    assert.deepEqual(
      text.split('\n').filter((line) => line.startsWith('m ')),
      ['m ib-agent ib-gateway', 'm ib-agent systemd-journal'],
    );
  });
});
