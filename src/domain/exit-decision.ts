// Owns the decision what follows when a JVM has ended that nobody here asked to end.

import type { ExitReport, RefusalCause } from './facts.ts';
import type { Reason } from './reasons.ts';
import type { Run } from './session-state.ts';

/** What an end means: why, in words for people, and the kind of next step. */
export type ExitVerdict = {
  readonly reason: Reason;
  readonly detail: string;
  readonly next:
    | { readonly kind: 'warm' }
    | { readonly kind: 'back-off'; readonly waitMs: number | null }
    | { readonly kind: 'halt' }
    /** Halts from the second time in a row; backs off before. */
    | { readonly kind: 'back-off-once' };
};

const HALT = { kind: 'halt' } as const;
const BACK_OFF = { kind: 'back-off', waitMs: null } as const;

/** IBC's own exit codes (Java values) that mean a configuration nobody but a person can mend. */
const CONFIG_CODES = new Set([1102, 1103, 1104, 1105, 1106, 1108, 1109]);
/** 1107: the gateway's entry class is missing or threw. */
const ENTRY_POINT_CODE = 1107;
const SECOND_FACTOR_CODE = 1111;
const LOGIN_DIALOG_CODE = 1112;

/** The wait IBKR asks for, with a margin: IBC itself adds three seconds; a minute costs nothing and a fresh lock-out costs much. */
const LOCK_OUT_MARGIN_MS = 60_000;
/** When IBKR's waiting time could not be read. */
const LOCK_OUT_UNKNOWN_MS = 15 * 60_000;

/** Judges the end of a run by the launcher's failure, the lines, the files it left and the status, in this order of trust. */
export function judgeExit(run: Run, report: ExitReport): ExitVerdict {
  const { said } = run;
  if (said.problem !== null) {
    const detail = said.problem.message;
    // Only an order that is given again can have been used: that run has ended, and nobody saw how.
    if (said.problem.code === 'order-used') return { reason: 'history-missing', detail, next: HALT };
    if (said.problem.code === 'token-missing') return { reason: 'token-refused', detail, next: BACK_OFF };
    return { reason: 'launch-failed', detail, next: said.problem.temporary ? BACK_OFF : HALT };
  }
  if (report.pause) return { reason: 'paused', detail: 'a PAUSE flag was left', next: HALT };
  if (said.foreignCommand !== null) {
    return { reason: 'foreign-stop', detail: `${said.foreignCommand} on IBC's command port`, next: BACK_OFF };
  }
  if (said.displaced)
    return { reason: 'displaced', detail: 'another session of the user continues', next: HALT };
  if (said.refusal !== null) return judgeRefusal(run, said.refusal);
  if (report.coldRestart)
    return { reason: 'login-error', detail: 'IBC asks for a cold restart', next: BACK_OFF };
  if (report.tokens === 'one' && run.loggedInAt !== null) {
    return { reason: 'gateway-restart', detail: 'a restart token was left', next: { kind: 'warm' } };
  }
  if (run.launch === 'warm' && run.loggedInAt === null) {
    return {
      reason: 'token-refused',
      detail: `it ended with ${statusText(report)} before it was logged in`,
      next: BACK_OFF,
    };
  }
  if (said.fatal !== null) return judgeFatal(run, said.fatal);
  if (report.signal !== null || report.status === 143 || report.status === 137) {
    return { reason: 'gateway-killed', detail: statusText(report), next: BACK_OFF };
  }
  if (run.gatewayVersion === null && report.status !== 0) {
    const words = report.lastError === null ? '' : `: ${report.lastError}`;
    return { reason: 'java-failed', detail: `${statusText(report)}${words}`, next: HALT };
  }
  if (report.status !== 0) return { reason: 'gateway-crashed', detail: statusText(report), next: BACK_OFF };
  return { reason: 'gateway-exited', detail: statusText(report), next: BACK_OFF };
}

/** How long to keep away when IBKR asks for `waitMs`; null: it did not say, or it could not be read. */
export function lockOutWaitMs(waitMs: number | null): number {
  return (waitMs ?? LOCK_OUT_UNKNOWN_MS) + LOCK_OUT_MARGIN_MS;
}

/** The reason that each refusal gives a session. */
export const REFUSAL_REASONS: Readonly<Record<RefusalCause, Reason>> = {
  credentials: 'wrong-credentials',
  'login-failed': 'login-refused',
  'login-error': 'login-error',
  'connection-failed': 'connection-failed',
  'locked-out': 'locked-out',
  invalidated: 'login-invalidated',
};

function judgeRefusal(run: Run, refusal: NonNullable<Run['said']['refusal']>): ExitVerdict {
  switch (refusal.cause) {
    case 'credentials':
      return { reason: REFUSAL_REASONS.credentials, detail: refusal.text, next: HALT };
    case 'locked-out':
      return {
        reason: 'locked-out',
        detail: refusal.text,
        next: { kind: 'back-off', waitMs: lockOutWaitMs(refusal.waitMs) },
      };
    // The dialog does not say why: it may well be the password, so a second try is all that is risked.
    case 'login-failed':
      return { reason: 'login-refused', detail: refusal.text, next: { kind: 'back-off-once' } };
    case 'login-error':
      // After a warm start this is a refused token, and a full login is the remedy.
      return {
        reason: run.launch === 'warm' ? 'token-refused' : 'login-error',
        detail: refusal.text,
        next: BACK_OFF,
      };
    case 'connection-failed':
      return { reason: 'connection-failed', detail: refusal.text, next: BACK_OFF };
    case 'invalidated':
      return { reason: 'login-invalidated', detail: refusal.text, next: BACK_OFF };
  }
}

function judgeFatal(run: Run, code: number): ExitVerdict {
  const said = run.said.error === null ? '' : `: ${run.said.error}`;
  const detail = `IBC exit code ${code}${said}`;
  if (CONFIG_CODES.has(code)) return { reason: 'ibc-config', detail, next: HALT };
  if (code === ENTRY_POINT_CODE) return { reason: 'launch-failed', detail, next: HALT };
  if (code === SECOND_FACTOR_CODE) return { reason: 'second-factor-login-hung', detail, next: BACK_OFF };
  if (code === LOGIN_DIALOG_CODE) return { reason: 'start-timeout', detail, next: BACK_OFF };
  return { reason: 'gateway-crashed', detail, next: BACK_OFF };
}

/** `status 0` or `SIGKILL`, for people. */
export function statusText(report: {
  readonly status: number | null;
  readonly signal: string | null;
}): string {
  if (report.signal !== null) return report.signal;
  return report.status === null ? 'status unknown' : `status ${report.status}`;
}
