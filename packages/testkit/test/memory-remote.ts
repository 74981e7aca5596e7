import type { Message, SinkDriver, SourceBatch, SourceDriver } from '@sluice/core/driver';
import type { Connection } from './door.js';
import type { MemoryWorld } from './memory-server.js';

/** What the server gives a message that was delivered before. */
export const redeliveredTopic = 'redelivered';

/** What a remote source is made of. */
export interface RemoteSource {
  /** The server's side of it. */
  readonly driver: SourceDriver;
  readonly connection: Connection;
  readonly world: MemoryWorld;
  /** Whether messages that come again are marked, as queues do. */
  readonly marksRepeats: boolean;
}

/** Messages that a queue has given out, of all servers. */
const delivered = new WeakSet<Message>();

/** A source driver whose every call goes through a connection that it keeps alive. */
export function remoteSource({ driver, connection, world, marksRepeats }: RemoteSource): SourceDriver {
  const { commit, partitions } = driver;
  const beat = (): void => void world.heard.set(connection, world.system.clock.now());
  const timer = setInterval(() => {
    if (world.heartbeats === 'always') beat();
  }, world.livenessTimeoutMs / 5);
  const forget = (): void => {
    clearInterval(timer);
    world.heard.delete(connection);
  };
  beat();
  connection.onReset(() => {
    forget();
    // A server lets go of what a client held whose connection is gone.
    void driver.close();
  });
  const marked = (batch: SourceBatch): SourceBatch => {
    if (!marksRepeats) return batch;
    const messages = batch.messages.map((message) =>
      delivered.has(message) ? { ...message, topic: redeliveredTopic } : message,
    );
    for (const message of batch.messages) delivered.add(message);
    return { ...batch, messages };
  };
  return {
    ...driver,
    ...(partitions === undefined
      ? {}
      : { partitions: (signal) => remoteItems({ items: () => partitions(signal), connection, signal }) }),
    read: (partition, position, options) =>
      remoteItems({
        items: () => driver.read(partition, position, options),
        connection,
        signal: options.signal,
        onPull: beat,
        change: marked,
      }),
    ...(commit === undefined
      ? {}
      : { commit: (partition, position) => connection.request('commit', () => commit(partition, position)) }),
    close: async () => {
      forget();
      connection.close();
      await driver.close();
    },
  };
}

interface RemoteItems<T> {
  /** Asked for when the first request arrives, so that one which never does asks for nothing. */
  readonly items: () => AsyncIterable<T>;
  readonly connection: Connection;
  readonly signal: AbortSignal;
  readonly onPull?: () => void;
  readonly change?: (item: T) => T;
}

/** An iterator whose every step goes through the network. */
function remoteItems<T>({
  items,
  connection,
  signal,
  onPull = () => {},
  change = (item) => item,
}: RemoteItems<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]: () => {
      let iterator: AsyncIterator<T> | undefined;
      const pull = (): Promise<IteratorResult<T>> => {
        iterator ??= items()[Symbol.asyncIterator]();
        return iterator.next();
      };
      return {
        next: async () => {
          onPull();
          const result = await connection.request('read', pull, signal);
          return result.done === true ? result : { done: false, value: change(result.value) };
        },
        return: async () => (await iterator?.return?.()) ?? { done: true, value: undefined },
      };
    },
  };
}

/** A sink driver whose every call goes through a connection. */
export function remoteSink(driver: SinkDriver, connection: Connection): SinkDriver {
  const { flush, claim } = driver;
  connection.onReset(() => void driver.close());
  return {
    write: (batch, signal) => connection.request('write', () => driver.write(batch, signal), signal),
    ...(flush === undefined
      ? {}
      : { flush: (checkpoint, signal) => connection.request('flush', () => flush(checkpoint, signal), signal) }),
    ...(claim === undefined ? {} : { claim: (partitions) => connection.request('claim', () => claim(partitions)) }),
    close: async () => {
      connection.close();
      await driver.close();
    },
  };
}
