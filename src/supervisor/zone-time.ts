// Owns when a wall-clock time comes next in a time zone.

const DAY_MS = 24 * 3_600_000;
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

export type TimeOfDay = { readonly hour: number; readonly minute: number };

/** `11:45 PM` or `23:45`; null when the text is no time of day. */
export function parseTimeOfDay(text: string): TimeOfDay | null {
  const match = /^(\d{1,2}):(\d{2})(?:\s*([AaPp])[Mm])?$/.exec(text.trim());
  if (match === null) return null;
  const minute = Number(match[2]);
  const half = match[3]?.toLowerCase();
  let hour = Number(match[1]);
  if (minute > 59 || hour > (half === undefined ? 23 : 12) || (half !== undefined && hour < 1)) return null;
  if (half !== undefined) hour = (hour % 12) + (half === 'p' ? 12 : 0);
  return { hour, minute };
}

/** Epoch milliseconds at which it is that time next after `now`, on `weekday` (0: Sunday) when one is given. */
export function nextZoneTime(now: number, zone: string, time: TimeOfDay, weekday?: number): number {
  const today = partsOf(now, zone);
  for (let day = 0; day < 9; day += 1) {
    const local = Date.UTC(today.year, today.month - 1, today.day + day, time.hour, time.minute);
    // The offset at the time that is looked for is not known before it is: the second guess has it, but for a time that a change skips.
    const first = local - offsetMs(local, zone);
    const at = local - offsetMs(first, zone);
    if (at <= now) continue;
    if (weekday === undefined || partsOf(at, zone).weekday === weekday) return at;
  }
  return now + 7 * DAY_MS;
}

function offsetMs(at: number, zone: string): number {
  const { year, month, day, hour, minute } = partsOf(at, zone);
  return Date.UTC(year, month - 1, day, hour, minute) - Math.floor(at / 60_000) * 60_000;
}

function partsOf(at: number, zone: string) {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    weekday: 'short',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  });
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const number = (type: Intl.DateTimeFormatPartTypes) => Number(parts.get(type));
  return {
    year: number('year'),
    month: number('month'),
    day: number('day'),
    hour: number('hour'),
    minute: number('minute'),
    weekday: WEEKDAYS.indexOf(parts.get('weekday') ?? ''),
  };
}
