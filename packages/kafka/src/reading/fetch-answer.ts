import { Decoder, type NativeDecoder } from '../connection/protocol.js';

/** A transaction whose messages are to be left out from this offset on, up to its marker. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/** What a broker answered about one partition. */
export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  /** Offset after the last message that all replicas have. */
  readonly highWatermark: number;
  /** Offset from which on a transaction may still be open; the high watermark when there is none. */
  readonly lastStableOffset: number;
  /** Offset of the first message that is still kept. */
  readonly logStartOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  /** Record batches as they are stored, the last one perhaps cut off. */
  readonly records: Buffer;
}

/** The answer to a fetch. */
export interface FetchAnswer {
  /** How long the broker asks to wait before the next request; kafkajs does so. */
  readonly clientSideThrottleTime: number;
  readonly errorCode: number;
  readonly partitions: readonly FetchedPartition[];
}

const empty = Buffer.alloc(0);

/**
 * Decodes an answer of version 11. Records stay packed, so that what waits to be read takes no more memory than it took on the
 * wire; and kafkajs, whose own decoder fails as a whole when one partition has an error, is not asked.
 *
 * @see https://kafka.apache.org/protocol#The_Messages_Fetch
 */
export function decodeFetchAnswer(payload: Buffer): FetchAnswer {
  const decoder = new Decoder(payload);
  const clientSideThrottleTime = decoder.readInt32();
  const errorCode = decoder.readInt16();
  decoder.readInt32(); // the id of a fetch session, which is not used
  const topics = decoder.readArray((each) => {
    const topic = each.readString();
    return each.readArray((inner) => decodePartition(inner, topic));
  });
  return { clientSideThrottleTime, errorCode, partitions: topics.flat() };
}

function decodePartition(decoder: NativeDecoder, topic: string): FetchedPartition {
  const partition = decoder.readInt32();
  const errorCode = decoder.readInt16();
  const highWatermark = Number(decoder.readInt64());
  const lastStableOffset = Number(decoder.readInt64());
  const logStartOffset = Number(decoder.readInt64());
  const aborted = decoder.readArray((each) => ({
    producerId: each.readInt64(),
    firstOffset: Number(each.readInt64()),
  }));
  decoder.readInt32(); // the replica to read from instead, which only a rack id asks for
  const records = decoder.readBytes() ?? empty;
  return { topic, partition, errorCode, highWatermark, lastStableOffset, logStartOffset, aborted, records };
}
