// Owns the one schema of the configuration file: keys, types, bounds, defaults, and the text that explains each.

import * as z from 'zod';
import { SESSION_NAME_PATTERN, SESSION_NAME_RULE } from '../protocol/session-name.ts';
import { IBC_SETTINGS, type IbcSetting, TIME_OF_DAY_PATTERN } from './ibc-settings.ts';
import { initialHeapBytes, jvmOptionName, refuseJvmOption } from './jvm-options.ts';
import { isClockAddress } from './notify-address.ts';
import { notifyTargetSchema, TARGET_NAME_PATTERN, TARGET_NAME_RULE } from './notify-schema.ts';
import { DEFAULT_ROOTS } from './paths.ts';
import {
  absolutePath,
  CONTROL,
  documented,
  duration,
  integer,
  programWithArguments,
  refuse,
  text,
  yesNo,
} from './schema-parts.ts';

// java takes the class path as one text with colons between.
const programDirectory = (what: string) => absolutePath(what, /:/, 'a colon');
// IBC's own scripts and IB's restarter find the autorestart file only in a path without blanks.
const plainDirectory = (what: string) => absolutePath(what, /\s/, 'blanks');

const agentSchema = documented(
  z
    .strictObject(
      {
        runtimeRoot: documented(plainDirectory('a directory').prefault(DEFAULT_ROOTS.runtimeRoot), {
          description:
            'Root of the runtime directories: ib-agent (control socket), ib-session/NAME, ib-display/NAME, ib-code/NAME and ib-clock/NAME are below it. Under systemd it is /run.',
          examples: ['/run'],
          restart: 'agent',
        }),
        stateRoot: documented(plainDirectory('a directory').prefault(DEFAULT_ROOTS.stateRoot), {
          description:
            'Root of the state directories: ib-agent (ledger of logins), ib-session/NAME (settings of the gateway), ib-code/NAME and ib-clock/NAME are below it. Under systemd it is /var/lib.',
          examples: ['/var/lib'],
          restart: 'agent',
        }),
        logLevel: documented(
          z
            .enum(['error', 'warning', 'notice', 'info', 'debug'], {
              error: 'one of error, warning, notice, info, debug',
            })
            .prefault('info'),
          { description: 'The least important records that are still written.', restart: 'agent' },
        ),
        notifySecrets: documented(absolutePath('a directory').optional(), {
          description:
            'Directory with the secrets of notifications, one file each under the name that notify gives it, mode 0400, owned by the user the agent runs as or by root. Left out: credentials/notify beside this file. What systemd hands over in $CREDENTIALS_DIRECTORY as ib-notify.NAME or NAME wins.',
          examples: ['/etc/ib-agent/credentials/notify'],
          restart: 'agent',
        }),
      },
      { error: 'a map of settings' },
    )
    .prefault({}),
  { description: 'Settings of the agent itself.', restart: 'agent' },
);

const COMPARE_WITH = 'an address that begins with https://, or null';

const clockSchema = documented(
  z
    .strictObject(
      {
        compareWith: documented(
          z
            .string({ error: COMPARE_WITH })
            .max(1024, { error: COMPARE_WITH })
            .refine((value) => isClockAddress(value), { error: COMPARE_WITH })
            .nullable()
            .prefault('https://www.interactivebrokers.com/'),
          {
            description:
              "Web server whose time the clock of this host is compared with, when one-time codes are rejected: one HEAD request, whose answer's Date is read. null: no server is asked.",
            restart: 'session',
          },
        ),
      },
      { error: 'a map of settings' },
    )
    .prefault({}),
  { description: 'The clock of this host, which one-time codes are made by.', restart: 'session' },
);

