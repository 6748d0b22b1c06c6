// Checks what really arrives at a target of each kind, what happens when it does not, and that no secret is ever told.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AgentError } from '../../src/protocol/errors.ts';
import { METHODS } from '../../src/protocol/methods.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { halted, pushed, Scene, until } from './scene.ts';

const TOKEN = 'tk_hushhush4711';

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});
afterEach(() => scene.remove());

const tested = async (notifier: ReturnType<Scene['notifier']>, target?: string, event?: string) => {
  const results = await notifier.test({ target, event, signal: new AbortController().signal });
  return METHODS['notify-test'].result.parse({ results }).results;
};

describe('a target gets the event:', { timeout: 60_000 }, () => {
  it('ntfy, as JSON with title, text, priority and tags, and the token as a header', async () => {
    const sink = await scene.sink();
    scene.secret('token', TOKEN);
    scene.secret('hidden-topic', 'topic-Q9');
    const form = { type: 'ntfy', server: sink.origin };
    const notifier = scene.notifier({
      phone: { ...form, topic: 'ib', secret: 'token' },
      other: { ...form, topicSecret: 'hidden-topic' },
    });
    notifier.offer(halted());
    await until('both', () => sink.got.length === 2);
    const bodies = [0, 1].map((index) => sink.json(index));
    const index = bodies.findIndex(({ topic }) => topic === 'ib');
    assert.deepEqual(bodies[1 - index]?.['topic'], 'topic-Q9');
    assert.equal(sink.got[1 - index]?.headers.authorization, undefined);
    const { message, ...rest } = bodies[index] ?? {};
    assert.deepEqual(rest, {
      topic: 'ib',
      title: 'live: session halted',
      priority: 5,
      tags: ['rotating_light', 'session-halted', 'live'],
    });
    assert.match(
      String(message),
      /^Halted: the reason\.\nRun: ibctl login live\.\ntrader1, \d\d:\d\d:\d\d UTC/,
    );
    const { method, path, headers } = sink.got[index] ?? assert.fail();
    assert.deepEqual([method, path, headers.authorization], ['POST', '/', `Bearer ${TOKEN}`]);
    assert.match(headers['content-type'] ?? '', /^application\/json/);
  });

  it('ntfy, a second factor with method, what to do, and the time in UTC and on the host', async () => {
    const sink = await scene.sink();
    const notifier = scene.notifier({ phone: { type: 'ntfy', server: sink.origin, topic: 'ib' } });
    const event = pushed(2, 170_000);
    notifier.offer(event);
    await until('it', () => sink.got.length === 1);
    const { title, message } = sink.json();
    assert.equal(title, 'live: second factor pending');
    const lines = String(message).split('\n');
    assert.equal(lines[0], 'Approve the IBKR Mobile notification.');
    assert.equal(lines[1], 'Method ib-key, attempt 2.');
    const utc = event.fields['IB_DEADLINE']?.slice(11, 19);
    const local = new Date(event.fields['IB_DEADLINE'] ?? '').toTimeString().slice(0, 8);
    assert.match(
      lines[2] ?? '',
      new RegExp(`^Time left: 2 min \\d+ s, until ${utc} UTC \\(${local} UTC\\S* on the host\\)\\.$`),
    );
  });

  it('slack, with its markup escaped', async () => {
    const sink = await scene.sink();
    scene.secret('url', `${sink.origin}/services/T0/B0/${TOKEN}`);
    scene.notifier({ team: { type: 'slack', secret: 'url' } }).offer(halted('paused', '<!channel> & more'));
    await until('it', () => sink.got.length === 1);
    assert.equal(sink.got[0]?.path, `/services/T0/B0/${TOKEN}`);
    assert.match(
      String(sink.json()['text']),
      /^\*live: session halted\*\nHalted: &lt;!channel&gt; &amp; more\.\n/,
    );
  });

  it('telegram, with the token in the path', async () => {
    const sink = await scene.sink();
    scene.secret('bot', '123456:ABC-def_9');
    scene
      .notifier({ chat: { type: 'telegram', server: sink.origin, chat: -100123, secret: 'bot' } })
      .offer(halted());
    await until('it', () => sink.got.length === 1);
    assert.equal(sink.got[0]?.path, '/bot123456:ABC-def_9/sendMessage');
    const { chat_id, text, parse_mode } = sink.json();
    assert.deepEqual([chat_id, parse_mode], ['-100123', undefined]);
    assert.match(String(text), /^live: session halted\nHalted/);
  });

  it('webhook, the whole event, signed, with the headers', async () => {
    const sink = await scene.sink();
    scene.secret('key', 'signing-key');
    scene.secret('authorization', `Bearer ${TOKEN}`);
    const event = halted();
    scene
      .notifier({
        ops: {
          type: 'webhook',
          url: `${sink.origin}/in?x=1`,
          headers: { 'X-Source': 'here' },
          secretHeaders: { Authorization: 'authorization' },
          secret: 'key',
        },
      })
      .offer(event);
    await until('it', () => sink.got.length === 1);
    const got = sink.got[0] ?? assert.fail();
    assert.equal(got.path, '/in?x=1');
    assert.equal(got.headers['x-source'], 'here');
    assert.equal(got.headers['x-ib-event'], 'session-halted');
    assert.equal(got.headers.authorization, `Bearer ${TOKEN}`);
    const digest = createHmac('sha256', 'signing-key').update(got.body).digest('hex');
    assert.equal(got.headers['x-ib-signature-256'], `sha256=${digest}`);
    assert.deepEqual(sink.json(), {
      ...event,
      at: '2026-11-23T09:00:00.000Z',
      host: 'trader1',
      test: false,
    });
  });

  it('command, as JSON on its stdin, with hardly any environment and no shell between', async () => {
    const out = join(scene.directory, 'out');
    const hook = join(scene.directory, 'hook');
    writeFileSync(hook, `#!/bin/sh\n{ echo "$1"; env | sort; cat; } > ${out}.tmp; mv ${out}.tmp ${out}\n`);
    chmodSync(hook, 0o755);
    scene.notifier({ hook: { type: 'command', command: [hook, '$HOME; *'] } }).offer(halted());
    await until('its output', () => existsSync(out));
    const lines = readFileSync(out, 'utf8').trim().split('\n');
    assert.equal(lines[0], '$HOME; *');
    assert.deepEqual(
      lines.slice(1, -1).map((line) => line.split('=')[0]),
      ['IB_EVENT', 'IB_SESSION', 'LANG', 'PATH', 'PWD'],
    );
    assert.equal(JSON.parse(lines.at(-1) ?? '').event, 'session-halted');
  });
});

