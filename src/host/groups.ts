// Owns which groups a user belongs to, asked of the system's user database (NSS) without a subprocess.

import type { Clock } from './clock.ts';
import { defineNativeStruct, loadNativeLibrary, type NativeFunction } from './ffi.ts';

/** What the user database says of a uid; `name` is null where it knows none, and `groups` is empty then. */
export type UserGroups = { readonly name: string | null; readonly groups: readonly string[] };

/** Port to the user database. */
export interface GroupDatabase {
  /** The name of a uid and which of the groups `among` it is in, by primary or supplementary membership. Rejects when the database cannot be read. */
  lookUp(uid: number, among: readonly string[]): Promise<UserGroups>;
}

const FIRST_RECORD_BYTES = 16 * 1024;
/** A group entry lists its members; directories have groups with many thousands. */
const MOST_RECORD_BYTES = 16 * 1024 * 1024;
const ERANGE = 34;
/** NGROUPS_MAX of Linux: nobody has more. */
const MOST_GROUPS = 65_536;
const FIRST_GROUP_ROOM = 64;

type PasswdRecord = { pw_name?: unknown; pw_uid?: unknown; pw_gid?: unknown };
type GroupRecord = { gr_gid?: unknown };
type Bindings = {
  readonly getpwuid: NativeFunction;
  readonly getpwnam: NativeFunction;
  readonly getgrnam: NativeFunction;
  readonly getgrouplist: NativeFunction;
};

/**
 * The groups that the database gives now, not those the peer's process was started with: `usermod -aG` counts from the next
 * connection on, without a new login. The calls run on the thread pool because NSS may ask a network directory.
 */
export class NssGroupDatabase implements GroupDatabase {
  readonly #recordBytes: number;
  readonly #groupRoom: number;

  /** Sizes of the first buffers; they grow where an entry does not fit. */
  constructor(room: { readonly recordBytes?: number; readonly groups?: number } = {}) {
    this.#recordBytes = room.recordBytes ?? FIRST_RECORD_BYTES;
    this.#groupRoom = room.groups ?? FIRST_GROUP_ROOM;
  }

