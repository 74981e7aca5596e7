import { setTimeout as delay } from 'node:timers/promises';
import type { Checkpoint, ErasedConnector, Message, Position, SinkBatch, SourceBatch } from '@sluice/core/driver';
import { destinationOf } from '../memory-harness.js';
import { brokenBatches, brokenSink, brokenSource, type Mutant } from './mutant.js';

const atomic: Mutant['mode'] = { sink: { atomic: true } };

/** Connectors that fail when their system does. */
export const faultMutants: readonly Mutant[] = [
  {
    behaviour: 'a write that a lost connection ends fails in bounded time as not connected, and a new connection works',
    what: 'waits for ever when its connection is gone',
    says: /nothing came of it/,
    mutate: brokenSink((driver) => ({
      ...driver,
      write: (batch, signal) => driver.write(batch, signal).catch(() => new Promise<void>(() => undefined)),
    })),
  },
  {
    behaviour: 'a pipeline whose connection is cut while it writes goes on and stores everything',
    what: 'takes a lost connection for success',
    says: /missing/,
    mutate: brokenSink((driver) => ({
      ...driver,
      write: (batch, signal) => driver.write(batch, signal).catch(() => undefined),
    })),
  },
  {
    behaviour: 'a pipeline whose connection is cut while its messages are made durable goes on and stores everything',
    what: 'stores what it was given without its position when the flush fails',
    mode: atomic,
    says: /repeated/,
    mutate: brokenSink((driver, { config, server }) => {
      let staged: Message[] = [];
      return {
        ...driver,
        write: async (batch, signal) => {
          await driver.write(batch, signal);
          staged.push(...batch.messages);
        },
        flush: async (checkpoint, signal) => {
          const flushed = staged;
          staged = [];
          await driver.flush?.(checkpoint, signal).catch((error: unknown) => {
            const origin = { partition: 'any', at: 0, instance: 'any' };
            destinationOf(server, config).store(flushed.map((message) => ({ message, ...origin })));
            throw error;
          });
        },
      };
    }),
  },
  {
    behaviour: 'a pipeline whose server is restarted while it writes goes on and stores everything',
    what: 'takes a reset connection for the end',
    says: /does not go on/,
    mutate: fatalResets,
  },
  {
    behaviour:
      'a pipeline whose server pauses for longer than its timeout goes on and stores everything, and holds little meanwhile',
    what: 'takes a write that was aborted for a success',
    says: /notices that its server is paused/,
    mutate: brokenSink((driver) => ({
      ...driver,
      write: (batch, signal) =>
        driver.write(batch, signal).catch((error: unknown) => {
          if (!signal.aborted) throw error;
        }),
    })),
  },
  {
    behaviour: 'a source whose connection is cut while it reads goes on and loses nothing',
    what: 'passes over a message on each new connection',
    says: /arrives/,
    mutate: laterConnections((batch) => ({ ...batch, messages: batch.messages.slice(1) })),
  },
  {
    behaviour: 'a source whose connection is cut while it commits goes on and loses nothing',
    what: 'commits what it has delivered, whatever is settled of it',
    mode: { source: { position: 'source', partitions: 'assigned', group: 'readers' } },
    says: /arrives/,
    mutate: brokenSource((driver) => {
      const delivered = new Map<string, Position>();
      return {
        ...driver,
        async *read(partition, ...request) {
          for await (const batch of driver.read(partition, ...request)) {
            delivered.set(partition, batch.position);
            yield batch;
          }
        },
        commit: async (partition, position) => driver.commit?.(partition, delivered.get(partition) ?? position),
      };
    }),
  },
  {
    behaviour: 'a source whose server is restarted goes on and loses nothing',
    what: 'takes a reset connection for the end',
    says: /RESET|reset/,
    mutate: fatalResets,
  },
  {
    behaviour: 'a source whose server pauses goes on and loses nothing',
    what: 'drops a batch that took long',
    says: /arrives/,
    mutate: (connector, server) => {
      const last = new Map<string, number>();
      return brokenSource((driver) => ({
        ...driver,
        async *read(partition, ...request) {
          for await (const batch of driver.read(partition, ...request)) {
            const isLate = performance.now() - (last.get(partition) ?? performance.now()) > 1000;
            last.set(partition, performance.now());
            if (!isLate) yield batch;
          }
        },
      }))(connector, server);
    },
  },
  {
    behaviour: 'a source that is flooded while its sink stands still holds no more than the budget',
    what: 'says that its batches hold next to nothing',
    says: /are held with a budget/,
    mutate: brokenBatches(() => (batch) => ({ ...batch, bytes: 1 })),
  },
  {
    behaviour:
      'when the answer to what makes messages durable is lost, 10 times, nothing is lost and the order is kept',
    what: 'takes the first writes on a new connection for repeats',
    says: /missing/,
    mutate: (connector, server) => {
      let opened = 0;
      return brokenSink((driver) => {
        let toSkip = opened++ === 0 ? 0 : 3;
        const write = async (batch: SinkBatch, signal: AbortSignal): Promise<void> => {
          if (toSkip-- <= 0) await driver.write(batch, signal);
        };
        return { ...driver, write };
      })(connector, server);
    },
  },
  {
    behaviour: 'when the answer to a flush is lost, 50 times, every message is stored exactly once',
    what: 'takes a lost answer for a flush that did not happen',
    mode: atomic,
    says: /repeated/,
    mutate: (connector, server) => {
      const answered = new Map<string, Checkpoint[string]>();
      return brokenSink((driver) => ({
        ...driver,
        flush: async (checkpoint, signal) => {
          await driver.flush?.(checkpoint, signal);
          for (const [partition, stored] of Object.entries(checkpoint)) answered.set(partition, stored);
        },
        claim: async (partitions) => {
          await driver.claim?.(partitions);
          return Object.fromEntries([...answered].filter(([partition]) => partitions.includes(partition)));
        },
      }))(connector, server);
    },
  },
  {
    behaviour:
      'of two instances of one pipeline one alone can store anything: the older one is fenced, or keeps the newer one out',
    what: 'claims again when it is fenced',
    mode: atomic,
    says: /succeeded/,
    mutate: claimingAgain(),
  },
  {
    behaviour:
      'when a second instance of a running pipeline is started, one of them ends with fenced and every message is stored once',
    what: 'claims again when it is fenced',
    mode: atomic,
    says: /nothing came of it|what is stored/,
    mutate: claimingAgain(),
  },
];

