// Checks how an order to systemd is answered, from what systemctl says and from what it leaves unsaid.

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { SystemctlServiceManager } from '../../src/host/service-manager.ts';

const UNIT = 'ib-session@live.service';
let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'ib-systemctl-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

type Said = {
  readonly status: number;
  readonly stderr?: string;
  readonly unit?: string;
  readonly polkit?: string;
};

/** A systemctl that fails orders as given, and shows the unit and polkit as given (`LOAD ACTIVE`). */
function systemctl({ status, stderr = '', unit = 'loaded inactive', polkit = 'loaded active' }: Said) {
  const file = join(directory, 'systemctl');
  const show = (text: string) => {
    const [load, active] = text.split(' ');
    return `printf 'LoadState=%s\\nActiveState=%s\\n' ${load} ${active}`;
  };
  writeFileSync(
    file,
    `#!/bin/sh
for last; do :; done
case "$1 $last" in
  "show ${UNIT}") ${show(unit)} ;;
  "show polkit.service") ${show(polkit)} ;;
  show*) exit 9 ;;
  *) echo "${stderr}" >&2; exit ${status} ;;
esac
`,
  );
  chmodSync(file, 0o755);
  return new SystemctlServiceManager(file);
}

describe('an order to systemd', () => {
  // What systemctl 252 was seen to end with in each case.
  const cases: readonly (readonly [string, Said, string])[] = [
    ['is done', { status: 0 }, 'done'],
    ['is denied without a rule', { status: 1, stderr: 'Interactive authentication required.' }, 'denied'],
    [
      'is denied without polkit',
      { status: 4, stderr: 'Access denied', polkit: 'not-found inactive' },
      'denied',
    ],
    [
      'is denied with polkit masked',
      { status: 1, stderr: 'Unit polkit.service is masked.', polkit: 'masked inactive' },
      'denied',
    ],
    [
      'is denied with a polkit that does not start',
      { status: 1, stderr: 'Connection timed out', polkit: 'loaded failed' },
      'denied',
    ],
    ['is refused for a masked unit', { status: 1, unit: 'masked inactive' }, 'refused'],
    ['is refused for a unit that cannot be loaded', { status: 6 }, 'refused'],
    ['finds no unit', { status: 5 }, 'no-such-unit'],
    ['fails otherwise', { status: 1, stderr: 'Connection reset by peer' }, 'failed'],
  ];
  for (const [what, said, kind] of cases) {
    it(what, async () => {
      assert.equal((await systemctl(said).start(UNIT)).kind, kind);
    });
  }

  it('that fails carries the first line of what systemctl said', async () => {
    const answer = await systemctl({
      status: 1,
      stderr: 'Failed: Unit polkit.service is masked.\nSee logs.',
    }).stop(UNIT);
    assert.deepEqual(answer, { kind: 'failed', detail: 'Failed: Unit polkit.service is masked.' });
  });
});
