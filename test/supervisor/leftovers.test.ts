// Checks that a new agent shares no settings directory with a JVM of the one before, and that it kills nobody else's process.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { SystemClock } from '../../src/host/clock.ts';
import { ProcessHost } from '../../src/supervisor/process-host.ts';
import type { HostObservation } from '../../src/supervisor/session-host.ts';
import { aLaunchRecord, hostParts, isAlive, pathsOf, writeScript } from './host-builders.ts';

let root = '';
let seen: HostObservation[] = [];
let others: ChildProcess[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'leftovers-'));
  seen = [];
  others = [];
});

afterEach(() => {
  for (const child of others) child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

function host(environment: Record<string, string> = {}): ProcessHost {
  const launcher = writeScript(root, 'session', `echo "$@" >> ${root}/called`);
  const parts = hostParts(root, launcher, writeScript(root, 'display', 'exec sleep 60'));
  return new ProcessHost({
    ...parts,
    environment: { ...parts.environment, ...environment },
    clock: new SystemClock(),
    listener: (observation) => seen.push(observation),
  });
}

/** A process that stands for the gateway: started with these arguments, ended by SIGTERM only if `ends`. */
async function gateway(args: string[], ends = true): Promise<number> {
  const body = ends ? 'trap - TERM' : "trap '' TERM";
  const child = spawn('/bin/sh', ['-c', `${body}; echo up; while :; do sleep 0.05; done`, 'java', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  others.push(child);
  await once(child.stdout, 'data');
  assert.ok(child.pid !== undefined);
  return child.pid;
}

function leaveRecord(pid: number): void {
  const { launchRecord } = pathsOf(root);
  mkdirSync(dirname(launchRecord), { recursive: true });
  writeFileSync(launchRecord, JSON.stringify(aLaunchRecord({ orderId: 'old', pid })));
}

test('a gateway that an earlier agent left is ended, and what it left is cleaned up', async () => {
  const pid = await gateway([pathsOf(root).configIni, 'live']);
  leaveRecord(pid);
  await host().recover();
  assert.equal(isAlive(pid), false);
  assert.equal(readFileSync(join(root, 'called'), 'utf8'), 'after live --signal SIGKILL\n');
  assert.ok(seen.some((item) => item.kind === 'line' && item.text.includes(`pid ${pid}`)));
});

test('one that ignores SIGTERM is killed', async () => {
  const pid = await gateway([pathsOf(root).configIni, 'live'], false);
  leaveRecord(pid);
  await host().recover();
  assert.equal(isAlive(pid), false);
});

test('a process that got the pid since is left alone', async () => {
  const pid = await gateway(['/some/other/config.ini', 'live']);
  leaveRecord(pid);
  await host().recover();
  assert.equal(isAlive(pid), true);
});

test('credentials that a launcher left without a record are cleaned up', async () => {
  const { configIni } = pathsOf(root);
  mkdirSync(dirname(configIni), { recursive: true });
  writeFileSync(configIni, 'IbPassword=x');
  await host().recover();
  assert.equal(readFileSync(join(root, 'called'), 'utf8'), 'after live --signal SIGKILL\n');
});

test('where nothing was left nothing is run', async () => {
  await host().recover();
  assert.deepEqual(seen, []);
  assert.equal(existsSync(join(root, 'called')), false);
});

test('a launcher that cannot be started is a launch failure that spent nothing', async () => {
  const own = host({ PATH: join(root, 'empty') });
  own.start({ v: 1, session: 'live', id: 'order-1', kind: 'cold', notAfter: 0 });
  await own.close();
  const exited = seen.find((item) => item.kind === 'exited');
  assert.equal(exited?.kind === 'exited' ? exited.record.orderId : 'absent', null);
  assert.ok(
    seen.some(
      (item) =>
        item.kind === 'line' &&
        item.source === 'session' &&
        item.text.startsWith('launch-failed ') &&
        item.text.includes('ENOENT'),
    ),
    JSON.stringify(seen),
  );
});
