import { setTimeout as wait } from 'node:timers/promises';
import {
  ConnectorError,
  type Message,
  noHeaders,
  type Position,
  type ReadOptions,
  type SourceBatch,
  type SourceDriver,
} from '@sluice/core/driver';
import type { GenerateSourceConfig } from './config.js';
import { type MakePayload, randomPayloads, templatePayloads } from './payload.js';

/** How often messages that have come due are handed over. Short enough to look even, long enough to make batches. */
const tickMs = 10;

/** Opens the generate source: one partition, whose position is the index of the next message. */
export function openGenerateSource(config: GenerateSourceConfig): SourceDriver {
  const makePayload =
    config.template === undefined
      ? randomPayloads(config.seed, config.size)
      : templatePayloads(config.seed, config.template);
  return {
    read: (_partition, position, options) => readFrom(config, makePayload, startOf(config, position, options), options),
    close: async () => undefined,
  };
}

async function* readFrom(
  config: GenerateSourceConfig,
  makePayload: MakePayload,
  start: number,
  options: ReadOptions,
): AsyncGenerator<SourceBatch> {
  const end = config.count ?? Number.MAX_SAFE_INTEGER;
  const startedAt = performance.now();
  let next = start;
  while (next < end && !options.signal.aborted) {
    const due =
      config.rate === undefined ? end : start + Math.floor(((performance.now() - startedAt) * config.rate) / 1000);
    if (due <= next) {
      // An abort is the way to end, not a failure.
      await wait(tickMs, undefined, { signal: options.signal }).catch(() => undefined);
      continue;
    }
    const batch = makeBatch(config, makePayload, next, {
      ...options,
      maxMessages: Math.min(options.maxMessages, due - next, end - next),
    });
    next += batch.messages.length;
    yield config.count === undefined ? batch : { ...batch, lag: end - next };
  }
}

function makeBatch(
  config: GenerateSourceConfig,
  makePayload: MakePayload,
  first: number,
  limit: ReadOptions,
): SourceBatch {
  const { topic } = config;
  const timestamp = Date.now();
  const messages: Message[] = [];
  let bytes = 0;
  while (messages.length < limit.maxMessages && (bytes < limit.maxBytes || messages.length === 0)) {
    const index = first + messages.length;
    const payload = makePayload(index);
    bytes += payload.byteLength;
    messages.push({
      topic,
      key: String(index),
      payload,
      headers: noHeaders,
      timestamp,
      operation: undefined,
      before: undefined,
      schema: undefined,
    });
  }
  return { messages, position: first + messages.length, bytes, positionAt: (index) => first + index + 1 };
}

function startOf(config: GenerateSourceConfig, position: Position | undefined, { start }: ReadOptions): number {
  if (position === undefined) return start === 'latest' ? (config.count ?? 0) : 0;
  if (typeof position === 'number' && Number.isSafeInteger(position) && position >= 0) return position;
  throw new ConnectorError(
    'position_lost',
    `position ${JSON.stringify(position)} is not the index of a message; reset it`,
  );
}
