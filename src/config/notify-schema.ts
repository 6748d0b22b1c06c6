// Owns the schema of one target of notifications: its keys, which kind of target has which, and what may not stand there.

import * as z from 'zod';
import type { EventName } from '../events/catalogue.ts';
import { DEFAULT_NOTIFIED_EVENTS, NOTIFIABLE_EVENTS } from '../events/notifiable.ts';
import { findNearest } from '../protocol/nearest.ts';
import { SESSION_NAME_PATTERN, SESSION_NAME_RULE } from '../protocol/session-name.ts';
import { judgeAddress } from './notify-address.ts';
import { documented, duration, integer, programWithArguments, refuse, text, yesNo } from './schema-parts.ts';

export const TARGET_NAME_PATTERN = /^[a-z][a-z0-9-]{0,30}$/;
export const TARGET_NAME_RULE = 'a lower-case letter, then at most 30 lower-case letters, digits or hyphens';

export const TARGET_TYPES = ['ntfy', 'slack', 'telegram', 'webhook', 'command'] as const;
export type TargetType = (typeof TARGET_TYPES)[number];

/** Keys that belong to some types only, and to which. */
export const KEYS_OF_TYPES: Readonly<Record<string, readonly TargetType[]>> = {
  server: ['ntfy', 'telegram'],
  topic: ['ntfy'],
  topicSecret: ['ntfy'],
  chat: ['telegram'],
  url: ['webhook'],
  urlSecret: ['webhook'],
  headers: ['webhook'],
  secretHeaders: ['webhook'],
  secret: ['ntfy', 'slack', 'telegram', 'webhook'],
  command: ['command'],
  allowInsecure: ['ntfy', 'slack', 'telegram', 'webhook'],
};

const SECRET_PHRASE =
  'the name of a secret (not the secret itself): letters, digits, - and _, as of its file below credentials/notify';
function secretName() {
  return z
    .string({ error: SECRET_PHRASE })
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, { error: SECRET_PHRASE });
}

const ADDRESS_PHRASE = 'an address that begins with https://';
function address() {
  return text(ADDRESS_PHRASE).superRefine((value, context) => {
    // Whether http:// may be used depends on another key.
    const problem = judgeAddress(value, true);
    if (problem !== null) refuse(context, [], problem);
  });
}

const HEADER_PHRASE = 'the name of a header: letters, digits and -';
/** Headers that are made from the message, or that would break it. */
const OWN_HEADERS =
  /^(host|content-.*|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|x-ib-.*)$/i;
/** Headers that carry a secret by their nature. */
const SECRET_HEADERS = /^(authorization|proxy-authorization|cookie|.*(api-?key|token|secret|password).*)$/i;

function headers<T extends z.ZodType<string>>(value: T, plain: boolean) {
  return z
    .record(z.string().regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, { error: HEADER_PHRASE }), value, {
      error: 'a map of headers',
    })
    .superRefine((map, context) => {
      for (const name of Object.keys(map)) {
        if (OWN_HEADERS.test(name)) refuse(context, [name], 'this header is set by ib-agent');
        else if (plain && SECRET_HEADERS.test(name)) {
          refuse(context, [name], 'it would hold a secret; name one under secretHeaders instead');
        }
      }
    });
}

const EVENTS_PHRASE = 'a list of names of events, or "*" for all';
const events = z
  .union([z.literal('*'), z.array(z.string({ error: 'the name of an event' }))], { error: EVENTS_PHRASE })
  .transform((value, context): '*' | EventName[] => {
    if (value === '*') return value;
    const names = value.map((name, index) => {
      const known = NOTIFIABLE_EVENTS.find((event) => event === name);
      if (known !== undefined || name === '*') return known ?? null;
      const nearest = findNearest(name, NOTIFIABLE_EVENTS) ?? undefined;
      const shown = /^[\w-]{1,64}$/.test(name) ? ` ${name}` : ' of this name';
      refuse(
        context,
        [index],
        name === 'notify-failed'
          ? 'of notifications that fail nobody is notified'
          : `there is no event${shown}; docs/events.md lists them`,
        nearest,
      );
      return null;
    });
    return value.includes('*') ? '*' : names.filter((name) => name !== null);
  });

const DEBOUNCE_PHRASE = 'a duration with its unit such as 5m, from 0s to 24h';
const TIMEOUT_PHRASE = 'a duration with its unit such as 10s, from 100ms to 1m';

