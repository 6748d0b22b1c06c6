// Owns the table of methods: parameters, result, who may call, and what a stream carries. Router, client, docs and contract tests come from it.

import * as z from 'zod';
import type { Access } from './envelope.ts';
import { SESSION_NAME_PATTERN, SESSION_NAME_RULE } from './session-name.ts';
import { SECOND_FACTOR_METHODS, SESSION_STATES, SEVERITIES } from './states.ts';

const time = z.iso.datetime().meta({ description: 'ISO 8601, UTC, with milliseconds' });
const sessionName = z.string().regex(SESSION_NAME_PATTERN, SESSION_NAME_RULE);
const state = z.enum(SESSION_STATES);

/** A pending second factor: what IBKR waits for, since when, until when, and the how-manieth try it is. */
const secondFactor = z.strictObject({
  method: z.enum(SECOND_FACTOR_METHODS),
  since: time,
  deadline: time,
  attempt: z.int(),
  prompt: z.string().nullable().meta({ description: "what the gateway's window asks for; null: not seen" }),
  challenge: z
    .string()
    .nullable()
    .meta({ description: 'with method `challenge`: the number for IB Key, or the places of the code card' }),
  devices: z
    .array(z.string())
    .nullable()
    .meta({ description: 'with method `device-choice`: the entries of the list' }),
});

/** A named, dated health fact. Severity `error` or `warning` impairs; `info` only informs. */
const condition = z.strictObject({
  code: z.string(),
  severity: z.enum(SEVERITIES),
  since: time,
  text: z.string(),
  hint: z.string(),
});

/** What the agent will do next by itself; null when it waits for facts or for a person. */
const nextStep = z.strictObject({
  at: time,
  kind: z.enum(['login', 'warm-restart', 'give-up']),
  needsSecondFactor: z.boolean().nullable().meta({ description: 'null: not known' }),
  why: z.string(),
});

/** Why a cold login has to wait now. */
const deferral = z.strictObject({
  why: z.enum(['logins-hour', 'logins-day', 'pushes-hour', 'pushes-day', 'push-outstanding', 'locked-out']),
  until: time,
  text: z.string(),
  used: z.int().nullable(),
  limit: z.int().nullable(),
  session: sessionName.nullable().meta({ description: 'the session that is waited for' }),
});

const sessionStatus = z.strictObject({
  name: sessionName,
  gateway: z.enum(['ibgateway', 'clientportal']),
  driver: z.string(),
  mode: z.enum(['live', 'paper']),
  state,
  since: time,
  reason: z.string().nullable(),
  desired: z.enum(['up', 'down']),
  secondFactor: secondFactor.nullable(),
  api: z.strictObject({
    host: z.string(),
    port: z.int(),
    ok: z.boolean().nullable().meta({ description: 'null: not known, as before the first handshake' }),
    serverVersion: z.int().nullable(),
    accounts: z.array(z.string()).meta({ description: 'masked unless asked for and allowed' }),
    latencyMs: z.number().nullable(),
    checkedAt: time.nullable(),
  }),
  broker: z.strictObject({
    connected: z.boolean().nullable(),
    farms: z.array(
      z.strictObject({ name: z.string(), kind: z.string(), ok: z.boolean().nullable(), since: time }),
    ),
  }),
  process: z.strictObject({
    pid: z.int().nullable(),
    rssBytes: z.int().nullable(),
    cpuPercent: z.number().nullable().meta({ description: 'of one core, since the last look' }),
    startedAt: time.nullable(),
    gatewayVersion: z.string().nullable(),
  }),
  next: nextStep.nullable(),
  ledger: z.strictObject({
    logins24h: z.int(),
    pushes24h: z.int(),
    blockedUntil: time.nullable(),
    deferral: deferral.nullable(),
  }),
  conditions: z.array(condition),
});

const hostFigures = z.strictObject({
  memoryTotalBytes: z.int().nullable(),
  memoryAvailableBytes: z.int().nullable(),
  diskTotalBytes: z.int().nullable(),
  diskAvailableBytes: z.int().nullable(),
  load1: z.number().nullable(),
  cpus: z.int().nullable(),
  checkedAt: time.nullable(),
});

const agentStatus = z.strictObject({
  version: z.string(),
  pid: z.int(),
  startedAt: time,
  supervisor: z.enum(['process', 'systemd']),
  protocol: z.int(),
  host: hostFigures,
});

