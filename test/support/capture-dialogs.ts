// Owns the capture of fixtures/dialogs/standin-*.json: what the stand-in Gateway shows, as the window bridge tells it.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BridgeClient } from '../../src/bridge/client.ts';
import type { BridgeWindow } from '../../src/bridge/protocol.ts';
import { Bench, eventually, logIn, withText } from '../bridge/jvm.ts';

const DIRECTORY = join(import.meta.dirname, '../fixtures/dialogs');

type Shot = {
  readonly name: string;
  readonly rule: string | null;
  readonly knobs: Readonly<Record<string, string>>;
  readonly find: (window: BridgeWindow) => boolean;
  /** Before the window is looked for. */
  readonly act?: (bridge: BridgeClient) => Promise<void>;
};

const titled = (title: string) => (window: BridgeWindow) => window.title === title;
const holds = (text: string) => (window: BridgeWindow) =>
  window.components.some((component) => component.text?.includes(text) === true);
const TWO_FACTOR = titled('Second Factor Authentication');

async function wrongCode(bridge: BridgeClient): Promise<void> {
  await logIn(bridge);
  const window = await findWindow(bridge, TWO_FACTOR);
  const field = window.components.find(({ editable }) => editable);
  if (field === undefined) throw new Error('no field');
  await bridge.typeCode({
    window: window.id,
    path: field.path,
    expect: { title: window.title },
    code: '000000',
    button: withText(window, 'OK').path,
    buttonText: 'OK',
  });
}

const ordered = (title: string, text: string, buttons: string) => ({
  'now.dialog': `${title}|${text}|${buttons}`,
});

const SHOTS: readonly Shot[] = [
  {
    name: 'login-window',
    rule: 'login-window',
    knobs: {},
    find: titled('IBKR Gateway'),
    act: async () => {},
  },
  {
    name: 'unrecognized',
    rule: 'wrong-credentials',
    knobs: { 'login.result': 'unrecognized' },
    find: titled('Unrecognized Username or Password'),
  },
  {
    name: 'login-failed',
    rule: 'login-failed',
    knobs: { 'login.result': 'login-failed' },
    find: titled('Login failed'),
  },
  {
    name: 'login-error',
    rule: 'login-error',
    knobs: { 'login.result': 'login-error' },
    find: titled('Login Error'),
  },
  {
    name: 'connection-failed',
    rule: 'connection-failed',
    knobs: { 'login.result': 'connection-failed' },
    find: titled('Gateway'),
  },
  {
    name: 'not-available',
    rule: 'not-available',
    knobs: { 'login.result': 'not-available' },
    find: titled('Login'),
  },
  {
    name: 'too-many',
    rule: 'too-many-attempts',
    knobs: { 'login.result': 'too-many:287' },
    find: holds('Too many failed'),
  },
  {
    name: 'existing-session',
    rule: 'existing-session',
    knobs: { 'existing.session': 'before' },
    find: titled('Existing session detected'),
  },
  {
    name: 'relogin',
    rule: 'relogin-required',
    knobs: { 'relogin.after.ms': '1' },
    find: titled('Re-login is required'),
  },
  {
    name: 'push',
    rule: 'second-factor-push',
    knobs: { 'second.factor': 'push', 'push.approve.after.ms': 'never' },
    find: TWO_FACTOR,
  },
  { name: 'totp', rule: 'second-factor-code-app', knobs: { 'second.factor': 'totp' }, find: TWO_FACTOR },
  {
    name: 'totp-rejected',
    rule: 'second-factor-code-app',
    knobs: { 'second.factor': 'totp' },
    find: holds('not correct'),
    act: wrongCode,
  },
  { name: 'devices', rule: 'second-factor-devices', knobs: { 'second.factor': 'devices' }, find: TWO_FACTOR },
  {
    name: 'splash',
    rule: 'splash',
    knobs: { 'splash.ms': 'never' },
    find: titled('Initializing environment...'),
  },
  {
    name: 'main-window-loading',
    rule: 'main-window',
    knobs: { 'splash.ms': 'never' },
    find: (window) => window.kind === 'frame' && holds('About IB Gateway')(window),
  },
  {
    name: 'configuration',
    rule: 'configuration',
    knobs: {},
    find: ({ title }) => title.includes('Configuration'),
    act: async (bridge) => {
      await logIn(bridge);
      const main = await findWindow(
        bridge,
        (window) => window.kind === 'frame' && holds('About IB Gateway')(window),
      );
      await bridge.menu({ window: main.id, items: ['Configure', 'Settings'] });
    },
  },
  {
    name: 'exit-question',
    rule: 'exit-question',
    knobs: {},
    find: holds('Are you sure you want to exit?'),
    act: async (bridge) => {
      await logIn(bridge);
      const main = await findWindow(
        bridge,
        (window) => window.kind === 'frame' && holds('About IB Gateway')(window),
      );
      await bridge.menu({ window: main.id, items: ['File', 'Close'] });
    },
  },
  {
    name: 'shutdown',
    rule: 'shutdown-progress',
    knobs: { 'autorestart.after.ms': '1', 'shutdown.ms': 'never' },
    find: titled('Shutdown progress'),
  },
  {
    name: 'paper-notice',
    rule: 'paper-notice',
    knobs: {},
    find: holds('This is not a brokerage account'),
    act: async (bridge) => {
      const login = await findWindow(bridge, titled('IBKR Gateway'));
      await bridge.click({
        window: login.id,
        path: withText(login, 'Paper Trading').path,
        text: 'Paper Trading',
      });
      const again = await findWindow(bridge, titled('IBKR Gateway'));
      const of = (className: string) =>
        again.components.find((each) => each.className === className)?.path ?? '';
      await bridge.click({ window: again.id, path: withText(again, 'IB API').path, text: 'IB API' });
      await bridge.setText({ window: again.id, path: of('javax.swing.JTextField'), text: 'user1' });
      await bridge.setText({
        window: again.id,
        path: of('javax.swing.JPasswordField'),
        text: 'correct horse',
        secret: true,
      });
      const button =
        again.components.find(({ text }) => text === 'Paper Log In') ?? withText(again, 'Log In');
      await bridge.click({ window: again.id, path: button.path, text: button.text ?? '' });
    },
  },
  {
    name: 'notice',
    rule: null,
    knobs: ordered(
      'Important notice',
      'The rates of data subscriptions change on 1 January.\\\\nDo you agree?',
      'Agree,Decline',
    ),
    find: titled('Important notice'),
  },
];

