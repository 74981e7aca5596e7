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

/** A partition for each box, because a position tells nothing of the letters that came to another one meanwhile. */
function openReplay({ boxes, wanted }: Replay): SourceDriver {
  // Not the names of partitions of the real source, whose positions must stay where they are.
  const partitions = new Map(
    boxes.map((each) => [`dead-letters:${each.box.path}`, { ...each, delivered: [] as string[] }]),
  );
  return {
    partitions: async function* () {
      yield [...partitions.keys()];
    },
    read: async function* (partition, position, { maxMessages, maxBytes, signal }) {
      const { box, marks, delivered } = partitionAt(partitions, partition);
      const seen = new Set<string>();
      let letters: DeadLetter[] = [];
      let bytes = 0;
      // An atomic sink knows what it has stored, also where a crash came before the mark.
      let passed = position === undefined || !(await holds(box, position, signal));
      for await (const letter of box.read(signal)) {
        const skipped = !passed || seen.has(letter.id) || marks.ids.has(letter.id) || !wanted(letter);
        seen.add(letter.id);
        passed ||= letter.id === position;
        if (skipped) continue;
        delivered.push(letter.id);
        letters.push(letter);
        bytes += JSON.stringify(letter.message).length;
        if (letters.length < maxMessages && bytes < maxBytes) continue;
        yield batchOf(letters, bytes);
        letters = [];
        bytes = 0;
      }
      if (letters.length > 0) yield batchOf(letters, bytes);
    },
    commit: async (partition, position) => {
      const { marks, delivered } = partitionAt(partitions, partition);
      const ids = delivered.splice(0, delivered.findIndex((id) => id === position) + 1);
      if (ids.length > 0) await marks.add(ids);
    },
    close: async () => undefined,
  };
}

function partitionAt<T>(partitions: ReadonlyMap<string, T>, name: string): T {
  const partition = partitions.get(name);
  if (partition === undefined) throw new Error(`there is no partition "${name}" of dead letters`);
  return partition;
}

async function holds(box: LetterBox, position: Position, signal: AbortSignal): Promise<boolean> {
  for await (const letter of box.read(signal)) if (letter.id === position) return true;
  return false;
}

function batchOf(letters: readonly DeadLetter[], bytes: number): SourceBatch {
  const positionAt = (index: number): Position => {
    const letter = letters[index];
    return letter === undefined ? null : letter.id;
  };
  return { messages: letters.map(originalMessage), position: positionAt(letters.length - 1), bytes, positionAt };
}
