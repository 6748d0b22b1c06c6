// Owns what a session may be called: the name becomes a unit instance, a path and a credential name.

declare const brand: unique symbol;

/** The name of one configured login, such as `live`; made only by {@link parseSessionName}. */
export type SessionName = string & { readonly [brand]: 'SessionName' };

export const SESSION_NAME_PATTERN = /^[a-z][a-z0-9-]{0,30}$/;

export const SESSION_NAME_RULE = 'a lower-case letter, then at most 30 lower-case letters, digits or hyphens';

/** Returns the branded name, or null when the text is not a session name. */
export function parseSessionName(text: string): SessionName | null {
  return SESSION_NAME_PATTERN.test(text) ? (text as SessionName) : null;
}
