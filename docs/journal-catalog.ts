// Owns the text of systemd/ib-agent.catalog, the journal's message catalogue, from the catalogue of events.

import { CATALOGUE, type EventName } from '../src/events/catalogue.ts';

const WIDTH = 76;

/** Events that are the agent's and no session's: journalctl would print `@IB_SESSION@` itself where an entry has no such field. */
const WITHOUT_SESSION: ReadonlySet<EventName> = new Set([
  'agent-started',
  'agent-stopping',
  'operator-command',
]);

/** In the form that `journalctl --update-catalog` reads; journalctl prints fields of the entry in place of @NAME@. */
export function journalCatalog(): string {
  const names = Object.keys(CATALOGUE).sort() as EventName[];
  const lines = [
    '# Generated from src/events/catalogue.ts by `npm run docs`.',
    '# `journalctl --update-catalog` takes it in from /usr/lib/systemd/catalog, `journalctl -x` shows it.',
    '',
  ];
  for (const name of names) {
    const { messageId, fields, meaning, remedy } = CATALOGUE[name];
    const session = WITHOUT_SESSION.has(name) ? [] : ['IB_SESSION'];
    lines.push(`-- ${messageId}`, `Subject: ${subjectOf(name)}`, 'Defined-By: ib-agent', '');
    lines.push(...wrap(meaning), '');
    for (const field of [...session, ...fields]) lines.push(`    ${field}=@${field}@`);
    if (session.length + fields.length > 0) lines.push('');
    if (remedy !== '') lines.push(...wrap(`What to do: ${remedy}`), '');
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

function subjectOf(name: EventName): string {
  const words = name.replaceAll('-', ' ').replace(/\bapi\b/g, 'API');
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
