// Proves the stand-in IBC against logs of the real one: same markers in the same order, same replies, exit codes and files.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { findJavaHome, type Install, layInstall } from './build.ts';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'ibc-logs');
const DEADLINE_MS = 40_000;
const FENCE = '!'.repeat(79);
const STAMPED = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d):(\d{3}) IBC: (.*)$/;

type Settings = Readonly<Record<string, string>>;

// ---- the real logs ---------------------------------------------------------------------------------------------------

/** One JVM of a fixture: its output without the script's lines, the settings it echoed, and its exit status. */
type RealRun = { readonly lines: readonly string[]; readonly settings: Settings; readonly status: number };

/** Splits a fixture into its JVMs. */
function readFixture(name: string): readonly RealRun[] {
  const runs: RealRun[] = [];
  let lines: string[] | undefined;
  for (const line of readFileSync(join(FIXTURES, `${name}.log`), 'utf8').split('\n')) {
    const status = /^(?:IBC returned exit status|SCRIPT-EXIT-STATUS) (\d+)$/.exec(line);
    if (line === 'IBC Settings:') lines = [];
    if (lines !== undefined && status !== null) {
      runs.push({ lines, settings: echoed(lines), status: Number(status[1]) });
      lines = undefined;
    }
    lines?.push(line);
  }
  assert.notEqual(runs.length, 0, `no JVM output in fixture ${name}`);
  return runs;
}

function real(name: string, jvm = 0): RealRun {
  const run = readFixture(name)[jvm];
  assert.ok(run, `fixture ${name} has no JVM number ${jvm}`);
  return run;
}

function echoed(lines: readonly string[]): Settings {
  const settings: Record<string, string> = {};
  for (const line of lines.slice(1, lines.indexOf('End IBC Settings'))) {
    const equals = line.indexOf('=');
    settings[line.slice(4, equals)] = line.slice(equals + 1);
  }
  return settings;
}

// ---- markers ---------------------------------------------------------------------------------------------------------

/** Focus and splash progress come in any order, and depend on timing and on other windows of the display. */
const NOISE = [
  /^detected (frame|dialog) entitled: .*; event=(Activated|Focused|Lost focus|Deactivated)$/,
  /^detected frame entitled: (Connecting to server|Authenticating|Initializing environment)\.\.\.; event=/,
  /^(detected|Window structure for) frame entitled: Starting application\.\.\.; event=Opened$/,
  /^detected window: type=/,
];

const VALUES: readonly (readonly [RegExp, string])[] = [
  // On a busy machine the main window has its later title by the time its opening is logged.
  [/(frame entitled: )IBKR Gateway - \w+ Trading(; event=Opened)$/, '$1Loading...$2'],
  [/\d+ seconds?\b/g, 'N seconds'],
  [/\b\d\d:\d\d [AP]M\b(?!")/g, 'hh:mm AM'],
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}/g, 'TIME'],
  [/(socket port was set to|CommandServer is starting with port|; port:| port:) \d+/g, '$1 PORT'],
  [/(listening on addresses:) [^;]+/, '$1 LIST'],
  [/(Connection to server failed:) .*/, '$1 REASON'],
  [/\/\S*\/((?:live|paper)(?:\.ini|\/jts\.ini)?)(?=\s|$)/g, '$1'],
];

/** The IBC lines that mean something, without times and places; a fence becomes one `! ` line per line in it. */
function markers(lines: readonly string[]): readonly string[] {
  const found: string[] = [];
  let fenced = false;
  for (const line of lines) {
    if (line === FENCE) {
      fenced = !fenced;
      continue;
    }
    const text = STAMPED.exec(line)?.[3];
    if (text === undefined && !fenced) continue;
    if (text !== undefined && NOISE.some((noise) => noise.test(text))) continue;
    let plain = text ?? line;
    for (const [pattern, replacement] of VALUES) plain = plain.replace(pattern, replacement);
    found.push(fenced ? `! ${plain}` : plain);
  }
  return found;
}

type Shape = (list: readonly string[]) => readonly string[];

/** Sorts the lines several threads write at once: from the first that matches `from` to the last that matches `to`, or the end. */
function unordered(list: readonly string[], from: RegExp, to?: RegExp): readonly string[] {
  const start = list.findIndex((line) => from.test(line));
  if (start < 0) return list;
  const rest = list.slice(start);
  const length = to === undefined ? rest.length : rest.findLastIndex((line) => to.test(line)) + 1;
  return [...list.slice(0, start), ...rest.slice(0, length).sort(), ...rest.slice(length)];
}

/** Configuration tasks run beside each other and beside the login. */
const configured: Shape = (list) =>
  unordered(
    list,
    /^Starting Gateway$/,
    /Configuration; event=Closed|^Login has completed$|Warning; event=Closed/,
  );

const withoutDumps: Shape = (list) => list.filter((line) => !line.startsWith('Window structure'));

function assertSameMarkers(run: Jvm, expected: RealRun, shape: Shape = (list) => list): void {
  assertSame(run, shape(markers(run.lines)), shape(markers(expected.lines)));
}

/** Shows both the difference and the whole output. */
function assertSame(run: Jvm, own: readonly string[], expected: readonly string[]): void {
  const at = own.findIndex((line, number) => line !== expected[number]);
  if (at < 0 && own.length === expected.length) return;
  const from = at < 0 ? own.length : at;
  const part = (list: readonly string[]) => list.slice(Math.max(0, from - 3), from + 6).join('\n  ');
  assert.fail(
    `the double wrote\n  ${part(own)}\nand IBC wrote\n  ${part(expected)}\nwhole output:${run.output()}`,
  );
}

// ---- running the double ----------------------------------------------------------------------------------------------

let root: string;
let javaHome: string;
let classpath: readonly string[];
let personAtScreen: string;
let xServer: ChildProcess | undefined;
let display: string;
let runs = 0;
const started: Jvm[] = [];

type Request = {
  readonly ini?: Settings;
  /** A fixture whose settings are the ini; `ini` is laid over it. */
  readonly like?: RealRun;
  /** Replaces the whole ini; PORT stands for the command port. */
  readonly iniText?: string;
  readonly scenario?: Settings;
  readonly mode?: string;
  /** Replaces `<ini> <mode>`. */
  readonly args?: (ini: string) => readonly string[];
  readonly display?: string;
  readonly options?: readonly string[];
  /** Continues in the settings directory of an earlier run. */
  readonly in?: Jvm;
  readonly restart?: string;
  /** Codes a person types into the code dialog, one after the other; `throw` makes a thread of the JVM fail. */
  readonly codes?: readonly string[];
  readonly withoutGateway?: boolean;
  readonly withoutFlagProperties?: boolean;
  readonly commandPort?: number;
  /** Changes the settings directory before the start. */
  readonly prepare?: (settingsDir: string) => Promise<unknown>;
};

