// Owns the checks of the host: systemd, polkit, clock, disks, journal, and who and what else is on it.

import { type Accounts, isMember } from './accounts.ts';
import { count, failed, list, NO_SYSTEMD, ok, skipped, type Verdict, warning } from './finding.ts';
import { isMissing, type Machine, parseProperties, printed, type Space, seen } from './machine.ts';
import type { Check, Scene } from './scene.ts';

/** Where an installed ib-agent keeps the files that are copied into the system. */
export const SHIPPED = '/usr/lib/ib-agent/current/share/systemd';

const OLDEST_SYSTEMD = 252;

export type SystemdFacts = {
  /** Name of PID 1. */
  readonly init: string | null;
  /** First line of `systemctl --version`. */
  readonly version: string | null;
  /** What an agent that answers says. */
  readonly supervisor: string | null;
};

export function judgeSystemd({ init, version, supervisor }: SystemdFacts): Verdict {
  if (init !== 'systemd') {
    const what = `PID 1 is ${init ?? 'unknown'}, not systemd`;
    if (supervisor === 'process') return skipped(`${what}; the agent here supervises sessions itself`);
    return failed(
      what,
      'The installed units need a machine or container booted by systemd. Without it, start ib-agent itself: it then supervises sessions as its children.',
    );
  }
  const number = Number(/^systemd (\d+)/.exec(version ?? '')?.[1] ?? Number.NaN);
  if (Number.isNaN(number)) return warning('its version is unknown', 'See: systemctl --version');
  if (number < OLDEST_SYSTEMD) {
    return failed(
      `systemd ${number}`,
      `Upgrade the system: ${OLDEST_SYSTEMD} or later is needed (Debian 12, Ubuntu 24.04).`,
    );
  }
  return ok(`${version?.trim()} is PID 1`);
}

async function checkSystemd(scene: Scene): Promise<Verdict> {
  const { machine } = scene;
  const [comm, version, answer] = await Promise.all([
    machine.readText('/proc/1/comm'),
    machine.run('systemctl', '--version'),
    scene.agent(),
  ]);
  return judgeSystemd({
    init: seen(comm)?.trim() ?? null,
    version: printed(version)?.split('\n', 1)[0] ?? null,
    supervisor: answer.kind === 'running' ? answer.supervisor : null,
  });
}

export type PolkitFacts = {
  /** LoadState and ActiveState of polkit.service; null when systemd does not say. */
  readonly service: { readonly load: string; readonly active: string } | null;
  /** As `pkaction --version` prints it: `122`, `0.105`. */
  readonly version: string | null;
  /** `other` when it is not the one that was shipped. */
  readonly rule: 'shipped' | 'other' | 'missing' | 'unreadable';
  readonly path: string | null;
};

const RULE = '50-ib-agent.rules';
const RULE_DIRECTORIES = ['/etc/polkit-1/rules.d', '/usr/share/polkit-1/rules.d'];
/** 0.106 brought rules in JavaScript; then the numbering dropped the zero. */
const hasScriptedRules = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 0 || minor >= 106;
};

export function judgePolkit({ service, version, rule, path }: PolkitFacts): Verdict {
  const install = `sudo install -m 0644 ${SHIPPED}/${RULE} ${RULE_DIRECTORIES[0]}/`;
  if (version === null) {
    return failed(
      'polkit is not installed',
      'Without it the agent may not start and stop sessions.',
      'sudo apt install polkitd',
    );
  }
  // Not running is no fault of it: each question starts it.
  if (service?.load === 'masked' || service?.active === 'failed') {
    const masked = service.load === 'masked';
    return failed(
      `polkit ${version} is ${masked ? 'masked' : 'installed, and its service has failed'}`,
      'Without it the agent may not start and stop sessions.',
      masked ? 'sudo systemctl unmask polkit' : 'systemctl status polkit',
    );
  }
  if (!hasScriptedRules(version)) {
    return failed(
      `polkit ${version} has no rules in JavaScript`,
      'Upgrade the system: 0.106 or later is needed.',
    );
  }
  if (rule === 'missing') {
    return failed(
      `polkit ${version}, but ${RULE} is in neither ${RULE_DIRECTORIES.join(' nor ')}`,
      'Without it the agent may not start and stop sessions.',
      install,
    );
  }
  if (rule === 'unreadable') {
    return skipped(`polkit ${version}; only root can see whether our rule is there`, {
      words: 'Look as root.',
      command: 'sudo ibctl doctor',
    });
  }
  if (rule === 'other') {
    return warning(
      `polkit ${version}, ${path} is not as it was shipped`,
      'Compare them; put your own rules into a file of their own.',
      `diff ${path} ${SHIPPED}/${RULE}`,
    );
  }
  return ok(`polkit ${version}, ${path}`);
}

