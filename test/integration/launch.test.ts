// The launchers as programs: from their start to a real Xvfb and a real JVM in their place.

import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { buildBridgeJar } from '../../build-bridge.ts';
import { BridgeClient } from '../../src/bridge/client.ts';
import { sessionPaths } from '../../src/config/paths.ts';
import { connectDisplay } from '../../src/display/x-server.ts';
import { findCookie } from '../../src/display/xauthority.ts';
import {
  type AfterRecord,
  type LaunchFailure,
  type LaunchOrder,
  parseLaunchFailure,
} from '../../src/gateway/launch-records.ts';
import { delay, SystemClock } from '../../src/host/clock.ts';
import { peerCredentials } from '../../src/host/peercred.ts';
import { findJavaHome, layInstall } from '../standin/build.ts';

const SESSION_MAIN = join(import.meta.dirname, '..', '..', 'src', 'launch', 'session-main.ts');
const DISPLAY_MAIN = join(import.meta.dirname, '..', '..', 'src', 'launch', 'display-main.ts');
const PROBE = join(import.meta.dirname, 'probe');
const PASSWORD = 'pä;#=\\ "x🔐';
const clock = new SystemClock();

let root = '';
let probeJar = '';
const running = new Set<ChildProcess>();

before(async () => {
  buildBridgeJar();
  const work = mkdtempSync(join(tmpdir(), 'probe-'));
  const home = await findJavaHome();
  const source = join(PROBE, 'ibcalpha', 'ibc', 'IbcGateway.java');
  execFileSync(join(home, 'bin', 'javac'), ['-encoding', 'UTF-8', '-d', join(work, 'classes'), source]);
  probeJar = join(work, 'IBC.jar');
  execFileSync(join(home, 'bin', 'jar'), ['--create', '--file', probeJar, '-C', join(work, 'classes'), '.']);
});
after(() => rmSync(dirname(probeJar), { recursive: true, force: true }));

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'launch-'));
});
afterEach(async () => {
  for (const child of running) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  running.clear();
  rmSync(root, { recursive: true, force: true });
});

const paths = () => sessionPaths({ runtimeRoot: join(root, 'run'), stateRoot: join(root, 'state') }, 'live');
const configFile = () => join(root, 'ib-agent.yaml');

async function lay(ibcJar: string | undefined, session = ''): Promise<void> {
  await layInstall({ root, ...(ibcJar === undefined ? {} : { ibcJar }) });
  writeFileSync(
    configFile(),
    `agent:
  runtimeRoot: ${root}/run
  stateRoot: ${root}/state
sessions:
  live:
    mode: live
    install: { ibcDir: ${root}/ibc, gatewayDir: ${root}/Jts, gatewayVersion: "1045" }
    settingsDir: ${root}/settings
    api: { port: ${20_000 + (process.pid % 10_000)} }
    timeZone: Asia/Tokyo
    display: { size: 640x480 }
    jvm: { options: ["-Da.blank=b c"] }
    credentials: { directory: ${root}/credentials }
${session}`,
  );
  mkdirSync(join(root, 'credentials'), { mode: 0o700 });
  mkdirSync(join(root, 'settings'), { mode: 0o700 });
  writeFileSync(join(root, 'credentials', 'username'), 'user1\n', { mode: 0o600 });
  writeFileSync(join(root, 'credentials', 'password'), `${PASSWORD}\n`, { mode: 0o600 });
}

/** Title of the main window, as the window bridge that the launcher loaded shows it to this user. */
async function titleThroughBridge(): Promise<string | undefined> {
  assert.equal((statSync(paths().bridgeSocket).mode & 0o777).toString(8), '660');
  const bridge = new BridgeClient({ path: paths().bridgeSocket, clock, serverUid: process.getuid?.() ?? 0 });
  bridge.connect();
  try {
    await bridge.whenOpen(10_000);
    const { windows } = await bridge.windows({}, 10_000);
    return windows.find(({ kind }) => kind === 'frame')?.title;
  } finally {
    bridge.close();
  }
}

function order(changes: Partial<LaunchOrder> = {}): void {
  const whole: LaunchOrder = {
    v: 1,
    session: 'live',
    id: 'a1',
    kind: 'cold',
    notAfter: clock.now() + 60_000,
    ...changes,
  };
  mkdirSync(dirname(paths().launchOrder), { recursive: true });
  writeFileSync(paths().launchOrder, JSON.stringify(whole));
}

