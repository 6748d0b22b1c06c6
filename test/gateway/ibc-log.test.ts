import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { IbcFact } from '../../src/gateway/ibc-facts.ts';
import { IbcLogParser, readIbcLine } from '../../src/gateway/ibc-log.ts';
import { EXPECTED_RUNS, type ExpectedRun, INDEX } from '../fixtures/ibc-logs/expected.ts';

const FIXTURES = new URL('../fixtures/ibc-logs/', import.meta.url);
const FENCE = '!'.repeat(79);

function readFixture(file: string): string[] {
  return readFileSync(new URL(file, FIXTURES), 'utf8').split('\n');
}

/** The facts of one JVM's lines, each with its line number in the file. */
function parseRun(run: ExpectedRun): [number, IbcFact][] {
  const lines = readFixture(run.file);
  const parser = new IbcLogParser();
  const facts: [number, IbcFact][] = [];
  for (let line = run.from; line <= run.to; line++) {
    for (const fact of parser.push(lines[line - 1] ?? '')) facts.push([line, fact]);
  }
  return facts;
}

function ibc(text: string): string {
  return `2026-11-22 04:32:46:239 IBC: ${text}`;
}

function parse(...lines: string[]): IbcFact[] {
  const parser = new IbcLogParser();
  return lines.flatMap((line) => parser.push(line));
}

function kinds(facts: readonly IbcFact[]): string[] {
  return facts.map((fact) => fact.kind);
}

describe('captured logs', () => {
  for (const run of EXPECTED_RUNS) {
    it(`${run.file} lines ${run.from}–${run.to} give the complete list of facts and no other`, () => {
      assert.deepEqual(
        parseRun(run),
        run.facts.map((entry) => [...entry]),
      );
    });
  }

  for (const [file, index] of Object.entries(INDEX)) {
    it(`every line in the index of ${file} states what the index says`, () => {
      const runs = EXPECTED_RUNS.filter((run) => run.file === file);
      const facts = runs.flatMap(parseRun);
      for (const [line, kind, note] of index) {
        const here = facts.filter(([at]) => at === line).map(([, fact]) => fact.kind);
        if (kind === null) assert.deepEqual(here, [], `line ${line}: ${note}`);
        else assert.ok(here.includes(kind), `line ${line} states ${kind} (${note}), got ${here.join(', ')}`);
      }
    });
  }

  it('a fatal code is the exit status modulo 256', () => {
    let checked = 0;
    for (const run of EXPECTED_RUNS) {
      for (const [, fact] of parseRun(run)) {
        if (fact.kind !== 'fatal') continue;
        assert.equal(fact.code % 256, run.status, run.file);
        checked++;
      }
    }
    assert.equal(checked, 7);
  });

  it('no captured transcript, script line or property dump is missing from the list of files', () => {
    assert.equal(new Set(EXPECTED_RUNS.map((run) => run.file)).size, 29);
    assert.deepEqual(Object.keys(INDEX).sort(), [...new Set(EXPECTED_RUNS.map((run) => run.file))].sort());
  });
});

