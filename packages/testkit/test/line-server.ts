import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { listenOnFreePort } from '../src/free-port.js';
import { type FaultProxyOptions, startFaultProxy, type TestServer } from '../src/index.js';

/** A server that answers each line with the same line; `… later` only when another line has come. */
export interface LineServer
  extends Pick<TestServer, 'proxy' | 'pause' | 'resume' | 'restart' | 'kill' | 'stop'>,
    AsyncDisposable {
  /** What has arrived. */
  readonly lines: readonly string[];
}

const host = '127.0.0.1';

/** Starts one in this process, with a proxy in front of it that sees whole lines. */
export async function startLineServer(options: Pick<FaultProxyOptions, 'correlationId'> = {}): Promise<LineServer> {
  const lines: string[] = [];
  const sockets = new Set<Socket>();
  let isPaused = false;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    if (isPaused) socket.pause();
    answer(socket, lines);
  });
  const port = await listenOnFreePort(server, host);
  const proxy = await startFaultProxy({ targetHost: host, targetPort: port, messageLength: lineLength, ...options });
  const kill = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
  };
  const stop = async (): Promise<void> => {
    await proxy.close();
    await kill();
  };
  return {
    lines,
    proxy,
    pause: async () => {
      isPaused = true;
      for (const socket of sockets) socket.pause();
    },
    resume: async () => {
      isPaused = false;
      for (const socket of sockets) socket.resume();
    },
    restart: async () => {
      await kill();
      server.listen(port, host);
      await once(server, 'listening');
    },
    kill,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function answer(socket: Socket, lines: string[]): void {
  const later: string[] = [];
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n')) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      lines.push(line);
      if (line.endsWith('later')) later.push(line);
      else for (const each of [line, ...later.splice(0)]) socket.write(`${each}\n`);
    }
  });
}

function lineLength(buffer: Buffer): number | undefined {
  const end = buffer.indexOf('\n');
  return end === -1 ? undefined : end + 1;
}
