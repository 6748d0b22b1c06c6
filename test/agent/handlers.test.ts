// Checks what each method of the protocol does with sessions, events and lines, and which error says what was wrong.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { makeHandlers } from '../../src/agent/handlers.ts';
import { HostSampler } from '../../src/agent/host-sampler.ts';
import type { BridgeComponent, BridgeWindow } from '../../src/bridge/protocol.ts';
import type { Config } from '../../src/config/types.ts';
import type { Call, Handlers } from '../../src/control/router.ts';
import { decodePng, encodePng } from '../../src/display/picture.ts';
import { Ring } from '../../src/events/ring.ts';
import { AgentError, type ErrorCode } from '../../src/protocol/errors.ts';
import { encodeFrame } from '../../src/protocol/framing.ts';
import {
  type EventRecord,
  type LogLine,
  METHODS,
  type MethodName,
  type StreamOf,
} from '../../src/protocol/methods.ts';
import { parseSessionName } from '../../src/protocol/session-name.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { ibc, LoopScene } from '../supervisor/loop-scene.ts';

const FIGURES = {
  memoryTotalBytes: 8,
  memoryAvailableBytes: 4,
  diskTotalBytes: 2,
  diskAvailableBytes: 1,
  load1: 0.5,
  cpus: 2,
  checkedAt: '2026-11-23T09:00:00.000Z',
};

const scenes: LoopScene[] = [];
afterEach(() => {
  for (const scene of scenes.splice(0)) scene.remove();
});

class AgentScene {
  readonly clock = new FakeClock();
  readonly events = new Ring<EventRecord>(5);
  readonly lines = new Map<string, Ring<LogLine>>();
  readonly sessions: LoopScene[] = [];
  readonly handlers: Handlers;

  constructor(...names: string[]) {
    for (const text of names) {
      const name = parseSessionName(text);
      assert.ok(name !== null);
      const scene = new LoopScene({ name, user: text }, { clock: this.clock });
      scenes.push(scene);
      this.sessions.push(scene);
      this.lines.set(name, new Ring<LogLine>(5));
    }
    const [first] = this.sessions;
    const config: Config = {
      file: '/etc/ib-agent/ib-agent.yaml',
      agent: { runtimeRoot: '/run', stateRoot: '/var/lib', logLevel: 'info' },
      notify: { secretsDir: '/etc/ib-agent/credentials/notify', targets: [] },
      clock: { compareWith: null },
      sessions: this.sessions.map((scene) => scene.config),
    };
    const spare = first ?? new LoopScene();
    if (first === undefined) scenes.push(spare);
    this.handlers = makeHandlers({
      config,
      clock: this.clock,
      loops: new Map(this.sessions.map((scene) => [scene.config.name, scene.loop])),
      lines: this.lines,
      events: this.events,
      ledger: spare.ledger,
      host: new HostSampler({ read: async () => FIGURES }, this.clock),
      notifier: { list: () => [], test: async () => [] },
      startedAt: this.clock.now(),
      supervisor: 'process',
      recallEvents: async () => {},
      recallLines: async () => {},
    });
  }

  get only(): LoopScene {
    const [scene] = this.sessions;
    assert.ok(scene !== undefined);
    return scene;
  }

  /** Calls a method as the control socket does: parameters with their defaults, stream items and result in their shape. */
  call<M extends MethodName>(
    method: M,
    params: Record<string, unknown> = {},
    access: 'observe' | 'operate' = 'operate',
  ): { readonly result: Promise<unknown>; readonly told: StreamOf<M>[]; readonly abort: AbortController } {
    const told: StreamOf<M>[] = [];
    const abort = new AbortController();
    const row = METHODS[method];
    const call: Call<M> = {
      actor: { uid: 1000, gid: 1000, pid: 1, user: 'me', access, client: 'test' },
      signal: abort.signal,
      emit: (item) => {
        if ('stream' in row) row.stream.parse(item);
        told.push(item);
      },
    };
    const handler = this.handlers[method] as (params: unknown, call: Call<M>) => Promise<unknown>;
    const result = handler(row.params.parse(params), call).then((value) => row.result.parse(value));
    // The test looks at it later.
    result.catch(() => undefined);
    return { result, told, abort };
  }

  async codeOf(
    method: MethodName,
    params: Record<string, unknown> = {},
    access: 'observe' | 'operate' = 'operate',
  ): Promise<ErrorCode> {
    try {
      await this.call(method, params, access).result;
    } catch (error) {
      assert.ok(error instanceof AgentError, String(error));
      return error.code;
    }
    return assert.fail(`${method} did not fail`);
  }
}

