// Owns a machine with the product in it: installed by install.sh, with stand-ins for Gateway and IBC, users, configuration and credentials.

import { readFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { layInstall } from '../standin/build.ts';
import { escapeProperty, FAST_JVM, type Knobs } from '../support/world.ts';
import type { Result } from './command.ts';
import { bootMachine, type Machine, type MachineSetup } from './machine.ts';
import { productTree, type Tree } from './tree.ts';

/** A login user for each degree of access: by group operator, observer, neither. */
export const USERS = { operator: 'olga', observer: 'otto', stranger: 'strange' } as const;

export type SystemSession = {
  readonly mode?: 'live' | 'paper';
  /** Sealed for the session's unit; by default a pair that the stand-in Gateway accepts. */
  readonly username?: string;
  readonly password?: string;
  /** Lines of standin.properties. */
  readonly knobs?: Knobs;
  /** Merged over the session's part of the configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
};

export type SystemSetup = {
  /** By name; the API ports are 4001, 4002, … in this order. By default one live session. */
  readonly sessions?: Readonly<Record<string, SystemSession>>;
  /** In place of the agent a program that does nothing, as `idleAgent` does. */
  readonly idle?: boolean;
  /** Merged over the `agent` part of the configuration. */
  readonly agent?: Readonly<Record<string, unknown>>;
};

/** Boots a machine with everything in it: the agent runs with the configuration given, and no session is up. */
export async function bootProduct(setup: MachineSetup & SystemSetup = {}): Promise<Machine> {
  const tree = await productTree();
  const machine = await bootMachine({ ...setup, binds: [...(setup.binds ?? []), tree.bind] });
  try {
    if (setup.idle === true) await idleAgent(machine);
    await installProduct(machine, tree);
    await addUsers(machine);
    await layStandins(machine);
    await configure(machine, setup);
    await machine.run(['systemctl', 'restart', 'ib-agent.service']);
  } catch (error) {
    const journal = await machine.run(['journalctl', '--no-pager', '--lines=100'], { check: false });
    await machine.dispose();
    throw new Error(`${String(error)}\nThe end of its journal:\n${journal.stdout}`, { cause: error });
  }
  return machine;
}

/** Runs install.sh of a tree that is bound into the machine. */
export async function runInstaller(
  machine: Machine,
  tree: Tree,
  args: readonly string[] = ['--offline'],
  options: { readonly check?: boolean } = {},
): Promise<Result> {
  return machine.run([`${tree.bind.to}/install.sh`, ...args], { ...options, timeoutMs: 300_000 });
}

/** Installs the product, or upgrades to this tree. */
export async function installProduct(machine: Machine, tree: Tree): Promise<void> {
  await runInstaller(machine, tree);
}

/**
 * In place of the agent a program that does nothing, for tests of what surrounds it: they then fail for their own reasons
 * only. To be called before the product is installed.
 */
export async function idleAgent(machine: Machine): Promise<void> {
  await machine.writeFile(
    '/etc/systemd/system/ib-agent.service.d/idle.conf',
    '[Service]\nType=exec\nWatchdogSec=0\nExecStart=\nExecStart=/usr/bin/sleep infinity\n',
  );
  await machine.run(['systemctl', 'daemon-reload']);
}

/** Makes the login users of `USERS`; the product's groups must be there. */
export async function addUsers(machine: Machine): Promise<void> {
  await machine.run(['useradd', '--create-home', '--groups=ib-operators', USERS.operator]);
  await machine.run(['useradd', '--create-home', '--groups=ib-observers', USERS.observer]);
  await machine.run(['useradd', '--create-home', USERS.stranger]);
}

/** Lays the stand-ins where the configuration has its defaults: IBC in /opt/ibc, the Gateway below /opt/Jts. */
export async function layStandins(machine: Machine): Promise<void> {
  const java = (await machine.sh('readlink -f /usr/bin/java')).trim();
  await layInstall({
    root: machine.path('/opt'),
    seenAs: '/opt',
    javaHome: java.replace(/\/bin\/java$/, ''),
  });
  // As an administrator does: the session may not change the gateway, which would restart itself without IBC.
  await machine.sh(
    'chown -R root:root /opt; chmod -R a+rX /opt; mv /opt/Jts/ibgateway/1045/ibgateway /opt/Jts/ibgateway/1045/ibgateway1',
  );
}

/** Writes the configuration, seals the credentials and sets the knobs of each session. The agent reads it when it starts. */
export async function configure(machine: Machine, setup: SystemSetup): Promise<void> {
  const sessions: Record<string, unknown> = {};
  for (const [index, [name, session]] of Object.entries(setup.sessions ?? { live: {} }).entries()) {
    sessions[name] = {
      mode: session.mode ?? 'live',
      install: { ibcDir: '/opt/ibc', gatewayDir: '/opt/Jts', gatewayVersion: '1045' },
      api: { port: 4001 + index },
      jvm: FAST_JVM,
      ...session.config,
    };
    await sealCredentials(
      machine,
      name,
      session.username ?? `user-${name}`,
      session.password ?? 'correct horse',
    );
    if (session.knobs !== undefined) await setKnobs(machine, session.knobs, name);
  }
  await machine.writeFile('/etc/ib-agent/ib-agent.yaml', stringify({ agent: { ...setup.agent }, sessions }));
}

/** Seals user name and password for the session's unit. */
export async function sealCredentials(
  machine: Machine,
  session: string,
  username: string,
  password: string,
): Promise<void> {
  await machine.sh('mkdir -p -m 0700 /etc/credstore.encrypted');
  for (const [name, secret] of Object.entries({ username, password })) {
    const file = `/etc/credstore.encrypted/ib-session.${session}.${name}`;
    await machine.run(['systemd-creds', 'encrypt', `--name=${name}`, '-', file], { input: secret });
  }
}

/** Sets knobs of a session's stand-in Gateway; a running one takes those that begin with `now.`. */
export async function setKnobs(machine: Machine, knobs: Knobs, session = 'live'): Promise<void> {
  const directory = `/var/lib/ib-session/${session}`;
  const file = `${directory}/settings/standin.properties`;
  await machine.sh(
    'for d in /var/lib/ib-session "$1" "$1/settings"; do [ -d "$d" ] || install -d -o ib-gateway -g ib-gateway -m 0700 "$d"; done',
    {},
    directory,
  );
  const before = (await machine.run(['cat', file], { check: false })).stdout;
  const kept = before
    .split('\n')
    .filter((line) => line !== '' && !(line.slice(0, line.indexOf('=')) in knobs));
  const lines = Object.entries(knobs).map(([key, value]) => `${key}=${escapeProperty(value)}`);
  // By a rename: the Gateway must not act on half of it.
  await machine.writeFile(`${file}.new`, `${[...kept, ...lines].join('\n')}\n`, {
    owner: 'ib-gateway:ib-gateway',
  });
  await machine.run(['mv', '-T', `${file}.new`, file]);
}

/** How a session's JVM ended; null is not known, or does not apply. */
export type End = { readonly status: number | null; readonly signal: string | null };

/** How each JVM of a session ended in this boot, oldest first, as the unit's ExecStopPost= wrote it into the journal. */
export async function sessionEnds(machine: Machine, session = 'live'): Promise<End[]> {
  const entries = await machine.journal('--boot', `_SYSTEMD_UNIT=ib-session@${session}.service`);
  return entries
    .map((entry) => entry['MESSAGE'] ?? '')
    .filter((line) => line.startsWith('{"v":1,'))
    .map((line) => JSON.parse(line) as End);
}

/** The version that `current` is switched to. */
export function installedVersion(machine: Machine): string {
  return readFileSync(machine.path('/usr/lib/ib-agent/current/VERSION'), 'utf8').trim();
}
