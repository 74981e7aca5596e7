import type { Checkpoint, Sink } from '@sluice/core';
import type { SinkDriver } from '@sluice/core/driver';

/** A call of the engine to a sink. */
export type SinkStep = 'open' | 'claim' | 'write' | 'flush';

/** Done instead of a step: makes the call, or does something before, beside or after it. */
export type AroundStep = <T>(step: SinkStep, call: () => Promise<T>, checkpoint?: Checkpoint) => Promise<T>;

/** The same sink for a pipeline, every step of which goes through `around`. */
export function watchedSink(sink: Sink, around: AroundStep): Sink {
  const half = sink.connector.sink;
  if (half === undefined) throw new Error(`${sink.connector.name} has no sink`);
  const open: typeof half.open = async (...request) =>
    watchedDriver(await around('open', async () => await half.open(...request)), around);
  return { ...sink, connector: { ...sink.connector, sink: { ...half, open } } };
}

function watchedDriver(driver: SinkDriver, around: AroundStep): SinkDriver {
  const { flush, claim } = driver;
  return {
    write: (batch, signal) => around('write', () => driver.write(batch, signal)),
    ...(flush && {
      flush: (checkpoint, signal) => around('flush', () => flush.call(driver, checkpoint, signal), checkpoint),
    }),
    ...(claim && { claim: (partitions) => around('claim', () => claim.call(driver, partitions)) }),
    close: () => driver.close(),
  };
}
