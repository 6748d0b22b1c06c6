// Owns the HTTP request that each kind of target wants: address, headers and body.

import { createHmac } from 'node:crypto';
import type { ReadNotifySecret } from '../config/notify-secrets.ts';
import type { NotifyForm, SecretRef } from '../config/types.ts';
import type { Priority } from '../events/catalogue.ts';
import { AgentError } from '../protocol/errors.ts';
import { AGENT_VERSION } from '../protocol/version.ts';
import { bodyOf, jsonOf, type Notice, titleOf } from './notice.ts';

/** Holds secrets, in the address or in headers: it is never shown or kept. */
export type Request = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

export type HttpForm = Exclude<NotifyForm, { kind: 'command' }>;

/** ntfy's own scale, where 5 rings through and 3 is the default. */
const NTFY_PRIORITY: Readonly<Record<Priority, number>> = { 2: 5, 3: 4, 4: 4, 5: 3, 6: 2 };
/** Names of emoji that ntfy shows before the title. */
const NTFY_SIGN: Readonly<Record<Priority, string>> = {
  2: 'rotating_light',
  3: 'rotating_light',
  4: 'warning',
  5: 'information_source',
  6: 'information_source',
};

/** Limits of the services on a text. */
const NTFY_MOST = 4_000;
const SLACK_MOST = 3_000;
const TELEGRAM_MOST = 4_096;

/**
 * The request for a notice. Throws what `read` throws for a secret that cannot be read, and AgentError `credential-invalid` for
 * one that cannot be what it should be. `now` is epoch milliseconds.
 */
export function makeRequest(form: HttpForm, notice: Notice, read: ReadNotifySecret, now: number): Request {
  const get = (ref: string | SecretRef) => (typeof ref === 'string' ? ref : read(ref.secretName).reveal());
  switch (form.kind) {
    case 'ntfy': {
      const { priority, session, event } = notice.event;
      // As JSON, the topic is not in the address, and title and text may be any text.
      return post(form.server, form.token === null ? {} : { Authorization: `Bearer ${get(form.token)}` }, {
        topic: get(form.topic),
        title: titleOf(notice),
        message: cut(bodyOf(notice, now), NTFY_MOST),
        priority: NTFY_PRIORITY[priority],
        tags: [NTFY_SIGN[priority], event, ...(session === null ? [] : [session])],
      });
    }
    case 'slack': {
      const text = `*${escapeSlack(titleOf(notice))}*\n${escapeSlack(bodyOf(notice, now))}`;
      return post(get(form.url), {}, { text: cut(text, SLACK_MOST) });
    }
    case 'telegram':
      return post(
        `${form.server.replace(/\/+$/, '')}/bot${botToken(get(form.token))}/sendMessage`,
        {},
        {
          chat_id: form.chat,
          text: cut(`${titleOf(notice)}\n${bodyOf(notice, now)}`, TELEGRAM_MOST),
          link_preview_options: { is_disabled: true },
        },
      );
    case 'webhook': {
      const body = jsonOf(notice);
      const secretHeaders = Object.entries(form.secretHeaders).map(
        ([name, ref]) => [name, get(ref)] as const,
      );
      return {
        url: get(form.url),
        headers: {
          ...form.headers,
          ...Object.fromEntries(secretHeaders),
          ...COMMON_HEADERS,
          'X-IB-Event': notice.event.event,
          ...(form.key === null ? {} : { 'X-IB-Signature-256': signature(body, get(form.key)) }),
        },
        body,
      };
    }
  }
}

const COMMON_HEADERS = {
  'Content-Type': 'application/json; charset=utf-8',
  'User-Agent': `ib-agent/${AGENT_VERSION}`,
};

function post(url: string, headers: Readonly<Record<string, string>>, body: object): Request {
  return { url, headers: { ...headers, ...COMMON_HEADERS }, body: JSON.stringify(body) };
}

/** It becomes part of a path, where anything else would lead elsewhere. */
function botToken(text: string): string {
  if (/^\d{1,20}:[\w-]{1,128}$/.test(text)) return text;
  throw new AgentError('credential-invalid', 'The secret is not the token of a bot.', {
    hint: 'Put the token that @BotFather gave into it, such as 123456:ABC-DEF, and nothing else.',
  });
}

/** HMAC-SHA256 of the bytes of the body, in the form that GitHub's webhooks made usual. */
function signature(body: string, key: string): string {
  return `sha256=${createHmac('sha256', key).update(body, 'utf8').digest('hex')}`;
}

/** Slack reads these three as markup. */
function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** At most `most` UTF-16 units, without half a character at the end. */
function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
