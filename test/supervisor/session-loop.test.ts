// Checks a session's loop: real lines in, states and events out, and what is on disk before anything starts.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import type { SessionConfig } from '../../src/config/types.ts';
import { formatLaunchFailure } from '../../src/gateway/launch-records.ts';
import { AgentError } from '../../src/protocol/errors.ts';
import { LIMITS } from '../domain/session-scene.ts';
import type { FakeClock } from '../fakes/fake-clock.ts';
import { aSession } from '../launch/builders.ts';
import { ibc, LoopScene, logLines } from './loop-scene.ts';

const scenes: LoopScene[] = [];

function aScene(
  change: Partial<SessionConfig> = {},
  parts: { readonly root?: string; readonly clock?: FakeClock } = {},
): LoopScene {
  const scene = new LoopScene(change, parts);
  scenes.push(scene);
  return scene;
}

afterEach(() => {
  for (const scene of scenes.splice(0)) scene.remove();
});

/** Logs in and plays one captured JVM; the API proves itself at the first line that says the login has completed. */
function play(scene: LoopScene, lines: readonly string[]): void {
  for (const line of lines) {
    scene.host.say(line);
    if (line.includes('IBC: Login has completed') && scene.phase === 'loading') scene.api.prove();
  }
}

function secondFactorOf(seconds: number): Partial<SessionConfig> {
  return { deadlines: { ...aSession().deadlines, secondFactorMs: seconds * 1000 } };
}

/** The wish for each session in the file that keeps it. */
function wishes(file: unknown): unknown {
  return (file as { sessions: unknown }).sessions;
}

