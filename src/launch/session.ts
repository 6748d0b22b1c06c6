// Owns what ib-session does before it is the JVM: order first, then files, tokens, credentials, display, and the command line.

import { randomInt } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sessionPaths } from '../config/paths.ts';
import type { Config, CredentialSource, SessionConfig } from '../config/types.ts';
import { parseDisplayRecord } from '../display/display-record.ts';
import { connectDisplay, type DisplayOutcome, type ReadPeer } from '../display/x-server.ts';
import { findCookie } from '../display/xauthority.ts';
import { deleteOldFlags, deleteTokens, findTokens } from '../gateway/autorestart.ts';
import { renderIbcConfig } from '../gateway/ibc-config.ts';
import { linesOfIbc } from '../gateway/ibc-jts.ts';
import { disableOwnLauncher, findInstall } from '../gateway/install-layout.ts';
import { buildJavaCommand, buildJavaEnvironment, type WindowBridge } from '../gateway/java-command.ts';
import { editJtsIni } from '../gateway/jts-ini.ts';
import { LaunchError } from '../gateway/launch-error.ts';
import { formatOrderTaken, type LaunchOrder, type LaunchRecord } from '../gateway/launch-records.ts';
import type { Clock } from '../host/clock.ts';
import { errorCode, writeFileAtomic } from '../host/files.ts';
import type { Program } from './become.ts';
import { ensureDirectory, ensureSettingsDirectory } from './directories.ts';
import { findFreePort } from './free-port.ts';
import { readLaunchOrder, useLaunchOrder } from './order.ts';
import { chooseToken } from './second-factor-token.ts';

/** A credential that does not print itself. */
type Revealable = { reveal(): string };

export type SessionLaunch = {
  readonly config: Config;
  readonly session: SessionConfig;
  readonly readCredentials: (source: CredentialSource) => {
    readonly username: Revealable;
    readonly password: Revealable;
  };
  readonly readPeer: ReadPeer;
  readonly clock: Clock;
  readonly uid: number;
  /** Told once the order is used up, with the line that says so. */
  readonly say: (line: string) => void;
  /** Where ib-bridge.jar is, if it is there. */
  readonly bridgeJar: string;
};

/** Longest wait for the display, which the supervisor starts before or with the session. */
const DISPLAY_DEADLINE_MS = 15_000;

/**
 * Does everything up to the point where the launcher can become the JVM. The launch order is used up first; a failure after that leaves no
 * credential on disk. `warn` gets sentences for the log. Throws a LaunchError, or an AgentError of the credentials.
 */
