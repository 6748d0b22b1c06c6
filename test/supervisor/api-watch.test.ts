// Checks a session's API watch against a real socket: what it makes of a server, of none, and of being switched off.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { ApiFact } from '../../src/domain/facts.ts';
import { SystemClock } from '../../src/host/clock.ts';
import { TwsApiWatch } from '../../src/supervisor/api-watch.ts';
import { FakeTws, type FakeTwsOptions } from '../fakes/fake-tws.ts';
import { aSession } from '../launch/builders.ts';
import { freePort, until } from '../support/world.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0)) await thing.close();
});

async function serve(options: FakeTwsOptions = {}): Promise<FakeTws> {
  const server = await FakeTws.listen(options);
  open.push(server);
  return server;
}

function watchOf(port: number): { readonly watch: TwsApiWatch; readonly facts: ApiFact[] } {
  const facts: ApiFact[] = [];
  const config = aSession({ api: { host: '127.0.0.1', port, clientId: 901 } });
  const watch = new TwsApiWatch(config, new SystemClock(), (fact) => facts.push(fact));
  open.push({ close: () => watch.unwatch() });
  return { watch, facts };
}

function has(facts: readonly ApiFact[], kind: ApiFact['kind']): boolean {
  return facts.some((fact) => fact.kind === kind);
}

describe('the API watch', () => {
  it('turns what a healthy gateway says into facts', async () => {
    const server = await serve({
      accounts: ['U1234567'],
      notices: [
        [1100, 'Connectivity between IBKR and Trader Workstation has been lost'],
        [1102, 'Connectivity has been restored - data maintained'],
        [2104, 'Market data farm connection is OK:usfarm'],
      ],
    });
    const { watch, facts } = watchOf(server.port);
    watch.watch(true);
    await until('latency and a farm', () => has(facts, 'api-latency') && has(facts, 'farm'));
    assert.equal(facts[0]?.kind, 'api-handshake');
    assert.deepEqual(
      facts.find((fact) => fact.kind === 'api-accounts'),
      { kind: 'api-accounts', accounts: ['U1234567'] },
    );
    assert.deepEqual(
      facts.filter((fact) => fact.kind === 'broker'),
      [
        { kind: 'broker', connected: false, dataLost: false },
        { kind: 'broker', connected: true, dataLost: false },
      ],
    );
    const farm = facts.find((fact) => fact.kind === 'farm');
    assert.deepEqual([farm?.name, farm?.ok], ['usfarm', true]);
  });

  it('tells a port that nobody listens on with the code of the system', async () => {
    const { watch, facts } = watchOf(await freePort());
    watch.watch(false);
    await until('api-down', () => has(facts, 'api-down'));
    assert.deepEqual(facts[0], { kind: 'api-down', detail: 'ECONNREFUSED' });
  });

  it('finds a gateway that comes up at once when eager, also when it was patient before', async () => {
    const port = await freePort();
    const { watch, facts } = watchOf(port);
    watch.watch(false);
    await until('api-down', () => has(facts, 'api-down'));
    await serve({ port });
    const begin = performance.now();
    watch.watch(true);
    await until('api-handshake', () => has(facts, 'api-handshake'));
    assert.ok(performance.now() - begin < 900, 'a patient watch would have waited a second');
  });

  it('tells a connection that ends, and comes back by itself', async () => {
    const server = await serve();
    const { watch, facts } = watchOf(server.port);
    watch.watch(true);
    await until('api-accounts', () => has(facts, 'api-accounts'));
    server.dropAll();
    await until('api-down', () => has(facts, 'api-down'));
    await until(
      'another handshake',
      () => facts.filter((fact) => fact.kind === 'api-handshake').length === 2,
    );
    assert.deepEqual(
      facts.find((fact) => fact.kind === 'api-down'),
      { kind: 'api-down', detail: 'connection ended' },
    );
  });

  it('keeps one connection however often it is asked to watch, and none when switched off', async () => {
    const server = await serve();
    const { watch, facts } = watchOf(server.port);
    for (let time = 0; time < 5; time += 1) watch.watch(time % 2 === 0);
    await until('api-accounts', () => has(facts, 'api-accounts'));
    assert.equal(server.accepted, 1);
    const before = facts.length;
    watch.unwatch();
    await until('the connection to close', () => server.connections === 0);
    assert.equal(facts.length, before, 'nothing is told of an end that was asked for');
    watch.watch(true);
    await until('another connection', () => server.accepted === 2);
  });
});
