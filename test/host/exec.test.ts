import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { describe, it } from 'node:test';
import { SystemClock } from '../../src/host/clock.ts';
import { feed, type OutputStream, run, spawnChild } from '../../src/host/exec.ts';
import { runSync } from '../../src/host/exec-sync.ts';
import { LONGEST_LINE } from '../../src/host/lines.ts';

const env = { PATH: '/usr/bin:/bin' };
const clock = new SystemClock();

function shell(script: string, onLine: (line: string, stream: OutputStream) => void = () => {}) {
  return spawnChild('/bin/sh', ['-c', script], {
    env,
    clock,
    onLine: (stream, line) => onLine(line, stream),
  });
}

describe('run', () => {
  it('gives status, both streams and nothing of our environment', async () => {
    process.env['SECRET_OF_THE_PARENT'] = '1';
    const result = await run('/bin/sh', ['-c', 'echo "a b"; echo err >&2; env; read x || exit 3'], {
      env: { A: '1' },
      timeoutMs: 5000,
    });
    delete process.env['SECRET_OF_THE_PARENT'];
    assert.equal(result.status, 3, 'stdin is empty');
    assert.equal(result.stderr, 'err\n');
    assert.deepEqual(
      result.stdout.split('\n').filter((line) => !/^(PWD|SHLVL|_)=/.test(line)),
      ['a b', 'A=1', ''],
    );
  });

  it('says what could not be started, timed out, was killed, or wrote too much, and never throws', async () => {
    const options = { env, timeoutMs: 10_000 };
    assert.equal((await run('/nowhere/program', [], options)).error, 'ENOENT');
    assert.equal((await run('/etc/passwd', [], options)).error, 'EACCES');
    const late = await run('/bin/sh', ['-c', 'exec sleep 60'], { env, timeoutMs: 50 });
    assert.deepEqual([late.timedOut, late.status, late.signal], [true, null, 'SIGKILL']);
    const killed = await run('/bin/sh', ['-c', 'kill -9 $$'], options);
    assert.deepEqual([killed.status, killed.signal, killed.error], [null, 'SIGKILL', null]);
    const loud = await run('/bin/sh', ['-c', 'yes'], { ...options, maxBytes: 1000 });
    assert.deepEqual([loud.error, loud.stdout.length], ['ENOBUFS', 1000]);
  });
});

describe('runSync', () => {
  it('gives the bytes of both streams and the whole story of a failure', () => {
    const options = { env, timeoutMs: 10_000 };
    const result = runSync(['/bin/sh', '-c', 'printf "\\377x"; echo err >&2; exit 4'], options);
    assert.deepEqual([...result.stdout], [0xff, 0x78]);
    assert.deepEqual(
      [result.status, result.signal, result.error, String(result.stderr)],
      [4, null, null, 'err\n'],
    );
    assert.equal(runSync(['/nowhere/program'], options).error, 'ENOENT');
    const late = runSync(['/bin/sh', '-c', 'exec sleep 60'], { env, timeoutMs: 50 });
    assert.deepEqual([late.error, late.status, late.signal], ['ETIMEDOUT', null, 'SIGKILL']);
    const loud = runSync(['/bin/sh', '-c', 'yes'], { ...options, maxBytes: 1000 });
    assert.deepEqual([loud.error, loud.status], ['ENOBUFS', null]);
  });

  it('gives a program what it shall read, and nothing otherwise', () => {
    const options = { env, timeoutMs: 10_000 };
    const input = Buffer.from('\0secret\xff', 'latin1');
    assert.deepEqual(runSync(['/bin/cat'], { ...options, input }).stdout, input);
    assert.deepEqual(runSync(['/bin/cat'], options).stdout, Buffer.alloc(0));
    const unread = runSync(['/bin/sh', '-c', 'exec <&-; echo no >&2; exit 3'], {
      ...options,
      input: Buffer.alloc(1024 * 1024),
    });
    assert.deepEqual([unread.status, unread.error, String(unread.stderr)], [3, null, 'no\n']);
  });
});