function anEvent(seq: number, session: string | null): EventRecord {
  return {
    seq,
    at: new Date(Date.UTC(2026, 10, 23, 9, 0, seq)).toISOString(),
    event: 'session-ready',
    messageId: '0'.repeat(32),
    priority: 5,
    session: session === null ? null : parseSessionName(session),
    state: null,
    previousState: null,
    reason: null,
    message: `event ${seq}`,
    hint: null,
    fields: {},
  };
}

function aLine(text: string): LogLine {
  const session = parseSessionName('live');
  assert.ok(session !== null);
  return { at: '2026-11-23T09:00:00.000Z', session, source: 'session', stream: 'stdout', text };
}

describe('a session that is named', () => {
  it('may be left out when there is one, not when there are several or none', async () => {
    const one = new AgentScene('live');
    await one.call('login', { follow: false }).result;
    assert.equal(one.only.phase, 'starting');
    assert.equal(await new AgentScene('live', 'paper').codeOf('login'), 'session-name-needed');
    assert.equal(await new AgentScene().codeOf('login'), 'session-name-needed');
  });

  it('and is not there is unknown to every method', async () => {
    const scene = new AgentScene('live');
    const methods = Object.keys(METHODS) as MethodName[];
    for (const method of methods.filter((name) => 'session' in METHODS[name].params.shape)) {
      const needed =
        method === 'window-click'
          ? { window: 'w1', button: 'OK' }
          : method === 'code'
            ? { code: '123456' }
            : {};
      assert.equal(await scene.codeOf(method, { session: 'nope', ...needed }), 'unknown-session', method);
    }
  });
});

describe('status', () => {
  it('gives the agent, the host and every session, or the one that was named', async () => {
    const scene = new AgentScene('live', 'paper');
    // The host's first look ends a moment after the agent's start.
    await scene.call('status').result;
    const all = METHODS.status.result.parse(await scene.call('status').result);
    assert.deepEqual(
      all.sessions.map((session) => session.name),
      ['live', 'paper'],
    );
    assert.deepEqual(all.agent.host, FIGURES);
    const one = METHODS.status.result.parse(await scene.call('status', { session: 'paper' }).result);
    assert.deepEqual(
      one.sessions.map((session) => session.name),
      ['paper'],
    );
  });

  it('shows account ids in full to operators who ask, to nobody else', async () => {
    const scene = new AgentScene('live');
    scene.only.bringUp();
    const accounts = async (params: Record<string, unknown>, access: 'observe' | 'operate') =>
      METHODS.status.result.parse(await scene.call('status', params, access).result).sessions[0]?.api
        .accounts;
    assert.deepEqual(await accounts({}, 'operate'), ['U***67']);
    assert.deepEqual(await accounts({ showAccounts: true }, 'operate'), ['U1234567']);
    assert.equal(await scene.codeOf('status', { showAccounts: true }, 'observe'), 'not-allowed');
  });
});

describe('login', () => {
  it('is followed until ready, each step told', async () => {
    const scene = new AgentScene('live');
    const { result, told } = scene.call('login');
    scene.only.bringUp();
    assert.deepEqual(METHODS.login.result.parse(await result).reached, true);
    assert.deepEqual(
      told.map((progress) => progress.state),
      ['starting', 'logging-in', 'loading', 'ready'],
    );
  });

  it('that is not followed answers at once with how things stand', async () => {
    const scene = new AgentScene('live');
    const outcome = METHODS.login.result.parse(await scene.call('login', { follow: false }).result);
    assert.deepEqual([outcome.reached, outcome.session.state], [false, 'starting']);
  });

  it('goes on when the caller goes away', async () => {
    const scene = new AgentScene('live');
    const { result, abort } = scene.call('login');
    abort.abort();
    await result;
    scene.only.bringUp();
    assert.equal(scene.only.phase, 'ready');
  });
});

describe('restart', () => {
  it('is warm unless cold is asked for, and is refused where it cannot be', async () => {
    const scene = new AgentScene('live');
    assert.equal(await scene.codeOf('restart', { follow: false }), 'warm-restart-unavailable');
    scene.only.bringUp();
    await scene.call('restart', { follow: false }).result;
    assert.equal(scene.only.host.asked.at(-1), 'ask-restart');
    await scene.call('restart', { follow: false, cold: true }).result;
    assert.equal(scene.only.host.asked.at(-1), 'stop tidy');
  });

  it('is followed to the new JVM, not content with the old one being ready', async () => {
    const scene = new AgentScene('live');
    scene.only.bringUp();
    const { result, told } = scene.call('restart', { cold: true });
    scene.only.host.exit();
    scene.only.bringUp();
    assert.equal(METHODS.restart.result.parse(await result).reached, true);
    assert.deepEqual(
      [...new Set(told.map((progress) => progress.state))],
      ['restarting', 'logging-in', 'loading', 'ready'],
    );
  });
});

