// The stand-in Gateway worked through the bridge alone: login, second factor, tidy close, restart without a login.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { restoreAutoTime, warmRestart } from '../../src/bridge/auto-time.ts';
import type { BridgeClient } from '../../src/bridge/client.ts';
import { tidyClose } from '../../src/bridge/tidy-close.ts';
import { Bench, clock, eventually, logIn, ofClass, windowCalled, withText } from './jvm.ts';

const bench = new Bench();
before(() => bench.open());
afterEach(() => bench.clear());
after(() => bench.close());

const MAIN = 'IBKR Gateway - Live Trading';
const FACTOR = 'Second Factor Authentication';
const ASKS = 'Enter Mobile Authenticator app code';
const within = { clock, deadlineMs: 20_000 };

async function open(knobs: Readonly<Record<string, string>> = {}) {
  const jvm = await bench.gateway(knobs);
  const { bridge, seen } = await bench.client(jvm, { events: true });
  await logIn(bridge);
  return { jvm, bridge, seen };
}

async function typeCode(bridge: BridgeClient, code: string) {
  const dialog = await windowCalled(bridge, FACTOR);
  return bridge.typeCode({
    window: dialog.id,
    path: ofClass(dialog, 'javax.swing.JTextField').path,
    code,
    button: withText(dialog, 'OK').path,
    buttonText: 'OK',
    expect: { title: FACTOR, near: ASKS },
  });
}

describe('a code', () => {
  it('that is right goes in, also after a wrong one, and neither is ever read back', async () => {
    const { jvm, bridge } = await open({ 'second.factor': 'totp', 'totp.code': '246810' });
    await typeCode(bridge, '111111');
    await jvm.sees('second factor code rejected len=6');
    const dialog = await windowCalled(bridge, FACTOR);
    withText(dialog, 'The code is not correct. Please try again.');
    assert.equal(ofClass(dialog, 'javax.swing.JTextField').masked, true);
    await typeCode(bridge, '246810');
    await jvm.sees('second factor code accepted');
    await windowCalled(bridge, MAIN);
  });

  it('goes in after the device was chosen, and nowhere else', async () => {
    const { jvm, bridge } = await open({ 'second.factor': 'devices' });
    const choice = await windowCalled(bridge, FACTOR);
    const list = ofClass(choice, 'javax.swing.JList');
    assert.deepEqual(list.rows?.texts, ['IB Key', 'Mobile Authenticator app']);
    const row = list.rows?.texts.indexOf('Mobile Authenticator app') ?? -1;
    const window = choice.id;
    await bridge.selectRow({ window, path: list.path, row, text: 'Mobile Authenticator app' });
    await bridge.click({ window, path: withText(choice, 'OK').path, text: 'OK' });
    await jvm.sees('device selected: Mobile Authenticator app');
    await eventually('the next dialog', async () =>
      (await bridge.windows()).windows.some(({ id, title }) => title === FACTOR && id !== window),
    );
    await typeCode(bridge, '123456');
    await jvm.sees('second factor code accepted');
  });
});

