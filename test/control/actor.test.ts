// Checks who may do what, and that a refusal says what would help.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AccessQuestion,
  type Actor,
  decideAccess,
  needsNoGroups,
  refuseOperation,
  refuseStranger,
} from '../../src/control/actor.ts';

const OWN = 990;

function question(changes: Partial<AccessQuestion>): AccessQuestion {
  return { uid: 1000, ownUid: OWN, groups: [], mode: 'systemd', ...changes };
}

test('access follows uid and groups, and nothing else gives any', () => {
  const table: readonly (readonly [Partial<AccessQuestion>, ReturnType<typeof decideAccess>])[] = [
    [{ uid: 0 }, 'operate'],
    [{ uid: 0, mode: 'process' }, 'operate'],
    [{ groups: ['ib-operators'] }, 'operate'],
    [{ groups: ['ib-observers'] }, 'observe'],
    [{ groups: ['ib-observers', 'ib-operators'] }, 'operate'],
    [{ groups: [] }, null],
    [{ groups: ['wheel', 'sudo', 'ib-gateway', 'ib-operators2'] }, null],
    [{ uid: OWN, mode: 'process' }, 'operate'],
    [{ uid: OWN, mode: 'systemd' }, null],
    [{ uid: OWN, mode: 'systemd', groups: ['ib-observers'] }, 'observe'],
    [{ mode: 'process' }, null],
  ];
  for (const [changes, access] of table) {
    assert.equal(decideAccess(question(changes)), access, JSON.stringify(changes));
  }
});

test('root and the own user outside systemd need no user database', () => {
  assert.equal(needsNoGroups(question({ uid: 0 })), true);
  assert.equal(needsNoGroups(question({ uid: OWN, mode: 'process' })), true);
  assert.equal(needsNoGroups(question({ uid: OWN })), false);
  assert.equal(needsNoGroups(question({ groups: ['ib-operators'] })), false);
});

test('a stranger is told both groups and the command that lets him in', () => {
  const error = refuseStranger(1001, 'eve');
  assert.equal(error.code, 'not-allowed');
  assert.match(error.message, /eve \(uid 1001\)/);
  assert.match(error.hint ?? '', /ib-observers.*ib-operators.*usermod -aG ib-operators eve/);
  assert.match(refuseStranger(77_777, null).message, /^uid 77777 may not/);
});

test('an observer is told which method he may not call, and the group that may', () => {
  const actor: Actor = { uid: 1001, gid: 1001, pid: 1, user: 'eve', access: 'observe', client: 'x' };
  const error = refuseOperation(actor, 'login');
  assert.equal(error.code, 'not-allowed');
  assert.match(error.message, /login/);
  assert.match(error.hint ?? '', /usermod -aG ib-operators eve/);
});