async function checkPolkit(machine: Machine): Promise<Verdict> {
  const [version, service, shipped, ...installed] = await Promise.all([
    machine.run('pkaction', '--version'),
    machine.run('systemctl', 'show', '--property=LoadState,ActiveState', 'polkit.service'),
    machine.readText(`${SHIPPED}/${RULE}`),
    ...RULE_DIRECTORIES.map((directory) => machine.readText(`${directory}/${RULE}`)),
  ]);
  const at = installed.findIndex((look) => look.ok);
  const found = installed[at];
  const denied = installed.some((look) => !look.ok && look.code !== 'ENOENT');
  const rule = found?.ok
    ? !shipped.ok || shipped.value === found.value
      ? 'shipped'
      : 'other'
    : denied
      ? 'unreadable'
      : 'missing';
  const state = parseProperties(printed(service) ?? '');
  return judgePolkit({
    service: { load: state.get('LoadState') ?? 'unknown', active: state.get('ActiveState') ?? 'unknown' },
    version: /version ([\d.]+)/.exec(printed(version) ?? '')?.[1] ?? null,
    rule,
    path: at === -1 ? null : `${RULE_DIRECTORIES[at]}/${RULE}`,
  });
}

/** `synchronised`: as timedatectl says, null when it does not. */
export function judgeClock(synchronised: string | null): Verdict {
  if (synchronised === 'yes') return ok('synchronised');
  if (synchronised === null) {
    return warning(
      'unknown: timedatectl does not say',
      'Look by hand: one-time codes and planned times need it.',
      'timedatectl',
    );
  }
  return warning(
    'not synchronised',
    'One-time codes fail when the clock is off by 30 seconds. Switch on a time service: systemd-timesyncd or chrony.',
    'sudo timedatectl set-ntp true',
  );
}

async function checkClock(scene: Scene): Promise<Verdict> {
  if (!(await scene.isSystemd())) return NO_SYSTEMD;
  const said = await scene.machine.run('timedatectl', 'show', '--property=NTPSynchronized', '--value');
  const text = printed(said)?.trim() ?? '';
  return judgeClock(text === '' ? null : text);
}

export function judgeTimeZone(zone: string): Verdict {
  if (zone === '' || zone === 'Etc/Unknown') {
    return warning(
      'unknown: /etc/localtime leads to no zone',
      'Times are shown in UTC. Set the zone.',
      'sudo timedatectl set-timezone Europe/Zurich',
    );
  }
  return ok(`${zone}; a session may have another, in its configuration`);
}

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

type DiskLimits = { readonly failBelow: number; readonly warnBelow: number; readonly holds: string };

/** What each file system must have left, and what it is for. */
export const DISKS = {
  state: {
    failBelow: 64 * MIB,
    warnBelow: 512 * MIB,
    holds: "the ledger of logins and the gateways' settings",
  },
  journal: { failBelow: 0, warnBelow: 200 * MIB, holds: 'the journal' },
  tmp: { failBelow: 8 * MIB, warnBelow: 100 * MIB, holds: "the displays' and Java's temporary files" },
} as const satisfies Record<string, DiskLimits>;

