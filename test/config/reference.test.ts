// Tests that the texts made from the schema are current, and that what they tell users to write is right.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { checkConfigText } from '../../src/config/load.ts';
import { configurationReference, exampleConfig } from '../../src/config/reference.ts';

const ROOT = join(import.meta.dirname, '../..');
const FILE = '/etc/ib-agent/ib-agent.yaml';

/** The example with the settings of a region of lines switched on, as a user would do it. */
function uncomment(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replace(/^( *)#(?=[^ #])/, '$1'))
    .join('\n');
}

describe('etc/ib-agent.yaml', () => {
  it('is what the schema makes it', () => {
    assert.equal(readFileSync(join(ROOT, 'etc/ib-agent.yaml'), 'utf8'), exampleConfig(), 'run: npm run docs');
  });

  it('is valid as it is and configures no session', () => {
    assert.deepEqual(checkConfigText(exampleConfig(), FILE).sessions, []);
  });

  it('is valid with every setting switched on', () => {
    const config = checkConfigText(uncomment(exampleConfig()), FILE);
    assert.deepEqual(
      config.sessions.map((session) => session.name),
      ['paper', 'live'],
    );
    assert.equal(config.sessions[1]?.ibc['AutoRestartTime'], '11:45 PM');
  });

  it('shows defaults: the agent is the same with and without its lines', () => {
    const text = exampleConfig();
    assert.deepEqual(checkConfigText(uncomment(text), FILE).agent, checkConfigText(text, FILE).agent);
  });

  it('shows the defaults of what a session need not set', () => {
    const [paper, live] = checkConfigText(uncomment(exampleConfig()), FILE).sessions;
    for (const key of ['display', 'restart', 'deadlines', 'gateway', 'autostart', 'timeZone'] as const) {
      assert.deepEqual(live?.[key], paper?.[key], key);
    }
  });

  it('has no line that is wider than 100 columns', () => {
    const wide = exampleConfig()
      .split('\n')
      .filter((line) => line.length > 100);
    assert.deepEqual(wide, []);
  });
});

describe('docs/configuration.md', () => {
  it('is what the schema makes it', () => {
    const committed = readFileSync(join(ROOT, 'docs/configuration.md'), 'utf8');
    assert.equal(committed, configurationReference(), 'run: npm run docs');
  });
});