describe('stop', () => {
  it('is followed until the session has stopped', async () => {
    const scene = new AgentScene('live');
    scene.only.bringUp();
    const { result } = scene.call('stop');
    scene.only.host.exit();
    const outcome = METHODS.stop.result.parse(await result);
    assert.deepEqual(
      [outcome.reached, outcome.session.state, outcome.session.reason],
      [true, 'stopped', 'by-operator'],
    );
  });
});

describe('wait', () => {
  it('that runs out of time says how the session stands', async () => {
    const scene = new AgentScene('live');
    scene.only.loop.operate('login');
    const { result } = scene.call('wait', { timeoutMs: 1_000 });
    scene.clock.advance(1_000);
    await assert.rejects(
      result,
      (error) => error instanceof AgentError && error.code === 'timed-out' && /starting/.test(error.message),
    );
  });

  it('that runs out of time while the second factor is pending says that a person is needed', async () => {
    const scene = new AgentScene('live');
    scene.only.loop.operate('login');
    scene.only.host.say(ibc('detected dialog entitled: Second Factor Authentication; event=Opened'));
    const { result } = scene.call('wait', { timeoutMs: 1_000 });
    scene.clock.advance(1_000);
    await assert.rejects(
      result,
      (error) => error instanceof AgentError && error.code === 'second-factor-pending',
    );
  });

  it('for ready ends unreached at once when nobody wants the session up', async () => {
    const scene = new AgentScene('live');
    const outcome = METHODS.wait.result.parse(await scene.call('wait', { timeoutMs: 60_000 }).result);
    assert.deepEqual([outcome.reached, outcome.session.state], [false, 'stopped']);
  });

  it('is for observers too', async () => {
    const scene = new AgentScene('live');
    scene.only.bringUp();
    const outcome = METHODS.wait.result.parse(await scene.call('wait', {}, 'observe').result);
    assert.equal(outcome.reached, true);
  });
});

describe('events', () => {
  it('gives those that are kept, of one session, since a time, the newest of them, and how many are gone', async () => {
    const scene = new AgentScene('live', 'paper');
    for (let seq = 1; seq <= 7; seq += 1) scene.events.push(anEvent(seq, seq % 2 === 0 ? 'paper' : 'live'));
    const seqs = async (params: Record<string, unknown>) => {
      const { result, told } = scene.call('events', params);
      assert.deepEqual(await result, { dropped: 2 });
      return told.map((event) => event.seq);
    };
    assert.deepEqual(await seqs({}), [3, 4, 5, 6, 7]);
    assert.deepEqual(await seqs({ session: 'paper' }), [4, 6]);
    assert.deepEqual(await seqs({ since: '2026-11-23T09:00:05Z' }), [5, 6, 7]);
    assert.deepEqual(await seqs({ limit: 2 }), [6, 7]);
    assert.deepEqual(await seqs({ limit: 0 }), []);
  });

  it('that are followed come as they happen until the caller goes away', async () => {
    const scene = new AgentScene('live', 'paper');
    scene.events.push(anEvent(1, 'live'));
    const { result, told, abort } = scene.call('events', { follow: true, session: 'live' });
    // Earlier events are recalled first.
    await setImmediate();
    scene.events.push(anEvent(2, 'live'));
    scene.events.push(anEvent(3, 'paper'));
    abort.abort();
    scene.events.push(anEvent(4, 'live'));
    await result;
    assert.deepEqual(
      told.map((event) => event.seq),
      [1, 2],
    );
  });
});

