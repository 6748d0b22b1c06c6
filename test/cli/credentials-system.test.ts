// Tests `ibctl credentials` with the systemd-creds of this machine, in a mount namespace whose store and host key are scratch.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { readSealing } from '../../src/cli/credentials/sealed-with.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const USER = 'alice7531';
const PASSWORD = 'h4nter two =#\\!';

/** What is missing for these tests, or null. */
function missing(): string | null {
  if (process.geteuid?.() !== 0)
    return 'needs root: it mounts over /etc/credstore.encrypted and /var/lib/systemd';
  if (spawnSync('systemd-creds', ['--version']).status !== 0) return 'systemd-creds is not installed';
  if (spawnSync('unshare', ['-m', 'true']).status !== 0) return 'no mount namespaces here';
  return null;
}

function skip(test: TestContext): boolean {
  const reason = missing();
  if (reason === null) return false;
  assert.notEqual(process.env['CI'], 'true', reason);
  test.skip(reason);
  return true;
}

/** Runs a shell script in which `ibctl` is ours and nothing of the machine is changed. */
function inNamespace(script: string) {
  // Not below /tmp: systemd-creds refuses a host key on a temporary file system.
  const scratch = mkdtempSync('/var/tmp/ib-creds-');
  try {
    mkdirSync(join(scratch, 'systemd'));
    writeFileSync(
      join(scratch, 'run.sh'),
      `set -eu
mount --make-rprivate /
mkdir -p /var/lib/systemd
mount --bind ${scratch}/systemd /var/lib/systemd
mount -t tmpfs tmpfs /etc -o mode=0755
ibctl() { "${process.execPath}" "${MAIN}" "$@"; }
${script}`,
    );
    // /etc is replaced as a whole, because the store need not be there; the machine's id is part of the host key.
    const setUp = `cat /etc/machine-id > ${scratch}/machine-id; exec sh ${scratch}/run.sh`;
    return spawnSync('unshare', ['-m', 'sh', '-c', setUp], {
      encoding: 'utf8',
      timeout: 60_000,
      env: { PATH: process.env['PATH'], TZ: 'UTC', COLUMNS: '80', SCRATCH: scratch },
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

it('what is sealed is what a unit is given, and the list says that it opens', (test) => {
  if (skip(test)) return;
  const { stdout, stderr, status } = inNamespace(`
cp "$SCRATCH/machine-id" /etc/machine-id
printf '%s\\n' '${USER}' '${PASSWORD}' | ibctl credentials set --stdin --force live
printf '%s' 'jbsw y3dp ehpk 3pxp' | ibctl credentials set --stdin --force --only seed live
for kind in username password; do
  systemd-creds decrypt --name=$kind /etc/credstore.encrypted/ib-session.live.$kind - 2>/dev/null; echo "<"
done
systemd-creds decrypt --name=seed /etc/credstore.encrypted/ib-code.live.seed - 2>/dev/null; echo "<"
stat -c '%a %u %n' /etc/credstore.encrypted /etc/credstore.encrypted/*
echo "sealed=$(cat /etc/credstore.encrypted/ib-session.live.password | tr -d '\\n')"
ibctl credentials list
rm /var/lib/systemd/credential.secret
ibctl credentials list
ibctl credentials remove live`);
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.ok(stdout.includes(`\n${USER}<\n${PASSWORD}<\nJBSWY3DPEHPK3PXP<\n`), stdout);
  assert.match(
    stdout,
    /^700 0 \/etc\/credstore\.encrypted\n600 0 .*ib-code\.live\.seed\n600 0 .*password\n600 0 .*username$/m,
  );
  const sealing = readSealing(Buffer.from(/sealed=(.*)/.exec(stdout)?.[1] ?? ''));
  assert.match(sealing?.key ?? '', /^(host|host\+tpm2)$/);
  assert.match(stdout, /^live +user name +\d{4}-.* +yes +host key/m);
  assert.match(stdout, /^live +user name +\d{4}-.* +no +host key/m);
  assert.match(stdout, /cannot be opened on this machine:\s+Failed/);
  assert.match(stdout, /^Removed the user name, password and TOTP seed of live\.$/m);
});