export async function prepareSession(
  launch: SessionLaunch,
  warn: (sentence: string) => void,
): Promise<Program> {
  const { config, session, clock, uid } = launch;
  const paths = sessionPaths(config.agent, session.name);
  const order = readLaunchOrder(paths.launchOrder, session.name, clock.now());
  const bridge = findBridge(launch.bridgeJar, paths, warn);
  ensureDirectory(paths.state, 0o700, 'runtime-unusable', uid);
  useLaunchOrder(paths.lastOrder, order);
  // By this line the agent knows which start of the unit was made under which order, also when it was away meanwhile.
  launch.say(formatOrderTaken(order));

  ensureDirectory(paths.runtime, 0o750, 'runtime-unusable', uid);
  rmSync(paths.launchRecord, { force: true });
  rmSync(paths.configIni, { force: true });
  rmSync(paths.bridgeSocket, { force: true });
  // Begun here and awaited at the end: an Xvfb that is starting needs about as long as the rest of this.
  const display = startDisplayWait(launch, paths);
  // Should something else fail first, nobody awaits it.
  display.catch(() => {});

  const install = findInstall(session.install);
  for (const warning of install.warnings) warn(warning);
  const renameWarning = disableOwnLauncher(install.programDir);
  if (renameWarning !== null) warn(renameWarning);

  ensureSettingsDirectory(session.settingsDir, uid);
  const restartDirectory = inSettings(session, () => {
    writeJtsIni(session, paths.writtenToken, warn);
    deleteOldFlags(session.settingsDir);
    return takeToken(session, order, warn);
  });

  const commandPort = session.commandServer ? await findCommandPort(config) : null;
  try {
    const credentials = launch.readCredentials(session.credentials);
    const configIni = renderIbcConfig({
      session,
      username: credentials.username.reveal(),
      password: credentials.password.reveal(),
      device: order.device ?? null,
      commandPort,
    });
    writeRuntimeFile(paths.configIni, configIni, 0o400);
    const outcome = await display;
    if (outcome.kind !== 'ready') throw displayFailure(outcome, paths.displayRecord);
    const ibcSessionId = makeSessionId();
    const displayName = `:${outcome.number}`;
    const record: LaunchRecord = {
      v: 1,
      orderId: order.id,
      kind: order.kind,
      ibcSessionId,
      commandPort,
      gatewayVersion: session.install.gatewayVersion,
      display: displayName,
      pid: process.pid,
      at: clock.now(),
    };
    writeRuntimeFile(paths.launchRecord, `${JSON.stringify(record)}\n`, 0o640);
    return {
      file: install.java,
      args: buildJavaCommand(session, install, {
        ibcSessionId,
        configIni: paths.configIni,
        home: paths.state,
        restartDirectory,
        bridge,
      }),
      env: buildJavaEnvironment(session, {
        display: displayName,
        xauthority: paths.displayCookie,
        home: paths.state,
      }),
      cwd: session.settingsDir,
    };
  } catch (error) {
    rmSync(paths.configIni, { force: true });
    throw error;
  }
}

/** Removes what {@link prepareSession} wrote for a program that could not be started after all. */
export function discardSession(config: Config, name: string): void {
  const paths = sessionPaths(config.agent, name);
  rmSync(paths.configIni, { force: true });
  rmSync(paths.launchRecord, { force: true });
}

type SessionPaths = ReturnType<typeof sessionPaths>;

/** Whoever wrote the launch order is the agent, and may use the bridge, as root may. A session without a bridge can still log in. */
function findBridge(jar: string, paths: SessionPaths, warn: (sentence: string) => void): WindowBridge | null {
  if (jar.includes('=')) {
    warn(`no window bridge: Java cannot load ${jar}, since its path holds an equals sign`);
    return null;
  }
  if (!existsSync(jar)) {
    warn(`no window bridge: there is no ${jar}; in a checkout npm run build makes it`);
    return null;
  }
  return { jar, socket: paths.bridgeSocket, uids: [...new Set([0, statSync(paths.launchOrder).uid])] };
}

async function findCommandPort(config: Config): Promise<number> {
  const port = await findFreePort(new Set(config.sessions.map(({ api }) => api.port)));
  if (port !== null) return port;
  throw new LaunchError(
    'runtime-unusable',
    'No free port for the command server of IBC on 127.0.0.1 (20000–32000).',
    'See what listens there: ss -ltn; or switch it off: commandServer.',
  );
}

function startDisplayWait(launch: SessionLaunch, paths: SessionPaths): Promise<DisplayOutcome> {
  return connectDisplay({
    uid: launch.uid,
    readPeer: launch.readPeer,
    clock: launch.clock,
    deadlineMs: Math.min(DISPLAY_DEADLINE_MS, launch.session.deadlines.startMs),
    readTarget: () => {
      const record = parseDisplayRecord(readDisplayFile(paths.displayRecord)?.toString('utf8') ?? '');
      const cookieFile = readDisplayFile(paths.displayCookie);
      const cookie = cookieFile === null ? null : findCookie(cookieFile);
      return record === null || cookie === null ? null : { number: record.number, cookie };
    },
  });
}

function readDisplayFile(path: string): Buffer | null {
  try {
    return readIfThere(path);
  } catch (error) {
    throw new LaunchError(
      'display-unreachable',
      `Cannot read ${path} (${errorCode(error) ?? 'unknown error'}).`,
      'The display must run as the same user as the session, or share its group.',
      error,
    );
  }
}

