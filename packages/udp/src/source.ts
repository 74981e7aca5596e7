import type { RemoteInfo, Socket } from 'node:dgram';
import {
  ConnectorError,
  type DriverContext,
  type Position,
  type ReadOptions,
  type SourceBatch,
  type SourceDriver,
} from '@sluice/core/driver';
import { bindSocket } from './bound-socket.js';
import { closeSocket } from './close-socket.js';
import type { UdpSourceSettings } from './config.js';
import { DatagramQueue } from './datagram-queue.js';
import { DatagramReader } from './message.js';
import type { UdpOptions } from './options.js';
import { growReceiveBuffer, smallBufferNotice } from './receive-buffer.js';
import { TrafficReport } from './traffic-report.js';

/** Opens the socket; datagrams are received from then on, whether or not somebody reads. */
export async function openUdpSource(
  config: UdpSourceSettings,
  options: UdpOptions,
  context: DriverContext,
): Promise<SourceDriver> {
  const socket = await bindSocket(config, context.signal);
  const source = new UdpSource(socket, config, context);
  try {
    await source.start(options);
    return source;
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Reads one bound socket. */
class UdpSource implements SourceDriver {
  readonly #socket: Socket;
  readonly #config: UdpSourceSettings;
  readonly #context: DriverContext;
  readonly #queue: DatagramQueue;
  readonly #reader = new DatagramReader();
  readonly #report: TrafficReport;
  #gatherTimer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #failure: Error | undefined;

  /** Ends the wait of a reader that found nothing. */
  #wake: (() => void) | undefined;
  /** Whether a batch went out less than `gatherMs` ago. */
  #gathering = false;
  #wakePlanned = false;

  constructor(socket: Socket, config: UdpSourceSettings, context: DriverContext) {
    this.#socket = socket;
    this.#config = config;
    this.#context = context;
    this.#report = new TrafficReport(context);
    this.#queue = new DatagramQueue({ maxMessages: config.queueMaxMessages, maxBytes: config.queueMaxBytes });
    socket.on('message', (payload, from) => this.#take(payload, from));
    socket.on('error', (error) => {
      this.#failure = error;
      this.#wake?.();
    });
  }

  async start(options: UdpOptions): Promise<void> {
    const wanted = this.#config.recvBufferBytes;
    const granted = growReceiveBuffer(this.#socket, wanted);
    if (granted < wanted) this.#context.notice(smallBufferNotice(wanted, granted));
    const bound = this.#socket.address();
    if (this.#config.port === 0) this.#context.notice(`the system chose port ${bound.port}`);
    options.onSocket?.(this.#socket);
    await this.#report.start(bound);
  }

  async *read(_partition: string, _position: Position | undefined, options: ReadOptions): AsyncGenerator<SourceBatch> {
    this.#queue.limitBatches(options);
    const wake = () => this.#wake?.();
    options.signal.addEventListener('abort', wake);
    try {
      for (let last = false; !last; ) {
        await this.#readable(options.signal);
        if (this.#closing !== undefined) return;
        if (this.#failure !== undefined) throw this.#failure;
        // What was gathered so far is not lost to an abort.
        last = options.signal.aborted;
        const batch = this.#queue.shift();
        if (batch === undefined) continue;
        this.#gather();
        this.#report.tellCounts();
        yield batch;
      }
    } finally {
      options.signal.removeEventListener('abort', wake);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #take(payload: Uint8Array, from: RemoteInfo): void {
    this.#report.received++;
    const limit = this.#config.maxMessageBytes;
    const error = payload.length > limit ? tooLarge(payload.length, from, limit) : undefined;
    if (!this.#queue.push(this.#reader.read(payload, from), payload.length, error)) this.#report.droppedByQueue++;
    if (this.#wake !== undefined && (!this.#gathering || this.#queue.hasFullBatch)) this.#planWake();
  }

  #readable(signal: AbortSignal): Promise<void> | undefined {
    const ended = signal.aborted || this.#closing !== undefined || this.#failure !== undefined;
    if (ended || this.#queue.hasFullBatch || (this.#queue.length > 0 && !this.#gathering)) return undefined;
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  #planWake(): void {
    if (this.#queue.hasFullBatch) {
      this.#wake?.();
    } else if (!this.#wakePlanned) {
      // Node hands datagrams over one by one; by the end of this turn of the event loop the rest of the burst is here, too.
      this.#wakePlanned = true;
      setImmediate(() => {
        this.#wakePlanned = false;
        this.#wake?.();
      });
    }
  }

  #gather(): void {
    if (this.#config.gatherMs === 0) return;
    this.#gathering = true;
    this.#gatherTimer = this.#gatherTimer?.refresh() ?? setTimeout(() => this.#endGathering(), this.#config.gatherMs);
  }

  #endGathering(): void {
    this.#gathering = false;
    if (this.#queue.length > 0) this.#wake?.();
  }

  async #close(): Promise<void> {
    this.#report.stop();
    clearTimeout(this.#gatherTimer);
    this.#wake?.();
    await this.#report.tell();
    // What nobody took is lost with the socket.
    this.#report.droppedByQueue += this.#queue.length;
    this.#report.tellCounts();
    await closeSocket(this.#socket);
  }
}

function tooLarge(bytes: number, from: RemoteInfo, limit: number): ConnectorError {
  const sender = `${from.address} port ${from.port}`;
  const text = `a datagram of ${bytes} bytes from ${sender} is above maxMessageBytes (${limit}); raise it to let it pass`;
  return new ConnectorError('message_too_large', text);
}

/** Resolves when the port can be bound with this config; nothing stays open. Rejects with the system's error. */
export async function checkUdpSource(config: UdpSourceSettings, signal: AbortSignal): Promise<void> {
  await closeSocket(await bindSocket(config, signal));
}