const installSchema = documented(
  z.strictObject(
    {
      ibcDir: documented(programDirectory('the directory that holds IBC.jar').prefault('/opt/ibc'), {
        description: 'Directory that holds IBC.jar.',
        examples: ['/opt/ibc'],
        restart: 'session',
      }),
      gatewayDir: documented(
        programDirectory('the directory that IB Gateway is installed below').prefault('/opt/ibgateway'),
        {
          description:
            "Directory that IB Gateway's versions are installed below (IB's tws-path): the program is ibgateway/VERSION in it, or VERSION.",
          examples: ['/opt/ibgateway'],
          restart: 'session',
        },
      ),
      gatewayVersion: documented(
        text('the name of the version directory, in quotes')
          .regex(/^[^/:]+$/, {
            error: 'the name of the version directory, in quotes, without slash and colon',
          })
          .refine((value) => value !== '.' && value !== '..', {
            error: 'the name of the version directory, in quotes',
          }),
        {
          description:
            'Version of IB Gateway: the name of its directory. In quotes, because 10.30 without them is the number 10.3.',
          examples: ['10.37'],
          restart: 'session',
        },
      ),
      java: documented(
        absolutePath('the java executable (…/bin/java) or of the directory above its bin').optional(),
        {
          description:
            'Java 17 or later: path of …/bin/java, or of the directory above bin. Left out, the JRE that came with IB Gateway is used.',
          examples: ['/usr/lib/jvm/java-17-openjdk-amd64'],
          restart: 'session',
        },
      ),
    },
    { error: 'a map of settings' },
  ),
  { description: 'Where IBC, IB Gateway and java are.', restart: 'session' },
);

const apiSchema = documented(
  z.strictObject(
    {
      port: documented(integer(1024, 65535), {
        description:
          'Port of the TWS API on 127.0.0.1; one session each. It is set in the gateway at every login.',
        examples: [4001, 4002],
        restart: 'agent',
      }),
      clientId: documented(integer(1, 2_147_483_647).prefault(9999), {
        description:
          "API client id that ib-agent's own health checks use. Reserved: a trading program that connects with it is refused.",
        restart: 'agent',
      }),
    },
    { error: 'a map of settings' },
  ),
  { description: 'The API that trading programs connect to.', restart: 'agent' },
);

const timeZoneSchema = z.string({ error: 'a time zone such as Europe/Zurich' }).refine(isTimeZone, {
  error: 'a time zone such as Europe/Zurich, America/New_York or UTC (upper and lower case matter)',
});

/** IANA names only: the JVM takes the name from TZ, where an offset has the opposite sign and case matters. */
function isTimeZone(name: string): boolean {
  // The default must not cost every launch the loading of the time zone data.
  if (name === 'UTC') return true;
  if (!/^[A-Z][A-Za-z0-9_+-]*(\/[A-Z][A-Za-z0-9_+-]*)*$/.test(name)) return false;
  try {
    const { timeZone } = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions();
    return timeZone === name || timeZone.toLowerCase() !== name.toLowerCase();
  } catch {
    return false;
  }
}

const SIZE_PHRASE = 'a size such as 1024x768, from 640x480 to 7680x4320';
const displaySchema = documented(
  z
    .strictObject(
      {
        size: documented(
          z
            .string({ error: SIZE_PHRASE })
            .regex(/^\d{3,4}x\d{3,4}$/, { error: SIZE_PHRASE, abort: true })
            .transform((value) => {
              const [width = 0, height = 0] = value.split('x').map(Number);
              return { width, height };
            })
            .refine(({ width, height }) => width >= 640 && width <= 7680 && height >= 480 && height <= 4320, {
              error: SIZE_PHRASE,
            })
            .prefault('1024x768'),
          { description: 'Width and height in pixels.', examples: ['1280x1024'], restart: 'session' },
        ),
        depth: documented(z.literal([16, 24], { error: '16 or 24' }).prefault(24), {
          description: 'Bits per pixel, 16 or 24.',
          restart: 'session',
        }),
      },
      { error: 'a map of settings' },
    )
    .prefault({}),
  { description: 'The virtual screen that the gateway draws on.', restart: 'session' },
);

