// Owns the launch order on the launcher's side: whether there is one that may be used, and that it is used once.

import { closeSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { LaunchError } from '../gateway/launch-error.ts';
import { isOrderId, type LaunchOrder } from '../gateway/launch-records.ts';
import { errorCode, writeFileAtomic } from '../host/files.ts';

/** An entry of a list: one line, which becomes a line of IBC's settings. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are refused
const DEVICE = /^[^\u0000-\u001f\u007f]{1,200}$/;

/** Reads and checks the order. Throws a LaunchError `order-missing`, `order-invalid` or `order-expired`. */
export function readLaunchOrder(file: string, session: string, now: number): LaunchOrder {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      throw new LaunchError(
        'order-missing',
        `There is no launch order ${file}: only the agent starts a login.`,
        useLogin(session),
      );
    }
    throw new LaunchError(
      'order-missing',
      `The launch order ${file} cannot be read (${errorCode(error) ?? 'unknown error'}).`,
      `${useLogin(session)}; if it stays, check that this user may enter ${dirname(file)}`,
      error,
    );
  }
  const order = parseLaunchOrder(text);
  if (order === null) {
    throw new LaunchError(
      'order-invalid',
      `The launch order ${file} is not one this launcher understands.`,
      `${useLogin(session)}; after an upgrade restart ib-agent first`,
    );
  }
  if (order.session !== session) {
    throw new LaunchError(
      'order-invalid',
      `The launch order ${file} is for the session ${order.session}.`,
      useLogin(session),
    );
  }
  if (now > order.notAfter) {
    const seconds = Math.ceil((now - order.notAfter) / 1000);
    throw new LaunchError(
      'order-expired',
      `The launch order ${order.id} expired ${seconds} s ago.`,
      useLogin(session),
    );
  }
  return order;
}

/** The order in a file's text, or null when it is not one of this version. */
export function parseLaunchOrder(text: string): LaunchOrder | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { v, session, id, kind, notAfter, device } = value as Record<string, unknown>;
  if (v !== 1 || typeof session !== 'string' || typeof id !== 'string' || !isOrderId(id)) return null;
  if ((kind !== 'warm' && kind !== 'cold') || typeof notAfter !== 'number' || !Number.isFinite(notAfter))
    return null;
  if (device !== undefined && (typeof device !== 'string' || !DEVICE.test(device))) return null;
  return { v, session, id, kind, notAfter, ...(device === undefined ? {} : { device }) };
}

/**
 * Marks an order as used, on disk, before anything is done with it. Throws a LaunchError `order-used` when it was used before, also by a
 * launcher running at this moment, and `runtime-unusable` when it cannot be marked.
 */
export function useLaunchOrder(lastOrderFile: string, order: LaunchOrder): void {
  let isFirst: boolean;
  try {
    isFirst = claimOrder(lastOrderFile, order.id);
  } catch (error) {
    throw new LaunchError(
      'runtime-unusable',
      `The launch order cannot be marked as used in ${lastOrderFile} (${errorCode(error) ?? 'unknown error'}).`,
      'Check the owner, mode and free space of that directory.',
      error,
    );
  }
  if (!isFirst) throw used(order);
}

/**
 * Marks an order's id as used, on disk. Returns false when it was used before, also by a program running at this moment. Throws the system's
 * error when it cannot be marked.
 */
export function claimOrder(lastOrderFile: string, id: string): boolean {
  const claim = `${lastOrderFile}.claim-${id}`;
  try {
    // Whoever creates this file is the only one that goes on; the check comes after it, so a claim that was removed again is seen there.
    closeSync(openSync(claim, 'wx', 0o600));
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
  if (readLastOrder(lastOrderFile) === id) {
    rmSync(claim, { force: true });
    return false;
  }
  writeFileAtomic(lastOrderFile, `${id}\n`, 0o600);
  removeClaims(lastOrderFile);
  return true;
}

function readLastOrder(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** This order's claim, and those of launchers that died between the two steps. */
function removeClaims(lastOrderFile: string): void {
  const prefix = `${basename(lastOrderFile)}.claim-`;
  const directory = dirname(lastOrderFile);
  for (const name of readdirSync(directory)) {
    if (name.startsWith(prefix)) rmSync(join(directory, name), { force: true });
  }
}

function used(order: LaunchOrder): LaunchError {
  return new LaunchError(
    'order-used',
    `The launch order ${order.id} was used already: an order is good for one start.`,
    useLogin(order.session),
  );
}

function useLogin(session: string): string {
  return `use: ibctl login ${session}`;
}
