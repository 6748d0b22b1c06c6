// Checks the client: advice when nobody answers, retries while the agent comes back, what is repeated and what never, limits.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ConnectOptions, type ControlClient, connectControl } from '../../src/control/client.ts';
import type { AgentError } from '../../src/protocol/errors.ts';
import { METHODS } from '../../src/protocol/methods.ts';
import { startFakeControl } from '../fakes/fake-control.ts';
import {
  aClient,
  anOutcome,
  aProgress,
  aStatus,
  clock,
  handlers,
  socketDirectory,
  startServer,
  until,
} from './harness.ts';

function connectTo(
  t: TestContext,
  path: string,
  changes: Partial<ConnectOptions> = {},
): Promise<ControlClient> {
  const connecting = connectControl(path, {
    deadlineMs: 5_000,
    retryMs: 0,
    clock,
    client: 'test',
    ...changes,
  });
  t.after(() =>
    connecting.then(
      (client) => client.close(),
      () => {},
    ),
  );
  return connecting;
}

/** A server of our own making, for agents that behave badly. */
async function rogue(t: TestContext, onConnection: (socket: Socket) => void): Promise<string> {
  const path = join(socketDirectory(t), 'control.sock');
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    onConnection(socket);
  }).listen(path);
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return path;
}

test('without a socket, or with one nobody listens on, the advice is to start the agent', async (t) => {
  const directory = socketDirectory(t);
  const dead = join(directory, 'dead.sock');
  const script = `require('node:net').createServer().listen(${JSON.stringify(dead)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  for (const path of [join(directory, 'none.sock'), dead, join(directory, 'missing', 'control.sock')]) {
    await assert.rejects(connectTo(t, path), (error: AgentError) => {
      assert.equal(error.code, 'agent-unreachable');
      assert.ok(error.message.includes(path));
      assert.match(error.hint ?? '', /systemctl start ib-agent.*ib-agent --config/);
      return true;
    });
  }
});

test('an agent that comes back within the time is reached', async (t) => {
  const first = await startFakeControl(() => {});
  const { path } = first;
  await first.close();
  mkdirSync(join(path, '..'), { recursive: true });
  const connecting = connectTo(t, path, { retryMs: 5_000 });
  await nextTurn();
  const second = await startFakeControl(() => {}, { path });
  t.after(() => second.close());
  assert.equal((await connecting).agentVersion, '0.1.0');
});

test('an agent that does not come back is given up after the time', async (t) => {
  const startMs = performance.now();
  await assert.rejects(connectTo(t, join(socketDirectory(t), 'none.sock'), { retryMs: 300 }), {
    code: 'agent-unreachable',
  });
  const passedMs = performance.now() - startMs;
  assert.ok(passedMs > 60 && passedMs < 2_000, `${passedMs} ms`);
});

test('where even the runtime directory is gone nobody is waited for', async (t) => {
  const directory = socketDirectory(t);
  rmSync(directory, { recursive: true });
  const startMs = performance.now();
  await assert.rejects(connectTo(t, join(directory, 'control.sock'), { retryMs: 60_000 }), {
    code: 'agent-unreachable',
  });
  assert.ok(performance.now() - startMs < 5_000);
});

test('a socket that this user may not open is not-allowed, with who may', async (t) => {
  const server = await startServer(t);
  chmodSync(server.path, 0o600);
  const module = new URL('../../src/control/client.ts', import.meta.url).href;
  const clockModule = new URL('../../src/host/clock.ts', import.meta.url).href;
  const script = `
    import { connectControl } from ${JSON.stringify(module)};
    import { SystemClock } from ${JSON.stringify(clockModule)};
    if (process.getuid() === 0) process.setuid(65534);
    try {
      await connectControl(${JSON.stringify(server.path)}, { deadlineMs: 5000, retryMs: 60000, clock: new SystemClock(), client: 'x' });
    } catch (error) {
      process.stdout.write(JSON.stringify([error.code, error.message, error.hint]));
    }
  `;
  // Root may open everything, others may not open what nobody may.
  if (process.getuid?.() !== 0) chmodSync(server.path, 0);
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  const [code, message, hint] = JSON.parse(stdout) as string[];
  assert.equal(code, 'not-allowed');
  assert.ok(message?.includes(server.path));
  assert.match(hint ?? '', /run ibctl as that user/);
});

test('a refusal is thrown as the agent worded it', async (t) => {
  const refuse = {
    code: 'version-mismatch',
    message: 'client 1, agent 2',
    hint: 'restart ib-agent',
  } as const;
  const agent = await startFakeControl(() => {}, { refuse });
  t.after(() => agent.close());
  await assert.rejects(connectTo(t, agent.path, { retryMs: 60_000 }), refuse);
  assert.equal(agent.connections(), 1);
});

test('an agent of another protocol that says hello all the same is a version-mismatch', async (t) => {
  const agent = await startFakeControl(() => {}, { hello: { protocol: 99, agentVersion: '9.9.9' } });
  t.after(() => agent.close());
  await assert.rejects(connectTo(t, agent.path), (error: AgentError) => {
    assert.equal(error.code, 'version-mismatch');
    assert.match(error.message, /9\.9\.9.*99/);
    return true;
  });
});

test('an agent that never says hello is given up at the deadline', async (t) => {
  const path = await rogue(t, () => {});
  await assert.rejects(connectTo(t, path, { deadlineMs: 50 }), { code: 'timed-out' });
});

test('one that closes before its hello is connection-lost, after the time for coming back', async (t) => {
  let connections = 0;
  const path = await rogue(t, (socket) => {
    connections += 1;
    socket.destroy();
  });
  await assert.rejects(connectTo(t, path, { retryMs: 200 }), { code: 'connection-lost' });
  assert.ok(connections > 1);
});

test('something else that listens there is named as what it is', async (t) => {
  for (const words of [
    'HTTP/1.1 400 Bad Request\r\n\r\n\f',
    '{"type":"ib-agent","data":{"kind":"hello"}}\f',
    'x'.repeat(2 * 1024 * 1024),
  ]) {
    const path = await rogue(t, (socket) => socket.end(words));
    await assert.rejects(connectTo(t, path), { code: 'bad-frame' });
  }
});

test('results, stream items and errors of the agent arrive, several calls at once', async (t) => {
  const server = await startServer(t);
  const client = await connectTo(t, server.path);
  assert.equal(client.access, 'operate');
  const events: unknown[] = [];
  const [status, outcome] = await Promise.all([
    client.call('status', {}),
    client.call('login', { session: 'live' }, { onEvent: (event) => events.push(event) }),
  ]);
  assert.deepEqual(status, aStatus());
  assert.deepEqual(outcome, anOutcome());
  assert.deepEqual(events, [aProgress()]);
  await assert.rejects(client.call('login', { session: 'Live' }), { code: 'invalid-params' });
  await assert.rejects(client.call('sttaus' as 'status', {}), {
    code: 'unknown-method',
    hint: 'did you mean status?',
  });
});

test('more calls at once than the agent takes wait their turn', async (t) => {
  const server = await startServer(t, { limits: { maxRequestsPerConnection: 64 } });
  const client = await connectTo(t, server.path);
  const answers = await Promise.all(Array.from({ length: 500 }, () => client.call('status', {})));
  assert.equal(answers.length, 500);
});

test('a call that is aborted ends at once with cancelled, and the agent is told', async (t) => {
  let aborted = false;
  const server = await startServer(t, {
    handlers: handlers({
      wait: (_params, call) =>
        new Promise((_resolve, reject) =>
          call.signal.addEventListener('abort', () => {
            aborted = true;
            reject(call.signal.reason);
          }),
        ),
    }),
  });
  const client = await connectTo(t, server.path);
  const abort = new AbortController();
  const waiting = client.call('wait', {}, { signal: abort.signal });
  await client.call('status', {});
  abort.abort();
  await assert.rejects(waiting, { code: 'cancelled' });
  await until('the agent is told', () => aborted);
  await assert.rejects(client.call('status', {}, { signal: AbortSignal.abort() }), { code: 'cancelled' });
  assert.deepEqual(await client.call('status', {}), aStatus());
});

test('a call that takes longer than its deadline is timed-out, and the agent is told', async (t) => {
  const agent = await startFakeControl(() => {});
  t.after(() => agent.close());
  const client = await connectTo(t, agent.path);
  await assert.rejects(client.call('wait', {}, { deadlineMs: 50 }), { code: 'timed-out' });
  await agent.clientLeft();
});

test("what a stream's reader throws ends the call", async (t) => {
  const server = await startServer(t);
  const client = await connectTo(t, server.path);
  const failing = client.call(
    'login',
    {},
    {
      onEvent: () => {
        throw new RangeError('reader');
      },
    },
  );
  await assert.rejects(failing, RangeError);
  assert.deepEqual(await client.call('status', {}), aStatus());
});

test('a request that is too large is refused before it is sent', async (t) => {
  const server = await startServer(t);
  const client = await connectTo(t, server.path);
  await assert.rejects(client.call('status', { session: 'x'.repeat(1024 * 1024) }), {
    code: 'frame-too-large',
  });
  assert.deepEqual(await client.call('status', {}), aStatus());
});

test('a call that looks is repeated when the agent restarts under it', async (t) => {
  let crashed = false;
  const agent = await startFakeControl((_request, reply) => {
    if (crashed) reply.result(aStatus());
    else {
      crashed = true;
      reply.hangUp();
    }
  });
  t.after(() => agent.close());
  const client = await connectTo(t, agent.path, { retryMs: 2_000 });
  assert.deepEqual(await client.call('status', {}), aStatus());
  assert.equal(agent.connections(), 2);
  assert.equal(agent.requests.length, 2);
});

test('a call that looks is repeated also when the stopping agent says so', async (t) => {
  let asked = 0;
  const agent = await startFakeControl((_request, reply) => {
    asked += 1;
    if (asked === 1) reply.error({ code: 'agent-stopping', message: 'stopping' });
    else reply.result(aStatus());
  });
  t.after(() => agent.close());
  const client = await connectTo(t, agent.path, { retryMs: 2_000 });
  assert.deepEqual(await client.call('status', {}), aStatus());
  assert.equal(agent.connections(), 2);
});

test('a call that operates and that an agent may have taken is repeated with the time it was made first', async (t) => {
  for (const method of ['login', 'start', 'stop', 'restart'] as const) {
    for (const end of ['hangUp', 'stopping'] as const) {
      let asked = 0;
      const agent = await startFakeControl((_request, reply) => {
        asked += 1;
        if (asked > 1) reply.result(anOutcome());
        else if (end === 'hangUp') reply.hangUp();
        else reply.error({ code: 'agent-stopping', message: 'stopping' });
      });
      t.after(() => agent.close());
      const client = await connectTo(t, agent.path, { retryMs: 2_000 });
      const before = Date.now();
      assert.deepEqual(await client.call(method, {}), anOutcome());
      const [first, second, ...more] = agent.requests;
      assert.deepEqual([first?.params, more], [{}, []]);
      const { askedAt, ...others } = (second?.params ?? {}) as { askedAt: string };
      assert.deepEqual(others, {});
      assert.ok(Date.parse(askedAt) >= before && Date.parse(askedAt) <= Date.now(), askedAt);
    }
  }
});

test('a call that operates is repeated when the agent says that it was not taken', async (t) => {
  let asked = 0;
  const agent = await startFakeControl((_request, reply) => {
    asked += 1;
    if (asked === 1) reply.error({ code: 'agent-stopping', message: 'stopping', data: { taken: false } });
    else reply.result(anOutcome());
  });
  t.after(() => agent.close());
  const client = await connectTo(t, agent.path, { retryMs: 2_000 });
  assert.deepEqual(await client.call('stop', {}), anOutcome());
  assert.deepEqual(agent.requests.at(-1)?.params, {}, 'as it was: nobody began to carry it out');
});

test('a call on a connection that ended while nothing ran goes over a new one, whatever it does', async (t) => {
  const first = await startFakeControl(() => {});
  const client = await connectTo(t, first.path, { retryMs: 5_000 });
  await first.close();
  const second = await startFakeControl((_request, reply) => reply.result(anOutcome()), { path: first.path });
  t.after(() => second.close());
  // The client reads the end of its connection in one of the next turns.
  for (let turn = 0; turn < 10; turn += 1) await nextTurn();
  assert.deepEqual(await client.call('stop', {}), anOutcome());
});

test('a stream of which something came is repeated only by who says from where, a call that ends the agent not for ever', async (t) => {
  const agent = await startFakeControl((request, reply) => {
    if ((request.params as { lines?: number }).lines === 0) reply.result({ dropped: 0 });
    else {
      reply.event({ text: 'one' });
      setImmediate(reply.hangUp);
    }
  });
  t.after(() => agent.close());
  const client = await connectTo(t, agent.path, { retryMs: 2_000 });
  await assert.rejects(client.call('logs', {}), { code: 'connection-lost' });
  assert.equal(agent.requests.length, 1);
  assert.deepEqual(await client.call('logs', {}, { onRepeat: () => ({ lines: 0 }) }), { dropped: 0 });
  await assert.rejects(client.call('logs', {}, { onRepeat: () => ({ lines: 1 }) }), {
    code: 'connection-lost',
  });
  assert.ok(agent.requests.length < 10, `${agent.requests.length} requests`);
});

test('closing ends what runs and what comes after', async (t) => {
  const agent = await startFakeControl(() => {});
  t.after(() => agent.close());
  const client = await connectTo(t, agent.path, { retryMs: 60_000 });
  const running = client.call('wait', {});
  client.close();
  client.close();
  await assert.rejects(running, { code: 'connection-lost' });
  await assert.rejects(client.call('status', {}), { code: 'connection-lost' });
});

test('an error code of a newer agent is kept in its words', async (t) => {
  const agent = await startFakeControl((_request, reply) =>
    reply.error({ code: 'moon-phase' as 'internal', message: 'not at full moon', hint: 'wait' }),
  );
  t.after(() => agent.close());
  const client = await connectTo(t, agent.path);
  await assert.rejects(client.call('status', {}), {
    code: 'internal',
    message: 'not at full moon',
    hint: 'wait',
  });
});

test('the client loads neither zod nor node-ipc nor koffi, for ibctl starts with it', () => {
  const module = new URL('../../src/control/client.ts', import.meta.url).href;
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    await import(${JSON.stringify(module)});
    process.stdout.write(JSON.stringify(loaded));
  `;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const loaded = JSON.parse(stdout) as string[];
  assert.ok(loaded.some((url) => url.endsWith('/control/client.ts')));
  assert.deepEqual(
    loaded.filter((url) => url.includes('node_modules') || url.endsWith('methods.ts')),
    [],
  );
});

test('every method of the table can be called', async (t) => {
  const server = await startServer(t);
  const client = await aClient(server.path);
  t.after(() => client.close());
  const needed: Readonly<Record<string, object>> = {
    code: { code: '123456' },
    'window-click': { window: 'w1', button: 'OK' },
  };
  for (const method of Object.keys(METHODS) as (keyof typeof METHODS)[]) {
    assert.ok(await client.call(method, needed[method] ?? {}));
  }
  const operating = Object.entries(METHODS).filter(([, row]) => row.access === 'operate');
  assert.deepEqual(
    server.operations.map(({ method }) => method),
    operating.map(([name]) => name),
  );
});
