// Owns the figure of one-time codes: from the window that asks for one to the code that was handed in.

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { BridgeClient } from '../../src/bridge/client.ts';
import { sessionPaths } from '../../src/config/paths.ts';
import { stepAt } from '../../src/domain/code-step.ts';
import { CodeTypist } from '../../src/supervisor/code-typist.ts';
import type { LedgerStore } from '../../src/supervisor/ledger-store.ts';
import { ProcessCodeRunner } from '../../src/supervisor/process-code-runner.ts';
import { BridgeWindowWatch } from '../../src/supervisor/window-watch.ts';
import { Bench, clock, logIn, UID } from '../bridge/jvm.ts';
import { until } from '../support/world.ts';

const SEED = 'JBSWY3DPEHPK3PXPMFRGGZDF';
const ROUNDS = 40;
const TITLE = 'Second Factor Authentication';

/**
 * The agent's own watch, typist and runner, with ib-code as it is released, against a gateway that refuses each code and asks again in a new
 * window. Only the rule that waits for a fresh time step is left out: all rounds use the step of that moment.
 */
export async function benchTotp(
  programs: string,
  record: (name: string, value: number, unit: string, limit: number | null) => void,
  percentile: (values: readonly number[], share: number) => number,
): Promise<void> {
  const bench = new Bench();
  await bench.open();
  try {
    const roots = { runtimeRoot: join(bench.root, 'run'), stateRoot: join(bench.root, 'lib') };
    const paths = sessionPaths(roots, 'live');
    const credentials = join(bench.root, 'credentials');
    const configFile = join(bench.root, 'ib-agent.yaml');
    mkdirSync(credentials, { mode: 0o700 });
    mkdirSync(paths.runtime, { recursive: true });
    writeFileSync(join(credentials, 'seed'), SEED, { mode: 0o400 });
    const live = {
      mode: 'live',
      install: { gatewayVersion: '10.37' },
      api: { port: 4001 },
      secondFactor: { method: 'totp' },
      credentials: { directory: credentials },
    };
    writeFileSync(configFile, stringify({ agent: roots, clock: { compareWith: null }, sessions: { live } }));
    const jvm = await bench.gateway({
      'second.factor': 'totp',
      'totp.code': 'none',
      'totp.reject': 'reopen',
    });
    symlinkSync(jvm.socket, paths.bridgeSocket);

    const shown: number[] = [];
    const asked: { readonly window: string; readonly at: number }[] = [];
    const watch = new BridgeWindowWatch({
      config: { dialogs: { answer: [] } },
      clock,
      listener: (fact) => {
        if (fact.kind === 'second-factor-shown' && fact.detail !== undefined)
          asked.push({ window: fact.detail.window, at: performance.now() });
      },
      onGone: () => {},
      makeBridge: (observe) =>
        new BridgeClient({
          path: jvm.socket,
          clock,
          serverUid: UID,
          events: true,
          observe: (observation) => {
            const event = observation.kind === 'event' ? observation.event : null;
            if (event?.kind === 'window' && event.change === 'opened' && event.title === TITLE)
              shown.push(performance.now());
            observe(observation);
          },
        }),
    });
    const environment = { PATH: '/usr/bin:/bin', HOME: bench.root };
    const program = (name: string) => [process.execPath, join(programs, name), '--config', configFile];
    let ended: ((kind: string) => void) | null = null;
    const typist = new CodeTypist({
      session: 'live',
      user: 'live',
      ledger: { useStep: () => true } as unknown as LedgerStore,
      windows: watch,
      runner: new ProcessCodeRunner({
        session: 'live',
        paths,
        codeProgram: program('ib-code.js'),
        clockProgram: program('ib-clock.js'),
        codeEnvironment: environment,
        clockEnvironment: environment,
        clock,
        onLine: () => {},
      }),
      clock,
      dispatch: (fact) => {
        if (fact.kind === 'code-result') ended?.(fact.outcome.kind);
      },
    });
    watch.watch();
    watch.expect(true);
    const { bridge } = await bench.client(jvm);
    await until('the watch is connected', () => watch.bridge() !== null);
    await logIn(bridge);
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await until('the window is seen', () => asked.length > round);
      // The rules would wait for the next step.
      await until('a fresh step', () => stepAt(clock.now()) === stepAt(clock.now() + 6_000));
      const { window, at } = asked[round] ?? { window: '', at: Number.NaN };
      const seenMs = at - (shown[round] ?? Number.NaN);
      const before = performance.now();
      const kind = await new Promise<string>((resolve) => {
        ended = resolve;
        void typist.typeMade(`round-${round}`, stepAt(clock.now()), window);
      });
      if (kind !== 'typed') throw new Error(`round ${round}: ${kind}`);
      times.push(seenMs + performance.now() - before);
    }
    watch.unwatch();
    record('totp.shown-to-submitted.p50', percentile(times, 0.5), 'ms', null);
    record('totp.shown-to-submitted.p95', percentile(times, 0.95), 'ms', 1_000);
  } finally {
    await bench.close();
  }
}