describe('logs', () => {
  it('give the last lines with account ids masked, in full to operators who ask', async () => {
    const scene = new AgentScene('live');
    for (const text of ['a', 'b', 'account U1234567']) scene.lines.get('live')?.push(aLine(text));
    const texts = async (params: Record<string, unknown>) => {
      const { result, told } = scene.call('logs', params);
      await result;
      return told.map((line) => line.text);
    };
    assert.deepEqual(await texts({ lines: 2 }), ['b', 'account U***67']);
    assert.deepEqual(await texts({ lines: 1, showAccounts: true }), ['account U1234567']);
    assert.deepEqual(await texts({ lines: 0 }), []);
    assert.equal(await scene.codeOf('logs', { showAccounts: true }, 'observe'), 'not-allowed');
  });

  it('that are followed mask what comes later too', async () => {
    const scene = new AgentScene('live');
    const { result, told, abort } = scene.call('logs', { follow: true });
    scene.lines.get('live')?.push(aLine('account U1234567'));
    abort.abort();
    await result;
    assert.deepEqual(
      told.map((line) => line.text),
      ['account U***67'],
    );
  });
});

describe('a plan', () => {
  it('is for everybody who may look, for one session or all', async () => {
    const scene = new AgentScene('live', 'paper');
    const plan = async (params: Record<string, unknown>) =>
      METHODS.plan.result.parse(await scene.call('plan', params, 'observe').result);
    assert.deepEqual(
      (await plan({})).sessions.map(({ session }) => session),
      ['live', 'paper'],
    );
    const { sessions, users } = await plan({ session: 'paper' });
    assert.deepEqual([sessions.length, users.map(({ user }) => user)], [1, ['paper']]);
    assert.equal(await scene.codeOf('plan', { session: 'no' }, 'observe'), 'unknown-session');
    assert.equal(METHODS.plan.access, 'observe');
  });
});

describe('a login beyond the budget', () => {
  function spent(): AgentScene {
    const scene = new AgentScene('live');
    for (const order of ['x', 'y', 'z'])
      scene.only.ledger.charge({ user: 'live', session: 'live', kind: 'login', order, by: 'agent' });
    return scene;
  }

  for (const method of ['login', 'start'] as const) {
    it(`by ${method} needs the override, and names who asked for it`, async () => {
      const scene = spent();
      assert.equal(await scene.codeOf(method, { follow: false }), 'login-deferred');
      assert.equal(scene.only.phase, 'stopped');
      await scene.call(method, { follow: false, override: true }).result;
      assert.equal(scene.only.phase, 'starting');
      const told = scene.only.events.find(({ event }) => event === 'budget-overridden');
      assert.deepEqual([told?.fields['IB_ACTOR_UID'], told?.fields['IB_ACTOR_PID']], ['1000', '1']);
    });
  }

  it('is shown by the status before: which budget, how many, until when', async () => {
    const scene = spent();
    const { sessions } = METHODS.status.result.parse(await scene.call('status', {}, 'observe').result);
    assert.deepEqual(sessions[0]?.ledger, {
      logins24h: 3,
      pushes24h: 0,
      blockedUntil: '2026-11-23T10:00:00.000Z',
      deferral: {
        why: 'logins-hour',
        until: '2026-11-23T10:00:00.000Z',
        text: 'the login budget of this IBKR user is used up: 3 of 3 logins in the last hour',
        used: 3,
        limit: 3,
        session: null,
      },
    });
  });
});

