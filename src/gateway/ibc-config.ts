// Owns IBC's config.ini: which settings are ours, which have our defaults, and how the user's are passed through.

import type { SessionConfig } from '../config/types.ts';
import { LaunchError } from './launch-error.ts';
import { addComment, EMPTY_PROPERTIES, serializeProperties, setProperty } from './properties.ts';

/** What IBC needs and the configuration does not hold. */
export type IbcConfigInput = {
  readonly session: SessionConfig;
  readonly username: string;
  readonly password: string;
  /** Second-factor device of this login; null or left out: the configured one. */
  readonly device?: string | null;
  /** Port of IBC's command server on 127.0.0.1; null: it is off. */
  readonly commandPort: number | null;
};

/** Added to our own start deadline, so that the agent's decision comes before IBC's exit 1112. */
const LOGIN_DIALOG_MARGIN_SECONDS = 60;

/** Ours where the user says nothing; IBC's own defaults would leave a headless gateway waiting for a click. */
const DEFAULTS: Readonly<Record<string, string>> = {
  ExistingSessionDetectedAction: 'primary',
  AcceptNonBrokerageAccountWarning: 'yes',
  AcceptIncomingConnectionAction: 'reject',
  TrustedTwsApiClientIPs: '',
  IncludeStackTraceForExceptions: 'yes',
};

/**
 * The bytes of config.ini. Throws a LaunchError `credential-invalid` for a credential that IBC could not take: it waits for ever on an
 * empty one, and it trims what it reads (Java's String.trim: every character up to U+0020 at either end).
 */
export function renderIbcConfig(input: IbcConfigInput): Uint8Array {
  const { session } = input;
  const own = ownSettings(input);
  for (const name of Object.keys(session.ibc)) {
    if (Object.hasOwn(own, name)) throw new Error(`the IBC setting ${name} is not for pass-through`);
  }
  let file = addComment(
    EMPTY_PROPERTIES,
    `Written by ib-session for the session ${session.name} at each start; edits are lost.`,
  );
  for (const [name, value] of Object.entries(own)) file = setProperty(file, name, value);
  file = addComment(
    addComment(file, ''),
    'Defaults of ib-agent and the settings under `ibc:` of its configuration.',
  );
  for (const [name, value] of Object.entries({ ...DEFAULTS, ...session.ibc }))
    file = setProperty(file, name, value);
  return serializeProperties(file);
}

function ownSettings(input: IbcConfigInput): Readonly<Record<string, string>> {
  const { session } = input;
  const { deadlines } = session;
  return {
    IbLoginId: checkCredential('user name', input.username),
    IbPassword: checkCredential('password', input.password),
    TradingMode: session.mode,
    FIX: 'no',
    OverrideTwsApiPort: String(session.api.port),
    // With 0 it is not started.
    CommandServerPort: String(input.commandPort ?? 0),
    // Empty means every interface, and the command server asks for no password.
    BindAddress: '127.0.0.1',
    ControlFrom: '',
    CommandPrompt: '',
    SuppressInfoMessages: 'no',
    // Must be empty: IBC then takes its working directory, where the flag files and the token are looked for.
    IbDir: '',
    LoginDialogDisplayTimeout: String(toSeconds(deadlines.startMs) + LOGIN_DIALOG_MARGIN_SECONDS),
    SecondFactorDevice: input.device ?? session.secondFactor.device ?? '',
    SecondFactorAuthenticationTimeout: String(toSeconds(deadlines.secondFactorMs)),
    SecondFactorAuthenticationExitInterval: String(toSeconds(deadlines.loadingMs)),
    // With yes IBC logs in again by itself, without end, one push each time.
    ReloginAfterSecondFactorAuthenticationTimeout: 'no',
    ExitAfterSecondFactorAuthenticationTimeout: 'no',
    // Ours to decide, with the ledger; IBC's own timers know no budget.
    ColdRestartTime: '',
    ClosedownAt: '',
  };
}

function toSeconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1000));
}

function checkCredential(what: string, value: string): string {
  const hint = `Correct it where the session's credentials come from (its key \`credentials\`)`;
  if (value === '') throw new LaunchError('credential-invalid', `The ${what} is empty.`, `${hint}.`);
  if (value.charCodeAt(0) <= 0x20 || value.charCodeAt(value.length - 1) <= 0x20) {
    throw new LaunchError(
      'credential-invalid',
      `The ${what} begins or ends with a blank or control character, which IBC would cut off.`,
      `${hint} (a stray line end or blank in the file?), or change the ${what} at IBKR.`,
    );
  }
  return value;
}
