// Owns what is going to happen to each session and its user's budget, in the words of the protocol.

import type { SessionConfig } from '../config/types.ts';
import type { Budget, LoginLimits } from '../domain/ledger.ts';
import type { SessionState } from '../domain/session-state.ts';
import { isoTime } from '../host/clock.ts';
import type { Plan, PlanStep } from '../protocol/methods.ts';
import type { LedgerStore } from './ledger-store.ts';
import { deferralOf, needsSecondFactor, nextOf, timeOrNull } from './view.ts';
import { nextZoneTime, parseTimeOfDay } from './zone-time.ts';

/** IBKR ends every restart token once a week at this time; the first restart after it is a full login. */
const TOKEN_EXPIRY = { zone: 'America/New_York', weekday: 0, time: { hour: 1, minute: 0 } } as const;

export type Planned = { readonly config: SessionConfig; readonly state: SessionState };

/** The plan for these sessions and for the users they log in as; budgets are shared with sessions that are not among them. */
export function planOf(
  chosen: readonly Planned[],
  all: readonly Planned[],
  ledger: Pick<LedgerStore, 'budget'>,
  now: number,
): Plan {
  const budgetFor = ({ user, restart, name }: SessionConfig) => ledger.budget(user, restart, name);
  const users = [...new Set(chosen.map(({ config }) => config.user))];
  return {
    sessions: chosen.map(({ config, state }) => ({
      session: config.name,
      user: config.user,
      state: state.phase.name,
      desired: state.desired,
      steps: stepsOf(config, state, now),
      deferral: deferralOf(state, budgetFor(config), now),
    })),
    users: users.map((user) => {
      const sessions = all.filter(({ config }) => config.user === user).map(({ config }) => config);
      return { user, sessions: sessions.map(({ name }) => name), ...userBudget(user, sessions, ledger) };
    }),
  };
}

function userBudget(
  user: string,
  sessions: readonly SessionConfig[],
  ledger: Pick<LedgerStore, 'budget'>,
): Pick<Plan['users'][number], 'budgets' | 'pushOutstanding'> {
  const limits: LoginLimits | undefined = sessions[0]?.restart;
  if (limits === undefined) return { budgets: [], pushOutstanding: null };
  const { uses, push }: Budget = ledger.budget(user, limits);
  return {
    budgets: uses.map(({ name, used, limit, freesAt }) => ({
      name,
      used,
      limit,
      freesAt: timeOrNull(freesAt),
    })),
    pushOutstanding:
      push === null ? null : { session: push.session, until: isoTime(push.until), shown: push.shown },
  };
}

/** In the order of time; what has none comes last. */
function stepsOf(config: SessionConfig, state: SessionState, now: number): PlanStep[] {
  const steps: PlanStep[] = [];
  const next = nextOf(config, state);
  if (next !== null) steps.push(next);
  if (state.run !== null && state.run.afterExit === null) steps.push(...dailySteps(config, now));
  return steps.toSorted((a, b) => timeValue(a) - timeValue(b));
}

function timeValue({ at }: PlanStep): number {
  return at === null ? Number.POSITIVE_INFINITY : Date.parse(at);
}

/** What the gateway and IBKR do by themselves to a session that is up. */
function dailySteps(config: SessionConfig, now: number): PlanStep[] {
  const { zone, time, weekday } = TOKEN_EXPIRY;
  const expiry = nextZoneTime(now, zone, time, weekday);
  const steps: PlanStep[] = [
    {
      at: isoTime(expiry),
      kind: 'token-expiry',
      needsSecondFactor: needsSecondFactor(config),
      why: 'IBKR ends restart tokens every Sunday at 01:00 New York time: the first restart after that is a full login',
    },
  ];
  const daily = (setting: string) => {
    const text = config.ibc[setting];
    const at = text === undefined ? null : parseTimeOfDay(text);
    return at === null ? null : nextZoneTime(now, config.timeZone, at);
  };
  const restart = daily('AutoRestartTime');
  const logoff = daily('AutoLogoffTime');
  if (restart !== null) {
    const afterExpiry = restart >= expiry;
    steps.push({
      at: isoTime(restart),
      kind: 'daily-restart',
      needsSecondFactor: afterExpiry ? needsSecondFactor(config) : false,
      why: afterExpiry
        ? 'the gateway restarts by itself (ibc.AutoRestartTime), and its token has expired by then'
        : 'the gateway restarts by itself (ibc.AutoRestartTime) and keeps its login',
    });
  } else if (logoff !== null) {
    steps.push({
      at: isoTime(logoff),
      kind: 'daily-logoff',
      needsSecondFactor: needsSecondFactor(config),
      why: 'the gateway logs off by itself (ibc.AutoLogoffTime); the next login is a full one',
    });
  } else {
    steps.push({
      at: null,
      kind: 'daily-restart',
      needsSecondFactor: null,
      why: 'the time set in the gateway itself holds: it is not in the configuration (ibc.AutoRestartTime)',
    });
  }
  return steps;
}