type Started = {
  readonly child: ChildProcess;
  /** Both streams, in the order of arrival. */
  readonly lines: string[];
  /** Resolves when a line matches; rejects when the program ends first. */
  line(pattern: RegExp): Promise<string>;
  readonly ended: Promise<{ status: number | null; signal: string | null }>;
};

function start(main: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Started {
  const child = spawn(process.execPath, [main, ...args, '--config', configFile()], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      JAVA_TOOL_OPTIONS: '-Dinherited=yes',
      SECRET_OF_THE_PARENT: '1',
      ...env,
    },
  });
  running.add(child);
  const lines: string[] = [];
  const waiting: { pattern: RegExp; resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      for (const wait of waiting) if (wait.pattern.test(line)) wait.resolve(line);
    });
  }
  const ended = once(child, 'close').then(() => {
    running.delete(child);
    for (const wait of waiting) wait.reject(new Error(`ended before ${wait.pattern}:\n${lines.join('\n')}`));
    return { status: child.exitCode, signal: child.signalCode };
  });
  return {
    child,
    lines,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const found = lines.find((line) => pattern.test(line));
        if (found !== undefined) resolve(found);
        else waiting.push({ pattern, resolve, reject });
      }),
    ended,
  };
}

function probed(started: Started, what: string): string[] {
  const prefix = `probe ${what} `;
  return started.lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
}

function failureOf(started: Started): LaunchFailure {
  const failures = started.lines.map(parseLaunchFailure).filter((failure) => failure !== null);
  assert.equal(failures.length, 1, started.lines.join('\n'));
  return failures[0] ?? assert.fail();
}

function runAfter(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): AfterRecord {
  const output = execFileSync(
    process.execPath,
    [SESSION_MAIN, 'after', 'live', ...args, '--config', configFile()],
    {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], ...env },
    },
  );
  assert.equal(output.split('\n').length, 2, 'one line');
  return JSON.parse(output) as AfterRecord;
}

