// Checks reading the journal, against a journald of the test's own, and that the fake keeps the same contract.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { type JournalQuery, type JournalReader, LibsystemdJournal } from '../../src/host/journal-reader.ts';
import { openSdJournal, type SdJournal } from '../../src/host/sd-journal.ts';
import { FakeJournal } from '../fakes/fake-journal.ts';
import { journalContract } from './journal-contract.ts';
import {
  eventually,
  must,
  PERSISTENT,
  PrivateJournald,
  VOLATILE,
  withPrivateMounts,
} from './private-journald.ts';
import { sendToJournal } from './send-to-journal.ts';

const skip = withPrivateMounts();

describe('the fake journal', () => {
  const fake = new FakeJournal();
  journalContract({
    journal: () => fake,
    append: async (fields) => void fake.append(fields, Date.now()),
    now: () => Date.now(),
  });
});

const journald = new PrivateJournald();

describe('the journal through libsystemd', { skip, timeout: 120_000 }, () => {
  before(() => journald.start());
  after(() => journald.stop());
  const journal = new LibsystemdJournal();
  journalContract({
    journal: () => journal,
    append: async (fields) => {
      sendToJournal(fields);
      journald.sync();
    },
    now: () => Date.now(),
  });

  it('cuts a long value, and replaces what is no UTF-8', () => {
    sendToJournal([
      ['X_TOPIC', 'odd'],
      ['MESSAGE', Buffer.from([0x61, 0xff, 0x62])],
      ['X_LONG', 'x'.repeat(150_000)],
    ]);
    journald.sync();
    const reader = journal.open({ any: [{ X_TOPIC: 'odd' }], fields: ['MESSAGE', 'X_LONG'], from: 'head' });
    const [entry] = reader.read(2);
    reader.close();
    assert.equal(entry?.fields['MESSAGE'], 'a\ufffdb');
    assert.equal(entry?.fields['X_LONG'], 'x'.repeat(64 * 1024 - 'X_LONG='.length));
  });
});

/** The journal of which some calls go wrong as the test says. */
function faulty(faults: Partial<Record<keyof SdJournal, () => unknown>>) {
  const opened: SdJournal[] = [];
  const journal = new LibsystemdJournal({
    openNative: () => {
      const native = openSdJournal();
      opened.push(native);
      return new Proxy(native, {
        get: (_, name: keyof SdJournal) => {
          return (...args: unknown[]) => {
            const fault = faults[name]?.();
            return fault === undefined ? Reflect.apply(native[name], native, args) : fault;
          };
        },
      });
    },
  });
  return { journal, opened };
}

