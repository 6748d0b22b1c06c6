// Owns the search of a machine for secrets: argument lists and environments while something goes on, journal and files afterwards.

import { poll } from './command.ts';
import type { Machine, Running } from './machine.ts';

export type Needle = {
  /** What it is called where it is found. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /**
   * So short that it occurs by accident: looked for as a word of its own, not as a part of longer numbers, times, versions and ids;
   * neither in what journald adds by itself, nor in files that are older than the search's beginning.
   */
  readonly short?: boolean;
};

/** Where a needle was found: a path, `journal`, or a file below /proc with the program's name. */
export type Found = { readonly needle: string; readonly place: string };

const NODE = '/usr/lib/ib-agent/current/bin/node';
/** Not below one of the directories that are searched. */
const HOME = '/root/secrets';
const SEARCHED = ['/run', '/var', '/etc', '/tmp', '/home', '/usr/lib/ib-agent', '/opt', '/dev/shm'];

/** Shared by both programs; what is looked for comes from a file, so that their own arguments do not hold it. */
const COMMON = `
const fs = require('node:fs');
const { from, needles } = JSON.parse(fs.readFileSync('${HOME}/needles.json', 'utf8'));
const long = needles.filter(({ short }) => !short).map(({ name, hex }) => [name, Buffer.from(hex, 'hex')]);
const words = new Map(needles.filter(({ short }) => short).map(({ name, hex }) => [Buffer.from(hex, 'hex').toString(), name]));
const WORD = /(?<![0-9A-Za-z]|[0-9][.:,]|[0-9a-f]-)\\d{6}(?![0-9A-Za-z]|[.:,-][0-9a-f])/g;
let sixDigits = 0;
const found = new Set();
function longIn(buffer, place) {
  for (const [name, bytes] of long) if (buffer.includes(bytes)) found.add(name + ' ' + place);
}
function wordsIn(text, place) {
  for (const [word] of text.matchAll(WORD)) {
    sixDigits += 1;
    if (words.has(word)) found.add(words.get(word) + ' ' + place);
  }
}
function read(path) {
  try { return fs.readFileSync(path); } catch { return null; }
}
`;

const WATCH = `${COMMON}
const programs = new Set();
let looks = 0;
function look() {
  if (fs.existsSync('${HOME}/stop')) {
    console.log('END ' + JSON.stringify({ looks, sixDigits, programs: [...programs], found: [...found] }));
    process.exit(0);
  }
  looks += 1;
  for (const pid of fs.readdirSync('/proc')) {
    if (!/^\\d+$/.test(pid) || pid === String(process.pid)) continue;
    const line = read('/proc/' + pid + '/cmdline');
    if (line === null) continue;
    const [first, ...rest] = line.toString().split('\\0');
    const said = [first, ...rest].map((word) => word.slice(word.lastIndexOf('/') + 1)).join(' ').trim();
    if (said !== '') programs.add(said.slice(0, 200));
    for (const [file, bytes] of [['cmdline', line], ['environ', read('/proc/' + pid + '/environ')]]) {
      if (bytes === null) continue;
      const place = '/proc/…/' + file + ' of ' + said;
      longIn(bytes, place);
      wordsIn(bytes.toString('latin1').replaceAll('\\0', '\\n'), place);
    }
  }
  setTimeout(look, 4);
}
console.log('BEGIN');
look();
`;

