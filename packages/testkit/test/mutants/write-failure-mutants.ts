import { BatchError, withPayload } from '@sluice/core/driver';
import { brokenMessages, bytesOf } from './broken-messages.js';
import { brokenSink, type Mutant } from './mutant.js';

/** Broken ways to refuse a message. */
export const writeFailureMutants: readonly Mutant[] = [
  {
    behaviour:
      'a failed write names exactly the messages that the system refuses, as invalid, and the others are stored',
    what: 'names the message after the refused one',
    says: /names 1, 7/,
    mutate: brokenSink((driver) => ({
      ...driver,
      write: async (batch, signal) => {
        try {
          await driver.write(batch, signal);
        } catch (error) {
          if (!(error instanceof BatchError)) throw error;
          throw new BatchError(error.failures.map((failure) => ({ ...failure, index: failure.index + 1 })));
        }
      },
    })),
  },
  {
    behaviour: 'a sink refuses a missing payload that its system cannot tell from an empty one',
    what: 'writes a missing payload as an empty one',
    mode: { carries: { nullPayload: false } },
    says: /succeeded/,
    mutate: brokenMessages((messages) =>
      messages.map((message) => (message.payload === null ? withPayload(message, new Uint8Array()) : message)),
    ),
  },
  {
    behaviour: 'a sink refuses an empty payload that its system has no form for',
    what: 'passes over empty payloads',
    mode: { carries: { emptyPayload: false } },
    says: /succeeded/,
    mutate: brokenMessages((messages) => messages.filter((message) => bytesOf(message).length > 0)),
  },
  {
    behaviour: 'a sink refuses a payload above the largest that its system takes',
    what: 'cuts off what does not fit',
    mode: { carries: { maxPayloadBytes: 1000 } },
    says: /succeeded/,
    mutate: brokenMessages((messages) =>
      messages.map((message) => withPayload(message, bytesOf(message).subarray(0, 1000))),
    ),
  },
  {
    behaviour:
      'a sink stores every byte value untouched or refuses it, and refuses those that its system has no form for',
    what: 'leaves out bytes that it has no form for',
    mode: { carries: { anyByte: false } },
    says: /succeeded/,
    mutate: brokenMessages((messages) =>
      messages.map((message) =>
        withPayload(
          message,
          bytesOf(message).filter((byte) => byte !== 10),
        ),
      ),
    ),
  },
];
