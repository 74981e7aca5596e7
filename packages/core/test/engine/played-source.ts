import type { MemorySourceInput } from '../../src/testing/index.js';
import type { History, MessageKind, SourceHistory } from './history.js';

/** A source of a history, with the names that it has while it is played. */
export interface PlayedSource {
  /** In the pipeline. */
  readonly id: string;
  readonly stream: string;
  readonly config: Omit<MemorySourceInput, 'stream'>;
  /** Names of its partitions, and the messages that each begins with. */
  readonly partitions: readonly string[];
  readonly kinds: readonly (readonly MessageKind[])[];
  /** Who keeps its position, by the table of DESIGN.md. */
  readonly owner: 'sink' | 'source' | 'store' | 'none';
}

/** The sources of a history. */
export function playedSources(history: History): readonly PlayedSource[] {
  return history.sources.map(({ config, partitions }, index) => ({
    id: history.sources.length === 1 ? 'source' : `source${index}`,
    stream: `in${index}`,
    config: { ...config, bounded: history.bounded },
    partitions: config.partitions === 'single' ? [''] : partitions.map((_, each) => `p${each}`),
    kinds: partitions,
    owner: ownerOf(history, config),
  }));
}

function ownerOf({ sinks }: History, { position, replayable }: SourceHistory['config']): PlayedSource['owner'] {
  if (position === 'none') return 'none';
  if (sinks.length === 1 && sinks[0]?.atomic === true && replayable !== false) return 'sink';
  return position === 'source' ? 'source' : 'store';
}

/** Readers compete for its messages, and what one has committed never comes again. */
export function isQueue({ config }: PlayedSource): boolean {
  return config.position === 'source' && config.replayable === false;
}
