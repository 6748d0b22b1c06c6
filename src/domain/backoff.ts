// Owns how long the agent waits before it tries again.

/**
 * Exponential back-off with equal jitter: between half of and the whole of `min · 2^(streak-1)`, at most `max`.
 * `streak` counts failures in a row from 1; `random` is in [0, 1). Half stays fixed so that no try comes at once.
 */
export function backoffMs(streak: number, random: number, minMs: number, maxMs: number): number {
  const exponent = Math.min(Math.max(0, streak - 1), 30);
  const whole = Math.min(maxMs, minMs * 2 ** exponent);
  return Math.round(whole / 2 + random * (whole / 2));
}
