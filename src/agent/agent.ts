// Owns the daemon's parts and how they are joined: sessions, ledger, events, control socket.

import { fileURLToPath } from 'node:url';
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
import { AgentError, type ErrorCode } from '../protocol/errors.ts';
import type { EventRecord, LogLine } from '../protocol/methods.ts';
import { AGENT_VERSION } from '../protocol/version.ts';
import { TwsApiWatch } from '../supervisor/api-watch.ts';
import { DesiredStore } from '../supervisor/desired-store.ts';
import { LedgerStore } from '../supervisor/ledger-store.ts';
import { ProcessHost } from '../supervisor/process-host.ts';
import { SessionLoop } from '../supervisor/session-loop.ts';
import type { AgentLog } from './event-log.ts';
import { makeHandlers } from './handlers.ts';
import { HostSampler } from './host-sampler.ts';

const EVENTS_KEPT = 2_000;
const LINES_KEPT = 2_000;
/** Of all lines of a session: a stack trace of 2,000 lines has a tenth of it, lines of the greatest length would have a hundred times as much. */
const LINE_CHARACTERS_KEPT = 1024 * 1024;

export type AgentParts = {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: AgentLog;
  readonly uid: number;
  /** The launchers' whole environment. */
  readonly environment: Readonly<Record<string, string>>;
};

export type Agent = {
  /** Says why it stops, closes every session tidily, then the socket. */
  stop(signal: string): Promise<void>;
};

/** Starts serving, then brings up what is wanted up. Throws AgentError; nothing is left running then. */
export async function startAgent(parts: AgentParts): Promise<Agent> {
  const { config, clock, log } = parts;
  const paths = agentPaths(config.agent);
  ensureDirectory(paths.runtime, 0o755, parts.uid, 'socket-unusable');
  ensureDirectory(paths.launchOrders, 0o750, parts.uid, 'socket-unusable');
  ensureDirectory(paths.state, 0o700, parts.uid, 'state-unwritable');

  const startedAt = clock.now();
  const events = new Ring<EventRecord>(EVENTS_KEPT);
  const lines = new Map<string, Ring<LogLine>>();
  let seq = 0;
  const publish = (event: AgentEvent) => {
    log.event(event);
    seq += 1;
    events.push({ ...event, seq, at: isoTime(event.at) });
  };
  const say = (draft: EventDraft, session: string | null = null) =>
    publish(completeEvent(draft, { at: clock.now(), session, state: null, previousState: null }));

  const ledger = new LedgerStore(paths.ledger, clock);
  const desired = new DesiredStore(paths.desired, (detail) =>
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

  await Promise.all([...loops.values()].map((loop) => loop.prepare()));
  const host = new HostSampler(new SystemHostMetrics(paths.state, clock), clock);
  const server: ControlServer = await startControlServer({
    place: { path: paths.socket, mode: 0o600 },
    mode: 'process',
    ownUid: parts.uid,
    transport: new NodeIpcTransport({ clock, log: (fields, message) => log.debug(fields, message) }),
    groups: new CachedGroupDatabase(new NssGroupDatabase(), clock),
    clock,
    log,
    handlers: makeHandlers({ config, clock, loops, lines, events, ledger, host, startedAt }),
    onOperate: (actor, method, session) =>
      say(
        {
          event: 'operator-command',
          fields: {
            IB_METHOD: method,
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
    fields: { IB_VERSION: AGENT_VERSION, IB_SUPERVISOR: 'process', IB_CONFIG: config.file },
  });
  for (const [name, loop] of loops) {
    const wanted = loop.config.autostart ? desired.get(name) : 'down';
    loop.dispatch({ kind: 'agent-started', desired: wanted, memory: desired.memory(name) });
  }

  let stopping: Promise<void> | null = null;
  const shutDown = async (signal: string) => {
    say({ event: 'agent-stopping', fields: { IB_SIGNAL: signal } });
    await Promise.all([...loops.values()].map((loop) => loop.shutDown()));
    host.stop();
    await server.close();
  };
  return {
    stop: (signal) => {
      stopping ??= shutDown(signal);
      return stopping;
    },
  };
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
  const { config, clock, environment } = parts;
  const paths = sessionPaths(config.agent, session.name);
  const { ledger, desired, publish, onLine } = shared;
  return new SessionLoop({
    config: session,
    launchOrderPath: paths.launchOrder,
    clock,
    random: Math.random,
    ledger,
    desired,
    makeHost: (listener) =>
      new ProcessHost({
        config: session,
        paths,
        sessionLauncher: launcher('ib-session', config.file),
        displayLauncher: launcher('ib-display', config.file),
        environment: {
          ...environment,
          // Both make the launchers start faster, and both are the session's own user's.
          STATE_DIRECTORY: paths.state,
          NODE_COMPILE_CACHE: agentPaths(config.agent).compileCache,
        },
        clock,
        listener,
      }),
    makeApi: (listener) => new TwsApiWatch(session, clock, listener),
    onEvent: publish,
    onLine,
  });
}

/** The launcher beside this program: its bundle in a release, its source in a checkout. */
function launcher(name: 'ib-session' | 'ib-display', configFile: string): string[] {
  const here = import.meta.url;
  const file = here.endsWith('.ts')
    ? new URL(`../launch/${name.slice('ib-'.length)}-main.ts`, here)
    : new URL(`./${name}.js`, here);
  // See main.ts on SIGUSR1; a launcher holds the password.
  return [process.execPath, '--disable-sigusr1', fileURLToPath(file), '--config', configFile];
}
