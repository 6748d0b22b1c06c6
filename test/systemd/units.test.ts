// Tests the units as systemd reads them: they are valid, as closed as they claim, and each secret is in one of them only.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

const UNITS = join(import.meta.dirname, '../../systemd');
const NODE = '/usr/lib/ib-agent/current/bin/node';
const SERVICES = readdirSync(UNITS).filter((name) => name.endsWith('.service'));
const FILES = readdirSync(UNITS).filter((name) => /\.(service|target|slice|socket|path|timer)$/.test(name));
/** The most that `systemd-analyze security` may find, in tenths of its exposure level; the services without an entry are new. */
const MOST_EXPOSED: Readonly<Record<string, number>> = {
  'ib-agent.service': 15,
  'ib-session@.service': 20,
  'ib-display@.service': 18,
  'ib-code@.service': 8,
  'ib-clock@.service': 13,
};

const directory = mkdtempSync(join(tmpdir(), 'ib-units-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function linesOf(name: string): string[] {
  return readFileSync(join(UNITS, name), 'utf8').split('\n');
}

/** Values of a setting in the order in which they stand; comments do not count. */
function valuesOf(name: string, setting: string): string[] {
  return linesOf(name)
    .filter((line) => line.startsWith(`${setting}=`))
    .map((line) => line.slice(setting.length + 1));
}

function analyze(...args: string[]) {
  const { status, stdout, stderr, error } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  assert.equal(
    error,
    undefined,
    'systemd-analyze cannot be run: sh test/prepare.sh installs what is missing',
  );
  return { status, output: `${stdout}${stderr}` };
}

describe('the units', () => {
  before(() => {
    // The programs are not installed here; that they are named absolutely is looked at below.
    for (const name of FILES) {
      const text = readFileSync(join(UNITS, name), 'utf8').replaceAll(NODE, process.execPath);
      writeFileSync(join(directory, name), text);
    }
  });

  it('are free of complaints from systemd', () => {
    const paths = FILES.map((name) => join(directory, name));
    const { status, output } = analyze('verify', '--man=no', ...paths);
    // Other units of this machine may have faults of their own.
    const ours = output.split('\n').filter((line) => /\bib[-.]|ib-units-/.test(line));
    assert.deepEqual(ours, []);
    assert.equal(status, 0, output);
  });

  for (const name of SERVICES) {
    it(`${name} is as closed as it can be`, () => {
      const most = MOST_EXPOSED[name];
      assert.notEqual(most, undefined, `give ${name} a bound in this test`);
      const { status, output } = analyze(
        'security',
        '--offline=yes',
        '--no-pager',
        `--threshold=${most}`,
        join(UNITS, name),
      );
      assert.equal(status, 0, output);
    });

    it(`${name} does without MemoryDenyWriteExecute=, which neither V8 nor the JVM survives`, () => {
      assert.deepEqual(valuesOf(name, 'MemoryDenyWriteExecute'), []);
    });

    it(`${name} names the Node that came with it, by an absolute path`, () => {
      const commands = linesOf(name).filter((line) => /^Exec[A-Za-z]+=/.test(line));
      assert.notEqual(commands.length, 0);
      for (const line of commands) {
        assert.match(
          line,
          /^Exec[A-Za-z]+=\/usr\/lib\/ib-agent\/current\/bin\/node --disable-sigusr1 \/usr\/lib\/ib-agent\/current\/[a-z-]+\.js( |$)/,
        );
      }
    });

    it(`${name} runs as a user of its own, in ib.slice, and cannot gain privileges`, () => {
      assert.match(valuesOf(name, 'User').join(), /^ib-(agent|gateway)$/);
      assert.deepEqual(valuesOf(name, 'Slice'), ['ib.slice']);
      assert.deepEqual(valuesOf(name, 'NoNewPrivileges'), ['yes']);
      assert.deepEqual(valuesOf(name, 'CapabilityBoundingSet'), ['']);
    });

    it(`${name} leaves no core file, also where kernel.core_pattern names a program`, () => {
      assert.deepEqual(valuesOf(name, 'LimitCORE'), ['1']);
    });

    it(`${name} passes nothing secret in its environment or arguments`, () => {
      const settings = linesOf(name).filter((line) =>
        /^(Environment|EnvironmentFile|PassEnvironment)=/.test(line),
      );
      assert.deepEqual(
        settings.filter((line) => !line.startsWith('Environment=NODE_COMPILE_CACHE=/var/lib/')),
        [],
      );
    });
  }

  it('give each credential to one unit only, sealed', () => {
    const owners = new Map<string, string>();
    for (const name of SERVICES) {
      assert.deepEqual(valuesOf(name, 'LoadCredential'), []);
      // A value in the unit is no secret: it only says that there is none.
      assert.deepEqual(valuesOf(name, 'SetCredential'), name === 'ib-code@.service' ? ['seed:-'] : []);
      for (const value of valuesOf(name, 'LoadCredentialEncrypted')) {
        const file = value.slice(value.indexOf(':') + 1);
        assert.ok(file.startsWith('/etc/credstore.encrypted/') && file.includes('.%i.'), value);
        assert.equal(owners.get(file), undefined, `${file} is also in ${owners.get(file)}`);
        owners.set(file, name);
      }
    }
    assert.deepEqual(
      [...owners].filter(([, name]) => name === 'ib-session@.service').map(([file]) => file),
      ['/etc/credstore.encrypted/ib-session.%i.username', '/etc/credstore.encrypted/ib-session.%i.password'],
    );
    assert.deepEqual(
      [...owners].filter(([, name]) => name === 'ib-code@.service').map(([file]) => file),
      ['/etc/credstore.encrypted/ib-code.%i.seed'],
    );
    assert.equal(owners.size, 3);
    assert.deepEqual(valuesOf('ib-agent.service', 'LoadCredentialEncrypted'), []);
  });

  it('keep the agent and the sessions apart: neither starts or stops the other', () => {
    const dependency =
      /^(Requires|Requisite|BindsTo|PartOf|Upholds|Conflicts|PropagatesStopTo|StopPropagatedFrom|PropagatesReloadTo|Wants|OnFailure|OnSuccess|JoinsNamespaceOf)=(.*)$/;
    const named = (name: string) =>
      linesOf(name).flatMap((line) => dependency.exec(line)?.[2]?.split(' ') ?? []);
    assert.deepEqual(
      named('ib-agent.service').filter((unit) => unit.startsWith('ib')),
      [],
    );
    for (const name of FILES.filter((file) => file !== 'ib-agent.service')) {
      assert.equal(named(name).includes('ib-agent.service'), false, name);
    }
  });

  it('start no session or display without being asked', () => {
    for (const name of FILES.filter((file) => file.includes('@'))) {
      assert.deepEqual(valuesOf(name, 'WantedBy'), [], name);
    }
    assert.deepEqual(valuesOf('ib-session@.service', 'Restart'), ['no']);
    assert.deepEqual(valuesOf('ib-display@.service', 'Restart'), ['no']);
    assert.deepEqual(valuesOf('ib-code@.service', 'Restart'), ['no']);
  });

  it('that hold the seed reach no network, and of the clock may only read', () => {
    const name = 'ib-code@.service';
    assert.deepEqual(valuesOf(name, 'PrivateNetwork'), ['yes']);
    assert.deepEqual(valuesOf(name, 'IPAddressDeny'), ['any']);
    assert.deepEqual(valuesOf(name, 'RestrictAddressFamilies'), ['AF_UNIX']);
    assert.deepEqual(valuesOf(name, 'SystemCallFilter'), [
      '@system-service',
      '~@privileged @resources',
      'adjtimex clock_adjtime',
    ]);
    assert.deepEqual(valuesOf(name, 'AmbientCapabilities'), ['']);
    assert.match(valuesOf(name, 'InaccessiblePaths').join(' '), /\/run\/ib-session\/%i\/config\.ini/);
  });

  it('use nothing that systemd 252 does not know', () => {
    const newer =
      /^(RestartSteps|RestartMaxDelaySec|ImportCredential|FileDescriptorStorePreserve|Type=notify-reload|SurviveFinalKillSignal|MemoryZSwap|ProtectControlGroups=private|PrivateTmp=disconnected|PrivateUsers=full)/;
    for (const name of FILES) {
      assert.deepEqual(
        linesOf(name).filter((line) => newer.test(line)),
        [],
        name,
      );
    }
  });
});
