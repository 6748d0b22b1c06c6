// Checks the dialog rules against every known window: as the references word them, and as the stand-in Gateway shows them.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  ANSWERABLE,
  canHoldUp,
  DIALOG_RULES,
  findAnswer,
  findResend,
  fittingRules,
  knowDialog,
} from '../../src/domain/dialogs.ts';
import type { GatewayFact } from '../../src/domain/facts.ts';
import { lookAt, type SeenWindow } from '../../src/domain/seen-window.ts';

type Fixture = { readonly origin: string; readonly rule: string | null; readonly window: SeenWindow };

const DIRECTORY = join(import.meta.dirname, '../fixtures/dialogs');
const FIXTURES: ReadonlyMap<string, Fixture> = new Map(
  readdirSync(DIRECTORY)
    .filter((file) => file.endsWith('.json'))
    .map((file) => [
      file.slice(0, -'.json'.length),
      JSON.parse(readFileSync(join(DIRECTORY, file), 'utf8')) as Fixture,
    ]),
);

function windowOf(name: string): SeenWindow {
  const fixture = FIXTURES.get(name);
  assert.ok(fixture, name);
  return fixture.window;
}

function factsOf(name: string): readonly GatewayFact[] {
  const window = windowOf(name);
  return knowDialog(window)?.facts?.(lookAt(window)) ?? [];
}

function detailOf(name: string) {
  const [fact] = factsOf(name);
  assert.ok(fact?.kind === 'second-factor-shown', name);
  const { prompt, challenge, devices } = fact.detail ?? {};
  return { method: fact.method, prompt, challenge, devices };
}

describe('every known window', () => {
  for (const [name, { origin, rule, window }] of FIXTURES) {
    it(`${name} (${origin}) is ${rule ?? 'nothing that is known'}`, () => {
      assert.deepEqual(
        fittingRules(lookAt(window)).map(({ id }) => id),
        rule === null ? [] : [rule],
      );
    });
  }

  it('shows each rule at least once', () => {
    const shown = new Set([...FIXTURES.values()].map(({ rule }) => rule));
    assert.deepEqual(
      DIALOG_RULES.map(({ id }) => id).filter((id) => !shown.has(id)),
      [],
    );
  });

  it('without a rule can hold somebody up', () => {
    for (const [name, { rule, window }] of FIXTURES) if (rule === null) assert.ok(canHoldUp(window), name);
  });
});

describe('the table', () => {
  it('names each rule once, in words of its own', () => {
    assert.equal(new Set(DIALOG_RULES.map(({ id }) => id)).size, DIALOG_RULES.length);
    assert.equal(new Set(DIALOG_RULES.map(({ what }) => what)).size, DIALOG_RULES.length);
    for (const { id } of DIALOG_RULES) assert.match(id, /^[a-z]+(-[a-z]+)*$/);
  });

  it('clicks nothing but what may be set to be answered, which is all that the driver leaves open for no choice', () => {
    const clicked = DIALOG_RULES.flatMap(({ id, click }) => (click === null ? [] : [[id, click.setting]]));
    assert.deepEqual(
      clicked.sort(),
      ANSWERABLE.map((name) => [name, name]),
    );
  });

  it('is quick also with a window full of nonsense', () => {
    const text = 'challenge code password 1 '.repeat(10_000);
    const window = windowOf('ibc-code-app');
    const components = window.components.map((component) => ({ ...component, text }));
    const begun = performance.now();
    fittingRules(lookAt({ ...window, components }));
    assert.ok(performance.now() - begun < 1_000);
  });
});

describe('a second factor', () => {
  it('tells its method and what is asked for', () => {
    assert.deepEqual(detailOf('ibga-devices'), {
      method: 'device-choice',
      prompt: 'Select second factor device',
      challenge: null,
      devices: ['IB Key', 'Mobile Authenticator app'],
    });
    assert.deepEqual(detailOf('standin-totp'), {
      method: 'code',
      prompt: 'Enter Mobile Authenticator app code',
      challenge: null,
      devices: null,
    });
    assert.equal(detailOf('standin-push').method, 'ib-key');
    assert.equal(detailOf('code-app-html').prompt, 'Enter Mobile Authenticator app code');
  });

  it('tells the challenge, digits only, and the places of a code card', () => {
    assert.equal(detailOf('challenge').challenge, '123456');
    assert.equal(detailOf('challenge-behind').challenge, '98765432');
    assert.deepEqual(
      [detailOf('security-code-card').method, detailOf('security-code-card').challenge],
      ['challenge', '12, 34'],
    );
  });

  it('tells of a code that was not accepted, and then that the next is asked for', () => {
    const told = factsOf('standin-totp-rejected').map((fact) =>
      fact.kind === 'second-factor-code-rejected' ? fact.text : fact.kind,
    );
    assert.deepEqual(told, ['The code is not correct. Please try again.', 'second-factor-shown']);
    assert.deepEqual(factsOf('code-invalid-message'), [
      {
        kind: 'second-factor-code-rejected',
        window: 'w4',
        text: 'Invalid security code. Please try again.',
      },
    ]);
  });
});