const HEAP_PHRASE = 'a size such as 768m or 2g, from 256m to 64g';
const jvmSchema = documented(
  z
    .strictObject(
      {
        heap: documented(
          z
            .string({ error: HEAP_PHRASE })
            .regex(/^\d{1,6}[mg]$/i, { error: HEAP_PHRASE, abort: true })
            .transform((value) => Number(value.slice(0, -1)) * (/g$/i.test(value) ? 1024 : 1))
            .refine((mib) => mib >= 256 && mib <= 65_536, { error: HEAP_PHRASE })
            .prefault('768m'),
          {
            description: 'Largest size of the Java heap.',
            examples: ['1g'],
            restart: 'session',
          },
        ),
        options: documented(
          z
            .array(
              text('an option of java that starts with -').regex(/^-./, {
                error: 'an option of java that starts with -',
              }),
              {
                error: 'a list of options',
              },
            )
            .superRefine((options, context) => {
              for (const [index, option] of options.entries()) {
                const reason = refuseJvmOption(option);
                if (reason !== null)
                  refuse(context, [index], `${jvmOptionName(option)} is refused: ${reason}`);
              }
            })
            .prefault([]),
          {
            description:
              "More options for java, each one argument. They come after those of the gateway's own ibgateway.vmoptions. No secrets: IBC writes every option to its log.",
            examples: [['-XX:+UseG1GC', '-Dsun.java2d.noddraw=true']],
            restart: 'session',
          },
        ),
      },
      { error: 'a map of settings' },
    )
    .superRefine((jvm, context) => {
      for (const [index, option] of jvm.options.entries()) {
        const bytes = initialHeapBytes(option);
        if (bytes === null || bytes <= jvm.heap * 2 ** 20) continue;
        refuse(context, ['options', index], `${option} is more than jvm.heap: java would not start`);
      }
    })
    .prefault({}),
  { description: 'The Java virtual machine that the gateway runs in.', restart: 'session' },
);

function ibcValue(setting: IbcSetting) {
  const rule = setting.value;
  switch (rule.kind) {
    case 'yes-no': {
      const error = 'yes or no';
      const word = z.string({ error }).regex(/^(yes|no|true|false)$/i, { error });
      return z
        .union([z.boolean(), word], { error })
        .transform((value) => (/^(yes|true)$/i.test(String(value)) ? 'yes' : 'no'));
    }
    case 'choice':
      return z.enum([...rule.values], { error: `one of ${rule.values.join(', ')}` });
    case 'integer':
      return integer(rule.min, rule.max).transform(String);
    case 'time-of-day': {
      const error = 'a time of day such as "11:45 PM", in quotes: two-digit hour of twelve, AM or PM';
      return z.string({ error }).regex(TIME_OF_DAY_PATTERN, { error });
    }
    case 'text':
      return z.string({ error: rule.expected }).regex(rule.pattern, { error: rule.expected });
  }
}

const ibcShape: Record<string, z.ZodType<string | undefined>> = Object.fromEntries(
  IBC_SETTINGS.map((setting) => [
    setting.name,
    documented(ibcValue(setting).optional(), {
      description: `${setting.description}${setting.twsOnly === true ? ' Acts on TWS only.' : ''}`,
      restart: 'session',
    }),
  ]),
);

const ibcSchema = documented(
  z
    .strictObject(ibcShape, { error: 'a map of IBC settings' })
    .superRefine((settings, context) => {
      if (settings['AutoRestartTime'] === undefined || settings['AutoLogoffTime'] === undefined) return;
      refuse(
        context,
        ['AutoLogoffTime'],
        'IBC ignores it because AutoRestartTime is set; remove one of the two',
      );
    })
    .prefault({}),
  {
    description:
      'Settings of IBC, by the names of its config.ini. Only what is named here is passed on; the rest has defaults. Those with a key of their own in this file are refused.',
    examples: [{ ReadOnlyApi: 'yes', AutoRestartTime: '11:45 PM', ExistingSessionDetectedAction: 'primary' }],
    restart: 'session',
  },
);

