// Owns the catalogue of events: each name, its MESSAGE_ID that never changes, its fields, what it means and what to do.

import type { SessionStateName } from '../protocol/states.ts';

/** syslog priorities as journald uses them: 2 critical, 3 error, 4 warning, 5 notice, 6 info. */
export type Priority = 2 | 3 | 4 | 5 | 6;

type Fields<F extends string> = { readonly [K in F]: string };

type CatalogueRow<F extends string> = {
  /** 128-bit id in hex; journald's catalogue and people's scripts match on it, so it never changes. */
  readonly messageId: string;
  readonly priority: Priority;
  readonly fields: readonly F[];
  readonly meaning: string;
  /** What a person can do; empty when there is nothing to do. */
  readonly remedy: string;
  readonly text: (f: Fields<F>) => string;
};

function row<const F extends string>(value: CatalogueRow<F>): CatalogueRow<F> {
  return value;
}

export const CATALOGUE = {
  'agent-started': row({
    messageId: '5a74f4ed32254af59d43cd5d6f2581f3',
    priority: 6,
    fields: ['IB_VERSION', 'IB_SUPERVISOR', 'IB_CONFIG'],
    meaning: 'The agent is up and serves its control socket.',
    remedy: '',
    text: (f) => `ib-agent ${f.IB_VERSION} is up (${f.IB_SUPERVISOR} supervisor, ${f.IB_CONFIG})`,
  }),
  'agent-stopping': row({
    messageId: 'b7b42c6549e34dfea4d9548ee9e1fe65',
    priority: 6,
    fields: ['IB_SIGNAL'],
    meaning: 'The agent was asked to stop.',
    remedy: '',
    text: (f) => `ib-agent is stopping on ${f.IB_SIGNAL}`,
  }),
  'operator-command': row({
    messageId: 'dc21b7964c294af6b8238a88fcb2b30e',
    priority: 5,
    fields: [
      'IB_METHOD',
      'IB_DETAIL',
      'IB_OVERRIDE',
      'IB_ACTOR_UID',
      'IB_ACTOR_PID',
      'IB_ACTOR_USER',
      'IB_ACTOR_CLIENT',
    ],
    meaning:
      'Somebody called a method that can change something; told before it is carried out. IB_DETAIL names the window and the button that is to be pressed, or the second-factor device; IB_OVERRIDE is yes when the login budget is to be overridden.',
    remedy: '',
    text: (f) =>
      `${f.IB_METHOD}${f.IB_DETAIL ? ` (${f.IB_DETAIL})` : ''}${f.IB_OVERRIDE === 'yes' ? ' beyond the login budget' : ''} asked by ${f.IB_ACTOR_USER || `uid ${f.IB_ACTOR_UID}`} (${f.IB_ACTOR_CLIENT}, pid ${f.IB_ACTOR_PID})`,
  }),
  'session-starting': row({
    messageId: '30b4e574ab484ae997f3e8b3ed0d3ea1',
    priority: 6,
    fields: ['IB_LAUNCH', 'IB_ORDER'],
    meaning: 'The display and the JVM are being started.',
    remedy: '',
    text: (f) => `starting (${f.IB_LAUNCH})`,
  }),
  'login-submitted': row({
    messageId: 'fc75bf0e28c8498dac2b577ac00d9089',
    priority: 5,
    fields: ['IB_ATTEMPT'],
    meaning: 'The login button was clicked; this counts against the login budget.',
    remedy: '',
    text: (f) => `credentials submitted (attempt ${f.IB_ATTEMPT})`,
  }),
  'login-refused': row({
    messageId: '4424a1ad671741e6acf1ad0ce7bbc46c',
    priority: 3,
    fields: ['IB_CAUSE', 'IB_DETAIL'],
    meaning: 'IBKR or the gateway did not accept the login.',
    remedy:
      'IB_CAUSE says why. `credentials`: correct the stored user name and password, then run `ibctl login`. `locked-out`: IBKR asks for a wait, which is kept. Other causes are tried again within the login budget.',
    text: (f) => `login refused: ${f.IB_CAUSE}${f.IB_DETAIL ? ` (${f.IB_DETAIL})` : ''}`,
  }),
  'login-deferred': row({
    messageId: 'e5cdac8af8a44bd7b780357c76f99ef1',
    priority: 4,
    fields: ['IB_UNTIL', 'IB_DETAIL', 'IB_WHY', 'IB_USED', 'IB_LIMIT', 'IB_WAITS_FOR'],
    meaning:
      'A login is not made now. IB_WHY: a budget that is used up (`logins-hour`, `logins-day`, `pushes-hour`, `pushes-day`, with IB_USED of IB_LIMIT), `push-outstanding` (the session IB_WAITS_FOR of the same IBKR user may wait for its second factor), or `locked-out` (IBKR asked to wait).',
    remedy:
      'Wait until IB_UNTIL, or find out why so many logins were needed: `ibctl events --since 1h`. `ibctl plan` shows all budgets.',
    text: (f) => `login deferred until ${f.IB_UNTIL}: ${f.IB_DETAIL}`,
  }),
  'budget-overridden': row({
    messageId: '45246be1880c4e26ae8cc1b7374f4dbd',
    priority: 4,
    fields: [
      'IB_ACTOR_UID',
      'IB_ACTOR_PID',
      'IB_WHY',
      'IB_UNTIL',
      'IB_LOGINS_HOUR',
      'IB_LOGINS_DAY',
      'IB_PUSHES_HOUR',
      'IB_PUSHES_DAY',
    ],
    meaning:
      'An operator let one login through although the login budget is used up; what was spent before it is in the fields.',
    remedy:
      'Nobody you know of? The `operator-command` just before names the user; members of the group ib-operators may do it.',
    text: (f) =>
      `login budget (${f.IB_WHY}) overridden by uid ${f.IB_ACTOR_UID || '?'}, pid ${f.IB_ACTOR_PID || '?'}: ${f.IB_LOGINS_HOUR} logins in the last hour, ${f.IB_LOGINS_DAY} in 24 h; second factors: ${f.IB_PUSHES_HOUR} and ${f.IB_PUSHES_DAY}`,
  }),
  'second-factor-pending': row({
    messageId: '0ff800a410ab4e80873f3753483e4feb',
    priority: 4,
    fields: ['IB_METHOD', 'IB_ATTEMPT', 'IB_DEADLINE', 'IB_CHALLENGE', 'IB_DEVICES', 'IB_DETAIL'],
    meaning:
      'IBKR waits for the second factor. IB_METHOD says which, as far as it is known: with totp, ib-code types the code, and nobody has to do anything. IB_CHALLENGE is the number that IB Key or a code card is asked for, IB_DEVICES the entries of a device list, IB_DETAIL why ib-code cannot type the code.',
    remedy:
      'Approve the notification of IBKR Mobile, or hand in the code with `ibctl code`, before IB_DEADLINE. If it cannot be answered, nothing more happens by itself than IB_DEADLINE passing.',
    text: (f) => `second factor pending (${f.IB_METHOD}), answer before ${f.IB_DEADLINE}`,
  }),
  'second-factor-device-chosen': row({
    messageId: 'c2245c4d5dd74c23890fdcb08643b769',
    priority: 5,
    fields: ['IB_DEVICE', 'IB_BY'],
    meaning:
      'An entry of the device list was chosen through its window: by an `operator` (`ibctl login --device`), or by the `agent`, because IBC did not pick the one that was given or configured. IBC picking it is no event.',
    remedy: '',
    text: (f) => `second-factor device chosen: ${f.IB_DEVICE} (by the ${f.IB_BY})`,
  }),
  'second-factor-resent': row({
    messageId: '88e6b343901549fb92e1d8e8296bcb65',
    priority: 5,
    fields: ['IB_METHOD', 'IB_ATTEMPT', 'IB_PUSH', 'IB_OUTCOME'],
    meaning:
      'An operator had the notification to the phone sent once more; it counts against the budgets of second factors. IB_PUSH says how many this second factor has had. IB_OUTCOME is `pressed`, or `uncertain` when the window stopped answering while its button was being pressed.',
    remedy: 'The `operator-command` just before names the user.',
    text: (f) =>
      `notification sent again, number ${f.IB_PUSH} of this second factor${f.IB_OUTCOME === 'uncertain' ? ' (perhaps)' : ''}`,
  }),
  'second-factor-accepted': row({
    messageId: '36b7497ed5d84005b131b6e97c4f1b73',
    priority: 5,
    fields: ['IB_METHOD', 'IB_ATTEMPT'],
    meaning: 'The second factor was answered and the login went on.',
    remedy: '',
    text: (f) => `second factor accepted (${f.IB_METHOD})`,
  }),
  'second-factor-rejected': row({
    messageId: '1f0051657e85b845a807ba7a31fc00c6',
    priority: 4,
    fields: ['IB_METHOD', 'IB_ATTEMPT', 'IB_DETAIL'],
    meaning: 'The code that was entered was not accepted; IBKR asks for another.',
    remedy:
      'Enter the next code. A code works once and for half a minute: when right ones are refused, compare the clock of this host with the time.',
    text: (f) => `second factor rejected${f.IB_DETAIL ? `: ${f.IB_DETAIL}` : ''}`,
  }),
  'second-factor-code-typed': row({
    messageId: 'e5328250d1c74db9b719666d915c24eb',
    priority: 5,
    fields: ['IB_BY', 'IB_NUMBER', 'IB_CERTAIN'],
    meaning:
      'A one-time code was handed in. IB_BY is ib-code or operator, IB_NUMBER counts those of this second factor, IB_CERTAIN is no when it is not known whether it arrived.',
    remedy: '',
    text: (f) =>
      `code ${f.IB_NUMBER} of ${f.IB_BY === 'operator' ? 'a person' : 'ib-code'} ${f.IB_CERTAIN === 'yes' ? 'typed' : 'may have been typed'}`,
  }),
  'second-factor-code-failed': row({
    messageId: 'ec91b95bab5e4698a1cef8d239411869',
    priority: 4,
    fields: ['IB_WHY', 'IB_DETAIL', 'IB_NUMBER'],
    meaning:
      'No code could be typed by ib-code; it is certain that none was handed in. IB_NUMBER counts the failures in a row.',
    remedy:
      'After a few of them, or at once when another try cannot help, a person is asked for the code: `ibctl code`.',
    text: (f) => `no code was typed: ${f.IB_DETAIL}`,
  }),
  'clock-compared': row({
    messageId: '060016fc811d468c80d4e84c21f47330',
    priority: 5,
    fields: ['IB_OFFSET_MS', 'IB_HOST', 'IB_DETAIL'],
    meaning:
      "Right codes are refused when the clock is wrong, so this host's clock was compared with that of IB_HOST. IB_OFFSET_MS is by how much this one is ahead; empty: not known.",
    remedy:
      'When it is off by more than some seconds: set it right, and see that a time service runs (timedatectl).',
    text: (f) => f.IB_DETAIL,
  }),
  'second-factor-timeout': row({
    messageId: 'fc7ec868cace48d39ecb248ee5a7c47f',
    priority: 4,
    fields: ['IB_METHOD', 'IB_ATTEMPT', 'IB_MISSED'],
    meaning: 'Nobody answered the second factor in time.',
    remedy: 'Run `ibctl login` when you can answer it. After a few in a row the session halts.',
    text: (f) => `second factor not answered (${f.IB_MISSED} in a row)`,
  }),
  'existing-session': row({
    messageId: 'd73c07251c5b4547871dbc514ee9fe09',
    priority: 4,
    fields: ['IB_DECISION'],
    meaning: 'IBKR reports another session of the same user.',
    remedy:
      '`continues`: this session took over. `asks`: the dialog waits for a person. `ends`: the other one keeps the account; run `ibctl login` to take it back.',
    text: (f) => `another session of this user exists: this one ${f.IB_DECISION}`,
  }),
  'session-ready': row({
    messageId: '5d4b7e77d5ec4da49c4949245b0b9a78',
    priority: 5,
    fields: ['IB_SERVER_VERSION', 'IB_LATENCY_MS'],
    meaning: 'Every health layer has positive evidence: API handshake, accounts, broker connectivity.',
    remedy: '',
    text: (f) => `ready (API server version ${f.IB_SERVER_VERSION})`,
  }),
  'session-degraded': row({
    messageId: 'fe4d91d4c633428f8b31fb95219c3a46',
    priority: 4,
    fields: ['IB_CONDITIONS'],
    meaning: 'Logged in, but trading is impaired.',
    remedy: '`ibctl status` shows the conditions and what to do.',
    text: (f) => `degraded: ${f.IB_CONDITIONS}`,
  }),
  'session-recovered': row({
    messageId: 'a98c36fb9c4b4a7c885903814b4d66fc',
    priority: 5,
    fields: [],
    meaning: 'Every impairing condition has ended.',
    remedy: '',
    text: () => `recovered`,
  }),
  'session-lost': row({
    messageId: '28487bac2de34acf85224581a4e9da4c',
    priority: 3,
    fields: ['IB_DETAIL'],
    meaning: 'A session that was up has ended and nobody asked for it here.',
    remedy:
      'The reason says what is known. The agent tries again within the login budget, or halts when a person is needed.',
    text: (f) => `session lost: ${f.IB_DETAIL}`,
  }),
  'session-stopped': row({
    messageId: '58a416d727d34ef7bf72f41326cc9a98',
    priority: 5,
    fields: [],
    meaning: 'The session is down as wanted.',
    remedy: '`ibctl start` brings it up.',
    text: () => `stopped`,
  }),
  'session-halted': row({
    messageId: '1e12ba9416364ee4bac193ff90f690a1',
    priority: 2,
    fields: ['IB_DETAIL'],
    meaning: 'The session is down until a person acts; no timer leaves this state.',
    remedy: 'Follow IB_HINT, then run `ibctl login`.',
    text: (f) => `halted: ${f.IB_DETAIL}`,
  }),
  'session-backing-off': row({
    messageId: '864ccfb70baf435abb48ec7f33167cb0',
    priority: 4,
    fields: ['IB_UNTIL', 'IB_NEXT', 'IB_DETAIL'],
    meaning: 'The agent will try again at IB_UNTIL.',
    remedy: '`ibctl login` tries at once.',
    text: (f) => `next ${f.IB_NEXT} at ${f.IB_UNTIL}: ${f.IB_DETAIL}`,
  }),
  'restart-planned': row({
    messageId: 'e10891fec38b48eeacc74b6aa7315df6',
    priority: 5,
    fields: ['IB_KIND', 'IB_AT'],
    meaning: 'A restart of the gateway was asked for.',
    remedy: '',
    text: (f) => `${f.IB_KIND} restart planned${f.IB_AT ? ` for ${f.IB_AT}` : ''}`,
  }),
  'restart-started': row({
    messageId: 'd9f8133c64b241649ddcb0e55ec05cba',
    priority: 5,
    fields: ['IB_KIND'],
    meaning: 'The gateway is going down for its restart.',
    remedy: '',
    text: (f) => `${f.IB_KIND} restart: the gateway is going down`,
  }),
  'restart-finished': row({
    messageId: '4ef97707455c47deaf46fa1d15a2aa81',
    priority: 5,
    fields: ['IB_KIND', 'IB_SECONDS'],
    meaning: 'The session is ready again after a restart.',
    remedy: '',
    text: (f) => `${f.IB_KIND} restart finished after ${f.IB_SECONDS} s`,
  }),
  'restart-failed': row({
    messageId: '8f89180a63114d7ba1b322b28ca4ac40',
    priority: 4,
    fields: ['IB_KIND', 'IB_DETAIL'],
    meaning: 'A restart that was asked for did not happen.',
    remedy: '`ibctl restart --cold` restarts with a full login.',
    text: (f) => `${f.IB_KIND} restart failed: ${f.IB_DETAIL}`,
  }),
  'gateway-exited': row({
    messageId: 'c8369c4c59b24c78af999803d08824e8',
    priority: 6,
    fields: ['IB_EXIT_STATUS', 'IB_EXIT_SIGNAL', 'IB_DETAIL'],
    meaning: "The gateway's JVM has ended.",
    remedy: '',
    text: (f) => `gateway exited (${f.IB_EXIT_SIGNAL || `status ${f.IB_EXIT_STATUS}`}): ${f.IB_DETAIL}`,
  }),
  'launch-failed': row({
    messageId: '1b09111454fe4ca49c4c9dc92e936087',
    priority: 3,
    fields: ['IB_FAILURE', 'IB_DETAIL'],
    meaning: 'A launcher could not become its program.',
    remedy: 'IB_HINT names what is missing and how to mend it.',
    text: (f) => `launch failed: ${f.IB_DETAIL}`,
  }),
  'display-lost': row({
    messageId: '0abeb6d4525a46219320d0f482d3f9f6',
    priority: 3,
    fields: ['IB_EXIT_STATUS', 'IB_EXIT_SIGNAL'],
    meaning: 'The X display of the session has ended; the gateway cannot live without it.',
    remedy: "Look at `ibctl logs` for Xvfb's last words.",
    text: (f) => `the display ended (${f.IB_EXIT_SIGNAL || `status ${f.IB_EXIT_STATUS}`})`,
  }),
  'api-unresponsive': row({
    messageId: '90f96df362a447bb96927481767cb08c',
    priority: 3,
    fields: ['IB_DETAIL'],
    meaning: 'The gateway runs but its API does not answer.',
    remedy: '`ibctl restart` if it does not recover.',
    text: (f) => `API unresponsive: ${f.IB_DETAIL}`,
  }),
  'dialog-unknown': row({
    messageId: '9e0e4d8320da464a9a6c003389b0e830',
    priority: 4,
    fields: ['IB_TITLE', 'IB_TEXT', 'IB_BUTTONS', 'IB_WINDOW'],
    meaning:
      'A window is open that nobody answers: one that the agent does not know, or one that is a person to decide on. IB_TEXT is what it says, IB_BUTTONS what can be chosen. The agent never guesses.',
    remedy:
      '`ibctl windows` shows it, `ibctl windows click NAME WINDOW BUTTON` answers it. Where only IB_TITLE is known, look at the display.',
    text: (f) =>
      `a window waits for an answer: ${f.IB_TITLE || 'without a title'}${f.IB_TEXT ? `: ${f.IB_TEXT.replaceAll('\n', ' ')}` : ''}${f.IB_BUTTONS ? ` [${f.IB_BUTTONS}]` : ''}`,
  }),
  'dialog-answered': row({
    messageId: '6f9e9f9e615aa64060e551ad6da99cd1',
    priority: 5,
    fields: ['IB_DIALOG', 'IB_TITLE', 'IB_BUTTON'],
    meaning: 'The agent pressed a button by itself, as `dialogs.answer` of the session allows.',
    remedy: '',
    text: (f) => `${f.IB_DIALOG}: pressed ${f.IB_BUTTON}`,
  }),
  'gui-frozen': row({
    messageId: '0b56141814e61d73e377fd0058927f2c',
    priority: 3,
    fields: ['IB_SECONDS'],
    meaning:
      "The gateway's event thread does not answer: its windows do not react, and nothing can be typed or clicked.",
    remedy: 'It may recover. `ibctl restart --cold` ends the gateway and logs in again.',
    text: (f) => `the windows of the gateway have not reacted for ${f.IB_SECONDS} s`,
  }),
  'password-expiring': row({
    messageId: 'ab8c6a68caf3e8e06fa6872ce769ca77',
    priority: 4,
    fields: ['IB_DAYS', 'IB_DETAIL'],
    meaning: 'IBKR says that the password expires soon. Told once a day.',
    remedy: 'Change it on the IBKR website and store the new one before a login fails.',
    text: (f) =>
      f.IB_DAYS ? `the password expires in ${f.IB_DAYS} days` : `the password expires: ${f.IB_DETAIL}`,
  }),
  'upgrade-required': row({
    messageId: 'cdb8909ea61026f5d7f3ce8cf430697a',
    priority: 4,
    fields: ['IB_DETAIL'],
    meaning:
      'IBKR asks for a newer version of the gateway. Where it accepts no login any more, the session halts.',
    remedy: 'Install a newer gateway, name it in `install.gatewayVersion`, and run `ibctl restart --cold`.',
    text: (f) => `a newer gateway is wanted: ${f.IB_DETAIL.replaceAll('\n', ' ')}`,
  }),
  'state-unwritable': row({
    messageId: 'b7b821f6e1194ffe91dd5a7d494a05c1',
    priority: 3,
    fields: ['IB_DETAIL'],
    meaning:
      'The agent could not record a login, a second factor or the wish for a session on disk. No login is started while its ledger cannot be written.',
    remedy: 'Make the state directory writable and give it room (`df -h`, `ls -ld`).',
    text: (f) => f.IB_DETAIL,
  }),
  'setting-failed': row({
    messageId: '27c980e184454df98df6bfe5ddaff17a',
    priority: 4,
    fields: ['IB_DETAIL'],
    meaning: 'IBC reported that it could not do something.',
    remedy: "Compare the session's `ibc` settings with docs/configuration.md.",
    text: (f) => `IBC: ${f.IB_DETAIL}`,
  }),
  'notify-failed': row({
    messageId: 'fe896a77c00d449f8f3f894b725a2bd4',
    priority: 4,
    fields: ['IB_TARGET', 'IB_ABOUT', 'IB_DETAIL'],
    meaning:
      'A notification could not be delivered and is given up. Nobody is notified of this event itself.',
    remedy: 'IB_DETAIL says why; `ibctl notify test` tries the target (IB_TARGET) now.',
    text: (f) => `notification of ${f.IB_ABOUT} to ${f.IB_TARGET} failed: ${f.IB_DETAIL}`,
  }),
} as const;

