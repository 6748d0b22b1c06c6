// Owns the dialog rules: which window means what, the fact it gives, how long it may stay open, and what may be clicked in it.

import type { GatewayFact, SecondFactorDetail } from './facts.ts';
import { type Look, lookAt, lowered, type SeenWindow } from './seen-window.ts';

/** Names of rules whose dialog the agent may answer by itself, as `dialogs.answer` of a session has them. */
export const ANSWERABLE = ['login-messages', 'restart-notice', 'version-notice'] as const;
export type Answerable = (typeof ANSWERABLE)[number];

/** All that is given must hold. Patterns see texts in lower case, without markup, each run of blanks as one. */
type Match = {
  readonly kind?: 'frame' | 'dialog';
  readonly title?: RegExp;
  /** Somewhere in the labels and text areas, joined by blanks. */
  readonly text?: RegExp;
  /** A button with the whole of this text. */
  readonly button?: RegExp;
  readonly not?: RegExp;
  readonly where?: (look: Look) => boolean;
};

export type DialogRule = {
  readonly id: string;
  /** What it is, in words. */
  readonly what: string;
  readonly match: Match;
  /** What the window tells; null when lines of the log tell it, or there is nothing to tell. */
  readonly facts: ((look: Look) => readonly GatewayFact[]) | null;
  /** How long it may be open before a person is told that it waits for an answer. Milliseconds; null: as long as it likes. */
  readonly waitsMs: number | null;
  /**
   * The one button that the agent may press by itself, when the session's `dialogs.answer` names the setting. Only where the driver leaves
   * the dialog open; both texts must be exactly these, but for the case of the button's.
   */
  readonly click: { readonly setting: Answerable; readonly title: string; readonly button: string } | null;
  /** Button that sends a notification to the phone again, in lower case; only ever pressed for an operator who asks. */
  readonly resend: RegExp | null;
};

const AT_ONCE = 0;
/** What the driver answers by itself gets this long. */
const DRIVER_MS = 30_000;
const MINUTES = 60_000;

const SECOND_FACTOR_TITLE = /second factor authentication|security code card authentication/;
const PASSKEY = /pass ?key/;
const MAIN_MENU = /^about (?:ib )?gateway$/;
const REJECTED =
  /\b(?:code|passcode|response|value)s?\b.{0,60}\b(?:not correct|incorrect|invalid|not valid|wrong|expired|rejected)|\b(?:invalid|incorrect|wrong)\b.{0,30}\b(?:code|passcode|response|value)/;

/** `Resend Notification`, `Re-send push`, `Send notification again`, `Send another notification`, `Resend`. */
const RESEND =
  /^re-?send(?: (?:the )?(?:push )?(?:notification|push|request|message))?$|^send (?:the |another |a new )?(?:push )?(?:notification|push|request)(?: again)?$|^send again$/;

function refused(
  cause: Extract<GatewayFact, { kind: 'login-refused' }>['cause'],
): (look: Look) => readonly GatewayFact[] {
  return (look) => [{ kind: 'login-refused', cause, text: look.says, waitMs: null }];
}

function rule(
  id: string,
  what: string,
  match: Match,
  rest: Partial<Pick<DialogRule, 'facts' | 'waitsMs' | 'click' | 'resend'>> = {},
): DialogRule {
  return { id, what, match, facts: null, waitsMs: null, click: null, resend: null, ...rest };
}

const hasField = (look: Look) => look.fields.length > 0;
const noField = (look: Look) => look.fields.length === 0;
const isMain = (look: Look) => look.menuItems.some((item) => MAIN_MENU.test(item));

/**
 * What is shown in the second factor's own dialog. Each shape has one rule; a field to type in tells a code from a push. IBKR words the
 * code's dialog by where the code comes from.
 */
