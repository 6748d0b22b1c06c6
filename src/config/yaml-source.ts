// Owns YAML as text: plain data out of it, where each piece of it stands, and what is wrong with it as YAML.

import {
  type Alias,
  type Document,
  type ErrorCode,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  Scalar,
  type YAMLMap,
} from 'yaml';

export type Path = readonly (string | number)[];

/** A fault of the text itself, at an offset into it. */
export type YamlProblem = {
  readonly offset: number;
  /** Where in the data, as far as it is known. */
  readonly path: Path;
  readonly message: string;
};

/** Where one value stands. */
export type YamlPlace = {
  /** Offset of its key; null in a list and for the whole document. */
  readonly key: number | null;
  /** Offset of the value; of the key when there is no value after it. */
  readonly value: number;
  /** Text of a scalar written without quotes, as it stands in the file; null for everything else. */
  readonly plain: string | null;
};

export type YamlSource = {
  /** Maps as objects without prototype, lists, scalars. Not to be used when `broken`. */
  readonly data: unknown;
  readonly problems: readonly YamlProblem[];
  /** The text is no YAML: `data` holds nothing. Otherwise problems are such as doubled keys, and the rest can be checked too. */
  readonly broken: boolean;
  placeOf(path: Path): YamlPlace | undefined;
  /** 1-based line and column of an offset. */
  position(offset: number): { readonly line: number; readonly column: number };
};

/** The deepest the schema goes is six; this leaves room and keeps recursion far from the stack's end. */
const DEEPEST = 20;
/** A configuration of a hundred sessions has some thousand values; aliases that make more are an attack or an accident. */
const MOST_VALUES = 50_000;
const MOST_BROKEN_LINES = 20;

/**
 * Our own words, because the library's messages quote the text around a fault, and that may be a password in a file that
 * was never meant to hold one.
 */
const YAML_FAULTS: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'an alias (*name) takes no anchor and no tag',
  BAD_ALIAS: 'this alias (*name) has no anchor (&name) before it; quote a text that starts with * or &',
  BAD_DIRECTIVE: 'this directive (%) is not known; quote a text that starts with %',
  BAD_DQ_ESCAPE: 'this is no escape in double quotes; write \\\\ for a backslash, or use single quotes',
  BAD_INDENT: 'the indentation does not fit the lines around it',
  BAD_PROP_ORDER: 'anchor and tag stand in the wrong place',
  BAD_SCALAR_START: 'a text cannot start with this character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'there are two keys on one line, or the indentation does not fit; quote a text that contains ": "',
  BLOCK_IN_FLOW: 'an indented block cannot stand within [ ] or { }',
  DUPLICATE_KEY: 'this key stands here twice',
  IMPOSSIBLE: 'this is not valid YAML',
  KEY_OVER_1024_CHARS: 'this key is longer than 1024 characters',
  MISSING_CHAR: 'something is missing here: a quote, a bracket, a comma, a colon or a blank after it',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line; is there a ":" missing after it?',
  MULTIPLE_ANCHORS: 'a value can have one anchor only',
  MULTIPLE_DOCS: 'the file must hold one document only; remove the second "---"',
  MULTIPLE_TAGS: 'a value can have one tag only',
  NON_STRING_KEY: 'a key must be a plain text',
  RESOURCE_EXHAUSTION: 'the file is nested too deeply',
  TAB_AS_INDENT: 'a tab cannot indent; use blanks',
  TAG_RESOLVE_FAILED: 'this tag (!name) is not known; quote a text that starts with !',
  UNEXPECTED_TOKEN: 'this does not belong here; is a quote, a bracket or a "-" wrong?',
  BAD_COLLECTION_TYPE: 'the tag does not fit the value',
};

/** Reads YAML 1.2 (core schema: `yes`, `no` and `12:30` are texts). Never throws. */
export function readYaml(text: string): YamlSource {
  const lines = new LineCounter();
  const position = (offset: number) => {
    const { line, col } = lines.linePos(Math.max(0, Math.min(offset, text.length)));
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      strict: true,
      // Doubled keys are found below, where the first of the two can be named.
      uniqueKeys: false,
      prettyErrors: false,
      // Not `silent`: that would also leave out that there is a second document. Nothing is printed in any case.
      logLevel: 'error',
      lineCounter: lines,
    });
  } catch {
    // The parser recurses; a file of nothing but brackets reaches the end of the stack.
    return brokenSource([
      { offset: 0, path: [], message: 'the file cannot be read as YAML: nested too deeply' },
    ]);
  }
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    const problems = faults.map((fault) => ({
      offset: fault.pos[0],
      path: [],
      message: YAML_FAULTS[fault.code] ?? YAML_FAULTS.IMPOSSIBLE,
    }));
    return brokenSource(firstOfEachLine(problems, position), position);
  }
  const reader = new NodeReader((offset) => position(offset).line);
  const data = reader.read(document.contents, []);
  return {
    data,
    problems: reader.problems,
    broken: false,
    placeOf: (path) => reader.places.get(JSON.stringify(path)),
    position,
  };
}