describe('lines', () => {
  it('an IBC line is split into its time and its text', () => {
    assert.deepEqual(readIbcLine('2026-11-22 04:32:46:239 IBC: version: 3.24.1\r'), {
      time: '2026-11-22 04:32:46:239',
      text: 'version: 3.24.1',
    });
    assert.equal(readIbcLine('version: 3.24.1'), null);
  });

  const STATES: readonly [text: string, ...facts: IbcFact[]][] = [
    ['CommandServer is not started because the port is not configured', { kind: 'command-server-off' }],
    ['CommandServer failed to create socket', { kind: 'command-server-failed' }],
    ['CommandServer cannot process commands'],
    [
      'Gateway will be cold restarted at 2026/11/29 13:00',
      { kind: 'closedown-scheduled', how: 'cold-restart', at: '2026/11/29 13:00' },
    ],
    [
      'Gateway will be shut down at 2026/11/27 22:00',
      { kind: 'closedown-scheduled', how: 'shutdown', at: '2026/11/27 22:00' },
    ],
    ['Click button: Login', { kind: 'login-submitted' }],
    ['Click button: Re-login'],
    [
      'Login dialog WINDOW_OPENED: LoginState is AWAITING_CREDENTIALS',
      { kind: 'login-dialog', loginState: 'AWAITING_CREDENTIALS' },
    ],
    ['Waiting for Login frame to become SecondFactorAuthenticationDialog'],
    ['Login frame has now become SecondFactorAuthenticationDialog', { kind: 'second-factor-shown' }],
    [
      'Re-login after second factor authentication timeout not required',
      { kind: 'second-factor-timeout', relogin: false },
    ],
    ['Login has already completed - no need for IBC to exit'],
    [
      "could not find second factor device 'My 'odd' phone' in the list",
      { kind: 'second-factor-device-unknown', device: "My 'odd' phone" },
    ],
    [
      'You should specify the required second factor device using the SecondFactorDevice setting in config.ini',
      { kind: 'second-factor-device-unknown', device: null },
    ],
    [
      'Login dialog has been invalidated - initiate cold restart',
      { kind: 'login-invalidated' },
      { kind: 'cold-restart-requested' },
    ],
    [
      'Connection to server failed: Required PassKey is not supported by this version',
      {
        kind: 'connection-failed',
        text: 'Connection to server failed: Required PassKey is not supported by this version',
      },
    ],
    [
      'User must choose whether to continue with this session (scenario 1)',
      { kind: 'existing-session-decision', scenario: 1, ends: false },
    ],
    [
      'End this session and let the other session proceed (scenario 2)',
      { kind: 'existing-session-decision', scenario: 2, ends: true },
    ],
    [
      'Continue this session and let the other session exit (scenario 5)',
      { kind: 'existing-session-decision', scenario: 5, ends: false },
    ],
    [
      'Other session may be primary, so end this session and let the other one proceed (scenario 6)',
      { kind: 'existing-session-decision', scenario: 6, ends: true },
    ],
    ["ExistingSessionDetectedAction has an invalid value: x: assuming 'secondary'"],
    ['Trading Login Handoff dialog; {}', { kind: 'session-handoff' }],
    ['STOP already in progress', { kind: 'stop-already-in-progress' }],
    ['PAUSE already in progress', { kind: 'restart-refused', verb: 'PAUSE' }],
    [
      'TWS API socket port is already set to 4001',
      { kind: 'setting-applied', setting: 'OverrideTwsApiPort', value: '4001' },
    ],
    ['TWS API socket port was set to 4192'],
    [
      'Read-Only API checkbox is already set to: true',
      { kind: 'setting-applied', setting: 'ReadOnlyApi', value: 'true' },
    ],
    [
      'Auto restart time changed from 11:45 PM to 11:55 PM',
      { kind: 'setting-applied', setting: 'AutoRestartTime', value: '11:55 PM' },
    ],
    [
      'Auto logoff time already set to 10:00 PM',
      { kind: 'setting-applied', setting: 'AutoLogoffTime', value: '10:00 PM' },
    ],
    [
      "'Bypass Bond warning for API Orders' is already unselected",
      { kind: 'setting-applied', setting: 'Bypass Bond warning for API Orders', value: 'unselected' },
    ],
    ['RestartTask: verb = RESTART'],
    ['Exiting with exit code=1112', { kind: 'fatal', code: 1112 }],
    [
      'Detected dialog entitled: Second Factor Authentication; event=Opened',
      { kind: 'second-factor-opened' },
    ],
    [
      'detected frame entitled: Security Code Card Authentication; event=Closed',
      { kind: 'second-factor-closed' },
    ],
    ['something that a later IBC may write'],
  ];
  for (const [text, ...facts] of STATES) {
    it(`"${text}" states ${facts.length === 0 ? 'nothing' : kinds(facts).join(' and ')}`, () => {
      assert.deepEqual(parse(ibc(text)), facts);
    });
  }

  const WAITS: readonly [words: string, seconds: number | null][] = [
    ['2 seconds', 2],
    ['4 minutes & 47 seconds', 287],
    ['1 minute', 60],
    ['1 hour & 5 minutes', 3900],
    ['a while', null],
  ];
  for (const [words, seconds] of WAITS) {
    it(`a lock-out of "${words}" is ${seconds ?? 'of unknown length'}`, () => {
      const text = `Too many failed login attempts. Please wait ${words} before attempting to re-login again.`;
      assert.deepEqual(parse(ibc(text)), [{ kind: 'locked-out', seconds }]);
    });
  }

  it('a lock-out whose waiting time stands on the next line is stated again with it', () => {
    assert.deepEqual(
      parse(
        ibc('Too many failed login attempts.'),
        'Please wait 5 minutes before attempting to re-login again.',
      ),
      [
        { kind: 'locked-out', seconds: null },
        { kind: 'locked-out', seconds: 300 },
      ],
    );
  });

  it('the text of a login error ends with the next line of IBC', () => {
    const facts = parse(
      ibc('Login error message:'),
      'first',
      '',
      'second',
      ibc('Cold restart in progress'),
      'noise of the gateway',
    );
    assert.deepEqual(facts, [
      { kind: 'login-error' },
      { kind: 'login-error-text', text: 'first' },
      { kind: 'login-error-text', text: 'second' },
      { kind: 'cold-restart-requested' },
    ]);
  });

  it('the text of a login error is ten lines at most', () => {
    const noise = Array.from({ length: 30 }, (_, index) => `line ${index}`);
    const facts = parse(ibc('Login error message:'), ...noise);
    assert.equal(facts.length, 11);
    assert.deepEqual(facts.at(-1), { kind: 'login-error-text', text: 'line 9' });
  });

  it('text that only looks like a line of IBC states nothing', () => {
    const raw = [
      'Login has completed',
      'IBC: Login has completed',
      'noise 2026-11-22 04:32:46:239 IBC: Login has completed',
      '2026-11-22 04:32:46.239 IBC: Login has completed',
      '2026-11-22 04:32:46:239 IBC:Login has completed',
      '2026-11-22 04:32:46:239 Other: Login has completed',
      '    IbLoginId=2026-11-22 04:32:46:239 IBC: Login has completed',
    ];
    assert.deepEqual(parse(...raw), []);
  });
});

