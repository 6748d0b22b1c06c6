// Owns what a code for a second factor looks like, for whoever reads one from a person.

import type { SecondFactorMethod } from './states.ts';

const SIX_DIGITS = /^\d{6}$/;
/** Of IB Key an answer has digits only; the places of a code card hold letters too. */
const ANSWER = /^[0-9A-Za-z]{4,16}$/;

/** The code without the blanks and dashes that people put into it. */
export function tidyCode(text: string): string {
  return text.replace(/[\s-]/g, '');
}

/** What is wrong with a code, or null. The text never holds any of it. */
export function codeProblem(method: SecondFactorMethod, code: string): string | null {
  if (code === '') return 'the code is empty';
  if (method === 'challenge')
    return ANSWER.test(code) ? null : 'the answer to a challenge has 4 to 16 letters and digits';
  if (SIX_DIGITS.test(code)) return null;
  if (!/^\d+$/.test(code)) return 'a code has six digits; this one holds something else';
  return `a code has six digits; this one has ${code.length}`;
}
