// Checks the conversation of one connection, without a socket: order, ids, access, errors, streams, cancel.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Call,
  type ControlLog,
  converse,
  type Handlers,
  type RouterOptions,
} from '../../src/control/router.ts';
import type { Peer, PeerEnd } from '../../src/control/transport.ts';
import type { Access } from '../../src/protocol/envelope.ts';
import { AgentError } from '../../src/protocol/errors.ts';
import { AGENT_VERSION, PROTOCOL_VERSION } from '../../src/protocol/version.ts';
import { anOutcome, aProgress, aStatus, errorOf, handlers, type LogRecord, type Message } from './harness.ts';

const HELLO = { kind: 'hello', protocol: PROTOCOL_VERSION, client: 'test 1.0' };

class FakePeer implements Peer {
  readonly credentials = { pid: 42, uid: 1000, gid: 1000 };
  readonly sent: Message[] = [];
  closed = false;
  /** Messages that are refused as too large. */
  tooLarge: (message: Message) => boolean = () => false;

  send(message: unknown): void {
    if (this.tooLarge(message as Message)) throw new AgentError('frame-too-large', 'too large');
    if (!this.closed) this.sent.push(message as Message);
  }
  close(): void {
    this.closed = true;
  }
  onMessage(): void {}
  onClose(_listener: (end: PeerEnd) => void): void {}
}

type Setup = { access?: Access; handlers?: Partial<Handlers>; greet?: boolean } & Partial<
  Omit<RouterOptions, 'handlers'>
>;

function begin(setup: Setup = {}) {
  const { access = 'operate', greet = true, handlers: changes, ...options } = setup;
  const peer = new FakePeer();
  const log: LogRecord[] = [];
  const logTo = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) => {
    log.push({ level, message, fields });
  };
  const operations: unknown[] = [];
  const controlLog: ControlLog = { debug: logTo('debug'), warn: logTo('warn'), error: logTo('error') };
  const conversation = converse(
    peer,
    { uid: 1000, gid: 1000, pid: 42, user: 'eve', access },
    {
      handlers: handlers(changes),
      log: controlLog,
      onOperate: (actor, method, session, { detail, override }) =>
        operations.push([
          actor.uid,
          actor.client,
          method,
          session,
          ...(detail === null ? [] : [detail]),
          ...(override ? ['override'] : []),
        ]),
      checkResults: true,
      ...options,
    },
  );
  if (greet) {
    conversation.receive(HELLO);
    peer.sent.length = 0;
  }
  /** Sends a request and gives back everything up to its response. */
  const ask = async (method: string, params?: unknown, id = 'q'): Promise<Message[]> => {
    conversation.receive({ kind: 'request', id, method, ...(params === undefined ? {} : { params }) });
    return answersTo(id);
  };
  const answersTo = async (id: string): Promise<Message[]> => {
    for (let turn = 0; turn < 50; turn += 1) {
      const end = peer.sent.findIndex((message) => message['kind'] === 'response' && message['id'] === id);
      if (end !== -1) return peer.sent.splice(0, end + 1);
      await Promise.resolve();
    }
    assert.fail(`no response to ${id}, but ${JSON.stringify(peer.sent)}`);
  };
  return { peer, log, operations, conversation, ask, answersTo };
}

/** A handler that waits until it is aborted, and the calls it got. */
function waiting() {
  const calls: Call<'wait'>[] = [];
  const wait: Handlers['wait'] = (_params, call) => {
    calls.push(call);
    return new Promise((_resolve, reject) =>
      call.signal.addEventListener('abort', () => reject(call.signal.reason)),
    );
  };
  return { calls, wait };
}

test('hello is answered with version, protocol and access', () => {
  const { peer, conversation } = begin({ greet: false, access: 'observe' });
  conversation.receive(HELLO);
  assert.deepEqual(peer.sent, [
    { kind: 'hello', protocol: PROTOCOL_VERSION, agentVersion: AGENT_VERSION, access: 'observe' },
  ]);
});

test('whoever does not begin with hello is refused and closed', () => {
  for (const message of [
    { kind: 'request', id: '1', method: 'status' },
    { kind: 'cancel', id: '1' },
    { kind: 'x' },
  ]) {
    const { peer, conversation } = begin({ greet: false });
    conversation.receive(message);
    assert.equal(errorOf(peer.sent[0])['code'], 'hello-expected');
    assert.equal(peer.closed, true);
  }
});

