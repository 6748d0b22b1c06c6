// Checks the restarts that keep the login: what is asked, what is answered, and that the gateway's own time is set back afterwards.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Clock, SystemClock } from '../../src/host/clock.ts';
import { BridgeWarmRestarts, type RestartAnswer } from '../../src/supervisor/warm-restarts.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { FakeGatewayWindows } from '../fakes/fake-gateway-windows.ts';
import { until } from '../support/world.ts';
import { aLaunchRecord, pathsOf } from './host-builders.ts';

const BEFORE = { action: 'logoff', time: '11:45', half: 'PM' } as const;

let root = '';
let gateway: FakeGatewayWindows;
let said: string[] = [];
const made: BridgeWarmRestarts[] = [];
const servers: Server[] = [];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'ib-restarts-'));
  said = [];
  mkdirSync(dirname(note()), { recursive: true });
  gateway = await new FakeGatewayWindows().serve(pathsOf(root).bridgeSocket);
  publish('order-1');
});
afterEach(() => {
  for (const restarts of made.splice(0)) restarts.close();
  for (const server of servers.splice(0)) server.close();
  gateway.end();
  rmSync(root, { recursive: true, force: true });
});

const note = () => pathsOf(root).restartNote;

function publish(orderId: string, commandPort: number | null = null): void {
  const record = aLaunchRecord({ orderId, commandPort, pid: process.pid });
  writeFileSync(pathsOf(root).launchRecord, JSON.stringify(record));
}

function anAgent(
  ibc: Readonly<Record<string, string>> = {},
  clock: Clock = new SystemClock(),
): BridgeWarmRestarts {
  const restarts = new BridgeWarmRestarts({
    config: { ibc },
    bridge: { path: pathsOf(root).bridgeSocket, serverUid: process.getuid?.() ?? 0 },
    launchRecord: pathsOf(root).launchRecord,
    noteFile: note(),
    clock,
    say: (sentence) => said.push(sentence),
  });
  made.push(restarts);
  return restarts;
}

/** The restarted gateway, with the settings of the one before. */
async function comesBack(orderId = 'order-2'): Promise<void> {
  const { auto } = gateway;
  gateway.end();
  gateway = await new FakeGatewayWindows().serve(pathsOf(root).bridgeSocket);
  gateway.auto = auto;
  publish(orderId);
}

const whyOf = (answer: RestartAnswer) => (answer.accepted ? 'accepted' : answer.why);

