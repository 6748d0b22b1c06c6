import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { sendIbcCommand } from '../../src/gateway/ibc-command.ts';
import { type Clock, SystemClock } from '../../src/host/clock.ts';

const clock = new SystemClock();
const DEADLINE_MS = 20_000;
const servers: { server: Server; sockets: Set<Socket> }[] = [];

afterEach(async () => {
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  }
});

/** A command server whose connections are handled by `serve`, with the text of what the client has sent so far. */
async function listen(serve: (socket: Socket, received: () => string) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let text = '';
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      text += chunk;
    });
    serve(socket, () => text);
  });
  servers.push({ server, sockets });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

type Step = { readonly send: string } | { readonly expect: string } | 'end';

/** The talks in a captured transcript: `>>` the client's lines, `<<` what the server wrote, one write each. */
function readTranscript(name: string): Step[][] {
  const text = readFileSync(new URL(`../fixtures/ibc-logs/${name}`, import.meta.url), 'utf8');
  const talks: Step[][] = [];
  let talk: Step[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*(>>|<<) (?:b?'(.*)'|(EOF))$/.exec(line);
    if (match === null) continue;
    const [, direction, quoted = '', eof] = match;
    const words = quoted.replaceAll('\\n', '\n');
    if (eof !== undefined) {
      talks.push([...talk, 'end']);
      talk = [];
    } else talk.push(direction === '>>' ? { expect: words } : { send: words });
  }
  return talks;
}

/** Plays one captured talk; the bytes of each write go out one by one when `bytewise`. */
function play(steps: readonly Step[], bytewise = false): (socket: Socket, received: () => string) => void {
  return (socket, received) => {
    const left = [...steps];
    let expected = '';
    const go = () => {
      for (let step = left[0]; step !== undefined; step = left[0]) {
        if (step === 'end') socket.end();
        else if ('send' in step)
          for (const part of bytewise ? [...step.send] : [step.send]) socket.write(part);
        else {
          if (received() !== expected + step.expect) return;
          expected += step.expect;
        }
        left.shift();
      }
    };
    socket.on('data', go);
    go();
  };
}

const STOP_REPLIES = [
  { kind: 'INFO', text: 'IBC Command Server' },
  { kind: 'INFO', text: 'Closing IBC' },
  { kind: 'OK', text: 'Shutting down: STOP command' },
];

describe('captured talks', () => {
  for (const bytewise of [false, true]) {
    const how = bytewise ? ', byte by byte' : '';

    it(`STOP of a logged-in gateway is accepted${how}`, async () => {
      const [, talk = []] = readTranscript('01-commands-transcript.log');
      const port = await listen(play(talk, bytewise));
      assert.deepEqual(await sendIbcCommand(port, 'STOP', { deadlineMs: DEADLINE_MS, clock }), {
        outcome: 'accepted',
        replies: STOP_REPLIES,
        closed: true,
      });
    });

    it(`STOP while the second factor is pending is answered in full${how}`, async () => {
      const [talk = []] = readTranscript('12-transcript.log');
      const port = await listen(play(talk, bytewise));
      const outcome = await sendIbcCommand(port, 'STOP', { deadlineMs: DEADLINE_MS, clock });
      assert.deepEqual(outcome, { outcome: 'accepted', replies: STOP_REPLIES, closed: true });
    });

    it(`RESTART gives two OK lines, and a second one is refused${how}`, async () => {
      const [first = [], second = []] = readTranscript('05-restart-transcript.log');
      const accepted = await sendIbcCommand(await listen(play(first, bytewise)), 'RESTART', {
        deadlineMs: DEADLINE_MS,
        clock,
      });
      assert.deepEqual(accepted, {
        outcome: 'accepted',
        replies: [
          { kind: 'INFO', text: 'IBC Command Server' },
          { kind: 'INFO', text: 'Restarting TWS' },
          { kind: 'OK', text: 'RESTART in progress' },
          { kind: 'OK', text: 'RESTART at 04:36 AM' },
        ],
        closed: true,
      });
      const refused = await sendIbcCommand(await listen(play(second, bytewise)), 'RESTART', {
        deadlineMs: DEADLINE_MS,
        clock,
      });
      assert.equal(refused.outcome, 'refused');
      assert.deepEqual(refused.replies.at(-1), { kind: 'ERROR', text: 'RESTART already in progress' });
      assert.equal(refused.closed, true);
    });
  }
});

