import { type SinkBatch, withPayload } from '@sluice/core/driver';
import { destinationOf } from '../memory-harness.js';
import { brokenMessages } from './broken-messages.js';
import { brokenSink, type Mutant } from './mutant.js';

/** Broken ways to write. */
export const writeMutants: readonly Mutant[] = [
  {
    behaviour: 'a sink stores every message once and in the order of its source partition',
    what: 'writes the messages of a batch backwards',
    says: /out of order/,
    mutate: brokenMessages((messages) => messages.toReversed()),
  },
  {
    behaviour: 'what was written is stored as soon as the flush says so, or the write where there is none',
    what: 'flushes when nobody looks',
    mode: { sink: { flush: true } },
    says: /missing/,
    mutate: brokenSink((driver) => ({
      ...driver,
      flush: (checkpoint, signal) => {
        setTimeout(() => void driver.flush?.(checkpoint, signal).catch(() => undefined), 20);
        return Promise.resolve();
      },
    })),
  },
  {
    behaviour: 'a sink keeps payloads byte for byte',
    what: 'takes payloads for text',
    says: /nobody sent/,
    mutate: brokenMessages((messages) =>
      messages.map((message) =>
        message.payload instanceof Uint8Array
          ? withPayload(message, Buffer.from(Buffer.from(message.payload).toString()))
          : message,
      ),
    ),
  },
  {
    behaviour: 'a sink keeps keys and headers of any bytes as far as its system has them',
    what: 'keeps the last of repeated headers',
    says: /nobody sent/,
    mutate: brokenMessages((messages) =>
      messages.map((message) => ({ ...message, headers: [...new Map(message.headers)] })),
    ),
  },
  {
    behaviour: 'a flush of nothing succeeds',
    what: 'fails when there is nothing to flush',
    mode: { sink: { flush: true } },
    says: /nothing to flush/,
    mutate: brokenSink((driver) => {
      let written = 0;
      return {
        ...driver,
        write: async (batch, signal) => {
          written += batch.messages.length;
          await driver.write(batch, signal);
        },
        flush: async (checkpoint, signal) => {
          if (written === 0) throw new Error('there is nothing to flush');
          written = 0;
          await driver.flush?.(checkpoint, signal);
        },
      };
    }),
  },
  {
    behaviour: 'a write at the limits that a sink declares goes in one piece',
    what: 'takes less than the limit that it declares',
    mode: { sink: { limits: { maxMessages: 30 } } },
    says: /too many/,
    mutate: brokenSink(atMost(29)),
  },
  {
    behaviour: 'a write of the size that a sink prefers goes in one piece',
    what: 'cannot take what it prefers',
    says: /too many/,
    mutate: brokenSink(atMost(99)),
  },
  {
    behaviour: 'a sink that is used without a pipeline stores what it was given before write resolves',
    what: 'needs a partition to be claimed',
    mode: { sink: { atomic: true } },
    says: /without a claim/,
    mutate: brokenSink((driver) => ({
      ...driver,
      claim: async (partitions) => (partitions.length === 0 ? {} : ((await driver.claim?.(partitions)) ?? {})),
    })),
  },
  {
    behaviour: 'a sink has a claim and a flush when it is atomic, and no claim when it is not',
    what: 'has a claim though it is not atomic',
    says: /not atomic and has a claim/,
    mutate: brokenSink((driver) => ({ ...driver, claim: () => Promise.resolve({}) })),
  },
  {
    behaviour: 'a claim gives the positions that were flushed, of the partitions that it names and no others',
    what: 'gives every stored position to a claim',
    mode: { sink: { atomic: true } },
    says: /the claim gave/,
    mutate: brokenSink((driver, { context, config, server }) => ({
      ...driver,
      claim: async (partitions) => {
        await driver.claim?.(partitions);
        return destinationOf(server, config).checkpoint(context.pipeline);
      },
    })),
  },
  {
    behaviour: 'what an atomic sink took over and did not flush is gone when it is claimed again',
    what: 'keeps what was not flushed when it is claimed',
    mode: { sink: { atomic: true } },
    says: /repeated/,
    mutate: brokenSink((driver) => {
      let staged: SinkBatch[] = [];
      return {
        ...driver,
        write: async (batch, signal) => {
          await driver.write(batch, signal);
          staged.push(batch);
        },
        flush: async (checkpoint, signal) => {
          await driver.flush?.(checkpoint, signal);
          staged = [];
        },
        claim: async (partitions) => {
          const claimed = (await driver.claim?.(partitions)) ?? {};
          for (const batch of staged) await driver.write(batch, new AbortController().signal);
          return claimed;
        },
      };
    }),
  },
];

type Patch = Parameters<typeof brokenSink>[0];

function atMost(count: number): Patch {
  return (driver) => ({
    ...driver,
    write: async (batch, signal) => {
      if (batch.messages.length > count) throw new Error('too many messages for one write');
      await driver.write(batch, signal);
    },
  });
}
