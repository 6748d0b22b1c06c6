// Owns the error that carries a launch failure from where it is found to the launcher's last line.

import type { LaunchFailure, LaunchFailureCode } from './launch-records.ts';

/** An expected reason why a launcher cannot become its program; `message` names the path, `hint` says what to do. */
export class LaunchError extends Error {
  readonly code: LaunchFailureCode;
  readonly hint: string;

  constructor(code: LaunchFailureCode, message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
    this.hint = hint;
  }

  override get name(): string {
    return 'LaunchError';
  }

  get failure(): LaunchFailure {
    return { code: this.code, message: this.message, hint: this.hint };
  }
}
