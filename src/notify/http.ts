// Owns the sending of one HTTP request, and what its end means.

import { judgeAddress } from '../config/notify-address.ts';
import type { HttpForm, Request } from './request.ts';
import { failed, type Result } from './result.ts';

export type HttpOptions = {
  readonly kind: HttpForm['kind'];
  readonly timeoutMs: number;
  readonly allowInsecure: boolean;
  /** Ends the try. */
  readonly signal: AbortSignal;
};

/** Sends a request and looks at the status only. Never rejects; no text of the result holds any of the request. */
export async function sendRequest(request: Request, options: HttpOptions): Promise<Result> {
  // An address that is a secret is seen here for the first time.
  const problem = judgeAddress(request.url, options.allowInsecure);
  if (problem !== null) return failed(`the address cannot be used: ${problem}`, ADDRESS_HINT);
  const odd = Object.entries(request.headers).find(([, value]) => !/^[\t\x20-\x7e]*$/.test(value));
  if (odd !== undefined) {
    return failed(
      `the header ${odd[0]} has a character that is not ASCII`,
      'Correct the secret, or the header.',
    );
  }
  const timeout = AbortSignal.timeout(options.timeoutMs);
  try {
    const response = await fetch(request.url, {
      method: 'POST',
      headers: request.headers,
      body: request.body,
      // Not followed: what goes to one host, with its token, must not go to another.
      redirect: 'manual',
      signal: AbortSignal.any([timeout, options.signal]),
    });
    // What it says is not read: it may be without end.
    response.body?.cancel().catch(() => undefined);
    return judgeStatus(response.status, response.headers.get('retry-after'), options.kind);
  } catch (error) {
    if (timeout.aborted) {
      return failed(
        `no answer within ${options.timeoutMs} ms`,
        `Is the server slow, or does a firewall drop what is sent? ${UNIT_HINT}`,
        {
          temporary: true,
        },
      );
    }
    if (options.signal.aborted) return failed('it was cut off, as the agent stops', '', { temporary: true });
    return judgeError(codeOf(error));
  }
}

/** IPAddressDeny= of systemd.resource-control(5) drops packets: a connection then hangs, and a name server elsewhere is mute. */
const UNIT_HINT =
  'Without a drop-in ib-agent.service reaches this host only: docs/notifications.md, "Other hosts".';
const ADDRESS_HINT = 'Correct the secret, or the address in the configuration.';

function judgeStatus(status: number, retryAfter: string | null, kind: HttpForm['kind']): Result {
  if (status >= 200 && status < 300) return { ok: true, httpStatus: status };
  const httpStatus = status;
  const message = `the server answered with HTTP status ${status}`;
  if (status >= 300 && status < 400) {
    return failed(`${message}, a redirect, which is not followed`, 'Give the address it leads to.', {
      httpStatus,
    });
  }
  if (status === 429 || status === 503) {
    return failed(message, 'The server asks for fewer messages: choose fewer events, or a longer debounce.', {
      httpStatus,
      temporary: true,
      retryAfterMs: /^\d{1,6}$/.test(retryAfter ?? '') ? Number(retryAfter) * 1000 : null,
    });
  }
  if (status >= 500 || status === 408 || status === 425) {
    return failed(message, 'The trouble is on the side of the server.', { httpStatus, temporary: true });
  }
  return failed(message, refusalHint(kind, status), { httpStatus });
}

/** What a refusal usually means with each service. */
function refusalHint(kind: HttpForm['kind'], status: number): string {
  switch (kind) {
    case 'ntfy':
      if (status === 401 || status === 403)
        return 'The topic needs an access token, or this one may not write to it.';
      return 'Is server the address of an ntfy server, and is the topic allowed there?';
    case 'slack':
      return 'The incoming webhook is wrong, or was revoked: make a new one and replace the secret.';
    case 'telegram':
      if (status === 400)
        return 'Is chat right? A person must have written to the bot first, and a bot must be a member of the group.';
      if (status === 403) return 'The bot was blocked, or is no member of the chat any more.';
      return 'The token of the bot is wrong or was revoked: ask @BotFather, and replace the secret.';
    case 'webhook':
      if (status === 401 || status === 403) return 'The server wants other credentials: see secretHeaders.';
      return 'Does the address take JSON by POST?';
  }
}

/** Code of what undici says is behind a failed fetch; its texts may hold the address. */
function codeOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause;
  const code = inner instanceof Error && 'code' in inner ? inner.code : undefined;
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : 'UNKNOWN';
}

function judgeError(code: string): Result {
  if (code === 'ENOTFOUND') {
    return failed(
      'the name of the server is not known',
      'Is the host name right? Does this host reach a DNS server?',
      {
        temporary: true,
      },
    );
  }
  if (code === 'EAI_AGAIN') {
    return failed('no DNS server answers', `Is this host connected? ${UNIT_HINT}`, { temporary: true });
  }
  if (code === 'ECONNREFUSED') {
    return failed('the connection was refused', 'Does the server run, and is the port right?', {
      temporary: true,
    });
  }
  if (/^(CERT_|ERR_TLS_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO)/.test(code)) {
    return failed(
      `the certificate of the server cannot be trusted (${code})`,
      'It must be valid for the host name, and signed by an authority that Node knows.',
    );
  }
  if (code === 'UNKNOWN') {
    // Among what has no code: ports that fetch refuses, such as 22 or 6000.
    return failed('the server could not be reached', 'Is the port one for HTTP, and the server up?', {
      temporary: true,
    });
  }
  return failed(
    `the server could not be reached (${code})`,
    `Is this host connected, and the server up? ${UNIT_HINT}`,
    { temporary: true },
  );
}