describe('ib-session with a real display and a real JVM', () => {
  it('becomes java with the password, the display, the environment and the descriptors as they should be', async () => {
    await lay(probeJar);
    order();
    // Both at once, as a supervisor does.
    const display = start(DISPLAY_MAIN, ['live']);
    const session = start(SESSION_MAIN, ['live']);
    const { status } = await session.ended;
    assert.equal(status, 1111 % 256, session.lines.join('\n'));

    const [password = ''] = probed(session, 'password');
    assert.equal(Buffer.from(password, 'hex').swap16().toString('utf16le'), PASSWORD);
    assert.deepEqual(probed(session, 'screen'), ['640x480']);
    assert.deepEqual(probed(session, 'cwd'), [join(root, 'settings')]);
    assert.deepEqual(probed(session, 'arg0'), [paths().configIni]);
    assert.deepEqual(probed(session, 'arg1'), ['live']);
    assert.deepEqual(probed(session, 'jtsConfigDir'), [join(root, 'settings')]);
    assert.deepEqual(probed(session, 'restart'), ['null']);
    assert.deepEqual(probed(session, 'zone'), ['Asia/Tokyo']);
    assert.deepEqual(probed(session, 'a.blank'), ['b c']);
    assert.deepEqual(probed(session, 'stdin'), ['/dev/null']);
    const number = (JSON.parse(readFileSync(paths().displayRecord, 'utf8')) as { number: number }).number;
    assert.deepEqual(probed(session, 'env'), [
      `DISPLAY=:${number}`,
      `HOME=${paths().state}`,
      'LANG=C.UTF-8',
      'LC_ALL=C.UTF-8',
      'PATH=/usr/local/bin:/usr/bin:/bin',
      'TZ=Asia/Tokyo',
      `XAUTHORITY=${paths().displayCookie}`,
    ]);
    for (const descriptor of ['1', '2']) {
      const [flags = ''] = probed(session, `flags${descriptor}`);
      assert.equal(Number.parseInt(flags, 8) & 0o4000, 0, `descriptor ${descriptor} blocks`);
    }
    assert.equal(
      session.lines.some((line) => /ExperimentalWarning|JAVA_TOOL_OPTIONS/.test(line)),
      false,
    );
    assert.equal(statSync(paths().configIni).mode & 0o777, 0o400);
    assert.equal(statSync(paths().displayCookie).mode & 0o777, 0o640);
    assert.equal(statSync(dirname(paths().displayCookie)).mode & 0o777, 0o750);

    const record = runAfter(['--status', '87']);
    assert.equal(record.orderId, 'a1');
    assert.equal(record.status, 87);
    assert.equal(existsSync(paths().configIni), false);
    display.child.kill('SIGTERM');
    assert.deepEqual(await display.ended, { status: 0, signal: null });
  });

  it('loses no line of 200,000 to a slow reader of its pipe', async () => {
    await lay(probeJar);
    writeFileSync(join(root, 'settings', 'flood'), '200000');
    order();
    start(DISPLAY_MAIN, ['live']);
    const fifo = join(root, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const shell = 'exec "$@" >"$FIFO" 2>&1';
    const argv = ['-c', shell, 'sh', process.execPath, SESSION_MAIN, 'live', '--config', configFile()];
    const child = spawn('sh', argv, { stdio: 'inherit', env: { PATH: process.env['PATH'], FIFO: fifo } });
    running.add(child);

    const seen = new Set<number>();
    let rest = '';
    let chunks = 0;
    for await (const chunk of createReadStream(fifo, { encoding: 'latin1', highWaterMark: 64 * 1024 })) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const match = /^line (\d+) of a gateway that has much to say$/.exec(line);
        if (match !== null) seen.add(Number(match[1]));
      }
      chunks += 1;
      // The slowness itself, so that the pipe is full nearly all the time.
      if (chunks % 4 === 0) await delay(clock, 3);
    }
    assert.equal(seen.size, 200_000);
  });

  it('hands over descriptors that block when it got them non-blocking', async () => {
    await lay(probeJar);
    order();
    start(DISPLAY_MAIN, ['live']);
    const fifo = join(root, 'fifo');
    execFileSync('mkfifo', [fifo]);
    // Python's os module sets O_NONBLOCK on the shared open file before it becomes the launcher.
    const script =
      'import os,sys; f=os.open(sys.argv[1],os.O_WRONLY); os.set_blocking(f,False); os.dup2(f,1); os.dup2(f,2); os.execv(sys.argv[2],sys.argv[2:])';
    const argv = ['-c', script, fifo, process.execPath, SESSION_MAIN, 'live', '--config', configFile()];
    const child = spawn('python3', argv, { stdio: 'inherit', env: { PATH: process.env['PATH'] } });
    running.add(child);
    let text = '';
    for await (const chunk of createReadStream(fifo, { encoding: 'utf8' })) text += String(chunk);
    for (const descriptor of ['1', '2']) {
      const flags = new RegExp(`^probe flags${descriptor} (\\d+)$`, 'm').exec(text)?.[1] ?? assert.fail(text);
      assert.equal(Number.parseInt(flags, 8) & 0o4000, 0);
    }
  });

  it('has a display that takes the published cookie and no other', async () => {
    await lay(probeJar);
    const display = start(DISPLAY_MAIN, ['live']);
    const target = (cookie: Uint8Array | null) => ({
      uid: process.getuid?.() ?? 0,
      readPeer: peerCredentials,
      clock,
      deadlineMs: 10_000,
      readTarget: () => {
        if (!existsSync(paths().displayRecord)) return null;
        const { number } = JSON.parse(readFileSync(paths().displayRecord, 'utf8')) as { number: number };
        const published = findCookie(readFileSync(paths().displayCookie));
        return published === null ? null : { number, cookie: cookie ?? published };
      },
    });
    const ready = await connectDisplay(target(null));
    assert.equal(ready.kind, 'ready');
    assert.equal(ready.kind === 'ready' ? ready.pid : null, display.child.pid);
    const refused = await connectDisplay({ ...target(new Uint8Array(16)), deadlineMs: 50 });
    assert.equal(refused.kind === 'failed' ? refused.answer?.kind : null, 'refused');
  });
});

describe('ib-session whose java is no program', () => {
  it('says so and leaves no password on disk', async () => {
    await lay(probeJar);
    const java = join(root, 'jre', 'bin', 'java');
    mkdirSync(dirname(java), { recursive: true });
    writeFileSync(java, '\x7fELF of another machine', { mode: 0o755 });
    writeFileSync(
      join(root, 'Jts', 'ibgateway', '1045', '.install4j', 'inst_jre.cfg'),
      `${join(root, 'jre')}\n`,
    );
    order();
    start(DISPLAY_MAIN, ['live']);
    const session = start(SESSION_MAIN, ['live']);
    assert.equal((await session.ended).status, 78);
    const failure = failureOf(session);
    assert.equal(failure.code, 'java-missing');
    assert.ok(failure.message.includes(java), failure.message);
    const [taken, , ...more] = session.lines;
    assert.match(taken ?? '', /^ib-session: launch order \S+ is taken \(cold\)$/);
    assert.deepEqual(more, []);
    assert.equal(existsSync(paths().configIni), false);
  });
});

