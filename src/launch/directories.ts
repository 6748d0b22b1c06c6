// Owns the directories a launcher works in: made when missing, refused when others could write into them.

import { accessSync, chmodSync, constants, lstatSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { LaunchError } from '../gateway/launch-error.ts';
import type { LaunchFailureCode } from '../gateway/launch-records.ts';
import { errorCode } from '../host/files.ts';

/**
 * Makes sure that `path` is a directory of this user's. One that is made here, and each parent that is, gets exactly `mode`; one that was
 * there (systemd makes it) keeps its own, but must not be writable by others. Throws a LaunchError with the code of `failure`.
 */
export function ensureDirectory(path: string, mode: number, failure: LaunchFailureCode, uid: number): void {
  try {
    const first = mkdirSync(path, { recursive: true });
    if (first !== undefined) {
      for (let made = path; made.length >= first.length; made = dirname(made)) chmodSync(made, mode);
      return;
    }
    const status = lstatSync(path);
    if (!status.isDirectory()) throw unusable(failure, path, 'is a symbolic link');
    if (status.uid !== uid)
      throw unusable(failure, path, `belongs to uid ${status.uid}, not to uid ${uid} which runs this`);
    if ((status.mode & 0o022) !== 0) throw unusable(failure, path, 'can be written by others');
  } catch (error) {
    if (error instanceof LaunchError) throw error;
    throw unusable(failure, path, `cannot be made (${errorCode(error) ?? 'unknown error'})`, error);
  }
}

/** Makes the gateway's settings directory 0700: its autorestart token is worth a second factor. Throws a LaunchError `settings-unusable`. */
export function ensureSettingsDirectory(path: string, uid: number): void {
  try {
    if (mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined) return;
    const status = statSync(path);
    if (status.uid !== uid) {
      throw unusable(
        'settings-unusable',
        path,
        `belongs to uid ${status.uid}, not to uid ${uid} which runs the gateway`,
      );
    }
    // First: what is not writable here has no mode that could be set either.
    accessSync(path, constants.W_OK | constants.X_OK);
    if ((status.mode & 0o777) !== 0o700) chmodSync(path, 0o700);
  } catch (error) {
    if (error instanceof LaunchError) throw error;
    throw unusable(
      'settings-unusable',
      path,
      `cannot be used (${errorCode(error) ?? 'unknown error'})`,
      error,
    );
  }
}

function unusable(code: LaunchFailureCode, path: string, what: string, cause?: unknown): LaunchError {
  return new LaunchError(
    code,
    `The directory ${path} ${what}.`,
    // What the unit's ProtectSystem= leaves unwritable, whoever owns it.
    errorCode(cause) === 'EROFS'
      ? `The unit may not write there; let it: sudo systemctl edit ib-session@.service, with the lines [Service] and ReadWritePaths=${path}`
      : 'Correct its owner and mode, or name another directory in the configuration.',
    cause,
  );
}
