import { ConnectorError } from '../error.js';
import type { Checkpoint } from '../sink-driver.js';
import type { CheckpointClaim, CheckpointStore } from './store.js';

/**
 * Keeps checkpoints in this process, for tests and for pipelines that may start over with it. A second claim of a pipeline
 * takes over: the older holder's next save rejects with `fenced`. What was saved outlives `close()` and can be claimed again.
 */
export function memoryCheckpoints(): CheckpointStore {
  // As JSON, so that nobody holds or changes what is stored, and it comes back as it does from a durable store.
  const stored = new Map<string, string>();
  const holders = new Map<string, CheckpointClaim>();
  // Only checkpoints are put in.
  const load = (pipeline: string): Checkpoint => JSON.parse(stored.get(pipeline) ?? '{}') as Checkpoint;

  const save = (pipeline: string, claim: CheckpointClaim, checkpoint: Checkpoint): void => {
    const holder = holders.get(pipeline);
    if (holder === undefined) throw closed(pipeline);
    if (holder !== claim) throw fenced(pipeline);
    stored.set(pipeline, JSON.stringify(checkpoint));
  };

  const release = (pipeline: string, claim: CheckpointClaim): void => {
    if (holders.get(pipeline) === claim) holders.delete(pipeline);
  };

  const takeOver = (pipeline: string): CheckpointClaim => {
    const claim: CheckpointClaim = {
      checkpoint: load(pipeline),
      save: async (checkpoint) => save(pipeline, claim, checkpoint),
      release: async () => release(pipeline, claim),
    };
    holders.set(pipeline, claim);
    return claim;
  };

  return {
    description: 'memory',
    durable: false,
    load: async (pipeline) => load(pipeline),
    claim: async (pipeline) => takeOver(pipeline),
    close: async () => holders.clear(),
  };
}

function fenced(pipeline: string): ConnectorError {
  return new ConnectorError(
    'fenced',
    `checkpoint of pipeline "${pipeline}" could not be saved: a newer instance in this process has claimed it. Run one instance only.`,
  );
}

function closed(pipeline: string): ConnectorError {
  return new ConnectorError(
    'closed',
    `checkpoint of pipeline "${pipeline}" could not be saved: it was released. Claim it again before saving.`,
  );
}
