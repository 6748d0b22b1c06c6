// Owns the shape of a checked configuration, as every other module reads it; the schema that produces it is schema.ts.

import type { EventName, Priority } from '../events/catalogue.ts';
import type { SessionName } from '../protocol/session-name.ts';

/** Where a session's user name, password and TOTP seed come from. Neither form is ever read by the agent itself, only by the launchers. */
export type CredentialSource =
  /** A directory holding one file a credential: `username`, `password`, `seed`. `owned` ones are checked for mode and owner. */
  | { readonly kind: 'directory'; readonly path: string }
  /** An argument list that prints the credential named by its last argument (`username`, `password` or `seed`) on stdout. */
  | { readonly kind: 'command'; readonly argv: readonly string[] };

export type TradingMode = 'live' | 'paper';

/** When and how often the agent may try again by itself. Durations in milliseconds. */
export type RestartPolicy = {
  /** `always`: any end that is no stop of ours is followed by another try, within the budget. `never`: it halts. */
  readonly policy: 'always' | 'never';
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** Logins per IBKR user in any 60 minutes; 1–3. All sessions of a user have the same four numbers. */
  readonly maxLoginsPerHour: number;
  /** In any 24 hours; 1–24. */
  readonly maxLoginsPerDay: number;
  /** Second factors per IBKR user in any 60 minutes; 1–6. */
  readonly maxPushesPerHour: number;
  /** In any 24 hours; 1–20. */
  readonly maxPushesPerDay: number;
  /** Second factors in a row that nobody answered before the session halts. */
  readonly maxMissedSecondFactors: number;
};

/** How long each waiting state may last before the agent acts. Milliseconds. */
export type Deadlines = {
  /** From the launch until the login dialog or the restarted session shows. */
  readonly startMs: number;
  /** From the submitted credentials until something is heard of them. */
  readonly loginMs: number;
  /** IBKR's own limit for a second factor, about three minutes. */
  readonly secondFactorMs: number;
  /** From accepted until the API proves the session. */
  readonly loadingMs: number;
  /** From asking a warm restart until the JVM has ended. */
  readonly warmRestartMs: number;
  /** From asking the gateway to close until SIGTERM. */
  readonly stopMs: number;
  /** From SIGTERM until SIGKILL. */
  readonly termMs: number;
};

export type SessionConfig = {
  readonly name: SessionName;
  readonly gateway: 'ibgateway';
  readonly driver: 'ibc';
  readonly mode: TradingMode;
  /** Key of the login budget: sessions that log in as the same IBKR user carry the same text. Defaults to the session's name. */
  readonly user: string;
  readonly autostart: boolean;
  readonly install: {
    /** Directory that holds IBC.jar. */
    readonly ibcDir: string;
    /** IB's `tws-path`: its `ibgateway/VERSION/jars` (or `VERSION/jars`) is the program. */
    readonly gatewayDir: string;
    readonly gatewayVersion: string;
    /** Path of the java executable; null: the JRE that came with the gateway. */
    readonly java: string | null;
  };
  /** The gateway's settings directory (jts.ini, autorestart token); one session each. */
  readonly settingsDir: string;
  readonly api: { readonly host: '127.0.0.1'; readonly port: number; readonly clientId: number };
  /** IANA zone of the JVM: all times in IBC's log and settings are in it. */
  readonly timeZone: string;
  readonly display: { readonly width: number; readonly height: number; readonly depth: 16 | 24 };
  readonly jvm: { readonly heapMiB: number; readonly options: readonly string[] };
  /** Any IBC setting passed through, name → text as it stands in config.ini. Never one that is ours. */
  readonly ibc: Readonly<Record<string, string>>;
  /** Whether IBC's command server listens on a port of 127.0.0.1. */
  readonly commandServer: boolean;
  /** jts.ini settings by section and key; only what the user set. */
  readonly jts: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly secondFactor: {
    /** `totp`: a code that ib-code makes from the stored seed; `code`: one that a person gives. */
    readonly method: 'ib-key' | 'totp' | 'code' | 'none' | 'unknown';
    /** Entry of the device list that IBC picks, exactly as shown. */
    readonly device: string | null;
  };
  readonly dialogs: {
    /** Ids of dialog rules whose button the agent may press by itself. */
    readonly answer: readonly string[];
  };
  readonly restart: RestartPolicy;
  readonly deadlines: Deadlines;
  readonly credentials: CredentialSource;
};

/** Where a secret of a notification is to be found; the secret itself is read when it is needed. */
export type SecretRef = { readonly secretName: string };

/** What a target of notifications is, and what it takes to reach it. */
export type NotifyForm =
  | {
      readonly kind: 'ntfy';
      readonly server: string;
      readonly topic: string | SecretRef;
      readonly token: SecretRef | null;
    }
  | { readonly kind: 'slack'; readonly url: SecretRef }
  | { readonly kind: 'telegram'; readonly server: string; readonly chat: string; readonly token: SecretRef }
  | {
      readonly kind: 'webhook';
      readonly url: string | SecretRef;
      readonly headers: Readonly<Record<string, string>>;
      readonly secretHeaders: Readonly<Record<string, SecretRef>>;
      /** Key of the HMAC-SHA256 of the body; null: no signature. */
      readonly key: SecretRef | null;
    }
  | { readonly kind: 'command'; readonly argv: readonly string[] };

export type NotifyTarget = {
  readonly name: string;
  readonly events: '*' | readonly EventName[];
  /** Null: all sessions, and the agent itself. */
  readonly sessions: readonly SessionName[] | null;
  /** A greater number is less important, and left out. */
  readonly leastPriority: Priority;
  readonly debounceMs: number;
  /** Of one try. */
  readonly timeoutMs: number;
  /** Further tries after the first. */
  readonly retries: number;
  /** Whether http:// may be used to other hosts. */
  readonly allowInsecure: boolean;
  readonly form: NotifyForm;
};

export type NotifyConfig = {
  /** Directory of the secrets, one file each. */
  readonly secretsDir: string;
  readonly targets: readonly NotifyTarget[];
};

export type Config = {
  /** Absolute path of the file this came from. */
  readonly file: string;
  readonly agent: {
    /** Root of runtime directories: `ib-agent`, `ib-session/NAME`, `ib-display/NAME` below it. `/run` under systemd. */
    readonly runtimeRoot: string;
    /** Root of state directories: `ib-agent`, `ib-session/NAME` below it. `/var/lib` under systemd. */
    readonly stateRoot: string;
    readonly logLevel: 'error' | 'warning' | 'notice' | 'info' | 'debug';
  };
  readonly notify: NotifyConfig;
  readonly clock: {
    /** Address of the web server whose time ib-clock compares with; null: none. */
    readonly compareWith: string | null;
  };
  readonly sessions: readonly SessionConfig[];
};
