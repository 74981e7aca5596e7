import { fencedError } from './memory-destination.js';
import type { SinkSetup } from './memory-sink.js';

/** Which fences one atomic sink driver holds. Of a sink that is not atomic everything is allowed. */
export interface SinkClaims {
  /** Claims partitions, possibly none: raises their fences. */
  raise(partitions: readonly string[]): void;
  /** After a failed flush nobody knows whether it happened, so every partition has to be claimed again. */
  forget(): void;
  /**
   * Throws `internal` unless all partitions are claimed; returns the fences that are held now. Messages of no source partition
   * ("") need a claim of any, also of none.
   */
  require(partitions: readonly string[], what: string): ReadonlyMap<string, number>;
}

/** Makes the claims of a driver that holds none. */
export function createSinkClaims({ destination, pipeline, config, violations }: SinkSetup): SinkClaims {
  const none: ReadonlyMap<string, number> = new Map();
  let held: ReadonlyMap<string, number> | undefined;
  return {
    raise(partitions) {
      held = new Map([...(held ?? none), ...destination.claim(pipeline, partitions)]);
    },
    forget() {
      held = undefined;
    },
    require(partitions, what) {
      if (!config.atomic) return none;
      const missing = partitions.filter((partition) => partition !== '' && held?.has(partition) !== true);
      if (held === undefined || missing.length > 0)
        throw violations.report(
          `${what} of "${missing.join('", "')}" in ${destination.name} without a claim before it`,
        );
      return held;
    },
  };
}

/** Throws `fenced` when one of the partitions was claimed after these fences. */
export function checkFences(
  { destination, pipeline, config }: SinkSetup,
  partitions: readonly string[],
  fences: ReadonlyMap<string, number>,
): void {
  if (!config.atomic) return;
  const older = partitions.find(
    (partition) => partition !== '' && fences.get(partition) !== destination.fence(pipeline, partition),
  );
  if (older !== undefined) throw fencedError(`partition "${older}" of ${destination.name}`);
}
