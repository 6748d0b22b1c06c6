// Owns the facts that a line of IBC's output can state; ibc-log.ts finds them in the text.

export type ExistingSessionScenario = 1 | 2 | 3 | 4 | 5 | 6;

/** One fact, as one line of the JVM's output states it. Names follow what the line says, not what it may mean. */
export type IbcFact =
  /** `version: 3.24.1`: the JVM is up and IBC runs. */
  | { readonly kind: 'ibc-started'; readonly version: string }
  | { readonly kind: 'command-server-ready' }
  /** The port was taken: the run goes on without commands. `command-server-down` follows at once. */
  | { readonly kind: 'command-server-failed' }
  /** No port is configured. */
  | { readonly kind: 'command-server-off' }
  | { readonly kind: 'command-server-down' }
  | { readonly kind: 'command-denied' }
  | { readonly kind: 'command-received'; readonly command: string }
  /** A full login follows; exit 1112 after `timeoutSeconds` without login dialog. */
  | { readonly kind: 'session-full'; readonly timeoutSeconds: number }
  /** Started with a token: no login, no second factor. */
  | { readonly kind: 'session-restart' }
  | { readonly kind: 'gateway-starting' }
  /** IBC will end the session by itself; `at` is `yyyy/MM/dd HH:mm` in the JVM's time zone. */
  | { readonly kind: 'closedown-scheduled'; readonly how: 'cold-restart' | 'shutdown'; readonly at: string }
  | { readonly kind: 'login-dialog'; readonly loginState: string }
  | { readonly kind: 'trading-mode'; readonly mode: string }
  | { readonly kind: 'login-attempt'; readonly number: number }
  /** The login button was clicked. */
  | { readonly kind: 'login-submitted' }
  | { readonly kind: 'main-window' }
  | { readonly kind: 'second-factor-opened' }
  /** The dialog came to the front and no `second-factor-opened` was seen: some gateways never report the opening. */
  | { readonly kind: 'second-factor-shown' }
  /** IBC picked the configured entry of a device list; that dialog closes and the next one asks. */
  | { readonly kind: 'second-factor-device-chosen' }
  | { readonly kind: 'second-factor-initiated' }
  | { readonly kind: 'second-factor-closed' }
  /** The dialog closed within the time limit: answered, rejected, cancelled, or a device was chosen. `seconds` since the login click. */
  | { readonly kind: 'second-factor-duration'; readonly seconds: number }
  | { readonly kind: 'second-factor-timeout'; readonly relogin: boolean }
  | { readonly kind: 'second-factor-exit-timer'; readonly seconds: number }
  | { readonly kind: 'second-factor-login-hung' }
  | { readonly kind: 'second-factor-device-unknown'; readonly device: string | null }
  | { readonly kind: 'login-progress'; readonly title: string }
  | { readonly kind: 'logged-in' }
  | { readonly kind: 'credentials-rejected'; readonly title: string }
  | { readonly kind: 'login-failed' }
  | { readonly kind: 'login-error' }
  /** A line of the text that belongs to the `login-error` before it. */
  | { readonly kind: 'login-error-text'; readonly text: string }
  | { readonly kind: 'connection-failed'; readonly text: string }
  | { readonly kind: 'login-invalidated' }
  | { readonly kind: 'cold-restart-requested' }
  /** IBKR asks to wait. Stated again with `seconds` when the waiting time stands on a later line. */
  | { readonly kind: 'locked-out'; readonly seconds: number | null }
  | { readonly kind: 'relogin-planned'; readonly at: string; readonly number: number }
  | { readonly kind: 'existing-session' }
  | {
      readonly kind: 'existing-session-decision';
      readonly scenario: ExistingSessionScenario;
      readonly ends: boolean;
    }
  /** IBC's "Trading Login Handoff" line: another session of the user; the line does not say what IBC does about it. */
  | { readonly kind: 'session-handoff' }
  /** The dialog "Re-login is required" is up: connection lost or kicked off. */
  | { readonly kind: 'relogin-dialog' }
  /** IBC answers that dialog: it logs in again by itself, which cannot be switched off. */
  | { readonly kind: 'relogin-required' }
  | { readonly kind: 'paper-warning' }
  | { readonly kind: 'config-requested' }
  | { readonly kind: 'config-done' }
  | { readonly kind: 'setting-applied'; readonly setting: string; readonly value: string }
  | { readonly kind: 'stopping'; readonly how: 'tidy' | 'hard' }
  | { readonly kind: 'stop-already-in-progress' }
  | { readonly kind: 'restart-requested'; readonly verb: 'RESTART' | 'PAUSE' }
  | { readonly kind: 'restart-planned'; readonly time: string }
  | { readonly kind: 'restart-refused'; readonly verb: string }
  | { readonly kind: 'shutdown-progress' }
  | { readonly kind: 'login-dialog-timeout' }
  /** A window that no other fact covers. `event` is `Opened`, `Activated`, `Focused` or `Closed`, in any order, any of them missing. */
  | {
      readonly kind: 'window';
      readonly type: 'frame' | 'dialog';
      readonly title: string;
      readonly event: string;
    }
  /** The labels of a dialog titled *Gateway* that IBC only logs; belongs to the `window` before it. */
  | { readonly kind: 'dialog-text'; readonly text: string }
  /** A line inside a fence of 79 exclamation marks; a line that also states something of its own gives that fact first. */
  | { readonly kind: 'error'; readonly text: string }
  /** An exception that IBC fenced; `text` is the first raw line after it. */
  | { readonly kind: 'exception'; readonly text: string }
  /** `Exiting after error with exit code=N`; the process status is `code` modulo 256. */
  | { readonly kind: 'fatal'; readonly code: number };