class Jvm {
  readonly lines: string[] = [];
  readonly child: ChildProcess;
  readonly settingsDir: string;
  readonly port: number;
  readonly sessionId: string;
  readonly exited: Promise<number>;
  private errors = '';
  private rest = '';
  private over = false;
  private changed: () => void = () => {};

  constructor(child: ChildProcess, settingsDir: string, port: number, sessionId: string) {
    this.child = child;
    this.settingsDir = settingsDir;
    this.port = port;
    this.sessionId = sessionId;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const parts = (this.rest + text).split('\n');
      this.rest = parts.pop() ?? '';
      this.lines.push(...parts);
      this.changed();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    this.exited = once(child, 'close').then(([code]) => {
      this.over = true;
      this.changed();
      return Number(code);
    });
  }

  output(): string {
    const shown = this.lines.filter((line) => !/^\S+ = /.test(line)).join('\n');
    return `\n${shown}\n${this.errors === '' ? '' : `stderr:\n${this.errors}`}`;
  }

  /** Waits until a line holds this text, from line number `from` on; gives the line's number. */
  async sees(text: string | RegExp, from = 0): Promise<number> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    const fits = (line: string) => (typeof text === 'string' ? line.includes(text) : text.test(line));
    for (;;) {
      const at = this.lines.findIndex((line, number) => number >= from && fits(line));
      if (at >= 0) return at;
      if (this.over) assert.fail(`the JVM ended without "${text}":${this.output()}`);
      if (deadline.aborted) assert.fail(`no "${text}" in time:${this.output()}`);
      await new Promise<void>((resolve) => {
        this.changed = resolve;
        deadline.onabort = () => resolve();
      });
    }
  }

  async status(): Promise<number> {
    return this.exitedWithin(DEADLINE_MS);
  }

  async exitedWithin(milliseconds: number): Promise<number> {
    const limit = AbortSignal.timeout(milliseconds);
    const late = once(limit, 'abort').then(() => assert.fail(`the JVM did not end:${this.output()}`));
    return Promise.race([this.exited, late]);
  }

  /** The flag files of this JVM that exist. */
  flags(): readonly string[] {
    return ['COLDRESTART', 'PAUSE'].filter((word) =>
      existsSync(join(this.settingsDir, word + this.sessionId)),
    );
  }

  /** The directory Gateway keeps this user's settings in. */
  async userDirectory(): Promise<string> {
    const name = (await readdir(this.settingsDir)).find((entry) => /^[a-z]{40}$/.test(entry));
    assert.ok(name, `no user directory in ${this.settingsDir}`);
    return name;
  }

  /** Adds an order to the running scenario. */
  async order(line: string): Promise<void> {
    await appendFile(join(this.settingsDir, 'standin.properties'), `${line}\n`);
  }

  async stop(): Promise<number> {
    await converse(this.port, ['STOP']);
    return this.status();
  }

  async terminate(): Promise<number> {
    this.child.kill('SIGTERM');
    return this.status();
  }

  async kill(): Promise<void> {
    if (!this.over) this.child.kill('SIGKILL');
    await this.exited;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  server.close();
  await once(server, 'close');
  return address.port;
}

const PLAIN: Settings = { BindAddress: '127.0.0.1', SuppressInfoMessages: 'no' };
const CREDENTIALS: Settings = { IbLoginId: 'user1', IbPassword: 'p\u00e4ss word' };