describe('windows', () => {
  it('a second factor whose opening is never reported is seen when it comes to the front, once', () => {
    const title = 'detected dialog entitled: Second Factor Authentication; event=';
    const facts = parse(
      ...['Activated', 'Focused', 'Lost focus', 'Deactivated', 'Activated', 'Closed'].map((event) =>
        ibc(title + event),
      ),
      ibc(`${title}Focused`),
    );
    assert.deepEqual(kinds(facts), ['second-factor-shown', 'second-factor-closed', 'second-factor-shown']);
  });

  it('a second factor that comes to the front before it is opened gives both facts, one that was opened only that', () => {
    const title = 'detected dialog entitled: Second Factor Authentication; event=';
    assert.deepEqual(
      kinds(
        parse(
          ibc(`${title}Activated`),
          ibc(`${title}Focused`),
          ibc(`${title}Opened`),
          ibc(`${title}Activated`),
        ),
      ),
      ['second-factor-shown', 'second-factor-opened'],
    );
  });

  it('an OK that does not follow the opening of a second factor chooses no device', () => {
    const opened = ibc('detected dialog entitled: Second Factor Authentication; event=Opened');
    const ok = ibc('Click button: OK');
    assert.deepEqual(kinds(parse(opened, ok)), ['second-factor-opened', 'second-factor-device-chosen']);
    assert.deepEqual(kinds(parse(opened, ibc('Configuration tasks completed'), ok)), [
      'second-factor-opened',
      'config-done',
    ]);
    assert.deepEqual(parse(ok), []);
    const structure = ibc('Window structure for dialog entitled: Second Factor Authentication; event=Opened');
    assert.equal(parse(opened, structure, '', '|   null(javax.swing.JList)', ok).length, 2);
  });

  it('rejected credentials are known by a part of the title and stated once a dialog, whichever event comes first', () => {
    const title = 'detected dialog entitled: Login - Unrecognized Username or Password; event=';
    const facts = parse(
      ...['Focused', 'Opened', 'Activated', 'Closed', 'Opened'].map((event) => ibc(title + event)),
    );
    assert.deepEqual(kinds(facts), ['credentials-rejected', 'credentials-rejected']);
  });

  it('windows of a login that goes its way state nothing', () => {
    const titles = [
      'frame entitled: IBKR Gateway',
      'frame entitled: IB Gateway',
      'frame entitled: DU1234567 Interactive Brokers Gateway',
      'frame entitled: Loading...',
      'dialog entitled: IBKR Gateway Configuration',
      'dialog entitled: Exit',
      'dialog entitled: Login failed',
      'dialog entitled: Login Error',
    ];
    const lines = titles.flatMap((title) => [
      ibc(`detected ${title}; event=Opened`),
      ibc(`detected ${title}; event=Closed`),
    ]);
    assert.deepEqual(parse(...lines), []);
  });

  it('any other dialog is reported when it shows and when it closes', () => {
    const line = (event: string) => ibc(`detected dialog entitled: Login Messages; event=${event}`);
    assert.deepEqual(parse(line('Opened'), line('Lost focus'), line('Deactivated'), line('Closed')), [
      { kind: 'window', type: 'dialog', title: 'Login Messages', event: 'Opened' },
      { kind: 'window', type: 'dialog', title: 'Login Messages', event: 'Closed' },
    ]);
  });

  it('a title may hold the words that end the title', () => {
    assert.deepEqual(parse(ibc('detected dialog entitled: a; event=Closed; b; event=Opened')), [
      { kind: 'window', type: 'dialog', title: 'a; event=Closed; b', event: 'Opened' },
    ]);
  });

  it('the notice of a paper account is no unknown window, the same title in a live session is', () => {
    const warning = ibc('detected dialog entitled: Warning; event=Opened');
    const mode = (name: string) =>
      ibc(`using default trading mode manager: constructor parameter args: tradingMode=${name}`);
    assert.deepEqual(parse(mode('paper'), warning), []);
    assert.deepEqual(kinds(parse(mode('live'), warning)), ['window']);
    assert.deepEqual(kinds(parse(mode('live'), ibc('Setting Trading mode = paper'), warning)), [
      'trading-mode',
    ]);
  });

  it('the labels that IBC logs of a dialog titled Gateway come with the window', () => {
    const opened = ibc('detected dialog entitled: IBKR Gateway; event=Opened');
    assert.deepEqual(parse(opened, ibc('Your password will expire in 5 days')), [
      { kind: 'window', type: 'dialog', title: 'IBKR Gateway', event: 'Opened' },
      { kind: 'dialog-text', text: 'Your password will expire in 5 days' },
    ]);
    assert.deepEqual(kinds(parse(opened, ibc('Getting main window'), ibc('Your password'))), ['window']);
  });

  it('the steps on the splash screen are stated when the title changes, and anew for each attempt', () => {
    const line = (title: string, event: string) => ibc(`detected frame entitled: ${title}; event=${event}`);
    const facts = parse(
      line('Connecting to server...', 'Opened'),
      line('Connecting to server...', 'Activated'),
      line('Attempt 2: Authenticating...', 'Lost focus'),
      line('Attempt 2: Authenticating...', 'Closed'),
      ibc('Login attempt: 2'),
      line('Attempt 2: Authenticating...', 'Opened'),
    );
    assert.deepEqual(facts, [
      { kind: 'login-progress', title: 'Connecting to server...' },
      { kind: 'login-progress', title: 'Attempt 2: Authenticating...' },
      { kind: 'login-attempt', number: 2 },
      { kind: 'login-progress', title: 'Attempt 2: Authenticating...' },
    ]);
  });

  it('a window without a title bar, and a damaged event line, state nothing', () => {
    assert.deepEqual(
      parse(
        ibc('detected window: type=javax.swing.SwingUtilities$SharedOwnerFrame; event=Closed'),
        ibc('detected dialog entitled: Second Factor Authentication'),
        ibc('detected dialog entitled'),
      ),
      [],
    );
  });
});

