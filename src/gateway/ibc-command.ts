// Owns the talk with IBC's command server: one command, its replies, and what they amount to.

import { connect } from 'node:net';
import type { Clock } from '../host/clock.ts';
import { maskAccounts } from '../protocol/mask.ts';

export type IbcCommand = 'STOP' | 'RESTART';
export type IbcReply = { readonly kind: 'OK' | 'ERROR' | 'INFO'; readonly text: string };

/**
 * `accepted`: an OK and no ERROR; it says that IBC has begun, not that it will get there. `refused`: an ERROR.
 * `no-server`: nothing listens. `no-reply`: connected, but neither OK nor ERROR came (access denied, JVM died, deadline).
 */
export type IbcCommandOutcome = {
  readonly outcome: 'accepted' | 'refused' | 'no-server' | 'no-reply';
  readonly replies: readonly IbcReply[];
  /** Whether the server ended the connection; false: the deadline passed first. */
  readonly closed: boolean;
};

/** All of IBC's replies to a command are far shorter; more is no command server. */
const LONGEST_TALK = 64 * 1024;
const LONGEST_TEXT = 500;

/**
 * Sends one command to the command server on 127.0.0.1 and reads until the server closes or the deadline passes. Never rejects.
 * RESTART answers twice, the second time when the restart time is being typed in: that may take seconds, or for ever
 * while the main window is missing.
 */
export function sendIbcCommand(
  port: number,
  command: IbcCommand,
  options: { readonly deadlineMs: number; readonly clock: Clock },
): Promise<IbcCommandOutcome> {
  const { promise, resolve } = Promise.withResolvers<IbcCommandOutcome>();
  const socket = connect({ host: '127.0.0.1', port });
  const chunks: Buffer[] = [];
  let length = 0;
  let connected = false;

  const finish = (closed: boolean) => {
    timer.cancel();
    socket.removeAllListeners();
    // Without a listener a late error would end the process.
    socket.on('error', () => {});
    socket.destroy();
    const replies = readReplies(Buffer.concat(chunks).toString('utf8'));
    resolve({ outcome: judge(connected, replies), replies, closed });
  };
  const timer = options.clock.after(options.deadlineMs, () => finish(false));

  socket.on('connect', () => {
    connected = true;
    socket.write(`${command}\n`);
  });
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > LONGEST_TALK) finish(false);
  });
  // IBC halts the JVM right after some replies, so a reset is as good an end as any.
  socket.on('error', () => finish(connected));
  socket.on('end', () => finish(true));
  socket.on('close', () => finish(connected));
  return promise;
}

/** The lines that begin with OK, ERROR or INFO; `OK` may stand alone or before a blank. Prompts and unfinished lines are left out. */
function readReplies(talk: string): IbcReply[] {
  const replies: IbcReply[] = [];
  const lines = talk.split('\n').slice(0, -1);
  for (const line of lines) {
    const match = /^(OK|ERROR|INFO)(?: (.*))?$/.exec(line.trimEnd());
    if (match === null) continue;
    const [, kind, text = ''] = match;
    if (kind === 'OK' || kind === 'ERROR' || kind === 'INFO') replies.push({ kind, text: shorten(text) });
  }
  return replies;
}

/** Any local program may have taken the port, and what it says goes into events. */
function shorten(text: string): string {
  return maskAccounts(text).slice(0, LONGEST_TEXT);
}

function judge(connected: boolean, replies: readonly IbcReply[]): IbcCommandOutcome['outcome'] {
  if (!connected) return 'no-server';
  if (replies.some((reply) => reply.kind === 'ERROR')) return 'refused';
  return replies.some((reply) => reply.kind === 'OK') ? 'accepted' : 'no-reply';
}
