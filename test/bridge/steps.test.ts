// The tidy close and the restart against windows that fail in the middle, are worked by somebody else, or do not answer.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { restoreAutoTime, warmRestart } from '../../src/bridge/auto-time.ts';
import type { BridgeClient } from '../../src/bridge/client.ts';
import { type CloseOptions, tidyClose } from '../../src/bridge/tidy-close.ts';
import { type Visit, visitBridge } from '../../src/bridge/visit.ts';
import { SystemClock } from '../../src/host/clock.ts';
import { FakeGatewayWindows } from '../fakes/fake-gateway-windows.ts';

const clock = new SystemClock();
const WITHIN = { clock, deadlineMs: 20_000 };

let root = '';
let gateway: FakeGatewayWindows;
const path = () => join(root, 'bridge.sock');

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'bridge-steps-'));
  gateway = await new FakeGatewayWindows().serve(path());
});
afterEach(() => {
  gateway.end();
  rmSync(root, { recursive: true, force: true });
});

function visit<T>(work: (bridge: BridgeClient) => Promise<T>, pid = process.pid): Promise<Visit<T>> {
  return visitBridge({ path: path(), clock, serverUid: process.getuid?.() ?? 0, pid }, work);
}

async function visited<T>(work: (bridge: BridgeClient) => Promise<T>): Promise<T> {
  const result = await visit(work);
  assert.ok(result.kind === 'visited', JSON.stringify(result));
  return result.value;
}

const close = (options: Partial<CloseOptions> = {}) =>
  visited((bridge) => tidyClose(bridge, { ...WITHIN, ...options }));
const restart = () => visited((bridge) => warmRestart(bridge, WITHIN));

describe('a visit', () => {
  it('finds out at once that there is no bridge, or that it is another process’s', async () => {
    const begun = performance.now();
    assert.deepEqual(await visit(async () => 1, 1), { kind: 'absent', detail: "it is another process's" });
    gateway.end();
    assert.deepEqual(await visit(async () => 1), {
      kind: 'absent',
      detail: 'this JVM has none, or is not that far',
    });
    assert.ok(performance.now() - begun < 2_000);
  });
});

describe('a tidy close', () => {
  it('chooses once and answers once', async () => {
    assert.deepEqual(await close(), { kind: 'closed' });
    assert.deepEqual(gateway.done, ['menu Close', 'click Yes']);
  });

  it('answers a question that is open already, and asks for nothing where the gateway goes down already', async () => {
    gateway.questions = 1;
    assert.deepEqual(await close(), { kind: 'closed' });
    assert.deepEqual(gateway.done, ['click Yes']);

    gateway = await new FakeGatewayWindows().serve(path());
    gateway.main = false;
    gateway.shutdown = true;
    assert.deepEqual(await close({ deadlineMs: 300 }), { kind: 'closing' });
    assert.deepEqual(gateway.done, []);
  });

  it('by two at the same moment is one close', async () => {
    const answers = await Promise.all([close(), close()]);
    assert.deepEqual(answers, [{ kind: 'closed' }, { kind: 'closed' }]);
    assert.ok(gateway.done.filter((done) => done === 'click Yes').length >= 1);
  });

  it('whose question somebody else answers first is none the worse', async () => {
    gateway.fault = (op) => {
      if (op !== 'click') return null;
      gateway.questions = 0;
      gateway.shutdown = true;
      return { code: 'stale' };
    };
    assert.deepEqual(await close(), { kind: 'closed' });
  });

  it('of which nothing comes gives up soon, and names what shows', async () => {
    gateway.asks = false;
    gateway.others = ['Something modal'];
    const begun = performance.now();
    assert.deepEqual(await close({ answerMs: 300 }), {
      kind: 'unanswered',
      titles: ['Something modal', 'IBKR Gateway'],
    });
    assert.ok(performance.now() - begun < 5_000);
    assert.deepEqual(gateway.done, ['menu Close']);
  });

  it('waits for a busy event thread, chooses anew what was not done, and gives a frozen one up', async () => {
    let busy = 2;
    gateway.fault = (op) => (op === 'menu' && busy-- > 0 ? { code: 'frozen', frozenMs: 100 } : null);
    assert.deepEqual(await close(), { kind: 'closed' });
    assert.deepEqual(gateway.done, ['menu Close', 'click Yes']);

    gateway = await new FakeGatewayWindows().serve(path());
    gateway.fault = (op) => (op === 'windows' ? { code: 'frozen', frozenMs: 12_000 } : null);
    assert.deepEqual(await close(), { kind: 'frozen', frozenMs: 12_000 });
  });

  it('whose bridge goes before anything was chosen has failed, after that it is left to the process', async () => {
    gateway.fault = (op) => (op === 'windows' ? 'drop' : null);
    assert.equal((await close()).kind, 'failed');
    gateway = await new FakeGatewayWindows().serve(path());
    gateway.fault = (op) => (op === 'click' ? 'drop' : null);
    assert.deepEqual(await close(), { kind: 'closed' });
  });
});