  async lookUp(uid: number, among: readonly string[]): Promise<UserGroups> {
    const { getpwuid, getgrnam, getgrouplist } = bindings();
    const user: PasswdRecord = {};
    if (!(await fetchRecord(getpwuid, uid, user, this.#recordBytes))) return { name: null, groups: [] };
    const { pw_name: name, pw_gid: gid } = user;
    if (typeof name !== 'string' || typeof gid !== 'number') return { name: null, groups: [] };
    const gids = await listGids(getgrouplist, name, gid, this.#groupRoom);
    const groups: string[] = [];
    for (const candidate of among) {
      const group: GroupRecord = {};
      if (!(await fetchRecord(getgrnam, candidate, group, this.#recordBytes))) continue;
      if (typeof group.gr_gid === 'number' && gids.has(group.gr_gid)) groups.push(candidate);
    }
    return { name, groups };
  }
}

/** Uid and primary gid of a user by name; null when there is none. Rejects when the database cannot be read. */
export async function findUser(name: string): Promise<{ readonly uid: number; readonly gid: number } | null> {
  const user: PasswdRecord = {};
  if (!(await fetchRecord(bindings().getpwnam, name, user, FIRST_RECORD_BYTES))) return null;
  const { pw_uid: uid, pw_gid: gid } = user;
  return typeof uid === 'number' && typeof gid === 'number' ? { uid, gid } : null;
}

/** Remembers answers for `keepMs`, so that a burst of connections asks once. Failures are not remembered. */
export class CachedGroupDatabase implements GroupDatabase {
  readonly #source: GroupDatabase;
  readonly #clock: Clock;
  readonly #keepMs: number;
  readonly #answers = new Map<string, { readonly untilMs: number; readonly answer: Promise<UserGroups> }>();

  constructor(source: GroupDatabase, clock: Clock, keepMs = 10_000) {
    this.#source = source;
    this.#clock = clock;
    this.#keepMs = keepMs;
  }

  lookUp(uid: number, among: readonly string[]): Promise<UserGroups> {
    const nowMs = this.#clock.monotonicMs();
    for (const [key, entry] of this.#answers) {
      if (entry.untilMs <= nowMs) this.#answers.delete(key);
    }
    const key = `${uid} ${among.join(' ')}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known.answer;
    const answer = this.#source.lookUp(uid, among);
    this.#answers.set(key, { untilMs: nowMs + this.#keepMs, answer });
    answer.catch(() => this.#answers.delete(key));
    return answer;
  }
}

let bound: Bindings | undefined;

function bindings(): Bindings {
  if (bound !== undefined) return bound;
  const libc = loadNativeLibrary('libc.so.6');
  if (libc === null) throw new Error('the user database cannot be asked: no native calls here');
  defineNativeStruct('ib_passwd', {
    pw_name: 'char *',
    pw_passwd: 'char *',
    pw_uid: 'uint32_t',
    pw_gid: 'uint32_t',
    pw_gecos: 'char *',
    pw_dir: 'char *',
    pw_shell: 'char *',
  });
  defineNativeStruct('ib_group', {
    gr_name: 'char *',
    gr_passwd: 'char *',
    gr_gid: 'uint32_t',
    gr_mem: 'void *',
  });
  bound = {
    getpwuid: libc.func(
      'int getpwuid_r(uint32_t uid, _Out_ ib_passwd *record, void *room, size_t size, _Out_ void **found)',
    ),
    getpwnam: libc.func(
      'int getpwnam_r(const char *name, _Out_ ib_passwd *record, void *room, size_t size, _Out_ void **found)',
    ),
    getgrnam: libc.func(
      'int getgrnam_r(const char *name, _Out_ ib_group *record, void *room, size_t size, _Out_ void **found)',
    ),
    getgrouplist: libc.func(
      'int getgrouplist(const char *name, uint32_t gid, void *gids, _Inout_ int *count)',
    ),
  };
  return bound;
}

/** Calls getpwuid_r or getgrnam_r; false when the database has no such entry. */
async function fetchRecord(
  call: NativeFunction,
  key: number | string,
  record: object,
  firstBytes: number,
): Promise<boolean> {
  for (let room = firstBytes; ; room *= 4) {
    const found: unknown[] = [null];
    const status = await run(call, key, record, Buffer.alloc(room), room, found);
    if (found[0] !== null && found[0] !== 0n) return true;
    // getpwnam(3), "ERRORS": systems disagree on what "not found" gives; 0, ENOENT, ESRCH, EBADF and EPERM are all in use.
    if ([0, 1, 2, 3, 9].includes(status)) return false;
    if (status !== ERANGE || room >= MOST_RECORD_BYTES) {
      throw new Error(`the user database cannot be read (errno ${status})`);
    }
  }
}

async function listGids(
  getgrouplist: NativeFunction,
  user: string,
  primaryGid: number,
  firstRoom: number,
): Promise<Set<number>> {
  for (let room = firstRoom; ; room = MOST_GROUPS) {
    const gids = Buffer.alloc(room * 4);
    const count = [room];
    const status = await run(getgrouplist, user, primaryGid, gids, count);
    const filled = count[0] ?? 0;
    if (status >= 0 && filled <= room) {
      return new Set(Array.from({ length: filled }, (_, index) => gids.readUInt32LE(index * 4)));
    }
    if (room === MOST_GROUPS) throw new Error(`user ${user} is in more groups than the kernel allows`);
  }
}

function run(call: NativeFunction, ...values: unknown[]): Promise<number> {
  return new Promise((resolve, reject) => {
    call.async(...values, (error: unknown, result: unknown) => {
      // `values` is named here so that the memory it holds outlives the call on the thread pool.
      if (error !== null && error !== undefined) reject(error);
      else resolve(values.length > 0 && typeof result === 'number' ? result : -1);
    });
  });
}
