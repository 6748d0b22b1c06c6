// Owns what the tests of the running product share: ibctl as a user, the state of a session, the agent's and the session's processes.

import type { SessionStatus, Status } from '../../src/protocol/methods.ts';
import { poll, type Result } from './command.ts';
import { USERS } from './install.ts';
import type { JournalEntry, Machine } from './machine.ts';

export const AGENT = 'ib-agent.service';

/** Runs ibctl as the operator, or as the user named; its exit status is the caller's to judge. */
export function ibctl(
  machine: Machine,
  args: readonly string[],
  user: string | null = USERS.operator,
): Promise<Result> {
  return machine.run(['ibctl', ...args], {
    check: false,
    timeoutMs: 180_000,
    ...(user === null ? {} : { user }),
  });
}

/** Runs ibctl as the operator; fails, saying what it said, unless it ends with 0. */
export async function does(machine: Machine, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await ibctl(machine, args);
  if (status !== 0) throw new Error(`ibctl ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

export async function sessionStatus(machine: Machine, session = 'live'): Promise<SessionStatus> {
  const status = JSON.parse(await does(machine, 'status', '--json')) as Status;
  const found = status.sessions.find(({ name }) => name === session);
  if (found === undefined) throw new Error(`there is no session ${session}`);
  return found;
}

/** Waits until the session, by default the first one, is in this state. */
export async function inState(
  machine: Machine,
  state: SessionStatus['state'],
  deadlineMs = 90_000,
  session: string | null = null,
): Promise<SessionStatus> {
  let last: SessionStatus | null = null;
  return await poll(
    () => `the session is ${state}: ${JSON.stringify(last)}`,
    async () => {
      const { status, stdout } = await ibctl(machine, ['status', '--json']);
      if (status !== 0) return null;
      const { sessions } = JSON.parse(stdout) as Status;
      last = sessions.find(({ name }) => session === null || name === session) ?? null;
      return last?.state === state ? last : null;
    },
    { deadlineMs },
  );
}

/** One property of a unit. */
export async function property(machine: Machine, unit: string, name: string): Promise<string> {
  return (await machine.run(['systemctl', 'show', '--value', `-p${name}`, unit])).stdout.trim();
}

export function invocation(machine: Machine, session = 'live'): Promise<string> {
  return property(machine, `ib-session@${session}.service`, 'InvocationID');
}

/** Events of a session in the journal, oldest first. */
export function events(machine: Machine, session = 'live'): Promise<JournalEntry[]> {
  return machine.journal(`IB_SESSION=${session}`, '_SYSTEMD_UNIT=ib-agent.service');
}

export async function eventNames(machine: Machine, session = 'live'): Promise<string[]> {
  return (await events(machine, session)).map((entry) => entry['IB_EVENT'] ?? '');
}

export async function isActive(machine: Machine, unit: string): Promise<boolean> {
  const { status } = await machine.run(['systemctl', 'is-active', '--quiet', unit], { check: false });
  return status === 0;
}

/** A budget as on a new account: for tests of other things than the budget. */
export async function forgetLogins(machine: Machine): Promise<void> {
  await machine.sh('systemctl stop ib-agent; rm -f /var/lib/ib-agent/ledger.json; systemctl start ib-agent');
}
