import { type Checkpoint, ConnectorError, type StoredPosition, z } from '@sluice/core/driver';
import type { ProduceBatch } from '../records/batch-encoder.js';
import type { Delivery } from '../writing/delivery.js';
import { RecordWriter } from '../writing/record-writer.js';
import { checkpointPartition } from './checkpoint-log.js';

/** Key of the record that keeps the position of one source partition of a pipeline. */
export function positionKey(pipeline: string, partition: string): string {
  return JSON.stringify(['position', pipeline, partition]);
}

/** Key of the record that keeps the whole checkpoint of a pipeline in a checkpoint store. */
export function checkpointKey(pipeline: string): string {
  return JSON.stringify(['checkpoint', pipeline]);
}

/** The source partition of a key of {@link positionKey}; undefined for keys of other pipelines and kinds. */
export function partitionOfKey(key: string, pipeline: string): string | undefined {
  const prefix = `${JSON.stringify(['position', pipeline]).slice(0, -1)},`;
  if (!key.startsWith(prefix)) return undefined;
  const partition: unknown = JSON.parse(key.slice(prefix.length, -1));
  return typeof partition === 'string' ? partition : undefined;
}

/** A batch of one record in the topic of checkpoints. Null removes what is stored under the key. */
export function checkpointBatch(topic: string, key: string, value: string | null, delivery: Delivery): ProduceBatch {
  const writer = new RecordWriter(key.length + (value?.length ?? 0) + 64);
  writer.append(Buffer.from(key), value === null ? null : Buffer.from(value), [], Date.now());
  const bytes = writer.finish(0, async (records) => records);
  if (!Buffer.isBuffer(bytes)) throw new ConnectorError('internal', 'a checkpoint was compressed');
  const again = async (): Promise<ProduceBatch> => checkpointBatch(topic, key, value, delivery);
  return { topic, partition: checkpointPartition, bytes, indexes: [0], delivery, again };
}

const storedPositionShape = z.strictObject({
  connector: z.string(),
  version: z.number(),
  identity: z.string().nullable(),
  position: z.json(),
});
const heldCheckpointShape = z.strictObject({
  holder: z.string(),
  checkpoint: z.record(z.string(), storedPositionShape),
});

/** What a checkpoint store keeps for a pipeline. */
export interface HeldCheckpoint {
  /** Name of the claim that has stored it. */
  readonly holder: string;
  readonly checkpoint: Checkpoint;
}

/** @throws {ConnectorError} `position_lost` when something else stands in the record */
export function storedPosition(text: string, topic: string): StoredPosition {
  return parsed(text, storedPositionShape, topic);
}

/** @throws {ConnectorError} `position_lost` when something else stands in the record */
export function heldCheckpoint(text: string, topic: string): HeldCheckpoint {
  return parsed(text, heldCheckpointShape, topic);
}

function parsed<Shape extends z.ZodType>(text: string, shape: Shape, topic: string): z.output<Shape> {
  try {
    return shape.parse(JSON.parse(text));
  } catch (cause) {
    const reason = `topic "${topic}" holds a checkpoint that cannot be read. Nothing but Sluice should write there.`;
    throw new ConnectorError('position_lost', reason, { cause });
  }
}
