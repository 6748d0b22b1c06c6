// Owns the real machine behind `ibctl doctor`: files, programs and sockets, each with a deadline.

import { lstat, open, readdir, stat, statfs } from 'node:fs/promises';
import type { SessionConfig } from '../../config/types.ts';
import { findInstall } from '../../gateway/install-layout.ts';
import { LaunchError } from '../../gateway/launch-error.ts';
import type { Clock } from '../../host/clock.ts';
import { type RunResult, run } from '../../host/exec.ts';
import { errorCode } from '../../host/files.ts';
import { type Reach, reachTcp } from '../../host/reach.ts';
import {
  type AgentAnswer,
  type FileFacts,
  type InstallAnswer,
  type Look,
  type Machine,
  SEARCH_PATH,
  type Space,
} from './machine.ts';

const PROGRAM_DEADLINE_MS = 5_000;
const CONNECT_DEADLINE_MS = 5_000;
const LARGEST_TEXT = 1024 * 1024;

export class SystemMachine implements Machine {
  readonly uid = process.geteuid?.() ?? -1;
  readonly architecture = process.arch;
  readonly #clock: Clock;
  readonly #ask: () => Promise<AgentAnswer>;

  constructor(clock: Clock, askAgent: () => Promise<AgentAnswer>) {
    this.#clock = clock;
    this.#ask = askAgent;
  }

  get now(): number {
    return this.#clock.now();
  }

  readText(path: string): Promise<Look<string>> {
    return look(async () => {
      const file = await open(path, 'r');
      try {
        // Files of /proc have no size, so it is read until the end or the limit.
        const room = Buffer.alloc(LARGEST_TEXT);
        let length = 0;
        for (;;) {
          const { bytesRead } = await file.read(room, length, room.length - length, null);
          length += bytesRead;
          if (bytesRead === 0 || length === room.length) return room.toString('utf8', 0, length);
        }
      } finally {
        await file.close();
      }
    });
  }

  stat(path: string): Promise<Look<FileFacts>> {
    return look(async () => {
      const status = await stat(path);
      return {
        kind: status.isFile() ? 'file' : status.isDirectory() ? 'directory' : 'other',
        uid: status.uid,
        mode: status.mode & 0o7777,
        changedAt: status.mtimeMs,
      };
    });
  }

  list(directory: string): Promise<Look<readonly string[]>> {
    return look(() => readdir(directory));
  }

  space(path: string): Promise<Look<Space>> {
    return look(async () => {
      await lstat(path);
      const { bavail, blocks, bsize } = await statfs(path);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    });
  }

  run(program: string, ...args: readonly string[]): Promise<RunResult> {
    return run(program, args, {
      timeoutMs: PROGRAM_DEADLINE_MS,
      env: { PATH: SEARCH_PATH.join(':'), LC_ALL: 'C.UTF-8' },
    });
  }

  reach(address: string, port: number): Promise<Reach> {
    return reachTcp(address, port, CONNECT_DEADLINE_MS, this.#clock);
  }

  askAgent(): Promise<AgentAnswer> {
    return this.#ask();
  }

  findInstall(install: SessionConfig['install']): InstallAnswer {
    try {
      return { ok: true, ...findInstall(install) };
    } catch (error) {
      if (error instanceof LaunchError) {
        const part = error.code === 'java-missing' ? 'java' : 'gateway';
        return { ok: false, part, message: error.message, hint: error.hint };
      }
      return {
        ok: false,
        part: 'gateway',
        message: `It cannot be looked at: ${errorCode(error) ?? String(error)}.`,
        hint: "Look as root, or as the gateways' user.",
      };
    }
  }

  timeZone(): string {
    return Intl.DateTimeFormat().resolvedOptions().timeZone ?? '';
  }
}

async function look<T>(read: () => Promise<T>): Promise<Look<T>> {
  try {
    return { ok: true, value: await read() };
  } catch (error) {
    return { ok: false, code: errorCode(error) ?? 'UNKNOWN' };
  }
}
