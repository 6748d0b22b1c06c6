// Owns how a session's state is shown to callers: status, progress and conditions in the words of the protocol.

import type { SessionConfig } from '../config/types.ts';
import { CONDITIONS, visibleConditions } from '../domain/conditions.ts';
import { budgetDeferral, lockOutDeferral, pushDeferral } from '../domain/deferral.ts';
import type { Budget } from '../domain/ledger.ts';
import { REASONS } from '../domain/reasons.ts';
import { secondFactorHint } from '../domain/second-factor-hint.ts';
import type { SessionState } from '../domain/session-state.ts';
import { isoTime } from '../host/clock.ts';
import { maskAccounts } from '../protocol/mask.ts';
import type {
  Condition,
  DeferralView,
  NextStep,
  Progress,
  SecondFactor,
  SessionStatus,
} from '../protocol/methods.ts';

/** Figures of the session's process; what cannot be known is null. */
export type ProcessView = {
  readonly pid: number | null;
  readonly rssBytes: number | null;
  readonly cpuPercent: number | null;
  /** Epoch milliseconds. */
  readonly startedAt: number | null;
};

export function statusOf(
  config: SessionConfig,
  state: SessionState,
  parts: {
    readonly now: number;
    readonly budget: Budget;
    readonly process: ProcessView;
    readonly showAccounts: boolean;
  },
): SessionStatus {
  const { api, broker } = state;
  const { process, budget } = parts;
  return {
    name: config.name,
    gateway: config.gateway,
    driver: config.driver,
    mode: config.mode,
    state: state.phase.name,
    since: isoTime(state.since),
    reason: state.reason,
    desired: state.desired,
    secondFactor: secondFactorOf(state),
    api: {
      host: config.api.host,
      port: config.api.port,
      ok: api.ok,
      serverVersion: api.serverVersion,
      accounts: parts.showAccounts ? [...api.accounts] : api.accounts.map(maskAccounts),
      latencyMs: api.latencyMs === null ? null : Math.round(api.latencyMs * 10) / 10,
      checkedAt: timeOrNull(api.checkedAt),
    },
    broker: {
      connected: broker.connected,
      farms: broker.farms.map((farm) => ({
        name: farm.name,
        kind: farm.kind,
        ok: farm.ok,
        since: isoTime(farm.since),
      })),
    },
    process: {
      pid: process.pid,
      rssBytes: process.rssBytes,
      cpuPercent: process.cpuPercent,
      startedAt: timeOrNull(process.startedAt),
      gatewayVersion: state.run === null ? null : config.install.gatewayVersion,
    },
    next: nextOf(config, state),
    ledger: {
      logins24h: budget.logins24h,
      pushes24h: budget.pushes24h,
      blockedUntil: timeOrNull(budget.blockedUntil),
      deferral: deferralOf(state, budget, parts.now),
    },
    conditions: conditionsOf(state, parts.now),
  };
}

/** Why a cold login of the session would have to wait now; null when it would not. */
export function deferralOf(state: SessionState, budget: Budget, now: number): DeferralView | null {
  const deferral =
    lockOutDeferral(state.lockedOutUntil, now) ?? budgetDeferral(budget) ?? pushDeferral(budget);
  if (deferral === null) return null;
  const { why, until, text, used, limit, session } = deferral;
  return { why, until: isoTime(until), text, used, limit, session };
}

export function progressOf(config: SessionConfig, state: SessionState, now: number): Progress {
  return {
    at: isoTime(now),
    session: config.name,
    state: state.phase.name,
    since: isoTime(state.since),
    reason: state.reason,
    secondFactor: secondFactorOf(state),
    next: nextOf(config, state),
    conditions: conditionsOf(state, now),
  };
}

function secondFactorOf(state: SessionState): SecondFactor | null {
  if (state.phase.name !== 'awaiting-second-factor') return null;
  const { method, deadline, attempt, detail } = state.phase;
  return {
    method,
    since: isoTime(state.since),
    deadline: isoTime(deadline),
    attempt,
    prompt: detail?.prompt ?? null,
    challenge: detail?.challenge ?? null,
    devices: detail?.devices == null ? null : [...detail.devices],
  };
}

/** What the agent does next to the session by itself; null when it waits for facts or for a person. */
export function nextOf(config: SessionConfig, state: SessionState): NextStep | null {
  const { phase, run } = state;
  if (phase.name === 'backing-off') {
    return {
      at: isoTime(phase.until),
      kind: phase.launch === 'warm' ? 'warm-restart' : 'login',
      needsSecondFactor: phase.launch === 'warm' ? false : needsSecondFactor(config),
      why: state.reason === null ? '' : REASONS[state.reason].text,
    };
  }
  if (phase.name === 'awaiting-second-factor') {
    return {
      at: isoTime(phase.deadline),
      kind: 'give-up',
      needsSecondFactor: true,
      why: 'IBKR closes the second factor then',
    };
  }
  if (run !== null && run.restartAsked !== null) {
    return {
      at: isoTime(run.restartAsked.due ?? nextFullMinute(run.restartAsked.at)),
      kind: 'warm-restart',
      needsSecondFactor: false,
      why: REASONS['operator-restart'].text,
    };
  }
  return null;
}

/** The conditions that hold and are to be told, with what the state itself asks of a person first. */
function conditionsOf(state: SessionState, now: number): Condition[] {
  const { phase, reason } = state;
  const since = isoTime(state.since);
  const held = visibleConditions(state.conditions, now).map((condition): Condition => {
    const row = CONDITIONS[condition.code];
    return {
      code: condition.code,
      severity: row.severity,
      since: isoTime(condition.since),
      text: row.text(condition.detail),
      hint: row.hint,
    };
  });
  if (phase.name === 'halted') {
    return [{ code: 'halted', severity: 'error', since, text: phase.text, hint: phase.hint }, ...held];
  }
  if (phase.name === 'awaiting-second-factor') {
    const { text } = REASONS['second-factor-pending'];
    const hint = secondFactorHint(phase.method, phase.deadline, phase.detail?.devices ?? null);
    return [{ code: 'second-factor-pending', severity: 'warning', since, text, hint }, ...held];
  }
  if (phase.name === 'backing-off' && reason !== null) {
    const { text, hint } = REASONS[reason];
    return [{ code: 'backing-off', severity: 'warning', since, text, hint }, ...held];
  }
  return held;
}

/** What is configured says what to expect; null when the configuration leaves it open. */
export function needsSecondFactor(config: SessionConfig): boolean | null {
  if (config.secondFactor.method === 'none') return false;
  return config.secondFactor.method === 'unknown' ? null : true;
}

/** What is to be expected until the gateway has been asked: the next full minute, or the one after when it is close. */
function nextFullMinute(at: number): number {
  return (Math.floor((at + 9_000) / 60_000) + 1) * 60_000;
}

export function timeOrNull(at: number | null): string | null {
  return at === null ? null : isoTime(at);
}