export function judgeDisk(path: string, space: Space | null, limits: DiskLimits): Verdict {
  if (space === null) return skipped(`${path} cannot be looked at`);
  const evidence = `${bytes(space.freeBytes)} free of ${bytes(space.totalBytes)} (${path})`;
  if (space.freeBytes >= limits.warnBelow) return ok(evidence);
  const words = `Free some space: it holds ${limits.holds}.`;
  return space.freeBytes < limits.failBelow ? failed(evidence, words) : warning(evidence, words);
}

function bytes(number: number): string {
  return number < 1000 * MIB ? `${Math.round(number / MIB)} MiB` : `${(number / GIB).toFixed(1)} GiB`;
}

async function checkDisk(machine: Machine, paths: readonly string[], limits: DiskLimits): Promise<Verdict> {
  for (const path of paths) {
    const look = await machine.space(path);
    if (look.ok) return judgeDisk(path, look.value, limits);
  }
  return judgeDisk(paths[0] ?? '', null, limits);
}

export type JournalFacts = { readonly storage: string | null; readonly hasDirectory: boolean };

/** journald.conf(5), Storage=: `auto`, the default, is persistent exactly when /var/log/journal exists. */
export function judgeJournal({ storage, hasDirectory }: JournalFacts): Verdict {
  const value = (storage ?? 'auto').toLowerCase();
  if (value === 'none' || value === 'volatile') {
    return warning(
      `Storage=${value}: what happened is gone after a reboot`,
      'Set Storage=persistent in /etc/systemd/journald.conf, then restart journald.',
      'sudo systemctl restart systemd-journald',
    );
  }
  if (value === 'persistent' || hasDirectory) return ok('kept across reboots');
  return warning(
    'there is no /var/log/journal: what happened is gone after a reboot',
    'Make the directory; journald takes it at once.',
    'sudo mkdir -p /var/log/journal && sudo journalctl --flush',
  );
}

async function checkJournal(scene: Scene): Promise<Verdict> {
  if (!(await scene.isSystemd())) return NO_SYSTEMD;
  const [config, directory] = await Promise.all([
    scene.machine.run('systemd-analyze', 'cat-config', 'systemd/journald.conf'),
    scene.machine.stat('/var/log/journal'),
  ]);
  const lines = [...(printed(config) ?? '').matchAll(/^\s*Storage\s*=\s*(\S*)/gm)];
  const storage = lines.at(-1)?.[1] ?? null;
  return judgeJournal({ storage: storage === '' ? null : storage, hasDirectory: directory.ok });
}

export type NeedrestartFacts = { readonly installed: boolean; readonly excludes: boolean };

export function judgeNeedrestart({ installed, excludes }: NeedrestartFacts): Verdict {
  if (!installed) return ok('not installed');
  if (excludes) return ok('installed; leaves the gateways alone');
  return failed(
    'installed; it restarts gateways after upgrades of libraries',
    'Each such restart can cost a login and a second factor. Exclude them.',
    `sudo install -D -m 0644 ${SHIPPED}/ib-agent.needrestart /etc/needrestart/conf.d/ib-agent.conf`,
  );
}

async function checkNeedrestart(machine: Machine): Promise<Verdict> {
  const directory = '/etc/needrestart/conf.d';
  const [program, names] = await Promise.all([
    machine.stat('/usr/sbin/needrestart'),
    machine.list(directory),
  ]);
  const files = (seen(names) ?? []).filter((name) => name.endsWith('.conf'));
  const texts = await Promise.all(
    ['/etc/needrestart/needrestart.conf', ...files.map((name) => `${directory}/${name}`)].map((path) =>
      machine.readText(path),
    ),
  );
  const lines = texts.flatMap((text) => (seen(text) ?? '').split('\n'));
  return judgeNeedrestart({
    installed: program.ok,
    excludes: lines.some(
      (line) => !/^\s*#/.test(line) && /override_rc|blacklist_rc/.test(line) && /\^?ib-/.test(line),
    ),
  });
}

export type OtherUserFacts = {
  readonly accounts: Accounts | null;
  /** Whether the packet filter has our table; null when this user cannot see it. */
  readonly filtered: boolean | null;
};

