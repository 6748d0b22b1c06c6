// Owns what survives a restart of the agent and a reboot beside the ledger: the wish for each session, and what it must not forget.

import { readFileSync } from 'node:fs';
import { memoryAfterBoot, NO_MEMORY, parseMemory, type SessionMemory } from '../domain/memory.ts';
import { errorCode, writeFileAtomic } from '../host/files.ts';
import { AgentError } from '../protocol/errors.ts';
import { isRecord } from '../protocol/json.ts';

type Desired = Readonly<Record<string, 'up' | 'down'>>;
type Memories = Readonly<Record<string, SessionMemory>>;
type Content = { readonly desired: Desired; readonly memories: Memories };

const NOTHING: Content = { desired: {}, memories: {} };

export class DesiredStore {
  readonly #path: string;
  readonly #boot: string;
  #content: Content;

  /**
   * `boot` names this boot of the host: what ended with an earlier one is not remembered. A damaged file counts as "everything down":
   * starting nothing costs no second factor. `onDamaged` is told.
   */
  constructor(path: string, boot: string, onDamaged: (detail: string) => void) {
    this.#path = path;
    this.#boot = boot;
    this.#content = readContent(path, boot, onDamaged);
  }

  get(session: string): 'up' | 'down' {
    return this.#content.desired[session] ?? 'down';
  }

  memory(session: string): SessionMemory {
    return this.#content.memories[session] ?? NO_MEMORY;
  }

  /** Throws AgentError `state-unwritable`. */
  set(session: string, desired: 'up' | 'down'): void {
    const { desired: before, memories } = this.#content;
    this.#write({ desired: { ...before, [session]: desired }, memories });
  }

  /** Throws AgentError `state-unwritable`. */
  remember(session: string, memory: SessionMemory): void {
    const { desired, memories } = this.#content;
    this.#write({ desired, memories: { ...memories, [session]: memory } });
  }

  #write(next: Content): void {
    const text = JSON.stringify({
      v: 1,
      boot: this.#boot,
      sessions: next.desired,
      memories: next.memories,
    });
    try {
      writeFileAtomic(this.#path, `${text}\n`, 0o600);
    } catch (cause) {
      throw new AgentError(
        'state-unwritable',
        `cannot write ${this.#path}: ${errorCode(cause) ?? 'unknown error'}`,
        { hint: 'make the directory writable and give it room (df -h, ls -ld)', cause },
      );
    }
    this.#content = next;
  }
}

function readContent(path: string, boot: string, onDamaged: (detail: string) => void): Content {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') onDamaged(errorCode(error) ?? 'unknown error');
    return NOTHING;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value) && isRecord(value['sessions'])) {
      const memories = readMemories(value['memories'], value['boot'] === boot);
      return { desired: readDesired(value['sessions']), memories };
    }
  } catch {
    // Told below, like any other content that is no wish.
  }
  onDamaged('it is no JSON of ours');
  return NOTHING;
}

function readDesired(sessions: Record<string, unknown>): Desired {
  return Object.fromEntries(
    Object.entries(sessions).filter(
      (entry): entry is [string, 'up' | 'down'] => entry[1] === 'up' || entry[1] === 'down',
    ),
  );
}

function readMemories(memories: unknown, sameBoot: boolean): Memories {
  if (!isRecord(memories)) return {};
  return Object.fromEntries(
    Object.entries(memories).flatMap(([session, value]) => {
      const memory = parseMemory(value);
      return memory === null ? [] : [[session, sameBoot ? memory : memoryAfterBoot(memory)]];
    }),
  );
}
