// Owns how a length of time is written in the configuration: one whole number and one unit.

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

export const DURATION_PATTERN = /^\d{1,9}(ms|s|m|h)$/;

/** Milliseconds of a text such as `30s`, `2m`, `1h`, `500ms`; null for anything else, also for a bare number. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text);
  if (match === null) return null;
  const unit = match[2];
  if (unit !== 'ms' && unit !== 's' && unit !== 'm' && unit !== 'h') return null;
  return Number(match[1]) * UNITS[unit];
}

/** The shortest exact text for a whole number of milliseconds; {@link parseDuration} reads it back. */
export function formatDuration(ms: number): string {
  if (ms > 0 && ms % UNITS.h === 0) return `${ms / UNITS.h}h`;
  if (ms > 0 && ms % UNITS.m === 0) return `${ms / UNITS.m}m`;
  if (ms % UNITS.s === 0) return `${ms / UNITS.s}s`;
  return `${ms}ms`;
}
