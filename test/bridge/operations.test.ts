// Each operation against windows that make trouble.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { BridgeError, type BridgeErrorCode, type BridgeWindow } from '../../src/bridge/protocol.ts';
import { Bench, eventually, named, ofClass, windowCalled, withText } from './jvm.ts';

const bench = new Bench();
before(() => bench.open());
afterEach(() => bench.clear());
after(() => bench.close());

async function open(...what: string[]) {
  const jvm = bench.nasty(...what);
  const { bridge, seen } = await bench.client(jvm, { events: true });
  await jvm.sees('open');
  return { jvm, bridge, seen };
}

async function fails(code: BridgeErrorCode, work: Promise<unknown>): Promise<BridgeError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof BridgeError, String(error));
    assert.equal(error.code, code, error.message);
    return error;
  }
  throw new Error(`it did not fail with ${code}`);
}

const at = (window: BridgeWindow, path: string) => ({ window: window.id, path });

describe('windows', () => {
  it('shows the words of every kind of component as a person reads them', async () => {
    const { bridge } = await open('words');
    const window = await windowCalled(bridge, 'Words "quoted" \u0001');
    const texts = window.components.map(({ text }) => text);
    for (const text of [
      'Enter <the> code',
      'styled words',
      'two\nlines',
      'umlaut ä, half a pair \ufffd, a whole one 😀, and "quotes"\\',
    ]) {
      assert.ok(texts.includes(text), `${text} is not in ${JSON.stringify(texts.slice(0, 40))}`);
    }
    assert.match(ofClass(window, 'javax.swing.JEditorPane').text ?? '', /Head\s+Body & soul/);
    assert.equal(ofClass(window, 'javax.swing.JLabel', 1).text, null);
    assert.equal(named(window, 'nameless').text, '');
    assert.equal(ofClass(window, 'javax.swing.JTextField').text, 'x'.repeat(8_000));
    assert.equal(withText(window, 'hidden').visible, false);
    assert.equal(withText(window, 'styled words').visible, true);
    assert.equal(window.kind, 'frame');
    assert.deepEqual([window.bounds.width, window.bounds.height], [400, 300]);
  });

  it('tells what is enabled, editable, selected, and the rows of whatever has rows', async () => {
    const { bridge } = await open('kinds');
    const window = await windowCalled(bridge, 'Kinds');
    assert.deepEqual(ofClass(window, 'javax.swing.JComboBox').rows, {
      count: 3,
      selected: 0,
      texts: ['one', 'two', 'three'],
    });
    assert.deepEqual(ofClass(window, 'javax.swing.JTree').rows?.texts, ['root', 'branch']);
    assert.deepEqual(ofClass(window, 'javax.swing.JTable').rows?.texts, ['a\t1', 'b\t']);
    assert.deepEqual(ofClass(window, 'javax.swing.JTabbedPane').rows?.texts, ['left', 'right']);
    assert.equal(withText(window, 'off').enabled, false);
    assert.equal(withText(window, 'fixed').editable, false);
    assert.equal(withText(window, 'on the right').visible, false);
    assert.ok(window.components.some(({ border }) => border === 'group'));
    const tick = withText(window, 'tick');
    assert.equal(tick.selected, false);
    await bridge.click({ ...at(window, tick.path), text: 'tick' });
    assert.equal(withText(await windowCalled(bridge, 'Kinds'), 'tick').selected, true);
  });

  it('goes on where a component throws, and keeps the exception to itself', async () => {
    const { bridge } = await open('broken');
    const window = await windowCalled(bridge, 'Broken');
    assert.ok(window.components.some(({ unreadable, text }) => unreadable && text === null));
    withText(window, 'still here');
    const { truncated, windows } = await bridge.windows();
    assert.equal(truncated, true);
    assert.ok(!JSON.stringify(windows).includes('Swordfish'));
  });

  it('takes 5,000 components whole, and says so when it is more than it tells', async () => {
    const { bridge } = await open('many', 'deep');
    const { windows, truncated } = await bridge.windows({}, 20_000);
    const many = windows.find(({ title }) => title === 'Many');
    assert.ok(many);
    assert.equal(many.components.filter(({ text }) => /^(label|button) \d+$/.test(text ?? '')).length, 5_000);
    assert.equal(truncated, true, 'the other window is deeper than is told');
    const deep = windows.find(({ title }) => title === 'Deep');
    assert.ok(deep && deep.components.length > 90 && !deep.components.some(({ text }) => text === 'bottom'));
    const one = await bridge.windows({ window: many.id }, 20_000);
    assert.deepEqual([one.windows.length, one.truncated], [1, false]);
    const titles = await bridge.windows({ components: false });
    assert.deepEqual(
      titles.windows.map(({ components }) => components.length),
      [0, 0],
    );
  });

  it('tells the first rows of a list of 100,000, and selects any of them', async () => {
    const { bridge, jvm } = await open('rows');
    const window = await windowCalled(bridge, 'Rows');
    const list = ofClass(window, 'javax.swing.JList');
    assert.equal(list.rows?.count, 100_000);
    assert.equal(list.rows?.texts.length, 200);
    assert.deepEqual(list.rows?.texts.slice(6, 9), ['row 6', '', 'row 8']);
    const few = await bridge.windows({ rows: 3 });
    assert.equal(ofClass(few.windows[0] ?? window, 'javax.swing.JList').rows?.texts.length, 3);
    await bridge.selectRow({ ...at(window, list.path), row: 99_999, text: 'row 99999' });
    await jvm.sees('selected 99999');
    await fails('stale', bridge.selectRow({ ...at(window, list.path), row: 99_998, text: 'row 99999' }));
    await fails('stale', bridge.selectRow({ ...at(window, list.path), row: 100_000, text: '' }));
    assert.equal(ofClass(await windowCalled(bridge, 'Rows'), 'javax.swing.JList').rows?.selected, 99_999);
  });
});

