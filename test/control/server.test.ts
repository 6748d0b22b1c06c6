// Checks the agent's end of the socket: who is admitted, how many, silent peers, and a tidy stop.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { NodeIpcTransport } from '../../src/control/node-ipc-transport.ts';
import type { Peer } from '../../src/control/transport.ts';
import { NssGroupDatabase } from '../../src/host/groups.ts';
import { PROTOCOL_VERSION } from '../../src/protocol/version.ts';
import {
  aClient,
  anOutcome,
  assertServes,
  clock,
  errorOf,
  groupsByUid,
  handlers,
  type Message,
  RawClient,
  startServer,
  until,
} from './harness.ts';

const OWN_UID = process.getuid?.() ?? 0;
const NOBODY = 65_534;

/** Says hello and one request as another user, and gives back what came until the agent closed; as the test's own user when it is not root. */
async function speakAs(t: TestContext, uid: number, path: string, method: string): Promise<Message[]> {
  const script = `
    const socket = require('node:net').connect(${JSON.stringify(path)});
    const say = (data) => socket.write(JSON.stringify({ type: 'ib-agent', data }) + '\\f');
    say({ kind: 'hello', protocol: ${PROTOCOL_VERSION}, client: 'stranger' });
    say({ kind: 'request', id: '1', method: ${JSON.stringify(method)} });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.includes('"response"')) socket.end();
    });
    socket.on('error', (error) => { text += JSON.stringify({ data: { failed: error.code } }) + '\\f'; });
    socket.on('close', () => process.stdout.write(text));
  `;
  const user = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--'];
  const [file = '', ...args] = [...(OWN_UID === 0 ? user : []), process.execPath, '-e', script];
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  await once(child, 'close');
  return text
    .split('\f')
    .filter((frame) => frame !== '')
    .map((frame) => (JSON.parse(frame) as { data: Message }).data);
}

/** Lets every user connect, as the socket of a packaged install does. */
function openToAll(path: string): string {
  chmodSync(path, 0o666);
  return path;
}

/** The uid that {@link speakAs} really has. */
const OTHER_UID = OWN_UID === 0 ? NOBODY : OWN_UID;

test('a user in no group of ours is refused with the groups and the command, and told so before it is closed', async (t) => {
  const server = await startServer(t, { mode: 'systemd', groups: new NssGroupDatabase() });
  const path = openToAll(server.path);
  const messages = await speakAs(t, NOBODY, path, 'status');
  assert.deepEqual(
    messages.map((message) => message['kind']),
    ['refused'],
  );
  const error = errorOf(messages[0]);
  assert.equal(error['code'], 'not-allowed');
  assert.match(String(error['message']), new RegExp(`uid ${OTHER_UID}`));
  assert.match(String(error['hint']), /ib-observers.*usermod -aG ib-operators/);
  assert.deepEqual(server.operations, []);
});

test('an observer may look and not operate; an operator may, and is recorded with uid and pid', async (t) => {
  for (const [group, code] of [
    ['ib-observers', 'not-allowed'],
    ['ib-operators', undefined],
  ] as const) {
    const server = await startServer(t, { mode: 'systemd', groups: groupsByUid({ [OTHER_UID]: [group] }) });
    const path = openToAll(server.path);
    assert.ok('result' in ((await speakAs(t, NOBODY, path, 'status'))[1] ?? {}));
    const [, answer] = await speakAs(t, NOBODY, path, 'stop');
    assert.equal((answer?.['error'] as { code: string } | undefined)?.code, code);
    assert.equal(server.operations.length, code === undefined ? 1 : 0);
    for (const { actor } of server.operations) {
      assert.equal(actor.uid, OTHER_UID);
      assert.equal(actor.user, `user${OTHER_UID}`);
      assert.ok((actor.pid ?? 0) > 1);
    }
  }
});

test('a user whose groups cannot be known is refused, and the log says why', async (t) => {
  const server = await startServer(t, {
    mode: 'systemd',
    groups: { lookUp: () => Promise.reject(new Error('directory down')) },
  });
  const path = openToAll(server.path);
  const [message] = await speakAs(t, NOBODY, path, 'status');
  assert.equal(message?.['kind'], 'refused');
  assert.doesNotMatch(JSON.stringify(message), /directory down/);
  assert.ok(
    server.log.some(
      (record) => record.fields['err'] instanceof Error && record.fields['err'].message === 'directory down',
    ),
  );
});

test('outside systemd the own user operates without the user database', async (t) => {
  const server = await startServer(t, { groups: { lookUp: () => Promise.reject(new Error('not asked')) } });
  const client = await aClient(server.path);
  assert.equal(client.access, 'operate');
  await client.call('stop', {});
  client.close();
  assert.equal(server.operations[0]?.actor.uid, OWN_UID);
  assert.equal(server.operations[0]?.actor.pid, process.pid);
});

