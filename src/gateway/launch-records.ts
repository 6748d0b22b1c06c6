// Owns the records that pass between the agent and the launchers: the order to launch, what was launched, why it failed, how it ended.

import { isRecord } from '../protocol/json.ts';

/** What the agent allows one launcher run to do; written to disk after the ledger entry, used once. */
export type LaunchOrder = {
  readonly v: 1;
  readonly session: string;
  /** Unique; the launcher keeps the last one it used and refuses to use it again. */
  readonly id: string;
  /** `warm`: only with an autorestart token, never submits credentials; `cold`: a full login, tokens are deleted first. */
  readonly kind: 'warm' | 'cold';
  /** Epoch milliseconds after which the order is void. */
  readonly notAfter: number;
  /** Second-factor device of this login; left out: the configured one. A launcher of version 0.1 does not look at it. */
  readonly device?: string;
};

/** It becomes part of a file name. */
const ORDER_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** Whether a text may be the id of an order. */
export function isOrderId(text: string): boolean {
  return ORDER_ID.test(text);
}

/** What the launcher published before it became the JVM; `launch.json` in the session's runtime directory. */
export type LaunchRecord = {
  readonly v: 1;
  readonly orderId: string;
  readonly kind: 'warm' | 'cold';
  readonly ibcSessionId: string;
  /** IBC's command server on 127.0.0.1; null: it is off. */
  readonly commandPort: number | null;
  readonly gatewayVersion: string;
  readonly display: string;
  /** Of the launcher, and so of the JVM that it becomes. */
  readonly pid: number;
  /** Epoch milliseconds. */
  readonly at: number;
};

/** Why a launcher did not become its program. Each is a fault that no retry mends, but for `display-unreachable` and `start-failed`. */
export const LAUNCH_FAILURES = [
  'order-missing',
  'order-expired',
  'order-used',
  'order-invalid',
  'config-invalid',
  'credential-missing',
  'credential-unsafe',
  'credential-invalid',
  'credential-command-failed',
  'java-missing',
  'jars-missing',
  'ibc-missing',
  'vmoptions-missing',
  'settings-unusable',
  'runtime-unusable',
  'token-missing',
  'display-unreachable',
  'display-foreign',
  'xvfb-missing',
  // These three are told by the agent in the launcher's place: systemd did not start it.
  'start-denied',
  'start-failed',
  'unit-missing',
  'internal',
] as const;
export type LaunchFailureCode = (typeof LAUNCH_FAILURES)[number];

export type LaunchFailure = {
  readonly code: LaunchFailureCode;
  /** What failed, with the path. */
  readonly message: string;
  /** What to do. */
  readonly hint: string;
};

const FAILURE_PREFIX = 'launch-failed ';

/** Exit status of a launcher that did not become its program: EX_CONFIG of sysexits.h, which systemd can be told not to restart on. */
export const LAUNCH_FAILED_STATUS = 78;

/** The one line a launcher writes to stderr when it fails: words for the journal's reader, then the same as data. */
export function formatLaunchFailure(failure: LaunchFailure): string {
  return `${FAILURE_PREFIX}${JSON.stringify(failure)}\n`;
}

/** The failure in a launcher's line, or null for any other line. */
export function parseLaunchFailure(line: string): LaunchFailure | null {
  if (!line.startsWith(FAILURE_PREFIX)) return null;
  let value: unknown;
  try {
    value = JSON.parse(line.slice(FAILURE_PREFIX.length));
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { code, message, hint } = value as Record<string, unknown>;
  const known = LAUNCH_FAILURES.find((candidate) => candidate === code);
  if (known === undefined || typeof message !== 'string' || typeof hint !== 'string') return null;
  return { code: known, message, hint };
}

/** What `ib-session after NAME` prints as one JSON line: how the JVM ended and what it left behind. */
export type AfterRecord = {
  readonly v: 1;
  readonly session: string;
  /** Order of the run that ended; null when the launcher never got that far. */
  readonly orderId: string | null;
  readonly kind: 'warm' | 'cold' | null;
  readonly ibcSessionId: string | null;
  /** Exit status 0–255; null when it died by a signal or is not known. */
  readonly status: number | null;
  /** Such as `SIGKILL`; null when it exited. */
  readonly signal: string | null;
  /** Flag files that IBC left, found and removed. */
  readonly flags: { readonly coldRestart: boolean; readonly pause: boolean };
  readonly autorestart: {
    readonly tokens: 'none' | 'one' | 'several';
    /** Age of the only token in milliseconds; null unless there is exactly one. */
    readonly ageMs: number | null;
  };
};

/** The record in a line, or null when it is none. */
export function parseAfterRecord(line: string): AfterRecord | null {
  if (!line.startsWith('{')) return null;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (!isRecord(value) || value['v'] !== 1 || typeof value['session'] !== 'string') return null;
  const { session, orderId, kind, ibcSessionId, status, signal, flags, autorestart } = value;
  if (!isTextOrNull(orderId) || !isTextOrNull(ibcSessionId) || !isTextOrNull(signal)) return null;
  if (kind !== null && kind !== 'warm' && kind !== 'cold') return null;
  if (status !== null && typeof status !== 'number') return null;
  if (!isRecord(flags) || typeof flags['coldRestart'] !== 'boolean' || typeof flags['pause'] !== 'boolean')
    return null;
  if (!isRecord(autorestart)) return null;
  const { tokens, ageMs } = autorestart;
  if (tokens !== 'none' && tokens !== 'one' && tokens !== 'several') return null;
  if (ageMs !== null && typeof ageMs !== 'number') return null;
  return {
    v: 1,
    session,
    orderId,
    kind,
    ibcSessionId,
    status,
    signal,
    flags: { coldRestart: flags['coldRestart'], pause: flags['pause'] },
    autorestart: { tokens, ageMs },
  };
}

const ORDER_TAKEN = /^ib-session: launch order ([A-Za-z0-9._-]{1,100}) is taken \((?:warm|cold)\)$/;

/** The launcher's line once an order is used up: from here on a login may have been made under it. */
export function formatOrderTaken(order: Pick<LaunchOrder, 'id' | 'kind'>): string {
  return `ib-session: launch order ${order.id} is taken (${order.kind})\n`;
}

/** Id of the order that a line says to be taken; null for any other line. */
export function parseOrderTaken(line: string): string | null {
  return ORDER_TAKEN.exec(line)?.[1] ?? null;
}

/** The launch record in a file's text, or null when it is none. */
export function parseLaunchRecord(text: string): LaunchRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || value['v'] !== 1) return null;
  const { orderId, kind, ibcSessionId, commandPort, gatewayVersion, display, pid, at } = value;
  if (typeof orderId !== 'string' || typeof ibcSessionId !== 'string' || typeof display !== 'string')
    return null;
  if (kind !== 'warm' && kind !== 'cold') return null;
  if (typeof gatewayVersion !== 'string' || typeof pid !== 'number' || typeof at !== 'number') return null;
  if (commandPort !== null && (typeof commandPort !== 'number' || !Number.isInteger(commandPort)))
    return null;
  return { v: 1, orderId, kind, ibcSessionId, commandPort, gatewayVersion, display, pid, at };
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}
