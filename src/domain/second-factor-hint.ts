// Owns what a person is told to do about a pending second factor.

import type { SecondFactorMethod } from '../protocol/states.ts';

/** `deadline` is epoch milliseconds. */
export function secondFactorHint(method: SecondFactorMethod, deadline: number): string {
  const until = `${new Date(deadline).toISOString().slice(11, 19)} UTC`;
  switch (method) {
    case 'ib-key':
      return `approve the IBKR Mobile notification before ${until}`;
    case 'totp':
      return 'nothing is to be done: ib-code types the code';
    case 'code':
      return `hand in the code with: ibctl code, before ${until}`;
    case 'challenge':
      return `hand in the answer with: ibctl code, before ${until}`;
    case 'passkey':
      return `the login asks for a passkey, which only a person can give, before ${until}`;
    case 'device-choice':
      return `set secondFactor.device: the gateway asks which device to use (until ${until})`;
    case 'unknown':
      return `answer IBKR's second factor before ${until}`;
  }
}
