// Owns the names of the states a session can be in, as they appear on the wire, in events and in the docs.

export const SESSION_STATES = [
  'stopped',
  'starting',
  'logging-in',
  'awaiting-second-factor',
  'loading',
  'ready',
  'degraded',
  'restarting',
  'backing-off',
  'halted',
  'stopping',
] as const;

export type SessionStateName = (typeof SESSION_STATES)[number];

/** One sentence a state for docs and `ibctl`; the words are the design's. */
export const STATE_MEANINGS: Readonly<Record<SessionStateName, string>> = {
  stopped: 'wanted down',
  starting: 'display and JVM are coming up',
  'logging-in': 'credentials are being submitted',
  'awaiting-second-factor': 'IBKR waits for the second factor; method, deadline and attempt are known',
  loading: 'accepted; the gateway initialises and settings are applied',
  ready: 'positive evidence on every health layer',
  degraded: 'logged in, but trading is impaired; the conditions say how',
  restarting: 'a planned or asked restart is under way',
  'backing-off': 'will try again at a known time, for a known reason',
  halted: 'stopped on purpose until an operator acts',
  stopping: 'a tidy close has been asked for',
};

export const SECOND_FACTOR_METHODS = [
  'ib-key',
  'totp',
  'code',
  'challenge',
  'device-choice',
  'passkey',
  'unknown',
] as const;
export type SecondFactorMethod = (typeof SECOND_FACTOR_METHODS)[number];

export const SEVERITIES = ['info', 'warning', 'error'] as const;
export type Severity = (typeof SEVERITIES)[number];
