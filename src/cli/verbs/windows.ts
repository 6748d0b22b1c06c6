// Owns `ibctl windows`: what the gateway shows, and pressing a button in it.

import { EXIT } from '../../protocol/errors.ts';
import type { WindowView } from '../../protocol/methods.ts';
import { connectAgent, sessionParam } from '../connect.ts';
import type { VerbCall } from '../context.ts';
import type { Paint } from '../output.ts';
import { printable } from '../table.ts';

const DEADLINE_MS = 15_000;

export async function runWindows(call: VerbCall): Promise<number> {
  const { context, output, input } = call;
  const client = await connectAgent(context, input);
  try {
    const windows: WindowView[] = [];
    const { session } = await client.call('windows', sessionParam(input), {
      onEvent: (window) => windows.push(window),
      onRepeat: () => {
        windows.length = 0;
        return sessionParam(input);
      },
      deadlineMs: DEADLINE_MS,
    });
    if (output.json) output.jsonDocument({ session, windows });
    else if (windows.length === 0) output.line(`${session} shows no window`);
    else output.text(`${windows.map((window) => windowText(window, output.paint)).join('\n')}`);
    return EXIT.ok;
  } finally {
    client.close();
  }
}

export async function runWindowsClick(call: VerbCall): Promise<number> {
  const { context, output, input } = call;
  const params = {
    ...sessionParam(input),
    window: input.argument('WINDOW') ?? '',
    button: input.argument('BUTTON') ?? '',
  };
  const client = await connectAgent(context, input);
  try {
    const clicked = await client.call('window-click', params, { deadlineMs: DEADLINE_MS });
    if (output.json) output.jsonDocument(clicked);
    else output.line(`pressed ${printable(clicked.button)} in ${clicked.window} of ${clicked.session}`);
    return EXIT.ok;
  } finally {
    client.close();
  }
}

/** Id, title and what it is; below it its text, its list and its buttons. */
export function windowText(window: WindowView, paint: Paint): string {
  const what = [window.kind, ...(window.modal ? ['modal'] : []), window.known ?? 'unknown'].join(', ');
  const title = window.title.trim() === '' ? '(no title)' : printable(window.title);
  const lines = [`${paint('bold', `${window.id}  ${title}`)}  ${paint('dim', `${what}, ${window.class}`)}`];
  for (const line of window.text) lines.push(`    ${printable(line)}`);
  for (const row of window.rows ?? []) lines.push(`    - ${printable(row)}`);
  if (window.fields > 0)
    lines.push(
      `    ${paint('dim', `${window.fields} ${window.fields === 1 ? 'field' : 'fields'} to type into`)}`,
    );
  if (window.buttons.length > 0)
    lines.push(`    ${window.buttons.map((button) => `[${printable(button)}]`).join(' ')}`);
  return `${lines.join('\n')}\n`;
}
