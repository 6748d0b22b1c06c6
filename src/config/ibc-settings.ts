// Owns what is known of IBC's own settings (config.ini of IBC 3.24.1): which may be passed through, with which values, and which not.

/** How the value of an IBC setting is checked. */
export type IbcSettingKind =
  | { readonly kind: 'yes-no' }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number }
  /** `hh:mm AM`: IBC parses it with one fixed pattern and ignores the setting, with a log line only, when it does not fit. */
  | { readonly kind: 'time-of-day' }
  | { readonly kind: 'text'; readonly pattern: RegExp; readonly expected: string };

export type IbcSetting = {
  readonly name: string;
  readonly value: IbcSettingKind;
  readonly description: string;
  /** The setting acts on TWS only; the gateway never reads it. */
  readonly twsOnly?: boolean;
};

const YES_NO: IbcSettingKind = { kind: 'yes-no' };
const TIME: IbcSettingKind = { kind: 'time-of-day' };

function choice(...values: string[]): IbcSettingKind {
  return { kind: 'choice', values };
}

/** Every setting that may stand under `ibc:`. IBC is archived: the list is closed. */
export const IBC_SETTINGS: readonly IbcSetting[] = [
  {
    name: 'ReadOnlyApi',
    value: YES_NO,
    description: 'Sets the checkbox "Read-Only API": clients may read but not place orders.',
  },
  {
    name: 'AutoRestartTime',
    value: TIME,
    description:
      "Time of the gateway's daily restart, in the session's time zone. The gateway restarts without a second factor then; left out, the time set in the gateway itself stays.",
  },
  {
    name: 'AutoLogoffTime',
    value: TIME,
    description:
      'Time at which the gateway logs off every day instead of restarting; the next login needs a second factor. IBC ignores it when AutoRestartTime is set.',
  },
  {
    name: 'ExistingSessionDetectedAction',
    value: choice('manual', 'primary', 'primaryoverride', 'secondary'),
    description:
      'What to do when the same IBKR user is already logged in elsewhere: take the session over (primary, primaryoverride), yield to the other (secondary), or wait for a person (manual). Left out: primary.',
  },
  {
    name: 'AcceptIncomingConnectionAction',
    value: choice('accept', 'reject', 'manual'),
    description:
      'Answer to the dialog that asks whether an API client from another address may connect. Left out: reject.',
  },
  {
    name: 'TrustedTwsApiClientIPs',
    value: {
      kind: 'text',
      pattern: /^[0-9A-Za-z.:*-]+(,[0-9A-Za-z.:*-]+)*$/,
      expected: 'addresses separated by commas, without blanks, such as "192.0.2.10,192.0.2.11"',
    },
    description:
      'Addresses, beside 127.0.0.1, from which the gateway takes API clients. IBC writes them to jts.ini at every start.',
  },
  {
    name: 'OverrideTwsMasterClientID',
    value: { kind: 'integer', min: 0, max: 2_147_483_647 },
    description: 'API client id that sees the orders of all clients ("Master API client ID").',
  },
  {
    name: 'AcceptNonBrokerageAccountWarning',
    value: YES_NO,
    description:
      'Accepts the warning of a paper account ("This is not a brokerage account"); until it is accepted the API refuses clients. Left out: yes.',
  },
  {
    name: 'BypassOrderPrecautions',
    value: YES_NO,
    description: 'Sets the API precaution "Bypass Order Precautions for API Orders".',
  },
  { name: 'BypassBondWarning', value: YES_NO, description: 'Sets the API precaution about bonds.' },
  {
    name: 'BypassNegativeYieldToWorstConfirmation',
    value: YES_NO,
    description: 'Sets the API precaution about a negative yield to worst.',
  },
  {
    name: 'BypassCalledBondWarning',
    value: YES_NO,
    description: 'Sets the API precaution about called bonds.',
  },
  {
    name: 'BypassSameActionPairTradeWarning',
    value: YES_NO,
    description: 'Sets the API precaution about pair trades with the same action.',
  },
  {
    name: 'BypassPriceBasedVolatilityRiskWarning',
    value: YES_NO,
    description: 'Sets the API precaution about price-based volatility risk.',
  },
  {
    name: 'BypassUSStocksMarketDataInSharesWarning',
    value: YES_NO,
    description: 'Sets the API precaution about US stock market data in shares.',
  },
  {
    name: 'BypassRedirectOrderWarning',
    value: YES_NO,
    description: 'Sets the API precaution about redirected orders.',
  },
  {
    name: 'BypassNoOverfillProtectionPrecaution',
    value: YES_NO,
    description: 'Sets the API precaution about missing overfill protection.',
  },
  {
    name: 'SendMarketDataInLotsForUSstocks',
    value: YES_NO,
    description: 'Sets the API checkbox that sends market data of US stocks in lots.',
  },
  {
    name: 'AcceptBidAskLastSizeDisplayUpdateNotification',
    value: choice('accept', 'defer', 'ignore'),
    description: 'Answer to the notice about the display of bid, ask and last sizes.',
  },
  {
    name: 'ConfirmCryptoCurrencyOrders',
    value: choice('transmit', 'cancel', 'manual'),
    description: 'Answer to the confirmation of orders for cryptocurrencies.',
  },
  {
    name: 'ResetOrderIdsAtStart',
    value: YES_NO,
    description: 'Resets the sequence of API order ids at every start.',
  },
  {
    name: 'ConfirmOrderIdReset',
    value: {
      kind: 'text',
      pattern: /^(confirm|reject|ignore)\/(confirm|reject|ignore)$/,
      expected: 'two of confirm, reject, ignore with a slash between, such as confirm/ignore',
    },
    description: 'Answers to the two confirmations of an order id reset.',
    twsOnly: true,
  },
  {
    name: 'LogStructureScope',
    value: choice('known', 'unknown', 'untitled', 'all'),
    description:
      'Which windows IBC describes in its log. For support: the log then holds what the windows show.',
  },
  {
    name: 'LogStructureWhen',
    value: choice(
      'open',
      'openclose',
      'activate',
      'never',
      'opened',
      'closed',
      'closing',
      'activated',
      'deactivated',
      'iconified',
      'deiconified',
      'focused',
      'lost focus',
      'state changed',
    ),
    description: 'When IBC describes windows in its log.',
  },
  {
    name: 'IncludeStackTraceForExceptions',
    value: YES_NO,
    description: 'Adds stack traces to the errors in the log. Left out: yes.',
  },
  { name: 'MinimizeMainWindow', value: YES_NO, description: 'Iconifies the main window.' },
  {
    name: 'StoreSettingsOnServer',
    value: YES_NO,
    description: "Keeps the program's settings on IBKR's servers.",
    twsOnly: true,
  },
  {
    name: 'SaveTwsSettingsAt',
    value: {
      kind: 'text',
      pattern: /^(\d\d:\d\d( \d\d:\d\d)*|Every \d+( (mins|hours))?( \d\d:\d\d( \d\d:\d\d)?)?)$/i,
      expected: 'times such as "08:00 12:30" or a schedule such as "Every 30 mins 08:00 17:30", in quotes',
    },
    description: 'When the settings are saved through the menu File > Save Settings.',
  },
  {
    name: 'AllowBlindTrading',
    value: YES_NO,
    description: 'Accepts orders for instruments without market data.',
    twsOnly: true,
  },
  {
    name: 'DismissPasswordExpiryWarning',
    value: YES_NO,
    description: 'Dismisses the notice that the password will expire.',
    twsOnly: true,
  },
  {
    name: 'DismissNSEComplianceNotice',
    value: YES_NO,
    description: 'Dismisses the compliance notice of the National Stock Exchange of India.',
    twsOnly: true,
  },
  {
    name: 'ShowAllTrades',
    value: YES_NO,
    description: 'Keeps the trade log open and shows all trades.',
    twsOnly: true,
  },
];

