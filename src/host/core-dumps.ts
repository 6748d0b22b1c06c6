// Owns the switch against core dumps: the memory of a program that holds a password must not be written to a file.

import { loadNativeLibrary } from './ffi.ts';

// setrlimit(2); the number is that of Linux on x86-64 and arm64.
const RLIMIT_CORE = 4;
/**
 * Not 0: that is not looked at when /proc/sys/kernel/core_pattern names a program (core(5)). With 1 the kernel starts none
 * (fs/coredump.c), and a file is not written because it would be larger.
 */
const NOTHING = 1n;

/** For this process and every program it becomes or starts, for good. Returns false where it cannot be done: no native calls. */
export function forbidCoreDumps(): boolean {
  try {
    const setrlimit = loadNativeLibrary('libc.so.6')?.func(
      'int setrlimit(int resource, const uint64_t *limit)',
    );
    return setrlimit?.(RLIMIT_CORE, new BigUint64Array([NOTHING, NOTHING])) === 0;
  } catch {
    return false;
  }
}