describe('the captured logs', () => {
  type Story = {
    readonly name: string;
    readonly file: string;
    readonly jvms: readonly [from: number, to: number, exit: Parameters<LoopScene['host']['exit']>[0]][];
    readonly config?: Partial<SessionConfig>;
    readonly states: string;
    readonly events: string;
  };
  const RESTART = { flags: { coldRestart: true, pause: false } };
  const STORIES: readonly Story[] = [
    {
      name: 'a login without second factor that somebody stops through the command port',
      file: '01-live-no2fa-stop.log',
      jvms: [[44, 241, {}]],
      states: 'starting logging-in loading ready stopping backing-off',
      events:
        'session-starting login-submitted session-ready setting-failed setting-failed gateway-exited session-lost session-backing-off',
    },
    {
      name: 'a paper login whose settings are typed in meanwhile',
      file: '02-paper-configtasks.log',
      jvms: [[44, 395, { status: 143 }]],
      states: 'starting logging-in loading ready backing-off',
      events:
        'session-starting login-submitted session-ready gateway-exited session-lost session-backing-off',
    },
    {
      name: 'a push that is not answered in time: the gateway is stopped before IBC can send another',
      file: '03-ibkey-timeout-relogin.log',
      jvms: [[44, 216, {}]],
      config: secondFactorOf(4),
      states: 'starting logging-in awaiting-second-factor stopping backing-off',
      events:
        'session-starting login-submitted second-factor-pending second-factor-timeout gateway-exited session-backing-off',
    },
    {
      name: 'a push that is answered, after which the login hangs until IBC exits with 1111',
      file: '04-ibkey-hang-1111-exit.log',
      jvms: [[44, 215, { status: 87 }]],
      states: 'starting logging-in awaiting-second-factor loading backing-off',
      events:
        'session-starting login-submitted second-factor-pending setting-failed gateway-exited session-backing-off',
    },
    {
      name: 'a code, then a restart that leaves a token, and the restarted gateway until it is killed',
      file: '05-totp-xdotool-nowm.log',
      jvms: [
        [44, 358, { autorestart: { tokens: 'one', ageMs: 1 } }],
        [368, 543, { status: 143 }],
      ],
      states: 'starting logging-in awaiting-second-factor loading ready restarting loading ready backing-off',
      events:
        'session-starting login-submitted second-factor-pending second-factor-accepted session-ready restart-started gateway-exited session-starting session-ready restart-finished gateway-exited session-lost session-backing-off',
    },
    {
      name: 'a device list that IBC answers, a wrong code, the right one',
      file: '06-device-then-totp.log',
      jvms: [[44, 231, { status: 143 }]],
      states:
        'starting logging-in awaiting-second-factor logging-in awaiting-second-factor loading ready backing-off',
      events:
        'session-starting login-submitted second-factor-pending second-factor-pending second-factor-accepted session-ready gateway-exited session-lost session-backing-off',
    },
    {
      name: 'a command that kills the JVM before the login dialog',
      file: '07-reconnectdata-before-mainwindow.log',
      jvms: [[44, 186, { status: 76 }]],
      states: 'starting backing-off',
      events: 'session-starting setting-failed gateway-exited session-backing-off',
    },
    {
      name: 'no login dialog within the time of IBC (1112)',
      file: '08-login-dialog-timeout-1112.log',
      jvms: [[44, 180, { status: 88 }]],
      states: 'starting backing-off',
      events: 'session-starting setting-failed gateway-exited session-backing-off',
    },
    {
      name: 'another session that is first pushed aside and then takes over',
      file: '09-existing-session-primary.log',
      jvms: [[44, 226, {}]],
      states: 'starting logging-in loading ready logging-in halted',
      events:
        'session-starting login-submitted existing-session session-ready session-lost existing-session gateway-exited session-halted',
    },
    {
      name: 'too many failed logins: stopped before IBC tries again',
      file: '10-too-many-failed-logins.log',
      jvms: [[44, 204, {}]],
      states: 'starting logging-in stopping backing-off',
      events: 'session-starting login-submitted login-refused gateway-exited session-backing-off',
    },
    {
      name: 'a STOP of somebody else while the second factor is pending',
      file: '12-stop-during-2fa.log',
      jvms: [[44, 211, {}]],
      states: 'starting logging-in awaiting-second-factor backing-off',
      events: 'session-starting login-submitted second-factor-pending gateway-exited session-backing-off',
    },
    {
      name: 'a PAUSE of somebody else',
      file: '13-pause.log',
      jvms: [
        [44, 236, { flags: { coldRestart: false, pause: true }, autorestart: { tokens: 'one', ageMs: 1 } }],
      ],
      states: 'starting logging-in loading ready stopping halted',
      events: 'session-starting login-submitted session-ready gateway-exited session-lost session-halted',
    },
    {
      name: 'wrong codes, each opening the dialog anew, until IBC exits',
      file: '14-totp-reject-reopens.log',
      jvms: [[44, 224, { status: 87 }]],
      states: 'starting logging-in awaiting-second-factor loading awaiting-second-factor backing-off',
      events:
        'session-starting login-submitted second-factor-pending second-factor-pending setting-failed gateway-exited session-backing-off',
    },
    {
      name: '"Login failed", which IBC would repeat for ever',
      file: '15-login-failed-coldrestart.log',
      jvms: [[44, 208, RESTART]],
      states: 'starting logging-in backing-off',
      events: 'session-starting login-submitted login-refused gateway-exited session-backing-off',
    },
    {
      name: 'a wrong password, on which IBC hangs for ever',
      file: '16-bad-password-stuck.log',
      jvms: [[44, 204, { status: 143 }]],
      states: 'starting logging-in stopping halted',
      events: 'session-starting login-submitted login-refused gateway-exited session-halted',
    },
    {
      name: 'a locale in which IBC cannot set the restart time',
      file: '18-locale-en-GB.log',
      jvms: [[44, 225, { status: 143 }]],
      states: 'starting logging-in loading ready backing-off',
      events:
        'session-starting login-submitted setting-failed session-ready gateway-exited session-lost session-backing-off',
    },
    {
      name: 'no connection to IBKR, which IBC would repeat for ever',
      file: '24-conn-failed-coldrestart.log',
      jvms: [[44, 206, RESTART]],
      states: 'starting logging-in backing-off',
      events: 'session-starting login-submitted login-refused gateway-exited session-backing-off',
    },
    {
      name: 'a second factor device that is not in the list, on which IBC hangs for ever',
      file: '25-bad-2fa-device.log',
      jvms: [[44, 206, { status: 143 }]],
      states: 'starting logging-in awaiting-second-factor stopping halted',
      events: 'session-starting login-submitted second-factor-pending gateway-exited session-halted',
    },
    {
      name: 'a login error, which IBC would repeat for ever',
      file: '26-login-error-coldrestart.log',
      jvms: [[44, 208, RESTART]],
      states: 'starting logging-in backing-off',
      events: 'session-starting login-submitted login-refused gateway-exited session-backing-off',
    },
    {
      name: 'no X display',
      file: '28-no-x-display.log',
      jvms: [[44, 169, { status: 76 }]],
      states: 'starting backing-off',
      events: 'session-starting setting-failed gateway-exited session-backing-off',
    },
    {
      name: 'a gateway without the configuration menu',
      file: '29-missing-config-menu.log',
      jvms: [[44, 213, { status: 76 }]],
      states: 'starting logging-in backing-off',
      events:
        'session-starting login-submitted setting-failed setting-failed gateway-exited session-backing-off',
    },
  ];
  for (const story of STORIES) {
    it(`tell ${story.name}`, () => {
      const scene = aScene(story.config);
      scene.loop.operate('login');
      for (const [from, to, exit] of story.jvms) {
        play(scene, logLines(story.file, from, to));
        scene.host.exit(exit);
      }
      assert.equal(scene.states.slice(1).join(' '), story.states);
      assert.equal(scene.eventNames().join(' '), story.events);
    });
  }

  it('leave the agent alone when they are cut anywhere: it decides by its own deadlines', () => {
    const lines = logLines('05-totp-xdotool-nowm.log', 44, 274);
    for (let cut = 0; cut < lines.length; cut += 15) {
      const scene = aScene();
      scene.loop.operate('login');
      scene.host.say(...lines.slice(0, cut));
      scene.clock.advance(15 * 60_000);
      assert.ok(['stopping', 'degraded'].includes(scene.phase), `${cut} lines: ${scene.phase}`);
    }
  });
});

