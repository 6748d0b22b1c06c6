import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Roots, sessionPaths } from '../../src/config/paths.ts';
import type { Config, SessionConfig } from '../../src/config/types.ts';
import { formatDisplayRecord } from '../../src/display/display-record.ts';
import { encodeXauthority } from '../../src/display/xauthority.ts';
import { LaunchError } from '../../src/gateway/launch-error.ts';
import type { LaunchOrder, LaunchRecord } from '../../src/gateway/launch-records.ts';
import { getProperty, parseProperties } from '../../src/gateway/properties.ts';
import { SystemClock } from '../../src/host/clock.ts';
import { prepareSession, type SessionLaunch } from '../../src/launch/session.ts';
import { aSession, layGateway } from './builders.ts';

const UID = process.getuid?.() ?? 0;
const PASSWORD = 'pä;#=\\ "x';
/** The X server's setup reply, status Success; only its first eight bytes are looked at. */
const SUCCESS = Buffer.from([1, 0, 11, 0, 0, 0, 0, 0]);
let displayNumber = 200_000 + process.pid;

let root = '';
let roots: Roots = { runtimeRoot: '', stateRoot: '' };
let session: SessionConfig;
let server: Server;
let serverAnswer = SUCCESS;
let credentialReads = 0;
let said: string[] = [];
let warnings: string[] = [];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'session-'));
  roots = { runtimeRoot: join(root, 'run'), stateRoot: join(root, 'state') };
  session = aSession({
    install: layGateway(root),
    settingsDir: join(root, 'settings'),
    deadlines: { ...aSession().deadlines, startMs: 300 },
  });
  serverAnswer = SUCCESS;
  credentialReads = 0;
  warnings = [];
  said = [];
  displayNumber += 1;
  server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write(serverAnswer));
  });
  server.listen(`\0/tmp/.X11-unix/X${displayNumber}`);
  await once(server, 'listening');
  publishDisplay(displayNumber);
});
afterEach(() => {
  server.close();
  rmSync(root, { recursive: true, force: true });
});

const paths = () => sessionPaths(roots, 'live');

function publishDisplay(number: number): void {
  mkdirSync(dirname(paths().displayCookie), { recursive: true });
  writeFileSync(paths().displayCookie, encodeXauthority(new Uint8Array(16)));
  writeFileSync(
    paths().displayRecord,
    formatDisplayRecord({ v: 1, number, display: `:${number}`, pid: process.pid, at: 0 }),
  );
}

function order(changes: Partial<LaunchOrder> = {}): void {
  const whole: LaunchOrder = {
    v: 1,
    session: 'live',
    id: 'a1',
    kind: 'cold',
    notAfter: Number.MAX_SAFE_INTEGER,
    ...changes,
  };
  mkdirSync(dirname(paths().launchOrder), { recursive: true });
  writeFileSync(paths().launchOrder, JSON.stringify(whole));
}

function launch(changes: Partial<SessionLaunch> = {}) {
  const config: Config = {
    file: '/etc/ib-agent/ib-agent.yaml',
    agent: { ...roots, logLevel: 'info' },
    notify: { secretsDir: '/etc/ib-agent/credentials/notify', targets: [] },
    clock: { compareWith: null },
    sessions: [session],
  };
  return prepareSession(
    {
      config,
      session,
      readCredentials: () => {
        credentialReads += 1;
        return { username: { reveal: () => 'user1' }, password: { reveal: () => PASSWORD } };
      },
      readPeer: () => ({ pid: process.pid, uid: UID }),
      clock: new SystemClock(),
      uid: UID,
      say: (line) => said.push(line),
      bridgeJar: join(root, 'ib-bridge.jar'),
      ...changes,
    },
    (sentence) => warnings.push(sentence),
  );
}

