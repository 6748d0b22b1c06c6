// Checks the agent's log in the journal: what a record becomes, that no secret gets there, and which way records take.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { makeAgentLog } from '../../src/agent/event-log.ts';
import { type LogOutputOptions, openLogOutput } from '../../src/agent/log-output.ts';
import { Secret } from '../../src/config/secret.ts';
import {
  CATALOGUE,
  completeEvent,
  type EventDraft,
  type EventName,
  journalFields,
} from '../../src/events/catalogue.ts';
import {
  eventually,
  journalEntries,
  mountEmpty,
  must,
  PrivateJournald,
  withPrivateMounts,
} from '../host/private-journald.ts';

const skip = withPrivateMounts();
const journald = new PrivateJournald();
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'agent', 'main.ts');
const CATALOG = join(import.meta.dirname, '..', '..', 'systemd', 'ib-agent.catalog');
const CONTEXT = { at: 0, session: 'live', state: 'ready', previousState: 'loading' } as const;

type Sent = { readonly fields: Readonly<Record<string, string>>; readonly message: string };

function anOutput(options: Partial<LogOutputOptions> = {}) {
  const sent: Sent[] = [];
  const lines: string[] = [];
  const output = openLogOutput({
    mode: 'journal',
    stdout: { write: (line) => void lines.push(line), finish: () => {} },
    journalStream: undefined,
    path: process.env['PATH'],
    openSink: () => ({ send: (fields, message) => void sent.push({ fields, message }) }),
    // Any file that is there.
    journalSocket: '/dev/null',
    ...options,
  });
  return { output, log: makeAgentLog('info', output), sent, lines };
}

describe('a record of the log in the journal', () => {
  it('that is an event has the fields of the event and nothing added but who wrote it', () => {
    const { log, sent, lines } = anOutput();
    const event = completeEvent(
      { event: 'session-lost', fields: { IB_DETAIL: 'one\ntwo "three"' }, reason: 'displaced' },
      CONTEXT,
    );
    log.event(event);
    assert.deepEqual(sent, [
      {
        fields: { ...journalFields(event), SYSLOG_IDENTIFIER: 'ib-agent' },
        message: 'session lost: one\ntwo "three"',
      },
    ]);
    assert.deepEqual(lines, []);
  });

  it('has the priority of its level and its values as fields of ours', () => {
    const { log, sent } = anOutput();
    log.debug({}, 'below the level');
    log.info({ session: 'live', errorId: 'x', 'odd-Key9Name': 1, none: null }, 'i');
    log.warn({ list: [1, { a: 'b' }], yes: true }, 'w');
    log.error({ [`x${'y'.repeat(99)}`]: 'long' }, 'e');
    const fields = (priority: string, rest: object) => ({
      SYSLOG_IDENTIFIER: 'ib-agent',
      PRIORITY: priority,
      ...rest,
    });
    assert.deepEqual(sent, [
      {
        fields: fields('6', { IB_SESSION: 'live', IB_ERROR_ID: 'x', IB_ODD_KEY9_NAME: '1' }),
        message: 'i',
      },
      { fields: fields('4', { IB_LIST: '[1,{"a":"b"}]', IB_YES: 'true' }), message: 'w' },
      { fields: fields('3', { [`IB_X${'Y'.repeat(60)}`]: 'long' }), message: 'e' },
    ]);
  });

  it('tells an error with its stack, and its cause, on lines of the message', () => {
    const { log, sent } = anOutput();
    log.error({ err: new TypeError('boom', { cause: new Error('beneath') }) }, 'a defect');
    const [entry] = sent;
    assert.equal(entry?.fields['IB_ERROR']?.split(':')[0], 'TypeError');
    assert.match(entry?.fields['IB_ERROR'] ?? '', /boom/);
    assert.match(
      entry?.message ?? '',
      /^a defect\nTypeError: boom\n {4}at .*journal-log\.test\.ts[\s\S]*Error: beneath\n {4}at /,
    );
    log.error({ err: 'thrown text' }, 'odd');
    assert.match(sent[1]?.message ?? '', /^odd\n.*thrown text/);
  });

  it('holds no secret, at whatever depth and under whatever name', () => {
    const { log, sent } = anOutput();
    const secret = new Secret('hunter2');
    log.info({ secret, any: secret, deep: { list: [{ of: secret }] } }, `words with ${secret}`);
    log.error({ err: new Error(`failed for ${secret}`, { cause: { secret } }) }, 'x');
    log.info(
      { password: 'hunter2', username: 'hunter2', session: { password: 'hunter2', seed: 'hunter2' } },
      'x',
    );
    assert.equal(sent.length, 3);
    assert.ok(!JSON.stringify(sent).includes('hunter2'));
    assert.equal(sent[2]?.fields['IB_PASSWORD'], '[Redacted]');
    assert.equal(sent[0]?.fields['IB_ANY'], '[secret]');
  });
});

