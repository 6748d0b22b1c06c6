import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type Clock, SystemClock } from '../../src/host/clock.ts';
import { readCgroupFigures, readProcessFigures } from '../../src/host/process-figures.ts';

const root = mkdtempSync(join(tmpdir(), 'figures-'));
after(() => rmSync(root, { recursive: true }));

const NOW = 1_795_321_966_000;

/** A clock that stands at a moment. */
function standing(monotonicMs: number): Clock {
  const refuse = () => {
    throw new Error('no timers here');
  };
  return { now: () => NOW, monotonicMs: () => monotonicMs, after: refuse, every: refuse };
}

type FakeProcess = {
  readonly name?: string;
  readonly state?: string;
  readonly userTicks?: number;
  readonly systemTicks?: number;
  readonly startTicks?: number;
  readonly status?: string;
  readonly bootSeconds?: number;
};

/** A /proc that holds one process, 42. */
function writeProc(process: FakeProcess = {}): string {
  const proc = mkdtempSync(join(root, 'proc-'));
  const fields = Array.from({ length: 49 }, () => '0');
  fields[10] = `${process.userTicks ?? 100}`;
  fields[11] = `${process.systemTicks ?? 50}`;
  fields[18] = `${process.startTicks ?? 5000}`;
  mkdirSync(join(proc, '42'));
  writeFileSync(
    join(proc, '42', 'stat'),
    `42 (${process.name ?? 'java'}) ${process.state ?? 'S'} ${fields.join(' ')}\n`,
  );
  writeFileSync(
    join(proc, '42', 'status'),
    process.status ?? 'Name:\tjava\nVmHWM:\t 9 kB\nVmRSS:\t  1024 kB\n',
  );
  writeFileSync(
    join(proc, 'stat'),
    `cpu  1 2 3\nintr 1\nbtime ${process.bootSeconds ?? NOW / 1000 - 1000}\nprocesses 1\n`,
  );
  return proc;
}

describe('figures of a process', () => {
  it('are its resident memory and its start, and no CPU share at the first look', () => {
    const { sample, ...figures } = readProcessFigures(42, standing(0), undefined, writeProc());
    assert.deepEqual(figures, {
      rssBytes: 1024 * 1024,
      cpuPercent: null,
      startedAt: NOW - 1_000_000 + 50_000,
    });
    assert.equal(sample.usedMs, 1500);
  });

  it('give the CPU share of one core between two looks', () => {
    const first = readProcessFigures(42, standing(1000), undefined, writeProc());
    const later = writeProc({ userTicks: 120, systemTicks: 60 });
    assert.equal(readProcessFigures(42, standing(3000), first, later).cpuPercent, 15);
    assert.equal(readProcessFigures(42, standing(3000), first, writeProc()).cpuPercent, 0);
  });

  it('give no CPU share across two processes with one pid, nor without time between the looks', () => {
    const first = readProcessFigures(42, standing(1000), undefined, writeProc());
    const other = writeProc({ userTicks: 900, startTicks: 6000 });
    assert.equal(readProcessFigures(42, standing(2000), first, other).cpuPercent, null);
    assert.equal(readProcessFigures(42, standing(1000), first, writeProc()).cpuPercent, null);
  });

  it('do not stumble over a program name with brackets and blanks', () => {
    const { startedAt } = readProcessFigures(42, standing(0), undefined, writeProc({ name: 'a) Z (b c' }));
    assert.equal(startedAt, NOW - 950_000);
  });

  it('are all unknown, never zero, when the process is gone, waits to be reaped or cannot be read', () => {
    const unreadable = writeProc();
    writeFileSync(join(unreadable, '42', 'stat'), 'nonsense');
    for (const [pid, proc] of [
      [43, writeProc()],
      [42, writeProc({ state: 'Z' })],
      [42, unreadable],
      [42, join(root, 'missing')],
    ] as const) {
      const { sample, ...figures } = readProcessFigures(pid, standing(0), undefined, proc);
      assert.deepEqual(figures, { rssBytes: null, cpuPercent: null, startedAt: null });
      assert.equal(sample.usedMs, null);
    }
  });

  it('leave out what a single file does not tell', () => {
    const proc = writeProc({ status: 'Name:\tkthread\n' });
    writeFileSync(join(proc, 'stat'), 'cpu  1 2 3\n');
    const { rssBytes, startedAt, sample } = readProcessFigures(42, standing(0), undefined, proc);
    assert.deepEqual([rssBytes, startedAt, sample.usedMs], [null, null, 1500]);
  });

  it('know no start that lies ahead, as inside a container with a boot time of its own', () => {
    const proc = writeProc({ startTicks: 100 * 5000 });
    assert.equal(readProcessFigures(42, standing(0), undefined, proc).startedAt, null);
  });

  it('of this very process agree with what node says', () => {
    const clock = new SystemClock();
    const first = readProcessFigures(process.pid, clock);
    const until = performance.now() + 100;
    while (performance.now() < until);
    const second = readProcessFigures(process.pid, clock, first);
    const rss = process.memoryUsage().rss;
    assert.ok(
      first.rssBytes !== null && Math.abs(first.rssBytes - rss) < rss / 4,
      `${first.rssBytes} and ${rss}`,
    );
    assert.ok(second.cpuPercent !== null && second.cpuPercent > 5 && second.cpuPercent < 800);
    const started = clock.now() - process.uptime() * 1000;
    assert.ok(first.startedAt !== null && Math.abs(first.startedAt - started) < 5000);
  });
});

describe('figures of a cgroup', () => {
  function writeCgroup(files: Readonly<Record<string, string>>): string {
    const directory = mkdtempSync(join(root, 'cgroup-'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    return directory;
  }

  it('are its memory, and its CPU share between two looks', () => {
    const directory = writeCgroup({
      'memory.current': '123456789\n',
      'cpu.stat': 'usage_usec 5000000\nuser_usec 1\n',
    });
    const first = readCgroupFigures(directory, standing(1000));
    assert.deepEqual([first.rssBytes, first.cpuPercent, first.startedAt], [123_456_789, null, null]);
    writeFileSync(join(directory, 'cpu.stat'), 'usage_usec 5500000\nuser_usec 1\n');
    assert.equal(readCgroupFigures(directory, standing(2000), first).cpuPercent, 50);
  });

  it('are unknown where a controller is off, the unit was restarted, or the cgroup is gone', () => {
    const directory = writeCgroup({ 'cpu.stat': 'usage_usec 5000000\n' });
    const first = readCgroupFigures(directory, standing(1000));
    assert.equal(first.rssBytes, null);
    writeFileSync(join(directory, 'cpu.stat'), 'usage_usec 100\n');
    assert.equal(readCgroupFigures(directory, standing(2000), first).cpuPercent, null);
    const gone = readCgroupFigures(join(root, 'missing'), standing(2000), first);
    assert.deepEqual([gone.rssBytes, gone.cpuPercent, gone.sample.usedMs], [null, null, null]);
  });
});
