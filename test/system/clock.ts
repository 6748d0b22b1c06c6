// Owns the wall clock of one unit of a machine. The kernel's is the host's too, and time namespaces leave it out, so the unit's
// programs ask a library instead.

import type { Machine } from './machine.ts';

const DIRECTORY = '/run/test-clock';

function offsetFile(unit: string): string {
  return `${DIRECTORY}/${unit}`;
}

/**
 * Lets `jumpClock` move the wall clock of what `unit` runs from its next start on. Timers and everything else that counts
 * by the monotonic clock go on as they are, as with a real clock that is set. The journal's own times are the machine's.
 */
export async function prepareClock(machine: Machine, unit: string): Promise<void> {
  const library = (await machine.sh('ls /usr/lib/*/faketime/libfaketime.so.1')).trim();
  await setOffset(machine, unit, 0);
  await machine.writeFile(
    `/run/systemd/system/${unit}.d/test-clock.conf`,
    [
      '[Service]',
      `Environment=LD_PRELOAD=${library} FAKETIME_TIMESTAMP_FILE=${offsetFile(unit)}`,
      // Without these, a jump would be seen ten seconds late, and timers would jump as well.
      'Environment=FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1',
      '',
    ].join('\n'),
  );
  await machine.run(['systemctl', 'daemon-reload']);
}

/** Sets the wall clock of `unit` to so many seconds from the machine's, at once; 0 sets it right again. */
export async function jumpClock(machine: Machine, unit: string, seconds: number): Promise<void> {
  await setOffset(machine, unit, seconds);
}

async function setOffset(machine: Machine, unit: string, seconds: number): Promise<void> {
  const file = offsetFile(unit);
  await machine.writeFile(`${file}.new`, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}\n`);
  await machine.run(['mv', '-T', `${file}.new`, file]);
}
