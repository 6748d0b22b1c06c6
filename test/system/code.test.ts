// Checks the units of one-time codes on a booted Debian without an agent: sealed seed, order, typing through the bridge, clocks compared.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chooseStep } from '../../src/domain/code-step.ts';
import { type CodeReport, parseClockComparison, parseCodeReport } from '../../src/gateway/code-records.ts';
import { makeCode } from '../../src/launch/totp.ts';
import { poll } from './command.ts';
import { bootProduct, USERS } from './install.ts';
import type { Machine } from './machine.ts';

const SEED = 'JBSWY3DPEHPK3PXPMFRGGZDF';
const FACTOR = 'Second Factor Authentication';
const UNIT = 'ib-code@live.service';
const SEALED = '/etc/credstore.encrypted/ib-code.live.seed';
const NODE = '/usr/lib/ib-agent/current/bin/node';

type Window = {
  readonly id: string;
  readonly title: string;
  readonly components: readonly { readonly path: string; readonly text?: string }[];
};

/** Asks the bridge once, as root: its lines are in docs/bridge.md. */
const LOOK = `
const socket = require('node:net').connect('/run/ib-session/live/bridge.sock');
let text = '';
socket.setEncoding('utf8').on('data', (chunk) => {
  text += chunk;
  const answer = text.split('\\n').slice(0, -1).map((line) => JSON.parse(line)).find(({ id }) => id === 2);
  if (answer !== undefined) { console.log(JSON.stringify(answer.windows)); process.exit(0); }
});
socket.write('{"id":1,"op":"hello","protocols":[1]}\\n{"id":2,"op":"windows"}\\n');
setTimeout(() => process.exit(1), 10000);
`;

/** A web server whose clock is a minute slow. */
const SLOW_CLOCK = `
require('node:http').createServer((request, response) => {
  response.writeHead(200, { date: new Date(Date.now() - 60000).toUTCString() });
  response.end();
}).listen(8099, '127.0.0.1');
`;

/** Says how far it gets in the sandbox of the unit. */
const PROBE = `
let read = 'readable';
try { require('node:fs').readFileSync('/run/ib-session/live/config.ini'); } catch (error) { read = error.code; }
const socket = require('node:net').connect(4001, '127.0.0.1');
socket.on('connect', () => { console.log('probe', read, 'connected'); socket.destroy(); });
socket.on('error', (error) => console.log('probe', read, error.code));
`;

let machine: Machine;
before(async () => {
  machine = await bootProduct({
    name: 'code',
    idle: true,
    sessions: {
      live: {
        knobs: { 'second.factor': 'totp', 'totp.seed': SEED },
        config: { secondFactor: { method: 'totp' } },
      },
    },
  });
  await machine.sh(
    'printf "clock: {compareWith: http://127.0.0.1:8099/}\\n" >>/etc/ib-agent/ib-agent.yaml; ibctl config check',
  );
});
after(() => machine?.dispose());

async function order(kind: 'launch' | 'code', content: object): Promise<void> {
  const directory = `/run/ib-agent/${kind}`;
  await machine.sh('install -d -m 0750 -o ib-agent -g ib-gateway "$1"', {}, directory);
  await machine.writeFile(`${directory}/live.json`, JSON.stringify({ v: 1, session: 'live', ...content }), {
    mode: '0640',
    owner: 'ib-agent:ib-gateway',
  });
}

async function property(name: string, unit = UNIT): Promise<string> {
  return (await machine.sh('systemctl show -P "$1" "$2"', {}, name, unit)).trim();
}

/** Starts ib-code as the agent does; the exit status of its program. */
async function start(): Promise<number> {
  await machine.run(['systemctl', '--no-ask-password', 'start', UNIT], { user: 'ib-agent', check: false });
  return Number(await property('ExecMainStatus'));
}

/** As the agent reads it. */
async function result(id: string): Promise<CodeReport> {
  const { stdout } = await machine.run(['cat', '/run/ib-code/live/result.json'], { user: 'ib-agent' });
  const report = parseCodeReport(stdout);
  assert.ok(report !== null && report.id === id, stdout);
  return report;
}

function check(id: string) {
  return order('code', { kind: 'check', id, notAfter: Date.now() + 60_000 });
}

test('by hand it refuses for lack of an order, and other users may not start it', async () => {
  const { status } = await machine.run(['systemctl', 'start', UNIT], { check: false });
  assert.notEqual(status, 0);
  assert.equal(await property('ExecMainStatus'), '31');
  assert.match(await machine.sh('journalctl -o cat -t ib-code'), /nothing was typed: There is no order/);
  for (const user of ['ib-gateway', USERS.operator]) {
    const tried = await machine.run(['systemctl', '--no-ask-password', 'start', UNIT], {
      user,
      check: false,
    });
    assert.match(tried.stderr, /authentication required|Access denied/, user);
  }
});

test('a seed that is missing is told by the program, not by systemd', async () => {
  await check('missing');
  assert.equal(await start(), 21);
  const { outcome, done } = await result('missing');
  assert.ok(outcome.kind === 'not-typed' && outcome.why === 'seed-missing' && done, JSON.stringify(outcome));
  assert.equal(outcome.hint, 'As root: ibctl credentials set live --only seed');
});

