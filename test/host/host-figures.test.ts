import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { describe, it } from 'node:test';
import { SystemClock } from '../../src/host/clock.ts';
import { SystemHostMetrics } from '../../src/host/host-figures.ts';

describe('the machine’s figures', () => {
  it('agree with what the system says of memory and of the file system that holds the state', async () => {
    const figures = await new SystemHostMetrics('/proc/self/cwd', new SystemClock()).read();
    const { memoryTotalBytes, memoryAvailableBytes, diskTotalBytes, diskAvailableBytes } = figures;
    const disk = statfsSync('/proc/self/cwd');
    assert.equal(memoryTotalBytes, totalmem());
    assert.ok(memoryAvailableBytes !== null && memoryAvailableBytes > 0 && memoryAvailableBytes < totalmem());
    assert.equal(diskTotalBytes, disk.blocks * disk.bsize);
    assert.ok(diskAvailableBytes !== null && diskAvailableBytes <= disk.bfree * disk.bsize);
    assert.ok(figures.load1 !== null && figures.load1 >= 0);
    assert.ok(figures.cpus !== null && figures.cpus >= 1);
    assert.match(figures.checkedAt ?? '', /^\d{4}-.*Z$/);
  });

  it('are unknown one by one: a missing directory or unreadable memory hides nothing else', async () => {
    const refuse = () => Promise.reject(new Error('no /proc'));
    const figures = await new SystemHostMetrics('/nowhere', new SystemClock(), refuse).read();
    const { memoryTotalBytes, memoryAvailableBytes, diskTotalBytes, diskAvailableBytes } = figures;
    assert.deepEqual(
      [memoryTotalBytes, memoryAvailableBytes, diskTotalBytes, diskAvailableBytes],
      [null, null, null, null],
    );
    assert.ok(figures.load1 !== null);
    const odd = await new SystemHostMetrics('/', new SystemClock(), async () => ({
      total: Number.NaN,
      available: -1,
    })).read();
    assert.deepEqual([odd.memoryTotalBytes, odd.memoryAvailableBytes], [null, null]);
  });

  it('load their library only when they are looked at', () => {
    const source = `
      import { SystemHostMetrics } from ${JSON.stringify(new URL('../../src/host/host-figures.ts', import.meta.url).href)};
      import { SystemClock } from ${JSON.stringify(new URL('../../src/host/clock.ts', import.meta.url).href)};
      import { createRequire } from 'node:module';
      const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((name) => name.includes('systeminformation'));
      const metrics = new SystemHostMetrics('/', new SystemClock());
      const before = loaded();
      await metrics.read();
      console.log(before, loaded());
    `;
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' });
    assert.equal(out.trim(), 'false true');
  });
});