/** A ledger's file without the reading of the clock, which is another one each time. */
function withoutClock(ledger: unknown): unknown {
  const { clock: _, ...rest } = ledger as Record<string, unknown>;
  return rest;
}

describe('a launch', () => {
  it('is in the ledger and in the order file before the launcher starts', () => {
    const scene = aScene();
    let seen: unknown = null;
    scene.host.onStart = (order) => {
      seen = {
        ledger: withoutClock(scene.readJson(scene.paths.ledger)),
        order: scene.readJson(scene.paths.launchOrder),
        mode: statSync(scene.paths.launchOrder).mode & 0o777,
        same: order,
      };
    };
    scene.loop.operate('login');
    const [order] = scene.host.orders;
    assert.ok(order !== undefined);
    const at = scene.clock.now();
    assert.deepEqual(seen, {
      ledger: {
        v: 1,
        entries: [{ at, user: 'me', session: 'live', kind: 'login', order: order.id, by: 'agent' }],
        leases: [{ user: 'me', session: 'live', order: order.id, until: at + 450_000, shown: false }],
        steps: [],
      },
      order: { v: 1, session: 'live', id: order.id, kind: 'cold', notAfter: at + 60_000 },
      mode: 0o640,
      same: order,
    });
  });

  it('has an id of its own each time', () => {
    const scene = aScene();
    scene.bringUp();
    scene.loop.operate('restart-cold');
    scene.host.exit();
    const ids = scene.host.orders.map((order) => order.id);
    assert.equal(new Set(ids).size, 2);
    for (const id of ids) assert.match(id, /^[0-9a-f-]{36}$/);
  });

  it('that is warm costs no login', () => {
    const scene = aScene();
    scene.bringUp();
    scene.host.exit({ autorestart: { tokens: 'one', ageMs: 5 } });
    assert.deepEqual(scene.host.asked, ['start cold', 'start warm']);
    assert.equal((scene.readJson(scene.paths.launchOrder) as { kind: string }).kind, 'warm');
    assert.equal(scene.ledger.budget('me', LIMITS).loginsLastHour, 1);
  });

  it('does not happen when the ledger cannot be written: halted, and the host is never asked', () => {
    const scene = aScene();
    // A file in the place of the directory: permissions do not stop root.
    rmSync(scene.paths.state, { recursive: true });
    writeFileSync(scene.paths.state, '');
    assert.throws(
      () => scene.loop.operate('login'),
      (error) => error instanceof AgentError && error.code === 'state-unwritable',
    );
    assert.deepEqual(scene.host.asked, ['stop-display']);
    assert.equal(existsSync(scene.paths.launchOrder), false);
    const { phase, reason, run } = scene.loop.state;
    assert.deepEqual([phase.name, reason, run], ['halted', 'state-unwritable', null]);
    assert.ok(phase.name === 'halted');
    assert.match(phase.text, /cannot write the ledger .*ledger\.json: ENOTDIR/);
  });

  it('does not happen when the order cannot be written, and the login stays counted', () => {
    const scene = aScene();
    mkdirSync(scene.paths.launchOrder);
    scene.loop.operate('login');
    assert.deepEqual([scene.phase, scene.host.orders.length], ['halted', 0]);
    assert.equal(scene.ledger.budget('me', LIMITS).loginsLastHour, 1);
  });

  it('whose launcher fails halts with its words and is not counted', () => {
    const scene = aScene();
    scene.loop.operate('login');
    scene.host.complain(
      formatLaunchFailure({
        code: 'jars-missing',
        message: 'no jars in /opt/Jts',
        hint: 'install it',
      }).trimEnd(),
    );
    scene.host.exit({ orderId: null, status: 78 });
    const { phase, reason } = scene.loop.state;
    assert.ok(phase.name === 'halted');
    assert.deepEqual([reason, phase.hint], ['launch-failed', 'install it; then run: ibctl login']);
    assert.match(phase.text, /no jars in \/opt\/Jts/);
    assert.equal(scene.ledger.budget('me', LIMITS).loginsLastHour, 0);
  });

  it('for which the display is not there yet is tried again', () => {
    const scene = aScene();
    scene.loop.operate('login');
    scene.host.complain(
      formatLaunchFailure({ code: 'display-unreachable', message: 'm', hint: 'h' }).trimEnd(),
    );
    scene.host.exit({ orderId: null, status: 78 });
    assert.equal(scene.phase, 'backing-off');
  });

  it('that java refuses halts with its last words, account ids masked', () => {
    const scene = aScene();
    scene.loop.operate('login');
    scene.host.complain('Error: could not open settings of U1234567');
    scene.host.exit({ status: 1 });
    const { phase, reason } = scene.loop.state;
    assert.ok(phase.name === 'halted');
    assert.equal(reason, 'java-failed');
    assert.match(phase.text, /settings of U\*\*\*67/);
  });
});