function displayFailure(outcome: DisplayOutcome & { kind: 'failed' }, recordFile: string): LaunchError {
  const { number, answer } = outcome;
  if (number === null || answer === null) {
    return new LaunchError(
      'display-unreachable',
      `No display was published in ${recordFile}.`,
      'See why ib-display did not start.',
    );
  }
  const subject = `The display :${number}`;
  if (answer.kind === 'foreign') {
    const who = answer.uid === null ? 'its user cannot be told' : `it runs as uid ${answer.uid}`;
    return new LaunchError(
      'display-foreign',
      `${subject} is not ours: ${who}. It was not given the cookie.`,
      answer.uid === null
        ? 'Peer credentials need the koffi package; install ib-agent again.'
        : `Find out who runs an X server there (uid ${answer.uid}); a restart of the display takes another number.`,
    );
  }
  if (answer.kind === 'refused') {
    return new LaunchError(
      'display-unreachable',
      `${subject} refused our cookie: ${answer.reason}.`,
      'Restart the display: it makes a new cookie.',
    );
  }
  const detail = answer.kind === 'absent' ? answer.detail : 'unknown';
  return new LaunchError(
    'display-unreachable',
    `${subject} cannot be reached: ${detail}.`,
    'See why Xvfb of this session ended.',
  );
}

function writeJtsIni(session: SessionConfig, writtenToken: string, warn: (sentence: string) => void): void {
  const file = join(session.settingsDir, 'jts.ini');
  const before = readIfThere(file);
  const { present, settings, keep, overruled } = chooseToken(session.jts, before, writtenToken);
  if (!present && Object.keys(session.jts).length === 0) return;
  const ours = editJtsIni(before, settings);
  // The token must not be among the lines that IBC logs.
  const after = present
    ? editJtsIni(ours, linesOfIbc(ours, session.ibc['TrustedTwsApiClientIPs'] ?? ''))
    : ours;
  if (before === null || !before.equals(after)) writeFileAtomic(file, after, 0o600);
  keep();
  if (overruled)
    warn(
      `the gateway has written another second-factor token than jts.secondFactor since, which stays; see: ibctl second-factor show ${session.name}`,
    );
}

/** The directory name of the one token of a warm start; null for a cold one, whose tokens are deleted. */
function takeToken(
  session: SessionConfig,
  order: LaunchOrder,
  warn: (sentence: string) => void,
): string | null {
  if (order.kind === 'cold') {
    const deleted = deleteTokens(session.settingsDir);
    if (deleted > 0) warn(`cold start: deleted ${deleted} autorestart token${deleted === 1 ? '' : 's'}`);
    return null;
  }
  const tokens = findTokens(session.settingsDir);
  const [token] = tokens;
  if (token !== undefined && tokens.length === 1) return token.directory;
  const found =
    tokens.length === 0 ? 'holds no autorestart token' : `holds ${tokens.length} autorestart tokens`;
  throw new LaunchError(
    'token-missing',
    `A warm start is not possible: ${session.settingsDir} ${found}.`,
    `A full login is needed: ibctl login ${session.name}`,
  );
}

function inSettings<T>(session: SessionConfig, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof LaunchError) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new LaunchError(
      'settings-unusable',
      `The settings directory ${session.settingsDir} cannot be used: ${detail}.`,
      'Check its files: owner, mode and free space.',
      error,
    );
  }
}

function writeRuntimeFile(path: string, content: string | Uint8Array, mode: number): void {
  try {
    writeFileAtomic(path, content, mode);
  } catch (error) {
    throw new LaunchError(
      'runtime-unusable',
      `Cannot write ${path} (${errorCode(error) ?? 'unknown error'}).`,
      'Check owner, mode and free space of its directory.',
      error,
    );
  }
}

function readIfThere(path: string): Buffer<ArrayBuffer> | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

const ID_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Eight letters and digits; a fresh one for each JVM, because a flag of an earlier JVM with the same id would be taken for this one's. */
function makeSessionId(): string {
  return Array.from({ length: 8 }, () => ID_CHARACTERS.charAt(randomInt(ID_CHARACTERS.length))).join('');
}
