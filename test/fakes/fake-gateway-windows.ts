// Owns a stand-in for the window bridge of a gateway's JVM: a socket that serves the windows of a small gateway, and fails as it is told.

import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { AutoTime } from '../../src/bridge/auto-time.ts';

type Request = Readonly<Record<string, unknown>> & { readonly id: number; readonly op: string };
type Answer = Readonly<Record<string, unknown>> | { readonly error: Readonly<Record<string, unknown>> };

/** `drop` ends the bridge with the JVM still there; `mute` never answers. */
export type Fault = 'drop' | 'mute' | { readonly code: string; readonly frozenMs?: number };

const BOUNDS = [0, 0, 1, 1];

export class FakeGatewayWindows {
  readonly pid: number;
  /** What was done, in order: `menu Close`, `click Yes`, `text 04:36`. */
  readonly done: string[] = [];
  main = true;
  menus: readonly string[] = ['Close', 'Settings'];
  /** Open "Exit" dialogs. */
  questions = 0;
  shutdown = false;
  /** The open configuration with what is typed into it. */
  configuration: (AutoTime & { page: boolean }) | null = null;
  auto: AutoTime = { action: 'logoff', time: '11:45', half: 'PM' };
  /** File > Close asks; without, nothing comes of it. */
  asks = true;
  /** Titles of further windows. */
  others: readonly string[] = [];
  /** Called for each request; a fault instead of doing it. */
  fault: (op: string, request: Request) => Fault | null = () => null;
  /** After the exit is confirmed, as a JVM that ends; by default the bridge goes. */
  onShutdown: () => void = () => this.end();
  /** Epoch milliseconds of its JVM. */
  now: () => number = () => Date.now();
  #server: Server | null = null;
  readonly #sockets = new Set<Socket>();
  #ids = 0;

  constructor(pid = process.pid) {
    this.pid = pid;
  }