const SECOND_FACTOR: readonly DialogRule[] = [
  rule(
    'second-factor-devices',
    'the list of second-factor devices',
    { title: SECOND_FACTOR_TITLE, where: (look) => noField(look) && look.rows !== null },
    { facts: (look) => [shown('device-choice', look, { devices: look.rows })] },
  ),
  rule(
    'second-factor-push',
    'IB Key: a notification was sent to the phone and is waited for',
    {
      title: SECOND_FACTOR_TITLE,
      not: PASSKEY,
      where: (look) => noField(look) && look.rows === null && !REJECTED.test(look.text),
    },
    { facts: (look) => [shown('ib-key', look)], resend: RESEND },
  ),
  rule(
    'second-factor-challenge',
    'IB Key challenge/response: a number to type into the phone, whose answer is typed here',
    { title: SECOND_FACTOR_TITLE, text: /challenge/, where: (look) => hasField(look) && !isCard(look) },
    { facts: (look) => codeFacts('challenge', look, { challenge: challengeOf(look) }) },
  ),
  rule(
    'second-factor-card',
    'security code card: two places of the card whose values are typed here',
    { where: (look) => hasField(look) && isCard(look) },
    { facts: (look) => codeFacts('challenge', look, { challenge: cardPlaces(look) }) },
  ),
  rule(
    'second-factor-code-app',
    'a code of the authenticator app',
    {
      title: SECOND_FACTOR_TITLE,
      text: /authenticator/,
      not: /challenge/,
      where: (look) => hasField(look) && !isCard(look),
    },
    { facts: (look) => codeFacts('code', look, { app: true }) },
  ),
  rule(
    'second-factor-code-sms',
    'a code that IBKR sent by text message',
    {
      title: SECOND_FACTOR_TITLE,
      text: /\bsms\b|text message|mobile phone number|sent .{0,40}\bphone/,
      not: /challenge|authenticator/,
      where: (look) => hasField(look) && !isCard(look),
    },
    { facts: (look) => codeFacts('code', look, { app: false }) },
  ),
  rule(
    'second-factor-code',
    'a code; the text does not tell where it comes from',
    {
      title: SECOND_FACTOR_TITLE,
      not: /challenge|authenticator|\bsms\b|text message|mobile phone number|sent .{0,40}\bphone/,
      where: (look) => hasField(look) && !isCard(look),
    },
    { facts: (look) => codeFacts('code', look) },
  ),
  rule(
    'second-factor-rejected',
    'a message that the code was not accepted',
    {
      kind: 'dialog',
      text: REJECTED,
      not: /user ?name|password|connection/,
      where: (look) => noField(look) && look.rows === null && !isMain(look),
    },
    {
      facts: (look) => [{ kind: 'second-factor-code-rejected', window: look.id, text: look.says }],
      waitsMs: DRIVER_MS,
    },
  ),
  rule(
    'passkey-unsupported',
    'the gateway is too old for the passkey that this account logs in with',
    { text: /pass ?key.{0,40}not supported/ },
    { facts: (look) => [{ kind: 'passkey-required', text: look.says }] },
  ),
  rule(
    'passkey',
    'the login asks for a passkey',
    {
      not: /pass ?key.{0,40}not supported/,
      where: (look) => look.rows === null && PASSKEY.test(`${look.title} ${look.text}`) && noField(look),
    },
    { facts: (look) => [{ kind: 'passkey-required', text: look.says }] },
  ),
];

const REFUSALS: readonly DialogRule[] = [
  rule(
    'wrong-credentials',
    'user name or password is wrong',
    {
      kind: 'dialog',
      where: ({ title, text }) =>
        /unrecogni[sz]ed (?:user ?name|password)/.test(title) ||
        /(?:unrecogni[sz]ed|invalid|incorrect) user ?name (?:or|and|\/) ?password/.test(text),
    },
    { facts: refused('credentials') },
  ),
  rule(
    'login-failed',
    'the login failed, for a reason that its text gives',
    {
      kind: 'dialog',
      title: /^login failed$/,
      not: /(?:unrecogni[sz]ed|invalid|incorrect) user ?name|too many failed login attempts|connection to server failed|pass ?key|no longer supported/,
    },
    { facts: refused('login-failed') },
  ),
  rule(
    'login-error',
    'a login error, such as a restart token that was not accepted',
    {
      kind: 'dialog',
      title: /^login error$/,
      not: /security tokens?\b.*expired|pass ?key|too many failed login|connection to server failed|no longer supported|user ?name or password/,
    },
    { facts: refused('login-error') },
  ),
  rule(
    'connection-failed',
    'the gateway cannot reach IBKR',
    { kind: 'dialog', text: /connection to server failed|server disconnected/, not: PASSKEY },
    { facts: refused('connection-failed') },
  ),
  rule(
    'not-available',
    "IBKR's system is not available",
    { kind: 'dialog', text: /system is not currently available/ },
    { facts: refused('connection-failed') },
  ),
  rule(
    'too-many-attempts',
    'too many failed logins: IBKR asks to wait',
    { kind: 'dialog', text: /too many failed login attempts/ },
    {
      facts: ({ text, says }) => [
        { kind: 'login-refused', cause: 'locked-out', text: says, waitMs: readWaitMs(text) },
      ],
    },
  ),
  rule(
    'tokens-expired',
    "IBKR's security tokens have expired, as they do every week: a full login is needed",
    { kind: 'dialog', text: /security tokens?\b.*\bexpired/ },
    { facts: (look) => [{ kind: 'tokens-expired', text: look.says }] },
  ),
  rule(
    'unsupported-version',
    'this version of the gateway may not log in any more',
    { kind: 'dialog', text: /no longer supported/, not: PASSKEY },
    { facts: (look) => [{ kind: 'upgrade-required', text: look.says, ends: true }] },
  ),
];