/** Lines of jts.ini that are not the user's, by section and key; the value says whose they are. */
const RESERVED_JTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Logon: {
    tradingMode: 'the trading mode has its own key, mode',
    TimeZone: 'it has its own key, jts.timeZone',
    Locale: 'IBC sets it at every start',
    displayedproxymsg: 'IBC sets it at every start',
    UseSSL: 'IBC sets it at every start',
    UserNameToDirectory: 'the gateway keeps it: it leads to the directory of the autorestart file',
  },
  IBGateway: {
    ApiOnly: 'IBC sets it at every start',
    TrustedIPs: 'IBC sets it at every start from ibc.TrustedTwsApiClientIPs',
  },
  Communication: {
    Region: 'it has its own key, jts.region',
    Peer: 'it has its own key, jts.peer',
    '2ndFactor': 'it has its own key, jts.secondFactor',
  },
};

const TOKEN_PHRASE = 'the text after 2ndFactor= in jts.ini: letters, digits and . , ; - _';
const SECTION_PHRASE = 'the name of a section: letters, digits, blanks, - and _';
const JTS_KEY_PHRASE = 'the name of a setting: letters, digits, blanks, - _ and .';
const JTS_VALUE_PHRASE = 'a text on one line, in quotes';
const jtsSchema = documented(
  z
    .strictObject(
      {
        region: documented(
          z
            .string({ error: 'the letters of a region such as us' })
            .regex(/^[A-Za-z]{1,8}$/, { error: 'the letters of a region such as us' })
            .optional(),
          {
            description: "Region of IBKR's servers: [Communication] Region.",
            examples: ['us'],
            restart: 'session',
          },
        ),
        peer: documented(
          z
            .string({ error: 'a host name and port such as cdc1.ibllc.com:4000' })
            .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?$/, {
              error: 'a host name, with or without port, such as cdc1.ibllc.com:4000',
            })
            .optional(),
          {
            description: "Host of IBKR's servers, with or without port: [Communication] Peer.",
            examples: ['cdc1.ibllc.com:4000'],
            restart: 'session',
          },
        ),
        timeZone: documented(timeZoneSchema.optional(), {
          description: 'Time zone that the gateway shows its times in: [Logon] TimeZone.',
          examples: ['America/New_York'],
          restart: 'session',
        }),
        secondFactor: documented(
          z
            .string({ error: TOKEN_PHRASE })
            .regex(/^[A-Za-z0-9._,;-]{1,256}$/, { error: TOKEN_PHRASE })
            .optional(),
          {
            description:
              'Second-factor token that a gateway wrote after the phone was paired with it, as `ibctl second-factor show --reveal` prints it: [Communication] 2ndFactor. Written where there is none and when it is new here; one that the gateway writes later stays.',
            examples: ['abcdefghijklmnopqrstuvwxyz,5.2a;'],
            restart: 'session',
          },
        ),
        sections: documented(
          z
            .record(
              z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 _-]{0,63}$/, { error: SECTION_PHRASE }),
              z.record(
                z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/, { error: JTS_KEY_PHRASE }),
                z
                  .string({ error: JTS_VALUE_PHRASE })
                  .max(1024, { error: JTS_VALUE_PHRASE })
                  .refine((value) => !CONTROL.test(value), { error: JTS_VALUE_PHRASE }),
                { error: 'a map of settings' },
              ),
              { error: 'a map of sections' },
            )
            .superRefine((sections, context) => {
              for (const [section, settings] of Object.entries(sections)) {
                for (const key of Object.keys(settings)) {
                  const reason = reservedJts(section, key);
                  if (reason !== undefined) refuse(context, [section, key], `refused: ${reason}`);
                }
              }
            })
            .prefault({}),
          {
            description: 'Any other line of jts.ini, by section and key; values are texts in quotes.',
            examples: [{ Logon: { s3store: 'true' } }],
            restart: 'session',
          },
        ),
      },
      { error: 'a map of settings' },
    )
    .prefault({}),
  {
    description:
      "Lines of the gateway's jts.ini. Only what is named here is written; everything else in the file stays as the gateway left it.",
    restart: 'session',
  },
);

