// Owns how sessions look to a person: the status table, the lines under it, and the words for states and second factors.

import type {
  Condition,
  NextStep,
  Progress,
  SecondFactor,
  SessionStatus,
  Status,
} from '../protocol/methods.ts';
import type { SecondFactorMethod, SessionStateName, Severity } from '../protocol/states.ts';
import type { Paint, Style } from './output.ts';
import { shellQuote } from './shell-quote.ts';
import { type Column, displayWidth, printable, renderTable, wrap } from './table.ts';
import { formatComing, formatDuration, formatTime, formatZone, fromWire } from './time-text.ts';

export type Layout = {
  /** Epoch milliseconds that ages and times left are counted from. */
  readonly now: number;
  readonly columns: number;
  readonly paint: Paint;
};

const STATE_STYLES: Readonly<Record<SessionStateName, Style>> = {
  stopped: 'dim',
  starting: 'cyan',
  'logging-in': 'cyan',
  'awaiting-second-factor': 'yellow',
  loading: 'cyan',
  ready: 'green',
  degraded: 'yellow',
  restarting: 'cyan',
  'backing-off': 'yellow',
  halted: 'red',
  stopping: 'cyan',
};

const SEVERITY_STYLES: Readonly<Record<Severity, Style>> = { info: 'cyan', warning: 'yellow', error: 'red' };

const METHOD_NAMES: Readonly<Record<SecondFactorMethod, string>> = {
  'ib-key': 'IB Key',
  totp: 'code of ib-code',
  code: 'code',
  challenge: 'challenge',
  'device-choice': 'choice of device',
  passkey: 'passkey',
  unknown: 'unknown method',
};

/** From this width on the table has more columns than it needs. */
const WIDE_COLUMNS = 120;

export function paintState(paint: Paint, state: SessionStateName, text: string): string {
  return paint(STATE_STYLES[state] ?? 'cyan', text);
}

/** `2m 19s left (until 09:03:00), IB Key, attempt 1`: a narrow terminal cuts the end off, not the time. */
export function secondFactorText(pending: SecondFactor, now: number): string {
  const deadline = fromWire(pending.deadline);
  const left = deadline > now ? `${formatDuration(deadline - now)} left` : 'time is up';
  return `${left} (until ${formatTime(deadline)}), ${METHOD_NAMES[pending.method] ?? pending.method}, attempt ${pending.attempt}`;
}

/** What a person does about a second factor, without the time: that stands beside it, and runs. */
const SECOND_FACTOR_HINTS: Readonly<Record<SecondFactorMethod, string>> = {
  'ib-key': 'approve the notification of IBKR Mobile on the phone',
  totp: 'ib-code types the code: nothing is to be done',
  code: 'hand in the code with: ibctl code NAME',
  challenge: 'hand in the answer with: ibctl code NAME',
  passkey: 'the login asks for a passkey, which only a person can give',
  'device-choice':
    'the gateway asks which device to use: choose one in its window, and set secondFactor.device',
  unknown: "answer IBKR's second factor",
};

/** With the command for the session of this name. */
export function secondFactorHint({ method, devices }: SecondFactor, session: string): string {
  const [first] = devices ?? [];
  if (method === 'device-choice' && devices !== null && first !== undefined) {
    const all = devices.map((device) => JSON.stringify(device)).join(', ');
    return `choose one of ${all}, such as: ibctl login ${session} --device ${shellQuote(first)}`;
  }
  return (SECOND_FACTOR_HINTS[method] ?? SECOND_FACTOR_HINTS.unknown).replace('NAME', session);
}

/** What the window asks a person to type; null when it asks for nothing of the kind. */
export function secondFactorAsks({ method, prompt, challenge }: SecondFactor): string | null {
  if (challenge !== null) return `challenge: ${printable(challenge)}`;
  return method === 'code' && prompt !== null ? `asks: ${printable(prompt)}` : null;
}

/** The conditions without the one that a pending second factor tells already. */
export function untoldConditions(session: {
  readonly secondFactor: SecondFactor | null;
  readonly conditions: readonly Condition[];
}): readonly Condition[] {
  const { secondFactor, conditions } = session;
  return secondFactor === null
    ? conditions
    : conditions.filter(({ code }) => code !== 'second-factor-pending');
}

const NEXT_NAMES: Readonly<Record<NextStep['kind'], string>> = {
  login: 'login',
  'warm-restart': 'warm restart',
  'give-up': 'gives up',
};

/** As they stand in the table, where there is little room. */
const NEXT_SHORT: typeof NEXT_NAMES = { ...NEXT_NAMES, 'warm-restart': 'restart' };

