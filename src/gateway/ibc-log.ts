// Owns the reading of a session JVM's output: which of its lines state a fact, and which fact.

import type { ExistingSessionScenario, IbcFact } from './ibc-facts.ts';

/** A line that IBC wrote: its time `yyyy-MM-dd HH:mm:ss:SSS` in the JVM's zone, and the text. */
export type IbcLine = { readonly time: string; readonly text: string };

const PREFIX = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}) IBC: /;
const FENCE = '!'.repeat(79);

/** No literal of IBC is longer; what follows in a longer line is never looked at. */
const LONGEST_TEXT = 4096;
/** Longest text that a fact carries, so that a mad line cannot fill the memory of whoever keeps facts. */
const LONGEST_WORDS = 500;
/** Lines that other threads may put into a fence before its error; more mean that its beginning was misread. */
const STRAY_LINES_IN_FENCE = 3;
/** Lines of a stack trace inside a fence before the fence is taken as broken. */
const LONGEST_FENCE = 2000;
/** Raw lines on which a text of IBC may continue. */
const LONGEST_CONTINUATION = 10;

/** The parts of an IBC line, or null for every other line: Gateway's own output, window structures, stack traces. */
export function readIbcLine(line: string): IbcLine | null {
  const match = PREFIX.exec(line);
  if (match === null) return null;
  return { time: match[1] ?? '', text: withoutReturn(line.slice(match[0].length)) };
}

type Groups = readonly [string, ...(string | undefined)[]];
type Rule = {
  readonly pattern: RegExp;
  /** `groups[0]` is the first capture group, empty when the pattern has none. */
  readonly facts: (...groups: Groups) => readonly IbcFact[];
  /** IBC writes this line inside a fence. */
  readonly fenced?: true;
};