function findWindow(bridge: BridgeClient, find: (window: BridgeWindow) => boolean): Promise<BridgeWindow> {
  return eventually('the window', async () => (await bridge.windows({}, 10_000)).windows.find(find));
}

const only = new Set(process.argv.slice(2));
const bench = new Bench();
await bench.open();
try {
  for (const { name, rule, knobs, find, act } of SHOTS) {
    if (only.size > 0 && !only.has(name)) continue;
    // Orders act when they change after the start.
    const start = Object.fromEntries(Object.entries(knobs).filter(([key]) => !key.startsWith('now.')));
    const jvm = await bench.gateway(start);
    const { bridge } = await bench.client(jvm);
    await (act ?? logIn)(bridge);
    const orders = Object.entries(knobs).filter(([key]) => key.startsWith('now.'));
    if (orders.length > 0) {
      await jvm.sees('logged in');
      const lines = Object.entries({ ...start, ...Object.fromEntries(orders) });
      writeFileSync(
        join(jvm.settings, 'standin.properties'),
        lines.map(([key, value]) => `${key}=${value}\n`).join(''),
      );
    }
    const window = await findWindow(bridge, find);
    const { id, className, kind, title, modal, components } = window;
    const kept = components.map(
      ({ path, className: ofComponent, text, masked, enabled, visible, editable, rows }) => ({
        path,
        className: ofComponent,
        text,
        masked,
        enabled,
        visible,
        editable,
        rows: rows === null ? null : { texts: rows.texts },
      }),
    );
    const fixture = {
      origin: 'stand-in Gateway',
      rule,
      window: { id, className, kind, title, modal, components: kept },
    };
    writeFileSync(join(DIRECTORY, `standin-${name}.json`), `${JSON.stringify(fixture, null, 1)}\n`);
    process.stdout.write(`${name}: ${title}\n`);
    await bench.clear();
  }
} finally {
  await bench.close();
}
