// Owns the port through which `ibctl doctor` looks at a machine; everything it can learn comes through here.

import type { SessionConfig } from '../../config/types.ts';
import type { RunResult } from '../../host/exec.ts';
import type { Reach } from '../../host/reach.ts';
import type { Access } from '../../protocol/envelope.ts';

/** What was looked for, or the system's error code (`ENOENT`, `EACCES`, …). */
export type Look<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: string };

export type FileFacts = {
  readonly kind: 'file' | 'directory' | 'other';
  readonly uid: number;
  /** Permission bits. */
  readonly mode: number;
  /** Epoch milliseconds. */
  readonly changedAt: number;
};

export type Space = { readonly freeBytes: number; readonly totalBytes: number };

export type AgentAnswer =
  | {
      readonly kind: 'running';
      readonly version: string;
      readonly pid: number;
      /** Epoch milliseconds. */
      readonly startedAt: number;
      readonly supervisor: string;
      readonly access: Access;
    }
  /** It answers, but not to this user or not in this protocol. */
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'away'; readonly message: string };

export type InstallAnswer =
  | {
      readonly ok: true;
      readonly programDir: string;
      readonly java: string;
      readonly classpath: readonly string[];
      readonly warnings: readonly string[];
    }
  | {
      readonly ok: false;
      readonly part: 'gateway' | 'java';
      readonly message: string;
      readonly hint: string;
    };

/** No method rejects or takes longer than a few seconds. */
export interface Machine {
  readonly uid: number;
  /** As Node names it: `x64`, `arm64`. */
  readonly architecture: string;
  /** Epoch milliseconds. */
  readonly now: number;
  readText(path: string): Promise<Look<string>>;
  /** Follows symbolic links. */
  stat(path: string): Promise<Look<FileFacts>>;
  list(directory: string): Promise<Look<readonly string[]>>;
  space(path: string): Promise<Look<Space>>;
  run(program: string, ...args: readonly string[]): Promise<RunResult>;
  reach(address: string, port: number): Promise<Reach>;
  askAgent(): Promise<AgentAnswer>;
  findInstall(install: SessionConfig['install']): InstallAnswer;
  /** IANA name of the local zone; empty when it cannot be told. */
  timeZone(): string;
}

/** Directories in which system programs are, in order. */
export const SEARCH_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Value of a look, or null. */
export function seen<T>(look: Look<T>): T | null {
  return look.ok ? look.value : null;
}

/** What a program printed when it succeeded, else null. */
export function printed(result: RunResult): string | null {
  return result.status === 0 ? result.stdout : null;
}

/** Whether a program is not installed. */
export function isMissing(result: RunResult): boolean {
  return result.error === 'ENOENT';
}

/** `KEY=VALUE` lines, as `systemctl show` prints them. */
export function parseProperties(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const at = line.indexOf('=');
      return at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const];
    }),
  );
}
