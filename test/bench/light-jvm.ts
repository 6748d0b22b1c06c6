// Owns the light fake of a gateway's JVM for benchmarks: prints the lines of a login, then error lines on demand, and nothing else.

import { writeSync } from 'node:fs';

const [count = '0', everyMs = '10'] = (process.env['LIGHT_JVM'] ?? '').split(',');
const stamp = () => new Date().toISOString().replace('T', ' ').replace('.', ':').slice(0, 23);
const line = (text: string) => writeSync(1, `${stamp()} IBC: ${text}\n`);

for (const text of [
  'version: 3.24.1',
  'Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT',
  'Login attempt: 1',
  'Click button: Log In',
  'Found Gateway main window',
  'Login has completed',
]) {
  line(text);
}
process.on('SIGUSR2', () => {
  let sent = 0;
  const timer = setInterval(() => {
    sent += 1;
    if (sent > Number(count)) {
      clearInterval(timer);
      return;
    }
    // One write, as IBC's flush is, holding the moment at which it is made.
    const fence = '!'.repeat(79);
    writeSync(
      1,
      `${fence}\n${stamp()} IBC: written at ${performance.timeOrigin + performance.now()}\n${fence}\n`,
    );
  }, Number(everyMs));
});
setInterval(() => {}, 1 << 30);