const status = z.strictObject({ agent: agentStatus, sessions: z.array(sessionStatus) });

/** A step of a session on its way, sent whenever its state, reason or second factor changes. */
const progress = z.strictObject({
  at: time,
  session: sessionName,
  state,
  since: time,
  reason: z.string().nullable(),
  secondFactor: secondFactor.nullable(),
  next: nextStep.nullable(),
  conditions: z.array(condition),
});

/** How an operation stands when its call ends. `reached` says whether what was asked for is true now. */
const outcome = z.strictObject({ reached: z.boolean(), session: progress });

const eventRecord = z.strictObject({
  seq: z.int().meta({ description: 'counts up' }),
  at: time,
  event: z.string(),
  messageId: z.string(),
  priority: z.int().min(0).max(7),
  session: sessionName.nullable(),
  state: state.nullable(),
  previousState: state.nullable(),
  reason: z.string().nullable(),
  message: z.string(),
  hint: z.string().nullable(),
  fields: z
    .record(z.string(), z.string())
    .meta({ description: "the event's own journal fields, such as IB_DEADLINE" }),
});

const logLine = z.strictObject({
  at: time,
  session: sessionName,
  source: z.enum(['session', 'display', 'code']),
  stream: z.enum(['stdout', 'stderr']),
  text: z.string(),
});

const targetName = z.string().max(64);

/** What became of the newest notification that was sent, or given up. */
const notifyFate = z.strictObject({ at: time, event: z.string(), message: z.string() });

const notifyTargetStatus = z.strictObject({
  name: targetName,
  type: z.enum(['ntfy', 'slack', 'telegram', 'webhook', 'command']),
  to: z.string().meta({ description: 'host or program; empty where the whole address is a secret' }),
  events: z.array(z.string()).meta({ description: 'names, or only `*`' }),
  sessions: z.array(sessionName).nullable().meta({ description: 'null: all, and the agent itself' }),
  leastPriority: z.int().meta({ description: 'events with a greater number are left out' }),
  secrets: z.array(
    z.strictObject({
      name: z.string(),
      ok: z.boolean().meta({ description: 'whether the secret can be read now' }),
      problem: z.string(),
      hint: z.string(),
    }),
  ),
  waiting: z.int(),
  dropped: z.int().meta({ description: 'thrown away because too many waited' }),
  lastSent: notifyFate.nullable(),
  lastFailed: notifyFate.nullable(),
});

const notifyTestResult = z.strictObject({
  target: targetName,
  type: notifyTargetStatus.shape.type,
  ok: z.boolean(),
  httpStatus: z.int().nullable(),
  ms: z.int(),
  message: z.string(),
  hint: z.string(),
});

const plannedSession = z.strictObject({
  session: sessionName,
  user: z.string().meta({ description: 'key of the login budget, from the configuration' }),
  state,
  desired: z.enum(['up', 'down']),
  steps: z.array(
    z.strictObject({
      at: time.nullable().meta({ description: 'null: not known' }),
      kind: z.enum([...nextStep.shape.kind.options, 'daily-restart', 'daily-logoff', 'token-expiry']),
      needsSecondFactor: nextStep.shape.needsSecondFactor,
      why: z.string(),
    }),
  ),
  deferral: deferral.nullable().meta({ description: 'what a cold login would have to wait for now' }),
});

const plannedUser = z.strictObject({
  user: z.string(),
  sessions: z.array(sessionName),
  budgets: z.array(
    z.strictObject({
      name: z.enum(['logins-hour', 'logins-day', 'pushes-hour', 'pushes-day']),
      used: z.int(),
      limit: z.int(),
      freesAt: time.nullable().meta({ description: 'when one more is allowed than now; null: all are free' }),
    }),
  ),
  pushOutstanding: z.strictObject({ session: sessionName, until: time, shown: z.boolean() }).nullable().meta({
    description: 'the session that waits for a second factor (`shown`), or whose login may lead to one',
  }),
});

