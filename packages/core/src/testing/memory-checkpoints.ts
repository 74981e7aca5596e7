import type { CheckpointClaim, CheckpointStore } from '../checkpoint/store.js';
import type { Checkpoint } from '../sink-driver.js';
import { asJson, fencedError } from './memory-destination.js';
import type { MemoryInstance } from './memory-instance.js';
import type { SystemEvents } from './system-event.js';

/** What the outside world keeps of one pipeline: its checkpoint, and who may move it. */
export interface SavedCheckpoint {
  checkpoint: Checkpoint;
  fence: number;
  holder: MemoryInstance | undefined;
}

/** What a store works on. */
export interface CheckpointSetup {
  readonly saved: Map<string, SavedCheckpoint>;
  readonly instance: MemoryInstance;
  readonly events: SystemEvents;
  /** True: a second claim is refused while the first holder lives. False: it takes over, and the first one is fenced. */
  readonly exclusive: boolean;
}

/** The checkpoint store of the outside world, as one instance sees it. */
export function openMemoryCheckpoints(setup: CheckpointSetup): CheckpointStore {
  const { instance } = setup;
  const held: CheckpointClaim[] = [];
  return {
    description: 'the memory system',
    durable: true,
    load: (pipeline) =>
      instance.perform({ name: 'store.load', target: pipeline, effect: () => savedOf(setup, pipeline).checkpoint }),
    async claim(pipeline) {
      const claim = await instance.perform({
        name: 'store.claim',
        target: pipeline,
        effect: () => takeClaim(setup, pipeline),
      });
      held.push(claim);
      return claim;
    },
    async close() {
      for (const claim of held) await claim.release();
    },
  };
}

function savedOf({ saved }: CheckpointSetup, pipeline: string): SavedCheckpoint {
  const known = saved.get(pipeline);
  if (known !== undefined) return known;
  const fresh: SavedCheckpoint = { checkpoint: {}, fence: 0, holder: undefined };
  saved.set(pipeline, fresh);
  return fresh;
}

function takeClaim(setup: CheckpointSetup, pipeline: string): CheckpointClaim {
  const { instance, events, exclusive } = setup;
  const saved = savedOf(setup, pipeline);
  const subject = `the checkpoint of pipeline "${pipeline}"`;
  if (exclusive && saved.holder?.alive && saved.holder !== instance) throw fencedError(subject);
  saved.fence += 1;
  saved.holder = instance;
  const { fence } = saved;
  return {
    checkpoint: saved.checkpoint,
    save: (checkpoint) =>
      instance.perform({
        name: 'store.save',
        target: pipeline,
        effect() {
          if (saved.fence !== fence) throw fencedError(subject);
          saved.checkpoint = asJson(checkpoint);
          const at = instance.clock.now();
          events.emit({ type: 'checkpoint', at, destination: undefined, pipeline, checkpoint: saved.checkpoint });
        },
      }),
    release: () =>
      instance.perform({
        name: 'store.release',
        target: pipeline,
        effect() {
          if (saved.fence === fence) saved.holder = undefined;
        },
      }),
  };
}
