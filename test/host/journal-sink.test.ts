// Checks writing to the journal, against a journald of the test's own.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, fstatSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { LibsystemdJournal } from '../../src/host/journal-reader.ts';
import {
  assertFieldName,
  type JournalSink,
  LoggerSink,
  openLibsystemdSink,
} from '../../src/host/journal-sink.ts';
import { isJournalStream } from '../../src/host/journal-stream.ts';
import { eventually, journalEntries, PrivateJournald, withPrivateMounts } from './private-journald.ts';

const skip = withPrivateMounts();
const journald = new PrivateJournald();
const PATH = process.env['PATH'] ?? '';

/** The fields of the newest entry of a topic. */
function stored(topic: string, ...fields: string[]): Readonly<Record<string, string>> | undefined {
  const reader = new LibsystemdJournal().open({ any: [{ X_TOPIC: topic }], fields, from: { newest: 1 } });
  const [entry] = reader.read(1);
  reader.close();
  return entry?.fields;
}

function theSink(): JournalSink {
  const sink = openLibsystemdSink();
  assert.ok(sink !== null);
  return sink;
}

describe('the journal as a sink', { skip, timeout: 120_000 }, () => {
  before(() => journald.start());
  after(() => journald.stop());

  it('stores the message and every field as they are: lines, quotes, equal signs, control characters', () => {
    const odd = 'one\ntwo\n\n=three="\u0000\u0007" über 🙂 \n';
    theSink().send({ X_TOPIC: 'odd', X_ODD: odd, X_EMPTY: '', PRIORITY: '3', SYSLOG_IDENTIFIER: 'me' }, odd);
    journald.sync();
    assert.deepEqual(
      { ...stored('odd', 'MESSAGE', 'X_ODD', 'X_EMPTY', 'PRIORITY', 'SYSLOG_IDENTIFIER', '_PID', '_UID') },
      {
        MESSAGE: odd,
        X_ODD: odd,
        X_EMPTY: '',
        PRIORITY: '3',
        SYSLOG_IDENTIFIER: 'me',
        _PID: String(process.pid),
        _UID: '0',
      },
    );
  });

  it('loses none of many, and takes one that fits no datagram', () => {
    const sink = theSink();
    for (let number = 0; number < 5_000; number += 1) sink.send({ X_TOPIC: 'many' }, String(number));
    const long = 'x'.repeat(600 * 1024);
    sink.send({ X_TOPIC: 'long' }, long);
    journald.sync();
    const many = journalEntries('X_TOPIC=many').map((entry) => entry['MESSAGE']);
    assert.deepEqual(
      many,
      Array.from({ length: 5_000 }, (_, number) => String(number)),
    );
    assert.equal(journalEntries('X_TOPIC=long')[0]?.['MESSAGE'], long);
  });

  it('does not throw while journald is gone, and tells how much was lost when it is back', async () => {
    const sink = theSink();
    sink.send({ X_TOPIC: 'gone' }, 'before');
    journald.sync();
    await journald.kill();
    // A socket that nobody reads: the connection is refused.
    sink.send({ X_TOPIC: 'gone' }, 'lost');
    sink.send({ X_TOPIC: 'gone' }, 'lost');
    await journald.start();
    sink.send({ X_TOPIC: 'gone', SYSLOG_IDENTIFIER: 'counted' }, 'after');
    journald.sync();
    assert.deepEqual(
      journalEntries('X_TOPIC=gone').map((entry) => entry['MESSAGE']),
      ['before', 'after'],
    );
    const [count] = journalEntries('SYSLOG_IDENTIFIER=counted', 'PRIORITY=4');
    assert.equal(count?.['MESSAGE'], '2 records are lost: journald did not take them');
  });

  it('through logger has the same fields and lines of the message, in the order of sending', async () => {
    const lost: string[] = [];
    const sink = new LoggerSink({ path: PATH, onLost: (_, message) => void lost.push(message) });
    sink.send(
      { X_TOPIC: 'logger', PRIORITY: '2', X_LINES: 'a\nb=c', MESSAGE_ID: '0'.repeat(31).concat('1') },
      'one\n\ntwo=\u0000 x',
    );
    sink.send({ X_TOPIC: 'logger' }, 'second');
    await eventually('both are stored', () => {
      journald.sync();
      return stored('logger', 'MESSAGE')?.['MESSAGE'] === 'second';
    });
    const [entry] = journalEntries('X_TOPIC=logger');
    assert.deepEqual(
      ['MESSAGE', 'PRIORITY', 'X_LINES', 'MESSAGE_ID'].map((name) => entry?.[name]),
      ['one\n\ntwo=\ufffd x', '2', 'a b=c', '00000000000000000000000000000001'],
    );
    assert.deepEqual(lost, []);
  });
});

