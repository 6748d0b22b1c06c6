// Owns sample data of the control protocol for tests of ibctl.

import type {
  AgentStatus,
  Condition,
  EventRecord,
  LogLine,
  Progress,
  SessionStatus,
  Status,
} from '../../src/protocol/methods.ts';

/** The moment all samples are told at. */
export const NOW = Date.parse('2026-11-23T09:00:00.000Z');

/** ISO text of a moment some seconds after (or before) {@link NOW}. */
export function at(seconds: number): string {
  return new Date(NOW + seconds * 1000).toISOString();
}

/** Of a pending second factor whose window nobody has seen. */
export const NOT_SEEN = { prompt: null, challenge: null, devices: null } as const;

export function anAgent(over: Partial<AgentStatus> = {}): AgentStatus {
  return {
    version: '0.1.0',
    pid: 100,
    startedAt: at(-270_000),
    supervisor: 'process',
    protocol: 1,
    host: {
      memoryTotalBytes: 8 * 1024 ** 3,
      memoryAvailableBytes: 5 * 1024 ** 3,
      diskTotalBytes: 100 * 1024 ** 3,
      diskAvailableBytes: 60 * 1024 ** 3,
      load1: 0.42,
      cpus: 4,
      checkedAt: at(-5),
    },
    ...over,
  };
}

export function aSession(over: Partial<SessionStatus> = {}): SessionStatus {
  return {
    name: 'live',
    gateway: 'ibgateway',
    driver: 'ibc',
    mode: 'live',
    state: 'ready',
    since: at(-8050),
    reason: null,
    desired: 'up',
    secondFactor: null,
    api: {
      host: '127.0.0.1',
      port: 4001,
      ok: true,
      serverVersion: 176,
      accounts: ['U1***567'],
      latencyMs: 2.6,
      checkedAt: at(-3),
    },
    broker: { connected: true, farms: [{ name: 'usfarm', kind: 'market-data', ok: true, since: at(-8000) }] },
    process: {
      pid: 4242,
      rssBytes: 512 * 1024 ** 2,
      cpuPercent: 1.25,
      startedAt: at(-8100),
      gatewayVersion: '10.37.1n',
    },
    next: null,
    ledger: { logins24h: 1, pushes24h: 1, blockedUntil: null, deferral: null },
    conditions: [],
    ...over,
  };
}

/** A session that is not up: nothing is known of API, broker and process. */
export function aDownSession(over: Partial<SessionStatus> = {}): SessionStatus {
  const session = aSession();
  return {
    ...session,
    state: 'stopped',
    reason: 'by-operator',
    desired: 'down',
    api: { ...session.api, ok: null, serverVersion: null, accounts: [], latencyMs: null, checkedAt: null },
    broker: { connected: null, farms: [] },
    process: { pid: null, rssBytes: null, cpuPercent: null, startedAt: null, gatewayVersion: null },
    ...over,
  };
}

export function aStatus(sessions: readonly SessionStatus[], agent: Partial<AgentStatus> = {}): Status {
  return { agent: anAgent(agent), sessions: [...sessions] };
}

export function aCondition(over: Partial<Condition> = {}): Condition {
  return {
    code: 'farm-down',
    severity: 'warning',
    since: at(-242),
    text: 'data farm usfarm is down',
    hint: 'it reconnects by itself; IBKR resets farms around midnight of each region',
    ...over,
  };
}

export function aProgress(over: Partial<Progress> = {}): Progress {
  return {
    at: at(0),
    session: 'live',
    state: 'starting',
    since: at(0),
    reason: null,
    secondFactor: null,
    next: null,
    conditions: [],
    ...over,
  };
}

export function anEvent(over: Partial<EventRecord> = {}): EventRecord {
  return {
    seq: 1,
    at: at(-60),
    event: 'session-ready',
    messageId: '00000000000000000000000000000001',
    priority: 5,
    session: 'live',
    state: 'ready',
    previousState: 'loading',
    reason: null,
    message: 'the session is ready',
    hint: null,
    fields: {},
    ...over,
  };
}

export function aLogLine(over: Partial<LogLine> = {}): LogLine {
  return {
    at: at(-60),
    session: 'live',
    source: 'session',
    stream: 'stdout',
    text: 'IBC: Login has completed',
    ...over,
  };
}
