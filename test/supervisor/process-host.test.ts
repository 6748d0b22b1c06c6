// Checks the process supervisor with real processes: the stop ladder, the order of what it tells, and that nothing is left behind.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { LaunchOrder } from '../../src/gateway/launch-records.ts';
import { parseLaunchFailure } from '../../src/gateway/launch-records.ts';
import { SystemClock } from '../../src/host/clock.ts';
import { ProcessHost, type ProcessHostParts } from '../../src/supervisor/process-host.ts';
import type { HostObservation } from '../../src/supervisor/session-host.ts';
import { FakeGatewayWindows } from '../fakes/fake-gateway-windows.ts';
import { until } from '../support/world.ts';
import {
  AFTER,
  aLaunchRecord,
  FakeRestarts,
  hostParts,
  isAlive,
  pathsOf,
  writeScript,
} from './host-builders.ts';

const ORDER: LaunchOrder = {
  v: 1,
  session: 'live',
  id: 'order-1',
  kind: 'cold',
  notAfter: Number.MAX_SAFE_INTEGER,
};

/** Says that it is up, with its pid, and lives until a signal. */
const LIVE = 'echo "up $$"; exec sleep 600';

let root = '';
const hosts: ProcessHost[] = [];
const servers: Server[] = [];
const gateways: FakeGatewayWindows[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ib-host-'));
});
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close();
  for (const server of servers.splice(0)) server.close();
  for (const gateway of gateways.splice(0)) gateway.end();
  rmSync(root, { recursive: true, force: true });
});

class Watched {
  readonly seen: HostObservation[] = [];
  readonly host: ProcessHost;

  constructor(session: string, display: string = LIVE, change: Partial<ProcessHostParts> = {}) {
    const launcher = writeScript(root, 'ib-session', `${AFTER}\n${session}`);
    this.host = new ProcessHost({
      ...hostParts(root, launcher, writeScript(root, 'ib-display', display)),
      clock: new SystemClock(),
      listener: (observation) => this.seen.push(observation),
      ...change,
    });
    hosts.push(this.host);
  }

  texts(source: 'session' | 'display'): string[] {
    return this.seen.flatMap((seen) => (seen.kind === 'line' && seen.source === source ? [seen.text] : []));
  }

  of<K extends HostObservation['kind']>(kind: K): Extract<HostObservation, { kind: K }>[] {
    return this.seen.filter((seen): seen is Extract<HostObservation, { kind: K }> => seen.kind === kind);
  }

  async exited(): Promise<Extract<HostObservation, { kind: 'exited' }>['record']> {
    const found = await until('exited', () => this.of('exited')[0], 15_000);
    return found.record;
  }

  /** The pid that a script wrote after `up`. */
  async pidOf(source: 'session' | 'display'): Promise<number> {
    const line = await until(`${source} is up`, () =>
      this.texts(source).find((text) => text.startsWith('up ')),
    );
    return Number(line.slice('up '.length));
  }

  async up(): Promise<void> {
    this.host.start(ORDER);
    await Promise.all([this.pidOf('session'), this.pidOf('display')]);
  }
}

/** Windows of a gateway that calls back when it closes, published as the run's. */
async function publishWindows(onShutdown: () => void, orderId = 'order-1'): Promise<FakeGatewayWindows> {
  const { launchRecord, bridgeSocket } = pathsOf(root);
  const gateway = await new FakeGatewayWindows().serve(bridgeSocket);
  gateways.push(gateway);
  gateway.onShutdown = onShutdown;
  writeFileSync(launchRecord, JSON.stringify(aLaunchRecord({ orderId, pid: process.pid })));
  return gateway;
}