function reservedJts(section: string, key: string): string | undefined {
  const find = <T>(table: Readonly<Record<string, T>>, name: string) =>
    Object.entries(table).find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1];
  const settings = find(RESERVED_JTS, section);
  return settings === undefined ? undefined : find(settings, key);
}

const secondFactorSchema = documented(
  z
    .strictObject(
      {
        method: documented(
          z
            .enum(['ib-key', 'totp', 'code', 'none', 'unknown'], {
              error: 'one of ib-key, totp, code, none, unknown',
            })
            .prefault('unknown'),
          {
            description:
              'What the login asks for: ib-key (approve on the phone), totp (a code that is made from the stored seed of the authenticator app), code (a person gives a one-time code), none, or unknown (wait and see).',
            examples: ['ib-key'],
            restart: 'agent',
          },
        ),
        device: documented(
          text('the entry of the list exactly as it is shown')
            .refine((value) => value.trim() === value, {
              error: 'the entry of the list exactly as it is shown, without blanks around it',
            })
            .optional(),
          {
            description:
              'With several devices: the entry to pick in the list "Select second factor device", exactly as it is shown there.',
            examples: ['IB Key'],
            restart: 'session',
          },
        ),
      },
      { error: 'a map of settings' },
    )
    .prefault({}),
  { description: 'The second factor of the login.', restart: 'agent' },
);

/** As the dialog rules have them, which a test compares. */
export const ANSWERABLE_DIALOGS = ['login-messages', 'restart-notice', 'version-notice'] as const;

const ANSWER_PHRASE = `a list of ${ANSWERABLE_DIALOGS.join(', ')}`;
const dialogsSchema = documented(
  z
    .strictObject(
      {
        answer: documented(
          z
            .array(z.enum(ANSWERABLE_DIALOGS, { error: `one of ${ANSWERABLE_DIALOGS.join(', ')}` }), {
              error: ANSWER_PHRASE,
            })
            .prefault([]),
          {
            description:
              'Dialogs that IBC leaves open and that the agent may close by their one button: login-messages (messages of IBKR at the login, "Resume login"), restart-notice (that the gateway restarts every day, "OK"), version-notice (that this version will not be supported much longer, "OK"). All others wait for a person: ibctl windows.',
            examples: [['login-messages']],
            restart: 'agent',
          },
        ),
      },
      { error: 'a map of settings' },
    )
    .prefault({}),
  { description: "What the agent may do by itself in the gateway's windows.", restart: 'agent' },
);