/** `warm restart 23:45`, `login in 2m 10s, second factor`. */
export function nextText(next: NextStep, now: number): string {
  const words = `${NEXT_NAMES[next.kind] ?? next.kind} ${formatComing(fromWire(next.at), now)}`;
  return next.needsSecondFactor === true ? `${words}, second factor` : words;
}

/** The whole of `ibctl status`, ending with a newline. */
export function renderStatus(status: Status, layout: Layout): string {
  const { agent, sessions } = status;
  const lines = wrap(headLine(status, layout), layout.columns);
  if (layout.columns >= WIDE_COLUMNS) {
    const host = hostLine(agent.host);
    if (host !== '') lines.push(layout.paint('dim', host));
  }
  lines.push('');
  if (sessions.length === 0) {
    lines.push('no session is configured');
    return `${lines.join('\n')}\n`;
  }
  const table = renderTable(statusColumns(sessions, layout), layout.columns, (text) =>
    layout.paint('bold', text),
  );
  lines.push(...table.lines);
  const room = table.shown.get('NEXT') ?? 0;
  for (const session of sessions) {
    const details = sessionDetails(session, layout, displayWidth(nextCell(session, layout)) <= room);
    if (details.length > 0) lines.push('', layout.paint('bold', session.name), ...details);
  }
  return `${lines.join('\n')}\n`;
}

function headLine({ agent, sessions }: Status, { now }: Layout): string {
  const up = formatDuration(now - fromWire(agent.startedAt));
  const count = sessions.length === 1 ? '1 session' : `${sessions.length} sessions`;
  return printable(`ib-agent ${agent.version}, up ${up}, ${count}, times in ${formatZone(now)}`);
}

function hostLine(host: Status['agent']['host']): string {
  const parts: string[] = [];
  if (host.load1 !== null)
    parts.push(`load ${host.load1.toFixed(2)}${host.cpus === null ? '' : ` on ${host.cpus} cpus`}`);
  if (host.memoryAvailableBytes !== null)
    parts.push(`memory ${free(host.memoryAvailableBytes, host.memoryTotalBytes)}`);
  if (host.diskAvailableBytes !== null)
    parts.push(`disk ${free(host.diskAvailableBytes, host.diskTotalBytes)}`);
  return parts.length === 0 ? '' : `host: ${parts.join(', ')}`;
}

function free(available: number, total: number | null): string {
  return `${formatBytes(available)} free${total === null ? '' : ` of ${formatBytes(total)}`}`;
}

/** `312 MiB`, `7.8 GiB`. */
export function formatBytes(bytes: number): string {
  const mebibytes = bytes / 1024 ** 2;
  if (mebibytes < 1000) return `${Math.round(mebibytes)} MiB`;
  const gibibytes = mebibytes / 1024;
  return `${gibibytes.toFixed(gibibytes < 100 ? 1 : 0)} GiB`;
}

function statusColumns(sessions: readonly SessionStatus[], layout: Layout): readonly Column[] {
  const { now, paint } = layout;
  const column = (title: string, drop: number, cell: (session: SessionStatus) => string): Column => ({
    title,
    drop,
    cells: sessions.map((session) => printable(cell(session))),
  });
  const wide = layout.columns >= WIDE_COLUMNS;
  const extra: readonly Column[] = wide
    ? [
        column('BROKER', 20, brokerCell),
        column('ACCOUNTS', 21, ({ api }) => (api.accounts.length === 0 ? '-' : api.accounts.join(','))),
        column('VERSION', 24, ({ process }) => process.gatewayVersion ?? '-'),
        column('PID', 26, ({ process }) => (process.pid === null ? '-' : String(process.pid))),
        column('MEMORY', 22, ({ process }) =>
          process.rssBytes === null ? '-' : formatBytes(process.rssBytes),
        ),
        column('CPU', 23, ({ process }) =>
          process.cpuPercent === null ? '-' : `${process.cpuPercent.toFixed(1)}%`,
        ),
        column('LOGINS 24H', 25, ({ ledger }) => String(ledger.logins24h)),
      ]
    : [];
  return [
    column('NAME', 0, ({ name }) => name),
    column('MODE', 3, ({ mode }) => mode),
    {
      ...column('STATE', 0, ({ state }) => state),
      paint: (text, row) => {
        const session = sessions[row];
        return session === undefined ? text : paintState(paint, session.state, text);
      },
    },
    column('SINCE', 2, ({ since }) => formatDuration(now - fromWire(since))),
    column('API', 4, (session) => apiCell(session, wide)),
    ...extra,
    {
      ...column('NEXT', 5, (session) => nextCell(session, layout)),
      least: 12,
    },
  ];
}

