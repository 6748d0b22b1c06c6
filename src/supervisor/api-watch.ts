// Owns the API connection of one session as its rules want it: on, eager or patient, off; observations become facts.

import type { SessionConfig } from '../config/types.ts';
import type { ApiFact } from '../domain/facts.ts';
import { TwsApiClient, type TwsObservation } from '../gateway/tws-api.ts';
import type { Clock } from '../host/clock.ts';

export interface ApiWatch {
  /** Connects and stays connected. `eager`: the gateway is coming up, so a refused attempt is repeated at once. */
  watch(eager: boolean): void;
  /** Ends the connection; no fact follows. */
  unwatch(): void;
}

const EAGER_RETRY_MS = 25;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 10_000;

export class TwsApiWatch implements ApiWatch {
  readonly #config: SessionConfig;
  readonly #clock: Clock;
  readonly #listener: (fact: ApiFact) => void;
  readonly #serverUid: number | undefined;
  #client: TwsApiClient | null = null;
  #eager = false;

  /** `serverUid`: the user that the gateway runs as; left out: our own. */
  constructor(config: SessionConfig, clock: Clock, listener: (fact: ApiFact) => void, serverUid?: number) {
    this.#serverUid = serverUid;
    this.#config = config;
    this.#clock = clock;
    this.#listener = listener;
  }

  watch(eager: boolean): void {
    const more = eager && !this.#eager;
    this.#eager = eager;
    if (this.#client !== null) {
      if (more) this.#client.retryNow();
      return;
    }
    this.#client = new TwsApiClient({
      port: this.#config.api.port,
      clientId: this.#config.api.clientId,
      clock: this.#clock,
      ...(this.#serverUid === undefined ? {} : { serverUid: this.#serverUid }),
      observe: (observation) => {
        const fact = factOf(observation);
        if (fact !== null) this.#listener(fact);
      },
      reconnectDelayMs: (failures) =>
        this.#eager
          ? EAGER_RETRY_MS
          : Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10)),
    });
    this.#client.connect();
  }

  unwatch(): void {
    this.#client?.close();
    this.#client = null;
    this.#eager = false;
  }
}

function factOf(observation: TwsObservation): ApiFact | null {
  switch (observation.kind) {
    case 'handshake':
      return { kind: 'api-handshake', serverVersion: observation.serverVersion };
    case 'accounts':
      return { kind: 'api-accounts', accounts: observation.accounts };
    case 'no-accounts':
      return { kind: 'api-accounts', accounts: [] };
    case 'latency':
      return { kind: 'api-latency', ms: observation.ms };
    case 'unresponsive':
      return { kind: 'api-unresponsive', sinceMs: observation.sinceMs };
    case 'mute':
      return { kind: 'api-mute' };
    case 'unreachable':
      return { kind: 'api-down', detail: observation.code };
    case 'closed':
      if (observation.reason === 'foreign') return { kind: 'api-foreign' };
      // Those two were told when they were found out; the close that follows says nothing new.
      return observation.reason === 'mute' || observation.reason === 'unresponsive'
        ? null
        : { kind: 'api-down', detail: `connection ${observation.reason}` };
    case 'client-id-in-use':
      return { kind: 'api-client-id-in-use' };
    case 'connectivity':
      return {
        kind: 'broker',
        connected: observation.code === 1101 || observation.code === 1102,
        dataLost: observation.code === 1101,
      };
    case 'farm':
      return { kind: 'farm', name: observation.name, farmKind: observation.farmKind, ok: observation.ok };
    default:
      return null;
  }
}
