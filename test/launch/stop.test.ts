// Checks `ib-session stop` with a process in the JVM's place: whom it asks, how long it waits, and what it says when it cannot.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { sessionPaths } from '../../src/config/paths.ts';
import { formatDisplayRecord } from '../../src/display/display-record.ts';
import { encodeXauthority } from '../../src/display/xauthority.ts';
import type { LaunchRecord } from '../../src/gateway/launch-records.ts';
import { SystemClock } from '../../src/host/clock.ts';
import { stopFailureText, stopSession } from '../../src/launch/stop.ts';
import { FakeGatewayWindows } from '../fakes/fake-gateway-windows.ts';

const UID = process.getuid?.() ?? 0;
/** Success of the connection setup, protocol 11.0, with nothing after it. */
const X_SUCCESS = Buffer.from([1, 0, 11, 0, 0, 0, 0, 0]);
let displayNumber = 40_000 + (process.pid % 5_000);

let root = '';
let jvm: ChildProcess;
let display: Server;
let gateway: FakeGatewayWindows;
const servers: Server[] = [];
const paths = () => sessionPaths({ runtimeRoot: join(root, 'run'), stateRoot: join(root, 'lib') }, 'live');

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'ib-stop-'));
  displayNumber += 1;
  display = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write(X_SUCCESS));
  });
  display.listen(`\0/tmp/.X11-unix/X${displayNumber}`);
  await once(display, 'listening');
  mkdirSync(dirname(paths().displayCookie), { recursive: true });
  writeFileSync(paths().displayCookie, encodeXauthority(new Uint8Array(16)));
  const name = `:${displayNumber}`;
  const record = { v: 1, number: displayNumber, display: name, pid: process.pid, at: 0 } as const;
  writeFileSync(paths().displayRecord, formatDisplayRecord(record));
  jvm = spawn('sleep', ['600']);
  await once(jvm, 'spawn');
  gateway = await new FakeGatewayWindows(jvm.pid).serve(paths().bridgeSocket);
  gateway.onShutdown = () => {
    jvm.kill('SIGKILL');
    gateway.end();
  };
  publish();
});
afterEach(async () => {
  gateway.end();
  display.close();
  for (const server of servers.splice(0)) server.close();
  if (jvm.exitCode === null && jvm.signalCode === null) {
    jvm.kill('SIGKILL');
    await once(jvm, 'exit');
  }
  rmSync(root, { recursive: true, force: true });
});

function publish(change: Partial<LaunchRecord> = {}): void {
  mkdirSync(dirname(paths().launchRecord), { recursive: true });
  const record: LaunchRecord = {
    v: 1,
    orderId: 'a1',
    kind: 'cold',
    ibcSessionId: 'abcdefgh',
    commandPort: null,
    gatewayVersion: '1045',
    display: `:${displayNumber}`,
    pid: jvm.pid ?? 0,
    at: 0,
    ...change,
  };
  writeFileSync(paths().launchRecord, JSON.stringify(record));
}

function stop(deadlineMs = 20_000) {
  return stopSession({
    paths: paths(),
    mainPid: jvm.pid ?? null,
    deadlineMs,
    readPeer: () => ({ pid: process.pid, uid: UID }),
    uid: UID,
    clock: new SystemClock(),
  });
}

async function commandServer(): Promise<{ readonly port: number; readonly got: string[] }> {
  const got: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      got.push(chunk.toString().trim());
      socket.end('OK Shutting down: STOP command\n');
      jvm.kill('SIGKILL');
    });
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { port: address.port, got };
}

describe('ib-session stop', () => {
  it('works the windows and returns when the JVM is gone, with nothing to say', async () => {
    const outcome = await stop();
    assert.deepEqual([outcome, stopFailureText(outcome)], [{ kind: 'closed' }, null]);
    assert.deepEqual(gateway.done, ['menu Close', 'click Yes']);
    assert.deepEqual(await stop(), { kind: 'nothing' });
  });

  it('closes a gateway of an earlier version, whose record has a port and whose JVM may have no bridge', async () => {
    const { port, got } = await commandServer();
    publish({ commandPort: port });
    gateway.end();
    assert.deepEqual([await stop(), got], [{ kind: 'closed' }, ['STOP']]);
  });

  it('prefers the windows where there is a command server too', async () => {
    const { port, got } = await commandServer();
    publish({ commandPort: port });
    assert.deepEqual([await stop(), got], [{ kind: 'closed' }, []]);
  });

  it('waits no longer than it may for one that closes and does not end', async () => {
    gateway.onShutdown = () => {};
    const outcome = await stop(700);
    assert.equal(outcome.kind, 'too-slow');
    assert.match(stopFailureText(outcome) ?? '', /is closing, but has not ended in time/);
  });

  it('returns at once when nobody can be asked, and says why', async () => {
    const begun = performance.now();
    const said = async () => stopFailureText(await stop());
    gateway.main = false;
    assert.match((await said()) ?? '', /it has no main window/);
    gateway.main = true;
    gateway.fault = (op) => (op === 'windows' ? { code: 'frozen', frozenMs: 30_000 } : null);
    assert.match((await said()) ?? '', /its windows have not reacted for 30 s/);
    gateway.fault = (op) => (op === 'windows' ? 'drop' : null);
    assert.match((await said()) ?? '', /the connection to the window bridge ended/i);
    assert.match((await said()) ?? '', /its window bridge is not there \(this JVM has none/);
    publish({ pid: 1 });
    assert.match((await said()) ?? '', /there is no gateway yet/);
    publish();
    display.close();
    await once(display, 'close');
    assert.match((await said()) ?? '', /its X display is gone/);
    assert.ok(performance.now() - begun < 10_000);
    assert.equal(jvm.signalCode, null, 'the signal is systemd’s');
  });

  it('names the windows that show when the gateway does not do what it was asked', async () => {
    gateway.asks = false;
    gateway.others = ['A modal\u0007 question'];
    const text = stopFailureText(await stop(600)) ?? '';
    assert.match(
      text,
      /was asked to close and does not; its windows: "A modal\\u0007 question", "IBKR Gateway"/,
    );
  });
});