export type RefusedIbcSetting = {
  readonly name: string;
  /** Why it may not stand under `ibc:`; a clause that follows "refused: ". */
  readonly reason: string;
  /** Key of this configuration that does the same, as a path within the session; null when nothing does. */
  readonly instead: string | null;
};

const CREDENTIAL = 'credentials never stand in this file';
const NO_FIX = 'the FIX gateway is not supported';
const OWN_RESTARTS =
  'IBC would log in again by itself, outside the login budget; ib-agent decides when to try again';
const OWN_COMMAND_SERVER =
  "IBC's command server has no authentication, so it is on or off only, and ib-agent decides where it listens and how it answers";
const OWN_ENDS = 'a stop that ib-agent did not order looks like a lost session';

/** Settings of IBC that are refused by name, because each has its own key here or is the agent's to decide. */
export const REFUSED_IBC_SETTINGS: readonly RefusedIbcSetting[] = [
  { name: 'IbLoginId', reason: CREDENTIAL, instead: 'credentials' },
  { name: 'IbPassword', reason: CREDENTIAL, instead: 'credentials' },
  { name: 'FIXLoginId', reason: NO_FIX, instead: null },
  { name: 'FIXPassword', reason: NO_FIX, instead: null },
  { name: 'FIX', reason: NO_FIX, instead: null },
  { name: 'TradingMode', reason: 'the trading mode has its own key', instead: 'mode' },
  { name: 'SecondFactorDevice', reason: 'the device has its own key', instead: 'secondFactor.device' },
  {
    name: 'SecondFactorAuthenticationTimeout',
    reason: 'the limit of the second factor has its own key',
    instead: 'deadlines.secondFactor',
  },
  {
    name: 'SecondFactorAuthenticationExitInterval',
    reason: 'it acts only when IBC logs in again by itself; what follows the second factor has its own limit',
    instead: 'deadlines.loading',
  },
  {
    name: 'ReloginAfterSecondFactorAuthenticationTimeout',
    reason: OWN_RESTARTS,
    instead: 'restart.maxMissedSecondFactors',
  },
  {
    name: 'ExitAfterSecondFactorAuthenticationTimeout',
    reason: OWN_RESTARTS,
    instead: 'restart.maxMissedSecondFactors',
  },
  {
    name: 'LoginDialogDisplayTimeout',
    reason: 'the wait for the login window has its own key',
    instead: 'deadlines.start',
  },
  { name: 'OverrideTwsApiPort', reason: 'the API port has its own key', instead: 'api.port' },
  { name: 'IbDir', reason: 'the settings directory has its own key', instead: 'settingsDir' },
  { name: 'CommandServerPort', reason: OWN_COMMAND_SERVER, instead: 'commandServer' },
  { name: 'BindAddress', reason: OWN_COMMAND_SERVER, instead: null },
  { name: 'ControlFrom', reason: OWN_COMMAND_SERVER, instead: null },
  { name: 'CommandPrompt', reason: OWN_COMMAND_SERVER, instead: null },
  { name: 'SuppressInfoMessages', reason: OWN_COMMAND_SERVER, instead: null },
  { name: 'ColdRestartTime', reason: OWN_ENDS, instead: null },
  { name: 'ClosedownAt', reason: OWN_ENDS, instead: null },
  {
    name: 'ReadOnlyLogin',
    reason: 'the gateway has no read-only login, only TWS has',
    instead: 'ibc.ReadOnlyApi',
  },
  {
    name: 'LogComponents',
    reason: 'IBC has replaced it by LogStructureScope and LogStructureWhen',
    instead: 'ibc.LogStructureScope',
  },
];

/** IBC's one accepted form of a time of day: two-digit hour of the 12-hour clock, one blank, upper case. */
export const TIME_OF_DAY_PATTERN = /^(0[1-9]|1[0-2]):[0-5]\d (AM|PM)$/;

/** The refused setting of this name in any spelling of case, or undefined. */
export function findRefusedSetting(name: string): RefusedIbcSetting | undefined {
  const folded = name.toLowerCase().replaceAll(/[-_ ]/g, '');
  return REFUSED_IBC_SETTINGS.find((setting) => setting.name.toLowerCase() === folded);
}
