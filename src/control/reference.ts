// Owns the text of docs/protocol.md, from the tables of methods and errors and the limits that the agent applies.

import * as z from 'zod';
import type { ClientMessage, ServerMessage } from '../protocol/envelope.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import { METHODS } from '../protocol/methods.ts';
import { SESSION_NAME_PATTERN } from '../protocol/session-name.ts';
import { FRAME_TYPE, MAX_FRAME_BYTES, PROTOCOL_VERSION } from '../protocol/version.ts';
import { OBSERVERS_GROUP, OPERATORS_GROUP } from './actor.ts';
import { MAX_CLIENT_CHARACTERS, MAX_ID_CHARACTERS } from './router.ts';
import { SERVER_LIMITS } from './server.ts';
import { TRANSPORT_LIMITS } from './transport.ts';

/** Examples of every kind of message; typed, so that a change of the envelope shows here. */
const EXAMPLES: Readonly<Record<ClientMessage['kind'], ClientMessage>> = {
  hello: { kind: 'hello', protocol: PROTOCOL_VERSION, client: 'ibctl 0.1.0' },
  request: { kind: 'request', id: '1', method: 'login', params: { session: 'live' } },
  cancel: { kind: 'cancel', id: '1' },
};
const ANSWERS: readonly (readonly [string, ServerMessage])[] = [
  [
    'in answer to hello',
    { kind: 'hello', protocol: PROTOCOL_VERSION, agentVersion: '0.1.0', access: 'operate' },
  ],
  ['one item of a stream', { kind: 'event', id: '1', event: { session: 'live', state: 'loading' } }],
  ['the end of a request', { kind: 'response', id: '1', result: { reached: true } }],
  [
    'or its failure',
    {
      kind: 'response',
      id: '1',
      error: { code: 'unknown-session', message: 'there is no session paper', hint: 'sessions: live' },
    },
  ],
  [
    'before the agent closes a connection that it will not serve',
    { kind: 'refused', error: { code: 'not-allowed', message: 'user eve (uid 1001) may not use ib-agent' } },
  ],
];

/** The control protocol as a Markdown page. */
export function protocolReference(): string {
  const lines = [
    '# Control protocol',
    '',
    '<!-- Generated from src/protocol/ by "npm run docs"; edits are lost. -->',
    '',
    `Version ${PROTOCOL_VERSION}. \`ibctl\` speaks it to the agent over a Unix stream socket, normally \`/run/ib-agent/control.sock\`; any program may.`,
    'Minor changes only add fields, methods and error codes: ignore what you do not know. A change that breaks has another version.',
    '',
    '## Frames',
    '',
    'A frame is one JSON object in UTF-8, ended by a form feed (byte `0x0c`); a form feed inside a text is written `\\f`, as JSON',
    'demands. The messages described below stand in `data`:',
    '',
    '```json',
    `{"type":"${FRAME_TYPE}","data":{"kind":"hello","protocol":${PROTOCOL_VERSION},"client":"my-script"}}`,
    '```',
    '',
    `- A frame has at most ${thousands(MAX_FRAME_BYTES)} bytes without its form feed, in both directions. The agent closes the connection on a larger one.`,
    '- What is not JSON, not an object, or has no `type` closes the connection without a word.',
    `- Half a frame is waited for ${seconds(TRANSPORT_LIMITS.frameTimeoutMs)}, the first message for ${seconds(SERVER_LIMITS.helloTimeoutMs)}.`,
    `- A client that lets more than ${thousands(TRANSPORT_LIMITS.maxPendingBytes)} bytes of answers wait is dropped.`,
    '- Leave the writing side open until the answers are there: a client that shuts it down counts as gone.',
    '',
    '## Access',
    '',
    'The kernel tells the agent the user of each connection. Root and group ' +
      `\`${OPERATORS_GROUP}\` may operate, group \`${OBSERVERS_GROUP}\` may observe, others are refused with \`not-allowed\`. Without systemd the`,
    "socket belongs to the agent's own user, who may operate. Who has just been added to a group needs no new login.",
    '',
    `A user has at most ${SERVER_LIMITS.maxConnectionsPerUid} connections at once (root and, without systemd, the agent's own user: no limit of their own), all users together ${thousands(SERVER_LIMITS.maxConnections)}.`,
    '',
    '## Messages of the client',
    '',
    ...example('first, and once', EXAMPLES.hello),
    ...example('as many as wanted, also at the same time', EXAMPLES.request),
    ...example('ends a request; what it started goes on', EXAMPLES.cancel),
    `\`id\` is a text of 1 to ${MAX_ID_CHARACTERS} characters, chosen by the client; two running requests of one connection with the same \`id\` end the connection.`,
    `\`client\` is for the agent's log; ${MAX_CLIENT_CHARACTERS} characters are kept. \`params\` may be left out when it is empty. A connection has at most`,
    `${SERVER_LIMITS.maxRequestsPerConnection} requests running. A request that is cancelled ends with error \`cancelled\`, unless it had ended before.`,
    '',
    '## Messages of the agent',
    '',
    ...ANSWERS.flatMap(([when, message]) => example(when, message)),
    'Answers come in the order in which they are ready. Everything of a stream comes before the response of the same `id`.',
    '',
    '## Methods',
    '',
    'Times are ISO 8601 in UTC with milliseconds. *or null*: not known, or there is none.',
    '',
    '| method | access | does |',
    '|---|---|---|',
    ...Object.entries(METHODS).map(
      ([name, row]) => `| [${name}](#${name}) | ${row.access} | ${row.summary} |`,
    ),
    '',
    ...Object.entries(METHODS).flatMap(([name, row]) => describeMethod(name, row)),
    '## Errors',
    '',
    '`code` is one of these; `message` says what failed, `hint` (not always there) what to do, `data` (not always there) holds details',
    'for programs. *retry*: the same call may succeed later without anybody changing anything. *exit* is the exit code of `ibctl`.',
    '',
    '| code | meaning | retry | exit |',
    '|---|---|---|---|',
    ...Object.entries(ERROR_CODES).map(
      ([code, { meaning, retryable, exit }]) =>
        `| \`${code}\` | ${meaning} | ${retryable ? 'yes' : 'no'} | ${exit} |`,
    ),
    '',
    'An `agent-stopping` with `data.taken` false was not begun, and may be repeated as it is. A call that operates and whose connection was lost is repeated with `askedAt`, the time it was made first: what the agent had carried out then is followed, and not done again.',
    '',
  ];
  return lines.join('\n');
}

