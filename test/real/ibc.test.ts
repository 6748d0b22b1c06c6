// Runs the main scenarios with the real IBC in IBC_DIR, which drives the stand-in Gateway.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { describeCodesByHand } from '../support/code-scenarios.ts';
import { describeMainScenarios, has, one } from '../support/main-scenarios.ts';
import { describeTotp } from '../support/totp-scenarios.ts';
import { makeWorld, until, type World } from '../support/world.ts';

const directory = process.env['IBC_DIR'];
const jar = directory === undefined ? undefined : join(directory, 'IBC.jar');

it('has a real IBC to run with', () => {
  assert.ok(jar !== undefined, 'set IBC_DIR to the directory of a real IBC, the one that holds IBC.jar');
  assert.ok(existsSync(jar), `IBC_DIR: there is no ${jar}`);
});

if (jar !== undefined && existsSync(jar)) {
  describeMainScenarios(jar);
  describeTotp(jar);
  describeCodesByHand(jar);
  describeDevices(jar);
}

function describeDevices(ibcJar: string): void {
  describe('a second-factor device', () => {
    let world: World;
    before(async () => {
      const knobs = { 'second.factor': 'devices', 'push.approve.after.ms': '1500' };
      const device = 'Mobile Authenticator app';
      world = await makeWorld({
        ibcJar,
        sessions: {
          ordered: { knobs, config: { secondFactor: { method: 'unknown', device } } },
          unknown: { knobs, config: { secondFactor: { method: 'unknown', device: 'Toaster' } } },
          paired: { config: { jts: { secondFactor: 'seedofanewhost,5.2a;' } } },
          unseen: {
            knobs: { ...knobs, 'second.factor.late.title': 'yes' },
            config: { secondFactor: { method: 'unknown', device: 'IB Key' } },
          },
        },
      });
      await world.startAgent();
    });
    after(() => world.dispose());

    const logsIn = async (session: string, ...more: string[]) => {
      const { status, stderr } = await world.ibctl('login', session, '--timeout', '2m', ...more);
      assert.equal(status, 0, stderr);
      assert.equal((await world.status(session)).ledger.pushes24h, 1);
      has(one(world.told('second-factor-accepted', { session })), { IB_METHOD: 'ib-key', IB_ATTEMPT: '1' });
      assert.equal((await world.ibctl('stop', session)).status, 0);
    };

    it('of the order is picked by IBC instead of the configured one', async () => {
      await logsIn('ordered', '--device', 'IB Key');
      assert.equal(world.told('second-factor-device-chosen').length, 0);
    });

    it('that IBC does not find is chosen by an operator at the list that it leaves open', async () => {
      assert.equal((await world.ibctl('login', 'unknown', '--no-wait')).status, 0);
      await until(
        'the list is told',
        () =>
          world
            .told('second-factor-pending', { session: 'unknown' })
            .some((record) => record['IB_METHOD'] === 'device-choice'),
        120_000,
      );
      await logsIn('unknown', '--device', 'IB Key');
      has(one(world.told('second-factor-device-chosen', { session: 'unknown' })), { IB_BY: 'operator' });
    });

    it('that is paired is known by a token which IBC has no reason to log', async () => {
      const { status, stderr } = await world.ibctl('login', 'paired', '--timeout', '2m');
      assert.equal(status, 0, stderr);
      const { stdout } = await world.ibctl('logs', 'paired', '-n', '2000');
      assert.match(stdout, /contains required minimal lines/);
      assert.doesNotMatch(stdout, /seedofanewhost|jts\.ini: /);
      assert.equal((await world.ibctl('stop', 'paired')).status, 0);
    });

    it('whose list IBC does not see is chosen by the agent', async () => {
      await logsIn('unseen');
      has(one(world.told('second-factor-device-chosen', { session: 'unseen' })), { IB_BY: 'agent' });
    });
  });
}
