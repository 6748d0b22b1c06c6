// Tests how codes are typed and clocks compared where systemd runs the programs: every way in which a unit can end, hang or not begin.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { CodeOrder, CodeOutcome, CodeReport } from '../../src/gateway/code-records.ts';
import type { Clock, Timer } from '../../src/host/clock.ts';
import type { ServiceAnswer, ServiceManager, UnitStatus } from '../../src/host/service-manager.ts';
import { SystemdCodeRunner } from '../../src/supervisor/systemd-code-runner.ts';
import { pathsOf } from './host-builders.ts';

const NOW = 1_790_000_000_000;
const DOWN: UnitStatus = {
  load: 'loaded',
  active: 'inactive',
  mainPid: null,
  invocation: null,
  cgroup: null,
  startedAt: null,
  exitStatus: null,
  exitSignal: null,
};
const UP: UnitStatus = { ...DOWN, active: 'activating', mainPid: 77, invocation: 'new' };
const TARGET = { window: 'w1', title: 'x', near: null, path: '0', button: '1', buttonText: 'OK' };

/** Time passes only when somebody waits, and then at once. */
class PatientClock implements Clock {
  ms = 0;
  now(): number {
    return NOW + this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
  after(delayMs: number, callback: () => void): Timer {
    const handle = setImmediate(() => {
      this.ms += delayMs;
      callback();
    });
    return { cancel: () => clearImmediate(handle) };
  }
  every(): Timer {
    throw new Error('not used');
  }
}

/** systemd with one unit, whose life is a list of what is shown of it from second to second. */
class Services implements ServiceManager {
  readonly asked: string[] = [];
  answer: ServiceAnswer = { kind: 'done' };
  status: UnitStatus | null = DOWN;
  onStart: () => void = () => {};
  onShow: () => void = () => {};
  onStop: () => void = () => {
    this.status = { ...DOWN, active: 'failed', invocation: 'new' };
  };
  async start(unit: string): Promise<ServiceAnswer> {
    this.asked.push(`start ${unit}`);
    if (this.answer.kind === 'done') this.onStart();
    return this.answer;
  }
  async stop(unit: string): Promise<ServiceAnswer> {
    this.asked.push(`stop ${unit}`);
    this.onStop();
    return { kind: 'done' };
  }
  async show(): Promise<UnitStatus | null> {
    const status = this.status;
    this.onShow();
    return status;
  }
  async bootIdentity(): Promise<string | null> {
    return 'boot';
  }
}

let root = '';
let services: Services;
let clock: PatientClock;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'code-runner-'));
  for (const file of [paths().codeOrder, paths().codeResult, paths().clockResult]) {
    mkdirSync(dirname(file), { recursive: true });
  }
  services = new Services();
  clock = new PatientClock();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const paths = () => pathsOf(root);
const runner = () =>
  new SystemdCodeRunner({ session: 'live', paths: paths(), services, orderGid: process.getgid?.(), clock });

function anOrder(id = 'a1'): CodeOrder {
  return {
    v: 1,
    id,
    session: 'live',
    kind: 'type',
    notAfter: NOW + 60_000,
    step: 59_666_666,
    target: TARGET,
  };
}

function write(outcome: CodeOutcome, changes: Partial<CodeReport> = {}): void {
  const report: CodeReport = {
    v: 1,
    id: 'a1',
    step: 59_666_666,
    outcome,
    clock: { synchronised: true, errorMs: 3 },
    at: NOW,
    done: true,
    ...changes,
  };
  writeFileSync(paths().codeResult, JSON.stringify(report));
}

function why(outcome: CodeOutcome): string {
  return outcome.kind === 'not-typed' ? outcome.why : outcome.kind;
}