describe('timers', () => {
  it('are armed for the next deadline only, and armed anew with each state', () => {
    const scene = aScene();
    assert.deepEqual(scene.clock.pending, []);
    scene.loop.operate('login');
    assert.deepEqual(scene.clock.pending, [scene.config.deadlines.startMs]);
    scene.clock.advance(1_000);
    scene.host.say(ibc('Login dialog WINDOW_OPENED: LoginState is LOGGED_OUT'));
    assert.deepEqual(scene.clock.pending, [scene.config.deadlines.loginMs]);
    scene.host.say(ibc('Login has completed'));
    scene.api.prove();
    assert.deepEqual([scene.phase, scene.clock.pending], ['ready', []]);
  });

  it('lead from a back-off to the next try', () => {
    const scene = aScene();
    scene.bringUp();
    scene.host.exit({ status: 1 });
    assert.ok(scene.loop.state.phase.name === 'backing-off');
    const wait = scene.loop.state.phase.until - scene.clock.now();
    scene.clock.advance(wait - 1);
    assert.equal(scene.phase, 'backing-off');
    scene.clock.advance(1);
    assert.equal(scene.phase, 'starting');
  });

  it('fall due by the time that has passed, whichever way the clock was set', () => {
    for (const jump of [-3_600_000, 3_600_000]) {
      const scene = aScene();
      scene.loop.operate('login');
      scene.clock.setWall(scene.clock.now() + jump);
      scene.loop.dispatch({ kind: 'api-mute' });
      scene.clock.advance(scene.config.deadlines.startMs - 1);
      assert.equal(scene.phase, 'starting', `${jump}`);
      scene.clock.advance(1);
      assert.equal(scene.phase, 'stopping', `${jump}`);
    }
  });

  it('of a halted session are not armed', () => {
    const scene = aScene();
    scene.loop.operate('login');
    play(scene, logLines('16-bad-password-stuck.log', 44, 204));
    scene.host.exit({ status: 143 });
    assert.deepEqual([scene.phase, scene.clock.pending], ['halted', []]);
  });
});

