// Owns text in columns: display width, cutting, wrapping, and tables that fit a terminal.

// Zero width: combining marks, format characters, variation selectors.
const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;

// Wide by Unicode's East Asian Width (UAX #11, classes W and F) and emoji, by ranges as wcwidth(3) has them.
const WIDE_RANGES: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x231a, 0x231b],
  [0x2329, 0x232a],
  [0x23e9, 0x23ec],
  [0x2614, 0x2615],
  [0x26a1, 0x26a1],
  [0x2705, 0x2705],
  [0x274c, 0x274c],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
];

function widthOfCharacter(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  if (point < 0x300) return 1;
  if (ZERO_WIDTH.test(character)) return 0;
  return WIDE_RANGES.some(([from, to]) => point >= from && point <= to) ? 2 : 1;
}

const PRINTABLE_ASCII = /^[ -~]*$/;

/** Cells a text takes on a terminal. The text holds no control characters (see {@link printable}). */
export function displayWidth(text: string): number {
  if (PRINTABLE_ASCII.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += widthOfCharacter(character);
  return width;
}

// C0, DEL and C1 could move the cursor or rename the terminal; bidi controls could reorder what is read (CVE-2021-42574).
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** The text with everything that could steer a terminal made harmless: texts of gateways and dialogs are not ours. */
export function printable(text: string): string {
  if (PRINTABLE_ASCII.test(text)) return text;
  return text.replace(UNPRINTABLE, (character) => {
    if (character === '\t' || character === '\n' || character === '\r') return ' ';
    return `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`;
  });
}

/** The text cut to at most `width` cells, with `..` where something was cut off. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  const mark = width >= 4 ? '..' : '';
  let kept = '';
  let used = mark.length;
  for (const character of text) {
    used += widthOfCharacter(character);
    if (used > width) break;
    kept += character;
  }
  return kept + mark;
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)));
}

/** Breaks a text at spaces into lines of at most `width` cells, the first after `first`, the others after `rest`. */
export function wrap(text: string, width: number, first = '', rest = ''): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of text.split(/ +/)) {
    if (!empty && displayWidth(line) + 1 + displayWidth(word) > width) {
      lines.push(line);
      line = rest;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  lines.push(line);
  return lines;
}

export type Column = {
  readonly title: string;
  readonly cells: readonly string[];
  /** Columns with the highest number go first when the terminal is too narrow; 0 always stays. */
  readonly drop: number;
  /** Least width before the column is dropped; without it the column is never cut. */
  readonly least?: number;
  /** Colour of a cell, put on after everything was measured. */
  readonly paint?: (text: string, row: number) => string;
};

type Sized = { readonly column: Column; readonly width: number };

const GAP = 2;

/** Lines of a table that is at most `width` cells wide; drops or cuts columns to make it fit. `shown` gives each column's width. */
export function renderTable(
  columns: readonly Column[],
  width: number,
  paintTitle: (text: string) => string,
): { lines: string[]; shown: ReadonlyMap<string, number> } {
  const sized = fit(
    columns.map((column) => ({
      column,
      width: Math.max(displayWidth(column.title), ...column.cells.map(displayWidth)),
    })),
    width,
  );
  const rows = Math.max(0, ...columns.map((column) => column.cells.length));
  const lines = [paintTitle(row(sized, ({ column }) => column.title))];
  for (let index = 0; index < rows; index++) {
    lines.push(
      row(
        sized,
        ({ column }) => column.cells[index] ?? '',
        ({ column }, text) => column.paint?.(text, index) ?? text,
      ),
    );
  }
  return { lines, shown: new Map(sized.map((entry) => [entry.column.title, entry.width])) };
}

function row(
  sized: readonly Sized[],
  textOf: (sized: Sized) => string,
  paint: (sized: Sized, text: string) => string = (_, text) => text,
): string {
  return sized
    .map((entry, index) => {
      const text = truncate(textOf(entry), entry.width);
      const padding = index === sized.length - 1 ? '' : ' '.repeat(entry.width - displayWidth(text) + GAP);
      return paint(entry, text) + padding;
    })
    .join('')
    .trimEnd();
}

function fit(sized: readonly Sized[], width: number): readonly Sized[] {
  const total = sized.reduce((sum, entry) => sum + entry.width + GAP, -GAP);
  if (total <= width) return sized;
  const over = total - width;
  const cuttable = sized.find(
    (entry) => entry.column.least !== undefined && entry.width - over >= entry.column.least,
  );
  if (cuttable !== undefined) {
    return sized.map((entry) => (entry === cuttable ? { ...entry, width: entry.width - over } : entry));
  }
  const worst = Math.max(...sized.map((entry) => entry.column.drop));
  if (worst === 0) return sized;
  return fit(
    sized.filter((entry) => entry.column.drop !== worst),
    width,
  );
}

/** Two columns without a head, as in lists of names and meanings; the second wraps. */
export function renderPairs(
  pairs: readonly (readonly [string, string])[],
  width: number,
  indent = '',
): string[] {
  const left = Math.max(0, ...pairs.map(([name]) => displayWidth(name)));
  const rest = indent + ' '.repeat(left + GAP);
  return pairs.flatMap(([name, text]) =>
    wrap(text, width, `${indent}${pad(name, left)}${' '.repeat(GAP)}`, rest),
  );
}
