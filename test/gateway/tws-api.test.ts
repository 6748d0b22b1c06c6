import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { after, afterEach, describe, it } from 'node:test';
import { EventName, IBApi } from '@stoqey/ib';
import { TwsApiClient, type TwsApiOptions, type TwsObservation } from '../../src/gateway/tws-api.ts';
import { encodeMessage } from '../../src/gateway/tws-codec.ts';
import { type Clock, SystemClock, type Timer } from '../../src/host/clock.ts';
import { FakeTws, type FakeTwsOptions } from '../fakes/fake-tws.ts';

const DEADLINE_MS = 20_000;

type Kind = TwsObservation['kind'];

/** Keeps what a client observes, and waits for what is still to come. */
class Watcher {
  readonly seen: TwsObservation[] = [];
  #wake: () => void = () => {};

  readonly observe = (observation: TwsObservation): void => {
    this.seen.push(observation);
    this.#wake();
  };

  kinds(): Kind[] {
    return this.seen.map((observation) => observation.kind);
  }

  async until(
    holds: (seen: readonly TwsObservation[]) => boolean,
    what = 'the expected observation',
  ): Promise<void> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    while (!holds(this.seen)) {
      if (deadline.aborted) assert.fail(`${what} did not come; seen: ${JSON.stringify(this.seen)}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      deadline.addEventListener('abort', () => resolve(), { once: true });
      await promise;
    }
  }

  async untilKind<K extends Kind>(kind: K, count = 1): Promise<Extract<TwsObservation, { kind: K }>> {
    const found = () => this.seen.filter((entry) => entry.kind === kind);
    await this.until(() => found().length >= count, `${kind} × ${count}`);
    return found()[count - 1] as Extract<TwsObservation, { kind: K }>;
  }
}

/** The system's clock, counting the timers that are neither fired nor cancelled. */
class CountingClock implements Clock {
  readonly #clock = new SystemClock();
  readonly #live = new Set<symbol>();

  get live(): number {
    return this.#live.size;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  after(delayMs: number, callback: () => void): Timer {
    const token = Symbol();
    this.#live.add(token);
    const timer = this.#clock.after(delayMs, () => {
      this.#live.delete(token);
      callback();
    });
    return {
      cancel: () => {
        this.#live.delete(token);
        timer.cancel();
      },
    };
  }

  every(): Timer {
    throw new Error('a repeating timer is not expected');
  }
}

const open: { close(): unknown }[] = [];

async function fakeTws(options: FakeTwsOptions = {}): Promise<FakeTws> {
  const tws = await FakeTws.listen(options);
  open.push(tws);
  return tws;
}

/** A client on that port with short time limits; it does not try again unless told to. */
function startClient(
  port: number,
  options: Partial<TwsApiOptions> = {},
): { client: TwsApiClient; watcher: Watcher } {
  const watcher = new Watcher();
  const client = new TwsApiClient({
    port,
    clientId: 4711,
    clock: new SystemClock(),
    observe: watcher.observe,
    reconnectDelayMs: () => 60_000,
    ...options,
  });
  open.push(client);
  client.connect();
  return { client, watcher };
}

afterEach(async () => {
  // Clients before servers, so that no client sees its server go.
  while (open.length > 0) await open.pop()?.close();
});

/** A port on which nothing listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  server.close();
  await once(server, 'close');
  return address.port;
}

describe('a session that is well', () => {
  it('shows handshake, accounts and the first answer, in this order', async () => {
    const tws = await fakeTws({ accounts: ['U1234567', 'U7654321'] });
    const { watcher } = startClient(tws.port);
    const { ms } = await watcher.untilKind('latency');
    assert.deepEqual(watcher.kinds(), ['connected', 'handshake', 'accounts', 'next-valid-id', 'latency']);
    assert.deepEqual(watcher.seen[1], {
      kind: 'handshake',
      serverVersion: 176,
      connectionTime: '20261122 04:32:46 UTC',
    });
    assert.deepEqual(watcher.seen[2], { kind: 'accounts', accounts: ['U1234567', 'U7654321'] });
    assert.ok(ms >= 0 && ms < 1000);
    assert.deepEqual(tws.offers, ['v100..176']);
    assert.deepEqual(tws.received[0], ['71', '2', '4711', '']);
  });

  it('is asked for the time again and again, one request at a time', async () => {
    const tws = await fakeTws();
    const { watcher } = startClient(tws.port, { intervalMs: 5 });
    await watcher.untilKind('latency', 4);
    assert.equal(tws.accepted, 1);
    assert.equal(
      tws.received.filter(([id]) => id === '49').length,
      watcher.kinds().filter((k) => k === 'latency').length,
    );
  });

  it('keeps the accounts it was given and asks no earlier because of messages that come unasked', async () => {
    const tws = await fakeTws();
    const { watcher } = startClient(tws.port, { accountsTimeoutMs: 20 });
    await watcher.untilKind('latency');
    tws.sendRaw(
      Buffer.concat([encodeMessage([9, 1, 2]), encodeMessage([9, 1, 3]), encodeMessage([49, 1, 5])]),
    );
    const pause = AbortSignal.timeout(100);
    await once(pause, 'abort');
    tws.sendError(321, 'marker');
    await watcher.untilKind('api-error');
    assert.equal(tws.received.filter(([id]) => id === '49').length, 1);
    assert.equal(watcher.kinds().filter((kind) => kind === 'latency').length, 1);
    assert.equal(watcher.kinds().includes('no-accounts'), false);
  });

  it('reports connectivity, farms and errors as they come', async () => {
    const tws = await fakeTws();
    const { watcher } = startClient(tws.port);
    await watcher.untilKind('latency');
    const before = watcher.seen.length;
    tws.sendError(1100, 'Connectivity between IBKR and Trader Workstation has been lost.');
    tws.sendError(2103, 'Market data farm connection is broken:usfarm');
    tws.sendError(1101, 'Connectivity restored - data lost.');
    tws.sendError(2107, 'HMDS data farm connection is inactive but should be available upon demand.ushmds');
    tws.sendError(1102, 'Connectivity restored - data maintained.');
    tws.sendError(2110, 'Connectivity between Trader Workstation and server is broken.');
    tws.sendError(321, 'Ungültig', 7);
    await watcher.untilKind('api-error');
    assert.deepEqual(watcher.seen.slice(before), [
      { kind: 'connectivity', code: 1100 },
      { kind: 'farm', code: 2103, name: 'usfarm', farmKind: 'market', ok: false },
      { kind: 'connectivity', code: 1101 },
      { kind: 'farm', code: 2107, name: 'ushmds', farmKind: 'historical', ok: true },
      { kind: 'connectivity', code: 1102 },
      { kind: 'connectivity', code: 2110 },
      { kind: 'api-error', code: 321, text: 'Ungültig' },
    ]);
  });

  it('shows the same when every byte comes alone, when answers are late, and with the oldest version', async () => {
    for (const options of [
      { chunkBytes: 1 },
      { mode: 'slow', delayMs: 10 },
      { serverVersion: 100 },
    ] as const) {
      const tws = await fakeTws(options);
      const { watcher } = startClient(tws.port);
      await watcher.untilKind('latency');
      assert.deepEqual(watcher.kinds(), ['connected', 'handshake', 'accounts', 'next-valid-id', 'latency']);
    }
  });
});

describe('failures that look alike from outside', () => {
  it('a closed port is unreachable, with the system’s code', async () => {
    const { watcher } = startClient(await freePort());
    await watcher.untilKind('unreachable');
    assert.deepEqual(watcher.seen, [{ kind: 'unreachable', code: 'ECONNREFUSED' }]);
  });

  it('a port whose queue is full, so that the attempt itself hangs, is unreachable in time', async () => {
    // The system completes connections for a process that never accepts, until its queue is full; then it drops attempts.
    const source = `
      const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
        require('node:fs').writeSync(1, String(server.address().port) + '\\n');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      });`;
    const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
    open.push({ close: () => child.kill('SIGKILL') });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const port = Number(line.toString());
    for (let count = 0; count < 4; count++) {
      const filler = connect({ host: '127.0.0.1', port });
      filler.on('error', () => {});
      open.push({ close: () => filler.destroy() });
    }
    const { watcher } = startClient(port, {
      connectTimeoutMs: 200,
      handshakeTimeoutMs: 100,
      reconnectDelayMs: () => 0,
    });
    assert.deepEqual(await watcher.untilKind('unreachable'), { kind: 'unreachable', code: 'ETIMEDOUT' });
  });

  it('a port that accepts and says nothing is mute', async () => {
    const tws = await fakeTws({ mode: 'mute' });
    const { watcher } = startClient(tws.port, { handshakeTimeoutMs: 30 });
    await watcher.untilKind('closed');
    assert.deepEqual(watcher.seen, [
      { kind: 'connected' },
      { kind: 'mute', afterMs: 30 },
      { kind: 'closed', reason: 'mute' },
    ]);
  });

  it('a handshake without accounts stays connected and says so once', async () => {
    const tws = await fakeTws({ mode: 'no-accounts' });
    const { watcher } = startClient(tws.port, { accountsTimeoutMs: 30, intervalMs: 5 });
    await watcher.untilKind('no-accounts');
    await watcher.untilKind('latency', 3);
    const expected = new Set(['connected', 'handshake', 'next-valid-id', 'latency', 'no-accounts']);
    assert.deepEqual(new Set(watcher.kinds()), expected);
    assert.equal(watcher.kinds().filter((kind) => kind === 'no-accounts').length, 1);
  });

  it('an empty list of accounts is no account', async () => {
    const tws = await fakeTws({ accounts: [] });
    const { watcher } = startClient(tws.port, { accountsTimeoutMs: 30 });
    await watcher.untilKind('no-accounts');
    assert.ok(!watcher.kinds().includes('accounts'));
  });

  it('silence after the handshake ends as unresponsive', async () => {
    const tws = await fakeTws({ mode: 'handshake-only' });
    const { watcher } = startClient(tws.port, { accountsTimeoutMs: 20, answerTimeoutMs: 20 });
    await watcher.untilKind('closed');
    assert.deepEqual(watcher.kinds(), ['connected', 'handshake', 'no-accounts', 'unresponsive', 'closed']);
    assert.deepEqual(watcher.seen.at(-1), { kind: 'closed', reason: 'unresponsive' });
  });

  it('a session that freezes is unresponsive, then given up', async () => {
    const tws = await fakeTws();
    const { watcher } = startClient(tws.port, { intervalMs: 5, answerTimeoutMs: 30 });
    await watcher.untilKind('latency');
    tws.mode = 'frozen';
    await watcher.untilKind('closed');
    const tail = watcher.seen.filter((entry) => entry.kind !== 'latency').slice(-2);
    assert.deepEqual(tail, [
      { kind: 'unresponsive', sinceMs: 30 },
      { kind: 'closed', reason: 'unresponsive' },
    ]);
  });

  it('a late answer ends the unresponsive spell on the same connection', async () => {
    const tws = await fakeTws({ mode: 'frozen' });
    const { watcher } = startClient(tws.port, { answerTimeoutMs: 300 });
    await watcher.untilKind('unresponsive');
    tws.sendRaw(encodeMessage([49, 1, 1_795_321_966]));
    const { ms } = await watcher.untilKind('latency');
    // Timers count whole milliseconds, so one may fire a part of one early.
    assert.ok(ms >= 299, `${ms} ms`);
    assert.deepEqual(watcher.kinds().slice(-2), ['unresponsive', 'latency']);
    assert.equal(tws.accepted, 1);
  });

  it('a server of another protocol is garbage', async () => {
    const tws = await fakeTws({ mode: 'garbage' });
    const { watcher } = startClient(tws.port);
    await watcher.untilKind('closed');
    assert.deepEqual(watcher.seen, [{ kind: 'connected' }, { kind: 'closed', reason: 'garbage' }]);
  });

  it('a server of another user is not believed, whatever it says', async () => {
    const tws = await fakeTws();
    const ours = process.getuid?.() ?? 0;
    const asked: number[] = [];
    const { watcher } = startClient(tws.port, {
      serverUid: ours,
      readOwner: (localPort, port) => {
        asked.push(localPort, port);
        return { kind: 'uid', uid: ours + 1 };
      },
    });
    await watcher.untilKind('closed');
    assert.deepEqual(watcher.seen, [{ kind: 'connected' }, { kind: 'closed', reason: 'foreign' }]);
    assert.ok((asked[0] ?? 0) > 0);
    assert.equal(asked[1], tws.port);
    assert.deepEqual(tws.received, [], 'it is not even told our client id');
  });

  it('a server that spoke and has gone is not believed', async () => {
    const tws = await fakeTws();
    const { watcher } = startClient(tws.port, { readOwner: () => ({ kind: 'gone' }) });
    await watcher.untilKind('closed');
    assert.deepEqual(watcher.seen, [{ kind: 'connected' }, { kind: 'closed', reason: 'reset' }]);
  });

  it('root, our own user, and one that the kernel does not tell are believed', async () => {
    const tws = await fakeTws();
    for (const owner of [{ kind: 'uid', uid: 0 }, { kind: 'uid', uid: 1234 }, { kind: 'unknown' }] as const) {
      const { watcher } = startClient(tws.port, { serverUid: 1234, readOwner: () => owner });
      await watcher.untilKind('handshake');
    }
  });

  it('garbage in place of the handshake ends it, whatever follows in the same read', async () => {
    const tws = await fakeTws({ mode: 'mute' });
    const clock = new CountingClock();
    const { watcher } = startClient(tws.port, { clock });
    await watcher.until(() => tws.offers.length === 1 || tws.connections === 1);
    tws.sendRaw(Buffer.concat([encodeMessage(['hello']), encodeMessage([176, '20261122 04:32:46 UTC'])]));
    await watcher.untilKind('closed');
    assert.deepEqual(watcher.seen, [{ kind: 'connected' }, { kind: 'closed', reason: 'garbage' }]);
    assert.equal(clock.live, 1, 'only the next attempt is waited for');
  });

  it('garbage in a session that was well ends it', async () => {
    const tws = await fakeTws();
    const { watcher } = startClient(tws.port);
    await watcher.untilKind('latency');
    tws.sendRaw(Buffer.from([0xff, 0xff, 0xff, 0xfc, 1]));
    assert.deepEqual(await watcher.untilKind('closed'), { kind: 'closed', reason: 'garbage' });
  });

  for (const mode of ['old-version', 'protobuf-version'] as const) {
    it(`a server of an ${mode} is no handshake`, async () => {
      const tws = await fakeTws({ mode });
      const { watcher } = startClient(tws.port);
      await watcher.untilKind('closed');
      assert.deepEqual(watcher.seen, [
        { kind: 'connected' },
        { kind: 'closed', reason: 'unsupported-version' },
      ]);
    });
  }

  it('a client id in use is named before the server closes', async () => {
    const tws = await fakeTws();
    const first = startClient(tws.port);
    await first.watcher.untilKind('latency');
    const { watcher } = startClient(tws.port);
    await watcher.untilKind('closed');
    assert.deepEqual(watcher.kinds(), ['connected', 'handshake', 'client-id-in-use', 'closed']);
    assert.equal(first.watcher.kinds().includes('closed'), false);
  });

  it('an orderly end and a reset are told apart', async () => {
    for (const [how, reason] of [
      ['end', 'ended'],
      ['reset', 'reset'],
    ] as const) {
      const tws = await fakeTws();
      const { watcher } = startClient(tws.port);
      await watcher.untilKind('latency');
      tws.dropAll(how);
      assert.deepEqual(await watcher.untilKind('closed'), { kind: 'closed', reason });
    }
  });
});

describe('the next attempt', () => {
  it('comes after the caller’s delay, which is asked each time with the number of failures in a row', async () => {
    const asked: number[] = [];
    const port = await freePort();
    const { watcher } = startClient(port, {
      reconnectDelayMs: (failures) => {
        asked.push(failures);
        return 5;
      },
    });
    await watcher.untilKind('unreachable', 3);
    const tws = await fakeTws({ port });
    await watcher.untilKind('latency');
    const failures = asked.length;
    assert.deepEqual(
      asked,
      Array.from({ length: failures }, (_, index) => index + 1),
    );
    tws.dropAll();
    await watcher.untilKind('latency', 2);
    assert.equal(asked[failures], 1, 'accounts end the row of failures');
    assert.equal(tws.connections, 1);
  });

  it('comes at once when it is asked for, and not twice', async () => {
    const port = await freePort();
    const { client, watcher } = startClient(port);
    await watcher.untilKind('unreachable');
    client.retryNow();
    client.retryNow();
    await watcher.untilKind('unreachable', 2);
    const tws = await fakeTws({ port });
    client.retryNow();
    await watcher.untilKind('latency');
    client.retryNow();
    client.connect();
    assert.equal(tws.accepted, 1);
  });
});

describe('closing', () => {
  it('is final, may be repeated, and nothing is observed after it', async () => {
    const tws = await fakeTws();
    const { client, watcher } = startClient(tws.port, { intervalMs: 1, reconnectDelayMs: () => 0 });
    await watcher.untilKind('latency');
    client.close();
    client.close();
    client.connect();
    client.retryNow();
    const seen = watcher.seen.length;
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    while (tws.connections > 0 && !deadline.aborted) await new Promise(setImmediate);
    assert.equal(tws.connections, 0);
    assert.equal(watcher.seen.length, seen);
    assert.equal(tws.accepted, 1);
  });

  it('works from inside every kind of observation', async () => {
    for (const kind of [
      'connected',
      'handshake',
      'accounts',
      'latency',
      'closed',
      'mute',
      'unresponsive',
    ] as const) {
      const mode =
        kind === 'mute' ? 'mute' : kind === 'unresponsive' ? 'frozen' : kind === 'closed' ? 'drop' : 'ok';
      const tws = await fakeTws({ mode });
      const seen: Kind[] = [];
      const { promise, resolve } = Promise.withResolvers<void>();
      const clock = new CountingClock();
      const client = new TwsApiClient({
        port: tws.port,
        clientId: 1,
        clock,
        handshakeTimeoutMs: 20,
        answerTimeoutMs: 20,
        reconnectDelayMs: () => 0,
        observe: (observation) => {
          seen.push(observation.kind);
          if (observation.kind !== kind) return;
          client.close();
          resolve();
        },
      });
      open.push(client);
      client.connect();
      await promise;
      const deadline = AbortSignal.timeout(DEADLINE_MS);
      while (tws.connections > 0 && !deadline.aborted) await new Promise(setImmediate);
      assert.equal(seen.at(-1), kind);
      assert.equal(tws.connections, 0, kind);
      assert.equal(tws.accepted, 1, kind);
      assert.equal(clock.live, 0, `timers after ${kind}`);
    }
  });

  it('100 connections after each other leave no socket, timer or listener behind', async () => {
    const tws = await fakeTws({ mode: 'drop' });
    const { client, watcher } = startClient(tws.port, { reconnectDelayMs: () => 0 });
    await watcher.untilKind('closed', 100);
    client.close();
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    while (tws.connections > 0 && !deadline.aborted) await new Promise(setImmediate);
    assert.equal(tws.connections, 0);
    const resources = process
      .getActiveResourcesInfo()
      .filter((name) => /^(TCPSocketWrap|Timeout)$/.test(name));
    assert.ok(resources.length <= 3, resources.join(', '));
  });
});

describe('against an independent peer', () => {
  const peers: IBApi[] = [];
  after(() => {
    for (const peer of peers) peer.disconnect();
  });

  /** What a client of the other making reports, in our words. */
  async function observeAsPeer(port: number): Promise<Record<string, unknown>> {
    const seen: Record<string, unknown> = {};
    const notices: [number, string][] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const api = new IBApi({ host: '127.0.0.1', port, clientId: 815 });
    peers.push(api);
    api.on(EventName.server, (version, time) => {
      seen['handshake'] = [version, time];
    });
    api.on(EventName.managedAccounts, (accounts) => {
      seen['accounts'] = accounts.split(',');
    });
    api.on(EventName.info, (text, code) => {
      notices.push([code, text]);
    });
    api.on(EventName.nextValidId, () => api.reqCurrentTime());
    api.on(EventName.currentTime, () => resolve());
    api.connect();
    const timeout = AbortSignal.timeout(DEADLINE_MS);
    timeout.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    assert.equal(timeout.aborted, false, `the peer got ${JSON.stringify(seen)}`);
    api.disconnect();
    return { ...seen, notices };
  }

  const notices = [
    [2104, 'Market data farm connection is OK:usfarm'],
    [2107, 'HMDS data farm connection is inactive but should be available upon demand.ushmds'],
    [1100, 'Connectivity has been lost: größer'],
  ] as const;

  for (const serverVersion of [100, 152, 165, 176]) {
    it(`it reads from a server of version ${serverVersion} what our client reads`, async () => {
      const tws = await fakeTws({ serverVersion, accounts: ['DU1234567', 'DU7654321'], notices });
      const theirs = await observeAsPeer(tws.port);
      const { watcher } = startClient(tws.port);
      await watcher.untilKind('connectivity');
      await watcher.untilKind('latency');
      const handshake = await watcher.untilKind('handshake');
      const accounts = await watcher.untilKind('accounts');
      assert.deepEqual(theirs['handshake'], [handshake.serverVersion, handshake.connectionTime]);
      assert.deepEqual(theirs['accounts'], accounts.accounts);
      assert.deepEqual(
        theirs['notices'],
        notices.map((notice) => [...notice]),
      );
      assert.deepEqual(
        watcher.seen.filter((entry) => entry.kind === 'farm' || entry.kind === 'connectivity'),
        [
          { kind: 'farm', code: 2104, name: 'usfarm', farmKind: 'market', ok: true },
          { kind: 'farm', code: 2107, name: 'ushmds', farmKind: 'historical', ok: true },
          { kind: 'connectivity', code: 1100 },
        ],
      );
    });
  }

  it('both ask for the API and the time with the same bytes, but for the client id', async () => {
    const tws = await fakeTws();
    await observeAsPeer(tws.port);
    const theirs = tws.received.splice(0);
    const { watcher } = startClient(tws.port, { clientId: 815 });
    await watcher.untilKind('latency');
    assert.deepEqual(tws.received, theirs);
  });
});
