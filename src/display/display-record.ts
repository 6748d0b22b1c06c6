// Owns display.json, by which a display tells its session's launcher and the agent which number it took.

export type DisplayRecord = {
  readonly v: 1;
  readonly number: number;
  /** `:NUMBER`, as it goes into DISPLAY. */
  readonly display: string;
  /** Of the X server: the launcher that wrote this becomes it. */
  readonly pid: number;
  /** Epoch milliseconds. */
  readonly at: number;
};

export function formatDisplayRecord(record: DisplayRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/** The record in a file's text, or null when it is not one. */
export function parseDisplayRecord(text: string): DisplayRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { v, number, pid, at } = value as Record<string, unknown>;
  if (v !== 1 || typeof number !== 'number' || typeof pid !== 'number' || typeof at !== 'number') return null;
  if (!Number.isInteger(number) || number < 0) return null;
  return { v, number, display: `:${number}`, pid, at };
}
