// Owns the text of docs/dialogs.md, from the table of dialog rules.

import { DIALOG_RULES, type DialogRule } from '../src/domain/dialogs.ts';

export function dialogsReference(): string {
  const lines = [
    '# Windows that are known',
    '',
    '<!-- Generated from src/domain/dialogs.ts by `npm run docs`. -->',
    '',
    "The gateway's windows are seen through the window bridge and compared with these rules by title, texts, buttons and fields. A",
    'dialog that none of them knows is told as `dialog-unknown` with its text and its buttons once it was open for five seconds; one',
    'that is known and should be gone by then (*told after*, and five seconds more) is told in the same way. `ibctl windows` shows what is',
    'open and which rule knows it, `ibctl windows click` answers it. The agent presses a button by itself only where the last column has',
    "one, and only when the session's `dialogs.answer` names the rule. From the list of second-factor devices it chooses what was given",
    'with `ibctl login --device` or is configured, should IBC not have done so by itself.',
    '',
    '| rule | what it is | told after | may be pressed |',
    '|---|---|---|---|',
    ...DIALOG_RULES.map(row),
  ];
  return `${lines.join('\n')}\n`;
}

function row({ id, what, waitsMs, click, resend }: DialogRule): string {
  const after = waitsMs === null ? '' : waitsMs === 0 ? 'at once' : `${waitsMs / 1000} s`;
  const asked = resend === null ? '' : 'the one that sends it again, by `ibctl second-factor resend` alone';
  return `| \`${id}\` | ${what} | ${after} | ${click === null ? asked : `"${click.button}" in "${click.title}"`} |`;
}
