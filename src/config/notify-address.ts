// Owns which addresses may be asked: those that notifications are sent to, and that of a clock; texts on a wrong one never hold any of it.

/**
 * null for an address that may be used, else what is wrong with it. It is https://, or http:// on this host, or http:// anywhere
 * when `insecure` is allowed.
 */
export function judgeAddress(text: string, insecure: boolean): string | null {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    return 'it is not an address that begins with https://';
  }
  if (url.username !== '' || url.password !== '') {
    return 'it has a user name or password in it; use secretHeaders, or secret, instead';
  }
  if (url.hash !== '') return 'it has a part after #, which is never sent';
  if (url.protocol === 'https:' || insecure || isLoopback(url.hostname)) return null;
  return 'http:// would send all in the clear; use https://, or allow it with allowInsecure: true';
}

/** Whether the clock of this address may be asked: https://, or http:// on this host, and nothing in it that could be a secret. */
export function isClockAddress(text: string): boolean {
  return judgeAddress(text, false) === null;
}

function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname)
  );
}