describe('windows', () => {
  const component = (path: string, className: string, text: string | null, change = {}): BridgeComponent => ({
    path,
    className,
    name: null,
    text,
    masked: false,
    unreadable: false,
    border: null,
    enabled: true,
    visible: true,
    editable: false,
    selected: false,
    rows: null,
    bounds: { x: 0, y: 0, width: 1, height: 1 },
    ...change,
  });
  const notice: BridgeWindow = {
    id: 'w7',
    className: 'javax.swing.JDialog',
    kind: 'dialog',
    title: 'Notice for U1234567',
    modal: true,
    owner: null,
    active: true,
    enabled: true,
    bounds: { x: 1, y: 2, width: 30, height: 40 },
    components: [
      component('0:javax.swing.JLabel', 'javax.swing.JLabel', 'Account U1234567\nDo you agree?'),
      component('1:javax.swing.JTextField', 'javax.swing.JTextField', 'typed by somebody', {
        editable: true,
      }),
      component('2:javax.swing.JPasswordField', 'javax.swing.JPasswordField', null, {
        masked: true,
        editable: true,
      }),
      component('3:javax.swing.JButton', 'javax.swing.JButton', 'Agree'),
    ],
  };

  it('are told with what they say and offer, account ids masked, nothing that was typed', async () => {
    const agent = new AgentScene('live');
    agent.only.windows.windows = [notice];
    const { told, result } = agent.call('windows', {}, 'observe');
    assert.deepEqual(await result, { session: 'live', count: 1 });
    assert.deepEqual(told, [
      {
        id: 'w7',
        title: 'Notice for U***67',
        class: 'javax.swing.JDialog',
        kind: 'dialog',
        modal: true,
        active: true,
        known: null,
        text: ['Account U***67', 'Do you agree?'],
        buttons: ['Agree'],
        rows: null,
        fields: 2,
        bounds: { x: 1, y: 2, width: 30, height: 40 },
      },
    ]);
  });

  it('full of text still fit into frames', async () => {
    const agent = new AgentScene('live');
    const long = Array.from({ length: 2_000 }, () => '\u0001\u2028"\\'.repeat(1_000)).join('\n');
    const components = [component('0:javax.swing.JLabel', 'javax.swing.JLabel', long)];
    agent.only.windows.windows = [{ ...notice, components }];
    const { told, result } = agent.call('windows');
    await result;
    assert.ok(encodeFrame(told[0]).length < 1024 * 1024);
  });

  it('are clicked by window and text; a call that may have been carried out is not made twice', async () => {
    const agent = new AgentScene('live');
    const params = { session: 'live', window: 'w7', button: 'Agree' };
    assert.deepEqual(await agent.call('window-click', params).result, params);
    assert.deepEqual(agent.only.windows.asked, ['click w7 Agree']);
    const again = { ...params, askedAt: '2026-11-23T09:00:00.000Z' };
    assert.equal(await agent.codeOf('window-click', again), 'connection-lost');
    assert.deepEqual(agent.only.windows.asked, ['click w7 Agree']);
  });

  it('are painted in pieces, one of them or all where they stand', async () => {
    const agent = new AgentScene('live');
    const rgb = Buffer.alloc(30 * 40 * 3, 200);
    const png = encodePng({ width: 30, height: 40, rgb });
    agent.only.windows.windows = [notice];
    agent.only.windows.picture = { width: 30, height: 40, png };
    const one = agent.call('screenshot', { window: 'w7' });
    assert.deepEqual(await one.result, { session: 'live', width: 30, height: 40, bytes: png.length });
    assert.deepEqual(Buffer.concat(one.told.map(({ data }) => Buffer.from(data, 'base64'))), png);

    const all = agent.call('screenshot');
    assert.deepEqual(
      { ...((await all.result) as object), bytes: 0 },
      { session: 'live', width: 1024, height: 768, bytes: 0 },
    );
    const drawn = decodePng(Buffer.concat(all.told.map(({ data }) => Buffer.from(data, 'base64'))));
    const pixel = (x: number, y: number) => drawn.rgb[(y * 1024 + x) * 3];
    assert.deepEqual([pixel(1, 2), pixel(30, 41), pixel(31, 41), pixel(0, 0)], [200, 200, 0x30, 0x30]);

    agent.only.windows.picture = { width: 30, height: 40, png: Buffer.alloc(450 * 1024, 1) };
    const large = agent.call('screenshot', { window: 'w7' });
    await large.result;
    assert.equal(large.told.length, 3);
    for (const piece of large.told) assert.ok(encodeFrame(piece).length < 1024 * 1024);
  });
});

