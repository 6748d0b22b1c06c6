// Owns what ib-code does: order first, then the clock, the seed, the code of the ordered step, and one turn of the window bridge.

import {
  BridgeClient,
  type BridgeClientOptions,
  type BridgeCloseReason,
  type Expectation,
} from '../bridge/client.ts';
import { BridgeError, isUncertain } from '../bridge/protocol.ts';
import { sessionPaths } from '../config/paths.ts';
import { normalizeSeed } from '../config/seed.ts';
import type { Config, CredentialSource, SessionConfig } from '../config/types.ts';
import { endOf, judgeStep, stepAt } from '../domain/code-step.ts';
import {
  type ClockState,
  CODE_REFUSALS,
  type CodeOrder,
  type CodeOutcome,
  type CodeRefusal,
  type CodeReport,
} from '../gateway/code-records.ts';
import type { Clock } from '../host/clock.ts';
import { errorCode, writeFileAtomic } from '../host/files.ts';
import { AgentError } from '../protocol/errors.ts';
import { readCodeOrder, useCodeOrder } from './code-order.ts';
import { ensureDirectory } from './directories.ts';
import { toLaunchFailure } from './failure.ts';
import { makeCode } from './totp.ts';

/** A seed that does not print itself. */
type Revealable = { reveal(): string };

export type CodeRun = {
  readonly config: Config;
  readonly session: SessionConfig;
  readonly readSeed: (source: CredentialSource) => Revealable;
  readonly readClock: () => ClockState;
  readonly clock: Clock;
  readonly uid: number;
  readonly readPeer: NonNullable<BridgeClientOptions['readPeer']>;
};

/** `order` is null when there is none that could be used. */
export type CodeEnd = { readonly order: CodeOrder | null; readonly outcome: CodeOutcome };

type NotTyped = CodeOutcome & { kind: 'not-typed' };

const CONNECT_DEADLINE_MS = 3_000;
/** Longer than a handler of a dialog takes; a bridge that does not come to it in this time never does it. */
const LONGEST_TYPING_MS = 5_000;
/** The code must not be typed in the last second of its step, however late the event thread comes to it. */
const LAST_SECOND_MS = 1_000;

/**
 * Carries out the order that is on disk, and writes what became of it, unless there is none to be used: then nothing was done, and an
 * earlier result stays. Never throws.
 */
export async function runCode(run: CodeRun): Promise<CodeEnd> {
  const paths = sessionPaths(run.config.agent, run.session.name);
  let order: CodeOrder;
  try {
    order = readCodeOrder(paths.codeOrder, run.session.name, run.clock.now());
    ensureDirectory(paths.codeState, 0o700, 'runtime-unusable', run.uid);
    ensureDirectory(paths.code, 0o750, 'runtime-unusable', run.uid);
    useCodeOrder(paths.lastCodeOrder, order);
  } catch (error) {
    return { order: null, outcome: refusalOf(error) };
  }
  const write = (outcome: CodeOutcome, done: boolean) => {
    const report: CodeReport = {
      v: 1,
      id: order.id,
      step: order.kind === 'type' ? order.step : null,
      outcome,
      clock: run.readClock(),
      at: run.clock.now(),
      done,
    };
    writeFileAtomic(paths.codeResult, `${JSON.stringify(report)}\n`, 0o640);
  };
  let outcome: CodeOutcome;
  try {
    outcome = await carryOut(run, order, paths.bridgeSocket, (begun) => write(begun, false));
  } catch (error) {
    outcome = refusalOf(error);
  }
  try {
    write(outcome, true);
  } catch (error) {
    // What was written before the typing stands, and says that the end is not known.
    if (outcome.kind === 'not-typed') outcome = unwritable(paths.codeResult, error);
    else if (outcome.kind === 'ok') outcome = unwritable(paths.codeResult, error);
  }
  return { order, outcome };
}

/** Throws only before anything is typed. `begin` records that typing begins. */
async function carryOut(
  run: CodeRun,
  order: CodeOrder,
  socket: string,
  begin: (outcome: CodeOutcome) => void,
): Promise<CodeOutcome> {
  if (order.kind === 'check') {
    codeOf(run, stepAt(run.clock.now()));
    return { kind: 'ok' };
  }
  const early = wrongTime(run.clock.now(), order.step);
  if (early !== null) return early;
  const bridge = await openBridge(run, socket);
  if ('kind' in bridge) return bridge;
  try {
    const code = codeOf(run, order.step);
    // Again: a secret manager may have taken its time.
    const late = wrongTime(run.clock.now(), order.step);
    if (late !== null) return late;
    try {
      begin({ kind: 'uncertain', detail: 'ib-code ended while it typed.' });
    } catch (error) {
      return unwritable(sessionPaths(run.config.agent, run.session.name).codeResult, error);
    }
    return await type(bridge, order, code, run.clock.now());
  } finally {
    bridge.close();
  }
}

/** The seed is in memory while this runs, and no longer. */
function codeOf({ readSeed, session }: CodeRun, step: number): string {
  return makeCode(normalizeSeed(readSeed(session.credentials).reveal()), step);
}

function wrongTime(now: number, step: number): NotTyped | null {
  const judged = judgeStep(now, step);
  if (judged === 'now') return null;
  const detail =
    judged === 'step-over'
      ? `The time of the ordered code is over, or has less than five seconds left (step ${step}).`
      : `The time of the ordered code has not come (step ${step}).`;
  return notTyped(
    judged,
    detail,
    'Another code is ordered for its own time; see that the clock is right: timedatectl',
  );
}

