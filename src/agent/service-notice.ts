// Owns what the service manager hears of a running agent: that it is ready, how the sessions are, and that it lives.

import type { Clock } from '../host/clock.ts';
import type { Notifier } from '../host/notify.ts';
import type { Agent } from './agent.ts';

/**
 * Says that the agent serves, then keeps the status line current, and feeds the watchdog only while every session's loop turns: an agent
 * that is deaf is ended and started again, which leaves its sessions alone. Returns what ends all that.
 */
export function noticeService(
  agent: Pick<Agent, 'summary' | 'onChange' | 'isAlive'>,
  notifier: Notifier,
  clock: Clock,
): () => void {
  let told = agent.summary();
  notifier.ready(told);
  let over = false;
  agent.onChange(() => {
    const summary = agent.summary();
    if (over || summary === told) return;
    told = summary;
    notifier.status(summary);
  });
  const interval = notifier.watchdogIntervalMs;
  const timer =
    interval === null
      ? null
      : clock.every(interval, () => {
          if (agent.isAlive()) notifier.watchdog();
        });
  return () => {
    over = true;
    timer?.cancel();
    notifier.stopping();
  };
}
