// Tests the targets of notifications in the configuration: what is read, what is refused and how, and where secrets come from.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { describeConfig } from '../../src/config/describe.ts';
import { checkConfigText } from '../../src/config/load.ts';
import { notifySecretReader, secretNamesOf } from '../../src/config/notify-secrets.ts';
import { DEFAULT_NOTIFIED_EVENTS } from '../../src/events/notifiable.ts';
import { AgentError } from '../../src/protocol/errors.ts';
import { aSession, FILE, linesOf } from './problems-of.ts';

/** A file whose one target is on line 2; its settings begin at column 6. */
const aTarget = (settings: string) => `notify:\n  t: {${settings}}\nsessions:\n${aSession('live', 4001)}`;

const targetsOf = (text: string) => checkConfigText(text, FILE).notify.targets;

describe('a target of notifications', () => {
  it('has every default when it gives only what its type needs', () => {
    assert.deepEqual(targetsOf(aTarget('type: ntfy, topic: ib')), [
      {
        name: 't',
        events: DEFAULT_NOTIFIED_EVENTS,
        sessions: null,
        leastPriority: 6,
        debounceMs: 300_000,
        timeoutMs: 10_000,
        retries: 3,
        allowInsecure: false,
        form: { kind: 'ntfy', server: 'https://ntfy.sh', topic: 'ib', token: null },
      },
    ]);
  });

  it('takes every key', () => {
    const [target] = targetsOf(
      aTarget(
        'type: webhook, events: [session-ready], sessions: [live], minPriority: error, debounce: 0s, timeout: 1m, retries: 0, ' +
          'urlSecret: u, headers: {X-A: b}, secretHeaders: {Authorization: a}, secret: k, allowInsecure: true',
      ),
    );
    assert.deepEqual(target, {
      name: 't',
      events: ['session-ready'],
      sessions: ['live'],
      leastPriority: 3,
      debounceMs: 0,
      timeoutMs: 60_000,
      retries: 0,
      allowInsecure: true,
      form: {
        kind: 'webhook',
        url: { secretName: 'u' },
        headers: { 'X-A': 'b' },
        secretHeaders: { Authorization: { secretName: 'a' } },
        key: { secretName: 'k' },
      },
    });
    assert.deepEqual(secretNamesOf(target?.form ?? assert.fail()), ['u', 'k', 'a']);
  });

  it('may want every event, and telegram chats by number or name', () => {
    const chats = ['-1001234567890', '"-1001234567890"', '"@my_channel"'].map((chat) => {
      const [target] = targetsOf(aTarget(`type: telegram, secret: bot, chat: ${chat}, events: "*"`));
      assert.equal(target?.events, '*');
      return target.form.kind === 'telegram' ? target.form.chat : null;
    });
    assert.deepEqual(chats, ['-1001234567890', '-1001234567890', '@my_channel']);
    assert.equal(targetsOf(aTarget('type: command, command: [/bin/x], events: ["*"]'))[0]?.events, '*');
  });

  it('may be left out, as may all of them', () => {
    assert.deepEqual(targetsOf(`sessions:\n`), []);
    assert.deepEqual(targetsOf(`notify:\nsessions:\n`), []);
  });

  it('has its secrets beside the file, or where agent.notifySecrets says', () => {
    assert.equal(checkConfigText('sessions:\n', FILE).notify.secretsDir, '/etc/ib-agent/credentials/notify');
    const text = 'agent: {notifySecrets: /srv/secrets}\nsessions:\n';
    assert.equal(checkConfigText(text, FILE).notify.secretsDir, '/srv/secrets');
  });

  it('may use http:// on this host', () => {
    for (const host of ['localhost:1', '127.0.0.1', '[::1]:8080'])
      assert.equal(targetsOf(aTarget(`type: webhook, url: "http://${host}/x"`)).length, 1, host);
    assert.equal(targetsOf(aTarget('type: webhook, url: "http://nas/x", allowInsecure: true')).length, 1);
  });
});