describe('actions', () => {
  it('select rows of each kind', async () => {
    const { bridge, jvm } = await open('kinds');
    const window = await windowCalled(bridge, 'Kinds');
    const select = (className: string, row: number, text: string, expand = false) =>
      bridge.selectRow({ ...at(window, ofClass(window, className).path), row, text, expand });
    await select('javax.swing.JComboBox', 2, 'three');
    await jvm.sees('combo three');
    await select('javax.swing.JTree', 1, 'branch', true);
    await jvm.sees('tree branch');
    await select('javax.swing.JTree', 2, 'leaf');
    await jvm.sees('tree leaf');
    await select('javax.swing.JTable', 1, 'b\t');
    await jvm.sees('table 1');
    await select('javax.swing.JTabbedPane', 1, 'right');
    await jvm.sees('tab 1');
  });

  it('choose from the menu bar', async () => {
    const { bridge, jvm } = await open('kinds');
    const { id } = await windowCalled(bridge, 'Kinds');
    assert.deepEqual(await bridge.menu({ window: id, items: ['File', 'More', 'Hello'] }), { returned: true });
    await jvm.sees('menu hello');
    await fails('disabled', bridge.menu({ window: id, items: ['File', 'More', 'Never'] }));
    await fails('not-found', bridge.menu({ window: id, items: ['File', 'hello'] }));
    await fails('wrong-kind', bridge.menu({ window: id, items: ['File', 'More'] }));
    await fails('bad-request', bridge.menu({ window: id, items: [] }));
  });

  it('return although the click opens a modal dialog, over a modal dialog too', async () => {
    const { bridge, jvm } = await open('modal');
    const below = await windowCalled(bridge, 'Below');
    const click = (window: BridgeWindow, text: string) =>
      bridge.click({ ...at(window, withText(window, text).path), text });
    assert.deepEqual(await click(below, 'Open'), { returned: false });
    const first = await windowCalled(bridge, 'First');
    assert.deepEqual([first.modal, first.kind, first.owner], [true, 'dialog', below.id]);
    assert.deepEqual(await click(first, 'Again'), { returned: false });
    const second = await windowCalled(bridge, 'Second');
    assert.equal((await bridge.ping()).eventThread, 'answers');
    assert.equal((await bridge.paint(second.id)).png.subarray(1, 4).toString(), 'PNG');
    await click(second, 'Close both');
    await jvm.sees('both closed');
    await jvm.sees('first returned');
    assert.deepEqual(
      (await bridge.windows()).windows.map(({ title }) => title),
      ['Below'],
    );
  });

  it('do nothing when what is there is not what was seen', async () => {
    const { bridge, jvm } = await open('fleeting');
    const main = await windowCalled(bridge, 'Main');
    const seen = await windowCalled(bridge, 'Fleeting');
    const go = withText(seen, 'Go').path;
    await fails('stale', bridge.click({ ...at(seen, go), text: 'Stop' }));
    await fails('stale', bridge.click({ ...at(seen, go.replace(/:.*/, ':javax.swing.JLabel')), text: 'Go' }));
    await fails('stale', bridge.click({ ...at(seen, `0/1/0/0/77:javax.swing.JButton`), text: 'Go' }));
    await fails('stale', bridge.click({ ...at(seen, go), text: 'Go', expect: { near: 'Come' } }));
    await fails('stale', bridge.click({ ...at(main, go), text: 'Go' }));
    await bridge.click({ ...at(main, withText(main, 'Replace').path), text: 'Replace' });
    await fails('stale', bridge.click({ ...at(seen, go), text: 'Go' }));
    await fails('stale', bridge.click({ ...at(seen, go), text: 'Stop', expect: { title: 'Fleeting' } }));
    await fails('stale', bridge.closeWindow({ window: seen.id, title: 'Fleeting' }));
    await bridge.closeWindow({ window: seen.id, title: 'Changed' });
    await jvm.sees('closing');
    await eventually('it is gone', async () => (await bridge.windows()).windows.length === 1);
    await fails('stale', bridge.click({ ...at(seen, go), text: 'Stop' }));
    await fails('stale', bridge.paint(seen.id));
    assert.ok(!jvm.lines.includes('went'), jvm.lines.join());
  });

  it('refuse what cannot be done, and survive a listener that throws', async () => {
    const { bridge } = await open('kinds', 'broken');
    const kinds = await windowCalled(bridge, 'Kinds');
    const broken = await windowCalled(bridge, 'Broken');
    await fails('disabled', bridge.click({ ...at(kinds, withText(kinds, 'off').path), text: 'off' }));
    await fails('disabled', bridge.setText({ ...at(kinds, withText(kinds, 'fixed').path), text: 'x' }));
    await fails('wrong-kind', bridge.setText({ ...at(kinds, withText(kinds, 'off').path), text: 'x' }));
    await fails(
      'wrong-kind',
      bridge.selectRow({ ...at(kinds, withText(kinds, 'off').path), row: 0, text: '' }),
    );
    await fails('bad-request', bridge.click({ ...at(kinds, 'nonsense'), text: 'x' }));
    const error = await fails(
      'failed',
      bridge.click({ ...at(broken, withText(broken, 'throw').path), text: 'throw' }),
    );
    assert.match(error.message, /IllegalStateException/);
    assert.ok(!error.message.includes('from a listener'));
    assert.equal((await bridge.ping()).eventThread, 'answers');
  });
});

