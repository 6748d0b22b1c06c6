// Owns the durable wish for each session, up or down: what survives a restart of the agent and a reboot.

import { readFileSync } from 'node:fs';
import { errorCode, writeFileAtomic } from '../host/files.ts';
import { AgentError } from '../protocol/errors.ts';

type Desired = Readonly<Record<string, 'up' | 'down'>>;

export class DesiredStore {
  readonly #path: string;
  #desired: Desired;

  /** A damaged file counts as "everything down": starting nothing costs no second factor. `onDamaged` is told. */
  constructor(path: string, onDamaged: (detail: string) => void) {
    this.#path = path;
    this.#desired = readDesired(path, onDamaged);
  }

  get(session: string): 'up' | 'down' {
    return this.#desired[session] ?? 'down';
  }

  /** Throws AgentError `state-unwritable`. */
  set(session: string, desired: 'up' | 'down'): void {
    const next = { ...this.#desired, [session]: desired };
    try {
      writeFileAtomic(this.#path, `${JSON.stringify({ v: 1, sessions: next })}\n`, 0o600);
    } catch (cause) {
      throw new AgentError(
        'state-unwritable',
        `cannot write ${this.#path}: ${errorCode(cause) ?? 'unknown error'}`,
        {
          hint: 'make the directory writable and give it room (df -h, ls -ld)',
          cause,
        },
      );
    }
    this.#desired = next;
  }
}

function readDesired(path: string, onDamaged: (detail: string) => void): Desired {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') onDamaged(errorCode(error) ?? 'unknown error');
    return {};
  }
  try {
    const value: unknown = JSON.parse(text);
    if (
      typeof value === 'object' &&
      value !== null &&
      'sessions' in value &&
      typeof value.sessions === 'object'
    ) {
      const entries = Object.entries(value.sessions ?? {}).filter(
        (entry): entry is [string, 'up' | 'down'] => entry[1] === 'up' || entry[1] === 'down',
      );
      return Object.fromEntries(entries);
    }
  } catch {
    // Told below, like any other content that is no wish.
  }
  onDamaged('it is no JSON of ours');
  return {};
}
