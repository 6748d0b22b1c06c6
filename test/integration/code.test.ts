// ib-code and ib-clock as the agent runs them without systemd: real programs, the stand-in Gateway's windows, and a web server on loopback.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { stringify } from 'yaml';
import type { BridgeClient } from '../../src/bridge/client.ts';
import { sessionPaths } from '../../src/config/paths.ts';
import { chooseStep } from '../../src/domain/code-step.ts';
import type { CodeOrder, CodeOutcome, CodeTarget } from '../../src/gateway/code-records.ts';
import { delay } from '../../src/host/clock.ts';
import { makeCode } from '../../src/launch/totp.ts';
import { ProcessCodeRunner } from '../../src/supervisor/process-code-runner.ts';
import { Bench, clock, logIn, ofClass, windowCalled, withText } from '../bridge/jvm.ts';
import { readProc, until } from '../support/world.ts';

const SEED = 'JBSWY3DPEHPK3PXPMFRGGZDF';
const FACTOR = 'Second Factor Authentication';
const ASKS = 'Enter Mobile Authenticator app code';
const TOTP = { 'second.factor': 'totp', 'totp.seed': SEED };

const bench = new Bench();
before(() => bench.open());
afterEach(() => bench.clear());
after(() => bench.close());

let scenes = 0;

/** A session's files without an agent, and a runner as the agent has it. */
class Scene {
  readonly root = join(bench.root, `scene-${++scenes}`);
  readonly paths = sessionPaths(
    { runtimeRoot: join(this.root, 'run'), stateRoot: join(this.root, 'lib') },
    'live',
  );
  readonly credentials = join(this.root, 'credentials');
  readonly configFile = join(this.root, 'ib-agent.yaml');
  readonly lines: string[] = [];
  #orders = 0;

  constructor(settings: Readonly<Record<string, unknown>> = {}) {
    mkdirSync(this.credentials, { recursive: true, mode: 0o700 });
    mkdirSync(this.paths.runtime, { recursive: true });
    this.seal(SEED);
    const config = {
      agent: { runtimeRoot: join(this.root, 'run'), stateRoot: join(this.root, 'lib') },
      clock: { compareWith: null },
      ...settings,
      sessions: {
        live: {
          mode: 'live',
          install: { gatewayVersion: '10.37' },
          api: { port: 4001 },
          secondFactor: { method: 'totp' },
          credentials: { directory: this.credentials },
        },
      },
    };
    writeFileSync(this.configFile, stringify(config));
  }

  seal(seed: string, mode = 0o400): void {
    rmSync(join(this.credentials, 'seed'), { force: true });
    writeFileSync(join(this.credentials, 'seed'), seed, { mode });
    chmodSync(join(this.credentials, 'seed'), mode);
  }

  /** The JVM's bridge in the place where a launcher would have put it. */
  connect(socket: string): void {
    symlinkSync(socket, this.paths.bridgeSocket);
  }

  runner(): ProcessCodeRunner {
    const program = (name: string) => [
      process.execPath,
      join(import.meta.dirname, `../../src/launch/${name}-main.ts`),
      '--config',
      this.configFile,
    ];
    const environment = { PATH: '/usr/bin:/bin', HOME: this.root };
    return new ProcessCodeRunner({
      session: 'live',
      paths: this.paths,
      codeProgram: program('code'),
      clockProgram: program('clock'),
      codeEnvironment: environment,
      clockEnvironment: environment,
      clock,
      onLine: (_, line) => this.lines.push(line),
    });
  }

  /** Waits for the time at which the next code may be typed. */
  async order(target: CodeTarget, changes: Partial<CodeOrder & { kind: 'type' }> = {}): Promise<CodeOrder> {
    const { step, from } = chooseStep(clock.now(), null, 15_000);
    await delay(clock, from - clock.now());
    this.#orders += 1;
    const id = `order-${this.#orders}`;
    return { v: 1, id, session: 'live', kind: 'type', notAfter: from + 60_000, step, target, ...changes };
  }

  check(id = 'check-1'): CodeOrder {
    return { v: 1, id, session: 'live', kind: 'check', notAfter: clock.now() + 60_000 };
  }