describe('the launchers on the command line', () => {
  it('explain themselves', () => {
    const help = (main: string, ...args: string[]) =>
      execFileSync(process.execPath, [main, ...args], { encoding: 'utf8' });
    assert.match(help(SESSION_MAIN, '--help'), /ib-session after NAME/);
    assert.match(help(DISPLAY_MAIN, '--help'), /Usage: ib-display NAME/);
    assert.match(help(SESSION_MAIN, '--version'), /^\d+\.\d+\.\d+\n$/);
    assert.match(help(DISPLAY_MAIN, '--version'), /^\d+\.\d+\.\d+\n$/);
  });

  it('end with 2 for a wrong command line', async () => {
    await lay(probeJar);
    for (const [main, args] of [
      [SESSION_MAIN, []],
      [SESSION_MAIN, ['before', 'live']],
      [SESSION_MAIN, ['after', 'live', 'more']],
      [SESSION_MAIN, ['live', '--nonsense']],
      [DISPLAY_MAIN, []],
      [DISPLAY_MAIN, ['live', 'more']],
    ] as const) {
      const started = start(main, args);
      assert.equal((await started.ended).status, 2, args.join(' '));
      assert.match(started.lines.join('\n'), /Usage:/);
    }
  });

  it('end with 78 and one failure line without an order, with one that was used, and for an unknown session', async () => {
    await lay(probeJar);
    const without = start(SESSION_MAIN, ['live']);
    assert.equal((await without.ended).status, 78);
    assert.deepEqual(without.lines.length, 1);
    assert.equal(failureOf(without).hint, 'use: ibctl login live');
    const unknown = start(DISPLAY_MAIN, ['demo']);
    assert.equal((await unknown.ended).status, 78);
    assert.equal(failureOf(unknown).code, 'config-invalid');
    assert.match(failureOf(unknown).hint, /live/);
  });

  it('name the search path and the package when there is no Xvfb', async () => {
    await lay(probeJar);
    const display = start(DISPLAY_MAIN, ['live'], { PATH: '/nowhere/bin:/nowhere/else' });
    assert.equal((await display.ended).status, 78);
    const failure = failureOf(display);
    assert.equal(failure.code, 'xvfb-missing');
    assert.match(failure.message, /\/nowhere\/bin:\/nowhere\/else/);
    assert.match(failure.hint, /apt install xvfb/);
  });

  it('print an after line from what systemd says, also when the configuration is broken', async () => {
    await lay(probeJar);
    assert.deepEqual(runAfter([], { EXIT_CODE: 'killed', EXIT_STATUS: 'KILL' }).signal, 'SIGKILL');
    writeFileSync(configFile(), 'sessions: [');
    const record = runAfter([], { EXIT_CODE: 'exited', EXIT_STATUS: '143' });
    assert.deepEqual([record.status, record.autorestart.tokens], [143, 'none']);
  });
});

describe('two displays', () => {
  it('take different numbers, also when they start at the same moment', async () => {
    await lay(probeJar);
    const other = readFileSync(configFile(), 'utf8').replace(
      /^sessions:\n( {2}live:[\s\S]*)$/m,
      (_all, live: string) => {
        const paper = live
          .replace('live:', 'paper:')
          .replace(/port: (\d+)/, 'port: 19999')
          .replace('/settings', '/settings2');
        return `sessions:\n${live}${paper}`;
      },
    );
    writeFileSync(configFile(), other);
    const displays = [start(DISPLAY_MAIN, ['live']), start(DISPLAY_MAIN, ['paper'])];
    const numbers = new Set<number>();
    for (const name of ['live', 'paper']) {
      const file = sessionPaths(
        { runtimeRoot: join(root, 'run'), stateRoot: join(root, 'state') },
        name,
      ).displayRecord;
      const record = await poll(() =>
        existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { number: number }) : null,
      );
      const { number } = record;
      await poll(() =>
        readFileSync('/proc/net/unix', 'latin1').includes(` @/tmp/.X11-unix/X${number}\n`) ? true : null,
      );
      numbers.add(number);
    }
    assert.equal(numbers.size, 2);
    for (const display of displays) display.child.kill('SIGTERM');
    for (const display of displays) {
      // One that has not come to handling signals yet ends by it.
      const { status, signal } = await display.ended;
      assert.ok(status === 0 || signal === 'SIGTERM', `${status} ${signal}`);
    }
  });
});