export const notifyTargetSchema = z
  .strictObject(
    {
      type: documented(z.enum(TARGET_TYPES, { error: `one of ${TARGET_TYPES.join(', ')}` }), {
        description:
          'What it is: ntfy (a phone), slack, telegram, webhook (JSON by POST) or command (a program).',
        examples: ['ntfy'],
        restart: 'agent',
      }),
      events: documented(events.optional(), {
        description: `Names of the events it is told of, or "*" for all. Left out: ${DEFAULT_NOTIFIED_EVENTS.join(', ')}.`,
        examples: [['session-halted', 'second-factor-pending']],
        restart: 'agent',
      }),
      sessions: documented(
        z
          .array(
            z.string({ error: SESSION_NAME_RULE }).regex(SESSION_NAME_PATTERN, { error: SESSION_NAME_RULE }),
            {
              error: 'a list of names of sessions',
            },
          )
          .min(1, { error: 'a list of names of sessions' })
          .optional(),
        {
          description: 'Sessions whose events it is told of. Left out: all, and the agent itself.',
          examples: [['live']],
          restart: 'agent',
        },
      ),
      minPriority: documented(
        z
          .enum(['critical', 'error', 'warning', 'notice', 'info'], {
            error: 'one of critical, error, warning, notice, info',
          })
          .prefault('info'),
        {
          description: 'Events that are less important than this are left out, whatever events says.',
          examples: ['warning'],
          restart: 'agent',
        },
      ),
      debounce: documented(duration(0, 86_400_000, DEBOUNCE_PHRASE).prefault('5m'), {
        description:
          'The same event of the same session for the same reason is told once in this time. A new second factor is always told.',
        restart: 'agent',
      }),
      timeout: documented(duration(100, 60_000, TIMEOUT_PHRASE).prefault('10s'), {
        description: 'How long one try may take.',
        restart: 'agent',
      }),
      retries: documented(integer(0, 10).prefault(3), {
        description:
          'Further tries after one that failed and may succeed later, each after a longer wait. A second factor is not told after its deadline.',
        restart: 'agent',
      }),
      server: documented(address().optional(), {
        description:
          'ntfy, telegram: address of the server. Left out: https://ntfy.sh, https://api.telegram.org.',
        examples: ['https://ntfy.sh'],
        restart: 'agent',
      }),
      topic: documented(
        z
          .string({ error: 'the name of a topic: letters, digits, - and _' })
          .regex(/^[A-Za-z0-9_-]{1,64}$/, { error: 'the name of a topic: letters, digits, - and _' })
          .optional(),
        {
          description:
            'ntfy: the topic. On a public server whoever knows it can read along: choose one that cannot be guessed, or use topicSecret.',
          examples: ['ib-7Hq2xTz0'],
          restart: 'agent',
        },
      ),
      topicSecret: documented(secretName().optional(), {
        description: 'ntfy: instead of topic, the name of a secret that holds it.',
        examples: ['phone-topic'],
        restart: 'agent',
      }),
      chat: documented(
        z
          .union([z.int().transform(String), z.string().regex(/^(-?\d{1,20}|@\w{5,64})$/)], {
            error: 'the number of a chat, or the @name of a channel',
          })
          .optional(),
        {
          description: 'telegram: number of the chat, or @name of the channel.',
          examples: [123456789],
          restart: 'agent',
        },
      ),
      url: documented(address().optional(), {
        description: 'webhook: where to POST to. With a token in it, use urlSecret.',
        examples: ['https://alerts.example.com/ib'],
        restart: 'agent',
      }),
      urlSecret: documented(secretName().optional(), {
        description: 'webhook: instead of url, the name of a secret that holds it.',
        examples: ['alerts-url'],
        restart: 'agent',
      }),
      headers: documented(headers(text('a text on one line'), true).optional(), {
        description: 'webhook: further headers.',
        examples: [{ 'X-Source': 'ib-agent' }],
        restart: 'agent',
      }),
      secretHeaders: documented(headers(secretName(), false).optional(), {
        description: 'webhook: headers whose whole values are secrets, by the name of the secret.',
        examples: [{ Authorization: 'alerts-authorization' }],
        restart: 'agent',
      }),
      secret: documented(secretName().optional(), {
        description:
          'Name of the secret. ntfy: access token, if the server asks for one. slack: the address of the incoming webhook. telegram: token of the bot. webhook: key of the signature in X-IB-Signature-256, if there is to be one.',
        examples: ['phone-token'],
        restart: 'agent',
      }),
      command: documented(programWithArguments().optional(), {
        description:
          'command: program and arguments. It gets the event as JSON on its standard input, is run without a shell, and is killed after timeout.',
        examples: [['/usr/local/bin/on-ib-event', '--quiet']],
        restart: 'agent',
      }),
      allowInsecure: documented(yesNo().prefault(false), {
        description:
          'Whether addresses may begin with http:// elsewhere than on this host: all is then sent in the clear.',
        restart: 'agent',
      }),
    },
    { error: 'a map of settings' },
  )
  .superRefine((target, context) => {
    for (const [key, types] of Object.entries(KEYS_OF_TYPES)) {
      const value = target[key as keyof typeof target];
      if (value === undefined || value === false || types.includes(target.type)) continue;
      refuse(context, [key], `it belongs to ${types.join(', ')}; this target is ${target.type}`);
    }
    for (const choice of NEEDED[target.type]) {
      const given = choice.filter((key) => target[key] !== undefined);
      const [first, second] = given;
      if (first === undefined)
        refuse(context, [], `${choice.join(' or ')} is missing: ${target.type} needs it`);
      else if (second !== undefined) refuse(context, [second], `there is ${first} too; keep one of the two`);
    }
    for (const key of ['server', 'url'] as const) {
      const value = target[key];
      const problem = value === undefined ? null : judgeAddress(value, target.allowInsecure);
      if (problem !== null) refuse(context, [key], problem);
    }
    for (const name of Object.keys(target.secretHeaders ?? {})) {
      const twice = Object.keys(target.headers ?? {}).some(
        (other) => other.toLowerCase() === name.toLowerCase(),
      );
      if (twice) refuse(context, ['secretHeaders', name], 'it stands under headers too; keep one of the two');
    }
  });

/** What each type cannot do without: one key of each list. */
const NEEDED = {
  ntfy: [['topic', 'topicSecret']],
  slack: [['secret']],
  telegram: [['secret'], ['chat']],
  webhook: [['url', 'urlSecret']],
  command: [['command']],
} as const satisfies Record<TargetType, readonly (readonly string[])[]>;

export type ParsedTarget = z.output<typeof notifyTargetSchema>;
