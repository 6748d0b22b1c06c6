// Owns the types of the part of node-ipc 14.0.0 that the transport uses; the package brings none.

declare module 'node-ipc' {
  import type { Socket } from 'node:net';

  export class IPCProtocolError extends Error {
    readonly code: string;
  }

  type Config = {
    appspace: string;
    socketRoot: string;
    id: string;
    encoding: 'utf8';
    rawBuffer: boolean;
    parser: 'guarded';
    sync: boolean;
    unlink: boolean;
    identifyPeer: boolean;
    delimiter: string;
    maxMessageSize: number;
    maxPendingBytes: number;
    maxEventNameLength: number;
    messageTimeout: number;
    allowReservedEvents: boolean;
    silent: boolean;
    logPayloads: boolean;
    logger: (line: string) => void;
    maxConnections: number;
    maxRetries: number;
    stopRetrying: boolean;
  };

  /** What `serve` builds. `addSocket`, `write` and `clearMessageTimer` are not documented; the transport's contract test guards them. */
  type IpcServer = {
    on(type: string, listener: (...values: unknown[]) => void): IpcServer;
    write(socket: Socket, frame: Buffer): boolean;
    addSocket(socket: Socket): void;
    clearMessageTimer(socket: Socket): void;
  };

  type IpcClient = {
    on(type: string, listener: (...values: unknown[]) => void): IpcClient;
    emit(type: string, data: unknown): boolean;
  };

  class IPC {
    readonly config: Config;
    readonly server: IpcServer | false;
    readonly of: Record<string, IpcClient | undefined>;
    serve(path: string): void;
    connectTo(id: string, path: string, ready: () => void): void;
    disconnect(id: string): void;
  }

  const singleton: { readonly IPC: typeof IPC };
  // biome-ignore lint/style/noDefaultExport: the package has only this one
  export default singleton;
}