describe('a restart that is asked', () => {
  it('is answered with its minute, which the gateway has as its own time from then on', async () => {
    const answer = await anAgent().ask('order-1');
    assert.ok(answer.accepted && answer.at !== null);
    assert.equal(answer.at % 60_000, 0);
    assert.equal(answer.detail, `the gateway restarts at ${new Date(answer.at).toISOString()}`);
    assert.equal(gateway.auto.action, 'restart');
    const kept = JSON.parse(readFileSync(note(), 'utf8')) as Record<string, unknown>;
    assert.deepEqual([kept['order'], kept['before'], kept['at']], ['order-1', BEFORE, answer.at]);
  });

  it('is refused for a reason of its own where it cannot be', async () => {
    const restarts = anAgent();
    assert.equal(whyOf(await restarts.ask(null)), 'not-running');
    assert.equal(whyOf(await restarts.ask('order-0')), 'not-running');
    gateway.main = false;
    assert.equal(whyOf(await restarts.ask('order-1')), 'no-main-window');
    gateway.main = true;
    gateway.menus = ['Close'];
    assert.equal(whyOf(await restarts.ask('order-1')), 'missing');
    gateway.menus = ['Close', 'Settings'];
    gateway.fault = (op) => (op === 'set-text' ? { code: 'stale' } : null);
    assert.equal(whyOf(await restarts.ask('order-1')), 'changed');
    gateway.fault = (op) => (op === 'windows' ? { code: 'frozen', frozenMs: 9_000 } : null);
    assert.equal(whyOf(await restarts.ask('order-1')), 'frozen');
    gateway.fault = (op) => (op === 'set-text' ? 'drop' : null);
    assert.equal(whyOf(await restarts.ask('order-1')), 'gone');
    assert.equal(whyOf(await restarts.ask('order-1')), 'no-bridge');
    assert.equal(existsSync(note()), false);
  });

  it('is not made when what is to be set back cannot be noted', async () => {
    rmSync(dirname(note()), { recursive: true });
    const answer = await anAgent().ask('order-1');
    assert.equal(whyOf(answer), 'unrecorded');
    assert.match(answer.detail, /ENOENT/);
    assert.deepEqual([gateway.auto, gateway.configuration], [BEFORE, null]);
  });

  it("goes to IBC's command server where there is one and no bridge", async () => {
    const got: string[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        got.push(chunk.toString().trim());
        socket.end('OK RESTART in progress\nOK RESTART at 04:36 AM\n');
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    publish('order-1', address.port);
    gateway.end();
    const answer = await anAgent().ask('order-1');
    assert.ok(answer.accepted && answer.at === null);
    assert.match(answer.detail, /RESTART at 04:36 AM/);
    assert.deepEqual(got, ['RESTART']);
  });
});

describe("the gateway's own restart time", () => {
  it('is set back by the restarted session once it is ready, also by another agent, and then never again', async () => {
    await anAgent().ask('order-1');
    await comesBack();
    anAgent().setReady('order-2');
    await until('the time is back', () => !existsSync(note()));
    assert.deepEqual(gateway.auto, BEFORE);
    assert.deepEqual(said, ["the gateway's own daily time is set back: logoff at 11:45 PM"]);
    const done = gateway.done.length;
    const restarts = anAgent();
    restarts.setReady('order-2');
    // Walks are one after the other, so this one comes after it.
    await restarts.ask(null);
    assert.equal(gateway.done.length, done);
  });

  it('is that before the first of two restarts', async () => {
    const restarts = anAgent();
    await restarts.ask('order-1');
    await restarts.ask('order-1');
    await comesBack();
    restarts.setReady('order-2');
    await until('the time is back', () => !existsSync(note()));
    assert.deepEqual(gateway.auto, BEFORE);
  });

  it('is left to IBC where it is configured, and to whoever has changed it since', async () => {
    await anAgent().ask('order-1');
    await comesBack();
    const set = gateway.auto;
    anAgent({ AutoRestartTime: '11:45 PM' }).setReady('order-2');
    await until('the note is gone', () => !existsSync(note()));
    assert.deepEqual([gateway.auto, gateway.done], [set, []]);

    await anAgent().ask('order-2');
    await comesBack('order-3');
    gateway.auto = { ...BEFORE, time: '01:00' };
    anAgent().setReady('order-3');
    await until('the note is gone', () => !existsSync(note()));
    assert.equal(gateway.auto.time, '01:00');
  });

  it('is tried again every minute where it cannot be set back, which is told once', async () => {
    await anAgent().ask('order-1');
    await comesBack();
    gateway.menus = ['Close'];
    const clock = new FakeClock(Date.now());
    const restarts = anAgent({}, clock);
    restarts.setReady('order-2');
    const turn = async () => {
      clock.advance(0);
      await restarts.ask(null);
    };
    await turn();
    assert.equal(said.length, 1);
    assert.match(
      said[0] ?? '',
      /cannot be set back \(logoff at 11:45 PM\) yet: it has no Configure > Settings/,
    );
    clock.advance(60_000);
    await turn();
    assert.equal(said.length, 1);
    gateway.menus = ['Close', 'Settings'];
    clock.advance(60_000);
    await turn();
    assert.deepEqual(gateway.auto, BEFORE);
  });

  it('is set back in the same JVM too, when the restart has not come two minutes after its minute', async () => {
    const answer = await anAgent().ask('order-1');
    assert.ok(answer.accepted && answer.at !== null);
    const clock = new FakeClock(Date.now());
    const restarts = anAgent({}, clock);
    restarts.setReady('order-1');
    clock.advance(0);
    await restarts.ask(null);
    assert.equal(gateway.auto.action, 'restart');
    clock.advance(answer.at + 119_000 - clock.now());
    await restarts.ask(null);
    assert.equal(gateway.auto.action, 'restart');
    clock.advance(1_000);
    await restarts.ask(null);
    assert.deepEqual(gateway.auto, BEFORE);
  });
});
