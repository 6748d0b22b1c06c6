// Owns the check of a configuration: from YAML text to a Config, or to all problems with their places.

import { dirname, join, normalize } from 'node:path';
import { findNearest } from '../protocol/nearest.ts';
import { parseSessionName, SESSION_NAME_RULE } from '../protocol/session-name.ts';
import { completeTarget } from './complete-notify.ts';
import { completeSession, resolveSettingsDir } from './complete-session.ts';
import { describeUnknownKey, guessValue, isShowable, printablePath } from './known-keys.ts';
import { agentPaths, DEFAULT_ROOTS, type Roots, sessionPaths } from './paths.ts';
import type { ConfigProblem } from './problems.ts';
import { configSchema, type ParsedConfig, sessionSchema } from './schema.ts';
import type { Refusal } from './schema-parts.ts';
import { fillSections, isMapData, type MapData, mergeSettings, valueAt } from './settings-data.ts';
import type { Config, SessionConfig } from './types.ts';
import { type Path, readYaml, type YamlPlace, type YamlSource } from './yaml-source.ts';

/** More does not help anybody, and a file of another kind can make thousands. */
const MOST_PROBLEMS = 100;
/** sun_path of unix(7) has 108 bytes with the closing NUL. */
const LONGEST_SOCKET_PATH = 107;

/** What of the configuration can only be told by looking at the machine. */
export type FileLook = {
  readonly isSymlink: (path: string) => boolean;
  /** The path without symbolic links as far as it exists and can be seen. */
  readonly real: (path: string) => string;
};

export type CheckResult =
  | { readonly config: Config }
  | { readonly config: null; readonly problems: readonly ConfigProblem[] };

/** Checks the text of a file whose absolute path is `file`. Never throws for anything the text holds. */
export function checkText(text: string, file: string, look: FileLook): CheckResult {
  const source = readYaml(text.replace(/^\ufeff/, ''));
  const checker = new Checker(source, file);
  const config = source.broken ? null : checker.check(look);
  if (config !== null && checker.problems.length === 0) return { config };
  return { config: null, problems: orderProblems(checker.problems) };
}

function orderProblems(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const seen = new Set<string>();
  const single = problems.filter((problem) => {
    const id = `${problem.line}:${problem.column}:${problem.path}`;
    return seen.has(id) ? false : seen.add(id);
  });
  return single.toSorted((a, b) => a.line - b.line || a.column - b.column).slice(0, MOST_PROBLEMS);
}

/** What sessions must not have in common. */
type Claims = { readonly name: string; readonly port: unknown; readonly settingsDir: unknown };

/** Numbers that hold for an IBKR user, not for a session. */
const SHARED_LIMITS = [
  'maxLoginsPerHour',
  'maxLoginsPerDay',
  'maxPushesPerHour',
  'maxPushesPerDay',
] as const satisfies readonly (keyof SessionConfig['restart'])[];

/** One check of one file: walks from the plain data to the Config and collects problems on the way. */
class Checker {
  readonly problems: ConfigProblem[] = [];
  readonly #source: YamlSource;
  readonly #file: string;

  constructor(source: YamlSource, file: string) {
    this.#source = source;
    this.#file = file;
    for (const problem of source.problems) this.#addAt(problem.offset, problem.path, problem.message);
  }

