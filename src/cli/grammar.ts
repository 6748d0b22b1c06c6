// Owns the command line as data: every verb, argument and option. Parser, help, completion and docs/ibctl.md come from it.

import { EXIT, type ExitCode } from '../protocol/errors.ts';

export type ValueKind =
  /** Any text. */
  | 'text'
  | 'path'
  /** `90s`, `5m`; given to the verb in milliseconds. */
  | 'duration'
  /** A duration ago or a time; given to the verb in epoch milliseconds. */
  | 'moment'
  /** An integer from 0. */
  | 'count';

export type OptionSpec = {
  readonly long: string;
  readonly short?: string;
  readonly description: string;
  /** Left out for a flag. `placeholder` is how help shows the value. */
  readonly value?: {
    readonly kind: ValueKind;
    readonly placeholder: string;
    readonly choices?: readonly string[];
    readonly default?: string;
  };
};

export type ArgumentSpec = {
  readonly name: string;
  readonly required: boolean;
  readonly description: string;
  readonly value: 'session' | 'target' | 'path' | 'text' | readonly string[];
};

export type Example = { readonly command: string; readonly does: string };

export type VerbSpec = {
  readonly name: string;
  readonly summary: string;
  /** What help says after the summary; paragraphs. */
  readonly details?: readonly string[];
  readonly arguments: readonly ArgumentSpec[];
  readonly options: readonly OptionSpec[];
  readonly examples: readonly Example[];
  /** What exit codes mean for this verb where it is not the general meaning. */
  readonly exits?: Readonly<Partial<Record<ExitCode | 130, string>>>;
};

/** `byDefault` names the verb that is meant when none of them is. */
export type VerbGroup = VerbSpec & { readonly verbs: readonly VerbSpec[]; readonly byDefault?: string };

export type HelpGroup = { readonly title: string; readonly verbs: readonly (VerbSpec | VerbGroup)[] };

export function isGroup(verb: VerbSpec | VerbGroup): verb is VerbGroup {
  return 'verbs' in verb;
}

/** General meaning of each exit code. 130 and 141 are the shell's numbers for SIGINT and SIGPIPE. */
export const EXIT_MEANINGS: readonly (readonly [number, string])[] = [
  [EXIT.ok, 'done'],
  [EXIT.failed, 'failed'],
  [EXIT.usage, 'wrong command line, or no session of that name'],
  [EXIT.unreachable, 'the agent cannot be reached'],
  [EXIT.notAllowed, 'not allowed for this user'],
  [EXIT.timedOut, 'timed out'],
  [EXIT.operatorNeeded, 'an operator is needed: second factor pending, or halted'],
  [EXIT.degraded, 'degraded (status --check)'],
  [130, 'interrupted by Ctrl-C'],
  [141, 'the reader of the output went away'],
];

export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  { long: '--json', description: 'print JSON on stdout; errors too, as {"error": {code, message, hint}}' },
  {
    long: '--socket',
    description: 'control socket of the agent (default: $IBCTL_SOCKET, else /run/ib-agent/control.sock)',
    value: { kind: 'path', placeholder: 'PATH' },
  },
  {
    long: '--config',
    description: 'configuration file: read by `config`; other verbs find the control socket through it',
    value: { kind: 'path', placeholder: 'FILE' },
  },
  {
    long: '--no-color',
    description: 'no colours; also with $NO_COLOR, TERM=dumb, or when the output is no terminal',
  },
];

const SESSION: ArgumentSpec = {
  name: 'NAME',
  required: false,
  description: 'session; may be left out when there is one',
  value: 'session',
};

const ONE_OR_ALL: ArgumentSpec = { ...SESSION, description: 'session; all when left out' };

const TIMEOUT: OptionSpec = {
  long: '--timeout',
  description:
    'stop waiting after this long, exit code 5 (6 while a second factor is pending); what was started goes on',
  value: { kind: 'duration', placeholder: 'DURATION' },
};

const QUIET: OptionSpec = { long: '--quiet', short: '-q', description: 'no progress, only errors' };

const ORDER_OPTIONS: readonly OptionSpec[] = [
  { long: '--no-wait', description: 'return as soon as the agent has accepted the order' },
  TIMEOUT,
  QUIET,
];