describe('an operator', () => {
  function codeOf(action: () => void): string {
    try {
      action();
    } catch (error) {
      assert.ok(error instanceof AgentError);
      return error.code;
    }
    return 'none';
  }

  it('gets the wish written before the launch and kept over a restart of the agent', () => {
    const scene = aScene();
    let atStart: unknown = null;
    scene.host.onStart = () => {
      atStart = scene.readJson(scene.paths.desired);
    };
    scene.loop.operate('start');
    assert.deepEqual(wishes(atStart), { live: 'up' });
    scene.loop.operate('stop');
    assert.deepEqual(wishes(scene.readJson(scene.paths.desired)), { live: 'down' });
  });

  it('is told login-deferred, with the time, when the budget is used up; also after a restart of the agent', () => {
    const before = aScene({ restart: { ...aSession().restart, backoffMinMs: 1_000, backoffMaxMs: 1_000 } });
    before.bringUp();
    for (let round = 0; round < 3; round += 1) {
      before.host.exit({ status: 1 });
      before.clock.advance(1_000);
      if (before.phase === 'starting') before.bringUp();
    }
    assert.deepEqual([before.phase, before.loop.state.reason], ['halted', 'login-budget']);
    const after = aScene({}, { root: before.root, clock: before.clock });
    assert.throws(
      () => after.loop.operate('login'),
      (error) =>
        error instanceof AgentError &&
        error.code === 'login-deferred' &&
        error.data?.['blockedUntil'] === '2026-11-23T10:00:00.000Z',
    );
    assert.deepEqual(after.host.asked, []);
    assert.deepEqual(after.eventNames(), ['login-deferred']);
    after.loop.dispatch({ kind: 'agent-started', desired: 'up' });
    assert.deepEqual([after.phase, after.host.orders.length], ['halted', 0]);
  });

  it('is told what cannot be done in the state', () => {
    const scene = aScene();
    assert.equal(
      codeOf(() => scene.loop.operate('restart-warm')),
      'warm-restart-unavailable',
    );
    scene.bringUp();
    assert.equal(
      codeOf(() => scene.loop.operate('restart-warm')),
      'none',
    );
    assert.equal(
      codeOf(() => scene.loop.operate('restart-warm')),
      'wrong-state',
    );
    assert.deepEqual(scene.host.asked, ['start cold', 'ask-restart']);
  });

  it('hears that the wish could not be written although the session stops, and so do status and events', () => {
    const scene = aScene();
    scene.bringUp();
    rmSync(scene.paths.state, { recursive: true });
    writeFileSync(scene.paths.state, '');
    assert.equal(
      codeOf(() => scene.loop.operate('stop')),
      'state-unwritable',
    );
    assert.equal(scene.phase, 'stopping');
    assert.ok(scene.eventNames().includes('state-unwritable'));
    rmSync(scene.paths.state);
    mkdirSync(scene.paths.state);
    assert.equal(
      codeOf(() => scene.loop.operate('start')),
      'none',
    );
    assert.deepEqual(scene.loop.state.conditions, []);
  });

  it('who comes while the agent is stopping is sent away, and nothing is started', async () => {
    const scene = aScene();
    scene.bringUp();
    const done = scene.loop.shutDown();
    assert.equal(
      codeOf(() => scene.loop.operate('login')),
      'agent-stopping',
    );
    scene.host.exit();
    await done;
    assert.deepEqual(scene.host.asked, ['start cold', 'stop tidy', 'stop-display', 'close']);
    assert.deepEqual([scene.phase, scene.loop.state.reason], ['stopped', 'agent-stopping']);
    assert.deepEqual(wishes(scene.readJson(scene.paths.desired)), { live: 'up' });
    assert.deepEqual(scene.clock.pending, []);
  });
});

