import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { SessionConfig } from '../../src/config/types.ts';
import { disableOwnLauncher, findInstall } from '../../src/gateway/install-layout.ts';
import { buildJavaCommand, buildJavaEnvironment, filterVmoptions } from '../../src/gateway/java-command.ts';
import { LaunchError } from '../../src/gateway/launch-error.ts';
import { aSession, layGateway } from '../launch/builders.ts';

const GOLDEN = join(import.meta.dirname, 'golden', 'java-command.txt');

let root = '';
let install: SessionConfig['install'];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'install-'));
  install = layGateway(root);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const program = () => join(root, 'Jts', 'ibgateway', '1045');

function failure(change: Partial<SessionConfig['install']> = {}): LaunchError {
  try {
    findInstall({ ...install, ...change });
  } catch (error) {
    if (error instanceof LaunchError) return error;
    throw error;
  }
  throw new Error('no failure');
}

describe('the java command line', () => {
  it('is as the golden file has it, element by element', () => {
    const session = aSession({ install, jvm: { heapMiB: 1024, options: ['-XX:+UseZGC', '-Da=b c'] } });
    const command = buildJavaCommand(session, findInstall(install), {
      ibcSessionId: 'Qx7Lm2Pa',
      configIni: '/run/ib-session/live/config.ini',
      home: '/var/lib/ib-session/live',
      restartDirectory: 'abcdefghijklmnopqrstuvwxyzabcdefghijklmn',
      bridge: { jar: '/x/ib-bridge.jar', socket: '/run/ib-session/live/bridge.sock', uids: [0, 997] },
    });
    const text = `${command.join('\n').replaceAll(root, '/ROOT')}\n`;
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(GOLDEN, text);
    assert.equal(text, readFileSync(GOLDEN, 'utf8'));
  });

  it('has no -Drestart for a full login, and no browser key and no agent where there are none', () => {
    rmSync(join(program(), '.install4j', 'i4jparams.conf'));
    const command = buildJavaCommand(aSession(), findInstall(install), {
      ibcSessionId: 'Qx7Lm2Pa',
      configIni: '/c',
      home: '/var/lib/ib-session/live',
      restartDirectory: null,
      bridge: null,
    });
    assert.equal(
      command.some((word) => /^-Drestart|^-DjxBrowserKey|bridge/.test(word)),
      false,
    );
    assert.deepEqual(command.slice(-3), ['ibcalpha.ibc.IbcGateway', '/c', 'live']);
  });

  it('passes each line of vmoptions as one argument, without comments and system properties', () => {
    assert.deepEqual(filterVmoptions(['', ' -Xms1m ', '#-Xmx9g', '-Da=b', '-dA', '-XX:OnError=a b \\c']), [
      '-Xms1m',
      '-XX:OnError=a b \\c',
    ]);
  });

  it('has an environment of its own', () => {
    const env = buildJavaEnvironment(aSession(), { display: ':7', xauthority: '/x', home: '/h' });
    assert.deepEqual(env, {
      DISPLAY: ':7',
      XAUTHORITY: '/x',
      LANG: 'C.UTF-8',
      LC_ALL: 'C.UTF-8',
      TZ: 'America/New_York',
      HOME: '/h',
      PATH: '/usr/local/bin:/usr/bin:/bin',
    });
  });
});

describe('an install', () => {
  it('takes the directory of a combined TWS install when there is no other', () => {
    renameSync(program(), join(root, 'Jts', '1045'));
    assert.equal(findInstall(install).programDir, join(root, 'Jts', '1045'));
  });

  it('names the path of each part that is missing', () => {
    const parts = [
      { path: join(root, 'ibc', 'IBC.jar'), code: 'ibc-missing' },
      { path: join(program(), '.install4j', 'i4jruntime.jar'), code: 'jars-missing' },
      { path: join(program(), 'ibgateway.vmoptions'), code: 'vmoptions-missing' },
      { path: join(root, 'jre', 'bin', 'java'), code: 'java-missing' },
      { path: join(program(), 'jars'), code: 'jars-missing' },
    ];
    for (const { path, code } of parts) {
      renameSync(path, `${path}.away`);
      const found = failure();
      assert.equal(found.code, code);
      assert.ok(found.message.includes(path), found.message);
      assert.notEqual(found.hint, '');
      renameSync(`${path}.away`, path);
    }
    findInstall(install);
  });

  it('names an empty jars directory', () => {
    for (const jar of ['total-2023.jar', 'jts4launch-1045.jar', 'Zlast.jar', 'log4j-api-2.17.jar']) {
      rmSync(join(program(), 'jars', jar));
    }
    assert.match(failure().message, /jars holds no jar/);
  });
});

describe('the java runtime', () => {
  it('is the configured one, the preferred one, or the one of the installer', () => {
    const other = join(root, 'other', 'bin', 'java');
    layGateway(join(root, 'other-root'));
    renameSync(join(root, 'other-root', 'jre'), join(root, 'other'));
    assert.equal(findInstall(install).java, join(root, 'jre', 'bin', 'java'));
    writeFileSync(join(program(), '.install4j', 'pref_jre.cfg'), `  ${join(root, 'other')}  \nnoise\n`);
    assert.equal(findInstall(install).java, other);
    rmSync(other);
    assert.equal(findInstall(install).java, join(root, 'jre', 'bin', 'java'));
    assert.equal(findInstall({ ...install, java: '/bin/sh' }).java, '/bin/sh');
  });

  it('is missing when the configured one cannot be executed or is a directory, whatever the installer left', () => {
    const java = join(root, 'java');
    writeFileSync(java, '');
    chmodSync(java, 0o644);
    assert.match(failure({ java }).message, /may not be executed/);
    assert.match(failure({ java: root }).message, /is not a file/);
    assert.match(failure({ java: '/nowhere/java' }).message, /\/nowhere\/java does not exist/);
  });

  it('is warned of when it is older than IBC needs', () => {
    writeFileSync(join(root, 'jre', 'release'), 'JAVA_VERSION="1.8.0_402"\n');
    assert.match(findInstall(install).warnings.join(), /Java 8/);
    writeFileSync(join(root, 'jre', 'release'), 'JAVA_VERSION="17.0.10"\n');
    assert.deepEqual(findInstall(install).warnings, []);
  });
});

describe("install4j's own launcher", () => {
  it('is renamed, and that it was not there is no problem', () => {
    assert.equal(disableOwnLauncher(program()), null);
    assert.equal(existsSync(join(program(), 'ibgateway')), false);
    assert.equal(existsSync(join(program(), 'ibgateway1')), true);
    assert.equal(disableOwnLauncher(program()), null);
  });

  it('that cannot be renamed is a sentence for the log', () => {
    rmSync(join(program(), 'ibgateway1'), { force: true });
    const target = join(program(), 'ibgateway1', 'in-the-way');
    layGateway(target);
    assert.match(disableOwnLauncher(program()) ?? '', /cannot rename .*ibgateway to ibgateway1/);
  });
});