describe('a run of ib-code', () => {
  it('hands the order over, starts the unit, and tells what the program left', async () => {
    services.onStart = () => {
      const status = statSync(paths().codeOrder);
      assert.deepEqual([status.mode & 0o777, status.gid], [0o640, process.getgid?.()]);
      assert.deepEqual(JSON.parse(readFileSync(paths().codeOrder, 'utf8')), anOrder());
      services.status = UP;
      write({ kind: 'typed' });
    };
    const result = await runner().run(anOrder());
    assert.deepEqual(result, {
      v: 1,
      id: 'a1',
      step: 59_666_666,
      outcome: { kind: 'typed' },
      clock: { synchronised: true, errorMs: 3 },
      at: NOW,
    });
    assert.deepEqual(services.asked, ['start ib-code@live.service']);
    assert.equal(existsSync(paths().codeOrder), false);
  });

  it('that is under way is waited for, and so is its last word', async () => {
    let looks = 0;
    services.onStart = () => {
      services.status = UP;
      write({ kind: 'uncertain', detail: 'begun' }, { done: false });
    };
    services.onShow = () => {
      looks += 1;
      if (looks === 4) write({ kind: 'not-typed', why: 'frozen', detail: 'x', hint: 'y' });
    };
    assert.equal(why((await runner().run(anOrder())).outcome), 'frozen');
  });

  it('that ended while it typed may have typed', async () => {
    services.onStart = () => {
      write({ kind: 'uncertain', detail: 'begun' }, { done: false });
      services.status = { ...DOWN, active: 'failed', invocation: 'new', exitSignal: 9 };
    };
    assert.deepEqual((await runner().run(anOrder())).outcome, { kind: 'uncertain', detail: 'begun' });
  });

  for (const [what, exitStatus, expected] of [
    ['cannot unseal the seed', 243, 'seed-sealed'],
    ['found the order used', 34, 'order-used'],
    ['found a configuration that is wrong', 41, 'config-invalid'],
    ['failed otherwise', 1, 'start-failed'],
  ] as const) {
    it(`that ${what} and left no result has typed nothing, whatever an earlier one left`, async () => {
      write({ kind: 'typed' }, { id: 'earlier' });
      services.status = { ...DOWN, active: 'failed', invocation: 'old', exitStatus: 0 };
      services.onStart = () => {
        services.status = { ...DOWN, active: 'failed', invocation: 'new', exitStatus };
      };
      assert.equal(why((await runner().run(anOrder())).outcome), expected);
    });
  }

  it('that hangs is stopped, and has typed nothing when it never came to it', async () => {
    services.onStart = () => {
      services.status = UP;
    };
    const { outcome } = await runner().run(anOrder());
    assert.equal(why(outcome), 'timed-out');
    assert.deepEqual(services.asked, ['start ib-code@live.service', 'stop ib-code@live.service']);
    assert.ok(clock.ms >= 20_000 && clock.ms < 40_000, String(clock.ms));
  });

  it('that hangs while it types is stopped, and may have typed', async () => {
    services.onStart = () => {
      services.status = UP;
      write({ kind: 'uncertain', detail: 'begun' }, { done: false });
    };
    assert.equal((await runner().run(anOrder())).outcome.kind, 'uncertain');
    assert.equal(services.asked.length, 2);
  });

  it('that cannot even be stopped may still type', async () => {
    services.onStart = () => {
      services.status = UP;
    };
    services.onStop = () => {};
    assert.equal((await runner().run(anOrder())).outcome.kind, 'uncertain');
  });

  it('that never begins is called off, and its order is taken back first', async () => {
    services.status = { ...DOWN, active: 'failed', invocation: 'old' };
    services.onStop = () => assert.equal(existsSync(paths().codeOrder), false);
    assert.equal(why((await runner().run(anOrder())).outcome), 'timed-out');
    assert.deepEqual(services.asked.at(-1), 'stop ib-code@live.service');
  });

  for (const [kind, expected] of [
    ['denied', 'start-denied'],
    ['no-such-unit', 'unit-missing'],
    ['refused', 'start-failed'],
  ] as const) {
    it(`that is ${kind} has typed nothing, and leaves no order`, async () => {
      services.answer = { kind, detail: 'because' };
      const { outcome } = await runner().run(anOrder());
      assert.equal(why(outcome), expected);
      assert.equal(existsSync(paths().codeOrder), false);
    });
  }

  it('whose order cannot be written is not started', async () => {
    rmSync(dirname(paths().codeOrder), { recursive: true });
    assert.equal(why((await runner().run(anOrder())).outcome), 'runtime-unusable');
    assert.deepEqual(services.asked, []);
  });

  it('begins when the one before has ended', async () => {
    let running = 0;
    services.onStart = () => {
      running += 1;
      assert.equal(running, 1);
      const { id } = JSON.parse(readFileSync(paths().codeOrder, 'utf8')) as { id: string };
      services.status = UP;
      setImmediate(() => {
        running -= 1;
        write({ kind: 'typed' }, { id });
      });
    };
    const one = runner();
    const results = await Promise.all(['a1', 'a2', 'a3'].map((id) => one.run(anOrder(id))));
    assert.deepEqual(
      results.map(({ id, outcome }) => [id, outcome.kind]),
      [
        ['a1', 'typed'],
        ['a2', 'typed'],
        ['a3', 'typed'],
      ],
    );
  });
});

describe('what became of an earlier order', () => {
  it('is told at once when it is known', async () => {
    write({ kind: 'typed' });
    assert.deepEqual((await runner().lastResult('a1'))?.outcome, { kind: 'typed' });
    assert.deepEqual(services.asked, []);
  });

  it('is waited for while the program runs', async () => {
    services.status = UP;
    write({ kind: 'uncertain', detail: 'begun' }, { done: false });
    let looks = 0;
    services.onShow = () => {
      looks += 1;
      if (looks === 3) write({ kind: 'typed' });
    };
    assert.deepEqual((await runner().lastResult('a1'))?.outcome, { kind: 'typed' });
  });

  it('is nothing when there is no result, and then nothing comes of it any more', async () => {
    writeFileSync(paths().codeOrder, JSON.stringify(anOrder()));
    assert.equal(await runner().lastResult('a1'), null);
    assert.equal(existsSync(paths().codeOrder), false);
    writeFileSync(paths().codeOrder, JSON.stringify(anOrder('other')));
    assert.equal(await runner().lastResult('a1'), null);
    assert.equal(existsSync(paths().codeOrder), true, 'the order of another run stays');
  });
});

describe('a comparison of clocks', () => {
  const compared = {
    kind: 'compared',
    offsetMs: 5,
    uncertaintyMs: 500,
    address: 'https://x/',
    at: NOW,
  } as const;

  it('is what the program left, and no earlier one', async () => {
    writeFileSync(paths().clockResult, JSON.stringify({ ...compared, at: NOW - 9 }));
    services.onStart = () => writeFileSync(paths().clockResult, JSON.stringify(compared));
    assert.deepEqual(await runner().compareClock(), compared);
  });

  it('that the program did not make has failed', async () => {
    writeFileSync(paths().clockResult, JSON.stringify(compared));
    services.onStart = () => {
      services.status = { ...DOWN, active: 'failed', invocation: 'new', exitStatus: 78 };
    };
    const comparison = await runner().compareClock();
    assert.ok(comparison.kind === 'failed' && comparison.why === 'not-run');
    services.answer = { kind: 'denied', detail: 'because' };
    const denied = await runner().compareClock();
    assert.ok(denied.kind === 'failed' && denied.why === 'not-run' && denied.detail.includes('because'));
  });
});
