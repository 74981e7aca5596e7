import { BatchError, createMessage, type Message, type SinkBatch, type SinkDriver } from '@sluice/core/driver';
import { createTopic, type KafkaServer, uniqueName } from '@sluice/testkit';
import { classifyKafkaError } from '../src/error.js';
import { openKafkaSink } from '../src/sink.js';
import { type KafkaSinkConfig, sinkConfig } from '../src/sink-config.js';

/** A signal that is never aborted. */
export const never: AbortSignal = new AbortController().signal;

export function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

/** A write of these messages, all of one source partition. */
export function batchOf(messages: readonly Partial<Message>[], partition = 's:0'): SinkBatch {
  return {
    messages: messages.map(createMessage),
    slices: [{ partition, from: 0, to: messages.length, position: messages.length }],
  };
}

/** Which messages a write failed for, with the code and text of each. */
export async function failuresOf(
  write: Promise<void>,
): Promise<(readonly [index: number, code: string, text: string])[]> {
  try {
    await write;
    return [];
  } catch (error) {
    if (!(error instanceof BatchError)) throw error;
    return error.failures.map(({ index, error: cause }) => {
      const { code, message } = classified(cause);
      return [index, code, message];
    });
  }
}

/** What the engine would make of an error. */
export function classified(error: unknown): { readonly code: string; readonly message: string } {
  const { code = 'unknown', message = '' } = classifyKafkaError(error) ?? {};
  return { code, message };
}

/** Sinks and topics of one test file. */
export interface SinkWorld {
  createTopic(partitions?: number, settings?: Readonly<Record<string, string>>): Promise<string>;
  openSink(config: Omit<KafkaSinkConfig, 'brokers'>, pipeline?: string): Promise<SinkDriver>;
  close(): Promise<void>;
}

export function sinkWorld(kafka: KafkaServer): SinkWorld {
  const opened: SinkDriver[] = [];
  return {
    createTopic: (partitions = 1, settings = {}) => createTopic(kafka, { partitions, settings }),
    async openSink(config, pipeline = uniqueName('pipeline')) {
      const parsed = sinkConfig.parse({ brokers: kafka.brokers, requestTimeoutMs: 5000, ...config });
      const sink = await openKafkaSink(parsed, {}, { pipeline, signal: never });
      opened.push(sink);
      return sink;
    },
    async close() {
      await Promise.all(opened.map((sink) => sink.close()));
    },
  };
}
