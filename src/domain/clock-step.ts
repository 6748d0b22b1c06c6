// Owns what becomes of a session's times when the wall clock is set: they stay as far away as they were.

import type { Phase, SessionState } from './session-state.ts';

/** The state in the terms of a clock that was set forward by `stepMs`, or back when that is negative. */
export function afterClockStep(state: SessionState, stepMs: number): SessionState {
  const at = <T extends number | null>(time: T): T => (time === null ? time : ((time + stepMs) as T));
  const { run, restart } = state;
  return {
    ...state,
    since: at(state.since),
    phase: phaseAfter(state.phase, stepMs),
    run:
      run === null
        ? null
        : {
            ...run,
            startedAt: at(run.startedAt),
            loggedInAt: at(run.loggedInAt),
            sight: {
              ...run.sight,
              lineClosedAt: at(run.sight.lineClosedAt),
              untoldUntil: at(run.sight.untoldUntil),
            },
            codes: { ...run.codes, silentUntil: at(run.codes.silentUntil), due: at(run.codes.due) },
            restartAsked:
              run.restartAsked === null ? null : { ...run.restartAsked, at: at(run.restartAsked.at) },
            afterExit:
              run.afterExit?.kind === 'back-off'
                ? { ...run.afterExit, notBefore: at(run.afterExit.notBefore) }
                : run.afterExit,
          },
    conditions: state.conditions.map((condition) => ({ ...condition, since: at(condition.since) })),
    lockedOutUntil: at(state.lockedOutUntil),
    warmLaunches: state.warmLaunches.map(at),
    restart: restart === null ? null : { ...restart, since: at(restart.since) },
    readyAt: at(state.readyAt),
    phaseDeadline: at(state.phaseDeadline),
    restartDeadline: at(state.restartDeadline),
    lastStartedAt: at(state.lastStartedAt),
  };
}

function phaseAfter(phase: Phase, stepMs: number): Phase {
  if (phase.name === 'backing-off') return { ...phase, until: phase.until + stepMs };
  if (phase.name === 'awaiting-second-factor') return { ...phase, deadline: phase.deadline + stepMs };
  return phase;
}
