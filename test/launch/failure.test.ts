import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LaunchError } from '../../src/gateway/launch-error.ts';
import { formatLaunchFailure, parseLaunchFailure } from '../../src/gateway/launch-records.ts';
import { toLaunchFailure } from '../../src/launch/failure.ts';
import { AgentError } from '../../src/protocol/errors.ts';

describe('the failure that an error means', () => {
  it('is the one a launch error carries', () => {
    const failure = { code: 'jars-missing', message: 'no jars in /opt', hint: 'install' } as const;
    assert.deepEqual(toLaunchFailure(new LaunchError(failure.code, failure.message, failure.hint)), failure);
  });

  it('is that of the configuration or the credentials', () => {
    const missing = new AgentError('credential-missing', 'no file /c/password', { hint: 'make it' });
    assert.deepEqual(toLaunchFailure(missing), {
      code: 'credential-missing',
      message: 'no file /c/password',
      hint: 'make it',
    });
    assert.equal(toLaunchFailure(new AgentError('config-unreadable', 'x')).code, 'config-invalid');
    assert.equal(toLaunchFailure(new AgentError('config-invalid', 'x')).code, 'config-invalid');
  });

  it('is internal, with the place, for what nobody expected, and one line in any case', () => {
    const failure = toLaunchFailure(new TypeError('two\nlines'));
    assert.equal(failure.code, 'internal');
    assert.match(failure.message, /TypeError: two\nlines \(at .*failure\.test\.ts/);
    assert.equal(toLaunchFailure('text').message, 'text');
    const line = formatLaunchFailure(failure);
    assert.equal(line.split('\n').length, 2);
    assert.deepEqual(parseLaunchFailure(line.trimEnd()), failure);
  });
});
