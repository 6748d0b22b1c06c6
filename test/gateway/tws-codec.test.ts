import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  encodeCurrentTimeRequest,
  encodeHello,
  encodeMessage,
  encodeStartApi,
  FrameReader,
  GarbageError,
  isReadableVersion,
  readHandshake,
  readMessage,
} from '../../src/gateway/tws-codec.ts';

function frameOf(length: number, payload = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(length);
  return Buffer.concat([header, payload]);
}

describe('what is sent', () => {
  it('the hello offers the versions whose messages are text', () => {
    assert.equal(encodeHello().toString('latin1'), 'API\0\0\0\0\x09v100..176');
  });

  it('a message is its length and its fields, each ended by a zero byte', () => {
    assert.equal(encodeStartApi(77).toString('latin1'), '\0\0\0\x09' + '71\0' + '2\0' + '77\0' + '\0');
    assert.equal(encodeCurrentTimeRequest().toString('latin1'), '\0\0\0\x05' + '49\0' + '1\0');
    assert.equal(encodeMessage(['é']).length, 4 + 3);
  });
});

describe('frames', () => {
  const messages = [
    ['176', '20261122 04:32:46 UTC'],
    ['15', '1', 'DU1,DU2'],
    ['4', '2', '-1', '2104', 'é:x', ''],
    [''],
  ];
  const stream = Buffer.concat(messages.map((fields) => encodeMessage(fields)));

  it('messages arrive whole however the stream is split in two', () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      const reader = new FrameReader();
      const got = [...reader.push(stream.subarray(0, cut)), ...reader.push(stream.subarray(cut))];
      assert.deepEqual(got, messages, `cut at ${cut}`);
    }
  });

  it('messages arrive whole when every byte comes alone', () => {
    const reader = new FrameReader();
    assert.deepEqual(
      [...stream].flatMap((byte) => reader.push(Buffer.from([byte]))),
      messages,
    );
  });

  it('a length of nothing, above 16 MiB, or that is text, is garbage', () => {
    for (const bytes of [
      frameOf(0),
      frameOf(0x1_00_00_00),
      frameOf(0xff_ff_ff_fc, Buffer.from([1])),
      Buffer.from('HTTP/1.1 400 Bad Request\r\n'),
      Buffer.from('API\0\0\0\0\x09v100..176'),
    ]) {
      assert.throws(() => new FrameReader().push(bytes), GarbageError);
    }
  });

  it('a frame too long to concern a health client is passed over, and the next one is read', () => {
    const reader = new FrameReader();
    const before = process.memoryUsage().arrayBuffers;
    const filler = Buffer.alloc(64 * 1024);
    const length = 0xff_ff_ff;
    reader.push(frameOf(length));
    let sent = 0;
    while (sent < length) {
      const part = filler.subarray(0, Math.min(filler.length, length - sent));
      assert.deepEqual(reader.push(part), []);
      sent += part.length;
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 4 * 1024 * 1024);
    assert.deepEqual(reader.push(encodeMessage([49, 1, 5])), [['49', '1', '5']]);
  });
});

describe('the handshake', () => {
  it('gives the version and the time as text', () => {
    assert.deepEqual(readHandshake(['176', '20261122 04:32:46 Central Standard Time']), {
      serverVersion: 176,
      connectionTime: '20261122 04:32:46 Central Standard Time',
    });
  });

  it('is none when it does not begin with a number', () => {
    for (const fields of [[], [''], ['1.5'], ['hello'], ['9'.repeat(400)]])
      assert.equal(readHandshake(fields), null);
  });

  it('only versions whose messages are framed text can be read', () => {
    assert.deepEqual([-1, 76, 99, 100, 176, 200, 201, 222].map(isReadableVersion), [
      false,
      false,
      false,
      true,
      true,
      true,
      false,
      false,
    ]);
  });
});

