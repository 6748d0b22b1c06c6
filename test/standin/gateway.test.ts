// The stand-in Gateway on its own: windows worked by a small Java driver, the API read by an independent client library.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { access, appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EventName, IBApi } from '@stoqey/ib';
import { buildGatewayJar, findJavaHome, layInstall } from './build.ts';

const DRIVER = join(import.meta.dirname, 'gateway-driver', 'Driver.java');
const TOKEN_DIR = 'abcdefghijklmnopqrstuvwxyzabcdefghijklmn';

let root = '';
let jar = '';
let driver = '';
let java = '';
let xvfb: ChildProcess | undefined;
let display = '';

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'standin-gateway-'));
  jar = await buildGatewayJar();
  const home = await findJavaHome();
  java = join(home, 'bin', 'java');
  driver = join(root, 'driver');
  await promisify(execFile)(join(home, 'bin', 'javac'), ['-cp', jar, '-d', driver, DRIVER]);
  const args = ['-displayfd', '3', '-screen', '0', '1024x768x24', '-nolisten', 'tcp', '-noreset'];
  xvfb = spawn('Xvfb', args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const numbers = xvfb.stdio[3];
  assert.ok(numbers && 'setEncoding' in numbers);
  const [data] = await once(numbers, 'data');
  display = `:${String(data).trim()}`;
});

after(async () => {
  if (xvfb) {
    xvfb.kill();
    await once(xvfb, 'exit');
  }
  await rm(root, { recursive: true, force: true });
});

/** A running JVM with the stand-in in it. */
class Gateway {
  readonly settings: string;
  readonly port: number;
  readonly process: ChildProcess;
  readonly lines: string[] = [];
  readonly exit: Promise<number | null>;

  constructor(settings: string, port: number, child: ChildProcess) {
    this.settings = settings;
    this.port = port;
    this.process = child;
    this.exit = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : null));
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
    }
  }

  /** Waits until some line contains the text. */
  async sees(text: string): Promise<void> {
    await until(
      () => this.lines.some((line) => line.includes(text)),
      () => `no line with '${text}' in:\n${this.lines.join('\n')}`,
    );
  }

  async driver(command: string): Promise<string> {
    const seen = this.lines.filter((line) => line.startsWith('DRIVER ')).length;
    this.process.stdin?.write(`${command}\n`);
    const answers = () => this.lines.filter((line) => line.startsWith('DRIVER '));
    await until(
      () => answers().length > seen,
      () => `the driver did not answer '${command}'`,
    );
    return (answers()[seen] ?? '').slice('DRIVER '.length);
  }

  /** Repeats the command until the driver has found its target. */
  async does(command: string): Promise<void> {
    await until(
      async () => (await this.driver(command)) === 'ok',
      () => `'${command}' found nothing in:\n${this.lines.join('\n')}`,
    );
  }

  async shows(text: string): Promise<void> {
    let last = '';
    await until(
      async () => {
        last = await this.driver('windows');
        return last.includes(text);
      },
      () => `no window shows '${text}', only ${last}`,
    );
  }

  async order(line: string): Promise<void> {
    await appendFile(join(this.settings, 'standin.properties'), `${line}\n`);
  }
}

type Start = { scenario?: string; warm?: boolean; settings?: string; classpath?: string; restart?: string };

async function start(t: { after(fn: () => Promise<void>): void }, options: Start): Promise<Gateway> {
  const settings = options.settings ?? (await mkdtemp(join(root, 'settings-')));
  const port = await freePort();
  const scenario = `api.port=${port}\nlogin.delay.ms=20\nsplash.ms=40\nshutdown.ms=20\n${options.scenario ?? ''}\n`;
  await writeFile(join(settings, 'standin.properties'), scenario);
  let restart = options.restart;
  if (options.warm) {
    restart = TOKEN_DIR;
    await mkdir(join(settings, TOKEN_DIR), { recursive: true });
    await writeFile(join(settings, TOKEN_DIR, 'autorestart'), '');
  }
  const args = [
    '-Xmx128m',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-cp',
    `${options.classpath ?? jar}:${driver}`,
  ];
  if (restart) args.push(`-Drestart=${restart}`);
  const child = spawn(java, [...args, 'Driver', settings], {
    cwd: settings,
    env: { DISPLAY: display, HOME: settings, LC_ALL: 'C.UTF-8', TZ: 'Etc/UTC', PATH: '/usr/bin:/bin' },
  });
  const gateway = new Gateway(settings, port, child);
  t.after(async () => {
    child.kill('SIGKILL');
    await gateway.exit;
  });
  return gateway;
}