  /** Everything on disk but the seed's own file, and all that the programs wrote. */
  everything(): string {
    const texts = [...this.lines];
    for (const entry of readdirSync(this.root, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && !path.endsWith('/credentials/seed'))
        texts.push(path, readFileSync(path, 'latin1'));
    }
    return texts.join('\n');
  }

  /** Pid of the ib-code that runs. */
  pid(): number | undefined {
    return readdirSync('/proc')
      .map(Number)
      .find((pid) => {
        const argv = Number.isInteger(pid) ? readProc(pid, 'cmdline').split('\0') : [];
        return argv.includes(this.configFile) && argv[0] === process.execPath;
      });
  }
}

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});

/** A gateway that asks for a code, and where that code belongs. */
async function asking(knobs: Readonly<Record<string, string>> = TOTP) {
  const jvm = await bench.gateway(knobs);
  const { bridge } = await bench.client(jvm);
  await logIn(bridge);
  scene.connect(jvm.socket);
  return { jvm, bridge, target: await targetIn(bridge) };
}

async function targetIn(bridge: BridgeClient): Promise<CodeTarget> {
  const dialog = await windowCalled(bridge, FACTOR);
  return {
    window: dialog.id,
    title: FACTOR,
    near: ASKS,
    path: ofClass(dialog, 'javax.swing.JTextField').path,
    button: withText(dialog, 'OK').path,
    buttonText: 'OK',
  };
}

function why(outcome: CodeOutcome): string {
  return outcome.kind === 'not-typed' ? outcome.why : outcome.kind;
}

function codesSeen(lines: readonly string[]): number {
  return lines.filter((line) => /second factor code (accepted|rejected)/.test(line)).length;
}

