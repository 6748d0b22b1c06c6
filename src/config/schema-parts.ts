// Owns the pieces that the schemas of the configuration are made of.

import * as z from 'zod';
import { DURATION_PATTERN, parseDuration } from './duration.ts';

/**
 * What `.meta()` holds for each key. `restart`: when a change takes effect: `agent`: after a restart of ib-agent (keys that the
 * launcher reads too also need the session's next start); `session`: at the session's next start; `none`: at once.
 */
export type Meta = {
  readonly description: string;
  readonly examples?: readonly unknown[];
  readonly restart: 'agent' | 'session' | 'none';
};

/** In this file the `error` of a schema is no sentence but the phrase that completes "expected …". */
export type Phrase = string;

/** Custom issues carry this instead of a phrase: a value that is well formed but may not stand here, and why. */
export type Refusal = { readonly refusal: string; readonly nearest?: string };

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
export const CONTROL = /[\u0000-\u001f\u007f]/;

export function documented<T extends z.ZodType>(schema: T, meta: Meta): T {
  return schema.meta({ ...meta, ...(meta.examples === undefined ? {} : { examples: [...meta.examples] }) });
}

export function text(expected: Phrase) {
  return z
    .string({ error: expected })
    .min(1, { error: expected })
    .max(1024, { error: expected })
    .refine((value) => !CONTROL.test(value), { error: expected });
}

export function integer(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

export function yesNo() {
  return z.boolean({ error: 'true or false' });
}

export function duration(minMs: number, maxMs: number, phrase: string) {
  return z
    .string({ error: phrase })
    .regex(DURATION_PATTERN, { error: phrase, abort: true })
    .transform((value) => parseDuration(value) ?? 0)
    .refine((ms) => ms >= minMs && ms <= maxMs, { error: phrase });
}

/** Absolute, one spelling (no `.`, `..`, doubled or trailing slash would change it), printable. */
export function absolutePath(what: string, forbidden: RegExp | null = null, forbiddenName = '') {
  const expected = `an absolute path of ${what}${forbidden === null ? '' : ` without ${forbiddenName}`}`;
  return text(expected)
    .regex(/^\//, { error: expected })
    .refine((value) => !/(^|\/)\.{1,2}(\/|$)/.test(value), { error: `${expected}, without . and ..` })
    .refine((value) => forbidden === null || !forbidden.test(value), { error: expected });
}

/** Refuses a well-formed value at a path, with the reason and, where there is one, the name that was probably meant. */
export function refuse(
  context: z.RefinementCtx,
  path: (string | number)[],
  refusal: string,
  nearest?: string,
): void {
  const params: Refusal = nearest === undefined ? { refusal } : { refusal, nearest };
  context.addIssue({ code: 'custom', path, message: refusal, params });
}

/** An argument list that is run without a shell. */
export function programWithArguments() {
  const list = 'a list: the program and its arguments';
  return z
    .array(
      z
        .string({ error: 'a text' })
        .max(4096, { error: 'a text' })
        .refine((value) => !value.includes('\0'), { error: 'a text without NUL' }),
      { error: list },
    )
    .min(1, { error: list })
    .refine((argv) => argv[0] === undefined || argv[0].startsWith('/'), {
      error: 'the absolute path of the program',
      path: [0],
    });
}
