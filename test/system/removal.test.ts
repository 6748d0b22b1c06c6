// Checks that a removal closes a session that is logged in tidily, and leaves nothing of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { difference, everyFile, SAME } from './disk.ts';
import { configure, installProduct, layStandins, runInstaller, setKnobs } from './install.ts';
import { bootMachine } from './machine.ts';
import { ibctl } from './product.ts';
import { productTree } from './tree.ts';

test('--uninstall --purge under a logged-in session closes it tidily, and nothing of it is left', async () => {
  const tree = await productTree();
  await using machine = await bootMachine({ name: 'removal', binds: [tree.bind] });
  await layStandins(machine);
  const pristine = await everyFile(machine);
  await installProduct(machine, tree);
  await configure(machine, {});
  // Long enough that whoever kills instead of waiting is seen.
  await setKnobs(machine, { 'shutdown.ms': '1500' });
  await machine.run(['systemctl', 'restart', 'ib-agent.service']);
  const { status, stdout, stderr } = await ibctl(machine, ['login'], null);
  assert.equal(status, 0, stdout + stderr);
  await runInstaller(machine, tree, ['--uninstall', '--purge']);
  const lines = await machine.journal('_SYSTEMD_UNIT=ib-session@live.service');
  const record = lines.map((entry) => entry['MESSAGE'] ?? '').filter((text) => text.startsWith('{"v":1'));
  assert.match(record.at(-1) ?? '', /"status":0,"signal":null/, 'it closed tidily');
  assert.deepEqual(difference(pristine, await everyFile(machine)), SAME);
  assert.equal(await machine.sh('ls -d /run/ib-* /run/credentials/ib-* /tmp/*ib-* 2>/dev/null || true'), '');
  assert.equal(await machine.sh('systemctl list-units --all --no-legend --plain "ib-*"'), '');
  assert.equal(await machine.sh('pgrep --list-full "java|Xvfb|node" || true'), '');
});
