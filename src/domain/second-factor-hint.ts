// Owns what a person is told to do about a pending second factor.

import type { SecondFactorMethod } from '../protocol/states.ts';
import { quoteDevices } from './device-choice.ts';

/** `deadline` is epoch milliseconds; `devices` are the entries of a device list, as far as they are seen. */
export function secondFactorHint(
  method: SecondFactorMethod,
  deadline: number,
  devices: readonly string[] | null = null,
): string {
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
      return devices === null
        ? `choose the device before ${until}, in the gateway's window, and set secondFactor.device`
        : `choose the device before ${until}: ibctl login NAME --device DEVICE, one of ${quoteDevices(devices)}`;
    case 'unknown':
      return `answer IBKR's second factor before ${until}`;
  }
}
