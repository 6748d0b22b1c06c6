// What must never come out of the bridge, and who may put a secret in.

import assert from 'node:assert/strict';
import { after, afterEach, before, it } from 'node:test';
import { inflateSync } from 'node:zlib';
import { BridgeError } from '../../src/bridge/protocol.ts';
import { Bench, named, ofClass, Raw, windowCalled, withText } from './jvm.ts';

const bench = new Bench();
before(() => bench.open());
afterEach(() => bench.clear());
after(() => bench.close());

const CODE = '908172';

it('no byte that the bridge sends holds a password, a typed code, or the length of either', async () => {
  const jvm = bench.nasty('secrets');
  const { bridge } = await bench.client(jvm);
  await jvm.sees('open');
  const raw = new Raw(jvm.socket);
  await raw.greet();
  raw.write('{"id":1,"op":"subscribe"}\n');
  await raw.answer(1);
  const window = await windowCalled(bridge, 'Secrets');
  const expect = { title: 'Secrets', near: 'Enter code' };
  await bridge.setText({
    window: window.id,
    path: ofClass(window, 'javax.swing.JPasswordField').path,
    text: 'fresh-Walrus',
    secret: true,
  });
  await bridge.setText({
    window: window.id,
    path: named(window, 'digits').path,
    text: '424243',
    secret: true,
  });
  await bridge.typeCode({
    window: window.id,
    path: named(window, 'code').path,
    code: CODE,
    button: withText(window, 'OK').path,
    buttonText: 'OK',
    expect,
  });
  await jvm.sees(`code length ${CODE.length}`);
  raw.write('{"id":2,"op":"windows"}\n{"id":3,"op":"threads"}\n');
  raw.write(`{"id":4,"op":"click","window":"${window.id}","path":"0:x","text":"${CODE}"}\n`);
  // Taken for a field whose text must be known to be changed: the answer must not tell whether the guess was right.
  raw.write(
    `{"id":5,"op":"click","window":"${window.id}","path":"${withText(window, 'OK').path}","text":"OK","expect":{"near":"hunter2-Zebra"}}\n`,
  );
  for (const id of [2, 3, 4, 5]) await raw.answer(id);
  for (const secret of ['Zebra', 'Giraffe', 'Okapi', 'Walrus', CODE, '424243']) {
    assert.ok(!raw.received.includes(secret), `${secret} came out`);
  }
  const after = await windowCalled(bridge, 'Secrets');
  const masked = after.components.filter((component) => component.masked);
  assert.equal(masked.length, 5);
  for (const { text, rows, path } of masked) assert.deepEqual([text, rows], [null, null], path);
  assert.equal((await raw.answer(5))['ok'], false);
});

it('a picture shows neither code nor dots', async () => {
  const jvm = bench.nasty('secrets');
  const { bridge } = await bench.client(jvm);
  await jvm.sees('open');
  const window = await windowCalled(bridge, 'Secrets');
  const code = named(window, 'code');
  await bridge.setText({ window: window.id, path: code.path, text: '8888888888', secret: true });
  const { png, width } = await bridge.paint(window.id);
  const pixels = unfilter(png, width);
  const fields = window.components.filter(({ masked, name }) => masked || name === 'code');
  assert.equal(fields.length, 4);
  for (const { bounds, path } of fields) {
    const colours = new Set<number>();
    for (let y = bounds.y; y < bounds.y + bounds.height; y++) {
      for (let x = bounds.x; x < bounds.x + bounds.width; x++) colours.add(pixels(x, y));
    }
    assert.deepEqual([...colours], [0x808080], path);
  }
  const label = withText(window, 'Enter code').bounds;
  const shades = new Set<number>();
  for (let x = label.x; x < label.x + 80; x++) shades.add(pixels(x, label.y + Math.floor(label.height / 2)));
  assert.ok(shades.size > 1, 'the label is painted');
});

it('a field that does not take the code is left empty and nothing is clicked', async () => {
  const jvm = bench.nasty('secrets');
  const { bridge } = await bench.client(jvm);
  await jvm.sees('open');
  const window = await windowCalled(bridge, 'Secrets');
  const target = {
    window: window.id,
    path: named(window, 'digits').path,
    button: withText(window, 'OK').path,
    buttonText: 'OK',
  };
  const wrong = bridge.typeCode({ ...target, code: '12ab56', expect: { title: 'Secrets' } });
  await assert.rejects(wrong, { code: 'not-accepted' });
  const stale = bridge.typeCode({ ...target, code: '123456', expect: { title: 'Secrets', near: 'Other' } });
  await assert.rejects(stale, { code: 'stale' });
  const blind = bridge.typeCode({ ...target, code: '123456', expect: {} });
  await assert.rejects(blind, { code: 'bad-request' });
  assert.equal((await bridge.ping()).eventThread, 'answers');
  assert.ok(!jvm.lines.some((line) => line.startsWith('code length')), jvm.lines.join());
});

it('a server whose user cannot be told is given no secret', async () => {
  const jvm = bench.nasty('secrets');
  const { bridge } = await bench.client(jvm, { readPeer: () => null });
  await jvm.sees('open');
  const window = await windowCalled(bridge, 'Secrets');
  const path = named(window, 'code').path;
  const secret = bridge.setText({ window: window.id, path, text: CODE, secret: true });
  await assert.rejects(secret, (error) => error instanceof BridgeError && error.code === 'unknown-server');
  await bridge.setText({ window: window.id, path, text: 'no secret' });
  withText(await windowCalled(bridge, 'Secrets'), 'no secret');
});

/** A pixel of an 8-bit true-colour PNG whose rows are all filtered by Up, as 0xRRGGBB. */
function unfilter(png: Buffer, width: number): (x: number, y: number) => number {
  const at = png.indexOf('IDAT');
  const rows = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
  const stride = 1 + width * 3;
  const height = rows.length / stride;
  for (let y = 1; y < height; y++) {
    for (let i = 1; i < stride; i++) {
      rows[y * stride + i] = ((rows[y * stride + i] ?? 0) + (rows[(y - 1) * stride + i] ?? 0)) & 0xff;
    }
  }
  return (x, y) => rows.readUIntBE(y * stride + 1 + x * 3, 3);
}
