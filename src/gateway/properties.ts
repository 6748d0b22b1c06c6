// Owns the java.util.Properties text format, which IBC reads its config.ini with: parsing, escaping, and edits that keep comments and order.
// Format: the specification of java.util.Properties.load(InputStream) in the Java SE 17 API.

/** One logical line: `raw` is its text as it stands in the file (continuations included), without the final line end. */
type PropertiesLine =
  | { readonly kind: 'other'; readonly raw: string }
  | { readonly kind: 'entry'; readonly raw: string; readonly key: string; readonly value: string };

/** A parsed file; immutable, edited by {@link setProperty}. */
export type Properties = { readonly lines: readonly PropertiesLine[] };

export const EMPTY_PROPERTIES: Properties = { lines: [] };

/** Reads Latin-1 bytes. Throws an Error with the line's number on a malformed `\uXXXX`, as Java does. */
export function parseProperties(bytes: Uint8Array): Properties {
  const text = Buffer.from(bytes).toString('latin1');
  const natural = text.split(/\r\n|\n|\r/);
  if (natural.at(-1) === '') natural.pop();
  const lines: PropertiesLine[] = [];
  for (let index = 0; index < natural.length; index += 1) {
    const first = natural[index] ?? '';
    const number = index + 1;
    let raw = first;
    let logical = trimStart(first);
    if (logical === '' || logical.startsWith('#') || logical.startsWith('!')) {
      lines.push({ kind: 'other', raw });
      continue;
    }
    let next = natural[index + 1];
    while (endsInBackslash(logical)) {
      logical = logical.slice(0, -1);
      // A lone backslash is an empty line to Java, so what follows starts afresh and may be a comment.
      if (logical === '' || next === undefined) break;
      raw += `\n${next}`;
      logical += trimStart(next);
      index += 1;
      next = natural[index + 1];
    }
    lines.push(
      logical === '' ? { kind: 'other', raw } : { kind: 'entry', raw, ...splitEntry(logical, number) },
    );
  }
  return { lines };
}

/** The value Java would read: of several entries with one key the last wins. */
export function getProperty(properties: Properties, key: string): string | undefined {
  let found: string | undefined;
  for (const line of properties.lines) if (line.kind === 'entry' && line.key === key) found = line.value;
  return found;
}

/** A copy with `key` set once, in place of its first entry, else at the end; every other line stays as it is. */
export function setProperty(properties: Properties, key: string, value: string): Properties {
  const entry: PropertiesLine = {
    kind: 'entry',
    raw: `${escapeText(key, true)}=${escapeText(value, false)}`,
    key,
    value,
  };
  const lines: PropertiesLine[] = [];
  let placed = false;
  for (const line of properties.lines) {
    if (line.kind !== 'entry' || line.key !== key) lines.push(line);
    else if (!placed) {
      lines.push(entry);
      placed = true;
    }
  }
  if (!placed) lines.push(entry);
  return { lines };
}

/** A copy with a comment line (or, for an empty text, a blank line) at the end. */
export function addComment(properties: Properties, text: string): Properties {
  return { lines: [...properties.lines, { kind: 'other', raw: text === '' ? '' : `# ${text}` }] };
}

/** Latin-1 bytes; lines that were set are plain ASCII, others as they were read. Every line ends in a newline. */
export function serializeProperties(properties: Properties): Uint8Array {
  return Buffer.from(properties.lines.map((line) => `${line.raw}\n`).join(''), 'latin1');
}

const NAMED: Readonly<Record<string, string>> = { '\t': '\\t', '\n': '\\n', '\r': '\\r', '\f': '\\f' };
const UNNAMED: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

function escapeText(text: string, isKey: boolean): string {
  let escaped = '';
  // By UTF-16 unit, not code point: Java reads a surrogate pair as two \uXXXX.
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charAt(index);
    const code = text.charCodeAt(index);
    if (unit === ' ') escaped += isKey || index === 0 ? '\\ ' : ' ';
    else if ('\\:=#!'.includes(unit)) escaped += `\\${unit}`;
    else if (NAMED[unit] !== undefined) escaped += NAMED[unit];
    else if (code < 0x20 || code > 0x7e) escaped += `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`;
    else escaped += unit;
  }
  return escaped;
}

function unescapeText(text: string, lineNumber: number): string {
  return text.replace(/\\(u[0-9A-Fa-f]{4}|u|[\s\S]|$)/g, (_whole, tail: string) => {
    if (tail === 'u') throw new Error(`line ${lineNumber}: \\u must be followed by four hexadecimal digits`);
    if (tail.length === 5) return String.fromCharCode(Number.parseInt(tail.slice(1), 16));
    return UNNAMED[tail] ?? tail;
  });
}

function splitEntry(logical: string, lineNumber: number): { key: string; value: string } {
  let end = 0;
  while (end < logical.length && !' \t\f=:'.includes(logical.charAt(end))) {
    end += logical.charAt(end) === '\\' ? 2 : 1;
  }
  const rest = trimStart(logical.slice(end));
  const value = rest.startsWith('=') || rest.startsWith(':') ? trimStart(rest.slice(1)) : rest;
  return { key: unescapeText(logical.slice(0, end), lineNumber), value: unescapeText(value, lineNumber) };
}

/** Java's white space here is blank, tab and form feed only. */
function trimStart(text: string): string {
  return text.replace(/^[ \t\f]+/, '');
}

function endsInBackslash(text: string): boolean {
  return (/\\*$/.exec(text)?.[0].length ?? 0) % 2 === 1;
}