describe('the way that records take', () => {
  const written = (options: Partial<LogOutputOptions>) => {
    const { output, log, sent, lines } = anOutput(options);
    log.info({}, 'x');
    return { fallback: output.fallback, sent: sent.length, lines: lines.length };
  };
  const descriptor = fstatSync(2, { bigint: true });

  it('is stdout when asked for, and by itself when output does not go to the journal', () => {
    assert.deepEqual(written({ mode: 'stdout' }), { fallback: null, sent: 0, lines: 1 });
    for (const journalStream of [undefined, '1:1'])
      assert.deepEqual(written({ mode: 'auto', journalStream }), { fallback: null, sent: 0, lines: 1 });
  });

  it('is the journal when asked for, and by itself when output goes there anyway', () => {
    assert.deepEqual(written({ mode: 'journal' }), { fallback: null, sent: 1, lines: 0 });
    const journalStream = `${descriptor.dev}:${descriptor.ino}`;
    assert.deepEqual(written({ mode: 'auto', journalStream }), { fallback: null, sent: 1, lines: 0 });
  });

  it('is stdout, with a warning, where no journald listens', () => {
    const { fallback, ...counts } = written({ journalSocket: '/nowhere/socket' });
    assert.deepEqual(counts, { sent: 0, lines: 1 });
    assert.match(String(fallback), /no journald listens on \/nowhere\/socket/);
  });

  it('without libsystemd is stdout for lines, and logger for events; what that does not take is a line again', async () => {
    const { output, log, lines } = anOutput({ openSink: () => null, path: '/nowhere' });
    assert.match(String(output.fallback), /events go to the journal through logger/);
    log.info({ text: '"IB_EVENT":"no"' }, 'a line');
    assert.equal(lines.length, 1);
    log.event(completeEvent({ event: 'session-stopped', fields: {} }, CONTEXT));
    assert.equal(lines.length, 1);
    await eventually('the event came back', () => lines.length === 2);
    assert.match(lines[1] ?? '', /"IB_EVENT":"session-stopped".*"msg":"stopped"\}\n$/);
    log.event(completeEvent({ event: 'session-recovered', fields: {} }, CONTEXT));
    output.finish(0);
    assert.match(lines[2] ?? '', /"IB_EVENT":"session-recovered"/);
  });
});

function aConfig(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'agent-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const file = join(root, 'ib-agent.yaml');
  writeFileSync(file, `agent: {runtimeRoot: ${root}/run, stateRoot: ${root}/lib}\nsessions: {}\n`);
  return file;
}

