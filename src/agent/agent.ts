// Owns the daemon's parts and how they are joined: sessions, ledger, events, control socket.

import { chmodSync, chownSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { BridgeClient } from '../bridge/client.ts';
import { notifySecretReader } from '../config/notify-secrets.ts';
import { agentPaths, sessionPaths } from '../config/paths.ts';
import type { Config, SessionConfig } from '../config/types.ts';
import { NodeIpcTransport } from '../control/node-ipc-transport.ts';
import { type ControlServer, startControlServer } from '../control/server.ts';
import { type AgentEvent, completeEvent, type EventDraft } from '../events/catalogue.ts';
import { Ring } from '../events/ring.ts';
import { type Clock, isoTime } from '../host/clock.ts';
import { CachedGroupDatabase, NssGroupDatabase } from '../host/groups.ts';
import { SystemHostMetrics } from '../host/host-figures.ts';
import { makeOwnDirectory } from '../host/own-directory.ts';
import { Notifier } from '../notify/notifier.ts';
import { AgentError, type ErrorCode } from '../protocol/errors.ts';
import type { EventRecord, LogLine } from '../protocol/methods.ts';
import { AGENT_VERSION } from '../protocol/version.ts';
import { TwsApiWatch } from '../supervisor/api-watch.ts';
import { DesiredStore } from '../supervisor/desired-store.ts';
import { LedgerStore } from '../supervisor/ledger-store.ts';
import { SessionLoop } from '../supervisor/session-loop.ts';
import { BridgeWindowWatch, bridgeRetryMs } from '../supervisor/window-watch.ts';
import type { AgentLog } from './event-log.ts';
import { makeHandlers } from './handlers.ts';
import { HostSampler } from './host-sampler.ts';
import { pastEvents, pastLines } from './past.ts';
import type { Supervision } from './supervision.ts';

const EVENTS_KEPT = 2_000;
const LINES_KEPT = 2_000;
/** Of all lines of a session: a stack trace of 2,000 lines has a tenth of it, lines of the greatest length would have a hundred times as much. */
const LINE_CHARACTERS_KEPT = 1024 * 1024;
/** How long the end of the agent waits for notifications that are being sent. */
const LAST_NOTIFICATIONS_MS = 2_000;

export type AgentParts = {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: AgentLog;
  readonly uid: number;
  readonly supervision: Supervision;
  /** Value of `$CREDENTIALS_DIRECTORY`: the agent's own credentials, which are secrets of notifications. */
  readonly credentialsDirectory: string | undefined;
};

export type Agent = {
  /** How the sessions are, in one line for people. */
  summary(): string;
  /** Calls back whenever the summary may have changed. */
  onChange(listener: () => void): void;
  /** Whether every session's loop turns, and what happens on the host is seen. */
  isAlive(): boolean;
  /** Says why it stops, closes every session tidily unless they go on without it, then the socket. */
  stop(signal: string): Promise<void>;
};

/** Starts serving, then brings up what is wanted up. Throws AgentError; nothing is left running then. */
export async function startAgent(parts: AgentParts): Promise<Agent> {
  const { config, clock, log, supervision } = parts;
  const { journal } = supervision;
  const paths = agentPaths(config.agent);
  ensureDirectory(paths.runtime, 0o755, parts.uid, 'socket-unusable');
  ensureDirectory(paths.launchOrders, 0o750, parts.uid, 'socket-unusable');
  ensureDirectory(paths.codeOrders, 0o750, parts.uid, 'socket-unusable');
  if (supervision.launchOrderGid !== undefined) {
    giveGroup(paths.launchOrders, supervision.launchOrderGid);
    giveGroup(paths.codeOrders, supervision.launchOrderGid);
  }
  if (supervision.kind === 'systemd') ensureDirectory(paths.readyFlags, 0o755, parts.uid, 'socket-unusable');
  ensureDirectory(paths.state, 0o700, parts.uid, 'state-unwritable');

  const startedAt = clock.now();
  const events = new Ring<EventRecord>(EVENTS_KEPT);
  const lines = new Map<string, Ring<LogLine>>();
  // Those of earlier runs have the numbers below.
  let seq = journal === null ? 0 : EVENTS_KEPT;
  const publish = (event: AgentEvent) => {
    log.event(event);
    seq += 1;
    events.push({ ...event, seq, at: isoTime(event.at) });
    notifier.offer(event);
  };
  const say = (draft: EventDraft, session: string | null = null) =>
    publish(completeEvent(draft, { at: clock.now(), session, state: null, previousState: null }));

  const notifier = new Notifier({
    targets: config.notify.targets,
    read: notifySecretReader({
      credentialsDirectory: parts.credentialsDirectory,
      secretsDir: config.notify.secretsDir,
      uid: parts.uid,
    }),
    clock,
    random: Math.random,
    host: hostname(),
    sampleSession: config.sessions[0]?.name ?? null,
    warn: (fields, message) => log.warn(fields, message),
    say,
  });
  notifier.checkSecrets();

  const ledger = new LedgerStore(paths.ledger, clock, supervision.boot);
  const desired = new DesiredStore(paths.desired, supervision.boot, (detail) =>
    log.warn(
      { file: paths.desired },
      `the record of wanted sessions cannot be used (${detail}); all count as wanted down`,
    ),
  );
  const loops = new Map<string, SessionLoop>();
  for (const session of config.sessions) {
    const ring = new Ring<LogLine>(LINES_KEPT, {
      of: (line) => line.text.length,
      most: LINE_CHARACTERS_KEPT,
    });
    lines.set(session.name, ring);
    loops.set(
      session.name,
      makeLoop(parts, session, { ledger, desired, publish, onLine: (line) => ring.push(line) }),
    );
  }

  supervision.open();
  await Promise.all([...loops].map(([name, loop]) => loop.prepare(desired.memory(name))));
  const host = new HostSampler(new SystemHostMetrics(paths.state, clock), clock);
  const server: ControlServer = await startControlServer({
    place: { path: paths.socket, mode: supervision.socketMode },
    mode: supervision.kind,
    ownUid: parts.uid,
    transport: new NodeIpcTransport({ clock, log: (fields, message) => log.debug(fields, message) }),
    groups: new CachedGroupDatabase(new NssGroupDatabase(), clock),
    clock,
    log,
    handlers: makeHandlers({
      config,
      clock,
      loops,
      lines,
      events,
      ledger,
      host,
      notifier,
      startedAt,
      recallEvents: once(async () => {
        if (journal === null) return;
        events.prepend(await pastEvents(journal, { most: EVENTS_KEPT, before: startedAt }));
      }),
      recallLines: onceEach(async (loop) => {
        if (journal === null) return;
        const before = loop.recoveredFrom ?? startedAt;
        const { name } = loop.config;
        lines.get(name)?.prepend(await pastLines(journal, name, { most: LINES_KEPT, before }));
      }),
      supervisor: supervision.kind,
    }),
    onOperate: (actor, method, session, { detail, override }) =>
      say(
        {
          event: 'operator-command',
          fields: {
            IB_METHOD: method,
            IB_DETAIL: detail ?? '',
            IB_OVERRIDE: override ? 'yes' : '',
            IB_ACTOR_UID: String(actor.uid ?? ''),
            IB_ACTOR_PID: String(actor.pid ?? ''),
            IB_ACTOR_USER: actor.user ?? '',
            IB_ACTOR_CLIENT: actor.client,
          },
        },
        session !== null && loops.has(session) ? session : null,
      ),
  });
  say({
    event: 'agent-started',
    fields: { IB_VERSION: AGENT_VERSION, IB_SUPERVISOR: supervision.kind, IB_CONFIG: config.file },
  });
  for (const [name, loop] of loops) {
    const memory = desired.memory(name);
    // What runs is taken up whatever is to be started by itself.
    const autostarts = loop.config.autostart || loop.recoveredFrom !== null;
    loop.begin(autostarts ? desired.get(name) : 'down', memory);
  }
  supervision.start();

  let stopping: Promise<void> | null = null;
  const shutDown = async (signal: string) => {
    say({ event: 'agent-stopping', fields: { IB_SIGNAL: signal } });
    await Promise.all([...loops.values()].map((loop) => loop.shutDown()));
    await notifier.stop(LAST_NOTIFICATIONS_MS);
    host.stop();
    supervision.close();
    await server.close();
  };
  return {
    summary: () => summarise([...loops.values()]),
    onChange: (listener) => {
      for (const loop of loops.values()) loop.watch(listener);
    },
    isAlive: () => supervision.isAlive() && [...loops.values()].every((loop) => loop.isAlive()),
    stop: (signal) => {
      stopping ??= shutDown(signal);
      return stopping;
    },
  };
}

/** What was read once is in memory; a first reading that failed is tried again. */
function once(read: () => Promise<void>): () => Promise<void> {
  let reading: Promise<void> | null = null;
  return () => {
    reading ??= read().catch((error: unknown) => {
      reading = null;
      throw error;
    });
    return reading;
  };
}

/** {@link once} for each session. */
function onceEach(read: (loop: SessionLoop) => Promise<void>): (loop: SessionLoop) => Promise<void> {
  const reading = new Map<SessionLoop, () => Promise<void>>();
  return (loop) => {
    const known = reading.get(loop) ?? once(() => read(loop));
    reading.set(loop, known);
    return known();
  };
}

/** For STATUS= of the unit, such as `live ready, paper halted: wrong-credentials`. */
function summarise(loops: readonly SessionLoop[]): string {
  if (loops.length === 0) return 'no session is configured';
  return loops
    .map(({ config, state: { phase, reason } }) => {
      const why = phase.name === 'halted' || phase.name === 'backing-off' ? `: ${reason}` : '';
      return `${config.name} ${phase.name}${why}`;
    })
    .join(', ');
}

/** The members of a group of ours may enter; the agent is one of them. Throws AgentError `socket-unusable`. */
function giveGroup(path: string, gid: number): void {
  if (statSync(path).gid === gid) return;
  try {
    chownSync(path, -1, gid);
    // chown takes bits away (chown(2)), and the directory may have been made for another group.
    chmodSync(path, 0o750);
  } catch (cause) {
    throw new AgentError('socket-unusable', `the directory ${path} cannot be given to the gateway's group`, {
      hint: 'make the agent a member of it: sudo usermod -aG ib-gateway ib-agent',
      cause,
    });
  }
}

/** Launch orders, the ledger and the launchers' compiled code are in there. Throws AgentError `code`. */
function ensureDirectory(path: string, mode: number, uid: number, code: ErrorCode): void {
  const problem = makeOwnDirectory(path, mode, uid);
  if (problem === null) return;
  throw new AgentError(code, `the directory ${path} cannot be used: it ${problem}`, {
    hint: 'correct owner and mode (ls -ld), or name other roots in the configuration (agent.runtimeRoot, agent.stateRoot)',
  });
}

function makeLoop(
  parts: AgentParts,
  session: SessionConfig,
  shared: {
    readonly ledger: LedgerStore;
    readonly desired: DesiredStore;
    readonly publish: (event: AgentEvent) => void;
    readonly onLine: (line: LogLine) => void;
  },
): SessionLoop {
  const { config, clock, supervision } = parts;
  const paths = sessionPaths(config.agent, session.name);
  const { ledger, desired, publish, onLine } = shared;
  return new SessionLoop({
    config: session,
    launchOrderPath: paths.launchOrder,
    launchOrderGid: supervision.launchOrderGid,
    clock,
    random: Math.random,
    ledger,
    desired,
    makeHost: (listener) => supervision.makeHost(session, listener),
    makeCodeRunner: (onLine) => supervision.makeCodeRunner(session, onLine),
    makeApi: (listener) => new TwsApiWatch(session, clock, listener, supervision.gatewayUid),
    makeWindows: (listener, onGone) =>
      new BridgeWindowWatch({
        config: session,
        clock,
        listener,
        onGone,
        makeBridge: (observe) =>
          new BridgeClient({
            path: paths.bridgeSocket,
            clock,
            serverUid: supervision.gatewayUid ?? parts.uid,
            observe,
            events: true,
            reconnectDelayMs: bridgeRetryMs,
          }),
      }),
    onEvent: publish,
    onLine,
  });
}