describe('a spawned child', () => {
  it('hands on each line at once, before the program ends', async () => {
    const seen = Promise.withResolvers<string>();
    const child = shell('echo first; exec sleep 60', (line) => seen.resolve(line));
    assert.equal(await seen.promise, 'first');
    assert.equal(child.kill('SIGTERM'), true);
    assert.deepEqual(await child.exited, { status: null, signal: 'SIGTERM', error: null });
    assert.equal(child.kill('SIGTERM'), false);
  });

  it('has given every line when it is said to have ended, also the one without line end', async () => {
    const lines: string[] = [];
    const child = shell(
      'i=0; while [ $i -lt 5000 ]; do echo "line $i"; i=$((i+1)); done; printf "é\\r\\n\\nlast"; exit 7',
      (line) => lines.push(line),
    );
    assert.deepEqual(await child.exited, { status: 7, signal: null, error: null });
    assert.equal(lines.length, 5003);
    assert.deepEqual(lines.slice(-4), ['line 4999', 'é', '', 'last']);
  });

  it('keeps the streams apart and cuts a line that is too long into pieces', async () => {
    const lines: [OutputStream, number][] = [];
    const child = shell('head -c 150000 /dev/zero | tr "\\0" x; echo; echo err >&2', (line, stream) =>
      lines.push([stream, line.length]),
    );
    await child.exited;
    assert.deepEqual(
      lines.filter(([stream]) => stream === 'stdout'),
      [
        ['stdout', LONGEST_LINE],
        ['stdout', LONGEST_LINE],
        ['stdout', 150_000 - 2 * LONGEST_LINE],
      ],
    );
    assert.deepEqual(
      lines.filter(([stream]) => stream === 'stderr'),
      [['stderr', 3]],
    );
  });

  it('that cannot be started is an ending, not an exception', async () => {
    const child = spawnChild('/nowhere/program', [], { env, clock, onLine: () => {} });
    assert.equal(child.pid, undefined);
    assert.deepEqual(await child.exited, { status: null, signal: null, error: 'ENOENT' });
    assert.equal(child.kill('SIGTERM'), false);
  });

  it('is said to have ended although a grandchild keeps its pipes open', async () => {
    let grandchild = 0;
    const child = shell('sleep 60 & echo $!; exit 5', (line) => {
      grandchild = Number(line);
    });
    assert.deepEqual(await child.exited, { status: 5, signal: null, error: null });
    assert.ok(statSync(`/proc/${grandchild}`).isDirectory(), 'it is still there');
    process.kill(grandchild, 'SIGKILL');
  });
});

describe('a program that is fed', () => {
  const fed = (script: string, changes: { timeoutMs?: number; signal?: AbortSignal; input?: string } = {}) =>
    feed('/bin/sh', ['-c', script], {
      input: 'hello',
      timeoutMs: 30_000,
      signal: new AbortController().signal,
      env: { PATH: '/usr/bin:/bin' },
      maxBytes: 100,
      clock,
      ...changes,
    });

  it('gets the text on its stdin, all of it, and then the end', async () => {
    const input = 'x'.repeat(1_000_000);
    const { status, stderr } = await fed('wc -c >&2', { input });
    assert.deepEqual([status, stderr.trim()], [0, '1000000']);
  });

  it('may write as much as it likes, of which the beginning is kept', async () => {
    const { status, stderr } = await fed('yes out | head -c 3000000; yes err | head -c 3000000 >&2; exit 4');
    assert.deepEqual([status, stderr.length, stderr.slice(0, 4)], [4, 100, 'err\n']);
  });

  it('is killed when its time is over, or when nobody waits for it any more', async () => {
    const late = await fed('sleep 60', { timeoutMs: 300 });
    assert.deepEqual([late.timedOut, late.status, late.signal], [true, null, 'SIGKILL']);
    const abort = new AbortController();
    const unwanted = fed('sleep 60', { signal: abort.signal });
    abort.abort();
    const { timedOut, signal } = await unwanted;
    assert.deepEqual([timedOut, signal], [false, 'SIGKILL']);
  });

  it('need not read what it gets, nor be there', async () => {
    assert.equal((await fed('exec 0<&-; exit 0', { input: 'x'.repeat(1_000_000) })).status, 0);
    const missing = await feed('/nowhere/program', [], {
      input: 'x',
      timeoutMs: 30_000,
      signal: new AbortController().signal,
      env: {},
      maxBytes: 100,
      clock,
    });
    assert.deepEqual([missing.status, missing.error], [null, 'ENOENT']);
  });
});
