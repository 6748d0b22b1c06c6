// Tests of the way from a configuration file to a Config, and of everything a file can do wrong.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { checkConfigText, loadConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problems.ts';
import { AgentError } from '../../src/protocol/errors.ts';
import { aFile, aSession, FILE, linesOf, problemsIn } from './problems-of.ts';

function sessionOf(text: string) {
  const session = checkConfigText(text, FILE).sessions[0];
  assert.ok(session);
  return session;
}

describe('a valid configuration', () => {
  it('has every default when a session gives only its required keys', () => {
    const config = checkConfigText(aFile(), FILE);
    assert.deepEqual(config, {
      file: FILE,
      agent: { runtimeRoot: '/run', stateRoot: '/var/lib', logLevel: 'info' },
      notify: { secretsDir: '/etc/ib-agent/credentials/notify', targets: [] },
      clock: { compareWith: 'https://www.interactivebrokers.com/' },
      sessions: [
        {
          name: 'live',
          gateway: 'ibgateway',
          driver: 'ibc',
          mode: 'paper',
          user: 'live',
          autostart: true,
          install: {
            ibcDir: '/opt/ibc',
            gatewayDir: '/opt/ibgateway',
            gatewayVersion: '10.37',
            java: null,
          },
          settingsDir: '/var/lib/ib-session/live/settings',
          api: { host: '127.0.0.1', port: 4001, clientId: 9999 },
          timeZone: 'UTC',
          display: { width: 1024, height: 768, depth: 24 },
          jvm: { heapMiB: 768, options: [] },
          ibc: {},
          commandServer: false,
          jts: {},
          secondFactor: { method: 'unknown', device: null },
          dialogs: { answer: [] },
          restart: {
            policy: 'always',
            backoffMinMs: 30_000,
            backoffMaxMs: 1_800_000,
            maxLoginsPerHour: 3,
            maxLoginsPerDay: 12,
            maxPushesPerHour: 3,
            maxPushesPerDay: 10,
            maxMissedSecondFactors: 2,
          },
          deadlines: {
            startMs: 180_000,
            loginMs: 120_000,
            secondFactorMs: 180_000,
            loadingMs: 180_000,
            warmRestartMs: 180_000,
            stopMs: 60_000,
            termMs: 15_000,
          },
          credentials: { kind: 'directory', path: '/etc/ib-agent/credentials/live' },
        },
      ],
    });
  });

  it('takes every key', () => {
    const session = sessionOf(`
agent: {runtimeRoot: /tmp/run, stateRoot: /tmp/state, logLevel: debug}
sessions:
  live:
    gateway: ibgateway
    mode: live
    user: trader1
    autostart: false
    install: {ibcDir: /srv/ibc, gatewayDir: "/srv/IB Gateway", gatewayVersion: 10.30.1v, java: /srv/jre}
    settingsDir: /srv//ib/live/
    api: {port: 65535, clientId: 7}
    timeZone: America/Argentina/Buenos_Aires
    display: {size: 1920x1080, depth: 16}
    jvm: {heap: 2g, options: ["-XX:+UseG1GC", "-Xms1g", "-Dfoo=bar baz"]}
    ibc: {ReadOnlyApi: yes, BypassBondWarning: false, OverrideTwsMasterClientID: 12, AutoRestartTime: "11:45 PM"}
    commandServer: true
    jts:
      region: us
      peer: cdc1.ibllc.com:4000
      timeZone: America/New_York
      secondFactor: "abc,5.2a;"
      sections: {Logon: {s3store: "true"}, IBGateway: {WriteDebug: "false"}}
    secondFactor: {method: ib-key, device: IB Key}
    dialogs: {answer: [login-messages]}
    restart: {policy: never, backoffMin: 500ms, backoffMax: 1h, maxLoginsPerHour: 1, maxMissedSecondFactors: 1}
    deadlines: {start: 1m, login: 2m, secondFactor: 90s, loading: 4m, warmRestart: 5m, stop: 6s, term: 700ms}
    credentials: {command: [/usr/bin/pass, show, "ib/live"]}
`);
    assert.deepEqual(session, {
      name: 'live',
      gateway: 'ibgateway',
      driver: 'ibc',
      mode: 'live',
      user: 'trader1',
      autostart: false,
      install: {
        ibcDir: '/srv/ibc',
        gatewayDir: '/srv/IB Gateway',
        gatewayVersion: '10.30.1v',
        java: '/srv/jre/bin/java',
      },
      settingsDir: '/srv/ib/live',
      api: { host: '127.0.0.1', port: 65_535, clientId: 7 },
      timeZone: 'America/Argentina/Buenos_Aires',
      display: { width: 1920, height: 1080, depth: 16 },
      jvm: { heapMiB: 2048, options: ['-XX:+UseG1GC', '-Xms1g', '-Dfoo=bar baz'] },
      ibc: {
        ReadOnlyApi: 'yes',
        BypassBondWarning: 'no',
        OverrideTwsMasterClientID: '12',
        AutoRestartTime: '11:45 PM',
      },
      commandServer: true,
      jts: {
        Communication: { Region: 'us', Peer: 'cdc1.ibllc.com:4000', '2ndFactor': 'abc,5.2a;' },
        Logon: { TimeZone: 'America/New_York', s3store: 'true' },
        IBGateway: { WriteDebug: 'false' },
      },
      secondFactor: { method: 'ib-key', device: 'IB Key' },
      dialogs: { answer: ['login-messages'] },
      restart: {
        policy: 'never',
        backoffMinMs: 500,
        backoffMaxMs: 3_600_000,
        maxLoginsPerHour: 1,
        maxLoginsPerDay: 12,
        maxPushesPerHour: 3,
        maxPushesPerDay: 10,
        maxMissedSecondFactors: 1,
      },
      deadlines: {
        startMs: 60_000,
        loginMs: 120_000,
        secondFactorMs: 90_000,
        loadingMs: 240_000,
        warmRestartMs: 300_000,
        stopMs: 6_000,
        termMs: 700,
      },
      credentials: { kind: 'command', argv: ['/usr/bin/pass', 'show', 'ib/live'] },
    });
  });

  it('is frozen to its leaves', () => {
    const config = checkConfigText(aFile('jvm: {options: [-XX:+UseG1GC]}'), FILE);
    const unfrozen: string[] = [];
    const visit = (value: unknown, path: string) => {
      if (typeof value !== 'object' || value === null) return;
      if (!Object.isFrozen(value)) unfrozen.push(path);
      for (const [key, part] of Object.entries(value)) visit(part, `${path}.${key}`);
    };
    visit(config, 'config');
    assert.deepEqual(unfrozen, []);
  });

  it('puts default directories below the roots and beside the file', () => {
    const session = checkConfigText(`agent: {stateRoot: /srv/state}\n${aFile()}`, '/home/ib/my.yaml')
      .sessions[0];
    assert.equal(session?.settingsDir, '/srv/state/ib-session/live/settings');
    assert.deepEqual(session?.credentials, { kind: 'directory', path: '/home/ib/credentials/live' });
  });

  it('keeps the sessions in the order of the file', () => {
    const text = `sessions:\n${aSession('zeta', 4001)}${aSession('alpha', 4002)}${aSession('mid', 4003)}`;
    assert.deepEqual(
      checkConfigText(text, FILE).sessions.map((session) => session.name),
      ['zeta', 'alpha', 'mid'],
    );
  });

  it('treats a section whose keys are all commented out as empty', () => {
    const text = `agent:\n  #logLevel: info\ndefaults:\nsessions:\n${aSession('live', 4001, ['jvm:', 'ibc:', 'restart:', 'jts:'])}`;
    assert.equal(checkConfigText(text, FILE).sessions.length, 1);
    assert.deepEqual(checkConfigText('sessions:\n', FILE).sessions, []);
  });

  it('understands java as an executable or as the directory above bin', () => {
    const java = (path: string) =>
      sessionOf(
        `sessions: {live: {mode: live, api: {port: 4001}, install: {gatewayVersion: "1", java: ${path}}}}`,
      ).install.java;
    assert.equal(java('/usr/bin/java'), '/usr/bin/java');
    assert.equal(java('/usr/lib/jvm/java-17/'), '/usr/lib/jvm/java-17/bin/java');
  });

  it('accepts anchors and aliases', () => {
    const text = `sessions:\n  a: {mode: live, install: &i {gatewayVersion: "1"}, api: {port: 4001}}\n  b: {mode: live, install: *i, api: {port: 4002}}\n`;
    assert.equal(checkConfigText(text, FILE).sessions[1]?.install.gatewayVersion, '1');
  });

  it('reads a file with byte order mark and CRLF line ends', () => {
    assert.equal(checkConfigText(`\ufeff${aFile().replaceAll('\n', '\r\n')}`, FILE).sessions.length, 1);
  });
});