function aLogger(t: TestContext, script: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'ib-logger-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'logger');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

describe('the sink through logger', { timeout: 60_000 }, () => {
  it('hands back what logger did not take, or what there is no logger for', async (t) => {
    for (const file of ['/nowhere/logger', aLogger(t, 'cat >/dev/null; exit 1')]) {
      const lost: unknown[] = [];
      const sink = new LoggerSink({ file, path: PATH, onLost: (...entry) => void lost.push(entry) });
      sink.send({ X_A: '1' }, 'one');
      sink.send({ X_A: '2' }, 'two');
      await eventually('both came back', () => lost.length === 2);
      assert.deepEqual(lost, [
        [{ X_A: '1' }, 'one'],
        [{ X_A: '2' }, 'two'],
      ]);
    }
  });

  it('keeps no more than it may waiting, and gives up what waits when the process ends', async (t) => {
    const file = aLogger(t, 'exec cat');
    const lost: string[] = [];
    const sink = new LoggerSink({ file, path: PATH, onLost: (_, message) => void lost.push(message) });
    for (let number = 0; number < 203; number += 1) sink.send({}, String(number));
    assert.deepEqual(lost, ['200', '201', '202']);
    sink.finish();
    assert.equal(lost.length, 203);
    sink.finish();
    assert.equal(lost.length, 203);
  });
});

describe('a sink', () => {
  it('refuses names that journald would drop without a word', () => {
    for (const name of ['', '_PID', 'lower', '1A', 'A B', 'A=B', 'A\n', 'Ä', 'A'.repeat(65)]) {
      assert.throws(() => assertFieldName(name), TypeError, name);
      const logger = new LoggerSink({ path: PATH, onLost: () => {} });
      assert.throws(() => logger.send({ [name]: 'x' }, 'x'), TypeError);
      assert.throws(() => openLibsystemdSink()?.send({ [name]: 'x' }, 'x'), TypeError);
    }
    for (const name of ['A', 'IB_2', 'A'.repeat(64)]) assertFieldName(name);
  });

  it('is not to be had where koffi cannot be loaded', () => {
    const url = (file: string) => JSON.stringify(new URL(`../../src/host/${file}`, import.meta.url).href);
    const script = `
      import { registerHooks } from 'node:module';
      registerHooks({ resolve: (name, context, next) => {
        if (name === 'koffi') throw new Error('no such package');
        return next(name, context);
      } });
      const { openLibsystemdSink } = await import(${url('journal-sink.ts')});
      process.stdout.write(String(openLibsystemdSink()));
    `;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    assert.deepEqual([stdout, stderr], ['null', '']);
  });
});

describe('$JOURNAL_STREAM', () => {
  it('counts only when one of the descriptors is that stream', () => {
    const descriptor = openSync('/dev/null', 'w');
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    assert.equal(isJournalStream(`${dev}:${ino}`, [descriptor]), true);
    assert.equal(isJournalStream(`${dev}:${ino}`, [999, descriptor]), true);
    assert.equal(isJournalStream(`${dev}:${ino + 1n}`, [descriptor]), false);
    assert.equal(isJournalStream(`${dev + 1n}:${ino}`, [descriptor]), false);
    assert.equal(isJournalStream(`${dev}:${ino}`, [999]), false);
    assert.equal(isJournalStream(undefined, [descriptor]), false);
    closeSync(descriptor);
  });
});
