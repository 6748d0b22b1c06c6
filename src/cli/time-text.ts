// Owns how ibctl reads and writes time: durations, local clock times, and "since" of the command line.

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const DURATION_RULE = 'a duration such as 90s, 5m, 1h30m or 2d';
const LONGEST_MS = 7 * 86_400_000;

/** Milliseconds of a duration such as `90s` or `1h30m`, at most seven days; null when the text is none. */
export function parseDuration(text: string): number | null {
  if (!/^(?:\d+(?:ms|s|m|h|d))+$/.test(text)) return null;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (UNITS_MS[unit ?? ''] ?? Number.NaN);
  }
  return total <= LONGEST_MS ? total : null;
}

/** What {@link parseDuration} accepts, for error texts. */
export function durationRule(): string {
  return `${DURATION_RULE}, at most 7d`;
}

/**
 * Epoch milliseconds of a moment: a duration is taken as that long before `now`; else ISO 8601, where a time
 * without a zone is local. null when the text is neither.
 */
export function parseMoment(text: string, now: number): number | null {
  const ago = parseDuration(text);
  if (ago !== null) return now - ago;
  if (!/^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/.test(text))
    return null;
  // Date.parse takes a bare date as UTC but a date with a time as local; people mean local in both cases.
  const at = Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T'));
  return Number.isNaN(at) ? null : at;
}

/** What {@link parseMoment} accepts, for error texts. */
export const MOMENT_RULE = 'how long ago (10m, 2h) or a time (2026-11-23T09:00, local unless it has a zone)';

/** A duration in at most two units: `41s`, `2m 19s`, `3h 5m`, `4d 2h`. Negative counts as zero. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return join(minutes, 'm', seconds % 60, 's');
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return join(hours, 'h', minutes % 60, 'm');
  return join(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function join(major: number, majorUnit: string, minor: number, minorUnit: string): string {
  return minor === 0 ? `${major}${majorUnit}` : `${major}${majorUnit} ${minor}${minorUnit}`;
}

/** Seconds with one decimal, as shown before each line of progress: `  0.0s`, ` 12.3s`. */
export function formatElapsed(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(1)}s`.padStart(6);
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Local `2026-11-23 09:01:12`. */
export function formatDateTime(epochMs: number): string {
  const date = new Date(epochMs);
  return `${formatDate(date)} ${formatTime(epochMs)}`;
}

/** Local `09:01:12`. */
export function formatTime(epochMs: number): string {
  const date = new Date(epochMs);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function formatDate(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** A coming time as short as it stays clear: `in 2m 10s`, `23:45`, `Tue 23:45`, `2026-12-01 23:45`. Local. */
export function formatComing(epochMs: number, now: number): string {
  const ahead = epochMs - now;
  if (ahead <= 0) return 'now';
  if (ahead < 3_600_000) return `in ${formatDuration(ahead)}`;
  const date = new Date(epochMs);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  // Within a day the clock time says which day is meant.
  if (ahead < 86_400_000) return clock;
  return ahead < 6 * 86_400_000 ? `${DAYS[date.getDay()]} ${clock}` : `${formatDate(date)} ${clock}`;
}

/** Offset of local time at that moment: `UTC`, `UTC+1`, `UTC-3:30`. */
export function formatZone(epochMs: number): string {
  const minutes = -new Date(epochMs).getTimezoneOffset();
  if (minutes === 0) return 'UTC';
  const size = Math.abs(minutes);
  const rest = size % 60 === 0 ? '' : `:${two(size % 60)}`;
  return `UTC${minutes < 0 ? '-' : '+'}${Math.floor(size / 60)}${rest}`;
}

/** Epoch milliseconds of a time on the wire (ISO 8601, UTC). */
export function fromWire(time: string): number {
  return Date.parse(time);
}
