import type { BatchSlice, Checkpoint, Message, SinkDriver, StoredPosition } from '@sluice/core/driver';
import type { NativeMessage, WrongConfig } from './harness.js';
import { numberOf } from './numbered-source.js';
import { asMessage, type Written } from './stored-messages.js';
import type { OpenSettings, Trial } from './trial.js';

/** An open sink driver that is driven by the rules of the engine. Positions are numbers of messages. */
export interface OpenedSink {
  readonly driver: SinkDriver;
  /** Claims source partitions, where the sink is atomic, and goes on behind what is stored of them. */
  claim(...partitions: readonly string[]): Promise<Checkpoint>;
  /** Writes messages of one source partition (default `a`) in one call. It must be claimed. */
  write(messages: readonly NativeMessage[], partition?: string): Promise<void>;
  /** The same with messages as a connector gets them. */
  writeMessages(messages: readonly Message[], partition?: string): Promise<void>;
  /** Writes messages of several source partitions in one call. */
  writeTogether(messages: Written): Promise<void>;
  /**
   * Flushes, with the positions of all that was written since the last flush; nothing where there is no flush.
   *
   * @param filtered how many messages of a partition were passed over and not written
   */
  flush(filtered?: Readonly<Record<string, number>>): Promise<void>;
  close(): Promise<void>;
}

const never = new AbortController().signal;

/** Opens a sink and claims source partition `a`, where it is atomic. */
export async function openedSink(trial: Trial, place: WrongConfig, settings: OpenSettings = {}): Promise<OpenedSink> {
  const sink = drivenSink(trial, await trial.openSink(place, settings));
  await sink.claim('a');
  return sink;
}

/** Drives a driver that has claimed nothing yet. */
export function drivenSink(trial: Trial, driver: SinkDriver): OpenedSink {
  const positions = new Map<string, number>();
  let moved = new Set<string>();

  function move(partition: string, count: number): number {
    const position = (positions.get(partition) ?? 0) + count;
    positions.set(partition, position);
    moved.add(partition);
    return position;
  }

  async function writeSlices(written: ReadonlyMap<string, readonly Message[]>): Promise<void> {
    const messages = [...written.values()].flat();
    const slices: BatchSlice[] = [];
    let from = 0;
    for (const [partition, { length }] of written) {
      slices.push({ partition: nameOf(partition), from, to: from + length, position: move(partition, length) });
      from += length;
    }
    await trial.within(driver.write({ messages, slices }, never), `a write of ${messages.length} messages`);
  }

  const writeTogether = (written: Written): Promise<void> =>
    writeSlices(new Map([...written].map(([partition, messages]) => [partition, messages.map(asMessage)])));

  return {
    driver,
    async claim(...partitions) {
      const none: Checkpoint = {};
      const claiming = driver.claim?.(partitions.map(nameOf)) ?? Promise.resolve(none);
      const claimed = await trial.within(claiming, 'a claim');
      for (const partition of partitions) positions.set(partition, numberOf(claimed[nameOf(partition)]?.position));
      return claimed;
    },
    write: (messages, partition = 'a') => writeTogether(new Map([[partition, messages]])),
    writeMessages: (messages, partition = 'a') => writeSlices(new Map([[partition, messages]])),
    writeTogether,
    async flush(filtered = {}) {
      for (const [partition, count] of Object.entries(filtered)) move(partition, count);
      const checkpoint = checkpointOf(new Map([...moved].map((name) => [name, positions.get(name) ?? 0])));
      moved = new Set();
      await trial.within(driver.flush?.(checkpoint, never) ?? Promise.resolve(), 'a flush');
    },
    close: () => trial.within(driver.close(), 'close of the sink'),
  };
}

/** A checkpoint with these positions. */
function checkpointOf(positions: ReadonlyMap<string, number>): Checkpoint {
  const checkpoint: Record<string, StoredPosition> = {};
  for (const [partition, position] of positions)
    checkpoint[nameOf(partition)] = { connector: 'numbered', version: 1, identity: null, position };
  return checkpoint;
}

/** How a checkpoint names a source partition. */
export function nameOf(partition: string): string {
  return `source:${partition}`;
}