/** A command server that answers as IBC does, calls back, and is published as the run's; there are no windows. */
async function publishCommandServer(onStop: () => void): Promise<{ readonly got: string[] }> {
  const got: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      const command = chunk.toString('utf8').trim();
      got.push(command);
      const words = command === 'STOP' ? 'OK Shutting down: STOP command' : `OK ${command} in progress`;
      socket.end(`${words}\n`);
      if (command === 'STOP') onStop();
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const { launchRecord } = pathsOf(root);
  mkdirSync(dirname(launchRecord), { recursive: true });
  writeFileSync(launchRecord, JSON.stringify(aLaunchRecord({ commandPort: address.port })));
  return { got };
}

describe('a run', () => {
  it('tells the pid, every line with its stream, and the exit after all of them, once', async () => {
    const watched = new Watched('echo one; echo two >&2; printf three; exit 7');
    watched.host.start(ORDER);
    const pid = watched.host.pid();
    const record = await watched.exited();
    assert.deepEqual([record.status, record.signal, record.orderId], [7, null, 'order-1']);
    assert.deepEqual(watched.of('launched'), [{ kind: 'launched', pid }]);
    assert.deepEqual(watched.texts('session').sort(), ['one', 'three', 'two']);
    const streams = watched.of('line').map((line) => `${line.stream} ${line.text}`);
    assert.ok(streams.includes('stderr two') && streams.includes('stdout one'));
    assert.equal(
      watched.seen.filter((seen) => seen.kind !== 'line' || seen.source === 'session').at(-1)?.kind,
      'exited',
    );
    assert.equal(watched.host.pid(), null);
  });

  it('that is killed is told with its signal', async () => {
    const watched = new Watched(LIVE);
    await watched.up();
    process.kill(await watched.pidOf('session'), 'SIGKILL');
    const record = await watched.exited();
    assert.deepEqual([record.status, record.signal], [null, 'SIGKILL']);
  });

  it('whose launcher is not there ends like any other', async () => {
    const watched = new Watched('', LIVE, { sessionLauncher: [join(root, 'missing')] });
    watched.host.start(ORDER);
    const record = await watched.exited();
    assert.equal(record.orderId, 'order-1', 'nothing is known, so the login counts as made');
    assert.notEqual(record.status, 0);
  });

  it('of which `after` says nothing is told with what is known, and that it said nothing', async () => {
    const watched = new Watched('exit 3');
    writeScript(root, 'ib-session', 'if [ "$1" = after ]; then echo oops >&2; exit 1; fi; exit 3');
    watched.host.start(ORDER);
    const record = await watched.exited();
    assert.deepEqual([record.status, record.orderId], [3, 'order-1']);
    assert.ok(watched.texts('session').some((text) => /after said nothing \(status 1\): oops/.test(text)));
  });

  it('that ends at once does not take the display with it; the next run finds it up', async () => {
    const watched = new Watched('exit 1');
    watched.host.start(ORDER);
    await watched.exited();
    const display = await watched.pidOf('display');
    watched.seen.length = 0;
    watched.host.start(ORDER);
    await watched.exited();
    assert.ok(isAlive(display));
    assert.deepEqual(watched.texts('display'), []);
  });

  it('gets the environment that it is given and nothing of ours', async () => {
    const watched = new Watched('env; exit 0');
    watched.host.start(ORDER);
    await watched.exited();
    const names = watched
      .texts('session')
      .map((line) => line.split('=')[0] ?? '')
      .filter((name) => !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name));
    assert.deepEqual(names.sort(), ['PATH', 'ROOT']);
  });

  it('whose display directory cannot be made ends at once with the path, nothing submitted, nothing started', async () => {
    const watched = new Watched(LIVE);
    writeFileSync(join(root, 'run'), '');
    watched.host.start(ORDER);
    const record = await watched.exited();
    assert.deepEqual([record.orderId, record.status], [null, 78]);
    const failure = watched.texts('display').map(parseLaunchFailure)[0];
    assert.equal(failure?.code, 'runtime-unusable');
    assert.ok(failure?.message.includes(join(root, 'run', 'ib-display')));
    assert.equal(watched.host.pid(), null);
  });
});

