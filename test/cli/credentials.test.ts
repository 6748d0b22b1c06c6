// Tests `ibctl credentials` with a stand-in for systemd-creds: what is sealed, replaced, listed and refused.

import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { VerbCall } from '../../src/cli/context.ts';
import { listCredentials, removeCredentials, setCredentials } from '../../src/cli/verbs/credentials.ts';
import { type Called, callVerb } from './call-verb.ts';
import { type FakeCreds, makeFakeCreds } from './fake-systemd-creds.ts';

const USER = 'alice7531';
const PASSWORD = 'h4nter two =#\\!';
const SEED = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';

let fake: FakeCreds;
let config: string;

beforeEach(() => {
  fake = makeFakeCreds();
  config = join(dirname(dirname(fake.directory)), 'ib-agent.yaml');
  writeFileSync(
    config,
    [
      'sessions:',
      ...['live', 'paper'].map(
        (name, index) =>
          `  ${name}: { mode: ${name}, install: { gatewayVersion: "1037" }, api: { port: ${4001 + index} } }`,
      ),
      '',
    ].join('\n'),
  );
});
afterEach(() => fake.remove());

type Inner = (call: VerbCall, host: FakeCreds['host']) => Promise<number>;

function run(inner: Inner, words: readonly string[], stdin?: string | Uint8Array, uid = 0): Promise<Called> {
  return callVerb(
    (call) => inner(call, { ...fake.host, uid }),
    ['--config', config, ...words],
    stdin === undefined ? {} : { stdin },
  );
}
const set = (words: readonly string[], stdin?: string | Uint8Array, uid = 0) =>
  run(setCredentials, ['credentials', 'set', ...words], stdin, uid);
const list = (words: readonly string[] = []) => run(listCredentials, ['credentials', 'list', ...words]);
const remove = (...words: string[]) => run(removeCredentials, ['credentials', 'remove', ...words]);

const files = () => readdirSync(fake.directory).sort();
const stored = (name: string) => readFileSync(join(fake.directory, name), 'utf8');

/** What the stand-in sealed, opened again. */
function opened(name: string): string {
  const [, ...lines] = Buffer.from(stored(name), 'base64').subarray(56).toString('utf8').split('\n');
  return lines
    .join('\n')
    .replace(/[A-Za-z]/g, (letter) =>
      String.fromCharCode(letter.charCodeAt(0) + (letter.toLowerCase() < 'n' ? 13 : -13)),
    );
}

