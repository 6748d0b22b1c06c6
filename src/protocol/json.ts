// Owns the looking into JSON of unknown shape.

/** Whether a parsed value is an object, whose values are not known yet; an array is none. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