const FAULTS: readonly (readonly [name: string, settings: string, told: string])[] = [
  [
    'no type',
    'topic: ib',
    '2:3: notify.t.type: missing; expected one of ntfy, slack, telegram, webhook, command',
  ],
  [
    'a type that is not there',
    'type: ntfi, topic: ib',
    '2:13: notify.t.type: expected one of ntfy, slack, telegram, webhook, command, got ntfi; did you mean ntfy?',
  ],
  [
    'an event that is not there',
    'type: ntfy, topic: ib, events: [session-ready, sesion-halted]',
    '2:54: notify.t.events[1]: there is no event sesion-halted; docs/events.md lists them; did you mean session-halted?',
  ],
  [
    'the event of its own failure',
    'type: ntfy, topic: ib, events: [notify-failed]',
    '2:39: notify.t.events[0]: of notifications that fail nobody is notified',
  ],
  [
    'an event instead of a list',
    'type: ntfy, topic: ib, events: session-ready',
    '2:38: notify.t.events: expected a list of names of events, or "*" for all, got a text',
  ],
  [
    'a session that is not there',
    'type: ntfy, topic: ib, sessions: [life]',
    '2:41: notify.t.sessions[0]: there is no session life; did you mean live?',
  ],
  ['no topic', 'type: ntfy', '2:6: notify.t: topic or topicSecret is missing: ntfy needs it'],
  [
    'both topics',
    'type: ntfy, topic: ib, topicSecret: x',
    '2:43: notify.t.topicSecret: there is topic too; keep one of the two',
  ],
  ['slack without secret', 'type: slack', '2:6: notify.t: secret is missing: slack needs it'],
  ['telegram without chat', 'type: telegram, secret: b', '2:6: notify.t: chat is missing: telegram needs it'],
  [
    'a webhook without address',
    'type: webhook',
    '2:6: notify.t: url or urlSecret is missing: webhook needs it',
  ],
  [
    'a key of another type',
    'type: slack, secret: x, topic: ib',
    '2:38: notify.t.topic: it belongs to ntfy; this target is slack',
  ],
  [
    'a program without its path',
    'type: command, command: [notify-send]',
    '2:32: notify.t.command[0]: expected the absolute path of the program, got a text',
  ],
  [
    'an address in the clear',
    'type: webhook, url: "http://example.com/hunter2"',
    '2:27: notify.t.url: http:// would send all in the clear; use https://, or allow it with allowInsecure: true',
  ],
  [
    'an address with a password, not printed',
    'type: webhook, url: "https://me:hunter2@example.com/"',
    '2:27: notify.t.url: it has a user name or password in it; use secretHeaders, or secret, instead',
  ],
  [
    'another kind of address, not printed',
    'type: webhook, url: "ftp://example.com/hunter2"',
    '2:27: notify.t.url: it is not an address that begins with https://',
  ],
  [
    'a secret itself in the place of its name, not printed',
    'type: slack, secret: "https://hooks.slack.com/hunter2"',
    '2:28: notify.t.secret: expected the name of a secret (not the secret itself): letters, digits, - and _, as of its file below credentials/notify, got a text',
  ],
  [
    'a token',
    'type: ntfy, topic: ib, token: hunter2',
    '2:30: notify.t.token: secrets never stand in this file; put it into a file below credentials/notify and name that: secret: NAME',
  ],
  [
    'a header that would hold a secret',
    'type: webhook, url: "https://example.com/", headers: {Authorization: hunter2}',
    '2:76: notify.t.headers.Authorization: it would hold a secret; name one under secretHeaders instead',
  ],
  [
    'a header of ours',
    'type: webhook, url: "https://example.com/", headers: {Content-Type: text/xml}',
    '2:75: notify.t.headers.Content-Type: this header is set by ib-agent',
  ],
  [
    'too many tries',
    'type: ntfy, topic: ib, retries: 11',
    '2:39: notify.t.retries: expected a whole number from 0 to 10, got 11',
  ],
  [
    'a debounce without unit',
    'type: ntfy, topic: ib, debounce: 300',
    '2:40: notify.t.debounce: expected a duration with its unit such as 5m, from 0s to 24h, got 300; did you mean 300s?',
  ],
  [
    'a slip of the keyboard',
    'type: ntfy, topik: ib',
    '2:19: notify.t.topik: unknown key; did you mean topic?',
  ],
];