describe('defaults', () => {
  const shared =
    'defaults:\n  install: {gatewayVersion: "10.37", ibcDir: /srv/ibc}\n  ibc: {ReadOnlyApi: yes}\n';

  it('are merged key by key under each session', () => {
    const config = checkConfigText(
      `${shared}sessions:\n  a: {mode: live, api: {port: 1024}, install: {ibcDir: /srv/other}, ibc: {MinimizeMainWindow: no}}\n`,
      FILE,
    );
    const session = config.sessions[0];
    assert.equal(session?.install.gatewayVersion, '10.37');
    assert.equal(session?.install.ibcDir, '/srv/other');
    assert.deepEqual(session?.ibc, { ReadOnlyApi: 'yes', MinimizeMainWindow: 'no' });
  });

  it('stay when the session leaves the section empty', () => {
    const config = checkConfigText(
      `${shared}sessions:\n  a:\n    mode: live\n    api: {port: 1024}\n    ibc:\n`,
      FILE,
    );
    assert.deepEqual(config.sessions[0]?.ibc, { ReadOnlyApi: 'yes' });
  });

  it('do not stand in for a value that the session leaves out after its key', () => {
    const text = `defaults: {timeZone: UTC}\n${aFile('timeZone:')}`;
    assert.match(linesOf(text)[0] ?? '', /^7:5: sessions\.live\.timeZone: expected .*, got nothing$/);
  });

  it('give way as a whole where lists and credentials are concerned', () => {
    const config = checkConfigText(
      `defaults: {credentials: {directory: /srv/c}, jvm: {options: [-XX:+UseG1GC]}}\nsessions:\n${aSession('a', 4001, ['credentials: {command: [/bin/secret]}', 'jvm: {options: []}'])}`,
      FILE,
    );
    assert.deepEqual(config.sessions[0]?.credentials, { kind: 'command', argv: ['/bin/secret'] });
    assert.deepEqual(config.sessions[0]?.jvm.options, []);
  });

  it('are told of where they stand, once, however many sessions have them', () => {
    const text = `defaults:\n  timeZone: europe/zurich\n  foo: 1\nsessions:\n${aSession('a', 4001)}${aSession('b', 4002)}`;
    assert.deepEqual(linesOf(text), [
      '2:13: defaults.timeZone: expected a time zone such as Europe/Zurich, America/New_York or UTC (upper and lower case matter), got europe/zurich; did you mean Europe/Zurich?',
      '3:3: defaults.foo: unknown key',
    ]);
  });

  it('are checked before there is a session', () => {
    assert.deepEqual(linesOf('defaults: {mode: livee}\nsessions:\n'), [
      '1:18: defaults.mode: expected live or paper, got livee; did you mean live?',
    ]);
  });

  it('with a port make every session clash, told at the place of the port', () => {
    const text =
      'defaults: {mode: live, install: {gatewayVersion: "1"}, api: {port: 4001}}\nsessions: {a: {}, b: {}}\n';
    assert.deepEqual(linesOf(text), [
      '1:68: defaults.api.port: the session a has port 4001 too; each session needs a port of its own',
    ]);
  });
});