async function failure(changes: Partial<SessionLaunch> = {}): Promise<LaunchError> {
  try {
    await launch(changes);
  } catch (error) {
    if (error instanceof LaunchError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

function putToken(directory: string): string {
  const path = join(session.settingsDir, directory, 'autorestart');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '');
  return path;
}

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe('a session that wants the command server', () => {
  it('gets a free port for it, in config.ini and for the agent', async () => {
    session = { ...session, commandServer: true };
    order();
    await launch();
    const record = JSON.parse(readFileSync(paths().launchRecord, 'utf8')) as LaunchRecord;
    const port = record.commandPort;
    assert.ok(port !== null && port >= 20_000 && port <= 32_000);
    const ini = parseProperties(readFileSync(paths().configIni));
    assert.deepEqual(
      [getProperty(ini, 'CommandServerPort'), getProperty(ini, 'BindAddress')],
      [String(port), '127.0.0.1'],
    );
  });
});

describe('a cold start', () => {
  it('gives the java program with its files in place', async () => {
    order();
    const program = await launch();
    const record = JSON.parse(readFileSync(paths().launchRecord, 'utf8')) as LaunchRecord;
    const ini = parseProperties(readFileSync(paths().configIni));

    assert.equal(program.file, join(root, 'jre', 'bin', 'java'));
    assert.equal(program.args[0], program.file);
    assert.equal(program.cwd, session.settingsDir);
    assert.ok(program.args.includes(`-Dibcsessionid=${record.ibcSessionId}`));
    assert.deepEqual(program.args.slice(-2), [paths().configIni, 'live']);
    assert.equal(program.env['DISPLAY'], `:${displayNumber}`);
    assert.equal(program.env['XAUTHORITY'], paths().displayCookie);
    assert.equal(program.env['HOME'], paths().state);

    assert.match(record.ibcSessionId, /^[A-Za-z0-9]{8}$/);
    assert.deepEqual(
      { ...record, ibcSessionId: '', at: 0 },
      {
        v: 1,
        orderId: 'a1',
        kind: 'cold',
        ibcSessionId: '',
        commandPort: null,
        gatewayVersion: '1045',
        display: `:${displayNumber}`,
        pid: process.pid,
        at: 0,
      },
    );
    assert.equal(getProperty(ini, 'IbPassword'), PASSWORD);
    assert.equal(getProperty(ini, 'CommandServerPort'), '0');

    assert.equal(mode(paths().configIni), '400');
    assert.equal(mode(paths().launchRecord), '640');
    assert.equal(mode(paths().runtime), '750');
    assert.equal(mode(paths().state), '700');
    assert.equal(mode(session.settingsDir), '700');
    assert.equal(existsSync(join(root, 'Jts', 'ibgateway', '1045', 'ibgateway')), false);
    assert.ok(
      !JSON.stringify([program, record]).includes(PASSWORD),
      'no secret in arguments, environment or record',
    );
  });

  it('loads the window bridge, which serves root and whoever wrote the order', async () => {
    order();
    const jar = join(root, 'ib-bridge.jar');
    writeFileSync(jar, '');
    mkdirSync(paths().runtime, { recursive: true });
    writeFileSync(paths().bridgeSocket, 'left by an earlier JVM');
    const { args } = await launch();
    const uids = [...new Set([0, UID])].join(':');
    assert.ok(
      args.includes(
        `-javaagent:${jar}=${join(root, 'run', 'ib-session', 'live', 'bridge.sock')},uids=${uids}`,
      ),
    );
    assert.equal(existsSync(paths().bridgeSocket), false);
    assert.deepEqual(warnings, []);
  });

  it('logs in without a window bridge where there is none, and says so', async () => {
    order();
    const without = await launch({ bridgeJar: '/nowhere/ib-bridge.jar' });
    assert.match(warnings.join(), /no window bridge: there is no \/nowhere\/ib-bridge\.jar/);
    order({ id: 'a2' });
    const jar = join(root, 'a=b.jar');
    writeFileSync(jar, '');
    const unloadable = await launch({ bridgeJar: jar });
    assert.match(warnings.join(), /equals sign/);
    for (const { args } of [without, unloadable]) {
      assert.ok(!args.some((word) => word.includes('bridge')));
    }
  });

  it('deletes every token and flag first and says so', async () => {
    order();
    const tokens = [putToken('abc'), putToken('def')];
    writeFileSync(join(session.settingsDir, 'PAUSEabcdEF12'), '');
    const program = await launch();
    assert.deepEqual(
      tokens.map((path) => existsSync(path)),
      [false, false],
    );
    assert.equal(existsSync(join(session.settingsDir, 'PAUSEabcdEF12')), false);
    assert.ok(!program.args.some((word) => word.startsWith('-Drestart')));
    assert.match(warnings.join(), /2 autorestart tokens/);
  });

  it('sets the jts.ini settings and leaves a missing file missing when there are none', async () => {
    order();
    await launch();
    assert.equal(existsSync(join(session.settingsDir, 'jts.ini')), false);
    order({ id: 'a2' });
    session = { ...session, jts: { Logon: { TimeZone: 'Europe/Zurich' } } };
    await launch();
    assert.equal(
      readFileSync(join(session.settingsDir, 'jts.ini'), 'utf8'),
      '[Logon]\nTimeZone=Europe/Zurich\n',
    );
  });

  it('closes a settings directory that others could enter', async () => {
    mkdirSync(session.settingsDir, { mode: 0o755 });
    order();
    await launch();
    assert.equal(mode(session.settingsDir), '700');
  });

  it('takes a fresh id and does not need the files of the run before', async () => {
    order();
    const first = await launch();
    order({ id: 'a2' });
    const second = await launch();
    const id = (args: readonly string[]) => args.find((word) => word.startsWith('-Dibcsessionid='));
    assert.notEqual(id(first.args), id(second.args));
  });
});

describe('a warm start', () => {
  it('hands over the one token and keeps it', async () => {
    order({ kind: 'warm' });
    const token = putToken('abcdef');
    const program = await launch();
    assert.ok(program.args.includes('-Drestart=abcdef'));
    assert.ok(existsSync(token));
    assert.ok(existsSync(paths().configIni), 'IBC reads the credentials again when it must log in');
  });

  it('fails before a credential is read when there is no token, or more than one', async () => {
    order({ kind: 'warm' });
    assert.equal((await failure()).code, 'token-missing');
    putToken('a');
    putToken('b');
    order({ kind: 'warm', id: 'a2' });
    assert.match((await failure()).message, /holds 2 autorestart tokens/);
    assert.equal(credentialReads, 0);
  });
});

describe('the launch order', () => {
  it('is needed before anything is touched', async () => {
    const token = putToken('abc');
    const found = await failure();
    assert.equal(found.code, 'order-missing');
    assert.equal(found.hint, 'use: ibctl login live');
    order({ notAfter: 1 });
    assert.equal((await failure()).code, 'order-expired');
    assert.equal(credentialReads, 0);
    assert.ok(existsSync(token));
    assert.equal(existsSync(paths().runtime), false);
  });

  it('is used up also by a start that fails, and then touches nothing any more', async () => {
    order();
    await launch();
    const ini = readFileSync(paths().configIni);
    assert.equal((await failure()).code, 'order-used');
    assert.deepEqual(readFileSync(paths().configIni), ini, 'the running session keeps its files');
    assert.equal(credentialReads, 1);

    order({ id: 'a2' });
    rmSync(join(root, 'ibc', 'IBC.jar'));
    assert.equal((await failure()).code, 'ibc-missing');
    assert.equal((await failure()).code, 'order-used');
    assert.equal(credentialReads, 1);
  });
});

describe('a launch that cannot be', () => {
  it('says that no display was published, or that it does not answer', async () => {
    order();
    rmSync(paths().displayRecord);
    const unpublished = await failure();
    assert.equal(unpublished.code, 'display-unreachable');
    assert.ok(unpublished.message.includes(paths().displayRecord));
    order({ id: 'a2' });
    publishDisplay(displayNumber + 500);
    const dead = await failure();
    assert.equal(dead.code, 'display-unreachable');
    assert.match(dead.message, new RegExp(`:${displayNumber + 500} cannot be reached`));
    assert.equal(existsSync(paths().configIni), false, 'no credential stays on disk');
  });

  it('says that the display refused the cookie', async () => {
    order();
    serverAnswer = Buffer.from([0, 3, 11, 0, 0, 0, 1, 0, ...Buffer.from('no!\0')]);
    const found = await failure();
    assert.equal(found.code, 'display-unreachable');
    assert.match(found.message, /refused our cookie: no!/);
    assert.equal(existsSync(paths().configIni), false);
  });

  it('says whose the display is when it is not ours', async () => {
    order();
    const found = await failure({ readPeer: () => ({ pid: 1, uid: UID + 77 }) });
    assert.equal(found.code, 'display-foreign');
    assert.match(found.message, new RegExp(`uid ${UID + 77}`));
    assert.equal(existsSync(paths().configIni), false);
  });

  it('names a runtime directory that others may write, a link, or another user’s', async () => {
    mkdirSync(paths().runtime, { recursive: true });
    chmodSync(paths().runtime, 0o777);
    order();
    assert.match((await failure()).message, /can be written by others/);
    rmSync(paths().runtime, { recursive: true });
    mkdirSync(join(root, 'elsewhere'));
    symlinkSync(join(root, 'elsewhere'), paths().runtime);
    order({ id: 'a2' });
    const found = await failure();
    assert.equal(found.code, 'runtime-unusable');
    assert.match(found.message, /symbolic link/);
    rmSync(paths().runtime);
    mkdirSync(paths().runtime);
    order({ id: 'a3' });
    chmodSync(paths().runtime, 0o750);
    assert.match((await failure({ uid: UID + 1 })).message, /belongs to uid/);
    assert.equal(credentialReads, 0);
  });

  it('names a settings directory that is a file', async () => {
    writeFileSync(session.settingsDir, '');
    order();
    const found = await failure();
    assert.equal(found.code, 'settings-unusable');
    assert.ok(found.message.includes(session.settingsDir));
  });

  it('leaves no credential on disk when it is one IBC would cut', async () => {
    order();
    const bad = () => ({ username: { reveal: () => 'user1' }, password: { reveal: () => 'secret ' } });
    const found = await failure({ readCredentials: bad });
    assert.equal(found.code, 'credential-invalid');
    assert.ok(!JSON.stringify(found.failure).includes('secret '));
    assert.equal(existsSync(paths().configIni), false);
  });

  it('still starts when the launcher of the gateway cannot be renamed', async () => {
    order();
    mkdirSync(join(root, 'Jts', 'ibgateway', '1045', 'ibgateway1', 'x'), { recursive: true });
    await launch();
    assert.match(warnings.join(), /cannot rename/);
  });
});
