// Owns the masking of IBKR account ids in text that leaves the agent.

/**
 * Forms that IBKR gives out: U1234567 (live), F… and I… (advisor, broker), DU…, DF…, DI… (paper, also with a third
 * letter, as in DUK123456), and an advisor's group F1234567A. A neighbouring letter, digit or underscore makes it another word.
 */
const ACCOUNT = /(?<![A-Za-z0-9_])(D?[UFI][A-Z]?)\d{3,7}(\d\d[A-Z]?)(?![A-Za-z0-9_])/g;

/** The text with every account id reduced to its letters and last two digits: `DU1234567` → `DU***67`. Idempotent. */
export function maskAccounts(text: string): string {
  return text.replace(ACCOUNT, '$1***$2');
}