describe('a tidy stop', () => {
  const slow = () => ({ config: { ...hostParts('', '', '').config, deadlines: LONG } });
  const LONG = { ...hostParts('', '', '').config.deadlines, stopMs: 60_000 };
  const untidy = (watched: Watched) =>
    watched.texts('session').filter((text) => text.endsWith('; it is ended by SIGTERM'));
  /** Lives until the file is there, and says so when it gets a signal. */
  const untilFlag = (flag: string) =>
    `echo "up $$"; trap 'echo signalled; exit 99' TERM; while [ ! -e ${flag} ]; do sleep 0.02; done; exit 0`;

  it('goes through the windows and waits, without any signal, when that is enough', async () => {
    const flag = join(root, 'stop');
    const watched = new Watched(untilFlag(flag), LIVE, slow());
    await watched.up();
    const gateway = await publishWindows(() => {
      writeFileSync(flag, '');
      // Its windows end with it.
      gateway.end();
    });
    watched.host.stop('tidy');
    assert.equal((await watched.exited()).status, 0);
    assert.deepEqual(gateway.done, ['menu Close', 'click Yes']);
    assert.deepEqual([untidy(watched), watched.texts('session').includes('signalled')], [[], false]);
  });

  it('that begins and does not end goes on to SIGTERM, then to SIGKILL, and says so', async () => {
    const watched = new Watched(`echo "up $$"; trap 'echo termed' TERM; while :; do sleep 0.02; done`);
    await watched.up();
    await publishWindows(() => {});
    const begin = performance.now();
    watched.host.stop('tidy');
    assert.equal((await watched.exited()).signal, 'SIGKILL');
    assert.deepEqual(
      watched.texts('session').filter((text) => text === 'termed'),
      ['termed'],
    );
    assert.deepEqual(untidy(watched), [
      'the gateway is closing, but has not ended in time; it is ended by SIGTERM',
    ]);
    assert.ok(performance.now() - begin >= 590, 'both deadlines were waited for');
  });

  it('begins with SIGTERM at once where nobody can be asked, and says why', async () => {
    const cases: readonly (readonly [RegExp, () => Promise<unknown>])[] = [
      [/^there is no gateway yet/, async () => {}],
      [/its window bridge is not there/, async () => (await publishWindows(() => {})).end()],
      [/^there is no gateway yet/, () => publishWindows(() => {}, 'order-0')],
      [
        /it has no main window, so it is not logged in/,
        async () => {
          (await publishWindows(() => {})).main = false;
        },
      ],
      [
        /its windows have not reacted for 20 s/,
        async () => {
          (await publishWindows(() => {})).fault = (op) =>
            op === 'windows' ? { code: 'frozen', frozenMs: 20_000 } : null;
        },
      ],
    ];
    for (const [said, publish] of cases) {
      const watched = new Watched(LIVE, LIVE, slow());
      await watched.up();
      await publish();
      watched.host.stop('tidy');
      assert.equal((await watched.exited()).signal, 'SIGTERM', String(said));
      assert.equal(untidy(watched).length, 1, String(said));
      assert.match(untidy(watched)[0] ?? '', said);
      await watched.host.close();
      for (const gateway of gateways.splice(0)) gateway.end();
      rmSync(pathsOf(root).launchRecord, { force: true });
    }
  });

  it("falls back to IBC's STOP where there is a command server and no bridge", async () => {
    const flag = join(root, 'stop');
    const watched = new Watched(untilFlag(flag), LIVE, slow());
    await watched.up();
    const { got } = await publishCommandServer(() => writeFileSync(flag, ''));
    watched.host.stop('tidy');
    assert.deepEqual([(await watched.exited()).status, got, untidy(watched)], [0, ['STOP'], []]);
  });

  it('that is asked twice is one, and a stop by signal overtakes it', async () => {
    const watched = new Watched(LIVE, LIVE, slow());
    await watched.up();
    const gateway = await publishWindows(() => {});
    watched.host.stop('tidy');
    watched.host.stop('tidy');
    await until('the close', () => gateway.shutdown);
    watched.host.stop('signal');
    assert.equal((await watched.exited()).signal, 'SIGTERM');
    assert.deepEqual(gateway.done, ['menu Close', 'click Yes']);
  });

  it('of nothing does nothing', () => {
    const watched = new Watched(LIVE);
    watched.host.stop('tidy');
    watched.host.stopDisplay();
    assert.deepEqual(watched.seen, []);
  });
});