describe('a restart', () => {
  it('leaves the time as it was when the configuration is closed between look and click', async () => {
    const before = gateway.auto;
    gateway.fault = (op) => {
      if (op === 'set-text') gateway.configuration = null;
      return null;
    };
    const outcome = await restart();
    assert.ok(outcome.kind === 'failed' && outcome.error.code === 'stale', JSON.stringify(outcome));
    assert.deepEqual(gateway.auto, before);
  });

  it('saves nothing when what was set before cannot be noted', async () => {
    const before = gateway.auto;
    const failure = new Error('no space');
    await assert.rejects(
      visited((bridge) =>
        warmRestart(bridge, {
          ...WITHIN,
          note: () => {
            throw failure;
          },
        }),
      ),
      failure,
    );
    assert.deepEqual([gateway.auto, gateway.configuration], [before, null]);
    assert.equal(gateway.done.at(-1), 'click Cancel');
  });

  it('that the bridge does not live to see is failed, and one whose event thread is stuck is frozen', async () => {
    gateway.fault = (op) => (op === 'set-text' ? 'drop' : null);
    const lost = await restart();
    assert.ok(lost.kind === 'failed' && lost.error.code === 'lost');
    gateway = await new FakeGatewayWindows().serve(path());
    gateway.fault = (op) => (op === 'menu' ? { code: 'frozen', frozenMs: 3_000 } : null);
    assert.deepEqual(await restart(), { kind: 'frozen', frozenMs: 3_000 });
  });

  it('waits until the driver has left the configuration, and types into no one else’s', async () => {
    gateway.configuration = { ...gateway.auto, page: false };
    let looks = 0;
    gateway.fault = (op) => {
      if (op === 'windows' && ++looks === 3) gateway.configuration = null;
      return null;
    };
    assert.equal((await restart()).kind, 'scheduled');
    gateway.configuration = { ...gateway.auto, page: false };
    const begun = gateway.done.length;
    const outcome = await visited((bridge) => warmRestart(bridge, { clock, deadlineMs: 300 }));
    assert.deepEqual([outcome, gateway.done.length], [{ kind: 'busy' }, begun]);
  });

  it('takes the minute after when the next one is too close', async () => {
    gateway.now = () => Date.UTC(2026, 10, 23, 11, 58, 53);
    const outcome = await restart();
    assert.ok(outcome.kind === 'scheduled');
    assert.equal(outcome.at, Date.UTC(2026, 10, 23, 12, 0, 0));
    assert.deepEqual(gateway.auto, { action: 'restart', time: '12:00', half: 'PM' });
  });
});

describe('the restart time', () => {
  const set = { action: 'restart', time: '04:36', half: 'AM' } as const;
  const before = { action: 'logoff', time: '11:45', half: 'PM' } as const;
  const restore = () => visited((bridge) => restoreAutoTime(bridge, { set, before }, WITHIN));

  it('is set back', async () => {
    gateway.auto = set;
    assert.deepEqual(await restore(), { kind: 'restored' });
    assert.deepEqual(gateway.auto, before);
  });

  it('that somebody has changed since is left as it is', async () => {
    gateway.auto = { ...set, time: '05:00' };
    assert.deepEqual(await restore(), { kind: 'other', shown: { ...set, time: '05:00' } });
    assert.deepEqual([gateway.auto.time, gateway.configuration], ['05:00', null]);
  });
});