async function logIn(gateway: Gateway, mode: 'Log In' | 'Paper Log In', password = 'secret'): Promise<void> {
  await gateway.does('fill user1 '.concat(password));
  if (mode === 'Paper Log In') await gateway.does('click Paper Trading');
  await gateway.does(`click ${mode}`);
}

test('a restarted Gateway spends the token, asks for no login and serves the API', async (t) => {
  const gateway = await start(t, { warm: true });
  await gateway.sees('STANDIN logged in');
  assert.ok(!gateway.lines.some((line) => line.includes('login window open')));
  await assert.rejects(access(join(gateway.settings, TOKEN_DIR, 'autorestart')));

  const first = new IBApi({ host: '127.0.0.1', port: gateway.port, clientId: 7 });
  const heard = listen(first);
  first.connect();
  await until(() => heard.infos.length >= 4 && heard.accounts !== '' && heard.orderId > 0);
  assert.equal(heard.version, 178);
  assert.equal(heard.accounts, 'U1234567');
  assert.deepEqual(
    heard.infos.map((info) => info.code),
    [2104, 2104, 2106, 2158],
  );
  assert.equal(heard.infos[0]?.text, 'Market data farm connection is OK:usfarm.nj');
  first.reqCurrentTime();
  first.reqManagedAccts();
  await until(() => heard.time > 0);
  assert.ok(Math.abs(heard.time - Date.now() / 1000) < 5, `the time is ${heard.time}`);

  const twin = new IBApi({ host: '127.0.0.1', port: gateway.port, clientId: 7 });
  const refused = listen(twin);
  twin.connect();
  await until(() => refused.closed);
  assert.equal(refused.infos.at(-1)?.code, 326);

  await gateway.order('now.connectivity=lost');
  await until(() => heard.infos.some((info) => info.code === 1100));
  await gateway.order('now.connectivity=restored');
  await until(() => heard.infos.some((info) => info.code === 1102));
  await gateway.order('now.connectivity=restored-lost');
  await until(() => heard.infos.some((info) => info.code === 1101));
  await gateway.order('now.farm=ushmds:2105');
  await until(() => heard.infos.some((info) => info.text === 'HMDS data farm connection is broken:ushmds'));
  assert.deepEqual(heard.errors, []);
  first.disconnect();

  await gateway.order('now.exit=1');
  assert.equal(await gateway.exit, 0);
  await assert.rejects(access(join(gateway.settings, TOKEN_DIR, 'autorestart')), 'a logoff leaves no token');
});

test('the API server takes frames split at every byte and drops garbage without harm to others', async (t) => {
  const gateway = await start(t, { warm: true });
  await gateway.sees('API listening');
  const steady = await handshake(gateway.port, 1, 1);
  const slow = await handshake(gateway.port, 2, 1);
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    frame('71', '2', '3'),
    Buffer.from('API\0\x7f\xff\xff\xff'),
  ]) {
    const peer = connect(gateway.port, '127.0.0.1');
    peer.resume().on('error', () => undefined);
    peer.write(bytes);
    await once(peer, 'close');
  }
  const bad = await handshake(gateway.port, 4, 1000);
  bad.socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff, 1]));
  await until(() => bad.socket.closed);
  for (const client of [steady, slow]) {
    client.socket.write(frame('49', '1'));
    await until(() => client.text().includes('49\x001\x00'));
    client.socket.destroy();
  }
});

test('a frozen event thread leaves the API alive, and a mute API leaves the port open', async (t) => {
  const gateway = await start(t, { warm: true });
  await gateway.sees('STANDIN logged in');
  await gateway.order('now.freeze.ms=60000');
  await gateway.sees('event thread frozen');
  const client = await handshake(gateway.port, 1, 1000);
  await gateway.order('now.api.mode=mute');
  await gateway.sees('API mode mute');
  const silent = connect(gateway.port, '127.0.0.1');
  await once(silent, 'connect');
  const bytes: Buffer[] = [];
  silent.on('data', (data: Buffer) => bytes.push(data));
  silent.write(hello());
  client.socket.write(frame('49', '1'));
  await gateway.order('now.api.mode=refuse');
  await gateway.sees('API closed');
  await until(() => silent.closed && client.socket.closed);
  assert.equal(bytes.length, 0, 'a mute API says nothing');
  assert.ok(!client.text().includes('49\x001\x00'));
  const late = connect(gateway.port, '127.0.0.1');
  await assert.rejects(once(late, 'connect'), /ECONNREFUSED/);
  await gateway.order('now.api.mode=ok');
  await gateway.sees('API mode ok');
  (await handshake(gateway.port, 1, 1000)).socket.destroy();
  await gateway.order('now.crash=42');
  assert.equal(await gateway.exit, 42);
});