  check(look: FileLook): Config | null {
    const root = fillSections(this.#source.data ?? {}, [], ['sessions', 'defaults']);
    if (!isMapData(root)) {
      this.#addIssue({ code: 'invalid_type', path: [], message: 'a map with agent and sessions' }, root);
      return null;
    }
    const parsed = this.#checkRoot(root);
    const roots = parsed?.agent ?? DEFAULT_ROOTS;
    const defaults = isMapData(root['defaults']) ? root['defaults'] : {};
    this.#checkDefaults(defaults);
    const sessions = this.#checkSessions(root['sessions'], defaults, roots, look);
    this.#checkSocketPaths(sessions, roots);
    this.#checkTargets(root['notify'], root['sessions']);
    if (parsed === null) return null;
    const { notifySecrets, ...agent } = parsed.agent;
    return {
      file: this.#file,
      agent,
      notify: {
        secretsDir: normalize(notifySecrets ?? join(dirname(this.#file), 'credentials', 'notify')),
        targets: Object.entries(parsed.notify).map(([name, target]) => completeTarget(name, target)),
      },
      clock: parsed.clock,
      sessions,
    };
  }

  /** All but the sessions, which are checked one by one so that one fault does not hide those of the others. */
  #checkRoot(root: MapData): ParsedConfig | null {
    const result = configSchema.safeParse({
      ...root,
      sessions: isMapData(root['sessions']) ? {} : root['sessions'],
    });
    if (result.success) return result.data;
    for (const issue of result.error.issues) this.#addIssue(issue, root);
    return null;
  }

  /** Defaults are checked in a session that has everything it needs, so that their faults show before there is a session. */
  #checkDefaults(defaults: MapData): void {
    const needed = { mode: 'paper', install: { gatewayVersion: '0' }, api: { port: 65_535 } };
    const whole = fillSections(mergeSettings(needed, defaults), ['defaults'], []);
    const result = sessionSchema.safeParse(whole);
    if (result.success) return;
    for (const issue of result.error.issues) {
      this.#addIssue({ ...issue, path: ['defaults', ...issue.path] }, { defaults: whole });
    }
  }

  #checkSessions(sessions: unknown, defaults: MapData, roots: Roots, look: FileLook): SessionConfig[] {
    if (!isMapData(sessions)) return [];
    const checked: SessionConfig[] = [];
    const claims: Claims[] = [];
    for (const [text, own] of Object.entries(sessions)) {
      const path = ['sessions', text];
      const name = parseSessionName(text);
      if (name === null) {
        this.#add(path, `a session's name is ${SESSION_NAME_RULE}`, { expected: SESSION_NAME_RULE }, 'key');
      }
      if (own !== null && !isMapData(own)) {
        this.#addIssue({ code: 'invalid_type', path, message: 'a map of settings' }, { sessions });
        continue;
      }
      const merged = fillSections(mergeSettings(defaults, own ?? {}), path, []);
      const result = sessionSchema.safeParse(merged);
      if (!result.success) {
        for (const issue of result.error.issues) {
          this.#addIssue({ ...issue, path: [...path, ...issue.path] }, { sessions: { [text]: merged } });
        }
      } else if (name !== null) {
        checked.push(completeSession(name, result.data, roots, this.#file));
      }
      this.#checkQuotes(path, merged);
      const settingsDir = valueAt(merged, ['settingsDir']);
      claims.push({ name: text, port: valueAt(merged, ['api', 'port']), settingsDir });
    }
    // Also among sessions that have other faults, so that these faults do not hide a clash.
    this.#checkPorts(claims);
    this.#checkDirectories(claims, roots, look);
    this.#checkBudgets(checked);
    return checked;
  }

  /** A name of a session that does not exist would be a target that is never told anything. */
  #checkTargets(targets: unknown, sessions: unknown): void {
    if (!isMapData(targets) || !isMapData(sessions)) return;
    const known = Object.keys(sessions);
    for (const [target, settings] of Object.entries(targets)) {
      const named = valueAt(settings, ['sessions']);
      if (!Array.isArray(named)) continue;
      for (const [index, session] of named.entries()) {
        if (typeof session !== 'string' || parseSessionName(session) === null || known.includes(session))
          continue;
        const nearest = findNearest(session, known);
        this.#add(
          ['notify', target, 'sessions', index],
          `there is no session ${session}`,
          nearest === null ? {} : { nearest },
        );
      }
    }
  }

  /** YAML 1.1 readers take `11:45` for the number 705: whoever writes a time without quotes gets used to a trap. */
  #checkQuotes(path: Path, session: unknown): void {
    for (const name of ['AutoRestartTime', 'AutoLogoffTime', 'SaveTwsSettingsAt']) {
      const plain = this.#place([...path, 'ibc', name])?.place.plain ?? null;
      if (plain === null || typeof valueAt(session, ['ibc', name]) !== 'string') continue;
      const quoted = JSON.stringify(plain);
      this.#add([...path, 'ibc', name], `a time of day stands in quotes: ${quoted}`, { expected: quoted });
    }
  }

