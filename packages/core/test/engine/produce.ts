import type { MemorySystem } from '../../src/testing/index.js';
import type { MessageKind } from './history.js';
import { messageId } from './model-message.js';
import type { PlayedSource } from './played-source.js';

/** Puts into a stream what its source is to read at first. */
export function produceAll(system: MemorySystem, { stream, config, partitions, kinds }: PlayedSource): void {
  for (const [index, name] of partitions.entries()) produce(system, stream, name, kinds[index] ?? []);
  if (config.bounded && config.partitions !== 'assigned') system.stream(stream).end();
}

/** Appends messages of these kinds, whose keys say where they lie. */
export function produce(system: MemorySystem, stream: string, partition: string, kinds: readonly MessageKind[]): void {
  const first = system.stream(stream).log(partition).entries.length;
  const messages = kinds.map((kind, index) => ({
    key: messageId({ stream, partition, index: first + index }, kind),
    payload: Buffer.from('x'),
    ...(kind === 'broken' ? { failure: new Error('broken') } : {}),
    control: kind === 'control',
  }));
  system.stream(stream).produce(partition, messages);
}