/** Those that the driver answers come by its log as well, and by that alone they count: a re-login, for one, costs budget. */
const DRIVEN: readonly DialogRule[] = [
  rule(
    'existing-session',
    'another session of this user is logged in, before or after this login',
    { kind: 'dialog', title: /existing session detected/ },
    { waitsMs: DRIVER_MS },
  ),
  rule(
    'login-handoff',
    'another session of this user trades; it can be disconnected',
    { kind: 'dialog', title: /trading login handoff/ },
    { waitsMs: DRIVER_MS },
  ),
  rule(
    'relogin-required',
    'the connection was lost and the session has to be logged in again',
    { kind: 'dialog', title: /re-?login is required/ },
    { waitsMs: DRIVER_MS },
  ),
  rule(
    'paper-notice',
    'the notice that a paper account is no brokerage account; the API waits for its answer',
    { kind: 'dialog', text: /this is not a brokerage account/, button: /^i understand and accept$/ },
    { waitsMs: DRIVER_MS },
  ),
  rule(
    'password-notice',
    'the password expires soon',
    {
      where: ({ kind, title, text }) =>
        kind !== 'window' && (/password notice/.test(title) || /password\b.{0,60}\bexpire/.test(text)),
    },
    {
      facts: (look) => [{ kind: 'password-expiring', days: readDays(look.text), text: look.says }],
      waitsMs: DRIVER_MS,
    },
  ),
  rule(
    'newer-version',
    'a newer version of the gateway is available',
    { title: /newer version/ },
    {
      facts: (look) => [{ kind: 'upgrade-required', text: look.says, ends: false }],
      waitsMs: DRIVER_MS,
    },
  ),
  rule(
    'accept-connection',
    'an API client wants to connect and is not on the list of trusted addresses',
    { kind: 'dialog', text: /accept incoming connection/ },
    { waitsMs: 10_000 },
  ),
  rule(
    'api-change',
    'a change of the API port is to be confirmed',
    {
      kind: 'dialog',
      text: /api (?:socket )?port|socket port.{0,60}\bapi/,
      where: (look) => look.rows === null,
    },
    { waitsMs: DRIVER_MS },
  ),
  rule(
    'display-size-notice',
    'the notice on how bid, ask and last sizes are shown',
    { kind: 'dialog', text: /bid, ask and last size display update/ },
    { waitsMs: DRIVER_MS },
  ),
  rule(
    'restart-question',
    'whether to restart now',
    { kind: 'dialog', text: /would you like to restart now\?/ },
    { waitsMs: DRIVER_MS },
  ),
  rule(
    'reconnect-question',
    'whether to simulate a lost connection, after somebody asked for a reconnection',
    { kind: 'dialog', text: /\bsimulate\b/ },
    { waitsMs: DRIVER_MS },
  ),
  rule(
    'reset-order-ids',
    'whether to reset the order ids of the API',
    { kind: 'dialog', text: /reset.{0,40}order ids?\b/ },
    { waitsMs: DRIVER_MS },
  ),
  rule(
    'exit-question',
    'whether to exit',
    { kind: 'dialog', text: /are you sure you want to exit\?/ },
    { waitsMs: DRIVER_MS },
  ),
];

