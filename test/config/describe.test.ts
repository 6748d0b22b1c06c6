// Tests that a configuration that is printed is complete and holds nothing that could be a secret.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeConfig } from '../../src/config/describe.ts';
import { checkConfigText } from '../../src/config/load.ts';
import { aFile, FILE } from './problems-of.ts';

describe('a described configuration', () => {
  it('is spelt like the file, with its defaults', () => {
    assert.deepEqual(describeConfig(checkConfigText(aFile(), FILE)), {
      file: FILE,
      agent: {
        runtimeRoot: '/run',
        stateRoot: '/var/lib',
        logLevel: 'info',
        notifySecrets: '/etc/ib-agent/credentials/notify',
      },
      notify: {},
      clock: { compareWith: 'https://www.interactivebrokers.com/' },
      sessions: {
        live: {
          gateway: 'ibgateway',
          mode: 'paper',
          user: 'live',
          autostart: true,
          install: { ibcDir: '/opt/ibc', gatewayDir: '/opt/ibgateway', gatewayVersion: '10.37', java: null },
          settingsDir: '/var/lib/ib-session/live/settings',
          api: { port: 4001, clientId: 9999 },
          timeZone: 'UTC',
          display: { size: '1024x768', depth: 24 },
          jvm: { heap: '768m', options: [] },
          ibc: {},
          commandServer: false,
          jts: {},
          secondFactor: { method: 'unknown', device: null },
          dialogs: { answer: [] },
          restart: {
            policy: 'always',
            backoffMin: '30s',
            backoffMax: '30m',
            maxLoginsPerHour: 3,
            maxLoginsPerDay: 12,
            maxPushesPerHour: 3,
            maxPushesPerDay: 10,
            maxMissedSecondFactors: 2,
          },
          deadlines: {
            start: '3m',
            login: '2m',
            secondFactor: '3m',
            loading: '3m',
            warmRestart: '3m',
            stop: '1m',
            term: '15s',
          },
          credentials: { directory: '/etc/ib-agent/credentials/live' },
        },
      },
    });
  });

  it('shows no arguments of commands, no token, and no property that sounds secret', () => {
    const config = checkConfigText(
      aFile(
        'credentials: {command: [/bin/vault, --token, hunter2]}',
        'jts: {secondFactor: "hunter2,5.2a;", region: us}',
        'jvm: {options: [-Dvault.token=hunter2, -Dplain=shown]}',
      ),
      FILE,
    );
    const text = JSON.stringify(describeConfig(config));
    assert.doesNotMatch(text, /hunter2/);
    assert.match(text, /"command":\["\/bin\/vault","\[2 more\]"\]/);
    assert.match(text, /"Communication":\{"Region":"us","2ndFactor":"\[secret\]"\}/);
    assert.match(text, /"-Dvault\.token=\[secret\]","-Dplain=shown"/);
  });
});
