// Owns a run of all checks: at once, each with a deadline, so that one that hangs holds up nothing.

import type { Clock } from '../../host/clock.ts';
import { agentChecks } from './check-agent.ts';
import { HOST_CHECKS } from './check-host.ts';
import { NETWORK_CHECKS } from './check-network.ts';
import { SESSION_CHECKS } from './check-session.ts';
import { type Finding, failed, warning } from './finding.ts';
import type { Check, Scene, SubjectVerdict } from './scene.ts';

/** Longer than any two steps in a row of a check may take, which have shorter deadlines. */
const CHECK_DEADLINE_MS = 12_000;

/** In the order in which they are shown. */
export function allChecks(version: string): readonly Check[] {
  return [...HOST_CHECKS, ...agentChecks(version), ...SESSION_CHECKS, ...NETWORK_CHECKS];
}

/** Runs the checks; never rejects. A check that fails itself is a finding too. */
export async function runChecks(
  checks: readonly Check[],
  scene: Scene,
  clock: Clock,
): Promise<readonly Finding[]> {
  const found = await Promise.all(
    checks.map(async ({ id, group, run }) => {
      const verdicts = await withDeadline(run(scene), clock).catch((error: unknown): SubjectVerdict[] => [
        failed(
          `the check itself failed: ${error instanceof Error ? error.message : String(error)}`,
          'This is a defect of ibctl: please report it with this line.',
        ),
      ]);
      return verdicts.map(
        ({ subject, ...verdict }): Finding => ({ id, group, subject: subject ?? null, ...verdict }),
      );
    }),
  );
  return found.flat();
}

function withDeadline(
  work: Promise<readonly SubjectVerdict[]>,
  clock: Clock,
): Promise<readonly SubjectVerdict[]> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(CHECK_DEADLINE_MS, () =>
      resolve([
        warning(
          `no answer within ${CHECK_DEADLINE_MS / 1000} seconds`,
          'Something on this host hangs; try again.',
        ),
      ]),
    );
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}
