// Owns the checks of one session: credentials, gateway, Java, API port, settings.

import { dirname, join } from 'node:path';
import type { SessionConfig } from '../../config/types.ts';
import { CREDENTIAL_KINDS, type CredentialKind, credentialFile, KIND_WORDS } from '../credentials/names.ts';
import { formatDateTime } from '../time-text.ts';
import { type Accounts, nameOfUid } from './accounts.ts';
import { failed, list, ok, skipped, type Verdict, warning } from './finding.ts';
import { type FileFacts, type InstallAnswer, type Look, type Machine, seen } from './machine.ts';
import type { Check, Scene, SubjectVerdict } from './scene.ts';

const STORE = '/etc/credstore.encrypted';

export type CredentialFacts = {
  readonly session: string;
  readonly uid: number;
  readonly isSystemd: boolean;
  readonly source: SessionConfig['credentials'];
  readonly method: SessionConfig['secondFactor']['method'];
  /** When each was set; null when it is not. */
  readonly setAt: Readonly<Record<CredentialKind, number | null>>;
};

export function judgeCredentials({
  session,
  uid,
  isSystemd,
  source,
  method,
  setAt,
}: CredentialFacts): Verdict {
  if (!isSystemd) {
    return skipped(
      `without systemd they come from ${source.kind === 'directory' ? source.path : `the command ${source.argv[0]}`}`,
    );
  }
  if (uid !== 0) {
    return skipped('only root can see which are set', {
      words: 'Look as root.',
      command: `sudo ibctl doctor ${session}`,
    });
  }
  const missing = (['username', 'password'] as const).filter((kind) => setAt[kind] === null);
  if (missing.length > 0) {
    return failed(
      `${list(missing.map((kind) => KIND_WORDS[kind]))} ${missing.length === 1 ? 'is' : 'are'} not set`,
      'Without them the unit does not start (243/CREDENTIALS).',
      `sudo ibctl credentials set ${session}`,
    );
  }
  if (method === 'totp' && setAt.seed === null) {
    return failed(
      'TOTP seed is not set',
      'secondFactor.method is totp: without the seed no code can be made, and no login succeeds.',
      `sudo ibctl credentials set ${session} --only seed`,
    );
  }
  const latest = Math.max(setAt.username ?? 0, setAt.password ?? 0);
  const seed = setAt.seed === null ? 'no TOTP seed' : 'TOTP seed';
  return ok(`user name and password, set ${formatDateTime(latest)}; ${seed}`);
}

async function checkCredentials(scene: Scene, session: SessionConfig): Promise<Verdict> {
  const { machine } = scene;
  const looks = await Promise.all(
    CREDENTIAL_KINDS.map((kind) => machine.stat(join(STORE, credentialFile(session.name, kind)))),
  );
  const at = (kind: CredentialKind) => {
    const look = looks[CREDENTIAL_KINDS.indexOf(kind)];
    return look?.ok ? look.value.changedAt : null;
  };
  return judgeCredentials({
    session: session.name,
    uid: machine.uid,
    isSystemd: await scene.isSystemd(),
    source: session.credentials,
    method: session.secondFactor.method,
    setAt: { username: at('username'), password: at('password'), seed: at('seed') },
  });
}

export function judgeGateway(install: InstallAnswer): Verdict {
  if (install.ok) return ok(`${install.programDir}, and IBC`);
  if (install.part === 'java') return skipped('its Java is missing');
  return failed(install.message, install.hint);
}

export function judgeJava(install: InstallAnswer): Verdict {
  if (!install.ok)
    return install.part === 'java' ? failed(install.message, install.hint) : skipped('there is no gateway');
  const [first] = install.warnings;
  return first === undefined
    ? ok(install.java)
    : warning(first, 'Leave install.java out, so that the Java that came with the gateway is used.');
}

/** `modules`: the text of the runtime's `release` file; `files`: names of its lib directories. */
export type JavaFxFacts = {
  readonly install: InstallAnswer;
  readonly release: string | null;
  readonly files: readonly string[];
};

export function judgeJavaFx({ install, release, files }: JavaFxFacts): Verdict {
  if (!install.ok) return skipped('there is no gateway or no Java');
  const inModules = /^MODULES=.*\bjavafx\./m.test(release ?? '');
  const jar = [...files, ...install.classpath.map((path) => path.slice(path.lastIndexOf('/') + 1))].find(
    (name) => /^(javafx[.-].*\.jar|javafx\.properties|jfxrt\.jar)$/.test(name),
  );
  if (inModules || jar !== undefined) return ok(inModules ? 'a module of the runtime' : (jar ?? ''));
  return warning(
    `not in ${dirname(dirname(install.java))}`,
    "Windows of the gateway that need it stay empty. Leave install.java out, so that the gateway's own Java is used.",
  );
}

async function checkJavaFx(machine: Machine, install: InstallAnswer): Promise<Verdict> {
  if (!install.ok) return judgeJavaFx({ install, release: null, files: [] });
  const home = dirname(dirname(install.java));
  const [release, ...lists] = await Promise.all([
    machine.readText(join(home, 'release')),
    ...['lib', 'lib/ext'].map((directory) => machine.list(join(home, directory))),
  ]);
  return judgeJavaFx({
    install,
    release: seen(release),
    files: lists.flatMap((names) => seen(names) ?? []),
  });
}

