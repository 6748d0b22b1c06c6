// Checks that an agent that is killed again and again neither ends a login nor repeats one, and how fast it is back.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { randomFrom } from '../support/random.ts';
import { poll } from './command.ts';
import { bootProduct, setKnobs } from './install.ts';
import type { JournalEntry, Machine } from './machine.ts';
import { AGENT, does, eventNames, events, ibctl, inState, property, sessionStatus } from './product.ts';

const KILLS = 30;
const PROBES = 120;
const SESSION = 'ib-session@live.service';

describe('an agent that is killed', () => {
  let machine: Machine;
  before(async () => {
    machine = await bootProduct({
      name: 'killed',
      sessions: {
        live: {
          knobs: {
            'second.factor': 'push',
            'push.approve.after.ms': 'never',
            'start.delay.ms': '3000',
            'login.delay.ms': '3000',
            'splash.ms': '4000',
          },
          config: { secondFactor: { method: 'ib-key' } },
        },
      },
    });
  });
  after(() => machine?.dispose());

  test(`${KILLS} times at random moments of a login with a push: one login, one push, one JVM, each event once`, async (t) => {
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    t.diagnostic(`SEED=${seed}`);
    const random = randomFrom(seed);
    const login = machine.spawn(['ibctl', 'login', '--no-wait'], { user: 'olga' });
    assert.equal(await login.done, 0, login.lines.join('\n'));
    let approved = false;
    for (let kill = 1; kill <= KILLS; kill += 1) {
      // Part of them during the start, most while the push waits, the last ones while the gateway loads.
      if (kill === KILLS - 4) {
        await setKnobs(machine, { 'now.approve': 'yes' });
        approved = true;
      }
      const moment = Math.floor(random() * 700);
      const pid = await poll('the agent runs', async () => {
        const running = await property(machine, AGENT, 'MainPID');
        return running === '0' ? null : running;
      });
      // The moment is the point of it: anywhere from its start to long after.
      await machine.sh(`sleep ${(moment / 1000).toFixed(3)}; kill -9 ${pid} 2>/dev/null || true`);
    }
    assert.ok(approved);
    const { ledger, state } = await inState(machine, 'ready', 120_000);
    assert.equal(state, 'ready');
    assert.deepEqual([ledger.logins24h, ledger.pushes24h], [1, 1]);
    assert.deepEqual(await eventNames(machine), [
      'session-starting',
      'login-submitted',
      'second-factor-pending',
      'second-factor-accepted',
      'session-ready',
    ]);
    const starts = await machine.journal(
      '_PID=1',
      `UNIT=${SESSION}`,
      'MESSAGE_ID=7d4958e842da4a758f6c1cdc7b36dcc5',
    );
    assert.equal(starts.length, 1, 'one JVM');
    const submitted = await machine.journal(`_SYSTEMD_UNIT=${SESSION}`);
    assert.equal(submitted.filter((entry) => /Login attempt: \d/.test(entry['MESSAGE'] ?? '')).length, 1);
    assert.ok(Number(await property(machine, AGENT, 'NRestarts')) >= KILLS / 2);
  });

  test('by SIGKILL or restarted: answers again quickly, and the calls meanwhile succeed', async (t) => {
    const times: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      await machine.run(['systemctl', 'restart', AGENT]);
      // By the journal's clock: from systemd's word that it stops to the event that says that the socket serves.
      const stopping = await machine.journal(
        '_PID=1',
        `UNIT=${AGENT}`,
        'MESSAGE_ID=de5b426a63be47a7b6ac3eaac82e2f6f',
        '-n',
        '1',
      );
      const serving = await machine.journal('IB_EVENT=agent-started', '-n', '1');
      const at = (entry: JournalEntry | undefined) => Number(entry?.['__REALTIME_TIMESTAMP']) / 1000;
      times.push(Math.round(at(serving.at(-1)) - at(stopping.at(-1))));
    }
    times.sort((a, b) => a - b);
    assert.ok((times[0] ?? 0) > 0, times.join());
    t.diagnostic(
      `systemctl restart ib-agent, from stopping to the socket answering again: ${times.join(', ')} ms (limit 500)`,
    );
    const calls = [1, 2, 3].map(() => ibctl(machine, ['status']));
    await machine.sh(`kill -9 "$(systemctl show --value -pMainPID ${AGENT})"`);
    for (const call of [...calls, ibctl(machine, ['status'])]) assert.equal((await call).status, 0);
  });

  test('follows lines quickly while a login is under way', async (t) => {
    await does(machine, 'stop');
    await setKnobs(machine, { 'push.approve.after.ms': 'never', 'now.approve': 'no' });
    const login = machine.spawn(['ibctl', 'login'], { user: 'olga' });
    await inState(machine, 'awaiting-second-factor');
    const fence = '!'.repeat(79);
    // Each an error as IBC reports it, written by the JVM; the agent tells of each new one in an event.
    await machine.sh(
      `f=/var/lib/ib-session/live/settings/standin.properties
       grep -v '^now.print' $f > /run/knobs
       for i in $(seq 1 ${PROBES}); do
         { cat /run/knobs; printf 'now.print=%s\\n' "${fence}\\\\\\\\n2026-11-23 09\\:00\\:00\\:000 IBC\\: probe $i\\\\\\\\n${fence}"; } > $f.new
         chown ib-gateway: $f.new; mv -T $f.new $f; sleep 0.13
       done`,
      { timeoutMs: 120_000 },
    );
    await machine.logged('the last probe is told', ['IB_EVENT=setting-failed'], (entry) =>
      (entry['IB_DETAIL'] ?? '').endsWith(`probe ${PROBES}`),
    );
    const written = new Map<string, number>();
    for (const entry of await machine.journal(`_SYSTEMD_UNIT=${SESSION}`)) {
      const probe = / IBC: (probe \d+)$/.exec(entry['MESSAGE'] ?? '')?.[1];
      if (probe !== undefined) written.set(probe, Number(entry['__REALTIME_TIMESTAMP']));
    }
    const delays: number[] = [];
    for (const entry of await events(machine)) {
      const probe = /(probe \d+)$/.exec(entry['IB_DETAIL'] ?? '')?.[1];
      const at = probe === undefined ? undefined : written.get(probe);
      if (at !== undefined && entry['IB_EVENT'] === 'setting-failed')
        delays.push((Number(entry['__REALTIME_TIMESTAMP']) - at) / 1000);
    }
    assert.ok(delays.length > PROBES * 0.8, `${delays.length} probes were told`);
    delays.sort((a, b) => a - b);
    const at = (share: number) =>
      (delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ?? 0).toFixed(1);
    t.diagnostic(
      `line to event in the journal, ${delays.length} lines: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms (limit 100)`,
    );
    await login.kill();
    await does(machine, 'stop');
    assert.equal((await sessionStatus(machine)).state, 'stopped');
  });
});
