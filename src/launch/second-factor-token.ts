// Owns which second-factor token a start leaves in jts.ini: the configured one when it is new, else what the gateway wrote itself.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type JtsSettings, readJtsSetting } from '../gateway/jts-ini.ts';
import { errorCode, writeFileAtomic } from '../host/files.ts';

const SECTION = 'Communication';
const KEY = '2ndFactor';

export type TokenChoice = {
  /** Whether jts.ini holds a token when `settings` are written. */
  readonly present: boolean;
  /** What is to be written to jts.ini. */
  readonly settings: JtsSettings;
  /** To be called when that is written. */
  readonly keep: () => void;
  /** The gateway's own token stays although another one is configured. */
  readonly overruled: boolean;
};

/**
 * A configured token is written when jts.ini has none, and when it was not written before: a person has just configured it. After that
 * the gateway's own counts, which it writes when the phone is paired anew. `recordFile` tells what was written; it holds a digest only.
 */
export function chooseToken(
  settings: JtsSettings,
  jtsIni: Uint8Array | null,
  recordFile: string,
): TokenChoice {
  const configured = settings[SECTION]?.[KEY];
  const present = (jtsIni === null ? [] : readJtsSetting(jtsIni, SECTION, KEY)).filter(
    (value) => value !== '',
  );
  if (configured === undefined)
    return { present: present.length > 0, settings, keep: () => {}, overruled: false };
  const digest = createHash('sha256').update(configured).digest('hex');
  const recorded = readRecord(recordFile);
  const keep = () => {
    if (recorded !== digest) writeFileAtomic(recordFile, `${digest}\n`, 0o600);
  };
  const isOther = present.length > 0 && !present.includes(configured);
  if (!isOther || recorded !== digest) return { present: true, settings, keep, overruled: false };
  const { [KEY]: _, ...others } = settings[SECTION] ?? {};
  return { present: true, settings: { ...settings, [SECTION]: others }, keep, overruled: true };
}

function readRecord(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}
