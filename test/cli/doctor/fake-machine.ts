// Owns a machine that exists in a test only: files, programs and servers by name, for `ibctl doctor`.

import type {
  AgentAnswer,
  FileFacts,
  InstallAnswer,
  Look,
  Machine,
  Space,
} from '../../../src/cli/doctor/machine.ts';
import type { RunResult } from '../../../src/host/exec.ts';
import type { Reach } from '../../../src/host/reach.ts';

export type MachineParts = {
  uid: number;
  architecture: string;
  now: number;
  /** Texts, or the error code that reading gives, by path. */
  texts: Record<string, string | { code: string }>;
  stats: Record<string, FileFacts | { code: string }>;
  lists: Record<string, readonly string[]>;
  spaces: Record<string, Space>;
  /** By `PROGRAM ARGUMENT…`: what it prints, or its exit status. Others are not installed. */
  programs: Record<string, string | number>;
  /** By `ADDRESS:PORT`; others are silent. */
  servers: Record<string, Reach>;
  agent: AgentAnswer;
  install: InstallAnswer;
  zone: string;
};

const NOTHING: RunResult = {
  status: null,
  signal: null,
  stdout: '',
  stderr: '',
  timedOut: false,
  error: null,
};

export class FakeMachine implements Machine {
  readonly parts: MachineParts;
  /** Everything that was started or connected to. */
  readonly asked: string[] = [];

  constructor(parts: MachineParts) {
    this.parts = parts;
  }

  get uid(): number {
    return this.parts.uid;
  }

  get architecture(): string {
    return this.parts.architecture;
  }

  get now(): number {
    return this.parts.now;
  }

  async readText(path: string): Promise<Look<string>> {
    return found(this.parts.texts[path]);
  }

  async stat(path: string): Promise<Look<FileFacts>> {
    return found(this.parts.stats[path]);
  }

  async list(directory: string): Promise<Look<readonly string[]>> {
    return found(this.parts.lists[directory]);
  }

  async space(path: string): Promise<Look<Space>> {
    return found(this.parts.spaces[path]);
  }

  async run(program: string, ...args: readonly string[]): Promise<RunResult> {
    const line = [program, ...args].join(' ');
    this.asked.push(line);
    const result = this.parts.programs[line];
    if (result === undefined) return { ...NOTHING, error: 'ENOENT' };
    return typeof result === 'number'
      ? { ...NOTHING, status: result }
      : { ...NOTHING, status: 0, stdout: result };
  }

  async reach(address: string, port: number): Promise<Reach> {
    this.asked.push(`connect ${address}:${port}`);
    return this.parts.servers[`${address}:${port}`] ?? { kind: 'silent' };
  }

  async askAgent(): Promise<AgentAnswer> {
    return this.parts.agent;
  }

  findInstall(): InstallAnswer {
    return this.parts.install;
  }

  timeZone(): string {
    return this.parts.zone;
  }
}

function found<T>(value: T | { code: string } | undefined): Look<T> {
  if (value === undefined) return { ok: false, code: 'ENOENT' };
  const isError = typeof value === 'object' && value !== null && 'code' in value;
  return isError ? { ok: false, code: (value as { code: string }).code } : { ok: true, value: value as T };
}

const GIB = 1024 ** 3;
export const NOW = Date.parse('2026-11-23T09:00:00Z');
const SET_AT = Date.parse('2026-11-20T08:30:00Z');
const SHIPPED = '/usr/lib/ib-agent/current/share/systemd';
const UNITS = ['ib-agent.service', 'ib-session@.service'];

const aFile = (over: Partial<FileFacts> = {}): FileFacts => ({
  kind: 'file',
  uid: 0,
  mode: 0o755,
  changedAt: SET_AT,
  ...over,
});

const LIBRARIES = ['libX11.so.6', 'libXext.so.6', 'libXi.so.6', 'libXrender.so.1', 'libXtst.so.6'];
const SERVERS = ['gdc1', 'ndc1', 'cdc1', 'hdc1'].map((name) => `${name}.ibllc.com`);

