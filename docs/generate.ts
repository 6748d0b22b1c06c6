// Owns the generated part of docs/, etc/ and systemd/: writes every text that a table in the code can produce, or says which is out of date.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { cliReference } from '../src/cli/reference.ts';
import { configurationReference, exampleConfig } from '../src/config/reference.ts';
import { protocolReference } from '../src/control/reference.ts';
import { dialogsReference } from './dialogs-reference.ts';
import { eventsReference } from './events-reference.ts';
import { journalCatalog } from './journal-catalog.ts';
import { statesReference } from './states-reference.ts';

/** File → its text, all of it generated. */
export const GENERATED: Readonly<Record<string, () => string>> = {
  'docs/configuration.md': configurationReference,
  'docs/dialogs.md': dialogsReference,
  'docs/events.md': eventsReference,
  'docs/ibctl.md': cliReference,
  'docs/protocol.md': protocolReference,
  'docs/states.md': statesReference,
  'etc/ib-agent.yaml': exampleConfig,
  'systemd/ib-agent.catalog': journalCatalog,
};

if (import.meta.main) {
  for (const [file, generate] of Object.entries(GENERATED)) {
    const text = generate();
    let before = '';
    try {
      before = readFileSync(file, 'utf8');
    } catch {
      // It is written below.
    }
    if (before === text) continue;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    process.stdout.write(`wrote ${file}\n`);
  }
}
