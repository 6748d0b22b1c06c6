// Tests the gateway's windows with the stand-in Gateway and the real bridge: what they tell, what an operator does in them, pictures.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { decodePng } from '../../src/display/picture.ts';
import type { WindowView } from '../../src/protocol/methods.ts';
import { findJavaHome } from '../standin/build.ts';
import { has, one } from '../support/main-scenarios.ts';
import { makeWorld, readProc, until, type World } from '../support/world.ts';

const PATIENT = 120_000;

/** A java that passes everything on but the agent. */
function withoutAgent(home: string, real: string): void {
  mkdirSync(join(home, 'bin'), { recursive: true });
  writeFileSync(
    join(home, 'bin', 'java'),
    `#!/bin/bash
args=()
for word in "$@"; do [[ $word == -javaagent:* ]] || args+=("$word"); done
exec "${real}" "\${args[@]}"
`,
    { mode: 0o755 },
  );
}

async function windowsOf(world: World, session: string): Promise<WindowView[]> {
  const { stdout, stderr, status } = await world.ibctl('windows', session, '--json');
  assert.equal(status, 0, stderr);
  return (JSON.parse(stdout) as { windows: WindowView[] }).windows;
}

function jvmOf(world: World, session: string): number {
  const jvm = world.processes(session).find(({ argv }) => argv[0]?.endsWith('/java'));
  assert.ok(jvm, JSON.stringify(world.processes(session)));
  return jvm.pid;
}

