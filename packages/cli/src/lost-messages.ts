import type { PipelineStats } from '@sluice/core';

/** How many messages the connectors saw being lost before they could be received: what their counters named `dropped...` say. */
export function lostIn({ connectors }: PipelineStats): number {
  return Object.entries(connectors)
    .filter(([name]) => /\.dropped[^.]*$/.test(name))
    .reduce((sum, [, count]) => sum + count, 0);
}