  #checkPorts(claims: readonly Claims[]): void {
    const holders = new Map<unknown, string>();
    for (const { name, port } of claims) {
      const holder = holders.get(port);
      if (holder === undefined) {
        if (typeof port === 'number') holders.set(port, name);
        continue;
      }
      this.#add(
        ['sessions', name, 'api', 'port'],
        `the session ${holder} has port ${port} too; each session needs a port of its own`,
        { expected: 'a port that no other session has' },
      );
    }
  }

  /** Sessions of one IBKR user share its login budget: of two numbers one would be a promise that is not kept. */
  #checkBudgets(sessions: readonly SessionConfig[]): void {
    const first = new Map<string, SessionConfig>();
    for (const session of sessions) {
      const other = first.get(session.user);
      if (other === undefined) first.set(session.user, session);
      for (const key of SHARED_LIMITS) {
        const [mine, theirs] = [session.restart[key], other?.restart[key]];
        if (theirs === undefined || mine === theirs) continue;
        this.#add(
          ['sessions', session.name, 'restart', key],
          `the session ${other?.name} of the same IBKR user has ${theirs}, this one ${mine}; they share one login budget: give both the smaller number`,
          { expected: String(Math.min(mine, theirs)) },
        );
      }
    }
  }

  #checkDirectories(claims: readonly Claims[], roots: Roots, look: FileLook): void {
    const taken: { name: string; real: string }[] = [];
    for (const { name, settingsDir: given } of claims) {
      const known = given === undefined ? parseSessionName(name) !== null : typeof given === 'string';
      if (!known) continue;
      const directory = resolveSettingsDir(typeof given === 'string' ? given : undefined, roots, name);
      const path = ['sessions', name, 'settingsDir'];
      if (look.isSymlink(directory)) {
        this.#add(path, `${directory} is a symbolic link; name the directory itself`, {
          expected: 'a directory that is no symbolic link',
        });
      }
      const real = normalize(`${look.real(directory)}/`);
      const other = taken.find((before) => real.startsWith(before.real) || before.real.startsWith(real));
      if (other !== undefined) {
        const how = other.real === real ? 'is the same as' : 'overlaps with';
        this.#add(
          path,
          `${directory} ${how} the settings directory of the session ${other.name}; each session needs one of its own`,
          { expected: 'a directory that no other session has' },
        );
      }
      taken.push({ name, real });
    }
  }

  #checkSocketPaths(sessions: readonly SessionConfig[], roots: Roots): void {
    const sockets = [
      agentPaths(roots).socket,
      ...sessions.map((session) => sessionPaths(roots, session.name).bridgeSocket),
    ];
    const longest = sockets.toSorted((a, b) => Buffer.byteLength(b) - Buffer.byteLength(a))[0] ?? '';
    const excess = Buffer.byteLength(longest) - LONGEST_SOCKET_PATH;
    if (excess <= 0) return;
    this.#add(
      ['agent', 'runtimeRoot'],
      `too long by ${excess} bytes: the path of a socket may have ${LONGEST_SOCKET_PATH}, and ${longest} would be one`,
      { expected: 'a shorter path' },
    );
  }

  #addIssue(issue: IssueLike, data: unknown): void {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    const { refusal, nearest } = (issue.params as Partial<Refusal> | undefined) ?? {};
    if (refusal !== undefined) {
      this.#add(path, refusal, nearest === undefined ? {} : { nearest });
    } else if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys ?? []) this.#addUnknownKey(path, key);
    } else if (issue.code === 'invalid_key') {
      const phrase = issue.issues?.[0]?.message ?? issue.message;
      this.#add(path, `expected ${phrase}`, { expected: phrase }, 'key');
    } else {
      const value = valueAt(data, path);
      if (value === undefined) {
        this.#add(path, `missing; expected ${issue.message}`, { expected: issue.message });
      } else {
        const guess = guessValue(path, value, this.#place(path)?.place.plain ?? null);
        this.#add(path, `expected ${issue.message}, got ${this.#show(path, value)}`, {
          expected: issue.message,
          ...(guess === null ? {} : { nearest: guess }),
        });
      }
    }
  }

  #addUnknownKey(path: Path, key: string): void {
    const { message, nearest } = describeUnknownKey(path, key);
    this.#add([...path, key], message, nearest === null ? {} : { nearest }, 'key');
  }

  /** A value as it may be shown: never one that could be a credential, and never more than a line's worth. */
  #show(path: Path, value: unknown): string {
    if (value === null) return 'nothing';
    if (Array.isArray(value)) return 'a list';
    if (typeof value === 'object') return 'a map';
    const kind =
      typeof value === 'string' ? 'a text' : typeof value === 'number' ? 'a number' : String(value);
    if (!isShowable(path)) return kind;
    const text = this.#place(path)?.place.plain ?? JSON.stringify(value);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they would act on the reader's terminal.
    const printable = text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '?');
    return printable.length > 40 ? `${printable.slice(0, 40)}…` : printable;
  }

  /** The place of a path, looked up among the defaults when a session has the value from there. */
  #place(path: Path): { readonly place: YamlPlace; readonly path: Path } | null {
    const own = this.#source.placeOf(path);
    if (own !== undefined) return { place: own, path };
    if (path[0] !== 'sessions' || path.length < 3) return null;
    const shared = ['defaults', ...path.slice(2)];
    const place = this.#source.placeOf(shared);
    return place === undefined ? null : { place, path: shared };
  }

  #add(
    path: Path,
    message: string,
    more: { readonly expected?: string; readonly nearest?: string } = {},
    at: 'key' | 'value' = 'value',
  ): void {
    const found = this.#place(path);
    const place = found?.place ?? this.#nearestParent(path);
    const byKey = at === 'key' || found === null;
    const offset = byKey ? (place?.key ?? place?.value) : place?.value;
    this.#addAt(offset ?? 0, found?.path ?? path, message, more);
  }

  /** What is missing is told where it would belong: at the key of the map around it. */
  #nearestParent(path: Path): YamlPlace | undefined {
    for (let length = path.length - 1; length > 0; length -= 1) {
      const place = this.#source.placeOf(path.slice(0, length));
      if (place !== undefined) return place;
    }
    return undefined;
  }

  #addAt(
    offset: number,
    path: Path,
    message: string,
    more: { expected?: string; nearest?: string } = {},
  ): void {
    const { line, column } = this.#source.position(offset);
    this.problems.push({
      file: this.#file,
      line,
      column,
      path: formatPath(printablePath(path)),
      message,
      ...more,
    });
  }
}

/** What zod's issues have in common with those made here. */
type IssueLike = {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
  readonly issues?: readonly { readonly message: string }[];
  readonly params?: unknown;
};

/** Keys from the top, list positions in brackets. */
function formatPath(path: Path): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join('');
}