export type PortFacts = {
  readonly port: number;
  /** Users whose programs listen; null when the kernel's tables cannot be read. */
  readonly listeners: readonly number[] | null;
  /** Users whose programs may. */
  readonly expected: readonly number[];
  readonly accounts: Accounts | null;
};

export function judgePort({ port, listeners, expected, accounts }: PortFacts): Verdict {
  if (listeners === null) return skipped("the kernel's table of sockets cannot be read");
  if (listeners.length === 0) return ok(`${port} is free`);
  const foreign = listeners.filter((uid) => !expected.includes(uid));
  if (foreign.length === 0) return ok(`${port} is held by ${nameOfUid(accounts, listeners[0] ?? 0)}`);
  return failed(
    `${port} is held by a program of ${list([...new Set(foreign)].map((uid) => nameOfUid(accounts, uid)))}`,
    'The gateway could not open it. End that program, or give the session another api.port. To see it:',
    `sudo ss -ltnp sport = :${port}`,
  );
}

/** Users of the sockets that listen on a port, from the text of /proc/net/tcp or tcp6 (proc(5)). */
export function findListeners(table: string, port: number): readonly number[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => state === '0A' && local.endsWith(suffix))
    .map((fields) => Number(fields[7]));
}

async function checkPort(scene: Scene, session: SessionConfig): Promise<Verdict> {
  const { machine } = scene;
  const [accounts, isSystemd, tcp, tcp6] = await Promise.all([
    scene.accounts(),
    scene.isSystemd(),
    machine.readText('/proc/net/tcp'),
    machine.readText('/proc/net/tcp6'),
  ]);
  const { port } = session.api;
  const gateway = accounts?.users.find(({ name }) => name === 'ib-gateway')?.uid;
  return judgePort({
    port,
    listeners: tcp.ok ? [tcp.value, seen(tcp6) ?? ''].flatMap((table) => findListeners(table, port)) : null,
    // Without systemd sessions run as the agent's own user, who normally is the one that asks.
    expected: isSystemd ? (gateway === undefined ? [] : [gateway]) : [machine.uid],
    accounts,
  });
}

export type SettingsFacts = {
  readonly directory: string;
  readonly look: Look<FileFacts>;
  /** User that the gateway runs as; null when it is not known. */
  readonly owner: number | null;
  readonly session: string;
};

const OPEN_TO_OTHERS = 0o077;

export function judgeSettings({ directory, look, owner, session }: SettingsFacts): Verdict {
  if (!look.ok) {
    if (look.code === 'ENOENT') return ok(`${directory} is made at the first start`);
    return skipped(`${directory} cannot be seen by this user (${look.code})`, {
      words: 'Look as root.',
      command: `sudo ibctl doctor ${session}`,
    });
  }
  const { kind, uid, mode } = look.value;
  if (kind !== 'directory')
    return failed(`${directory} is not a directory`, 'Move it away, or correct settingsDir.');
  if (owner !== null && uid !== owner) {
    return failed(
      `${directory} belongs to uid ${uid}, not to the gateway's user`,
      'The gateway could not write its settings, nor the token that spares a second factor.',
      `sudo chown -R ib-gateway: ${directory}`,
    );
  }
  if ((mode & OPEN_TO_OTHERS) !== 0) {
    return warning(
      `${directory} is open to others (mode ${(mode & 0o7777).toString(8).padStart(4, '0')})`,
      'Its token is worth a second factor.',
      `sudo chmod 0700 ${directory}`,
    );
  }
  return ok(directory);
}

async function checkSettings(scene: Scene, session: SessionConfig): Promise<Verdict> {
  const [look, isSystemd, accounts] = await Promise.all([
    scene.machine.stat(session.settingsDir),
    scene.isSystemd(),
    scene.accounts(),
  ]);
  const gateway = accounts?.users.find(({ name }) => name === 'ib-gateway')?.uid ?? null;
  return judgeSettings({
    directory: session.settingsDir,
    look,
    owner: isSystemd ? gateway : null,
    session: session.name,
  });
}

const each =
  (judge: (scene: Scene, session: SessionConfig) => Promise<Verdict> | Verdict): Check['run'] =>
  (scene) =>
    Promise.all(
      scene.sessions.map(
        async (session): Promise<SubjectVerdict> => ({
          ...(await judge(scene, session)),
          subject: session.name,
        }),
      ),
    );

export const SESSION_CHECKS: readonly Check[] = [
  { id: 'credentials', group: 'Session', run: each(checkCredentials) },
  {
    id: 'gateway',
    group: 'Session',
    run: each(({ machine }, { install }) => judgeGateway(machine.findInstall(install))),
  },
  {
    id: 'java',
    group: 'Session',
    run: each(({ machine }, { install }) => judgeJava(machine.findInstall(install))),
  },
  {
    id: 'javafx',
    group: 'Session',
    run: each(({ machine }, { install }) => checkJavaFx(machine, machine.findInstall(install))),
  },
  { id: 'api-port', group: 'Session', run: each(checkPort) },
  { id: 'settings', group: 'Session', run: each(checkSettings) },
];
