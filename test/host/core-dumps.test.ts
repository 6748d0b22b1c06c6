// Checks that a program leaves no core dump once they are forbidden, also when it has become another one.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';

const MODULE = join(import.meta.dirname, '..', '..', 'src', 'host', 'core-dumps.ts');
const SCRIPT = `
  import { forbidCoreDumps } from ${JSON.stringify(MODULE)};
  const done = forbidCoreDumps();
  process.execve('/bin/sh', ['sh', '-c', 'echo ' + done + '; grep core /proc/self/limits; ulimit -c unlimited || exit 7'], {});
`;

it('core dumps are forbidden for good, and for what the process becomes', () => {
  const node = `exec "${process.execPath}" --no-warnings --input-type=module -e "$SCRIPT"`;
  const { stdout, status } = spawnSync(
    'setpriv',
    ['--bounding-set=-sys_resource', '--inh-caps=-all', 'sh', '-c', node],
    {
      env: { ...process.env, SCRIPT },
      encoding: 'utf8',
    },
  );
  assert.match(stdout, /^true\nMax core file size +1 +1 +bytes/);
  assert.ok(status !== 0, 'a program without privilege cannot raise it again');
});
