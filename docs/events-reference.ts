// Owns the text of docs/events.md, from the catalogue of events.

import { CATALOGUE, type EventName } from '../src/events/catalogue.ts';

const PRIORITIES: Readonly<Record<number, string>> = {
  2: 'critical',
  3: 'error',
  4: 'warning',
  5: 'notice',
  6: 'info',
};

export function eventsReference(): string {
  const names = Object.keys(CATALOGUE).sort() as EventName[];
  const lines = [
    '# Events',
    '',
    '<!-- Generated from src/events/catalogue.ts by `npm run docs`. -->',
    '',
    'Every event is one entry of the journal, or one JSON record on stdout where the agent does not write to the journal, and one',
    'item of `ibctl events`. Its fields have the same names everywhere, and a `MESSAGE_ID` never changes, so scripts can match on',
    'it: `journalctl IB_SESSION=live IB_EVENT=session-ready`. `journalctl -x` explains each event.',
    '',
    'Every event has `MESSAGE_ID`, `PRIORITY`, `IB_EVENT`, and, as far as they apply, `IB_SESSION`, `IB_STATE`,',
    '`IB_PREVIOUS_STATE`, `IB_REASON` and `IB_HINT`. Times in fields are ISO 8601, UTC. Own fields are listed below; one that',
    'has nothing to say is empty.',
    '',
    '| event | priority | meaning |',
    '|---|---|---|',
    ...names.map(
      (name) =>
        `| [${name}](#${name}) | ${PRIORITIES[CATALOGUE[name].priority]} | ${CATALOGUE[name].meaning} |`,
    ),
    '',
  ];
  for (const name of names) {
    const { messageId, priority, fields, meaning, remedy } = CATALOGUE[name];
    lines.push(`## ${name}`, '', meaning, '');
    if (remedy !== '') lines.push(`**What to do:** ${remedy}`, '');
    lines.push(`- \`MESSAGE_ID=${messageId}\``, `- \`PRIORITY=${priority}\` (${PRIORITIES[priority]})`);
    if (fields.length > 0) lines.push(`- fields: ${fields.map((field) => `\`${field}\``).join(', ')}`);
    lines.push('');
  }
  return `${lines.join('\n').trimEnd()}\n`;
}
