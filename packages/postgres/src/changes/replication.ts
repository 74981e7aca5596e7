import { once } from 'node:events';
import { ConnectorError } from '@sluice/core/driver';
import type { Client, Connection } from 'pg';
import { breakAtAbort } from '../break-at-abort.js';
import { endClient, endsWithin } from '../end-client.js';
import { stateOf } from '../error.js';
import { quoted } from '../identifier.js';
import { formatLsn } from './lsn.js';
import { decodePgoutput, type PgoutputMessage } from './pgoutput.js';
import { type Keepalive, ReceivedQueue } from './received-queue.js';

/**
 * Logical replication over a connection of `pg`: https://www.postgresql.org/docs/current/protocol-replication.html
 *
 * What was received is never reported as flushed: that is for {@link ReplicationStream.confirm} alone.
 */
export interface ReplicationRequest {
  readonly slot: string;
  readonly publication: string;
  /** Where to begin: the server sends the transactions whose commit record lies here or behind. */
  readonly from: bigint;
  /** Above it the connection is not read on, and the server waits. */
  readonly maxQueuedBytes: number;
  /** How often the server hears of this client, also while nothing is read. */
  readonly statusIntervalMs: number;
  /** Starting is given up when it is aborted. */
  readonly signal: AbortSignal;
}

/** What comes from the server. */
export type Received = PgoutputMessage | Keepalive;

interface Notice {
  readonly code: string | undefined;
  readonly message: string | undefined;
}

const xLogData = 0x77;
const keepalive = 0x6b;
/** Letter, start, end and time of the server, before the plugin's own message. */
const xLogDataHeader = 1 + 8 + 8 + 8;
/** A server that was asked and has not said a word for so many intervals is gone. */
const silentIntervals = 3;
/** `object_not_in_prerequisite_state`: a warning with it is about the publication. */
const passedOver = '55000';
/** How long the server may take to end the stream in peace. */
const endMs = 1000;
/**
 * The server sends each change by itself, and a read for each would cost several times what the change does. So after a read that
 * has emptied the socket, the next one waits for so long.
 */
const gatherMs = 1;
/** What a read gives at the most: with less, the socket is empty. */
const fullRead = 64 * 1024;

/** Streams the changes of a slot. */
export class ReplicationStream {
  readonly #client: Client;
  readonly #connection: Connection;
  readonly #request: ReplicationRequest;
  readonly #queue = new ReceivedQueue();
  /** Not read on: too much is queued. */
  #isFull = false;
  /** Not read on for a moment, so that more gathers. */
  #gathering: NodeJS.Timeout | undefined;
  /** The last place that was heard of, and the last one that may be forgotten. */
  #received: bigint;
  #confirmed = 0n;
  #silentFor = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended: Promise<void> = Promise.resolve();
  #stopping = false;

  private constructor(client: Client, request: ReplicationRequest) {
    this.#client = client;
    this.#connection = client.connection;
    this.#request = request;
    this.#received = request.from;
  }