describe('the ledger of a loop', () => {
  it('counts a login that IBC makes by itself although the disk is full, once it can be written', () => {
    const scene = aScene();
    scene.bringUp();
    rmSync(scene.paths.state, { recursive: true });
    writeFileSync(scene.paths.state, '');
    scene.host.say(ibc('Re-login to session'));
    assert.equal(scene.ledger.budget('me', LIMITS).loginsLastHour, 2);
    assert.ok(scene.eventNames().includes('state-unwritable'));
    rmSync(scene.paths.state);
    mkdirSync(scene.paths.state);
    scene.host.say(ibc('Re-login to session'));
    const { entries } = scene.readJson(scene.paths.ledger) as { entries: unknown[] };
    assert.equal(entries.length, 3);
  });

  it('counts each push under the order of its run', () => {
    const scene = aScene();
    scene.loop.operate('login');
    play(scene, logLines('04-ibkey-hang-1111-exit.log', 44, 215));
    const { entries } = scene.readJson(scene.paths.ledger) as { entries: { kind: string; order: string }[] };
    const order = scene.host.orders[0]?.id;
    assert.deepEqual(
      entries.map((entry) => [entry.kind, entry.order]),
      [
        ['login', order],
        ['push', order],
      ],
    );
  });
});

describe('lines', () => {
  it('are handed on as they are, with time, source and stream', () => {
    const scene = aScene();
    scene.loop.operate('login');
    scene.host.say('FAKEGW account U1234567');
    scene.host.complain('Xvfb: fatal', 'display');
    assert.deepEqual(scene.lines, [
      {
        at: '2026-11-23T09:00:00.000Z',
        session: 'live',
        source: 'session',
        stream: 'stdout',
        text: 'FAKEGW account U1234567',
      },
      {
        at: '2026-11-23T09:00:00.000Z',
        session: 'live',
        source: 'display',
        stream: 'stderr',
        text: 'Xvfb: fatal',
      },
    ]);
  });

  it('that mean nothing change nothing, whatever is in them', () => {
    const scene = aScene();
    scene.bringUp();
    const before = scene.loop.state;
    scene.host.say(
      '',
      '\u0000',
      '!'.repeat(100_000),
      ibc(''),
      ibc('something new'),
      '2026-11-23',
      '{}',
      '\ud800',
    );
    scene.host.complain('launch-failed {broken');
    scene.host.complain('WARNING: unknown module');
    assert.deepEqual(scene.loop.state, before);
  });

  it('give no account id to events and conditions', () => {
    const scene = aScene();
    scene.bringUp();
    scene.host.say(ibc('detected dialog entitled: Notice for U1234567; event=Opened'));
    scene.clock.advance(5_000);
    assert.equal(scene.events.at(-1)?.fields['IB_TITLE'], 'Notice for U***67');
    scene.host.say(ibc('detected dialog entitled: Notice for U1234567; event=Closed'));
    assert.deepEqual(scene.loop.state.conditions, []);
  });

  it('of one JVM are not continued by the next: each run is read from its own beginning', () => {
    const scene = aScene();
    scene.loop.operate('login');
    scene.host.say(ibc('version: 3.24.1'), '!'.repeat(79));
    scene.host.exit({ autorestart: { tokens: 'none', ageMs: null }, status: 1 });
    scene.clock.advance(60_000);
    scene.bringUp();
    assert.deepEqual([scene.phase, scene.loop.state.conditions], ['ready', []]);
  });
});

