// Owns what the checks of one run share: the machine, the configuration, and facts that several of them need.

import type { Config, SessionConfig } from '../../config/types.ts';
import { type Accounts, readAccounts } from './accounts.ts';
import type { Group, Verdict } from './finding.ts';
import type { AgentAnswer, Machine } from './machine.ts';

export type ConfigAnswer =
  | { readonly ok: true; readonly config: Config }
  | {
      readonly ok: false;
      readonly file: string;
      readonly problems: readonly string[];
      readonly hint: string;
    };

export class Scene {
  readonly machine: Machine;
  readonly config: ConfigAnswer;
  /** The sessions that were asked for. */
  readonly sessions: readonly SessionConfig[];
  readonly offline: boolean;
  #isSystemd: Promise<boolean> | undefined;
  #agent: Promise<AgentAnswer> | undefined;
  #accounts: Promise<Accounts | null> | undefined;

  constructor(given: {
    machine: Machine;
    config: ConfigAnswer;
    sessions: readonly SessionConfig[];
    offline: boolean;
  }) {
    this.machine = given.machine;
    this.config = given.config;
    this.sessions = given.sessions;
    this.offline = given.offline;
  }

  /** Whether systemd is the init here: what is asked of systemctl is skipped otherwise. */
  isSystemd(): Promise<boolean> {
    this.#isSystemd ??= this.machine
      .readText('/proc/1/comm')
      .then((comm) => comm.ok && comm.value.trim() === 'systemd');
    return this.#isSystemd;
  }

  agent(): Promise<AgentAnswer> {
    this.#agent ??= this.machine.askAgent();
    return this.#agent;
  }

  accounts(): Promise<Accounts | null> {
    this.#accounts ??= readAccounts(this.machine);
    return this.#accounts;
  }
}

/** A row of the table of checks. Each verdict is about `subject` where there are several. */
export type Check = {
  readonly id: string;
  readonly group: Group;
  readonly run: (scene: Scene) => Promise<readonly SubjectVerdict[]>;
};

export type SubjectVerdict = Verdict & { readonly subject?: string };
