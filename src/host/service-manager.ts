// Owns the talk with systemd's service manager: starting and stopping units, and what it says of one.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './exec.ts';

/** `done`: the job is enqueued or, with `wait`, over. What else there is needs a person, but for `failed`. */
export type ServiceAnswer =
  | { readonly kind: 'done' }
  /** polkit, or the lack of it, did not allow it. */
  | { readonly kind: 'denied'; readonly detail: string }
  | { readonly kind: 'no-such-unit'; readonly detail: string }
  /** Masked, or otherwise not to be started. */
  | { readonly kind: 'refused'; readonly detail: string }
  | { readonly kind: 'failed'; readonly detail: string };

/** What systemd says of a unit; null is "not known" or "there is none". Times are epoch milliseconds. */
export type UnitStatus = {
  readonly load: string;
  readonly active: 'active' | 'activating' | 'deactivating' | 'inactive' | 'failed' | 'other';
  readonly mainPid: number | null;
  /** 32 hexadecimal digits of the last or present start. */
  readonly invocation: string | null;
  /** Directory of its cgroup in /sys/fs/cgroup. */
  readonly cgroup: string | null;
  readonly startedAt: number | null;
  /** How the main process of the last start ended. */
  readonly exitStatus: number | null;
  readonly exitSignal: number | null;
};

/** Port to the service manager. Nothing here rejects. */
export interface ServiceManager {
  /** Returns as soon as the job is enqueued: how it ends is in the journal. */
  start(unit: string): Promise<ServiceAnswer>;
  stop(unit: string): Promise<ServiceAnswer>;
  /** Null when systemd does not answer. */
  show(unit: string): Promise<UnitStatus | null>;
  /** Differs from boot to boot, of a container too; null when systemd does not answer. */
  bootIdentity(): Promise<string | null>;
}

const TIMEOUT_MS = 20_000;
/** Exit statuses of systemctl, those of LSB init scripts (systemctl(1), "Exit status"). */
const NO_PERMISSION = 4;
const NOT_INSTALLED = 5;
const NOT_CONFIGURED = 6;
/** Says whether a caller may; started by D-Bus at each question. */
const POLKIT = 'polkit.service';
/**
 * What systemctl prints in the C locale where polkit would ask for a password. It has no exit status of its own: 252 to 257
 * end with 1 (translate_bus_error_to_exit_status knows of `Access denied` only).
 */
const PASSWORD_WANTED = /Interactive authentication required/;

const UNIT_PROPERTIES = [
  'LoadState',
  'ActiveState',
  'MainPID',
  'InvocationID',
  'ControlGroup',
  'ExecMainStartTimestamp',
  'ExecMainCode',
  'ExecMainStatus',
];
/** CLD_EXITED, CLD_KILLED and CLD_DUMPED of sigaction(2). */
const EXITED = '1';
const ENDED_BY_SIGNAL: ReadonlySet<string | undefined> = new Set(['2', '3']);

/** Asks systemctl, which asks polkit. */
export class SystemctlServiceManager implements ServiceManager {
  readonly #systemctl: string;

  constructor(systemctl = 'systemctl') {
    this.#systemctl = systemctl;
  }

  start(unit: string): Promise<ServiceAnswer> {
    return this.#order('start', unit);
  }

  stop(unit: string): Promise<ServiceAnswer> {
    return this.#order('stop', unit);
  }

  async show(unit: string): Promise<UnitStatus | null> {
    const text = await this.#ask(['show', '--timestamp=unix', `-p${UNIT_PROPERTIES.join(',')}`, '--', unit]);
    return text === null ? null : parseUnitStatus(text);
  }

  async bootIdentity(): Promise<string | null> {
    // The kernel's boot id is the host's in some containers; when systemd began is not.
    const began = await this.#ask(['show', '--value', '-pUserspaceTimestampMonotonic']);
    return began === null ? null : `${kernelBootId()} ${began.trim()}`;
  }

  async #order(verb: 'start' | 'stop', unit: string): Promise<ServiceAnswer> {
    const result = await this.#run([verb, '--no-block', '--no-ask-password', '--quiet', '--', unit]);
    if (result.status === 0) return { kind: 'done' };
    const detail = result.stderr.trim().split('\n')[0] || (result.error ?? `status ${result.status}`);
    if (result.status === NO_PERMISSION) return { kind: 'denied', detail };
    if (result.status === NOT_INSTALLED) return { kind: 'no-such-unit', detail };
    if (result.status === NOT_CONFIGURED) return { kind: 'refused', detail };
    if (result.timedOut) return { kind: 'failed', detail: 'systemctl did not answer' };
    if (PASSWORD_WANTED.test(result.stderr)) return { kind: 'denied', detail };
    return { kind: await this.#whyFailed(unit), detail };
  }

  /** A failure without a status of its own: the unit cannot be started, or nobody could be asked whether it may. */
  async #whyFailed(unit: string): Promise<'refused' | 'denied' | 'failed'> {
    const [own, polkit] = await Promise.all([this.show(unit), this.show(POLKIT)]);
    if (own?.load === 'masked') return 'refused';
    return polkit !== null && polkit.active !== 'active' ? 'denied' : 'failed';
  }

  async #ask(args: readonly string[]): Promise<string | null> {
    const result = await this.#run(args);
    return result.status === 0 ? result.stdout : null;
  }

  #run(args: readonly string[]) {
    return run(this.#systemctl, args, {
      timeoutMs: TIMEOUT_MS,
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C.UTF-8' },
    });
  }
}

/** Differs from boot to boot of the kernel. */
export function kernelBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** The status in the output of `systemctl show --timestamp=unix`. */
export function parseUnitStatus(text: string): UnitStatus {
  const values = new Map(
    text.split('\n').map((line) => {
      const equals = line.indexOf('=');
      return [line.slice(0, equals), line.slice(equals + 1)] as const;
    }),
  );
  const number = (name: string): number | null => {
    const value = values.get(name) ?? '';
    return /^\d+$/.test(value) ? Number(value) : null;
  };
  const states = ['active', 'activating', 'deactivating', 'inactive', 'failed'] as const;
  const code = values.get('ExecMainCode');
  const mainPid = number('MainPID');
  const cgroup = values.get('ControlGroup') || null;
  const started = /^@(\d+)$/.exec(values.get('ExecMainStartTimestamp') ?? '')?.[1];
  return {
    load: values.get('LoadState') ?? '',
    active: states.find((state) => state === values.get('ActiveState')) ?? 'other',
    mainPid: mainPid === 0 ? null : mainPid,
    invocation: values.get('InvocationID') || null,
    cgroup: cgroup === null ? null : join('/sys/fs/cgroup', cgroup),
    startedAt: started === undefined ? null : Number(started) * 1000,
    exitStatus: code === EXITED ? number('ExecMainStatus') : null,
    exitSignal: ENDED_BY_SIGNAL.has(code) ? number('ExecMainStatus') : null,
  };
}