describe('events', () => {
  it('tell of each change of a window, and nothing to who has not asked', async () => {
    const { bridge, jvm, seen } = await open('fleeting');
    const deaf = await bench.client(jvm);
    const changes = (of: typeof seen) =>
      of.flatMap((item) => (item.kind === 'event' && item.event.kind === 'window' ? [item.event] : []));
    const main = await windowCalled(bridge, 'Main');
    await eventually('watching', async () =>
      seen.some((item) => item.kind === 'event' && item.event.kind === 'watching'),
    );
    const dialog = await windowCalled(bridge, 'Fleeting');
    await bridge.click({ ...at(main, withText(main, 'Replace').path), text: 'Replace' });
    await bridge.closeWindow({ window: dialog.id, title: 'Changed' });
    for (const [change, title] of [
      ['title', 'Changed'],
      ['hidden', 'Changed'],
      ['shown', 'Changed'],
      ['closed', 'Changed'],
    ] as const) {
      await eventually(change, async () =>
        changes(seen).some(
          (event) => event.change === change && event.window === dialog.id && event.title === title,
        ),
      );
    }
    await deaf.bridge.ping();
    assert.deepEqual(changes(deaf.seen), []);
  });
});

describe('a picture', () => {
  it('is as large as the window and shows what is in it', async () => {
    const { bridge } = await open('kinds');
    const { id } = await windowCalled(bridge, 'Kinds');
    const { png, width, height } = await bridge.paint(id);
    assert.deepEqual([width, height], [400, 300]);
    assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [400, 300]);
    assert.ok(png.length > 2_000, `${png.length} bytes are an empty picture`);
  });
});