describe('ibctl credentials set --stdin', () => {
  it('seals both under their names, in files of root alone, and says what comes next', async () => {
    const { exit, stdout, stderr } = await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    assert.deepEqual([exit, stderr], [0, '']);
    assert.equal(
      stdout,
      `Sealed the user name and password of live (host key).
The next login takes them; no unit has to be edited. Next: ibctl login live, or,
when it is logged in: ibctl restart --cold live
`,
    );
    assert.deepEqual(files(), ['ib-session.live.password', 'ib-session.live.username']);
    assert.equal(opened('ib-session.live.username'), USER);
    assert.equal(opened('ib-session.live.password'), PASSWORD);
    for (const file of files()) assert.equal(statSync(join(fake.directory, file)).mode & 0o777, 0o600);
    assert.equal(statSync(fake.directory).mode & 0o777, 0o700);
  });

  it('gives no secret to any command line or environment', async () => {
    await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    await set(['--stdin', '--only', 'seed', 'live'], SEED);
    const started = fake.started();
    assert.match(started, /encrypt --name=username /);
    assert.match(started, /encrypt --name=seed /);
    for (const secret of [USER, PASSWORD, SEED]) assert.ok(!started.includes(secret), started);
  });

  it('tells programs where it is', async () => {
    fake.giveTpm();
    const { stdout } = await set(['--json', '--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    assert.deepEqual(JSON.parse(stdout), {
      session: 'live',
      written: ['username', 'password'].map((credential) => ({
        credential,
        file: join(fake.directory, `ib-session.live.${credential}`),
        key: 'host+tpm2',
        pcrs: [],
      })),
      next: ['ibctl login live', 'ibctl restart --cold live'],
    });
  });

  it('binds to no register of the TPM unless asked', async () => {
    fake.giveTpm();
    await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    assert.match(fake.started(), /encrypt --name=password --with-key=host\+tpm2 --tpm2-pcrs= - - /);
    const { stdout } = await set(['--stdin', '--pcrs', '7', 'live'], `${USER}\n${PASSWORD}\n`);
    assert.match(stdout, /\(host key and TPM, PCR 7\)/);
    assert.match(fake.started(), /--tpm2-pcrs=7 - - /);
  });

  it('refuses registers where there is no TPM, and impossible ones', async () => {
    const none = await set(['--stdin', '--pcrs', '7', 'live'], `${USER}\n${PASSWORD}\n`);
    assert.equal(none.exit, 1);
    assert.match(none.stderr, /^error: There is no TPM here/);
    for (const [words, message] of [
      [['--pcrs', '24'], /--pcrs: expected register numbers from 0 to 23/],
      [['--pcrs', '7', '--key', 'host'], /--pcrs needs the TPM/],
    ] as const) {
      const { exit, stderr } = await set(['--stdin', ...words, 'live'], 'x');
      assert.equal(exit, 2);
      assert.match(stderr, message);
    }
  });

  it('rotates: the new pair is there, and nothing else is left behind', async () => {
    await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    await set(['--stdin', 'live'], 'bob\nsecond\n');
    assert.deepEqual(
      [opened('ib-session.live.username'), opened('ib-session.live.password')],
      ['bob', 'second'],
    );
    assert.deepEqual(files(), ['ib-session.live.password', 'ib-session.live.username']);
  });

  it('writes none when one cannot be sealed, or would not open again', async () => {
    await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    const before = [stored('ib-session.live.username'), stored('ib-session.live.password')];
    for (const verb of ['decrypt', 'encrypt'] as const) {
      fake.breakVerb(verb, 'password');
      const { exit, stderr } = await set(['--stdin', 'live'], 'bob\nsecond\n');
      assert.equal(exit, 1);
      assert.match(
        stderr,
        new RegExp(
          `^error: systemd-creds could not .* the password: The ${verb} of password is broken\\.\nhint: Nothing was changed`,
        ),
      );
      assert.deepEqual([stored('ib-session.live.username'), stored('ib-session.live.password')], before);
      assert.equal(files().length, 2);
    }
  });

  it('puts the first back when the second cannot be put in place', async () => {
    await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    const before = stored('ib-session.live.username');
    await remove('--only', 'password', 'live');
    mkdirSync(join(fake.directory, 'ib-session.live.password', 'in-the-way'), { recursive: true });
    const { exit, stderr } = await set(['--stdin', 'live'], 'bob\nsecond\n');
    assert.equal(exit, 1);
    assert.match(stderr, /cannot be read or changed: E.*What was there is as it was/);
    assert.equal(stored('ib-session.live.username'), before);
    assert.deepEqual(files(), ['ib-session.live.password', 'ib-session.live.username']);
  });

  it('sets one alone', async () => {
    await set(['--stdin', '--only', 'password', 'live'], PASSWORD);
    assert.deepEqual(files(), ['ib-session.live.password']);
    assert.equal(opened('ib-session.live.password'), PASSWORD);
  });

  it('brings a seed to its one form, for ib-code alone', async () => {
    for (const which of ['seed', 'totp-seed']) {
      const { stdout } = await set(
        ['--stdin', '--only', which, 'live'],
        `${SEED.toLowerCase().replace(/(.{4})/g, '$1 ')}\n`,
      );
      assert.match(stdout, /^Sealed the TOTP seed of live/);
      assert.deepEqual(files(), ['ib-code.live.seed']);
      assert.equal(opened('ib-code.live.seed'), SEED);
    }
  });

  const refused: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ['no line', '', /has 0 lines; expected 2: user name, then password/],
    ['one line', `${USER}\n`, /has 1 line; expected 2/],
    ['three lines', `${USER}\n${PASSWORD}\nx`, /has 3 lines; expected 2/],
    ['an empty user name', `\n${PASSWORD}\n`, /The user name is empty/],
    ['an empty password', `${USER}\n\n`, /The password is empty/],
    ['a blank at the end', `${USER}\n${PASSWORD} \n`, /The password begins or ends with a blank/],
    ['a NUL', `${USER}\nab\0c\n`, /The password contains a NUL/],
    ['too much', `${USER}\n${'x'.repeat(4097)}\n`, /The password is longer than 4096 bytes/],
    ['no UTF-8', Buffer.from([0x61, 0x0a, 0xff, 0xfe]), /The password is not UTF-8/],
  ];
  for (const [what, stdin, message] of refused) {
    it(`refuses ${what}, and repeats nothing of it`, async () => {
      const { exit, stdout, stderr } = await set(['--stdin', 'live'], stdin);
      assert.equal(exit, 1);
      assert.match(stderr, message);
      assert.ok(!stderr.includes(PASSWORD) && !stdout.includes(PASSWORD));
      assert.ok(!existsSync(fake.directory));
    });
  }
});