/** Starts java with the line a supervisor uses and a small heap, with the stand-in Gateway on the classpath. */
async function start(request: Request = {}): Promise<Jvm> {
  runs++;
  const mode = request.mode ?? 'live';
  const place = join(root, `run${runs}`);
  const settingsDir = request.in?.settingsDir ?? join(place, mode);
  await mkdir(place, { recursive: true });
  await mkdir(settingsDir, { recursive: true });
  const port = request.commandPort ?? (await freePort());
  const settings = {
    ...(request.like?.settings ?? PLAIN),
    ...CREDENTIALS,
    CommandServerPort: String(port),
    ...request.ini,
  };
  const ini = join(place, `${mode}.ini`);
  const text = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  const whole = request.iniText?.replace('PORT', String(port)) ?? text.join('');
  await writeFile(ini, whole, { encoding: 'latin1', mode: 0o600 });
  const scenario = { 'api.port': String(await freePort()), 'login.delay.ms': '80', ...request.scenario };
  const knobs = Object.entries(scenario).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(settingsDir, 'standin.properties'), knobs.join(''));
  await request.prepare?.(settingsDir);

  const sessionId = `S${String(runs).padStart(7, '0')}`;
  const helped = request.codes === undefined ? [] : [personAtScreen];
  const jars = request.withoutGateway === true ? classpath.slice(-1) : classpath;
  const flagProperties = [`-DjtsConfigDir=${settingsDir}`, `-Dibcsessionid=${sessionId}`];
  const opened = [
    'java.base/java.util',
    'java.desktop/java.awt',
    'java.desktop/javax.swing',
    'java.desktop/sun.awt',
  ];
  const line = [
    ...opened.map((part) => `--add-opens=${part}=ALL-UNNAMED`),
    ...['-cp', [...helped, ...jars].join(':')],
    ...['-Xshare:auto', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xms16m', '-Xmx96m'],
    '-Dchannel=latest',
    ...(request.withoutFlagProperties === true ? [] : flagProperties),
    ...(request.options ?? []),
    ...(request.restart === undefined ? [] : [`-Drestart=${request.restart}`]),
    ...(request.codes === undefined
      ? ['ibcalpha.ibc.IbcGateway']
      : [`-Dcodes=${request.codes.join(',')}`, 'PersonAtScreen']),
    ...(request.args?.(ini) ?? [ini, mode]),
  ];
  const child = spawn(join(javaHome, 'bin', 'java'), line, {
    cwd: settingsDir,
    env: { DISPLAY: request.display ?? display, LC_ALL: 'C.UTF-8', TZ: 'Etc/UTC', HOME: place },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const jvm = new Jvm(child, settingsDir, port, sessionId);
  started.push(jvm);
  return jvm;
}

/** A client of the command port. */
class Client {
  received = '';
  private readonly socket: Socket;
  private readonly gone: Promise<void>;
  private over = false;
  private wake: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('utf8').on('data', (text: string) => {
      this.received += text;
      this.wake();
    });
    socket.on('error', () => {
      // a refused connection is reported by open(), a reset one shows in what was received
    });
    this.gone = new Promise((resolve) => {
      socket.on('close', () => {
        this.over = true;
        this.wake();
        resolve();
      });
    });
  }

  /** `from` is the loopback address the client has. */
  static async open(port: number, from = '127.0.0.1'): Promise<Client> {
    const socket = connect({ host: '127.0.0.1', port, localAddress: from });
    const client = new Client(socket);
    await once(socket, 'connect');
    return client;
  }

  send(text: string): void {
    this.socket.write(text);
  }

  /** Waits until what came so far ends with this text, or the server has closed. */
  async until(end: string): Promise<void> {
    while (!this.received.endsWith(end) && !this.over) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    assert.ok(this.received.endsWith(end), `the server closed after: ${this.received}`);
  }

  /** All the server sent, once it has closed. */
  async all(): Promise<string> {
    await this.gone;
    return this.received;
  }
}

/** Sends all lines at once; gives what the server sent until it closed. */
async function converse(port: number, commands: readonly string[]): Promise<string> {
  const client = await Client.open(port);
  client.send(commands.map((command) => `${command}\n`).join(''));
  return client.all();
}

/** What a fixture's transcript shows the server sending, conversation by conversation. */
function replies(name: string): readonly string[] {
  const conversations: string[] = [];
  let current = '';
  for (const line of readFileSync(join(FIXTURES, `${name}.log`), 'utf8').split('\n')) {
    if (line.trim() === '<< EOF') {
      conversations.push(current);
      current = '';
    }
    const sent = /^\s*<< b'(.*)'$/.exec(line)?.[1];
    if (sent !== undefined) current += sent.replaceAll('\\n', '\n');
  }
  return conversations;
}

const withoutTime = (text: string) => text.replace(/\d\d:\d\d [AP]M/g, 'hh:mm AM');

// IBC never types a code: this main class starts it and does what a person at the screen would.
const PERSON_AT_SCREEN = `
import java.awt.*;
import javax.swing.*;
public class PersonAtScreen {
  public static void main(String[] words) {
    Thread person = new Thread(PersonAtScreen::work);
    person.setDaemon(true);
    person.start();
    ibcalpha.ibc.IbcGateway.main(words);
  }
  static void work() {
    for (String code : System.getProperty("codes").split(",")) {
      JDialog dialog = null;
      while (dialog == null) {
        try { Thread.sleep(300); } catch (InterruptedException e) { return; }
        if (code.equals("throw")) throw new IllegalStateException("failed on purpose");
        for (Window w : Window.getWindows())
          if (w.isShowing() && w instanceof JDialog d && find(d, JTextField.class) != null) dialog = d;
      }
      JDialog found = dialog;
      SwingUtilities.invokeLater(() -> { find(found, JTextField.class).setText(code); find(found, JButton.class).doClick(); });
    }
  }
  static <T> T find(Container in, Class<T> type) {
    for (Component c : in.getComponents()) {
      if (type.isInstance(c) && !(c instanceof JButton b && !"OK".equals(b.getText()))) return type.cast(c);
      if (c instanceof Container inner) { T found = find(inner, type); if (found != null) return found; }
    }
    return null;
  }
}
`;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'ibc-double-'));
  javaHome = await findJavaHome();
  const install: Install = await layInstall({ root });
  // Left in place, Gateway would restart itself by it, outside this JVM.
  await rename(join(install.programDir, 'ibgateway'), join(install.programDir, 'ibgateway1'));
  const jars = (await readdir(join(install.programDir, 'jars'))).sort();
  classpath = [
    ...jars.map((name) => join(install.programDir, 'jars', name)),
    join(install.programDir, '.install4j', 'i4jruntime.jar'),
    join(install.ibcDir, 'IBC.jar'),
  ];
  personAtScreen = join(root, 'person');
  await mkdir(personAtScreen);
  const source = join(personAtScreen, 'PersonAtScreen.java');
  await writeFile(source, PERSON_AT_SCREEN);
  const javac = ['-J-XX:TieredStopAtLevel=1', '-cp', classpath.join(':'), '-d', personAtScreen, source];
  await promisify(execFile)(join(javaHome, 'bin', 'javac'), javac);
  xServer = spawn(
    'Xvfb',
    ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp', '-noreset'],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    },
  );
  const answer = xServer.stdio[3];
  assert.ok(answer !== null && answer !== undefined);
  const [number] = await once(answer, 'data');
  display = `:${String(number).trim()}`;
});

after(async () => {
  for (const jvm of started) await jvm.kill();
  if (xServer !== undefined) {
    xServer.kill('SIGTERM');
    await once(xServer, 'close');
  }
  await rm(root, { recursive: true, force: true });
});

/** Most of a life is waiting, so several run at a time: two of each suite. */
const LIVES = { concurrency: 2 };