describe('messages', () => {
  it('accounts are split, and blanks and empty ends are dropped', () => {
    assert.deepEqual(readMessage(['15', '1', 'DU1, DU2,'], 176), {
      kind: 'accounts',
      accounts: ['DU1', 'DU2'],
    });
    assert.deepEqual(readMessage(['15', '1'], 176), { kind: 'accounts', accounts: [] });
  });

  const FARMS = [
    [2103, 'Market data farm connection is broken:usfarm.nj', 'usfarm.nj', 'market', false],
    [2104, 'Market data farm connection is OK:usfarm', 'usfarm', 'market', true],
    [2105, 'HMDS data farm connection is broken:ushmds', 'ushmds', 'historical', false],
    [2106, 'HMDS data farm connection is OK:ushmds', 'ushmds', 'historical', true],
    [
      2107,
      'HMDS data farm connection is inactive but should be available upon demand.ushmds',
      'ushmds',
      'historical',
      true,
    ],
    [
      2108,
      'Market data farm connection is inactive but should be available upon demand.usfarm.nj',
      'usfarm.nj',
      'market',
      true,
    ],
    [2119, 'Market data farm is connecting:eufarmnj', 'eufarmnj', 'market', null],
    [2157, 'Sec-def data farm connection is broken:secdefnj', 'secdefnj', 'sec-def', false],
    [2158, 'Sec-def data farm connection is OK:secdefnj', 'secdefnj', 'sec-def', true],
  ] as const;
  for (const [code, text, name, farmKind, ok] of FARMS) {
    it(`${code} is the ${farmKind} farm ${name}, ${ok === null ? 'not known' : ok ? 'ok' : 'broken'}`, () => {
      assert.deepEqual(readMessage(['4', '2', '-1', `${code}`, text, ''], 176), {
        kind: 'farm',
        code,
        name,
        farmKind,
        ok,
      });
    });
  }

  it('a farm message without a name has a name that says so', () => {
    const message = readMessage(['4', '2', '-1', '2108', 'Market data farm is inactive upon demand.'], 176);
    assert.ok(message?.kind === 'farm');
    assert.equal(message.name, 'unnamed');
  });

  it('the layout of errors follows the server version', () => {
    const expected = { kind: 'connectivity', code: 1100 };
    assert.deepEqual(readMessage(['4', '2', '-1', '1100', 'lost'], 100), expected);
    assert.deepEqual(readMessage(['4', '2', '-1', '1100', 'lost', ''], 193), expected);
    assert.deepEqual(readMessage(['4', '-1', '1100', 'lost', '', '1795321966000'], 194), expected);
  });

  it('escaped characters are restored from version 153 on and left alone before', () => {
    const fields = ['4', '2', '-1', '321', 'Fehler: \\u00fcber'];
    assert.deepEqual(readMessage(fields, 176), { kind: 'api-error', code: 321, text: 'Fehler: über' });
    assert.deepEqual(readMessage(fields, 152), { kind: 'api-error', code: 321, text: 'Fehler: \\u00fcber' });
  });

  it('a client id in use, the time and the next id are told apart from errors', () => {
    assert.deepEqual(readMessage(['4', '2', '-1', '326', 'in use'], 176), { kind: 'client-id-in-use' });
    assert.deepEqual(readMessage(['49', '1', '1795321966'], 176), { kind: 'current-time' });
    assert.deepEqual(readMessage(['9', '1', '1'], 176), { kind: 'next-valid-id' });
  });

  it('damaged and unknown messages say nothing, and long texts are cut', () => {
    for (const fields of [
      [],
      [''],
      ['4'],
      ['4', '2', '-1'],
      ['4', '2', '-1', 'x', 'y'],
      ['5', '1'],
      ['__proto__'],
    ]) {
      assert.equal(readMessage(fields, 176), null);
    }
    const message = readMessage(['4', '2', '-1', '200', 'x'.repeat(100_000)], 176);
    assert.ok(message?.kind === 'api-error' && message.text.length === 500);
  });
});
