import type { ConnectorError } from '@sluice/core';
import { isConnectorError } from '@sluice/core/driver';
import type { Direction } from './halves.js';
import type { WrongConfig } from './harness.js';
import type { Trial } from './trial.js';

/** The directions that the connector has. */
export function directionsOf(trial: Trial): readonly Direction[] {
  const { connector } = trial.harness;
  return (['source', 'sink'] as const).filter((direction) => connector[direction] !== undefined);
}

/**
 * The first error that a user sees who reads from or writes to a place, whether it stops the connector or is tried again.
 *
 * @throws {Error} when there is none within the trial's patience
 */
export async function firstFailure(trial: Trial, direction: Direction, place: WrongConfig): Promise<ConnectorError> {
  const stop = new AbortController();
  trial.finally(() => stop.abort());
  const seen = Promise.withResolvers<ConnectorError>();
  const use = direction === 'source' ? readOnce : writeOnce;
  const using = use(trial, place, { stop: stop.signal, onFailure: seen.resolve });
  using.then(
    () => seen.reject(new Error(`the ${direction} works with a config that must fail`)),
    (error: unknown) => {
      if (isConnectorError(error)) seen.resolve(error);
      else seen.reject(new Error(`the ${direction} threw no ConnectorError`, { cause: error }));
    },
  );
  try {
    return await trial.within(seen.promise, `the ${direction} fails`);
  } finally {
    stop.abort();
    // How it ends when it is stopped is asked elsewhere.
    await trial.within(Promise.allSettled([using]), `the ${direction} ends after its failure`);
  }
}

interface Use {
  readonly stop: AbortSignal;
  readonly onFailure: (error: ConnectorError) => void;
}

async function readOnce(trial: Trial, place: WrongConfig, { stop, onFailure }: Use): Promise<void> {
  const batches = trial.sourceOf(place).read({
    name: trial.name,
    signal: stop,
    onEvent: (event) => {
      if (event.type === 'degraded') onFailure(event.error);
    },
  });
  for await (const _ of batches) return;
}

async function writeOnce(trial: Trial, place: WrongConfig, { stop, onFailure }: Use): Promise<void> {
  const sink = await trial.sinkOf(place).open({ name: trial.name, signal: stop, onRetry: onFailure });
  try {
    await sink.write([{ key: Buffer.from('key'), payload: Buffer.from('payload') }]);
  } finally {
    await sink.close();
  }
}