describe('other facts', () => {
  it('of a refusal have its cause and its words', () => {
    const cause = (name: string) => {
      const [fact] = factsOf(name);
      return fact?.kind === 'login-refused' ? `${fact.cause} ${fact.waitMs}` : fact?.kind;
    };
    assert.equal(cause('standin-unrecognized'), 'credentials null');
    assert.equal(cause('ibga-invalid-credentials'), 'credentials null');
    assert.equal(cause('standin-login-failed'), 'login-failed null');
    assert.equal(cause('standin-login-error'), 'login-error null');
    assert.equal(cause('server-disconnected'), 'connection-failed null');
    assert.equal(cause('passkey-unsupported'), 'passkey-required');
    assert.equal(cause('ibga-tokens-expired'), 'tokens-expired');
  });

  it('of a lock-out have the waiting time', () => {
    const waits = ['ibc-too-many-minutes', 'too-many-titled'].map((name) => {
      const [fact] = factsOf(name);
      return fact?.kind === 'login-refused' ? fact.waitMs : null;
    });
    assert.deepEqual(waits, [287_000, 2_000]);
    const [standin] = factsOf('standin-too-many');
    assert.ok(standin?.kind === 'login-refused' && standin.waitMs !== null && standin.waitMs > 200_000);
  });

  it('of a password have the days that are left', () => {
    const days = ['ibc-password-notice', 'password-expires-tomorrow'].map((name) => {
      const [fact] = factsOf(name);
      return fact?.kind === 'password-expiring' ? fact.days : 'none';
    });
    assert.deepEqual(days, [12, 1]);
  });

  it('mask account ids', () => {
    const { window } = FIXTURES.get('login-failed-maintenance') ?? assert.fail();
    const components = window.components.map((each) => ({ ...each, text: 'Account U1234567 is closed' }));
    const known = knowDialog({ ...window, components });
    const [fact] = known?.facts?.(lookAt({ ...window, components })) ?? [];
    assert.ok(fact?.kind === 'login-refused');
    assert.equal(fact.text.includes('U1234567'), false);
    assert.match(fact.text, /U\*\*\*67/);
  });
});

describe('an answer', () => {
  const rule = DIALOG_RULES.find(({ id }) => id === 'login-messages') ?? assert.fail();
  const window = windowOf('login-messages');
  const button = window.components.at(-1) ?? assert.fail();

  it('is the one button of the rule, in a window of exactly its title', () => {
    assert.deepEqual(findAnswer(rule, window), { path: button.path, text: 'Resume login' });
    assert.equal(findAnswer(rule, { ...window, title: 'Login Message' }), null);
    assert.equal(findAnswer(rule, windowOf('resume-login-untitled')), null);
  });

  it('is none when the button is there twice, is another one, or cannot be pressed', () => {
    const others = window.components.slice(0, -1);
    const change = (...buttons: (typeof button)[]) => ({ ...window, components: [...others, ...buttons] });
    assert.equal(findAnswer(rule, change(button, { ...button, path: '9:javax.swing.JButton' })), null);
    assert.equal(findAnswer(rule, change({ ...button, text: 'Resume login and accept' })), null);
    assert.equal(findAnswer(rule, change({ ...button, enabled: false })), null);
    assert.equal(findAnswer(rule, change({ ...button, visible: false })), null);
    assert.equal(findAnswer(DIALOG_RULES[0] ?? rule, window), null);
  });
});

describe('the button that sends a notification again', () => {
  const withButton = (text: string): SeenWindow => {
    const window = windowOf('standin-push');
    const components = window.components.map((each) =>
      each.text === 'Resend Notification' ? { ...each, text } : each,
    );
    return { ...window, components };
  };
  const found = (window: SeenWindow) => {
    const rule = knowDialog(window);
    return rule === null ? null : (findResend(rule, window)?.text ?? null);
  };

  it('is known however it is worded', () => {
    for (const text of [
      'Resend Notification',
      'RE-SEND NOTIFICATION',
      'Resend',
      'Resend push notification',
      'Send notification again',
      'Send a new notification',
      'Send again',
    ]) {
      assert.equal(found(withButton(text)), text);
    }
  });

  it('is none that does something else, none of several, and none of another window', () => {
    for (const text of ['Cancel', 'Change security device', 'Do not resend', 'Send SMS', 'OK'])
      assert.equal(found(withButton(text)), null, text);
    const window = withButton('Resend');
    const twice = { ...window, components: [...window.components, ...window.components] };
    assert.equal(found(twice), null);
    assert.equal(found(windowOf('code-sms')), null);
  });
});
