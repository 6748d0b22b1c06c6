// Tests `ibctl second-factor` and the hint of a device list: what is shown of a token, who may see it, what is sent to the agent.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { secondFactorHint } from '../../src/cli/status-text.ts';
import { readStoredToken } from '../../src/cli/stored-token.ts';
import { runSecondFactorShow } from '../../src/cli/verbs/second-factor-show.ts';
import { AgentError } from '../../src/protocol/errors.ts';
import type { SecondFactor } from '../../src/protocol/methods.ts';
import { startFakeControl } from '../fakes/fake-control.ts';
import { callVerb } from './call-verb.ts';
import { runIbctl } from './run-ibctl.ts';

const root = mkdtempSync(join(tmpdir(), 'ibctl-token-'));
const settings = join(root, 'settings');
const config = join(root, 'ib-agent.yaml');
after(() => rmSync(root, { recursive: true, force: true }));

const TOKEN = 'abcdefghijklmnopqrstuvwxyz,5.2a;';

function configure(jts: string): void {
  writeFileSync(
    config,
    [
      'sessions:',
      '  live:',
      '    mode: live',
      '    install: { ibcDir: /opt/ibc, gatewayDir: /opt/Jts, gatewayVersion: "1045" }',
      `    settingsDir: ${settings}`,
      '    api: { port: 4001 }',
      ...(jts === '' ? [] : ['    jts:', `      secondFactor: "${jts}"`]),
      '',
    ].join('\n'),
  );
}

function store(text: string): void {
  mkdirSync(settings, { recursive: true });
  writeFileSync(join(settings, 'jts.ini'), text);
  utimesSync(join(settings, 'jts.ini'), 1_790_000_000, 1_790_000_000);
}

const show = (...words: string[]) =>
  callVerb(runSecondFactorShow, ['second-factor', 'show', ...words, '--config', config]);

beforeEach(() => {
  rmSync(settings, { recursive: true, force: true });
  configure('');
});

describe('ibctl second-factor show', () => {
  it('says that there is a token, since when, and shows it in part unless --reveal', async () => {
    store(`[Logon]\r\n2ndFactor=elsewhere\r\n[Communication]\r\nRegion=us\r\n2ndFactor=${TOKEN}\r\n`);
    const masked = await show('live');
    assert.equal(masked.exit, 0, masked.stderr);
    assert.match(masked.stdout, /^live: a second-factor token is in .*jts\.ini \(written 20\d\d-/);
    assert.match(masked.stdout, /^ {6}secondFactor: ab… \(32 characters\)$/m);
    assert.match(masked.stdout, /the configuration has none/);
    assert.doesNotMatch(masked.stdout, new RegExp(TOKEN.slice(3, 20)));
    assert.match((await show('--reveal')).stdout, new RegExp(`^ {6}secondFactor: "${TOKEN}"$`, 'm'));
  });

  it('gives the same to programs, and whether the configuration has it', async () => {
    store(`[Communication]\n2ndFactor=${TOKEN}\n`);
    configure(TOKEN);
    const { sessions } = JSON.parse((await show('--json')).stdout) as { sessions: unknown[] };
    assert.deepEqual(sessions, [
      {
        session: 'live',
        file: join(settings, 'jts.ini'),
        writtenAt: '2026-09-21T14:13:20.000Z',
        present: true,
        masked: 'ab… (32 characters)',
        value: null,
        configured: 'same',
      },
    ]);
    const revealed = JSON.parse((await show('--json', '--reveal')).stdout) as {
      sessions: { value: string }[];
    };
    assert.equal(revealed.sessions[0]?.value, TOKEN);
  });

  it('says what is missing where there is no file, no line, or none that can be one', async () => {
    assert.match(
      (await show()).stdout,
      /no second-factor token in .* \(not there yet\)\n.*in a login by hand/,
    );
    store('[Communication]\n2ndFactor=\u001b[2Jx\n');
    configure(TOKEN);
    assert.match((await show()).stdout, /no second-factor token .*\n.*is written there at the next login/);
  });

  it('names the sessions when the one that was asked for is not configured', async () => {
    const { exit, stderr } = await show('paper');
    assert.deepEqual([exit, /there is live/.test(stderr)], [2, true], stderr);
  });

  it('follows no link of the gateway’s user', () => {
    mkdirSync(settings);
    writeFileSync(join(root, 'other'), `[Communication]\n2ndFactor=${TOKEN}\n`);
    symlinkSync(join(root, 'other'), join(settings, 'jts.ini'));
    assert.throws(
      () => readStoredToken(settings, ''),
      (error) => error instanceof AgentError && error.code === 'file-missing',
    );
  });

  it('gives the command for sudo to a user who may not read it', () => {
    store(`[Communication]\n2ndFactor=${TOKEN}\n`);
    chmodSync(settings, 0);
    const root = process.geteuid?.() === 0;
    try {
      // Nothing keeps root from reading.
      if (root) process.seteuid?.(65534);
      assert.throws(
        () => readStoredToken(settings, 'sudo ibctl second-factor show live'),
        (error) =>
          error instanceof AgentError &&
          error.code === 'not-allowed' &&
          error.hint === 'run: sudo ibctl second-factor show live',
      );
    } finally {
      if (root) process.seteuid?.(0);
      chmodSync(settings, 0o700);
    }
  });
});

describe('ibctl second-factor resend', () => {
  it('says how many notifications there were, and until when one can be approved', async () => {
    const requests: unknown[] = [];
    const agent = await startFakeControl((request, reply) => {
      requests.push({ method: request.method, params: request.params });
      reply.result({ session: 'live', pushes: 2, mostPushes: 3, deadline: '2026-11-23T09:03:00.000Z' });
    });
    try {
      const ended = await runIbctl(['second-factor', 'resend', 'live'], { socket: agent.path });
      assert.equal(
        ended.stdout,
        'sent again: notification 2 of at most 3 of this second factor; approve it before 09:03:00\n',
      );
      assert.deepEqual(requests, [{ method: 'second-factor-resend', params: { session: 'live' } }]);
    } finally {
      await agent.close();
    }
  });
});

describe('the hint of a device list', () => {
  it('is the command with the first entry, quoted for a shell', () => {
    const choice: SecondFactor = {
      method: 'device-choice',
      since: '',
      deadline: '',
      attempt: 1,
      prompt: null,
      challenge: null,
      devices: ["Ann's phone", 'IB Key'],
    };
    assert.equal(
      secondFactorHint(choice, 'live'),
      `choose one of "Ann's phone", "IB Key", such as: ibctl login live --device 'Ann'\\''s phone'`,
    );
    assert.match(secondFactorHint({ ...choice, devices: null }, 'live'), /in its window/);
  });
});
