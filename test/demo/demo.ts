// Owns the demo: the whole product on the built-in stand-in gateway, shown as a person would use it, and nothing left behind.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { buildStandins } from '../standin/build.ts';
import { makeWorld } from '../support/world.ts';

const IBCTL = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const APPROVED_AFTER_MS = 6_000;

const bold = (text: string) => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text);
const say = (text = '') => process.stdout.write(`${text}\n`);

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort());

say(bold('ib-agent demo'));
say('A stand-in for IB Gateway and IBC is built with javac: no IBKR account needed.');
say(`The login asks for a push on the phone, which is "approved" after ${APPROVED_AFTER_MS / 1000} seconds.`);
say();
await buildStandins();
const world = await makeWorld({
  sessions: {
    paper: {
      mode: 'paper',
      knobs: {
        'second.factor': 'push',
        'push.approve.after.ms': String(APPROVED_AFTER_MS),
        'autorestart.after.ms': '3000',
        'autorestart.when': 'set',
        'splash.ms': '900',
      },
      config: { secondFactor: { method: 'ib-key' }, autostart: false },
    },
  },
});

/** Runs ibctl on the demo's terminal, as a person would. */
async function ibctl(...args: string[]): Promise<void> {
  if (abort.signal.aborted) return;
  say(bold(`$ ibctl ${args.join(' ')}`));
  const child = spawn(process.execPath, [IBCTL, '--socket', world.socket, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const stop = () => child.kill('SIGINT');
  abort.signal.addEventListener('abort', stop);
  await once(child, 'close');
  abort.signal.removeEventListener('abort', stop);
  if (!abort.signal.aborted && child.exitCode !== 0) {
    process.exitCode = 1;
    say(`(exit status ${child.exitCode})`);
  }
  say();
}

try {
  await world.startAgent();
  await ibctl('status');
  await ibctl('login');
  await ibctl('status');
  await ibctl('restart');
  await ibctl('events');
  if (!abort.signal.aborted && process.stdin.isTTY && process.stdout.isTTY) {
    const prefix = `${process.execPath} ${IBCTL} --socket ${world.socket}`;
    say(bold('It runs. Try in another terminal:'));
    say(`  alias ibctl='${prefix}'`);
    say('  ibctl status --watch            look at it');
    say('  ibctl logs -f                   what the gateway prints');
    say('  ibctl restart --cold            a full login, with another push');
    say('  ibctl stop; ibctl events        a tidy close, and the whole story');
    // Its own configuration file is named, so that this cannot hit a real gateway on the same host.
    say(`  pkill -9 -f 'Ibc.* ${world.root}/'   a crash, and what follows`);
    say();
    say('Ctrl-C here ends everything.');
    if (!abort.signal.aborted) await once(abort.signal, 'abort');
  } else if (!abort.signal.aborted) {
    say('This is no terminal, so the demo ends here; in one it goes on until Ctrl-C.');
  }
} finally {
  say(abort.signal.aborted ? '\nEnding: the gateway is closed tidily first.' : 'Ending.');
  await world.dispose();
  say('Nothing is left running.');
}