test('another protocol version is refused with both versions and what to do, either way round', () => {
  for (const [protocol, hint] of [
    [PROTOCOL_VERSION + 1, /systemctl restart ib-agent/],
    [PROTOCOL_VERSION - 1, /use the ibctl that was installed/],
  ] as const) {
    const { peer, conversation } = begin({ greet: false });
    conversation.receive({ ...HELLO, protocol });
    const error = errorOf(peer.sent[0]);
    assert.equal(error['code'], 'version-mismatch');
    assert.match(String(error['message']), new RegExp(`protocol ${protocol}.*${PROTOCOL_VERSION}`));
    assert.match(String(error['hint']), hint);
    assert.equal(peer.closed, true);
  }
});

test('messages that are none of the protocol end the connection with bad-frame', () => {
  const cases: unknown[] = [
    null,
    5,
    [],
    {},
    { kind: 5 },
    { kind: 'toString' },
    HELLO,
    { kind: 'request', method: 'status' },
    { kind: 'request', id: 5, method: 'status' },
    { kind: 'request', id: '', method: 'status' },
    { kind: 'request', id: 'x'.repeat(65), method: 'status' },
    { kind: 'request', id: '1', method: ['status'] },
  ];
  for (const message of cases) {
    const { peer, conversation } = begin();
    conversation.receive(message);
    assert.equal(errorOf(peer.sent[0])['code'], 'bad-frame', JSON.stringify(message));
    assert.equal(peer.closed, true);
  }
  for (const hello of [{ ...HELLO, protocol: '1' }, { ...HELLO, client: 1 }, { kind: 'hello' }]) {
    const { peer, conversation } = begin({ greet: false });
    conversation.receive(hello);
    assert.equal(errorOf(peer.sent[0])['code'], 'bad-frame');
  }
});

test('a request gets its result; parameters may be left out', async () => {
  const { ask } = begin();
  assert.deepEqual(await ask('status'), [{ kind: 'response', id: 'q', result: aStatus() }]);
});

test('a handler gets the parameters with defaults filled in', async () => {
  let got: unknown;
  const { ask } = begin({
    handlers: {
      restart: async (params) => {
        got = params;
        return anOutcome();
      },
    },
  });
  await ask('restart', { session: 'live' });
  assert.deepEqual(got, { session: 'live', follow: true, cold: false });
});

test('an unknown method is answered with the nearest one, and the connection goes on', async () => {
  const { ask, peer } = begin();
  const error = errorOf((await ask('stauts'))[0]);
  assert.equal(error['code'], 'unknown-method');
  assert.equal(error['hint'], 'did you mean status?');
  for (const name of ['frobnicate', 'toString', '__proto__', 'constructor', '']) {
    const unknown = errorOf((await ask(name))[0]);
    assert.equal(unknown['code'], 'unknown-method', name);
    assert.match(String(unknown['hint']), /status, plan, login/);
  }
  assert.equal(peer.closed, false);
});

test('wrong parameters are answered with where and what was expected', async () => {
  const cases: readonly (readonly [string, unknown, RegExp, RegExp])[] = [
    ['login', { follow: 'yes' }, /^login: follow: expected boolean, received string$/, /session, follow/],
    ['login', { session: 'Live!' }, /^login: session: expected a lower-case letter, then/, /./],
    ['login', { sesion: 'live' }, /there is no parameter "sesion"/, /did you mean session\?/],
    ['wait', { for: 'rdy', timeoutMs: -1 }, /for: expected one of "ready".*; timeoutMs: Too small/, /./],
    ['events', { limit: 1.5 }, /limit: expected int/, /./],
    ['events', { since: 'yesterday' }, /since: expected .*datetime/i, /./],
    ['status', [], /^status: expected object, received array$/, /./],
    ['status', null, /expected object, received null/, /./],
    ['status', 'all', /expected object, received string/, /./],
    ['status', { ['__proto__' as string]: 1, x: 1 }, /there is no parameter/, /./],
  ];
  for (const [method, params, message, hint] of cases) {
    const { ask } = begin();
    const error = errorOf((await ask(method, params))[0]);
    assert.equal(error['code'], 'invalid-params');
    assert.match(String(error['message']), message);
    assert.match(String(error['hint']), hint);
  }
});

test('an observer may look but not operate, and the refused call reaches no handler', async () => {
  let started = 0;
  const { ask, operations, peer } = begin({
    access: 'observe',
    handlers: {
      stop: async () => {
        started += 1;
        return anOutcome();
      },
    },
  });
  assert.ok('result' in ((await ask('status'))[0] ?? {}));
  for (const method of ['login', 'start', 'stop', 'restart']) {
    const error = errorOf((await ask(method, { session: 'live' }))[0]);
    assert.equal(error['code'], 'not-allowed');
    assert.match(String(error['hint']), /usermod -aG ib-operators eve/);
  }
  assert.equal(started, 0);
  assert.deepEqual(operations, []);
  assert.equal(peer.closed, false);
});

