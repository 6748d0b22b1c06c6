// Owns `ibctl notify`: the targets of notifications, and a test of them.

import { EXIT } from '../../protocol/errors.ts';
import type { NotifyTargetStatus, NotifyTestResult } from '../../protocol/methods.ts';
import { connectAgent } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import type { Output } from '../output.ts';
import { printable, renderTable, wrap } from '../table.ts';
import { formatDateTime, fromWire } from '../time-text.ts';

const LIST_DEADLINE_MS = 10_000;
/** A target has a minute at most; all are tried at the same time. */
const TEST_DEADLINE_MS = 75_000;

export async function runNotifyList({ context, output, input }: VerbCall): Promise<number> {
  const client = await connectAgent(context, input);
  try {
    const listed = await client.call('notify-list', {}, { deadlineMs: LIST_DEADLINE_MS });
    if (output.json) output.jsonDocument(listed);
    else showTargets(listed.targets, output);
    return EXIT.ok;
  } finally {
    client.close();
  }
}

function showTargets(targets: readonly NotifyTargetStatus[], output: Output): void {
  if (targets.length === 0) {
    output.line('no target is configured: nobody is told when something happens (see docs/notifications.md)');
    return;
  }
  const words = targets.map((target) => ({
    secret: target.secrets.length === 0 ? '-' : target.secrets.every(({ ok }) => ok) ? 'there' : 'missing',
    last: lastOf(target),
  }));
  const { lines } = renderTable(
    [
      { title: 'TARGET', cells: targets.map(({ name }) => printable(name)), drop: 0 },
      { title: 'TYPE', cells: targets.map(({ type }) => type), drop: 0 },
      { title: 'TO', cells: targets.map(({ to }) => printable(to === '' ? '-' : to)), drop: 2, least: 8 },
      {
        title: 'SECRET',
        cells: words.map(({ secret }) => secret),
        drop: 0,
        paint: (text, row) => (words[row]?.secret === 'missing' ? output.paint('red', text) : text),
      },
      { title: 'WAITING', cells: targets.map(({ waiting }) => String(waiting)), drop: 3 },
      { title: 'LAST', cells: words.map(({ last }) => last), drop: 1, least: 12 },
    ],
    output.columns,
    (text) => output.paint('bold', text),
  );
  for (const line of lines) output.line(line);
  for (const target of targets) for (const line of detailsOf(target, output)) output.line(line);
}

/** Newest of what was sent and what failed. */
function lastOf({ lastSent, lastFailed }: NotifyTargetStatus): string {
  const sentAt = lastSent === null ? 0 : fromWire(lastSent.at);
  const failedAt = lastFailed === null ? 0 : fromWire(lastFailed.at);
  if (sentAt === 0 && failedAt === 0) return '-';
  return failedAt > sentAt ? `failed ${formatDateTime(failedAt)}` : `sent ${formatDateTime(sentAt)}`;
}

function detailsOf(target: NotifyTargetStatus, output: Output): string[] {
  const name = printable(target.name);
  const lines = [''];
  const say = (text: string) => lines.push(...wrap(printable(text), output.columns, '  ', '    '));
  lines.push(output.paint('bold', name));
  const sessions = target.sessions === null ? 'all sessions and the agent' : target.sessions.join(', ');
  say(`told of: ${target.events[0] === '*' ? 'every event' : target.events.join(', ') || 'nothing'}`);
  say(`sessions: ${sessions}`);
  for (const secret of target.secrets.filter(({ ok }) => !ok)) {
    say(`secret ${secret.name}: ${secret.problem}`);
    if (secret.hint !== '') say(`hint: ${secret.hint}`);
  }
  const { lastSent, lastFailed, dropped } = target;
  if (lastSent !== null) say(`last sent: ${lastSent.event} at ${formatDateTime(fromWire(lastSent.at))}`);
  if (lastFailed !== null) {
    say(
      `last failed: ${lastFailed.event} at ${formatDateTime(fromWire(lastFailed.at))}: ${lastFailed.message}`,
    );
  }
  if (dropped > 0) say(`dropped: ${dropped}, because too many waited`);
  return lines;
}

export async function runNotifyTest({ context, output, input }: VerbCall): Promise<number> {
  const target = input.argument('TARGET');
  const event = input.text('--event');
  const params = { ...(target === undefined ? {} : { target }), ...(event === undefined ? {} : { event }) };
  const client = await connectAgent(context, input);
  try {
    const tested = await client.call('notify-test', params, { deadlineMs: TEST_DEADLINE_MS });
    if (output.json) output.jsonDocument(tested);
    else for (const result of tested.results) showResult(result, output);
    return tested.results.every(({ ok }) => ok) ? EXIT.ok : EXIT.failed;
  } finally {
    client.close();
  }
}

/** `phone: sent (ntfy, HTTP 200, 84 ms)`, or what failed with a hint. */
function showResult(result: NotifyTestResult, output: Output): void {
  const status = result.httpStatus === null ? '' : `HTTP ${result.httpStatus}, `;
  const facts = `(${result.type}, ${status}${result.ms} ms)`;
  const name = printable(result.target);
  if (result.ok) {
    output.line(`${name}: ${output.paint('green', 'sent')} ${output.paint('dim', facts)}`);
    return;
  }
  output.line(
    `${name}: ${output.paint('red', 'failed')}: ${printable(result.message)} ${output.paint('dim', facts)}`,
  );
  if (result.hint !== '') output.line(`  hint: ${printable(result.hint)}`);
}