describe('fences', () => {
  it('a fenced line that states something gives that fact and then the error', () => {
    const text = 'IBC closing after TWS/Gateway failed to display login dialog';
    assert.deepEqual(parse(FENCE, ibc(text), FENCE), [
      { kind: 'login-dialog-timeout' },
      { kind: 'error', text },
    ]);
  });

  it('another thread’s line in a fence is no error, and the error after it still is one', () => {
    const facts = parse(
      FENCE,
      ibc('Login has completed'),
      ibc('could not dismiss non-brokerage account warning dialog.'),
      FENCE,
      ibc('some new line'),
    );
    assert.deepEqual(facts, [
      { kind: 'logged-in' },
      { kind: 'error', text: 'could not dismiss non-brokerage account warning dialog.' },
    ]);
  });

  it('a parser that starts in the middle of a fence finds its way back', () => {
    const facts = parse(
      FENCE,
      ibc('Getting main window'),
      ibc('Main window already found'),
      ibc('Login has completed'),
      ibc('Getting config dialog'),
      ibc('some new line'),
      FENCE,
      ibc('a real error'),
      FENCE,
      ibc('some new line'),
    );
    assert.deepEqual(kinds(facts), ['logged-in', 'config-requested', 'error']);
  });

  it('two fence lines in a row are a new beginning', () => {
    assert.deepEqual(parse(FENCE, FENCE, ibc('an error'), FENCE, ibc('no error')), [
      { kind: 'error', text: 'an error' },
    ]);
  });

  it('a fence that is never closed ends by itself, and the next one is read', () => {
    const trace = Array.from({ length: 2001 }, () => '\tat a.b.c');
    assert.deepEqual(parse(FENCE, ibc('first'), ...trace, FENCE, ibc('second'), FENCE), [
      { kind: 'error', text: 'first' },
      { kind: 'error', text: 'second' },
    ]);
  });

  it('an exception gives the first raw line of its reason, and an empty text when there is none', () => {
    assert.deepEqual(
      parse(FENCE, ibc('An exception has occurred:'), 'java.lang.X: reason', '\tat a.b.c', FENCE),
      [{ kind: 'exception', text: 'java.lang.X: reason' }],
    );
    assert.deepEqual(parse(FENCE, ibc('An exception has occurred:'), FENCE), [
      { kind: 'exception', text: '' },
    ]);
  });

  it('an exception keeps waiting for its reason when another thread writes in between', () => {
    const facts = parse(
      FENCE,
      ibc('An exception has occurred:'),
      ibc('Getting main window'),
      'null source',
      FENCE,
    );
    assert.deepEqual(facts, [{ kind: 'exception', text: 'null source' }]);
  });
});