/** Lines below a session, and what is told of them: the lines begin at 6:5. */
const FAULTS: readonly (readonly [name: string, lines: readonly string[], told: readonly string[]])[] = [
  ['an unknown key', ['tiemZone: UTC'], ['6:5: sessions.live.tiemZone: unknown key; did you mean timeZone?']],
  [
    'an unknown key in a section',
    ['jvm: {hep: 1g}'],
    ['6:11: sessions.live.jvm.hep: unknown key; did you mean heap?'],
  ],
  [
    'a key that is at home elsewhere',
    ['port: 4001'],
    ['6:5: sessions.live.port: unknown key; did you mean api.port?'],
  ],
  [
    'an IBC setting out of place',
    ['ReadOnlyApi: yes'],
    ['6:5: sessions.live.ReadOnlyApi: unknown key; did you mean ibc.ReadOnlyApi?'],
  ],
  ['a key like nothing known', ['zzzzzz: 1'], ['6:5: sessions.live.zzzzzz: unknown key']],
  [
    'a merge key',
    ['<<: {}'],
    ['6:5: sessions.live: YAML 1.2 has no merge key; put what the sessions share under defaults'],
  ],
  [
    'a password in the session',
    ['password: x'],
    [
      '6:5: sessions.live.password: credentials never stand in this file; name a directory or a command under credentials',
    ],
  ],
  [
    'a gateway of a later version',
    ['gateway: clientportal'],
    [
      '6:14: sessions.live.gateway: expected ibgateway (clientportal is not in this version), got clientportal',
    ],
  ],
  ['a wrong type', ['autostart: yes'], ['6:16: sessions.live.autostart: expected true or false, got yes']],
  ['text for a section', ['jvm: big'], ['6:10: sessions.live.jvm: expected a map of settings, got a text']],
  ['a list for a section', ['jvm: [1]'], ['6:10: sessions.live.jvm: expected a map of settings, got a list']],
  [
    'a relative path',
    ['settingsDir: live'],
    [
      "6:18: sessions.live.settingsDir: expected an absolute path of the gateway's settings directory without blanks, got live",
    ],
  ],
  [
    'a blank in the settings directory',
    ['settingsDir: /srv/my live'],
    [
      "6:18: sessions.live.settingsDir: expected an absolute path of the gateway's settings directory without blanks, got /srv/my live",
    ],
  ],
  [
    'a path that goes up',
    ['settingsDir: /srv/../live'],
    [
      "6:18: sessions.live.settingsDir: expected an absolute path of the gateway's settings directory without blanks, without . and .., got /srv/../live",
    ],
  ],
  [
    'a small time zone',
    ['timeZone: utc'],
    [
      '6:15: sessions.live.timeZone: expected a time zone such as Europe/Zurich, America/New_York or UTC (upper and lower case matter), got utc; did you mean UTC?',
    ],
  ],
  [
    'an offset as time zone',
    ['timeZone: "+01:00"'],
    [
      '6:15: sessions.live.timeZone: expected a time zone such as Europe/Zurich, America/New_York or UTC (upper and lower case matter), got "+01:00"',
    ],
  ],
  [
    'a screen that is too small',
    ['display: {size: 320x200}'],
    [
      '6:21: sessions.live.display.size: expected a size such as 1024x768, from 640x480 to 7680x4320, got 320x200',
    ],
  ],
  [
    'an odd depth',
    ['display: {depth: 32}'],
    ['6:22: sessions.live.display.depth: expected 16 or 24, got 32'],
  ],
  [
    'a heap without unit',
    ['jvm: {heap: 768}'],
    ['6:17: sessions.live.jvm.heap: expected a size such as 768m or 2g, from 256m to 64g, got 768'],
  ],
  [
    'a heap out of bounds',
    ['jvm: {heap: 100m}'],
    ['6:17: sessions.live.jvm.heap: expected a size such as 768m or 2g, from 256m to 64g, got 100m'],
  ],
  [
    'a refused java option',
    ['jvm: {options: [-Xmx1g]}'],
    ['6:21: sessions.live.jvm.options[0]: -Xmx1g is refused: the heap has its own key, jvm.heap'],
  ],
  [
    'a java option without hyphen, not printed',
    ['jvm: {options: [-XX:+UseG1GC, hunter2]}'],
    ['6:35: sessions.live.jvm.options[1]: expected an option of java that starts with -, got a text'],
  ],
  [
    'an initial heap above the heap',
    ['jvm: {options: [-Xms1g]}'],
    ['6:21: sessions.live.jvm.options[0]: -Xms1g is more than jvm.heap: java would not start'],
  ],
  [
    'a duration without unit',
    ['deadlines: {stop: 30}'],
    [
      '6:23: sessions.live.deadlines.stop: expected a duration with its unit such as 90s, from 100ms to 1h, got 30; did you mean 30s?',
    ],
  ],
  [
    'a duration as sexagesimal',
    ['deadlines: {stop: 1:30}'],
    [
      '6:23: sessions.live.deadlines.stop: expected a duration with its unit such as 90s, from 100ms to 1h, got 1:30',
    ],
  ],
  [
    'a duration out of bounds',
    ['deadlines: {stop: 2h}'],
    [
      '6:23: sessions.live.deadlines.stop: expected a duration with its unit such as 90s, from 100ms to 1h, got 2h',
    ],
  ],
  [
    'back-off upside down',
    ['restart: {backoffMin: 1h, backoffMax: 1m}'],
    ['6:43: sessions.live.restart.backoffMax: it is shorter than restart.backoffMin'],
  ],
  [
    'too many logins an hour',
    ['restart: {maxLoginsPerHour: 4}'],
    ['6:33: sessions.live.restart.maxLoginsPerHour: expected a whole number from 1 to 3, got 4'],
  ],
  [
    'too many logins a day',
    ['restart: {maxLoginsPerDay: 25}'],
    ['6:32: sessions.live.restart.maxLoginsPerDay: expected a whole number from 1 to 24, got 25'],
  ],
  [
    'too many second factors an hour',
    ['restart: {maxPushesPerHour: 7}'],
    ['6:33: sessions.live.restart.maxPushesPerHour: expected a whole number from 1 to 6, got 7'],
  ],
  [
    'too many second factors a day',
    ['restart: {maxPushesPerDay: 21}'],
    ['6:32: sessions.live.restart.maxPushesPerDay: expected a whole number from 1 to 20, got 21'],
  ],
  [
    'a fraction',
    ['restart: {maxLoginsPerHour: 1.5}'],
    ['6:33: sessions.live.restart.maxLoginsPerHour: expected a whole number from 1 to 3, got 1.5'],
  ],
  [
    'an unknown choice',
    ['secondFactor: {method: ibkey}'],
    [
      '6:28: sessions.live.secondFactor.method: expected one of ib-key, totp, code, none, unknown, got ibkey; did you mean ib-key?',
    ],
  ],
  [
    'no value',
    ['timeZone:'],
    ['6:5: sessions.live.timeZone: expected a time zone such as Europe/Zurich, got nothing'],
  ],
  [
    'a time of day without quotes',
    ['ibc: {AutoRestartTime: 11:45 PM}'],
    ['6:28: sessions.live.ibc.AutoRestartTime: a time of day stands in quotes: "11:45 PM"'],
  ],
  [
    'a time of day of 24 hours',
    ['ibc: {AutoRestartTime: "23:45"}'],
    [
      '6:28: sessions.live.ibc.AutoRestartTime: expected a time of day such as "11:45 PM", in quotes: two-digit hour of twelve, AM or PM, got "23:45"',
    ],
  ],
  [
    'an unquoted time that YAML 1.1 takes for a number',
    ['ibc: {AutoRestartTime: 23:45}'],
    [
      '6:28: sessions.live.ibc.AutoRestartTime: expected a time of day such as "11:45 PM", in quotes: two-digit hour of twelve, AM or PM, got 23:45',
    ],
  ],
  [
    'logoff beside restart',
    ['ibc: {AutoRestartTime: "11:45 PM", AutoLogoffTime: "11:50 PM"}'],
    [
      '6:56: sessions.live.ibc.AutoLogoffTime: IBC ignores it because AutoRestartTime is set; remove one of the two',
    ],
  ],
  [
    'a misspelt IBC setting',
    ['ibc: {ReadonlyApi: yes}'],
    ['6:11: sessions.live.ibc.ReadonlyApi: IBC has no such setting; did you mean ReadOnlyApi?'],
  ],
  [
    'a bad yes or no',
    ['ibc: {ReadOnlyApi: maybe}'],
    ['6:24: sessions.live.ibc.ReadOnlyApi: expected yes or no, got maybe'],
  ],
  [
    'a bad choice of IBC',
    ['ibc: {ExistingSessionDetectedAction: Primary}'],
    [
      '6:42: sessions.live.ibc.ExistingSessionDetectedAction: expected one of manual, primary, primaryoverride, secondary, got Primary; did you mean primary?',
    ],
  ],
  [
    'an IBC setting without value',
    ['ibc: {ReadOnlyApi: }'],
    ['6:11: sessions.live.ibc.ReadOnlyApi: expected yes or no, got nothing'],
  ],
  [
    'a reserved line of jts.ini',
    ['jts: {sections: {logon: {tradingmode: p}}}'],
    ['6:43: sessions.live.jts.sections.logon.tradingmode: refused: the trading mode has its own key, mode'],
  ],
  [
    'a broken section name',
    ['jts: {sections: {"a]b": {x: "1"}}}'],
    ['6:22: sessions.live.jts.sections: expected the name of a section: letters, digits, blanks, - and _'],
  ],
  [
    'a jts.ini value on two lines',
    ['jts: {sections: {ns: {x: "1\\n2"}}}'],
    ['6:30: sessions.live.jts.sections.ns.x: expected a text on one line, in quotes, got a text'],
  ],
  [
    'two sources of credentials',
    ['credentials: {directory: /a, command: [/b]}'],
    ['6:43: sessions.live.credentials.command: there is a directory too; keep one of the two'],
  ],
  [
    'no source of credentials',
    ['credentials: {}'],
    [
      '6:18: sessions.live.credentials: neither directory nor command is given; remove the key for the default directory',
    ],
  ],
  [
    'a relative program',
    ['credentials: {command: [pass, x]}'],
    ['6:29: sessions.live.credentials.command[0]: expected the absolute path of the program, got a text'],
  ],
  [
    'an empty command',
    ['credentials: {command: []}'],
    ['6:28: sessions.live.credentials.command: expected a list: the program and its arguments, got a list'],
  ],
  [
    'a command as text',
    ['credentials: {command: /bin/pass x}'],
    ['6:28: sessions.live.credentials.command: expected a list: the program and its arguments, got a text'],
  ],
  [
    'an address of the API',
    ['api: {host: 0.0.0.0}'],
    ['6:5: sessions.live.api: this key stands here twice, first in line 5'],
  ],
];

