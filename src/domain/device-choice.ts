// Owns the rules of a second factor's device list: who may choose from it, what the agent picks by itself, and a device that is not in it.

import type { Draft } from './draft.ts';
import type { OperatorRefusal } from './reducer.ts';
import type { Phase, Run, SessionState } from './session-state.ts';

/** What is known of the device list of a run. */
export type DeviceChoice = {
  /** Id of the list's window that is open; null: none is. */
  readonly window: string | null;
  /** When the agent picks by itself, should the list still be open; epoch milliseconds. Null: not any more, or never. */
  readonly pickAt: number | null;
  /** What the driver says of a device that it did not find in the list; null: it found one, or says nothing. */
  readonly unknown: string | null;
};

export type DeviceList = { readonly window: string; readonly devices: readonly string[] };

/** The driver picks at once; one that has not by now does not see the window. */
const PICK_AFTER_MS = 4_000;

/** The list that waits for a choice, as it was seen last; null when there is none. */
export function openDeviceList(phase: Phase): DeviceList | null {
  if (phase.name !== 'awaiting-second-factor' || phase.method !== 'device-choice') return null;
  const { detail } = phase;
  return detail === null || detail.devices === null
    ? null
    : { window: detail.window, devices: detail.devices };
}

/** The one entry that is exactly this but for blanks around it, as IBC compares; null when there is none, or more than one. */
export function matchDevice(devices: readonly string[], wanted: string): string | null {
  const [found, ...others] = devices.filter((device) => device.trim() === wanted.trim());
  return found === undefined || others.length > 0 ? null : found;
}

/** Entries as a person reads and types them: `"IB Key", "Mobile Authenticator app"`. */
export function quoteDevices(devices: readonly string[]): string {
  return devices.map((device) => JSON.stringify(device)).join(', ');
}

/**
 * Why a device cannot be given in this state; null when it can. Before a login it goes with the order; at an open list it is chosen
 * there ({@link openDeviceList}, which the caller asks first); a session that is up does not need it.
 */
export function refuseDevice({ phase }: SessionState): OperatorRefusal | null {
  const refuse = (message: string, hint: string): OperatorRefusal => ({
    code: 'wrong-state',
    message,
    hint,
    deferral: null,
  });
  switch (phase.name) {
    case 'starting':
    case 'logging-in':
    case 'restarting':
      return refuse(
        `the session is ${phase.name} already: a device is given before a login, or at the open list`,
        'wait for the list with: ibctl wait --for=second-factor; then give the same command',
      );
    case 'awaiting-second-factor':
      return refuse(
        phase.method === 'device-choice'
          ? 'the device list is not seen'
          : `the session waits for another second factor (${phase.method}), not for the choice of a device`,
        'answer that one, or begin anew with: ibctl restart --cold --device',
      );
    case 'loading':
      return refuse('the second factor is answered already', 'follow it with: ibctl wait');
    default:
      return null;
  }
}

/** Notes the list that opened or closed, and picks from it when its time has come. Called after every fact. */
export function settleDeviceChoice(d: Draft): void {
  const { run } = d;
  if (run === null) return;
  const list = run.afterExit === null ? openDeviceList(d.phase) : null;
  const { choice } = run;
  if (d.phase.name !== 'awaiting-second-factor' && choice.unknown !== null) {
    d.updateRun({ choice: { window: null, pickAt: null, unknown: null } });
    return;
  }
  if (list === null) {
    if (choice.window !== null) d.updateRun({ choice: { ...choice, window: null, pickAt: null } });
    return;
  }
  if (list.window !== choice.window) {
    const pickAt = d.ctx.now + PICK_AFTER_MS;
    d.updateRun({ choice: { ...choice, window: list.window, pickAt } });
    return;
  }
  if (choice.pickAt === null || choice.pickAt > d.ctx.now) return;
  // Once: what did not work is for a person.
  d.updateRun({ choice: { ...choice, pickAt: null } });
  const wanted = run.device ?? d.ctx.rules.secondFactorDevice ?? null;
  const device = wanted === null ? null : matchDevice(list.devices, wanted);
  if (device !== null) d.effects.push({ kind: 'choose-device', window: list.window, device });
  else if (choice.unknown === null) {
    const what = wanted === null ? 'no device is configured' : `${JSON.stringify(wanted)} is not in the list`;
    d.updateRun({ choice: { ...choice, pickAt: null, unknown: `${what}: ${quoteDevices(list.devices)}` } });
  }
}

/** An entry was chosen through the window. What follows from it, the windows and the log tell. */
export function tellChosen(d: Draft, device: string, by: 'agent' | 'operator'): void {
  if (d.run === null) return;
  d.updateRun({ choice: { ...d.run.choice, pickAt: null, unknown: null } });
  d.emit({ event: 'second-factor-device-chosen', fields: { IB_DEVICE: device, IB_BY: by } });
}

/** The driver does not find what it is to pick. Where windows are seen somebody can choose, until the second factor's time is over. */
export function onDeviceUnknown(d: Draft, run: Run, text: string): void {
  if (run.afterExit !== null) return;
  // Of an adopted run the windows are seen only after its past was told.
  if (run.windows || run.adopted) d.updateRun({ choice: { ...run.choice, unknown: text } });
  else haltUnknown(d, text);
}

/** Whether the time of a list is over whose device nobody chose and the driver did not find: the next login would end in the same way. */
export function endUnchosen(d: Draft): boolean {
  const unknown = d.run?.choice.unknown ?? null;
  const { phase } = d;
  if (unknown === null || phase.name !== 'awaiting-second-factor') return false;
  if (phase.method !== 'device-choice' && phase.detail !== null) return false;
  haltUnknown(d, unknown);
  return true;
}

function haltUnknown(d: Draft, detail: string): void {
  d.stopThen({ kind: 'halt', reason: 'second-factor-device-unknown', detail });
}