const DEVICE: OptionSpec = {
  long: '--device',
  description:
    'second-factor device of this login, as the list has it, instead of the configured one; while the list is open: choose it there, without another login',
  value: { kind: 'text', placeholder: 'DEVICE' },
};

const ORDER_DETAILS = [
  'One line for each state, with the time since the command started; while a second factor is pending or a restart is coming, the time left.',
  'Ctrl-C stops watching, not the session. With --json: one object a line, {"progress": {...}}, at the end {"outcome": {...}}.',
];

const UP_EXITS = {
  [EXIT.ok]: 'the session is ready (with --no-wait: the order is accepted)',
  [EXIT.failed]:
    'the session went down or backs off; 6 when it does so because nobody answered the second factor',
} as const;

/** Examples of `ibctl --help`. */
export const MAIN_EXAMPLES: readonly Example[] = [
  { command: 'ibctl status', does: 'how the sessions are, and what they need' },
  { command: 'ibctl login live', does: 'log in and follow it; have the phone at hand' },
  { command: 'ibctl events -f', does: 'what happens, as it happens' },
];

export const GRAMMAR: readonly HelpGroup[] = [
  {
    title: 'See',
    verbs: [
      {
        name: 'status',
        summary: 'show the agent and its sessions',
        details: [
          'A line for each session, then what is wrong with it and what to do. Wider terminals show more columns.',
          'With --check the exit code says the worst of the sessions; one that is stopped on purpose does not count unless it is named.',
        ],
        arguments: [ONE_OR_ALL],
        options: [
          {
            long: '--watch',
            short: '-w',
            description: 'keep showing it; without a terminal, again at each change',
          },
          { long: '--check', description: 'say by the exit code whether all is well' },
          { long: '--show-accounts', description: 'account ids in full (operators only)' },
        ],
        examples: [
          { command: 'ibctl status', does: 'all sessions' },
          { command: 'ibctl status --watch live', does: 'follow one session' },
          { command: "ibctl status --json | jq '.sessions[] | {name, state}'", does: 'for programs' },
          { command: 'ibctl status --check >/dev/null || alert', does: 'for monitoring' },
        ],
        exits: {
          [EXIT.ok]: 'shown; with --check: every session that counts is ready',
          [EXIT.failed]: 'failed; with --check: a session is down or on its way, or none is ready',
          [EXIT.degraded]: 'with --check: a session is degraded',
        },
      },
      {
        name: 'plan',
        summary: 'what happens next, whether it needs a second factor, and what is left of the login budgets',
        details: [
          'For each session what comes by itself: the next try, the daily restart, the end of its restart token. Then for each IBKR user what was spent of each budget, and when it frees.',
        ],
        arguments: [ONE_OR_ALL],
        options: [],
        examples: [
          { command: 'ibctl plan', does: 'will the phone be needed tonight?' },
          { command: "ibctl plan --json live | jq '.users[].budgets'", does: 'for programs' },
        ],
      },
      {
        name: 'events',
        summary: 'what happened: state changes, logins, second factors, faults',
        details: [
          'Times are local; in JSON they are ISO 8601 UTC. With -f it survives a restart of the agent.',
        ],
        arguments: [ONE_OR_ALL],
        options: [
          { long: '--follow', short: '-f', description: 'go on with new events as they come' },
          {
            long: '--since',
            description: 'only what happened since then: 10m, 2h, or a time such as 2026-11-23T09:00',
            value: { kind: 'moment', placeholder: 'WHEN' },
          },
          {
            long: '--lines',
            short: '-n',
            description: 'at most this many of the past',
            value: { kind: 'count', placeholder: 'N', default: '1000' },
          },
        ],
        examples: [
          { command: 'ibctl events --since 2h live', does: 'the last two hours of one session' },
          {
            command: 'ibctl events -f --json | while read -r event; do ...; done',
            does: 'one JSON object a line',
          },
        ],
      },
      {
        name: 'logs',
        summary: 'output of the gateway, of IBC and of the display',
        arguments: [SESSION],
        options: [
          { long: '--follow', short: '-f', description: 'go on with new lines as they come' },
          {
            long: '--lines',
            short: '-n',
            description: 'how many lines of the past',
            value: { kind: 'count', placeholder: 'N', default: '200' },
          },
          { long: '--show-accounts', description: 'account ids in full (operators only)' },
        ],
        examples: [
          { command: 'ibctl logs -n 50 live', does: 'the last 50 lines' },
          { command: 'ibctl logs -f', does: 'follow the only session' },
        ],
      },
      {
        name: 'wait',
        summary: 'wait until a session is in a state',
        arguments: [SESSION],
        options: [
          {
            long: '--for',
            description: 'what to wait for',
            value: {
              kind: 'text',
              placeholder: 'STATE',
              choices: ['ready', 'stopped', 'halted', 'second-factor'],
              default: 'ready',
            },
          },
          TIMEOUT,
          QUIET,
        ],
        examples: [
          { command: 'ibctl wait -q live && start-bot', does: 'start something once the session is ready' },
          { command: 'ibctl wait --for=second-factor --timeout=2m live', does: 'until a phone is needed' },
        ],
        exits: {
          [EXIT.ok]: 'the state is reached',
          [EXIT.failed]: 'the session went another way and will not reach it by itself',
        },
      },
    ],
  },
  {
    title: 'Act',
    verbs: [
      {
        name: 'windows',
        summary: "the gateway's windows, and answering them",
        arguments: [],
        options: [],
        examples: [],
        byDefault: 'list',
        verbs: [
          {
            name: 'list',
            summary: 'show the windows of a gateway: what they say, and the buttons to choose from',
            details: [
              'The word list may be left out. What is typed into fields is never shown, and account ids are masked.',
            ],
            arguments: [SESSION],
            options: [],
            examples: [
              { command: 'ibctl windows live', does: 'what shows now' },
              { command: "ibctl windows --json | jq '.windows[].title'", does: 'for programs' },
            ],
          },
          {
            name: 'click',
            summary: 'press a button in a window',
            details: [
              'WINDOW is the id and BUTTON the whole text as `ibctl windows` shows them. A window that shows something else by then is left alone.',
            ],
            arguments: [
              { ...SESSION, required: true, description: 'session' },
              { name: 'WINDOW', required: true, description: 'id of the window, such as w7', value: 'text' },
              { name: 'BUTTON', required: true, description: 'text of the button', value: 'text' },
            ],
            options: [],
            examples: [{ command: "ibctl windows click live w7 'I agree'", does: 'answer a dialog' }],
            exits: { [EXIT.failed]: 'nothing was pressed: the window or the button is not there' },
          },
        ],
      },
      {
        name: 'second-factor',
        summary: 'the notification of a pending second factor, and the token of a paired phone',
        arguments: [],
        options: [],
        examples: [],
        verbs: [
          {
            name: 'resend',
            summary: 'have the pending notification of IBKR Mobile sent again',
            details: [
              "Presses the button of the gateway's window that does so. It is a second factor like any other: it counts against the budgets of second factors, and is refused with login-deferred when one is used up. At least 30 seconds lie between two notifications, and one second factor has three at most.",
            ],
            arguments: [SESSION],
            options: [],
            examples: [
              { command: 'ibctl second-factor resend live', does: 'when none arrived on the phone' },
            ],
            exits: {
              [EXIT.failed]:
                'not sent, or not known to be: no notification is pending, its window is not seen, or too soon',
              [EXIT.operatorNeeded]: 'the budget of second factors is used up',
            },
          },
          {
            name: 'show',
            summary: 'the second-factor token that a gateway keeps in its jts.ini; for root, needs no agent',
            details: [
              'A gateway writes it once the phone was paired with it. With it in the configuration (jts.secondFactor) another host counts as the same paired device. It is shown in part only, unless --reveal: treat it like a password.',
            ],
            arguments: [ONE_OR_ALL],
            options: [{ long: '--reveal', description: 'show the token in full, ready to be copied' }],
            examples: [
              { command: 'sudo ibctl second-factor show live', does: 'is there one, and since when?' },
              {
                command: 'sudo ibctl second-factor show --reveal live',
                does: 'the line for the configuration',
              },
            ],
          },
        ],
      },
      {
        name: 'screenshot',
        summary: "save a picture of the gateway's windows",
        details: [
          'A PNG with every window where it stands, or of one. Passwords and codes are painted over; account ids are not, so this is for operators only. The file is readable by its owner only.',
        ],
        arguments: [SESSION],
        options: [
          {
            long: '--output',
            short: '-o',
            description: 'file, or - for stdout (default: NAME-TIME.png here)',
            value: { kind: 'path', placeholder: 'FILE' },
          },
          {
            long: '--window',
            description: 'only this one, by the id that `ibctl windows` shows',
            value: { kind: 'text', placeholder: 'ID' },
          },
        ],
        examples: [
          { command: 'ibctl screenshot live', does: 'live-20261123-090112.png' },
          { command: 'ibctl screenshot -o - --window w7 | display', does: 'one window, to another program' },
        ],
      },
      {
        name: 'login',
        summary: 'log a session in and follow it until it is ready or a person is needed',
        details: [
          'When the login budget of the IBKR user is used up, or another session of the same user may be waiting for its second factor, the login is refused with the reason and the time (login-deferred). `ibctl plan` shows both.',
          ...ORDER_DETAILS,
        ],
        arguments: [SESSION],
        options: [
          {
            long: '--override',
            description:
              'let one login through although the login budget is used up; asks for the name of the session. Never against a lock-out by IBKR, nor while a second factor is outstanding',
          },
          { long: '--yes', description: 'with --override: do not ask' },
          DEVICE,
          ...ORDER_OPTIONS,
        ],
        examples: [
          { command: 'ibctl login live', does: 'log in; have the phone at hand' },
          {
            command: "ibctl login live --device 'IB Key'",
            does: 'with this device, or choose it at the open list',
          },
          { command: 'ibctl login --override live', does: 'once more, although the budget is used up' },
          { command: 'ibctl login --timeout 5m --json live', does: 'for programs' },
        ],
        exits: UP_EXITS,
      },
      {
        name: 'code',
        summary: 'hand in the one-time code, or the answer to a challenge, that a login waits for',
        details: [
          'Asks for it without showing it, types it into the window of the gateway, and tells what IBKR says to it. A code has six digits; blanks and dashes in it do not count. It is never part of a command line, a log or an event.',
          'At most three codes are taken for one second factor, since IBKR locks out who hands in wrong ones. Codes of a stored TOTP seed are typed by the agent itself: secondFactor.method totp.',
        ],
        arguments: [SESSION],
        options: [
          {
            long: '--stdin',
            description: 'read the code from standard input, as one line, instead of asking',
          },
        ],
        examples: [
          { command: 'ibctl code live', does: 'ask for the code and hand it in' },
          { command: 'my-sms-reader | ibctl code --stdin live', does: 'for programs' },
        ],
        exits: {
          [EXIT.failed]: 'IBKR did not take it, or nothing was typed',
          [EXIT.timedOut]: 'it was handed in, and IBKR has said nothing to it',
          [EXIT.operatorNeeded]: 'too many codes were handed in for this second factor',
        },
      },
      {
        name: 'start',
        summary: 'want a session up, also after a restart of the agent',
        details: ORDER_DETAILS,
        arguments: [SESSION],
        options: [DEVICE, ...ORDER_OPTIONS],
        examples: [{ command: 'ibctl start paper', does: 'bring it up and follow it' }],
        exits: UP_EXITS,
      },
      {
        name: 'stop',
        summary: 'close a session tidily and want it down',
        details: [
          'The gateway is asked to close, so that IBKR frees the session at once; it stays down until `ibctl start` or `ibctl login`.',
          ...ORDER_DETAILS,
        ],
        arguments: [SESSION],
        options: ORDER_OPTIONS,
        examples: [{ command: 'ibctl stop live', does: 'close it' }],
        exits: { [EXIT.ok]: 'the session is stopped (with --no-wait: the order is accepted)' },
      },
      {
        name: 'restart',
        summary: 'restart the gateway, without a second factor unless --cold',
        details: [
          'A warm restart takes up the login of the running gateway: no password, no second factor.',
          'A cold one is a full login and normally asks for a second factor.',
          ...ORDER_DETAILS,
        ],
        arguments: [SESSION],
        options: [
          { long: '--cold', description: 'end the login and log in anew' },
          {
            ...DEVICE,
            description: 'with --cold: second-factor device of that login instead of the configured one',
          },
          ...ORDER_OPTIONS,
        ],
        examples: [
          { command: 'ibctl restart live', does: 'a fresh gateway, no phone needed' },
          { command: 'ibctl restart --cold live', does: 'a fresh login' },
        ],
        exits: UP_EXITS,
      },
    ],
  },
  {
    title: 'Set up',
    verbs: [
      {
        name: 'config',
        summary: 'check and show the configuration; needs no agent',
        arguments: [],
        options: [],
        examples: [],
        verbs: [
          {
            name: 'check',
            summary: 'check a configuration file and name every error with its line',
            arguments: [
              {
                name: 'FILE',
                required: false,
                description: 'default: --config, else /etc/ib-agent/ib-agent.yaml',
                value: 'path',
              },
            ],
            options: [],
            examples: [
              {
                command: 'ibctl config check new.yaml && mv new.yaml /etc/ib-agent/ib-agent.yaml',
                does: 'check, then use',
              },
            ],
            exits: { [EXIT.ok]: 'no errors', [EXIT.failed]: 'errors, or the file cannot be read' },
          },
          {
            name: 'show',
            summary: 'show the configuration as it is understood, defaults filled in',
            arguments: [
              {
                name: 'FILE',
                required: false,
                description: 'default: --config, else /etc/ib-agent/ib-agent.yaml',
                value: 'path',
              },
            ],
            options: [],
            examples: [{ command: 'ibctl config show --json | jq .sessions', does: 'for programs' }],
          },
          {
            name: 'schema',
            summary: 'print the JSON Schema of the configuration, for editors',
            arguments: [],
            options: [],
            examples: [
              { command: 'ibctl config schema > ib-agent.schema.json', does: 'give it to an editor' },
            ],
          },
        ],
      },
      {
        name: 'notify',
        summary: 'the targets that are told when something happens: see and test them',
        arguments: [],
        options: [],
        examples: [],
        verbs: [
          {
            name: 'list',
            summary: 'show the targets of notifications, their secrets, and what was sent last',
            arguments: [],
            options: [],
            examples: [{ command: 'ibctl notify list', does: 'who is told of what, and whether that works' }],
          },
          {
            name: 'test',
            summary: 'send a sample to the targets of notifications now, and say what became of it',
            details: [
              'It is sent once, whatever events, sessions and debounce say, and is marked as a test. In JSON for programs `test` is true.',
            ],
            arguments: [
              { name: 'TARGET', required: false, description: 'target; all when left out', value: 'target' },
            ],
            options: [
              {
                long: '--event',
                description: 'which event the sample is of; docs/events.md lists them',
                value: { kind: 'text', placeholder: 'NAME', default: 'second-factor-pending' },
              },
            ],
            examples: [
              { command: 'ibctl notify test', does: 'does every target work?' },
              {
                command: 'ibctl notify test phone --event session-halted',
                does: 'how a halt looks on the phone',
              },
            ],
            exits: { [EXIT.ok]: 'sent to every target', [EXIT.failed]: 'not sent to one of them or more' },
          },
        ],
      },
      {
        name: 'doctor',
        summary: 'look for everything that keeps a session from coming up, and say what to do',
        details: [
          'Looks at systemd, users, units, the agent, the configuration, and for each session at credentials, gateway, Java, port and settings. Some of it only root can see.',
          "It changes nothing and reads no secret. Of the network it opens and closes connections to IBKR's servers, unless --offline. It ends within about 15 seconds.",
          'With --json: an array of {id, subject, group, result, evidence, remedy, command}; result is ok, warning, failed or skipped.',
        ],
        arguments: [ONE_OR_ALL],
        options: [{ long: '--offline', description: 'leave out the checks that use the network' }],
        examples: [
          { command: 'sudo ibctl doctor', does: 'everything' },
          { command: 'ibctl doctor --offline live', does: 'one session, without the network' },
          {
            command: 'ibctl doctor --json | jq \'.[] | select(.result == "failed")\'',
            does: 'for programs',
          },
        ],
        exits: { [EXIT.ok]: 'nothing failed; there may be warnings', [EXIT.failed]: 'something failed' },
      },
      {
        name: 'credentials',
        summary:
          'set, list and remove the credentials that systemd hands to the gateways; for root, needs no agent',
        arguments: [],
        options: [],
        examples: [],
        verbs: [
          {
            name: 'set',
            summary: 'ask for user name and password of a session and seal them',
            details: [
              'Only this machine can open what is sealed: with its own key and, where there is one, its TPM. It lies in /etc/credstore.encrypted and is given to the unit of that session alone. The next login takes it; no unit is edited or restarted.',
              'On a terminal it asks, and shows nothing of a password or seed; Ctrl-C changes nothing. Both are sealed, or neither.',
            ],
            arguments: [SESSION],
            options: [
              {
                long: '--stdin',
                description: 'do not ask: read user name and password from stdin, on a line each',
              },
              {
                long: '--only',
                description:
                  'set this one alone; seed is the TOTP seed that ib-code makes one-time codes from, as base32 or otpauth:// address',
                value: {
                  kind: 'text',
                  placeholder: 'WHICH',
                  choices: ['username', 'password', 'seed', 'totp-seed'],
                },
              },
              {
                long: '--key',
                description: 'what to seal with; auto takes the TPM where there is one',
                value: {
                  kind: 'text',
                  placeholder: 'KEY',
                  choices: ['auto', 'host', 'host+tpm2'],
                  default: 'auto',
                },
              },
              {
                long: '--pcrs',
                description:
                  'bind to these registers of the TPM too, such as 7; after a change of firmware or boot loader the gateway cannot log in until they are set again',
                value: { kind: 'text', placeholder: 'N+N' },
              },
              { long: '--force', description: 'also for a session that is not configured (yet)' },
            ],
            examples: [
              { command: 'sudo ibctl credentials set live', does: 'ask, and seal' },
              { command: 'sudo ibctl credentials set --only seed live', does: 'the seed of one-time codes' },
              {
                command: 'printf \'%s\\n\' "$user" "$password" | sudo ibctl credentials set --stdin live',
                does: 'for scripts',
              },
            ],
          },
          {
            name: 'list',
            summary:
              'which credentials are set, since when, and whether they can be opened; never their values',
            arguments: [],
            options: [],
            examples: [{ command: 'sudo ibctl credentials list', does: 'also those of no session' }],
          },
          {
            name: 'remove',
            summary: 'remove the credentials of a session',
            arguments: [
              { name: 'NAME', required: true, description: 'session, configured or not', value: 'session' },
            ],
            options: [
              {
                long: '--only',
                description: 'remove this one alone',
                value: {
                  kind: 'text',
                  placeholder: 'WHICH',
                  choices: ['username', 'password', 'seed', 'totp-seed'],
                },
              },
            ],
            examples: [{ command: 'sudo ibctl credentials remove old', does: 'all three' }],
          },
        ],
      },
      {
        name: 'completion',
        summary: 'print the completion script of a shell',
        arguments: [
          { name: 'SHELL', required: true, description: 'the shell', value: ['bash', 'zsh', 'fish'] },
        ],
        options: [],
        examples: [
          { command: 'source <(ibctl completion bash)', does: 'for this shell' },
          { command: 'ibctl completion fish > ~/.config/fish/completions/ibctl.fish', does: 'for good' },
        ],
      },
    ],
  },
];

/** Every verb with its full name (`config check`), in the order of help. */
export function allVerbs(): readonly { readonly path: readonly string[]; readonly verb: VerbSpec }[] {
  return GRAMMAR.flatMap((group) =>
    group.verbs.flatMap((verb) =>
      isGroup(verb)
        ? verb.verbs.map((inner) => ({ path: [verb.name, inner.name], verb: inner }))
        : [{ path: [verb.name], verb }],
    ),
  );
}

/** `-f, --follow` or `--timeout <DURATION>`. */
export function optionFlags(option: OptionSpec): string {
  const value = option.value === undefined ? '' : ` <${option.value.placeholder}>`;
  return `${option.short === undefined ? '' : `${option.short}, `}${option.long}${value}`;
}

/** `ibctl login [options] [NAME]`. */
export function usageLine(path: readonly string[], verb: VerbSpec): string {
  const names = verb.arguments.map((argument) => (argument.required ? argument.name : `[${argument.name}]`));
  return ['ibctl', ...path, '[options]', ...names].join(' ');
}
