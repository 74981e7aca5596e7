import { setTimeout as delay } from 'node:timers/promises';
import { BatchError } from '@sluice/core/driver';
import { keyText } from '@sluice/core/testing';
import { brokenMessages, withMessages } from './broken-messages.js';
import { brokenSink, type Mutant } from './mutant.js';

let keys = 0;

/** Broken overlap, idempotence and operations. */
export const writeKindMutants: readonly Mutant[] = [
  {
    behaviour: 'writes of different source partitions may be under way at the same time',
    what: 'forgets writes that come while another is under way',
    mode: { sink: { overlap: 'partitions' } },
    says: /missing/,
    mutate: brokenSink((driver) => {
      let underWay = 0;
      return {
        ...driver,
        write: async (batch, signal) => {
          if (underWay > 0) return;
          underWay += 1;
          await driver.write(batch, signal).finally(() => {
            underWay -= 1;
          });
        },
      };
    }),
  },
  {
    behaviour: 'writes of one source partition that are under way at the same time keep its order',
    what: 'lets later writes overtake',
    mode: { sink: { overlap: 'ordered' } },
    says: /out of order/,
    mutate: brokenSink((driver) => {
      let writes = 0;
      return {
        ...driver,
        write: async (batch, signal) => {
          if (writes++ % 2 === 0) await delay(10);
          await driver.write(batch, signal);
        },
      };
    }),
  },
  {
    behaviour: 'when a write fails, every later one under way of its source partition fails too',
    what: 'tries writes again that an earlier failure has ended',
    mode: { sink: { overlap: 'ordered' } },
    says: /so the order is lost/,
    mutate: brokenSink((driver) => ({
      ...driver,
      write: (batch, signal) =>
        driver.write(batch, signal).catch((error: unknown) => {
          if (error instanceof BatchError) throw error;
          return driver.write(batch, signal);
        }),
    })),
  },
  {
    behaviour: 'a message that is written twice under one key is stored once',
    what: 'makes a new key for every message',
    mode: { sink: { idempotent: 'key' } },
    says: /nobody sent/,
    mutate: brokenMessages((messages) =>
      messages.map((message) => ({ ...message, key: Buffer.from(`key ${++keys}`) })),
    ),
  },
  {
    behaviour: 'a message that is written twice is stored twice by a sink that is not idempotent',
    what: 'passes over keys that it has seen',
    says: /5 messages instead of 10/,
    mutate: brokenSink((driver) => {
      const seen = new Set<string>();
      return {
        ...driver,
        write: (batch, signal) => {
          const fresh = batch.messages.filter((message) => !seen.has(keyText(message)));
          for (const message of fresh) seen.add(keyText(message));
          return driver.write(withMessages(batch, fresh), signal);
        },
      };
    }),
  },
  {
    behaviour: 'creates, updates and deletes change what is stored under their keys',
    what: 'passes over deletes',
    mode: { sink: { idempotent: 'key', changes: true } },
    says: /3 messages instead of 2/,
    mutate: brokenMessages((messages) => messages.filter(({ operation }) => operation !== 'delete')),
  },
];
