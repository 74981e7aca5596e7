import type { PipelineEvent } from '@sluice/core';

/** What is known about a pipeline from its events. */
export interface Health {
  /** The process is alive and the pipeline has not failed. */
  readonly healthy: boolean;
  /** Everything is open, nothing is being tried again, and it is not stopping. */
  readonly ready: boolean;
  /** Which parts are being tried again. */
  readonly degraded: readonly string[];
}

/** Follows the events of one pipeline. */
export function trackHealth(): { readonly onEvent: (event: PipelineEvent) => void; readonly health: () => Health } {
  const degraded = new Set<string>();
  let started = false;
  let stopped = false;
  let failed = false;
  return {
    onEvent: (event) => {
      if (event.type === 'started') started = true;
      if (event.type === 'degraded') degraded.add(event.part);
      if (event.type === 'recovered') degraded.delete(event.part);
      if (event.type === 'stopped') {
        stopped = true;
        failed = event.error !== undefined;
      }
    },
    health: () => ({ healthy: !failed, ready: started && !stopped && degraded.size === 0, degraded: [...degraded] }),
  };
}