const FIRST_PERSON_UID = 1000;
/** `nobody`, and beyond it what containers map. */
const LAST_PERSON_UID = 60_000;

export function judgeOtherUsers({ accounts, filtered }: OtherUserFacts): Verdict {
  if (accounts === null) return skipped('the user database cannot be asked');
  const others = accounts.users
    .filter(
      (user) =>
        user.uid >= FIRST_PERSON_UID &&
        user.uid <= LAST_PERSON_UID &&
        !/\/(nologin|false|sync)$|^$/.test(user.shell) &&
        !isMember(accounts, user, 'ib-operators'),
    )
    .map(({ name }) => name);
  if (others.length === 0) return ok('none but operators');
  const shown =
    others.length > 4 ? `${others.slice(0, 3).join(', ')} and ${others.length - 3} more` : list(others);
  if (filtered === true) return ok(`${shown} can log in; the packet filter has the table ib_agent`);
  return warning(
    `${shown} can log in here and reach every API port, which has no password`,
    'Let the packet filter say who may: etc/examples/ib-agent.nft. If they may trade anyway, ignore this.',
  );
}

async function checkOtherUsers(scene: Scene): Promise<Verdict> {
  const { machine } = scene;
  const [accounts, table] = await Promise.all([
    scene.accounts(),
    machine.uid === 0 ? machine.run('nft', 'list', 'table', 'inet', 'ib_agent') : null,
  ]);
  return judgeOtherUsers({ accounts, filtered: table === null ? null : table.status === 0 });
}

export type KernelFacts = { readonly ptraceScope: string | null; readonly corePattern: string | null };

export function judgeMemory({ ptraceScope, corePattern }: KernelFacts): Verdict {
  const cores = corePattern?.startsWith('|')
    ? `core dumps go to ${corePattern.slice(1).split(' ', 1)[0]}`
    : 'core dumps go to files';
  const note = `${cores}, ours are off`;
  if (ptraceScope === null) return ok(`the kernel has no ptrace_scope; ${note}`);
  if (ptraceScope !== '0') return ok(`ptrace_scope ${ptraceScope}; ${note}`);
  return warning(
    `ptrace_scope 0: programs of one user read each other's memory; ${note}`,
    'Set it to 1, and in /etc/sysctl.d for good.',
    'sudo sysctl kernel.yama.ptrace_scope=1',
  );
}

async function checkMemory(machine: Machine): Promise<Verdict> {
  const [scope, pattern] = await Promise.all([
    machine.readText('/proc/sys/kernel/yama/ptrace_scope'),
    machine.readText('/proc/sys/kernel/core_pattern'),
  ]);
  return judgeMemory({
    ptraceScope: seen(scope)?.trim() ?? null,
    corePattern: seen(pattern)?.trim() ?? null,
  });
}

export type LibraryFacts = { readonly cache: string | null; readonly architecture: string };

/** What Java's AWT loads, and the package of Debian and Ubuntu that has it. */
const LIBRARIES: readonly (readonly [string, string])[] = [
  ['libX11.so.6', 'libx11-6'],
  ['libXext.so.6', 'libxext6'],
  ['libXi.so.6', 'libxi6'],
  ['libXrender.so.1', 'libxrender1'],
  ['libXtst.so.6', 'libxtst6'],
];
const LABELS: Readonly<Record<string, string>> = { x64: 'libc6,x86-64', arm64: 'libc6,AArch64' };

/** `cache`: what `ldconfig -p` prints. */
export function judgeLibraries({ cache, architecture }: LibraryFacts): Verdict {
  if (cache === null) return skipped('ldconfig does not list the libraries');
  const label = LABELS[architecture] ?? 'libc6';
  const has = (name: string) => cache.split('\n').some((line) => line.trim().startsWith(`${name} (${label}`));
  const missing = LIBRARIES.filter(([name]) => !has(name));
  if (missing.length === 0)
    return ok(`${count(LIBRARIES.length, 'library', 'libraries')} that Java needs are there`);
  return failed(
    `${list(missing.map(([name]) => name))} ${missing.length === 1 ? 'is' : 'are'} missing`,
    'Java opens no window without.',
    `sudo apt install ${missing.map(([, name]) => name).join(' ')}`,
  );
}