test('paper: API clients are cut off until the notice is accepted; File > Close ends with 0', async (t) => {
  const gateway = await start(t, {});
  await gateway.shows('[frame IBKR Gateway: API Type Trading Mode Username Password');
  await logIn(gateway, 'Paper Log In');
  await gateway.shows('[dialog Warning:');
  await gateway.shows('This is not a brokerage account');
  const early = connect(gateway.port, '127.0.0.1');
  early.resume().on('error', () => undefined);
  early.write(hello());
  await once(early, 'close');
  await gateway.does('click I understand and accept');
  await gateway.sees('paper trading notice accepted');
  const client = await handshake(gateway.port, 9, 1000);
  await until(() => client.text().includes('DU1234567'));
  client.socket.destroy();
  await gateway.does('click Close');
  await gateway.shows('Are you sure you want to exit?');
  await gateway.does('click Yes');
  assert.equal(await gateway.exit, 0);
});

test('wrong credentials open the dialog, the right ones and the right code log in; secrets are never printed', async (t) => {
  const gateway = await start(t, {
    scenario: 'expect.user=user1\nexpect.password=right\\u00e9\nsecond.factor=devices\ntotp.code=424242',
  });
  await logIn(gateway, 'Log In', 'wrong-secret');
  await gateway.shows('[dialog Unrecognized Username or Password:');
  await gateway.does('click OK');
  await logIn(gateway, 'Log In', 'right\u00e9');
  await gateway.shows('Select second factor device');
  await gateway.does('select Mobile Authenticator app');
  await gateway.does('click OK');
  await gateway.shows('Enter Mobile Authenticator app code');
  await gateway.does('fill 111111');
  await gateway.does('click OK');
  await gateway.shows('The code is not correct');
  await gateway.does('fill 424242');
  await gateway.does('click OK');
  await gateway.sees('STANDIN logged in');
  const printed = gateway.lines.join('\n');
  for (const secret of ['wrong-secret', 'right\u00e9', '111111', '424242'])
    assert.ok(!printed.includes(secret));
});

test('a code of the seed is accepted in a dialog that reopens after each wrong code', async (t) => {
  const seed = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
  const scenario = `second.factor=totp\ntotp.reject=reopen\ntotp.seed=${seed}`;
  const gateway = await start(t, { scenario });
  await logIn(gateway, 'Log In');
  await gateway.shows('Enter Mobile Authenticator app code');
  await gateway.does('fill 12345');
  await gateway.does('click OK');
  await gateway.sees('code rejected len=5');
  await gateway.shows('Enter Mobile Authenticator app code');
  const hmac = createHmac('sha1', '12345678901234567890');
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const hash = hmac.update(step).digest();
  const number = hash.readUInt32BE((hash.at(-1) ?? 0) & 15) & 0x7fffffff;
  await gateway.does(`fill ${String(number % 1_000_000).padStart(6, '0')}`);
  await gateway.does('click OK');
  await gateway.sees('STANDIN logged in');
});

test('a push waits for its approval; the automatic restart leaves a token that the next start spends', async (t) => {
  const gateway = await start(t, {
    scenario: 'second.factor=push\npush.approve.after.ms=never\napi.accounts=U7,U8',
  });
  await logIn(gateway, 'Log In');
  await gateway.shows('[dialog Second Factor Authentication:');
  assert.ok(!gateway.lines.some((line) => line.includes('logged in')));
  await gateway.order('now.approve=1');
  await gateway.sees('STANDIN logged in');
  await gateway.order('now.restart=1');
  assert.equal(await gateway.exit, 0);
  const directory = (await readdir(gateway.settings)).find((name) => /^[a-z]{40}$/.test(name)) ?? '';
  assert.ok((await stat(join(gateway.settings, directory, 'autorestart'))).isFile());

  const next = await start(t, {
    settings: gateway.settings,
    restart: directory,
    scenario: 'second.factor=push',
  });
  await next.sees('STANDIN logged in');
  assert.ok(!next.lines.some((line) => line.includes('push sent')));
  await assert.rejects(access(join(gateway.settings, directory, 'autorestart')));
});

