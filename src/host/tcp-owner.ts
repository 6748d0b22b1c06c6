// Owns the answer to "whose program is at the other end of this loopback connection": what SO_PEERCRED is for Unix sockets.

import { readFileSync } from 'node:fs';
import { errorCode } from './files.ts';

/**
 * `uid`: of the program that accepted the connection. `gone`: the kernel has no open other end (any more). `unknown`: the kernel's table
 * cannot be read here.
 */
export type TcpOwner =
  | { readonly kind: 'uid'; readonly uid: number }
  | { readonly kind: 'gone' }
  | { readonly kind: 'unknown' };

/** Connections of programs for IPv4, and of those that listen for both (a JVM does). */
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'] as const;
/** 127.0.0.1 as the tables print it on little-endian machines: x86-64 and arm64. */
const LOOPBACK = ['0100007F', '0000000000000000FFFF00000100007F'] as const;
/** States (include/net/tcp_states.h) in which the other end has the connection open. */
const OPEN = new Set(['01', '08']);

/**
 * Of a connection on 127.0.0.1 from our `localPort` to the server's `port`. Ask once the server has answered: before it has accepted, the
 * kernel shows root as the owner (proc(5), /proc/net/tcp).
 */
export function ownerOfLoopbackServer(localPort: number, port: number): TcpOwner {
  try {
    for (const table of TABLES) {
      const owner = findOwner(readTable(table), localPort, port);
      if (owner !== null) return owner;
    }
  } catch {
    return { kind: 'unknown' };
  }
  return { kind: 'gone' };
}

/** The owner by the text of one table, or null when the connection is not in it. */
export function findOwner(table: string, localPort: number, port: number): TcpOwner | null {
  for (const address of LOOPBACK) {
    // The server's end: its local address is our remote one.
    const at = table.indexOf(` ${address}:${hex(port)} ${address}:${hex(localPort)} `);
    if (at === -1) continue;
    const lineEnd = table.indexOf('\n', at);
    const [, , state = '', , , , uid = ''] = table
      .slice(at + 1, lineEnd === -1 ? undefined : lineEnd)
      .split(/ +/);
    if (!/^\d+$/.test(uid)) return { kind: 'unknown' };
    return OPEN.has(state) ? { kind: 'uid', uid: Number(uid) } : { kind: 'gone' };
  }
  return null;
}

/** Without IPv6 there is no second table. */
function readTable(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' && path !== TABLES[0]) return '';
    throw error;
  }
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}