describe('a target that fails', { timeout: 60_000 }, () => {
  it('is tried again after a 500, and the event is told once', async () => {
    const sink = await scene.sink((response, count) => {
      response.statusCode = count === 1 ? 500 : 200;
      response.end();
    });
    const notifier = scene.notifier({ ops: { type: 'webhook', url: sink.origin } });
    notifier.offer(halted());
    await until('the second try', () => notifier.list()[0]?.lastSent != null);
    assert.equal(sink.got.length, 2);
    assert.equal(sink.got[0]?.body, sink.got[1]?.body);
    assert.deepEqual(scene.said, []);
    assert.match(
      scene.warnings[0]?.message ?? '',
      /to ops failed: .*HTTP status 500; the next try is in 1 s/,
    );
  });

  it('is given up after the last try with one event, which says of what, where to and why', async () => {
    const sink = await scene.sink((response) => response.writeHead(500).end());
    const notifier = scene.notifier({ ops: { type: 'webhook', url: sink.origin, retries: 1 } });
    notifier.offer(halted());
    await until('the end', () => scene.said.length === 1);
    assert.equal(sink.got.length, 2);
    assert.deepEqual(scene.said[0]?.session, 'live');
    assert.deepEqual(scene.said[0]?.draft.fields, {
      IB_TARGET: 'ops',
      IB_ABOUT: 'session-halted',
      IB_DETAIL: 'the server answered with HTTP status 500',
    });
    assert.equal(notifier.list()[0]?.lastFailed?.event, 'session-halted');
  });

  it('by refusing is not tried again', async () => {
    const sink = await scene.sink((response) => response.writeHead(404).end());
    scene.secret('url', sink.origin);
    scene.notifier({ team: { type: 'slack', secret: 'url' } }).offer(halted());
    await until('the end', () => scene.said.length === 1);
    assert.equal(sink.got.length, 1);
    assert.match(scene.said[0]?.draft.hint ?? '', /revoked/);
  });

  it('by leading elsewhere is not followed there', async () => {
    const elsewhere = await scene.sink();
    const sink = await scene.sink((response) =>
      response.writeHead(307, { location: `${elsewhere.origin}/caught` }).end(),
    );
    scene.secret('token', TOKEN);
    const notifier = scene.notifier({
      phone: { type: 'ntfy', server: sink.origin, topic: 'ib', secret: 'token' },
    });
    const [result] = await tested(notifier);
    assert.deepEqual([result?.ok, result?.httpStatus], [false, 307]);
    assert.match(result?.message ?? '', /redirect, which is not followed/);
    assert.equal(elsewhere.got.length, 0);
  });

  it('by being slow is left after the timeout, also one that never ends its answer', async () => {
    const mute = await scene.sink(() => undefined);
    const endless = await scene.sink((response) => response.writeHead(200).flushHeaders());
    const notifier = scene.notifier({
      mute: { type: 'webhook', url: mute.origin, timeout: '200ms' },
      endless: { type: 'webhook', url: endless.origin, timeout: '20s' },
    });
    const [first, second] = await tested(notifier);
    assert.deepEqual([first?.ok, first?.message], [false, 'no answer within 200 ms']);
    // So it looks where the agent's unit lets nothing out.
    assert.match(first?.hint ?? '', /ib-agent\.service .*docs\/notifications\.md, "Other hosts"/);
    assert.deepEqual([second?.ok, (second?.ms ?? 0) < 15_000], [true, true]);
  });

  it('by a certificate that nobody vouches for is not spoken to', async () => {
    const key = join(scene.directory, 'key.pem');
    const cert = join(scene.directory, 'cert.pem');
    const made = spawnSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-keyout', key, '-out', cert, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
    ]);
    assert.equal(made.status, 0, 'openssl makes the certificate of this test');
    let requests = 0;
    const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) => {
      requests += 1;
      response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const address = server.address();
      assert.ok(address !== null && typeof address === 'object');
      const url = `https://localhost:${address.port}/`;
      const [result] = await tested(scene.notifier({ ops: { type: 'webhook', url } }));
      assert.match(result?.message ?? '', /certificate of the server cannot be trusted \(\w+\)/);
      assert.equal(requests, 0);
    } finally {
      server.close();
    }
  });

  it('by a closed port is said to refuse', async () => {
    const sink = await scene.sink();
    const origin = sink.origin;
    sink.close();
    const [refused] = await tested(scene.notifier({ ops: { type: 'webhook', url: origin } }));
    assert.equal(refused?.message, 'the connection was refused');
  });

  it('because the second factor is over, or answered, rings nobody', async () => {
    const sink = await scene.sink((response) => response.writeHead(500).end());
    const notifier = scene.notifier({
      phone: { type: 'ntfy', server: sink.origin, topic: 'ib', events: '*' },
    });
    notifier.offer(pushed(1, -1));
    notifier.offer(pushed(2, 100));
    await until('the end', () => scene.said.length === 1);
    assert.equal(
      sink.got.length,
      1,
      'one was over before it began, of the other no try fits before the deadline',
    );
    notifier.offer(pushed(3, 60_000));
    await until('a try', () => sink.got.length === 2);
    notifier.offer(halted());
    await until('what came after it', () => sink.got.length === 3);
    assert.equal(sink.json(2)['title'], 'live: session halted');
  });

  it('is warned of once a minute at most', async () => {
    const clock = new FakeClock();
    const sink = await scene.sink((response) => response.writeHead(503).end());
    const notifier = scene.notifier({ ops: { type: 'webhook', url: sink.origin, retries: 3 } }, clock);
    notifier.offer(halted());
    for (let count = 1; count <= 4; count += 1) {
      clock.advance(10_000);
      await until(
        `try ${count}`,
        () => sink.got.length === count && (clock.pending.length > 0 || count === 4),
      );
    }
    await until('the end', () => scene.said.length === 1);
    assert.equal(scene.warnings.length, 1);
  });
});

