// Owns the tidy close of IB Gateway through its windows: File > Close, and yes to its question.

import type { BridgeClient, Target } from './client.ts';
import { BridgeError, type BridgeWindow } from './protocol.ts';
import {
  failure,
  findButton,
  findMain,
  isEnd,
  isStale,
  menuPath,
  Sequence,
  type StepFailure,
  type StepOptions,
} from './sequence.ts';

export type CloseOutcome =
  /** The connection to the JVM ended after it was asked: it is gone, or about to be. */
  | { readonly kind: 'closed' }
  /** It has confirmed that it closes, and is not gone yet. */
  | { readonly kind: 'closing' }
  /** File > Close was chosen and nothing came of it; `titles` are of the windows that show. */
  | { readonly kind: 'unanswered'; readonly titles: readonly string[] }
  | StepFailure;

export type CloseOptions = StepOptions & {
  /** How long nothing may come of File > Close, in milliseconds; a gateway asks its question at once. Left out: 15 seconds. */
  readonly answerMs?: number;
  /** How long the event thread may be busy, in milliseconds, before it counts as frozen. Left out: 10 seconds. */
  readonly patienceMs?: number;
};

const ANSWER_MS = 15_000;
/** A tidy close is worth a wait: a gateway that is killed keeps its slot at IBKR for hours. */
const PATIENCE_MS = 10_000;
const EXIT_QUESTION = 'are you sure you want to exit?';
const SHUTDOWN_TITLE = 'shutdown progress';

/**
 * Closes the gateway as a person would. Somebody else may do the same at that moment, or it may be closing already: whatever shows is taken
 * from there on. Never rejects.
 */
export async function tidyClose(bridge: BridgeClient, options: CloseOptions): Promise<CloseOutcome> {
  const { clock, answerMs = ANSWER_MS, patienceMs = PATIENCE_MS } = options;
  const sequence = new Sequence(bridge, options);
  let signAt: number | null = null;
  let busySince: number | null = null;
  let confirmed = false;
  for (;;) {
    try {
      const windows = await sequence.windows();
      busySince = null;
      if (windows.some(isShutdown)) confirmed = true;
      const question = confirmed ? null : findExitQuestion(windows);
      if (question !== null) {
        // When somebody else is quicker it is stale, which is as good a sign.
        signAt = clock.monotonicMs();
        await bridge.click(question);
        confirmed = true;
      } else if (!confirmed && signAt === null) {
        const main = findMain(windows);
        if (main === null) return { kind: 'no-main-window' };
        const items = menuPath(main, 'File', 'Close');
        if (items === null) return { kind: 'missing', what: 'File > Close' };
        signAt = clock.monotonicMs();
        await bridge.menu({ window: main.id, items }).catch((error: unknown) => {
          // Nothing was done, so it is chosen anew.
          if (isStale(error) || isBusy(error)) signAt = null;
          throw error;
        });
      }
      const late = signAt !== null && clock.monotonicMs() - signAt >= answerMs;
      if (sequence.over || (late && !confirmed)) {
        return confirmed
          ? { kind: 'closing' }
          : { kind: 'unanswered', titles: windows.map(({ title }) => title) };
      }
    } catch (error) {
      if (isEnd(error) && (confirmed || signAt !== null)) return { kind: 'closed' };
      const busy = isBusy(error);
      if (!busy && !isStale(error)) return failure(error);
      if (sequence.over) return confirmed ? { kind: 'closing' } : failure(error);
      if (busy && !confirmed) {
        const now = clock.monotonicMs();
        busySince ??= now;
        if (Math.max(now - busySince, frozenMs(error)) >= patienceMs) return failure(error);
      }
    }
    await sequence.pause();
  }
}

function isShutdown({ title }: BridgeWindow): boolean {
  return title.toLowerCase().includes(SHUTDOWN_TITLE);
}

/** The event thread did not come to it in time, and nothing was done. */
function isBusy(error: unknown): boolean {
  return error instanceof BridgeError && error.code === 'frozen';
}

function frozenMs(error: unknown): number {
  return error instanceof BridgeError ? (error.frozenMs ?? 0) : 0;
}

function findExitQuestion(windows: readonly BridgeWindow[]): (Target & { readonly text: string }) | null {
  for (const dialog of windows) {
    if (dialog.kind !== 'dialog') continue;
    const question = dialog.components.find(({ text }) => text?.toLowerCase().includes(EXIT_QUESTION));
    const yes = findButton(dialog, 'Yes');
    if (question?.text == null || yes === null) continue;
    return { window: dialog.id, expect: { title: dialog.title, near: question.text }, ...yes };
  }
  return null;
}
