import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { editJtsIni, type JtsSettings } from '../../src/gateway/jts-ini.ts';

function edit(text: string | null, settings: JtsSettings): string {
  const bytes = text === null ? null : Buffer.from(text, 'latin1');
  return Buffer.from(editJtsIni(bytes, settings)).toString('latin1');
}

const REAL = [
  '[IBGateway]',
  'WriteDebug=false',
  'TrustedIPs=127.0.0.1',
  'MainWindow.Height=550',
  '; a comment',
  '',
  '[Logon]',
  'Locale=en',
  'TimeZone=America/New_York',
  'UserNameToDirectory=abc,def;x#y',
  '[ns]',
  'darykq=1',
  '[Communication]',
  'Peer=ndc1.ibllc.com:4000',
  'Internal=false',
  '',
].join('\n');

describe('jts.ini', () => {
  it('stays byte for byte when nothing is set', () => {
    assert.equal(edit(REAL, {}), REAL);
    assert.equal(edit(REAL, { Logon: {} }), REAL);
  });

  it('sets a key in its section only, and keeps every other byte', () => {
    const edited = edit(`${REAL}[Other]\nLocale=de`, { Logon: { Locale: 'fr' } });
    assert.equal(edited, `${REAL}[Other]\nLocale=de`.replace('Locale=en', 'Locale=fr'));
  });

  it('adds a missing key at the end of its section, before the blank lines', () => {
    const edited = edit(REAL, { IBGateway: { ApiOnly: 'true' } });
    assert.equal(edited, REAL.replace('; a comment\n', '; a comment\nApiOnly=true\n'));
  });

  it('adds a missing section at the end', () => {
    assert.equal(edit('[A]\nx=1', { B: { y: '2' } }), '[A]\nx=1\n[B]\ny=2\n');
  });

  it('makes the file when there is none', () => {
    assert.equal(
      edit(null, { Logon: { TimeZone: 'Europe/Zurich', Locale: 'en' } }),
      '[Logon]\nTimeZone=Europe/Zurich\nLocale=en\n',
    );
  });

  it('is case-sensitive in sections and keys', () => {
    assert.equal(
      edit('[logon]\nlocale=a\n', { Logon: { Locale: 'b' } }),
      '[logon]\nlocale=a\n[Logon]\nLocale=b\n',
    );
  });

  it('sets a repeated key at each place, also in a repeated section', () => {
    assert.equal(
      edit('[A]\nx=1\nx=2\n[B]\nx=3\n[A]\nx=4\n', { A: { x: '9' } }),
      '[A]\nx=9\nx=9\n[B]\nx=3\n[A]\nx=9\n',
    );
  });

  it('keeps CRLF line ends and writes them', () => {
    assert.equal(edit('[A]\r\nx=1\r\n', { A: { x: '2', y: '3' } }), '[A]\r\nx=2\r\ny=3\r\n');
  });

  it('keeps bytes of any encoding and writes its own in UTF-8', () => {
    const edited = editJtsIni(Buffer.from([0x5b, 0x41, 0x5d, 0x0a, 0xff, 0x3d, 0xe9, 0x0a]), {
      A: { n: 'é' },
    });
    assert.deepEqual([...edited].slice(4), [0xff, 0x3d, 0xe9, 0x0a, 0x6e, 0x3d, 0xc3, 0xa9, 0x0a]);
  });

  it('gives the same file when the same settings are set again', () => {
    const settings = { Logon: { Locale: 'en', s3store: 'true' }, New: { a: 'b' } };
    const once = edit(REAL, settings);
    assert.equal(edit(once, settings), once);
  });

  it('refuses what cannot stand on one line', () => {
    assert.throws(() => edit('', { 'a]b': { x: '1' } }), /section/);
    assert.throws(() => edit('', { A: { 'x=y': '1' } }), /key/);
    assert.throws(() => edit('', { A: { '': '1' } }), /key/);
    assert.throws(() => edit('', { A: { x: '1\n[Logon]' } }), /value/);
  });
});