describe('a wrong target is told with its place:', () => {
  for (const [name, settings, told] of FAULTS) {
    it(name, () => {
      const lines = linesOf(aTarget(settings));
      assert.ok(lines.includes(told), lines.join('\n'));
      assert.ok(!lines.join().includes('hunter2'));
    });
  }

  it('a name that is none', () => {
    const lines = linesOf('notify: {Phone: {type: ntfy, topic: ib}}\nsessions:\n');
    assert.match(lines[0] ?? '', /^1:10: notify\.Phone: expected a lower-case letter, then at most 30/);
  });
});

describe('a described target', () => {
  it('shows names of secrets, and nothing that may be one', () => {
    const text = `notify:
  phone: {type: ntfy, topic: hunter2, secret: token}
  team: {type: slack, secret: url}
  ops: {type: webhook, url: "https://example.com/hunter2?hunter2", headers: {X-A: hunter2}, secretHeaders: {X-B: b}}
  hook: {type: command, command: [/bin/x, hunter2]}
sessions:
`;
    const described = describeConfig(checkConfigText(text, FILE))['notify'];
    const { phone, team, ops, hook } = described as Record<string, Record<string, unknown>>;
    assert.deepEqual([phone?.['secret'], phone?.['topic'], team?.['secret']], ['token', '[secret]', 'url']);
    assert.deepEqual(
      [ops?.['url'], ops?.['secretHeaders']],
      ['https://example.com/[secret]', { 'X-B': 'b' }],
    );
    assert.deepEqual(hook?.['command'], ['/bin/x', '[1 more]']);
    assert.ok(!JSON.stringify(described).includes('hunter2'));
  });
});

describe('a secret of notifications', () => {
  let root = '';
  const uid = process.getuid?.() ?? 0;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'notify-secrets-'));
    mkdirSync(join(root, 'own'), { mode: 0o700 });
    mkdirSync(join(root, 'systemd'), { mode: 0o700 });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const put = (path: string, value: string) => writeFileSync(join(root, path), value, { mode: 0o400 });
  const reader = (credentialsDirectory?: string) =>
    notifySecretReader({ credentialsDirectory, secretsDir: join(root, 'own'), uid });
  const codeOf = (read: () => unknown) => {
    try {
      read();
    } catch (error) {
      assert.ok(error instanceof AgentError);
      return [error.code, error.hint] as const;
    }
    return assert.fail('it was read');
  };

  it("is one of the agent's credentials, under its prefix or its bare name, before the directory", () => {
    put('own/a', 'directory');
    const read = reader(join(root, 'systemd'));
    assert.equal(read('a').reveal(), 'directory');
    put('systemd/a', 'bare');
    assert.equal(read('a').reveal(), 'bare');
    put('systemd/ib-notify.a', 'prefixed\n');
    assert.equal(read('a').reveal(), 'prefixed');
    assert.equal(String(read('a')), '[secret]');
  });

  it('that is missing is told with what to do, under systemd and without it', () => {
    const [code, hint] = codeOf(() => reader(join(root, 'systemd'))('a'));
    assert.equal(code, 'credential-missing');
    assert.match(
      hint ?? '',
      /systemd-creds encrypt --name=ib-notify\.a .*LoadCredentialEncrypted=ib-notify\.a/,
    );
    assert.match(codeOf(() => reader()('a'))[1] ?? '', /^Write the secret into it, then: chmod 0400 /);
  });

  it('in the directory is refused when others can read or replace it', () => {
    put('own/a', 'x');
    chmodSync(join(root, 'own/a'), 0o440);
    assert.equal(codeOf(() => reader()('a'))[0], 'credential-unsafe');
    chmodSync(join(root, 'own/a'), 0o400);
    chmodSync(join(root, 'own'), 0o770);
    assert.equal(codeOf(() => reader()('a'))[0], 'credential-unsafe');
  });

  it("that is broken among the agent's credentials is not replaced by one of the directory", () => {
    put('own/a', 'x');
    put('systemd/ib-notify.a', 'two\nlines');
    assert.equal(codeOf(() => reader(join(root, 'systemd'))('a'))[0], 'credential-invalid');
  });
});
