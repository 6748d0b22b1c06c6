// Owns the benchmarks: each figure against its limit, ratios against a baseline taken in the same run.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectControl } from '../../src/control/client.ts';
import { TwsApiClient } from '../../src/gateway/tws-api.ts';
import { SystemClock } from '../../src/host/clock.ts';
import type { EventRecord } from '../../src/protocol/methods.ts';
import { FakeTws } from '../fakes/fake-tws.ts';
import { makeWorld, until, type World } from '../support/world.ts';
import { benchBridge } from './bridge.ts';
import { benchTotp } from './totp.ts';

type Figure = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** null: printed for information. */
  readonly limit: number | null;
  readonly ok: boolean;
};

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const json = process.argv.includes('--json');
const only = process.argv.slice(2).find((word) => !word.startsWith('-'));
const clock = new SystemClock();
const figures: Figure[] = [];

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

function record(name: string, value: number, unit: string, limit: number | null): void {
  const rounded = Math.round(value * 1000) / 1000;
  figures.push({ name, value: rounded, unit, limit, ok: limit === null || value <= limit });
  note(`  ${name}: ${rounded} ${unit}${limit === null ? '' : ` (limit ${Math.round(limit * 1000) / 1000})`}`);
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new Error('no values');
  return value;
}

const median = (values: readonly number[]) => percentile(values, 0.5);

function connect(world: World) {
  return connectControl(world.socket, { deadlineMs: 10_000, retryMs: 2_000, clock, client: 'bench' });
}

async function login(world: World, ...name: string[]): Promise<void> {
  const { status, stdout, stderr } = await world.ibctl('login', ...name);
  if (status !== 0) throw new Error(`login failed: ${stdout}${stderr}${world.stderr}`);
}

/** `ibctl status` of the release against an empty script on the same Node, taken in turns. */
async function benchStatus(): Promise<void> {
  note('ibctl status against an empty script');
  const world = await makeWorld({ form: 'release' });
  const empty = join(world.root, 'empty.js');
  writeFileSync(empty, '');
  await world.startAgent();
  try {
    const time = (args: string[]): number => {
      const start = performance.now();
      const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      if (status !== 0) throw new Error(`${args.join(' ')} exited with ${status}`);
      return performance.now() - start;
    };
    const status = [join(ROOT, 'dist/ibctl.cjs'), '--socket', world.socket, 'status'];
    for (let warm = 0; warm < 3; warm += 1) time(status);
    const emptyMs: number[] = [];
    const statusMs: number[] = [];
    for (let round = 0; round < 40; round += 1) {
      emptyMs.push(time([empty]));
      statusMs.push(time(status));
    }
    record('ibctl-status.empty-script', median(emptyMs), 'ms', null);
    record('ibctl-status', median(statusMs), 'ms', null);
    record('ibctl-status.ratio', median(statusMs) / median(emptyMs), '×', 2);
  } finally {
    await world.dispose();
  }
}

/** From the launcher's start to ready, against the same java command line started by hand; a display is up in both. */
async function benchLaunch(): Promise<void> {
  note('launch to ready against java started by hand');
  const ours: number[] = [];
  const byHand: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const world = await makeWorld({ form: 'release', sessions: { live: { knobs: { 'splash.ms': '100' } } } });
    await world.startAgent();
    try {
      await login(world);
      // The second start finds the display up, as the one by hand does.
      const from = world.records.length;
      if ((await world.ibctl('restart', '--cold')).status !== 0) throw new Error('restart failed');
      const at = (name: string) =>
        Date.parse(world.records.slice(from).find((item) => item['IB_EVENT'] === name)?.['time'] ?? '');
      ours.push(at('session-ready') - at('session-starting'));
      byHand.push(await startByHand(world));
    } finally {
      await world.dispose();
    }
  }
  const base = median(byHand);
  record('launch-to-ready.by-hand', base, 'ms', null);
  record('launch-to-ready', median(ours), 'ms', null);
  record('launch-to-ready.overhead', median(ours) - base, 'ms', 300 + 0.03 * base);
}

