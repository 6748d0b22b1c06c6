// Owns one try to bring a notice to a target, whatever kind it is.

import type { ReadNotifySecret } from '../config/notify-secrets.ts';
import type { NotifyTarget } from '../config/types.ts';
import type { Clock } from '../host/clock.ts';
import { AgentError } from '../protocol/errors.ts';
import { runHook } from './command.ts';
import { sendRequest } from './http.ts';
import type { Notice } from './notice.ts';
import { makeRequest, type Request } from './request.ts';
import { failed, type Result } from './result.ts';

/** Tries once. Never rejects. Aborting the signal ends the try. */
export type Deliver = (target: NotifyTarget, notice: Notice, signal: AbortSignal) => Promise<Result>;

export function makeDeliver(parts: { readonly read: ReadNotifySecret; readonly clock: Clock }): Deliver {
  const { read, clock } = parts;
  return async (target, notice, signal) => {
    const { form, timeoutMs, allowInsecure } = target;
    if (form.kind === 'command') return await runHook(form.argv, notice, { timeoutMs, signal, clock });
    let request: Request;
    try {
      request = makeRequest(form, notice, read, clock.now());
    } catch (error) {
      // Without its secret a target cannot be reached; that must not look like anything else.
      if (error instanceof AgentError) return failed(error.message.replace(/\.$/, ''), error.hint ?? '');
      // Its text is not told: it may hold what it could not make a request of.
      const kind = error instanceof Error ? error.name : typeof error;
      return failed(`a defect in the agent (${kind})`, 'Please report it, with the type of the target.');
    }
    return await sendRequest(request, { kind: form.kind, timeoutMs, allowInsecure, signal });
  };
}