describe('ibctl credentials set', () => {
  it('is for root: exit 4 and the line to type', async () => {
    const { exit, stderr } = await callVerb(
      (call) => setCredentials(call, { ...fake.host, uid: 1000 }),
      ['credentials', 'set', 'live'],
    );
    assert.equal(exit, 4);
    assert.match(stderr, /^error: .*\nhint: run: sudo ibctl credentials set live\n$/);
    assert.throws(() => fake.started());
  });

  it('names the nearest session, and takes others with --force only', async () => {
    const { exit, stderr } = await set(['--stdin', 'lvie'], `${USER}\n${PASSWORD}\n`);
    assert.equal(exit, 2);
    assert.match(
      stderr,
      /^error: The session lvie is not in .*\nhint: did you mean live\?; for a session that is configured later: --force\n$/,
    );
    assert.equal((await set(['--stdin', '--force', 'lvie'], `${USER}\n${PASSWORD}\n`)).exit, 0);
    assert.deepEqual(files(), ['ib-session.lvie.password', 'ib-session.lvie.username']);
  });

  it('needs a name where there are several sessions', async () => {
    const { exit, stderr } = await set(['--stdin'], `${USER}\n${PASSWORD}\n`);
    assert.equal(exit, 2);
    assert.match(stderr, /several sessions: name one.\nhint: The sessions are live, paper/);
  });

  it('says so when it cannot ask', async () => {
    const { exit, stderr } = await set(['live']);
    assert.equal(exit, 2);
    assert.match(stderr, /no terminal to ask on\nhint: for scripts: --stdin/);
  });

  it('says so when systemd-creds is missing or too old', async () => {
    const missing = await callVerb(
      (call) => setCredentials(call, { ...fake.host, program: '/nonexistent/systemd-creds' }),
      ['credentials', 'set', '--force', '--stdin', 'live'],
    );
    assert.equal(missing.exit, 1);
    assert.match(missing.stderr, /^error: \/nonexistent\/systemd-creds cannot be run \(ENOENT\)/);
    writeFileSync(join(dirname(fake.host.program), 'version'), 'systemd 249 (249.11)\n');
    const old = await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    assert.equal(old.exit, 1);
    assert.match(old.stderr, /^error: systemd is 249 here/);
  });

  it('refuses a store that others can write, and closes one that others can read', async () => {
    mkdirSync(fake.directory, { recursive: true });
    chmodSync(fake.directory, 0o777);
    const { exit, stderr } = await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    assert.equal(exit, 1);
    assert.match(stderr, /can be changed by other users/);
    chmodSync(fake.directory, 0o755);
    assert.equal((await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`)).exit, 0);
    assert.equal(statSync(fake.directory).mode & 0o777, 0o700);
  });
});

describe('ibctl credentials list', () => {
  it('shows what is set, what it is sealed with, and what belongs to no session', async () => {
    await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    await set(['--stdin', '--force', '--only', 'password', 'old'], PASSWORD);
    fake.breakVerb('decrypt', 'username');
    const { exit, stdout, stderr } = await list();
    assert.deepEqual([exit, stderr], [0, '']);
    assert.equal(
      stdout.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'YYYY-MM-DD hh:mm:ss'),
      `SESSION  CREDENTIAL  SET                  OPENS  SEALED WITH
live     user name   YYYY-MM-DD hh:mm:ss  no     host key
         password    YYYY-MM-DD hh:mm:ss  yes    host key
         TOTP seed   no                   -      -
paper    user name   no                   -      -
         password    no                   -      -
         TOTP seed   no                   -      -
old      user name   no                   -      -
         password    YYYY-MM-DD hh:mm:ss  yes    host key
         TOTP seed   no                   -      -

The user name of live cannot be opened on this machine: The decrypt of username
is broken.
To seal anew: sudo ibctl credentials set live

old is not configured. To remove what is left of it:
sudo ibctl credentials remove old
`,
    );
    assert.ok(!stdout.includes(USER) && !stdout.includes(PASSWORD));
  });

  it('--json gives the same, and never a value', async () => {
    await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    const { stdout } = await list(['--json']);
    const { sessions } = JSON.parse(stdout);
    assert.deepEqual(
      sessions.map(({ name, configured }: { name: string; configured: boolean }) => [name, configured]),
      [
        ['live', true],
        ['paper', true],
      ],
    );
    const { username, password, seed } = sessions[0].credentials;
    assert.equal(seed, null);
    assert.deepEqual([username.opens, username.key, username.problem], [true, 'host', null]);
    assert.match(password.setAt, /^\d{4}-.*Z$/);
    assert.ok(!stdout.includes(USER) && !stdout.includes(PASSWORD));
  });

  it('leaves alone what is not ours', async () => {
    mkdirSync(fake.directory, { recursive: true });
    for (const name of ['other', 'ib-session.live.seed', 'ib-code.live.password', 'ib-session.LIVE.password'])
      writeFileSync(join(fake.directory, name), 'x');
    const { sessions } = JSON.parse((await list(['--json'])).stdout);
    assert.deepEqual(
      sessions.map(({ name, credentials }: { name: string; credentials: object }) => [
        name,
        Object.values(credentials),
      ]),
      [
        ['live', [null, null, null]],
        ['paper', [null, null, null]],
      ],
    );
  });

  it('works without a usable configuration, and warns', async () => {
    await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    writeFileSync(config, 'sessions: 1\n');
    const { exit, stdout, stderr } = await list();
    assert.equal(exit, 0);
    assert.match(stderr, /^warning: .* cannot be used/);
    assert.match(stdout, /^live {5}user name/m);
    assert.doesNotMatch(stdout, /not configured/);
  });
});

describe('ibctl credentials remove', () => {
  it('removes all of a session, configured or not, and nothing else', async () => {
    await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    await set(['--stdin', '--force', 'old'], `${USER}\n${PASSWORD}\n`);
    await set(['--stdin', '--force', '--only', 'seed', 'old'], SEED);
    const { exit, stdout } = await remove('old');
    assert.equal(exit, 0);
    assert.match(stdout, /^Removed the user name, password and TOTP seed of old\./);
    assert.deepEqual(files(), ['ib-session.live.password', 'ib-session.live.username']);
  });

  it('says what there is when there is nothing of that name', async () => {
    await set(['--stdin', 'live'], `${USER}\n${PASSWORD}\n`);
    const { exit, stderr } = await remove('liev');
    assert.equal(exit, 2);
    assert.match(stderr, /The session liev has no credential here.\nhint: did you mean live\?/);
    const seed = await remove('--only', 'seed', 'live');
    assert.equal(seed.exit, 1);
    assert.match(seed.stderr, /The TOTP seed of live is not set/);
  });
});
