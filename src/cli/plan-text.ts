// Owns how a plan looks to a person: what comes next for each session, and what is left of each user's login budgets.

import type { Plan, PlanStep } from '../protocol/methods.ts';
import type { Layout } from './status-text.ts';
import { paintState } from './status-text.ts';
import { printable, wrap } from './table.ts';
import { formatComing, formatDateTime, formatDuration, fromWire } from './time-text.ts';

type PlannedUser = Plan['users'][number];
type PlannedSession = Plan['sessions'][number];

const STEP_NAMES: Readonly<Record<PlanStep['kind'], string>> = {
  login: 'login',
  'warm-restart': 'warm restart',
  'give-up': 'gives up waiting for the second factor',
  'daily-restart': 'daily restart',
  'daily-logoff': 'daily log-off',
  'token-expiry': 'restart token expires',
};

const BUDGET_NAMES: Readonly<Record<PlannedUser['budgets'][number]['name'], string>> = {
  'logins-hour': 'logins in the last hour',
  'logins-day': 'logins in the last 24 hours',
  'pushes-hour': 'second factors in the last hour',
  'pushes-day': 'second factors in the last 24 hours',
};

/** The whole of `ibctl plan`, ending with a newline. */
export function renderPlan(plan: Plan, layout: Layout): string {
  if (plan.sessions.length === 0) return 'no session is configured\n';
  const lines: string[] = [];
  for (const session of plan.sessions) lines.push(...sessionLines(session, layout), '');
  for (const user of plan.users) {
    lines.push(layout.paint('bold', printable(`login budget of ${userText(user)}`)));
    lines.push(...budgetLines(user, layout.now, layout.columns), '');
  }
  return `${lines.slice(0, -1).join('\n')}\n`;
}

function userText({ user, sessions }: PlannedUser): string {
  return sessions.length === 1 && sessions[0] === user ? user : `${user} (${sessions.join(', ')})`;
}

function sessionLines(session: PlannedSession, layout: Layout): string[] {
  const { now, paint, columns } = layout;
  const name = printable(session.session);
  const lines = [`${paint('bold', name)} ${paintState(paint, session.state, session.state)}`];
  const say = (text: string) => lines.push(...wrap(printable(text), columns, '  ', '    '));
  for (const step of session.steps) say(stepText(step, now));
  if (session.state === 'halted') say(`nothing happens by itself: run ibctl login ${session.session}`);
  else if (session.steps.length === 0) say(idleText(session));
  const { deferral } = session;
  if (deferral !== null)
    say(`a login has to wait until ${timeText(fromWire(deferral.until), now)}: ${deferral.text}`);
  return lines;
}

function idleText({ desired, state }: PlannedSession): string {
  return desired === 'down' && state === 'stopped' ? 'stays down: nothing is planned' : 'nothing is planned';
}

function stepText({ at, kind, needsSecondFactor, why }: PlanStep, now: number): string {
  const when = at === null ? 'at a time that is not known' : timeText(fromWire(at), now);
  const factor =
    needsSecondFactor === null
      ? 'a second factor may be needed'
      : needsSecondFactor
        ? 'needs a second factor'
        : 'no second factor';
  const name = STEP_NAMES[kind] ?? kind;
  return `${when}: ${name}${kind === 'give-up' ? '' : `, ${factor}`}${why === '' ? '' : ` (${why})`}`;
}

/** `in 2m 10s (09:02:10)`, `Tue 23:45`. */
function timeText(at: number, now: number): string {
  const words = formatComing(at, now);
  return words.startsWith('in ') ? `${words} (${formatDateTime(at).slice(11)})` : words;
}

/** `logins in the last hour: 2 of 3; one comes back in 12m 3s (09:12:03)`, indented. */
export function budgetLines(user: PlannedUser, now: number, columns: number): string[] {
  const lines = user.budgets.flatMap(({ name, used, limit, freesAt }) => {
    const text = `${BUDGET_NAMES[name] ?? name}: ${used} of ${limit}`;
    const full = used >= limit;
    const frees =
      freesAt === null
        ? ''
        : full
          ? `; used up until ${timeText(fromWire(freesAt), now)}`
          : `; one comes back ${timeText(fromWire(freesAt), now)}`;
    return wrap(`${text}${frees}`, columns, '  ', '    ');
  });
  const { pushOutstanding } = user;
  if (pushOutstanding !== null) {
    const what = pushOutstanding.shown
      ? 'waits for its second factor'
      : 'is logging in and may ask for its second factor';
    const left = formatDuration(fromWire(pushOutstanding.until) - now);
    lines.push(
      ...wrap(
        printable(`${pushOutstanding.session} ${what}; other sessions wait for it (at most ${left})`),
        columns,
        '  ',
        '    ',
      ),
    );
  }
  return lines;
}
