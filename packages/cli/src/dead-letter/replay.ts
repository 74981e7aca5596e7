import type { DeadLetter, PipelineDefinition } from '@sluice/core';
import { sourcesOf } from '../source-identity.js';
import type { LetterBox } from './letter-box.js';
import { type Replay, replaySource } from './replay-source.js';

/** How many letters wait for one run of the pipeline. */
export interface ReplayGroup {
  /** The sink that refused them, where the pipeline has several: the others have these messages. Null: all sinks get them. */
  readonly sink: string | null;
  /** Ids of the sources that they came from. */
  readonly sources: ReadonlySet<string>;
  readonly count: number;
}

/** What a replay is to take up: letters of this pipeline that were there when it began and were not sent again. */
export function isWaiting(
  letter: DeadLetter,
  pipeline: string,
  before: string,
  replayed: ReadonlySet<string>,
): boolean {
  return letter.pipeline === pipeline && letter.at < before && !replayed.has(letter.id);
}

/** The runs that a replay needs: one for all sinks, and one for each sink that alone refused messages. */
export function groupOf(definition: PipelineDefinition, letter: DeadLetter): string | null {
  return Object.keys(definition.sinks ?? {}).length > 1 ? letter.sink : null;
}

/** The pipeline with the dead letters of a group in place of its sources. Names, transforms and codecs stay as they are. */
export function replayDefinition(
  definition: PipelineDefinition,
  group: ReplayGroup,
  boxes: Replay['boxes'],
  isOfGroup: (letter: DeadLetter) => boolean,
): PipelineDefinition {
  const { source: _source, sources: _sources, sinks, ...rest } = definition;
  const originals = Object.entries(sourcesOf(definition)).filter(([id]) => group.sources.has(id));
  const branch = group.sink === null ? undefined : sinks?.[group.sink];
  return {
    ...rest,
    sources: Object.fromEntries(
      originals.map(([id, original]) => [
        id,
        replaySource(original, { boxes, wanted: (letter) => letter.source === id && isOfGroup(letter) }),
      ]),
    ),
    ...(sinks === undefined
      ? {}
      : { sinks: branch === undefined || group.sink === null ? sinks : { [group.sink]: branch } }),
  };
}

/** Reads all letters of the boxes, each once. */
export async function* lettersIn(
  boxes: readonly LetterBox[],
  signal: AbortSignal,
): AsyncGenerator<{ readonly box: LetterBox; readonly letter: DeadLetter }> {
  for (const box of boxes) {
    const seen = new Set<string>();
    for await (const letter of box.read(signal)) {
      if (seen.has(letter.id)) continue;
      seen.add(letter.id);
      yield { box, letter };
    }
  }
}
