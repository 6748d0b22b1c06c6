// Owns how a running gateway is asked to close: through its windows, else, where it has one, by IBC's command server.

import { type CloseOutcome, tidyClose } from '../bridge/tidy-close.ts';
import { type VisitOptions, visitBridge } from '../bridge/visit.ts';
import type { Clock } from '../host/clock.ts';
import { sendIbcCommand } from './ibc-command.ts';
import type { LaunchRecord } from './launch-records.ts';

export type CloseRequest = {
  readonly bridge: Pick<VisitOptions, 'path' | 'serverUid' | 'readPeer'>;
  readonly record: Pick<LaunchRecord, 'pid' | 'commandPort'>;
  /** For the asking, in milliseconds. */
  readonly deadlineMs: number;
  readonly clock: Clock;
};

export type CloseAnswer =
  /** It closes, or has closed; the end of its process is still to be waited for. */
  | { readonly kind: 'closing' }
  /** It cannot be brought to: what stands in the way. */
  | Exclude<CloseOutcome, { readonly kind: 'closed' | 'closing' }>
  | { readonly kind: 'no-bridge'; readonly detail: string };

const CONNECT_TIMEOUT_MS = 5_000;
const COMMAND_DEADLINE_MS = 10_000;

/** Never rejects. Answers at once when there is nobody to ask; see {@link tidyClose} for how long it may take otherwise. */
export async function askClose(request: CloseRequest): Promise<CloseAnswer> {
  const { bridge, record, deadlineMs, clock } = request;
  const end = clock.monotonicMs() + deadlineMs;
  const visit = await visitBridge(
    { ...bridge, clock, pid: record.pid, connectTimeoutMs: Math.min(CONNECT_TIMEOUT_MS, deadlineMs) },
    (client) => tidyClose(client, { clock, deadlineMs }),
  );
  const answer: CloseOutcome | CloseAnswer =
    visit.kind === 'visited' ? visit.value : { kind: 'no-bridge', detail: visit.detail };
  if (answer.kind === 'closed' || answer.kind === 'closing') return { kind: 'closing' };
  // IBC needs the same event thread.
  if (record.commandPort === null || answer.kind === 'frozen') return answer;
  const { outcome } = await sendIbcCommand(record.commandPort, 'STOP', {
    deadlineMs: Math.max(1, Math.min(COMMAND_DEADLINE_MS, end - clock.monotonicMs())),
    clock,
  });
  // Without an answer it may be closing all the same, but only while it is not known that nobody listens.
  return outcome === 'accepted' || outcome === 'no-reply' ? { kind: 'closing' } : answer;
}

/** Why a gateway does not close tidily, as a sentence without its full stop. */
export function closeFailureText(answer: Exclude<CloseAnswer, { readonly kind: 'closing' }>): string {
  switch (answer.kind) {
    case 'no-bridge':
      return `the gateway cannot be asked to close: its window bridge is not there (${answer.detail})`;
    case 'no-main-window':
      return 'the gateway cannot be asked to close: it has no main window, so it is not logged in yet or not any more';
    case 'missing':
      return `the gateway cannot be asked to close: its main window has no ${answer.what}`;
    case 'frozen':
      return `the gateway cannot be asked to close: its windows have not reacted for ${seconds(answer.frozenMs)}`;
    case 'unanswered':
      return `the gateway was asked to close and does not; its windows: ${titlesOf(answer.titles)}`;
    case 'failed':
      return `the gateway cannot be asked to close: ${answer.error.message.replace(/\.$/, '')}`;
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

function titlesOf(titles: readonly string[]): string {
  const shown = titles.map((title) => JSON.stringify(title.slice(0, 80)));
  return shown.length === 0 ? 'none' : shown.slice(0, 10).join(', ');
}