export type EventName = keyof typeof CATALOGUE;
export type EventFields<N extends EventName> = {
  readonly [K in (typeof CATALOGUE)[N]['fields'][number]]: string;
};

/** Whether a text is the name of an event of this version. */
export function isEventName(name: string): name is EventName {
  return Object.hasOwn(CATALOGUE, name);
}

/** An event as a rule states it: the name, its own fields, and what to do when that is more specific than the catalogue's remedy. */
export type EventDraft = {
  readonly [N in EventName]: {
    readonly event: N;
    readonly fields: EventFields<N>;
    readonly reason?: string;
    readonly hint?: string;
  };
}[EventName];

/** Where a session stood when the event came about. */
export type EventContext = {
  readonly at: number;
  readonly session: string | null;
  readonly state: SessionStateName | null;
  readonly previousState: SessionStateName | null;
};

/** An event with everything the journal, the socket and the docs need. `at` is epoch milliseconds. */
export type AgentEvent = EventContext & {
  readonly event: EventName;
  readonly messageId: string;
  readonly priority: Priority;
  readonly reason: string | null;
  readonly message: string;
  readonly hint: string | null;
  readonly fields: Readonly<Record<string, string>>;
};

/** Completes a draft from the catalogue. */
export function completeEvent(draft: EventDraft, context: EventContext): AgentEvent {
  const entry: CatalogueRow<string> = CATALOGUE[draft.event];
  return {
    ...context,
    event: draft.event,
    messageId: entry.messageId,
    priority: entry.priority,
    reason: draft.reason ?? null,
    message: entry.text(draft.fields),
    hint: draft.hint ?? (entry.remedy === '' ? null : entry.remedy),
    fields: draft.fields,
  };
}

/** The event as the fields of one journal entry (names of journald, values text); the JSON line on stdout has the same. */
export function journalFields(event: AgentEvent): Record<string, string> {
  return {
    MESSAGE_ID: event.messageId,
    PRIORITY: String(event.priority),
    IB_EVENT: event.event,
    ...(event.session === null ? {} : { IB_SESSION: event.session }),
    ...(event.state === null ? {} : { IB_STATE: event.state }),
    ...(event.previousState === null ? {} : { IB_PREVIOUS_STATE: event.previousState }),
    ...(event.reason === null ? {} : { IB_REASON: event.reason }),
    ...(event.hint === null ? {} : { IB_HINT: event.hint }),
    ...event.fields,
  };
}