const BACKOFF_PHRASE = 'a duration with its unit such as 30s, from 100ms to 24h';
const restartSchema = documented(
  z
    .strictObject(
      {
        policy: documented(z.enum(['always', 'never'], { error: 'always or never' }).prefault('always'), {
          description:
            'After an end that nobody ordered: always tries again within the budget below, never halts the session.',
          restart: 'agent',
        }),
        backoffMin: documented(duration(100, 86_400_000, BACKOFF_PHRASE).prefault('30s'), {
          description: 'Wait before the first new try; it doubles with every further one.',
          restart: 'agent',
        }),
        backoffMax: documented(duration(100, 86_400_000, BACKOFF_PHRASE).prefault('30m'), {
          description: 'The longest wait between two tries.',
          restart: 'agent',
        }),
        maxLoginsPerHour: documented(integer(1, 3).prefault(3), {
          description:
            'Logins of one IBKR user (`user`) in any 60 minutes, from 1 to 3; then the session halts. IBKR locks users who log in too often. Sessions of one user share this budget and the three below, and must give the same numbers.',
          restart: 'agent',
        }),
        maxLoginsPerDay: documented(integer(1, 24).prefault(12), {
          description: 'Logins of one IBKR user in any 24 hours, from 1 to 24.',
          restart: 'agent',
        }),
        maxPushesPerHour: documented(integer(1, 6).prefault(3), {
          description:
            'Second factors of one IBKR user in any 60 minutes, from 1 to 6; then no login is made. Each one rings a phone.',
          restart: 'agent',
        }),
        maxPushesPerDay: documented(integer(1, 20).prefault(10), {
          description: 'Second factors of one IBKR user in any 24 hours, from 1 to 20.',
          restart: 'agent',
        }),
        maxMissedSecondFactors: documented(integer(1, 5).prefault(2), {
          description:
            'Second factors in a row that nobody answered before the session halts. Each one rings a phone.',
          restart: 'agent',
        }),
      },
      { error: 'a map of settings' },
    )
    .superRefine((restart, context) => {
      if (restart.backoffMin <= restart.backoffMax) return;
      refuse(context, ['backoffMax'], 'it is shorter than restart.backoffMin');
    })
    .prefault({}),
  { description: 'What happens after the gateway ended and nobody ordered it.', restart: 'agent' },
);

const DEADLINE_PHRASE = 'a duration with its unit such as 90s, from 100ms to 1h';
function deadline(value: string, description: string) {
  return documented(duration(100, 3_600_000, DEADLINE_PHRASE).prefault(value), {
    description,
    restart: 'agent',
  });
}

const deadlinesSchema = documented(
  z
    .strictObject(
      {
        start: deadline('3m', 'From the launch until the login window, or the restarted session, shows.'),
        login: deadline('2m', 'From the submitted credentials until something is heard of them.'),
        secondFactor: deadline('3m', "For the second factor; IBKR's own limit is about three minutes."),
        loading: deadline('3m', 'From the accepted login until the API proves the session.'),
        warmRestart: deadline(
          '3m',
          'From asking for a restart without second factor until the gateway has ended, at least until 30 seconds after the full minute that the gateway restarts at.',
        ),
        stop: deadline('60s', 'From asking the gateway to close until SIGTERM.'),
        term: deadline('15s', 'From SIGTERM until SIGKILL.'),
      },
      { error: 'a map of durations' },
    )
    .prefault({}),
  { description: 'How long each step may take before the agent acts.', restart: 'agent' },
);

const credentialsSchema = documented(
  z
    .strictObject(
      {
        directory: documented(absolutePath('a directory').optional(), {
          description:
            'Directory with the files username and password, and seed where secondFactor.method is totp, mode 0600 or 0400, owned by the user the gateway runs as or by root.',
          examples: ['/etc/ib-agent/credentials/live'],
          restart: 'session',
        }),
        command: documented(programWithArguments().optional(), {
          description:
            'Program and arguments that print one credential; the word username, password or seed is added as the last argument. It is run without a shell.',
          examples: [['/usr/local/bin/ib-secret', 'live']],
          restart: 'session',
        }),
      },
      { error: 'a map with directory or command' },
    )
    .superRefine((source, context) => {
      if (source.directory !== undefined && source.command !== undefined) {
        refuse(context, ['command'], 'there is a directory too; keep one of the two');
      }
      if (source.directory === undefined && source.command === undefined) {
        refuse(
          context,
          [],
          'neither directory nor command is given; remove the key for the default directory',
        );
      }
    })
    .optional(),
  {
    description:
      'Where user name, password and TOTP seed come from: a directory or a command. Left out: the directory credentials/NAME beside this file. What systemd hands over in $CREDENTIALS_DIRECTORY wins over both.',
    restart: 'session',
  },
);