function fatalResets(connector: ErasedConnector): ErasedConnector {
  return { ...connector, classify: (error) => ({ code: 'closed', message: `reset: ${String(error)}` }) };
}

/** A source that changes the first batch of every connection but the first. */
function laterConnections(change: (batch: SourceBatch) => SourceBatch): Mutant['mutate'] {
  return (connector, server) => {
    let opened = 0;
    return brokenSource((driver) => {
      let isFirst = opened++ > 0;
      return {
        ...driver,
        async *read(...request) {
          for await (const batch of driver.read(...request)) {
            yield isFirst ? change(batch) : batch;
            isFirst = false;
          }
        },
      };
    })(connector, server);
  };
}

function claimingAgain(): Mutant['mutate'] {
  return brokenSink((driver) => {
    const claimed = new Set<string>();
    const again = async (call: () => Promise<void> | undefined): Promise<void> => {
      try {
        await call();
      } catch {
        await driver.claim?.([...claimed]);
        await delay(1);
        await call();
      }
    };
    return {
      ...driver,
      write: (batch, signal) => again(() => driver.write(batch, signal)),
      flush: (checkpoint, signal) => again(() => driver.flush?.(checkpoint, signal)),
      claim: async (partitions) => {
        for (const partition of partitions) claimed.add(partition);
        return (await driver.claim?.(partitions)) ?? {};
      },
    };
  });
}
