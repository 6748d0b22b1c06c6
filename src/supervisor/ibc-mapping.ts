// Owns the translation of what IBC's lines say into the facts that rules know, whatever drives the gateway.

import type { GatewayFact } from '../domain/facts.ts';
import type { IbcFact } from '../gateway/ibc-facts.ts';

/** Translates the facts of one JVM's life; one instance a run, since a few lines mean something only after others. */
export class IbcMapping {
  readonly #secondFactorMs: number;

  /** `secondFactorMs` is the limit that IBC was given: it calls a dialog that closed later a timeout. */
  constructor(secondFactorMs: number) {
    this.#secondFactorMs = secondFactorMs;
  }

  map(fact: IbcFact): GatewayFact | null {
    switch (fact.kind) {
      case 'ibc-started':
        return { kind: 'gateway-up', version: fact.version };
      case 'command-server-ready':
        return { kind: 'command-server', up: true };
      case 'command-server-failed':
        return { kind: 'command-server', up: false };
      case 'command-received':
        return { kind: 'command', command: fact.command.toUpperCase() };
      case 'session-restart':
        return { kind: 'restored' };
      case 'login-dialog':
        return { kind: 'login-dialog' };
      case 'login-attempt':
        return { kind: 'login-submitted', number: fact.number };
      case 'main-window':
        return { kind: 'main-window' };
      case 'second-factor-opened':
      case 'second-factor-shown':
      case 'second-factor-initiated':
        return { kind: 'second-factor-shown', method: null };
      case 'second-factor-duration':
        // IBC writes this line for a timeout too, just before it says that it was one.
        return fact.seconds * 1000 >= this.#secondFactorMs ? null : { kind: 'second-factor-answered' };
      case 'second-factor-device-chosen':
        return { kind: 'second-factor-device-chosen' };
      case 'second-factor-timeout':
        return { kind: 'second-factor-timed-out' };
      case 'second-factor-device-unknown':
        return { kind: 'second-factor-device-unknown', text: fact.device ?? 'no device is configured' };
      case 'logged-in':
        return { kind: 'logged-in' };
      case 'credentials-rejected':
        return { kind: 'login-refused', cause: 'credentials', text: fact.title, waitMs: null };
      case 'login-failed':
        return { kind: 'login-refused', cause: 'login-failed', text: 'Login failed', waitMs: null };
      case 'login-error':
        return { kind: 'login-refused', cause: 'login-error', text: 'Login Error', waitMs: null };
      case 'connection-failed':
        // The words of gateways that are too old for one.
        if (/pass ?key/i.test(fact.text)) return { kind: 'passkey-required', text: fact.text };
        return { kind: 'login-refused', cause: 'connection-failed', text: fact.text, waitMs: null };
      case 'login-invalidated':
        return {
          kind: 'login-refused',
          cause: 'invalidated',
          text: 'the login dialog was invalidated',
          waitMs: null,
        };
      case 'locked-out':
        return {
          kind: 'login-refused',
          cause: 'locked-out',
          text: fact.seconds === null ? 'IBKR asks for a wait' : `IBKR asks to wait ${fact.seconds} s`,
          waitMs: fact.seconds === null ? null : fact.seconds * 1000,
        };
      case 'existing-session-decision':
        return {
          kind: 'existing-session',
          decision: fact.ends ? 'ends' : fact.scenario === 1 ? 'asks' : 'continues',
        };
      case 'relogin-required':
        return { kind: 'relogin-required' };
      case 'restart-planned':
        return { kind: 'restart-time', time: fact.time };
      case 'shutdown-progress':
        return { kind: 'shutdown-started' };
      case 'fatal':
        return { kind: 'fatal', code: fact.code };
      case 'error':
      case 'exception':
        return { kind: 'gateway-error', text: fact.text };
      case 'window':
        // Some windows are never reported as Opened.
        if (fact.event === 'Opened' || fact.event === 'Activated' || fact.event === 'Focused') {
          return { kind: 'dialog', title: fact.title, open: true };
        }
        return fact.event === 'Closed' ? { kind: 'dialog', title: fact.title, open: false } : null;
      default:
        return null;
    }
  }
}
