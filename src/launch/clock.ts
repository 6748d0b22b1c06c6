// Owns the comparison of this host's clock with a web server's: one HEAD request, and the Date of its answer.

import { type ClientRequest, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { ClockComparison } from '../gateway/code-records.ts';
import type { Clock } from '../host/clock.ts';
import { errorCode } from '../host/files.ts';

/** Times are epoch milliseconds; what a server's answer tells. */
export type ClockAnswer = {
  /** When the request was sent, and when the head of its answer was there. */
  readonly sentAt: number;
  readonly receivedAt: number;
  /** The headers Date and Age. */
  readonly date: string | undefined;
  readonly age: string | undefined;
};

const DEADLINE_MS = 10_000;
/** Date has whole seconds, cut off: the middle of the second is wrong by at most half of one (RFC 9110, 5.6.7). */
const SECOND_MS = 1_000;

/** Asks the server once. Whatever its status is, its answer has the time. Never rejects; takes ten seconds at most. */
export async function compareClock(
  address: string,
  clock: Clock,
  deadlineMs = DEADLINE_MS,
): Promise<ClockComparison> {
  const { promise, resolve } = Promise.withResolvers<ClockComparison>();
  const fail = (why: 'unreachable' | 'certificate' | 'timed-out', detail: string) =>
    resolve({ kind: 'failed', why, detail, address, at: clock.now() });
  let sentAt = 0;
  let request: ClientRequest | null = null;
  const timer = clock.after(deadlineMs, () => {
    fail('timed-out', `${hostOf(address)} did not answer within ${deadlineMs / 1000} seconds.`);
    request?.destroy();
  });
  try {
    const url = new URL(address);
    const open = url.protocol === 'http:' ? requestHttp : requestHttps;
    request = open(url, { method: 'HEAD', agent: false, headers: { 'Cache-Control': 'no-cache' } });
    // The way to the server is measured from here: making the connection took longer, and says nothing.
    request.on('socket', (socket) => {
      const ready = () => {
        sentAt = clock.now();
      };
      ready();
      socket.once('connect', ready);
      (socket as TLSSocket).once('secureConnect', ready);
    });
    request.on('response', (response) => {
      const { date, age } = response.headers;
      resolve(judgeAnswer({ sentAt, receivedAt: clock.now(), date, age }, address));
      response.destroy();
    });
    request.on('error', (error) => {
      const code = errorCode(error) ?? error.name;
      const host = hostOf(address);
      if (/^(CERT_|ERR_TLS_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/.test(code)) {
        const wrongTime = code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED';
        const reason = wrongTime ? 'by the clock of this host it is not valid now' : 'it is not trusted';
        fail('certificate', `The certificate of ${host} cannot be used: ${reason} (${code}).`);
      } else {
        fail('unreachable', `${host} cannot be reached (${code}).`);
      }
    });
    request.end();
  } catch (error) {
    fail('unreachable', `The request could not be made (${errorCode(error) ?? 'unknown error'}).`);
  }
  const comparison = await promise;
  timer.cancel();
  request?.destroy();
  return comparison;
}

/** What an answer says of the local clock: local minus remote, half the way there and back considered. */
export function judgeAnswer(answer: ClockAnswer, address: string): ClockComparison {
  const { sentAt, receivedAt, date, age } = answer;
  const told = Date.parse(date ?? '');
  if (Number.isNaN(told)) {
    const detail = `The answer of ${hostOf(address)} has no date.`;
    return { kind: 'failed', why: 'no-date', detail, address, at: receivedAt };
  }
  // An answer from a cache has the date of when it was made, and how many seconds ago that was (RFC 9111, 5.1).
  const cachedMs = /^\d{1,9}$/.test(age ?? '') ? Number(age) * SECOND_MS : 0;
  const remote = told + cachedMs + SECOND_MS / 2;
  const roundTrip = Math.max(0, receivedAt - sentAt);
  return {
    kind: 'compared',
    offsetMs: Math.round(receivedAt - roundTrip / 2 - remote),
    uncertaintyMs: Math.round(SECOND_MS / 2 + roundTrip / 2 + (cachedMs > 0 ? SECOND_MS : 0)),
    address,
    at: receivedAt,
  };
}

function hostOf(address: string): string {
  return URL.parse(address)?.host ?? 'the server';
}
