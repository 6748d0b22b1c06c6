// Tests that every setting IBC has is either passed on or refused with a reason, and how values are checked.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { IBC_SETTINGS, REFUSED_IBC_SETTINGS } from '../../src/config/ibc-settings.ts';
import { configJsonSchema, type JsonSchema } from '../../src/config/json-schema.ts';
import { checkConfigText } from '../../src/config/load.ts';
import { aFile, FILE, linesOf } from './problems-of.ts';

const LOG = join(import.meta.dirname, '../fixtures/ibc-logs/01-live-no2fa-stop.log');

describe('the settings of IBC', () => {
  const passed = IBC_SETTINGS.map((setting) => setting.name);
  const refused = REFUSED_IBC_SETTINGS.map((setting) => setting.name);

  it('are all those that IBC echoes at its start', () => {
    const block = /^IBC Settings:\n([\s\S]*?)^End IBC Settings/m.exec(readFileSync(LOG, 'utf8'))?.[1] ?? '';
    const echoed = [...block.matchAll(/^ +(\w+)=/gm)].map((match) => match[1] ?? '');
    assert.ok(echoed.length > 50, `${echoed.length} settings in the log`);
    const known = new Set([...passed, ...refused]);
    assert.deepEqual(
      echoed.filter((name) => !known.has(name)),
      [],
    );
  });

  it('are each named once, without regard to case', () => {
    const names = [...passed, ...refused].map((name) => name.toLowerCase());
    assert.equal(new Set(names).size, names.length);
  });

  it('that are refused lead to keys that exist', () => {
    const session = configJsonSchema().properties?.['sessions']?.additionalProperties;
    assert.ok(typeof session === 'object');
    for (const { name, instead } of REFUSED_IBC_SETTINGS) {
      if (instead === null) continue;
      let found: JsonSchema | undefined = session;
      for (const key of instead.split('.')) found = found?.properties?.[key];
      assert.ok(found, `${name} → ${instead}`);
    }
  });
});

describe('the value of an IBC setting', () => {
  function ibc(name: string, text: string): string | undefined {
    return checkConfigText(aFile(`ibc: {${name}: ${text}}`), FILE).sessions[0]?.ibc[name];
  }

  for (const [text, expected] of [
    ['yes', 'yes'],
    ['no', 'no'],
    ['true', 'yes'],
    ['false', 'no'],
    ['"YES"', 'yes'],
    ['"False"', 'no'],
  ] as const) {
    // Only these two words: some settings of IBC end it on any other text.
    it(`is yes or no however it was written: ${text}`, () =>
      assert.equal(ibc('BypassBondWarning', text), expected));
  }

  const good: readonly (readonly [string, string])[] = [
    ['ExistingSessionDetectedAction', 'primaryoverride'],
    ['AutoRestartTime', '12:00 AM'],
    ['AutoLogoffTime', '01:59 PM'],
    ['TrustedTwsApiClientIPs', '192.0.2.10,2001:db8::1'],
    ['ConfirmOrderIdReset', 'confirm/ignore'],
    ['SaveTwsSettingsAt', 'Every 30 mins 08:00 17:30'],
    ['SaveTwsSettingsAt', '08:00 12:30'],
    ['LogStructureWhen', 'lost focus'],
  ];
  for (const [name, text] of good) {
    it(`is passed on as it is: ${name}=${text}`, () => assert.equal(ibc(name, `"${text}"`), text));
  }

  const bad: readonly (readonly [string, string])[] = [
    ['AutoRestartTime', '13:00 PM'],
    ['AutoRestartTime', '00:30 AM'],
    ['AutoRestartTime', '9:30 AM'],
    ['AutoRestartTime', '09:30 am'],
    ['AutoRestartTime', '09:30AM'],
    ['AutoRestartTime', '09:60 AM'],
    ['TrustedTwsApiClientIPs', '192.0.2.10, 192.0.2.11'],
    ['ConfirmOrderIdReset', 'confirm'],
    ['SaveTwsSettingsAt', 'sometimes'],
    ['AcceptIncomingConnectionAction', 'Accept'],
    ['ReadOnlyApi', ''],
  ];
  for (const [name, text] of bad) {
    it(`is refused: ${name}=${text}`, () => {
      const lines = linesOf(aFile(`ibc: {${name}: "${text}"}`));
      assert.equal(lines.length, 1);
      assert.match(lines[0] ?? '', new RegExp(`^6:\\d+: sessions\\.live\\.ibc\\.${name}: expected `));
    });
  }
});
