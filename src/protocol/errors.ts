// Owns the closed list of error codes, what each means to a caller, and the one error class of the project.

/** Exit codes of ibctl, named; scripts rely on the numbers. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  notAllowed: 4,
  timedOut: 5,
  operatorNeeded: 6,
  degraded: 7,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

type ErrorRow = {
  /** Exit code of ibctl when a call ends with this error. */
  readonly exit: ExitCode;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  readonly meaning: string;
};

export const ERROR_CODES = {
  'bad-frame': { exit: EXIT.failed, retryable: false, meaning: 'the frame is not one of the protocol' },
  'version-mismatch': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'client and agent speak different protocol versions',
  },
  'hello-expected': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'the first frame on a connection must be hello',
  },
  'unknown-method': { exit: EXIT.failed, retryable: false, meaning: 'the agent has no such method' },
  'invalid-params': { exit: EXIT.usage, retryable: false, meaning: 'the parameters do not fit the method' },
  'duplicate-id': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'a request with this id is still running on the connection',
  },
  'too-many-requests': {
    exit: EXIT.failed,
    retryable: true,
    meaning: 'too many requests are running on the connection',
  },
  'not-allowed': { exit: EXIT.notAllowed, retryable: false, meaning: "the peer's user may not do this" },
  'too-many-connections': {
    exit: EXIT.failed,
    retryable: true,
    meaning: "the peer's user has too many connections open",
  },
  'unknown-session': { exit: EXIT.usage, retryable: false, meaning: 'no session of this name is configured' },
  'unknown-target': {
    exit: EXIT.usage,
    retryable: false,
    meaning: 'no target of notifications of this name is configured',
  },
  'unknown-device': {
    exit: EXIT.usage,
    retryable: false,
    meaning: "the gateway's list of second-factor devices has no such entry, or more than one",
  },
  'session-name-needed': {
    exit: EXIT.usage,
    retryable: false,
    meaning: 'there are several sessions and none was named',
  },
  'invalid-code': {
    exit: EXIT.usage,
    retryable: false,
    meaning: 'the code has not the form of one; nothing was typed',
  },
  'code-limit': {
    exit: EXIT.operatorNeeded,
    retryable: false,
    meaning: 'too many codes were typed for this second factor already',
  },
  'session-halted': {
    exit: EXIT.operatorNeeded,
    retryable: false,
    meaning: 'the session is halted until an operator acts',
  },
  'second-factor-pending': {
    exit: EXIT.operatorNeeded,
    retryable: true,
    meaning: 'a person must answer the second factor',
  },
  'login-deferred': {
    exit: EXIT.operatorNeeded,
    retryable: true,
    meaning:
      'the login budget, or another session that waits for a second factor, does not allow a login now',
  },
  'wrong-state': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'the session is in a state in which this cannot be done',
  },
  'warm-restart-unavailable': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'a restart without second factor is not possible now',
  },
  'session-down': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'the session went down before it became what was waited for',
  },
  'timed-out': { exit: EXIT.timedOut, retryable: true, meaning: 'the time given ran out first' },
  cancelled: { exit: EXIT.failed, retryable: true, meaning: 'the caller cancelled the request' },
  'agent-stopping': { exit: EXIT.unreachable, retryable: true, meaning: 'the agent is shutting down' },
  'supervisor-unavailable': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'what should run the sessions is not there',
  },
  'agent-unreachable': {
    exit: EXIT.unreachable,
    retryable: true,
    meaning: 'nothing answers on the control socket',
  },
  'connection-lost': {
    exit: EXIT.unreachable,
    retryable: true,
    meaning: 'the connection closed before the reply',
  },
  'frame-too-large': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'the frame is larger than the protocol allows',
  },
  'config-invalid': { exit: EXIT.failed, retryable: false, meaning: 'the configuration has errors' },
  'config-unreadable': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'the configuration file cannot be read',
  },
  'credential-missing': { exit: EXIT.failed, retryable: false, meaning: 'a credential is not there' },
  'credential-unsafe': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'a credential can be read or replaced by others',
  },
  'credential-invalid': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'a credential is empty or malformed',
  },
  'credential-command-failed': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'the command that prints the credential failed',
  },
  'credential-sealing-failed': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'systemd-creds could not seal a credential, or its file could not be written',
  },
  'file-missing': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'a file or directory that is needed is not there',
  },
  'windows-unseen': {
    exit: EXIT.failed,
    retryable: true,
    meaning:
      "the gateway's windows cannot be seen or worked: no gateway runs, it has no window bridge, or it hangs",
  },
  'window-changed': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'the window is gone or shows something else by now; nothing was done',
  },
  'state-unwritable': {
    exit: EXIT.failed,
    retryable: true,
    meaning: 'the agent cannot write its durable state',
  },
  'journal-unavailable': {
    exit: EXIT.failed,
    retryable: false,
    meaning: "systemd's journal cannot be read on this machine",
  },
  'already-running': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'another agent holds the socket or the state directory',
  },
  'socket-unusable': {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'the control socket cannot be created at its path',
  },
  internal: {
    exit: EXIT.failed,
    retryable: false,
    meaning: 'a defect in the agent; its log has the details under the error id',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** What an error is on the wire: `hint` says what to do, `data` holds typed details (times, names). */
export type WireError = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly data?: Readonly<Record<string, string | number | boolean | null>>;
};

/** The one error class for expected failures: a closed code, a message for people, a hint what to do. */
export class AgentError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly data: WireError['data'];

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string | undefined; data?: WireError['data']; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.data = options.data;
  }

  override get name(): string {
    return 'AgentError';
  }

  /** The wire form; never contains the cause. */
  toWire(): WireError {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.data === undefined ? {} : { data: this.data }),
    };
  }
}

/** Whether a value is an {@link ErrorCode}; a newer agent may send codes this build does not know. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}
