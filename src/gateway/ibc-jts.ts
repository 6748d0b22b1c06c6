// Owns the lines that IBC wants in jts.ini: written beforehand where the file holds a secret, since IBC logs every line when it rewrites the file.

import { type JtsSettings, readJtsSetting } from './jts-ini.ts';

/** Kept as they are when they are there; the last three are corrected. */
const KEPT = [
  ['Logon', 's3store', 'true'],
  ['Logon', 'Locale', 'en'],
  ['Logon', 'displayedproxymsg', '1'],
] as const;

/** What IBC 3.24.1 would add to the file or correct in it, so that it finds nothing to do. `bytes` is null when there is no file yet. */
export function linesOfIbc(bytes: Uint8Array | null, trustedClients: string): JtsSettings {
  const logon: Record<string, string> = { UseSSL: 'true' };
  for (const [section, key, value] of KEPT)
    if (bytes === null || readJtsSetting(bytes, section, key).length === 0) logon[key] = value;
  const clients = trustedClients.trim();
  return {
    Logon: logon,
    IBGateway: { ApiOnly: 'true', TrustedIPs: `127.0.0.1${clients === '' ? '' : `,${clients}`}` },
  };
}