describe('the stand-in IBC', LIVES, () => {
  describe('lives as the real one logged', LIVES, () => {
    test('login without second factor, commands, tidy stop (01)', async () => {
      const fixture = real('01-live-no2fa-stop');
      const jvm = await start({ like: fixture });
      await jvm.sees('Login has completed');
      const [first, second] = replies('01-commands-transcript');
      const client = await Client.open(jvm.port);
      client.send('\nBOGUS\nstop \nENABLEAPI\nreconnectdata\n');
      await client.until('OK \n');
      await jvm.sees('IBKR Gateway; event=Closed');
      client.send('exit\n');
      assert.equal(await client.all(), first);
      assert.equal(await converse(jvm.port, ['STOP']), second);
      assert.equal(await jvm.status(), fixture.status);
      assertSameMarkers(jvm, fixture);
      assert.deepEqual(jvm.flags(), []);
    });

    test('paper login with everything typed into the configuration (02)', async () => {
      const fixture = real('02-paper-configtasks');
      const port = await freePort();
      const jvm = await start({
        like: fixture,
        mode: 'paper',
        ini: { OverrideTwsApiPort: String(port) },
        scenario: { 'splash.ms': '1200' },
      });
      await jvm.sees('Configuration; event=Closed');
      await jvm.sees('Login has completed');
      await jvm.sees('Warning; event=Closed');
      assert.equal(await converse(jvm.port, ['', 'EXIT']), 'INFO IBC Command Server\nibc>OK Goodbye\n');
      assert.equal(await jvm.stop(), fixture.status);
      const own = markers(jvm.lines).map((line) => line.replace(String(port), '4300'));
      assertSame(jvm, configured(own), configured(markers(fixture.lines)));
      const menuBar = '|   |   null(javax.swing.JMenuBar){JMenuBar: null}';
      const menus = (lines: readonly string[]) => lines.slice(lines.indexOf(menuBar)).slice(0, 10);
      assert.deepEqual(menus(jvm.lines), menus(fixture.lines), 'the main window is dumped in another form');
      const kept = await readFile(
        join(jvm.settingsDir, await jvm.userDirectory(), 'gateway.properties'),
        'utf8',
      );
      assert.match(kept, new RegExp(`^api\\.port=${port}$`, 'm'));
      assert.match(kept, /^auto\.time=11\\:55 PM$/m);
      assert.match(kept, /^api\.read\.only=false$/m);
      assert.match(kept, /^api\.master\.client\.id=7$/m);
      assert.match(kept, /Bypass\\ Order\\ Precautions\\ for\\ API\\ Orders=true/);
    });

    test('push runs out twice, third one approved (03)', async () => {
      const fixture = real('03-ibkey-timeout-relogin');
      const jvm = await start({
        like: fixture,
        ini: { SecondFactorAuthenticationTimeout: '3' },
        scenario: {
          'second.factor': 'push',
          'push.approve.after.ms': 'never',
          'second.factor.timeout.ms': '3100',
        },
      });
      const third = await jvm.sees('Login attempt: 3');
      await jvm.sees('Second Factor Authentication initiated', third);
      await jvm.order('now.approve=1');
      await jvm.sees('Login has completed');
      assert.equal(await jvm.stop(), fixture.status);
      assertSameMarkers(jvm, fixture);
    });

    test('approved, but login hangs: 1111 (04)', async () => {
      const fixture = real('04-ibkey-hang-1111-exit');
      const jvm = await start({
        like: fixture,
        ini: { SecondFactorAuthenticationExitInterval: '2' },
        scenario: { 'second.factor': 'push', 'push.approve.after.ms': '300', 'splash.ms': 'never' },
      });
      assert.equal(await jvm.status(), fixture.status);
      assertSameMarkers(jvm, fixture);
    });

    test('code typed, RESTART, automatic restart, restarted session, SIGTERM (05)', async () => {
      const [first, second] = readFixture('05-totp-xdotool-nowm');
      assert.ok(first && second);
      const jvm = await start({
        like: first,
        ini: { LogStructureWhen: 'never' },
        scenario: { 'second.factor': 'totp', 'autorestart.after.ms': 'never' },
        codes: ['123456'],
      });
      await jvm.sees('Login has completed');
      const talk = replies('05-restart-transcript');
      assert.equal(withoutTime(await converse(jvm.port, ['RESTART'])), withoutTime(talk[0] ?? ''));
      await jvm.sees('Configuration; event=Closed');
      assert.equal(await converse(jvm.port, ['RESTART']), talk[1]);
      await jvm.order('now.restart=1');
      assert.equal(await jvm.status(), first.status);
      // In the fixture the second client connected while the dialog was still open.
      const shape: Shape = (list) =>
        unordered(
          withoutDumps(list),
          /^RestartTask: pauseOnly/,
          /Configuration; event=Closed|accepted connection/,
        );
      assertSameMarkers(jvm, first, shape);

      const token = join(await jvm.userDirectory(), 'autorestart');
      assert.ok(existsSync(join(jvm.settingsDir, token)));
      const again = await start({
        like: second,
        ini: { LogStructureWhen: 'never' },
        in: jvm,
        restart: await jvm.userDirectory(),
      });
      await again.sees('Login has completed');
      assert.ok(!existsSync(join(jvm.settingsDir, token)));
      assert.equal(await again.terminate(), second.status);
      assertSameMarkers(again, second, withoutDumps);
    });

    test('device list, then a wrong and a right code (06)', async () => {
      const fixture = real('06-device-then-totp');
      const jvm = await start({
        like: fixture,
        scenario: { 'second.factor': 'devices', 'totp.reject': 'same' },
        codes: ['000000', '123456'],
      });
      await jvm.sees('Login has completed');
      assert.equal(await jvm.stop(), fixture.status);
      assertSameMarkers(jvm, fixture);
    });

    test('RECONNECTDATA before the main window: 1100 (07)', async () => {
      const fixture = real('07-reconnectdata-before-mainwindow');
      const jvm = await start({ like: fixture, scenario: { 'start.delay.ms': 'never' } });
      await jvm.sees('IBC: Starting Gateway');
      assert.equal(await converse(jvm.port, ['RECONNECTDATA']), replies('07-transcript')[0]);
      assert.equal(await jvm.status(), fixture.status);
      assertSameMarkers(jvm, fixture);
    });

    test('no login dialog: 1112, and again on the second start (08)', async () => {
      const [first, second] = readFixture('08-login-dialog-timeout-1112');
      assert.ok(first && second);
      const never = { ini: { LoginDialogDisplayTimeout: '1' }, scenario: { 'start.delay.ms': 'never' } };
      const jvm = await start({ like: first, ...never });
      assert.equal(await jvm.status(), first.status);
      assertSameMarkers(jvm, first);
      const again = await start({ like: second, in: jvm, ...never });
      assert.equal(await again.status(), second.status);
      assertSameMarkers(again, second);
    });

    test('other session: kept once, given up after Re-login (09)', async () => {
      const fixture = real('09-existing-session-primary');
      const jvm = await start({
        like: fixture,
        scenario: {
          'existing.session': 'before',
          'existing.session.on.relogin': 'yes',
          'relogin.after.ms': '300',
        },
      });
      assert.equal(await jvm.status(), fixture.status);
      assertSameMarkers(jvm, fixture);
    });

    test('too many failed attempts: waits and logs in (10)', async () => {
      const fixture = real('10-too-many-failed-logins');
      const jvm = await start({ like: fixture, scenario: { 'login.result': 'too-many:1' } });
      await jvm.sees('Login has completed');
      assert.equal(await jvm.stop(), fixture.status);
      assertSameMarkers(jvm, fixture);
    });

    test('SIGTERM: no word (11)', async () => {
      const fixture = real('11-sigterm');
      const jvm = await start({ like: fixture });
      await jvm.sees('Login has completed');
      assert.equal(await jvm.terminate(), fixture.status);
      assertSameMarkers(jvm, fixture);
      assert.deepEqual(jvm.flags(), []);
    });

    test('STOP while the second factor is pending: at once (12)', async () => {
      const fixture = real('12-stop-during-2fa');
      const pending = { 'second.factor': 'push', 'push.approve.after.ms': 'never' };
      const jvm = await start({ like: fixture, scenario: pending });
      await jvm.sees('Second Factor Authentication initiated');
      assert.equal(await converse(jvm.port, ['STOP']), replies('12-transcript')[0]);
      assert.equal(await jvm.status(), fixture.status);
      assertSameMarkers(jvm, fixture, (list) => unordered(list, /^CommandServer closing/));
    });

    test('PAUSE, then the next start without authentication (13)', async () => {
      const fixture = real('13-pause');
      const jvm = await start({ like: fixture, scenario: { 'autorestart.after.ms': 'never' } });
      await jvm.sees('Login has completed');
      const talk = await converse(jvm.port, ['PAUSE']);
      assert.equal(withoutTime(talk), withoutTime(replies('13-transcript')[0] ?? ''));
      assert.deepEqual(jvm.flags(), ['PAUSE']);
      await jvm.sees('Configuration; event=Closed');
      await jvm.order('now.restart=1');
      assert.equal(await jvm.status(), fixture.status);
      const shape: Shape = (list) =>
        unordered(list, /^RestartTask: pauseOnly/, /Configuration; event=Closed/);
      assertSameMarkers(jvm, fixture, shape);
      const resumed = real('13b-resume-after-pause');
      const again = await start({ like: resumed, in: jvm, restart: await jvm.userDirectory() });
      await again.sees('Login has completed');
      assert.equal(await again.terminate(), resumed.status);
      assertSameMarkers(again, resumed);
    });

    test('wrong codes in ever new dialogs, the exit clock goes on: 1111 (14)', async () => {
      const fixture = real('14-totp-reject-reopens');
      const jvm = await start({
        like: fixture,
        ini: { SecondFactorAuthenticationExitInterval: '6' },
        scenario: { 'second.factor': 'totp', 'totp.reject': 'reopen' },
        codes: ['000000', '111111'],
      });
      assert.equal(await jvm.status(), fixture.status);
      assertSameMarkers(jvm, fixture);
    });

    for (const [name, result] of [
      ['15-login-failed-coldrestart', 'login-failed'],
      ['24-conn-failed-coldrestart', 'connection-failed'],
      ['26-login-error-coldrestart', 'login-error'],
    ] as const) {
      test(`${result}: cold restart wanted, exit 0 (${name.slice(0, 2)})`, async () => {
        const fixture = real(name);
        const jvm = await start({ like: fixture, scenario: { 'login.result': result } });
        assert.equal(await jvm.status(), fixture.status);
        assert.deepEqual(jvm.flags(), ['COLDRESTART']);
        // The click races with the end of the JVM and may be missing.
        assertSameMarkers(jvm, fixture, (list) =>
          unordered(list, /^Cold restart in progress/).filter((line) => line !== 'Click button: OK'),
        );
      });
    }

    test('rejected credentials: silence (16)', async () => {
      const fixture = real('16-bad-password-stuck');
      const jvm = await start({ like: fixture, scenario: { 'expect.password': 'another' } });
      await jvm.sees('Unrecognized Username or Password; event=Opened');
      assert.equal(await jvm.terminate(), fixture.status);
      assertSameMarkers(jvm, fixture);
    });

    test('credentials as arguments without a mode: readable password, mode from the ini (17)', async () => {
      const fixture = real('17-creds-on-cmdline-no-mode');
      const scenario = { 'expect.user': 'cliuser', 'expect.password': 'clisecretpw' };
      const jvm = await start({ like: fixture, args: (ini) => [ini, 'cliuser', 'clisecretpw'], scenario });
      await jvm.sees('Login has completed');
      assert.equal(await jvm.terminate(), fixture.status);
      assertSameMarkers(jvm, fixture);
      const command = /^sun\.java\.command = ibcalpha\.ibc\.IbcGateway \S+ \*\*\* clisecretpw$/;
      assert.ok(jvm.lines.some((line) => command.test(line)));
      assert.ok(fixture.lines.some((line) => command.test(line)));
    });

    test('a locale with small am and pm: restart time not understood (18)', async () => {
      const fixture = real('18-locale-en-GB');
      const jvm = await start({ like: fixture, options: ['-Duser.language=en', '-Duser.country=GB'] });
      await jvm.sees('Login has completed');
      await jvm.sees('Configuration; event=Closed');
      assert.equal(await jvm.terminate(), fixture.status);
      assertSameMarkers(jvm, fixture, configured);
    });

    test('bound to all addresses: others than 127.0.0.1 are refused (19)', async () => {
      const fixture = real('19-bind-all');
      const jvm = await start({ like: fixture });
      await jvm.sees('Login has completed');
      assert.equal(await (await Client.open(jvm.port, '127.0.0.2')).all(), '');
      await jvm.sees(/denied access to: \S+\/127\.0\.0\.2$/);
      assert.equal(await jvm.terminate(), fixture.status);
      const untilDenied: Shape = (list) =>
        list.slice(
          0,
          list.findIndex((line) => line.startsWith('CommandServer denied')),
        );
      assertSameMarkers(jvm, fixture, untilDenied);
      const addresses = jvm.lines.find((line) => line.includes('listening on addresses')) ?? '';
      assert.match(addresses, /listening on addresses: (\S+,)?127\.0\.0\.1[,;]/);
    });

    test('a second STOP finds the port closed (20)', async () => {
      const fixture = real('20-double-stop');
      const jvm = await start({ like: fixture, scenario: { 'shutdown.ms': '1000' } });
      await jvm.sees('Login has completed');
      await converse(jvm.port, ['STOP']);
      await jvm.sees('CommandServer is shutdown');
      await assert.rejects(Client.open(jvm.port), { code: 'ECONNREFUSED' });
      assert.equal(await jvm.status(), fixture.status);
      assertSameMarkers(jvm, fixture);
    });

    test('device not in the list: stuck (25)', async () => {
      const fixture = real('25-bad-2fa-device');
      const jvm = await start({ like: fixture, scenario: { 'second.factor': 'devices' } });
      const fence = await jvm.sees('could not find second factor device');
      await jvm.sees(FENCE, fence);
      assert.equal(await jvm.terminate(), fixture.status);
      assertSameMarkers(jvm, fixture);
    });

    test('no X display: 1100 after the command server (28)', async () => {
      const fixture = real('28-no-x-display');
      const jvm = await start({ like: fixture, display: ':55', args: (ini) => [ini] });
      assert.equal(await jvm.status(), fixture.status);
      assertSameMarkers(jvm, fixture);
    });

    test('no Configure > Settings menu with a setting to type: 1100 (29)', async () => {
      const fixture = real('29-missing-config-menu');
      const jvm = await start({ like: fixture, scenario: { 'main.menus': 'no', 'splash.ms': 'never' } });
      assert.equal(await jvm.status(), fixture.status);
      const shape: Shape = (list) => unordered(list, /^Starting Gateway$/, /^Found Gateway main window/);
      assertSameMarkers(jvm, fixture, shape);
    });
  });

  describe('does what no log shows but the reference describes', LIVES, () => {
    test('ClosedownAt stops a session that is logged in, without a flag file', async () => {
      const minute = new Date(Date.now() + 75_000).toISOString().slice(11, 16);
      const jvm = await start({ ini: { ClosedownAt: minute } });
      await jvm.sees(new RegExp(`Gateway will be shut down at \\d{4}/\\d\\d/\\d\\d ${minute}$`));
      const login = await jvm.sees('Login has completed');
      assert.equal(await jvm.exitedWithin(100_000), 0);
      const end = markers(jvm.lines.slice(login + 1));
      assert.deepEqual(end, [
        'Login has completed: exiting via [File, Close] menu',
        'Getting main window',
        'Main window already found',
        'detected dialog entitled: Exit; event=Opened',
        'Click button: Yes',
        'detected dialog entitled: Exit; event=Closed',
        'detected dialog entitled: Shutdown progress; event=Opened',
        'CommandServer closing',
        'CommandServer is shutdown',
      ]);
      assert.deepEqual(jvm.flags(), []);
    });

    test('more than six arguments are printed and refused: 1102', async () => {
      const jvm = await start({ args: () => ['a', 'b', 'c', 'secret', 'e', 'f', 'g'] });
      assert.equal(await jvm.status(), 1102 % 256);
      assert.deepEqual(texts(jvm.lines), [
        FENCE,
        'Incorrect number of arguments passed. quitting...',
        FENCE,
        'Number of arguments = 7',
        ...['a', 'b', 'c', 'secret', 'e', 'f', 'g'],
        'Exiting after error with exit code=1102',
      ]);
    });

    for (const ini of ['/nowhere/at/all.ini', '/tmp']) {
      test(`an ini that is no file, ${ini}: 1103`, async () => {
        const jvm = await start({ args: () => [ini, 'live'] });
        assert.equal(await jvm.status(), 1103 % 256);
        assert.deepEqual(texts(jvm.lines), [
          FENCE,
          `ini file "${ini}" either does not exist, or is a directory.  quitting...`,
          FENCE,
          'Exiting after error with exit code=1103',
        ]);
      });
    }

    for (const mode of ['demo', '']) {
      test(`mode argument '${mode}': 1104 after the echo of the ini`, async () => {
        const jvm = await start({ args: (ini) => [ini, mode] });
        assert.equal(await jvm.status(), 1104 % 256);
        const end = jvm.lines.indexOf('End IBC Settings');
        assert.deepEqual(texts(jvm.lines.slice(end + 1)), [
          '',
          FENCE,
          'Invalid Trading Mode argument or .ini file setting: null',
          FENCE,
          'Exiting after error with exit code=1104',
        ]);
      });
    }

    test('a wrong mode in the ini is noticed only at the login dialog: 1104', async () => {
      const jvm = await start({ ini: { TradingMode: 'demo' }, args: (ini) => [ini] });
      assert.equal(await jvm.status(), 1104 % 256);
      assert.deepEqual(markers(jvm.lines).slice(-3), [
        'Clicking IB API selector',
        '! Invalid Trading Mode argument or .ini file setting: null',
        'Exiting after error with exit code=1104',
      ]);
    });

    for (const [name, value, format] of [
      ['ColdRestartTime', '9:00', '<hh:mm>   eg 13:00'],
      ['ClosedownAt', 'Someday 22:00', '<[day ]hh:mm>   eg 22:00 or Friday 22:00'],
    ] as const) {
      test(`${name}=${value}: 1105`, async () => {
        const jvm = await start({ ini: { [name]: value } });
        assert.equal(await jvm.status(), 1105 % 256);
        const [fatal] = markers(jvm.lines).filter((line) => line.startsWith('! '));
        assert.equal(fatal, `! Invalid ${name} setting: '${value}'; format should be: ${format}`);
      });
    }

    test('a Sunday for the cold restart, and the earlier of the two plans', async () => {
      const jvm = await start({
        ini: { ColdRestartTime: '04:00', ClosedownAt: '', CommandServerPort: '0' },
        scenario: { 'start.delay.ms': 'never' },
      });
      const line = jvm.lines[await jvm.sees('Gateway will be')] ?? '';
      const day = /cold restarted at (\d{4})\/(\d\d)\/(\d\d) 04:00$/.exec(line);
      assert.ok(day, line);
      assert.equal(new Date(`${day[1]}-${day[2]}-${day[3]}T00:00:00Z`).getUTCDay(), 0);
      await jvm.sees('CommandServer is not started because the port is not configured');
      await jvm.kill();
      const daily = await start({
        ini: {
          ColdRestartTime: '00:01',
          ClosedownAt: new Date(Date.now() + 7_200_000).toISOString().slice(11, 16),
        },
        scenario: { 'start.delay.ms': 'never' },
      });
      const earlier = daily.lines[await daily.sees('Gateway will be')] ?? '';
      // Two hours from now is earlier than Sunday 00:01, unless that is less than two hours away.
      assert.match(earlier, /(shut down|cold restarted) at \d{4}\/\d\d\/\d\d \d\d:\d\d$/);
    });

    test('the ini is read and echoed as Java properties; a number with a blank is not one', async () => {
      const jvm = await start({
        iniText: [
          '# a comment',
          'IbLoginId=first',
          'IbLoginId=user\\u0031',
          'IbPassword=a\\\\b \u00e4',
          'IBPASSWORD=other case',
          'FIXPassword=',
          'aUnknown =  value with # and trailing blank ',
          'Zed=1',
          'CommandServerPort=PORT',
          'LoginDialogDisplayTimeout=180 ',
          'BindAddress=127.0.0.1 ',
          '',
        ].join('\n'),
        scenario: { 'start.delay.ms': 'never' },
      });
      await jvm.sees('IBC: Starting Gateway');
      assert.deepEqual(jvm.lines.slice(0, jvm.lines.indexOf('End IBC Settings') + 2), [
        'IBC Settings:',
        '    BindAddress=127.0.0.1 ',
        `    CommandServerPort=${jvm.port}`,
        '    FIXPassword=',
        '    IBPASSWORD=***',
        '    IbLoginId=***',
        '    IbPassword=***',
        '    LoginDialogDisplayTimeout=180 ',
        '    Zed=1',
        '    aUnknown=value with # and trailing blank ',
        'End IBC Settings',
        '',
      ]);
      await jvm.sees('Invalid number "180 " for property "LoginDialogDisplayTimeout"');
      await jvm.sees('will exit if login dialog is not displayed within 60 seconds');
      // INFO lines are suppressed by default, and CRLF is taken as a line end.
      const client = await Client.open(jvm.port);
      client.send('bogus\r\nExit\r\n');
      assert.equal(await client.all(), 'ERROR Command invalid\nOK Goodbye\n');
    });

    test('the right user and password reach Gateway from the ini, whatever letters they hold', async () => {
      const jvm = await start({
        iniText:
          'IbLoginId= user1 \nIbPassword=p\\\\w \\u20ac=#!\nBindAddress=127.0.0.1\nCommandServerPort=PORT\n',
        scenario: { 'expect.user': 'user1', 'expect.password': 'p\\\\w \\u20ac=#!' },
      });
      await jvm.sees('Login has completed');
      assert.ok(!jvm.output().includes('\u20ac'));
      assert.equal(await jvm.stop(), 0);
    });

    test('a command port in use is only logged, the login goes on', async (t) => {
      const blocker = createServer().listen(0, '127.0.0.1');
      t.after(() => blocker.close());
      await once(blocker, 'listening');
      const address = blocker.address();
      assert.ok(address !== null && typeof address === 'object');
      const jvm = await start({ commandPort: address.port });
      await jvm.sees('Login has completed');
      const own = markers(jvm.lines);
      const at = own.indexOf('CommandServer is starting with port PORT');
      assert.deepEqual(own.slice(at + 1, at + 6), [
        '! An exception has occurred:',
        '! Address already in use',
        'CommandServer failed to create socket',
        'CommandServer cannot process commands',
        'CommandServer is shutdown',
      ]);
      assert.equal(await jvm.terminate(), 143);
    });

    for (const missing of ['IbLoginId', 'IbPassword']) {
      test(`${missing} missing: filled as far as possible, then silence`, async () => {
        const jvm = await start({ ini: { [missing]: '' } });
        await jvm.sees('Setting password');
        assert.equal(await jvm.stop(), 0);
        assert.ok(!jvm.output().includes('Login attempt'));
        await jvm.sees('Login has not completed: exiting immediately');
      });
    }

    test('second factor runs out with Relogin off: not required, silence', async () => {
      const jvm = await start({
        ini: { SecondFactorAuthenticationTimeout: '1' },
        scenario: {
          'second.factor': 'push',
          'push.approve.after.ms': 'never',
          'second.factor.timeout.ms': '1300',
        },
      });
      await jvm.sees('Re-login after second factor authentication timeout not required');
      assert.equal(await jvm.stop(), 0);
      assert.ok(!jvm.output().includes('Login attempt: 2'));
    });

    for (const [action, when, line, ends] of [
      ['manual', 'before', 'User must choose whether to continue with this session (scenario 1)', false],
      ['secondary', 'before', 'End this session and let the other session proceed (scenario 2)', true],
      [
        'boss',
        'before',
        "ExistingSessionDetectedAction has an invalid value: boss: assuming 'secondary'",
        true,
      ],
      ['primary', 'after:100', 'Continue this session and let the other session exit (scenario 5)', false],
      ['primaryoverride', 'after:100', 'Other session may be primary, so end this session', true],
    ] as const) {
      test(`other session ${when} login with action ${action}`, async () => {
        const jvm = await start({
          ini: { ExistingSessionDetectedAction: action },
          scenario: { 'existing.session': when },
        });
        await jvm.sees(line);
        if (action === 'primary') await jvm.sees('Click button: Reconnect This Session');
        assert.equal(ends ? await jvm.status() : await jvm.stop(), 0);
        assert.equal(jvm.output().includes('Click button: Exit Application'), ends);
      });
    }

    test('kicked off: not logged in until Gateway has logged in again', async () => {
      const jvm = await start({ scenario: { 'relogin.after.ms': '300' } });
      const again = await jvm.sees('Re-login to session');
      await jvm.sees('Click button: Re-login', again);
      await jvm.sees('Login has completed', again);
      assert.equal(await jvm.stop(), 0);
      await jvm.sees('Login has completed: exiting via [File, Close] menu');
    });

    test('jts.ini: kept lines stay, forced ones are corrected, missing ones are added, then all is confirmed', async () => {
      const text = '[Logon]\nTimeZone=Etc/UTC\nUseSSL=false\ns3store=false\n[Communication]\nPeer=x:4001\n';
      const never = { 'start.delay.ms': 'never' };
      const jvm = await start({
        ini: { TrustedTwsApiClientIPs: '192.0.2.9' },
        scenario: never,
        prepare: (directory) => writeFile(join(directory, 'jts.ini'), text),
      });
      await jvm.sees('IBC: Starting Gateway');
      const own = markers(jvm.lines);
      const from = own.findIndex((line) => line.startsWith('Ensuring'));
      assert.deepEqual(own.slice(from, own.indexOf('Starting Gateway')), [
        'Ensuring live/jts.ini contains required minimal lines',
        'Found setting: [Logon]/s3store=false',
        "Can't find setting: [Logon]/Locale=en",
        "Can't find setting: [Logon]/displayedproxymsg=1",
        'Found setting: [Logon]/UseSSL=false: updating value to true',
        "Can't find setting: [IBGateway]/ApiOnly=true",
        "Can't find setting: [IBGateway]/TrustedIPs=127.0.0.1,192.0.2.9",
        'Missing lines in live/jts.ini',
        'Some settings updated in live/jts.ini',
        'Rewriting existing live/jts.ini',
        ...JTS_AFTER.map((line) => `    jts.ini: ${line}`),
      ]);
      assert.equal(await readFile(join(jvm.settingsDir, 'jts.ini'), 'utf8'), `${JTS_AFTER.join('\n')}\n`);
      await jvm.kill();
      const again = await start({ ini: { TrustedTwsApiClientIPs: '192.0.2.9' }, scenario: never, in: jvm });
      await again.sees(/Confirmed \S+\/jts\.ini contains required minimal lines$/);
    });

    test('jts.ini is a directory: 1108', async () => {
      const jvm = await start({ prepare: (directory) => mkdir(join(directory, 'jts.ini')) });
      assert.equal(await jvm.status(), 1108 % 256);
      await jvm.sees(/jts\.ini already exists but is a directory$/);
    });

    test('settings that are set already are left, another time is a change', async () => {
      const port = String(await freePort());
      const ini = {
        OverrideTwsApiPort: port,
        ReadOnlyApi: 'yes',
        AutoRestartTime: '11:55 PM',
        AutoLogoffTime: '10:00 PM',
      };
      const jvm = await start({ ini });
      await jvm.sees('AutoLogoffTime is ignored because AutoRestartTime is also set');
      await jvm.sees('Configuration; event=Closed');
      await jvm.sees('Login has completed');
      assert.equal(await jvm.stop(), 0);
      const again = await start({
        in: jvm,
        ini: { ...ini, AutoRestartTime: '01:05 AM', BypassBondWarning: 'yes' },
      });
      await again.sees('Configuration; event=Closed');
      for (const line of [
        `TWS API socket port is already set to ${port}`,
        'Read-Only API checkbox is already set to: true',
        'Auto restart time changed from 11:55 PM to 01:05 AM',
        "'Bypass Bond warning for API Orders.' is now selected",
      ]) {
        await again.sees(line);
      }
      await again.kill();
    });

    test('a precaution that is neither yes nor no: 1105', async () => {
      const jvm = await start({ ini: { BypassOrderPrecautions: 'true' } });
      assert.equal(await jvm.status(), 1105 % 256);
      await jvm.sees("Invalid setting value for 'Bypass Order Precautions for API Orders'");
    });

    test('a second STOP on a connection that was open already is refused', async () => {
      const jvm = await start({ scenario: { 'shutdown.ms': '1500' } });
      await jvm.sees('Login has completed');
      const early = await Client.open(jvm.port);
      await early.until('INFO IBC Command Server\n');
      await converse(jvm.port, ['STOP']);
      early.send('STOP\n');
      assert.equal(await early.all(), 'INFO IBC Command Server\nERROR STOP already in progress\n');
      assert.equal(await jvm.status(), 0);
    });

    test('FIX=yes refuses what belongs to the API gateway', async () => {
      const jvm = await start({
        ini: { FIX: 'yes', SuppressInfoMessages: 'yes' },
        scenario: { 'start.delay.ms': 'never' },
      });
      await jvm.sees('CommandServer started');
      assert.equal(
        await converse(jvm.port, ['RECONNECTDATA', 'RECONNECTACCOUNT', 'RESTART', 'PAUSE', 'STOP']),
        'ERROR RECONNECTDATA is not valid for the FIX Gateway\n' +
          'ERROR RECONNECTACCOUNT is not valid for the FIX Gateway\n' +
          'ERROR RESTART is not valid for the FIX Gateway\n' +
          'ERROR PAUSE is not valid for the FIX Gateway\n' +
          'OK Shutting down: STOP command\n',
      );
      assert.equal(await jvm.status(), 0);
    });

    test('ControlFrom lets another peer in; RECONNECTACCOUNT waits for the main window', async () => {
      const jvm = await start({
        ini: { BindAddress: '', ControlFrom: '192.0.2.1,127.0.0.2' },
        scenario: { 'start.delay.ms': '700' },
      });
      await jvm.sees('IBC: Starting Gateway');
      const client = await Client.open(jvm.port, '127.0.0.2');
      client.send('RECONNECTACCOUNT\nSTOP\n');
      await client.until('OK \nINFO Closing IBC\nOK Shutting down: STOP command\n');
      await jvm.sees('Creating main window future');
      assert.equal(await jvm.status(), 0);
    });

    test('RESTART in a locale with small am and pm: both OK lines, an exception, the dialog stays', async () => {
      const jvm = await start({ options: ['-Duser.language=en', '-Duser.country=GB'] });
      await jvm.sees('Login has completed');
      const talk = await converse(jvm.port, ['RESTART']);
      assert.match(talk, /^INFO .*\nINFO .*\nOK RESTART in progress\nOK RESTART at \d\d:\d\d [ap]m\n$/);
      await jvm.sees(/^Text '11:45 PM' could not be parsed/);
      assert.equal(await jvm.terminate(), 143);
      assert.ok(!jvm.output().includes('Configuration tasks completed'));
    });

    test('PAUSE without the two properties kills the JVM: 1100', async () => {
      const jvm = await start({ withoutFlagProperties: true });
      await jvm.sees('Login has completed');
      assert.equal(await converse(jvm.port, ['PAUSE']), 'INFO IBC Command Server\nINFO Pausing TWS\n');
      assert.equal(await jvm.status(), 1100 % 256);
    });

    test('an exception in any thread of the JVM: 1100', async () => {
      const jvm = await start({ codes: ['throw'], scenario: { 'start.delay.ms': 'never' } });
      assert.equal(await jvm.status(), 1100 % 256);
      assert.deepEqual(markers(jvm.lines).slice(-3), [
        '! An exception has occurred:',
        '! failed on purpose',
        'Exiting after error with exit code=1100',
      ]);
    });

    test('no Gateway on the classpath: 1107', async () => {
      const jvm = await start({ withoutGateway: true });
      assert.equal(await jvm.status(), 1107 % 256);
      assert.deepEqual(markers(jvm.lines).slice(-4), [
        'Starting Gateway',
        '! An exception has occurred:',
        '! ibgateway.GWClient',
        'Exiting after error with exit code=1107',
      ]);
    });

    test('a restart whose token is gone: login dialog, silence, hard stop', async () => {
      const jvm = await start({ restart: 'abcdefghijklmnopqrstuvwxyzabcdefghijklmn' });
      await jvm.sees('Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT');
      assert.equal(await jvm.stop(), 0);
      const own = markers(jvm.lines);
      assert.ok(own.includes('Re-starting session'));
      assert.ok(!own.includes('Clicking IB API selector'));
      assert.ok(own.includes('Login has not completed: exiting immediately'));
    });

    test('a restart whose token is refused: Login Error, cold restart wanted', async () => {
      const name = 'abcdefghijklmnopqrstuvwxyzabcdefghijklmn';
      const jvm = await start({
        restart: name,
        scenario: { 'autorestart.refuse': 'yes' },
        prepare: async (directory) => {
          await mkdir(join(directory, name));
          await writeFile(join(directory, name, 'autorestart'), '');
        },
      });
      assert.equal(await jvm.status(), 0);
      await jvm.sees('Login error message:');
      assert.deepEqual(jvm.flags(), ['COLDRESTART']);
    });

    test('a window whose opening is never reported is only seen by its other events', async () => {
      const jvm = await start({
        ini: { ReloginAfterSecondFactorAuthenticationTimeout: 'yes' },
        scenario: { 'second.factor': 'push', 'ibc.never.opened': 'Second Factor' },
      });
      await jvm.sees('Second Factor Authentication; event=Activated');
      await jvm.sees('If login has not completed, IBC will exit in 60 seconds');
      await jvm.sees('Login has completed');
      assert.equal(await jvm.stop(), 0);
      assert.ok(!/Second Factor Authentication(; event=Opened| initiated)/.test(jvm.output()));
    });

    test('too many failed attempts with Relogin off: silence', async () => {
      const jvm = await start({ scenario: { 'login.result': 'too-many:1' } });
      const at = await jvm.sees('Too many failed login attempts');
      await jvm.sees('detected dialog entitled: ; event=Activated');
      assert.equal(await jvm.stop(), 0);
      assert.ok(!jvm.lines.slice(at).some((line) => /Will re-login|Click button/.test(line)));
    });

    test('without AcceptNonBrokerageAccountWarning the paper warning stays', async () => {
      const jvm = await start({ mode: 'paper', ini: { AcceptNonBrokerageAccountWarning: 'no' } });
      await jvm.sees('Warning; event=Opened');
      assert.equal(await jvm.terminate(), 143);
      assert.ok(!jvm.output().includes('I understand and accept'));
    });
  });
});

const JTS_AFTER = [
  '[Logon]',
  'TimeZone=Etc/UTC',
  'UseSSL=true',
  's3store=false',
  'Locale=en',
  'displayedproxymsg=1',
  '[Communication]',
  'Peer=x:4001',
  '[IBGateway]',
  'ApiOnly=true',
  'TrustedIPs=127.0.0.1,192.0.2.9',
];

/** Lines without their stamps. */
function texts(lines: readonly string[]): readonly string[] {
  return lines.map((line) => STAMPED.exec(line)?.[3] ?? line);
}
