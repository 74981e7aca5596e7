import type { Source } from '@sluice/core';
import type { Position, SourceBatch } from '@sluice/core/driver';
import { inlineSource } from '@sluice/core/testing';
import type { Carries, NativeMessage } from './harness.js';
import { numberedMessages } from './native-messages.js';
import { asMessage } from './stored-messages.js';

/** Which messages a source makes. */
export interface NumberedSourceSettings {
  readonly carries: Carries;
  readonly partitions: readonly string[];
  /** Messages of one batch. */
  readonly batchMessages: number;
  /** Where each partition ends: so many messages behind the place at which it was first read. Default: never. */
  readonly more?: number;
  /** Filled with how far each partition was ever given out. */
  readonly given?: Map<string, number>;
  /** Told where a partition is read from. */
  readonly onRead?: (partition: string, from: number) => void;
  /** Told what the engine commits. */
  readonly onCommit?: (partition: string, position: number) => Promise<void>;
}

/**
 * A source that makes its messages of nothing but their numbers, so that it survives every crash, and no outside system is
 * needed to know what was in it. It keeps no position: the sink does, or a checkpoint store.
 */
export function numberedSource(settings: NumberedSourceSettings): Source {
  const { partitions, onCommit = () => Promise.resolve() } = settings;
  const ends = new Map<string, number>();
  return inlineSource(
    'numbered',
    {
      async *partitions() {
        yield partitions;
      },
      read(partition, position, { signal }) {
        const from = numberOf(position);
        settings.onRead?.(partition, from);
        const end = ends.get(partition) ?? from + (settings.more ?? Number.POSITIVE_INFINITY);
        ends.set(partition, end);
        return batches(settings, { partition, from, end, signal });
      },
      commit: (partition, position) => onCommit(partition, numberOf(position)),
    },
    { bounded: settings.more !== undefined, keyed: settings.carries.key },
  );
}

/** The messages of a partition before `end`. */
export function messagesBefore(
  { carries }: { readonly carries: Carries },
  partition: string,
  end: number,
): NativeMessage[] {
  return numberedMessages(carries, { label: partition, count: end });
}

interface Stretch {
  readonly partition: string;
  readonly from: number;
  readonly end: number;
  readonly signal: AbortSignal;
}

async function* batches(settings: NumberedSourceSettings, stretch: Stretch): AsyncGenerator<SourceBatch> {
  const { partition, end, signal } = stretch;
  for (let from = stretch.from; from < end && !signal.aborted; ) {
    const first = from;
    const count = Math.min(settings.batchMessages, end - first);
    const messages = numberedMessages(settings.carries, { label: partition, from: first, count }).map(asMessage);
    from += count;
    settings.given?.set(partition, Math.max(from, settings.given.get(partition) ?? 0));
    yield { messages, position: from, bytes: 100 * count, positionAt: (index) => first + index + 1 };
  }
}

/** The position of this source: how many messages lie before it. */
export function numberOf(position: Position | undefined): number {
  return typeof position === 'number' ? position : 0;
}
