// Owns which texts may become credentials, so that what is sealed is what the launcher and IBC take.

import { toSecret } from '../../config/credentials.ts';
import { Secret } from '../../config/secret.ts';
import { normalizeSeed } from '../../config/seed.ts';
import { AgentError } from '../../protocol/errors.ts';
import { type CredentialKind, KIND_WORDS } from './names.ts';

/**
 * The secret that bytes hold; they are overwritten. Refuses what ib-session would refuse at the next login, when nobody is there.
 * Throws AgentError `credential-invalid`; no text of it holds any of the content.
 */
export function checkSecret(kind: CredentialKind, bytes: Uint8Array): Secret {
  const secret = toSecret(bytes, `the ${KIND_WORDS[kind]}`);
  const value = secret.reveal();
  if (kind === 'seed') return new Secret(normalizeSeed(value));
  // Java's String.trim, which IBC applies to both: every character up to U+0020 at either end.
  if (value.charCodeAt(0) <= 0x20 || value.charCodeAt(value.length - 1) <= 0x20) {
    throw new AgentError(
      'credential-invalid',
      `The ${KIND_WORDS[kind]} begins or ends with a blank or control character, which IBC would cut off.`,
      { hint: `Give it without, or change the ${KIND_WORDS[kind]} at IBKR.` },
    );
  }
  return secret;
}

/**
 * Cuts what a script wrote to stdin into lines, one for each kind. Throws AgentError `credential-invalid` when there are more or
 * fewer. The lines are copies; the bytes given are overwritten.
 */
export function splitLines(bytes: Uint8Array, kinds: readonly CredentialKind[]): readonly Uint8Array[] {
  const lines: Uint8Array[] = [];
  let from = 0;
  while (from < bytes.length) {
    const newline = bytes.indexOf(0x0a, from);
    const end = newline === -1 ? bytes.length : newline;
    lines.push(Uint8Array.from(bytes.subarray(from, bytes[end - 1] === 0x0d && end > from ? end - 1 : end)));
    from = end + 1;
  }
  bytes.fill(0);
  if (lines.length === kinds.length) return lines;
  for (const line of lines) line.fill(0);
  const count = lines.length === 1 ? '1 line' : `${lines.length} lines`;
  throw new AgentError(
    'credential-invalid',
    `Standard input has ${count}; expected ${kinds.length}: ${kinds.map((kind) => KIND_WORDS[kind]).join(', then ')}.`,
    {
      hint: kinds.length === 1 ? undefined : 'To set one of them alone: --only username, or --only password.',
    },
  );
}
