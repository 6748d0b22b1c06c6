// Owns what a check of `ibctl doctor` says: a result with its evidence, and what to do about it.

export type Result = 'ok' | 'warning' | 'failed' | 'skipped';

/** Something that a person should do: in words and, where one line does it, that line, with sudo where root is needed. */
export type Remedy = { readonly words: string; readonly command?: string };

export type Verdict = {
  readonly result: Result;
  /** What was seen; of a skipped check, why. */
  readonly evidence: string;
  readonly remedy: Remedy | null;
};

export type Group = 'Host' | 'Agent' | 'Session' | 'Network';

/** One row. `subject` is the unit, session or host that it is about, where there can be several. */
export type Finding = Verdict & {
  readonly id: string;
  readonly group: Group;
  readonly subject: string | null;
};

export function ok(evidence: string): Verdict {
  return { result: 'ok', evidence, remedy: null };
}

export function warning(evidence: string, words: string, command?: string): Verdict {
  return { result: 'warning', evidence, remedy: command === undefined ? { words } : { words, command } };
}

export function failed(evidence: string, words: string, command?: string): Verdict {
  return { result: 'failed', evidence, remedy: command === undefined ? { words } : { words, command } };
}

export function skipped(reason: string, remedy: Remedy | null = null): Verdict {
  return { result: 'skipped', evidence: reason, remedy };
}

export const NO_SYSTEMD = skipped('PID 1 is not systemd');

/** `3 things` or `1 thing`. */
export function count(number: number, singular: string, plural = `${singular}s`): string {
  return `${number} ${number === 1 ? singular : plural}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function list(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`;
}
