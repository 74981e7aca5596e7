import { withPayload } from '@sluice/core/driver';
import { brokenBatches, brokenRead, brokenSource, type Mutant, openedWith } from './mutant.js';

/** Broken ways to read. */
export const readMutants: readonly Mutant[] = [
  {
    behaviour: 'a source delivers every message of every partition once, and in order where it promises one',
    what: 'brings the first message of a batch twice',
    says: /repeated/,
    mutate: brokenBatches(() => (batch) => ({
      ...batch,
      messages: [...batch.messages.slice(0, 1), ...batch.messages],
    })),
  },
  {
    behaviour: 'a bounded source ends by itself, also where there is nothing to read',
    what: 'does not end where there is nothing to read',
    mode: { source: { bounded: true } },
    says: /the source|partition "p0" ends after its 0 messages/,
    mutate: brokenSource((driver) => ({
      ...driver,
      async *read(partition, position, options) {
        let empty = true;
        for await (const batch of driver.read(partition, position, options)) {
          empty = false;
          yield batch;
        }
        if (empty) await new Promise((resolve) => options.signal.addEventListener('abort', resolve));
      },
    })),
  },
  {
    behaviour: 'an unbounded source waits when it has read everything, and brings what comes later',
    what: 'ends when it has read everything',
    says: /ended after 20 of 25/,
    mutate: brokenSource((driver) => ({
      ...driver,
      async *read(...request) {
        const iterator = driver.read(...request)[Symbol.asyncIterator]();
        for (let lag: number | undefined = 1; lag !== 0; ) {
          const { value, done } = await iterator.next();
          if (done === true) return;
          yield value;
          lag = value.lag;
        }
      },
    })),
  },
  {
    behaviour: 'a batch keeps within the bytes that were asked for, and tells what it holds',
    what: 'does not count its bytes',
    says: /says that it holds 0 bytes/,
    mutate: brokenBatches(() => (batch) => ({ ...batch, bytes: 0 })),
  },
  {
    behaviour: 'a batch keeps within the bytes that were asked for, and tells what it holds',
    what: 'takes as much as it likes',
    says: /10000 were asked for/,
    mutate: brokenSource((driver) => ({
      ...driver,
      read: (partition, position, options) => driver.read(partition, position, { ...options, maxBytes: 1_000_000 }),
    })),
  },
  {
    behaviour: 'messages carry an operation where the source declares changes, and none where it does not',
    what: 'calls every message new',
    says: /message 0 has operation create/,
    mutate: brokenRead((message) => ({ ...message, operation: 'create' })),
  },
  {
    behaviour: 'messages carry an operation where the source declares changes, and none where it does not',
    what: 'declares changes and tells none',
    mode: { source: { changes: true } },
    says: /message 0 has no operation/,
    mutate: brokenRead((message) => ({ ...message, operation: undefined })),
  },
  {
    behaviour: 'every message has a key of its own where the source declares keys',
    what: 'forgets every key',
    says: /message 0 has key null/,
    mutate: brokenRead((message) => ({ ...message, key: null })),
  },
  {
    behaviour: 'a source tells how far it is behind where it declares a unit, down to nothing, and else does not',
    what: 'counts the last message as waiting',
    says: /must end with 0/,
    mutate: brokenBatches(() => (batch) => ({ ...batch, lag: (batch.lag ?? 0) + 1 })),
  },
  {
    behaviour: 'a source tells how far it is behind where it declares a unit, down to nothing, and else does not',
    what: 'tells a lag in no unit',
    mode: { source: { lag: false } },
    says: /declares no unit/,
    mutate: brokenBatches(() => (batch) => ({ ...batch, lag: 0 })),
  },
  {
    behaviour: 'a source with a window delivers no more until something is committed, and then goes on',
    what: 'declares a window and has none',
    mode: { source: { position: 'source', replayable: false, partitions: 'single', window: 50 } },
    says: /delivers 2000 messages without a commit/,
    mutate: openedWith({ window: undefined }),
  },
  {
    behaviour: 'a source without a window delivers everything, whether or not anything is committed',
    what: 'has a window and declares none',
    says: /brings message 51 of 2000/,
    mutate: openedWith({ window: 50 }),
  },
  {
    behaviour: 'a source that nobody pulls for three times its liveness timeout keeps partition, connection and place',
    what: 'shows signs of life only when it is pulled',
    mode: { source: { position: 'source', partitions: 'assigned' } },
    says: /the connection was reset/,
    mutate: (connector, server) => {
      server.heartbeats = 'when pulled';
      return connector;
    },
  },
  {
    behaviour: 'a source that nobody pulls holds a bounded part of a flood in memory',
    what: 'fetches as long as there is something',
    says: /MiB while nobody pulls/,
    mutate: brokenSource((driver) => ({
      ...driver,
      async *read(...request) {
        const queue: Parameters<typeof copyOf>[0][] = [];
        const fetching = (async () => {
          for await (const batch of driver.read(...request)) queue.push(copyOf(batch));
        })();
        const [, , { signal }] = request;
        for (; !signal.aborted; await new Promise((resolve) => setTimeout(resolve, 1))) {
          for (let next = queue.shift(); next !== undefined; next = queue.shift()) yield next;
        }
        await fetching;
      },
    })),
  },
  {
    behaviour: 'a source keeps every byte of a payload',
    what: 'takes payloads for text',
    says: /that nobody sent/,
    mutate: brokenRead((message) =>
      message.payload instanceof Uint8Array
        ? withPayload(message, Buffer.from(Buffer.from(message.payload).toString()))
        : message,
    ),
  },
  {
    behaviour: 'a source tells null from an empty payload',
    what: 'takes null for no bytes',
    says: /that nobody sent/,
    mutate: brokenRead((message) => withPayload(message, message.payload ?? new Uint8Array())),
  },
  {
    behaviour: 'a source reads a payload of 1 MiB, or the largest that its system takes',
    what: 'cuts payloads after 64 KiB',
    says: /65536 bytes/,
    mutate: brokenRead((message) =>
      message.payload instanceof Uint8Array ? withPayload(message, message.payload.subarray(0, 65_536)) : message,
    ),
  },
  {
    behaviour: 'a source keeps the key of a message',
    what: 'gives every message the same key',
    says: /key-m-0/,
    mutate: brokenRead((message) => ({ ...message, key: 'always' })),
  },
  {
    behaviour: 'a source keeps the headers of a message, with their order and repeats',
    what: 'keeps one header of each name',
    says: /headers/,
    mutate: brokenRead((message) => ({ ...message, headers: [...new Map(message.headers)] })),
  },
  {
    behaviour: 'a source keeps the time of a message, in milliseconds',
    what: 'tells the time in seconds',
    says: /time 1780000000\b/,
    mutate: brokenRead((message) => ({ ...message, timestamp: (message.timestamp ?? 0) / 1000 })),
  },
];

/** A batch whose payloads are its own. */
function copyOf(batch: Parameters<ReturnType<Parameters<typeof brokenBatches>[0]>>[0]): typeof batch {
  const messages = batch.messages.map((message) =>
    message.payload instanceof Uint8Array ? withPayload(message, Uint8Array.from(message.payload)) : message,
  );
  return { ...batch, messages };
}