describe('a fault in a session', () => {
  for (const [name, lines, told] of FAULTS) {
    it(`is told with its place: ${name}`, () => assert.deepEqual(linesOf(aFile(...lines)), told));
  }

  it('is told with what was expected and what was probably meant, for programs too', () => {
    assert.deepEqual(problemsIn(aFile('restart: {policy: alwys}')), [
      {
        file: FILE,
        line: 6,
        column: 23,
        path: 'sessions.live.restart.policy',
        message: 'expected always or never, got alwys',
        expected: 'always or never',
        nearest: 'always',
      },
    ]);
  });

  it('of the API is told with its place', () => {
    const api = (text: string) =>
      linesOf(`sessions: {live: {mode: live, install: {gatewayVersion: "1"}, api: ${text}}}`);
    assert.deepEqual(api('{port: 80}'), [
      '1:75: sessions.live.api.port: expected a whole number from 1024 to 65535, got 80',
    ]);
    assert.deepEqual(api('{port: "4001"}'), [
      '1:75: sessions.live.api.port: expected a whole number from 1024 to 65535, got "4001"',
    ]);
    assert.deepEqual(api('{port: 4001, clientId: 0}'), [
      '1:91: sessions.live.api.clientId: expected a whole number from 1 to 2147483647, got 0',
    ]);
    assert.deepEqual(api('{port: 4001, host: 0.0.0.0}'), [
      '1:81: sessions.live.api.host: the API is used on 127.0.0.1 only, there is nothing to set',
    ]);
  });

  it('of the installation is told with its place', () => {
    const install = (text: string) =>
      linesOf(`sessions: {live: {mode: live, api: {port: 4001}, install: ${text}}}`);
    assert.deepEqual(install('{gatewayVersion: 10.30}'), [
      '1:76: sessions.live.install.gatewayVersion: expected the name of the version directory, in quotes, got 10.30; did you mean "10.30"?',
    ]);
    assert.deepEqual(install('{gatewayVersion: "1/2"}'), [
      '1:76: sessions.live.install.gatewayVersion: expected the name of the version directory, in quotes, without slash and colon, got "1/2"',
    ]);
    assert.deepEqual(install('{gatewayVersion: ..}'), [
      '1:76: sessions.live.install.gatewayVersion: expected the name of the version directory, in quotes, got ..',
    ]);
    assert.deepEqual(install('{gatewayVersion: "1", ibcDir: "/opt/a:b"}'), [
      '1:89: sessions.live.install.ibcDir: expected an absolute path of the directory that holds IBC.jar without a colon, got "/opt/a:b"',
    ]);
  });

  it('does not hide the others: all are told at once, in the order of the file', () => {
    const text = `agent: {logLevel: loud}
sessions:
  live:
    mode: real
    api: {port: 1}
  Paper: {mode: paper, install: {gatewayVersion: "1"}, api: {port: 4002}}
other: 1
`;
    assert.deepEqual(linesOf(text), [
      '1:19: agent.logLevel: expected one of error, warning, notice, info, debug, got loud',
      '3:3: sessions.live.install.gatewayVersion: missing; expected the name of the version directory, in quotes',
      '4:11: sessions.live.mode: expected live or paper, got real',
      '5:17: sessions.live.api.port: expected a whole number from 1024 to 65535, got 1',
      "6:3: sessions.Paper: a session's name is a lower-case letter, then at most 30 lower-case letters, digits or hyphens",
      '7:1: other: unknown key',
    ]);
  });

  it('tells of everything that is missing in an empty session', () => {
    assert.deepEqual(linesOf('sessions:\n  live:\n'), [
      '2:3: sessions.live.mode: missing; expected live or paper',
      '2:3: sessions.live.install.gatewayVersion: missing; expected the name of the version directory, in quotes',
      '2:3: sessions.live.api.port: missing; expected a whole number from 1024 to 65535',
    ]);
  });

  it('is told without control characters that would act on a terminal', () => {
    const [line] = linesOf(aFile('timeZone: "\\e[2J\\u202eX"'));
    assert.match(line ?? '', /got "\\u001b\[2J\?X"/);
  });
});