const GATEWAY_PHRASE = 'ibgateway (clientportal is not in this version)';
export const sessionSchema = z.strictObject(
  {
    gateway: documented(z.enum(['ibgateway'], { error: GATEWAY_PHRASE }).prefault('ibgateway'), {
      description: 'Kind of gateway: ibgateway (TWS API). clientportal (Web API) is not in this version.',
      restart: 'agent',
    }),
    mode: documented(z.enum(['live', 'paper'], { error: 'live or paper' }), {
      description:
        'Trading mode of the login: live or paper. There is no default: it decides whose money is at risk.',
      examples: ['live', 'paper'],
      restart: 'agent',
    }),
    user: documented(
      z
        .string({ error: 'a word of letters, digits, . _ @ and -' })
        .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, { error: 'a word of letters, digits, . _ @ and -' })
        .optional(),
      {
        description:
          'Key of the login budget: sessions that log in as the same IBKR user must carry the same word here. It need not be the user name. Left out: the name of the session.',
        examples: ['trader1'],
        restart: 'agent',
      },
    ),
    autostart: documented(yesNo().prefault(true), {
      description:
        'Whether a session that was wanted up comes up again after a restart of the agent or the host. A session that was never started stays down in any case.',
      restart: 'agent',
    }),
    install: installSchema,
    settingsDir: documented(plainDirectory("the gateway's settings directory").optional(), {
      description:
        "The gateway's settings directory (jts.ini, autorestart file); one session each, no symbolic link. Left out: ib-session/NAME/settings below agent.stateRoot.",
      examples: ['/var/lib/ib-session/live/settings'],
      restart: 'session',
    }),
    api: apiSchema,
    timeZone: documented(timeZoneSchema.prefault('UTC'), {
      description:
        "Time zone of the gateway: all times in its log and in IBC's settings, such as AutoRestartTime, are in it.",
      examples: ['America/New_York'],
      restart: 'session',
    }),
    display: displaySchema,
    jvm: jvmSchema,
    ibc: ibcSchema,
    commandServer: documented(yesNo().prefault(false), {
      description:
        "Whether IBC's command server listens, on a port of 127.0.0.1 of its own for each launch (launch.json). It has no authentication: every account of the host could stop the gateway through it. ib-agent does not need it: it closes and restarts the gateway through its windows, and uses the command server only where that fails.",
      restart: 'session',
    }),
    jts: jtsSchema,
    secondFactor: secondFactorSchema,
    dialogs: dialogsSchema,
    restart: restartSchema,
    deadlines: deadlinesSchema,
    credentials: credentialsSchema,
  },
  { error: 'a map of settings' },
);

export const configSchema = z.strictObject(
  {
    agent: agentSchema,
    notify: documented(
      z
        .record(z.string().regex(TARGET_NAME_PATTERN, { error: TARGET_NAME_RULE }), notifyTargetSchema, {
          error: 'a map of targets',
        })
        .prefault({}),
      {
        description: `Who is told when something happens, by name: a phone, a chat, another service, a program. A name is ${TARGET_NAME_RULE}. Copy-paste examples: docs/notifications.md.`,
        restart: 'agent',
      },
    ),
    clock: clockSchema,
    defaults: documented(z.record(z.string(), z.unknown(), { error: 'a map of settings' }).optional(), {
      description:
        'Settings that every session has unless it sets its own: the same keys as a session. Maps are merged key by key, lists and credentials are replaced as a whole.',
      restart: 'agent',
    }),
    sessions: documented(
      z.record(z.string().regex(SESSION_NAME_PATTERN, { error: SESSION_NAME_RULE }), sessionSchema, {
        error: 'a map of sessions',
      }),
      {
        description: `The sessions by name. A name is ${SESSION_NAME_RULE}; it becomes the name of a systemd instance, of a directory and of a credential.`,
        restart: 'agent',
      },
    ),
  },
  { error: 'a map with agent and sessions' },
);

/** A session as the file holds it, checked, durations in milliseconds, before the defaults that depend on its name. */
export type ParsedSession = z.output<typeof sessionSchema>;
export type ParsedConfig = z.output<typeof configSchema>;