/** What each line states, whatever came before it. Patterns are anchored and repeat at most once without bound: no line costs more than its length. */
const RULES: readonly Rule[] = [
  { pattern: /^version: (\S{1,40})$/, facts: (version) => [{ kind: 'ibc-started', version }] },
  {
    pattern: /^CommandServer started and is ready to accept commands$/,
    facts: () => [{ kind: 'command-server-ready' }],
  },
  {
    pattern: /^CommandServer is not started because the port is not configured$/,
    facts: () => [{ kind: 'command-server-off' }],
  },
  { pattern: /^CommandServer failed to create socket$/, facts: () => [{ kind: 'command-server-failed' }] },
  { pattern: /^CommandServer is shutdown$/, facts: () => [{ kind: 'command-server-down' }] },
  { pattern: /^CommandServer denied access to: /, facts: () => [{ kind: 'command-denied' }] },
  {
    pattern: /^CommandServer received command: (.*)$/s,
    facts: (command) => [{ kind: 'command-received', command: shorten(command) }],
  },
  {
    pattern: /^\S{1,20} will be (cold restarted|shut down) at (\d{4}\/\d\d\/\d\d \d\d:\d\d)$/,
    facts: (what, at = '') => [
      { kind: 'closedown-scheduled', how: what === 'shut down' ? 'shutdown' : 'cold-restart', at },
    ],
  },
  {
    pattern: /^Starting session: will exit if login dialog is not displayed within (\d{1,9}) seconds$/,
    facts: (seconds) => [{ kind: 'session-full', timeoutSeconds: Number(seconds) }],
  },
  { pattern: /^Re-starting session$/, facts: () => [{ kind: 'session-restart' }] },
  { pattern: /^Starting (?:Gateway|TWS)$/, facts: () => [{ kind: 'gateway-starting' }] },
  {
    pattern: /^Login dialog WINDOW_OPENED: LoginState is (\S{1,40})$/,
    facts: (loginState) => [{ kind: 'login-dialog', loginState }],
  },
  {
    pattern: /^(?:Setting Trading mode = |trading mode from settings: tradingMode=)(\S{1,20})$/,
    facts: (mode) => [{ kind: 'trading-mode', mode }],
  },
  {
    pattern: /^Login attempt: (\d{1,9})$/,
    facts: (number) => [{ kind: 'login-attempt', number: Number(number) }],
  },
  { pattern: /^Click button: (?:Paper )?Log ?In$/i, facts: () => [{ kind: 'login-submitted' }] },
  { pattern: /^Click button: I understand and accept$/i, facts: () => [{ kind: 'paper-warning' }] },
  { pattern: /^Found (?:Gateway|TWS) main window$/, facts: () => [{ kind: 'main-window' }] },
  { pattern: /^Second Factor Authentication initiated$/, facts: () => [{ kind: 'second-factor-initiated' }] },
  {
    // Builds whose login frame itself turns into the second factor.
    pattern: /^Login frame has now become SecondFactorAuthenticationDialog$/,
    facts: () => [{ kind: 'second-factor-shown' }],
  },
  {
    pattern: /^Duration since login: (\d{1,9}) seconds$/,
    facts: (seconds) => [{ kind: 'second-factor-duration', seconds: Number(seconds) }],
  },
  {
    pattern: /^If login has not completed, IBC will exit in (\d{1,9}) seconds$/,
    facts: (seconds) => [{ kind: 'second-factor-exit-timer', seconds: Number(seconds) }],
  },
  {
    pattern: /^Re-login after second factor authentication timeout (not required|in \d{1,9} seconds?)$/,
    facts: (how) => [{ kind: 'second-factor-timeout', relogin: how !== 'not required' }],
  },
  {
    pattern: /^IBC closing because login has not completed after Second Factor Authentication$/,
    facts: () => [{ kind: 'second-factor-login-hung' }],
    fenced: true,
  },
  {
    pattern: /^could not find second factor device '(.*)' in the list$/s,
    facts: (device) => [{ kind: 'second-factor-device-unknown', device: shorten(device) }],
    fenced: true,
  },
  {
    pattern: /^You should specify the required second factor device using the SecondFactorDevice setting/,
    facts: () => [{ kind: 'second-factor-device-unknown', device: null }],
    fenced: true,
  },
  { pattern: /^Login has completed$/, facts: () => [{ kind: 'logged-in' }] },
  { pattern: /^Login has completed: exiting via /, facts: () => [{ kind: 'stopping', how: 'tidy' }] },
  {
    pattern: /^Login has not completed: exiting immediately$/,
    facts: () => [{ kind: 'stopping', how: 'hard' }],
  },
  { pattern: /^STOP already in progress$/, facts: () => [{ kind: 'stop-already-in-progress' }] },
  {
    pattern: /^IBC closing after TWS\/Gateway failed to display login dialog$/,
    facts: () => [{ kind: 'login-dialog-timeout' }],
    fenced: true,
  },
  { pattern: /^Login failed$/, facts: () => [{ kind: 'login-failed' }] },
  { pattern: /^Login error message:/, facts: () => [{ kind: 'login-error' }] },
  {
    pattern: /^(Connection to server failed.*)$/s,
    facts: (text) => [{ kind: 'connection-failed', text: shorten(text) }],
  },
  {
    // The flag file is made at this line, and no "Cold restart in progress" need follow.
    pattern: /^Login dialog has been invalidated - initiate cold restart$/,
    facts: () => [{ kind: 'login-invalidated' }, { kind: 'cold-restart-requested' }],
  },
  { pattern: /^Cold restart in progress$/, facts: () => [{ kind: 'cold-restart-requested' }] },
  {
    pattern: /^(Too many failed login attempts.*)$/is,
    facts: (text) => [{ kind: 'locked-out', seconds: readWaitingTime(text) }],
  },
  {
    pattern: /^Will re-login at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}); login number: (\d{1,9})$/,
    facts: (at, number) => [{ kind: 'relogin-planned', at, number: Number(number) }],
  },
  {
    pattern: /^[^(]*\(scenario ([1-6])\)$/,
    facts: (digit) => {
      const scenario = Number(digit) as ExistingSessionScenario;
      return [{ kind: 'existing-session-decision', scenario, ends: scenario % 2 === 0 }];
    },
  },
  { pattern: /^Trading Login Handoff dialog;/, facts: () => [{ kind: 'session-handoff' }] },
  { pattern: /^Re-login to session$/, facts: () => [{ kind: 'relogin-required' }] },
  { pattern: /^Getting config dialog$/, facts: () => [{ kind: 'config-requested' }] },
  { pattern: /^Configuration tasks completed$/, facts: () => [{ kind: 'config-done' }] },
  {
    pattern: /^TWS API socket port (?:now|is already) set to (.*)$/s,
    facts: (value) => [applied('OverrideTwsApiPort', value)],
  },
  {
    pattern: /^TWS Master Client ID (?:now|is already) set to (.*)$/s,
    facts: (value) => [applied('OverrideTwsMasterClientID', value)],
  },
  {
    pattern: /^Read-Only API checkbox is (?:now|already) set to: (.*)$/s,
    facts: (value) => [applied('ReadOnlyApi', value)],
  },
  {
    pattern: /^Send Market Data In Lots checkbox is (?:now|already) set to: (.*)$/s,
    facts: (value) => [applied('SendMarketDataInLotsForUSstocks', value)],
  },
  {
    pattern: /^Auto (restart|logoff) time (?:already set|set|changed from .{0,40}) to (\d\d?:\d\d \S{2,5})$/i,
    facts: (which, value = '') => [
      applied(which.toLowerCase() === 'restart' ? 'AutoRestartTime' : 'AutoLogoffTime', value),
    ],
  },
  {
    pattern: /^'([^']*)' is (?:now|already) (selected|unselected)$/,
    facts: (checkbox, value = '') => [applied(shorten(checkbox), value)],
  },
  {
    // The line after it names the verb again; this one comes first.
    pattern: /^RestartTask: pauseOnly = (true|false)$/,
    facts: (pause) => [{ kind: 'restart-requested', verb: pause === 'true' ? 'PAUSE' : 'RESTART' }],
  },
  {
    pattern: /^Setting auto-restart time to (\d\d?:\d\d \S{2,5})$/,
    facts: (time) => [{ kind: 'restart-planned', time }],
  },
  { pattern: /^(RESTART|PAUSE) already in progress$/, facts: (verb) => [{ kind: 'restart-refused', verb }] },
  {
    // `Exiting with exit code=` is what IBC before 3.24 wrote.
    pattern: /^Exiting (?:after error )?with exit code=(\d{1,9})$/i,
    facts: (code) => [{ kind: 'fatal', code: Number(code) }],
  },
];

