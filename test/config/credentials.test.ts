// Tests of how user name and password are read, and of everything for which they are refused.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import {
  type CredentialCommandResult,
  type CredentialReader,
  type RunCredentialCommand,
  readCredentials,
  readSeed,
} from '../../src/config/credentials.ts';
import type { CredentialSource } from '../../src/config/types.ts';
import { AgentError } from '../../src/protocol/errors.ts';

const UID = process.getuid?.() ?? 0;
const isRoot = UID === 0;

const noCommand: RunCredentialCommand = () => assert.fail('no command is to be run');

function read(source: CredentialSource, more: Partial<CredentialReader> = {}) {
  const { username, password } = readCredentials(source, { uid: UID, run: noCommand, ...more });
  return { username: username.reveal(), password: password.reveal() };
}

function failureOf(source: CredentialSource, more: Partial<CredentialReader> = {}): AgentError {
  try {
    read(source, more);
  } catch (error) {
    assert.ok(error instanceof AgentError, String(error));
    assert.doesNotMatch(`${error.message} ${error.hint} ${JSON.stringify(error.toWire())}`, /hunter2/);
    return error;
  }
  assert.fail('the credentials were accepted');
}

describe('a directory of credentials', () => {
  let root = '';
  let directory = '';
  let source: CredentialSource;
  let password = '';

  before(() => {
    root = mkdtempSync(join(tmpdir(), 'ib-credentials-'));
  });
  after(() => rmSync(root, { recursive: true }));
  beforeEach(() => {
    directory = join(root, 'live');
    mkdirSync(directory, { mode: 0o700 });
    source = { kind: 'directory', path: directory };
    password = join(directory, 'password');
    writeFileSync(join(directory, 'username'), 'joe\n', { mode: 0o600 });
    writeFileSync(password, 'hunter2\n', { mode: 0o400 });
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  function setPassword(content: string | Uint8Array): void {
    rmSync(password, { force: true });
    writeFileSync(password, content, { mode: 0o600 });
  }

  it('gives both credentials', () => {
    assert.deepEqual(read(source), { username: 'joe', password: 'hunter2' });
  });

  it('gives Secrets, which do not print', () => {
    const credentials = readCredentials(source, { uid: UID, run: noCommand });
    assert.equal(JSON.stringify(credentials), '{"username":"[secret]","password":"[secret]"}');
  });

  for (const [content, expected] of [
    ['pä;#=\\ "x', 'pä;#=\\ "x'],
    ['x\n', 'x'],
    ['x\r\n', 'x'],
    [' x \n', ' x '],
    ['\tx', '\tx'],
    ['€𝄞\n', '€𝄞'],
    ['a'.repeat(4096), 'a'.repeat(4096)],
    [`${'a'.repeat(4096)}\r\n`, 'a'.repeat(4096)],
  ] as const) {
    it(`takes one line end and nothing else off ${JSON.stringify(content.slice(0, 12))}`, () => {
      setPassword(content);
      assert.equal(read(source).password, expected);
    });
  }

  for (const [name, content, message] of [
    ['nothing', '', /is empty/],
    ['only a line end', '\n', /is empty/],
    ['two lines', 'hunter2\nx\n', /more than one line/],
    ['two line ends', 'hunter2\n\n', /more than one line/],
    ['a carriage return', 'hunter2\rx', /more than one line/],
    ['a NUL', 'hunter2\0', /NUL/],
    ['a byte order mark', '\ufeffhunter2', /byte order mark/],
    ['no UTF-8', Buffer.from([0x68, 0xfc, 0x31]), /not UTF-8/],
    ['too much', 'a'.repeat(4097), /longer than 4096 bytes/],
    ['far too much', 'a'.repeat(100_000), /longer than 4096 bytes/],
  ] as const) {
    it(`is refused with ${name} in a file`, () => {
      setPassword(content);
      const error = failureOf(source);
      assert.equal(error.code, 'credential-invalid');
      assert.match(error.message, message);
      assert.ok(error.message.includes(password));
    });
  }

  it('is refused when a file is missing, with the commands to make it', () => {
    rmSync(password);
    const error = failureOf(source);
    assert.equal(error.code, 'credential-missing');
    assert.equal(error.message, `${password} does not exist.`);
    assert.ok(error.hint?.includes(`chmod 0400 ${password}; chown ${UID} ${password}`));
  });

  it('is refused when it is missing itself', () => {
    const error = failureOf({ kind: 'directory', path: join(root, 'none') });
    assert.equal(error.code, 'credential-missing');
    assert.match(error.message, /none does not exist/);
    assert.match(error.hint ?? '', /install -d -m 0700/);
  });

  it('is refused when it is a file', () => {
    assert.equal(failureOf({ kind: 'directory', path: password }).code, 'credential-missing');
  });

  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o444]) {
    it(`is refused when a file has mode 0${mode.toString(8)}, with the command that mends it`, () => {
      chmodSync(password, mode);
      const error = failureOf(source);
      assert.equal(error.code, 'credential-unsafe');
      assert.equal(error.message, `${password} is open to other users (mode 0${mode.toString(8)}).`);
      assert.equal(error.hint, `As its owner or root: chmod 0400 ${password}`);
    });
  }

  for (const mode of [0o770, 0o702, 0o1777]) {
    it(`is refused when others may change the directory (mode ${mode.toString(8)})`, () => {
      chmodSync(directory, mode);
      const error = failureOf(source);
      assert.equal(error.code, 'credential-unsafe');
      assert.equal(error.hint, `As its owner or root: chmod go-w ${directory}`);
    });
  }

  it('may be one that others can list', () => {
    chmodSync(directory, 0o755);
    assert.equal(read(source).password, 'hunter2');
  });

  it('is refused when a file is a symbolic link, even to a safe file', () => {
    const target = join(root, 'target');
    writeFileSync(target, 'hunter2', { mode: 0o400 });
    rmSync(password);
    symlinkSync(target, password);
    const error = failureOf(source);
    assert.equal(error.code, 'credential-unsafe');
    assert.equal(error.message, `${password} is a symbolic link.`);
  });

  it('is refused when a file is no regular file, without waiting for it', () => {
    rmSync(password);
    mkdirSync(password);
    assert.match(failureOf(source).message, /is not a regular file/);
    rmSync(password, { recursive: true });
    execFileSync('mkfifo', ['-m', '0400', password]);
    const error = failureOf(source);
    assert.equal(error.code, 'credential-unsafe');
    assert.match(error.message, /is not a regular file/);
  });

  it('is refused when a file belongs to another user, and taken when it is ours or root’s', () => {
    const reader = UID + 1;
    if (isRoot) {
      assert.equal(read(source, { uid: reader }).password, 'hunter2');
      chownSync(password, 12_345, 0);
      chownSync(join(directory, 'username'), reader, 0);
      const error = failureOf(source, { uid: reader });
      assert.equal(error.code, 'credential-unsafe');
      assert.equal(error.message, `${password} belongs to the user with id 12345.`);
      assert.equal(error.hint, `As its owner or root: chown ${reader} ${password}`);
    } else {
      const error = failureOf(source, { uid: reader });
      assert.equal(error.code, 'credential-unsafe');
      assert.equal(error.message, `${directory} belongs to the user with id ${UID}.`);
    }
  });

  it('says so when a file may not be read', () => {
    chmodSync(password, 0);
    if (isRoot) process.seteuid?.(65_534);
    try {
      // Root owns the directory here and may not be entered by others: either of the two is the one that is told.
      const error = failureOf(source, { uid: UID });
      assert.equal(error.code, 'credential-missing');
      assert.match(error.message, /cannot be read: permission denied/);
      assert.match(error.hint ?? '', /chown/);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  it('gives commands that survive a path with blanks and quotes', () => {
    const odd = join(root, "it's odd");
    mkdirSync(odd, { mode: 0o700 });
    linkSync(password, join(odd, 'username'));
    chmodSync(password, 0o444);
    const error = failureOf({ kind: 'directory', path: odd });
    assert.equal(error.hint, `As its owner or root: chmod 0400 '${root}/it'\\''s odd/username'`);
  });

  it('is left alone when systemd hands the credentials over', () => {
    const handed = join(root, 'handed');
    mkdirSync(handed, { mode: 0o777 });
    writeFileSync(join(handed, 'username'), 'unit', { mode: 0o444 });
    writeFileSync(join(handed, 'password'), 'secret\n', { mode: 0o444 });
    chmodSync(handed, 0o777);
    const given = read(source, { credentialsDirectory: handed, uid: 4_000_000 });
    assert.deepEqual(given, { username: 'unit', password: 'secret' });
    rmSync(join(handed, 'password'));
    const error = failureOf(source, { credentialsDirectory: handed });
    assert.equal(error.code, 'credential-missing');
    assert.equal(error.message, `${handed}/password does not exist.`);
    assert.match(error.hint ?? '', /LoadCredential/);
    writeFileSync(join(handed, 'password'), '');
    assert.equal(failureOf(source, { credentialsDirectory: handed }).code, 'credential-invalid');
  });

  it('is read when $CREDENTIALS_DIRECTORY is empty', () => {
    assert.equal(read(source, { credentialsDirectory: '' }).password, 'hunter2');
  });
});

describe('a command that prints credentials', () => {
  const source: CredentialSource = { kind: 'command', argv: ['/usr/bin/pass', 'show', 'hunter2-vault'] };

  function answer(result: Partial<CredentialCommandResult>): RunCredentialCommand {
    return () => ({ status: 0, signal: null, stdout: Buffer.from(''), error: null, ...result });
  }

  it('gets the name of the credential as its last argument, and limits', () => {
    const calls: unknown[] = [];
    const run: RunCredentialCommand = (argv, limits) => {
      calls.push([argv, limits.timeoutMs, limits.maxBytes > 4096]);
      return { status: 0, signal: null, stdout: Buffer.from(`${argv.at(-1)}-of-joe\n`), error: null };
    };
    assert.deepEqual(read(source, { run }), { username: 'username-of-joe', password: 'password-of-joe' });
    assert.deepEqual(calls, [
      [['/usr/bin/pass', 'show', 'hunter2-vault', 'username'], 30_000, true],
      [['/usr/bin/pass', 'show', 'hunter2-vault', 'password'], 30_000, true],
    ]);
  });

  const failures: readonly (readonly [string, Partial<CredentialCommandResult>, string, RegExp])[] = [
    [
      'fails',
      { status: 3, stdout: Buffer.from('hunter2') },
      'credential-command-failed',
      /failed with exit status 3/,
    ],
    ['dies', { status: null, signal: 'SIGSEGV' }, 'credential-command-failed', /was ended by SIGSEGV/],
    [
      'is not there',
      { status: null, error: 'ENOENT' },
      'credential-command-failed',
      /could not be started: ENOENT/,
    ],
    [
      'may not run',
      { status: null, error: 'EACCES' },
      'credential-command-failed',
      /could not be started: EACCES/,
    ],
    [
      'hangs',
      { status: null, error: 'ETIMEDOUT' },
      'credential-command-failed',
      /did not end within 30 seconds/,
    ],
    [
      'never stops printing',
      { status: null, error: 'ENOBUFS' },
      'credential-invalid',
      /longer than 4096 bytes/,
    ],
    ['prints nothing', {}, 'credential-invalid', /output of \/usr\/bin\/pass is empty/],
    [
      'prints lines',
      { stdout: Buffer.from('hunter2\nurl: x\n') },
      'credential-invalid',
      /more than one line/,
    ],
  ];
  for (const [name, result, code, message] of failures) {
    it(`is told of without its arguments and output when it ${name}`, () => {
      const error = failureOf(source, { run: answer(result) });
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.match(error.message, /\/usr\/bin\/pass/);
    });
  }
});

describe('a TOTP seed', () => {
  const reader = { uid: UID, run: noCommand, session: 'live', commandTimeoutMs: 7_000 };
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'ib-seed-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));
  const codeOf = (work: () => unknown) => {
    try {
      work();
    } catch (error) {
      if (error instanceof AgentError) return error.code;
      throw error;
    }
    return 'none';
  };

  it('is the file seed of the directory, and must be as safe as the others', () => {
    const source: CredentialSource = { kind: 'directory', path: root };
    assert.equal(
      codeOf(() => readSeed(source, reader)),
      'credential-missing',
    );
    writeFileSync(join(root, 'seed'), 'JBSWY3DPEHPK3PXP\n', { mode: 0o400 });
    assert.equal(readSeed(source, reader).reveal(), 'JBSWY3DPEHPK3PXP');
    chmodSync(join(root, 'seed'), 0o440);
    assert.equal(
      codeOf(() => readSeed(source, reader)),
      'credential-unsafe',
    );
  });

  it('is what the command prints that gets seed as its last argument', () => {
    const source: CredentialSource = { kind: 'command', argv: ['/bin/secret', 'live'] };
    const asked: unknown[] = [];
    const run: RunCredentialCommand = (argv, { timeoutMs }) => {
      asked.push(argv, timeoutMs);
      return { status: 0, signal: null, stdout: Buffer.from('JBSWY3DPEHPK3PXP\n'), error: null };
    };
    assert.equal(readSeed(source, { ...reader, run }).reveal(), 'JBSWY3DPEHPK3PXP');
    assert.deepEqual(asked, [['/bin/secret', 'live', 'seed'], 7_000]);
  });

  it('is what systemd hands over, whose unit has a value that says that there is none', () => {
    const source: CredentialSource = { kind: 'directory', path: '/nowhere' };
    const handed = { ...reader, credentialsDirectory: root };
    writeFileSync(join(root, 'seed'), 'JBSWY3DPEHPK3PXP');
    assert.equal(readSeed(source, handed).reveal(), 'JBSWY3DPEHPK3PXP');
    writeFileSync(join(root, 'seed'), '-');
    assert.throws(
      () => readSeed(source, handed),
      (error) =>
        error instanceof AgentError &&
        error.code === 'credential-missing' &&
        error.hint === 'As root: ibctl credentials set live --only seed',
    );
  });
});