describe('the agent under journald', { skip, timeout: 120_000 }, () => {
  before(() => journald.start());
  after(() => journald.stop());

  /** Runs the agent until it has started, ends it, and gives what it left. */
  async function runAgent(t: TestContext, args: readonly string[], asJournalStream: boolean) {
    const config = aConfig(t);
    const path = join(config, '..', 'output');
    const output = openSync(path, 'w');
    const { dev, ino } = fstatSync(output, { bigint: true });
    const child = spawn(process.execPath, [MAIN, '--config', config, ...args], {
      stdio: ['ignore', output, output],
      env: { ...process.env, JOURNAL_STREAM: asJournalStream ? `${dev}:${ino}` : '1:1' },
    });
    t.after(() => child.kill('SIGKILL'));
    const entries = () => journalEntries('SYSLOG_IDENTIFIER=ib-agent', `_PID=${child.pid}`);
    const written = () => readFileSync(path, 'utf8');
    await eventually('the agent is up', () => {
      journald.sync();
      return (
        written().includes('"agent-started"') || entries().some((e) => e['IB_EVENT'] === 'agent-started')
      );
    });
    child.kill('SIGTERM');
    await once(child, 'exit');
    journald.sync();
    return { entries: entries(), written: written(), status: child.exitCode };
  }

  it('by itself writes to the journal what goes there anyway, and nothing beside', async (t) => {
    const { entries, written, status } = await runAgent(t, [], true);
    assert.equal(status, 0);
    assert.equal(written, '');
    const started = entries.find((entry) => entry['IB_EVENT'] === 'agent-started');
    assert.equal(started?.['MESSAGE_ID'], CATALOGUE['agent-started'].messageId);
    assert.equal(started?.['PRIORITY'], '6');
    assert.match(String(started?.['MESSAGE']), /^ib-agent .* is up/);
    assert.equal(entries.at(-1)?.['IB_EVENT'], 'agent-stopping');
  });

  it('by itself writes to stdout what does not go to the journal', async (t) => {
    const { entries, written } = await runAgent(t, [], false);
    assert.deepEqual(entries, []);
    assert.match(written, /"IB_EVENT":"agent-started"/);
  });

  it('goes where it is told to', async (t) => {
    const journal = await runAgent(t, ['--log=journal'], false);
    assert.equal(journal.written, '');
    assert.ok(journal.entries.length >= 2);
    const stdout = await runAgent(t, ['--log', 'stdout'], true);
    assert.deepEqual(stdout.entries, []);
    assert.match(stdout.written, /"IB_EVENT":"agent-stopping"/);
  });

  it('is refused a way that there is not, with those there are', async (t) => {
    const child = spawn(process.execPath, [MAIN, '--config', aConfig(t), '--log=syslog'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    await once(child, 'close');
    assert.equal(child.exitCode, 2);
    assert.match(stderr, /--log: expected one of auto, journal, stdout, got "syslog"/);
  });

  it('has each of its events explained by journalctl -x', () => {
    mountEmpty('/usr/lib/systemd/catalog');
    mountEmpty('/var/lib/systemd');
    mkdirSync('/var/lib/systemd/catalog');
    copyFileSync(CATALOG, '/usr/lib/systemd/catalog/ib-agent.catalog');
    must('journalctl', '--update-catalog');
    assert.equal(
      must('journalctl', '--list-catalog').trim().split('\n').length,
      Object.keys(CATALOGUE).length,
    );
    const real = openLogOutput({
      mode: 'journal',
      stdout: { write: () => {}, finish: () => {} },
      journalStream: undefined,
      path: undefined,
    });
    assert.equal(real.fallback, null);
    const agentLog = makeAgentLog('info', real);
    const names = Object.keys(CATALOGUE) as EventName[];
    for (const name of names) {
      const fields = Object.fromEntries(
        CATALOGUE[name].fields.map((field) => [field, `<${field} of ${name}>`]),
      );
      const ofAgent = name.startsWith('agent-') || name === 'operator-command';
      agentLog.event(
        completeEvent({ event: name, fields } as EventDraft, {
          ...CONTEXT,
          session: ofAgent ? null : 'live',
        }),
      );
    }
    journald.sync();
    for (const name of names) {
      const { messageId, fields, meaning } = CATALOGUE[name];
      const shown = must(
        'journalctl',
        '-x',
        '--no-pager',
        '-n1',
        `IB_EVENT=${name}`,
        `MESSAGE_ID=${messageId}`,
        `_PID=${process.pid}`,
      );
      const words = shown.replace(/\n░░ ?/g, ' ').replace(/\s+/g, ' ');
      assert.ok(words.includes(meaning.replace(/\s+/g, ' ')), `${name}: ${shown}`);
      assert.match(shown, /░░ Defined-By: ib-agent/);
      for (const field of fields) assert.ok(shown.includes(`${field}=<${field} of ${name}>`), shown);
      assert.ok(!/@IB_/.test(shown), `nothing is left in place of a field: ${shown}`);
    }
  });
});
