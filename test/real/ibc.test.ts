// Runs the main scenarios with the real IBC in IBC_DIR, which drives the stand-in Gateway.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { describeCodesByHand } from '../support/code-scenarios.ts';
import { describeMainScenarios } from '../support/main-scenarios.ts';
import { describeTotp } from '../support/totp-scenarios.ts';

const directory = process.env['IBC_DIR'];
const jar = directory === undefined ? undefined : join(directory, 'IBC.jar');

it('has a real IBC to run with', () => {
  assert.ok(jar !== undefined, 'set IBC_DIR to the directory of a real IBC, the one that holds IBC.jar');
  assert.ok(existsSync(jar), `IBC_DIR: there is no ${jar}`);
});

if (jar !== undefined && existsSync(jar)) {
  describeMainScenarios(jar);
  describeTotp(jar);
  describeCodesByHand(jar);
}
