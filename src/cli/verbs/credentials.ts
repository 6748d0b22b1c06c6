// Owns `ibctl credentials`: set, list and remove the user names, passwords and TOTP seeds that systemd hands to the units.

import { resolve } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import { DEFAULT_CONFIG_FILE } from '../../config/paths.ts';
import type { Secret } from '../../config/secret.ts';
import { isoTime } from '../../host/clock.ts';
import { AgentError, EXIT } from '../../protocol/errors.ts';
import type { CliContext, VerbCall } from '../context.ts';
import { checkSecret, splitLines } from '../credentials/check.ts';
import { CREDENTIAL_KINDS, type CredentialKind, KIND_WORDS } from '../credentials/names.ts';
import { type Ask, askOnTerminal, PromptInterrupted } from '../credentials/prompt.ts';
import { sealingText } from '../credentials/sealed-with.ts';
import {
  type CredentialHost,
  CredentialStore,
  type KeyChoice,
  type StoredCredential,
  SYSTEM_CREDENTIALS,
} from '../credentials/store.ts';
import { usageError } from '../output.ts';
import { chooseSession, readSessionName, unknownSession } from '../session-choice.ts';
import { shellQuote } from '../shell-quote.ts';
import { printable, renderTable, wrap } from '../table.ts';
import { formatDateTime } from '../time-text.ts';

const ATTEMPTS = 3;
/** Two credentials of 4 KiB and their line ends, and one byte more to see that there is more. */
const LARGEST_INPUT = 2 * 4096 + 5;

export const runCredentialsSet = (call: VerbCall): Promise<number> =>
  setCredentials(call, SYSTEM_CREDENTIALS);
export const runCredentialsList = (call: VerbCall): Promise<number> =>
  listCredentials(call, SYSTEM_CREDENTIALS);
export const runCredentialsRemove = (call: VerbCall): Promise<number> =>
  removeCredentials(call, SYSTEM_CREDENTIALS);

/** `ibctl credentials set`. Throws AgentError; then nothing was changed. */
export async function setCredentials(call: VerbCall, host: CredentialHost): Promise<number> {
  const { context, input, output } = call;
  requireRoot(context, host);
  const only = kindOf(input.text('--only'));
  const kinds: readonly CredentialKind[] = only === null ? ['username', 'password'] : [only];
  const choice = keyChoice(call);
  const session = sessionOf(call);
  const store = new CredentialStore(host);
  store.checkUsable();
  store.forbidCoreDumps();
  if (!input.flag('--stdin') && !context.stdin.isTty) {
    throw usageError(
      'standard input is no terminal to ask on',
      'for scripts: --stdin, with the user name and the password on a line each',
    );
  }
  let secrets: ReadonlyMap<CredentialKind, Secret>;
  try {
    secrets = input.flag('--stdin')
      ? await readFromStdin(context, kinds)
      : await askOnTerminal(context, (ask) => askFor(kinds, session, ask, call));
  } catch (error) {
    if (!(error instanceof PromptInterrupted)) throw error;
    output.note('Nothing was changed.');
    return error.exit;
  }
  const sealed = [...secrets].map(([kind, secret]) => store.seal(kind, secret, choice));
  const files = store.replace(session, sealed);
  const next = nextSteps(session, kinds);
  if (output.json) {
    const written = sealed.map(({ kind, sealing }, index) => ({
      credential: kind,
      file: files[index] ?? null,
      key: sealing?.key ?? null,
      pcrs: sealing?.pcrs ?? null,
    }));
    output.jsonDocument({ session, written, next: next.commands });
    return EXIT.ok;
  }
  const sealing = sealed[0]?.sealing ?? null;
  output.line(
    `Sealed the ${kindList(kinds)} of ${session}${sealing === null ? '' : ` (${sealingText(sealing)})`}.`,
  );
  for (const line of wrap(next.text, output.columns)) output.line(line);
  return EXIT.ok;
}