describe('a restart that is asked', () => {
  it('is asked of the run that there is, which is also told when it is ready', async () => {
    const restarts = new FakeRestarts();
    const watched = new Watched(LIVE, LIVE, { restarts });
    await watched.up();
    watched.host.askRestart();
    const answer = await until('an answer', () => watched.of('restart-answer')[0]);
    assert.equal(answer.accepted, true);
    watched.host.setReady(true);
    watched.host.setReady(false);
    assert.deepEqual(restarts.asked, ['ask order-1', 'ready order-1', 'ready null']);
  });
});

describe('the display', () => {
  it('that ends by itself is told with how', async () => {
    const watched = new Watched(LIVE, 'echo "up $$"; exit 5');
    watched.host.start(ORDER);
    const ended = await until('display-exited', () => watched.of('display-exited')[0]);
    assert.deepEqual(ended, { kind: 'display-exited', status: 5, signal: null });
  });

  it('that is stopped is no news, and one that ignores SIGTERM is killed', async () => {
    const watched = new Watched('exit 0', `echo "up $$"; trap '' TERM; while :; do sleep 0.02; done`);
    watched.host.start(ORDER);
    const display = await watched.pidOf('display');
    await watched.exited();
    watched.host.stopDisplay();
    await until('the display to end', () => !isAlive(display), 15_000);
    assert.deepEqual(watched.of('display-exited'), []);
  });

  it('that was stopped is started anew by the next run', async () => {
    const watched = new Watched('exit 0');
    watched.host.start(ORDER);
    const first = await watched.pidOf('display');
    await watched.exited();
    watched.host.stopDisplay();
    watched.seen.length = 0;
    watched.host.start(ORDER);
    assert.notEqual(await watched.pidOf('display'), first);
  });
});

describe('closing', () => {
  it('resolves once nothing is left, also of what does not listen', async () => {
    const watched = new Watched(`echo "up $$"; trap '' TERM; while :; do sleep 0.02; done`);
    await watched.up();
    const pids = [await watched.pidOf('session'), await watched.pidOf('display')];
    await watched.host.close();
    assert.deepEqual(pids.map(isAlive), [false, false]);
    assert.equal(watched.of('exited').length, 1);
  });

  it('of a host that never started anything resolves', async () => {
    await new Watched(LIVE).host.close();
  });
});

describe('an agent that is killed outright', () => {
  it('takes its children with it', async () => {
    const launcher = writeScript(root, 'ib-session', `${AFTER}\n${LIVE}`);
    const display = writeScript(root, 'ib-display', LIVE);
    const program = fileURLToPath(new URL('./parent-of-host.ts', import.meta.url));
    const parent = spawn(process.execPath, [program, root, launcher, display], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pids: number[] = [];
    createInterface({ input: parent.stdout }).on('line', (line) => {
      const observation = JSON.parse(line) as HostObservation;
      if (observation.kind === 'line' && observation.text.startsWith('up ')) {
        pids.push(Number(observation.text.slice('up '.length)));
      }
    });
    try {
      await until('both children are up', () => pids.length === 2);
      assert.deepEqual(pids.map(isAlive), [true, true]);
    } finally {
      parent.kill('SIGKILL');
    }
    await until('both children are gone', () => !pids.some(isAlive), 10_000);
  });
});
