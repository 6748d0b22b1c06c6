// Tests what is missing or wrong on disk: one condition that names the path, a halt, no crash loop, and no login spent.

import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { has, one, without } from '../support/main-scenarios.ts';
import { makeWorld, type SessionSettings, type World } from '../support/world.ts';

type Fault = {
  readonly session: string;
  readonly title: string;
  readonly failure: string;
  /** The path that the condition must name. */
  readonly path: (world: World) => string;
  readonly breakIt: (world: World) => void;
};

const FAULTS: readonly Fault[] = [
  {
    session: 'no-java',
    title: 'java',
    failure: 'java-missing',
    path: (world) => join(world.root, 'jre', 'bin', 'java'),
    breakIt: () => {},
  },
  {
    session: 'no-ibc',
    title: 'IBC.jar',
    failure: 'ibc-missing',
    path: (world) => join(world.root, 'no-ibc', 'IBC.jar'),
    breakIt: (world) => mkdirSync(join(world.root, 'no-ibc')),
  },
  {
    session: 'no-jars',
    title: "the gateway's jars",
    failure: 'jars-missing',
    path: (world) => join(world.root, 'no-jars', 'ibgateway', world.install.version, 'jars'),
    breakIt: (world) => {
      cpSync(world.install.gatewayDir, join(world.root, 'no-jars'), { recursive: true });
      rmSync(join(world.root, 'no-jars', 'ibgateway', world.install.version, 'jars'), { recursive: true });
    },
  },
  {
    session: 'no-password',
    title: 'the password file',
    failure: 'credential-missing',
    path: (world) => join(world.root, 'credentials', 'no-password', 'password'),
    breakIt: (world) => rmSync(join(world.root, 'credentials', 'no-password', 'password')),
  },
  {
    session: 'open-password',
    title: 'the privacy of the password file',
    failure: 'credential-unsafe',
    path: (world) => join(world.root, 'credentials', 'open-password', 'password'),
    breakIt: (world) => chmodSync(join(world.root, 'credentials', 'open-password', 'password'), 0o644),
  },
  {
    session: 'empty-password',
    title: 'a password in its file',
    failure: 'credential-invalid',
    path: (world) => join(world.root, 'credentials', 'empty-password', 'password'),
    breakIt: (world) => writeFileSync(join(world.root, 'credentials', 'empty-password', 'password'), ''),
  },
];

function installOf(session: SessionSettings | undefined): object {
  const install = session?.['install'];
  assert.ok(typeof install === 'object' && install !== null);
  return install;
}

/** Asserts the whole picture of a launch that cannot succeed, after its `ibctl login`. */
async function assertHalted(world: World, session: string, failure: string, path: string): Promise<void> {
  const { status, stdout, stderr } = await world.ibctl('login', session);
  assert.equal(status, 6, stderr);
  assert.ok(stdout.includes(path), stdout);
  assert.match(stderr, /^hint: .+; then run: ibctl login$/m);
  await world.gone(session);
  assert.deepEqual(
    new Set(without(world.events(session), 'operator-command')),
    new Set(['session-starting', 'launch-failed', 'gateway-exited', 'session-halted']),
  );
  assert.equal(world.told('session-starting', { session }).length, 1, 'one try');
  const failed = one(world.told('launch-failed', { session }));
  has(failed, { IB_FAILURE: failure, PRIORITY: '3' });
  assert.ok(failed['IB_DETAIL']?.includes(path), JSON.stringify(failed));
  const halted = one(world.told('session-halted', { session }));
  has(halted, { IB_STATE: 'halted', IB_REASON: 'launch-failed' });
  assert.ok(halted['IB_DETAIL']?.includes(path), JSON.stringify(halted));

  const now = await world.status(session);
  assert.deepEqual(
    [now.state, now.reason, now.next, now.ledger.logins24h],
    ['halted', 'launch-failed', null, 0],
  );
  const condition = one(now.conditions);
  assert.equal(condition.code, 'halted');
  assert.ok(condition.text.includes(path), condition.text);
  const run = world.runtimeDir(session);
  assert.deepEqual(
    existsSync(run) ? readdirSync(run).filter((name) => name.startsWith('config.ini')) : [],
    [],
  );
}

describe('a session that lacks', () => {
  let world: World;
  before(async () => {
    world = await makeWorld({
      sessions: Object.fromEntries(FAULTS.map(({ session }) => [session, {}])),
      configure: (sessions, root) => {
        Object.assign(installOf(sessions['no-java']), { java: join(root, 'jre', 'bin', 'java') });
        Object.assign(installOf(sessions['no-ibc']), { ibcDir: join(root, 'no-ibc') });
        Object.assign(installOf(sessions['no-jars']), { gatewayDir: join(root, 'no-jars') });
      },
    });
    for (const fault of FAULTS) fault.breakIt(world);
    await world.startAgent();
  });
  after(() => world.dispose());

  for (const { session, title, failure, path } of FAULTS) {
    it(`${title} halts with a condition that names the path, and costs no login`, async () => {
      await assertHalted(world, session, failure, path(world));
    });
  }

  it('nothing any more starts by ibctl login', async () => {
    chmodSync(join(world.root, 'credentials', 'open-password', 'password'), 0o600);
    const { status, stderr } = await world.ibctl('login', 'open-password');
    assert.equal(status, 0, stderr);
    assert.equal((await world.status('open-password')).ledger.logins24h, 1);
  });
});

describe('a host that lacks Xvfb', () => {
  let world: World;
  before(async () => {
    world = await makeWorld();
    // Everything but Xvfb that the agent's children look for by name.
    mkdirSync(join(world.root, 'bin'));
    symlinkSync('/usr/bin/setpriv', join(world.root, 'bin', 'setpriv'));
    await world.startAgent({ PATH: join(world.root, 'bin') });
  });
  after(() => world.dispose());

  it('halts the session with a condition that names where it was looked for, and costs no login', async () => {
    await assertHalted(world, 'live', 'xvfb-missing', join(world.root, 'bin'));
    assert.match(one(world.told('launch-failed'))['IB_HINT'] ?? '', /apt install xvfb/);
  });
});

describe('an agent whose state directory cannot be written', () => {
  let world: World;
  before(async () => {
    world = await makeWorld();
    await world.startAgent();
  });
  after(() => world.dispose());

  it('starts no login, because nobody could count it', async () => {
    // A directory in its place makes the ledger unwritable for root too.
    const ledger = join(world.root, 'lib', 'ib-agent', 'ledger.json');
    mkdirSync(join(ledger, 'in-the-way'), { recursive: true });
    const { status, stdout } = await world.ibctl('login');
    assert.equal(status, 6, stdout);
    assert.ok(stdout.includes(ledger), stdout);
    has(one(world.told('session-halted')), { IB_REASON: 'state-unwritable' });
    assert.equal(world.processes().length, 0);

    rmSync(ledger, { recursive: true });
    assert.equal((await world.ibctl('login')).status, 0);
  });
});
