import { Decoder, type NativeDecoder, type NativeRequest } from '../connection/protocol.js';

/** One batch in a request. A request holds at most one for each partition. */
export interface ProducedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
}

/** What a request asks of the broker. */
export interface ProduceSettings {
  readonly transactionalId: string | null;
  /** -1 for all replicas in sync, 1 for the leader alone. */
  readonly acks: number;
  readonly timeoutMs: number;
}

/** A record for which the broker refused its batch. */
export interface RecordError {
  /** Place of the record in its batch. */
  readonly place: number;
  readonly message: string | null;
}

/** What became of the batch of one partition. */
export interface ProduceAnswer {
  readonly topic: string;
  readonly partition: number;
  /** 0 when it is stored. */
  readonly errorCode: number;
  /** The records to blame, where the broker tells. */
  readonly recordErrors: readonly RecordError[];
  readonly errorMessage: string | null;
}

/**
 * A request to store batches, in version 8, which is the first that names refused records; kafkajs knows 7, encodes one record
 * at a time and throws away which partition failed.
 *
 * @see https://kafka.apache.org/protocol#The_Messages_Produce
 */
export function produceRequest(partitions: readonly ProducedPartition[], settings: ProduceSettings): NativeRequest {
  const buffer = encode(partitions, settings);
  // What kafkajs looks at in an encoder.
  const request = { apiKey: 0, apiVersion: 8, apiName: 'Produce', encode: async () => ({ buf: buffer, buffer }) };
  return {
    request,
    response: { decode: async (payload) => decodeProduceAnswer(payload), parse: (decoded) => decoded },
    logResponseError: false,
  };
}

function encode(
  partitions: readonly ProducedPartition[],
  { transactionalId, acks, timeoutMs }: ProduceSettings,
): Buffer {
  const byTopic = Map.groupBy(partitions, ({ topic }) => topic);
  let size = 2 + (transactionalId === null ? 0 : Buffer.byteLength(transactionalId)) + 2 + 4 + 4;
  for (const [topic, each] of byTopic) {
    size += 2 + Buffer.byteLength(topic) + 4;
    for (const { bytes } of each) size += 4 + 4 + bytes.length;
  }
  const buffer = Buffer.allocUnsafe(size);
  let at = writeText(buffer, transactionalId, 0);
  at = buffer.writeInt16BE(acks, at);
  at = buffer.writeInt32BE(timeoutMs, at);
  at = buffer.writeInt32BE(byTopic.size, at);
  for (const [topic, each] of byTopic) {
    at = writeText(buffer, topic, at);
    at = buffer.writeInt32BE(each.length, at);
    for (const { partition, bytes } of each) {
      at = buffer.writeInt32BE(partition, at);
      at = buffer.writeInt32BE(bytes.length, at);
      at += bytes.copy(buffer, at);
    }
  }
  return buffer;
}

function writeText(buffer: Buffer, text: string | null, at: number): number {
  if (text === null) return buffer.writeInt16BE(-1, at);
  const length = buffer.write(text, at + 2);
  buffer.writeInt16BE(length, at);
  return at + 2 + length;
}

/** The answer of version 8, one entry for each partition. */
function decodeProduceAnswer(payload: Buffer): {
  readonly partitions: readonly ProduceAnswer[];
  readonly clientSideThrottleTime: number;
} {
  const decoder = new Decoder(payload);
  const partitions = decoder.readArray((each) => {
    const topic = each.readString();
    return each.readArray((inner) => decodePartition(inner, topic));
  });
  return { partitions: partitions.flat(), clientSideThrottleTime: decoder.readInt32() };
}

function decodePartition(decoder: NativeDecoder, topic: string): ProduceAnswer {
  const partition = decoder.readInt32();
  const errorCode = decoder.readInt16();
  decoder.readInt64(); // offset of the first record
  decoder.readInt64(); // time of storing
  decoder.readInt64(); // offset of the first record that is kept
  const recordErrors = decoder.readArray((each) => ({ place: each.readInt32(), message: each.readString() }));
  return { topic, partition, errorCode, recordErrors, errorMessage: decoder.readString() };
}
