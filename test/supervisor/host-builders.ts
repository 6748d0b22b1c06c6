// Owns the builders of the process host's tests: launchers that are small shell scripts, and the parts of a host that runs them.

import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sessionPaths } from '../../src/config/paths.ts';
import type { LaunchRecord } from '../../src/gateway/launch-records.ts';
import type { ProcessHostParts } from '../../src/supervisor/process-host.ts';
import type { WarmRestarts } from '../../src/supervisor/warm-restarts.ts';
import { aSession } from '../launch/builders.ts';

export function pathsOf(root: string): ReturnType<typeof sessionPaths> {
  return sessionPaths({ runtimeRoot: join(root, 'run'), stateRoot: join(root, 'lib') }, 'live');
}

export function hostParts(
  root: string,
  launcher: string,
  display: string,
): Omit<ProcessHostParts, 'clock' | 'listener'> {
  return {
    config: aSession({ deadlines: { ...aSession().deadlines, stopMs: 300, termMs: 300 } }),
    paths: pathsOf(root),
    sessionLauncher: [launcher],
    displayLauncher: [display],
    environment: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', ROOT: root },
    restarts: new FakeRestarts(),
    uid: process.getuid?.() ?? 0,
  };
}

/** Restarts that are only noted: `ask order-1`, `ready order-1`. */
export class FakeRestarts implements WarmRestarts {
  readonly asked: string[] = [];

  async ask(order: string | null) {
    this.asked.push(`ask ${order}`);
    return { kind: 'restart-answer', accepted: true, at: 60_000, detail: 'x' } as const;
  }

  setReady(order: string | null): void {
    this.asked.push(`ready ${order}`);
  }

  close(): void {
    this.asked.push('close');
  }
}

/** What a launcher publishes. */
export function aLaunchRecord(change: Partial<LaunchRecord> = {}): LaunchRecord {
  return {
    v: 1,
    orderId: 'order-1',
    kind: 'cold',
    ibcSessionId: 'abcdefgh',
    commandPort: null,
    gatewayVersion: '10.37',
    display: ':100',
    pid: 1,
    at: 0,
    ...change,
  };
}

/** Writes an executable shell script. It gets the session's name, or `after NAME --status N`. */
export function writeScript(root: string, name: string, body: string): string {
  const path = join(root, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** What a launcher script does when it is called as `after`: prints a record with the ending it was given. */
export const AFTER = `if [ "$1" = after ]; then
  case "$3" in --status) s="$4"; g=null ;; *) s=null; g="\\"$4\\"" ;; esac
  printf '{"v":1,"session":"%s","orderId":"order-1","kind":"cold","ibcSessionId":null,"status":%s,"signal":%s,"flags":{"coldRestart":false,"pause":false},"autorestart":{"tokens":"none","ageMs":null}}\\n' "$2" "$s" "$g"
  exit 0
fi`;

/** Whether a process with this pid runs; one that only waits to be reaped does not. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}
