// Owns the restarts that keep the login: asking a running gateway for one, and setting its own restart time back afterwards.

import { type ConfigurationFailure, restoreAutoTime, warmRestart, wordsOf } from '../bridge/auto-time.ts';
import { type VisitOptions, visitBridge } from '../bridge/visit.ts';
import type { SessionConfig } from '../config/types.ts';
import type { RestartRefusal } from '../domain/facts.ts';
import { sendIbcCommand } from '../gateway/ibc-command.ts';
import type { LaunchRecord } from '../gateway/launch-records.ts';
import { type Clock, isoTime, type Timer } from '../host/clock.ts';
import { readLaunchRecord } from './launched.ts';
import { readNote, removeNote, writeNote } from './restart-note.ts';
import type { HostObservation } from './session-host.ts';

export type RestartAnswer = Extract<HostObservation, { kind: 'restart-answer' }>;

/** What a host needs of it. */
export interface WarmRestarts {
  /** Asks the JVM that runs under `order`. Never rejects. */
  ask(order: string | null): Promise<RestartAnswer>;
  /** To be told when the session becomes ready, or stops being so: then its restart time can be set back, if it has to be. */
  setReady(order: string | null): void;
  close(): void;
}

export type WarmRestartsParts = {
  readonly config: Pick<SessionConfig, 'ibc'>;
  readonly bridge: Pick<VisitOptions, 'path' | 'serverUid' | 'readPeer'>;
  readonly launchRecord: string;
  /** Where the time to set back is kept. */
  readonly noteFile: string;
  readonly clock: Clock;
  /** Sentences for the agent's log. */
  readonly say: (sentence: string) => void;
};

/** For the walk through the configuration; it takes about a second. */
const WALK_MS = 30_000;
/** IBC's RESTART may wait two seconds for a new minute, then walks through the configuration itself. */
const COMMAND_DEADLINE_MS = 60_000;
/** So long after its minute a restart has not come. */
const LATE_MS = 120_000;
const RETRY_MS = 60_000;

export class BridgeWarmRestarts implements WarmRestarts {
  readonly #parts: WarmRestartsParts;
  /** One walk after the other: two would type into one window. */
  #walks: Promise<unknown> = Promise.resolve();
  #order: string | null = null;
  #timer: Timer | null = null;
  #trouble = '';
  #closed = false;

  constructor(parts: WarmRestartsParts) {
    this.#parts = parts;
  }

  ask(order: string | null): Promise<RestartAnswer> {
    return this.#walk(() => this.#ask(order));
  }

  setReady(order: string | null): void {
    this.#order = order;
    this.#trouble = '';
    this.#tendIn(0);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #walk<T>(work: () => Promise<T>): Promise<T> {
    const walk = this.#walks.then(work);
    this.#walks = walk.catch(() => {});
    return walk;
  }

  async #ask(order: string | null): Promise<RestartAnswer> {
    const record = order === null ? null : readLaunchRecord(this.#parts.launchRecord, order);
    if (order === null || record === null) return refusal('not-running', 'no gateway runs yet');
    const answer = await this.#askWindows(order, record);
    if (answer.accepted || record.commandPort === null) return answer;
    // IBC walks through the same windows on the same thread.
    if (answer.why === 'frozen' || answer.why === 'busy' || answer.why === 'unrecorded') return answer;
    const byCommand = await this.#askIbc(record.commandPort);
    return byCommand ?? answer;
  }

