import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  addComment,
  EMPTY_PROPERTIES,
  getProperty,
  parseProperties,
  serializeProperties,
  setProperty,
} from '../../src/gateway/properties.ts';

const HARD = [
  'pä;#=\\ "x',
  ' leading',
  '\ttab',
  'trailing \t',
  'a:b=c#d!e',
  '#hash',
  '!bang',
  'line\nbreak\r\nform\ffeed',
  'emoji 🔐 and ‮ and \u0000 and \u007f and ÿ',
  '\ud83d',
  '\\u0041',
  'ends in \\',
  '',
];

describe('java.util.Properties text', () => {
  it('gives back every value that was set', () => {
    for (const text of HARD) {
      const bytes = serializeProperties(setProperty(EMPTY_PROPERTIES, 'IbPassword', text));
      assert.equal(getProperty(parseProperties(bytes), 'IbPassword'), text);
    }
  });

  it('gives back random keys and values', () => {
    const random = makeRandom(20260722);
    for (let round = 0; round < 3000; round += 1) {
      const key = randomText(random, 1 + (round % 5));
      const value = randomText(random, round % 13);
      const file = parseProperties(serializeProperties(setProperty(EMPTY_PROPERTIES, key, value)));
      assert.equal(getProperty(file, key), value, JSON.stringify({ key, value }));
    }
  });

  it('writes only ASCII for what it sets', () => {
    const bytes = serializeProperties(setProperty(EMPTY_PROPERTIES, 'k', HARD.join('')));
    assert.ok(bytes.every((byte) => byte === 0x0a || (byte >= 0x20 && byte < 0x7f)));
  });

  it('keeps comments, order and the spelling of other lines byte for byte', () => {
    const text = '# caf\xe9\n! too\n\n  a : 1\nb=two \\\n   words\nIbDir=\n';
    const before = Buffer.from(text, 'latin1');
    assert.deepEqual(Buffer.from(serializeProperties(parseProperties(before))), before);
    const edited = setProperty(parseProperties(before), 'a', 'x');
    assert.equal(
      Buffer.from(serializeProperties(edited)).toString('latin1'),
      '# caf\xe9\n! too\n\na=x\nb=two \\\n   words\nIbDir=\n',
    );
  });

  it('leaves one entry when a key that stands twice is set', () => {
    const edited = setProperty(parseProperties(Buffer.from('a=1\nb=2\na=3\n')), 'a', '9');
    assert.equal(Buffer.from(serializeProperties(edited)).toString(), 'a=9\nb=2\n');
  });

  it('refuses a malformed \\u with its line number', () => {
    assert.throws(() => parseProperties(Buffer.from('a=1\nb=\\u12\n')), /line 2/);
  });

  it('adds comments as comments', () => {
    const file = addComment(addComment(EMPTY_PROPERTIES, 'why'), '');
    assert.equal(Buffer.from(serializeProperties(file)).toString(), '# why\n\n');
  });
});

describe('against the JDK', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'properties-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('is read by java.util.Properties exactly as it was set, and reads what Java reads', () => {
    const random = makeRandom(7);
    const values = new Map<string, string>(HARD.map((text, index) => [`hard${index}`, text]));
    for (let index = 0; index < 500; index += 1)
      values.set(`r${index}${randomText(random, 3)}`, randomText(random, index % 17));
    let ours = EMPTY_PROPERTIES;
    for (const [key, value] of values) ours = setProperty(ours, key, value);

    const foreign = [
      'a:b',
      'c  d',
      'e = f',
      'g\t:\t h ',
      '  i=j',
      'k',
      'l=',
      '=m',
      ':n',
      'o\\ p\\=q=r',
      's=one \\',
      '    two\\\\',
      't=x\\\r\n  y',
      '\\',
      '# not a comment? it is',
      'u=\\q\\t\\u00e9\\\\',
      'v=\\',
      '',
      'w=caf\xe9',
      'a=again',
      'x=end\\',
    ].join('\n');

    writeFileSync(join(directory, 'ours'), serializeProperties(ours));
    writeFileSync(join(directory, 'foreign'), Buffer.from(foreign, 'latin1'));
    writeFileSync(join(directory, 'Dump.java'), DUMP_SOURCE);
    const output = execFileSync(
      'java',
      [join(directory, 'Dump.java'), join(directory, 'ours'), join(directory, 'foreign')],
      { encoding: 'utf8', env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' } },
    );
    const [javaOurs, javaForeign] = output.split('----\n').map(readDump);
    assert.deepEqual(javaOurs, values);

    const parsed = parseProperties(Buffer.from(foreign, 'latin1'));
    const keys = parsed.lines.flatMap((line) => (line.kind === 'entry' ? [line.key] : []));
    assert.deepEqual(new Map(keys.map((key) => [key, getProperty(parsed, key)] as const)), javaForeign);
  });
});

/** Prints each file's entries as hexadecimal UTF-16 units, so that no encoding on the way can hide a difference. */
const DUMP_SOURCE = `
import java.io.*;
import java.util.*;
public class Dump {
  static String hex(String text) {
    StringBuilder out = new StringBuilder("x");
    for (char unit : text.toCharArray()) out.append(String.format("%04x", (int) unit));
    return out.toString();
  }
  public static void main(String[] files) throws IOException {
    for (String file : files) {
      Properties properties = new Properties();
      try (InputStream in = new FileInputStream(file)) { properties.load(in); }
      for (String key : properties.stringPropertyNames()) System.out.println(hex(key) + " " + hex(properties.getProperty(key)));
      System.out.println("----");
    }
  }
}
`;

function readDump(text: string): Map<string, string> {
  const entries = new Map<string, string>();
  for (const line of text.split('\n').filter((part) => part !== '')) {
    const [key = '', value = ''] = line
      .split(' ')
      .map((word) =>
        (word.slice(1).match(/.{4}/g) ?? [])
          .map((unit) => String.fromCharCode(Number.parseInt(unit, 16)))
          .join(''),
      );
    entries.set(key, value);
  }
  // A map's order does not count in deepEqual.
  return entries;
}

/** A small linear congruential generator: the same texts at each run. */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function randomText(random: () => number, length: number): string {
  const alphabet = [
    ' ',
    '\t',
    '\f',
    '\n',
    '\r',
    '\\',
    ':',
    '=',
    '#',
    '!',
    'u',
    'n',
    't',
    'a',
    '0',
    '"',
    'é',
    '€',
    '🔐',
    '\u0000',
    '\u0085',
  ];
  let text = '';
  for (let index = 0; index < length; index += 1)
    text += alphabet[Math.floor(random() * alphabet.length)] ?? 'z';
  return text;
}