/** The driver leaves these open. */
const LEFT_OPEN: readonly DialogRule[] = [
  rule(
    'login-messages',
    'messages of IBKR at the login, which does not go on before they are left',
    {
      kind: 'dialog',
      where: ({ title, buttons }) => /^login messages?$/.test(title) || buttons.includes('resume login'),
    },
    {
      waitsMs: AT_ONCE,
      click: { setting: 'login-messages', title: 'Login Messages', button: 'Resume login' },
    },
  ),
  rule(
    'version-notice',
    'this version of the gateway will not be supported much longer',
    {
      kind: 'dialog',
      text: /minimum supported version|will be desupported on/,
      not: /no longer supported/,
    },
    {
      facts: (look) => [{ kind: 'upgrade-required', text: look.says, ends: false }],
      waitsMs: AT_ONCE,
      click: { setting: 'version-notice', title: 'IBKR Gateway', button: 'OK' },
    },
  ),
  rule(
    'restart-notice',
    'the notice that the gateway will restart by itself every day',
    { kind: 'dialog', text: /elected to have your trading platform restart automatically/ },
    {
      waitsMs: AT_ONCE,
      click: { setting: 'restart-notice', title: 'IBKR Gateway', button: 'OK' },
    },
  ),
  rule(
    'api-not-available',
    'this kind of account has no API',
    { kind: 'dialog', text: /api support is not available/ },
    { waitsMs: AT_ONCE },
  ),
  rule(
    'api-write-access',
    'an API client wants to place orders, which the settings do not allow',
    { kind: 'dialog', where: ({ title, text }) => /write access/.test(`${title} ${text}`) },
    { waitsMs: AT_ONCE },
  ),
  rule(
    'order-precaution',
    'a precaution stopped an order, or an order is to be confirmed',
    {
      kind: 'dialog',
      where: ({ title }) => /precaution|order confirmation/.test(title) && !/configuration/.test(title),
    },
    { waitsMs: DRIVER_MS },
  ),
  rule(
    'advisor-warning',
    'the warning that a financial advisor gets',
    { kind: 'dialog', title: /financial advisor warning/ },
    { waitsMs: AT_ONCE },
  ),
  rule(
    'exit-setting',
    'how the gateway is to end its sessions',
    { kind: 'dialog', title: /exit session setting/ },
    { waitsMs: AT_ONCE },
  ),
  rule(
    'use-ssl',
    'the connection is to be encrypted from now on',
    { kind: 'dialog', button: /^reconnect using ssl$/ },
    { waitsMs: AT_ONCE },
  ),
];

/** Windows of a gateway that goes its way. */
const USUAL: readonly DialogRule[] = [
  rule('login-window', 'where user name and password are typed', {
    kind: 'frame',
    title: /(?:ibkr|ib|interactive brokers) gateway/,
    button: /^(?:paper )?log ?in$/,
  }),
  rule('main-window', "the gateway's own window", { kind: 'frame', where: isMain }),
  rule('splash', 'how far the login has come, in its title', {
    where: (look) =>
      look.kind !== 'window' &&
      (/\.\.\.$/.test(look.title) || /^connecting to server/.test(look.title)) &&
      !isMain(look) &&
      !/gateway/.test(look.title),
  }),
  rule(
    'configuration',
    'the settings, opened by the driver or by a person',
    { title: /configuration/, where: (look) => look.kind !== 'window' && look.rows !== null },
    { waitsMs: 5 * MINUTES },
  ),
  rule('shutdown-progress', 'the gateway is closing', { kind: 'dialog', title: /^shutdown progress$/ }),
  rule('logs', "the gateway's own log viewer", { title: /^(?:view|export) (?:ib |today.s )?logs?$/ }),
];

/** Every rule; a window is one of them at most, which a test holds against all known windows. */
export const DIALOG_RULES: readonly DialogRule[] = [
  ...SECOND_FACTOR,
  ...REFUSALS,
  ...DRIVEN,
  ...LEFT_OPEN,
  ...USUAL,
];

/** The rules that a window fits. */
export function fittingRules(look: Look): readonly DialogRule[] {
  return DIALOG_RULES.filter(({ match }) => fits(match, look));
}

/** What a window is known to be, or null. Of two rules that fit, the one that stands first counts. */
export function knowDialog(window: SeenWindow): DialogRule | null {
  const look = lookAt(window);
  return DIALOG_RULES.find(({ match }) => fits(match, look)) ?? null;
}

/** Where to click, as the window shows it; null unless its texts are exactly those of the rule and the button is the only one of its text. */
export function findAnswer(
  { click }: DialogRule,
  window: SeenWindow,
): { readonly path: string; readonly text: string } | null {
  if (click === null || window.title.trim() !== click.title) return null;
  const wanted = click.button.toLowerCase();
  const [button, ...others] = lookAt(window).clickable.filter(
    ({ text }) => text.trim().toLowerCase() === wanted,
  );
  return button === undefined || others.length > 0 ? null : button;
}

