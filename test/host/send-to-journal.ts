// Sends to the journal whatever a test wants, by a path that shares nothing with the code under test.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

const SCRIPT = `
import json, socket, struct, sys
out = b''
for name, value in json.loads(sys.stdin.read()):
    value = bytes.fromhex(value)
    out += name.encode() + b'\\n' + struct.pack('<Q', len(value)) + value + b'\\n'
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(out, '/run/systemd/journal/socket')
`;

/** One entry in journald's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL); a field may come several times. */
export function sendToJournal(fields: readonly (readonly [string, string | Buffer])[]): void {
  const input = JSON.stringify(fields.map(([name, value]) => [name, Buffer.from(value).toString('hex')]));
  const { status, stderr } = spawnSync('/usr/bin/python3', ['-c', SCRIPT], { input, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}
