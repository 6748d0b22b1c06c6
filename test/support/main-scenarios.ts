// Owns the scenarios that every IBC must pass, the stand-in and the real one: login, push, restart, stop, refusals, other sessions.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CATALOGUE } from '../../src/events/catalogue.ts';
import { parseLaunchRecord } from '../../src/gateway/launch-records.ts';
import { type AgentRecord, type IbctlResult, isRunning, makeWorld, until, type World } from './world.ts';

/** Every character that some format on the way (properties, Latin-1, shell, YAML) treats as its own. */
export const PASSWORD = 'pä;#=\\ "x';
const USERNAME = 'jane.trader77';

const BACK_OFF_AT_ONCE = { restart: { backoffMin: '100ms', backoffMax: '200ms' } };

/** Declares the scenarios; `ibcJar` is another IBC.jar than the stand-in's. */
export function describeMainScenarios(ibcJar?: string): void {
  const jar = ibcJar === undefined ? {} : { ibcJar };

  describe('a login with a push on the phone', () => {
    let world: World;
    /** Everything that ibctl printed, for the search for secrets. */
    let printed = '';
    const ibctl = async (...args: string[]): Promise<IbctlResult> => {
      const result = await world.ibctl(...args);
      printed += result.stdout + result.stderr;
      return result;
    };

    before(async () => {
      world = await makeWorld({
        ...jar,
        sessions: {
          live: {
            username: USERNAME,
            password: PASSWORD,
            knobs: {
              'expect.user': USERNAME,
              'expect.password': PASSWORD,
              'second.factor': 'push',
              'push.approve.after.ms': '1500',
              'autorestart.when': 'set',
              'autorestart.after.ms': '500',
              'api.accounts': 'U7654321,U1234567',
            },
            config: { secondFactor: { method: 'ib-key' } },
          },
        },
      });
      await world.startAgent();
    });
    after(() => world.dispose());

    it('shows each step, tells the push with its deadline, and ends with 0 when the API is proven', async () => {
      assert.equal(world.told('session-starting').length, 0, 'a session that was never started stays down');
      const { status, stdout, stderr } = await ibctl('login');
      assert.deepEqual([status, stderr], [0, '']);
      const steps = stdout.split('\n').flatMap((line) => /^ *[\d.]+s {2}([a-z-]+)/.exec(line)?.[1] ?? []);
      assert.deepEqual(
        steps.filter((step, index) => step !== steps[index - 1]),
        ['starting', 'logging-in', 'awaiting-second-factor', 'loading', 'ready'],
        stdout,
      );
      assert.match(
        stdout,
        /awaiting-second-factor: (2m \d+s|3m 0?0?s?) left \(until [\d:]+\), IB Key, attempt 1/,
      );
      assert.match(stdout, /hint: approve the notification of IBKR Mobile on the phone/);

      assert.deepEqual(world.events('live'), [
        'session-starting',
        'login-submitted',
        'second-factor-pending',
        'second-factor-accepted',
        'session-ready',
      ]);
      const pending = one(world.told('second-factor-pending'));
      has(pending, {
        MESSAGE_ID: CATALOGUE['second-factor-pending'].messageId,
        PRIORITY: '4',
        IB_METHOD: 'ib-key',
        IB_ATTEMPT: '1',
        IB_STATE: 'awaiting-second-factor',
        IB_PREVIOUS_STATE: 'logging-in',
        IB_REASON: 'second-factor-pending',
      });
      const leftMs = Date.parse(pending['IB_DEADLINE'] ?? '') - Date.parse(pending['time'] ?? '');
      assert.ok(leftMs > 170_000 && leftMs <= 180_000, `${leftMs} ms from the event to its deadline`);
      assert.match(
        pending['IB_HINT'] ?? '',
        /^approve the IBKR Mobile notification before \d\d:\d\d:\d\d UTC$/,
      );
      has(one(world.told('login-submitted')), { IB_ATTEMPT: '1' });
      has(one(world.told('session-ready')), { IB_STATE: 'ready', IB_SERVER_VERSION: '176' });
      has(one(world.told('operator-command')), { IB_METHOD: 'login', IB_SESSION: undefined });
    });

    it('is not repeated by a second ibctl login', async () => {
      const from = world.records.length;
      const { status, stdout } = await ibctl('login');
      assert.equal(status, 0);
      assert.match(stdout, /^ *[\d.]+s {2}ready\n$/);
      assert.deepEqual(
        world.records.slice(from).map((record) => record['IB_EVENT']),
        ['operator-command'],
      );
      assert.equal((await world.status()).ledger.logins24h, 1);
    });

    it('stands in ibctl status --json, with figures that are numbers and masked accounts', async () => {
      const status = await world.fullStatus();
      const [session] = status.sessions;
      assert.ok(session !== undefined && status.sessions.length === 1);
      assert.deepEqual([status.agent.pid, status.agent.supervisor], [world.agentPid, 'process']);
      assert.deepEqual(
        [session.name, session.mode, session.state, session.desired, session.secondFactor, session.next],
        ['live', 'live', 'ready', 'up', null, null],
      );
      assert.deepEqual(
        [session.api.ok, session.api.port, session.broker.connected],
        [true, world.ports['live'], true],
      );
      assert.deepEqual(session.ledger, { logins24h: 1, pushes24h: 1, blockedUntil: null, deferral: null });
      assert.deepEqual(session.conditions, []);
      const { pid, rssBytes, cpuPercent, startedAt } = session.process;
      assert.match(world.processes().find((process) => process.pid === pid)?.argv[0] ?? '', /\/java$/);
      assert.ok(rssBytes !== null && rssBytes > 20e6 && rssBytes < 2e9, `${rssBytes} bytes`);
      assert.ok(startedAt !== null && Math.abs(Date.parse(startedAt) - Date.now()) < 120_000);
      assert.ok(cpuPercent === null || cpuPercent >= 0);
      assert.equal(
        typeof (await world.status()).process.cpuPercent,
        'number',
        'known from the second look on',
      );

      assert.deepEqual(
        session.api.accounts.map((id) => /\d{7}/.test(id)),
        [false, false],
      );
      const shown = await world.fullStatus('--show-accounts');
      assert.deepEqual(shown.sessions[0]?.api.accounts, ['U7654321', 'U1234567']);
      assert.equal((await ibctl('status', '--check')).status, 0);
      assert.match((await ibctl('status')).stdout, /^live +live +ready /m);
    });

    it('listens on no port but that of the API', async () => {
      const { pid } = (await world.status()).process;
      assert.deepEqual(listeningPorts(pid ?? 0), [world.ports['live']]);
      const record = JSON.parse(readFileSync(join(world.runtimeDir(), 'launch.json'), 'utf8')) as object;
      assert.equal((record as { commandPort?: unknown }).commandPort, null);
      assert.match((await ibctl('logs')).stdout, /CommandServer is not started/);
    });

    it('leaves the password and the user name nowhere but in a config.ini of mode 0400', async () => {
      const configIni = join(world.runtimeDir(), 'config.ini');
      assert.equal(statSync(configIni).mode & 0o777, 0o400);
      await ibctl('events');
      await ibctl('logs', '-n', '10000');
      await ibctl('config', 'show', world.configFile);
      const pids = [world.agentPid, ...world.processes().map(({ pid }) => pid)];
      assert.equal(pids.length, 3, 'agent, JVM, Xvfb');
      const places: (readonly [string, Buffer])[] = [
        ...pids.flatMap((pid) =>
          ['cmdline', 'environ'].map(
            (file) => [`/proc/${pid}/${file}`, readFileSync(`/proc/${pid}/${file}`)] as const,
          ),
        ),
        ['stdout of the agent', Buffer.from(world.stdout)],
        ['stderr of the agent', Buffer.from(world.stderr)],
        ['output of ibctl', Buffer.from(printed)],
        ...['run', 'lib'].flatMap((root) =>
          filesBelow(join(world.root, root)).map((file) => [file, readFileSync(file)] as const),
        ),
      ];
      for (const secret of [PASSWORD, USERNAME]) {
        // A file of java.util.Properties would hold them escaped.
        const forms = [
          Buffer.from(secret),
          Buffer.from(secret, 'latin1'),
          Buffer.from(secret.replaceAll('\\', '\\\\').replaceAll('ä', '\\u00e4')),
          Buffer.from(JSON.stringify(secret).slice(1, -1)),
        ];
        const found = places
          .filter(([, bytes]) => forms.some((form) => bytes.includes(form)))
          .map(([place]) => place);
        assert.deepEqual(
          found,
          secret === USERNAME ? [configIni] : found.filter((place) => place === configIni),
        );
      }
      assert.match(
        readFileSync(configIni, 'latin1'),
        /^IbPassword=p/m,
        'so it was looked for in the right place',
      );
    });

    it('survives a warm restart without another login, in a new JVM under the same agent', async () => {
      const from = world.records.length;
      const before = await world.status();
      const xvfb = world.xvfbPid();
      const { status, stdout, stderr } = await ibctl('restart');
      assert.deepEqual([status, stderr], [0, ''], stdout);
      assert.match(stdout, /restarting \(operator-restart\)/);
      const planned = one(world.told('restart-planned', { from }));
      assert.match(planned['IB_AT'] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:00\.000Z$/);
      const inMs = Date.parse(planned['IB_AT'] ?? '') - Date.parse(planned['time'] ?? '');
      assert.ok(inMs > 1_000 && inMs < 70_000, `${inMs} ms`);
      const now = await world.status();
      assert.equal(now.state, 'ready');
      assert.notEqual(now.process.pid, before.process.pid);
      assert.equal(isRunning(before.process.pid ?? 0), false);
      assert.equal(world.xvfbPid(), xvfb, 'the display stays');
      assert.deepEqual(now.ledger, before.ledger);
      const events = world.records.slice(from).flatMap(({ IB_EVENT }) => IB_EVENT ?? []);
      assert.deepEqual(events, [
        'operator-command',
        'restart-planned',
        'restart-started',
        'gateway-exited',
        'session-starting',
        'session-ready',
        'restart-finished',
      ]);
      has(one(world.told('session-starting', { from })), { IB_LAUNCH: 'warm', IB_STATE: 'restarting' });
      has(one(world.told('gateway-exited', { from })), { IB_EXIT_STATUS: '0', IB_EXIT_SIGNAL: '' });
      has(one(world.told('restart-finished', { from })), { IB_KIND: 'warm', IB_STATE: 'ready' });
    });

    it('has its own restart time back after that, without being restarted by it', async () => {
      const [user] = readdirSync(world.settingsDir()).filter((name) => /^[a-z]{40}$/.test(name));
      const settings = join(world.settingsDir(), user ?? '', 'gateway.properties');
      const note = join(world.root, 'lib', 'ib-agent', 'restart-time-live.json');
      await until('the note is gone', () => !existsSync(note));
      const text = readFileSync(settings, 'latin1');
      assert.match(text, /^auto\.time=11\\:45 PM$/m);
      assert.match(text, /^auto\.action=logoff$/m);
      assert.equal((await world.status()).state, 'ready');
    });

    it('ends with ibctl stop: a tidy close, nothing left, and no start when the agent comes again', async () => {
      const from = world.records.length;
      const { status, stdout, stderr } = await ibctl('stop');
      assert.deepEqual([status, stderr], [0, '']);
      assert.match(stdout, /stopping \(by-operator\)/);
      await world.gone();
      has(one(world.told('session-stopped', { from })), { IB_STATE: 'stopped', IB_REASON: 'by-operator' });
      has(one(world.told('gateway-exited', { from })), { IB_EXIT_SIGNAL: '', IB_DETAIL: 'as asked' });
      assert.match((await ibctl('logs')).stdout, /STANDIN shutting down: closed by the menu/);
      assert.deepEqual(
        readdirSync(world.runtimeDir()).filter((name) => /config|launch/.test(name)),
        [],
      );
      const stopped = await world.status();
      assert.deepEqual([stopped.state, stopped.reason, stopped.desired], ['stopped', 'by-operator', 'down']);
      assert.deepEqual([stopped.api.ok, stopped.process.pid, stopped.broker.connected], [null, null, null]);
      assert.equal((await ibctl('stop')).status, 0, 'stopping what is stopped');

      assert.equal(await world.endAgent(), 0);
      const again = world.records.length;
      await world.startAgent();
      assert.deepEqual(
        [(await world.status()).state, world.told('session-starting', { from: again })],
        ['stopped', []],
      );
    });
  });

  describe('a session that has the command server on', () => {
    let world: World;
    before(async () => {
      world = await makeWorld({
        ...jar,
        sessions: {
          live: {
            knobs: { 'autorestart.when': 'set', 'autorestart.after.ms': '500' },
            config: { commandServer: true },
          },
        },
      });
      await world.startAgent();
      assert.equal((await world.ibctl('login')).status, 0);
    });
    after(() => world.dispose());

    /** As in a JVM whose bridge could not serve; what is connected stays. */
    const removeBridge = () => rmSync(join(world.runtimeDir(), 'bridge.sock'));

    it('listens on its port too, on 127.0.0.1', async () => {
      const { pid } = (await world.status()).process;
      const record = parseLaunchRecord(readFileSync(join(world.runtimeDir(), 'launch.json'), 'utf8'));
      const ports = [world.ports['live'] ?? 0, record?.commandPort ?? 0];
      assert.deepEqual(listeningPorts(pid ?? 0).sort(), ports.sort());
    });

    it('is restarted and closed by it when the windows cannot be worked', async () => {
      removeBridge();
      const { status, stderr } = await world.ibctl('restart');
      assert.deepEqual([status, stderr], [0, '']);
      assert.equal((await world.status()).ledger.logins24h, 1);
      removeBridge();
      const from = world.records.length;
      assert.equal((await world.ibctl('stop')).status, 0);
      await world.gone();
      has(one(world.told('gateway-exited', { from })), { IB_EXIT_STATUS: '0', IB_DETAIL: 'as asked' });
      const { stdout } = await world.ibctl('logs', '-n', '5000');
      for (const command of ['RESTART', 'STOP'])
        assert.ok(stdout.includes(`CommandServer received command: ${command}`), command);
    });
  });

  describe('a login that IBKR does not accept', () => {
    let world: World;
    before(async () => {
      world = await makeWorld({
        ...jar,
        sessions: {
          wrong: { password: 'tpyo', knobs: { 'expect.password': 'typo' }, config: BACK_OFF_AT_ONCE },
          failed: { knobs: { 'login.result': 'login-failed' }, config: BACK_OFF_AT_ONCE },
        },
      });
      await world.startAgent();
    });
    after(() => world.dispose());

    it('because of the password halts at once, after one attempt', async () => {
      const { status, stderr } = await world.ibctl('login', 'wrong');
      assert.equal(status, 6);
      assert.match(stderr, /^error: wrong is halted/);
      assert.match(
        stderr,
        /^hint: correct the stored credentials, check them on the IBKR website, then run: ibctl login/m,
      );
      await world.gone('wrong');
      assert.deepEqual(without(world.events('wrong'), 'operator-command'), [
        'session-starting',
        'login-submitted',
        'login-refused',
        'gateway-exited',
        'session-halted',
      ]);
      has(one(world.told('login-refused', { session: 'wrong' })), { IB_CAUSE: 'credentials', PRIORITY: '3' });
      has(one(world.told('session-halted', { session: 'wrong' })), {
        PRIORITY: '2',
        IB_STATE: 'halted',
        IB_REASON: 'wrong-credentials',
      });
      const session = await world.status('wrong');
      assert.deepEqual(
        [session.state, session.reason, session.ledger.logins24h],
        ['halted', 'wrong-credentials', 1],
      );
      assert.deepEqual(
        session.conditions.map(({ code }) => code),
        ['halted'],
      );
      assert.equal(session.next, null);
      assert.equal((await world.ibctl('status', 'wrong', '--check')).status, 6);
    });

    it('as "Login failed" is tried once more, then halts', async () => {
      // The first call ends when the session backs off; a later one is not needed for what follows.
      const first = await world.ibctl('login', 'failed');
      assert.equal(first.status, 1);
      assert.match(first.stderr, /backing-off \(login-refused\)/);
      const { status } = await world.ibctl('wait', 'failed', '--for', 'halted', '--timeout', '60s');
      assert.equal(status, 0);
      await world.gone('failed');
      const attempt = ['session-starting', 'login-submitted', 'login-refused', 'gateway-exited'];
      assert.deepEqual(without(world.events('failed'), 'operator-command'), [
        ...attempt,
        'session-backing-off',
        ...attempt,
        'session-halted',
      ]);
      for (const refused of world.told('login-refused', { session: 'failed' }))
        has(refused, { IB_CAUSE: 'login-failed' });
      has(one(world.told('session-halted', { session: 'failed' })), { IB_REASON: 'login-refused' });
      assert.equal((await world.status('failed')).ledger.logins24h, 2);
    });

    it('stays halted when the agent comes again, and when it was killed before', async () => {
      await world.endAgent('SIGKILL');
      const from = world.records.length;
      await world.startAgent();
      const { sessions } = await world.fullStatus();
      assert.deepEqual(
        sessions.map(({ name, state, reason, desired }) => [name, state, reason, desired]),
        [
          ['wrong', 'halted', 'wrong-credentials', 'up'],
          ['failed', 'halted', 'login-refused', 'up'],
        ],
      );
      assert.deepEqual(world.told('session-starting', { from }), []);
      assert.equal(world.processes().length, 0);
    });
  });

  describe('a user who is logged in elsewhere', () => {
    let world: World;
    before(async () => {
      world = await makeWorld({
        ...jar,
        sessions: {
          takes: { knobs: { 'existing.session': 'before' }, config: BACK_OFF_AT_ONCE },
          yields: {
            knobs: { 'existing.session': 'before' },
            config: { ...BACK_OFF_AT_ONCE, ibc: { ExistingSessionDetectedAction: 'secondary' } },
          },
        },
      });
      await world.startAgent();
    });
    after(() => world.dispose());

    it('loses the other session to a session that is configured to take over', async () => {
      assert.equal((await world.ibctl('login', 'takes')).status, 0);
      has(one(world.told('existing-session')), { IB_DECISION: 'continues', IB_SESSION: 'takes' });
      assert.equal((await world.ibctl('stop', 'takes')).status, 0);
    });

    it('keeps it against a session that is configured to yield, which halts and does not fight', async () => {
      const from = world.records.length;
      const { status, stderr } = await world.ibctl('login', 'yields');
      assert.equal(status, 6);
      assert.match(stderr, /hint: close the other session, or take this one back with: ibctl login/);
      await world.gone('yields');
      has(one(world.told('existing-session', { from })), { IB_DECISION: 'ends', IB_SESSION: 'yields' });
      has(one(world.told('session-halted', { from })), { IB_REASON: 'displaced' });
      assert.equal(world.told('login-submitted', { from }).length, 1);
    });
  });
}

/** The TCP ports that a process of ours listens on, by the sockets that it has open. */
export function listeningPorts(pid: number): number[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1]];
      } catch {
        return [];
      }
    }),
  );
  const rows = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'latin1').split('\n').slice(1, -1),
  );
  return rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode] = row.trim().split(/\s+/);
    const listens = state === '0A' && sockets.has(inode);
    return listens ? [Number.parseInt(local.slice(local.indexOf(':') + 1), 16)] : [];
  });
}

export function without(names: readonly string[], name: string): string[] {
  return names.filter((other) => other !== name);
}

/** The only element; fails otherwise. */
export function one<T>(items: readonly T[]): T {
  const [item] = items;
  assert.ok(item !== undefined && items.length === 1, `expected one, got ${JSON.stringify(items)}`);
  return item;
}

/** Asserts fields of an event; `undefined` means that it must not have the field. */
export function has(record: AgentRecord, fields: Readonly<Record<string, string | undefined>>): void {
  const found = Object.fromEntries(Object.keys(fields).map((key) => [key, record[key]]));
  assert.deepEqual(found, { ...fields }, `${record['IB_EVENT']}: ${JSON.stringify(record)}`);
}

function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
