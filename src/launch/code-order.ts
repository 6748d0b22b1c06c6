// Owns the order to type a code on the program's side: whether there is one that may be used, and that it is used once.

import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type CodeOrder, parseCodeOrder } from '../gateway/code-records.ts';
import { LaunchError } from '../gateway/launch-error.ts';
import { errorCode } from '../host/files.ts';
import { claimOrder } from './order.ts';

const HINT = 'Only the agent has codes typed, while a login waits for one: ibctl login';

/** Reads and checks the order. Throws a LaunchError `order-missing`, `order-invalid` or `order-expired`. */
export function readCodeOrder(file: string, session: string, now: number): CodeOrder {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = errorCode(error) ?? 'unknown error';
    if (code === 'ENOENT') throw new LaunchError('order-missing', `There is no order ${file}.`, HINT);
    throw new LaunchError(
      'order-missing',
      `The order ${file} cannot be read (${code}).`,
      `${HINT}; if it stays, check that this user may enter ${dirname(file)}`,
      error,
    );
  }
  const order = parseCodeOrder(text);
  if (order === null) {
    throw new LaunchError(
      'order-invalid',
      `The order ${file} is not one this program understands.`,
      `${HINT}; after an upgrade restart ib-agent first`,
    );
  }
  if (order.session !== session) {
    throw new LaunchError('order-invalid', `The order ${file} is for the session ${order.session}.`, HINT);
  }
  if (now > order.notAfter) {
    const seconds = Math.ceil((now - order.notAfter) / 1000);
    throw new LaunchError('order-expired', `The order ${order.id} expired ${seconds} s ago.`, HINT);
  }
  return order;
}

/** Marks an order as used, on disk, before anything is done with it. Throws a LaunchError `order-used` or `runtime-unusable`. */
export function useCodeOrder(lastOrderFile: string, order: CodeOrder): void {
  let isFirst: boolean;
  try {
    isFirst = claimOrder(lastOrderFile, order.id);
  } catch (error) {
    throw new LaunchError(
      'runtime-unusable',
      `The order cannot be marked as used in ${lastOrderFile} (${errorCode(error) ?? 'unknown error'}).`,
      'Check the owner, mode and free space of that directory.',
      error,
    );
  }
  if (isFirst) return;
  throw new LaunchError('order-used', `The order ${order.id} was used already: it is good for once.`, HINT);
}
