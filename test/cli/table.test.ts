// Tests text in columns: width, cutting, wrapping, and what a narrow terminal leaves out.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Column,
  displayWidth,
  printable,
  renderPairs,
  renderTable,
  truncate,
  wrap,
} from '../../src/cli/table.ts';

const plain = (text: string) => text;

describe('displayWidth', () => {
  it('counts cells, not UTF-16 units', () => {
    assert.equal(displayWidth('abc'), 3);
    assert.equal(displayWidth('Größe'), 5);
    assert.equal(displayWidth('e\u0301'), 1);
    assert.equal(displayWidth('東京'), 4);
    assert.equal(displayWidth('📈'), 2);
  });
});

describe('printable', () => {
  it('makes escape sequences, C1 controls and bidi overrides harmless', () => {
    assert.equal(printable('a\u001b[2Jb'), 'a\\x1b[2Jb');
    assert.equal(printable('\u009b31m'), '\\x9b31m');
    assert.equal(printable('a\u202eb'), 'a\\x202eb');
    assert.equal(printable('a\tb\nc'), 'a b c');
  });
  it('keeps letters of all scripts', () => assert.equal(printable('Größe 東京 📈'), 'Größe 東京 📈'));
});

describe('truncate', () => {
  it('leaves what fits and marks what was cut', () => {
    assert.equal(truncate('abcdef', 6), 'abcdef');
    assert.equal(truncate('abcdefg', 6), 'abcd..');
  });
  it('never splits a wide character', () => {
    assert.equal(truncate('東京都港区', 7), '東京..');
    assert.equal(displayWidth(truncate('東京都港区', 7)) <= 7, true);
  });
});

describe('wrap', () => {
  it('breaks at spaces and indents what follows', () => {
    assert.deepEqual(wrap('one two three four', 12, '- ', '  '), ['- one two', '  three four']);
  });
  it('keeps a word that is wider than the line in one piece, so that it can be copied', () => {
    assert.deepEqual(wrap('see /very/long/path/of/a/file now', 10), [
      'see',
      '/very/long/path/of/a/file',
      'now',
    ]);
  });
});

describe('renderTable', () => {
  const columns: readonly Column[] = [
    { title: 'NAME', cells: ['live', 'x'], drop: 0 },
    { title: 'MODE', cells: ['live', 'paper'], drop: 1 },
    { title: 'NEXT', cells: ['a long story', '-'], drop: 2, least: 6 },
  ];
  it('pads every column but the last', () => {
    assert.deepEqual(renderTable(columns, 80, plain).lines, [
      'NAME  MODE   NEXT',
      'live  live   a long story',
      'x     paper  -',
    ]);
  });
  it('first cuts the column that can be cut', () => {
    const { lines, shown } = renderTable(columns, 20, plain);
    assert.deepEqual(lines, ['NAME  MODE   NEXT', 'live  live   a lon..', 'x     paper  -']);
    assert.equal(shown.get('NEXT'), 7);
  });
  it('then drops columns, the least needed first, and never the first', () => {
    assert.deepEqual([...renderTable(columns, 15, plain).shown.keys()], ['NAME', 'MODE']);
    assert.deepEqual([...renderTable(columns, 5, plain).shown.keys()], ['NAME']);
  });
  it('measures before it paints, so colours do not move columns', () => {
    const painted = renderTable(
      [
        { title: 'A', cells: ['x'], drop: 0, paint: (text) => `<${text}>` },
        { title: 'B', cells: ['y'], drop: 0 },
      ],
      80,
      plain,
    );
    assert.deepEqual(painted.lines, ['A  B', '<x>  y']);
  });
});

it('renderPairs lines up the meanings and wraps them under each other', () => {
  assert.deepEqual(
    renderPairs(
      [
        ['0', 'done'],
        ['130', 'one two three'],
      ],
      14,
      '  ',
    ),
    ['  0    done', '  130  one two', '       three'],
  );
});