test('a seed that is sealed by ibctl gives codes, and an order is good for once', async () => {
  await machine.run(['ibctl', 'credentials', 'set', 'live', '--only', 'seed', '--stdin'], {
    input: `${SEED}\n`,
  });
  await check('sealed');
  assert.equal(await start(), 0);
  assert.deepEqual((await result('sealed')).outcome, { kind: 'ok' });
  assert.equal(await start(), 34);
  assert.deepEqual((await result('sealed')).outcome, { kind: 'ok' });
  assert.equal(
    await machine.sh(
      'stat -c "%a %U:%G" /run/ib-code/live /run/ib-code/live/result.json /var/lib/ib-code/live',
    ),
    '750 ib-gateway:ib-gateway\n640 ib-gateway:ib-gateway\n700 ib-gateway:ib-gateway\n',
  );
});

test('the code of the ordered step is typed from inside the sandbox, and accepted; no trace of it or the seed is left', async () => {
  await order('launch', { id: 'first', kind: 'cold', notAfter: Date.now() + 60_000 });
  await machine.run(['systemctl', 'start', 'ib-session@live']);
  const dialog = await poll(
    'the gateway asks for a code',
    async () => {
      const { status, stdout } = await machine.run([NODE, '-e', LOOK], { check: false });
      if (status !== 0) return null;
      return (JSON.parse(stdout) as Window[]).find(({ title }) => title === FACTOR) ?? null;
    },
    { deadlineMs: 120_000, everyMs: 500 },
  );
  const field = dialog.components.find(({ path }) => path.endsWith(':javax.swing.JTextField'));
  const button = dialog.components.find(({ text }) => text === 'OK');
  assert.ok(field !== undefined && button !== undefined, JSON.stringify(dialog));
  const { step, from } = chooseStep(Date.now(), null, 20_000);
  await poll('the time of the step', async () => Date.now() >= from, { deadlineMs: 40_000, everyMs: 50 });
  const near = 'Enter Mobile Authenticator app code';
  await order('code', {
    kind: 'type',
    id: 'typed',
    notAfter: Date.now() + 60_000,
    step,
    target: {
      window: dialog.id,
      title: FACTOR,
      near,
      path: field.path,
      button: button.path,
      buttonText: 'OK',
    },
  });
  assert.equal(await start(), 0);
  const report = await result('typed');
  assert.deepEqual([report.outcome, report.step, report.done], [{ kind: 'typed' }, step, true]);
  console.log(`the kernel's clock as ib-code sees it: ${JSON.stringify(report.clock)}`);
  await poll(
    'the code is accepted',
    async () =>
      (await machine.sh('journalctl -o cat -u ib-session@live')).includes('second factor code accepted'),
    { deadlineMs: 30_000 },
  );
  const journal = (await machine.journal()).map((entry) => Object.values(entry).join('\n')).join('\n');
  assert.match(journal, /the one-time code of the session live is typed and handed in/);
  const told = `${journal}\n${await machine.sh('cat /run/ib-code/live/* /run/ib-agent/code/*; find /var/lib/ib-code /run/ib-code -type f -exec cat {} +')}`;
  assert.equal(told.includes(SEED), false);
  assert.equal(told.includes(makeCode(SEED, step)), false);
  for (const user of ['ib-agent', USERS.operator]) {
    assert.equal((await machine.run(['cat', SEALED], { user, check: false })).stdout, '');
  }
});

test('a seed that cannot be unsealed is told by systemd with a status of its own', async () => {
  await machine.sh('cp "$1" /root/seed; printf "bm90IHNlYWxlZA==\\n" >"$1"', {}, SEALED);
  await check('broken');
  assert.equal(await start(), 243);
  await machine.sh('mv /root/seed "$1"', {}, SEALED);
});

test('ib-code reaches no network, and not the file with the password, which belongs to its own user', async () => {
  assert.equal(
    (await machine.sh('stat -c "%a %U" /run/ib-session/live/config.ini')).trim(),
    '400 ib-gateway',
  );
  await machine.writeFile('/opt/probe.cjs', PROBE, { mode: '0644' });
  await machine.writeFile(
    '/etc/systemd/system/ib-code@live.service.d/probe.conf',
    `[Service]\nExecStart=\nExecStart=${NODE} /opt/probe.cjs\n`,
  );
  await machine.sh('systemctl daemon-reload; systemctl start "$1"', {}, UNIT);
  assert.match(await machine.sh('journalctl -o cat -t ib-code'), /^probe (EACCES|EPERM) EAFNOSUPPORT$/m);
  await machine.sh('rm -r /etc/systemd/system/ib-code@live.service.d; systemctl daemon-reload');
});

test('ib-clock compares the clock with that of the configured server', async () => {
  await machine.run(['systemd-run', '--unit=slow-clock', NODE, '-e', SLOW_CLOCK]);
  await poll('it listens', async () => (await machine.sh('ss -Hltn "sport = :8099"')) !== '');
  await machine.run(['systemctl', '--no-ask-password', 'start', 'ib-clock@live'], { user: 'ib-agent' });
  const { stdout } = await machine.run(['cat', '/run/ib-clock/live/result.json'], { user: 'ib-agent' });
  const comparison = parseClockComparison(stdout);
  assert.ok(comparison?.kind === 'compared', stdout);
  assert.ok(Math.abs(comparison.offsetMs - 60_000) <= comparison.uncertaintyMs + 50, stdout);
});
