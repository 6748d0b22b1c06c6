// Owns what a reducer may ask the outside world to do, as data.

import type { EventDraft } from '../events/catalogue.ts';
import type { LaunchKind } from './facts.ts';
import type { SessionMemory } from './memory.ts';

export type Effect =
  /** Charge the ledger when cold and not charged for this order yet, write the launch order, start display and session. In this order; nothing starts when a write fails. */
  | {
      readonly kind: 'launch';
      readonly order: string;
      readonly launch: LaunchKind;
      /** Second-factor device of this login; left out: the configured one. */
      readonly device?: string;
    }
  /** Stop the JVM: `tidy` asks it to close first, `signal` begins with SIGTERM. Always ends in an `exited` fact. */
  | { readonly kind: 'stop'; readonly how: 'tidy' | 'signal' }
  | { readonly kind: 'stop-display' }
  /** Choose an entry of the device list in its window, if that is as it was seen; a `device-picked` fact follows when it was. */
  | { readonly kind: 'choose-device'; readonly window: string; readonly device: string }
  /** Ask the gateway to restart itself keeping its token; answered by a `restart-answer` fact. */
  | { readonly kind: 'ask-restart' }
  /** Keep an API connection: `eager` retries at once while a session comes up. */
  | { readonly kind: 'watch-api'; readonly eager: boolean }
  | { readonly kind: 'unwatch-api' }
  /** Count a login that IBC made by itself, or a second factor that was shown. */
  | { readonly kind: 'charge'; readonly what: 'login' | 'push'; readonly order: string }
  /** Nothing was submitted under this order. */
  | { readonly kind: 'refund'; readonly order: string }
  /** Keep the other sessions of the user from a login until `until` (epoch milliseconds), or until this is released. */
  | { readonly kind: 'lease'; readonly order: string; readonly until: number; readonly shown: boolean }
  | { readonly kind: 'release'; readonly order: string }
  /** Let ib-code type the code of this time step into the window; answered by a `code-result` fact. The step is used up in the ledger first. */
  | { readonly kind: 'type-code'; readonly id: string; readonly step: number; readonly window: string }
  /** Find out what became of a `type-code` of an earlier agent. Answered likewise. */
  | { readonly kind: 'recall-code'; readonly id: string; readonly window: string }
  /** Try whether a code can be made; answered by a `code-checked` fact. */
  | { readonly kind: 'check-code'; readonly id: string }
  /** Answered by a `clock-compared` fact. */
  | { readonly kind: 'compare-clock' }
  | { readonly kind: 'save-desired'; readonly desired: 'up' | 'down' }
  /** Keep this for the agent's next run. */
  | { readonly kind: 'remember'; readonly memory: SessionMemory }
  | { readonly kind: 'emit'; readonly event: EventDraft };
