// Owns the answer to "does what we write to stdout or stderr go to the journal".

import { fstatSync } from 'node:fs';

/**
 * Whether one of the descriptors is the stream of `$JOURNAL_STREAM` (systemd.exec(5): device and inode, decimal). The variable alone says
 * little: every child of a service inherits it, also one whose output goes elsewhere.
 */
export function isJournalStream(
  journalStream: string | undefined,
  descriptors: readonly number[] = [2, 1],
): boolean {
  return descriptors.some((descriptor) => {
    try {
      const { dev, ino } = fstatSync(descriptor, { bigint: true });
      return journalStream === `${dev}:${ino}`;
    } catch {
      // Closed.
      return false;
    }
  });
}