function brokenSource(
  problems: readonly YamlProblem[],
  position: YamlSource['position'] = () => ({ line: 1, column: 1 }),
): YamlSource {
  return { data: null, problems, broken: true, placeOf: () => undefined, position };
}

/** One slip makes the parser stumble several times in its line; the first is the one to mend. */
function firstOfEachLine(problems: readonly YamlProblem[], position: YamlSource['position']): YamlProblem[] {
  const seen = new Set<number>();
  const first: YamlProblem[] = [];
  for (const problem of problems.toSorted((a, b) => a.offset - b.offset)) {
    const { line } = position(problem.offset);
    if (seen.has(line)) continue;
    seen.add(line);
    first.push(problem);
    if (first.length === MOST_BROKEN_LINES) break;
  }
  return first;
}

/** Turns nodes to plain data and notes where each stands. */
class NodeReader {
  readonly problems: YamlProblem[] = [];
  readonly places = new Map<string, YamlPlace>();
  readonly #lineOf: (offset: number) => number;
  /** Values that are being read, to see an alias within what it names. */
  readonly #open = new Set<unknown>();
  /** The last value with each anchor. Nodes come in the order of the text, so an alias means the one that is here. */
  readonly #anchors = new Map<string, unknown>();
  /** What each alias means, for when it is read again as a part of what another alias names. */
  readonly #targets = new Map<Alias, unknown>();
  #values = 0;
  #expanding = 0;
  #exhausted = false;

  constructor(lineOf: (offset: number) => number) {
    this.#lineOf = lineOf;
  }

  read(node: unknown, path: Path, key: number | null = null): unknown {
    const offset = offsetOf(node) ?? key ?? 0;
    if (this.#exhausted) return null;
    this.#values += 1;
    if (this.#values > MOST_VALUES) {
      this.#exhausted = true;
      this.#fault(offset, [], 'the file holds too many values; do aliases (*name) repeat each other?');
      return null;
    }
    if (path.length > DEEPEST) {
      this.#fault(offset, path.slice(0, 6), 'this is nested too deeply');
      return null;
    }
    const plain = isScalar(node) && node.type === Scalar.PLAIN ? (node.source ?? null) : null;
    const empty = isScalar(node) && node.source === '' && plain !== null;
    this.places.set(JSON.stringify(path), { key, value: empty && key !== null ? key : offset, plain });
    if (isAlias(node)) return this.#readAlias(node, path, key, offset);
    this.#noteAnchor(node);
    if (isScalar(node)) return node.value;
    if (isSeq(node)) return node.items.map((item, index) => this.read(item, [...path, index]));
    if (isMap(node)) return this.#readMap(node, path);
    return null;
  }

  #noteAnchor(node: unknown): void {
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return;
    // Within what an alias names, anchors are read a second time and would hide later ones of the same name.
    if (node.anchor !== undefined && this.#expanding === 0) this.#anchors.set(node.anchor, node);
  }

  #readAlias(alias: Alias, path: Path, key: number | null, offset: number): unknown {
    const target = this.#targets.get(alias) ?? this.#anchors.get(alias.source);
    this.#targets.set(alias, target);
    if (target === undefined) {
      this.#fault(offset, path, YAML_FAULTS.BAD_ALIAS);
      return null;
    }
    if (this.#open.has(target)) {
      this.#fault(offset, path, 'this alias (*name) stands within the value that it names');
      return null;
    }
    this.#open.add(target);
    this.#expanding += 1;
    const value = this.read(target, path, key);
    this.#expanding -= 1;
    this.#open.delete(target);
    return value;
  }

  #readMap(map: YAMLMap, path: Path): unknown {
    const data: Record<string, unknown> = Object.create(null);
    const first = new Map<string, number>();
    this.#open.add(map);
    for (const pair of map.items) {
      const offset = offsetOf(pair.key) ?? offsetOf(pair.value) ?? offsetOf(map) ?? 0;
      const name = keyName(pair.key);
      if (name === null) {
        this.#fault(offset, path, 'a key must be a plain text');
        continue;
      }
      const before = first.get(name);
      if (before !== undefined) {
        this.#fault(
          offset,
          [...path, name],
          `this key stands here twice, first in line ${this.#lineOf(before)}`,
        );
        continue;
      }
      first.set(name, offset);
      data[name] = this.read(pair.value, [...path, name], offset);
    }
    this.#open.delete(map);
    return data;
  }

  #fault(offset: number, path: Path, message: string): void {
    this.problems.push({ offset, path, message });
  }
}

function keyName(node: unknown): string | null {
  if (!isScalar(node)) return null;
  if (typeof node.value === 'string') return node.value;
  // `1:` or `true:` as a key means the text that stands there, not what YAML makes of it.
  return node.source === undefined || node.source === '' ? null : node.source;
}

function offsetOf(node: unknown): number | undefined {
  if (!isAlias(node) && !isScalar(node) && !isMap(node) && !isSeq(node)) return undefined;
  return node.range?.[0];
}
