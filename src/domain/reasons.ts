// Owns the closed list of reasons why a session is in its state, with the words and the advice a person gets.

type ReasonRow = {
  readonly text: string;
  /** What to do when the session is halted for this reason; also shown while it backs off. */
  readonly hint: string;
};

const LOGIN_HINT = 'run: ibctl login';

export const REASONS = {
  'not-started': { text: 'configured, not started yet', hint: 'run: ibctl login' },
  'by-operator': { text: 'stopped by an operator', hint: 'run: ibctl start' },
  'stopped-by-systemd': {
    text: 'its unit was stopped by systemctl or by the end of the system, not by ibctl',
    hint: 'run: ibctl start (the next boot of the host starts it as well)',
  },
  'agent-restarted': { text: 'the agent was restarted; the session is being checked', hint: '' },
  'history-missing': {
    text: 'the session ended while the agent was away, and no record says how',
    hint: 'look for the cause with: journalctl -b; then run: ibctl login',
  },
  'agent-stopping': { text: 'the agent is stopping', hint: '' },
  'operator-login': { text: 'an operator asked for it', hint: '' },
  'operator-restart': { text: 'an operator asked for a restart', hint: '' },
  autostart: { text: 'it was up when the agent last ran', hint: '' },
  'gateway-restart': { text: 'the gateway restarts by itself', hint: '' },
  'wrong-credentials': {
    text: 'IBKR does not know this user name and password',
    hint: 'correct the stored credentials, check them on the IBKR website, then run: ibctl login',
  },
  'login-refused': {
    text: 'the gateway reported "Login failed"',
    hint: 'check user name, password and trading mode, then run: ibctl login',
  },
  'login-error': { text: 'the gateway reported a login error', hint: LOGIN_HINT },
  'connection-failed': {
    text: 'the gateway cannot reach IBKR',
    hint: 'check network and DNS; ibctl login tries at once',
  },
  'locked-out': {
    text: 'IBKR asks to wait after too many failed logins',
    hint: 'wait; check the credentials meanwhile',
  },
  'login-invalidated': { text: 'the login dialog was invalidated', hint: LOGIN_HINT },
  'second-factor-missed': {
    text: 'nobody answered the second factor',
    hint: 'have the phone at hand, then run: ibctl login',
  },
  'second-factor-login-hung': {
    text: 'the second factor was answered, but the login did not go on',
    hint: LOGIN_HINT,
  },
  'second-factor-device-unknown': {
    text: "the second-factor device that is wanted is not in IBKR's list",
    hint: 'set secondFactor.device to an entry of the list (ibctl events shows it), then run: ibctl login; or give it to one login with --device',
  },
  'code-rejected': {
    text: 'IBKR does not accept the one-time codes',
    hint: "check this host's clock (timedatectl) and the seed: ibctl credentials set NAME --only seed; then run: ibctl login",
  },
  'code-unavailable': {
    text: 'no one-time code can be made',
    hint: 'mend what the text names, then run: ibctl login',
  },
  'passkey-required': {
    text: 'IBKR wants this user to log in with a passkey',
    hint: "no program can give a passkey: allow another second factor for this user in IBKR's Secure Login System, or use a user that has one; then run: ibctl login",
  },
  'upgrade-required': {
    text: 'IBKR does not accept this version of the gateway any more',
    hint: 'install a newer gateway and name it in install.gatewayVersion, then run: ibctl login',
  },
  'tokens-expired': {
    text: "IBKR's security tokens have expired, as they do every week; a full login follows",
    hint: '',
  },
  'start-timeout': { text: 'the gateway did not show its login in time', hint: 'look at: ibctl logs' },
  'login-timeout': { text: 'nothing was heard after the login was submitted', hint: 'look at: ibctl logs' },
  'loading-timeout': {
    text: 'the login was accepted, but the API did not prove the session',
    hint: 'look at: ibctl logs',
  },
  'foreign-stop': {
    text: "somebody else stopped the gateway through IBC's command port",
    hint: 'find out who on this host used 127.0.0.1; stop sessions with: ibctl stop',
  },
  paused: { text: "somebody paused the gateway through IBC's command port", hint: LOGIN_HINT },
  displaced: {
    text: 'another login of the same user took the session',
    hint: 'close the other session, or take this one back with: ibctl login',
  },
  'display-lost': { text: 'the X display ended', hint: 'look at: ibctl logs' },
  'launch-failed': { text: 'a program or file that the session needs is missing', hint: LOGIN_HINT },
  'login-budget': {
    text: 'the login budget is used up',
    hint: 'find out why with: ibctl events --since 2h; then run: ibctl login',
  },
  'push-outstanding': {
    text: 'another session of the same IBKR user is logging in and may wait for its second factor',
    hint: 'it goes on by itself when that one is through; ibctl plan shows which',
  },
  'java-failed': {
    text: 'java ended before the gateway came up',
    hint: "java's own words are in: ibctl logs",
  },
  'ibc-config': { text: 'IBC refuses its configuration', hint: "IBC's own words are in: ibctl logs" },
  'gateway-crashed': { text: 'the gateway ended with an error', hint: 'look at: ibctl logs' },
  'gateway-killed': {
    text: 'the gateway was killed',
    hint: 'look for the out-of-memory killer: journalctl -k',
  },
  'gateway-exited': { text: 'the gateway ended by itself', hint: 'look at: ibctl logs' },
  'relogin-required': { text: 'the connection to IBKR was lost; the gateway logs in again', hint: '' },
  'token-refused': { text: 'the gateway could not be restarted without a login', hint: '' },
  'restart-storm': {
    text: 'the gateway restarted too often',
    hint: 'look at: ibctl logs; then run: ibctl login',
  },
  'state-unwritable': {
    text: 'the agent cannot write its ledger, so it starts nothing',
    hint: 'make the state directory writable (disk full?), then run: ibctl login',
  },
  'second-factor-pending': {
    text: 'IBKR waits for the second factor',
    hint: 'approve the notification of IBKR Mobile',
  },
  'second-factor-answered': { text: 'the second factor was answered', hint: '' },
} as const satisfies Record<string, ReasonRow>;

export type Reason = keyof typeof REASONS;