describe('a second factor whose method is not configured', () => {
  let world: World;
  before(async () => {
    const config = { secondFactor: { method: 'unknown' } };
    world = await makeWorld({
      sessions: {
        push: { knobs: { 'second.factor': 'push', 'push.approve.after.ms': 'never' }, config },
        totp: { knobs: { 'second.factor': 'totp' }, config },
        devices: {
          knobs: { 'second.factor': 'devices', 'push.approve.after.ms': 'never' },
          config: { secondFactor: { method: 'unknown', device: 'IB Key' } },
        },
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  it('is told as a push, once in events and ledger, and accepted when the phone says so', async () => {
    assert.equal((await world.ibctl('login', 'push', '--no-wait')).status, 0);
    const pending = await world.event('second-factor-pending', { session: 'push', deadlineMs: PATIENT });
    has(pending, { IB_METHOD: 'ib-key', IB_ATTEMPT: '1' });
    const status = await world.status('push');
    assert.equal(status.secondFactor?.method, 'ib-key');
    assert.match(status.secondFactor?.prompt ?? '', /Check your phone/);
    world.setKnobs({ 'now.approve': '1' }, 'push');
    assert.equal((await world.ibctl('wait', 'push', '--timeout', '2m')).status, 0);
    assert.equal(world.told('second-factor-pending', { session: 'push' }).length, 1);
    has(one(world.told('second-factor-accepted', { session: 'push' })), { IB_METHOD: 'ib-key' });
    assert.equal((await world.status('push')).ledger.pushes24h, 1);
    assert.deepEqual((await world.status('push')).conditions, []);
    assert.equal((await world.ibctl('stop', 'push')).status, 0);
  });

  it('is told as a code with what the window asks for', async () => {
    assert.equal((await world.ibctl('login', 'totp', '--no-wait')).status, 0);
    const pending = await world.event('second-factor-pending', { session: 'totp', deadlineMs: PATIENT });
    has(pending, { IB_METHOD: 'code', IB_ATTEMPT: '1' });
    const { secondFactor } = await world.status('totp');
    assert.deepEqual(
      [secondFactor?.method, secondFactor?.prompt],
      ['code', 'Enter Mobile Authenticator app code'],
    );
    const [code] = (await windowsOf(world, 'totp')).filter(({ known }) => known === 'second-factor-code-app');
    assert.deepEqual([code?.fields, code?.buttons], [1, ['OK', 'Cancel']]);
    assert.equal((await world.ibctl('stop', 'totp')).status, 0);
  });

  it('behind a device list that IBC answers is told as what follows, with one push', async () => {
    assert.equal((await world.ibctl('login', 'devices', '--no-wait')).status, 0);
    await until(
      'the push is told',
      () =>
        world
          .told('second-factor-pending', { session: 'devices' })
          .some((record) => record['IB_METHOD'] === 'ib-key'),
      PATIENT,
    );
    world.setKnobs({ 'now.approve': '1' }, 'devices');
    assert.equal((await world.ibctl('wait', 'devices', '--timeout', '2m')).status, 0);
    const methods = world
      .told('second-factor-pending', { session: 'devices' })
      .map((record) => record['IB_METHOD']);
    assert.equal(methods.at(-1), 'ib-key');
    has(one(world.told('second-factor-accepted', { session: 'devices' })), { IB_ATTEMPT: '1' });
    assert.equal((await world.ibctl('stop', 'devices')).status, 0);
  });
});

describe('a device list that nobody answers', () => {
  let world: World;
  before(async () => {
    world = await makeWorld({
      sessions: {
        live: {
          knobs: { 'second.factor': 'devices' },
          config: { secondFactor: { method: 'unknown' }, deadlines: { secondFactor: '2s' } },
        },
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  it('halts, having told its entries when they were seen', async () => {
    assert.equal((await world.ibctl('login', '--no-wait')).status, 0);
    await world.event('session-halted', { deadlineMs: PATIENT });
    for (const record of world.told('second-factor-pending')) {
      if (record['IB_METHOD'] !== 'device-choice') continue;
      assert.equal(record['IB_DEVICES'], 'IB Key, Mobile Authenticator app');
    }
    assert.equal((await world.status()).reason, 'second-factor-device-unknown');
  });
});

describe('a session that is ready', () => {
  let world: World;
  before(async () => {
    world = await makeWorld();
    await world.startAgent();
    const { status, stderr } = await world.ibctl('login', '--timeout', '2m');
    assert.equal(status, 0, stderr);
  });
  after(() => world.dispose());

  it('has no condition, and its windows are known', async () => {
    assert.deepEqual((await world.status()).conditions, []);
    const windows = await windowsOf(world, 'live');
    assert.ok(
      windows.some(({ known }) => known === 'main-window'),
      JSON.stringify(windows),
    );
    assert.equal(world.told('dialog-unknown').length, 0);
  });

  it('is painted at the size of its display, and one window at its own, into files of one’s own', async () => {
    const file = join(world.root, 'all.png');
    const shot = await world.ibctl('screenshot', '-o', file, '--json');
    assert.equal(shot.status, 0, shot.stderr);
    const all = decodePng(readFileSync(file));
    assert.deepEqual([all.width, all.height], [1024, 768]);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const colours = new Set(
      Array.from({ length: all.rgb.length / 3 }, (_, index) => all.rgb.readUIntBE(index * 3, 3)),
    );
    assert.ok(colours.size > 20, `${colours.size} colours`);

    const [main] = (await windowsOf(world, 'live')).filter(({ known }) => known === 'main-window');
    assert.ok(main);
    const single = join(world.root, 'main.png');
    assert.equal((await world.ibctl('screenshot', 'live', '-o', single, '--window', main.id)).status, 0);
    const picture = decodePng(readFileSync(single));
    assert.deepEqual([picture.width, picture.height], [main.bounds.width, main.bounds.height]);
  });

  it('tells an unknown dialog with its text and buttons, and an operator answers it', async () => {
    const from = world.records.length;
    world.setKnobs({
      'now.dialog': 'Important notice|The account U1234567 has new terms.\\nDo you agree?|Agree,Decline',
    });
    const told = await world.event('dialog-unknown', { from, deadlineMs: PATIENT });
    has(told, { IB_TITLE: 'Important notice', IB_BUTTONS: 'Agree, Decline' });
    assert.match(told['IB_TEXT'] ?? '', /The account U\*\*\*67 has new terms\.\s+Do you agree\?/);
    const window = told['IB_WINDOW'] ?? '';
    const status = await world.status();
    assert.deepEqual(
      [status.state, status.conditions.map(({ code }) => code)],
      ['ready', ['dialog-unknown']],
    );

    const text = await world.ibctl('windows');
    assert.match(text.stdout, new RegExp(`^${window}  Important notice  dialog, modal, unknown`, 'm'));
    assert.match(text.stdout, /^ {4}\[Agree\] \[Decline\]$/m);
    assert.doesNotMatch(text.stdout, /U1234567/);

    const wrong = await world.ibctl('windows', 'click', 'live', window, 'Maybe');
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, /has no button "Maybe"\nhint: its buttons: "Agree", "Decline"/);
    const clicked = await world.ibctl('windows', 'click', 'live', window, 'Decline');
    assert.equal(clicked.status, 0, clicked.stderr);
    await until('the gateway heard it', () => world.stdout.includes('Decline'), PATIENT);
    const audits = world
      .told('operator-command', { from })
      .filter((record) => record['IB_METHOD'] === 'window-click');
    assert.deepEqual(
      audits.map((record) => record['IB_DETAIL']),
      [`${window} Maybe`, `${window} Decline`],
    );
    const end = performance.now() + PATIENT;
    while ((await world.status()).conditions.length > 0) assert.ok(performance.now() < end);
    const again = await world.ibctl('windows', 'click', 'live', window, 'Decline');
    assert.equal(again.status, 1);
    assert.match(again.stderr, new RegExp(`there is no window ${window} any more`));
  });

  it('whose event thread hangs is told, degraded after a minute, and ready when it goes on', async () => {
    const from = world.records.length;
    world.setKnobs({ 'now.freeze.ms': '90000' });
    const told = await world.event('gui-frozen', { from, deadlineMs: PATIENT });
    assert.ok(Number(told['IB_SECONDS']) >= 15, JSON.stringify(told));
    has(await world.event('session-degraded', { from, deadlineMs: PATIENT }), {
      IB_CONDITIONS: 'gui-frozen',
    });
    const unseen = await world.ibctl('windows');
    assert.equal(unseen.status, 1);
    assert.match(unseen.stderr, /the gateway's windows do not react/);
    await world.event('session-recovered', { from, deadlineMs: PATIENT });
    assert.equal(world.told('gui-frozen', { from }).length, 1);
  });

  it('whose JVM is killed is seen to be gone, and no window is left', async () => {
    const from = world.records.length;
    process.kill(jvmOf(world, 'live'), 'SIGKILL');
    await world.event('session-lost', { from, deadlineMs: PATIENT });
    const unseen = await world.ibctl('windows');
    assert.equal(unseen.status, 1);
    assert.match(unseen.stderr, /no gateway runs/);
  });
});

describe('a gateway without the window bridge', () => {
  let world: World;
  before(async () => {
    const real = join(await findJavaHome(), 'bin', 'java');
    world = await makeWorld({
      configure: (sessions, root) => {
        const java = join(root, 'java-without-agent');
        withoutAgent(java, real);
        for (const session of Object.values(sessions)) {
          session['install'] = { ...(session['install'] as object), java: join(java, 'bin', 'java') };
        }
      },
    });
    await world.startAgent();
  });
  after(() => world.dispose());

  it('logs in as before, and says after a minute that its windows cannot be seen', async () => {
    const { status, stderr } = await world.ibctl('login', '--timeout', '2m');
    assert.equal(status, 0, stderr);
    assert.ok(!readProc(jvmOf(world, 'live'), 'cmdline').includes('-javaagent'));
    const end = performance.now() + PATIENT;
    for (;;) {
      const { state, conditions } = await world.status();
      assert.equal(state, 'ready');
      if (conditions.some(({ code }) => code === 'bridge-absent')) break;
      assert.ok(performance.now() < end, JSON.stringify(conditions));
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const unseen = await world.ibctl('screenshot', '-o', join(world.root, 'none.png'));
    assert.equal(unseen.status, 1);
    assert.match(unseen.stderr, /the window bridge cannot be reached \(ENOENT\)/);
  });
});
