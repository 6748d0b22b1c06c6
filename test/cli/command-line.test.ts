// Tests the command line itself: help, version, usage errors, global options, and that both parsers read alike.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { DEFAULT_SOCKET } from '../../src/cli/connect.ts';
import type { CliContext, TextSink } from '../../src/cli/context.ts';
import { allVerbs, EXIT_MEANINGS, GLOBAL_OPTIONS, GRAMMAR, type OptionSpec } from '../../src/cli/grammar.ts';
import type { RawCall } from '../../src/cli/input.ts';
import { Output } from '../../src/cli/output.ts';
import { parsePlain } from '../../src/cli/plain-parse.ts';
import { parseWithCommander } from '../../src/cli/program.ts';
import { agentPaths, DEFAULT_ROOTS } from '../../src/config/paths.ts';
import { SystemClock } from '../../src/host/clock.ts';
import { EXIT } from '../../src/protocol/errors.ts';
import { AGENT_VERSION } from '../../src/protocol/version.ts';
import { type FakeControl, startFakeControl } from '../fakes/fake-control.ts';
import { aSession, aStatus } from './builders.ts';
import { runIbctl } from './run-ibctl.ts';

const agents: FakeControl[] = [];
after(async () => {
  await Promise.all(agents.map((agent) => agent.close()));
});

const nowhere: TextSink = {
  write: () => undefined,
  writeBytes: () => undefined,
  isTty: false,
  columns: null,
};

function silentOutput(): Output {
  const context: CliContext = {
    argv: [],
    env: {},
    stdout: nowhere,
    stderr: nowhere,
    stdin: { isTty: false, setRaw: () => undefined, read: async () => null },
    clock: new SystemClock(),
    cwd: '/',
    interruption: () => new AbortController().signal,
  };
  return new Output(context, { json: false, colour: false });
}

function comparable(call: RawCall | null): unknown {
  if (call === null) return null;
  const options = [...call.options].sort(([a], [b]) => (a < b ? -1 : 1));
  return { path: call.path, arguments: call.arguments, options };
}

/** What commander makes of it; options that were not given carry their default there, so they are taken out. */
function commanderCall(argv: readonly string[]): unknown {
  const call = parseWithCommander(argv, silentOutput());
  if (call === null) return null;
  const given = new Map(call.options);
  for (const option of call.verb.options) {
    const named = argv.some((word) => word === option.short || word.split('=')[0] === option.long);
    if (!named) given.delete(option.long);
  }
  return comparable({ ...call, options: given });
}

