// Owns the step from a target of notifications as the file has it to the target as everybody reads it.

import type { Priority } from '../events/catalogue.ts';
import { DEFAULT_NOTIFIED_EVENTS } from '../events/notifiable.ts';
import { parseSessionName } from '../protocol/session-name.ts';
import type { ParsedTarget } from './notify-schema.ts';
import type { NotifyForm, NotifyTarget, SecretRef } from './types.ts';

const NTFY_SERVER = 'https://ntfy.sh';
const TELEGRAM_SERVER = 'https://api.telegram.org';

export const PRIORITY_OF_WORD: Readonly<Record<ParsedTarget['minPriority'], Priority>> = {
  critical: 2,
  error: 3,
  warning: 4,
  notice: 5,
  info: 6,
};

export function completeTarget(name: string, parsed: ParsedTarget): NotifyTarget {
  return {
    name,
    events: parsed.events ?? DEFAULT_NOTIFIED_EVENTS,
    sessions:
      parsed.sessions === undefined
        ? null
        : parsed.sessions.map(parseSessionName).filter((session) => session !== null),
    leastPriority: PRIORITY_OF_WORD[parsed.minPriority],
    debounceMs: parsed.debounce,
    timeoutMs: parsed.timeout,
    retries: parsed.retries,
    allowInsecure: parsed.allowInsecure,
    form: formOf(parsed),
  };
}

function formOf(parsed: ParsedTarget): NotifyForm {
  const { type, secret } = parsed;
  switch (type) {
    case 'ntfy':
      return {
        kind: type,
        server: parsed.server ?? NTFY_SERVER,
        topic: parsed.topic ?? refOf(parsed.topicSecret),
        token: secret === undefined ? null : refOf(secret),
      };
    case 'slack':
      return { kind: type, url: refOf(secret) };
    case 'telegram':
      return {
        kind: type,
        server: parsed.server ?? TELEGRAM_SERVER,
        chat: parsed.chat ?? '',
        token: refOf(secret),
      };
    case 'webhook':
      return {
        kind: type,
        url: parsed.url ?? refOf(parsed.urlSecret),
        headers: parsed.headers ?? {},
        secretHeaders: Object.fromEntries(
          Object.entries(parsed.secretHeaders ?? {}).map(([header, ref]) => [header, refOf(ref)]),
        ),
        key: secret === undefined ? null : refOf(secret),
      };
    case 'command':
      return { kind: type, argv: parsed.command ?? [] };
  }
}

/** The schema has seen to it that a name is there. */
function refOf(secret: string | undefined): SecretRef {
  return { secretName: secret ?? '' };
}
