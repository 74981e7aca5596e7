import { BatchError, createMessage, type Message, type SinkBatch, type SinkDriver } from '@sluice/core/driver';
import { createTopic, type KafkaServer, uniqueName } from '@sluice/testkit';
import { afterAll } from 'vitest';
import { classifyKafkaError } from '../src/error.js';
import { openKafkaSink } from '../src/sink.js';
import { type KafkaSinkConfig, sinkConfig } from '../src/sink-config.js';
import { type Broker, useBroker } from './broker.js';
import type { StoredRecord } from './read-topic.js';

/** A signal that is never aborted. */
export const never: AbortSignal = new AbortController().signal;

export function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

/** The texts of so many numbers. */
export function numbers(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => String(from + index));
}

/** The values of records as texts. */
export function values(records: readonly StoredRecord[] | undefined): (string | null)[] {
  return (records ?? []).map(({ value }) => value?.toString() ?? null);
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

/** A server of one test file, with sinks and topics. */
export interface SinkWorld<Server extends KafkaServer> extends Broker<Server> {
  createTopic(partitions?: number, settings?: Readonly<Record<string, string>>): Promise<string>;
  openSink(config: Omit<KafkaSinkConfig, 'brokers'>, pipeline?: string): Promise<SinkDriver>;
}

/** Starts a server before the tests of a file; closes the sinks and stops it after them. */
export function useSinkWorld<Server extends KafkaServer>(start: () => Promise<Server>): SinkWorld<Server> {
  const broker = useBroker(start);
  const opened: SinkDriver[] = [];
  afterAll(async () => {
    await Promise.all(opened.map((sink) => sink.close()));
  });
  return {
    get server() {
      return broker.server;
    },
    createTopic: (partitions = 1, settings = {}) => createTopic(broker.server, { partitions, settings }),
    async openSink(config, pipeline = uniqueName('pipeline')) {
      const parsed = sinkConfig.parse({ brokers: broker.server.brokers, requestTimeoutMs: 5000, ...config });
      const sink = await openKafkaSink(parsed, {}, { pipeline, signal: never });
      opened.push(sink);
      return sink;
    },
  };
}
