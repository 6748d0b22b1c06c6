// Owns how faults of a configuration file are told: their shape, their one-line form, and the error that carries them.

import { AgentError } from '../protocol/errors.ts';

/** One fault of the file. Never holds a value that could be a secret. */
export type ConfigProblem = {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units as editors count. */
  readonly column: number;
  /** Such as `sessions.live.api.port`; empty for the whole file. */
  readonly path: string;
  /** What is wrong, without place and path. */
  readonly message: string;
  /** What would be right, where one phrase can say it. */
  readonly expected?: string;
  /** The known name that was probably meant. */
  readonly nearest?: string;
};

/** One line for people: `FILE:LINE:COLUMN: PATH: MESSAGE; did you mean NEAREST?` */
export function formatProblem(problem: ConfigProblem): string {
  const place = `${problem.file}:${problem.line}:${problem.column}: `;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  const guess = problem.nearest === undefined ? '' : `; did you mean ${problem.nearest}?`;
  return `${place}${path}${problem.message}${guess}`;
}

/** A configuration file that was read and has faults: code `config-invalid`, all faults at once in {@link problems}. */
export class ConfigError extends AgentError {
  readonly problems: readonly ConfigProblem[];

  constructor(file: string, problems: readonly ConfigProblem[]) {
    super('config-invalid', problems.map(formatProblem).join('\n'), {
      hint: `Correct the file, then try: ibctl config check ${file}`,
      data: { file, problems: problems.length },
    });
    this.problems = problems;
  }

  override get name(): string {
    return 'ConfigError';
  }
}