async function checkLibraries(machine: Machine): Promise<Verdict> {
  const cache = printed(await machine.run('ldconfig', '-p'));
  return judgeLibraries({ cache, architecture: machine.architecture });
}

/** Number of fonts, or null when fontconfig is not installed. */
export function judgeFonts(fonts: number | null): Verdict {
  if (fonts !== null && fonts > 0) return ok(count(fonts, 'font'));
  return failed(
    fonts === null ? 'fontconfig is not installed' : 'there is no font',
    'Java fails at its first text without one.',
    'sudo apt install fontconfig fonts-dejavu-core',
  );
}

async function checkFonts(machine: Machine): Promise<Verdict> {
  const result = await machine.run('fc-list');
  if (isMissing(result)) return judgeFonts(null);
  const text = printed(result);
  if (text === null) return skipped('fc-list gave no answer');
  return judgeFonts(text.split('\n').filter((line) => line !== '').length);
}

/** Path of Xvfb, or null. */
export function judgeXvfb(path: string | null): Verdict {
  if (path !== null) return ok(path);
  return failed('not installed', 'Every session needs a display of its own.', 'sudo apt install xvfb');
}

async function checkXvfb(machine: Machine, directories: readonly string[]): Promise<Verdict> {
  const paths = directories.map((directory) => `${directory}/Xvfb`);
  const looks = await Promise.all(paths.map((path) => machine.stat(path)));
  const at = looks.findIndex(
    (look) => look.ok && look.value.kind === 'file' && (look.value.mode & 0o111) !== 0,
  );
  return judgeXvfb(paths[at] ?? null);
}

const one =
  (judge: (scene: Scene) => Promise<Verdict>): Check['run'] =>
  async (scene) => [await judge(scene)];

/** What ExecStart= of a unit without PATH of its own sees (systemd.exec(5)). */
const UNIT_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'];

export const HOST_CHECKS: readonly Check[] = [
  { id: 'systemd', group: 'Host', run: one(checkSystemd) },
  {
    id: 'polkit',
    group: 'Host',
    run: one(async (scene) => ((await scene.isSystemd()) ? checkPolkit(scene.machine) : NO_SYSTEMD)),
  },
  { id: 'journal', group: 'Host', run: one(checkJournal) },
  { id: 'clock', group: 'Host', run: one(checkClock) },
  { id: 'time-zone', group: 'Host', run: one(async ({ machine }) => judgeTimeZone(machine.timeZone())) },
  {
    id: 'disk-state',
    group: 'Host',
    run: one(({ machine, config }) => {
      const root = config.ok ? config.config.agent.stateRoot : '/var/lib';
      return checkDisk(machine, [`${root}/ib-agent`, root], DISKS.state);
    }),
  },
  {
    id: 'disk-journal',
    group: 'Host',
    run: one(({ machine }) => checkDisk(machine, ['/var/log/journal', '/var/log'], DISKS.journal)),
  },
  { id: 'disk-tmp', group: 'Host', run: one(({ machine }) => checkDisk(machine, ['/tmp'], DISKS.tmp)) },
  { id: 'xvfb', group: 'Host', run: one(({ machine }) => checkXvfb(machine, UNIT_PATH)) },
  { id: 'x-libraries', group: 'Host', run: one(({ machine }) => checkLibraries(machine)) },
  { id: 'fonts', group: 'Host', run: one(({ machine }) => checkFonts(machine)) },
  { id: 'needrestart', group: 'Host', run: one(({ machine }) => checkNeedrestart(machine)) },
  { id: 'other-users', group: 'Host', run: one(checkOtherUsers) },
  { id: 'memory', group: 'Host', run: one(({ machine }) => checkMemory(machine)) },
];
