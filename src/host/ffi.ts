// Owns the door to native code: the only file that loads koffi, lazily, and fails soft where it cannot.

import { createRequire } from 'node:module';

/** A bound C function; what it takes and gives is said by the definition it was made from. */
export type NativeFunction = {
  (...values: unknown[]): unknown;
  /** Runs on the thread pool; the last argument is `(error, result) => void`. Memory passed in must stay referenced until then. */
  async(...values: unknown[]): void;
};

/** A loaded shared library. */
export type NativeLibrary = {
  /** Binds a function from its C prototype; throws when the library has no such symbol. */
  func(definition: string): NativeFunction;
};

type Koffi = {
  load(path: string): NativeLibrary;
  struct(name: string, members: Record<string, string>): unknown;
};

let koffi: Koffi | null | undefined;
let problem: string | null = null;
const libraries = new Map<string, NativeLibrary | null>();

/**
 * A shared library by its soname, such as `libc.so.6`; null when koffi or the library cannot be loaded, and then {@link nativeProblem}
 * says why. koffi itself is loaded at the first call (about 20 ms), so importing this file costs nothing.
 */
export function loadNativeLibrary(soname: string): NativeLibrary | null {
  const known = libraries.get(soname);
  if (known !== undefined) return known;
  let library: NativeLibrary | null = null;
  try {
    library = loadKoffi()?.load(soname) ?? null;
  } catch (error) {
    problem = `${soname} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
  }
  libraries.set(soname, library);
  return library;
}

/** Names a C structure for use in prototypes, once a process. Returns false when koffi cannot be loaded. */
export function defineNativeStruct(name: string, members: Record<string, string>): boolean {
  const loaded = loadKoffi();
  if (loaded === null) return false;
  loaded.struct(name, members);
  return true;
}

/** Why native calls do not work here, in words for a log; null while nothing has failed. */
export function nativeProblem(): string | null {
  return problem;
}

function loadKoffi(): Koffi | null {
  if (koffi !== undefined) return koffi;
  koffi = null;
  try {
    // require, not import(): peer credentials are needed in the middle of an accept, where there is nothing to await.
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (error) {
    problem = `koffi cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
  }
  return koffi;
}