test('the layout is that of the installers, and a launcher left in place takes the automatic restart out of IBC', async (t) => {
  const install = await layInstall({ root: join(root, 'install'), version: '1044', ibcJar: jar });
  const { programDir } = install;
  assert.equal(programDir, join(install.gatewayDir, 'ibgateway', '1044'));
  const found = (await readdir(programDir, { recursive: true })).sort();
  const wanted = [
    '.install4j/i4jparams.conf',
    '.install4j/i4jruntime.jar',
    '.install4j/inst_jre.cfg',
    'ibgateway',
  ];
  for (const name of [
    ...wanted,
    'ibgateway.vmoptions',
    'jars/jts4launch-1044.jar',
    'jars/twslaunch-1044.jar',
  ]) {
    assert.ok(found.includes(name), `${name} is missing`);
  }
  const jre = (await readFile(join(programDir, '.install4j', 'inst_jre.cfg'), 'utf8')).split('\n')[0] ?? '';
  await access(join(jre, 'bin', 'java'));
  assert.deepEqual((await readdir(install.ibcDir)).sort(), ['IBC.jar', 'config.ini', 'version']);
  assert.equal(await readFile(join(install.ibcDir, 'version'), 'utf8'), '3.24.1');

  const classpath = join(programDir, 'jars', 'jts4launch-1044.jar');
  const gateway = await start(t, { warm: true, classpath });
  await gateway.sees('STANDIN logged in');
  await gateway.order('now.restart=1');
  assert.equal(await gateway.exit, 0);
  await assert.rejects(access(join(gateway.settings, TOKEN_DIR, 'autorestart')));
  await until(
    async () =>
      (await readFile(join(gateway.settings, 'launcher.log'), 'utf8').catch(() => '')).includes(
        'outside IBC',
      ),
    () => 'the launcher was not started',
  );
});

type Heard = {
  version: number;
  accounts: string;
  orderId: number;
  time: number;
  closed: boolean;
  infos: { code: number; text: string }[];
  errors: string[];
};

function listen(api: IBApi): Heard {
  const heard: Heard = {
    version: 0,
    accounts: '',
    orderId: 0,
    time: 0,
    closed: false,
    infos: [],
    errors: [],
  };
  api.on(EventName.server, (version) => {
    heard.version = version;
  });
  api.on(EventName.managedAccounts, (accounts) => {
    heard.accounts = accounts;
  });
  api.on(EventName.nextValidId, (id) => {
    heard.orderId = id;
  });
  api.on(EventName.currentTime, (time) => {
    heard.time = time;
  });
  api.on(EventName.disconnected, () => {
    heard.closed = true;
  });
  api.on(EventName.info, (text, code) => heard.infos.push({ code, text }));
  api.on(EventName.error, (error, code) => heard.errors.push(`${code} ${error.message}`));
  return heard;
}

type RawClient = { readonly socket: Socket; text(): string };

/** Connects, sends handshake and startApi in pieces of `size` bytes, and waits for the first order id. */
async function handshake(port: number, clientId: number, size: number): Promise<RawClient> {
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  await once(socket, 'connect');
  const parts: Buffer[] = [];
  const text = () => Buffer.concat(parts).toString('latin1');
  socket.on('data', (data: Buffer) => parts.push(data)).on('error', () => undefined);
  for (const bytes of [hello(), frame('71', '2', String(clientId), '')]) {
    for (let at = 0; at < bytes.length; at += size) {
      await new Promise<void>((resolve) => socket.write(bytes.subarray(at, at + size), () => resolve()));
    }
  }
  await until(
    () => text().includes('9\x001\x001\x00'),
    () => `no order id in ${JSON.stringify(text())}`,
  );
  return { socket, text };
}

function hello(): Buffer {
  const versions = Buffer.from('v100..187');
  return Buffer.concat([Buffer.from('API\0'), length(versions.length), versions]);
}

function frame(...fields: string[]): Buffer {
  const body = Buffer.from(fields.map((field) => `${field}\0`).join(''));
  return Buffer.concat([length(body.length), body]);
}

function length(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

async function until(
  condition: () => boolean | Promise<boolean>,
  why: () => string = () => 'the condition did not become true in time',
): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) assert.fail(why());
    await pause(20);
  }
}
