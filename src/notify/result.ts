// Owns how one try to deliver a notification ends, in words that hold no secret.

/** A try that failed: what to tell, what to do about it, and whether the same may succeed later. */
export type Failure = {
  readonly ok: false;
  readonly temporary: boolean;
  /** Without the address, which may be a secret. */
  readonly message: string;
  readonly hint: string;
  readonly httpStatus: number | null;
  /** What the server asked to wait for; null: nothing. */
  readonly retryAfterMs: number | null;
};

export type Result = { readonly ok: true; readonly httpStatus: number | null } | Failure;

export function failed(
  message: string,
  hint: string,
  more: Partial<Pick<Failure, 'temporary' | 'httpStatus' | 'retryAfterMs'>> = {},
): Failure {
  return { ok: false, temporary: false, httpStatus: null, retryAfterMs: null, ...more, message, hint };
}
