// Tests whole runs of `ibctl doctor` on machines that do not exist: text, JSON, exit codes, and checks that hang or break.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Finding } from '../../../src/cli/doctor/finding.ts';
import { allChecks, runChecks } from '../../../src/cli/doctor/run.ts';
import { Scene } from '../../../src/cli/doctor/scene.ts';
import { renderFindings } from '../../../src/cli/doctor/text.ts';
import { examine } from '../../../src/cli/verbs/doctor.ts';
import { checkConfigText } from '../../../src/config/load.ts';
import { SystemClock } from '../../../src/host/clock.ts';
import { AGENT_VERSION } from '../../../src/protocol/version.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { callVerb } from '../call-verb.ts';
import { assertGolden } from '../golden.ts';
import { aHealthyMachine, type FakeMachine, SHOW, shownUnit } from './fake-machine.ts';

const LIVE = 'sessions:\n  live: { mode: live, install: { gatewayVersion: "1037" }, api: { port: 4001 } }\n';
const TWO = `${LIVE}  paper: { mode: paper, install: { gatewayVersion: "1037" }, api: { port: 4002 } }\n`;

const zone = process.env['TZ'];
let directory: string;
before(() => {
  process.env['TZ'] = 'UTC';
  directory = mkdtempSync(join(tmpdir(), 'ibctl-doctor-'));
});
after(() => {
  if (zone === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zone;
  rmSync(directory, { recursive: true, force: true });
});

function findingsOn(machine: FakeMachine, text = LIVE, offline = false): Promise<readonly Finding[]> {
  const config = checkConfigText(text, '/etc/ib-agent/ib-agent.yaml');
  const scene = new Scene({ machine, config: { ok: true, config }, sessions: config.sessions, offline });
  return runChecks(allChecks('0.1.0'), scene, new SystemClock());
}

const plain = { columns: 80, paint: (_: string, text: string) => text };

/** A machine on which much went wrong, seen by somebody who is not root. */
function aTroubledMachine(): FakeMachine {
  const machine = aHealthyMachine({ uid: 1001, zone: '' });
  const { parts } = machine;
  parts.programs = {
    ...parts.programs,
    'id -un': 'bob\n',
    'id -Gn bob': 'bob\n',
    'getent passwd': `${parts.programs['getent passwd']}bob:x:1001:1001::/home/bob:/bin/bash\n`,
    'timedatectl show --property=NTPSynchronized --value': 'no\n',
    'systemd-analyze cat-config systemd/journald.conf':
      '[Journal]\nStorage=persistent\n# drop-in\nStorage=volatile\n',
    [`${SHOW} ib-session@live.service`]: shownUnit('ib-session@.service', { NeedDaemonReload: 'yes' }),
    'ldconfig -p': '\tlibX11.so.6 (libc6,x86-64) => /lib/libX11.so.6\n',
    'fc-list': '',
    'getent ahosts hdc1.ibllc.com': 2,
  };
  parts.texts = {
    ...parts.texts,
    '/etc/polkit-1/rules.d/50-ib-agent.rules': { code: 'EACCES' },
    '/etc/needrestart/conf.d/ib-agent.conf': '# $nrconf{override_rc}{qr(^ib-)} = 0;\n',
  };
  parts.stats = { ...parts.stats, '/var/lib/ib-session/live/settings': { code: 'EACCES' } };
  parts.spaces = {
    ...parts.spaces,
    '/var/lib/ib-agent': { freeBytes: 200 * 1024 ** 2, totalBytes: 8 * 1024 ** 3 },
  };
  parts.servers = {
    '192.0.2.1:4001': { kind: 'answered', ms: 21 },
    '192.0.2.2:4001': { kind: 'refused', code: 'ENETUNREACH' },
  };
  parts.agent = { kind: 'away', message: 'there is no control socket /run/ib-agent/control.sock' };
  parts.install = {
    ok: false,
    part: 'gateway',
    message: 'IBC is not there: /opt/ibc/IBC.jar does not exist.',
    hint: 'Install IBC, or correct install.ibcDir in the configuration.',
  };
  return machine;
}

describe('the text', () => {
  it('of a machine on which all is well', async () => {
    assertGolden('doctor-healthy-80.txt', renderFindings(await findingsOn(aHealthyMachine()), plain));
  });

  it('of a machine on which much went wrong', async () => {
    const text = renderFindings(await findingsOn(aTroubledMachine()), plain);
    assertGolden('doctor-troubled-80.txt', text);
    // What is to be copied is not wrapped; all else fits.
    for (const line of text.split('\n'))
      assert.ok(line.length <= 80 || /^ {30}\$ (sudo|diff|getent) /.test(line), line);
  });

  it('is coloured by the result, and safe on a terminal', async () => {
    const machine = aHealthyMachine();
    machine.parts.agent = { kind: 'refused', message: 'no\u001b[2Jway' };
    const text = renderFindings(await findingsOn(machine), {
      columns: 80,
      paint: (style, word) => `<${style}>${word}</>`,
    });
    assert.match(text, /^<bold>Host<\/>$/m);
    assert.match(text, /^ {2}<green>ok<\/> {7}systemd /m);
    assert.ok(!text.includes('\u001b'));
  });
});

describe('the checks', () => {
  it('find nothing on a machine on which all is well', async () => {
    const findings = await findingsOn(aHealthyMachine());
    assert.deepEqual(
      findings.filter(({ result }) => result !== 'ok'),
      [],
    );
    assert.equal(new Set(findings.map(({ id }) => id)).size, allChecks('').length);
  });

  it('use no network with --offline, and none without a default route', async () => {
    for (const [offline, route] of [
      [true, undefined],
      [false, 'Iface\n'],
    ] as const) {
      const machine = aHealthyMachine();
      if (route !== undefined) machine.parts.texts['/proc/net/route'] = route;
      const findings = await findingsOn(machine, LIVE, offline);
      assert.deepEqual(
        findings.filter(({ group }) => group === 'Network').map(({ result, evidence }) => [result, evidence]),
        [['skipped', offline ? '--offline' : 'this host has no default route']],
      );
      assert.deepEqual(
        machine.asked.filter((line) => /connect|ahosts/.test(line)),
        [],
      );
    }
  });

  it("look at a session's own server too", async () => {
    const machine = aHealthyMachine();
    await findingsOn(machine, LIVE.replace('api:', 'jts: { peer: "zdc1.ibllc.com:4000" }, api:'));
    assert.ok(machine.asked.includes('getent ahosts zdc1.ibllc.com'));
  });

  it('read no credential', async () => {
    const machine = aHealthyMachine();
    const read: string[] = [];
    const readText = machine.readText.bind(machine);
    machine.readText = (path) => {
      read.push(path);
      return readText(path);
    };
    await findingsOn(machine);
    assert.deepEqual(
      [...read, ...machine.asked].filter((what) => /credstore|systemd-creds|credentials/.test(what)),
      [],
    );
  });

  it('that hang or break are findings, and hold up nothing', { timeout: 60_000 }, async () => {
    const clock = new FakeClock();
    const config = checkConfigText(LIVE, '/x');
    const scene = new Scene({
      machine: aHealthyMachine(),
      config: { ok: true, config },
      sessions: [],
      offline: true,
    });
    const running = runChecks(
      [
        { id: 'hangs', group: 'Host', run: () => new Promise(() => undefined) },
        { id: 'breaks', group: 'Host', run: async () => Promise.reject(new Error('oh')) },
        { id: 'works', group: 'Host', run: async () => [{ result: 'ok', evidence: 'fine', remedy: null }] },
      ],
      scene,
      clock,
    );
    // The others are done by then: they wait for nothing.
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(12_000);
    const findings = await running;
    assert.deepEqual(
      findings.map(({ id, result, evidence }) => [id, result, evidence]),
      [
        ['hangs', 'warning', 'no answer within 12 seconds'],
        ['breaks', 'failed', 'the check itself failed: oh'],
        ['works', 'ok', 'fine'],
      ],
    );
  });
});

describe('ibctl doctor', () => {
  function doctor(machine: FakeMachine, words: readonly string[], text = TWO) {
    const file = join(directory, 'ib-agent.yaml');
    writeFileSync(file, text);
    if (machine.parts.agent.kind === 'running')
      machine.parts.agent = { ...machine.parts.agent, version: AGENT_VERSION };
    return callVerb((call) => examine(call, machine), ['--config', file, 'doctor', ...words]);
  }

  it('ends with 0 when nothing failed, with 1 when something did', async () => {
    const machine = aHealthyMachine();
    machine.parts.zone = '';
    const good = await doctor(machine, ['--offline', 'live']);
    assert.equal(good.exit, 0);
    assert.match(good.stdout, /\n1 warning, \d+ ok, 1 skipped\n$/);
    const bad = await doctor(aTroubledMachine(), []);
    assert.equal(bad.exit, 1);
    assert.match(bad.stdout, /\n\d+ failed, \d+ warnings, /);
  });

  it('--json is an array with a row for each finding', async () => {
    const { stdout, exit } = await doctor(aTroubledMachine(), ['--json']);
    const rows: Record<string, unknown>[] = JSON.parse(stdout);
    assert.equal(exit, 1);
    for (const row of rows) {
      assert.deepEqual(Object.keys(row), [
        'id',
        'subject',
        'group',
        'result',
        'evidence',
        'remedy',
        'command',
      ]);
    }
    assert.deepEqual(
      rows.find(({ id, subject }) => id === 'credentials' && subject === 'paper'),
      {
        id: 'credentials',
        subject: 'paper',
        group: 'session',
        result: 'skipped',
        evidence: 'only root can see which are set',
        remedy: 'Look as root.',
        command: 'sudo ibctl doctor paper',
      },
    );
  });

  it('with NAME looks at that session only, and knows who was meant', async () => {
    const { stdout } = await doctor(aHealthyMachine(), ['--json', 'live']);
    const rows: { group: string; subject: string }[] = JSON.parse(stdout);
    assert.deepEqual(
      new Set(rows.filter(({ group }) => group === 'session').map(({ subject }) => subject)),
      new Set(['live']),
    );
    const wrong = await doctor(aHealthyMachine(), ['papr']);
    assert.equal(wrong.exit, 2);
    assert.match(wrong.stderr, /The session papr is not in .*\nhint: did you mean paper\?/);
  });

  it('works without a usable configuration, which is a finding', async () => {
    const { stdout, exit } = await doctor(aHealthyMachine(), ['--json', 'live'], 'sessions: 1\n');
    const rows: { id: string; group: string; result: string; evidence: string }[] = JSON.parse(stdout);
    assert.equal(exit, 1);
    assert.match(rows.find(({ id }) => id === 'config')?.evidence ?? '', /ib-agent\.yaml:1:11: sessions: /);
    assert.deepEqual(
      rows.filter(({ group }) => group === 'session'),
      [],
    );
  });
});