/** A small generator with a seed (mulberry32), so that a failure can be seen again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('the two parsers', () => {
  it('read every command line alike that the plain one accepts', () => {
    const next = random(20_261_123);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T;
    const options: readonly OptionSpec[] = [
      ...GLOBAL_OPTIONS,
      ...allVerbs().flatMap(({ verb }) => verb.options),
    ];
    const values = ['live', 'ready', '5m', '10', '/tmp/x', '', '-1', 'status', 'a=b'];
    const words = [
      ...GRAMMAR.flatMap(({ verbs }) => verbs.map(({ name }) => name)),
      'check',
      'show',
      'bash',
      ...values,
      'help',
      '--',
      '-fn5',
    ];
    let accepted = 0;
    for (let round = 0; round < 20_000; round++) {
      const { path } = pick(allVerbs());
      const argv: string[] = next() < 0.9 ? [...path] : [];
      const more = Math.floor(next() * 4);
      for (let count = 0; count < more; count++) {
        const option = pick(options);
        const flag = option.short !== undefined && next() < 0.4 ? option.short : option.long;
        const value = pick(values);
        const part =
          next() < 0.3
            ? [pick(words)]
            : option.value === undefined
              ? [flag]
              : next() < 0.5
                ? [flag, value]
                : [`${flag}=${value}`];
        argv.splice(next() < 0.15 ? 0 : argv.length, 0, ...part);
      }
      const plain = parsePlain(argv);
      if (plain === null) continue;
      accepted += 1;
      assert.deepEqual(commanderCall(argv), comparable(plain), JSON.stringify(argv));
    }
    assert.ok(accepted > 2_000, `only ${accepted} were accepted`);
  });

  it('the plain one takes what people type most, so that it starts fast', () => {
    for (const line of [
      'status',
      'status --json',
      'status live --watch',
      '--socket /s status',
      'login live --timeout=5m',
      'events -f',
      'logs -n 50',
      'config check x',
    ]) {
      assert.notEqual(parsePlain(line.split(' ')), null, line);
    }
  });

  it('the plain one leaves help, errors and odd forms to commander', () => {
    for (const line of [
      '',
      '--help',
      'status -h',
      'help status',
      '--version',
      'statsu',
      'status a b',
      'logs -n50',
      'logs -fn 5',
      'status -- live',
      'status --json=1',
      'completion',
      'config',
      '--watch status',
    ]) {
      assert.equal(parsePlain(line === '' ? [] : line.split(' ')), null, line);
    }
  });
});

describe('help', () => {
  it('groups the verbs and shows examples and exit codes', async () => {
    const { stdout, stderr, exit } = await runIbctl(['--help']);
    assert.equal(exit, 0);
    assert.equal(stderr, '');
    for (const { title, verbs } of GRAMMAR) {
      const section = stdout.split(`\n${title}:\n`)[1]?.split('\n\n')[0] ?? '';
      for (const { name } of verbs) assert.match(section, new RegExp(`^ {2}${name}\\b`, 'm'));
    }
    assert.match(stdout, /\nExamples:\n {2}ibctl status\n/);
    for (const [code, meaning] of EXIT_MEANINGS) assert.ok(stdout.includes(`  ${code}`.padEnd(7) + meaning));
    assert.ok(stdout.split('\n').every((line) => line.length <= 80));
  });

  it('of every verb shows its usage, examples and exit codes', async () => {
    for (const { path, verb } of allVerbs()) {
      const { stdout, exit } = await runIbctl([...path, '--help']);
      assert.equal(exit, 0);
      assert.ok(stdout.startsWith(`Usage: ibctl ${path.join(' ')} `), stdout);
      for (const { command } of verb.examples) assert.ok(stdout.includes(command));
      assert.match(stdout, /\nExit codes:\n {2}0 /);
    }
  });

  it('--version prints the version', async () => {
    assert.deepEqual(await runIbctl(['--version']), {
      stdout: `ibctl ${AGENT_VERSION}\n`,
      stderr: '',
      exit: 0,
      signal: null,
    });
  });

  it('every exit code of the protocol has a meaning', () => {
    const told = new Set(EXIT_MEANINGS.map(([code]) => code));
    for (const code of Object.values(EXIT)) assert.ok(told.has(code), String(code));
  });
});

describe('a wrong command line', () => {
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /error: a verb is missing\nhint: see: ibctl --help\n$/],
    [['config'], /error: a verb is missing/],
    [['help', 'nope'], /error: unknown verb 'nope'/],
    [['statsu'], /^error: unknown command 'statsu'\nhint: did you mean status\? see: ibctl --help\n$/],
    [
      ['status', '--wacth'],
      /^error: unknown option '--wacth'\nhint: did you mean --watch\? see: ibctl status --help\n$/,
    ],
    [['login', 'a', 'b'], /^error: too many arguments for 'login'/],
    [['login', '--timeout', '5'], /^error: --timeout: expected a duration such as .*, got "5"\n$/],
    [['login', '--timeout'], /^error: option '--timeout <DURATION>' argument missing\n/],
    [
      ['wait', '--for=up'],
      /^error: --for: expected one of ready, stopped, halted, second-factor, got "up"\n$/,
    ],
    [['events', '--since', 'yesterday'], /^error: --since: expected how long ago .*, got "yesterday"\n$/],
    [['logs', '-n', '10001'], /^error: --lines: expected a number from 0 to 10000, got "10001"\n$/],
    [
      ['status', 'LIVE'],
      /^error: NAME: "LIVE" is not a session name\nhint: a session name is a lower-case letter/,
    ],
    [['completion', 'tcsh'], /^error: SHELL: expected one of bash, zsh, fish, got "tcsh"\n$/],
  ];
  for (const [argv, stderr] of wrong) {
    it(`"ibctl ${argv.join(' ')}" ends with 2 and says on stderr what is wrong`, async () => {
      const ended = await runIbctl(argv);
      assert.equal(ended.exit, 2);
      assert.equal(ended.stdout, '');
      assert.match(ended.stderr, stderr);
    });
  }

  it('with --json is told on stdout too', async () => {
    const { stdout, exit } = await runIbctl(['status', '--nope', '--json']);
    assert.equal(exit, 2);
    const { error } = JSON.parse(stdout);
    assert.deepEqual(
      [error.code, error.message, error.exit],
      ['invalid-params', "unknown option '--nope'", 2],
    );
  });
});

describe('the control socket', () => {
  it('is --socket before $IBCTL_SOCKET', async () => {
    const agent = await startFakeControl((_, reply) => reply.result(aStatus([aSession()])));
    agents.push(agent);
    const { exit } = await runIbctl(['--socket', agent.path, 'status'], {
      socket: '/nonexistent/control.sock',
    });
    assert.equal(exit, 0);
  });

  it('is by default where a packaged agent has it', () => {
    assert.equal(DEFAULT_SOCKET, agentPaths(DEFAULT_ROOTS).socket);
  });

  it('that is not there ends with 3, with a hint, and as JSON with --json', async () => {
    const { stdout, stderr, exit } = await runIbctl(['status', '--json'], {
      socket: '/nonexistent/control.sock',
    });
    assert.equal(exit, 3);
    assert.match(stderr, /^error: .*\/nonexistent\/control\.sock.*\nhint: .+\n$/);
    assert.equal(JSON.parse(stdout).error.code, 'agent-unreachable');
  });

  it('of an agent that refuses this user ends with 4 and names the group', async () => {
    const refuse = {
      code: 'not-allowed',
      message: 'user bob may not observe',
      hint: 'join group ib-observers',
    } as const;
    const agent = await startFakeControl(() => undefined, { refuse });
    agents.push(agent);
    const { stderr, exit } = await runIbctl(['status'], { socket: agent.path });
    assert.equal(exit, 4);
    assert.equal(stderr, 'error: user bob may not observe\nhint: join group ib-observers\n');
  });

  it('of an agent with another protocol version ends with 1 and says what to restart', async () => {
    const agent = await startFakeControl(() => undefined, { hello: { protocol: 99, agentVersion: '9.9.9' } });
    agents.push(agent);
    const { stderr, exit } = await runIbctl(['status'], { socket: agent.path });
    assert.equal(exit, 1);
    assert.match(stderr, /99.*\nhint: restart the agent/s);
  });
});
