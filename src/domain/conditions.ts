// Owns the conditions: named health facts with severity, words and advice, which of them impair trading, and which hide others.

import type { Severity } from '../protocol/states.ts';

type ConditionRow = {
  readonly severity: Severity;
  /** Whether the session counts as degraded while this holds. */
  readonly impairs: boolean;
  /** How long it must hold before anybody is told: keeps flapping quiet. Milliseconds. */
  readonly visibleAfterMs: number;
  /** Conditions that explain this one: while one of them holds, this is not reported. */
  readonly dependsOn: readonly string[];
  readonly text: (detail: string) => string;
  readonly hint: string;
};

const DOWN = 'look at: ibctl logs';

export const CONDITIONS = {
  'api-foreign': {
    severity: 'error',
    impairs: true,
    visibleAfterMs: 0,
    dependsOn: [],
    text: () => "another user's program has the API port: nothing it says is believed",
    hint: 'find it with: ss -ltnp; end it, or give the session another api.port',
  },
  'api-unreachable': {
    severity: 'error',
    impairs: true,
    visibleAfterMs: 3_000,
    dependsOn: ['api-client-id-in-use', 'api-foreign'],
    text: (detail) => `the API port does not accept connections (${detail})`,
    hint: DOWN,
  },
  'gui-frozen': {
    severity: 'error',
    impairs: true,
    visibleAfterMs: 60_000,
    dependsOn: [],
    text: () => "the gateway's windows do not react",
    hint: 'it may recover; ibctl restart --cold ends it and logs in again',
  },
  'api-mute': {
    severity: 'error',
    impairs: true,
    visibleAfterMs: 0,
    dependsOn: ['api-unreachable', 'gui-frozen'],
    text: () => 'the API port accepts connections but does not answer the handshake',
    hint: 'restart the gateway: ibctl restart --cold',
  },
  'api-unresponsive': {
    severity: 'error',
    impairs: true,
    visibleAfterMs: 0,
    dependsOn: ['api-unreachable', 'api-mute', 'gui-frozen'],
    text: (detail) => `the API does not answer (${detail})`,
    hint: 'restart the gateway if it does not recover: ibctl restart',
  },
  'api-unproven': {
    severity: 'error',
    impairs: true,
    visibleAfterMs: 0,
    dependsOn: [
      'api-foreign',
      'api-unreachable',
      'api-mute',
      'api-unresponsive',
      'api-client-id-in-use',
      'broker-disconnected',
    ],
    text: (detail) => `the gateway logged in, but its API does not prove it (${detail})`,
    hint: "compare api.port with the port in the gateway's log (ibctl logs); ibctl restart --cold logs in again",
  },
  'api-client-id-in-use': {
    severity: 'error',
    impairs: true,
    visibleAfterMs: 0,
    dependsOn: [],
    text: () => 'another API client uses the client id reserved for the agent',
    hint: 'give that client another id, or set api.clientId of the session',
  },
  'broker-disconnected': {
    severity: 'error',
    impairs: true,
    visibleAfterMs: 0,
    dependsOn: ['api-unreachable', 'api-mute', 'api-unresponsive'],
    text: () => 'the gateway has lost its connection to IBKR (code 1100)',
    hint: 'it reconnects by itself; check the network if it does not',
  },
  'farm-down': {
    severity: 'warning',
    impairs: true,
    visibleAfterMs: 30_000,
    dependsOn: ['broker-disconnected', 'api-unreachable', 'api-mute', 'api-unresponsive'],
    text: (detail) => `data farm ${detail} is down`,
    hint: 'it reconnects by itself; IBKR resets farms around midnight of each region',
  },
  'dialog-unknown': {
    severity: 'warning',
    impairs: false,
    visibleAfterMs: 5_000,
    dependsOn: [],
    text: (detail) => `a window is open that nobody answers: ${detail}`,
    hint: 'ibctl windows shows it; answer it with: ibctl windows click NAME WINDOW BUTTON',
  },
  'bridge-absent': {
    severity: 'warning',
    impairs: false,
    visibleAfterMs: 0,
    dependsOn: [],
    text: (detail) => `the gateway's windows cannot be seen (${detail})`,
    hint: 'the login goes on without; ibctl restart loads the window bridge if it is installed (ibctl logs says why not)',
  },
  'clock-unsynchronised': {
    severity: 'warning',
    impairs: false,
    visibleAfterMs: 0,
    dependsOn: [],
    text: () =>
      "the kernel says that this host's clock is not synchronised, so one-time codes may be refused",
    hint: 'start a time service: timedatectl set-ntp true, or chrony',
  },
  'password-expiring': {
    severity: 'warning',
    impairs: false,
    visibleAfterMs: 0,
    dependsOn: [],
    text: (detail) => `IBKR says that the password expires ${detail}`,
    hint: 'change it on the IBKR website, store the new one, then run: ibctl restart --cold',
  },
  'upgrade-required': {
    severity: 'warning',
    impairs: false,
    visibleAfterMs: 0,
    dependsOn: [],
    text: (detail) => `IBKR wants a newer gateway: ${detail}`,
    hint: 'install one and name it in install.gatewayVersion, then run: ibctl restart --cold',
  },
  'setting-failed': {
    severity: 'warning',
    impairs: false,
    visibleAfterMs: 0,
    dependsOn: [],
    text: (detail) => `IBC reports: ${detail}`,
    hint: "compare the session's `ibc` settings with docs/configuration.md",
  },
  'command-server-down': {
    severity: 'warning',
    impairs: false,
    visibleAfterMs: 0,
    dependsOn: [],
    text: () => 'IBC could not open the command port that commandServer asks for',
    hint: 'ibctl restart --cold chooses another port',
  },
  'state-unwritable': {
    severity: 'error',
    impairs: false,
    visibleAfterMs: 0,
    dependsOn: [],
    text: (detail) => `the agent cannot record what happened (${detail})`,
    hint: 'make the state directory writable and give it room (df -h, ls -ld)',
  },
  'restart-failed': {
    severity: 'warning',
    impairs: false,
    visibleAfterMs: 0,
    dependsOn: [],
    text: (detail) => `the restart that was asked for did not happen (${detail})`,
    hint: 'ibctl restart --cold restarts with a full login',
  },
} as const satisfies Record<string, ConditionRow>;

export type ConditionCode = keyof typeof CONDITIONS;

/** A condition that holds. `detail` distinguishes several of one code (a farm's or a window's name). */
export type HeldCondition = { readonly code: ConditionCode; readonly detail: string; readonly since: number };

/**
 * Those of the held conditions that are to be told at `now`: held long enough, and not explained by another that is told.
 * A cause that is still too young explains nothing yet, or a degraded session would show no reason at all.
 */
export function visibleConditions(held: readonly HeldCondition[], now: number): readonly HeldCondition[] {
  const old = held.filter((condition) => now - condition.since >= CONDITIONS[condition.code].visibleAfterMs);
  const codes = new Set<string>(old.map((condition) => condition.code));
  return old.filter((condition) => {
    const row: ConditionRow = CONDITIONS[condition.code];
    return !row.dependsOn.some((cause) => codes.has(cause));
  });
}

/** When the next held condition becomes old enough to be told; null when none is waiting. */
export function nextVisibleAt(held: readonly HeldCondition[], now: number): number | null {
  const times = held
    .map((condition) => condition.since + CONDITIONS[condition.code].visibleAfterMs)
    .filter((at) => at > now);
  return times.length === 0 ? null : Math.min(...times);
}

/** Whether a condition of this code impairs trading. */
export function impairs(condition: HeldCondition): boolean {
  return CONDITIONS[condition.code].impairs;
}
