// Owns the look back at the agent's own events in the journal: what was told of a run, so that it is not told again.

import { type Journal, readToEnd } from '../host/journal-reader.ts';
import { AGENT_UNIT } from './units.ts';

/** Events of one session that are looked through; a run has some twenty. */
const NEWEST = 2_000;

/** How often an event of each name was told since the launch order `order` was given; empty when that is not on record. */
export function toldEvents(journal: Journal, session: string, order: string): Map<string, number> {
  const query = {
    // Only what the agent itself wrote: anybody can write these fields.
    any: [{ _SYSTEMD_UNIT: AGENT_UNIT, IB_SESSION: session }],
    fields: ['IB_EVENT', 'IB_ORDER'],
    from: { newest: NEWEST },
  };
  let told: Map<string, number> | null = null;
  for (const { fields } of [...readToEnd(journal, query, NEWEST)].flat()) {
    const name = fields['IB_EVENT'];
    if (name === undefined) continue;
    if (name === 'session-starting' && fields['IB_ORDER'] === order) told = new Map();
    told?.set(name, (told.get(name) ?? 0) + 1);
  }
  return told ?? new Map();
}