describe('a reader of the journal', { skip, timeout: 120_000 }, () => {
  let number = 0;
  const readers: JournalReader[] = [];
  afterEach(async () => {
    for (const reader of readers.splice(0)) reader.close();
    await journald.stop();
    for (const path of [VOLATILE, PERSISTENT]) rmSync(join(path, id()), { recursive: true, force: true });
  });

  const id = () => must('cat', '/etc/machine-id').trim();
  const say = (...messages: string[]) => {
    for (const message of messages)
      sendToJournal([
        ['X_TOPIC', 'reader'],
        ['MESSAGE', message],
      ]);
    journald.sync();
  };
  const open = (from: JournalQuery['from'], journal = new LibsystemdJournal()) => {
    const reader = journal.open({ any: [{ X_TOPIC: 'reader' }], fields: ['MESSAGE'], from });
    readers.push(reader);
    return reader;
  };
  const take = (reader: JournalReader) => reader.read(1_000).map(({ fields }) => fields['MESSAGE'] ?? '');
  /** Reads until something comes; a change of files may be noticed only by the next read. */
  const soon = (reader: JournalReader) =>
    eventually('an entry', () => {
      const found = take(reader);
      return found.length > 0 && found;
    });
  const unique = () => {
    number += 1;
    return `message ${number}`;
  };

  it('follows rotation: nothing is lost and nothing comes twice', async () => {
    await journald.start();
    const reader = open('tail');
    const said: string[] = [];
    const read: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const words = [unique(), unique()];
      say(words[0] ?? '');
      must('journalctl', '--rotate');
      say(words[1] ?? '');
      said.push(...words);
      await eventually('both entries', () => {
        read.push(...take(reader));
        return read.length >= said.length;
      });
    }
    assert.ok(readdirSync(join(VOLATILE, id())).length >= 3, 'files were rotated');
    assert.deepEqual(read, said);
    assert.deepEqual(take(reader), []);
  });

  it('goes on with the next later entry when that of its cursor was vacuumed', async () => {
    await journald.start();
    say('one', 'two', 'three');
    const [one, two] = open('head').read(2);
    assert.ok(one !== undefined && two !== undefined);
    const late = open({ after: one.cursor });
    must('journalctl', '--rotate');
    say('four');
    must('journalctl', '--rotate');
    must('journalctl', '--vacuum-files=2');
    say('five');
    assert.equal(readdirSync(join(VOLATILE, id())).length, 2);
    assert.deepEqual(take(open({ after: two.cursor })), ['four', 'five']);
    assert.deepEqual(take(open({ after: one.cursor })), ['four', 'five']);
    assert.deepEqual((await soon(late)).slice(-2), ['four', 'five']);
  });

  it('goes on when journald restarts, also with all its files gone', async () => {
    await journald.start();
    say('one');
    const reader = open('head');
    assert.deepEqual(take(reader), ['one']);
    await journald.stop();
    assert.deepEqual(take(reader), []);
    await journald.start();
    say('two');
    assert.deepEqual(await soon(reader), ['two']);
    await journald.stop();
    rmSync(join(VOLATILE, id()), { recursive: true });
    assert.deepEqual(take(reader), []);
    await journald.start();
    say('three');
    assert.deepEqual(await soon(reader), ['three']);
  });

  it('sees the first entries of a journal that comes about after it', async () => {
    rmSync(VOLATILE, { recursive: true, force: true });
    const reader = open('tail');
    const newest = open({ newest: 5 });
    assert.deepEqual(take(reader), []);
    await journald.start();
    assert.ok(existsSync(VOLATILE));
    say('one');
    assert.deepEqual(await soon(reader), ['one']);
    assert.deepEqual(await soon(newest), ['one']);
    say('two');
    assert.deepEqual(await soon(reader), ['two']);
    assert.equal(reader.problem, null);
  });

  it('loses nothing and reads nothing twice when journald moves its volatile files to the disk', async (t) => {
    if (!existsSync(PERSISTENT)) return t.skip(`there is no ${PERSISTENT} here`);
    await journald.start('auto');
    say('one', 'two');
    const following = open('head');
    const first = following.read(1);
    assert.equal(first[0]?.fields['MESSAGE'], 'one');
    const cursors = open('head')
      .read(10)
      .map(({ cursor }) => cursor);
    // Files of the volatile journal go when they are copied.
    must('journalctl', '--flush');
    await eventually(
      'the volatile files are gone',
      () => !existsSync(join(VOLATILE, id(), 'system.journal')),
    );
    assert.ok(existsSync(join(PERSISTENT, id(), 'system.journal')));
    say('three');
    const read: string[] = [];
    await eventually('the last', () => {
      read.push(...take(following));
      return read.includes('three');
    });
    assert.deepEqual(read, ['two', 'three']);
    assert.deepEqual(take(open({ after: cursors[0] ?? '' })), ['two', 'three']);
    assert.deepEqual(take(open({ after: cursors[1] ?? '' })), ['three']);
    return undefined;
  });

  for (const [name, errno] of Object.entries({ EBADMSG: 74, ESTALE: 116, EIO: 5 })) {
    for (const call of ['next', 'process'] as const) {
      it(`opens the journal again where it was when ${call} gives ${name}`, async () => {
        await journald.start();
        say('one', 'two', 'three');
        let faults = 0;
        const { journal, opened } = faulty({
          [call]: () => {
            if (faults === 0) return undefined;
            faults -= 1;
            return -errno;
          },
        });
        const reader = open('head', journal);
        assert.equal(reader.read(1)[0]?.fields['MESSAGE'], 'one');
        faults = 1;
        assert.deepEqual(take(reader), ['two', 'three'], 'within the same read');
        assert.equal(reader.problem, null);
        assert.equal(opened.length, 2);
        faults = 2;
        assert.deepEqual(take(reader), []);
        assert.match(String(reader.problem), /error/);
        say('four');
        assert.deepEqual(take(reader), ['four']);
        assert.equal(reader.problem, null);
      });
    }
  }

  it('keeps what it has read when an error comes in the middle', async () => {
    await journald.start();
    say('one', 'two', 'three');
    let steps = 0;
    const { journal } = faulty({
      next: () => {
        steps += 1;
        return steps === 3 ? -74 : undefined;
      },
    });
    const reader = open('head', journal);
    assert.deepEqual(take(reader), ['one', 'two']);
    assert.deepEqual(take(reader), ['three']);
  });

  it('lives on while the journal cannot be opened, and says so', async () => {
    await journald.start();
    say('one');
    let broken = false;
    const { journal } = faulty({
      process: () => (broken ? -5 : undefined),
      seekCursor: () => (broken ? -24 : undefined),
    });
    const reader = open('head', journal);
    assert.deepEqual(take(reader), ['one']);
    broken = true;
    say('two');
    assert.deepEqual(take(reader), []);
    assert.deepEqual(take(reader), []);
    assert.match(String(reader.problem), /sd_journal_seek_cursor.*errno 24/);
    broken = false;
    assert.deepEqual(take(reader), ['two']);
    assert.equal(reader.problem, null);
  });

  it('leaves out an entry of which something cannot be read', async () => {
    for (const call of ['text', 'cursor', 'realtimeUsec'] as const) {
      await journald.start();
      say('one', 'two', 'three');
      let calls = 0;
      const { journal } = faulty({
        [call]: () => {
          calls += 1;
          return calls === 2 ? null : undefined;
        },
      });
      assert.deepEqual(take(open('head', journal)), ['one', 'three'], call);
      await journald.stop();
      rmSync(join(VOLATILE, id()), { recursive: true });
    }
  });

  it('gives back what it opened', async () => {
    await journald.start();
    const files = () => readdirSync('/proc/self/fd').length;
    const journal = new LibsystemdJournal();
    journal.open({ any: [{}], fields: [], from: 'head' }).close();
    const before = files();
    for (let round = 0; round < 50; round += 1) {
      assert.throws(() => open({ after: 'nonsense' }));
      const reader = open('tail');
      reader.read(1);
      reader.close();
    }
    assert.equal(files(), before);
  });
});