test('every call that operates is told with who, what and which session; those that look are not', async () => {
  const { ask, operations } = begin();
  await ask('login', { session: 'live' });
  await ask('login', { session: 'live', override: true });
  await ask('stop');
  await ask('status');
  await ask('restart', { cold: 'x' });
  await ask('window-click', { session: 'live', window: 'w7', button: 'I\u001b agree' });
  await ask('screenshot', { window: 'w3' });
  assert.deepEqual(operations, [
    [1000, 'test 1.0', 'login', 'live'],
    [1000, 'test 1.0', 'login', 'live', 'override'],
    [1000, 'test 1.0', 'stop', null],
    [1000, 'test 1.0', 'window-click', 'live', 'w7 I  agree'],
    [1000, 'test 1.0', 'screenshot', null, 'w3'],
  ]);
});

test('a code is in no record of its call, whatever comes of it', async () => {
  const code = '918273';
  for (const failure of [null, new AgentError('wrong-state', 'no'), new Error('a defect')]) {
    const { ask, log, operations } = begin({
      handlers: {
        code: async () => {
          if (failure !== null) throw failure;
          return { session: aProgress().session, verdict: 'accepted' };
        },
      },
    });
    const answers = [
      await ask('code', { session: 'live', code }),
      await ask('code', { session: 'live', code: code.repeat(20) }),
      await ask('code', { session: 'live', code, more: 1 }),
      await ask('code', { session: 'live', code: [code] }),
    ];
    assert.deepEqual(operations, [[1000, 'test 1.0', 'code', 'live']]);
    assert.ok(!JSON.stringify([operations, log, answers]).includes(code));
  }
});

test('a code is for operators only', async () => {
  const { ask, log, operations } = begin({ access: 'observe' });
  const [answer] = await ask('code', { session: 'live', code: '918273' });
  assert.equal(errorOf(answer)['code'], 'not-allowed');
  assert.deepEqual(operations, []);
  assert.ok(!JSON.stringify(log).includes('918273'));
});