/** `systemctl show` of a unit that is loaded as it was shipped. */
export function shownUnit(unit: string, over: Record<string, string> = {}): string {
  const properties = {
    LoadState: 'loaded',
    FragmentPath: `/etc/systemd/system/${unit}`,
    DropInPaths: '',
    NeedDaemonReload: 'no',
    ...over,
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

export const SHOW = 'systemctl show --property=LoadState,FragmentPath,DropInPaths,NeedDaemonReload';

/** A Debian 12 on which ib-agent is installed and all is well, seen by root. */
export function aHealthyMachine(over: Partial<MachineParts> = {}): FakeMachine {
  return new FakeMachine({
    uid: 0,
    architecture: 'x64',
    now: NOW,
    zone: 'Europe/Zurich',
    texts: {
      '/proc/1/comm': 'systemd\n',
      '/proc/sys/kernel/yama/ptrace_scope': '1\n',
      '/proc/sys/kernel/core_pattern': '|/usr/lib/systemd/systemd-coredump %P %u\n',
      '/proc/net/tcp': '  sl  local_address rem_address   st\n',
      '/proc/net/tcp6':
        '  sl  local_address rem_address   st\n   0: 00000000000000000000000000000000:0FA1 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 1\n',
      '/proc/net/route':
        'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n',
      '/etc/polkit-1/rules.d/50-ib-agent.rules': 'rule',
      [`${SHIPPED}/50-ib-agent.rules`]: 'rule',
      '/etc/needrestart/conf.d/ib-agent.conf':
        '# comment\n$nrconf{override_rc}{qr(^ib-(session|agent))} = 0;\n',
      '/opt/ibgateway/jre/release': 'JAVA_VERSION="17.0.10"\nMODULES="java.base javafx.base"\n',
      ...Object.fromEntries(
        UNITS.flatMap((unit) => [
          [`${SHIPPED}/${unit}`, unit],
          [`/etc/systemd/system/${unit}`, unit],
        ]),
      ),
    },
    stats: {
      '/usr/bin/Xvfb': aFile(),
      '/usr/sbin/needrestart': aFile(),
      '/var/log/journal': aFile({ kind: 'directory' }),
      '/var/lib/ib-session/live/settings': aFile({ kind: 'directory', uid: 998, mode: 0o700 }),
      '/etc/credstore.encrypted/ib-session.live.username': aFile({ mode: 0o600 }),
      '/etc/credstore.encrypted/ib-session.live.password': aFile({ mode: 0o600 }),
    },
    lists: {
      [SHIPPED]: [...UNITS, '50-ib-agent.rules', 'ib-agent.needrestart'],
      '/etc/needrestart/conf.d': ['ib-agent.conf'],
    },
    spaces: {
      '/var/lib/ib-agent': { freeBytes: 12 * GIB, totalBytes: 40 * GIB },
      '/var/log/journal': { freeBytes: 12 * GIB, totalBytes: 40 * GIB },
      '/tmp': { freeBytes: 1.9 * GIB, totalBytes: 2 * GIB },
    },
    programs: {
      'systemctl --version': 'systemd 252 (252.39-1~deb12u2)\n+PAM\n',
      'systemctl show --property=SupplementaryGroups --value ib-agent.service':
        'ib-gateway systemd-journal\n',
      [`${SHOW} ib-agent.service`]: shownUnit('ib-agent.service'),
      [`${SHOW} ib-session@live.service`]: shownUnit('ib-session@.service'),
      'pkaction --version': 'pkaction version 122\n',
      'systemctl show --property=LoadState,ActiveState polkit.service':
        'LoadState=loaded\nActiveState=active\n',
      'timedatectl show --property=NTPSynchronized --value': 'yes\n',
      'systemd-analyze cat-config systemd/journald.conf': '[Journal]\n#Storage=auto\n',
      'getent passwd':
        'root:x:0:0:root:/root:/bin/bash\nib-agent:x:999:999::/:/usr/sbin/nologin\nib-gateway:x:998:998::/var/lib/ib-session:/usr/sbin/nologin\nalice:x:1000:1000::/home/alice:/bin/bash\n',
      'getent group':
        'systemd-journal:x:101:ib-agent\nib-agent:x:999:\nib-gateway:x:998:ib-agent\nib-operators:x:997:alice\nib-observers:x:996:\n',
      'id -un': 'root\n',
      'id -Gn root': 'root\n',
      'ldconfig -p': LIBRARIES.map((name) => `\t${name} (libc6,x86-64) => /lib/${name}\n`).join(''),
      'fc-list': 'DejaVu Sans\nDejaVu Serif\n',
      ...Object.fromEntries(
        [...SERVERS, 'download2.interactivebrokers.com'].map((host, index) => [
          `getent ahosts ${host}`,
          `192.0.2.${index + 1}     STREAM ${host}\n`,
        ]),
      ),
    },
    servers: {
      ...Object.fromEntries(
        SERVERS.flatMap((_, index) =>
          [4000, 4001].map((port) => [`192.0.2.${index + 1}:${port}`, { kind: 'answered', ms: 20 + index }]),
        ),
      ),
      '192.0.2.5:443': { kind: 'answered', ms: 9 },
    },
    agent: {
      kind: 'running',
      version: '0.1.0',
      pid: 812,
      startedAt: NOW - 7_500_000,
      supervisor: 'systemd',
      access: 'operate',
    },
    install: {
      ok: true,
      programDir: '/opt/ibgateway/ibgateway/1037',
      java: '/opt/ibgateway/jre/bin/java',
      classpath: ['/opt/ibgateway/ibgateway/1037/jars/jts4launch.jar', '/opt/ibc/IBC.jar'],
      warnings: [],
    },
    ...over,
  });
}