describe('ib-code', () => {
  it('types the code of the ordered step, which is accepted, and neither code nor seed is anywhere else', async () => {
    const { jvm, bridge, target } = await asking();
    const order = await scene.order(target);
    assert.ok(order.kind === 'type');
    const watched = watchCommandLines(scene);
    const result = await scene.runner().run(order);
    const seen = watched.stop();
    assert.deepEqual([result.id, result.step, result.outcome], [order.id, order.step, { kind: 'typed' }]);
    await jvm.sees('second factor code accepted');
    await windowCalled(bridge, 'IBKR Gateway - Live Trading');
    assert.equal(statSync(scene.paths.codeResult).mode & 0o777, 0o640);
    assert.equal(statSync(scene.paths.code).mode & 0o777, 0o750);
    assert.equal(statSync(scene.paths.codeState).mode & 0o777, 0o700);
    assert.equal(existsSync(scene.paths.codeOrder), false, 'an order that was carried out is taken away');
    const told = `${scene.everything()}\n${JSON.stringify(result)}\n${seen}`;
    assert.match(told, /the one-time code of the session live is typed/);
    assert.ok(seen.includes('code-main.ts'), 'its command line and environment were looked at');
    assert.equal(told.includes(makeCode(SEED, order.step)), false, 'the code is told');
    for (const part of [SEED, SEED.toLowerCase(), SEED.slice(4, 16)]) {
      assert.equal(told.includes(part), false, 'the seed is told');
    }
  });

  it('uses an order once, and an earlier result stays', async () => {
    const { jvm, target } = await asking({ 'second.factor': 'totp', 'totp.code': '000000' });
    const order = await scene.order(target);
    const runner = scene.runner();
    const [first, second] = await Promise.all([runner.run(order), runner.run(order)]);
    assert.deepEqual(first.outcome, { kind: 'typed' });
    await jvm.sees('second factor code rejected len=6');
    // The first one's result is what became of this order.
    assert.deepEqual(second, first);
    rmSync(scene.paths.codeResult);
    const third = await runner.run(order);
    assert.equal(why(third.outcome), 'order-used');
    assert.equal(codesSeen(jvm.lines), 1);
  });

  it('types nothing where the window is another, has another text, or has closed since it was looked at', async () => {
    const { jvm, bridge, target } = await asking();
    const runner = scene.runner();
    for (const change of [
      { window: 'w999' },
      { near: 'Something else' },
      { title: 'Login' },
      { buttonText: 'Ok' },
    ]) {
      const { outcome } = await runner.run(await scene.order({ ...target, ...change }));
      assert.equal(why(outcome), 'window-gone', JSON.stringify(change));
    }
    const order = await scene.order(target);
    const cancel = withText(await windowCalled(bridge, FACTOR), 'Cancel');
    await bridge.click({ window: target.window, path: cancel.path, text: 'Cancel' });
    await jvm.sees('second factor cancelled');
    assert.equal(why((await runner.run(order)).outcome), 'window-gone');
    assert.equal(codesSeen(jvm.lines), 0);
  });

  it('types nothing into what is no field', async () => {
    const { jvm, target } = await asking();
    const order = await scene.order({ ...target, path: target.button });
    assert.equal(why((await scene.runner().run(order)).outcome), 'field-refused');
    assert.equal(codesSeen(jvm.lines), 0);
  });

  it('says that there is no bridge, when no JVM runs, one died, or something else is in its place', async () => {
    const target = { window: 'w1', title: FACTOR, near: null, path: '0', button: '1', buttonText: 'OK' };
    const runner = scene.runner();
    assert.equal(why((await runner.run(await scene.order(target))).outcome), 'bridge-absent');
    const { jvm } = await asking();
    await jvm.end();
    assert.equal(why((await runner.run(await scene.order(target))).outcome), 'bridge-absent');
    rmSync(scene.paths.bridgeSocket);
    writeFileSync(scene.paths.bridgeSocket, '');
    assert.equal(why((await runner.run(await scene.order(target))).outcome), 'bridge-absent');
  });

  it('gives up on a frozen event thread, and the code is not typed later', async () => {
    const { jvm, target } = await asking();
    const order = await scene.order(target);
    await appendFile(join(jvm.settings, 'standin.properties'), 'now.freeze.ms=9000\n');
    await jvm.sees('event thread frozen');
    assert.equal(why((await scene.runner().run(order)).outcome), 'frozen');
    const { bridge } = await bench.client(jvm);
    await until('the event thread answers', () => jvm.running);
    assert.equal((await bridge.ping(20_000)).eventThread, 'answers');
    assert.equal(codesSeen(jvm.lines), 0);
  });

  it('types nothing before or after the time of the step', async () => {
    const { jvm, target } = await asking();
    const order = await scene.order(target);
    assert.ok(order.kind === 'type');
    const runner = scene.runner();
    const over = await runner.run({ ...order, id: 'a', step: order.step - 1 });
    assert.equal(why(over.outcome), 'step-over');
    const early = await runner.run({ ...order, id: 'b', step: order.step + 2 });
    assert.equal(why(early.outcome), 'step-not-yet');
    assert.equal(codesSeen(jvm.lines), 0);
  });

  it('that is killed while it types leaves word that it may have typed', async () => {
    const { jvm, target } = await asking();
    const order = await scene.order(target);
    await appendFile(join(jvm.settings, 'standin.properties'), 'now.freeze.ms=8000\n');
    await jvm.sees('event thread frozen');
    const running = scene.runner().run(order);
    await until('it has begun to type', () => existsSync(scene.paths.codeResult));
    process.kill(await until('its pid', () => scene.pid()), 'SIGKILL');
    const result = await running;
    assert.equal(result.outcome.kind, 'uncertain');
    assert.equal(result.step, order.kind === 'type' ? order.step : null);
    // What another agent is told later.
    assert.deepEqual(await scene.runner().lastResult(order.id), result);
    assert.equal(await scene.runner().lastResult('another'), null);
  });

  it('whose gateway dies while it types says that the end is not known', async () => {
    const { jvm, target } = await asking();
    const order = await scene.order(target);
    await appendFile(join(jvm.settings, 'standin.properties'), 'now.freeze.ms=8000\n');
    await jvm.sees('event thread frozen');
    const running = scene.runner().run(order);
    await until('it has begun to type', () => existsSync(scene.paths.codeResult));
    await jvm.end();
    assert.equal((await running).outcome.kind, 'uncertain');
  });

  it('refuses without an order, with one for another session, and with one that is too old', async () => {
    const runner = scene.runner();
    const old = await runner.run({ ...scene.check('old'), notAfter: clock.now() - 1 });
    assert.equal(why(old.outcome), 'order-expired');
    const foreign = await runner.run({ ...scene.check('foreign'), session: 'paper' });
    assert.equal(why(foreign.outcome), 'order-invalid');
    assert.equal(existsSync(scene.paths.codeResult), false);
    assert.match(scene.lines.join('\n'), /nothing was typed: The order .* is for the session paper\./);
    assert.equal(await runner.lastResult('old'), null);
  });
});

