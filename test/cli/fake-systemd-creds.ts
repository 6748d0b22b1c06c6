// Owns a stand-in for systemd-creds: a real program that "seals" by rot13, checks names, and notes what it was started with.

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CredentialHost } from '../../src/cli/credentials/store.ts';

export type FakeCreds = {
  readonly host: CredentialHost;
  readonly directory: string;
  /** Command lines and environments of all runs so far. */
  started(): string;
  /** From now on `encrypt` or `decrypt` of this credential fails. */
  breakVerb(verb: 'encrypt' | 'decrypt', name: string): void;
  giveTpm(): void;
  remove(): void;
};

// Heads as systemd writes them: key id, four sizes, vector of twelve bytes, four of padding; then the mask of registers.
const SCRIPT = String.raw`#!/bin/sh
home=$(dirname "$0")
tr '\0' ' ' < /proc/$$/cmdline >> "$home/started"; echo >> "$home/started"
tr '\0' '\n' < /proc/$$/environ >> "$home/started"
verb=$1
name= key= pcrs=none input=
for word in "$@"; do
  case $word in
    --name=*) name=${'$'}{word#--name=} ;;
    --with-key=*) key=${'$'}{word#--with-key=} ;;
    --tpm2-pcrs=) pcrs='\000' ;;
    --tpm2-pcrs=7) pcrs='\200' ;;
  esac
done
if [ -e "$home/broken-$verb-$name" ]; then echo "noise" >&2; echo "The $verb of $name is broken." >&2; exit 1; fi
case $verb in
  --version) cat "$home/version" ;;
  has-tpm2) [ -e "$home/tpm" ] ;;
  encrypt)
    {
      if [ "$key" = host+tpm2 ]; then printf '\223\250\224\011\110\164\104\220\220\312\362\374\223\312\265\123'
      else printf '\132\034\152\206\337\235\100\226\261\325\246\136\010\142\361\232'; fi
      printf '\040\000\000\000\001\000\000\000\014\000\000\000\020\000\000\000VECTORVECTORPAD.'
      printf "$pcrs\000\000\000\000\000\000\000"
      printf '%s\n' "$name"
      tr 'A-Za-z' 'N-ZA-Mn-za-m'
    } | base64 ;;
  decrypt)
    base64 -d 2>/dev/null | tail -c +57 > "$home/opened.$$"
    sealed=$(head -n 1 "$home/opened.$$")
    if [ "$sealed" != "$name" ]; then rm "$home/opened.$$"; echo "Embedded credential name does not match filename '$name', refusing." >&2; exit 1; fi
    tail -n +2 "$home/opened.$$" | tr 'A-Za-z' 'N-ZA-Mn-za-m'
    rm "$home/opened.$$" ;;
esac
`;

export function makeFakeCreds(uid = 0): FakeCreds {
  const home = mkdtempSync(join(tmpdir(), 'fake-creds-'));
  const bin = join(home, 'bin');
  mkdirSync(bin);
  const program = join(bin, 'systemd-creds');
  writeFileSync(program, SCRIPT);
  chmodSync(program, 0o755);
  writeFileSync(join(bin, 'version'), 'systemd 252 (252.39-1)\n+PAM\n');
  const directory = join(home, 'etc', 'credstore.encrypted');
  return {
    host: { uid, directory, program, searchPath: '/usr/sbin:/usr/bin:/sbin:/bin' },
    directory,
    started: () => readFileSync(join(bin, 'started'), 'utf8'),
    breakVerb: (verb, name) => writeFileSync(join(bin, `broken-${verb}-${name}`), ''),
    giveTpm: () => writeFileSync(join(bin, 'tpm'), ''),
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}
