// Owns where everything lives: one function from the two roots to every path that agent, launchers and ibctl share.

import { join } from 'node:path';

/** The two roots of a configuration's `agent` part. */
export type Roots = { readonly runtimeRoot: string; readonly stateRoot: string };

export const DEFAULT_ROOTS: Roots = { runtimeRoot: '/run', stateRoot: '/var/lib' };
export const DEFAULT_CONFIG_FILE = '/etc/ib-agent/ib-agent.yaml';

/** Paths of the agent itself. */
export function agentPaths(roots: Roots) {
  const runtime = join(roots.runtimeRoot, 'ib-agent');
  const state = join(roots.stateRoot, 'ib-agent');
  return {
    runtime,
    state,
    socket: join(runtime, 'control.sock'),
    launchOrders: join(runtime, 'launch'),
    codeOrders: join(runtime, 'code'),
    readyFlags: join(runtime, 'ready'),
    ledger: join(state, 'ledger.json'),
    desired: join(state, 'desired.json'),
    compileCache: join(state, 'compile-cache'),
  } as const;
}

/** Paths of one session, shared by its launcher, its display and the agent. */
export function sessionPaths(roots: Roots, session: string) {
  const runtime = join(roots.runtimeRoot, 'ib-session', session);
  const display = join(roots.runtimeRoot, 'ib-display', session);
  const state = join(roots.stateRoot, 'ib-session', session);
  const code = join(roots.runtimeRoot, 'ib-code', session);
  const codeState = join(roots.stateRoot, 'ib-code', session);
  const clock = join(roots.runtimeRoot, 'ib-clock', session);
  return {
    /** Launch order written by the agent, 0640. */
    launchOrder: join(roots.runtimeRoot, 'ib-agent', 'launch', `${session}.json`),
    /** There while the session is ready: without it ib-ready@NAME.target cannot be started. */
    readyFlag: join(roots.runtimeRoot, 'ib-agent', 'ready', session),
    /** tmpfs directory of the session, 0750: config.ini with the credentials (0400) is here. */
    runtime,
    configIni: join(runtime, 'config.ini'),
    /** What the launcher did, for the agent: order id, pid, ids. No secret. */
    launchRecord: join(runtime, 'launch.json'),
    /** Where the JVM's window bridge listens, 0660. */
    bridgeSocket: join(runtime, 'bridge.sock'),
    /** Directory of the display's cookie and number, 0750. */
    display,
    displayRecord: join(display, 'display.json'),
    displayCookie: join(display, 'cookie', 'Xauthority'),
    /** The agent's note of a restart time that is to be set back. */
    restartNote: join(roots.stateRoot, 'ib-agent', `restart-time-${session}.json`),
    state,
    /** Id of the last launch order that was used. */
    lastOrder: join(state, 'last-order'),
    /** Digest of the configured second-factor token that was written to jts.ini last. */
    writtenToken: join(state, 'written-token'),
    defaultSettings: join(state, 'settings'),
    /** Order to type a one-time code, written by the agent, 0640. */
    codeOrder: join(roots.runtimeRoot, 'ib-agent', 'code', `${session}.json`),
    /** What became of it, written by ib-code, 0640 in a directory of 0750. */
    code,
    codeResult: join(code, 'result.json'),
    codeState,
    /** Id of the last code order that was used. */
    lastCodeOrder: join(codeState, 'last-order'),
    /** How this host's clock compares with a server's, written by ib-clock, 0640 in a directory of 0750. */
    clock,
    clockResult: join(clock, 'result.json'),
    clockState: join(roots.stateRoot, 'ib-clock', session),
  } as const;
}
