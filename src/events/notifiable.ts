// Owns which events a person can be notified of, and of which unless the configuration says otherwise.

import { CATALOGUE, type EventName, isEventName } from './catalogue.ts';

/** Of a notification that failed nobody is notified: that would have no end. */
const NEVER: readonly string[] = ['notify-failed'];

/** What somebody has to do something about, or would want to know at once. */
const WORTH_A_PHONE: readonly string[] = [
  'second-factor-pending',
  'second-factor-timeout',
  'session-halted',
  'session-lost',
  'login-refused',
  'login-deferred',
  'dialog-unknown',
  'password-expiring',
  'upgrade-required',
];

/** Every event that may be told to somebody. */
export const NOTIFIABLE_EVENTS: readonly EventName[] = Object.keys(CATALOGUE)
  .filter(isEventName)
  .filter((name) => !NEVER.includes(name));

/** Those of a target that names none, as far as this version has them. */
export const DEFAULT_NOTIFIED_EVENTS: readonly EventName[] = WORTH_A_PHONE.filter(isEventName);
