// Owns the making of ib-bridge.jar: javac, and a jar whose bytes depend on the sources and the compiler only.

import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';

const ROOT = import.meta.dirname;
const SOURCES = join(ROOT, 'src', 'bridge', 'java');
const CACHE = join(ROOT, '.build', 'bridge');

/** In the cache's directory; a checkout's launchers look for it there. */
const JAR = 'ib-bridge.jar';

/** The oldest Java that IBC runs on. */
const RELEASE = '17';
const MANIFEST = 'Manifest-Version: 1.0\r\nPremain-Class: ibagent.bridge.Agent\r\n\r\n';

/**
 * The path of the jar, compiled now or earlier from the same sources. It is put in its place by a rename, since a JVM that has it
 * loaded must keep the old one. Throws with a message for people when there is no JDK or the sources do not compile.
 */
export function buildBridgeJar(cache = CACHE): string {
  const files = globSync('**/*.java', { cwd: SOURCES }).sort();
  if (files.length === 0) throw new Error(`there is no Java source in ${SOURCES}`);
  const hash = createHash('sha256').update(
    `${RELEASE}\n${MANIFEST}${readFileSync(import.meta.filename, 'utf8')}`,
  );
  for (const file of files) hash.update(`${file}\n`).update(readFileSync(join(SOURCES, file)));
  const cached = join(cache, `${hash.digest('hex').slice(0, 16)}.jar`);
  mkdirSync(cache, { recursive: true });
  const inPlace = join(cache, JAR);
  if (!existsSync(cached)) {
    const jar = compile(
      cache,
      files.map((file) => join(SOURCES, file)),
    );
    replace(cached, (temporary) => writeFileSync(temporary, jar));
  }
  if (!existsSync(inPlace) || !readFileSync(inPlace).equals(readFileSync(cached))) {
    replace(inPlace, (temporary) => copyFileSync(cached, temporary));
  }
  return inPlace;
}

function replace(path: string, write: (temporary: string) => void): void {
  const temporary = `${path}.${randomUUID()}`;
  try {
    write(temporary);
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function compile(cache: string, files: readonly string[]): Buffer {
  const classes = join(cache, `classes-${randomUUID()}`);
  mkdirSync(classes);
  try {
    const options = ['-encoding', 'UTF-8', '--release', RELEASE, '-Xlint:all', '-Werror', '-g:source,lines'];
    // Without invokedynamic: see Agent.java.
    const args = ['-J-XX:TieredStopAtLevel=1', ...options, '-XDstringConcat=inline', '-d', classes, ...files];
    const { status, error, stderr } = spawnSync(findJavac(), args, { encoding: 'utf8' });
    if (error !== undefined) throw new Error(`javac could not be started: ${error.message}`);
    if (status !== 0) throw new Error(`javac refused the sources of ib-bridge.jar:\n${stderr}`);
    const entries = globSync('**/*.class', { cwd: classes })
      .sort()
      .map((name) => ({ name, bytes: readFileSync(join(classes, name)) }));
    return zip([{ name: 'META-INF/MANIFEST.MF', bytes: Buffer.from(MANIFEST) }, ...entries]);
  } finally {
    rmSync(classes, { recursive: true, force: true });
  }
}

function findJavac(): string {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(directory, 'javac');
    try {
      if (directory !== '') accessSync(file, constants.X_OK);
      if (directory !== '') return file;
    } catch {
      // The next one.
    }
  }
  throw new Error(
    `ib-bridge.jar needs a Java compiler: there is no javac on PATH for ${relative(ROOT, SOURCES)}. ` +
      'On Debian or Ubuntu: apt-get install default-jdk-headless (17 or later).',
  );
}

type Entry = { readonly name: string; readonly bytes: Buffer };

/** 1 January 1980, the first day that the format knows. */
const DOS_DATE = 0x21;

/** A zip archive (APPNOTE.TXT of PKWARE, 4.3) without times, owners or anything else that differs from build to build. */
function zip(entries: readonly Entry[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, bytes } of entries) {
    const title = Buffer.from(name, 'utf8');
    const packed = deflateRawSync(bytes, { level: 9 });
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    common.writeUInt16LE(DOS_DATE, 8);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(title.length, 22);
    locals.push(Buffer.from('PK\x03\x04', 'latin1'), common, title, packed);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, place, title);
    offset += 4 + common.length + title.length + packed.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(list.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, list, Buffer.from('PK\x05\x06', 'latin1'), end]);
}
