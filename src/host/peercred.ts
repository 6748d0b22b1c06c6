// Owns the answer to "who is at the other end of this Unix socket": SO_PEERCRED, as the kernel recorded it at connect.

import { loadNativeLibrary, type NativeFunction } from './ffi.ts';

/** The peer as it was when it called connect(2) or listen(2); `gid` is the primary group only. */
export type PeerCredentials = { readonly pid: number; readonly uid: number; readonly gid: number };

// socket(7); the numbers are those of Linux on x86-64 and arm64.
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred: pid, uid and gid, 32 bits each. */
const UCRED_BYTES = 12;
/** What the kernel puts where it knows no user, such as for a TCP socket: (uid_t) -1. */
const NO_UID = 0xffff_ffff;

let getsockopt: NativeFunction | null | undefined;

/**
 * Credentials of the peer of a connected Unix socket (a `net.Socket`); null when they cannot be had: no koffi, no Unix socket, or a
 * socket that is closed already. Callers treat null as a stranger.
 */
export function peerCredentials(socket: object): PeerCredentials | null {
  const fd = descriptorOf(socket);
  return fd === null ? null : peerCredentialsOfDescriptor(fd);
}

/** As {@link peerCredentials}, for a bare file descriptor. */
export function peerCredentialsOfDescriptor(fd: number): PeerCredentials | null {
  getsockopt ??= bindGetsockopt();
  if (getsockopt === null) return null;
  const credentials = Buffer.alloc(UCRED_BYTES);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(UCRED_BYTES);
  try {
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length) !== 0) return null;
  } catch {
    return null;
  }
  const uid = credentials.readUInt32LE(4);
  if (length.readUInt32LE() !== UCRED_BYTES || uid === NO_UID) return null;
  return { pid: credentials.readInt32LE(0), uid, gid: credentials.readUInt32LE(8) };
}

/** `_handle.fd` is not documented, but there is no other way from a net.Socket to its descriptor; -1 once it is closed. */
function descriptorOf(socket: object): number | null {
  const handle: unknown = '_handle' in socket ? socket._handle : undefined;
  if (typeof handle !== 'object' || handle === null || !('fd' in handle)) return null;
  const { fd } = handle;
  return typeof fd === 'number' && Number.isInteger(fd) && fd >= 0 ? fd : null;
}

function bindGetsockopt(): NativeFunction | null {
  try {
    return (
      loadNativeLibrary('libc.so.6')?.func(
        'int getsockopt(int fd, int level, int name, void *value, uint32_t *length)',
      ) ?? null
    );
  } catch {
    return null;
  }
}
