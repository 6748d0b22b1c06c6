// Tests the questions of `ibctl credentials set` on a real pseudo-terminal: what is hidden, what is restored, what is changed.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type FakeCreds, makeFakeCreds } from './fake-systemd-creds.ts';
import { type Ibctl, shellOnTerminal } from './run-ibctl.ts';

const USER = 'alice7531';
const PASSWORD = 'h4nter-zwö';
const PROGRAM = join(import.meta.dirname, 'credentials-on-terminal.ts');

let fake: FakeCreds;
beforeEach(() => {
  fake = makeFakeCreds();
});
afterEach(() => fake.remove());

/** Afterwards the shell prints how it found the terminal, which echoes again when all is well. */
function start(...words: string[]): Ibctl {
  const args = [PROGRAM, JSON.stringify(fake.host), 'credentials', 'set', '--force', ...words, 'live'];
  const command = [process.execPath, ...args].map((arg) => `'${arg}'`).join(' ');
  return shellOnTerminal(
    `${command}; echo "exit=$?"; stty -a | grep -ow -e '-*echo' -e '-*icanon' -e '-*isig'`,
  );
}

const RESTORED = /\srestored\s+exit=(\d+)\s+isig\s+icanon\s+echo\s*$/;

function rot13(text: string): string {
  return text.replace(/[A-Za-z]/g, (letter) =>
    String.fromCharCode(letter.charCodeAt(0) + (letter.toLowerCase() < 'n' ? 13 : -13)),
  );
}

function opened(name: string): string {
  const sealed = Buffer.from(readFileSync(join(fake.directory, name), 'utf8'), 'base64').subarray(56);
  return rot13(sealed.toString('utf8').split('\n').slice(1).join('\n'));
}

describe('the questions', () => {
  it('show the user name, hide the password, and take corrections', async () => {
    const ibctl = start();
    await ibctl.untilStdout(/IBKR user name of live: $/);
    ibctl.type(`${USER}x\u007f\r`);
    await ibctl.untilStdout(/IBKR password of live: $/);
    ibctl.type(`wrong\u0015${PASSWORD}é\u007f\u001b[A\r`);
    await ibctl.untilStdout(/The same again: $/);
    ibctl.type(`${PASSWORD}\r`);
    const { stdout } = await ibctl.ended();
    assert.match(stdout, /Sealed the user name and password of live/);
    assert.equal(RESTORED.exec(stdout)?.[1], '0', stdout);
    assert.match(stdout, new RegExp(`user name of live: ${USER}x`));
    for (const part of [PASSWORD, 'h4nter', 'wrong', '*']) assert.ok(!stdout.includes(part), stdout);
    assert.deepEqual(
      [opened('ib-session.live.username'), opened('ib-session.live.password')],
      [USER, PASSWORD],
    );
  });

  it('echo nothing of a password that was pasted together with the user name', async () => {
    const ibctl = start();
    await ibctl.untilStdout(/IBKR user name of live: $/);
    ibctl.type(`${USER}\r${PASSWORD}\r${PASSWORD}\r`);
    const { stdout } = await ibctl.ended();
    assert.equal(RESTORED.exec(stdout)?.[1], '0', stdout);
    assert.ok(!stdout.includes('h4nter'), stdout);
    assert.equal(opened('ib-session.live.password'), PASSWORD);
  });

  it('hide a seed', async () => {
    const ibctl = start('--only', 'seed');
    await ibctl.untilStdout(/IBKR TOTP seed of live: $/);
    ibctl.type('jbsw y3dp ehpk 3pxp\r');
    const { stdout } = await ibctl.ended();
    assert.equal(RESTORED.exec(stdout)?.[1], '0', stdout);
    assert.doesNotMatch(stdout, /jbsw|ehpk/i);
    assert.equal(opened('ib-code.live.seed'), 'JBSWY3DPEHPK3PXP');
  });

  it('are asked again when the passwords differ, at most three times', async () => {
    const ibctl = start();
    await ibctl.untilStdout(/user name of live: $/);
    ibctl.type(`${USER}\r${'one\rtwo\r'.repeat(3)}`);
    const { stdout } = await ibctl.ended();
    assert.equal(RESTORED.exec(stdout)?.[1], '1', stdout);
    assert.equal(stdout.match(/The two passwords differ/g)?.length, 3);
    assert.ok(!existsSync(fake.directory));
  });

  for (const [key, name] of [
    ['\u0003', 'Ctrl-C'],
    ['\u0004', 'Ctrl-D'],
  ] as const) {
    it(`end with ${name}: nothing is changed and the terminal is as before`, async () => {
      const ibctl = start();
      await ibctl.untilStdout(/user name of live: $/);
      ibctl.type(`${USER}\r`);
      await ibctl.untilStdout(/password of live: $/);
      ibctl.type(name === 'Ctrl-C' ? `secr${key}` : key);
      const { stdout } = await ibctl.ended();
      assert.equal(RESTORED.exec(stdout)?.[1], '130', stdout);
      assert.match(stdout, /Nothing was changed\./);
      assert.doesNotMatch(stdout, /secr/);
      assert.ok(!existsSync(fake.directory));
    });
  }

  it('end with SIGTERM in the same way', async () => {
    const ibctl = start();
    await ibctl.untilStdout(/user name of live: $/);
    const pid = readdirSync('/proc').find((entry) => {
      try {
        const words = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
        return words[1] === PROGRAM && words[2]?.includes(fake.directory) === true;
      } catch {
        return false;
      }
    });
    process.kill(Number(pid), 'SIGTERM');
    const { stdout } = await ibctl.ended();
    assert.equal(RESTORED.exec(stdout)?.[1], '143', stdout);
  });
});
