// Checks the whole product on each suite as its users meet it: an operator logs in, an observer looks, a stranger is refused.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { METHODS, type SessionStatus } from '../../src/protocol/methods.ts';
import type { Suite } from './image.ts';
import { bootProduct, sessionEnds, USERS } from './install.ts';
import type { Machine } from './machine.ts';

const SUITES: readonly Suite[] = ['bookworm', 'trixie'];
for (const suite of SUITES) {
  describe(suite, () => {
    let machine: Machine;
    before(async () => {
      machine = await bootProduct({ name: 'product', suite });
    });
    after(() => machine?.dispose());

    async function status(): Promise<SessionStatus> {
      const { stdout } = await machine.run(['ibctl', 'status', '--json'], { user: USERS.observer });
      const [session] = METHODS.status.result.parse(JSON.parse(stdout)).sessions;
      assert.ok(session);
      return session;
    }

    test('nothing logs in before the operator says so', async () => {
      assert.equal((await status()).state, 'stopped');
      for (const [user, expected] of [
        [USERS.observer, 4],
        [USERS.stranger, 4],
      ] as const) {
        const tried = await machine.run(['ibctl', 'login', 'live'], { user, check: false });
        assert.equal(tried.status, expected, user);
      }
      assert.equal(await machine.sh('pgrep -u ib-gateway || true'), '');
    });

    test('a login brings the session up as a unit, and the journal tells its story', async () => {
      await machine.run(['ibctl', 'login', 'live'], { user: USERS.operator, timeoutMs: 180_000 });
      assert.equal((await status()).state, 'ready');
      assert.equal(
        await machine.sh('systemctl is-active ib-session@live ib-display@live'),
        'active\nactive\n',
      );
      const ready = await machine.logged('the session is ready', ['IB_EVENT=session-ready'], () => true);
      assert.equal(ready['IB_SESSION'], 'live');
      assert.equal(ready['_SYSTEMD_UNIT'], 'ib-agent.service');
    });

    test('a stop closes the gateway tidily', async () => {
      await machine.run(['ibctl', 'stop', 'live'], { user: USERS.operator, timeoutMs: 180_000 });
      assert.equal((await status()).state, 'stopped');
      assert.equal(await machine.sh('pgrep -u ib-gateway || true'), '');
      const [end, ...others] = await sessionEnds(machine);
      assert.equal(end?.status, 0);
      assert.deepEqual(others, []);
    });
  });
}
