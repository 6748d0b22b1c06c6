// Owns what `ibctl config check` can say of a TOTP seed: whether it is one, where this user can read it; never what it is.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { readFromDirectory } from '../config/credentials.ts';
import { normalizeSeed } from '../config/seed.ts';
import type { SessionConfig } from '../config/types.ts';
import { AgentError } from '../protocol/errors.ts';

/** `wrong`: it is there and cannot be used. `not-checked`: it cannot be seen from here; `text` says why, and what can. */
export type SeedCheck = {
  readonly session: string;
  readonly state: 'ok' | 'wrong' | 'not-checked';
  readonly text: string;
};

/** Looks at the seeds of the sessions whose codes are made from one. */
export function checkSeeds(sessions: readonly SessionConfig[]): readonly SeedCheck[] {
  return sessions.filter(({ secondFactor }) => secondFactor.method === 'totp').map(checkSeed);
}

function checkSeed({ name, credentials }: SessionConfig): SeedCheck {
  const skip = (text: string): SeedCheck => ({ session: name, state: 'not-checked', text });
  if (credentials.kind === 'command') return skip('it comes from a command, which is not run here');
  const file = join(credentials.path, 'seed');
  const sealed = `where systemd hands it over, look by: sudo ibctl doctor ${name}`;
  let uid: number;
  try {
    // Whoever it belongs to: this may be another user than the one that it is for.
    uid = statSync(file).uid;
  } catch {
    return skip(`${file} is not there, or not for this user to see; ${sealed}`);
  }
  try {
    normalizeSeed(readFromDirectory(credentials.path, 'seed', { uid, what: 'TOTP seed' }).reveal());
    return { session: name, state: 'ok', text: `${file} is a seed` };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    if (error.code === 'credential-missing') return skip(`${error.message} ${sealed}`);
    return { session: name, state: 'wrong', text: `${file}: ${error.message} ${error.hint ?? ''}`.trim() };
  }
}