/** Beginnings of IBC's lines that state nothing here. Known, so that they are not taken for a dialog's words or for a fenced error. */
const CHATTER =
  /^(?:using default |CommandServer(?!: invalid)|Closing command channel|TWS Settings directory |Creating |Ensuring |Found setting|Can't find setting|Confirmed |Missing lines |Rewriting |Some settings updated | {4}jts\.ini: |Clicking |Setting |Click button: |Button |Getting |Got |Waiting |Invoking |Main window |Config dialog |Minimizing |Performing |TWS API socket port was |TWS Master Client ID was |Checkbox|RestartTask: |Window structure for |Login has already completed|ExistingSessionDetectedAction |Invalid number |Invalid character )/;

const EXCEPTION = /^An exception has occurred:/;

type WindowLine = { readonly type: 'frame' | 'dialog'; readonly title: string; readonly event: string };

/** The parts of IBC's window-event line, or null. The title may hold anything, so the event is what follows the last `; event=`. */
function readWindowLine(text: string): WindowLine | 'untitled' | null {
  // IBC before 3.24 wrote a capital D.
  const match = /^detected (?:(frame|dialog) entitled: |window: )/i.exec(text);
  if (match === null) return null;
  const cut = text.lastIndexOf('; event=');
  if (cut < match[0].length) return null;
  if (match[1] === undefined) return 'untitled';
  return {
    type: match[1].toLowerCase() === 'frame' ? 'frame' : 'dialog',
    title: shorten(text.slice(match[0].length, cut)),
    event: shorten(text.slice(cut + '; event='.length)),
  };
}

const SECOND_FACTOR_TITLE = /second factor authentication|security code card authentication/i;
const LIVE_MODE = /^using default trading mode manager: .*tradingMode=live$/is;
const SHOWING = new Set(['Opened', 'Activated', 'Focused']);

/**
 * Windows that need no fact of their own because they belong to a login or a close that goes its way, or because another
 * line tells of them: main window, login frame, configuration, exit confirmation, shutdown, the refusals.
 */
const KNOWN_WINDOWS: readonly { readonly type: 'frame' | 'dialog' | 'any'; readonly title: RegExp }[] = [
  { type: 'frame', title: /^loading\.\.\.$/i },
  { type: 'frame', title: /(?:ibkr|ib|interactive brokers) gateway/i },
  { type: 'any', title: /configuration/i },
  { type: 'dialog', title: /^exit$/i },
  { type: 'dialog', title: /^shutdown progress$/i },
  { type: 'dialog', title: /^login failed$/i },
  { type: 'dialog', title: /^login error$/i },
  { type: 'dialog', title: /too many failed login attempts/i },
  { type: 'dialog', title: /trading login handoff/i },
];

/** What a window's event states, whatever came before it. */
function readWindowFact(window: WindowLine): IbcFact | null {
  const { type, title, event } = window;
  const shows = SHOWING.has(event);
  if (SECOND_FACTOR_TITLE.test(title)) {
    if (event === 'Opened') return { kind: 'second-factor-opened' };
    if (event === 'Closed') return { kind: 'second-factor-closed' };
    return shows ? { kind: 'second-factor-shown' } : null;
  }
  // The exact title is not known for sure; no line but this one tells of a wrong password.
  if (/unrecogni[sz]ed/i.test(title)) return shows ? { kind: 'credentials-rejected', title } : null;
  if (/existing session detected/i.test(title)) return shows ? { kind: 'existing-session' } : null;
  if (/re-login is required/i.test(title)) return shows ? { kind: 'relogin-dialog' } : null;
  if (/^shutdown progress$/i.test(title)) return event === 'Opened' ? { kind: 'shutdown-progress' } : null;
  if (
    KNOWN_WINDOWS.some((known) => (known.type === 'any' || known.type === type) && known.title.test(title))
  ) {
    return null;
  }
  // The splash frame: its titles are the steps of the login (`Authenticating...`, `Attempt 2: Authenticating...`).
  if (type === 'frame' && title.endsWith('...')) return { kind: 'login-progress', title };
  return shows || event === 'Closed' ? { kind: 'window', type, title, event } : null;
}

/**
 * Reads the output of one JVM, line by line in order; a new JVM needs a new parser. It may start in the middle. Never throws;
 * a line that states nothing, or that is not IBC's, gives no facts.
 */
export class IbcLogParser {
  /** `used`: the fence holds its error already. */
  #fence: 'none' | 'open' | 'used' = 'none';
  #fenceLines = 0;
  /** What the raw lines that follow may belong to. */
  #continues: 'nothing' | 'exception' | 'login-error' | 'locked-out' = 'nothing';
  #continued = 0;
  #secondFactorShown = false;
  /** Dialogs that were announced and are not closed yet, by the kind of their fact. */
  readonly #announced = new Set<IbcFact['kind']>();
  #progress: string | null = null;
  #configuring = false;
  #live = false;
  /** What the next line may be: the labels of a dialog titled *Gateway*, or the click that picks a second factor device. */
  #awaiting: 'nothing' | 'labels' | 'device-click' = 'nothing';

  /** The facts that this line states, usually none, rarely two. Without the line end. */
  push(line: string): IbcFact[] {
    const ibc = readIbcLine(line);
    const facts = ibc === null ? this.#readRaw(withoutReturn(line)) : this.#readText(ibc.text);
    return facts.filter((fact) => this.#admit(fact));
  }

  #readRaw(line: string): IbcFact[] {
    if (line.length < FENCE.length + 8 && line.trimEnd() === FENCE) return this.#crossFence();
    if (this.#fence === 'used' && ++this.#fenceLines > LONGEST_FENCE) this.#fence = 'none';
    const words = shorten(line).trim();
    if (this.#continues === 'nothing' || words === '') return [];
    if (++this.#continued > LONGEST_CONTINUATION) this.#continues = 'nothing';
    switch (this.#continues) {
      case 'exception':
        this.#continues = 'nothing';
        return [{ kind: 'exception', text: words }];
      case 'locked-out': {
        const seconds = readWaitingTime(words);
        if (seconds === null) return [];
        this.#continues = 'nothing';
        return [{ kind: 'locked-out', seconds }];
      }
      case 'login-error':
        return [{ kind: 'login-error-text', text: words }];
      default:
        return [];
    }
  }

  #crossFence(): IbcFact[] {
    const noReason = this.#continues === 'exception';
    this.#continues = 'nothing';
    this.#fenceLines = 0;
    // A fence without an error was no beginning but an end: the lines were picked up in the middle of one.
    this.#fence = this.#fence === 'used' ? 'none' : 'open';
    return noReason ? [{ kind: 'exception', text: '' }] : [];
  }

  #readText(text: string): IbcFact[] {
    const window = readWindowLine(text);
    if (window !== null) {
      this.#countStray();
      return window === 'untitled' ? [] : this.#readWindow(window);
    }
    const awaiting = this.#awaiting;
    if (!text.startsWith('Window structure for ')) this.#awaiting = 'nothing';
    // An exception's reason may come after another thread's line; the other texts end with the next line of IBC.
    if (this.#continues !== 'exception') this.#continues = 'nothing';

    const words = text.slice(0, LONGEST_TEXT);
    if (EXCEPTION.test(words)) {
      this.#useFence();
      this.#continue('exception');
      return [];
    }
    if (LIVE_MODE.test(words)) this.#live = true;
    for (const rule of RULES) {
      const match = rule.pattern.exec(words);
      if (match === null) continue;
      const [, first = '', ...others] = match;
      const facts = [...rule.facts(first, ...others)];
      if (rule.fenced !== true) this.#countStray();
      else if (this.#useFence()) facts.push({ kind: 'error', text: shorten(words) });
      return facts;
    }
    if (awaiting === 'device-click' && /^Click button: OK$/i.test(words)) {
      return [{ kind: 'second-factor-device-chosen' }];
    }
    if (CHATTER.test(words)) {
      this.#countStray();
      return [];
    }
    if (this.#useFence()) return [{ kind: 'error', text: shorten(words) }];
    return awaiting === 'labels' && words.trim() !== ''
      ? [{ kind: 'dialog-text', text: shorten(words) }]
      : [];
  }

  #readWindow(window: WindowLine): IbcFact[] {
    if (window.event === 'Closed') this.#forgetDialog(window.title);
    // In paper mode this is the notice that IBC accepts with a line of its own; a live login has no such notice.
    if (/^warning$/i.test(window.title) && !this.#live) return [];
    const fact = readWindowFact(window);
    if (fact?.kind !== 'window') return fact === null ? [] : [fact];
    if (window.type === 'dialog' && window.event === 'Opened' && /gateway/i.test(window.title)) {
      this.#awaiting = 'labels';
    }
    return [fact];
  }

  #forgetDialog(title: string): void {
    const fact = readWindowFact({ type: 'dialog', title, event: 'Opened' });
    if (fact !== null) this.#announced.delete(fact.kind);
  }

  /** Whether a fact that the line states is news; also keeps what later lines depend on. */
  #admit(fact: IbcFact): boolean {
    switch (fact.kind) {
      case 'trading-mode':
        this.#live = fact.mode.toLowerCase() === 'live';
        return true;
      case 'login-attempt':
        this.#progress = null;
        this.#secondFactorShown = false;
        this.#announced.clear();
        return true;
      case 'login-progress':
        // One event line after the other shows the same title.
        if (fact.title === this.#progress) return false;
        this.#progress = fact.title;
        return true;
      case 'second-factor-opened':
        this.#secondFactorShown = true;
        this.#awaiting = 'device-click';
        return true;
      case 'second-factor-shown': {
        const news = !this.#secondFactorShown;
        this.#secondFactorShown = true;
        return news;
      }
      case 'second-factor-closed':
        this.#secondFactorShown = false;
        return true;
      case 'credentials-rejected':
      case 'existing-session':
      case 'relogin-dialog':
        // Which of Opened, Activated and Focused comes first, or at all, differs from build to build.
        if (this.#announced.has(fact.kind)) return false;
        this.#announced.add(fact.kind);
        return true;
      case 'config-requested': {
        // IBC asks for the dialog once a setting.
        const news = !this.#configuring;
        this.#configuring = true;
        return news;
      }
      case 'config-done':
        this.#configuring = false;
        return true;
      case 'login-error':
        this.#continue('login-error');
        return true;
      case 'locked-out':
        if (fact.seconds === null) this.#continue('locked-out');
        return true;
      default:
        return true;
    }
  }

  #continue(what: 'exception' | 'login-error' | 'locked-out'): void {
    this.#continues = what;
    this.#continued = 0;
  }

  /** Takes a line as the error of the open fence; false when no fence waits for one. */
  #useFence(): boolean {
    if (this.#fence !== 'open') return false;
    this.#fence = 'used';
    this.#fenceLines = 0;
    return true;
  }

  /** Another thread's line. Without a bound, one fence line too many would turn all later lines into errors. */
  #countStray(): void {
    if (this.#fence === 'none') return;
    if (++this.#fenceLines > STRAY_LINES_IN_FENCE && this.#fence === 'open') this.#fence = 'none';
  }
}

function applied(setting: string, value: string): IbcFact {
  return { kind: 'setting-applied', setting, value: shorten(value) };
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { hour: 3600, minute: 60, second: 1 };

/** Seconds in a text such as `wait 4 minutes & 47 seconds`; null when it names no time. */
function readWaitingTime(text: string): number | null {
  let seconds: number | null = null;
  for (const [, count, unit = ''] of text.matchAll(/(\d{1,6}) (hour|minute|second)s?\b/gi)) {
    seconds = (seconds ?? 0) + Number(count) * (UNIT_SECONDS[unit.toLowerCase()] ?? 0);
  }
  return seconds;
}

function shorten(text: string): string {
  return text.length > LONGEST_WORDS ? `${text.slice(0, LONGEST_WORDS)}…` : text;
}

function withoutReturn(text: string): string {
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}