describe('the API of a session', () => {
  it('is watched patiently from the main window on, eagerly once logged in, patiently when ready, and not after the end', () => {
    const scene = aScene();
    scene.bringUp();
    scene.host.exit({ status: 1 });
    assert.deepEqual(scene.api.asked, ['patient', 'eager', 'patient', 'off']);
  });
});

describe('an event', () => {
  it('says where the session stood before and after', () => {
    const scene = aScene();
    scene.loop.operate('login');
    const [event] = scene.events;
    assert.ok(event !== undefined);
    assert.deepEqual(
      {
        event: event.event,
        from: event.previousState,
        to: event.state,
        session: event.session,
        reason: event.reason,
      },
      {
        event: 'session-starting',
        from: 'stopped',
        to: 'starting',
        session: 'live',
        reason: 'operator-login',
      },
    );
  });

  it('that begins a launch is told before the launcher starts', () => {
    const scene = aScene();
    let before: string[] = [];
    scene.host.onStart = () => {
      before = scene.eventNames();
    };
    scene.loop.operate('login');
    assert.deepEqual(before, ['session-starting']);
  });
});

describe('those who watch a loop', () => {
  it('see every change in order, until they stop watching', () => {
    const scene = aScene();
    const seen: string[] = [];
    const stop = scene.loop.watch((state) => seen.push(state.phase.name));
    scene.loop.operate('login');
    stop();
    scene.bringUp();
    assert.deepEqual([...new Set(seen)], ['starting']);
  });
});

describe('the windows of a session', () => {
  it('are watched from the launch to the end of each JVM, often while something is expected', () => {
    const scene = aScene();
    scene.loop.operate('login');
    assert.deepEqual([scene.windows.asked, scene.windows.expected], [['unwatch', 'watch'], true]);
    scene.bringUp();
    assert.deepEqual([scene.phase, scene.windows.expected], ['ready', false]);
    scene.host.exit({ status: 1 });
    assert.deepEqual(scene.windows.asked, ['unwatch', 'watch', 'unwatch']);
    scene.clock.advance(3_600_000);
    assert.deepEqual(scene.windows.asked.slice(3), ['unwatch', 'watch']);
  });

  it('tell which second factor is pending, whatever is configured', () => {
    const scene = aScene({ secondFactor: { method: 'unknown', device: null } });
    scene.loop.operate('login');
    scene.host.say(ibc('Login attempt: 1'));
    const detail = { window: 'w5', prompt: 'Enter the code', challenge: null, devices: null, app: null };
    scene.windows.tell({ kind: 'bridge', up: true, detail: '' });
    scene.windows.tell({ kind: 'second-factor-shown', method: 'code', detail });
    scene.host.say(ibc('detected dialog entitled: Second Factor Authentication; event=Opened'));
    scene.host.say(ibc('Second Factor Authentication initiated'));
    const pending = scene.events.filter(({ event }) => event === 'second-factor-pending');
    assert.deepEqual(
      pending.map(({ fields }) => fields['IB_METHOD']),
      ['code'],
    );
    assert.equal(scene.ledger.budget('me', LIMITS).pushes24h, 1);
  });

  it('that are gone make the host look at once, for a while', () => {
    const scene = aScene();
    scene.bringUp();
    assert.equal(scene.host.expected, false);
    scene.windows.go();
    assert.equal(scene.host.expected, true);
    scene.api.tell({ kind: 'api-latency', ms: 1 });
    assert.equal(scene.host.expected, true, 'whatever is heard meanwhile');
    scene.clock.advance(10_000);
    assert.equal(scene.host.expected, false);
  });
});
