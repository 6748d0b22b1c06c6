// Owns the scenarios of one-time codes that a person hands in, for every IBC.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { has, one } from './main-scenarios.ts';
import { type IbctlResult, makeWorld, until, type World } from './world.ts';

const RIGHT = '314159';
const CODE_KNOBS = { 'second.factor': 'totp', 'totp.code': RIGHT };

const code = (world: World, text: string, ...args: string[]): Promise<IbctlResult> =>
  world.ibctlWith(text, 'code', '--stdin', ...args);

/** Until the agent has seen the window that asks. */
async function seen(world: World): Promise<void> {
  await world.event('second-factor-pending');
  await until('its window is seen', async () => (await world.status()).secondFactor?.prompt ?? undefined);
}

/** Declares the scenarios; `ibcJar` is another IBC.jar than the stand-in's. */
export function describeCodesByHand(ibcJar?: string): void {
  const jar = ibcJar === undefined ? {} : { ibcJar };

  describe('a code that a person hands in', () => {
    let world: World;
    let login: Promise<IbctlResult>;
    before(async () => {
      world = await makeWorld({
        ...jar,
        sessions: { live: { knobs: CODE_KNOBS, config: { secondFactor: { method: 'code' } } } },
      });
      await world.startAgent();
    });
    after(() => world.dispose());

    it('is refused while none is waited for', async () => {
      const { status, stderr } = await code(world, RIGHT);
      assert.equal(status, 1);
      assert.match(stderr, /live waits for no code: it is stopped/);
      assert.match(stderr, /^hint: ibctl login live/m);
    });

    it('is asked for with the command to type', async () => {
      login = world.ibctl('login', '--timeout', '120s', 'live');
      const pending = await world.event('second-factor-pending');
      has(pending, { IB_METHOD: 'code' });
      assert.match(pending['IB_HINT'] ?? '', /ibctl code/);
      await seen(world);
    });

    for (const [text, says] of [
      ['31415x\n', /six digits; this one holds something else/],
      ['31415\n', /six digits; this one has 5/],
      ['31415926\n', /six digits; this one has 8/],
      ['\n', /holds no code/],
    ] as const) {
      it(`is refused as ${JSON.stringify(text)}, and nothing is typed`, async () => {
        const { status, stdout, stderr } = await code(world, text, 'live');
        assert.equal(status, 2, stderr);
        assert.match(stderr, says);
        if (text.trim() !== '') assert.ok(!`${stdout}${stderr}`.includes(text.trim()));
        assert.deepEqual(world.told('second-factor-code-typed'), []);
      });
    }

    it('may be wrong, and then right; two at once are not both typed', async () => {
      const wrong = await code(world, '271828\n', 'live');
      assert.equal(wrong.status, 1, wrong.stderr);
      assert.match(wrong.stdout, /IBKR did not take the code/);
      has(one(world.told('second-factor-rejected')), { IB_METHOD: 'code' });

      const both = await Promise.all([
        code(world, '314 159\n', '--json', 'live'),
        code(world, '314 159\n', '--json', 'live'),
      ]);
      const taken = both.filter(({ status }) => status === 0);
      assert.equal(taken.length, 1, JSON.stringify(both));
      assert.deepEqual(JSON.parse(taken[0]?.stdout ?? ''), { session: 'live', verdict: 'accepted' });
      assert.equal((await login).status, 0);
      assert.equal(world.told('second-factor-code-typed').length, 2);
      has(one(world.told('second-factor-accepted')), { IB_METHOD: 'code' });
    });

    it('is in no record, line or file afterwards', () => {
      const told = JSON.stringify(world.records);
      for (const each of [RIGHT, '271828', '314 159']) assert.ok(!told.includes(each), each);
    });
  });

  describe('wrong codes that a person hands in', () => {
    let world: World;
    before(async () => {
      world = await makeWorld({
        ...jar,
        sessions: { live: { knobs: CODE_KNOBS, config: { secondFactor: { method: 'code' } } } },
      });
      await world.startAgent();
    });
    after(() => world.dispose());

    it('are taken three times for one second factor, and no more', async () => {
      await world.ibctl('login', '--no-wait', 'live');
      await seen(world);
      for (const text of ['111111', '222222', '333333']) {
        const { status, stderr } = await code(world, `${text}\n`, 'live');
        assert.equal(status, 1, stderr);
      }
      const { status, stderr } = await code(world, `${RIGHT}\n`, 'live');
      assert.equal(status, 6, stderr);
      assert.match(stderr, /3 codes were typed for this second factor/);
      assert.equal(world.told('second-factor-code-typed').length, 3);
      assert.equal((await world.status()).state, 'awaiting-second-factor');
    });
  });

  describe('a code by text message, where those of the app are typed by ib-code', () => {
    let world: World;
    before(async () => {
      world = await makeWorld({
        ...jar,
        sessions: {
          live: {
            seed: 'JBSWY3DPEHPK3PXPMFRGGZDF',
            knobs: { 'second.factor': 'sms', 'totp.code': RIGHT },
            config: { secondFactor: { method: 'totp' } },
          },
        },
      });
      await world.startAgent();
    });
    after(() => world.dispose());

    it('is left to a person', async () => {
      const login = world.ibctl('login', '--timeout', '120s', 'live');
      await seen(world);
      assert.equal((await world.status()).secondFactor?.method, 'code');
      const { status, stderr } = await code(world, RIGHT, 'live');
      assert.equal(status, 0, stderr);
      assert.equal((await login).status, 0);
      has(one(world.told('second-factor-code-typed')), { IB_BY: 'operator' });
    });
  });

  describe('a challenge of IB Key', () => {
    let world: World;
    before(async () => {
      world = await makeWorld({
        ...jar,
        sessions: {
          live: {
            knobs: { 'second.factor': 'challenge', 'totp.code': '81726354' },
            config: { secondFactor: { method: 'ib-key' } },
          },
        },
      });
      await world.startAgent();
    });
    after(() => world.dispose());

    it('is shown by status and event, and answered with ibctl code', async () => {
      const login = world.ibctl('login', '--timeout', '120s', 'live');
      await seen(world);
      const { secondFactor } = await world.status();
      assert.deepEqual([secondFactor?.method, secondFactor?.challenge], ['challenge', '427931']);
      assert.ok(
        world.told('second-factor-pending').some((record) => record['IB_CHALLENGE'] === '427931'),
        'the event has the challenge',
      );
      assert.match((await world.ibctl('status', 'live')).stdout, /427931/);
      const wrong = await code(world, '12', 'live');
      assert.equal(wrong.status, 2, wrong.stderr);
      const { status, stderr } = await code(world, '8172 6354', 'live');
      assert.equal(status, 0, stderr);
      assert.equal((await login).status, 0);
    });
  });

  describe('a passkey', () => {
    let world: World;
    before(async () => {
      world = await makeWorld({ ...jar, sessions: { live: { knobs: { 'second.factor': 'passkey' } } } });
      await world.startAgent();
    });
    after(() => world.dispose());

    it('halts the login with what to do about it', async () => {
      const { status, stderr } = await world.ibctl('login', '--timeout', '120s', 'live');
      assert.equal(status, 6, stderr);
      assert.match(stderr, /passkey/);
      has(await world.event('session-halted'), { IB_REASON: 'passkey-required' });
    });
  });
}
