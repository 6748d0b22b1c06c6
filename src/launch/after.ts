// Owns `ib-session after`: how the JVM ended and what it left behind, as one record; and the removal of what must not stay.

import { readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { type Roots, sessionPaths } from '../config/paths.ts';
import { findTokens, type RestartFlags, takeFlags } from '../gateway/autorestart.ts';
import type { AfterRecord } from '../gateway/launch-records.ts';

export type AfterInput = {
  readonly session: string;
  readonly roots: Roots;
  /** Null when the configuration cannot tell: flags and tokens are then not looked for. */
  readonly settingsDir: string | null;
  readonly ending: Pick<AfterRecord, 'status' | 'signal'>;
  /** Epoch milliseconds. */
  readonly now: number;
};

/** Gathers the record, removes flag files, config.ini (it holds the password), launch.json and the bridge's socket. Whatever is missing is null or false; never throws. */
export function gatherAfter(input: AfterInput): AfterRecord {
  const paths = sessionPaths(input.roots, input.session);
  const launched = readLaunched(paths.launchRecord);
  const { settingsDir } = input;
  const flags = attempt<RestartFlags>({ coldRestart: false, pause: false }, () =>
    settingsDir === null || launched.ibcSessionId === null
      ? { coldRestart: false, pause: false }
      : takeFlags(settingsDir, launched.ibcSessionId),
  );
  const tokens = attempt([], () => (settingsDir === null ? [] : findTokens(settingsDir)));
  const [token] = tokens;
  attempt(undefined, () => rmSync(paths.configIni, { force: true }));
  attempt(undefined, () => rmSync(paths.launchRecord, { force: true }));
  attempt(undefined, () => rmSync(paths.bridgeSocket, { force: true }));
  return {
    v: 1,
    session: input.session,
    ...launched,
    ...input.ending,
    flags,
    autorestart:
      token === undefined
        ? { tokens: 'none', ageMs: null }
        : tokens.length > 1
          ? { tokens: 'several', ageMs: null }
          : { tokens: 'one', ageMs: Math.max(0, Math.round(input.now - token.modifiedAt)) },
  };
}

/**
 * How the JVM ended, by flags (`--status N`, `--signal SIGKILL`) or, without them, by what systemd sets for ExecStopPost= (systemd.exec(5)):
 * EXIT_CODE `exited` with a number, or `killed`/`dumped` with a signal name without SIG, in EXIT_STATUS.
 */
export function readEnding(
  flags: { readonly status: string | undefined; readonly signal: string | undefined },
  env: Readonly<Record<string, string | undefined>>,
): Pick<AfterRecord, 'status' | 'signal'> {
  if (flags.signal !== undefined) return { status: null, signal: toSignal(flags.signal) };
  if (flags.status !== undefined) return { status: toStatus(flags.status), signal: null };
  const how = env['EXIT_CODE'];
  const what = env['EXIT_STATUS'] ?? '';
  if (how === 'exited') return { status: toStatus(what), signal: null };
  if (how === 'killed' || how === 'dumped') return { status: null, signal: toSignal(what) };
  return { status: null, signal: null };
}

function toStatus(text: string): number | null {
  return /^\d{1,3}$/.test(text) && Number(text) <= 255 ? Number(text) : null;
}

/** `KILL`, `SIGKILL` or `9` as `SIGKILL`; null for what is no signal. */
function toSignal(text: string): string | null {
  const name = `SIG${text.toUpperCase().replace(/^SIG/, '')}`;
  for (const [known, number] of Object.entries(constants.signals)) {
    if (known === name || String(number) === text) return known;
  }
  return null;
}

type Launched = Pick<AfterRecord, 'orderId' | 'kind' | 'ibcSessionId'>;

function readLaunched(file: string): Launched {
  const none: Launched = { orderId: null, kind: null, ibcSessionId: null };
  return attempt(none, () => {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof value !== 'object' || value === null) return none;
    const { orderId, kind, ibcSessionId } = value as Record<string, unknown>;
    return {
      orderId: typeof orderId === 'string' ? orderId : null,
      kind: kind === 'warm' || kind === 'cold' ? kind : null,
      ibcSessionId:
        typeof ibcSessionId === 'string' && /^[A-Za-z0-9]{8}$/.test(ibcSessionId) ? ibcSessionId : null,
    };
  });
}

/** The work's result, or `otherwise` when it threw: this runs when things are broken already, and half a record is better than none. */
function attempt<T>(otherwise: T, work: () => T): T {
  try {
    return work();
  } catch {
    return otherwise;
  }
}
