// Tests `ibctl windows` and `ibctl screenshot` as processes: what people and programs read, what is pressed, which file is written.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { WindowView } from '../../src/protocol/methods.ts';
import {
  type FakeControl,
  type FakeReply,
  type FakeRequest,
  startFakeControl,
} from '../fakes/fake-control.ts';
import { runIbctl, runShell } from './run-ibctl.ts';

const agents: FakeControl[] = [];
const directory = mkdtempSync(join(tmpdir(), 'ibctl-windows-'));
after(async () => {
  await Promise.all(agents.map((agent) => agent.close()));
  rmSync(directory, { recursive: true, force: true });
});

async function anAgent(script: (request: FakeRequest, reply: FakeReply) => unknown): Promise<FakeControl> {
  const agent = await startFakeControl(script);
  agents.push(agent);
  return agent;
}

const NOTICE: WindowView = {
  id: 'w7',
  title: 'Important notice\u001b[2J',
  class: 'javax.swing.JDialog',
  kind: 'dialog',
  modal: true,
  active: true,
  known: null,
  text: ['Rates change.', 'Do you agree?'],
  buttons: ['Agree', 'Decline'],
  rows: null,
  fields: 0,
  bounds: { x: 0, y: 0, width: 10, height: 10 },
};
const DEVICES: WindowView = {
  ...NOTICE,
  id: 'w5',
  title: '',
  known: 'second-factor-devices',
  modal: false,
  text: ['Select second factor device'],
  buttons: ['OK'],
  rows: ['IB Key', 'Mobile Authenticator app'],
  fields: 1,
};

const PNG = Buffer.from(Array.from({ length: 1_000 }, (_, index) => index % 256));

describe('ibctl windows', () => {
  const script = (_: FakeRequest, reply: FakeReply) => {
    reply.event(NOTICE);
    reply.event(DEVICES);
    reply.result({ session: 'live', count: 2 });
  };

  it('prints each window with what it says, its list and its buttons', async () => {
    const agent = await anAgent(script);
    const { stdout, exit } = await runIbctl(['windows', 'live'], { socket: agent.path });
    assert.equal(
      stdout,
      'w7  Important notice\\x1b[2J  dialog, modal, unknown, javax.swing.JDialog\n' +
        '    Rates change.\n    Do you agree?\n    [Agree] [Decline]\n\n' +
        'w5  (no title)  dialog, second-factor-devices, javax.swing.JDialog\n' +
        '    Select second factor device\n    - IB Key\n    - Mobile Authenticator app\n' +
        '    1 field to type into\n    [OK]\n',
    );
    assert.equal(exit, 0);
    assert.deepEqual(agent.requests, [{ method: 'windows', params: { session: 'live' } }]);
  });

  it('means the same as windows list, with or without a name', async () => {
    const agent = await anAgent(script);
    for (const args of [
      ['windows'],
      ['windows', 'list'],
      ['windows', 'list', 'live'],
      ['--json', 'windows'],
    ]) {
      const { exit, stderr } = await runIbctl(args, { socket: agent.path });
      assert.equal(exit, 0, stderr);
    }
    assert.deepEqual(
      agent.requests.map(({ params }) => params),
      [{}, {}, { session: 'live' }, {}],
    );
  });

  it('--json prints one document', async () => {
    const agent = await anAgent(script);
    const { stdout } = await runIbctl(['windows', '--json'], { socket: agent.path });
    assert.deepEqual(JSON.parse(stdout), { session: 'live', windows: [NOTICE, DEVICES] });
  });

  it('click presses the button that is named, and says so', async () => {
    const agent = await anAgent((_, reply) =>
      reply.result({ session: 'live', window: 'w7', button: 'I agree' }),
    );
    const { stdout, exit } = await runIbctl(['windows', 'click', 'live', 'w7', 'I agree'], {
      socket: agent.path,
    });
    assert.deepEqual([stdout, exit], ['pressed I agree in w7 of live\n', 0]);
    assert.deepEqual(agent.requests, [
      { method: 'window-click', params: { session: 'live', window: 'w7', button: 'I agree' } },
    ]);
  });

  it('click needs all three words', async () => {
    const { stderr, exit } = await runIbctl(['windows', 'click', 'live', 'w7']);
    assert.equal(exit, 2);
    assert.match(stderr, /missing required argument 'BUTTON'/);
  });

  it('click says that nothing was done when the window has changed', async () => {
    const agent = await anAgent((_, reply) =>
      reply.error({ code: 'window-changed', message: 'there is no window w7 any more', hint: 'look again' }),
    );
    const { stderr, exit } = await runIbctl(['windows', 'click', 'live', 'w7', 'OK'], { socket: agent.path });
    assert.deepEqual([stderr, exit], ['error: there is no window w7 any more\nhint: look again\n', 1]);
  });
});

describe('ibctl screenshot', () => {
  const script = (_: FakeRequest, reply: FakeReply) => {
    reply.event({ data: PNG.subarray(0, 600).toString('base64') });
    reply.event({ data: PNG.subarray(600).toString('base64') });
    reply.result({ session: 'live', width: 20, height: 10, bytes: PNG.length });
  };

  it('writes a file that only its owner reads, also over one that others read', async () => {
    const agent = await anAgent(script);
    const file = join(directory, 'shot.png');
    writeFileSync(file, 'before', { mode: 0o644 });
    const { stdout, exit } = await runIbctl(['screenshot', '-o', 'shot.png'], {
      socket: agent.path,
      cwd: directory,
    });
    assert.deepEqual([stdout, exit], [`${file}: 20x10\n`, 0]);
    assert.deepEqual(readFileSync(file), PNG);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    rmSync(file);
  });

  it('names the file after the session and the time when no name is given', async () => {
    const agent = await anAgent(script);
    await runIbctl(['screenshot', 'live', '--window', 'w7'], { socket: agent.path, cwd: directory });
    const [file, ...others] = readdirSync(directory);
    assert.match(file ?? '', /^live-\d{8}-\d{6}\.png$/);
    assert.deepEqual(others, []);
    assert.deepEqual(agent.requests, [{ method: 'screenshot', params: { session: 'live', window: 'w7' } }]);
  });

  it('writes to stdout, byte for byte', async () => {
    const agent = await anAgent(script);
    const { stdout } = await runShell('ibctl screenshot --output - | od -An -v -tu1 | tr -s " \\n" " "', {
      socket: agent.path,
    });
    assert.deepEqual(Buffer.from(stdout.trim().split(' ').map(Number)), PNG);
  });

  it('fails when the picture is not whole', async () => {
    const agent = await anAgent((_, reply) => {
      reply.event({ data: PNG.toString('base64') });
      reply.result({ session: 'live', width: 20, height: 10, bytes: PNG.length + 1 });
    });
    const { exit, stderr } = await runIbctl(['screenshot', '-o', join(directory, 'half.png')], {
      socket: agent.path,
    });
    assert.equal(exit, 3, stderr);
    assert.ok(!readdirSync(directory).includes('half.png'));
  });
});
