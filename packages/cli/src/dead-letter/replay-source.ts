import type { DeadLetter, Source } from '@sluice/core';
import {
  type Connector,
  defineConnector,
  type Position,
  type SourceBatch,
  type SourceDriver,
  z,
} from '@sluice/core/driver';
import { originalMessage } from './letter.js';
import type { LetterBox } from './letter-box.js';
import type { ReplayedMarks } from './replayed-marks.js';

/** Which dead letters to send again. */
export interface Replay {
  readonly boxes: readonly { readonly box: LetterBox; readonly marks: ReplayedMarks }[];
  readonly wanted: (letter: DeadLetter) => boolean;
}

const ReplayConfig = z.strictObject({ changes: z.boolean() });

/** The dead letters of one source of a pipeline, as a source in its place. */
const deadLetters: Connector<typeof ReplayConfig, Replay, z.ZodNever, unknown> = defineConnector({
  name: 'dead-letters',
  title: 'Dead letters of a pipeline',
  contract: 1,
  source: {
    config: ReplayConfig,
    capabilities: ({ changes }) => ({
      position: 'source',
      replayable: true,
      order: 'partition',
      bounded: true,
      window: false,
      changes,
      keyed: false,
    }),
    open: async (_config, replay: Replay) => openReplay(replay),
  },
});

/** Reads dead letters with the codec of the source that they came from. Committing marks them. */
export function replaySource(original: Source, replay: Replay): Source {
  const { codec } = original.options;
  const { changes } = original.capabilities;
  return deadLetters.source({ changes }, { ...replay, ...(codec === undefined ? {} : { codec }) });
}

function openReplay({ boxes, wanted }: Replay): SourceDriver {
  const delivered: { readonly id: string; readonly position: Position; readonly marks: ReplayedMarks }[] = [];
  // Not the name of a partition of the real source, whose position must stay where it is.
  const partition = 'dead-letters';
  return {
    partitions: async function* () {
      yield [partition];
    },
    read: async function* (_partition, position, { maxMessages, maxBytes, signal }) {
      const seen = new Set<string>();
      let letters: DeadLetter[] = [];
      let bytes = 0;
      // An atomic sink knows what it has stored, also where a crash came before the mark.
      let passed = position === undefined || !(await holds(boxes, position, signal));
      for (const { box, marks } of boxes) {
        for await (const letter of box.read(signal)) {
          const skipped = !passed || seen.has(letter.id) || marks.ids.has(letter.id) || !wanted(letter);
          seen.add(letter.id);
          passed ||= letter.id === position;
          if (skipped) continue;
          delivered.push({ id: letter.id, position: letter.id, marks });
          letters.push(letter);
          bytes += JSON.stringify(letter.message).length;
          if (letters.length < maxMessages && bytes < maxBytes) continue;
          yield batchOf(letters, bytes);
          letters = [];
          bytes = 0;
        }
      }
      if (letters.length > 0) yield batchOf(letters, bytes);
    },
    commit: async (_partition, position) => {
      const count = delivered.findIndex((letter) => letter.position === position) + 1;
      for (const { marks } of boxes) {
        const ids = delivered
          .slice(0, count)
          .filter((letter) => letter.marks === marks)
          .map(({ id }) => id);
        if (ids.length > 0) await marks.add(ids);
      }
      delivered.splice(0, count);
    },
    close: async () => undefined,
  };
}

async function holds(boxes: Replay['boxes'], position: Position, signal: AbortSignal): Promise<boolean> {
  for (const { box } of boxes) for await (const letter of box.read(signal)) if (letter.id === position) return true;
  return false;
}

function batchOf(letters: readonly DeadLetter[], bytes: number): SourceBatch {
  const positionAt = (index: number): Position => {
    const letter = letters[index];
    return letter === undefined ? null : letter.id;
  };
  return { messages: letters.map(originalMessage), position: positionAt(letters.length - 1), bytes, positionAt };
}
