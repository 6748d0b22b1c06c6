// Owns the choice of who runs the sessions' processes, systemd or the agent itself, and all that follows from it.

import { fileURLToPath } from 'node:url';
import { agentPaths, sessionPaths } from '../config/paths.ts';
import type { Config, SessionConfig } from '../config/types.ts';
import type { Clock } from '../host/clock.ts';
import type { OutputStream } from '../host/exec.ts';
import { findUser } from '../host/groups.ts';
import type { Journal } from '../host/journal-reader.ts';
import { kernelBootId, type ServiceManager } from '../host/service-manager.ts';
import { AgentError } from '../protocol/errors.ts';
import type { CodeRunner } from '../supervisor/code-runner.ts';
import { ProcessCodeRunner } from '../supervisor/process-code-runner.ts';
import { ProcessHost } from '../supervisor/process-host.ts';
import type { HostListener, SessionHost } from '../supervisor/session-host.ts';
import { SystemdCodeRunner } from '../supervisor/systemd-code-runner.ts';
import { SystemdHost } from '../supervisor/systemd-host.ts';
import { UnitFeed } from '../supervisor/unit-feed.ts';
import { BridgeWarmRestarts } from '../supervisor/warm-restarts.ts';
import type { AgentLog } from './event-log.ts';

export const SUPERVISORS = ['process', 'systemd'] as const;
export type SupervisorKind = (typeof SUPERVISORS)[number];

/** The user of the sessions' units, whose primary group reads launch orders. */
const GATEWAY_USER = 'ib-gateway';
/** A journal that was not looked at for this long is not followed any more. */
const LONGEST_FEED_AGE_MS = 10_000;

export type Supervision = {
  readonly kind: SupervisorKind;
  /** Differs from boot to boot. */
  readonly boot: string;
  /** Mode of the control socket; with systemd it is open, and the peer's user decides. */
  readonly socketMode: 0o600 | 0o666;
  /** The user that the gateways run as; undefined: the agent's own. */
  readonly gatewayUid: number | undefined;
  /** Group that reads launch orders; undefined: the agent's own. */
  readonly launchOrderGid: number | undefined;
  /** Null where there is none, or nobody reads it. */
  readonly journal: Journal | null;
  makeHost(session: SessionConfig, listener: HostListener): SessionHost;
  /** Types one-time codes of a session; `onLine` is told what the programs write, where nobody else is. */
  makeCodeRunner(session: SessionConfig, onLine: (stream: OutputStream, line: string) => void): CodeRunner;
  /** After every host was made: from here on nothing that happens is missed. */
  open(): void;
  /** Begins to hand on what happens. */
  start(): void;
  isAlive(): boolean;
  close(): void;
};

export type SupervisionParts = {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: AgentLog;
  /** The launchers' whole environment. */
  readonly environment: Readonly<Record<string, string>>;
};

/** Sessions as children of the agent. */
export function superviseChildren(parts: SupervisionParts): Supervision {
  const { config, clock, environment } = parts;
  const uid = process.getuid?.() ?? 0;
  return {
    kind: 'process',
    boot: kernelBootId(),
    socketMode: 0o600,
    gatewayUid: undefined,
    launchOrderGid: undefined,
    journal: null,
    makeHost: (session, listener) => {
      const paths = sessionPaths(config.agent, session.name);
      return new ProcessHost({
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
        restarts: warmRestarts(parts, session, uid),
        uid,
      });
    },
    makeCodeRunner: (session, onLine) => {
      const paths = sessionPaths(config.agent, session.name);
      const cache = { NODE_COMPILE_CACHE: agentPaths(config.agent).compileCache };
      return new ProcessCodeRunner({
        session: session.name,
        paths,
        codeProgram: launcher('ib-code', config.file),
        clockProgram: launcher('ib-clock', config.file),
        codeEnvironment: { ...environment, ...cache, STATE_DIRECTORY: paths.codeState },
        clockEnvironment: { ...environment, ...cache, STATE_DIRECTORY: paths.clockState },
        clock,
        onLine,
      });
    },
    open: () => {},
    start: () => {},
    isAlive: () => true,
    close: () => {},
  };
}

/** Sessions as systemd's units. Throws AgentError `supervisor-unavailable` where systemd or the gateway's user is missing. */
export async function superviseUnits(
  parts: SupervisionParts,
  edges: { readonly services: ServiceManager; readonly journal: Journal },
): Promise<Supervision> {
  const { config, clock, log } = parts;
  const { services, journal } = edges;
  const [boot, user] = await Promise.all([services.bootIdentity(), findUser(GATEWAY_USER)]);
  if (boot === null) {
    throw new AgentError('supervisor-unavailable', 'systemd does not answer', {
      hint: 'this form of the agent is for hosts booted by systemd; elsewhere start it with --supervisor=process',
    });
  }
  if (user === null) {
    throw new AgentError('supervisor-unavailable', `there is no user ${GATEWAY_USER}`, {
      hint: 'make it: sudo systemd-sysusers ib-agent.conf; or install ib-agent again: sudo ./install.sh',
    });
  }
  const feed = new UnitFeed({
    journal,
    clock,
    onProblem: (problem) => {
      if (problem === null) log.info({}, 'the journal can be read again');
      else log.error({ problem }, 'the journal cannot be read: what happens to sessions is seen late');
    },
  });
  return {
    kind: 'systemd',
    boot,
    socketMode: 0o666,
    gatewayUid: user.uid,
    launchOrderGid: user.gid,
    journal,
    makeHost: (session, listener) =>
      new SystemdHost({
        session: session.name,
        paths: sessionPaths(config.agent, session.name),
        services,
        journal,
        feed,
        clock,
        listener,
        restarts: warmRestarts(parts, session, user.uid),
        warn: (fields, message) => log.warn({ ...fields, session: session.name }, message),
      }),
    makeCodeRunner: (session) =>
      new SystemdCodeRunner({
        session: session.name,
        paths: sessionPaths(config.agent, session.name),
        services,
        orderGid: user.gid,
        clock,
      }),
    open: () => feed.open(),
    start: () => feed.start(),
    isAlive: () => feed.ageMs() < LONGEST_FEED_AGE_MS,
    close: () => feed.close(),
  };
}

/** `serverUid`: the user that the gateways run as. */
function warmRestarts(
  parts: SupervisionParts,
  session: SessionConfig,
  serverUid: number,
): BridgeWarmRestarts {
  const { config, clock, log } = parts;
  const paths = sessionPaths(config.agent, session.name);
  return new BridgeWarmRestarts({
    config: session,
    bridge: { path: paths.bridgeSocket, serverUid },
    launchRecord: paths.launchRecord,
    noteFile: paths.restartNote,
    clock,
    say: (sentence) => log.info({ session: session.name }, sentence),
  });
}

/** The launcher beside this program: its bundle in a release, its source in a checkout. */
function launcher(name: 'ib-session' | 'ib-display' | 'ib-code' | 'ib-clock', configFile: string): string[] {
  const here = import.meta.url;
  const file = here.endsWith('.ts')
    ? new URL(`../launch/${name.slice('ib-'.length)}-main.ts`, here)
    : new URL(`./${name}.js`, here);
  // See main.ts on SIGUSR1; a launcher holds a secret.
  return [process.execPath, '--disable-sigusr1', fileURLToPath(file), '--config', configFile];
}
