// Owns when and how a pending second factor is told.

import type { Draft } from './draft.ts';
import { secondFactorHint } from './second-factor-hint.ts';

/** Tells of the second factor that is pending, if that has waited until now. */
export function tellPending(d: Draft): void {
  const { run, phase } = d;
  if (run === null || run.sight.untoldUntil === null) return;
  d.updateRun({ sight: { ...run.sight, untoldUntil: null } });
  if (phase.name !== 'awaiting-second-factor') return;
  tellNow(d);
}

/** Tells of the second factor that is pending once more, because now something else is to be done about it. */
export function tellAgain(d: Draft): void {
  if (d.run === null) return;
  d.updateRun({ sight: { ...d.run.sight, untoldUntil: null } });
  tellNow(d);
}

function tellNow(d: Draft): void {
  const { phase, run } = d;
  if (phase.name !== 'awaiting-second-factor') return;
  const { method, deadline, attempt, detail } = phase;
  d.emit({
    event: 'second-factor-pending',
    fields: {
      IB_METHOD: method,
      IB_ATTEMPT: String(attempt),
      IB_DEADLINE: new Date(deadline).toISOString(),
      IB_CHALLENGE: detail?.challenge ?? '',
      IB_DEVICES: detail?.devices?.join(', ') ?? '',
      IB_DETAIL: run?.codes.givenUp ?? '',
    },
    reason: 'second-factor-pending',
    hint: secondFactorHint(method, deadline, detail?.devices ?? null),
  });
}

export function tellSoon(d: Draft, waitMs: number): void {
  if (d.run === null) return;
  d.updateRun({ sight: { ...d.run.sight, untoldUntil: d.ctx.now + waitMs } });
  if (waitMs === 0) tellPending(d);
}