  /** Starts to stream. Takes the client over; it is closed when this rejects. */
  static async start(client: Client, request: ReplicationRequest): Promise<ReplicationStream> {
    const stream = new ReplicationStream(client, request);
    try {
      request.signal.throwIfAborted();
      await breakAtAbort(client, request.signal, () => stream.#begin());
    } catch (error) {
      await endClient(client);
      throw error;
    }
    return stream;
  }

  async #begin(): Promise<void> {
    const { slot, publication, from, statusIntervalMs } = this.#request;
    const publications = quoted(publication).replaceAll("'", "''");
    const sql = `START_REPLICATION SLOT ${quoted(slot)} LOGICAL ${formatLsn(from)} (proto_version '1', publication_names '${publications}')`;
    this.#client.on('notice', this.#onNotice);
    this.#connection.on('copyData', this.#onCopyData);
    this.#connection.stream.on('data', this.#onRead); // behind pg's own listener, which takes the messages apart
    const started = new AbortController();
    const begun = once(this.#connection, 'replicationStart', { signal: started.signal });
    begun.catch(() => undefined); // when the query has failed
    const over = this.#client.query(sql);
    this.#ended = over.then(
      () => this.#fail(new ConnectorError('not_connected', 'the server ended the stream; it may be shutting down')),
      (error: unknown) => this.#fail(streamError(error, this.#request)),
    );
    await Promise.race([begun, this.#ended]);
    if (this.#failure !== undefined) throw this.#failure.error;
    started.abort();
    this.#timer = setInterval(this.#tick, statusIntervalMs);
  }

  /**
   * The next thing that came; undefined when nothing waits.
   *
   * @throws why the stream has ended, once everything that came before is taken; ConnectorError `unsupported` at a change that cannot be
   *   read, which ends it, too
   */
  take(): Received | undefined {
    const next = this.#queue.take();
    if (next === undefined && this.#failure !== undefined && !this.#stopping) throw this.#failure.error;
    if (this.#isFull && this.#queue.bytes * 2 <= this.#request.maxQueuedBytes) {
      this.#isFull = false;
      this.#readOn();
    }
    return Buffer.isBuffer(next) ? this.#decode(next) : next;
  }

  #decode(bytes: Buffer): PgoutputMessage {
    try {
      return decodePgoutput(bytes);
    } catch (error) {
      this.#queue.clear(); // so that no position passes it
      this.#fail(error);
      throw error;
    }
  }

  /** Resolves when something waits, the stream has failed, or the signal is aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#queue.isEmpty || this.#failure !== undefined || signal.aborted) return;
    const woken = Promise.withResolvers<void>();
    const wake = (): void => woken.resolve();
    this.#wake = wake;
    signal.addEventListener('abort', wake);
    await woken.promise;
    signal.removeEventListener('abort', wake);
  }

  /** Ends the stream for a reason that it cannot see itself. */
  fail(error: unknown): void {
    this.#fail(error);
  }

  /** Lets the server forget what lies before `lsn`. Never goes back. */
  confirm(lsn: bigint): void {
    if (lsn <= this.#confirmed) return;
    this.#confirmed = lsn;
    this.#sendStatus(false);
  }

  /** Says what may be forgotten for the last time, and closes the connection. Idempotent. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    clearInterval(this.#timer);
    this.#queue.clear();
    this.#wake();
    if (this.#failure === undefined) {
      this.#sendStatus(false);
      // The server reads everything up to here before it lets the slot go.
      this.#connection.stream.write(copyDone);
      this.#connection.stream.resume();
      await endsWithin(endMs, this.#ended);
    }
    await endClient(this.#client);
  }

  readonly #onCopyData = ({ chunk }: { readonly chunk: Buffer }): void => {
    this.#silentFor = 0;
    // Nothing is heard behind a failure, so that no position passes what it was about.
    if (this.#stopping || this.#failure !== undefined) return;
    if (chunk[0] === xLogData) {
      this.#hear(chunk.readBigUInt64BE(1));
      this.#queue.pushChange(chunk.subarray(xLogDataHeader));
    } else if (chunk[0] === keepalive) {
      const lsn = chunk.readBigUInt64BE(1);
      this.#hear(lsn);
      const replyRequested = chunk[17] === 1;
      if (replyRequested) this.#sendStatus(false);
      this.#queue.pushKeepalive(lsn, replyRequested);
    }
    if (!this.#isFull && this.#queue.bytes >= this.#request.maxQueuedBytes) {
      this.#isFull = true;
      this.#connection.stream.pause();
    }
    this.#wake();
  };

  /**
   * From Postgres 18 on, a server that does not find the publication at some place of its log passes over the changes there, and only
   * warns.
   */
  readonly #onNotice = ({ code, message }: Notice): void => {
    if (code === passedOver) this.#fail(withoutPublication(message ?? 'the publication was not found', this.#request));
  };

  readonly #onRead = (bytes: Buffer): void => {
    const { stream } = this.#connection;
    // What was read already costs nothing more, as with TLS, which reads on while it is paused.
    const isEmpty = bytes.length < fullRead && stream.readableLength === 0;
    if (!isEmpty || this.#gathering !== undefined || this.#stopping) return;
    stream.pause();
    this.#gathering = setTimeout(() => {
      this.#gathering = undefined;
      this.#readOn();
    }, gatherMs);
  };

  #readOn(): void {
    if (!this.#isFull && this.#gathering === undefined) this.#connection.stream.resume();
  }

  #hear(lsn: bigint): void {
    if (lsn > this.#received) this.#received = lsn;
  }

  readonly #tick = (): void => {
    if (this.#isFull) this.#silentFor = 0;
    else if (this.#silentFor++ >= silentIntervals) {
      const text = `the server has been silent for ${(silentIntervals * this.#request.statusIntervalMs) / 1000} s`;
      this.#fail(new ConnectorError('not_connected', text));
      this.#connection.stream.destroy();
      return;
    }
    this.#sendStatus(!this.#isFull);
  };

  /** Standby status update: written, flushed and applied up to where, in Postgres' words. */
  #sendStatus(replyRequested: boolean): void {
    if (this.#failure !== undefined || !this.#connection.stream.writable) return;
    const bytes = Buffer.alloc(5 + 34);
    bytes.write('d', 0, 'latin1');
    bytes.writeInt32BE(bytes.length - 1, 1);
    bytes.write('r', 5, 'latin1');
    bytes.writeBigUInt64BE(this.#received, 6);
    bytes.writeBigUInt64BE(this.#confirmed, 14);
    bytes.writeBigUInt64BE(this.#confirmed, 22);
    bytes.writeBigUInt64BE((BigInt(Date.now()) - postgresEpochMs) * 1000n, 30);
    bytes.writeUInt8(replyRequested ? 1 : 0, 38);
    this.#connection.stream.write(bytes);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    clearInterval(this.#timer);
    this.#wake();
  }
}

/** What the server's reasons mean for a stream. */
function streamError(error: unknown, request: ReplicationRequest): unknown {
  const reason = error instanceof Error ? error.message : '';
  switch (stateOf(error)) {
    case '55006':
      // Waiting helps in both cases, however long it takes.
      return new ConnectorError(
        'not_connected',
        `${reason}: another pipeline reads the slot, or the server has not noticed yet (wal_sender_timeout) that the last connection is gone`,
        { cause: error },
      );
    case '42704':
      return withoutPublication(reason, request, error);
    default:
      return error;
  }
}

function withoutPublication(
  reason: string,
  { slot, publication }: ReplicationRequest,
  cause?: unknown,
): ConnectorError {
  return new ConnectorError(
    'not_found',
    `${reason}: publication "${publication}" was dropped, or made after changes that slot "${slot}" still has, so they cannot be read. Remove the slot with "sluice teardown" and begin with a new one`,
    { cause },
  );
}

/** 2000-01-01, from which Postgres counts. */
export const postgresEpochMs = 946_684_800_000n;

const copyDone = Buffer.from([0x63, 0, 0, 0, 4]);