function nextCell({ secondFactor, next }: SessionStatus, { now }: Layout): string {
  if (secondFactor !== null) return `${formatDuration(fromWire(secondFactor.deadline) - now)} left`;
  return next === null
    ? '-'
    : `${NEXT_SHORT[next.kind] ?? next.kind} ${formatComing(fromWire(next.at), now)}`;
}

/** The port, and whether the API answers: `ok`, `down`, or `-` when nobody knows. */
function apiCell({ api }: SessionStatus, wide: boolean): string {
  if (api.ok === null) return `${api.port} -`;
  if (!api.ok) return `${api.port} down`;
  return `${api.port} ok${wide && api.latencyMs !== null ? ` ${Math.round(api.latencyMs)} ms` : ''}`;
}

function brokerCell({ broker }: SessionStatus): string {
  if (broker.connected === null) return '-';
  if (!broker.connected) return 'lost';
  const down = broker.farms.filter((farm) => farm.ok === false).length;
  return down === 0 ? 'ok' : `ok, ${down} farm${down === 1 ? '' : 's'} down`;
}

function sessionDetails(session: SessionStatus, layout: Layout, nextIsInTable: boolean): string[] {
  const lines: string[] = [];
  const add = (text: string, style?: Style) => {
    const [head = '', ...rest] = wrap(printable(text), layout.columns, '  ', '    ');
    lines.push(style === undefined ? head : paintHead(head, style, layout.paint), ...rest);
  };
  const hint = (text: string) => {
    if (text === '') return;
    lines.push(...wrap(printable(text), layout.columns, '  hint: ', '        '));
  };
  if (session.secondFactor !== null) {
    add(`second factor: ${secondFactorText(session.secondFactor, layout.now)}`, 'yellow');
    const asks = secondFactorAsks(session.secondFactor);
    if (asks !== null) add(asks);
    hint(secondFactorHint(session.secondFactor, session.name));
  }
  const stuck = session.state === 'halted' || session.state === 'backing-off';
  if (stuck) {
    const reason = session.reason === null ? '' : `: ${session.reason}`;
    add(`${session.state}${reason}`, STATE_STYLES[session.state]);
  }
  if (session.next !== null && (stuck || (!nextIsInTable && session.secondFactor === null))) {
    add(`next: ${nextText(session.next, layout.now)} (${session.next.why})`);
  }
  // While a session is up nobody asks for a login; ibctl plan tells it all the same.
  const { deferral } = session.ledger;
  const isDown = stuck || session.state === 'stopped';
  if (deferral !== null && isDown && fromWire(deferral.until) > layout.now) {
    add(
      `next login: allowed ${formatComing(fromWire(deferral.until), layout.now)} (${deferral.text})`,
      'yellow',
    );
  }
  for (const condition of untoldConditions(session)) {
    add(conditionText(condition, layout.now), SEVERITY_STYLES[condition.severity]);
    hint(condition.hint);
  }
  if (session.state === 'halted' && session.conditions.every((condition) => condition.hint === '')) {
    hint(`see why with "ibctl events ${session.name}"; when it is put right: ibctl login ${session.name}`);
  }
  return lines;
}

/** Paints a line up to its first colon. */
function paintHead(line: string, style: Style, paint: Paint): string {
  const end = line.indexOf(':');
  const at = end === -1 ? line.length : end;
  return `  ${paint(style, line.slice(2, at))}${line.slice(at)}`;
}

/** `warning farm-down for 4m 2s: data farm usfarm is down`; without the time when it has just begun. */
export function conditionText(condition: Condition, now: number): string {
  const age = now - fromWire(condition.since);
  const since = age < 1000 ? '' : ` for ${formatDuration(age)}`;
  return `${condition.severity} ${condition.code}${since}: ${condition.text}`;
}

/** What a line of progress says after the elapsed time. */
export function progressText(progress: Progress, now: number): string {
  const { state, reason, secondFactor, next } = progress;
  if (secondFactor !== null) return printable(`${state}: ${secondFactorText(secondFactor, now)}`);
  const because = reason === null ? '' : ` (${reason})`;
  if (isRestartComing(progress) && next !== null) {
    const at = fromWire(next.at);
    // Up to a minute after the time that was set the gateway may still be at it.
    const when = at > now ? `in ${formatDuration(at - now)} (${formatTime(at)})` : 'now';
    return printable(`${state}${because}, the gateway restarts itself ${when}`);
  }
  const then = state === 'backing-off' && next !== null ? `, ${nextText(next, now)}` : '';
  return printable(`${state}${because}${then}`);
}

/** Whether the session serves on until a restart whose time is known. */
export function isRestartComing({ state, next }: Progress): boolean {
  return (state === 'ready' || state === 'degraded') && next?.kind === 'warm-restart';
}
