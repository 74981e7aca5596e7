import { BatchError, type Message, type Value } from '@sluice/core/driver';
import { keyText } from '@sluice/core/testing';
import { brokenMessages, withMessages } from './broken-messages.js';
import { brokenSink, type Mutant } from './mutant.js';

const keyed = { sink: { idempotent: 'key' } } as const;

/** Broken deletes, keys and values. */
export const writeValueMutants: readonly Mutant[] = [
  {
    behaviour: 'a message without payload deletes what is stored under its key',
    what: 'passes over messages without payload',
    mode: keyed,
    says: /5 messages instead of 3/,
    mutate: brokenMessages((messages) => messages.filter(({ payload }) => payload !== null)),
  },
  {
    behaviour: 'of several messages with one key in one write the last one counts',
    what: 'writes the first message of each key',
    mode: keyed,
    says: /nobody sent/,
    mutate: brokenMessages((messages) => {
      const first = new Map<string, Message>();
      for (const message of messages) if (!first.has(keyText(message))) first.set(keyText(message), message);
      return [...first.values()];
    }),
  },
  {
    behaviour: 'a sink that stores by key refuses a message without one',
    what: 'takes null for a key',
    mode: keyed,
    says: /succeeded/,
    mutate: brokenMessages((messages) =>
      messages.map((message) => (message.key === null ? { ...message, key: 'null' } : message)),
    ),
  },
  {
    behaviour: 'a sink that takes values stores each as it was given',
    what: 'writes whole numbers beyond those of JSON as others',
    says: /the one at 1 is not as it was given/,
    mutate: brokenMessages((messages) =>
      messages.map(({ payload, ...rest }) => ({ ...rest, payload: rounded(payload) })),
    ),
  },
  {
    behaviour:
      'a sink that takes values names those that its system has no form for, as invalid, and stores the others',
    what: 'drops what its system refuses',
    says: /succeeded/,
    mutate: brokenSink((driver) => ({
      ...driver,
      write: (batch, signal) =>
        driver.write(batch, signal).catch((error: unknown) => {
          if (!(error instanceof BatchError)) throw error;
          const failed = new Set(error.failures.map(({ index }) => index));
          return driver.write(
            withMessages(
              batch,
              batch.messages.filter((_, index) => !failed.has(index)),
            ),
            signal,
          );
        }),
    })),
  },
];

/** As a client makes of it that knows the numbers of JavaScript alone. */
function rounded(payload: Value): Value {
  const text = JSON.stringify(payload, (_, each: unknown) => (typeof each === 'bigint' ? Number(each) : each));
  return JSON.parse(text) as Value; // it was one
}
