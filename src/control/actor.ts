// Owns who may do what on the control socket: pure policy over the peer's uid and groups.

import type { Access } from '../protocol/envelope.ts';
import { AgentError } from '../protocol/errors.ts';

export const OPERATORS_GROUP = 'ib-operators';
export const OBSERVERS_GROUP = 'ib-observers';
/** Every group that policy asks about. */
export const ACCESS_GROUPS = [OPERATORS_GROUP, OBSERVERS_GROUP] as const;

/** Who is at the other end of a connection. Ids are null where the kernel could not say and the socket's mode vouches instead. */
export type Actor = {
  readonly uid: number | null;
  readonly gid: number | null;
  readonly pid: number | null;
  /** Login name, or null when it was not looked up or does not exist. */
  readonly user: string | null;
  readonly access: Access;
  /** What the client calls itself in its hello, such as `ibctl 0.1.0`; for the log only, anybody can say anything. */
  readonly client: string;
};

/** Whose processes own the sessions: `process` is the agent itself, for development and containers. */
export type AccessMode = 'process' | 'systemd';

export type AccessQuestion = {
  readonly uid: number;
  /** The agent's own uid. */
  readonly ownUid: number;
  /** Names of the groups that the peer's user is in. */
  readonly groups: readonly string[];
  readonly mode: AccessMode;
};

/** Root and operators operate, observers observe; outside systemd the agent's own user operates too. null: a stranger. */
export function decideAccess({ uid, ownUid, groups, mode }: AccessQuestion): Access | null {
  if (needsNoGroups({ uid, ownUid, mode })) return 'operate';
  if (groups.includes(OPERATORS_GROUP)) return 'operate';
  if (groups.includes(OBSERVERS_GROUP)) return 'observe';
  return null;
}

/** Whether access is decided by the uid alone, so that it works also when the user database does not. */
export function needsNoGroups({ uid, ownUid, mode }: Omit<AccessQuestion, 'groups'>): boolean {
  return uid === 0 || (mode === 'process' && uid === ownUid);
}

/** The refusal for a user who may not use the socket at all. */
export function refuseStranger(uid: number, user: string | null): AgentError {
  return new AgentError('not-allowed', `${describeUser(uid, user)} may not use ib-agent`, {
    hint: `join group ${OBSERVERS_GROUP} to look or ${OPERATORS_GROUP} to operate: ${joinCommand(OPERATORS_GROUP, user)}`,
    data: { uid, group: OBSERVERS_GROUP },
  });
}

/** The refusal for a peer whose uid cannot be known; why stands in the log, for it may name paths. */
export function refuseUnknownPeer(): AgentError {
  return new AgentError('not-allowed', 'the agent cannot tell which user is calling', {
    hint: 'its log says why peer credentials do not work here',
  });
}

/** The refusal of a method to a user who may only look. */
export function refuseOperation(actor: Actor, method: string): AgentError {
  const who = actor.uid === null ? 'this user' : describeUser(actor.uid, actor.user);
  return new AgentError('not-allowed', `${who} may look but not call ${method}`, {
    hint: `join group ${OPERATORS_GROUP}: ${joinCommand(OPERATORS_GROUP, actor.user)}`,
    data: { uid: actor.uid, group: OPERATORS_GROUP },
  });
}

function describeUser(uid: number, user: string | null): string {
  return user === null ? `uid ${uid}` : `user ${user} (uid ${uid})`;
}

function joinCommand(group: string, user: string | null): string {
  return `sudo usermod -aG ${group} ${user ?? 'USER'} (counts for the next ibctl, without a new login)`;
}