/** A window of the gateway as it shows; account ids are masked, and what is typed into fields is left out. */
const windowView = z.strictObject({
  id: z.string(),
  title: z.string(),
  class: z.string(),
  kind: z.enum(['frame', 'dialog', 'window']),
  modal: z.boolean(),
  active: z.boolean(),
  known: z.string().nullable().meta({ description: 'id of the dialog rule that knows it; null: none does' }),
  text: z.array(z.string()).meta({ description: 'what it says, line by line' }),
  buttons: z.array(z.string()).meta({ description: 'those that can be pressed' }),
  rows: z.array(z.string()).nullable().meta({ description: 'of the list that it shows' }),
  fields: z.int().meta({ description: 'how many fields can be typed into' }),
  bounds: z.strictObject({ x: z.int(), y: z.int(), width: z.int(), height: z.int() }),
});

const named = {
  session: sessionName.optional().meta({ description: 'may be left out when there is one session' }),
};
const follow = z
  .boolean()
  .default(true)
  .meta({ description: 'false: answer as soon as the order is accepted' });

const askedAt = time.optional().meta({
  description:
    'when the same call was made on a connection that was lost since: what was carried out then is followed, and not done again',
});

const override = z.boolean().default(false).meta({
  description:
    'let one login through although the login budget is used up; never against a lock-out by IBKR or an outstanding second factor',
});

const device = z
  .string()
  .trim()
  .min(1)
  .max(200)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they cannot stand in a list's entry, nor in IBC's settings
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'a text on one line')
  .optional()
  .meta({
    description:
      'second-factor device, as the list has it, for this login only; at an open list it is chosen there, and nothing else is done',
  });

export const METHODS = {
  status: {
    access: 'observe',
    summary: 'the agent, the host and every session, or one',
    params: z.strictObject({ ...named, showAccounts: z.boolean().default(false) }),
    result: status,
  },
  plan: {
    access: 'observe',
    summary:
      'what happens next to each session, whether it needs a second factor, and what is left of the login budgets',
    params: z.strictObject(named),
    result: z.strictObject({ sessions: z.array(plannedSession), users: z.array(plannedUser) }),
  },
  login: {
    access: 'operate',
    summary: 'log the session in and follow it until it is ready or a person is needed',
    params: z.strictObject({ ...named, follow, askedAt, override, device }),
    stream: progress,
    result: outcome,
  },
  start: {
    access: 'operate',
    summary: 'want the session up, also after a restart of the agent',
    params: z.strictObject({ ...named, follow, askedAt, override, device }),
    stream: progress,
    result: outcome,
  },
  stop: {
    access: 'operate',
    summary: 'close the session tidily and want it down',
    params: z.strictObject({ ...named, follow, askedAt }),
    stream: progress,
    result: outcome,
  },
  restart: {
    access: 'operate',
    summary: 'restart the gateway, warm (no second factor) unless `cold`',
    params: z.strictObject({
      ...named,
      follow,
      askedAt,
      cold: z.boolean().default(false),
      device: device.meta({ description: 'second-factor device of this login only; with `cold`' }),
    }),
    stream: progress,
    result: outcome,
  },
  wait: {
    access: 'observe',
    summary: 'wait until the session reaches a state',
    params: z.strictObject({
      ...named,
      for: z.enum(['ready', 'stopped', 'halted', 'second-factor']).default('ready'),
      timeoutMs: z
        .int()
        .min(0)
        .max(7 * 24 * 3_600_000)
        .optional(),
    }),
    stream: progress,
    result: outcome,
  },
  events: {
    access: 'observe',
    summary: 'events kept in memory, then new ones as they come',
    params: z.strictObject({
      ...named,
      follow: z.boolean().default(false),
      since: time.optional(),
      limit: z.int().min(0).max(10_000).default(1000),
    }),
    stream: eventRecord,
    result: z.strictObject({
      dropped: z.int().meta({ description: 'older ones that memory no longer holds' }),
    }),
  },
  logs: {
    access: 'observe',
    summary: 'output of the gateway and the display, then new lines as they come',
    params: z.strictObject({
      ...named,
      follow: z.boolean().default(false),
      lines: z.int().min(0).max(10_000).default(200),
      showAccounts: z.boolean().default(false),
    }),
    stream: logLine,
    result: z.strictObject({ dropped: z.int() }),
  },
  'notify-list': {
    access: 'observe',
    summary: 'targets of notifications: what they are told of, their secrets, what became of the last',
    params: z.strictObject({}),
    result: z.strictObject({ targets: z.array(notifyTargetStatus) }),
  },
  'notify-test': {
    access: 'operate',
    summary: 'send a sample to the targets of notifications, or to one, once and now',
    params: z.strictObject({
      target: targetName.optional(),
      event: z
        .string()
        .max(64)
        .optional()
        .meta({ description: 'which event the sample is of; second-factor-pending when left out' }),
      askedAt,
    }),
    result: z.strictObject({ results: z.array(notifyTestResult) }),
  },
  windows: {
    access: 'observe',
    summary:
      'the windows that the gateway shows, one an item, with what they say and the buttons to choose from',
    params: z.strictObject(named),
    stream: windowView,
    result: z.strictObject({ session: sessionName, count: z.int() }),
  },
  code: {
    access: 'operate',
    summary:
      "type a one-time code, or the answer to a challenge, into the gateway's window, and wait for what IBKR says to it; the code is kept nowhere",
    params: z.strictObject({
      ...named,
      code: z.string().min(1).max(64).meta({ description: 'blanks and dashes in it do not count' }),
      askedAt,
    }),
    result: z.strictObject({
      session: sessionName,
      verdict: z.enum(['accepted', 'rejected', 'unanswered']).meta({
        description:
          '`unanswered`: it was handed in, or may have been, and IBKR has said nothing to it in half a minute',
      }),
    }),
  },
  'window-click': {
    access: 'operate',
    summary: 'press the one button of this text in a window, if it is there as it was seen',
    params: z.strictObject({
      ...named,
      window: z.string().min(1).max(40).meta({ description: 'id, such as w7' }),
      button: z.string().min(1).max(200).meta({ description: "the button's whole text" }),
      askedAt,
    }),
    result: z.strictObject({ session: sessionName, window: z.string(), button: z.string() }),
  },
  'second-factor-resend': {
    access: 'operate',
    summary:
      "press the button of the second factor's window that sends the notification to the phone again; it is charged as any push is",
    params: z.strictObject({ ...named, askedAt }),
    result: z.strictObject({
      session: sessionName,
      pushes: z.int().meta({ description: 'how many this second factor has had, the first included' }),
      mostPushes: z.int(),
      deadline: time,
    }),
  },
  screenshot: {
    access: 'operate',
    summary:
      'a picture of a window, or of all of them where they stand, as pieces of a PNG; passwords and codes are painted over, nothing else is',
    params: z.strictObject({
      ...named,
      window: z.string().min(1).max(40).optional().meta({ description: 'id; all windows when left out' }),
      askedAt,
    }),
    stream: z.strictObject({ data: z.base64() }),
    result: z.strictObject({ session: sessionName, width: z.int(), height: z.int(), bytes: z.int() }),
  },
} as const satisfies Record<string, MethodRow>;