/** Repeats the running JVM's command line on the running display, and waits until its API names accounts. */
async function startByHand(world: World): Promise<number> {
  const { process: figuresOfJvm } = (await world.status()) as { process: { pid: number } };
  const proc = `/proc/${figuresOfJvm.pid}`;
  const args = readFileSync(`${proc}/cmdline`, 'utf8').split('\0').slice(0, -1);
  const env = Object.fromEntries(
    readFileSync(`${proc}/environ`, 'utf8')
      .split('\0')
      .filter((entry) => entry !== '')
      .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
  const cwd = readlinkSync(`${proc}/cwd`);
  const ini = join(world.runtimeDir(), 'config.ini');
  const copy = join(world.root, 'by-hand.ini');
  copyFileSync(ini, copy);
  // Ends the JVM but not the display: what is started next finds the same one.
  process.kill(figuresOfJvm.pid, 'SIGKILL');
  await world.event('session-backing-off');
  const [file = '', ...rest] = args.map((word) => (word === ini ? copy : word));
  const port = world.ports['live'] ?? 0;
  const start = performance.now();
  const java = spawn(file, rest, { cwd, env, stdio: ['ignore', 'ignore', 'ignore'] });
  try {
    return await new Promise<number>((resolve, reject) => {
      const client = new TwsApiClient({
        port,
        clientId: 4242,
        clock,
        reconnectDelayMs: () => 10,
        observe: (observation) => {
          if (observation.kind !== 'accounts') return;
          client.close();
          resolve(performance.now() - start);
        },
      });
      java.on('exit', (code) => reject(new Error(`java by hand exited with ${code}`)));
      client.connect();
    });
  } finally {
    await end(java);
  }
}

async function end(child: ChildProcess): Promise<void> {
  child.removeAllListeners('exit');
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

function rssMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** CPU time used so far, in seconds. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Sessions on the light fake: their java prints the lines of a login, and the API of each is served from here. */
async function lightWorld(names: readonly string[], lines = '0,10') {
  const directory = mkdtempSync(join(tmpdir(), 'light-jvm-'));
  const java = join(directory, 'bin', 'java');
  mkdirSync(join(directory, 'bin'));
  const script = fileURLToPath(new URL('light-jvm.ts', import.meta.url));
  writeFileSync(java, `#!/bin/sh\nLIGHT_JVM=${lines} exec ${process.execPath} ${script}\n`);
  chmodSync(java, 0o755);
  const world = await makeWorld({
    form: 'release',
    sessions: Object.fromEntries(names.map((name) => [name, {}])),
    java,
  });
  const servers = await Promise.all(names.map((name) => FakeTws.listen({ port: world.ports[name] ?? 0 })));
  return {
    world,
    dispose: async () => {
      await world.dispose();
      await Promise.all(servers.map((server) => server.close()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Memory and CPU of the agent: one session, then twenty. */
async function benchAgent(): Promise<void> {
  note("the agent's memory and CPU");
  const one = await makeWorld({ form: 'release' });
  await one.startAgent();
  try {
    await login(one);
    await sleep(5_000);
    record('agent.rss.one-session', rssMb(one.agentPid), 'MB', 90);
    const before = cpuSeconds(one.agentPid);
    const seconds = 30;
    await sleep(seconds * 1000);
    record('agent.cpu.idle', ((cpuSeconds(one.agentPid) - before) / seconds) * 100, '% of a core', 0.5);
  } finally {
    await one.dispose();
  }
  const measured: number[] = [];
  for (const count of [1, 20]) {
    const names = Array.from({ length: count }, (_, index) => `s${index + 1}`);
    const { world, dispose } = await lightWorld(names);
    await world.startAgent();
    try {
      for (const name of names) {
        await login(world, name);
      }
      await sleep(5_000);
      measured.push(rssMb(world.agentPid));
    } finally {
      await dispose();
    }
  }
  const [few = 0, many = 0] = measured;
  record('agent.rss.twenty-sessions', many, 'MB', null);
  record('agent.rss.each-more-session', (many - few) / 19, 'MB', 2);
}

/** From the write of an IBC line to the event at a client that follows. */
async function benchLatency(): Promise<void> {
  note('IBC line to event');
  const count = 500;
  const { world, dispose } = await lightWorld(['live'], `${count},10`);
  await world.startAgent();
  try {
    await login(world);
    const client = await connect(world);
    const took: number[] = [];
    const stop = new AbortController();
    const reading = client.call(
      'events',
      { follow: true, limit: 0 },
      {
        signal: stop.signal,
        onEvent: (event: EventRecord) => {
          const at = /written at ([\d.]+)/.exec(event.fields['IB_DETAIL'] ?? '')?.[1];
          if (at !== undefined) took.push(performance.timeOrigin + performance.now() - Number(at));
        },
      },
    );
    const { process: jvm } = (await world.status()) as { process: { pid: number } };
    process.kill(jvm.pid, 'SIGUSR2');
    await until(`${count} events`, () => took.length >= count, 60_000);
    stop.abort();
    await reading.catch(() => undefined);
    client.close();
    record('line-to-event.p50', median(took), 'ms', null);
    record('line-to-event.p99', percentile(took, 0.99), 'ms', 50);
  } finally {
    await dispose();
  }
}

/** Many requests on one connection, and many connections at once. */
async function benchSocket(): Promise<void> {
  note('control socket');
  const world = await makeWorld({ form: 'release' });
  await world.startAgent();
  try {
    const client = await connect(world);
    const requests = 10_000;
    const batch = 50;
    let start = performance.now();
    let answered = 0;
    for (let sent = 0; sent < requests; sent += batch) {
      const answers = await Promise.all(Array.from({ length: batch }, () => client.call('status', {}, {})));
      answered += answers.filter((answer) => answer.sessions.length === 1).length;
    }
    record('socket.requests.lost', requests - answered, 'of 10000', 0);
    record('socket.requests.rate', requests / ((performance.now() - start) / 1000), '/s', null);
    client.close();
    const connections = 500;
    start = performance.now();
    const results = await Promise.allSettled(
      Array.from({ length: connections }, async () => {
        const own = await connect(world);
        try {
          return await own.call('status', {}, {});
        } finally {
          own.close();
        }
      }),
    );
    const failed = results.filter((result) => result.status === 'rejected');
    for (const failure of failed.slice(0, 3)) note(String(failure.reason));
    record('socket.connections.lost', failed.length, 'of 500', 0);
    record('socket.connections.took', performance.now() - start, 'ms', null);
    record('agent.rss.after-load', rssMb(world.agentPid), 'MB', null);
  } finally {
    await world.dispose();
  }
}

const BENCHES = {
  status: benchStatus,
  launch: benchLaunch,
  agent: benchAgent,
  latency: benchLatency,
  socket: benchSocket,
  bridge: () => {
    note('the window bridge');
    return benchBridge(record, percentile);
  },
  totp: () => {
    note('one-time codes');
    return benchTotp(join(ROOT, 'dist'), record, percentile);
  },
};

note('building the release bundles');
const build = spawnSync(process.execPath, [join(ROOT, 'build.ts')], { cwd: ROOT, stdio: ['ignore', 2, 2] });
if (build.status !== 0) throw new Error('the build failed');
for (const [name, bench] of Object.entries(BENCHES)) {
  if (only === undefined || only === name) await bench();
}
if (json) {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
} else {
  const rows = figures.map((figure) => [
    figure.name,
    `${figure.value} ${figure.unit}`,
    figure.limit === null ? '' : `${Math.round(figure.limit * 1000) / 1000}`,
    figure.limit === null ? '' : figure.ok ? 'ok' : 'OVER',
  ]);
  const head = ['figure', 'value', 'limit', ''];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  for (const row of [head, ...rows]) {
    process.stdout.write(
      `${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
}
process.exitCode = figures.every((figure) => figure.ok) ? 0 : 1;