describe('a check', () => {
  it('says that codes can be made, also of an otpauth address', async () => {
    const runner = scene.runner();
    assert.deepEqual((await runner.run(scene.check())).outcome, { kind: 'ok' });
    scene.seal(`otpauth://totp/IBKR:x?secret=${SEED}&issuer=IBKR\n`);
    assert.deepEqual((await runner.run(scene.check('check-2'))).outcome, { kind: 'ok' });
    assert.equal(scene.everything().includes(SEED), false);
  });

  for (const [what, prepare, expected] of [
    ['missing', () => rmSync(join(scene.credentials, 'seed')), 'seed-missing'],
    ['open to others', () => scene.seal(SEED, 0o644), 'seed-unsafe'],
    ['not base32', () => scene.seal('JBSWY3DPEHPK3PX1'), 'seed-invalid'],
    ['too short', () => scene.seal('JBSWY3DP'), 'seed-invalid'],
    [
      'for codes of eight digits',
      () => scene.seal(`otpauth://totp/x?secret=${SEED}&digits=8`),
      'seed-invalid',
    ],
    ['empty', () => scene.seal('\n'), 'seed-invalid'],
  ] as const) {
    it(`says that the seed is ${what}, and nothing of it`, async () => {
      prepare();
      const { outcome } = await scene.runner().run(scene.check());
      assert.equal(why(outcome), expected);
      assert.ok(outcome.kind === 'not-typed' && outcome.hint !== '');
      assert.doesNotMatch(scene.everything(), /JBSWY3DP/);
    });
  }
});

describe('ib-clock', () => {
  it('compares the clock with that of the server, whatever its status', async () => {
    const behind = 90_000;
    const server = createServer((request, response) => {
      assert.equal(request.method, 'HEAD');
      response.writeHead(302, { date: new Date(Date.now() - behind).toUTCString(), location: '/x' });
      response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      scene = new Scene({ clock: { compareWith: `http://127.0.0.1:${port}/` } });
      const comparison = await scene.runner().compareClock();
      assert.ok(comparison.kind === 'compared', JSON.stringify(comparison));
      assert.ok(
        Math.abs(comparison.offsetMs - behind) <= comparison.uncertaintyMs + 50,
        JSON.stringify(comparison),
      );
      assert.ok(comparison.uncertaintyMs >= 500);
      assert.match(scene.lines.join('\n'), /this clock is \d+\.\d s ahead of that of 127\.0\.0\.1/);
      assert.equal(statSync(scene.paths.clockResult).mode & 0o777, 0o640);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  it('says why no clock was compared', async () => {
    const off = await scene.runner().compareClock();
    assert.ok(off.kind === 'failed' && off.why === 'off');
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address() as AddressInfo;
    free.close();
    await once(free, 'close');
    scene = new Scene({ clock: { compareWith: `http://127.0.0.1:${port}/` } });
    const away = await scene.runner().compareClock();
    assert.ok(away.kind === 'failed' && away.why === 'unreachable', JSON.stringify(away));
  });
});

/** Reads command lines and environments of the programs of a scene, again and again. */
function watchCommandLines(of: Scene): { stop(): string } {
  let seen = '';
  const timer = clock.every(5, () => {
    const pid = of.pid();
    const found = pid === undefined ? '' : `${readProc(pid, 'cmdline')}\n${readProc(pid, 'environ')}`;
    // One that has ended has neither any more.
    if (found.length > seen.length) seen = found;
  });
  return {
    stop: () => {
      timer.cancel();
      return seen;
    },
  };
}