/** `user name, password and TOTP seed`. */
function kindList(kinds: readonly CredentialKind[]): string {
  const words = kinds.map((kind) => KIND_WORDS[kind]);
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`;
}

function nextSteps(session: string, kinds: readonly CredentialKind[]) {
  if (kinds.includes('seed')) {
    return {
      commands: [],
      text: `The next code of ${session} is made from it; no unit has to be edited or restarted.`,
    };
  }
  const commands = [`ibctl login ${session}`, `ibctl restart --cold ${session}`];
  return {
    commands,
    text: `The next login takes them; no unit has to be edited. Next: ${commands[0]}, or, when it is logged in: ${commands[1]}`,
  };
}

/** `ibctl credentials list`. */
export async function listCredentials(call: VerbCall, host: CredentialHost): Promise<number> {
  const { context, output } = call;
  requireRoot(context, host);
  const configured = configuredSessions(call);
  const stored = new CredentialStore(host).list();
  const names = [...new Set([...(configured ?? []), ...stored.map(({ session }) => session)])];
  const sessions = names.map((name) => ({
    name,
    isConfigured: configured?.includes(name) ?? null,
    credentials: CREDENTIAL_KINDS.map((kind) => ({
      kind,
      found: stored.find((each) => each.session === name && each.kind === kind) ?? null,
    })),
  }));
  if (output.json) {
    output.jsonDocument({
      sessions: sessions.map(({ name, isConfigured, credentials }) => ({
        name,
        configured: isConfigured,
        credentials: Object.fromEntries(credentials.map(({ kind, found }) => [kind, describeStored(found)])),
      })),
    });
    return EXIT.ok;
  }
  if (sessions.length === 0) {
    output.line('No session is configured, and no credential is stored.');
    return EXIT.ok;
  }
  const rows = sessions.flatMap(({ name, credentials }) =>
    credentials.map(({ kind, found }) => ({ name, kind, found })),
  );
  const { lines } = renderTable(
    [
      { title: 'SESSION', drop: 0, cells: rows.map(({ name, kind }) => (kind === 'username' ? name : '')) },
      { title: 'CREDENTIAL', drop: 0, cells: rows.map(({ kind }) => KIND_WORDS[kind]) },
      {
        title: 'SET',
        drop: 0,
        cells: rows.map(({ found }) => (found === null ? 'no' : formatDateTime(found.setAt))),
      },
      {
        title: 'OPENS',
        drop: 0,
        cells: rows.map(({ found }) => opensText(found)),
        paint: (text) => (text === 'no' ? output.paint('red', text) : text),
      },
      {
        title: 'SEALED WITH',
        drop: 1,
        least: 8,
        cells: rows.map(({ found }) => (found === null ? '-' : keyText(found))),
      },
    ],
    output.columns,
    (text) => output.paint('bold', text),
  );
  for (const line of lines) output.line(line);
  for (const { session, kinds, problem } of closedTogether(stored)) {
    const text = `The ${kindList(kinds)} of ${session} cannot be opened on this machine: ${problem}`;
    output.line('');
    for (const line of wrap(printable(text), output.columns)) output.line(line);
    for (const command of new Set(kinds.map((kind) => (kind === 'seed' ? '--only seed ' : ''))))
      output.line(`To seal anew: sudo ibctl credentials set ${command}${session}`);
  }
  for (const { name } of sessions.filter(({ isConfigured }) => isConfigured === false)) {
    output.line('');
    output.line(`${name} is not configured. To remove what is left of it:`);
    output.line(`sudo ibctl credentials remove ${name}`);
  }
  return EXIT.ok;
}

/** What cannot be opened, told once where several have the same cause. */
function closedTogether(stored: readonly StoredCredential[]) {
  const groups = new Map<string, { session: string; problem: string; kinds: CredentialKind[] }>();
  for (const kind of CREDENTIAL_KINDS) {
    for (const { session, problem } of stored.filter((each) => each.kind === kind)) {
      if (problem === null) continue;
      const key = `${session} ${problem}`;
      const group = groups.get(key) ?? { session, problem, kinds: [] };
      group.kinds.push(kind);
      groups.set(key, group);
    }
  }
  return [...groups.values()];
}

function opensText(found: StoredCredential | null): string {
  if (found === null) return '-';
  return found.problem === null ? 'yes' : 'no';
}

function keyText({ sealing }: StoredCredential): string {
  return sealing === null ? 'unknown' : sealingText(sealing);
}

function describeStored(found: StoredCredential | null) {
  if (found === null) return null;
  return {
    file: found.file,
    setAt: isoTime(found.setAt),
    key: found.sealing?.key ?? null,
    pcrs: found.sealing?.pcrs ?? null,
    opens: found.problem === null,
    problem: found.problem,
  };
}

/** Null, and a warning, when the configuration cannot be used: what is stored can be listed without it. */
function configuredSessions({ context, input, output }: VerbCall): readonly string[] | null {
  const file = configFileOf(context, input.text('--config'));
  try {
    return loadConfig(file).sessions.map(({ name }) => name);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    output.warning(`${file} cannot be used, so only what is stored is listed; see: ibctl config check`);
    return null;
  }
}

/** `ibctl credentials remove`. */
export async function removeCredentials(call: VerbCall, host: CredentialHost): Promise<number> {
  const { context, input, output } = call;
  requireRoot(context, host);
  const session = readSessionName(input.argument('NAME') ?? '');
  const only = kindOf(input.text('--only'));
  const store = new CredentialStore(host);
  const stored = store.stored();
  const names = [...new Set(stored.map((each) => each.session))];
  if (!names.includes(session)) throw unknownSession(session, names, 'has no credential here');
  const kinds = CREDENTIAL_KINDS.filter(
    (kind) =>
      (only === null || kind === only) &&
      stored.some((each) => each.session === session && each.kind === kind),
  );
  if (kinds.length === 0) {
    throw new AgentError(
      'credential-missing',
      `The ${KIND_WORDS[only ?? 'seed']} of ${session} is not set.`,
      {
        hint: 'What is set: sudo ibctl credentials list',
      },
    );
  }
  const removed = kinds.map((kind) => store.remove(session, kind));
  if (output.json) output.jsonDocument({ session, removed });
  else {
    output.line(`Removed the ${kindList(kinds)} of ${session}.`);
    output.line('A gateway that is logged in stays so; its next login fails until they are set again.');
  }
  return EXIT.ok;
}

/** Throws AgentError `not-allowed` with the same command under sudo: nothing secret is ever among the arguments. */
function requireRoot({ argv }: CliContext, { uid }: CredentialHost): void {
  if (uid === 0) return;
  throw new AgentError('not-allowed', 'Credentials are sealed for the system and are for root alone.', {
    hint: `run: sudo ibctl ${argv.map(shellQuote).join(' ')}`,
  });
}

function kindOf(text: string | undefined): CredentialKind | null {
  if (text === undefined) return null;
  return text === 'totp-seed' ? 'seed' : (CREDENTIAL_KINDS.find((kind) => kind === text) ?? null);
}

/** Throws AgentError `invalid-params`. */
function keyChoice({ input }: VerbCall): KeyChoice {
  const key = input.text('--key');
  const pcrs = input.text('--pcrs') ?? '';
  const numbers = pcrs === '' ? [] : pcrs.split(/[+,]/);
  if (numbers.some((number) => !/^\d{1,2}$/.test(number) || Number(number) > 23)) {
    throw usageError(`--pcrs: expected register numbers from 0 to 23 such as 7 or 7+14, got "${pcrs}"`);
  }
  if (key === 'host' && pcrs !== '') throw usageError('--pcrs needs the TPM, which --key host leaves out');
  return { key: key === 'host' || key === 'host+tpm2' ? key : 'auto', pcrs: numbers.join('+') };
}

function configFileOf(context: CliContext, given: string | undefined): string {
  return resolve(context.cwd, given ?? DEFAULT_CONFIG_FILE);
}

/** With --force a name is taken as it is, so that credentials can come before the configuration. */
function sessionOf({ context, input }: VerbCall): string {
  const text = input.argument('NAME');
  if (input.flag('--force')) {
    if (text === undefined) throw usageError('--force needs NAME');
    return readSessionName(text);
  }
  const file = configFileOf(context, input.text('--config'));
  return chooseSession(text, file, 'for a session that is configured later: --force');
}

async function readFromStdin(
  { stdin }: CliContext,
  kinds: readonly CredentialKind[],
): Promise<ReadonlyMap<CredentialKind, Secret>> {
  const room = Buffer.alloc(LARGEST_INPUT);
  let length = 0;
  for (let chunk = await stdin.read(); chunk !== null && length < room.length; chunk = await stdin.read()) {
    const part = chunk.subarray(0, room.length - length);
    room.set(part, length);
    length += part.length;
    chunk.fill(0);
  }
  const lines = splitLines(room.subarray(0, length), kinds);
  return new Map(kinds.map((kind, index) => [kind, checkSecret(kind, lines[index] ?? new Uint8Array())]));
}

async function askFor(
  kinds: readonly CredentialKind[],
  session: string,
  ask: Ask,
  call: VerbCall,
): Promise<ReadonlyMap<CredentialKind, Secret>> {
  const secrets = new Map<CredentialKind, Secret>();
  for (const kind of kinds) secrets.set(kind, await askOne(kind, session, ask, call));
  return secrets;
}

async function askOne(
  kind: CredentialKind,
  session: string,
  ask: Ask,
  { output }: VerbCall,
): Promise<Secret> {
  const hidden = kind !== 'username';
  for (let attempt = 1; ; attempt++) {
    try {
      const secret = checkSecret(kind, await ask(`IBKR ${KIND_WORDS[kind]} of ${session}: `, { hidden }));
      if (kind !== 'password') return secret;
      const again = await ask('The same again: ', { hidden });
      const same = Buffer.from(again).equals(Buffer.from(secret.reveal(), 'utf8'));
      again.fill(0);
      if (same) return secret;
      throw new AgentError('credential-invalid', 'The two passwords differ.');
    } catch (error) {
      if (!(error instanceof AgentError) || attempt === ATTEMPTS) throw error;
      output.note(error.message);
    }
  }
}