async function openBridge(run: CodeRun, path: string): Promise<BridgeClient | NotTyped> {
  const { promise, resolve } = Promise.withResolvers<NotTyped | null>();
  const bridge = new BridgeClient({
    path,
    clock: run.clock,
    serverUid: run.uid,
    readPeer: run.readPeer,
    connectTimeoutMs: CONNECT_DEADLINE_MS,
    // One attempt: what is not there now has no window to type into.
    reconnectDelayMs: () => 60_000,
    observe: (seen) => {
      if (seen.kind === 'open') resolve(null);
      else if (seen.kind === 'unreachable') resolve(unreachable(path, seen.code));
      else if (seen.kind === 'closed') resolve(closed(path, seen.reason));
    },
  });
  bridge.connect();
  const problem = await promise;
  if (problem === null) return bridge;
  bridge.close();
  return problem;
}

function unreachable(path: string, code: string): NotTyped {
  const absent = code === 'ENOENT' || code === 'ECONNREFUSED';
  return notTyped(
    absent ? 'bridge-absent' : 'bridge-refused',
    absent
      ? `No gateway with a window bridge runs: ${path} (${code}).`
      : `${path} cannot be reached (${code}).`,
    absent
      ? 'Its log says why there is none: ibctl logs'
      : 'Check the rights of that socket and of its directories.',
  );
}

const CLOSED: Readonly<Record<BridgeCloseReason, string>> = {
  ended: 'the gateway ended',
  foreign: 'it is served by another user, who was given nothing',
  version: 'it speaks another version',
  refused: 'it does not serve this user',
  mute: 'it does not answer',
  garbage: 'what answers is no window bridge',
};

function closed(path: string, reason: BridgeCloseReason): NotTyped {
  return notTyped(
    reason === 'ended' ? 'bridge-absent' : 'bridge-refused',
    `The window bridge ${path} cannot be used: ${CLOSED[reason]}.`,
    reason === 'version'
      ? 'Restart the session with the installed version: ibctl restart'
      : 'Look at the gateway: ibctl status, ibctl logs',
  );
}

async function type(
  bridge: BridgeClient,
  { target, step }: CodeOrder & { kind: 'type' },
  code: string,
  now: number,
): Promise<CodeOutcome> {
  const expect: Expectation = {
    ...(target.title === null ? {} : { title: target.title }),
    ...(target.near === null ? {} : { near: target.near }),
  };
  const { window, path, button, buttonText } = target;
  const timeoutMs = Math.min(LONGEST_TYPING_MS, endOf(step) - LAST_SECOND_MS - now);
  try {
    await bridge.typeCode({ window, path, button, buttonText, expect, code }, timeoutMs);
    return { kind: 'typed' };
  } catch (error) {
    return ofBridgeError(error);
  }
}

/** Messages of bridge errors never hold what was sent. */
function ofBridgeError(error: unknown): CodeOutcome {
  if (!(error instanceof BridgeError)) {
    return { kind: 'uncertain', detail: `The typing failed for an unexpected reason: ${nameOf(error)}.` };
  }
  const { code, message } = error;
  if (isUncertain(code)) return { kind: 'uncertain', detail: message };
  switch (code) {
    case 'stale':
      return notTyped(
        'window-gone',
        message,
        'The window has changed or closed; what is there: ibctl windows',
      );
    case 'not-found':
    case 'wrong-kind':
    case 'disabled':
    case 'not-accepted':
      return notTyped('field-refused', message, 'Look at the window: ibctl screenshot');
    case 'frozen':
      return notTyped('frozen', message, 'The gateway does not react: ibctl status');
    case 'not-connected':
      return notTyped('bridge-absent', message, 'Its log says why there is none: ibctl logs');
    case 'unknown-server':
      return notTyped(
        'bridge-refused',
        message,
        'Peer credentials need the koffi package; install ib-agent again.',
      );
    case 'bad-request':
    case 'unknown-op':
    case 'hello-first':
    case 'version-mismatch':
    case 'not-allowed':
    case 'busy':
    case 'too-large':
      return notTyped('bridge-refused', message, 'Look at the gateway: ibctl status, ibctl logs');
  }
}

const SEED_REFUSALS: Readonly<Record<string, CodeRefusal>> = {
  'credential-missing': 'seed-missing',
  'credential-unsafe': 'seed-unsafe',
  'credential-invalid': 'seed-invalid',
  'credential-command-failed': 'seed-command-failed',
};

/** The refusal that an error before the typing means. */
export function refusalOf(error: unknown): NotTyped {
  const ofSeed = error instanceof AgentError ? SEED_REFUSALS[error.code] : undefined;
  if (error instanceof AgentError && ofSeed !== undefined) {
    return notTyped(ofSeed, error.message, error.hint ?? '');
  }
  const { code, message, hint } = toLaunchFailure(error);
  return notTyped(CODE_REFUSALS.find((known) => known === code) ?? 'internal', message, hint);
}

function unwritable(path: string, error: unknown): NotTyped {
  return notTyped(
    'runtime-unusable',
    `Cannot write ${path} (${errorCode(error) ?? 'unknown error'}).`,
    'Check owner, mode and free space of its directory.',
  );
}

function notTyped(why: CodeRefusal, detail: string, hint: string): NotTyped {
  return { kind: 'not-typed', why, detail, hint };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