function describeMethod(name: string, row: (typeof METHODS)[keyof typeof METHODS]): string[] {
  const lines = [`### ${name}`, '', `${sentence(row.summary)} Needs \`${row.access}\`.`, ''];
  const params = schemaOf(row.params, 'input');
  lines.push('| parameter | type | default | meaning |', '|---|---|---|---|');
  for (const [key, schema] of Object.entries(params.properties ?? {})) {
    const byDefault = schema.default === undefined ? '' : `\`${JSON.stringify(schema.default)}\``;
    lines.push(
      `| \`${key}\` | ${typeText(schema)} | ${byDefault} | ${typeText(schema) === 'time' ? '' : (schema.description ?? '')} |`,
    );
  }
  if ('stream' in row)
    lines.push('', 'Each item of the stream:', '', ...fence(schemaOf(row.stream, 'output')));
  lines.push('', 'The result:', '', ...fence(schemaOf(row.result, 'output')), '');
  return lines;
}

/** The part of JSON Schema that the table of methods makes use of. */
type Schema = {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
};

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Schema {
  return z.toJSONSchema(schema, { io }) as Schema;
}

/** A type in a word or two, such as `"ready" or "stopped"`, `integer, 0 to 10,000`, `time or null`. */
function typeText(schema: Schema): string {
  const choices = choicesOf(schema);
  if (choices !== null) return choices.map(typeText).join(' or ');
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`"${value}"\``).join(', ');
  if (schema.format === 'date-time') return 'time';
  if (schema.type === 'string')
    return schema.pattern === SESSION_NAME_PATTERN.source ? 'session name' : 'text';
  if (schema.type === 'integer') {
    const { minimum, maximum } = schema;
    const bounded = minimum !== undefined && maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
    return bounded ? `integer, ${thousands(minimum)} to ${thousands(maximum)}` : 'integer';
  }
  return typeof schema.type === 'string' ? schema.type : 'any';
}

/** The alternatives of a field, such as text or null; null when there is one type only. */
function choicesOf(schema: Schema): readonly Schema[] | null {
  if (schema.anyOf !== undefined) return schema.anyOf;
  return typeof schema.type === 'object' ? schema.type.map((type) => ({ ...schema, type })) : null;
}

function fence(schema: Schema): string[] {
  return ['```text', ...shape(schema, ''), '```'];
}

/** An object as an outline: a line per field with its type and meaning, deeper fields indented. */
function shape(schema: Schema, indent: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const { kind, inner } = unwrap(field);
    const meaning =
      field.description === undefined || kind.startsWith('time') ? '' : ` (${field.description})`;
    return [`${indent}${key}: ${kind}${meaning}`, ...(inner === null ? [] : shape(inner, `${indent}  `))];
  });
}

/** What a field is in words, and the object inside it whose fields follow. */
function unwrap(field: Schema): { kind: string; inner: Schema | null } {
  const choices = choicesOf(field);
  if (choices !== null) {
    const parts = choices.map(unwrap);
    return {
      kind: parts.map((part) => part.kind).join(' or '),
      inner: parts.find((part) => part.inner !== null)?.inner ?? null,
    };
  }
  if (field.type === 'array' && field.items !== undefined) {
    const { kind, inner } = unwrap(field.items);
    return { kind: `list of ${kind === 'object' ? 'objects' : `${kind}s`}`, inner };
  }
  if (field.type === 'object') {
    return {
      kind: field.properties === undefined ? 'object of texts' : 'object',
      inner: field.properties === undefined ? null : field,
    };
  }
  return { kind: typeText(field).replaceAll('`', ''), inner: null };
}

function example(when: string, message: ClientMessage | ServerMessage): string[] {
  return [`\`${message.kind}\`, ${when}:`, '', '```json', JSON.stringify(message), '```', ''];
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function thousands(value: number): string {
  return value.toString().replace(/\B(?=(\d{3})+$)/g, ',');
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}