describe('a name of a session', () => {
  for (const name of ['1a', 'a_b', 'a.b', 'é', '"a b"', 'a'.repeat(32), '-a', 'A']) {
    it(`may not be ${name}`, () => {
      const lines = linesOf(`sessions:\n${aSession(name, 4001)}`);
      assert.equal(lines.length, 1);
      assert.match(lines[0] ?? '', /^2:3: .*a session's name is a lower-case letter/);
    });
  }

  it('may be the name of a property that every object has', () => {
    const names = ['constructor', 'valueof', 'a'.repeat(31)];
    const text = `sessions:\n${names.map((name, index) => aSession(name, 4001 + index)).join('')}`;
    assert.deepEqual(
      checkConfigText(text, FILE).sessions.map((session) => session.name),
      names,
    );
    assert.match(
      linesOf(`sessions:\n${aSession('__proto__', 4001)}`)[0] ?? '',
      /^2:3: sessions\.__proto__: /,
    );
  });

  it('may stand there once', () => {
    assert.deepEqual(linesOf(`sessions:\n${aSession('live', 4001)}${aSession('live', 4002)}`), [
      '6:3: sessions.live: this key stands here twice, first in line 2',
    ]);
  });
});

describe('the server whose clock is asked', () => {
  const check = (value: string) => checkConfigText(`clock: {compareWith: ${value}}\n${aFile()}`, FILE).clock;

  it('is reached by https, or is this host, or is none', () => {
    assert.deepEqual(check('null'), { compareWith: null });
    for (const address of ['https://time.example/', 'http://127.0.0.1:8080/', 'http://localhost/']) {
      assert.deepEqual(check(address), { compareWith: address });
    }
  });

  it('is refused otherwise, and not told: it may have a password in it', () => {
    for (const address of [
      'http://time.example/',
      'https://u:hunter2@time.example/',
      'ftp://x/',
      'hunter2',
      '7',
    ]) {
      assert.deepEqual(linesOf(`clock: {compareWith: ${address}}\n${aFile()}`), [
        `1:22: clock.compareWith: expected an address that begins with https://, or null, got ${address === '7' ? 'a number' : 'a text'}`,
      ]);
    }
  });
});

describe('settings of IBC that are refused', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['IbLoginId', /refused: credentials never stand in this file; use credentials$/],
    ['IBPASSWORD', /refused: credentials never stand in this file; use credentials$/],
    ['ib-password', /refused: credentials never stand in this file; use credentials$/],
    ['FIXPassword', /refused: the FIX gateway is not supported$/],
    ['tradingmode', /refused: the trading mode has its own key; use mode$/],
    ['CommandServerPort', /refused: IBC's command server has no authentication.*; use commandServer$/],
    ['BindAddress', /refused: IBC's command server/],
    ['ControlFrom', /refused: IBC's command server/],
    ['CommandPrompt', /refused: IBC's command server/],
    ['SuppressInfoMessages', /refused: IBC's command server/],
    ['IbDir', /use settingsDir$/],
    ['ReloginAfterSecondFactorAuthenticationTimeout', /outside the login budget.*use restart/],
    ['ExitAfterSecondFactorAuthenticationTimeout', /outside the login budget.*use restart/],
    ['SecondFactorDevice', /use secondFactor\.device$/],
    ['SecondFactorAuthenticationTimeout', /use deadlines\.secondFactor$/],
    ['ColdRestartTime', /a stop that ib-agent did not order/],
    ['ClosedownAt', /a stop that ib-agent did not order/],
    ['OverrideTwsApiPort', /use api\.port$/],
    ['IbPasswrd', /IbPassword, if that was meant, is refused: credentials/],
  ];
  for (const [name, reason] of cases) {
    it(`${name}, with the reason and never with the value`, () => {
      const lines = linesOf(aFile(`ibc: {${name}: hunter2}`));
      assert.equal(lines.length, 1);
      assert.match(lines[0] ?? '', reason);
      assert.ok(lines[0]?.startsWith(`6:11: sessions.live.ibc.${name}: `));
      assert.doesNotMatch(lines[0] ?? '', /hunter2/);
    });
  }
});

describe('what could be a secret', () => {
  const texts: readonly string[] = [
    aFile('credentials: hunter2'),
    aFile('credentials: {username: joe, password: hunter2}'),
    aFile('credentials: {directory: hunter2}'),
    aFile('credentials: {hunter2}'),
    aFile('credentials: {hunter2: 1, hunter2: 2}'),
    aFile('credentials: {command: [hunter2]}'),
    aFile('credentials: {command: hunter2}'),
    aFile('ibc: IbPassword=hunter2'),
    aFile('ibc: [IbPassword=hunter2]'),
    aFile('ibc: {IbPassword=hunter2}'),
    aFile('ibc: {IbPassword: hunter2}'),
    aFile('password: hunter2'),
    aFile('jvm: {options: [hunter2]}'),
    aFile('jvm: {options: ["-Drestart=hunter2"]}'),
    aFile('jts: {secondFactor: "hunter2 x"}'),
    'IbPassword=hunter2',
    'password: "hunter2',
    'password: hunter2: x',
    'password: *hunter2',
    'password: !hunter2 x',
    'password: %hunter2\n@hunter2',
    '- hunter2\nhunter2',
    '"hunter2" hunter2',
  ];
  for (const text of texts) {
    it(`is not in the errors of ${JSON.stringify(text.split('\n').slice(-2).join(' ').trim())}`, () => {
      try {
        checkConfigText(text, FILE);
        assert.fail('accepted');
      } catch (error) {
        assert.ok(error instanceof ConfigError);
        assert.doesNotMatch(JSON.stringify(error.problems) + error.message + error.hint, /hunter2/);
      }
    });
  }
});

describe('sessions together', () => {
  it('may not have one API port, even when one of them has other faults', () => {
    const text = `sessions:\n${aSession('a', 4001, ['foo: 1'])}${aSession('b', 4002)}${aSession('c', 4001)}`;
    assert.deepEqual(linesOf(text), [
      '6:5: sessions.a.foo: unknown key',
      '14:17: sessions.c.api.port: the session a has port 4001 too; each session needs a port of its own',
    ]);
  });

  it('of one IBKR user may not differ in what they may spend together; those of two users may', () => {
    const two = (users: readonly [string, string]) =>
      `sessions:\n${aSession('a', 4001, [`user: ${users[0]}`])}${aSession('b', 4002, [`user: ${users[1]}`, 'restart: {maxPushesPerDay: 4}'])}`;
    assert.equal(checkConfigText(two(['me', 'you']), FILE).sessions.length, 2);
    const [line, another] = linesOf(two(['me', 'me']));
    assert.equal(another, undefined);
    assert.match(
      line ?? '',
      /sessions\.b\.restart\.maxPushesPerDay: the session a of the same IBKR user has 10, this one 4; they share one login budget: give both the smaller number$/,
    );
  });

  it('may not have one settings directory, however it is spelt', () => {
    const text = `sessions:\n${aSession('a', 4001, ['settingsDir: /srv/ib'])}${aSession('b', 4002, ['settingsDir: /srv//ib/'])}`;
    assert.deepEqual(linesOf(text), [
      '11:18: sessions.b.settingsDir: /srv/ib is the same as the settings directory of the session a; each session needs one of its own',
    ]);
  });

  it('may not have one settings directory within another', () => {
    const inner = `sessions:\n${aSession('a', 4001, ['settingsDir: /srv/ib'])}${aSession('b', 4002, ['settingsDir: /srv/ib/b'])}`;
    const outer = `sessions:\n${aSession('a', 4001, ['settingsDir: /srv/ib/b'])}${aSession('b', 4002, ['settingsDir: /srv/ib'])}`;
    for (const text of [inner, outer]) {
      assert.match(
        linesOf(text)[0] ?? '',
        /^11:18: .*overlaps with the settings directory of the session a;/,
      );
    }
  });

  it('may have settings directories of which one name begins like the other', () => {
    const text = `sessions:\n${aSession('a', 4001, ['settingsDir: /srv/ib'])}${aSession('b', 4002, ['settingsDir: /srv/ib2'])}`;
    assert.equal(checkConfigText(text, FILE).sessions.length, 2);
  });

  it('may not take the default settings directory of another', () => {
    const text = `sessions:\n${aSession('a', 4001)}${aSession('b', 4002, ['settingsDir: /var/lib/ib-session/a/settings'])}`;
    assert.match(linesOf(text)[0] ?? '', /^10:18: sessions\.b\.settingsDir: .* is the same as/);
  });
});

describe('the runtime root', () => {
  it('must be absolute and without blanks', () => {
    for (const root of ['run', '"/my run"', '~/run']) {
      const [line] = linesOf(`agent: {runtimeRoot: ${root}}\nsessions:\n`);
      assert.match(
        line ?? '',
        /^1:22: agent\.runtimeRoot: expected an absolute path of a directory without blanks/,
      );
    }
  });

  it('must leave room for the path of every socket', () => {
    // "/ib-session/live/bridge.sock" has 28 bytes, and 107 are allowed.
    const fits = `/${'r'.repeat(78)}`;
    assert.equal(checkConfigText(`agent: {runtimeRoot: ${fits}}\n${aFile()}`, FILE).agent.runtimeRoot, fits);
    assert.deepEqual(linesOf(`agent: {runtimeRoot: ${fits}r}\n${aFile()}`), [
      `1:22: agent.runtimeRoot: too long by 1 bytes: the path of a socket may have 107, and ${fits}r/ib-session/live/bridge.sock would be one`,
    ]);
  });

  it('counts bytes, not letters', () => {
    const [line] = linesOf(`agent: {runtimeRoot: /${'é'.repeat(50)}}\nsessions:\n`);
    assert.match(line ?? '', /too long by/);
  });
});

describe('text that is no configuration', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['nothing', '', '1:1: sessions: missing; expected a map of sessions'],
    ['only comments', '# hello\n', '1:1: sessions: missing; expected a map of sessions'],
    ['a text', 'hello', '1:1: expected a map with agent and sessions, got a text'],
    ['a list', '- a\n', '1:1: expected a map with agent and sessions, got a list'],
    ['a tab as indentation', 'sessions:\n\tlive: {}\n', '2:1: a tab cannot indent; use blanks'],
    [
      'an open quote',
      'sessions:\n  "live: {}\n',
      '3:1: something is missing here: a quote, a bracket, a comma, a colon or a blank after it',
    ],
    ['an open bracket', 'sessions: {\n', '2:1: the indentation does not fit the lines around it'],
    [
      'two documents',
      'sessions:\n---\nsessions:\n',
      '2:1: the file must hold one document only; remove the second "---"',
    ],
    [
      'an alias without anchor',
      'sessions: *nowhere\n',
      '1:11: sessions: this alias (*name) has no anchor (&name) before it; quote a text that starts with * or &',
    ],
    [
      'an unknown tag',
      'sessions: !x {}\n',
      '1:11: this tag (!name) is not known; quote a text that starts with !',
    ],
    [
      'a doubled key',
      'sessions: {}\nsessions: {}\n',
      '2:1: sessions: this key stands here twice, first in line 1',
    ],
    ['a key that is a list', 'sessions: {[a]: 1}\n', '1:12: sessions: a key must be a plain text'],
    [
      'two keys on a line',
      'sessions: a: b\n',
      '1:11: there are two keys on one line, or the indentation does not fit; quote a text that contains ": "',
    ],
  ];
  for (const [name, text, told] of cases) {
    it(`is told with its place: ${name}`, () => assert.equal(linesOf(text)[0], told));
  }

  it('cannot multiply itself by aliases', () => {
    const bomb = [
      'a: &a [1,1,1,1,1,1,1,1,1]',
      ...'bcdefghi'.split('').map((name, index) => {
        const before = 'abcdefghi'[index];
        return `${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`;
      }),
    ].join('\n');
    assert.ok(
      linesOf(bomb).some((line) => /^\d+:\d+: the file holds too many values; do aliases/.test(line)),
    );
  });

  it('cannot contain itself', () => {
    assert.ok(
      linesOf('sessions: &s {live: *s}\n').includes(
        '1:21: sessions.live: this alias (*name) stands within the value that it names',
      ),
    );
  });

  it('cannot exhaust the stack', () => {
    for (const text of [
      '['.repeat(20_000),
      `sessions: ${'{a: '.repeat(20_000)}`,
      `${'- '.repeat(20_000)}x`,
    ]) {
      assert.ok(linesOf(text).length > 0);
    }
  });

  it('is told of in at most a hundred lines', () => {
    const text = Array.from({ length: 1000 }, (_, index) => `key${index}: 1`).join('\n');
    assert.equal(linesOf(text).length, 100);
  });
});

describe('loading a file', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'ib-config-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  function write(name: string, content: string | Uint8Array): string {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  }

  function failureOf(path: string): AgentError {
    try {
      loadConfig(path);
    } catch (error) {
      assert.ok(error instanceof AgentError);
      return error;
    }
    assert.fail('loaded');
  }

  it('gives its absolute path', () => {
    const path = write('good.yaml', aFile());
    assert.equal(loadConfig(path).file, path);
  });

  it('that is not there says so, and what to do', () => {
    const error = failureOf(join(directory, 'none.yaml'));
    assert.equal(error.code, 'config-unreadable');
    assert.match(error.message, /There is no configuration .*none\.yaml/);
    assert.match(error.hint ?? '', /--config FILE/);
  });

  it('that may not be read says so, and what to do', () => {
    const path = write('secret.yaml', aFile());
    chmodSync(path, 0);
    const root = process.getuid?.() === 0;
    if (root) {
      // Root reads everything; the file's rights are tried as another user.
      process.seteuid?.(65_534);
      chmodAsRoot(directory);
    }
    try {
      const error = failureOf(path);
      assert.equal(error.code, 'config-unreadable');
      assert.match(error.message, /permission denied/);
      assert.match(error.hint ?? '', /chmod a\+r /);
    } finally {
      if (root) process.seteuid?.(0);
    }
  });

  it('that is a directory, or too large, says so', () => {
    assert.equal(failureOf(directory).code, 'config-unreadable');
    const large = failureOf(write('large.yaml', '#'.repeat(1024 * 1024 + 1)));
    assert.equal(large.code, 'config-unreadable');
    assert.match(large.message, /larger than 1 MiB/);
  });

  it('that is not UTF-8 is told with line and column', () => {
    const error = failureOf(write('latin1.yaml', Buffer.from('agent: {}\n# Z\xfcrich\n', 'latin1')));
    assert.ok(error instanceof ConfigError);
    assert.deepEqual([error.problems[0]?.line, error.problems[0]?.column], [2, 4]);
  });

  it('with faults says all of them, with the hint how to check again', () => {
    const path = write('bad.yaml', 'agnt: 1\nsesions: 2\n');
    const error = failureOf(path);
    assert.ok(error instanceof ConfigError);
    assert.equal(
      error.message,
      [
        `${path}:1:1: sessions: missing; expected a map of sessions`,
        `${path}:1:1: agnt: unknown key; did you mean agent?`,
        `${path}:2:1: sesions: unknown key; did you mean sessions?`,
      ].join('\n'),
    );
    assert.equal(error.hint, `Correct the file, then try: ibctl config check ${path}`);
    assert.equal(error.toWire().code, 'config-invalid');
  });

  it('refuses a settings directory that is a symbolic link', () => {
    mkdirSync(join(directory, 'real'));
    symlinkSync('real', join(directory, 'link'));
    const error = failureOf(write('link.yaml', aFile(`settingsDir: ${directory}/link`)));
    assert.match(
      error.message,
      /:6:18: sessions\.live\.settingsDir: .* is a symbolic link; name the directory itself$/,
    );
  });

  it('sees through symbolic links that two settings directories are one', () => {
    mkdirSync(join(directory, 'top/sub'), { recursive: true });
    symlinkSync('top', join(directory, 'alias'));
    const text = `sessions:\n${aSession('a', 4001, [`settingsDir: ${directory}/top/sub/new`])}${aSession('b', 4002, [`settingsDir: ${directory}/alias/sub/new`])}`;
    assert.match(
      failureOf(write('alias.yaml', text)).message,
      /:11:18: .* is the same as the settings directory of the session a/,
    );
  });
});

function chmodAsRoot(directory: string): void {
  process.seteuid?.(0);
  chmodSync(directory, 0o755);
  process.seteuid?.(65_534);
}

describe('whatever the text', () => {
  /** mulberry32: small, seeded, good enough to make junk. */
  function random(seed: number): () => number {
    let state = seed;
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  const WORDS = [
    'sessions',
    'agent',
    'defaults',
    'live',
    'mode',
    'install',
    'api',
    'port',
    'ibc',
    'jvm',
    'options',
    'credentials',
    'command',
    'ReadOnlyApi',
    'IbPassword',
    '__proto__',
    'constructor',
    'toString',
    '4001',
    '1e400',
    '.nan',
    '0x10',
    '0o7',
    'null',
    '~',
    'true',
    '"',
    "'",
    ':',
    ': ',
    '- ',
    '\n',
    '\n  ',
    '\n    ',
    '\t',
    '{',
    '}',
    '[',
    ']',
    ',',
    '&a ',
    '*a',
    '!!str ',
    '!x',
    '|\n',
    '>\n',
    '%',
    '@',
    '`',
    '#',
    '---\n',
    '...\n',
    '? ',
    '<<: ',
    '\u0000',
    '\ufeff',
    '\u2028',
    '\ud800',
    '\r',
    '\\',
    '"\\x"',
    '30s',
    '11:45 PM',
    '=',
  ];

  function check(text: string, seed: number): void {
    try {
      checkConfigText(text, FILE);
    } catch (error) {
      if (error instanceof ConfigError) {
        assert.ok(error.problems.length > 0, `no problem, seed ${seed}`);
        for (const { line, column } of error.problems)
          assert.ok(line >= 1 && column >= 1, `no place, seed ${seed}`);
        return;
      }
      assert.fail(`seed ${seed} made ${JSON.stringify(text)} throw ${String(error)}`);
    }
  }

  it('nothing but a ConfigError is thrown for junk of YAML pieces', () => {
    for (let seed = 1; seed <= 2000; seed += 1) {
      const next = random(seed);
      const pieces = Array.from(
        { length: Math.floor(next() * 40) },
        () => WORDS[Math.floor(next() * WORDS.length)] ?? '',
      );
      check(pieces.join(''), seed);
    }
  });

  it('nothing but a ConfigError is thrown for a good file with one piece replaced', () => {
    const good = `agent: {logLevel: info}\ndefaults: {jvm: {heap: 1g}}\n${aFile('ibc: {ReadOnlyApi: yes}', 'credentials: {command: [/bin/x]}', 'jts: {sections: {ns: {a: "b"}}}')}`;
    for (let seed = 1; seed <= 600; seed += 1) {
      const next = random(seed);
      const from = Math.floor(next() * good.length);
      const to = from + Math.floor(next() * 12);
      const piece = WORDS[Math.floor(next() * WORDS.length)] ?? '';
      check(good.slice(0, from) + piece + good.slice(to), seed);
    }
  });
});