type MethodRow = {
  readonly access: Access;
  readonly summary: string;
  readonly params: z.ZodType;
  readonly result: z.ZodType;
  readonly stream?: z.ZodType;
};

export type MethodName = keyof typeof METHODS;
/** Parameters as a client may leave them: with defaults left out. */
export type ParamsIn<M extends MethodName> = z.input<(typeof METHODS)[M]['params']>;
/** Parameters as a handler gets them: checked, defaults filled in. */
export type ParamsOf<M extends MethodName> = z.output<(typeof METHODS)[M]['params']>;
export type ResultOf<M extends MethodName> = z.output<(typeof METHODS)[M]['result']>;
export type StreamOf<M extends MethodName> = (typeof METHODS)[M] extends { stream: infer S extends z.ZodType }
  ? z.output<S>
  : never;

export type Status = z.output<typeof status>;
export type AgentStatus = z.output<typeof agentStatus>;
export type SessionStatus = z.output<typeof sessionStatus>;
export type HostFigures = z.output<typeof hostFigures>;
export type Progress = z.output<typeof progress>;
export type Outcome = z.output<typeof outcome>;
export type EventRecord = z.output<typeof eventRecord>;
export type WindowView = z.output<typeof windowView>;
export type LogLine = z.output<typeof logLine>;
export type Condition = z.output<typeof condition>;
export type SecondFactor = z.output<typeof secondFactor>;
export type NotifyTargetStatus = z.output<typeof notifyTargetStatus>;
export type NotifyTestResult = z.output<typeof notifyTestResult>;
export type Plan = z.output<(typeof METHODS)['plan']['result']>;
export type PlanStep = Plan['sessions'][number]['steps'][number];
export type DeferralView = z.output<typeof deferral>;
export type NextStep = z.output<typeof nextStep>;
