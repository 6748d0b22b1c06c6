// Owns when a run may ring the phone of its IBKR user, and for how long the user's other sessions have to keep away.

import type { SessionRules } from './rules.ts';
import type { Run, SessionState } from './session-state.ts';

/** The gateway closes its dialog itself at IBKR's limit; ours comes later, for when it does not. */
export const SECOND_FACTOR_GRACE_MS = 20_000;

/**
 * From a cold launch, or from a second factor that came by itself, until that was answered or the login is through. While a JVM is being
 * ended nothing changes: what it shows is on the phone until it is gone.
 */
export function pushOf(state: SessionState, before: Run | null): Run['push'] {
  const { run, phase } = state;
  if (run === null) return null;
  const was = before?.order === run.order ? before.push : null;
  const isNew = before?.order !== run.order;
  if (phase.name === 'awaiting-second-factor') return 'shown';
  if (run.afterExit !== null || phase.name === 'stopping') return was;
  if (run.loggedInAt !== null || phase.name === 'loading') return null;
  // A warm restart asks for nothing; when it does, that is seen.
  const fresh = phase.name === 'starting' || phase.name === 'restarting';
  if (run.launch === 'warm') return fresh && was === null ? null : 'again';
  return isNew || was === 'launched' ? 'launched' : 'again';
}

/** Epoch milliseconds at which a lease ends whatever is heard: all that its run may take, one after the other. */
export function leaseUntil(push: NonNullable<Run['push']>, { deadlines }: SessionRules, now: number): number {
  const ending = deadlines.stopMs + deadlines.termMs + 30_000;
  const shown = deadlines.secondFactorMs + SECOND_FACTOR_GRACE_MS;
  return now + ending + shown + (push === 'shown' ? 0 : deadlines.startMs + deadlines.loginMs);
}