  async #askWindows(order: string, record: LaunchRecord): Promise<RestartAnswer> {
    const { bridge, clock, noteFile } = this.#parts;
    let unrecorded: unknown = null;
    try {
      const visit = await visitBridge({ ...bridge, clock, pid: record.pid }, (client) =>
        warmRestart(client, {
          clock,
          deadlineMs: WALK_MS,
          note: (planned) => {
            try {
              writeNote(noteFile, { ...planned, order });
            } catch (error) {
              unrecorded = error;
              throw error;
            }
          },
        }),
      );
      if (visit.kind === 'absent') {
        return refusal('no-bridge', `its window bridge is not there: ${visit.detail}`);
      }
      const outcome = visit.value;
      if (outcome.kind !== 'scheduled') return refusalOf(outcome);
      this.#tendIn(LATE_MS);
      const detail = `the gateway restarts at ${isoTime(outcome.at)}`;
      return { kind: 'restart-answer', accepted: true, at: outcome.at, detail };
    } catch (error) {
      if (unrecorded === null) throw error;
      const detail = unrecorded instanceof Error ? unrecorded.message : String(unrecorded);
      return refusal('unrecorded', `its restart time could not be noted, to be set back later: ${detail}`);
    }
  }

  async #askIbc(port: number): Promise<RestartAnswer | null> {
    const reply = await sendIbcCommand(port, 'RESTART', {
      deadlineMs: COMMAND_DEADLINE_MS,
      clock: this.#parts.clock,
    });
    const words = reply.replies.map((line) => line.text).join('; ');
    if (reply.outcome === 'accepted') {
      return { kind: 'restart-answer', accepted: true, at: null, detail: `by IBC: ${words}` };
    }
    return reply.outcome === 'refused' ? refusal('refused', `IBC refuses: ${words}`) : null;
  }

  // --- setting the restart time back ------------------------------------------------------------------------------------

  #tendIn(ms: number): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#closed || this.#order === null) return;
    this.#timer = this.#parts.clock.after(ms, () => {
      this.#timer = null;
      void this.#walk(async () => {
        try {
          await this.#tend();
        } catch (error) {
          // Its note cannot be written or removed.
          this.#parts.say(`the gateway's own daily time cannot be looked after: ${String(error)}`);
          this.#tendIn(RETRY_MS);
        }
      });
    });
  }

  async #tend(): Promise<void> {
    const { noteFile, config, clock, bridge, launchRecord, say } = this.#parts;
    const order = this.#order;
    const note = readNote(noteFile);
    if (note === null || order === null || this.#closed) return;
    const over = note.at + LATE_MS;
    if (note.order === order && clock.now() < over) {
      this.#tendIn(Math.min(over - clock.now(), LATE_MS));
      return;
    }
    // IBC sets what is configured at each start.
    const isConfigured =
      config.ibc['AutoRestartTime'] !== undefined || config.ibc['AutoLogoffTime'] !== undefined;
    if (note.order !== order && isConfigured) {
      removeNote(noteFile);
      return;
    }
    const record = readLaunchRecord(launchRecord, order);
    if (record === null) return;
    const visit = await visitBridge({ ...bridge, clock, pid: record.pid }, (client) =>
      restoreAutoTime(client, { set: note.time, before: note.before }, { clock, deadlineMs: WALK_MS }),
    );
    const outcome = visit.kind === 'absent' ? refusal('no-bridge', visit.detail) : visit.value;
    const was = wordsOf(note.before);
    if (outcome.kind === 'restored' || outcome.kind === 'other') {
      removeNote(noteFile);
      if (outcome.kind === 'restored') say(`the gateway's own daily time is set back: ${was}`);
      return;
    }
    if (this.#order !== order) return;
    const trouble = outcome.kind === 'restart-answer' ? outcome.detail : refusalOf(outcome).detail;
    if (trouble !== this.#trouble) {
      const is = wordsOf(note.time);
      say(
        `the gateway's own daily time is ${is} since the restart, and cannot be set back (${was}) yet: ${trouble}`,
      );
    }
    this.#trouble = trouble;
    this.#tendIn(RETRY_MS);
  }
}

function refusal(why: RestartRefusal, detail: string): Extract<RestartAnswer, { accepted: false }> {
  return { kind: 'restart-answer', accepted: false, why, detail };
}

/** What the walk through the configuration met, in words. */
function refusalOf(met: ConfigurationFailure): Extract<RestartAnswer, { accepted: false }> {
  switch (met.kind) {
    case 'no-main-window':
      return refusal('no-main-window', 'it has no main window now');
    case 'missing':
      return refusal('missing', `it has no ${met.what}`);
    case 'busy':
      return refusal('busy', 'its configuration is open already; to see and close it: ibctl windows');
    case 'frozen':
      return refusal('frozen', `its windows have not reacted for ${Math.round(met.frozenMs / 1000)} s`);
    case 'failed':
      switch (met.error.code) {
        case 'lost':
        case 'not-connected':
          return refusal('gone', 'the connection to its windows ended meanwhile');
        case 'stale':
        case 'not-found':
          return refusal('changed', 'its configuration was closed or changed meanwhile');
        default:
          return refusal('failed', met.error.message.replace(/\.$/, ''));
      }
  }
}