describe('a second factor', () => {
  const list = { window: 'w5', prompt: 'x', challenge: null, app: null, devices: ['IB Key', 'Other'] };
  const LOGIN = [
    ibc('version: 3.24.1'),
    ibc('Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT'),
    ibc('Login attempt: 1'),
  ];

  function waiting(method: 'ib-key' | 'device-choice'): AgentScene {
    const agent = new AgentScene('live');
    const { loop, host, windows } = agent.only;
    loop.operate('login');
    host.say(...LOGIN);
    const detail = method === 'ib-key' ? { ...list, devices: null } : list;
    windows.tell({ kind: 'bridge', up: true, detail: '' }, { kind: 'second-factor-shown', method, detail });
    return agent;
  }

  it('is sent again once, and not for a call whose connection was lost', async () => {
    const agent = waiting('ib-key');
    agent.clock.advance(30_000);
    const result = (await agent.call('second-factor-resend').result) as Record<string, unknown>;
    assert.deepEqual([result['session'], result['pushes'], result['mostPushes']], ['live', 2, 3]);
    agent.clock.advance(30_000);
    const again = { askedAt: new Date(agent.clock.now()).toISOString() };
    assert.equal(await agent.codeOf('second-factor-resend', again), 'connection-lost');
    assert.equal(agent.only.windows.asked.filter((each) => each.startsWith('resend')).length, 1);
  });

  it('whose device list is open is chosen from by login, without another login', async () => {
    const agent = waiting('device-choice');
    await agent.call('login', { device: ' IB Key ', follow: false }).result;
    assert.equal(agent.only.windows.asked.at(-1), 'choose w5 IB Key');
    assert.equal(agent.only.ledger.budget('live', agent.only.config.restart).logins24h, 1);
  });

  it('that was chosen by a call whose connection was lost is followed, not refused', async () => {
    const agent = waiting('device-choice');
    agent.clock.advance(1_000);
    const askedAt = new Date(agent.clock.now()).toISOString();
    agent.only.windows.tell({
      kind: 'second-factor-shown',
      method: 'ib-key',
      detail: { ...list, window: 'w6', devices: null },
    });
    assert.equal(await agent.codeOf('login', { device: 'IB Key', follow: false }), 'wrong-state');
    const outcome = await agent.call('login', { device: 'IB Key', follow: false, askedAt }).result;
    assert.equal((outcome as { session: { state: string } }).session.state, 'awaiting-second-factor');
    assert.equal(
      agent.only.windows.asked.some((each) => each.startsWith('choose')),
      false,
    );
  });

  it('belongs to a cold restart only', async () => {
    const agent = new AgentScene('live');
    agent.only.bringUp();
    assert.equal(await agent.codeOf('restart', { device: 'IB Key' }), 'invalid-params');
    assert.equal(await agent.codeOf('login', { device: 'two\nlines' }).catch(() => 'thrown'), 'thrown');
  });
});

describe('code', () => {
  const CODE = '918273';
  /** A session whose window asks for a code. */
  const asking = (): AgentScene => {
    const scene = new AgentScene('live');
    const { host, windows, loop } = scene.only;
    loop.operate('login');
    host.say(
      ibc('version: 3.24.1'),
      ibc('Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT'),
      ibc('Login attempt: 1'),
      ibc('Second Factor Authentication initiated'),
    );
    const detail = { window: 'w5', prompt: null, challenge: null, devices: null, app: null };
    windows.tell(
      { kind: 'bridge', up: true, detail: '' },
      { kind: 'second-factor-shown', method: 'code', detail },
    );
    return scene;
  };

  it('is typed into the window that asks, and answered by what IBKR says', async () => {
    const scene = asking();
    const { result } = scene.call('code', { code: '918 273' });
    await setImmediate();
    assert.ok(scene.only.windows.asked.includes(`type w5 ${CODE}`));
    scene.only.host.say(ibc('Found Gateway main window'), ibc('Login has completed'));
    assert.deepEqual(await result, { session: 'live', verdict: 'accepted' });
    const refused = asking();
    const second = refused.call('code', { code: CODE });
    await setImmediate();
    refused.only.windows.tell({ kind: 'second-factor-code-rejected', window: 'w5', text: 'No.' });
    assert.deepEqual(await second.result, { session: 'live', verdict: 'rejected' });
  });

  it('is unanswered when nothing is heard for half a minute, or when the caller goes', async () => {
    const scene = asking();
    const { result } = scene.call('code', { code: CODE });
    await setImmediate();
    scene.clock.advance(30_000);
    assert.deepEqual(await result, { session: 'live', verdict: 'unanswered' });
    const gone = asking();
    const left = gone.call('code', { code: CODE });
    await setImmediate();
    left.abort.abort();
    assert.deepEqual(await left.result, { session: 'live', verdict: 'unanswered' });
    assert.equal(gone.only.loop.state.run?.codes.handed, 'w5', 'it was handed in all the same');
  });

  it('is not typed again for a caller who does not know whether it was', async () => {
    const scene = asking();
    const askedAt = new Date(scene.clock.now()).toISOString();
    const { result } = scene.call('code', { code: CODE, askedAt });
    await setImmediate();
    scene.clock.advance(30_000);
    await assert.rejects(result, (error) => error instanceof AgentError && error.code === 'connection-lost');
    assert.ok(!scene.only.windows.asked.some((asked) => asked.startsWith('type')));
  });

  it('of the wrong shape, or where none is waited for, is refused without a word of it', async () => {
    const scene = asking();
    assert.equal(await scene.codeOf('code', { code: '91827' }), 'invalid-code');
    assert.equal(await new AgentScene('live').codeOf('code', { code: CODE }), 'wrong-state');
    await assert.rejects(scene.call('code', { code: '918z73' }).result, (error: Error) => {
      assert.ok(!`${error.message}${error.stack}`.includes('918z73'));
      return true;
    });
  });
});
