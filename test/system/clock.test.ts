// Checks that a unit's wall clock can be moved without touching that of anything else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jumpClock, prepareClock } from './clock.ts';
import { poll } from './command.ts';
import { bootMachine, type Machine } from './machine.ts';

/** Says every 100 ms what its clocks show, in a sandbox as strict as the product's. */
const TICKER = `[Service]
ExecStart=/usr/local/bin/node -e "setInterval(() => console.log('tick ' + Date.now() + ' ' + Math.round(performance.now())), 100)"
User=daemon
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
CapabilityBoundingSet=
`;

type Tick = { readonly wall: number; readonly steady: number };

async function ticks(machine: Machine): Promise<Tick[]> {
  const entries = await machine.journal('_SYSTEMD_UNIT=ticker.service');
  return entries.flatMap((entry) => {
    const found = /^tick (\d+) (\d+)$/.exec(entry['MESSAGE'] ?? '');
    return found === null ? [] : [{ wall: Number(found[1]), steady: Number(found[2]) }];
  });
}

async function nextTick(machine: Machine, wanted: (tick: Tick) => boolean): Promise<Tick> {
  return poll('a tick', async () => (await ticks(machine)).slice(-1).find(wanted));
}

test('a unit sees its clock jump forth and back at once; its timers and the rest of the machine do not', async () => {
  await using machine = await bootMachine({
    name: 'clock',
    binds: [{ from: process.execPath, to: '/usr/local/bin/node' }],
  });
  await machine.writeFile('/etc/systemd/system/ticker.service', TICKER);
  await prepareClock(machine, 'ticker.service');
  await machine.run(['systemctl', 'start', 'ticker.service']);
  const near = (tick: Tick, offset: number) => Math.abs(tick.wall - Date.now() - offset) < 60_000;

  const before = await nextTick(machine, () => true);
  assert.ok(near(before, 0));
  await jumpClock(machine, 'ticker.service', 7200);
  const ahead = await nextTick(machine, (tick) => near(tick, 7_200_000));
  // The interval would have fired a hundred thousand times, or never, if its own clock had jumped as well.
  assert.ok(ahead.steady - before.steady < 60_000, `${before.steady} to ${ahead.steady}`);
  await jumpClock(machine, 'ticker.service', -86_400);
  const behind = await nextTick(machine, (tick) => near(tick, -86_400_000));
  assert.ok(behind.steady > ahead.steady);
  await jumpClock(machine, 'ticker.service', 0);
  await nextTick(machine, (tick) => near(tick, 0));

  const own = Number(await machine.sh('date +%s')) * 1000;
  assert.ok(Math.abs(own - Date.now()) < 60_000);
  assert.equal((await machine.sh('systemctl show -P NRestarts ticker')).trim(), '0');
});