  async serve(path: string): Promise<this> {
    mkdirSync(dirname(path), { recursive: true });
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      const hello = { hello: 'ib-bridge', protocol: 1, pid: this.pid, java: '17.0.1', premainMicros: 1 };
      socket.write(`${JSON.stringify(hello)}\n`);
      let rest = '';
      socket.on('data', (chunk: Buffer) => {
        const lines = (rest + chunk.toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) this.#take(socket, JSON.parse(line) as Request);
      });
    });
    server.listen(path);
    await once(server, 'listening');
    this.#server = server;
    return this;
  }

  /** The bridge goes, as when its JVM ends. */
  end(): void {
    this.#server?.close();
    this.#server = null;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  #take(socket: Socket, request: Request): void {
    const fault = this.fault(request.op, request);
    if (fault === 'drop') this.end();
    if (fault === 'drop' || fault === 'mute') return;
    const answer =
      fault === null ? this.#answer(request) : { error: { message: `It is ${fault.code}.`, ...fault } };
    socket.write(`${JSON.stringify({ id: request.id, ok: !('error' in answer), ...answer })}\n`);
    if (this.shutdown && request.op === 'click') this.onShutdown();
  }

  #answer(request: Request): Answer {
    switch (request.op) {
      case 'hello':
        return {};
      case 'clock':
        return { now: this.now(), zone: 'Etc/UTC', offsetMinutes: 0 };
      case 'windows':
        return { awt: 'running', truncated: false, windows: this.#windows(request['window']) };
      case 'menu':
        return this.#menu((request['items'] as readonly string[]).at(-1) ?? '');
      case 'click':
        return this.#click(String(request['window']), String(request['text']));
      case 'select-row':
        if (this.configuration === null) return STALE;
        this.configuration.page = true;
        return { returned: true };
      case 'set-text':
        if (this.configuration === null) return STALE;
        this.done.push(`text ${request['text']}`);
        this.configuration = { ...this.configuration, time: String(request['text']) };
        return { returned: true };
      default:
        return { error: { code: 'unknown-op', message: request.op } };
    }
  }

  #menu(item: string): Answer {
    if (!this.main) return STALE;
    this.done.push(`menu ${item}`);
    if (item === 'Close' && this.asks) this.questions += 1;
    if (item === 'Settings') {
      this.#ids += 1;
      this.configuration = { ...this.auto, page: false };
    }
    return { returned: item !== 'Close' };
  }

  #click(window: string, text: string): Answer {
    const open = window === 'exit' ? this.questions > 0 : this.configuration !== null;
    if (!open) return STALE;
    this.done.push(`click ${text}`);
    if (text === 'Yes') {
      this.questions -= 1;
      this.shutdown = true;
    } else if (this.configuration !== null) {
      const { page: _, ...typed } = this.configuration;
      if (text === 'OK') this.auto = typed;
      if (text === 'OK' || text === 'Cancel') this.configuration = null;
      else if (text === 'AM' || text === 'PM') this.configuration = { ...this.configuration, half: text };
      else {
        const action = text === 'Auto restart' ? 'restart' : 'logoff';
        this.configuration = { ...this.configuration, action };
      }
    }
    return { returned: true };
  }

  #windows(only: unknown): readonly object[] {
    const windows: { id: string }[] = this.others.map((title, index) =>
      aWindow(`o${index}`, 'dialog', title, []),
    );
    if (this.main) {
      const items = this.menus.map((text, index) => part(`0/0/${index}`, { text }));
      const menus = [part('0/0', { text: 'File' }), ...items, part('0/1', { text: 'Configure' })];
      const settings = this.menus.includes('Settings') ? [part('0/1/0', { text: 'Settings' })] : [];
      const help = [part('0/2', { text: 'Help' }), part('0/2/0', { text: 'About IB Gateway' })];
      windows.push(aWindow('main', 'frame', 'IBKR Gateway', [part('0', {}), ...menus, ...settings, ...help]));
    }
    if (this.questions > 0) {
      const question = part('0', { text: 'Are you sure you want to exit?' });
      windows.push(aWindow('exit', 'dialog', 'Exit', [question, part('1', { text: 'Yes' })]));
    }
    if (this.shutdown) windows.push(aWindow('down', 'dialog', 'Shutdown progress', []));
    if (this.configuration !== null) windows.push(this.#configurationWindow(this.configuration));
    return windows.filter(({ id }) => only === undefined || id === only);
  }

  #configurationWindow({ page, action, time, half }: AutoTime & { page: boolean }): { id: string } {
    const rows = { count: 2, selected: page ? 1 : 0, texts: ['API', 'Lock and Exit'] };
    const lock = [
      part('2', { visible: page }),
      part('2/0', {}),
      part('2/0/0', { text: 'Set Auto Restart Time (HH:MM)' }),
      part('2/1', { text: time, editable: true }),
      part('2/2', { text: 'AM', selected: half === 'AM' }),
      part('2/3', { text: 'PM', selected: half === 'PM' }),
      part('2/4', { text: 'Auto restart', selected: action === 'restart' }),
      part('2/5', { text: 'Auto logoff', selected: action === 'logoff' }),
    ];
    const buttons = [part('3', { text: 'OK' }), part('4', { text: 'Cancel' })];
    return aWindow(`config${this.#ids}`, 'dialog', 'IBKR Gateway Configuration', [
      part('1', { rows }),
      ...lock,
      ...buttons,
    ]);
  }
}

const STALE = { error: { code: 'stale', message: 'It is not as it was.' } } as const;

function aWindow(id: string, kind: string, title: string, components: readonly object[]) {
  return {
    id,
    class: 'x.Window',
    kind,
    title,
    modal: false,
    owner: null,
    active: true,
    enabled: true,
    bounds: BOUNDS,
    components,
  };
}

function part(place: string, members: Readonly<Record<string, unknown>>): object {
  return { path: `${place}:javax.swing.JComponent`, bounds: BOUNDS, ...members };
}