test('control characters in what a client calls itself do not reach the log', async () => {
  const { conversation, ask, operations } = begin({ greet: false });
  conversation.receive({ ...HELLO, client: `\u001b[31mroot\n${'x'.repeat(500)}` });
  await ask('stop');
  const [, client] = operations[0] as [number, string];
  assert.match(client, /^\[31mroot x+$/);
  assert.ok(client.length <= 128);
});

test('stream items come in order before the response, and none after it', async () => {
  let late: Call<'login'> | undefined;
  const { ask, peer } = begin({
    handlers: {
      login: async (_params, call) => {
        late = call;
        call.emit(aProgress({ state: 'starting' }));
        await Promise.resolve();
        call.emit(aProgress({ state: 'logging-in' }));
        return anOutcome();
      },
    },
  });
  const messages = await ask('login');
  assert.deepEqual(
    messages.map((message) => message['kind']),
    ['event', 'event', 'response'],
  );
  late?.emit(aProgress());
  assert.deepEqual(peer.sent, []);
});

test('an expected failure is answered as it was thrown, without its cause', async () => {
  const { ask } = begin({
    handlers: {
      login: async () => {
        throw new AgentError('login-deferred', 'not now', {
          hint: 'wait',
          data: { until: 'x' },
          cause: new Error('secret'),
        });
      },
    },
  });
  assert.deepEqual(await ask('login'), [
    {
      kind: 'response',
      id: 'q',
      error: { code: 'login-deferred', message: 'not now', hint: 'wait', data: { until: 'x' } },
    },
  ]);
});

test('what nobody foresaw is answered with an error id, and only the log has the rest', async () => {
  const defects: Handlers['status'][] = [
    () => {
      throw new Error('secret text');
    },
    async () => {
      throw new TypeError('secret text');
    },
    () => Promise.reject('secret text'),
    () => Promise.reject(undefined),
    async () => ({ wrong: 'secret text' }) as never,
  ];
  for (const status of defects) {
    const { ask, log, peer } = begin({ handlers: { status } });
    const error = errorOf((await ask('status'))[0]);
    assert.equal(error['code'], 'internal');
    assert.doesNotMatch(JSON.stringify(error), /secret/);
    const { errorId } = error['data'] as { errorId: string };
    assert.ok(log.some((record) => record.level === 'error' && record.fields['errorId'] === errorId));
    assert.equal(peer.closed, false);
    assert.ok('result' in ((await ask('stop'))[0] ?? {}));
  }
});

test('an audit that fails stops the call before its handler', async () => {
  let started = 0;
  const { ask } = begin({
    onOperate: () => {
      throw new Error('no journal');
    },
    handlers: {
      stop: async () => {
        started += 1;
        return anOutcome();
      },
    },
  });
  assert.equal(errorOf((await ask('stop'))[0])['code'], 'internal');
  assert.equal(started, 0);
});

test('a result or a stream item that is too large is answered with frame-too-large', async () => {
  const { ask, peer } = begin();
  peer.tooLarge = (message) => 'result' in message;
  assert.equal(errorOf((await ask('status'))[0])['code'], 'frame-too-large');
  peer.tooLarge = (message) => message['kind'] === 'event';
  assert.equal(errorOf((await ask('login'))[0])['code'], 'frame-too-large');
});

test('cancel ends a request at once with cancelled, tells the handler, and is nothing for other ids', async () => {
  const { calls, wait } = waiting();
  const { conversation, answersTo, peer, ask, log } = begin({ handlers: { wait } });
  conversation.receive({ kind: 'request', id: 'w', method: 'wait' });
  await Promise.resolve();
  conversation.receive({ kind: 'cancel', id: 'other' });
  conversation.receive({ kind: 'cancel' });
  assert.deepEqual(peer.sent, []);
  conversation.receive({ kind: 'cancel', id: 'w' });
  assert.equal(errorOf((await answersTo('w'))[0])['code'], 'cancelled');
  assert.equal(calls[0]?.signal.aborted, true);
  conversation.receive({ kind: 'cancel', id: 'w' });
  await ask('status');
  assert.deepEqual(peer.sent, []);
  assert.deepEqual(
    log.filter((record) => record.level === 'error'),
    [],
  );
});

test('the id of a running request ends the connection when used again; after the answer it may be used again', async () => {
  const { wait } = waiting();
  const { conversation, ask, peer } = begin({ handlers: { wait } });
  await ask('status', {}, 'a');
  await ask('status', {}, 'a');
  conversation.receive({ kind: 'request', id: 'w', method: 'wait' });
  conversation.receive({ kind: 'request', id: 'w', method: 'status' });
  assert.equal(peer.sent[0]?.['kind'], 'refused');
  assert.equal(errorOf(peer.sent[0])['code'], 'duplicate-id');
  assert.equal(peer.closed, true);
});

test('a connection has so many requests running and no more, cancelled or not', async () => {
  const open: (() => void)[] = [];
  const { conversation, answersTo, ask } = begin({
    maxRequests: 3,
    handlers: { wait: () => new Promise((resolve) => open.push(() => resolve(anOutcome()))) },
  });
  for (const id of ['1', '2', '3']) conversation.receive({ kind: 'request', id, method: 'wait' });
  assert.equal(errorOf((await ask('status'))[0])['code'], 'too-many-requests');
  // A handler that does not heed its signal still runs, so a cancel makes no room.
  conversation.receive({ kind: 'cancel', id: '1' });
  await answersTo('1');
  assert.equal(errorOf((await ask('status'))[0])['code'], 'too-many-requests');
  for (const finish of open) finish();
  await answersTo('3');
  await Promise.resolve();
  await Promise.resolve();
  assert.ok('result' in ((await ask('status'))[0] ?? {}));
});

test('a peer that is gone aborts its calls, and their end is no news', async () => {
  const { calls, wait } = waiting();
  const { conversation, log, peer } = begin({ handlers: { wait } });
  for (const id of ['1', '2']) conversation.receive({ kind: 'request', id, method: 'wait' });
  await Promise.resolve();
  conversation.abandon();
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  assert.deepEqual(
    calls.map((call) => call.signal.aborted),
    [true, true],
  );
  assert.deepEqual(peer.sent, []);
  assert.deepEqual(
    log.filter((record) => record.level === 'error'),
    [],
  );
});

test('an agent that stops answers what runs, and takes nothing more', async () => {
  const { calls, wait } = waiting();
  const { conversation, ask, answersTo } = begin({ handlers: { wait } });
  conversation.receive({ kind: 'request', id: 'w', method: 'wait' });
  await Promise.resolve();
  conversation.shutDown(new AgentError('agent-stopping', 'the agent is stopping'));
  assert.equal(errorOf((await answersTo('w'))[0])['code'], 'agent-stopping');
  assert.equal(calls[0]?.signal.aborted, true);
  const late = errorOf((await ask('stop'))[0]);
  assert.equal(late['code'], 'agent-stopping');
  assert.deepEqual(late['data'], { taken: false });
});
