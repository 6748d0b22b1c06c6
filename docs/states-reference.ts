// Owns the text of docs/states.md, from the tables of states, transitions, reasons and conditions.

import { CONDITIONS } from '../src/domain/conditions.ts';
import { REASONS } from '../src/domain/reasons.ts';
import { TRANSITIONS } from '../src/domain/session-state.ts';
import { SESSION_STATES, STATE_MEANINGS } from '../src/protocol/states.ts';

export function statesReference(): string {
  const lines = [
    '# States, reasons and conditions',
    '',
    '<!-- Generated from the tables in src/domain by `npm run docs`. -->',
    '',
    'A session is in exactly one state. What the outside world shows of it (lines of the gateway, its API, its processes, an',
    'operator, time) is taken as facts, one after the other, by one pure function; this table is all it may do.',
    '',
    '| state | means | may go to |',
    '|---|---|---|',
    ...SESSION_STATES.map(
      (state) =>
        `| \`${state}\` | ${STATE_MEANINGS[state]} | ${TRANSITIONS[state].map((to) => `\`${to}\``).join(', ')} |`,
    ),
    '',
    'A state that comes up may pass through several of these within one fact, so that a restarted session whose API already',
    'answers goes to `ready` at once. `halted` is left by an operator only. `ready` needs the API handshake, the accounts, and',
    'no lost connectivity outstanding; an open port proves nothing.',
    '',
    '## Reasons',
    '',
    'The reason says why a session is in its state. Scripts may match on it.',
    '',
    '| reason | means | what to do |',
    '|---|---|---|',
    ...Object.entries(REASONS).map(([code, row]) => `| \`${code}\` | ${row.text} | ${row.hint} |`),
    '',
    '## Conditions',
    '',
    'A condition is a health fact with a date. Those that impair make a `ready` session `degraded`. One that another explains',
    'is not told while that one holds. Beside these, `halted`, `backing-off` and `second-factor-pending` are told as conditions',
    'while the session is in that state.',
    '',
    '| condition | severity | impairs trading | told after | not told while | what to do |',
    '|---|---|---|---|---|---|',
    ...Object.entries(CONDITIONS).map(([code, row]) => {
      const after = row.visibleAfterMs === 0 ? 'at once' : `${row.visibleAfterMs / 1000} s`;
      const hidden = row.dependsOn.map((cause) => `\`${cause}\``).join(', ');
      return `| \`${code}\` | ${row.severity} | ${row.impairs ? 'yes' : 'no'} | ${after} | ${hidden} | ${row.hint} |`;
    }),
  ];
  return `${lines.join('\n')}\n`;
}
