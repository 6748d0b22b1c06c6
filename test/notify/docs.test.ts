// Checks that what docs/notifications.md tells people to copy is right.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { checkConfigText } from '../../src/config/load.ts';
import { completeEvent } from '../../src/events/catalogue.ts';
import { jsonOf } from '../../src/notify/notice.ts';

const TEXT = readFileSync(join(import.meta.dirname, '../../docs/notifications.md'), 'utf8');
const blocksOf = (language: string): string[] =>
  [...TEXT.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    (match) => match[1] ?? '',
  );

describe('docs/notifications.md', () => {
  it('has an example of every type, each of which is valid', () => {
    const types = blocksOf('yaml').map((block) => {
      const [target] = checkConfigText(`${block}sessions:\n`, '/etc/ib-agent/ib-agent.yaml').notify.targets;
      return target?.form.kind;
    });
    assert.deepEqual(types, ['ntfy', 'slack', 'telegram', 'webhook', 'command']);
  });

  it('says what a target on another host needs, where a hint sends people to', () => {
    const [, part] = /^## Other hosts\n([\s\S]*?)^## /m.exec(TEXT) ?? [];
    assert.match(part ?? '', /^\[Service\]\nIPAddressAllow=any$/m);
    const unit = readFileSync(join(import.meta.dirname, '../../systemd/ib-agent.service'), 'utf8');
    assert.match(unit, /^IPAddressDeny=any\nIPAddressAllow=localhost$/m);
  });

  it('shows the JSON of an event as it is', () => {
    const shown = JSON.parse(blocksOf('json')[0] ?? '');
    const { event, session, state, previousState, reason, hint, fields, host } = shown;
    const context = { at: Date.parse(shown.at), session, state, previousState };
    const made = completeEvent({ event, fields, reason, hint }, context);
    assert.deepEqual(shown, JSON.parse(jsonOf({ event: made, host, test: false })));
  });
});