describe('a hook', { timeout: 60_000 }, () => {
  const hook = (text: string) => {
    const file = join(scene.directory, 'hook');
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
    return file;
  };

  it('that fails is told with the beginning of its stderr, made harmless', async () => {
    const file = hook(`printf 'no \\033[2J luck\\n' >&2; head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 3`);
    const [result] = await tested(scene.notifier({ hook: { type: 'command', command: [file] } }));
    assert.match(result?.message ?? '', /hook ended with exit status 3: no {2}\[2J luck x+…$/);
    assert.ok((result?.message.length ?? 0) < 500);
  });

  it('that hangs is killed with all it started', async () => {
    const pidFile = join(scene.directory, 'pid');
    const file = hook(`sleep 1000 & echo $! > ${pidFile}; wait`);
    const [result] = await tested(
      scene.notifier({ hook: { type: 'command', command: [file], timeout: '2s' } }),
    );
    assert.match(result?.message ?? '', /hook did not end within 2000 ms/);
    const pid = Number(readFileSync(pidFile, 'utf8'));
    await until('its child to be gone', () => !existsSync(`/proc/${pid}`) || isZombie(pid));
  });

  it('that leaves something running with its stderr open does not hold up the rest', async () => {
    const pidFile = join(scene.directory, 'pid');
    const file = hook(`sleep 60 & echo $! > ${pidFile}`);
    try {
      const [result] = await tested(
        scene.notifier({ hook: { type: 'command', command: [file], timeout: '30s' } }),
      );
      assert.deepEqual([result?.ok, (result?.ms ?? 0) < 20_000], [true, true]);
    } finally {
      process.kill(Number(readFileSync(pidFile, 'utf8')));
    }
  });

  it('that is not there, or does not read its stdin, is no accident', async () => {
    const missing = await tested(
      scene.notifier({ hook: { type: 'command', command: ['/nonexistent/hook'] } }),
    );
    assert.match(missing[0]?.message ?? '', /\/nonexistent\/hook could not be started \(ENOENT\)/);
    const file = hook('exec 0<&-; exit 0');
    const deaf = await tested(scene.notifier({ hook: { type: 'command', command: [file] } }));
    assert.equal(deaf[0]?.ok, true);
  });
});

function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

describe('many events', { timeout: 120_000 }, () => {
  it('are bounded, keep their order, are sent one at a time, and delay nobody', async (t) => {
    let held: (() => void) | null = null;
    const sink = await scene.sink((response, count) => {
      if (count === 1) held = () => response.end();
      else response.end();
    });
    const notifier = scene.notifier({
      ops: { type: 'webhook', url: sink.origin, debounce: '0s', timeout: '1m' },
    });
    notifier.offer(halted('paused', 'first'));
    await until('the first', () => held !== null);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const start = performance.now();
    for (let count = 0; count < 10_000; count += 1) notifier.offer(halted('paused', `event ${count}`));
    const offeringMs = performance.now() - start;
    assert.equal(notifier.list()[0]?.waiting, 100);
    assert.equal(notifier.list()[0]?.dropped, 9_900);
    assert.equal(scene.warnings.filter(({ message }) => /oldest are dropped/.test(message)).length, 1);
    (held as (() => void) | null)?.();
    await until('all that were kept', () => sink.got.length === 101);
    delay.disable();
    const details = sink.got.map(({ body }) => JSON.parse(body).fields.IB_DETAIL);
    assert.deepEqual(details, [
      'first',
      ...Array.from({ length: 100 }, (_, index) => `event ${9_900 + index}`),
    ]);
    assert.equal(sink.most, 1);
    assert.ok(offeringMs < 2_000, `10,000 events took ${offeringMs} ms`);
    assert.ok(delay.max / 1e6 < 2_000, `the event loop stood still for ${delay.max / 1e6} ms`);
    t.diagnostic(
      `offered 10,000 in ${offeringMs.toFixed(1)} ms; longest delay ${(delay.max / 1e6).toFixed(1)} ms`,
    );
  });

  it('that repeat are one', async () => {
    const sink = await scene.sink();
    const notifier = scene.notifier({ ops: { type: 'webhook', url: sink.origin } });
    for (let count = 0; count < 1_000; count += 1) notifier.offer(halted());
    notifier.offer(halted('login-budget'));
    await until('both', () => sink.got.length === 2);
    assert.equal(notifier.list()[0]?.waiting, 0);
  });
});

describe('at the end of the agent', { timeout: 60_000 }, () => {
  it('what can be sent in time is sent', async () => {
    const sink = await scene.sink();
    const notifier = scene.notifier({ ops: { type: 'webhook', url: sink.origin } });
    notifier.offer(halted());
    await notifier.stop(20_000);
    assert.equal(sink.got.length, 1);
  });

  it('what cannot is left, and nothing is sent any more', async () => {
    let cut = false;
    const sink = await scene.sink((response) => response.on('close', () => (cut = true)));
    const notifier = scene.notifier({
      ops: { type: 'webhook', url: sink.origin, timeout: '1m', retries: 0 },
    });
    notifier.offer(halted());
    await until('it is on its way', () => sink.got.length === 1);
    notifier.offer(halted('login-budget'));
    const start = performance.now();
    await notifier.stop(200);
    assert.ok(performance.now() - start < 10_000);
    notifier.offer(halted('displaced'));
    await until('the try is cut off', () => cut);
    assert.equal(notifier.list()[0]?.waiting, 0);
    assert.equal(sink.got.length, 1);
    assert.deepEqual(scene.said, [], 'what the end cut off is not told as a failure');
  });
});

describe('secrets', { timeout: 60_000 }, () => {
  it('that are missing are a warning and a failure of the test, and the other targets work', async () => {
    const sink = await scene.sink();
    const notifier = scene.notifier({
      team: { type: 'slack', secret: 'nowhere' },
      ops: { type: 'webhook', url: sink.origin },
    });
    notifier.checkSecrets();
    assert.equal(scene.warnings.length, 1);
    assert.match(scene.warnings[0]?.message ?? '', /to team cannot be sent: .*nowhere does not exist/);
    assert.deepEqual(
      notifier.list().map(({ secrets }) => secrets.map(({ ok }) => ok)),
      [[false], []],
    );
    const results = await tested(notifier);
    assert.deepEqual(
      results.map(({ target, ok }) => [target, ok]),
      [
        ['team', false],
        ['ops', true],
      ],
    );
    assert.match(results[0]?.hint ?? '', /chmod 0400/);
  });

  it('that come later work without a restart', async () => {
    const sink = await scene.sink();
    const notifier = scene.notifier({ team: { type: 'slack', secret: 'url' } });
    assert.equal((await tested(notifier))[0]?.ok, false);
    scene.secret('url', sink.origin);
    assert.equal((await tested(notifier))[0]?.ok, true);
  });

  it('that others can read are not used', async () => {
    const sink = await scene.sink();
    writeFileSync(join(scene.directory, 'url'), sink.origin, { mode: 0o644 });
    const [result] = await tested(scene.notifier({ team: { type: 'slack', secret: 'url' } }));
    assert.match(result?.message ?? '', /open to other users/);
    assert.equal(sink.got.length, 0);
  });

  it('are in no log, event, list or result, whatever goes wrong', async () => {
    const refusing = await scene.sink((response) => response.writeHead(403).end(TOKEN));
    const failing = await scene.sink((response) => response.writeHead(500, TOKEN).end(TOKEN));
    const mute = await scene.sink(() => undefined);
    const away = await scene.sink();
    const { origin } = away;
    away.close();
    const redirecting = await scene.sink((response) =>
      response.writeHead(302, { location: `http://127.0.0.1/${TOKEN}` }).end(),
    );
    const urls: Record<string, string> = {
      refusing: `${refusing.origin}/${TOKEN}`,
      failing: `${failing.origin}/${TOKEN}`,
      mute: `${mute.origin}/${TOKEN}`,
      away: `${origin}/${TOKEN}`,
      redirecting: `${redirecting.origin}/${TOKEN}`,
      junk: `no address ${TOKEN}`,
      userinfo: `https://me:${TOKEN}@localhost/`,
      clear: `http://example.com/${TOKEN}`,
      badport: `http://127.0.0.1:22/${TOKEN}`,
      ftp: `ftp://localhost/${TOKEN}`,
    };
    for (const [name, url] of Object.entries(urls)) scene.secret(name, url);
    scene.secret('umlaut', `Bearer ${TOKEN}ü`);
    scene.secret('bot', `../${TOKEN}`);
    const common = { retries: 1, timeout: '300ms' };
    const targets: Record<string, unknown> = Object.fromEntries(
      Object.keys(urls).map((name) => [name, { type: 'slack', secret: name, ...common }]),
    );
    targets['header'] = {
      type: 'webhook',
      url: 'http://127.0.0.1/',
      secretHeaders: { Authorization: 'umlaut' },
      ...common,
    };
    targets['bot'] = { type: 'telegram', chat: 1, secret: 'bot', ...common };
    const notifier = scene.notifier(targets);
    const results = await tested(notifier);
    notifier.offer(halted());
    await until('every end', () => scene.said.length === Object.keys(targets).length);
    assert.ok(results.every(({ ok, hint }) => !ok && hint !== ''));
    const all = JSON.stringify([results, scene.told, notifier.list()]);
    assert.ok(!all.includes('hushhush'), all.slice(all.indexOf('hushhush') - 200));
    assert.ok(scene.warnings.length > 0, 'there was something to look through');
  });
});

describe('a test of targets', { timeout: 60_000 }, () => {
  it('sends the event that was asked for, marked as a test, whatever the filters say', async () => {
    const sink = await scene.sink();
    const notifier = scene.notifier({
      ops: { type: 'webhook', url: sink.origin, events: [], minPriority: 'critical' },
    });
    await tested(notifier, 'ops', 'session-ready');
    await tested(notifier);
    const bodies = [0, 1].map((index) => sink.json(index));
    assert.deepEqual(
      bodies.map(({ event, session, test }) => [event, session, test]),
      [
        ['session-ready', 'live', true],
        ['second-factor-pending', 'live', true],
      ],
    );
  });

  it('of a target or an event that is not there names the nearest', async () => {
    const notifier = scene.notifier({ phone: { type: 'ntfy', topic: 'ib' } });
    const hintOf = async (target?: string, event?: string) => {
      const error = await tested(notifier, target, event).catch((reason: unknown) => reason);
      assert.ok(error instanceof AgentError);
      return [error.code, error.hint];
    };
    assert.deepEqual(await hintOf('phones'), ['unknown-target', 'did you mean phone?']);
    assert.deepEqual(await hintOf('phone', 'session-halt'), [
      'invalid-params',
      'did you mean session-halted?',
    ]);
    assert.deepEqual((await hintOf('phone', 'notify-failed'))[0], 'invalid-params');
  });
});
