// Owns the scenarios of logins whose one-time code ib-code makes and types, for every IBC.

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeCode } from '../../src/launch/totp.ts';
import { has, one } from './main-scenarios.ts';
import { makeWorld, until, type World } from './world.ts';

const SEED = 'JBSWY3DPEHPK3PXPMFRGGZDF';
const OTHER_SEED = 'GEZDGNBVGY3TQOJQGEZDGNBV';
const CONFIG = { secondFactor: { method: 'totp' } };
const knobs = (seed: string, more = {}) => ({ 'second.factor': 'totp', 'totp.seed': seed, ...more });
/** A fresh step may have to be waited for, twice. */
const STEPS_MS = 120_000;

/** Declares the scenarios; `ibcJar` is another IBC.jar than the stand-in's. */
export function describeTotp(ibcJar?: string): void {
  const jar = ibcJar === undefined ? {} : { ibcJar };

  describe('a login with a stored seed', () => {
    let world: World;
    before(async () => {
      world = await makeWorld({
        ...jar,
        sessions: { live: { seed: SEED, knobs: knobs(SEED), config: CONFIG } },
      });
      await world.startAgent();
    });
    after(() => world.dispose());

    it('needs nobody: the code is typed once, and the session comes up', async () => {
      const { status, stdout, stderr } = await world.ibctl('login', '--timeout', '120s', 'live');
      assert.equal(status, 0, stdout + stderr);
      has(one(world.told('second-factor-pending')), { IB_METHOD: 'totp', IB_ATTEMPT: '1', IB_DETAIL: '' });
      has(one(world.told('second-factor-code-typed')), {
        IB_BY: 'ib-code',
        IB_NUMBER: '1',
        IB_CERTAIN: 'yes',
      });
      has(one(world.told('second-factor-accepted')), { IB_METHOD: 'totp' });
      assert.deepEqual(world.told('second-factor-rejected'), []);
    });

    it('uses another time step for the next login', async () => {
      const from = world.records.length;
      const { status, stdout, stderr } = await world.ibctl('restart', '--cold', '--timeout', '150s', 'live');
      assert.equal(status, 0, stdout + stderr);
      assert.equal(world.told('second-factor-code-typed', { from }).length, 1);
      assert.deepEqual(world.told('second-factor-rejected', { from }), []);
    });
  });

  for (const rejection of ['same', 'reopen']) {
    describe(`a code that IBKR does not take (${rejection} window)`, () => {
      let world: World;
      /** Its clock is 40 s behind ours. */
      const server = createServer((_, response) => {
        response.setHeader('Date', new Date(Date.now() - 40_000).toUTCString());
        response.end();
      });
      before(async () => {
        server.listen(0, '127.0.0.1');
        await until('the server listens', () => server.listening);
        const { port } = server.address() as AddressInfo;
        world = await makeWorld({
          ...jar,
          compareWith: `http://127.0.0.1:${port}/`,
          sessions: {
            live: { seed: SEED, knobs: knobs(OTHER_SEED, { 'totp.reject': rejection }), config: CONFIG },
          },
        });
        await world.startAgent();
      });
      after(async () => {
        await world.dispose();
        server.close();
      });

      it('is followed by that of the next step, and then by a halt that says what the clock has to do with it', async () => {
        const { status, stderr } = await world.ibctl('login', '--timeout', '170s', 'live');
        assert.equal(status, 6, stderr);
        await world.event('session-halted', { deadlineMs: STEPS_MS });
        const typed = world.told('second-factor-code-typed');
        assert.deepEqual(
          typed.map((record) => [record['IB_BY'], record['IB_NUMBER']]),
          [
            ['ib-code', '1'],
            ['ib-code', '2'],
          ],
        );
        const [first, second] = typed.map((record) => Math.floor(Date.parse(record['time'] ?? '') / 30_000));
        assert.ok((second ?? 0) > (first ?? 0), `steps ${first} and ${second}`);
        assert.equal(world.told('second-factor-rejected').length, 2);
        has(one(world.told('session-halted')), { IB_REASON: 'code-rejected' });
        const compared = await world.event('clock-compared');
        assert.match(
          compared['IB_DETAIL'] ?? '',
          /this host's clock is (39|40|41) s ahead of that of 127\.0\.0\.1/,
        );
        const { conditions } = await world.status();
        assert.equal(conditions[0]?.code, 'halted');
        assert.match(conditions[0]?.text ?? '', /ahead of/);
        assert.match(conditions[0]?.hint ?? '', /timedatectl/);
        assert.equal(world.told('login-submitted').length, 1);
      });
    });
  }

  describe('a seed that is not one', () => {
    let world: World;
    before(async () => {
      world = await makeWorld({
        ...jar,
        sessions: { live: { seed: 'NOT-BASE32-189', knobs: knobs(SEED), config: CONFIG } },
      });
      await world.startAgent();
    });
    after(() => world.dispose());

    it('is found out before anything is submitted, and nothing of it is told', async () => {
      const { status, stderr } = await world.ibctl('login', '--timeout', '60s', 'live');
      assert.equal(status, 6, stderr);
      await world.event('session-halted');
      has(one(world.told('session-halted')), { IB_REASON: 'code-unavailable' });
      assert.deepEqual(world.told('login-submitted'), []);
      assert.ok(!JSON.stringify(world.records).includes('NOT-BASE32'));
      assert.ok(!stderr.includes('NOT-BASE32'));
    });
  });

  describe('a seed that is lost while the login is under way', () => {
    let world: World;
    before(async () => {
      world = await makeWorld({
        ...jar,
        sessions: { live: { seed: SEED, knobs: knobs(SEED, { 'login.delay.ms': '3000' }), config: CONFIG } },
      });
      await world.startAgent();
    });
    after(() => world.dispose());

    it('leaves the code to a person, who hands it in with ibctl code', async () => {
      const login = world.ibctl('login', '--timeout', '150s', 'live');
      await world.event('login-submitted');
      rmSync(join(world.root, 'credentials', 'live', 'seed'));
      const failed = await world.event('second-factor-code-failed');
      assert.equal(failed['IB_WHY'], 'seed-missing');
      const pending = await until('a person is asked', () =>
        world.told('second-factor-pending').find((record) => record['IB_METHOD'] === 'code'),
      );
      assert.notEqual(pending['IB_DETAIL'], '');
      assert.match(pending['IB_HINT'] ?? '', /ibctl code/);
      const code = makeCode(SEED, Math.floor(Date.now() / 30_000));
      const given = await world.ibctlWith(`${code}\n`, 'code', '--stdin', 'live');
      assert.equal(given.status, 0, given.stderr);
      assert.equal((await login).status, 0);
      has(one(world.told('second-factor-code-typed')), { IB_BY: 'operator', IB_NUMBER: '1' });
    });
  });
}
