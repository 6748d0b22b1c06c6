// Owns words of a command line as they are typed into a shell.

/** As it is, or in single quotes where a shell would read more into it. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
