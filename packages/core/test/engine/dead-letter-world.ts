import type { DeadLetter } from '../../src/engine/dead-letter.js';
import type { PipelineDefinition } from '../../src/pipeline-definition.js';
import { keyText, type MemorySinkInput } from '../../src/testing/index.js';
import { type World, type WorldDefinition, world } from './world.js';

/** A world with a destination `dead`, which takes every dead letter whatever their share is. */
export interface DeadLetterWorld extends World {
  deadLetter(sink?: Partial<MemorySinkInput>): NonNullable<PipelineDefinition['deadLetter']>;
  /** Runs a pipeline whose dead letters go to `dead`. */
  runWithLetters(definition?: WorldDefinition): ReturnType<World['run']>;
  /** The dead letters that are stored, in order. */
  letters(): DeadLetter[];
  /** Keys of the messages that they hold. */
  deadKeys(): unknown[];
  /** Lets destination `out` refuse the messages with these keys, and no others. */
  refuse(...keys: readonly string[]): void;
  /** Offset of partition `p` in the checkpoint store. */
  placeOfCheckpoint(): number;
}

/** Makes a world in which nothing has happened. */
export function deadLetterWorld(): DeadLetterWorld {
  const here = world();
  const deadLetter: DeadLetterWorld['deadLetter'] = (sink = {}) => ({
    sink: here.memory.sink({ destination: 'dead', payload: 'value', ...sink }),
    maxRatio: 1,
  });
  function letters(): DeadLetter[] {
    // The dead-letter sink takes values, and the engine's are dead letters.
    return here.system.destination('dead').stored.map(({ message }) => message.payload as unknown as DeadLetter);
  }
  return {
    ...here,
    deadLetter,
    letters,
    runWithLetters: (definition = {}) => here.run({ deadLetter: deadLetter(), ...definition }),
    deadKeys: () => letters().map(({ message }) => (message.key as { value: unknown }).value),
    refuse(...refused) {
      here.system.destination('out').refuses = (message) =>
        refused.includes(keyText(message)) ? 'message_invalid' : undefined;
    },
    placeOfCheckpoint() {
      const { position } = here.system.savedCheckpoint('copy')['source:p'] ?? { position: { next: 0 } };
      return (position as { next: number }).next;
    },
  };
}
