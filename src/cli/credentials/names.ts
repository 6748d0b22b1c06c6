// Owns what the sealed credentials are called: kinds, files, and the name that is sealed in with each.

/** `username` and `password` are read by ib-session@NAME, `seed` by ib-code@NAME alone. */
export const CREDENTIAL_KINDS = ['username', 'password', 'seed'] as const;
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number];

export const KIND_WORDS: Readonly<Record<CredentialKind, string>> = {
  username: 'user name',
  password: 'password',
  seed: 'TOTP seed',
};

const UNIT_OF_KIND: Readonly<Record<CredentialKind, 'ib-session' | 'ib-code'>> = {
  username: 'ib-session',
  password: 'ib-session',
  seed: 'ib-code',
};

/** File in the credential store that the units' `LoadCredentialEncrypted=` names. */
export function credentialFile(session: string, kind: CredentialKind): string {
  return `${UNIT_OF_KIND[kind]}.${session}.${kind}`;
}

const FILE = /^(ib-session|ib-code)\.([a-z][a-z0-9-]{0,30})\.(username|password|seed)$/;

/** The session and kind of a file of the store, or null when it is none of ours. */
export function parseCredentialFile(
  file: string,
): { readonly session: string; readonly kind: CredentialKind } | null {
  const [, unit, session = '', name] = FILE.exec(file) ?? [];
  const kind = CREDENTIAL_KINDS.find((each) => each === name);
  return kind === undefined || UNIT_OF_KIND[kind] !== unit ? null : { session, kind };
}