describe('bad input', () => {
  const LITERALS = [
    '',
    'version: ',
    'CommandServer received command: ',
    "could not find second factor device '",
    'detected dialog entitled: ',
    'detected dialog entitled: x; event=',
    'Auto restart time changed from ',
    "'",
    'End this session (',
    'Too many failed login attempts ',
    'Will re-login at ',
    'using default trading mode manager: ',
    'Setting Trading mode = ',
    'Exiting after error with exit code=',
  ];

  it('a line of 1 MiB costs no time and gives no long text', () => {
    for (const literal of LITERALS) {
      for (const filler of [
        'a',
        ' ',
        '1',
        "'",
        '!',
        '; event=',
        '4 minutes ',
        'tradingMode=',
        '(scenario ',
      ]) {
        const line = ibc(literal + filler.repeat(Math.ceil(2 ** 20 / filler.length)));
        const parser = new IbcLogParser();
        const before = performance.now();
        const facts = [...parser.push(line), ...parser.push(line.slice(29))];
        const took = performance.now() - before;
        assert.ok(took < 1000, `${literal}${filler}…: ${took} ms`);
        assert.ok(JSON.stringify(facts).length < 3000, `${literal}${filler}…`);
      }
    }
  });

  it('control characters, half surrogates and broken text never throw and never hide the next line', () => {
    const dirt = ['\0', '\x1b[2J', '\ud800', '\ufffd', '\u2028', '\r', '\t', '\u202e', '💥'];
    for (const literal of LITERALS) {
      for (const mark of dirt) {
        const parser = new IbcLogParser();
        parser.push(ibc(literal + mark));
        parser.push(literal + mark);
        parser.push(mark + ibc(literal));
        assert.deepEqual(
          kinds(parser.push(ibc('Login has completed'))),
          ['logged-in'],
          JSON.stringify(literal + mark),
        );
      }
    }
    assert.deepEqual(parse(ibc('CommandServer received command: a\u2028b\rc')), [
      { kind: 'command-received', command: 'a\u2028b\rc' },
    ]);
  });

  it('no order of captured lines throws or grows the facts beyond two a line', () => {
    const lines = EXPECTED_RUNS.flatMap((run) => readFixture(run.file).slice(run.from - 1, run.to));
    let seed = 42;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed % below;
    };
    const parser = new IbcLogParser();
    for (let round = 0; round < 50_000; round++) {
      const line = lines[random(lines.length)] ?? '';
      const cut = random(4) === 0 ? line.slice(random(line.length + 1)) : line;
      assert.ok(parser.push(cut).length <= 2);
    }
  });

  it('a parser that starts anywhere in a log gives only facts of the complete list', () => {
    for (const run of EXPECTED_RUNS) {
      const known = new Set(run.facts.map(([line, fact]) => `${line} ${fact.kind}`));
      const from = Math.floor((run.from + run.to * 2) / 3);
      for (const [line, fact] of parseRun({ ...run, from })) {
        if (fact.kind === 'login-progress' || fact.kind === 'second-factor-shown') continue;
        if (fact.kind === 'config-requested' || fact.kind === 'credentials-rejected') continue;
        assert.ok(known.has(`${line} ${fact.kind}`), `${run.file}:${line} ${fact.kind}`);
      }
    }
  });
});
