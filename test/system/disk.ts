// Owns what is on a machine's disk, and what differs between two looks at it.

import type { Machine } from './machine.ts';

/** What systemd, dpkg and the C library write by themselves. */
const NOT_OURS =
  /^\/(var\/log|var\/lib\/systemd|var\/lib\/private|var\/cache|var\/tmp\/systemd-private-|etc\/\.pwd\.lock|etc\/(passwd|group|shadow|gshadow|subuid|subgid)-)/;

/** Every file and directory of the disk with its mode and owner; of the small ones in /etc also a hash of what is in it. */
export async function everyFile(machine: Machine): Promise<string[]> {
  const listed = await machine.sh(
    'find / -xdev \\( -path /usr/src -o -path /tmp \\) -prune -o -printf "%p %y %m %u:%g %l\\n"; find /etc -xdev -type f -size -1M -exec sha256sum {} +',
    { timeoutMs: 120_000 },
  );
  return listed
    .split('\n')
    .map((line) => line.replace(/^([0-9a-f]{64}) {2}(.*)$/, '$2 $1'))
    .filter((line) => line !== '' && !NOT_OURS.test(line))
    .sort();
}

/** What differs, which of thousands of lines is all that one wants to read. */
export function difference(
  from: readonly string[],
  to: readonly string[],
): { missing: string[]; added: string[] } {
  const had = new Set(from);
  const has = new Set(to);
  return { missing: from.filter((line) => !has.has(line)), added: to.filter((line) => !had.has(line)) };
}

export const SAME = { missing: [], added: [] };