describe('a tidy close', () => {
  it('goes through the menu and the question, and ends with the JVM gone', async () => {
    const { jvm, bridge } = await open();
    await windowCalled(bridge, MAIN);
    assert.deepEqual(await tidyClose(bridge, within), { kind: 'closed' });
    assert.equal(await jvm.exit, 0);
    assert.ok(jvm.lines.includes('STANDIN shutting down: closed by the menu'));
  });

  it('that the gateway does not carry out in time is closing', async () => {
    const { bridge } = await open({ 'shutdown.ms': 'never' });
    await windowCalled(bridge, MAIN);
    assert.deepEqual(await tidyClose(bridge, { clock, deadlineMs: 1_500 }), { kind: 'closing' });
  });

  it('needs a main window, and an event thread that answers', async () => {
    const jvm = await bench.gateway();
    const { bridge } = await bench.client(jvm);
    await windowCalled(bridge, 'IBKR Gateway');
    assert.deepEqual(await tidyClose(bridge, within), { kind: 'no-main-window' });
    await appendFile(join(jvm.settings, 'standin.properties'), 'now.freeze.ms=6000\n');
    await jvm.sees('event thread frozen');
    assert.equal((await tidyClose(bridge, { ...within, patienceMs: 1_000 })).kind, 'frozen');
  });

  it('asked for by two at the same moment is one, with a second factor pending too', async () => {
    const { jvm, bridge } = await open({ 'second.factor': 'push', 'push.approve.after.ms': 'never' });
    const { bridge: other } = await bench.client(jvm);
    await windowCalled(bridge, FACTOR);
    const outcomes = await Promise.all([tidyClose(bridge, within), tidyClose(other, within)]);
    assert.deepEqual(outcomes, [{ kind: 'closed' }, { kind: 'closed' }]);
    assert.equal(await jvm.exit, 0);
  });

  it('of a JVM that is gone fails', async () => {
    const { jvm, bridge } = await open();
    await jvm.end();
    const outcome = await tidyClose(bridge, within);
    assert.ok(outcome.kind === 'failed' && /^(lost|not-connected)$/.test(outcome.error.code));
  });
});

describe('a warm restart', () => {
  it('sets the next full minute as the time of the automatic restart, and leaves a token', async () => {
    const { jvm, bridge } = await open({ 'autorestart.after.ms': '300', 'autorestart.when': 'set' });
    await windowCalled(bridge, MAIN);
    const begun = clock.now();
    const outcome = await warmRestart(bridge, within);
    assert.ok(outcome.kind === 'scheduled', JSON.stringify(outcome));
    assert.equal(outcome.at % 60_000, 0);
    assert.ok(outcome.at - begun > 2_000 && outcome.at - begun < 130_000);
    assert.deepEqual(outcome.before, { action: 'logoff', time: '11:45', half: 'PM' });
    const time = new Intl.DateTimeFormat('en-US', {
      timeStyle: 'short',
      timeZone: 'Etc/UTC',
      hour12: true,
    }).format(outcome.at);
    assert.equal(
      `${outcome.time.time} ${outcome.time.half}`,
      time.replace(/\s/g, ' ').replace(/^(\d):/, '0$1:'),
    );
    await jvm.sees(`auto=restart ${outcome.time.time} ${outcome.time.half}`);
    assert.equal(await jvm.exit, 0);
    const user = readdirSync(jvm.settings).find((name) => /^[a-z]{40}$/.test(name)) ?? '';
    readFileSync(join(jvm.settings, user, 'autorestart'));
  });

  it('that is asked for again moves the time, from the one that is set', async () => {
    const { bridge } = await open({ 'autorestart.after.ms': 'never' });
    await windowCalled(bridge, MAIN);
    const first = await warmRestart(bridge, within);
    const second = await warmRestart(bridge, within);
    assert.ok(first.kind === 'scheduled' && second.kind === 'scheduled');
    assert.deepEqual(second.before, first.time);
  });

  it('is followed by a gateway with its own time again, once that is set back', async () => {
    const { bridge, jvm } = await open({ 'autorestart.after.ms': 'never' });
    await windowCalled(bridge, MAIN);
    const planned = await warmRestart(bridge, within);
    assert.ok(planned.kind === 'scheduled');
    const times = { set: planned.time, before: planned.before };
    assert.deepEqual(await restoreAutoTime(bridge, times, within), { kind: 'restored' });
    await jvm.sees('auto=logoff 11:45 PM');
    assert.deepEqual(await restoreAutoTime(bridge, times, within), { kind: 'other', shown: planned.before });
  });

  it('without the menu is missing it, and one without a main window has none', async () => {
    const { bridge } = await open({ 'main.menus': 'no', 'login.delay.ms': '2000' });
    assert.deepEqual(await warmRestart(bridge, within), { kind: 'no-main-window' });
    await windowCalled(bridge, MAIN);
    assert.deepEqual(await warmRestart(bridge, within), { kind: 'missing', what: 'Configure > Settings' });
  });
});
