// Owns what the configuration's tests share: a small valid file, and the problems of a text as lines.

import assert from 'node:assert/strict';
import { checkConfigText } from '../../src/config/load.ts';
import { ConfigError, type ConfigProblem, formatProblem } from '../../src/config/problems.ts';

export const FILE = '/etc/ib-agent/ib-agent.yaml';

/** A session with its required keys; `more` is put below it, each line indented by four blanks already. */
export function aSession(name: string, port: number, more: readonly string[] = []): string {
  return [
    `  ${name}:`,
    '    mode: paper',
    '    install: {gatewayVersion: "10.37"}',
    `    api: {port: ${port}}`,
    ...more.map((line) => `    ${line}`),
    '',
  ].join('\n');
}

/** A whole file with one session called `live`; its own lines start at line 6, column 5. */
export function aFile(...more: string[]): string {
  return `sessions:\n${aSession('live', 4001, more)}`;
}

export function problemsIn(text: string): readonly ConfigProblem[] {
  try {
    checkConfigText(text, FILE);
  } catch (error) {
    assert.ok(error instanceof ConfigError, `not a ConfigError: ${String(error)}`);
    assert.equal(error.code, 'config-invalid');
    return error.problems;
  }
  assert.fail('the text has no problem');
}

/** Each problem as `LINE:COLUMN: PATH: MESSAGE…`. */
export function linesOf(text: string): readonly string[] {
  return problemsIn(text).map((problem) => formatProblem(problem).slice(FILE.length + 1));
}
