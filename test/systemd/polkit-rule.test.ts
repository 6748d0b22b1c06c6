// Tests the polkit rule by running it: what the agent may ask of systemd, and everything else it may not.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createContext, runInContext } from 'node:vm';

const RULE = readFileSync(join(import.meta.dirname, '../../systemd/50-ib-agent.rules'), 'utf8');
const MANAGE = 'org.freedesktop.systemd1.manage-units';

type Asked = { readonly id?: string; readonly user?: string; readonly verb?: string; readonly unit?: string };

/** Answers as polkit would: the first rule that does not say not-handled, else not-handled. */
function ask(asked: Asked): string {
  const rules: ((action: object, subject: object) => string | null | undefined)[] = [];
  const polkit = {
    Result: { NOT_HANDLED: 'not-handled', YES: 'yes', NO: 'no' },
    addRule: (rule: (typeof rules)[number]) => rules.push(rule),
  };
  runInContext(RULE, createContext({ polkit }));
  assert.notEqual(rules.length, 0);
  const details: Readonly<Record<string, string | undefined>> = { verb: asked.verb, unit: asked.unit };
  const action = { id: asked.id ?? MANAGE, lookup: (key: string) => details[key] };
  const subject = { user: asked.user ?? 'ib-agent', local: false, active: false, isInGroup: () => true };
  for (const rule of rules) {
    const answer = rule(action, subject) ?? 'not-handled';
    if (answer !== 'not-handled') return answer;
  }
  return 'not-handled';
}

const LONGEST = `a${'b'.repeat(30)}`;
const UNITS = [
  'ib-session@live.service',
  'ib-display@paper-2.service',
  'ib-code@x.service',
  'ib-clock@x.service',
  'ib-ready@live.target',
  `ib-session@${LONGEST}.service`,
];
const VERBS = ['start', 'stop', 'restart'];

describe('the polkit rule', () => {
  for (const verb of VERBS) {
    for (const unit of UNITS) {
      it(`lets the agent ${verb} ${unit}`, () => assert.equal(ask({ verb, unit }), 'yes'));
    }
  }

  for (const unit of [
    'ssh.service',
    'ib-agent.service',
    'ib-session@.service',
    'ib-session@x.service.d',
    'ib-session@../../x.service',
    'ib-session@x.service\n',
    'x.ib-session@x.service',
    'ib-session@Live.service',
    'ib-session@1.service',
    'ib-session@a_b.service',
    'ib-session@a\\x2db.service',
    `ib-session@${LONGEST}c.service`,
    'ib-session@live.target',
    'ib-ready@live.service',
    'ib-down@live.target',
    'ib.slice',
    '',
  ]) {
    it(`says nothing on starting ${JSON.stringify(unit)}`, () =>
      assert.equal(ask({ verb: 'start', unit }), 'not-handled'));
  }

  for (const verb of [
    'set-property',
    'kill',
    'enable',
    'disable',
    'mask',
    'reload',
    'reload-or-restart',
    'try-restart',
    'reset-failed',
    'freeze',
    'clean',
    'start\n',
    '',
  ]) {
    it(`says nothing on the verb ${JSON.stringify(verb)}`, () =>
      assert.equal(ask({ verb, unit: 'ib-session@live.service' }), 'not-handled'));
  }

  it('says nothing when systemd does not say which unit or verb', () => {
    assert.equal(ask({ verb: 'start' }), 'not-handled');
    assert.equal(ask({ unit: 'ib-session@live.service' }), 'not-handled');
  });

  for (const user of ['ib-gateway', 'root', 'ib-agent2', 'xib-agent', '', 'trader']) {
    it(`says nothing to the user ${JSON.stringify(user)}`, () =>
      assert.equal(ask({ user, verb: 'start', unit: 'ib-session@live.service' }), 'not-handled'));
  }

  for (const id of [
    'org.freedesktop.systemd1.manage-unit-files',
    'org.freedesktop.systemd1.reload-daemon',
    'org.freedesktop.login1.power-off',
    `${MANAGE}2`,
  ]) {
    it(`says nothing on ${id}`, () =>
      assert.equal(ask({ id, verb: 'start', unit: 'ib-session@live.service' }), 'not-handled'));
  }

  it('is ECMAScript 5, which is all that the polkit of Debian 12 reads', () => {
    const code = RULE.replace(/\/\/.*$/gm, '');
    assert.doesNotMatch(code, /=>|`|\b(const|let|class)\b|\.\.\./);
  });
});
