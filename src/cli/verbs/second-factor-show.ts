// Owns `ibctl second-factor show`: the token that a gateway keeps of a paired phone, for its configuration here or on another host.

import { resolve } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import { DEFAULT_CONFIG_FILE } from '../../config/paths.ts';
import type { SessionConfig } from '../../config/types.ts';
import { isoTime } from '../../host/clock.ts';
import { EXIT } from '../../protocol/errors.ts';
import type { VerbCall } from '../context.ts';
import { chooseSession } from '../session-choice.ts';
import { shellQuote } from '../shell-quote.ts';
import { maskToken, readStoredToken, type StoredToken } from '../stored-token.ts';
import { printable } from '../table.ts';
import { formatDateTime } from '../time-text.ts';

/** How the configured token is to the stored one. */
type Configured = 'same' | 'other' | 'none';

export async function runSecondFactorShow(call: VerbCall): Promise<number> {
  const { context, output, input } = call;
  const file = resolve(context.cwd, input.text('--config') ?? DEFAULT_CONFIG_FILE);
  const named = input.argument('NAME');
  const chosen = named === undefined ? null : chooseSession(named, file);
  const sessions = loadConfig(file).sessions.filter(({ name }) => chosen === null || name === chosen);
  const reveal = input.flag('--reveal');
  const again = `sudo ibctl ${context.argv.map(shellQuote).join(' ')}`;
  const found = sessions.map((session) => ({ session, token: readStoredToken(session.settingsDir, again) }));
  if (output.json) {
    output.jsonDocument({
      sessions: found.map(({ session, token }) => tokenJson(session, token, reveal)),
    });
    return EXIT.ok;
  }
  if (found.length === 0) output.line(`${file} has no session`);
  for (const { session, token } of found)
    for (const line of tokenLines(session, token, reveal)) output.line(printable(line));
  return EXIT.ok;
}

function tokenJson(session: SessionConfig, { file, value, writtenAt }: StoredToken, reveal: boolean) {
  return {
    session: session.name,
    file,
    writtenAt: writtenAt === null ? null : isoTime(writtenAt),
    present: value !== null,
    masked: value === null ? null : maskToken(value),
    value: reveal ? value : null,
    configured: configuredAs(session, value),
  };
}

function tokenLines(
  session: SessionConfig,
  { file, value, writtenAt }: StoredToken,
  reveal: boolean,
): readonly string[] {
  const when = writtenAt === null ? 'not there yet' : `written ${formatDateTime(writtenAt)}`;
  const configured = configuredAs(session, value);
  if (value === null) {
    return [
      `${session.name}: no second-factor token in ${file} (${when})`,
      configured === 'none'
        ? '  a gateway writes one once the phone was paired with it, in a login by hand'
        : '  the configured one is written there at the next login',
    ];
  }
  const shown = reveal ? JSON.stringify(value) : maskToken(value);
  return [
    `${session.name}: a second-factor token is in ${file} (${when})`,
    `  ${CONFIGURED_TEXT[configured]}`,
    `  under sessions.${session.name} of the configuration, here or on another host:`,
    '    jts:',
    `      secondFactor: ${shown}`,
    ...(reveal ? [] : ['  --reveal shows the whole line; whoever has it can pass for this paired device']),
  ];
}

const CONFIGURED_TEXT: Readonly<Record<Configured, string>> = {
  same: 'the configuration has the same one',
  other: "the configuration has another one; the gateway's own stays in use",
  none: 'the configuration has none',
};

function configuredAs(session: SessionConfig, value: string | null): Configured {
  const configured = session.jts['Communication']?.['2ndFactor'];
  if (configured === undefined) return 'none';
  return configured === value ? 'same' : 'other';
}
