// Owns what the user database says, by getent(1), which asks the same sources as every program on the host.

import { type Machine, printed } from './machine.ts';

export type User = {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly shell: string;
};
export type UserGroup = { readonly name: string; readonly gid: number; readonly members: readonly string[] };
export type Accounts = { readonly users: readonly User[]; readonly groups: readonly UserGroup[] };

/** Null when the database cannot be asked. */
export async function readAccounts(machine: Machine): Promise<Accounts | null> {
  const [passwd, group] = await Promise.all([
    machine.run('getent', 'passwd'),
    machine.run('getent', 'group'),
  ]);
  const users = printed(passwd);
  const groups = printed(group);
  return users === null || groups === null ? null : parseAccounts(users, groups);
}

/** From the text of passwd(5) and group(5). */
export function parseAccounts(passwd: string, group: string): Accounts {
  const fields = (text: string) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(':'));
  return {
    users: fields(passwd).map(([name = '', , uid, gid, , , shell = '']) => ({
      name,
      uid: Number(uid),
      gid: Number(gid),
      shell,
    })),
    groups: fields(group).map(([name = '', , gid, members = '']) => ({
      name,
      gid: Number(gid),
      members: members === '' ? [] : members.split(','),
    })),
  };
}

export function isMember({ groups }: Accounts, user: User, group: string): boolean {
  return groups.some(
    ({ name, gid, members }) => name === group && (gid === user.gid || members.includes(user.name)),
  );
}

/** Name of a uid, or `uid 1000`. */
export function nameOfUid(accounts: Accounts | null, uid: number): string {
  return accounts?.users.find((user) => user.uid === uid)?.name ?? `uid ${uid}`;
}
