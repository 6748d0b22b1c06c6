// Owns how findings look to a person: groups of aligned rows, what to do under each, and a summary.

import type { Paint, Style } from '../output.ts';
import { printable, wrap } from '../table.ts';
import { count, type Finding, type Result } from './finding.ts';

const STYLES: Readonly<Record<Result, Style>> = {
  ok: 'green',
  warning: 'yellow',
  failed: 'red',
  skipped: 'dim',
};
const RESULT_WIDTH = Math.max(...Object.keys(STYLES).map((result) => result.length));

export type DoctorLayout = { readonly columns: number; readonly paint: Paint };

/** The whole of `ibctl doctor`, ending with a newline. */
export function renderFindings(findings: readonly Finding[], layout: DoctorLayout): string {
  const nameWidth = Math.max(0, ...findings.map(({ id }) => id.length));
  const lines: string[] = [];
  for (const [title, rows] of sections(findings)) {
    lines.push(layout.paint('bold', title), ...section(rows, nameWidth, layout), '');
  }
  lines.push(summary(findings, layout));
  return `${lines.join('\n')}\n`;
}

/** Sessions have a section each. */
function sections(findings: readonly Finding[]): ReadonlyMap<string, readonly Finding[]> {
  const found = new Map<string, Finding[]>();
  for (const finding of findings) {
    const title = finding.group === 'Session' ? `Session ${finding.subject ?? ''}`.trim() : finding.group;
    const rows = found.get(title) ?? [];
    rows.push(finding);
    found.set(title, rows);
  }
  return found;
}

function section(rows: readonly Finding[], nameWidth: number, { columns, paint }: DoctorLayout): string[] {
  const indent = ' '.repeat(2 + RESULT_WIDTH + 2 + nameWidth + 2);
  return rows.flatMap(({ id, group, subject, result, evidence, remedy }) => {
    const label = `  ${paint(STYLES[result], result)}${' '.repeat(RESULT_WIDTH - result.length)}  ${id.padEnd(nameWidth)}  `;
    // The session stands in the title already.
    const about = subject === null || group === 'Session' ? '' : `${subject}: `;
    const [first = '', ...rest] = wrap(printable(`${about}${evidence}`), columns, indent, indent);
    const lines = [`${label}${first.slice(indent.length)}`, ...rest];
    if (remedy === null) return lines;
    const [words = '', ...more] = wrap(printable(remedy.words), columns, `${indent}fix: `, `${indent}     `);
    lines.push(words.replace('fix:', paint('cyan', 'fix:')), ...more);
    // Not wrapped: it is to be copied.
    if (remedy.command !== undefined)
      lines.push(`${indent}     ${paint('bold', `$ ${printable(remedy.command)}`)}`);
    return lines;
  });
}

function summary(findings: readonly Finding[], { paint }: DoctorLayout): string {
  const number = (result: Result) => findings.filter((finding) => finding.result === result).length;
  const parts = [
    number('failed') === 0 ? '' : paint('red', `${number('failed')} failed`),
    number('warning') === 0 ? '' : paint('yellow', count(number('warning'), 'warning')),
    `${number('ok')} ok`,
    number('skipped') === 0 ? '' : `${number('skipped')} skipped`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}
