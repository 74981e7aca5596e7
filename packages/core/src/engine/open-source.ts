import { ConnectorError } from '../error.js';
import type { SourceDriver } from '../source-driver.js';
import type { Backoff } from './backoff.js';
import { openDriver } from './open-driver.js';
import type { WrapError } from './part-error.js';
import type { SourcePlan } from './plan.js';
import type { Run } from './run.js';

/** How a source is to be opened. */
export interface SourceOpening {
  readonly wrap: WrapError;
  readonly backoff: Backoff;
  /** All attempts together may take so long; undefined: no limit, because it was open before. */
  readonly limitMs: number | undefined;
}

/** Opens the driver of a source, trying again with back-off what may pass. */
export function openSource(run: Run, { id, source, owner }: SourcePlan, opening: SourceOpening): Promise<SourceDriver> {
  const descriptor = source.connector.source;
  if (descriptor === undefined) throw new ConnectorError('unsupported', `${source.connector.name} has no source`);
  const context = { ...run.driverContext(id, source.connector.name), atomic: owner === 'sink' };
  return openDriver<SourceDriver>({
    ...opening,
    open: async (signal) => descriptor.open(source.config, source.options, { ...context, signal }),
    clock: run.plan.clock,
    maxAttempts: run.plan.retry.maxAttempts,
    attemptMs: run.plan.timeoutMs,
    stop: run.stopSignal,
    onRetry: (error, attempt, delayMs) => run.degraded(id, error, attempt, delayMs),
  });
}
