// Owns which session an offline verb means: by the configuration, with the nearest name when it is mistyped.

import { loadConfig } from '../config/load.ts';
import { AgentError } from '../protocol/errors.ts';
import { findNearest } from '../protocol/nearest.ts';
import { parseSessionName, SESSION_NAME_RULE, type SessionName } from '../protocol/session-name.ts';
import { usageError } from './output.ts';

/** A name as it was typed. Throws AgentError `invalid-params` when no session can have it. */
export function readSessionName(text: string): SessionName {
  const name = parseSessionName(text);
  if (name !== null) return name;
  throw usageError(`NAME: "${text}" is not a session name`, `a session name is ${SESSION_NAME_RULE}`);
}

/**
 * The configured session that was named, or the only one. Throws AgentError `unknown-session` or `session-name-needed`, with
 * `otherwise` as the end of the first one's hint, and what {@link loadConfig} throws.
 */
export function chooseSession(text: string | undefined, configFile: string, otherwise = ''): SessionName {
  const asked = text === undefined ? null : readSessionName(text);
  const names = loadConfig(configFile).sessions.map(({ name }) => name);
  if (asked !== null) {
    if (names.includes(asked)) return asked;
    throw unknownSession(asked, names, `is not in ${configFile}`, otherwise);
  }
  const [only, another] = names;
  if (only !== undefined && another === undefined) return only;
  throw new AgentError(
    'session-name-needed',
    names.length === 0 ? `${configFile} has no session.` : 'There are several sessions: name one.',
    { hint: names.length === 0 ? undefined : `The sessions are ${names.join(', ')}.` },
  );
}

/** `what` ends the sentence that begins with the name. */
export function unknownSession(
  asked: string,
  names: readonly string[],
  what: string,
  otherwise = '',
): AgentError {
  const nearest = findNearest(asked, names);
  const guess =
    nearest !== null
      ? `did you mean ${nearest}?`
      : names.length === 0
        ? ''
        : `there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`;
  const hint = [guess, otherwise].filter((part) => part !== '').join('; ');
  return new AgentError('unknown-session', `The session ${asked} ${what}.`, {
    hint: hint === '' ? undefined : hint,
  });
}
