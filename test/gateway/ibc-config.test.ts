import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type IbcConfigInput, renderIbcConfig } from '../../src/gateway/ibc-config.ts';
import { LaunchError } from '../../src/gateway/launch-error.ts';
import { getProperty, parseProperties } from '../../src/gateway/properties.ts';
import { aSession } from '../launch/builders.ts';

const GOLDEN = join(import.meta.dirname, 'golden', 'config.ini');

function anInput(changes: Partial<IbcConfigInput> = {}): IbcConfigInput {
  return { session: aSession(), username: 'user1', password: 'secret', commandPort: 23456, ...changes };
}

describe('config.ini', () => {
  it('is as the golden file has it', () => {
    const session = aSession({
      ibc: { ReadOnlyApi: 'yes', AutoRestartTime: '11:45 PM', ExistingSessionDetectedAction: 'secondary' },
      secondFactor: { method: 'ib-key', device: 'IB Key' },
    });
    const bytes = renderIbcConfig(anInput({ session, password: 'pä;#=\\ "x' }));
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(GOLDEN, bytes);
    assert.equal(Buffer.from(bytes).toString('latin1'), readFileSync(GOLDEN, 'latin1'));
  });

  it('switches the command server off where it has no port', () => {
    const file = parseProperties(renderIbcConfig(anInput({ commandPort: null })));
    assert.equal(getProperty(file, 'CommandServerPort'), '0');
    assert.equal(getProperty(file, 'BindAddress'), '127.0.0.1');
  });

  it('holds the password as it is', () => {
    const password = 'pä;#=\\ "x🔐';
    const file = parseProperties(renderIbcConfig(anInput({ password })));
    assert.equal(getProperty(file, 'IbPassword'), password);
  });

  it('lets the user change a default of ours but no setting of ours', () => {
    const session = aSession({ ibc: { AcceptIncomingConnectionAction: 'accept' } });
    const file = parseProperties(renderIbcConfig(anInput({ session })));
    assert.equal(getProperty(file, 'AcceptIncomingConnectionAction'), 'accept');
    for (const name of ['BindAddress', 'IbPassword', 'CommandServerPort', 'TradingMode']) {
      assert.throws(
        () => renderIbcConfig(anInput({ session: aSession({ ibc: { [name]: 'x' } }) })),
        /pass-through/,
      );
    }
  });

  it('waits for the login dialog longer than the agent does', () => {
    const session = aSession();
    const seconds = Number(
      getProperty(parseProperties(renderIbcConfig(anInput())), 'LoginDialogDisplayTimeout'),
    );
    assert.ok(seconds * 1000 > session.deadlines.startMs);
  });

  it('refuses credentials that IBC would trim or wait for, without showing them', () => {
    for (const value of ['', ' x', 'x ', 'x\t', 'x\n', '\u0000x', ' ']) {
      for (const input of [anInput({ password: value }), anInput({ username: value })]) {
        assert.throws(
          () => renderIbcConfig(input),
          (error) => {
            assert.ok(error instanceof LaunchError);
            assert.equal(error.code, 'credential-invalid');
            assert.ok(value === '' || value === ' ' || !error.message.includes(value));
            return true;
          },
        );
      }
    }
  });

  it('keeps blanks and control characters inside a password', () => {
    const file = parseProperties(renderIbcConfig(anInput({ password: 'a \t\u0000 b' })));
    assert.equal(getProperty(file, 'IbPassword'), 'a \t\u0000 b');
  });
});

describe('the second-factor device', () => {
  it('of the order stands before the configured one', () => {
    const session = aSession({ secondFactor: { method: 'ib-key', device: 'IB Key' } });
    const deviceIn = (device?: string | null) =>
      parseProperties(renderIbcConfig(anInput({ session, ...(device === undefined ? {} : { device }) })));
    for (const [device, expected] of [
      [undefined, 'IB Key'],
      [null, 'IB Key'],
      ['Mobile Authenticator app', 'Mobile Authenticator app'],
    ] as const) {
      assert.equal(getProperty(deviceIn(device), 'SecondFactorDevice'), expected);
    }
  });
});