/** Where to click for another notification; null unless the rule knows such a button and the window has exactly one. */
export function findResend(
  { resend }: DialogRule,
  window: SeenWindow,
): { readonly path: string; readonly text: string } | null {
  if (resend === null) return null;
  const [button, ...others] = lookAt(window).clickable.filter(({ text }) => resend.test(lowered(text)));
  return button === undefined || others.length > 0 ? null : button;
}

/** A dialog that no rule knows: told when it is one, and can hold somebody up. */
export function canHoldUp(window: SeenWindow): boolean {
  return window.kind === 'dialog' && (window.modal || lookAt(window).clickable.length > 0);
}

function fits(match: Match, look: Look): boolean {
  if (match.kind !== undefined && match.kind !== look.kind) return false;
  if (match.title !== undefined && !match.title.test(look.title)) return false;
  if (match.text !== undefined && !match.text.test(look.text)) return false;
  if (match.not?.test(`${look.title} ${look.text}`) === true) return false;
  const { button } = match;
  if (button !== undefined && !look.buttons.some((text) => button.test(text))) return false;
  return match.where === undefined || match.where(look);
}

function shown(
  method: 'ib-key' | 'code' | 'device-choice' | 'challenge',
  look: Look,
  detail: Partial<SecondFactorDetail> = {},
): GatewayFact {
  return {
    kind: 'second-factor-shown',
    method,
    detail: { app: null, challenge: null, devices: null, prompt: promptOf(look), window: look.id, ...detail },
  };
}

function codeFacts(
  method: 'code' | 'challenge',
  look: Look,
  detail: Partial<SecondFactorDetail> = {},
): readonly GatewayFact[] {
  const rejected = look.lines.find((line) => REJECTED.test(lowered(line)));
  // What it says of the code before comes first: seeing the window may be followed by the next code.
  return [
    ...(rejected === undefined
      ? []
      : [{ kind: 'second-factor-code-rejected' as const, window: look.id, text: rejected }]),
    shown(method, look, detail),
  ];
}

/** The line that says what to type; else all that is said. */
function promptOf(look: Look): string | null {
  const asks = look.lines.find(
    (line) => look.fields.length > 0 && /\benter\b|\bcode\b|challenge/i.test(line),
  );
  const prompt = asks ?? look.says;
  return prompt === '' ? null : prompt;
}

function isCard(look: Look): boolean {
  return /security code card/.test(`${look.title} ${look.text}`) && look.fields.length > 0;
}

/** The number to be typed into the phone, blanks left out. It stands behind the word, or alone on a line. */
function challengeOf(look: Look): string | null {
  const behind = /challenge\b[^0-9]{0,40}?(\d[\d ]{3,18}\d)/.exec(look.text)?.[1];
  const alone = look.lines.find((line) => /^\d[\d ]{3,18}\d$/.test(line));
  return (behind ?? alone)?.replaceAll(' ', '') ?? null;
}

/** `12, 34`: the two places of the card. */
function cardPlaces(look: Look): string | null {
  const numbers = [...look.text.matchAll(/\b\d{1,3}\b/g)].map(([number]) => number);
  return numbers.length === 0 ? null : numbers.slice(0, 4).join(', ');
}

const UNIT_MS = { hour: 3_600_000, minute: 60_000, second: 1_000 } as const;

/** `4 minutes & 47 seconds`, `2 seconds`, `1 hour`: the waiting time in milliseconds; null when there is none. */
function readWaitMs(text: string): number | null {
  const parts = [...text.matchAll(/(\d{1,6})\s*(hour|minute|second)s?\b/g)];
  if (parts.length === 0) return null;
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (isUnit(unit) ? UNIT_MS[unit] : 0), 0);
}

function isUnit(unit: string | undefined): unit is keyof typeof UNIT_MS {
  return unit !== undefined && Object.hasOwn(UNIT_MS, unit);
}

function readDays(text: string): number | null {
  const days = /(\d{1,4})\s*(?:\(\d+\)\s*)?days?\b/.exec(text)?.[1];
  if (days !== undefined) return Number(days);
  if (/\btomorrow\b|\bone day\b/.test(text)) return 1;
  return /\btoday\b|has expired/.test(text) ? 0 : null;
}