const SEARCH = `${COMMON}
const { spawnSync } = require('node:child_process');
const entries = spawnSync('journalctl', ['--sync']).status === 0 &&
  spawnSync('journalctl', ['-o', 'export', '--no-pager'], { maxBuffer: 2 ** 30 });
if (!entries || entries.status !== 0) throw new Error('the journal cannot be read');
longIn(entries.stdout, 'journal');
const own = entries.stdout.toString('latin1').split('\\n')
  // What journald writes of itself: times, ids, numbers of processes.
  .filter((line) => !/^_(?!CMDLINE|COMM|EXE)[A-Z_]*=/.test(line)).join('\\n');
wordsIn(own, 'journal');
const journalWords = sixDigits;
let files = 0;
function walk(directory) {
  let names = [];
  try { names = fs.readdirSync(directory, { withFileTypes: true }); } catch { return; }
  for (const entry of names) {
    const path = directory + '/' + entry.name;
    longIn(Buffer.from(path), 'the name of ' + path);
    if (entry.isDirectory()) walk(path);
    else if (entry.isFile()) {
      const bytes = read(path);
      if (bytes === null) continue;
      files += 1;
      longIn(bytes, path);
      // The journal's own files hold what was searched above, in compressed form.
      if (fs.statSync(path).mtimeMs >= from && !path.startsWith('/var/log/journal/') && !path.includes('/compile-cache/'))
        wordsIn(bytes.toString('latin1'), path);
      if (/^core(\\.|$)/.test(entry.name)) found.add('core-file ' + path);
    }
  }
}
for (const each of ${JSON.stringify(SEARCHED)}) walk(each);
console.log('END ' + JSON.stringify({ files, entries: own.split('\\n').length, sixDigits, journalWords, found: [...found] }));
`;

type End = Readonly<Record<'looks' | 'files' | 'entries' | 'sixDigits' | 'journalWords', number>> & {
  readonly programs: readonly string[];
  readonly found: readonly string[];
};

async function lay(machine: Machine, needles: readonly Needle[], from: number): Promise<void> {
  const list = needles.map(({ name, bytes, short = false }) => ({
    name,
    hex: Buffer.from(bytes).toString('hex'),
    short,
  }));
  await machine.sh('install -d -m 0700 "$1"; rm -f "$1/stop"', {}, HOME);
  await machine.writeFile(`${HOME}/needles.json`, JSON.stringify({ from, needles: list }), { mode: '0600' });
}

/** Looks again and again at argument list and environment of every process of a machine. */
export class ProcessWatch {
  readonly #machine: Machine;
  readonly #running: Running;

  private constructor(machine: Machine, running: Running) {
    this.#machine = machine;
    this.#running = running;
  }

  static async begin(machine: Machine, needles: readonly Needle[]): Promise<ProcessWatch> {
    await lay(machine, needles, 0);
    await machine.writeFile(`${HOME}/watch.cjs`, WATCH);
    const running = machine.spawn([NODE, `${HOME}/watch.cjs`]);
    await running.line(/^BEGIN/);
    return new ProcessWatch(machine, running);
  }

  /** What was found until now, and the command lines that were seen. */
  async end(): Promise<{
    readonly looks: number;
    readonly programs: readonly string[];
    readonly found: readonly Found[];
  }> {
    await this.#machine.sh('touch "$1/stop"', {}, HOME);
    const { looks, programs, found } = endOf(await this.#running.line(/^END /));
    await this.#running.done;
    return { looks, programs, found: found.map(toFound) };
  }
}

/**
 * Searches the whole journal, and every file of the directories that a program of ours or of the system may have written to. `from`:
 * epoch milliseconds; older files are not searched for short needles. `sixDigits`: how many words were there that could have been a code.
 */
export async function searchMachine(
  machine: Machine,
  needles: readonly Needle[],
  from: number,
): Promise<{
  readonly files: number;
  readonly entries: number;
  readonly sixDigits: number;
  readonly found: readonly Found[];
}> {
  await lay(machine, needles, from);
  await machine.writeFile(`${HOME}/search.cjs`, SEARCH);
  const searching = machine.spawn([NODE, `${HOME}/search.cjs`]);
  const line = await poll(
    () => `the search ends: ${searching.lines.join('\n')}`,
    () => searching.lines.find((each) => each.startsWith('END ')),
    { deadlineMs: 120_000 },
  );
  const { files, entries, sixDigits, found } = endOf(line);
  return { files, entries, sixDigits, found: found.map(toFound) };
}

function endOf(line: string): End {
  return JSON.parse(line.slice('END '.length)) as End;
}

function toFound(text: string): Found {
  const space = text.indexOf(' ');
  return { needle: text.slice(0, space), place: text.slice(space + 1) };
}