describe('servers that misbehave', () => {
  it('leave no timer behind, whatever the end', async () => {
    let live = 0;
    const counting: Clock = {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs(),
      every: (intervalMs, callback) => clock.every(intervalMs, callback),
      after: (delayMs, callback) => {
        live++;
        const timer = clock.after(delayMs, callback);
        return {
          cancel: () => {
            live--;
            timer.cancel();
          },
        };
      },
    };
    const port = await listen((socket) => socket.end('OK done\n'));
    await sendIbcCommand(port, 'STOP', { deadlineMs: DEADLINE_MS, clock: counting });
    assert.equal(live, 0);
  });

  it('nothing listens: no server', async () => {
    const port = await listen(() => {});
    const { server } = servers.splice(0)[0] ?? assert.fail('no server');
    server.close();
    await once(server, 'close');
    assert.deepEqual(await sendIbcCommand(port, 'STOP', { deadlineMs: DEADLINE_MS, clock }), {
      outcome: 'no-server',
      replies: [],
      closed: false,
    });
  });

  it('closed with no bytes, as when access is denied: no reply', async () => {
    const port = await listen((socket) => socket.end());
    assert.deepEqual(await sendIbcCommand(port, 'STOP', { deadlineMs: DEADLINE_MS, clock }), {
      outcome: 'no-reply',
      replies: [],
      closed: true,
    });
  });

  it('only a greeting until the deadline: no reply, and not closed by the server', async () => {
    const port = await listen((socket) => socket.write('INFO IBC Command Server\n'));
    assert.deepEqual(await sendIbcCommand(port, 'STOP', { deadlineMs: 30, clock }), {
      outcome: 'no-reply',
      replies: [{ kind: 'INFO', text: 'IBC Command Server' }],
      closed: false,
    });
  });

  it('RESTART whose second OK never comes counts as accepted when the deadline passes', async () => {
    const port = await listen((socket) => socket.write('OK RESTART in progress\n'));
    const outcome = await sendIbcCommand(port, 'RESTART', { deadlineMs: 50, clock });
    assert.deepEqual([outcome.outcome, outcome.replies.length, outcome.closed], ['accepted', 1, false]);
  });

  it('a reset after the reply, as by a JVM that halts at once, keeps the reply', async () => {
    const port = await listen((socket) => {
      socket.on('data', () =>
        socket.write('OK Shutting down: STOP command\n', () => socket.resetAndDestroy()),
      );
    });
    const outcome = await sendIbcCommand(port, 'STOP', { deadlineMs: DEADLINE_MS, clock });
    assert.equal(outcome.closed, true);
    // The kernel may throw away unread bytes on a reset; what was read counts.
    assert.ok(outcome.outcome === 'accepted' || outcome.outcome === 'no-reply');
  });

  it('a bare OK is a reply, prompts and half a line are none', async () => {
    const port = await listen((socket) => socket.end('ibc>\nOK \r\nOKAY\nERROR half'));
    assert.deepEqual(await sendIbcCommand(port, 'STOP', { deadlineMs: DEADLINE_MS, clock }), {
      outcome: 'accepted',
      replies: [{ kind: 'OK', text: '' }],
      closed: true,
    });
  });

  it('a flood is cut off long before the deadline', async () => {
    const port = await listen((socket) => {
      const flood = () => {
        while (!socket.destroyed && socket.write('x'.repeat(64 * 1024)));
      };
      socket.on('drain', flood);
      flood();
    });
    const before = performance.now();
    const outcome = await sendIbcCommand(port, 'STOP', { deadlineMs: DEADLINE_MS, clock });
    assert.deepEqual(outcome, { outcome: 'no-reply', replies: [], closed: false });
    assert.ok(performance.now() - before < DEADLINE_MS / 2);
  });

  it('takes little of a long answer, and no account id: whoever has the port may have written it', async () => {
    const port = await listen((socket) => socket.end(`ERROR U1234567 ${'x'.repeat(10_000)}\n`));
    const { replies } = await sendIbcCommand(port, 'STOP', { deadlineMs: DEADLINE_MS, clock });
    assert.equal(replies[0]?.text.length, 500);
    assert.match(replies[0]?.text ?? '', /^U\*\*\*67 x+$/);
  });
});
