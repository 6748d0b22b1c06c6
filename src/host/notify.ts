// Owns what the agent tells its service manager about itself (sd_notify(3)): that it is up, how it is, that it lives.

import { loadNativeLibrary, type NativeFunction, nativeProblem } from './ffi.ts';

/** The variables that systemd sets for a service of Type=notify. */
export type NotifyEnvironment = {
  readonly NOTIFY_SOCKET?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
  readonly WATCHDOG_PID?: string | undefined;
};

/** Every verb does nothing, in silence, where no service manager asked to be told. None throws. */
export interface Notifier {
  /** The start is finished; units that wait for this one go on. */
  ready(status: string): void;
  /** One line that `systemctl status` shows. */
  status(text: string): void;
  stopping(): void;
  /** To be called at least every {@link watchdogIntervalMs}, and only when all is well: else the service is killed and started again. */
  watchdog(): void;
  /** A start or stop under way takes this much longer, from now; to be said again before it is over. */
  extendTimeout(usec: number): void;
  /** Half of what the service manager allows between two calls of {@link watchdog}; null when it does not watch this process. */
  readonly watchdogIntervalMs: number | null;
  /** Why the service manager, which waits to be told, cannot be; null when it can, and when there is none. */
  readonly problem: string | null;
}

/**
 * `environment` is that of the process: libsystemd reads NOTIFY_SOCKET there by itself. `pid` is the process's own, as the watchdog may be
 * meant for another one.
 */
export function openNotifier(environment: NotifyEnvironment, pid: number): Notifier {
  return new SystemdNotifier(environment, pid);
}

class SystemdNotifier implements Notifier {
  readonly watchdogIntervalMs: number | null;
  readonly #call: NativeFunction | null;
  #problem: string | null = null;

  constructor(environment: NotifyEnvironment, pid: number) {
    const wanted = environment.NOTIFY_SOCKET !== undefined && environment.NOTIFY_SOCKET !== '';
    this.#call = wanted ? bindNotify() : null;
    if (wanted && this.#call === null) this.#problem = nativeProblem() ?? 'libsystemd has no sd_notify';
    this.watchdogIntervalMs = this.#call === null ? null : watchdogInterval(environment, pid);
  }

  get problem(): string | null {
    return this.#problem;
  }

  ready(status: string): void {
    this.#tell(`READY=1\n${statusLine(status)}`);
  }

  status(text: string): void {
    this.#tell(statusLine(text));
  }

  stopping(): void {
    this.#tell('STOPPING=1');
  }

  watchdog(): void {
    this.#tell('WATCHDOG=1');
  }

  extendTimeout(usec: number): void {
    this.#tell(`EXTEND_TIMEOUT_USEC=${Math.max(0, Math.round(usec))}`);
  }

  #tell(state: string): void {
    if (this.#call === null) return;
    // Not unset: what the agent starts gets an environment of its own.
    const result = Number(this.#call(0, state));
    this.#problem = result < 0 ? `the service manager was not told (sd_notify: errno ${-result})` : null;
  }
}

/** A line break would begin an assignment of its own. */
function statusLine(text: string): string {
  return `STATUS=${text.replace(/[\r\n\0]+/g, ' ')}`;
}

function watchdogInterval({ WATCHDOG_USEC, WATCHDOG_PID }: NotifyEnvironment, pid: number): number | null {
  if (WATCHDOG_USEC === undefined || !/^[1-9]\d{0,14}$/.test(WATCHDOG_USEC)) return null;
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(pid)) return null;
  return Number(WATCHDOG_USEC) / 1000 / 2;
}

function bindNotify(): NativeFunction | null {
  try {
    return (
      loadNativeLibrary('libsystemd.so.0')?.func('int sd_notify(int unset_environment, const char *state)') ??
      null
    );
  } catch {
    return null;
  }
}