test("a peer that the kernel does not name is refused, unless the socket's mode keeps everybody else out", async (t) => {
  class NamelessTransport extends NodeIpcTransport {
    override listen(...[socketServer, onPeer]: Parameters<NodeIpcTransport['listen']>): void {
      super.listen(socketServer, (peer) =>
        onPeer(Object.defineProperty(peer, 'credentials', { value: null }) as Peer),
      );
    }
  }
  for (const [mode, fileMode, access] of [
    ['process', 0o600, 'operate'],
    ['process', 0o666, null],
    ['systemd', 0o600, null],
  ] as const) {
    const { directory } = await startServer(t);
    const path = `${directory}/nameless.sock`;
    await startServer(t, {
      mode,
      place: { path, mode: fileMode },
      transport: new NamelessTransport({ clock }),
    });
    if (access === null) await assert.rejects(aClient(path), { code: 'not-allowed' });
    else assert.equal((await aClient(path)).access, access);
  }
});

test('a peer that does not say hello is dropped', async (t) => {
  const server = await startServer(t, { limits: { helloTimeoutMs: 100 } });
  const silent = await RawClient.connect(t, server.path);
  await silent.ended;
  assert.deepEqual(silent.messages, []);
  const greeted = await RawClient.greeted(t, server.path);
  const second = await RawClient.connect(t, server.path);
  await second.ended;
  greeted.request('1', 'status');
  assert.ok('result' in ((await greeted.take(1))[0] ?? {}));
});

test('a peer that waits for the user database for ever is dropped with the silent ones', async (t) => {
  const server = await startServer(t, {
    limits: { helloTimeoutMs: 100 },
    mode: 'systemd',
    ownUid: OWN_UID,
    groups: { lookUp: () => new Promise(() => {}) },
  });
  const path = openToAll(server.path);
  assert.deepEqual(await speakAs(t, NOBODY, path, 'status'), []);
});

test('one user has so many connections and no more; another, and root, are served still', async (t) => {
  const server = await startServer(t, {
    mode: 'systemd',
    groups: groupsByUid({ [OTHER_UID]: ['ib-observers'] }),
    limits: { maxConnectionsPerUid: 0 },
  });
  const path = openToAll(server.path);
  const [message] = await speakAs(t, NOBODY, path, 'status');
  assert.equal(errorOf(message)['code'], 'too-many-connections');
  if (OWN_UID === 0) await assertServes(server.path);
});

test('a place that was given up is free again', async (t) => {
  const server = await startServer(t, { limits: { maxConnections: 2 } });
  const first = await RawClient.greeted(t, server.path);
  await RawClient.greeted(t, server.path);
  const third = await RawClient.connect(t, server.path);
  assert.equal(errorOf((await third.take(1))[0])['code'], 'too-many-connections');
  third.send({ kind: 'hello', protocol: PROTOCOL_VERSION, client: 'x' });
  await third.ended;
  await assert.rejects(aClient(server.path), { code: 'too-many-connections' });
  first.socket.destroy();
  await until('the place is free', () => server.connectionCount() === 1);
  await assertServes(server.path);
});

test('stopping answers what runs, ends every connection, and removes the socket', async (t) => {
  const server = await startServer(t, {
    handlers: handlers({
      wait: (_params, call) =>
        new Promise((_resolve, reject) =>
          call.signal.addEventListener('abort', () => reject(call.signal.reason)),
        ),
    }),
  });
  await assertServes(server.path);
  await until('the first client is gone', () => server.connectionCount() === 0);
  const waiting = await RawClient.greeted(t, server.path);
  waiting.request('w', 'wait');
  waiting.request('s', 'status');
  await waiting.take(1);
  const idle = await RawClient.greeted(t, server.path);
  const silent = await RawClient.connect(t, server.path);
  await server.close();
  await Promise.all([waiting.ended, idle.ended, silent.ended]);
  assert.equal(errorOf(waiting.messages[0])['code'], 'agent-stopping');
  assert.equal(existsSync(server.path), false);
  assert.equal(server.connectionCount(), 0);
  await server.close();
});

test('stopping waits for a reader that does not read no longer than the limit', async (t) => {
  const server = await startServer(t, {
    transportLimits: { closeTimeoutMs: 50 },
    handlers: handlers({
      logs: async (_params, call) => {
        const text = 'x'.repeat(512 * 1024);
        for (let item = 0; item < 8; item += 1) {
          call.emit({
            at: '2026-11-22T09:00:00.000Z',
            session: 'live',
            source: 'session',
            stream: 'stdout',
            text,
          });
        }
        return { dropped: 0 };
      },
    }),
  });
  const client = await RawClient.greeted(t, server.path);
  client.socket.pause();
  client.request('1', 'logs');
  client.request('2', 'stop');
  await until('both were served', () => server.operations.length === 1);
  await server.close();
});

test('calls of many clients that operate are recorded each with its client', async (t) => {
  const server = await startServer(t, { handlers: handlers({ stop: async () => anOutcome() }) });
  const clients = await Promise.all(Array.from({ length: 20 }, () => aClient(server.path)));
  await Promise.all(clients.map((client) => client.call('stop', { session: 'live' })));
  for (const client of clients) client.close();
  assert.equal(server.operations.length, 20);
  assert.ok(server.operations.every(({ actor, session }) => actor.client === 'test' && session === 'live'));
});
