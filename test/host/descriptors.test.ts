import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { it } from 'node:test';

const MODULE = join(import.meta.dirname, '..', '..', 'src', 'host', 'descriptors.ts');

/** Touches process.stdout, which makes the descriptor non-blocking, and prints its flags before and after. */
const SCRIPT = `
  import { readFileSync, writeSync } from 'node:fs';
  import { makeBlocking } from ${JSON.stringify(MODULE)};
  const flags = () => Number.parseInt(/^flags:\\s*(\\d+)/m.exec(readFileSync('/proc/self/fdinfo/1', 'latin1'))[1], 8) & 0o4000;
  process.stdout;
  const before = flags();
  const done = makeBlocking(1);
  writeSync(1, JSON.stringify([before, done, flags(), makeBlocking(1), makeBlocking(99)]));
`;

const ARGUMENTS = ['--input-type=module', '-e', SCRIPT];
const EXPECTED = [0o4000, true, 0, true, true];

it('a socket that Node made non-blocking blocks again', async () => {
  // Node's own 'pipe' is a socket pair.
  const child = spawn(process.execPath, ARGUMENTS, { stdio: ['ignore', 'pipe', 'inherit'] });
  assert.deepEqual(JSON.parse(await text(child.stdout)), EXPECTED);
});

it('a pipe that Node made non-blocking blocks again', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'descriptors-'));
  try {
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const argv = ['-c', 'exec "$@" >"$FIFO"', 'sh', process.execPath, ...ARGUMENTS];
    spawn('sh', argv, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, FIFO: fifo } });
    assert.deepEqual(JSON.parse(await text(createReadStream(fifo))), EXPECTED);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