describe('where there is no libsystemd', () => {
  const url = (file: string) => JSON.stringify(new URL(`../../src/host/${file}`, import.meta.url).href);
  const openWithout = (hook: string) => {
    const script = `
      import { registerHooks } from 'node:module';
      ${hook}
      const { LibsystemdJournal } = await import(${url('journal-reader.ts')});
      try {
        new LibsystemdJournal().open({ any: [{}], fields: [], from: 'tail' });
      } catch (error) {
        process.stdout.write(JSON.stringify([error.name, error.code, error.message, error.hint]));
      }
    `;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
    return JSON.parse(stdout) as string[];
  };

  it('opening fails with words for a person when koffi cannot be loaded', () => {
    const [name, code, message, hint] = openWithout(`registerHooks({ resolve: (name, context, next) => {
      if (name === 'koffi') throw new Error('no such package');
      return next(name, context);
    } });`);
    assert.deepEqual([name, code], ['AgentError', 'journal-unavailable']);
    assert.equal(message, 'the journal cannot be read: koffi cannot be loaded: no such package');
    assert.match(hint ?? '', /libsystemd0/);
  });

  it('opening fails with words for a person when the library is not there', () => {
    const [name, code, message] = openWithout(`
      import { createRequire } from 'node:module';
      const koffi = createRequire(${url('ffi.ts')})('koffi');
      const load = koffi.load;
      koffi.load = (name) => load(name.replace('libsystemd.so.0', 'libnowhere.so.0'));
    `);
    assert.deepEqual([name, code], ['AgentError', 'journal-unavailable']);
    assert.match(message ?? '', /libsystemd\.so\.0 cannot be loaded: /);
  });
});
