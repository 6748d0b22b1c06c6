// Owns edits of the gateway's jts.ini: given keys are set, every other byte stays.
// npm ini is not used for it: parsing and writing back loses comments, repeated keys, spelling and order of a file that is the gateway's own.

/** Section → key → text, all as they stand in the file; compared case-sensitively, as IBC does. */
export type JtsSettings = Readonly<Record<string, Readonly<Record<string, string>>>>;

const SECTION = /^\[([^\r\n]*)\][ \t]*$/;

/**
 * The file's new bytes. `bytes` is null when there is no file yet. A key that stands several times in its section is set at each place,
 * because which one the gateway obeys is not known. Throws an Error for a name or text that cannot stand on one line.
 */
export function editJtsIni(bytes: Uint8Array | null, settings: JtsSettings): Uint8Array {
  // Latin-1 maps each byte to one character and back, whatever the file's encoding is.
  const text = bytes === null ? '' : Buffer.from(bytes).toString('latin1');
  const lineEnd = text.includes('\r\n') ? '\r\n' : '\n';
  // Odd entries are the line ends.
  const parts = text.split(/(\r\n|\n)/);
  const lines: { text: string; end: string }[] = [];
  for (let index = 0; index < parts.length; index += 2) {
    lines.push({ text: parts[index] ?? '', end: parts[index + 1] ?? '' });
  }
  if (lines.at(-1)?.text === '') lines.pop();

  for (const [section, keys] of Object.entries(settings)) {
    const entries = Object.entries(keys);
    if (entries.length === 0) continue;
    refuseUnwritable(section, /[\r\n\]]/, 'section');
    for (const [key, value] of entries) {
      refuseUnwritable(key, /[\r\n=[]|^\s|\s$/, 'key');
      refuseUnwritable(value, /[\r\n]/, 'value');
      setKey(lines, toFileText(section), toFileText(key), toFileText(value), lineEnd);
    }
  }
  return Buffer.from(lines.map((line) => line.text + line.end).join(''), 'latin1');
}

/** The texts of a key, in the order of the file; several where it stands several times. */
export function readJtsSetting(bytes: Uint8Array, section: string, key: string): readonly string[] {
  const values: string[] = [];
  let inside = false;
  for (const line of Buffer.from(bytes)
    .toString('utf8')
    .split(/\r\n|\n/)) {
    const header = SECTION.exec(line);
    if (header !== null) inside = header[1] === section;
    else if (inside && line.startsWith(`${key}=`)) values.push(line.slice(key.length + 1).trimEnd());
  }
  return values;
}

function setKey(
  lines: { text: string; end: string }[],
  section: string,
  key: string,
  value: string,
  lineEnd: string,
): void {
  let inside = false;
  let replaced = false;
  let insertAt: number | null = null;
  for (const [index, line] of lines.entries()) {
    const header = SECTION.exec(line.text);
    if (header !== null) inside = header[1] === section;
    if (!inside) continue;
    if (line.text.startsWith(`${key}=`)) {
      line.text = `${key}=${value}`;
      replaced = true;
    }
    if (line.text.trim() !== '') insertAt = index + 1;
  }
  if (replaced) return;
  const added = { text: `${key}=${value}`, end: lineEnd };
  const last = lines.at(-1);
  if (last !== undefined && last.end === '') last.end = lineEnd;
  if (insertAt === null) lines.push({ text: `[${section}]`, end: lineEnd }, added);
  else lines.splice(insertAt, 0, added);
}

function toFileText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function refuseUnwritable(text: string, unwritable: RegExp, what: string): void {
  if (text !== '' || what === 'value') {
    if (!unwritable.test(text)) return;
  }
  throw new Error(`jts.ini cannot hold the ${what} ${JSON.stringify(text)}`);
}
