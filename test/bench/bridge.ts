// Owns the figures of the window bridge: what it costs a JVM, and how fast it answers.

import { readFileSync } from 'node:fs';
import { Bench, logIn, windowCalled } from '../bridge/jvm.ts';
import { until } from '../support/world.ts';

/** The figure's name, value, unit and limit. */
export type Record = (name: string, value: number, unit: string, limit: number | null) => void;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function benchBridge(
  record: Record,
  percentile: (values: readonly number[], share: number) => number,
): Promise<void> {
  const bench = new Bench();
  await bench.open();
  try {
    await startTimes(bench, record, percentile);
    await memory(bench, record, percentile);
    await latency(bench, record, percentile);
  } finally {
    await bench.close();
  }
}

/** From exec to exit of a JVM that does nothing, with and without the agent in turns. */
async function startTimes(
  bench: Bench,
  record: Record,
  percentile: (values: readonly number[], share: number) => number,
) {
  const times = { with: [] as number[], without: [] as number[] };
  for (let round = 0; round < 15; round += 1) {
    for (const kind of ['with', 'without'] as const) {
      const start = performance.now();
      const jvm = bench.start({
        classpath: bench.fixture,
        main: ['Quiet', 'sleep', '0'],
        ...(kind === 'without' ? { agent: null } : {}),
      });
      await jvm.exit;
      times[kind].push(performance.now() - start);
    }
  }
  record('bridge.jvm-start.without', percentile(times.without, 0.5), 'ms', null);
  record('bridge.jvm-start.with', percentile(times.with, 0.5), 'ms', null);
  const premain: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    const { bridge } = await bench.client(
      bench.start({ classpath: bench.fixture, main: ['Quiet', 'sleep', '10000'] }),
    );
    premain.push((bridge.hello?.premainMicros ?? Number.NaN) / 1_000);
    await bench.clear();
  }
  record('bridge.premain', percentile(premain, 0.5), 'ms', 50);
}

/** Resident memory of the same program with the agent, after it was listed, painted and watched, and without. */
async function memory(
  bench: Bench,
  record: Record,
  percentile: (values: readonly number[], share: number) => number,
) {
  const sizes = { with: [] as number[], without: [] as number[] };
  for (let round = 0; round < 5; round += 1) {
    for (const kind of ['with', 'without'] as const) {
      const setup = { classpath: bench.fixture, main: ['Nasty', 'kinds', 'words'] };
      const jvm = bench.start(kind === 'with' ? setup : { ...setup, agent: null });
      await jvm.sees('open');
      if (kind === 'with') {
        const { bridge } = await bench.client(jvm, { events: true });
        const { id } = await windowCalled(bridge, 'Kinds');
        for (let i = 0; i < 20; i += 1) await bridge.windows();
        await bridge.paint(id);
        await bridge.threads();
      }
      await sleep(1_500);
      const status = readFileSync(`/proc/${jvm.pid}/status`, 'utf8');
      sizes[kind].push(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
      await bench.clear();
    }
  }
  record('bridge.rss.without', percentile(sizes.without, 0.5), 'MB', null);
  record('bridge.rss.difference', percentile(sizes.with, 0.5) - percentile(sizes.without, 0.5), 'MB', 15);
}

/** Round trips through the event thread of an idle gateway that is logged in. */
async function latency(
  bench: Bench,
  record: Record,
  percentile: (values: readonly number[], share: number) => number,
) {
  const jvm = await bench.gateway();
  const { bridge } = await bench.client(jvm);
  await logIn(bridge);
  await windowCalled(bridge, 'IBKR Gateway - Live Trading');
  await sleep(2_000);
  const pings: number[] = [];
  for (let i = 0; i < 1_000; i += 1) {
    const answer = await bridge.ping();
    if (answer.eventThread === 'answers') pings.push(answer.roundTripMs);
    await sleep(2);
  }
  record('bridge.ping.p50', percentile(pings, 0.5), 'ms', null);
  record('bridge.ping.p99', percentile(pings, 0.99), 'ms', 10);
  const lists: number[] = [];
  for (let i = 0; i < 200; i += 1) {
    const start = performance.now();
    await bridge.windows();
    lists.push(performance.now() - start);
  }
  record('bridge.windows.p50', percentile(lists, 0.5), 'ms', null);
  const stat = () => Number(readFileSync(`/proc/${jvm.pid}/stat`, 'utf8').split(' ')[13]);
  const idle = stat();
  await sleep(5_000);
  record('bridge.jvm.cpu.idle', (stat() - idle) / 5, '% of a core', null);
  jvm.process.kill('SIGKILL');
  const start = performance.now();
  await until('the end is known', () => bridge.hello === null);
  record('bridge.death-seen', performance.now() - start, 'ms', null);
}
