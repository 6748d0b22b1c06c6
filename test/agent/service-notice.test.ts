// Checks what the service manager hears: ready once, the status when it changes, and a heartbeat only from an agent that lives.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { noticeService } from '../../src/agent/service-notice.ts';
import type { Notifier } from '../../src/host/notify.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

function scene(watchdogIntervalMs: number | null) {
  const said: string[] = [];
  const notifier: Notifier = {
    ready: (status) => said.push(`ready ${status}`),
    status: (text) => said.push(`status ${text}`),
    stopping: () => said.push('stopping'),
    watchdog: () => said.push('watchdog'),
    extendTimeout: () => {},
    watchdogIntervalMs,
    problem: null,
  };
  const agent = { text: 'live stopped', alive: true, tell: () => {} };
  const clock = new FakeClock();
  const end = noticeService(
    {
      summary: () => agent.text,
      isAlive: () => agent.alive,
      onChange: (listener) => {
        agent.tell = listener;
      },
    },
    notifier,
    clock,
  );
  return { said, agent, clock, end };
}

it('hears that the agent is ready, then each change of the status line, then the stop', () => {
  const { said, agent, end } = scene(null);
  agent.tell();
  agent.text = 'live ready';
  agent.tell();
  agent.tell();
  end();
  agent.text = 'live stopping';
  agent.tell();
  assert.deepEqual(said, ['ready live stopped', 'status live ready', 'stopping']);
});

it('hears no heartbeat while a session hangs, and hears it again when it goes on', () => {
  const { said, agent, clock, end } = scene(15_000);
  clock.advance(15_000);
  agent.alive = false;
  clock.advance(60_000);
  assert.deepEqual(said, ['ready live stopped', 'watchdog']);
  agent.alive = true;
  clock.advance(15_000);
  assert.deepEqual(said.slice(2), ['watchdog']);
  end();
  clock.advance(60_000);
  assert.deepEqual(said.slice(3), ['stopping']);
});