describe('ib-session with the stand-in gateway', () => {
  it('logs in, and after a STOP leaves nothing behind', async () => {
    await lay(undefined);
    writeFileSync(
      join(root, 'settings', 'standin.properties'),
      `expect.user=user1\nexpect.password=${PASSWORD.replaceAll('\\', '\\\\')}\n`,
    );
    order();
    start(DISPLAY_MAIN, ['live']);
    const session = start(SESSION_MAIN, ['live']);
    await session.line(/IBC: Login has completed/);
    assert.equal(existsSync(join(root, 'Jts', 'ibgateway', '1045', 'ibgateway')), false);
    assert.equal(await titleThroughBridge(), 'IBKR Gateway - Live Trading');
    session.child.kill('SIGTERM');
    assert.deepEqual(await session.ended, { status: 143, signal: null });
    const record = runAfter(['--status', '143']);
    assert.deepEqual(record.flags, { coldRestart: false, pause: false });
    assert.deepEqual(record.autorestart, { tokens: 'none', ageMs: null });
    assert.equal(existsSync(paths().configIni), false);
    assert.equal(existsSync(paths().launchRecord), false);
    assert.equal(existsSync(paths().bridgeSocket), false);
  });

  it('is closed tidily by ib-session stop, also by two at the same moment, without a word', async () => {
    await lay(undefined);
    writeFileSync(join(root, 'settings', 'standin.properties'), '');
    order();
    start(DISPLAY_MAIN, ['live']);
    const session = start(SESSION_MAIN, ['live']);
    await session.line(/IBC: Login has completed/);
    const stops = [1, 2].map(() =>
      start(SESSION_MAIN, ['stop', 'live'], { MAINPID: String(session.child.pid) }),
    );
    assert.deepEqual(await session.ended, { status: 0, signal: null });
    for (const stop of stops) {
      assert.deepEqual([await stop.ended, stop.lines], [{ status: 0, signal: null }, []]);
    }
    assert.ok(session.lines.some((line) => line.includes('STANDIN shutting down: closed by the menu')));
  });

  it('that shows a login window only is left to systemd’s signal at once, with the reason', async () => {
    await lay(undefined);
    writeFileSync(join(root, 'settings', 'standin.properties'), 'login.delay.ms=120000\n');
    order();
    start(DISPLAY_MAIN, ['live']);
    const session = start(SESSION_MAIN, ['live']);
    await session.line(/IBC: Login dialog WINDOW_OPENED/);
    const begun = clock.monotonicMs();
    const stop = start(SESSION_MAIN, ['stop', 'live'], { MAINPID: String(session.child.pid) });
    assert.deepEqual(await stop.ended, { status: 0, signal: null });
    assert.ok(clock.monotonicMs() - begun < 20_000);
    assert.equal(stop.lines.length, 1);
    assert.match(
      stop.lines[0] ?? '',
      /the gateway cannot be asked to close: it has no main window, so it is not logged in yet or not any more; systemd ends it by SIGTERM$/,
    );
    assert.equal(session.child.exitCode, null);
  });

  it('takes up the token of an automatic restart without a login', async () => {
    await lay(undefined);
    const scenario = join(root, 'settings', 'standin.properties');
    writeFileSync(scenario, '');
    order();
    start(DISPLAY_MAIN, ['live']);
    const first = start(SESSION_MAIN, ['live']);
    await first.line(/IBC: Login has completed/);
    writeFileSync(scenario, 'now.restart=1\n');
    assert.deepEqual(await first.ended, { status: 0, signal: null });
    const record = runAfter(['--status', '0']);
    assert.equal(record.autorestart.tokens, 'one');

    order({ id: 'a2', kind: 'warm' });
    const second = start(SESSION_MAIN, ['live']);
    await second.line(/IBC: Login has completed/);
    assert.ok(second.lines.some((line) => line.includes('IBC: Re-starting session')));
    assert.equal(
      second.lines.some((line) => line.includes('Login attempt')),
      false,
    );
    second.child.kill('SIGTERM');
    await second.ended;
    assert.equal(runAfter(['--status', '143']).kind, 'warm');
  });
});

/** What `look` gives once it is not null; fails after ten seconds. */
async function poll<T>(look: () => T | null): Promise<T> {
  const end = clock.monotonicMs() + 10_000;
  for (;;) {
    const found = look();
    if (found !== null) return found;
    if (clock.monotonicMs() > end) throw new Error(`not seen in time: ${look}`);
    await delay(clock, 10);
  }
}
