// Checks which second-factor token a start leaves in jts.ini, and that IBC finds nothing to rewrite, and so to log, where one is.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { linesOfIbc } from '../../src/gateway/ibc-jts.ts';
import { editJtsIni, readJtsSetting } from '../../src/gateway/jts-ini.ts';
import { chooseToken } from '../../src/launch/second-factor-token.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'token-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** One start of the launcher: what the file holds after it. */
function start(configured: string | null, file: string | null): { token: string | null; overruled: boolean } {
  const settings = configured === null ? {} : { Communication: { '2ndFactor': configured, Region: 'us' } };
  const before = file === null ? null : Buffer.from(`[Communication]\n2ndFactor=${file}\n`);
  const choice = chooseToken(settings, before, join(root, 'written'));
  const after = editJtsIni(before, choice.settings);
  choice.keep();
  const [token = null] = readJtsSetting(after, 'Communication', '2ndFactor');
  assert.equal(choice.present, token !== null);
  if (configured !== null) assert.deepEqual(readJtsSetting(after, 'Communication', 'Region'), ['us']);
  return { token, overruled: choice.overruled };
}

describe('a configured token', () => {
  it('is written where there is none, however often that happens', () => {
    assert.deepEqual(start('seed', null), { token: 'seed', overruled: false });
    assert.deepEqual(start('seed', ''), { token: 'seed', overruled: false });
  });

  it('is written over another one when it is new, and not again after the gateway wrote its own', () => {
    assert.deepEqual(start('seed', 'old'), { token: 'seed', overruled: false });
    assert.deepEqual(start('seed', 'seed'), { token: 'seed', overruled: false });
    assert.deepEqual(start('seed', 'paired'), { token: 'paired', overruled: true });
    assert.deepEqual(start('fresh', 'paired'), { token: 'fresh', overruled: false });
  });

  it('is kept as a digest only, for the gateway’s user alone', () => {
    start('seed', null);
    const record = join(root, 'written');
    assert.match(readFileSync(record, 'utf8'), /^[0-9a-f]{64}\n$/);
    assert.equal(statSync(record).mode & 0o777, 0o600);
  });

  it('that is none leaves the gateway’s own', () => {
    assert.deepEqual(start(null, 'paired'), { token: 'paired', overruled: false });
    assert.deepEqual(start(null, null), { token: null, overruled: false });
  });
});

describe('the lines of IBC', () => {
  it('are all there beforehand: what it forces is corrected, what it only adds stays', () => {
    const file = Buffer.from('[Logon]\ns3store=false\nUseSSL=false\n[IBGateway]\nTrustedIPs=10.0.0.1\n');
    const text = Buffer.from(editJtsIni(file, linesOfIbc(file, '10.0.0.2'))).toString();
    assert.match(text, /s3store=false\nUseSSL=true\nLocale=en\ndisplayedproxymsg=1\n/);
    assert.match(text, /TrustedIPs=127\.0\.0\.1,10\.0\.0\.2\nApiOnly=true\n/);
    const fresh = Buffer.from(editJtsIni(null, linesOfIbc(null, ''))).toString();
    assert.match(fresh, /TrustedIPs=127\.0\.0\.1\n/);
    assert.match(fresh, /s3store=true\n/);
  });
});
