// Owns `ibctl status`: the picture of all sessions, once or again and again, for people, programs and monitors.

import { delay } from '../../host/clock.ts';
import { type AgentError, EXIT, type ExitCode } from '../../protocol/errors.ts';
import type { SessionStatus, Status } from '../../protocol/methods.ts';
import { connectAgent, isAgentAway, sessionParam } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import { renderStatus } from '../status-text.ts';

const WATCH_MS = 1_000;
const CALL_DEADLINE_MS = 10_000;

// The alternate screen leaves what was on the terminal untouched (xterm's ctlseqs, private mode 1049).
const ENTER_SCREEN = '\u001b[?1049h\u001b[?25l';
const LEAVE_SCREEN = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE_END = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

export async function runStatus(call: VerbCall): Promise<number> {
  if (call.input.flag('--watch')) return watchStatus(call);
  const status = await fetchStatus(call);
  if (call.output.json) call.output.jsonDocument(status);
  else call.output.text(draw(call, status));
  return call.input.flag('--check')
    ? checkExit(status.sessions, call.input.argument('NAME') !== undefined)
    : EXIT.ok;
}

async function fetchStatus({ context, input }: VerbCall, retryMs?: number): Promise<Status> {
  const params = { ...sessionParam(input), showAccounts: input.flag('--show-accounts') };
  const client = await connectAgent(context, input, retryMs === undefined ? {} : { retryMs });
  try {
    return await client.call('status', params, { deadlineMs: CALL_DEADLINE_MS });
  } finally {
    client.close();
  }
}

function draw({ context, output }: VerbCall, status: Status): string {
  return renderStatus(status, { now: context.clock.now(), columns: output.columns, paint: output.paint });
}

/**
 * Exit code that says the worst of the sessions: an operator is needed, down, degraded, ready. A session that is
 * stopped because it is wanted down counts only when it was `named`; when none counts, nothing is ready.
 */
export function checkExit(sessions: readonly SessionStatus[], named: boolean): ExitCode {
  const counted = sessions.filter(
    (session) => named || session.state !== 'stopped' || session.desired === 'up',
  );
  if (counted.some(({ state }) => state === 'halted' || state === 'awaiting-second-factor'))
    return EXIT.operatorNeeded;
  if (counted.some(({ state }) => state !== 'ready' && state !== 'degraded')) return EXIT.failed;
  if (counted.some(({ state }) => state === 'degraded')) return EXIT.degraded;
  return counted.length === 0 ? EXIT.failed : EXIT.ok;
}

async function watchStatus(call: VerbCall): Promise<number> {
  const { context, output } = call;
  const first = await fetchStatus(call);
  const interruption = context.interruption();
  const screen = output.isTty && !output.json ? new ScreenWatch(call) : new BlockWatch(call);
  screen.open();
  try {
    screen.show(first);
    for (;;) {
      await delay(context.clock, WATCH_MS, interruption);
      try {
        screen.show(await fetchStatus(call, 0));
      } catch (error) {
        if (!isAgentAway(error)) throw error;
        screen.miss(error);
      }
    }
  } catch (error) {
    if (!interruption.aborted) throw error;
    return Number(interruption.reason);
  } finally {
    screen.close();
  }
}

interface Watch {
  open(): void;
  show(status: Status): void;
  /** The agent did not answer this time. */
  miss(error: AgentError): void;
  close(): void;
}

/** A terminal: the picture is redrawn in place, and left on the normal screen at the end. */
class ScreenWatch implements Watch {
  readonly #call: VerbCall;
  #last = '';

  constructor(call: VerbCall) {
    this.#call = call;
  }

  open(): void {
    this.#call.output.text(ENTER_SCREEN);
  }

  show(status: Status): void {
    this.#last = draw(this.#call, status);
    this.#draw(this.#last);
  }

  miss(error: AgentError): void {
    const { output } = this.#call;
    this.#draw(`${output.paint('red', 'error:')} ${error.message}; trying again\n\n${this.#last}`);
  }

  close(): void {
    this.#call.output.text(LEAVE_SCREEN + this.#last);
  }

  #draw(text: string): void {
    this.#call.output.text(HOME + text.replaceAll('\n', `${CLEAR_LINE_END}\n`) + CLEAR_BELOW);
  }
}

/** A pipe or a file: a block, or with --json a line, at each change. */
class BlockWatch implements Watch {
  readonly #call: VerbCall;
  #key = '';
  #missing = false;

  constructor(call: VerbCall) {
    this.#call = call;
  }

  open(): void {}

  show(status: Status): void {
    const { output } = this.#call;
    this.#missing = false;
    const key = changeKey(status);
    if (key === this.#key) return;
    if (output.json) output.jsonLine(status);
    else output.text(this.#key === '' ? draw(this.#call, status) : `\n${draw(this.#call, status)}`);
    this.#key = key;
  }

  miss(error: AgentError): void {
    if (!this.#missing) this.#call.output.note(`${error.message}; trying again`);
    this.#missing = true;
  }

  close(): void {}
}

/** What makes two pictures different to a reader: not the figures that change with every look. */
export function changeKey(status: Status): string {
  return JSON.stringify([
    status.agent.pid,
    status.agent.startedAt,
    status.sessions.map(({ api, process, broker, ...session }) => [
      session,
      api.ok,
      api.accounts,
      broker.connected,
      broker.farms,
      process.pid,
    ]),
  ]);
}
